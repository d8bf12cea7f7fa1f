//! Reports that the ledger has not read yet: the newest of each gateway.
//!
//! A report repeats what was not answered, so the newer one replaces the older. A gateway that reports without a pause
//! uses the memory of one report, and gets its turn like every other.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use outrigger_ledger::protocol::UsageReport;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::connected::{ConnectedGateway, STREAMS_MAX};

/// How many gateways may have a waiting report: all that can be connected.
const GATEWAYS_MAX: usize = STREAMS_MAX;

/// A gateway's report to the ledger, and its identity, verified by its token.
#[derive(Clone, Debug)]
pub struct ReceivedReport {
    pub gateway: Arc<ConnectedGateway>,
    pub report: UsageReport,
}

/// Of all gateways.
#[derive(Debug, Default)]
pub(super) struct WaitingReports {
    queue: Mutex<ReportQueue>,
    came: Notify,
}

#[derive(Debug, Default)]
struct ReportQueue {
    /// Whether they are taken. Otherwise they are ignored.
    open: bool,
    /// By the pod's uid.
    newest: HashMap<String, ReceivedReport>,
    /// Uids, by turn.
    turns: VecDeque<String>,
}

/// Takes the reports.
#[derive(Debug)]
pub struct ReportReceiver(Arc<WaitingReports>);

impl WaitingReports {
    /// From now on they wait. `None` if they were taken before.
    pub(super) fn receiver(self: &Arc<Self>) -> Option<ReportReceiver> {
        let before = std::mem::replace(&mut self.queue.lock().open, true);
        (!before).then(|| ReportReceiver(Arc::clone(self)))
    }

    /// Returns whether no report was lost: neither this one, because there was no room, nor an earlier one that it
    /// replaces.
    pub(super) fn push(&self, received: ReceivedReport) -> bool {
        let mut queue = self.queue.lock();
        if !queue.open {
            return true;
        }
        let uid = &received.gateway.uid;
        if let Some(waiting) = queue.newest.get_mut(uid) {
            let (known, report) = (&waiting.report, &received.report);
            // A stream that is being replaced may be read after its successor.
            if report.epoch != known.epoch || report.number > known.number {
                *waiting = received;
            }
            return false;
        }
        if queue.turns.len() >= GATEWAYS_MAX {
            return false;
        }
        queue.turns.push_back(uid.clone());
        queue.newest.insert(uid.clone(), received);
        drop(queue);
        self.came.notify_one();
        true
    }

    fn pop(&self) -> Option<ReceivedReport> {
        let mut queue = self.queue.lock();
        let uid = queue.turns.pop_front()?;
        queue.newest.remove(&uid)
    }
}

impl ReportReceiver {
    /// The next report. If dropped before it is ready, none is lost.
    pub async fn recv(&mut self) -> ReceivedReport {
        loop {
            if let Some(received) = self.0.pop() {
                return received;
            }
            self.0.came.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::binding::Binding;

    fn report(pod: &str, epoch: u64, number: u64) -> ReceivedReport {
        let gateway = ConnectedGateway {
            namespace: "shop".to_owned(),
            pod: pod.to_owned(),
            uid: pod.to_owned(),
            service_account: "default".to_owned(),
            binding: Binding::of("shop", "a"),
        };
        let report = UsageReport { epoch, number, ..UsageReport::default() };
        ReceivedReport { gateway: Arc::new(gateway), report }
    }

    #[tokio::test]
    async fn a_gateway_that_reports_without_pause_has_one_turn_like_the_others() {
        let waiting = Arc::new(WaitingReports::default());
        assert!(waiting.push(report("early", 1, 1)), "it is not taken");
        let mut receiver = waiting.receiver().unwrap();
        assert!(waiting.receiver().is_none());
        assert!(waiting.push(report("a", 1, 1)));
        (2..20_000).for_each(|number| assert!(!waiting.push(report("a", 1, number))));
        assert!(waiting.push(report("b", 1, 1)));
        assert!(!waiting.push(report("a", 1, 5)), "an older one");
        assert!(!waiting.push(report("b", 2, 1)), "of the next journal");
        let mut taken = Vec::new();
        for _ in 0..2 {
            let received = receiver.recv().await;
            taken.push((received.gateway.uid.clone(), received.report.epoch, received.report.number));
        }
        assert_eq!(taken, [("a".to_owned(), 1, 19_999), ("b".to_owned(), 2, 1)]);
        let later = tokio::spawn(async move { receiver.recv().await.report.number });
        tokio::task::yield_now().await;
        assert!(waiting.push(report("a", 1, 20_000)));
        assert_eq!(later.await.unwrap(), 20_000);
    }

    #[test]
    fn the_number_of_waiting_gateways_is_limited() {
        let waiting = Arc::new(WaitingReports::default());
        let _receiver = waiting.receiver().unwrap();
        (0..GATEWAYS_MAX).for_each(|pod| assert!(waiting.push(report(&pod.to_string(), 1, 1))));
        assert!(!waiting.push(report("another", 1, 1)));
    }
}
