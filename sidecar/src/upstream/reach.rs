//! Connects to a host by trying all of its addresses, each with a head start over the next (RFC 8305).
//!
//! The first address of a host may be dead while others answer: a node is gone, or an IP version is not routed. Or it
//! accepts connections and sends nothing, like a load balancer without backends. So the handshake on a connection (TLS)
//! is part of a try.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

/// How long an address is tried alone before the next one is tried too.
const HEAD_START: Duration = Duration::from_millis(250);
/// The same for an address that has accepted the connection.
const HANDSHAKE_HEAD_START: Duration = Duration::from_secs(1);

/// The progress of a try.
enum Progress<T, U> {
    Connected(T),
    HandshakeDone(U),
}

/// Connects to the first address that answers and completes the handshake, and returns it.
///
/// `time_limit` limits all tries together; each address gets a share of it.
///
/// # Errors
/// The error of the first address that failed, if all failed.
pub async fn reach<T, U, E, C, G>(
    addresses: Vec<SocketAddr>,
    time_limit: Duration,
    connect: impl Fn(SocketAddr) -> C,
    handshake: impl Fn(T) -> G,
) -> Result<(SocketAddr, U), E>
where
    T: Send + 'static,
    U: Send + 'static,
    E: From<io::Error> + Send + 'static,
    C: Future<Output = io::Result<T>> + Send + 'static,
    G: Future<Output = Result<U, E>> + Send + 'static,
{
    if let [only] = addresses[..] {
        return Ok((only, handshake(connect(only).await?).await?));
    }
    let turns = u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
    let share = time_limit / (turns + 1);
    let mut left = addresses.into_iter();
    let mut tried = JoinSet::new();
    let mut failed = None;
    let mut next_at = Instant::now();
    loop {
        if Instant::now() >= next_at
            && let Some(address) = left.next()
        {
            let connecting = connect(address);
            tried.spawn(async move { (address, connecting.await.map(Progress::Connected).map_err(E::from)) });
            next_at = Instant::now() + HEAD_START.min(share);
        }
        let others = left.len() > 0;
        tokio::select! {
            joined = tried.join_next() => match joined {
                Some(Ok((address, Ok(Progress::HandshakeDone(established))))) => return Ok((address, established)),
                Some(Ok((address, Ok(Progress::Connected(connected))))) => {
                    let handshaking = handshake(connected);
                    tried.spawn(async move { (address, handshaking.await.map(Progress::HandshakeDone)) });
                    next_at = Instant::now() + HANDSHAKE_HEAD_START.min(share);
                }
                Some(Ok((_, Err(error)))) => {
                    failed.get_or_insert(error);
                    next_at = Instant::now();
                }
                Some(Err(error)) => {
                    failed.get_or_insert(io::Error::other(error).into());
                    next_at = Instant::now();
                }
                None => {
                    let none = || io::Error::new(io::ErrorKind::NotFound, "the name has no address").into();
                    return Err(failed.unwrap_or_else(none));
                }
            },
            () = tokio::time::sleep_until(next_at), if others => {}
        }
    }
}

/// What is known about a host's addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KnownAddresses {
    /// The address that was reached last. It is tried first.
    pub answered: Option<IpAddr>,
    /// The address that was reached, and closed before it answered a request. It is tried last.
    pub closed: Option<IpAddr>,
}

impl KnownAddresses {
    /// Records that an address was reached.
    pub fn reached(&mut self, address: IpAddr) {
        self.answered = Some(address);
        self.closed = self.closed.filter(|closed| *closed != address);
    }

    /// Records that the address that was reached last has closed without an answer.
    pub fn closed(&mut self) {
        self.closed = self.answered.take().or(self.closed);
    }
}

/// Orders addresses for the tries: the one that answered last, then alternately one of each IP version, beginning with
/// the resolver's first.
pub fn in_order(found: impl Iterator<Item = SocketAddr>, known: KnownAddresses) -> Vec<SocketAddr> {
    let mut found: Vec<SocketAddr> = found.collect();
    found.dedup();
    let first_is_v6 = found.first().is_some_and(SocketAddr::is_ipv6);
    let (same, other): (Vec<_>, Vec<_>) = found.into_iter().partition(|address| address.is_ipv6() == first_is_v6);
    let mut ordered = Vec::with_capacity(same.len() + other.len());
    let (mut same, mut other) = (same.into_iter(), other.into_iter());
    loop {
        match (same.next(), other.next()) {
            (None, None) => break,
            (one, another) => ordered.extend(one.into_iter().chain(another)),
        }
    }
    let place = |ordered: &[SocketAddr], of: Option<IpAddr>| ordered.iter().position(|at| Some(at.ip()) == of);
    if let Some(at) = place(&ordered, known.answered) {
        ordered[..=at].rotate_right(1);
    }
    if let Some(at) = place(&ordered, known.closed) {
        ordered[at..].rotate_left(1);
    }
    ordered
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    fn address(text: &str) -> SocketAddr {
        SocketAddr::new(text.parse().unwrap(), 443)
    }

    /// The behaviour of an address.
    #[derive(Clone, Copy)]
    enum Host {
        /// Packets to it are lost.
        Dead,
        Refuses,
        /// It accepts the connection, and sends nothing.
        Silent,
        /// It accepts the connection, and closes it.
        Closes,
        /// It answers after this many milliseconds.
        Answers(u64),
        /// It connects at once, and completes the handshake after this many milliseconds.
        HandshakeAfter(u64),
    }
    use Host::{Answers, Closes, Dead, HandshakeAfter, Refuses, Silent};

    #[tokio::test(start_paused = true)]
    async fn takes_the_first_address_that_answers() {
        for (name, hosts, taken, ms) in [
            ("one that answers", &[Answers(10)][..], Some(0), 10),
            ("the first is dead", &[Dead, Answers(10)], Some(1), 260),
            ("the first refuses", &[Refuses, Answers(10)], Some(1), 10),
            ("two are dead", &[Dead, Dead, Answers(10)], Some(2), 510),
            ("the first is slow, and the second is quicker", &[Answers(900), Answers(100)], Some(1), 350),
            ("the first is slow, and still the quicker one", &[Answers(300), Answers(100)], Some(0), 300),
            ("the last is dead", &[Answers(10), Dead], Some(0), 10),
            ("the first is mute", &[Silent, Answers(10)], Some(1), 710),
            ("the first closes", &[Closes, Answers(10)], Some(1), 10),
            ("mute, then dead", &[Silent, Dead, Answers(10)], Some(2), 785),
            ("the first takes its time", &[HandshakeAfter(600), Answers(10)], Some(0), 600),
            (
                "the first takes too long, and is the quicker one",
                &[HandshakeAfter(800), HandshakeAfter(900)],
                Some(0),
                800,
            ),
            ("all close", &[Closes, Closes], None, 0),
            ("all refuse", &[Refuses, Refuses], None, 0),
            ("none", &[], None, 0),
        ] {
            let addresses: Vec<SocketAddr> = (0..hosts.len()).map(|at| address(&format!("10.0.0.{at}"))).collect();
            let (began, all) = (tokio::time::Instant::now(), addresses.clone());
            let hosts = hosts.to_vec();
            let connect = move |to: SocketAddr| {
                let host = hosts[all.iter().position(|address| *address == to).unwrap()];
                async move {
                    match host {
                        Dead => std::future::pending().await,
                        Refuses => Err(io::ErrorKind::ConnectionRefused.into()),
                        Answers(ms) => {
                            tokio::time::sleep(Duration::from_millis(ms)).await;
                            Ok(host)
                        }
                        Silent | Closes | HandshakeAfter(_) => Ok(host),
                    }
                }
            };
            let handshake = |host| async move {
                match host {
                    Silent => std::future::pending().await,
                    Closes => return Err(io::ErrorKind::UnexpectedEof.into()),
                    HandshakeAfter(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
                    Dead | Refuses | Answers(_) => {}
                }
                Ok::<_, io::Error>(())
            };
            let reached = reach(addresses.clone(), Duration::from_millis(2_100), connect, handshake).await.ok();
            assert_eq!(reached.map(|(at, ())| at), taken.map(|at: usize| addresses[at]), "{name}");
            assert_eq!(began.elapsed().as_millis(), ms, "{name}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn tries_every_address_even_in_a_short_time() {
        let tried = Arc::new(Mutex::new(Vec::new()));
        let addresses: Vec<SocketAddr> = (0..4).map(|at| address(&format!("10.0.0.{at}"))).collect();
        let connect = |to: SocketAddr| {
            tried.lock().unwrap().push(to);
            std::future::pending::<io::Result<()>>()
        };
        let time_limit = Duration::from_millis(200);
        let handshake = |()| async { Ok::<_, io::Error>(()) };
        let reached = tokio::time::timeout(time_limit, reach(addresses.clone(), time_limit, connect, handshake)).await;
        assert!(reached.is_err());
        assert_eq!(*tried.lock().unwrap(), addresses);
    }

    #[test]
    fn orders_addresses() {
        let all = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "fd00::1", "fd00::2"].map(address);
        let shown =
            |order: Vec<SocketAddr>| order.iter().map(|address| address.ip().to_string()).collect::<Vec<_>>().join(" ");
        let ordered = |answered: Option<&str>| {
            let answered = answered.map(|text| text.parse().unwrap());
            shown(in_order(all.into_iter(), KnownAddresses { answered, closed: None }))
        };
        assert_eq!(ordered(None), "10.0.0.1 fd00::1 10.0.0.2 fd00::2 10.0.0.3");
        assert_eq!(ordered(Some("10.0.0.3")), "10.0.0.3 10.0.0.1 fd00::1 10.0.0.2 fd00::2");
        assert_eq!(ordered(Some("10.9.9.9")), "10.0.0.1 fd00::1 10.0.0.2 fd00::2 10.0.0.3");
        let mut known = KnownAddresses::default();
        known.reached(all[0].ip());
        known.closed();
        assert_eq!(shown(in_order(all.into_iter(), known)), "fd00::1 10.0.0.2 fd00::2 10.0.0.3 10.0.0.1");
        known.reached(all[1].ip());
        assert_eq!(shown(in_order(all.into_iter(), known)), "10.0.0.2 fd00::1 fd00::2 10.0.0.3 10.0.0.1");
        known.reached(all[0].ip());
        assert_eq!(
            known,
            KnownAddresses { answered: Some(all[0].ip()), closed: None },
            "a reached address is not closed any more"
        );
    }
}
