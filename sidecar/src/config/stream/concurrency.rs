//! When a gateway tells the leader how many requests it runs, under limits that it shares.

use std::time::Duration;

use outrigger_ledger::shared::holder::Due;
use outrigger_sync::FromGateway;
use tokio::time::{Instant, sleep_until};

use super::StreamEnded;
use super::report::ReportSender;
use crate::runtime::permits::Permits;

const SOON: Duration = Duration::from_secs(5);
const SELDOM: Duration = Duration::from_secs(30);
/// How often it is looked what is due: what is needed and is not granted is asked for again.
const LOOK: Duration = Duration::from_millis(500);

/// The reports of one stream. It ends with it: then nobody waits for permits.
#[derive(Debug)]
pub(super) struct PermitReports<'a> {
    permits: &'a Permits,
    said: Instant,
}

impl<'a> PermitReports<'a> {
    /// Those of a stream that was just opened.
    pub(super) fn begin(permits: &'a Permits) -> Self {
        permits.connected();
        PermitReports { permits, said: Instant::now() }
    }

    /// Ready when one is due. Dropped and asked again, it misses none.
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
            let (now, at) = (Instant::now(), self.said + after);
            if at <= now {
                return;
            }
            // Nothing has to be looked at where nothing is shared.
            let look = if self.permits.is_idle() { at } else { at.min(now + LOOK) };
            tokio::select! {
                () = self.permits.report_due() => {}
                () = sleep_until(look) => {}
            }
        }
    }

    pub(super) fn say(&mut self, reports: &ReportSender) -> Result<(), StreamEnded> {
        self.said = Instant::now();
        self.permits.report().map_or(Ok(()), |report| reports.say(&FromGateway::Permits(report)))
    }
}

impl Drop for PermitReports<'_> {
    fn drop(&mut self) {
        self.permits.disconnected();
    }
}
