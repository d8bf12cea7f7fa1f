//! Makes all watches list again, and waits until they have.
//!
//! A watch may be a second behind without any sign. A new leader must not plan from such data, because the previous
//! leader may have written something newer, such as a revocation, which the plan would undo. So everything that plans
//! depend on is listed again.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;

/// The watches that take part. Each is asked to list again, and reports when it has.
#[derive(Clone, Debug, Default)]
pub struct Relists {
    requested: Arc<watch::Sender<u64>>,
    /// The latest round that each watch has listed completely.
    listed: Arc<watch::Sender<BTreeMap<&'static str, u64>>>,
}

impl Relists {
    /// Adds a watch.
    #[must_use]
    pub fn join(&self, what: &'static str) -> RelistHandle {
        self.listed.send_modify(|listed| {
            listed.insert(what, 0);
        });
        RelistHandle { what, requested: self.requested.subscribe(), listed: Arc::clone(&self.listed) }
    }

    /// Waits until every watch has completed a list that began after this call.
    pub async fn relist(&self) {
        self.requested.send_modify(|requested| *requested += 1);
        let requested = *self.requested.borrow();
        // An error is impossible, because this value owns the sender.
        let _ = self.listed.subscribe().wait_for(|listed| listed.values().all(|round| *round >= requested)).await;
    }
}

/// One watch's part.
#[derive(Clone, Debug)]
pub struct RelistHandle {
    what: &'static str,
    requested: watch::Receiver<u64>,
    listed: Arc<watch::Sender<BTreeMap<&'static str, u64>>>,
}

impl RelistHandle {
    /// Waits until the watch shall list again. Never returns once no more requests are possible.
    pub async fn requested(&mut self) {
        if self.requested.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// The round that a list answers if it begins now.
    #[must_use]
    pub fn round(&mut self) -> u64 {
        *self.requested.borrow_and_update()
    }

    /// Reports that a list of this round is complete.
    pub fn listed(&self, round: u64) {
        self.listed.send_modify(|listed| {
            listed.insert(self.what, round);
        });
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_list_that_began_earlier_does_not_count() {
        let relists = Relists::default();
        let (mut pods, mut keys) = (relists.join("pods"), relists.join("keys"));
        let before = pods.round();
        let mut relist = std::pin::pin!(relists.relist());
        assert!(relist.as_mut().now_or_never().is_none());
        keys.requested().await;
        let round = keys.round();
        keys.listed(round);
        // This list began before the request.
        pods.listed(before);
        assert!(relist.as_mut().now_or_never().is_none());
        pods.requested().await;
        let round = pods.round();
        pods.listed(round);
        assert!(relist.as_mut().now_or_never().is_some());
    }
}
