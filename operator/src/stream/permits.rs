//! Messages of gateways and the leader about concurrent requests, until they are taken.
//!
//! Each number in these messages is a sum of its session, so only the newest message of each gateway and each limit is
//! kept.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use outrigger_ledger::permits::{PermitGrant, PermitGrants, PermitReport, PermitSession};
use outrigger_sync::FromOperator;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::connected::{ConnectedGateway, STREAMS_MAX};

/// How many gateways may have a waiting report: all that can be connected.
const GATEWAYS_MAX: usize = STREAMS_MAX;
/// Keeps a line short.
const LIMITS_A_LINE: usize = 256;

/// A gateway's report, and its identity, verified by its token.
#[derive(Clone, Debug)]
pub struct ReceivedPermits {
    pub gateway: Arc<ConnectedGateway>,
    pub report: PermitReport,
}

/// Reports of all gateways.
#[derive(Debug, Default)]
pub(super) struct WaitingPermits {
    queue: Mutex<PermitQueue>,
    came: Notify,
}

#[derive(Debug, Default)]
struct PermitQueue {
    /// Whether they are taken. Otherwise they are ignored.
    open: bool,
    /// By the pod's uid.
    newest: HashMap<String, ReceivedPermits>,
    turns: VecDeque<String>,
}

/// Takes the reports.
#[derive(Debug)]
pub struct PermitReceiver(Arc<WaitingPermits>);

impl WaitingPermits {
    /// From now on they wait. `None` if they were taken before.
    pub(super) fn receiver(self: &Arc<Self>) -> Option<PermitReceiver> {
        let before = std::mem::replace(&mut self.queue.lock().open, true);
        (!before).then(|| PermitReceiver(Arc::clone(self)))
    }

    /// A report that finds no room is sent again.
    pub(super) fn push(&self, received: ReceivedPermits) {
        let mut queue = self.queue.lock();
        let uid = &received.gateway.uid;
        if let Some(waiting) = queue.newest.get_mut(uid) {
            let (known, report) = (&waiting.report, &received.report);
            let other = report.session.process != known.session.process;
            let newer = (report.session.connection, report.number) > (known.session.connection, known.number);
            if other || newer {
                *waiting = received;
            }
            return;
        }
        if !queue.open || queue.turns.len() >= GATEWAYS_MAX {
            return;
        }
        queue.turns.push_back(uid.clone());
        queue.newest.insert(uid.clone(), received);
        drop(queue);
        self.came.notify_one();
    }

    fn pop(&self) -> Option<ReceivedPermits> {
        let mut queue = self.queue.lock();
        let uid = queue.turns.pop_front()?;
        queue.newest.remove(&uid)
    }
}

impl PermitReceiver {
    /// The next report. If dropped before it is ready, none is lost.
    pub async fn recv(&mut self) -> ReceivedPermits {
        loop {
            if let Some(received) = self.0.pop() {
                return received;
            }
            self.0.came.notified().await;
        }
    }
}

/// Grants that wait for one gateway.
#[derive(Debug, Default)]
pub(super) struct WaitingPermitGrants(Mutex<GrantQueue>);

#[derive(Debug, Default)]
struct GrantQueue {
    session: PermitSession,
    /// The last report that is answered; absent if nothing waits.
    answers: Option<u64>,
    limits: BTreeMap<String, PermitGrant>,
}

impl WaitingPermitGrants {
    pub(super) fn push(&self, grants: PermitGrants) {
        let mut queue = self.0.lock();
        if queue.session != grants.session {
            *queue = GrantQueue { session: grants.session, ..GrantQueue::default() };
        }
        queue.answers = queue.answers.max(Some(grants.answers));
        queue.limits.extend(grants.limits.into_iter().map(|grant| (grant.limit.clone(), grant)));
    }

    /// All that wait, as lines.
    pub(super) fn take(&self) -> Vec<Bytes> {
        let (session, answers, limits) = {
            let mut queue = self.0.lock();
            (queue.session, queue.answers.take(), std::mem::take(&mut queue.limits))
        };
        let Some(answers) = answers else { return Vec::new() };
        let mut limits = limits.into_values();
        let mut lines = Vec::new();
        loop {
            let some: Vec<PermitGrant> = limits.by_ref().take(LIMITS_A_LINE).collect();
            if some.is_empty() && !lines.is_empty() {
                return lines;
            }
            let grants = PermitGrants { session, answers, limits: some };
            lines.push(outrigger_sync::write(&FromOperator::Permits(grants)).into());
        }
    }
}

#[cfg(test)]
mod tests {
    use outrigger_sync::LineReader;

    use super::*;
    use crate::objects::binding::Binding;

    fn report(pod: &str, process: u64, connection: u64, number: u64) -> ReceivedPermits {
        let gateway = ConnectedGateway {
            namespace: "shop".to_owned(),
            pod: pod.to_owned(),
            uid: pod.to_owned(),
            service_account: "default".to_owned(),
            binding: Binding::of("shop", "a"),
        };
        let session = PermitSession { process, connection };
        let report = PermitReport { session, number, ..PermitReport::default() };
        ReceivedPermits { gateway: Arc::new(gateway), report }
    }

    #[tokio::test]
    async fn the_newest_report_of_each_gateway_waits_for_its_turn() {
        let waiting = Arc::new(WaitingPermits::default());
        waiting.push(report("early", 1, 1, 1));
        let mut receiver = waiting.receiver().unwrap();
        assert!(waiting.receiver().is_none());
        waiting.push(report("a", 1, 1, 1));
        waiting.push(report("b", 1, 1, 1));
        (2..20_000).for_each(|number| waiting.push(report("a", 1, 1, number)));
        waiting.push(report("a", 1, 1, 5));
        waiting.push(report("b", 1, 2, 2));
        waiting.push(report("b", 1, 1, 3));
        let mut taken = Vec::new();
        for _ in 0..2 {
            let ReceivedPermits { gateway, report } = receiver.recv().await;
            taken.push((gateway.uid.clone(), report.session.connection, report.number));
        }
        assert_eq!(taken, [("a".to_owned(), 1, 19_999), ("b".to_owned(), 2, 2)]);
        waiting.push(report("b", 2, 1, 1));
        assert_eq!(receiver.recv().await.report.session.process, 2);
    }

    #[test]
    fn the_newest_grant_of_each_limit_is_sent_and_none_of_an_earlier_session() {
        let waiting = WaitingPermitGrants::default();
        let grants = |connection, answers, limits: &[(&str, u64)]| {
            let grant = |(limit, granted): &(&str, u64)| PermitGrant {
                limit: (*limit).to_owned(),
                granted: *granted,
                ..PermitGrant::default()
            };
            let session = PermitSession { process: 7, connection };
            PermitGrants { session, answers, limits: limits.iter().map(grant).collect() }
        };
        let taken = || {
            let mut lines = LineReader::default();
            waiting.take().iter().for_each(|line| lines.push(line).unwrap());
            let messages = std::iter::from_fn(|| lines.from_operator().unwrap());
            let grants = |message| match message {
                FromOperator::Permits(grants) => grants,
                other => panic!("{other:?}"),
            };
            messages.map(grants).collect::<Vec<PermitGrants>>()
        };
        waiting.push(grants(1, 1, &[("a", 1), ("b", 1)]));
        waiting.push(grants(1, 2, &[("a", 3)]));
        assert_eq!(taken(), [grants(1, 2, &[("a", 3), ("b", 1)])]);
        assert_eq!(taken(), []);
        waiting.push(grants(1, 3, &[("a", 9)]));
        waiting.push(grants(2, 4, &[]));
        assert_eq!(taken(), [grants(2, 4, &[])]);
    }
}
