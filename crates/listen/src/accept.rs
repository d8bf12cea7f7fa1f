//! Accepts connections until the port is closed, then waits for the open ones.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use crate::connections::{AdmitResult, Connections};
use crate::peer::Peer;

/// How often connections are checked for timeouts.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);
/// The pause before the next try, if nothing could be closed or closing did not help.
const BACK_OFF: Duration = Duration::from_millis(50);
/// How long an evicted connection may take to free its descriptor before another one is evicted.
const CLOSE_WAIT: Duration = Duration::from_secs(1);
/// The shortest time between two warnings that connections cannot be accepted.
const WARN_INTERVAL: Duration = Duration::from_secs(1);
/// Out of file descriptors: in this process, and in the system.
const EMFILE: i32 = 24;
const ENFILE: i32 = 23;

/// Serves the connections of a port.
pub trait Serve: Send + 'static {
    /// Serves a connection until it ends or is asked to close. If [`Peer::over_limit`] is set, its requests must be
    /// refused.
    fn serve(
        &self,
        stream: TcpStream,
        remote: SocketAddr,
        peer: Arc<Peer>,
    ) -> impl Future<Output = ()> + Send + 'static;

    /// A connection was closed at once, because all others are busy.
    fn rejected(&self, _remote: SocketAddr) {}
}

/// How to accept connections.
#[derive(Clone, Debug)]
pub struct Port {
    /// Shared by all listeners with the same purpose.
    pub connections: Arc<Connections>,
    /// If the process is out of descriptors and no connection of this port can be closed, one of these is.
    pub evict_also_from: Option<Arc<Connections>>,
    /// Whether connections in the backlog are served when the port is closed.
    pub serve_backlog: bool,
}

/// A source of new connections.
trait AcceptSource: Send {
    fn next(&mut self) -> impl Future<Output = io::Result<(TcpStream, SocketAddr)>> + Send;
}

impl AcceptSource for TcpListener {
    async fn next(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        self.accept().await
    }
}

/// Accepts connections until the sender of `stopped` is dropped, then closes the port and waits for the open ones. If
/// the future is dropped, they end at once.
pub async fn accept(listener: TcpListener, port: Port, serve: impl Serve, stopped: watch::Receiver<()>) {
    accept_from(listener, port, serve, stopped).await;
}

async fn accept_from(mut source: impl AcceptSource, port: Port, serve: impl Serve, stopped: watch::Receiver<()>) {
    let Port { connections, evict_also_from, serve_backlog } = port;
    let (mut stopped, mut stopped_last) = (stopped.clone(), stopped);
    let mut tasks = JoinSet::new();
    let mut failures = Failures::default();
    let mut sweep_tick = tokio::time::interval(SWEEP_INTERVAL);
    sweep_tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stopped.changed(), if !serve_backlog => break,
            Some(_) = tasks.join_next(), if !tasks.is_empty() => continue,
            _ = sweep_tick.tick(), if !connections.is_empty() => {
                connections.sweep();
                continue;
            }
            accepted = source.next() => accepted,
            _ = stopped_last.changed(), if serve_backlog => break,
        };
        match accepted {
            Ok((stream, remote)) => {
                failures.in_a_row = 0;
                match connections.admit(remote.ip().to_canonical()) {
                    AdmitResult::Accepted(peer) | AdmitResult::OverLimit(peer) => {
                        let remove_on_drop =
                            RemoveOnDrop { connections: Arc::clone(&connections), peer: Arc::clone(&peer) };
                        let serving = serve.serve(stream, remote, peer);
                        tasks.spawn(async move {
                            serving.await;
                            drop(remove_on_drop);
                        });
                    }
                    AdmitResult::Rejected => {
                        serve.rejected(remote);
                        continue;
                    }
                }
            }
            Err(error) => {
                let evict = || connections.evict().or_else(|| evict_also_from.as_ref().and_then(|other| other.evict()));
                failures.recover(&error, evict).await;
            }
        }
        // Under load, lets the tasks run before the next connection: a head that has already arrived must not count as
        // slow.
        tokio::task::yield_now().await;
    }
    drop(source);
    while tasks.join_next().await.is_some() {}
}

/// Failures of accepting.
#[derive(Debug, Default)]
struct Failures {
    /// Since the last accepted connection.
    in_a_row: u32,
    /// Since the last warning.
    unreported: u32,
    warned: Option<Instant>,
}

impl Failures {
    /// Does what can be done, and waits until it makes sense to try again. `evict` closes a connection.
    async fn recover(&mut self, error: &io::Error, evict: impl FnOnce() -> Option<Arc<Peer>>) {
        self.in_a_row += 1;
        self.warn(error);
        if error.kind() == io::ErrorKind::ConnectionAborted {
            // The client has disconnected: try the next connection.
            return;
        }
        let out_of_descriptors = matches!(error.raw_os_error(), Some(EMFILE | ENFILE));
        // Should not happen within the limits: gives up the connection that is needed least.
        let evicted = if out_of_descriptors { evict() } else { None };
        let mut pauses = self.in_a_row > 1;
        match evicted {
            // Until it is closed the next try would fail too, and would evict another connection.
            Some(peer) => pauses &= tokio::time::timeout(CLOSE_WAIT, peer.closed()).await.is_ok(),
            None => pauses = true,
        }
        if pauses {
            tokio::time::sleep(BACK_OFF).await;
        }
    }

    fn warn(&mut self, error: &io::Error) {
        if let Some(times) = self.due_warning(Instant::now()) {
            tracing::warn!(%error, times, "connections could not be accepted");
        }
    }

    /// Counts a failure, and returns the number of failures to report if a warning is due.
    fn due_warning(&mut self, now: Instant) -> Option<u32> {
        self.unreported += 1;
        if self.warned.is_some_and(|warned| now - warned < WARN_INTERVAL) {
            return None;
        }
        self.warned = Some(now);
        Some(std::mem::take(&mut self.unreported))
    }
}

/// Waits until all ports are closed and their connections have ended. After `within`, ends the remaining ones.
pub async fn drain(mut accepting: JoinSet<()>, within: Duration) {
    let drained = async { while accepting.join_next().await.is_some() {} };
    if tokio::time::timeout(within, drained).await.is_err() {
        tracing::warn!("requests were still under way when the time to drain was over");
        accepting.shutdown().await;
    }
}

/// Removes a connection from the table when it ends, for whatever reason.
struct RemoveOnDrop {
    connections: Arc<Connections>,
    peer: Arc<Peer>,
}

impl Drop for RemoveOnDrop {
    fn drop(&mut self) {
        self.connections.remove(&self.peer);
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::mpsc;

    use super::*;
    use crate::limits::{ConnectionLimits, ConnectionTimeouts, Eviction, NEVER};

    /// Reports which connections were accepted and rejected. A connection is one request, and ends when the client
    /// closes its side.
    struct Echo(mpsc::UnboundedSender<&'static str>);

    impl Serve for Echo {
        fn serve(
            &self,
            mut stream: TcpStream,
            _: SocketAddr,
            peer: Arc<Peer>,
        ) -> impl Future<Output = ()> + Send + 'static {
            let events = self.0.clone();
            let request = peer.begin_request();
            async move {
                events.send(if peer.over_limit { "over limit" } else { "accepted" }).unwrap();
                let (mut reads, mut writes) = stream.split();
                tokio::io::copy(&mut reads, &mut writes).await.unwrap();
                drop(request);
            }
        }

        fn rejected(&self, _: SocketAddr) {
            self.0.send("rejected").unwrap();
        }
    }

    struct TestPort {
        address: SocketAddr,
        events: mpsc::UnboundedReceiver<&'static str>,
        stop: watch::Sender<()>,
        accepting: JoinSet<()>,
        port: Port,
    }

    async fn test_port(serve_backlog: bool) -> TestPort {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, events) = mpsc::unbounded_channel();
        let (stop, stopped) = watch::channel(());
        let timeouts = ConnectionTimeouts { head: NEVER, idle: NEVER, unread: NEVER };
        let limits = ConnectionLimits {
            connections: 1,
            per_address: None,
            over_limit: 1,
            eviction: Eviction::LongestWaiting,
            timeouts,
        };
        let port = Port { connections: Arc::new(Connections::new(limits)), evict_also_from: None, serve_backlog };
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, port.clone(), Echo(sender), stopped));
        TestPort { address, events, stop, accepting, port }
    }

    /// Runs out of descriptors after `left` connections, until `missing` descriptors are freed.
    struct OutOfDescriptors {
        listener: TcpListener,
        left: usize,
        missing: usize,
        freed: mpsc::UnboundedReceiver<()>,
    }

    impl AcceptSource for OutOfDescriptors {
        async fn next(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
            while self.freed.try_recv().is_ok() {
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

    /// A connection that takes a while to close, and reports when it was asked to.
    struct SlowClose {
        takes: Duration,
        closed_at: mpsc::UnboundedSender<Instant>,
        descriptors: mpsc::UnboundedSender<()>,
    }

    impl Serve for SlowClose {
        fn serve(
            &self,
            stream: TcpStream,
            _: SocketAddr,
            peer: Arc<Peer>,
        ) -> impl Future<Output = ()> + Send + 'static {
            let (takes, closed_at, descriptors) = (self.takes, self.closed_at.clone(), self.descriptors.clone());
            async move {
                peer.close_requested().await;
                closed_at.send(Instant::now()).unwrap();
                tokio::time::sleep(takes).await;
                drop(stream);
                let _ = descriptors.send(());
            }
        }
    }

    /// With four idle connections and `missing` descriptors: when the connections were asked to close within a minute,
    /// counted from the first.
    async fn close_times(missing: usize, takes: Duration) -> Vec<Duration> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let clients = [(); 4].map(|()| std::net::TcpStream::connect(address).unwrap());
        let (descriptors, freed) = mpsc::unbounded_channel();
        let (record, mut closed_at) = mpsc::unbounded_channel();
        let (_stop, stopped) = watch::channel(());
        let timeouts = ConnectionTimeouts { head: NEVER, idle: NEVER, unread: NEVER };
        let eviction = Eviction::LongestWaiting;
        let limits = ConnectionLimits { connections: 8, per_address: None, over_limit: 0, eviction, timeouts };
        let port =
            Port { connections: Arc::new(Connections::new(limits)), evict_also_from: None, serve_backlog: false };
        let source = OutOfDescriptors { listener, left: clients.len(), missing, freed };
        let accepting = accept_from(source, port, SlowClose { takes, closed_at: record, descriptors }, stopped);
        assert!(tokio::time::timeout(Duration::from_secs(60), accepting).await.is_err());
        let mut all = Vec::new();
        while let Ok(at) = closed_at.try_recv() {
            all.push(at);
        }
        all.iter().map(|at| *at - all[0]).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn out_of_descriptors_evicts_one_connection_and_waits_until_it_is_closed() {
        let takes = Duration::from_millis(300);
        assert_eq!(close_times(1, takes).await, [Duration::ZERO]);
        assert_eq!(close_times(2, takes).await, [Duration::ZERO, takes]);
        let third = takes * 2 + BACK_OFF;
        assert_eq!(close_times(3, takes).await, [Duration::ZERO, takes, third]);
    }

    #[tokio::test(start_paused = true)]
    async fn waits_at_most_a_second_for_an_evicted_connection() {
        assert_eq!(close_times(1, CLOSE_WAIT * 5 / 2).await, [0, 1, 2].map(|times| CLOSE_WAIT * times));
    }

    #[tokio::test(start_paused = true)]
    async fn warns_once_a_second_with_the_number_of_failures() {
        let mut failures = Failures::default();
        let mut warnings = Vec::new();
        for _ in 0..21 {
            warnings.extend(failures.due_warning(Instant::now()));
            tokio::time::advance(Duration::from_millis(100)).await;
        }
        assert_eq!(warnings, [1, 10, 10]);
    }

    #[tokio::test]
    async fn connections_over_the_limit_are_marked_and_then_rejected() {
        let mut test_port = test_port(false).await;
        let mut clients = Vec::new();
        for expected in ["accepted", "over limit", "rejected"] {
            clients.push(TcpStream::connect(test_port.address).await.unwrap());
            assert_eq!(test_port.events.recv().await, Some(expected));
        }
        assert!(matches!(clients[2].read(&mut [0]).await, Ok(0) | Err(_)));
        drop(test_port.stop);
        clients.clear();
        drain(test_port.accepting, Duration::from_secs(60)).await;
        assert!(test_port.port.connections.is_empty());
    }

    #[tokio::test]
    async fn drain_finishes_active_requests_and_closes_the_port_first() {
        let mut test_port = test_port(false).await;
        let mut client = TcpStream::connect(test_port.address).await.unwrap();
        assert_eq!(test_port.events.recv().await, Some("accepted"));
        drop(test_port.stop);
        let draining = tokio::spawn(drain(test_port.accepting, Duration::from_secs(60)));
        while TcpStream::connect(test_port.address).await.is_ok() {
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
    async fn drain_ends_requests_after_its_timeout() {
        let mut test_port = test_port(false).await;
        let mut client = TcpStream::connect(test_port.address).await.unwrap();
        assert_eq!(test_port.events.recv().await, Some("accepted"));
        drop(test_port.stop);
        drain(test_port.accepting, Duration::from_secs(60)).await;
        assert!(matches!(client.read(&mut [0]).await, Ok(0) | Err(_)));
        assert!(test_port.port.connections.is_empty());
    }

    #[tokio::test]
    async fn serve_backlog_serves_connections_made_before_the_port_closed() {
        let mut test_port = test_port(true).await;
        let connect = || std::net::TcpStream::connect(test_port.address).unwrap();
        let sockets = [connect(), connect()];
        assert_eq!(test_port.events.recv().await, Some("accepted"));
        drop(test_port.stop);
        assert_eq!(test_port.events.recv().await, Some("over limit"));
        drop(sockets);
        drain(test_port.accepting, Duration::from_secs(60)).await;
    }
}
