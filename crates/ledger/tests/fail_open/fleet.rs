//! A leader, its store, and gateways whose streams can be interrupted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use outrigger_core::{Millis, Periods};
use outrigger_ledger::protocol::{Grants, LimitKey};
use outrigger_ledger::shared::holder::{Due, MessageOutcome};
use outrigger_ledger::shared::leader::{FindingKind, GatewayLimits, Input, Leader, Output, SharedLimit};
use outrigger_ledger::shared::record::{StoreObject, StoreRecord, StoreVersion};
use outrigger_ledger::{
    Book, FailOpen, Granter, LimitNo, LimitSpec, Refused, Reservation, SLOT, empty_file, holder_state, records,
};

/// 2024-05-15T12:00Z.
pub const NOON: Millis = 1_715_774_400_000;
pub const MINUTE: Millis = 60_000;
pub const OPEN: FailOpen = FailOpen { most: 50, lasts: 10 * MINUTE };

pub fn id() -> LimitKey {
    LimitKey::new("Budget test/a", "usd")
}

pub struct Fleet {
    pub leader: Leader,
    pub now: Millis,
    store: BTreeMap<StoreObject, (u64, StoreRecord)>,
    writes: u64,
    /// The store does not answer.
    pub held: bool,
    waiting: Vec<(StoreObject, Option<StoreVersion>, StoreRecord)>,
    limits: Arc<GatewayLimits>,
    spec: LimitSpec,
    pub findings: Vec<FindingKind>,
    pub pods: BTreeMap<&'static str, Pod>,
    /// What was really spent.
    pub spent: u64,
}

pub struct Pod {
    pub book: Book,
    pub file: Vec<u8>,
    pub limit: LimitNo,
    pub connected: bool,
    begun: Millis,
    pub open: Vec<(Reservation, u64)>,
}

impl Fleet {
    pub fn new(max: u64, window: Periods, fail_open: Option<FailOpen>) -> Fleet {
        let limit = SharedLimit { id: id(), max, window: window.clone() };
        let fail_open_limits = fail_open.map(|open| (id(), open.most)).into_iter().collect();
        let usable =
            GatewayLimits { wanted: BTreeSet::from([id()]), fail_open: fail_open_limits, ..GatewayLimits::default() };
        let mut fleet = Fleet {
            leader: Leader::default(),
            now: NOON,
            store: BTreeMap::new(),
            writes: 0,
            held: false,
            waiting: Vec::new(),
            limits: Arc::new(usable),
            spec: LimitSpec { name: "Budget test/a".into(), unit: "usd", max, window, fail_open },
            findings: Vec::new(),
            pods: BTreeMap::new(),
            spent: 0,
        };
        fleet.input(Input::Limits(vec![limit]));
        fleet.input(Input::Loaded(Vec::new()));
        fleet
    }

    /// A pod that has not reached the ledger yet.
    pub fn start(&mut self, name: &'static str) {
        let pod = Pod::start(empty_file().to_vec(), &self.spec, self.now);
        self.pods.insert(name, pod);
    }

    pub fn started(mut self, names: &[&'static str]) -> Fleet {
        for name in names {
            self.start(name);
            self.connect(name);
        }
        self
    }

    /// The process ends immediately, and another one continues with its file.
    pub fn restart(&mut self, name: &'static str) {
        let pod = self.pods.remove(name).unwrap();
        // The outcome of requests in flight is unknown.
        self.spent += pod.open.iter().map(|(_, amount)| amount).sum::<u64>();
        let next = Pod { connected: pod.connected, ..Pod::start(pod.file, &self.spec, self.now) };
        self.pods.insert(name, next);
    }

    pub fn connect(&mut self, name: &'static str) {
        let pod = self.pods.get_mut(name).unwrap();
        pod.connected = true;
        pod.book.connected();
        self.talk();
    }

    pub fn cut(&mut self, name: &'static str) {
        self.pods.get_mut(name).unwrap().connected = false;
    }

    pub fn input(&mut self, input: Input) {
        for output in self.leader.step(self.now, input) {
            match output {
                Output::Write { object, expected, record } => self.waiting.push((object, expected, record)),
                Output::Reload { object } => {
                    let stored = self.store.get(&object);
                    let stored = stored.map(|(version, record)| (StoreVersion(version.to_string()), record.clone()));
                    self.input(Input::Reloaded { object, stored });
                }
                Output::Grants { holder, grants } => self.grant(&holder.pod, &grants),
                Output::Finding(finding) => self.findings.push(finding.kind),
                Output::Deposed { .. } => panic!("no other leader"),
                #[allow(unreachable_patterns, reason = "the other outputs are for statuses")]
                _ => {}
            }
        }
        while !self.held && !self.waiting.is_empty() {
            let (object, expected, record) = self.waiting.remove(0);
            let now = self.store.get(&object).map(|(version, _)| StoreVersion(version.to_string()));
            assert_eq!(now, expected);
            self.writes += 1;
            self.store.insert(object, (self.writes, record));
            self.input(Input::Written { object, version: StoreVersion(self.writes.to_string()) });
        }
    }

    fn grant(&mut self, name: &str, grants: &Grants) {
        let now = self.now;
        let Some(pod) = self.pods.get_mut(name).filter(|pod| pod.connected) else { return };
        let (outcome, _) = pod.book.take(grants, now);
        assert_ne!(outcome, MessageOutcome::Void, "no journal is lost");
        pod.write();
    }

    /// All gateways send the reports that are due, until none is.
    pub fn talk(&mut self) {
        for _ in 0..40 {
            let mut progress = false;
            for name in self.pods.keys().copied().collect::<Vec<_>>() {
                let pod = self.pods.get_mut(name).unwrap();
                pod.book.move_steadily(self.now - pod.begun);
                if !pod.connected || pod.book.due() < Due::Now {
                    continue;
                }
                self.report(name);
                progress = true;
            }
            if !progress {
                return;
            }
        }
    }

    pub fn report(&mut self, name: &'static str) {
        let pod = self.pods.get_mut(name).unwrap();
        let Some(report) = pod.book.report() else { return };
        pod.write();
        let limits = Arc::clone(&self.limits);
        self.input(Input::Report { pod: name.to_owned(), limits, report });
    }

    /// All connected gateways send complete reports, as they do every few seconds.
    pub fn report_all(&mut self) {
        for name in self.pods.keys().copied().collect::<Vec<_>>() {
            if self.pods[name].connected {
                self.report(name);
            }
        }
        self.talk();
    }

    pub fn pass(&mut self, ms: Millis) {
        let until = self.now + ms;
        while self.now < until {
            self.now = (self.now + 500).min(until);
            self.input(Input::Tick);
            self.talk();
        }
    }

    fn try_once(&mut self, name: &'static str, amount: u64) -> Result<bool, Refused> {
        let now = self.now;
        let pod = self.pods.get_mut(name).unwrap();
        pod.book.move_steadily(now - pod.begun);
        let reservation = pod.book.reserve(now, &[(pod.limit, amount)])?;
        pod.write();
        let open = !reservation.failed_open().is_empty();
        pod.open.push((reservation, amount));
        Ok(open)
    }

    /// A request that waits for up to two seconds, as in the gateway. Returns whether it passes without a grant.
    pub fn reserve(&mut self, name: &'static str, amount: u64) -> Result<bool, Refused> {
        let until = self.now + 2_000;
        loop {
            match self.try_once(name, amount) {
                Err(Refused::NotGranted { .. } | Refused::Contended { .. }) if self.now < until => {
                    self.talk();
                    if let Ok(open) = self.try_once(name, amount) {
                        return Ok(open);
                    }
                    self.pass(500);
                }
                outcome => return outcome,
            }
        }
    }

    /// All requests in flight cost their whole reservation.
    pub fn settle(&mut self, name: &'static str) {
        let pod = self.pods.get_mut(name).unwrap();
        for (reservation, amount) in std::mem::take(&mut pod.open) {
            pod.book.settle(reservation, &[(pod.limit, amount)]);
            self.spent += amount;
        }
        pod.write();
    }

    pub fn spend(&mut self, name: &'static str, amount: u64) -> Result<bool, Refused> {
        let outcome = self.reserve(name, amount);
        self.settle(name);
        outcome
    }

    pub fn owed(&self, name: &str) -> (u64, Option<u64>) {
        let pod = &self.pods[name];
        let open = pod.book.state(pod.limit, self.now).shared.unwrap().fail_open.unwrap();
        (open.owed, open.lasts)
    }

    /// The spent amount in the current period, as the ledger reports it.
    pub fn counted(&self) -> u64 {
        self.leader.status(&id()).map_or(0, |status| status.fleet.spent)
    }
}

impl Pod {
    fn start(file: Vec<u8>, spec: &LimitSpec, now: Millis) -> Pod {
        let mut book = Book::new();
        let restored = book.restore(records(&file).unwrap(), now);
        assert_eq!(restored.damaged, []);
        book.restore_holder(holder_state(&file).unwrap(), now);
        let limit = book.adopt_from(Granter::Ledger, std::slice::from_ref(spec), now)[0];
        let mut pod = Pod { book, file, limit, connected: false, begun: now, open: Vec::new() };
        pod.write();
        pod
    }

    fn write(&mut self) {
        let file = &mut self.file;
        self.book.writes(|slot, bytes| {
            let at = slot as usize * SLOT;
            file.resize(file.len().max(at + SLOT), 0);
            file[at..at + SLOT].copy_from_slice(bytes);
        });
    }
}
