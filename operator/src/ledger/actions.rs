//! Hands actions on limits to the leader of the ledger, and waits for their outcomes.

use std::time::Duration;

use outrigger_ledger::shared::leader::{ActionRefusal, LedgerAction};
use outrigger_ledger::shared::record::ActionRecord;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

/// Actions that the leader has not taken yet.
const QUEUE: usize = 64;
/// An outcome is waited for so long. The same action is asked for again later.
const PATIENCE: Duration = Duration::from_secs(5);

/// An action, and who waits for its outcome.
#[derive(Debug)]
pub struct AwaitedAction {
    pub action: LedgerAction,
    pub outcome: oneshot::Sender<Result<ActionRecord, ActionRefusal>>,
}

/// The way to the leader of the ledger.
#[derive(Debug)]
pub struct LedgerActions {
    sender: mpsc::Sender<AwaitedAction>,
    /// Whoever leads takes it.
    receiver: Mutex<Option<mpsc::Receiver<AwaitedAction>>>,
}

impl Default for LedgerActions {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE);
        LedgerActions { sender, receiver: Mutex::new(Some(receiver)) }
    }
}

impl LedgerActions {
    /// Does an action, once for its id. Returns when the store has it.
    ///
    /// # Errors
    /// [`ActionRefusal`]; after [`ActionRefusal::Unavailable`] it may have been done all the same: ask again.
    pub async fn act(&self, action: LedgerAction) -> Result<ActionRecord, ActionRefusal> {
        let (outcome, result) = oneshot::channel();
        let acted = async {
            self.sender.send(AwaitedAction { action, outcome }).await.ok()?;
            result.await.ok()
        };
        let outcome = tokio::time::timeout(PATIENCE, acted).await;
        outcome.ok().flatten().unwrap_or(Err(ActionRefusal::Unavailable))
    }

    /// What the leader takes actions from; nothing the second time.
    pub fn receiver(&self) -> Option<mpsc::Receiver<AwaitedAction>> {
        self.receiver.lock().take()
    }
}
