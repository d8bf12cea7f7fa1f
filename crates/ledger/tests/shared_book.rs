//! A book with limits that the ledger grants: it spends only what it was granted, and the grants outlive its process.
#![allow(clippy::unwrap_used)] // The helpers here are tests too.

use outrigger_core::{Millis, Periods};
use outrigger_ledger::protocol::{
    AccountGrant, AccountKey, DurableUsage, FleetAccount, Grants, LimitKey, Shortage, Term, UsageReport,
};
use outrigger_ledger::shared::holder::{Due, HolderState, MessageOutcome};
use outrigger_ledger::{
    Book, Granter, LimitNo, LimitSpec, PageRecord, Refused, SLOT, empty_file, holder_state, records,
};

/// 2024-05-15T12:00Z.
const NOON: Millis = 1_715_774_400_000;
const DAY: Millis = 86_400_000;
const MIDNIGHT: Millis = NOON - DAY / 2;

fn spec(name: &str) -> LimitSpec {
    LimitSpec { name: name.into(), unit: "usd", max: 1_000, window: Periods::lifetime(), fail_open: None }
}

fn key(name: &str) -> AccountKey {
    AccountKey { limit: LimitKey::new(name, "usd"), start: MIDNIGHT }
}

/// This much in today's account, of 1,000 for all gateways.
fn granted(name: &str, amount: u64) -> AccountGrant {
    AccountGrant {
        account: key(name),
        end: Some(MIDNIGHT + DAY),
        valid_for_ms: Some(43_200_000),
        begins_in_ms: 0,
        granted: amount,
        durable: DurableUsage::default(),
        over: false,
        recall: false,
        short: None,
        fleet: FleetAccount { limit: 1_000, ..FleetAccount::default() },
    }
}

fn grants(term: u64, report: &UsageReport, accounts: Vec<AccountGrant>) -> Grants {
    Grants { epoch: report.epoch, term: Term(term), answers: report.number, accounts, ..Grants::default() }
}

/// A process, and its file.
struct Process {
    book: Book,
    file: Vec<u8>,
    limits: Vec<LimitNo>,
}

impl Process {
    fn start(file: Vec<u8>, names: &[&str]) -> Process {
        let mut book = Book::new();
        let restored = book.restore(records(&file).unwrap(), NOON);
        assert_eq!(restored.damaged, []);
        book.restore_holder(holder_state(&file).unwrap(), NOON);
        let specs: Vec<LimitSpec> = names.iter().map(|name| spec(name)).collect();
        let limits = book.adopt_from(Granter::Ledger, &specs, NOON);
        let mut process = Process { book, file, limits };
        process.write();
        process
    }

    fn new(names: &[&str]) -> Process {
        Process::start(empty_file().to_vec(), names)
    }

    /// A book that follows the leader of term 1, and was granted this much of its first limit.
    fn with(names: &[&str], amount: u64) -> Process {
        let mut process = Process::new(names);
        process.follow(1);
        process.grant(1, vec![granted(names[0], amount)]);
        process
    }

    fn write(&mut self) {
        let file = &mut self.file;
        self.book.writes(|slot, bytes| {
            let at = slot as usize * SLOT;
            file.resize(file.len().max(at + SLOT), 0);
            file[at..at + SLOT].copy_from_slice(bytes);
        });
    }

    fn report(&mut self) -> UsageReport {
        let report = self.book.report().unwrap();
        self.write();
        report
    }

    fn take(&mut self, grants: &Grants) -> MessageOutcome {
        let (taken, _) = self.book.take(grants, NOON);
        self.write();
        taken
    }

    fn follow(&mut self, term: u64) {
        let report = self.report();
        assert_eq!(self.take(&grants(term, &report, Vec::new())), MessageOutcome::Followed);
    }

    fn grant(&mut self, term: u64, accounts: Vec<AccountGrant>) {
        let report = self.report();
        assert_eq!(self.take(&grants(term, &report, accounts)), MessageOutcome::Yes);
    }

    fn reserve(&mut self, amount: u64) -> Result<outrigger_ledger::Reservation, Refused> {
        let wants = [(self.limits[0], amount)];
        self.book.reserve(NOON, &wants)
    }

    fn accounts(&self) -> Vec<PageRecord> {
        records(&self.file).unwrap().map(Result::unwrap).collect()
    }
}

#[test]
fn only_granted_amounts_are_spent() {
    let mut process = Process::new(&["a"]);
    let a = process.limits[0];
    assert_eq!(process.book.due(), Due::Now, "it is asked who leads");
    process.follow(7);
    assert_eq!(process.reserve(30).unwrap_err(), Refused::NotGranted { limit: a });
    let report = process.report();
    assert_eq!((report.term, report.whole, report.accounts.len()), (Term(7), true, 0));
    let [wanted] = &report.wanted[..] else { panic!("{report:?}") };
    assert_eq!((&wanted.limit, wanted.least), (&LimitKey::new("a", "usd"), 30));
    assert_eq!(process.take(&grants(7, &report, vec![granted("a", 50)])), MessageOutcome::Yes);
    let reservation = process.reserve(30).unwrap();
    assert_eq!(process.reserve(30).unwrap_err(), Refused::Contended { limit: a });
    // The ledger answered just now, so it will answer again.
    assert_eq!(process.reserve(60).unwrap_err(), Refused::Contended { limit: a });
    process.book.move_steadily(2_000);
    assert_eq!(process.reserve(60).unwrap_err(), Refused::NotGranted { limit: a });
    let settled = process.book.settle(reservation, &[(a, 10)]);
    assert_eq!(settled.changes().collect::<Vec<_>>(), [(a, 0, 10)]);
    assert_eq!(process.reserve(41).unwrap_err(), Refused::NotGranted { limit: a });
    let report = process.report();
    let [account] = &report.accounts[..] else { panic!("{report:?}") };
    assert_eq!((account.spent, account.reserved, account.granted, account.returned), (10, 0, 50, 0));
}

/// A ledger that was heard and has granted nothing yet may be writing down who asks: nobody is known to hold what is left.
#[test]
fn before_the_first_grant_only_the_ledger_s_word_says_that_others_hold_it() {
    let mut process = Process::new(&["a"]);
    let a = process.limits[0];
    process.follow(1);
    assert_eq!(process.reserve(30).unwrap_err(), Refused::NotGranted { limit: a });
    process.grant(1, vec![granted("a", 0)]);
    assert_eq!(process.reserve(30).unwrap_err(), Refused::NotGranted { limit: a }, "it was heard just now");
    let report = process.report();
    assert!(report.accounts[0].least > 0, "it is asked again");
    let leased = AccountGrant { short: Some(Shortage::Leased), ..granted("a", 0) };
    assert_eq!(process.take(&grants(1, &report, vec![leased])), MessageOutcome::Yes);
    assert_eq!(process.reserve(30).unwrap_err(), Refused::Contended { limit: a });
    process.grant(1, vec![granted("a", 0)]);
    assert_eq!(process.reserve(30).unwrap_err(), Refused::NotGranted { limit: a }, "and says so no more");
    process.grant(1, vec![granted("a", 10)]);
    assert_eq!(process.reserve(30).unwrap_err(), Refused::Contended { limit: a }, "something came: more may");
}

#[test]
fn a_limit_is_spent_only_if_the_ledger_answers_so() {
    let mut process = Process::with(&["a"], 50);
    let a = process.limits[0];
    let fleet =
        FleetAccount { limit: 1_000, spent: 900, reserved: 40, unconfirmed: 10, age_ms: 2_000, ..Default::default() };
    assert_eq!(process.reserve(60).unwrap_err(), Refused::Contended { limit: a });
    let report = process.report();
    for (short, refused) in [
        (Shortage::Unavailable, Refused::NotGranted { limit: a }),
        (Shortage::Leased, Refused::Contended { limit: a }),
        (Shortage::Spent, Refused::Exhausted { limit: a, spent: 900, max: 1_000, until: Some(MIDNIGHT + DAY) }),
    ] {
        assert_eq!(
            process.take(&grants(1, &report, vec![AccountGrant { short: Some(short), fleet, ..granted("a", 50) }])),
            MessageOutcome::Yes
        );
        assert_eq!(process.reserve(60).unwrap_err(), refused, "{short:?}");
        process.book.move_steadily(5_000);
    }
    // Held amounts are spent nevertheless.
    let held = process.reserve(50).unwrap();
    process.book.settle(held, &[(a, 20)]);
    let state = process.book.state(a, NOON);
    assert_eq!((process.book.used(a, NOON), state.spent, state.reserved, state.max), (920, 920, 40, 1_000));
    assert_eq!((state.start, state.end), (MIDNIGHT, Some(MIDNIGHT + DAY)));
    let shared = state.shared.unwrap();
    assert_eq!((shared.free, shared.unconfirmed, shared.age.as_millis()), (30, 10, 2_000));
    assert_eq!(process.book.available(a, NOON), 1_000 - 920 - 40 - 10);
}

/// Whichever arrives first, the policy or the ledger's message: no request is refused because of an old state.
#[test]
fn a_raised_limit_refuses_no_request_for_its_former_amount() {
    let told_spent = || {
        let mut process = Process::with(&["a"], 50);
        assert!(process.reserve(60).is_err());
        let report = process.report();
        let fleet = FleetAccount { limit: 1_000, spent: 1_000, ..FleetAccount::default() };
        let short = Some(Shortage::Spent);
        let outcome = process.take(&grants(1, &report, vec![AccountGrant { short, fleet, ..granted("a", 50) }]));
        assert_eq!(outcome, MessageOutcome::Yes);
        assert!(matches!(process.reserve(60), Err(Refused::Exhausted { .. })));
        process
    };
    // The ledger sends the new state of the limit. Requests wait, and are reported immediately.
    let mut process = told_spent();
    let a = process.limits[0];
    let report = process.report();
    let fleet = FleetAccount { limit: 2_000, spent: 1_000, ..FleetAccount::default() };
    assert_eq!(
        process.take(&grants(1, &report, vec![AccountGrant { fleet, ..granted("a", 50) }])),
        MessageOutcome::Yes
    );
    let raised = LimitSpec { max: 2_000, ..spec("a") };
    process.book.adopt_from(Granter::Ledger, std::slice::from_ref(&raised), NOON);
    assert_eq!(process.reserve(60).unwrap_err(), Refused::Contended { limit: a });
    process.book.move_steadily(1_000);
    assert_eq!(process.book.due(), Due::Now);
    let report = process.report();
    assert!(report.accounts[0].least > 0);
    assert_eq!(process.take(&grants(1, &report, vec![granted("a", 110)])), MessageOutcome::Yes);
    assert!(process.reserve(60).is_ok());
    // The gateway has the new policy, and the ledger has not.
    let mut process = told_spent();
    let a = process.limits[0];
    process.book.adopt_from(Granter::Ledger, &[raised], NOON);
    assert_eq!(process.reserve(60).unwrap_err(), Refused::NotGranted { limit: a });
}

/// A grant covers a debt first: the next request needs both.
#[test]
fn a_gateway_with_a_debt_requests_the_debt_too() {
    let mut process = Process::with(&["a"], 50);
    let a = process.limits[0];
    let held = process.reserve(50).unwrap();
    process.book.settle(held, &[(a, 300)]);
    assert!(process.reserve(20).is_err());
    let report = process.report();
    let [account] = &report.accounts[..] else { panic!("{report:?}") };
    assert_eq!((account.spent, account.granted, account.least), (300, 50, 270));
    assert_eq!(process.take(&grants(1, &report, vec![granted("a", 320)])), MessageOutcome::Yes);
    assert!(process.reserve(20).is_ok());
}

#[test]
fn a_shared_and_a_local_limit_are_reserved_together_or_not_at_all() {
    let mut process = Process::with(&["a", "b"], 50);
    let [a, b] = process.limits[..] else { panic!("two") };
    assert_eq!(process.book.reserve(NOON, &[(a, 10), (b, 10)]).unwrap_err(), Refused::NotGranted { limit: b });
    assert_eq!(process.book.state(a, NOON).shared.unwrap().free, 50);
    process.grant(1, vec![granted("b", 10)]);
    let both = process.book.reserve(NOON, &[(a, 10), (b, 10)]).unwrap();
    assert_eq!([a, b].map(|no| process.book.state(no, NOON).shared.unwrap().free), [40, 0]);
    process.book.settle(both, &[(a, 10), (b, 3)]);
    assert_eq!(([a, b].map(|no| process.book.used(no, NOON)), process.book.open()), ([10, 3], 0));
}

#[test]
fn grants_and_their_leader_outlive_the_process() {
    let mut process = Process::with(&["a"], 50);
    process.follow(3);
    process.grant(3, vec![granted("a", 80)]);
    let a = process.limits[0];
    let done = process.reserve(10).unwrap();
    process.book.settle(done, &[(a, 10)]);
    let _in_flight = process.reserve(30).unwrap();
    process.write();
    let before = process.report();
    let mut process = Process::start(process.file, &["a"]);
    let a = process.limits[0];
    // Amounts in flight are spent, and the rest is available immediately, without the ledger.
    assert_eq!(process.book.used(a, NOON), 40);
    assert!(process.reserve(41).is_err());
    let held = process.reserve(40).unwrap();
    process.book.settle(held, &[]);
    let report = process.report();
    assert_eq!((report.epoch, report.term, report.whole), (before.epoch, Term(3), true));
    assert!(report.number > before.number, "{} after {}", report.number, before.number);
    let [account] = &report.accounts[..] else { panic!("{report:?}") };
    assert_eq!((account.spent, account.reserved, account.granted), (40, 0, 80));
    // A former leader that does not know yet that it was replaced.
    assert_eq!(process.take(&grants(2, &report, vec![granted("a", 500)])), MessageOutcome::Stale);
    assert!(process.reserve(41).is_err());
}

#[test]
fn a_term_is_written_before_a_report_names_it() {
    let mut process = Process::new(&["a"]);
    process.follow(9);
    let (epoch, state) = (process.report().epoch, holder_state(&process.file).unwrap());
    assert_eq!(state, Some(HolderState { epoch, runs: 0, term: Term(9), closed: false, lost_at: None }));
}

#[test]
fn the_format_of_granted_accounts_has_not_changed() {
    let mut process = Process::with(&["a"], 50);
    let _in_flight = process.reserve(20).unwrap();
    process.write();
    let hex = |range: std::ops::Range<usize>| {
        process.file[range].iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    assert_eq!(process.file.len(), 2 * SLOT);
    for (what, at, bytes) in [
        ("version 3, 512 bytes, 2 slots", 8, "030000000002000002000000"),
        ("epoch", 20, "00a61f7c8f010000"),
        ("term", 28, "0100000000000000"),
        ("runs, closed", 36, "0000000000"),
        ("kind, lengths, slot", 512, "0303010001000000"),
        ("start", 520, "00788c798f010000"),
        ("end", 528, "00d4b27e8f010000"),
        ("epoch of the account", 536, "00a61f7c8f010000"),
        ("granted", 544, "32000000000000000000000000000000"),
        ("returned", 560, "00000000000000000000000000000000"),
        ("spent, reserved", 576, "00000000000000001400000000000000"),
        ("unit", 592, "75736400000000000000000000000000"),
        ("term of the account", 608, "0100000000000000"),
        ("name", 620, "6100"),
    ] {
        assert_eq!(hex(at..at + bytes.len() / 2), bytes, "{what}");
    }
    let [account] = &process.accounts()[..] else { panic!("one account") };
    let to = account.granted_to().unwrap();
    assert_eq!((to.epoch, to.term, account.reserved()), (NOON as u64, Term(1), 20));
}

#[test]
fn accounts_of_a_void_journal_are_not_used_by_the_next() {
    let mut process = Process::with(&["a"], 50);
    let before = process.report();
    let torn = process.file.clone();
    let void = Grants { void: true, ..grants(1, &before, Vec::new()) };
    assert_eq!(process.take(&void), MessageOutcome::Void);
    assert!(process.reserve(1).is_err());
    assert!(process.report().epoch > before.epoch);
    assert_eq!(process.accounts(), []);
    // As if the process had ended between the header and the slot.
    let mut file = torn;
    file[..SLOT].copy_from_slice(&process.file[..SLOT]);
    let mut process = Process::start(file, &["a"]);
    assert!(process.reserve(1).is_err());
    assert_eq!(process.accounts(), []);
}

#[test]
fn a_limit_that_is_no_longer_shared_is_returned_and_counted_here() {
    let mut process = Process::with(&["a"], 50);
    let a = process.book.adopt(&[spec("a")], NOON)[0];
    assert!(process.book.reserve(NOON, &[(a, 1_000)]).is_ok());
    let report = process.report();
    let [account] = &report.accounts[..] else { panic!("{report:?}") };
    assert_eq!((account.granted, account.returned, account.want), (50, 50, 0));
    // Once the ledger has it, it is not reported any more.
    let over = AccountGrant { over: true, ..granted("a", 50) };
    assert_eq!(process.take(&grants(1, &report, vec![over])), MessageOutcome::Yes);
    assert_eq!((process.book.due(), process.book.report()), (Due::Never, None));
}

#[test]
fn taking_a_policy_back_restores_who_grants_its_limits() {
    let mut process = Process::with(&["a"], 50);
    let a = process.limits[0];
    process.book.adopt(&[spec("a")], NOON);
    process.book.take_back();
    process.report();
    assert_eq!(process.book.state(a, NOON).shared.unwrap().free, 50);
    let mut own = Book::new();
    let a = own.adopt(&[spec("a")], NOON)[0];
    own.adopt_from(Granter::Ledger, &[spec("a")], NOON);
    own.take_back();
    assert!(own.reserve(NOON, &[(a, 1_000)]).is_ok());
}

#[test]
fn a_limit_lowered_below_what_is_held_refuses_immediately() {
    let mut process = Process::with(&["a"], 500);
    let a = process.limits[0];
    let lowered = |max| LimitSpec { max, ..spec("a") };
    let done = process.reserve(100).unwrap();
    process.book.settle(done, &[(a, 100)]);
    process.book.adopt_from(Granter::Ledger, &[lowered(130)], NOON);
    assert_eq!(process.book.available(a, NOON), 30);
    let refused = process.reserve(31).unwrap_err();
    let until = Some(MIDNIGHT + DAY);
    assert_eq!(refused, Refused::Exhausted { limit: a, spent: 100, max: 130, until });
    assert_eq!(process.reserve(131).unwrap_err(), Refused::Exhausted { limit: a, spent: 100, max: 130, until: None });
    let _under_way = process.reserve(30).unwrap();
    process.book.adopt_from(Granter::Ledger, &[lowered(1_000)], NOON);
    assert_eq!(process.reserve(371).unwrap_err(), Refused::Contended { limit: a });
}

#[test]
fn a_short_rolling_window_stays_with_each_gateway() {
    let mut book = Book::new();
    let minute = LimitSpec { window: Periods::rolling(60_000).unwrap(), ..spec("minute") };
    let [minute, life] = book.adopt_from(Granter::Ledger, &[minute, spec("life")], NOON)[..] else { panic!("two") };
    let done = book.reserve(NOON, &[(minute, 600)]).unwrap();
    book.settle(done, &[(minute, 600)]);
    assert!(matches!(book.reserve(NOON, &[(minute, 401)]), Err(Refused::Exhausted { .. })));
    let asked = book.reserve(NOON, &[(minute, 400), (life, 1)]);
    assert!(matches!(asked, Err(Refused::NotGranted { limit, .. }) if limit == life), "{asked:?}");
    assert_eq!(book.report().unwrap().wanted.len(), 1);
}

#[test]
fn the_final_report_returns_everything_and_the_next_process_is_another_holder() {
    let mut process = Process::with(&["a"], 50);
    let a = process.limits[0];
    let done = process.reserve(20).unwrap();
    process.book.settle(done, &[(a, 5)]);
    // The result is lost, so it counts in full.
    let _under_way = process.reserve(10).unwrap();
    process.book.close();
    assert_eq!((process.book.due(), process.book.is_closed()), (Due::Now, false));
    let report = process.report();
    let [account] = &report.accounts[..] else { panic!("{report:?}") };
    assert!(report.last);
    assert_eq!((account.spent, account.granted, account.returned), (15, 50, 35));
    let unconfirmed: Vec<u64> = process.book.unconfirmed().map(|one| one.counters.spent).collect();
    assert_eq!(unconfirmed, [15]);
    let durable = DurableUsage { spent: 15, returned: 35 };
    assert_eq!(
        process.take(&grants(1, &report, vec![AccountGrant { durable, ..granted("a", 50) }])),
        MessageOutcome::Yes
    );
    assert!(process.book.is_closed());
    let mut next = Process::start(process.file, &["a"]);
    assert!(next.report().epoch > report.epoch);
    assert!(next.reserve(1).is_err());
}

#[test]
fn a_holder_without_grants_has_nothing_to_close() {
    let mut process = Process::new(&["a"]);
    process.book.close();
    assert!(process.book.is_closed());
    assert!(Book::new().is_closed());
}

/// The ledger's word has the raise in it, and the policy's has not.
#[test]
fn a_limit_that_is_raised_for_a_time_and_then_for_good_refuses_nobody_for_what_it_was() {
    let mut process = Process::with(&["a"], 50);
    let a = process.limits[0];
    assert!(process.reserve(60).is_err());
    let fleet = FleetAccount { limit: 1_500, raised: 500, spent: 1_500, ..FleetAccount::default() };
    process.grant(1, vec![AccountGrant { short: Some(Shortage::Spent), fleet, ..granted("a", 50) }]);
    assert!(matches!(process.reserve(60), Err(Refused::Exhausted { max: 1_500, .. })));
    process.book.adopt_from(Granter::Ledger, &[LimitSpec { max: 1_200, ..spec("a") }], NOON);
    assert_eq!(process.reserve(60).unwrap_err(), Refused::NotGranted { limit: a });
}

#[test]
fn a_limit_that_is_raised_for_a_time_lets_more_be_spent_and_shares_of_it_are_right() {
    let mut process = Process::with(&["a"], 1_400);
    let a = process.limits[0];
    let refused = |spent, max, until| Refused::Exhausted { limit: a, spent, max, until };
    assert_eq!(process.reserve(1_200).unwrap_err(), refused(0, 1_000, None));
    let fleet = |raised| FleetAccount { limit: 1_000 + raised, raised, ..FleetAccount::default() };
    process.grant(1, vec![AccountGrant { fleet: fleet(500), ..granted("a", 1_400) }]);
    let reservation = process.reserve(1_200).unwrap();
    process.book.settle(reservation, &[(a, 1_200)]);
    assert_eq!((process.book.used(a, NOON), process.book.used_of_policy(a, NOON)), (1_200, 800), "80 % of either");
    assert_eq!((process.book.state(a, NOON).max, process.book.available(a, NOON)), (1_500, 300));
    assert_eq!(process.reserve(400).unwrap_err(), refused(1_200, 1_500, Some(MIDNIGHT + DAY)));
    // The raise ends.
    process.grant(1, vec![AccountGrant { fleet: FleetAccount { spent: 1_200, ..fleet(0) }, ..granted("a", 1_400) }]);
    assert_eq!(process.book.used_of_policy(a, NOON), 1_200);
    assert_eq!(process.reserve(100).unwrap_err(), refused(1_200, 1_000, Some(MIDNIGHT + DAY)));
}
