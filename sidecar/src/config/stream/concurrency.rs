//! Reports the number of running requests under shared limits to the leader.

use std::time::Duration;

use outrigger_ledger::shared::holder::Due;
use outrigger_sync::FromGateway;
use tokio::time::{Instant, sleep_until};

use super::StreamEnded;
use super::report::ReportSender;
use crate::runtime::permits::Permits;

const SOON: Duration = Duration::from_secs(5);
const SELDOM: Duration = Duration::from_secs(30);
/// How often to check whether a report is due: permits that are needed and not granted are requested again.
const LOOK: Duration = Duration::from_millis(500);

/// The reports of one stream. When the stream ends, no request waits for permits any more.
#[derive(Debug)]
pub(super) struct PermitReports<'a> {
    permits: &'a Permits,
    last: Instant,
}

impl<'a> PermitReports<'a> {
    /// For a stream that was just opened.
    pub(super) fn begin(permits: &'a Permits) -> Self {
        permits.connected();
        PermitReports { permits, last: Instant::now() }
    }

    /// Ready when one is due. If it is dropped and polled again, it misses none.
    pub(super) async fn due(&self) {
        loop {
            let after = match self.permits.due() {
                Due::Now => return,
                Due::Soon => SOON,
                Due::Seldom => SELDOM,
                Due::Never => {
                    self.permits.report_due().await;
                    continue;
                }
            };
            let (now, at) = (Instant::now(), self.last + after);
            if at <= now {
                return;
            }
            // No check is needed if nothing is shared.
            let look = if self.permits.is_idle() { at } else { at.min(now + LOOK) };
            tokio::select! {
                () = self.permits.report_due() => {}
                () = sleep_until(look) => {}
            }
        }
    }

    pub(super) fn send(&mut self, reports: &ReportSender) -> Result<(), StreamEnded> {
        self.last = Instant::now();
        self.permits.report().map_or(Ok(()), |report| reports.send(&FromGateway::Permits(report)))
    }
}

impl Drop for PermitReports<'_> {
    fn drop(&mut self) {
        self.permits.disconnected();
    }
}
