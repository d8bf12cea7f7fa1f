//! Whether what watches told is as new as a certain moment.
//!
//! A watch may be a second behind without anybody noticing. Who takes the lead must not plan from that: the one before may
//! have written something newer, a revocation say, which would be taken back. So all that plans hang on is listed anew.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;

/// The watches that take part; each is asked to list anew, and says when it has.
#[derive(Clone, Debug, Default)]
pub struct Relists {
    asked: Arc<watch::Sender<u64>>,
    /// When what was told to the end was asked for.
    told: Arc<watch::Sender<BTreeMap<&'static str, u64>>>,
}

impl Relists {
    /// A watch takes part from now on.
    #[must_use]
    pub fn join(&self, what: &'static str) -> RelistHandle {
        self.told.send_modify(|told| {
            told.insert(what, 0);
        });
        RelistHandle { what, asked: self.asked.subscribe(), told: Arc::clone(&self.told) }
    }

    /// Waits until every watch has told a list that was begun after this call.
    pub async fn anew(&self) {
        self.asked.send_modify(|asked| *asked += 1);
        let asked = *self.asked.borrow();
        // The sender is ours: it is not gone while we wait.
        let _ = self.told.subscribe().wait_for(|told| told.values().all(|round| *round >= asked)).await;
    }
}

/// A watch's part.
#[derive(Clone, Debug)]
pub struct RelistHandle {
    what: &'static str,
    asked: watch::Receiver<u64>,
    told: Arc<watch::Sender<BTreeMap<&'static str, u64>>>,
}

impl RelistHandle {
    /// Waits until it shall list anew; for ever, where nobody can ask any more.
    pub async fn asked(&mut self) {
        if self.asked.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// What a list that begins now is an answer to.
    #[must_use]
    pub fn round(&mut self) -> u64 {
        *self.asked.borrow_and_update()
    }

    /// A list that began then has been told.
    pub fn told(&self, round: u64) {
        self.told.send_modify(|told| {
            told.insert(self.what, round);
        });
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_list_that_began_before_is_not_anew() {
        let lists = Relists::default();
        let (mut pods, mut keys) = (lists.join("pods"), lists.join("keys"));
        let before = pods.round();
        let mut anew = std::pin::pin!(lists.anew());
        assert!(anew.as_mut().now_or_never().is_none());
        keys.asked().await;
        let round = keys.round();
        keys.told(round);
        // Under way when it was asked for.
        pods.told(before);
        assert!(anew.as_mut().now_or_never().is_none());
        pods.asked().await;
        let round = pods.round();
        pods.told(round);
        assert!(anew.as_mut().now_or_never().is_some());
    }
}
