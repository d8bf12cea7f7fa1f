//! Makes all watches list again, and waits until they have.
//!
//! A watch may be a second behind without anybody noticing. A new leader must not plan from that: the leader before may have
//! written something newer, such as a revocation, which the plan would take back. So everything that plans depend on is listed
//! again.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;

/// The watches that take part; each is asked to list anew, and says when it has.
#[derive(Clone, Debug, Default)]
pub struct Relists {
    requested: Arc<watch::Sender<u64>>,
    /// When what was told to the end was asked for.
    listed: Arc<watch::Sender<BTreeMap<&'static str, u64>>>,
}

impl Relists {
    /// A watch takes part from now on.
    #[must_use]
    pub fn join(&self, what: &'static str) -> RelistHandle {
        self.listed.send_modify(|listed| {
            listed.insert(what, 0);
        });
        RelistHandle { what, requested: self.requested.subscribe(), listed: Arc::clone(&self.listed) }
    }

    /// Waits until every watch has told a list that was begun after this call.
    pub async fn relist(&self) {
        self.requested.send_modify(|requested| *requested += 1);
        let requested = *self.requested.borrow();
        // The sender is ours: it is not gone while we wait.
        let _ = self.listed.subscribe().wait_for(|listed| listed.values().all(|round| *round >= requested)).await;
    }
}

/// A watch's part.
#[derive(Clone, Debug)]
pub struct RelistHandle {
    what: &'static str,
    requested: watch::Receiver<u64>,
    listed: Arc<watch::Sender<BTreeMap<&'static str, u64>>>,
}

impl RelistHandle {
    /// Waits until it shall list anew; for ever, where nobody can ask any more.
    pub async fn requested(&mut self) {
        if self.requested.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// What a list that begins now is an answer to.
    #[must_use]
    pub fn round(&mut self) -> u64 {
        *self.requested.borrow_and_update()
    }

    /// A list that began then has been told.
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
    async fn a_list_that_began_before_is_not_anew() {
        let relists = Relists::default();
        let (mut pods, mut keys) = (relists.join("pods"), relists.join("keys"));
        let before = pods.round();
        let mut relist = std::pin::pin!(relists.relist());
        assert!(relist.as_mut().now_or_never().is_none());
        keys.requested().await;
        let round = keys.round();
        keys.listed(round);
        // Under way when it was asked for.
        pods.listed(before);
        assert!(relist.as_mut().now_or_never().is_none());
        pods.requested().await;
        let round = pods.round();
        pods.listed(round);
        assert!(relist.as_mut().now_or_never().is_some());
    }
}
