//! Taking connections: clients' on one port, operators' on another, HTTP/1.1 and clear-text
//! HTTP/2 on both. On shutdown requests under way finish first, and what they used is settled.
//!
//! The ports are closed at once: a native sidecar is told to stop when its application has ended.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response, Version};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_io_timeout::TimeoutStream;

use crate::admin;
use crate::gateway::{Gateway, ReplyBody};
use crate::sockets;
use crate::unread;

/// How long a client may take to send a request's head. The wait for the next request on a kept
/// connection counts too, so it is longer than clients keep theirs: they close first.
const HEAD_TIME: Duration = Duration::from_secs(360);
/// How long a caller may leave an answer unread before its connection is closed: what is set aside for it, and its place among
/// those that may be under way, are others' too.
const UNREAD: Duration = Duration::from_secs(120);
/// How long requests under way may take after shutdown was asked for.
const DRAIN: Duration = Duration::from_secs(25);
/// How long those go on after it whose callers have gone: what they used is being found out.
const SETTLE: Duration = Duration::from_secs(5);

/// Open ports.
#[derive(Debug)]
pub struct Listeners {
    clients: Vec<TcpListener>,
    admin: Vec<TcpListener>,
}

impl Listeners {
    /// Opens the ports. With several addresses for one purpose, those after the first may fail:
    /// a machine without IPv6 has no `[::1]`.
    ///
    /// # Errors
    /// When the first address of either cannot be bound.
    pub async fn bind(clients: &[SocketAddr], admin: &[SocketAddr]) -> io::Result<Self> {
        Ok(Listeners { clients: bind_all(clients).await?, admin: bind_all(admin).await? })
    }

    /// Where clients are answered.
    #[must_use]
    pub fn clients(&self) -> Vec<SocketAddr> {
        self.clients.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// Where operators are.
    #[must_use]
    pub fn admin(&self) -> Vec<SocketAddr> {
        self.admin.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }
}

async fn bind_all(addresses: &[SocketAddr]) -> io::Result<Vec<TcpListener>> {
    let mut listeners = Vec::new();
    let mut port = None;
    for (index, address) in addresses.iter().enumerate() {
        // Port 0: the second address takes the port that the first was given.
        let address = match (address.port(), port) {
            (0, Some(port)) => SocketAddr::new(address.ip(), port),
            _ => *address,
        };
        match TcpListener::bind(address).await {
            Ok(listener) => {
                port = listener.local_addr().ok().map(|bound| bound.port());
                listeners.push(listener);
            }
            Err(error) if index == 0 => {
                return Err(io::Error::new(error.kind(), format!("cannot listen on {address}: {error}")));
            }
            Err(error) => tracing::debug!(%address, %error, "not listening there"),
        }
    }
    Ok(listeners)
}

impl Gateway {
    /// Serves until `shutdown` is over, then lets requests under way finish.
    ///
    /// # Errors
    /// None today; the signature leaves room.
    pub async fn serve(self: Arc<Self>, listeners: Listeners, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        let (stop, stopped) = watch::channel(());
        let warm = tokio::spawn(Arc::clone(&self).keep_warm());
        let mut accepting = JoinSet::new();
        for listener in listeners.clients {
            accepting.spawn(accept(listener, Arc::clone(&self), Port::Clients, stopped.clone()));
        }
        for listener in listeners.admin {
            accepting.spawn(accept(listener, Arc::clone(&self), Port::Admin, stopped.clone()));
        }
        drop(stopped);
        shutdown.await;
        drop(stop);
        warm.abort();
        let drained = async { while accepting.join_next().await.is_some() {} };
        if tokio::time::timeout(DRAIN, drained).await.is_err() {
            tracing::warn!("requests were still under way when the time to drain was over");
            accepting.shutdown().await;
        }
        if tokio::time::timeout(SETTLE, self.settled()).await.is_err() {
            tracing::warn!("requests without a caller were still under way: they are charged in full");
        }
        self.records.written().await;
        Ok(())
    }
}

#[derive(Clone, Copy, Debug)]
enum Port {
    Clients,
    Admin,
}

/// Accepts connections until the sender of `stopped` is gone, then waits for the open ones.
async fn accept(listener: TcpListener, gateway: Arc<Gateway>, port: Port, mut stopped: watch::Receiver<()>) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stopped.changed() => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                connections.spawn(connection(stream, peer, Arc::clone(&gateway), port, stopped.clone()));
            }
            Err(error) => {
                // Out of descriptors, most likely: others must end before the next can begin.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    gateway: Arc<Gateway>,
    port: Port,
    mut stopped: watch::Receiver<()>,
) {
    sockets::inward(&stream, UNREAD);
    let service = service_fn(move |request: Request<Incoming>| {
        let gateway = Arc::clone(&gateway);
        async move {
            let version = request.version();
            let response: Response<ReplyBody> = match port {
                Port::Clients => gateway.handle(request).await,
                Port::Admin => admin::answer(&gateway, &request, peer),
            };
            Ok::<_, Infallible>(match version {
                Version::HTTP_2 => response.map(|body| unread::watched(body, UNREAD)),
                _ => response,
            })
        }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIME);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(1_024).adaptive_window(true);
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(UNREAD));
    let connection = builder.serve_connection(TokioIo::new(Box::pin(stream)), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        _ = stopped.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, %peer, "connection ended");
    }
}
