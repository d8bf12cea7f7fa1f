//! Takes connections until the port is closed, and waits for those that are open.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::connections::{Connections, Entry, Peer};

/// How often it is looked who has waited for too long.
const LOOK: Duration = Duration::from_secs(1);
/// Out of descriptors, and no connection can be closed for a new one.
const BACK_OFF: Duration = Duration::from_millis(50);

/// What is done with the connections of a port.
pub trait Serve: Send + 'static {
    /// Serves a connection until it ends, or is told to go. A peer that came in beyond the bound is
    /// [crowded](Peer::crowded): its requests are refused.
    fn serve(
        &self,
        stream: TcpStream,
        remote: SocketAddr,
        peer: Arc<Peer>,
    ) -> impl Future<Output = ()> + Send + 'static;

    /// A connection was closed unheard, because all others are busy.
    fn shut_out(&self, _remote: SocketAddr) {}
}

/// How connections are taken.
#[derive(Clone, Debug)]
pub struct Port {
    /// Shared by all listeners of the same purpose.
    pub connections: Arc<Connections>,
    /// Where one is closed if the process is out of descriptors and none of this port can be.
    pub relief: Option<Arc<Connections>>,
    /// Whether those that have connected before the port is closed are served.
    pub last_call: bool,
}

/// Accepts connections until the sender of `stopped` is gone, then closes the port and waits for the open ones. If it is
/// dropped, they end at once.
pub async fn accept(listener: TcpListener, port: Port, serve: impl Serve, stopped: watch::Receiver<()>) {
    let Port { connections, relief, last_call } = port;
    let (mut stopped, mut stopped_last) = (stopped.clone(), stopped);
    let mut tasks = JoinSet::new();
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stopped.changed(), if !last_call => break,
            Some(_) = tasks.join_next(), if !tasks.is_empty() => continue,
            _ = look.tick(), if !connections.is_empty() => {
                connections.sweep();
                continue;
            }
            accepted = listener.accept() => accepted,
            _ = stopped_last.changed(), if last_call => break,
        };
        match accepted {
            Ok((stream, remote)) => match connections.enter(remote.ip().to_canonical()) {
                Entry::In(peer) | Entry::Crowded(peer) => {
                    let left = Leaves { connections: Arc::clone(&connections), peer: Arc::clone(&peer) };
                    let serving = serve.serve(stream, remote, peer);
                    tasks.spawn(async move {
                        serving.await;
                        drop(left);
                    });
                }
                Entry::Out => {
                    serve.shut_out(remote);
                    continue;
                }
            },
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                // Out of descriptors, in spite of all bounds: one that is in use for nothing is given up.
                if !connections.spare() && !relief.as_ref().is_some_and(|other| other.spare()) {
                    tokio::time::sleep(BACK_OFF).await;
                }
            }
        }
        // In a flood each has its turn before the next comes: one whose head is here already is no slow one.
        tokio::task::yield_now().await;
    }
    drop(listener);
    while tasks.join_next().await.is_some() {}
}

/// Waits until all ports are closed and their connections have ended; when the time is over, ends those that are left.
pub async fn drain(mut accepting: JoinSet<()>, within: Duration) {
    let drained = async { while accepting.join_next().await.is_some() {} };
    if tokio::time::timeout(within, drained).await.is_err() {
        tracing::warn!("requests were still under way when the time to drain was over");
        accepting.shutdown().await;
    }
}

/// Says when a connection has ended, whatever way that was.
struct Leaves {
    connections: Arc<Connections>,
    peer: Arc<Peer>,
}

impl Drop for Leaves {
    fn drop(&mut self) {
        self.connections.left(&self.peer);
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::mpsc;

    use super::*;
    use crate::connections::{ConnectionLimits, Eviction, NEVER, Times};

    /// Says who came and who was shut out. A connection is one request, which ends with the client's side.
    struct Echo(mpsc::UnboundedSender<&'static str>);

    impl Serve for Echo {
        fn serve(
            &self,
            mut stream: TcpStream,
            _: SocketAddr,
            peer: Arc<Peer>,
        ) -> impl Future<Output = ()> + Send + 'static {
            let heard = self.0.clone();
            let underway = peer.begins();
            async move {
                heard.send(if peer.crowded { "crowded" } else { "in" }).unwrap();
                let (mut reads, mut writes) = stream.split();
                tokio::io::copy(&mut reads, &mut writes).await.unwrap();
                drop(underway);
            }
        }

        fn shut_out(&self, _: SocketAddr) {
            self.0.send("out").unwrap();
        }
    }

    struct World {
        address: SocketAddr,
        heard: mpsc::UnboundedReceiver<&'static str>,
        stop: watch::Sender<()>,
        accepting: JoinSet<()>,
        port: Port,
    }

    async fn world(last_call: bool) -> World {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (told, heard) = mpsc::unbounded_channel();
        let (stop, stopped) = watch::channel(());
        let times = Times { head: NEVER, idle: NEVER, unread: NEVER };
        let limits = ConnectionLimits {
            connections: 1,
            of_an_address: None,
            crowded: 1,
            eviction: Eviction::LongestWaiting,
            times,
        };
        let port = Port { connections: Arc::new(Connections::new(limits)), relief: None, last_call };
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, port.clone(), Echo(told), stopped));
        World { address, heard, stop, accepting, port }
    }

    #[tokio::test]
    async fn connections_beyond_the_bound_are_served_as_crowded_and_then_closed_unheard() {
        let mut world = world(false).await;
        let mut clients = Vec::new();
        for expected in ["in", "crowded", "out"] {
            clients.push(TcpStream::connect(world.address).await.unwrap());
            assert_eq!(world.heard.recv().await, Some(expected));
        }
        assert!(matches!(clients[2].read(&mut [0]).await, Ok(0) | Err(_)));
        drop(world.stop);
        clients.clear();
        drain(world.accepting, Duration::from_secs(60)).await;
        assert!(world.port.connections.is_empty());
    }

    #[tokio::test]
    async fn what_is_under_way_ends_first_and_the_port_is_closed_meanwhile() {
        let mut world = world(false).await;
        let mut client = TcpStream::connect(world.address).await.unwrap();
        assert_eq!(world.heard.recv().await, Some("in"));
        drop(world.stop);
        let draining = tokio::spawn(drain(world.accepting, Duration::from_secs(60)));
        while TcpStream::connect(world.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        client.write_all(b"x").await.unwrap();
        client.shutdown().await.unwrap();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer, b"x");
        draining.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn what_goes_on_for_too_long_is_ended() {
        let mut world = world(false).await;
        let mut client = TcpStream::connect(world.address).await.unwrap();
        assert_eq!(world.heard.recv().await, Some("in"));
        drop(world.stop);
        drain(world.accepting, Duration::from_secs(60)).await;
        assert!(matches!(client.read(&mut [0]).await, Ok(0) | Err(_)));
        assert!(world.port.connections.is_empty());
    }

    #[tokio::test]
    async fn at_a_last_call_those_who_have_connected_are_served() {
        let mut world = world(true).await;
        let connect = || std::net::TcpStream::connect(world.address).unwrap();
        let sockets = [connect(), connect()];
        assert_eq!(world.heard.recv().await, Some("in"));
        drop(world.stop);
        assert_eq!(world.heard.recv().await, Some("crowded"));
        drop(sockets);
        drain(world.accepting, Duration::from_secs(60)).await;
    }
}
