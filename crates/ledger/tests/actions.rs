//! Actions of people on a limit, what leaves the store, and the figures that are told.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use outrigger_core::{CalendarUnit, Millis, Periods};
use outrigger_ledger::protocol::{AccountKey, AccountUsage, Grants, LimitKey, Shortage, UsageReport, WantedLimit};
use outrigger_ledger::shared::leader::{
    ActionOutcome, ActionRefusal, GatewayLimits, Input, Leader, LedgerAction, LedgerVerb, LimitFigures, Output,
    SharedLimit,
};
use outrigger_ledger::shared::record::{StoreObject, StoreRecord, StoreVersion, Stored};

/// 2026-11-30 08:00 UTC.
const MORNING: Millis = 1_796_025_600_000;
const DAY: Millis = 86_400_000;

fn id() -> LimitKey {
    LimitKey { limit: "Budget test/a".to_owned(), unit: "usd".to_owned() }
}

fn lifetime(max: u64) -> Vec<SharedLimit> {
    vec![SharedLimit { id: id(), max, window: Periods::lifetime() }]
}

/// A leader and its store.
struct Ledger {
    leader: Leader,
    now: Millis,
    store: BTreeMap<StoreObject, (u64, StoreRecord)>,
    writes: u64,
    grants: BTreeMap<String, Grants>,
    outcomes: Vec<ActionOutcome>,
    number: u64,
    /// No write is made.
    held: bool,
    waiting: Vec<(StoreObject, Option<StoreVersion>, StoreRecord)>,
}

impl Ledger {
    fn new(limits: Vec<SharedLimit>) -> Self {
        Self::over(BTreeMap::new(), limits, MORNING)
    }

    fn over(store: BTreeMap<StoreObject, (u64, StoreRecord)>, limits: Vec<SharedLimit>, now: Millis) -> Self {
        let stored = |(object, (version, record)): (&StoreObject, &(u64, StoreRecord))| Stored {
            object: *object,
            version: StoreVersion(version.to_string()),
            // As it is kept.
            record: StoreRecord::decode(&record.encode()).unwrap(),
        };
        let loaded = store.iter().map(stored).collect();
        let writes = store.values().map(|(version, _)| *version).max().unwrap_or(0);
        let mut ledger = Ledger {
            leader: Leader::default(),
            now,
            store,
            writes,
            grants: BTreeMap::new(),
            outcomes: Vec::new(),
            number: 0,
            held: false,
            waiting: Vec::new(),
        };
        ledger.input(Input::Limits(limits));
        ledger.input(Input::Loaded(loaded));
        ledger
    }

    fn succeeded(&self, limits: Vec<SharedLimit>) -> Self {
        let mut next = Self::over(self.store.clone(), limits, self.now);
        next.number = self.number;
        next
    }

    fn input(&mut self, input: Input) {
        for output in self.leader.step(self.now, input) {
            match output {
                Output::Write { object, expected, record } => self.waiting.push((object, expected, record)),
                Output::Grants { holder, grants } => drop(self.grants.insert(holder.pod, grants)),
                Output::Finding(_) => {}
                other => panic!("{other:?}"),
            }
        }
        self.outcomes.extend(self.leader.outcomes());
        while !self.held && !self.waiting.is_empty() {
            self.write();
        }
    }

    fn write(&mut self) {
        let (object, expected, record) = self.waiting.remove(0);
        let stands = self.store.get(&object).map(|(version, _)| StoreVersion(version.to_string()));
        assert_eq!(stands, expected);
        assert!(record.encode().len() < 100_000);
        self.writes += 1;
        self.store.insert(object, (self.writes, record));
        self.input(Input::Written { object, version: StoreVersion(self.writes.to_string()) });
    }

    fn pass(&mut self, seconds: Millis) {
        for _ in 0..seconds * 5 {
            self.now += 200;
            self.input(Input::Tick);
        }
    }

    fn report(&mut self, pod: &str, accounts: Vec<AccountUsage>, want: u64) {
        self.number += 1;
        let wanted = if want > 0 { vec![WantedLimit { limit: id(), want, least: want }] } else { Vec::new() };
        let (number, term) = (self.number, self.leader.leads().unwrap());
        let report = UsageReport { epoch: 1, term, number, whole: true, accounts, wanted, last: false };
        let limits = Arc::new(GatewayLimits { wanted: [id()].into(), ..GatewayLimits::default() });
        self.input(Input::Report { pod: pod.to_owned(), limits, report });
    }

    /// A gateway wants so much more; what it is granted in all.
    fn ask(&mut self, pod: &str, want: u64) -> u64 {
        self.report(pod, Vec::new(), want);
        self.pass(1);
        self.granted(pod)
    }

    fn granted(&self, pod: &str) -> u64 {
        self.grants.get(pod).and_then(|grants| grants.accounts.first()).map_or(0, |grant| grant.granted)
    }

    fn spent(&mut self, pod: &str, granted: u64, spent: u64) {
        self.usage(pod, 0, granted, spent);
    }

    fn usage(&mut self, pod: &str, start: Millis, granted: u64, spent: u64) {
        let account = AccountKey { limit: id(), start };
        let usage = AccountUsage { account, spent, reserved: 0, granted, returned: 0, want: 0, least: 0 };
        self.report(pod, vec![usage], 0);
    }

    fn gone(&mut self, pod: &str) {
        self.input(Input::HolderGone { pod: pod.to_owned() });
    }

    fn act(&mut self, action: &str, verb: LedgerVerb) {
        self.input(Input::Act(LedgerAction { id: action.to_owned(), limit: id(), verb }));
    }

    /// What an action came to, when the store has it.
    fn done(&mut self, action: &str, verb: LedgerVerb) -> Result<u128, ActionRefusal> {
        self.act(action, verb);
        self.pass(2);
        let place = self.outcomes.iter().position(|outcome| outcome.id == action).unwrap();
        self.outcomes.remove(place).result.map(|done| done.amount)
    }

    /// Spent, unconfirmed, and what may still be granted.
    fn stands(&self) -> (u64, u64, u64) {
        let status = self.leader.status(&id()).unwrap();
        (status.fleet.spent, status.fleet.unconfirmed, status.available)
    }

    fn accounts(&self) -> Vec<Millis> {
        let shards = self.store.values().filter_map(|(_, record)| match record {
            StoreRecord::Shard(shard) => Some(shard),
            StoreRecord::Index(_) => None,
        });
        shards.flat_map(|shard| &shard.accounts).map(|account| account.key.start).collect()
    }
}

#[test]
fn what_is_forgiven_is_free_and_stays_so_after_a_change_of_leaders() {
    let mut ledger = Ledger::new(lifetime(100));
    assert_eq!(ledger.ask("one", 100), 100);
    ledger.spent("one", 100, 30);
    ledger.gone("one");
    assert_eq!(ledger.ask("two", 10), 0);
    assert_eq!(ledger.done("f", LedgerVerb::Forgive), Ok(70));
    assert_eq!((ledger.stands().1, ledger.granted("two")), (0, 10));
    let mut next = ledger.succeeded(lifetime(100));
    assert_eq!(next.done("f", LedgerVerb::Forgive), Ok(70), "it was done, and is not done again");
}

#[test]
fn an_action_is_done_once_whatever_the_leader() {
    let mut ledger = Ledger::new(lifetime(100));
    ledger.ask("one", 100);
    ledger.spent("one", 100, 60);
    ledger.gone("one");
    ledger.pass(11);
    assert_eq!(ledger.done("r", LedgerVerb::Reset), Ok(60));
    assert_eq!(ledger.stands(), (0, 40, 60));
    assert_eq!(ledger.ask("two", 60), 60);
    ledger.spent("two", 60, 50);
    ledger.pass(11);
    let mut next = ledger.succeeded(lifetime(100));
    next.spent("two", 60, 50);
    assert_eq!(next.done("r", LedgerVerb::Reset), Ok(60), "the figure of then");
    assert_eq!(next.stands(), (50, 40, 0));
    assert_eq!(next.done("r2", LedgerVerb::Reset), Ok(50));
    assert_eq!(next.stands(), (0, 40, 50));
}

#[test]
fn no_outcome_is_told_before_the_store_has_it() {
    let mut ledger = Ledger::new(lifetime(100));
    ledger.ask("one", 100);
    ledger.spent("one", 100, 30);
    ledger.gone("one");
    ledger.pass(11);
    for (action, verb) in
        [("f", LedgerVerb::Forgive), ("r", LedgerVerb::Reset), ("u", LedgerVerb::Raise { by: 5, until: MORNING + DAY })]
    {
        ledger.held = true;
        ledger.act(action, verb);
        ledger.act(action, verb);
        ledger.pass(2);
        assert_eq!(ledger.outcomes, [], "{action}");
        ledger.held = false;
        ledger.pass(2);
        assert_eq!(ledger.outcomes.len(), 1, "{action}");
        ledger.outcomes.clear();
    }
}

#[test]
fn a_pod_that_wakes_after_it_was_forgiven_is_void_and_what_it_spent_meanwhile_is_a_debt() {
    let mut ledger = Ledger::new(lifetime(100));
    ledger.ask("one", 100);
    ledger.spent("one", 100, 30);
    ledger.gone("one");
    ledger.done("f", LedgerVerb::Forgive).unwrap();
    assert_eq!(ledger.ask("two", 50), 50);
    ledger.spent("one", 100, 55);
    assert!(ledger.grants["one"].void);
    let (spent, unconfirmed, available) = ledger.stands();
    assert_eq!((spent, unconfirmed), (55, 0));
    assert_eq!(available, 0, "of 100, 55 are spent, and another gateway holds 50");
    ledger.pass(700);
    assert_eq!(ledger.succeeded(lifetime(100)).stands().0, 55);
}

#[test]
fn what_was_reset_may_be_spent_again_and_no_more() {
    let mut ledger = Ledger::new(lifetime(100));
    assert_eq!(ledger.ask("one", 100), 100);
    ledger.spent("one", 100, 100);
    ledger.pass(11);
    assert_eq!(ledger.ask("two", 10), 0);
    assert_eq!(ledger.grants["two"].accounts[0].short, Some(Shortage::Spent));
    assert_eq!(ledger.done("r", LedgerVerb::Reset), Ok(100));
    assert_eq!(ledger.granted("two"), 10, "it has waited");
    assert_eq!(ledger.ask("two", 90), 100);
    assert_eq!(ledger.grants["two"].accounts[0].fleet.spent, 0);
    assert_eq!(ledger.ask("three", 1), 0);
    let mut next = ledger.succeeded(lifetime(100));
    next.spent("one", 100, 100);
    next.spent("two", 100, 40);
    assert_eq!(next.stands(), (40, 0, 0));
    assert_eq!(next.ask("three", 1), 0);
}

#[test]
fn a_raise_ends_by_itself_and_outlives_its_leader_and_its_period() {
    let day =
        || vec![SharedLimit { id: id(), max: 100, window: Periods::calendar(CalendarUnit::Day, "UTC", 1).unwrap() }];
    let mut ledger = Ledger::new(day());
    assert_eq!(ledger.ask("one", 100), 100);
    assert_eq!(ledger.ask("two", 50), 0);
    let until = MORNING + DAY;
    assert_eq!(ledger.done("u", LedgerVerb::Raise { by: 50, until }), Ok(50));
    let fleet = ledger.grants["two"].accounts[0].fleet;
    assert_eq!((ledger.granted("two"), fleet.limit, fleet.raised), (50, 150, 50));
    ledger.now = MORNING + 17 * 3_600_000;
    let mut next = ledger.succeeded(day());
    assert_eq!(next.ask("three", 120), 120, "tomorrow, the limit is still higher");
    next.now = until;
    next.pass(1);
    let status = next.leader.status(&id()).unwrap();
    assert_eq!((status.fleet.limit, status.fleet.raised, status.raise, status.available), (100, 0, None, 0));
    assert_eq!(next.done("late", LedgerVerb::Raise { by: 50, until }), Err(ActionRefusal::Past));
}

#[test]
fn of_a_rolling_window_all_that_counts_is_reset() {
    let hour = vec![SharedLimit { id: id(), max: 100, window: Periods::rolling(3_600_000).unwrap() }];
    let mut ledger = Ledger::new(hour.clone());
    assert_eq!(ledger.ask("one", 60), 60);
    ledger.usage("one", MORNING, 60, 60);
    ledger.pass(120);
    assert_eq!(ledger.ask("two", 40), 40);
    ledger.usage("two", MORNING + 120_000, 40, 30);
    ledger.pass(11);
    assert_eq!(ledger.done("r", LedgerVerb::Reset), Ok(90));
    assert_eq!(ledger.stands().0, 0);
    assert_eq!(ledger.succeeded(hour).leader.status(&id()).unwrap().fleet.spent, 0);
}

#[test]
fn what_can_not_be_done_is_refused() {
    let mut ledger = Ledger::new(lifetime(100));
    for odd in ["", "a b", "é", &"x".repeat(65)] {
        assert_eq!(ledger.done(odd, LedgerVerb::Reset), Err(ActionRefusal::Id), "{odd}");
    }
    ledger.input(Input::Limits(Vec::new()));
    assert_eq!(ledger.done("r", LedgerVerb::Reset), Err(ActionRefusal::NotShared));
}

#[test]
fn an_object_that_is_deleted_and_made_again_finds_what_it_spent() {
    let mut ledger = Ledger::new(lifetime(100));
    ledger.input(Input::Present([id()].into()));
    ledger.ask("one", 100);
    ledger.spent("one", 100, 100);
    ledger.pass(11);
    ledger.input(Input::Limits(Vec::new()));
    ledger.input(Input::Present(BTreeSet::new()));
    ledger.pass(7_300);
    ledger.now += 6 * DAY;
    ledger.pass(7_300);
    let mut next = ledger.succeeded(lifetime(50));
    next.pass(11);
    assert_eq!((next.stands().0, next.ask("two", 10)), (100, 0), "its limit is lower now, and as much is spent");
    // It counts from the day on which it goes the next time.
    next.input(Input::Present(BTreeSet::new()));
    next.input(Input::Limits(Vec::new()));
    next.pass(7_300);
    next.now += 3 * DAY;
    next.pass(7_300);
    assert_eq!(next.accounts(), [0]);
}

#[test]
fn the_account_of_an_object_that_is_gone_leaves_the_store_in_the_end() {
    for (window, kept) in
        [(Periods::lifetime(), 7 * DAY), (Periods::calendar(CalendarUnit::Day, "UTC", 1).unwrap(), DAY)]
    {
        let mut ledger = Ledger::new(vec![SharedLimit { id: id(), max: 100, window }]);
        ledger.ask("one", 100);
        let start = ledger.accounts()[0];
        ledger.usage("one", start, 100, 100);
        ledger.pass(11);
        ledger.input(Input::Limits(Vec::new()));
        ledger.pass(7_300);
        assert_eq!(ledger.accounts().len(), 1, "nobody has said that its object is gone");
        ledger.input(Input::Present(BTreeSet::new()));
        ledger.pass(3_700);
        assert_eq!(ledger.accounts().len(), 1);
        ledger.now += kept;
        ledger.gone("one");
        ledger.pass(3_700);
        assert!(ledger.accounts().is_empty(), "{kept}");
    }
}

#[test]
fn a_limit_that_no_policy_has_for_a_while_keeps_its_account_as_long_as_its_object_is_there() {
    let mut ledger = Ledger::new(lifetime(100));
    ledger.ask("one", 100);
    ledger.spent("one", 100, 100);
    ledger.pass(11);
    ledger.input(Input::Limits(Vec::new()));
    ledger.input(Input::Present([id()].into()));
    ledger.pass(3_700);
    ledger.now += 30 * DAY;
    ledger.pass(3_700);
    ledger.input(Input::Limits(lifetime(100)));
    assert_eq!(ledger.stands().0, 100);
}

fn told(figures: &[LimitFigures]) -> Vec<(u64, Vec<(String, u64)>)> {
    let told = |figures: &LimitFigures| {
        let status = figures.status.clone().unwrap();
        (status.fleet.spent, status.spenders)
    };
    figures.iter().map(told).collect()
}

#[test]
fn figures_are_told_if_they_changed_and_name_the_workloads_that_spent_most() {
    let mut ledger = Ledger::new(lifetime(1_000));
    assert_eq!(told(&ledger.leader.figures()), [(0, Vec::new())], "before anybody has spent any of it");
    for pod in ["one", "two", "three"] {
        let workload = if pod == "three" { "shop/Job/batch" } else { "shop/Deployment/search" };
        ledger.input(Input::Workload { pod: pod.to_owned(), workload: workload.into() });
        ledger.ask(pod, 100);
        ledger.spent(pod, 100, 40);
    }
    let spenders = |search: u64| vec![("shop/Deployment/search".to_owned(), search), ("shop/Job/batch".to_owned(), 40)];
    assert_eq!(told(&ledger.leader.figures()), [(120, spenders(80))]);
    ledger.pass(60);
    assert_eq!(ledger.leader.figures(), []);
    ledger.spent("one", 100, 40);
    assert_eq!(ledger.leader.figures(), [], "it has said nothing new");
    // Those that are gone for long are rows no more, and the next leader knows them all the same.
    ledger.gone("one");
    ledger.gone("three");
    ledger.pass(700);
    assert_eq!(told(&ledger.leader.figures()), [(120, spenders(80))]);
    let mut next = ledger.succeeded(lifetime(1_000));
    assert_eq!(next.leader.figures(), [], "another one has not told yet");
    next.input(Input::Workload { pod: "two".to_owned(), workload: "shop/Deployment/search".into() });
    next.spent("two", 100, 50);
    assert_eq!(told(&next.leader.figures()), [(130, spenders(90))]);
}
