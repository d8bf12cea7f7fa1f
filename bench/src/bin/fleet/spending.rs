//! What each gateway of the fleet spends of a shared limit, with the state machine that gateways have.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use outrigger_core::Millis;
use outrigger_ledger::protocol::{Grants, LimitKey, UsageReport};
use outrigger_ledger::shared::Holder;
use outrigger_ledger::shared::holder::{MessageOutcome, SharedNo};

/// Between two reports of a gateway, give or take a fifth.
const TICK: Duration = Duration::from_secs(5);
/// What each gateway reserves in a tick, in nano-dollars, and what of it is spent.
const RESERVED: u64 = 2_500_000;
const SPENT: u64 = 2_000_000;

/// What all gateways of the fleet have seen since the last summary.
#[derive(Debug)]
pub struct Spending {
    limit: LimitKey,
    began: Instant,
    epoch: u64,
    reports: AtomicU64,
    spent: AtomicU64,
    refused: AtomicU64,
    /// From a report that asks for money to the message that answers it, in microseconds.
    waits: Mutex<Vec<u64>>,
}

impl Spending {
    /// Of the limit with this name.
    pub fn new(limit: &str) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Spending {
            limit: LimitKey::new(limit, "usd"),
            began: Instant::now(),
            epoch: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
            reports: AtomicU64::new(0),
            spent: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            waits: Mutex::default(),
        }
    }

    fn now(&self) -> Millis {
        Millis::try_from(self.began.elapsed().as_millis()).unwrap_or(Millis::MAX)
    }

    /// A line of JSON: the sums so far, and the waits since the last call, which are sorted and given out.
    pub fn summary(&self) -> String {
        let mut waits = std::mem::take(&mut *self.waits.lock().unwrap_or_else(PoisonError::into_inner));
        waits.sort_unstable();
        let [reports, spent, refused] =
            [&self.reports, &self.spent, &self.refused].map(|sum| sum.load(Ordering::Relaxed));
        format!(r#"{{"reports":{reports},"spent":{spent},"refused":{refused},"waits":{waits:?}}}"#)
    }
}

/// One gateway's part.
#[derive(Debug)]
pub struct Spender<'a> {
    spending: &'a Spending,
    holder: Holder,
    limit: SharedNo,
    /// The first report that asks and is not answered, and when it was sent.
    waiting: Option<(u64, Instant)>,
}

impl<'a> Spender<'a> {
    pub fn new(spending: &'a Spending) -> Self {
        let mut holder = Holder::new(spending.epoch);
        let limit = holder.adopt([&spending.limit]).first().copied();
        // One limit has one number.
        let limit = limit.unwrap_or_else(|| unreachable!("a limit was adopted"));
        Spender { spending, holder, limit, waiting: None }
    }

    /// Until the next tick: the first one is at any time of it.
    pub fn pause(first: bool) -> Duration {
        let share = if first { fastrand::f64() } else { 0.8 + 0.4 * fastrand::f64() };
        TICK.mul_f64(share)
    }

    /// A stream has begun. What is to be reported.
    pub fn connected(&mut self) -> Option<UsageReport> {
        self.holder.connected();
        self.waiting = None;
        self.report()
    }

    /// A request, and what is to be reported.
    pub fn tick(&mut self) -> Option<UsageReport> {
        let now = self.spending.now();
        match self.holder.reserve(self.limit, RESERVED, now) {
            Ok(held) => {
                self.holder.settle(held, RESERVED, SPENT, now);
                self.spending.spent.fetch_add(SPENT, Ordering::Relaxed);
            }
            Err(_) => {
                self.spending.refused.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.report()
    }

    /// Takes an answer. What is to be reported at once.
    pub fn take(&mut self, grants: &Grants) -> Option<UsageReport> {
        if let Some((number, at)) = self.waiting
            && grants.answers >= number
        {
            let waited = u64::try_from(at.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.spending.waits.lock().unwrap_or_else(PoisonError::into_inner).push(waited);
            self.waiting = None;
        }
        match self.holder.take(grants, self.spending.now()) {
            MessageOutcome::Followed => self.report(),
            MessageOutcome::Void => {
                self.holder.begin_anew(0);
                self.report()
            }
            MessageOutcome::Yes | MessageOutcome::Stale => {
                self.keep();
                None
            }
        }
    }

    fn report(&mut self) -> Option<UsageReport> {
        let report = self.holder.report(self.spending.now());
        self.keep();
        let report = report?;
        let asks =
            report.accounts.iter().any(|account| account.want > 0) || report.wanted.iter().any(|limit| limit.want > 0);
        if asks && self.waiting.is_none() {
            self.waiting = Some((report.number, Instant::now()));
        }
        self.spending.reports.fetch_add(1, Ordering::Relaxed);
        Some(report)
    }

    /// A gateway writes its journal here. Nothing of this fleet is kept.
    fn keep(&mut self) {
        self.holder.journal(|_| {});
    }
}
