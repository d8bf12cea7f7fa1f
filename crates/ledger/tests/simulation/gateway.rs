//! One gateway: its holder, its journal, and its requests in flight.

use std::collections::BTreeMap;

use outrigger_core::Millis;
use outrigger_ledger::protocol::{Grants, LimitKey, UsageReport};
use outrigger_ledger::shared::holder::{
    Due, HeldNo, HeldShort, HeldState, Holder, HolderState, JournalWrite, MessageOutcome, SharedNo,
};

/// How long a request waits for a grant.
const WAIT: Millis = 2_000;
/// Between two reports if something has changed, and if not.
const SOON: Millis = 5_000;
const SELDOM: Millis = 30_000;
/// A gateway with waiting requests looks so often.
const WAITING_LOOKS: Millis = 400;

pub struct Gateway {
    pub pod: String,
    /// Requests per second, on average.
    pub rate: f64,
    /// When its monotonic clock started.
    pub started: Millis,
    /// The error of its wall clock.
    pub skew: Millis,
    /// It is unreachable until then.
    pub cut_until: Millis,
    /// The leader of its stream.
    pub leader: usize,
    pub alive: bool,
    pub closing: bool,
    pub holder: Holder,
    limits: Vec<SharedNo>,
    state: HolderState,
    journal: BTreeMap<HeldNo, HeldState>,
    reported_at: Millis,
    /// The next time at which it may report without another event.
    pub looks_at: Millis,
    waiting: Vec<Waiting>,
    pub open: BTreeMap<u64, Open>,
    pub figures: Figures,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    limit: usize,
    amount: u64,
    until: Millis,
}

/// A request in flight: its reservation, its real cost, and the period of its account.
#[derive(Clone, Copy, Debug)]
pub struct Open {
    pub account: HeldNo,
    pub limit: usize,
    pub start: Millis,
    pub amount: u64,
    pub actual: u64,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    pub served: u64,
    pub waited: u64,
    pub spent: u64,
    pub contended: u64,
    pub unavailable: u64,
}

/// The result of starting a request.
#[derive(Clone, Copy, Debug)]
pub struct Taking {
    pub account: HeldNo,
    pub limit: usize,
    pub amount: u64,
}

impl Gateway {
    pub fn new(pod: String, rate: f64, limits: &[LimitKey], now: Millis, skew: Millis, leader: usize) -> Gateway {
        let mut holder = Holder::new(u64::try_from(now + skew).unwrap());
        let limits = holder.adopt(limits);
        let state = holder.state();
        Gateway {
            pod,
            rate,
            started: now - 1_000,
            skew,
            cut_until: 0,
            leader,
            alive: true,
            closing: false,
            holder,
            limits,
            state,
            journal: BTreeMap::new(),
            reported_at: Millis::MIN / 2,
            looks_at: Millis::MAX,
            waiting: Vec::new(),
            open: BTreeMap::new(),
            figures: Figures::default(),
        }
    }

    fn clock(&self, now: Millis) -> Millis {
        now - self.started
    }

    /// The process is killed; its journal stays. Its reservations are charged.
    pub fn restart(&mut self, limits: &[LimitKey], now: Millis) {
        self.started = now - 77;
        let kept = std::mem::take(&mut self.journal);
        let accounts: Vec<HeldState> = kept.into_values().collect();
        let (holder, numbers) = Holder::restore(self.state, accounts.clone(), self.clock(now), now + self.skew);
        self.journal = numbers.into_iter().zip(accounts).collect();
        self.holder = holder;
        self.limits = self.holder.adopt(limits);
        self.waiting.clear();
        self.reported_at = Millis::MIN / 2;
        (self.alive, self.closing) = (true, false);
        self.write();
    }

    fn write(&mut self) {
        let (state, journal) = (&mut self.state, &mut self.journal);
        self.holder.journal(|write| match write {
            JournalWrite::Holder(written) => *state = written,
            JournalWrite::Account(no, account) => drop(journal.insert(no, account)),
            JournalWrite::Forgotten(no) => drop(journal.remove(&no)),
        });
    }

    /// A request begins. It is served, waits, or is refused.
    pub fn request(&mut self, limit: usize, amount: u64, now: Millis) -> Option<Taking> {
        match self.take(limit, amount, now) {
            Ok(taking) => Some(taking),
            Err(HeldShort::Spent { .. }) => {
                self.figures.spent += 1;
                None
            }
            Err(_) => {
                self.figures.waited += 1;
                self.waiting.push(Waiting { limit, amount, until: now + WAIT });
                None
            }
        }
    }

    fn take(&mut self, limit: usize, amount: u64, now: Millis) -> Result<Taking, HeldShort> {
        let account = self.holder.reserve(self.limits[limit], amount, self.clock(now))?;
        self.write();
        self.figures.served += 1;
        Ok(Taking { account, limit, amount })
    }

    /// When it must look at its waiting requests or report without another event: at this time, or somewhat later.
    pub fn looks_next(&self, now: Millis) -> Millis {
        let due = self.holder.due(self.clock(now));
        if self.closing || !self.waiting.is_empty() || due == Due::Now {
            return now + WAITING_LOOKS;
        }
        match due {
            Due::Soon => (self.reported_at + SOON).max(now + WAITING_LOOKS),
            // What is due may change as time passes.
            Due::Never | Due::Seldom | Due::Now => now + SOON,
        }
    }

    /// Waiting requests try once more.
    pub fn retry(&mut self, now: Millis) -> Vec<Taking> {
        let (mut taken, mut kept) = (Vec::new(), 0);
        for place in 0..self.waiting.len() {
            let waiting = self.waiting[place];
            match self.take(waiting.limit, waiting.amount, now) {
                Ok(taking) => taken.push(taking),
                Err(HeldShort::Spent { .. }) => self.figures.spent += 1,
                Err(_) if now < waiting.until => {
                    self.waiting[kept] = waiting;
                    kept += 1;
                }
                Err(HeldShort::Contended) => self.figures.contended += 1,
                Err(HeldShort::NotGranted) => self.figures.unavailable += 1,
            }
        }
        self.waiting.truncate(kept);
        taken
    }

    pub fn settle(&mut self, open: Open, now: Millis) {
        self.holder.settle(open.account, open.amount, open.actual, self.clock(now));
        self.write();
    }

    /// The first millisecond of an account's period.
    pub fn start_of(&self, account: HeldNo) -> Option<Millis> {
        self.journal.get(&account).map(|account| account.start)
    }

    pub fn has_said_its_last(&self) -> bool {
        self.state.closed
    }

    /// Its report, if one is due.
    pub fn report(&mut self, now: Millis) -> Option<UsageReport> {
        let clock = self.clock(now);
        let since = now - self.reported_at;
        let report = if self.closing {
            (since >= 1_000).then(|| self.holder.last_report(clock))
        } else {
            let after = match self.holder.due(clock) {
                Due::Never => return None,
                Due::Seldom => SELDOM,
                Due::Soon => SOON,
                Due::Now => 0,
            };
            (since >= after).then(|| self.holder.report(clock)).flatten()
        };
        if report.is_some() {
            self.reported_at = now;
            self.write();
        }
        report
    }

    pub fn take_grants(&mut self, grants: &Grants, now: Millis) {
        let clock = self.clock(now);
        if self.holder.take(grants, clock) == MessageOutcome::Void && !self.closing {
            self.holder.begin_anew(u64::try_from(now + self.skew).unwrap());
        }
        self.write();
    }
}
