//! Taking connections: clients' on one port, with HTTP/1.1 or clear-text HTTP/2, operators' on another, with HTTP/1.1. Both
//! have their own bound, so that neither keeps the other out. On shutdown requests under way finish first, and what they used
//! is settled.
//!
//! The ports are closed at once: a native sidecar is told to stop when its application has ended.

mod bounds;
mod connection;
mod frames;
mod heads;
mod peers;
mod wire;

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

pub use bounds::{Bounds, raise_descriptors};
use peers::{Entry, Peer, Peers, Times};

use crate::gateway::Gateway;
use crate::runtime::loop_detection;

/// Kept connections may wait longer than clients keep theirs: they close first. What is set aside for an answer that nobody
/// reads, and its place among those that may be under way, are others' too.
const CLIENTS: Times =
    Times { head: Duration::from_secs(10), idle: Duration::from_secs(360), unread: Duration::from_secs(120) };
/// Prometheus comes each minute at the latest, as a rule.
const OPERATORS: Times =
    Times { head: Duration::from_secs(5), idle: Duration::from_secs(120), unread: Duration::from_secs(10) };
/// How often it is looked who has waited for too long.
const LOOK: Duration = Duration::from_secs(1);
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
        let ports = [listeners.clients(), listeners.admin()].concat();
        if let Some(served) = self.served() {
            loop_detection::tell_own(&served, &ports);
        }
        // A gateway serves once.
        let _ = self.ports.set(ports);
        let (stop, stopped) = watch::channel(());
        let warm = tokio::spawn(Arc::clone(&self).keep_warm());
        let mut accepting = JoinSet::new();
        let rooms = Rooms::new(Bounds::of_this_process());
        for listener in listeners.clients {
            accepting.spawn(accept(listener, Arc::clone(&self), Port::Clients, rooms.clone(), stopped.clone()));
        }
        for listener in listeners.admin {
            accepting.spawn(accept(listener, Arc::clone(&self), Port::Admin, rooms.clone(), stopped.clone()));
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

/// The connections of both ports.
#[derive(Clone, Debug)]
struct Rooms {
    clients: Arc<Peers>,
    admin: Arc<Peers>,
    /// Of connections that read heads of HTTP/2.
    places: Arc<Semaphore>,
}

impl Rooms {
    fn new(bounds: Bounds) -> Self {
        Rooms {
            clients: Arc::new(Peers::new(bounds.clients, CLIENTS, false)),
            admin: Arc::new(Peers::new(bounds.admin, OPERATORS, true)),
            places: heads::places(),
        }
    }

    fn of(&self, port: Port) -> &Arc<Peers> {
        match port {
            Port::Clients => &self.clients,
            Port::Admin => &self.admin,
        }
    }
}

/// Accepts connections until the sender of `stopped` is gone, then waits for the open ones.
async fn accept(
    listener: TcpListener,
    gateway: Arc<Gateway>,
    port: Port,
    rooms: Rooms,
    mut stopped: watch::Receiver<()>,
) {
    let peers = rooms.of(port);
    let at = listener.local_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |at| at.ip());
    let mut connections = JoinSet::new();
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stopped.changed() => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            _ = look.tick(), if !peers.is_empty() => {
                peers.sweep();
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, remote)) => {
                let peer = match peers.enter() {
                    Entry::In(peer) | Entry::Crowded(peer) => peer,
                    // Closed unheard.
                    Entry::Out => continue,
                };
                let (gateway, stopped) = (Arc::clone(&gateway), stopped.clone());
                let places = Arc::clone(&rooms.places);
                let left = Leaves { peers: Arc::clone(peers), peer: Arc::clone(&peer) };
                connections.spawn(async move {
                    connection::serve(stream, remote, (peer, places), gateway, (port, at), stopped).await;
                    drop(left);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                // Out of descriptors, in spite of all bounds: one that is in use for nothing is given up.
                if !peers.spare() && !rooms.clients.spare() {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
        // In a flood each has its turn before the next comes: one whose head is here already is no slow one.
        tokio::task::yield_now().await;
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Says when a connection has ended, whatever way that was.
struct Leaves {
    peers: Arc<Peers>,
    peer: Arc<Peer>,
}

impl Drop for Leaves {
    fn drop(&mut self) {
        self.peers.left(&self.peer);
    }
}
