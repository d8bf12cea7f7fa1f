//! Takes connections until the port is closed, and waits for those that are open.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use crate::connections::{Connections, Entry, Peer};

/// How often it is looked who has waited for too long.
const LOOK: Duration = Duration::from_secs(1);
/// Before the next try, where nothing can be done, or what was done has not helped.
const BACK_OFF: Duration = Duration::from_millis(50);
/// How long a connection that was told to go may keep its descriptor until another one is told.
const RELEASE: Duration = Duration::from_secs(1);
/// Between two warnings that connections cannot be accepted.
const WARN: Duration = Duration::from_secs(1);
/// No more descriptors in this process, and in all of the system.
const EMFILE: i32 = 24;
const ENFILE: i32 = 23;

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

/// Where connections come from.
trait AcceptSource: Send {
    fn next(&mut self) -> impl Future<Output = io::Result<(TcpStream, SocketAddr)>> + Send;
}

impl AcceptSource for TcpListener {
    async fn next(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        self.accept().await
    }
}

/// Accepts connections until the sender of `stopped` is gone, then closes the port and waits for the open ones. If it is
/// dropped, they end at once.
pub async fn accept(listener: TcpListener, port: Port, serve: impl Serve, stopped: watch::Receiver<()>) {
    accept_from(listener, port, serve, stopped).await;
}

async fn accept_from(mut source: impl AcceptSource, port: Port, serve: impl Serve, stopped: watch::Receiver<()>) {
    let Port { connections, relief, last_call } = port;
    let (mut stopped, mut stopped_last) = (stopped.clone(), stopped);
    let mut tasks = JoinSet::new();
    let mut failures = Failures::default();
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
            accepted = source.next() => accepted,
            _ = stopped_last.changed(), if last_call => break,
        };
        match accepted {
            Ok((stream, remote)) => {
                failures.in_a_row = 0;
                match connections.enter(remote.ip().to_canonical()) {
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
                }
            }
            Err(error) => {
                let spare = || connections.spare().or_else(|| relief.as_ref().and_then(|other| other.spare()));
                failures.recover(&error, spare).await;
            }
        }
        // In a flood each has its turn before the next comes: one whose head is here already is no slow one.
        tokio::task::yield_now().await;
    }
    drop(source);
    while tasks.join_next().await.is_some() {}
}

/// What went wrong with accepting.
#[derive(Debug, Default)]
struct Failures {
    /// Since a connection was accepted.
    in_a_row: u32,
    /// Since a warning was written.
    untold: u32,
    warned: Option<Instant>,
}

impl Failures {
    /// Does what can be done, and waits until it makes sense to try again. `spare` closes a connection.
    async fn recover(&mut self, error: &io::Error, spare: impl FnOnce() -> Option<Arc<Peer>>) {
        self.in_a_row += 1;
        self.warn(error);
        if error.kind() == io::ErrorKind::ConnectionAborted {
            // Whoever came has gone: the next is another one.
            return;
        }
        let out_of_descriptors = matches!(error.raw_os_error(), Some(EMFILE | ENFILE));
        // In spite of all bounds: one that is in use for nothing is given up.
        let spared = if out_of_descriptors { spare() } else { None };
        let mut pauses = self.in_a_row > 1;
        match spared {
            // Until then the next try fails like this one, and would cost another connection.
            Some(peer) => pauses &= tokio::time::timeout(RELEASE, peer.has_gone()).await.is_ok(),
            None => pauses = true,
        }
        if pauses {
            tokio::time::sleep(BACK_OFF).await;
        }
    }

    fn warn(&mut self, error: &io::Error) {
        if let Some(times) = self.tells(Instant::now()) {
            tracing::warn!(%error, times, "connections could not be accepted");
        }
    }

    /// How many failures a warning is to speak of, if it is time for one.
    fn tells(&mut self, now: Instant) -> Option<u32> {
        self.untold += 1;
        if self.warned.is_some_and(|warned| now - warned < WARN) {
            return None;
        }
        self.warned = Some(now);
        Some(std::mem::take(&mut self.untold))
    }
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

    /// After so many connections there are no more descriptors, until so many have been given back.
    struct OutOfDescriptors {
        listener: TcpListener,
        left: usize,
        missing: usize,
        given_back: mpsc::UnboundedReceiver<()>,
    }

    impl AcceptSource for OutOfDescriptors {
        async fn next(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
            while self.given_back.try_recv().is_ok() {
                self.missing = self.missing.saturating_sub(1);
            }
            match (self.left, self.missing) {
                (0, 0) => std::future::pending().await,
                (0, _) => Err(io::Error::from_raw_os_error(EMFILE)),
                _ => {
                    self.left -= 1;
                    self.listener.accept().await
                }
            }
        }
    }

    /// A connection that takes so long to end when it is told to go, and says when it was told.
    struct Leaving {
        takes: Duration,
        told: mpsc::UnboundedSender<Instant>,
        gives_back: mpsc::UnboundedSender<()>,
    }

    impl Serve for Leaving {
        fn serve(
            &self,
            stream: TcpStream,
            _: SocketAddr,
            peer: Arc<Peer>,
        ) -> impl Future<Output = ()> + Send + 'static {
            let (takes, told, gives_back) = (self.takes, self.told.clone(), self.gives_back.clone());
            async move {
                peer.told_to_go().await;
                told.send(Instant::now()).unwrap();
                tokio::time::sleep(takes).await;
                drop(stream);
                let _ = gives_back.send(());
            }
        }
    }

    /// With four idle connections and so many descriptors missing: how long after the first the others were told to go,
    /// within a minute.
    async fn told_to_go(missing: usize, takes: Duration) -> Vec<Duration> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let clients = [(); 4].map(|()| std::net::TcpStream::connect(address).unwrap());
        let (gives_back, given_back) = mpsc::unbounded_channel();
        let (told, mut hears) = mpsc::unbounded_channel();
        let (_stop, stopped) = watch::channel(());
        let times = Times { head: NEVER, idle: NEVER, unread: NEVER };
        let eviction = Eviction::LongestWaiting;
        let limits = ConnectionLimits { connections: 8, of_an_address: None, crowded: 0, eviction, times };
        let port = Port { connections: Arc::new(Connections::new(limits)), relief: None, last_call: false };
        let source = OutOfDescriptors { listener, left: clients.len(), missing, given_back };
        let accepting = accept_from(source, port, Leaving { takes, told, gives_back }, stopped);
        assert!(tokio::time::timeout(Duration::from_secs(60), accepting).await.is_err());
        let mut all = Vec::new();
        while let Ok(at) = hears.try_recv() {
            all.push(at);
        }
        all.iter().map(|at| *at - all[0]).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn out_of_descriptors_one_connection_goes_and_no_other_before_its_own_is_free() {
        let takes = Duration::from_millis(300);
        assert_eq!(told_to_go(1, takes).await, [Duration::ZERO]);
        assert_eq!(told_to_go(2, takes).await, [Duration::ZERO, takes]);
        let third = takes * 2 + BACK_OFF;
        assert_eq!(told_to_go(3, takes).await, [Duration::ZERO, takes, third]);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_does_not_go_is_waited_for_no_longer_than_a_second() {
        assert_eq!(told_to_go(1, RELEASE * 5 / 2).await, [0, 1, 2].map(|times| RELEASE * times));
    }

    #[tokio::test(start_paused = true)]
    async fn a_warning_a_second_tells_of_all_failures_since_the_last() {
        let mut failures = Failures::default();
        let mut told = Vec::new();
        for _ in 0..21 {
            told.extend(failures.tells(Instant::now()));
            tokio::time::advance(Duration::from_millis(100)).await;
        }
        assert_eq!(told, [1, 10, 10]);
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
