//! Reaching a host: all of its addresses, one after the other, each with a head start over the next (RFC 8305).
//!
//! The first address of a host may be dead while others answer: a node that is gone, a family that is not routed.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::task::JoinSet;

/// How long an address is tried alone before the next one is tried beside it.
const HEAD_START: Duration = Duration::from_millis(250);

/// Connects to the first of them that answers, and says which it was.
///
/// `within`: the time that there is for all of them; each gets its turn in it.
///
/// # Errors
/// Of the first one that failed, when all did.
pub async fn reach<T, C>(
    addresses: Vec<SocketAddr>,
    within: Duration,
    connect: impl Fn(SocketAddr) -> C,
) -> io::Result<(SocketAddr, T)>
where
    T: Send + 'static,
    C: Future<Output = io::Result<T>> + Send + 'static,
{
    if let [only] = addresses[..] {
        return Ok((only, connect(only).await?));
    }
    let turns = u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
    let head_start = HEAD_START.min(within / (turns + 1));
    let mut left = addresses.into_iter();
    let mut tried = JoinSet::new();
    let mut failed = None;
    loop {
        if let Some(address) = left.next() {
            let connecting = connect(address);
            tried.spawn(async move { (address, connecting.await) });
        }
        let others = left.len() > 0;
        tokio::select! {
            joined = tried.join_next() => match joined {
                Some(Ok((address, Ok(connected)))) => return Ok((address, connected)),
                Some(Ok((_, Err(error)))) => drop(failed.get_or_insert(error)),
                Some(Err(error)) => drop(failed.get_or_insert(io::Error::other(error))),
                None => {
                    let none = || io::Error::new(io::ErrorKind::NotFound, "the name has no address");
                    return Err(failed.unwrap_or_else(none));
                }
            },
            () = tokio::time::sleep(head_start), if others => {}
        }
    }
}

/// In the order in which to try them: the one that answered last, then one of each family in turn, beginning with the
/// resolver's first.
pub fn in_order(found: impl Iterator<Item = SocketAddr>, answered: Option<IpAddr>) -> Vec<SocketAddr> {
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
    if let Some(at) = ordered.iter().position(|address| Some(address.ip()) == answered) {
        ordered[..=at].rotate_right(1);
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

    /// How an address behaves.
    #[derive(Clone, Copy)]
    enum Host {
        /// Packets to it are lost.
        Dead,
        Refuses,
        /// After so many milliseconds.
        Answers(u64),
    }
    use Host::{Answers, Dead, Refuses};

    #[tokio::test(start_paused = true)]
    async fn the_first_that_answers_is_taken_and_the_dead_cost_a_moment() {
        for (name, hosts, taken, ms) in [
            ("one that answers", &[Answers(10)][..], Some(0), 10),
            ("the first is dead", &[Dead, Answers(10)], Some(1), 260),
            ("the first refuses", &[Refuses, Answers(10)], Some(1), 10),
            ("two are dead", &[Dead, Dead, Answers(10)], Some(2), 510),
            ("the first is slow, and the second is quicker", &[Answers(900), Answers(100)], Some(1), 350),
            ("the first is slow, and still the quicker one", &[Answers(300), Answers(100)], Some(0), 300),
            ("the last is dead", &[Answers(10), Dead], Some(0), 10),
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
                            Ok(())
                        }
                    }
                }
            };
            let reached = reach(addresses.clone(), Duration::from_secs(2), connect).await.ok();
            assert_eq!(reached.map(|(at, ())| at), taken.map(|at: usize| addresses[at]), "{name}");
            assert_eq!(began.elapsed().as_millis(), ms, "{name}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn every_address_has_its_turn_within_a_short_time_too() {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let addresses: Vec<SocketAddr> = (0..4).map(|at| address(&format!("10.0.0.{at}"))).collect();
        let connect = |to: SocketAddr| {
            asked.lock().unwrap().push(to);
            std::future::pending::<io::Result<()>>()
        };
        let within = Duration::from_millis(200);
        let reached = tokio::time::timeout(within, reach(addresses.clone(), within, connect)).await;
        assert!(reached.is_err());
        assert_eq!(*asked.lock().unwrap(), addresses);
    }

    #[test]
    fn families_take_turns_and_what_answered_goes_first() {
        let all = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "fd00::1", "fd00::2"].map(address);
        let ordered = |answered: Option<&str>| {
            let answered = answered.map(|text| text.parse().unwrap());
            let order = in_order(all.into_iter(), answered);
            order.iter().map(|address| address.ip().to_string()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(ordered(None), "10.0.0.1 fd00::1 10.0.0.2 fd00::2 10.0.0.3");
        assert_eq!(ordered(Some("10.0.0.3")), "10.0.0.3 10.0.0.1 fd00::1 10.0.0.2 fd00::2");
        assert_eq!(ordered(Some("10.9.9.9")), "10.0.0.1 fd00::1 10.0.0.2 fd00::2 10.0.0.3");
    }
}
