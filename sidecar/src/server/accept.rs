//! Accepts connections: of clients on one port, with HTTP/1.1 or clear-text HTTP/2, and of operators on another, with
//! HTTP/1.1. Each port has its own limit, so that neither blocks the other. On shutdown, requests in progress finish
//! first, and their usage is settled.
//!
//! The ports are closed at once: the kubelet stops a native sidecar after its application has ended.

mod bounds;
mod connection;
mod frames;
mod heads;
mod wire;

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use outrigger_listen::{ConnectionLimits, ConnectionTimeouts, Connections, Eviction, Peer, Port, Serve, drain};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

pub use bounds::{Bounds, raise_descriptors};

use crate::gateway::{Gateway, own_ports};

/// Idle connections may stay open for longer than clients keep theirs, so that clients close them first. An unread
/// answer is limited, because its memory and its concurrency permit are needed by others.
const CLIENTS: ConnectionTimeouts = ConnectionTimeouts {
    head: Duration::from_secs(10),
    idle: Duration::from_secs(360),
    unread: Duration::from_secs(120),
};
/// Prometheus usually scrapes every minute or more often.
const OPERATORS: ConnectionTimeouts = ConnectionTimeouts {
    head: Duration::from_secs(5),
    idle: Duration::from_secs(120),
    unread: Duration::from_secs(10),
};
/// How many clients beyond the limit get an error that there is no room.
const MAX_OVER_LIMIT: usize = 16;
/// How long requests in progress may take after the shutdown began.
const DRAIN: Duration = Duration::from_secs(25);
/// How long requests without a caller may continue after that, until their usage is known.
const SETTLE: Duration = Duration::from_secs(5);
/// How long a pod has until it is killed, by default: `terminationGracePeriodSeconds`, less a second.
const GRACE: Duration = Duration::from_secs(29);
/// How long to wait at the end for a ledger that is not connected.
const RECONNECT: Duration = Duration::from_secs(5);
/// How long to wait for a connected ledger that does not answer: the operator may have no ledger any more. The last
/// report is sent twice in this time.
const LEDGER_SILENCE: Duration = Duration::from_secs(10);
/// The least time for the ledger to confirm what is returned.
const LAST_REPORT: Duration = Duration::from_secs(1);
/// How long the operator has to hear that no request runs any more.
const FAREWELL: Duration = Duration::from_secs(1);

/// The open ports.
#[derive(Debug)]
pub struct Listeners {
    clients: Vec<TcpListener>,
    admin: Vec<TcpListener>,
}

impl Listeners {
    /// Opens the ports. If a port has several addresses, those after the first may fail: a machine without IPv6 has no
    /// `[::1]`.
    ///
    /// # Errors
    /// If the first address of either port cannot be bound.
    pub async fn bind(clients: &[SocketAddr], admin: &[SocketAddr]) -> io::Result<Self> {
        Ok(Listeners { clients: bind_all(clients).await?, admin: bind_all(admin).await? })
    }

    /// The addresses for clients.
    #[must_use]
    pub fn clients(&self) -> Vec<SocketAddr> {
        self.clients.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// The addresses for operators.
    #[must_use]
    pub fn admin(&self) -> Vec<SocketAddr> {
        self.admin.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }
}

async fn bind_all(addresses: &[SocketAddr]) -> io::Result<Vec<TcpListener>> {
    let mut listeners = Vec::new();
    let mut port = None;
    for (index, address) in addresses.iter().enumerate() {
        // With port 0, the second address takes the port that the system chose for the first.
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
            Err(error) => tracing::debug!(%address, %error, "cannot listen on this address"),
        }
    }
    Ok(listeners)
}

impl Gateway {
    /// Serves until `shutdown` completes, then lets requests in progress finish.
    ///
    /// # Errors
    /// None at present.
    pub async fn serve(self: Arc<Self>, listeners: Listeners, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        let ports = [listeners.clients(), listeners.admin()].concat();
        if let Some(served) = self.served() {
            own_ports::warn_about_own_ports(&served, &ports);
        }
        // A gateway serves once.
        let _ = self.ports.set(ports);
        let (stop, stopped) = watch::channel(());
        let mut warm = JoinSet::new();
        warm.spawn(Arc::clone(&self).keep_warm());
        let mut accepting = JoinSet::new();
        let bounds = Bounds::of_this_process();
        let room = |connections: usize, eviction: Eviction, timeouts: ConnectionTimeouts| {
            let limits =
                ConnectionLimits { connections, per_address: None, over_limit: MAX_OVER_LIMIT, eviction, timeouts };
            Arc::new(Connections::new(limits))
        };
        let clients = Port {
            connections: room(bounds.clients, Eviction::LongestWaiting, CLIENTS),
            evict_also_from: None,
            serve_backlog: false,
        };
        let admin = Port {
            connections: room(bounds.admin, Eviction::IncludingBusy, OPERATORS),
            evict_also_from: Some(Arc::clone(&clients.connections)),
            serve_backlog: false,
        };
        let permits = heads::permits();
        let ports = [(listeners.clients, clients, Purpose::Clients), (listeners.admin, admin, Purpose::Admin)];
        for (listeners, port, purpose) in ports {
            for listener in listeners {
                let at = listener.local_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |at| at.ip());
                let (gateway, permits, stopped) = (Arc::clone(&self), Arc::clone(&permits), stopped.clone());
                let serving = GatewayPort { gateway, purpose, at, permits, stopped: stopped.clone() };
                accepting.spawn(outrigger_listen::accept(listener, port.clone(), serving, stopped));
            }
        }
        drop(stopped);
        shutdown.await;
        let ends = Instant::now() + GRACE;
        drop(stop);
        drop(warm);
        drain(accepting, DRAIN).await;
        let settles = (Instant::now() + SETTLE).min(ends - LAST_REPORT);
        if tokio::time::timeout_at(settles, self.wait_until_idle()).await.is_err() {
            tracing::warn!("requests without a caller were still in progress: they are charged in full");
        }
        self.permits.close(Instant::now() + FAREWELL).await;
        let is_linked = self.link.read().as_ref().is_some_and(|link| link.connected);
        let silence = if is_linked { LEDGER_SILENCE } else { RECONNECT };
        let ends = ends.max(Instant::now() + LAST_REPORT);
        let history = self.history.close(ends.min(Instant::now() + silence));
        tokio::join!(self.accounts.close(ends, silence), history);
        self.records.flush().await;
        Ok(())
    }
}

/// Which kind of caller a port is for.
#[derive(Clone, Copy, Debug)]
enum Purpose {
    Clients,
    Admin,
}

/// A port's address, and everything that its connections need.
struct GatewayPort {
    gateway: Arc<Gateway>,
    purpose: Purpose,
    /// The address on which it listens.
    at: IpAddr,
    /// Permits for connections that read HTTP/2 heads.
    permits: Arc<Semaphore>,
    stopped: watch::Receiver<()>,
}

impl Serve for GatewayPort {
    fn serve(
        &self,
        stream: TcpStream,
        remote: SocketAddr,
        peer: Arc<Peer>,
    ) -> impl Future<Output = ()> + Send + 'static {
        let (gateway, permits, stopped) = (Arc::clone(&self.gateway), Arc::clone(&self.permits), self.stopped.clone());
        connection::serve(stream, remote, (peer, permits), gateway, (self.purpose, self.at), stopped)
    }
}
