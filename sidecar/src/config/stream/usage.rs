//! Reports what a gateway has spent to the ledger.
//!
//! ```text
//! a request waits, or there is a new leader     at once
//! something has changed                         every 5 s, each gateway at a moment of its own
//! nothing has                                   every 30 s: it lives, and hears how its limits stand
//! nothing is shared                             never
//! ```

use std::time::Duration;

use outrigger_ledger::shared::holder::Due;
use outrigger_sync::FromGateway;
use tokio::time::{Instant, sleep_until};

use super::StreamEnded;
use super::report::ReportSender;
use crate::runtime::accounts::Accounts;

const SOON: Duration = Duration::from_secs(5);
const SELDOM: Duration = Duration::from_secs(30);
/// How much gateways differ in these intervals.
const SPREAD: f64 = 0.2;
/// How often to check whether a report is due: requests without an answer are repeated.
const LOOK: Duration = Duration::from_secs(1);

/// The reports of one stream.
#[derive(Debug)]
pub(super) struct UsageReports<'a> {
    accounts: &'a Accounts,
    last: Instant,
    /// The usual interval between two.
    pace: f64,
}

impl<'a> UsageReports<'a> {
    /// For a stream that was just opened.
    pub(super) fn begin(accounts: &'a Accounts) -> Self {
        accounts.connected();
        UsageReports { accounts, last: Instant::now(), pace: pace() }
    }

    /// Ready when one is due. If it is dropped and polled again, it misses none.
    pub(super) async fn due(&self) {
        loop {
            let after = match self.accounts.due() {
                Due::Now => return,
                Due::Soon => SOON.mul_f64(self.pace),
                Due::Seldom => SELDOM.mul_f64(self.pace),
                Due::Never => {
                    self.accounts.report_due().await;
                    continue;
                }
            };
            let (now, at) = (Instant::now(), self.last + after);
            if at <= now {
                return;
            }
            tokio::select! {
                () = self.accounts.report_due() => {}
                () = sleep_until(at.min(now + LOOK)) => {}
            }
        }
    }

    pub(super) fn send(&mut self, reports: &ReportSender) -> Result<(), StreamEnded> {
        (self.last, self.pace) = (Instant::now(), pace());
        match self.accounts.report() {
            Ok(report) => report.map_or(Ok(()), |report| reports.send(&FromGateway::Usage(report))),
            // The requests that are refused for this reason report more.
            Err(error) => {
                tracing::debug!(%error, "the ledger is told nothing that can't be written down");
                Ok(())
            }
        }
    }
}

fn pace() -> f64 {
    1.0 - SPREAD + 2.0 * SPREAD * fastrand::f64()
}
