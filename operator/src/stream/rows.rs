//! Rows of the usage history, on their way from gateways to the recorder.

use std::sync::Arc;

use outrigger_sync::UsageRowsReport;
use tokio::sync::mpsc;

use super::connected::ConnectedGateway;

/// How many reports may wait. A report that finds no room is sent again.
const WAITING_MAX: usize = 256;

/// A gateway's report, and its identity, verified by its token.
#[derive(Clone, Debug)]
pub struct ReceivedRows {
    pub gateway: Arc<ConnectedGateway>,
    pub report: UsageRowsReport,
}

/// Takes the reports.
#[derive(Debug)]
pub struct RowsReceiver(mpsc::Receiver<ReceivedRows>);

impl RowsReceiver {
    /// The next report. If dropped before it is ready, none is lost.
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
