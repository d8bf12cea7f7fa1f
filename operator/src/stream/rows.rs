//! Rows of the usage history that gateways report, on their way to whoever records them.

use std::sync::Arc;

use outrigger_sync::UsageRowsReport;
use tokio::sync::mpsc;

use super::connected::ConnectedGateway;

/// Reports that wait at once. What finds no room is reported again.
const WAITING_MAX: usize = 256;

/// What a gateway reports, and who it is, proven by its token.
#[derive(Clone, Debug)]
pub struct ReceivedRows {
    pub gateway: Arc<ConnectedGateway>,
    pub report: UsageRowsReport,
}

/// Whoever records them.
#[derive(Debug)]
pub struct RowsReceiver(mpsc::Receiver<ReceivedRows>);

impl RowsReceiver {
    /// The next one. Dropped before it is ready, it has taken none.
    pub async fn recv(&mut self) -> ReceivedRows {
        match self.0.recv().await {
            Some(received) => received,
            // The hub is gone, and with it every stream.
            None => std::future::pending().await,
        }
    }
}

pub(super) fn channel() -> (mpsc::Sender<ReceivedRows>, RowsReceiver) {
    let (sender, receiver) = mpsc::channel(WAITING_MAX);
    (sender, RowsReceiver(receiver))
}
