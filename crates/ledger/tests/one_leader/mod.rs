//! One leader with its store and its outputs: a test sends inputs and checks them.
#![allow(dead_code, reason = "each test binary uses some of it")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use outrigger_core::{Millis, Periods};
use outrigger_ledger::protocol::{
    AccountGrant, AccountKey, AccountUsage, Grants, LimitKey, Term, UsageReport, WantedLimit,
};
use outrigger_ledger::shared::Holder;
use outrigger_ledger::shared::holder::{MessageOutcome, SharedNo};
use outrigger_ledger::shared::leader::{
    FindingKind, GatewayLimits, Input, Leader, LedgerAction, LedgerVerb, Output, SharedLimit,
};
use outrigger_ledger::shared::record::{StoreObject, StoreRecord, StoreVersion, Stored};

/// 2026-11-30 08:00 UTC.
pub const MORNING: Millis = 1_796_025_600_000;

pub fn id(name: &str) -> LimitKey {
    LimitKey { limit: format!("Budget test/{name}"), unit: "usd".to_owned() }
}

/// The limits of a gateway's keys, now and before.
pub fn has(wanted: &[&str], former: &[&str]) -> Arc<GatewayLimits> {
    let ids = |names: &[&str]| -> BTreeSet<LimitKey> { names.iter().map(|name| id(name)).collect() };
    Arc::new(GatewayLimits { wanted: ids(wanted), former: ids(former), ..GatewayLimits::default() })
}

/// A leader, its store, and its outputs.
pub struct Ledger {
    pub leader: Leader,
    pub now: Millis,
    pub store: BTreeMap<StoreObject, (u64, StoreRecord)>,
    pub writes: u64,
    /// Writes wait until the test lets them through.
    pub held: bool,
    pub waiting: Vec<(StoreObject, Option<StoreVersion>, StoreRecord)>,
    pub grants: BTreeMap<String, Grants>,
    pub findings: Vec<FindingKind>,
    /// The limits of every gateway that reports.
    pub limits: Arc<GatewayLimits>,
    pub deposed: bool,
    pub numbers: u64,
}

impl Ledger {
    pub fn new(limits: Vec<SharedLimit>) -> Ledger {
        Ledger::over(BTreeMap::new(), limits)
    }

    pub fn over(store: BTreeMap<StoreObject, (u64, StoreRecord)>, limits: Vec<SharedLimit>) -> Ledger {
        let stored = |(object, (version, record)): (&StoreObject, &(u64, StoreRecord))| Stored {
            object: *object,
            version: StoreVersion(version.to_string()),
            record: record.clone(),
        };
        let loaded = store.iter().map(stored).collect();
        let mut ledger = Ledger {
            leader: Leader::default(),
            now: MORNING,
            writes: store.values().map(|(version, _)| *version).max().unwrap_or(0),
            store,
            held: false,
            waiting: Vec::new(),
            grants: BTreeMap::new(),
            findings: Vec::new(),
            limits: has(&["a"], &[]),
            deposed: false,
            numbers: 0,
        };
        ledger.input(Input::Limits(limits));
        ledger.input(Input::Loaded(loaded));
        ledger
    }

    pub fn of(max: u64) -> Ledger {
        Ledger::new(vec![SharedLimit { id: id("a"), max, window: Periods::lifetime() }])
    }

    /// The next leader, with this one's store.
    pub fn succeeded(&self, max: u64) -> Ledger {
        self.succeeded_with(vec![SharedLimit { id: id("a"), max, window: Periods::lifetime() }])
    }

    pub fn succeeded_with(&self, limits: Vec<SharedLimit>) -> Ledger {
        let mut next = Ledger::over(self.store.clone(), limits);
        next.numbers = self.numbers;
        next
    }

    pub fn term(&self) -> Term {
        self.leader.leads().unwrap()
    }

    pub fn input(&mut self, input: Input) {
        let outputs = self.leader.step(self.now, input);
        for output in outputs {
            match output {
                Output::Write { object, expected, record } => self.waiting.push((object, expected, record)),
                Output::Reload { object } => {
                    let stored = self.store.get(&object);
                    let stored = stored.map(|(version, record)| (StoreVersion(version.to_string()), record.clone()));
                    self.input(Input::Reloaded { object, stored });
                }
                Output::Grants { holder, grants } => drop(self.grants.insert(holder.pod, grants)),
                Output::Finding(finding) => self.findings.push(finding.kind),
                Output::Deposed { .. } => self.deposed = true,
            }
        }
        while !self.held && !self.waiting.is_empty() {
            self.write();
        }
    }

    pub fn write(&mut self) {
        let (object, expected, record) = self.waiting.remove(0);
        let now = self.store.get(&object).map(|(version, _)| StoreVersion(version.to_string()));
        if now != expected {
            return self.input(Input::Conflict { object });
        }
        self.writes += 1;
        self.store.insert(object, (self.writes, record));
        self.input(Input::Written { object, version: StoreVersion(self.writes.to_string()) });
    }

    /// Advances the time by this many seconds.
    pub fn pass(&mut self, seconds: Millis) {
        for _ in 0..seconds * 5 {
            self.now += 200;
            self.input(Input::Tick);
        }
    }

    pub fn report(&mut self, pod: &str, epoch: u64, accounts: Vec<AccountUsage>, wanted: Vec<WantedLimit>, last: bool) {
        self.numbers += 1;
        let (number, term) = (self.numbers, self.leader.leads().unwrap_or_default());
        let report = UsageReport { epoch, term, number, whole: true, accounts, wanted, last };
        self.send(pod, report);
    }

    pub fn send(&mut self, pod: &str, report: UsageReport) {
        let limits = Arc::clone(&self.limits);
        self.input(Input::Report { pod: pod.to_owned(), limits, report });
    }

    /// A gateway without an account requests this much.
    pub fn ask(&mut self, pod: &str, want: u64, least: u64) -> u64 {
        self.report(pod, 1, Vec::new(), vec![WantedLimit { limit: id("a"), want, least }], false);
        self.pass(1);
        self.granted(pod)
    }

    /// A gateway reports its state.
    pub fn send_usage(&mut self, pod: &str, granted: u64, spent: u64, returned: u64) {
        self.report(pod, 1, vec![usage(granted, spent, returned)], Vec::new(), false);
    }

    pub fn act(&mut self, action: &str, verb: LedgerVerb) {
        self.input(Input::Act(LedgerAction { id: action.to_owned(), limit: id("a"), verb }));
    }

    pub fn grant(&self, pod: &str) -> Option<&AccountGrant> {
        self.grants.get(pod)?.accounts.first()
    }

    pub fn granted(&self, pod: &str) -> u64 {
        self.grant(pod).map_or(0, |grant| grant.granted)
    }
}

pub fn usage(granted: u64, spent: u64, returned: u64) -> AccountUsage {
    let account = AccountKey { limit: id("a"), start: 0 };
    AccountUsage { account, spent, reserved: 0, granted, returned, want: 0, least: 0 }
}

/// A gateway whose monotonic clock started with the test.
pub struct Gateway {
    pub pod: String,
    pub holder: Holder,
    pub limit: SharedNo,
}

impl Gateway {
    /// `skew`: the error of its wall clock.
    pub fn new(pod: &str, skew: Millis) -> Gateway {
        let mut holder = Holder::new(u64::try_from(MORNING + skew).unwrap());
        let limit = holder.adopt([&id("a")])[0];
        Gateway { pod: pod.to_owned(), holder, limit }
    }

    pub fn clock(ledger: &Ledger) -> Millis {
        ledger.now - MORNING
    }

    /// Sends a report if one is due, and handles the answer.
    pub fn report(&mut self, ledger: &mut Ledger) -> Option<MessageOutcome> {
        let report = self.holder.report(Gateway::clock(ledger))?;
        self.exchange(ledger, report)
    }

    pub fn exchange(&mut self, ledger: &mut Ledger, report: UsageReport) -> Option<MessageOutcome> {
        ledger.grants.remove(&self.pod);
        ledger.send(&self.pod, report);
        ledger.pass(1);
        let grants = ledger.grants.remove(&self.pod)?;
        Some(self.holder.take(&grants, Gateway::clock(ledger)))
    }

    /// Requests this much until it is granted: first it follows the leader.
    pub fn wants(&mut self, ledger: &mut Ledger, amount: u64) {
        for _ in 0..4 {
            if self.holder.fits(self.limit, amount, Gateway::clock(ledger)).is_ok() {
                return;
            }
            self.holder.wait(self.limit, amount, Gateway::clock(ledger));
            self.report(ledger);
        }
    }

    pub fn free(&self, ledger: &Ledger) -> u64 {
        self.holder.free(self.limit, Gateway::clock(ledger))
    }

    /// The first millisecond of the period that is used for reservations.
    pub fn period(&self, ledger: &Ledger) -> Option<Millis> {
        self.holder.period(self.limit, Gateway::clock(ledger)).map(|period| period.start)
    }
}
