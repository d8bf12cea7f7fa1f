use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::protocol::{AccountGrant, AccountKey, AccountUsage, ChargedAccount, DurableUsage, Shortage, UsageReport};

const START: Millis = 1_000_000;
const END: Millis = 1_060_000;
const LEADER: Term = Term(7);

fn id() -> LimitKey {
    LimitKey { limit: "Budget search/team".to_owned(), unit: "usd".to_owned() }
}

fn grant(granted: u64) -> AccountGrant {
    AccountGrant {
        account: AccountKey { limit: id(), start: START },
        end: Some(END),
        valid_for_ms: Some(60_000),
        begins_in_ms: 0,
        granted,
        durable: DurableUsage::default(),
        over: false,
        recall: false,
        short: None,
        fleet: FleetAccount::default(),
    }
}

fn of(term: Term, answers: u64, accounts: Vec<AccountGrant>) -> Grants {
    Grants { epoch: 5, term, answers, accounts, ..Grants::default() }
}

/// A holder that follows a leader and has reported everything.
fn following() -> (Holder, SharedNo) {
    let mut holder = Holder::new(5);
    let limit = holder.adopt([&id()])[0];
    let first = holder.report(0).unwrap();
    assert_eq!((first.term, first.whole), (Term(0), true));
    assert_eq!(holder.take(&of(LEADER, first.number, Vec::new()), 1), MessageOutcome::Followed);
    (holder, limit)
}

/// Requests at `now`, and gets an immediate answer.
fn answered(holder: &mut Holder, now: Millis, grant: AccountGrant) -> UsageReport {
    let report = holder.report(now).unwrap();
    assert_eq!(holder.take(&of(LEADER, report.number, vec![grant]), now), MessageOutcome::Yes);
    report
}

fn holding(amount: u64) -> (Holder, SharedNo) {
    let (mut holder, limit) = following();
    answered(&mut holder, 10, grant(amount));
    (holder, limit)
}

fn only(report: &UsageReport) -> &AccountUsage {
    assert_eq!(report.accounts.len(), 1);
    &report.accounts[0]
}

#[test]
fn nothing_is_reserved_before_it_is_granted_and_waiting_requests_are_reported() {
    let (mut holder, limit) = following();
    assert_eq!(holder.reserve(limit, 40, 2), Err(HeldShort::NotGranted));
    assert_eq!(holder.due(2), Due::Now);
    let report = holder.report(3).unwrap();
    assert_eq!((report.term, report.whole), (LEADER, true));
    assert_eq!((report.wanted[0].want, report.wanted[0].least), (80, 40));
    assert_eq!(holder.due(3), Due::Seldom, "it has asked");
    assert_eq!(holder.due(1003), Due::Now, "no answer: it reports again");
    assert_eq!(holder.take(&of(LEADER, report.number, vec![grant(80)]), 20), MessageOutcome::Yes);
    assert!(holder.reserve(limit, 40, 21).is_ok());
    assert_eq!(holder.free(limit, 21), 40);
}

#[test]
fn no_limit_means_no_report() {
    let mut holder = Holder::new(5);
    assert_eq!((holder.due(0), holder.report(0)), (Due::Never, None));
}

#[test]
fn grants_are_sums_so_they_may_arrive_late_and_twice() {
    let (mut holder, limit) = holding(100);
    let report = holder.report(20).unwrap();
    for granted in [150, 120, 150, 0] {
        assert_eq!(holder.take(&of(LEADER, report.number, vec![grant(granted)]), 21), MessageOutcome::Yes);
    }
    assert_eq!(holder.free(limit, 22), 150);
}

#[test]
fn grants_of_an_earlier_leader_are_ignored_even_after_a_restart() {
    let (mut holder, _) = holding(100);
    let mut kept = BTreeMap::new();
    let mut state = holder.state();
    let report = holder.report(20).unwrap();
    assert_eq!(holder.take(&of(Term(8), report.number, vec![grant(999)]), 21), MessageOutcome::Followed);
    holder.journal(|write| match write {
        JournalWrite::Holder(written) => state = written,
        JournalWrite::Account(no, account) => drop(kept.insert(no, account)),
        JournalWrite::Forgotten(no) => drop(kept.remove(&no)),
    });
    assert_eq!(state.term, Term(8));
    assert_eq!(holder.take(&of(LEADER, report.number, vec![grant(500)]), 22), MessageOutcome::Stale);

    let (mut holder, numbers) = Holder::restore(state, kept.into_values(), 0, START + 10_000);
    assert_eq!(numbers.len(), 1);
    let limit = holder.adopt([&id()])[0];
    assert_eq!(holder.free(limit, 0), 100, "a leader that did not know of it granted nothing");
    let report = holder.report(1).unwrap();
    assert_eq!((report.term, report.whole, only(&report).granted), (Term(8), true, 100));
    assert!(report.number > 1 << 32, "numbers go on");
    assert_eq!(holder.take(&of(LEADER, report.number, vec![grant(500)]), 2), MessageOutcome::Stale);
    assert_eq!(
        holder.take(&of(Term(8), 3, vec![grant(500)]), 2),
        MessageOutcome::Stale,
        "it answers the process before"
    );
    assert_eq!(holder.free(limit, 2), 100);
}

#[test]
fn amounts_in_flight_when_the_process_ended_are_spent() {
    let (mut holder, limit) = holding(100);
    holder.reserve(limit, 30, 11).unwrap();
    let mut kept = Vec::new();
    holder.journal(|write| {
        if let JournalWrite::Account(_, account) = write {
            kept.push(account);
        }
    });
    let (mut holder, _) = Holder::restore(holder.state(), kept, 0, START + 59_000);
    let limit = holder.adopt([&id()])[0];
    assert_eq!((holder.free(limit, 0), holder.used(limit, 0)), (70, 30));
    assert_eq!(holder.reserve(limit, 1, 1000), Err(HeldShort::NotGranted), "the second that was left is over");
}

#[test]
fn the_time_of_a_period_counts_from_the_answered_report() {
    let (mut holder, limit) = following();
    let report = holder.report(100).unwrap();
    let short = AccountGrant { valid_for_ms: Some(50), ..grant(10) };
    assert_eq!(holder.take(&of(LEADER, report.number, vec![short]), 140), MessageOutcome::Yes);
    assert_eq!(holder.fits(limit, 1, 149), Ok(()));
    assert_eq!(holder.fits(limit, 1, 150), Err(HeldShort::NotGranted));
}

#[test]
fn the_rest_of_an_ended_period_is_returned_and_open_reservations_settle_there() {
    let (mut holder, limit) = holding(100);
    let open = holder.reserve(limit, 30, 11).unwrap();
    let next = AccountGrant {
        account: AccountKey { limit: id(), start: END },
        end: None,
        valid_for_ms: None,
        begins_in_ms: 50_000,
        ..grant(7)
    };
    let report = answered(&mut holder, 10_000, next);
    assert!(only(&report).reserved == 30);
    assert_eq!(holder.free(limit, 59_999), 70);
    assert_eq!(holder.free(limit, 60_010), 7, "the next period was granted ahead of time");
    let report = holder.report(60_011).unwrap();
    let ended = &report.accounts[0];
    assert_eq!((ended.account.start, ended.granted, ended.returned, ended.reserved), (START, 100, 70, 30));
    holder.settle(open, 30, 12, 60_012);
    let report = holder.report(60_013).unwrap();
    assert_eq!((report.accounts[0].spent, report.accounts[0].returned), (12, 88));
}

#[test]
fn a_limit_is_spent_only_by_an_answer_to_a_request() {
    let (mut holder, limit) = holding(10);
    let quiet = holder.report(20).unwrap();
    assert_eq!(holder.reserve(limit, 40, 21), Err(HeldShort::NotGranted));
    let spent = AccountGrant { short: Some(Shortage::Spent), ..grant(10) };
    assert_eq!(holder.take(&of(LEADER, quiet.number, vec![spent.clone()]), 22), MessageOutcome::Yes);
    assert_eq!(holder.fits(limit, 40, 22), Err(HeldShort::NotGranted));
    answered(&mut holder, 23, spent);
    assert_eq!(holder.fits(limit, 40, 24), Err(HeldShort::Spent { until: Some(END) }));
    assert_eq!(holder.fits(limit, 11, 24), Err(HeldShort::NotGranted), "less may still be there");
    assert_eq!(holder.fits(limit, 10, 24), Ok(()));
    let report = holder.report(25).unwrap();
    assert_eq!(holder.take(&of(LEADER, report.number, vec![grant(60)]), 26), MessageOutcome::Yes);
    assert_eq!(holder.fits(limit, 60, 27), Ok(()));
}

#[test]
fn amounts_held_by_others_or_reserved_here_are_contended() {
    let (mut holder, limit) = holding(10);
    holder.reserve(limit, 6, 11).unwrap();
    assert_eq!(holder.reserve(limit, 5, 12), Err(HeldShort::Contended));
    assert_eq!(holder.reserve(limit, 40, 12), Err(HeldShort::NotGranted));
    answered(&mut holder, 13, AccountGrant { short: Some(Shortage::Leased), ..grant(10) });
    assert_eq!(holder.reserve(limit, 40, 14), Err(HeldShort::Contended));
    holder.wait(limit, 50, 14);
    answered(&mut holder, 15, AccountGrant { short: Some(Shortage::Unavailable), ..grant(10) });
    assert_eq!(holder.reserve(limit, 50, 16), Err(HeldShort::NotGranted));
}

#[test]
fn a_recall_returns_what_is_not_needed() {
    let (mut holder, limit) = holding(100);
    holder.reserve(limit, 20, 11).unwrap();
    answered(&mut holder, 12, AccountGrant { recall: true, ..grant(100) });
    let report = holder.report(13).unwrap();
    assert_eq!(only(&report).returned, 60, "one more reservation is kept");
    for now in [3000, 6000, 9000] {
        holder.report(now).unwrap();
    }
    answered(&mut holder, 9001, AccountGrant { recall: true, ..grant(100) });
    assert_eq!(only(&holder.report(9002).unwrap()).returned, 80, "an idle one keeps nothing");
}

#[test]
fn an_account_is_reported_until_the_ledger_confirms_it() {
    let (mut holder, limit) = holding(100);
    let open = holder.reserve(limit, 20, 11).unwrap();
    holder.settle(open, 20, 15, 12);
    assert_eq!(holder.due(12), Due::Soon);
    let lost = holder.report(13).unwrap();
    assert_eq!(only(&lost).spent, 15);
    let again = holder.report(14).unwrap();
    assert_eq!(only(&again).spent, 15);
    let durable = AccountGrant { durable: DurableUsage { spent: 15, returned: 0 }, ..grant(100) };
    assert_eq!(holder.take(&of(LEADER, again.number, vec![durable]), 15), MessageOutcome::Yes);
    assert_eq!((holder.due(16), holder.report(16).unwrap().accounts.len()), (Due::Seldom, 0));
    holder.connected();
    assert_eq!(holder.due(17), Due::Now, "a new stream gets a complete report");
    assert_eq!(only(&holder.report(17).unwrap()).spent, 15);
}

#[test]
fn a_closed_account_does_not_come_back() {
    let (mut holder, limit) = holding(100);
    let late = holder.report(20).unwrap();
    holder.report(70_000).unwrap();
    answered(&mut holder, 70_001, AccountGrant { over: true, valid_for_ms: Some(0), ..grant(100) });
    assert_eq!(holder.report(70_002).unwrap().accounts, Vec::new());
    let mut writes = Vec::new();
    holder.journal(|write| writes.push(write));
    assert!(matches!(writes.last(), Some(JournalWrite::Forgotten(_))));
    assert_eq!(holder.take(&of(LEADER, late.number, vec![grant(100)]), 70_003), MessageOutcome::Yes);
    assert_eq!(holder.free(limit, 21), 0, "a message of before speaks of what is no more");
}

#[test]
fn the_final_report_returns_everything_and_accepts_nothing() {
    let (mut holder, limit) = holding(100);
    holder.charge(limit, 30, 11);
    let last = holder.last_report(12);
    assert!(last.last && last.whole && last.wanted.is_empty());
    assert_eq!((only(&last).spent, only(&last).returned), (30, 70));
    assert_eq!((holder.reserve(limit, 1, 13), holder.is_confirmed()), (Err(HeldShort::NotGranted), false));
    assert_eq!(holder.take(&of(LEADER, last.number, vec![grant(500)]), 14), MessageOutcome::Yes);
    assert_eq!((holder.free(limit, 15), holder.is_confirmed(), holder.unconfirmed().count()), (0, false, 1));
    let durable = AccountGrant { durable: DurableUsage { spent: 30, returned: 70 }, ..grant(100) };
    assert_eq!(holder.take(&of(LEADER, last.number, vec![durable]), 15), MessageOutcome::Yes);
    assert!(holder.is_confirmed());
    let (next, numbers) = Holder::restore(holder.state(), Vec::new(), 0, 3);
    assert_eq!((next.state().epoch, next.state().closed, numbers.len()), (6, false, 0));
}

#[test]
fn a_void_holder_begins_a_new_journal_and_counts_open_reservations() {
    let (mut holder, limit) = holding(100);
    let open = holder.reserve(limit, 30, 11).unwrap();
    let report = holder.report(12).unwrap();
    let void = Grants { void: true, ..of(LEADER, report.number, Vec::new()) };
    assert_eq!(holder.take(&void, 13), MessageOutcome::Void);
    assert_eq!((holder.reserve(limit, 1, 14), holder.due(14)), (Err(HeldShort::NotGranted), Due::Never));
    holder.begin_anew(9);
    let report = holder.report(15).unwrap();
    assert_eq!((report.epoch, report.term), (9, LEADER));
    assert_eq!((only(&report).granted, only(&report).spent), (0, 0), "an account to settle on");
    assert_eq!(
        holder.take(&of(LEADER, report.number, vec![grant(50)]), 16),
        MessageOutcome::Stale,
        "to the one before"
    );
    let grants = Grants { epoch: 9, ..of(LEADER, report.number, vec![grant(50)]) };
    assert_eq!(holder.take(&grants, 16), MessageOutcome::Yes);
    holder.settle(open, 30, 20, 17);
    assert_eq!(holder.free(limit, 18), 30);
}

#[test]
fn a_new_journal_continues_with_what_the_void_one_is_not_charged_with() {
    let (mut holder, limit) = holding(100);
    let (settled, open) = (holder.reserve(limit, 30, 11).unwrap(), holder.reserve(limit, 20, 11).unwrap());
    holder.charge(limit, 10, 11);
    let report = holder.report(12).unwrap();
    // After the report, and before its answer.
    holder.settle(settled, 30, 25, 13);
    let charged = vec![ChargedAccount { account: only(&report).account.clone(), charged: 15 }];
    let void = Grants { void: true, charged, ..of(LEADER, report.number, Vec::new()) };
    assert_eq!(holder.take(&void, 14), MessageOutcome::Void);
    holder.begin_anew(9);
    // Nothing was granted yet. What is still open counts as if it cost all that it reserved, and then once.
    assert_eq!(holder.reserve(limit, 1, 15), Err(HeldShort::NotGranted));
    let report = holder.report(15).unwrap();
    assert_eq!((report.epoch, only(&report).spent, only(&report).granted), (9, 35 - 15 + 20, 0));
    holder.settle(open, 20, 27, 15);
    assert_eq!(only(&holder.report(16).unwrap()).spent, 35 - 15 + 27);
    // The journal has it too.
    let mut written = Vec::new();
    holder.journal(|write| written.push(write));
    let spent = written.iter().find_map(|write| match write {
        JournalWrite::Account(_, state) => Some(state.counters.spent),
        _ => None,
    });
    assert_eq!(spent, Some(47));
}

/// A holder whose limit fails open. It has asked for 10 at 100, and the ledger has said nothing about that yet.
fn asking(most: u64) -> (Holder, SharedNo) {
    let (mut holder, limit) = following();
    holder.let_fail_open(limit, Some(FailOpen { most, lasts: 60_000 }));
    holder.wait(limit, 10, 100);
    (holder, limit)
}

/// The ledger gets a report, and its answer neither grants anything nor says why not.
fn heard_nothing_new(holder: &mut Holder, now: Millis) {
    let report = holder.report(now).unwrap();
    assert_eq!(holder.take(&of(LEADER, report.number, Vec::new()), now), MessageOutcome::Yes);
}

#[test]
fn a_ledger_that_neither_grants_nor_says_why_not_is_lost_after_two_seconds() {
    let (mut holder, limit) = asking(50);
    for now in [200, 900, 1_500, 2_050] {
        heard_nothing_new(&mut holder, now);
        assert!(!holder.fits_open(limit, 10, false, now), "at {now}");
    }
    assert!(holder.fits_open(limit, 10, false, 2_100));
    let lasts = |holder: &Holder, now| holder.fail_open_state(limit, false, now).unwrap().lasts;
    assert_eq!(lasts(&holder, 2_100), Some(58_000), "since the request waits");
    let period = Period { start: START, end: Some(END) };
    let passed = holder.reserve_open(limit, 10, period, START, 2_100);
    assert_eq!(holder.state().lost_at, Some(START - 2_000));
    // An answer like those before ends nothing, so that the next request need not wait.
    heard_nothing_new(&mut holder, 2_500);
    assert!(holder.fits_open(limit, 40, false, 2_600) && !holder.fits_open(limit, 41, false, 2_600));
    assert_eq!((lasts(&holder, 2_600), holder.state().lost_at), (Some(57_500), Some(START - 2_000)));
    holder.settle(passed, 10, 10, 2_600);
    // A grant does.
    answered(&mut holder, 2_700, grant(100));
    assert_eq!((lasts(&holder, 2_700), holder.state().lost_at), (None, None));
    assert_eq!(holder.free(limit, 2_700), 90);
}

#[test]
fn a_ledger_that_says_why_it_grants_nothing_is_not_lost() {
    for short in [Shortage::Spent, Shortage::Leased] {
        let (mut holder, limit) = asking(50);
        answered(&mut holder, 200, AccountGrant { short: Some(short), ..grant(0) });
        assert!(!holder.fits_open(limit, 10, false, 5_000), "{short:?}");
    }
}

#[test]
fn a_ledger_that_was_silent_is_back_with_its_first_answer() {
    let (mut holder, limit) = asking(50);
    assert!(holder.fits_open(limit, 10, false, 2_100));
    heard_nothing_new(&mut holder, 2_100);
    assert!(!holder.fits_open(limit, 10, false, 2_100));
}

#[test]
fn without_a_request_that_waits_an_answer_without_a_grant_ends_the_wait() {
    let (mut holder, limit) = asking(50);
    for now in [1_000, 2_000, 3_000] {
        heard_nothing_new(&mut holder, now);
    }
    assert!(holder.fits_open(limit, 10, false, 3_000));
    heard_nothing_new(&mut holder, 3_101);
    assert!(!holder.fits_open(limit, 10, false, 3_101));
    assert_eq!(holder.due(3_200), Due::Seldom, "and nothing is asked");
}

#[test]
fn a_restart_and_an_answer_without_a_grant_renew_no_time() {
    let (mut holder, limit) = asking(50);
    let period = Period { start: START, end: Some(END) };
    let _ = holder.reserve_open(limit, 10, period, START, 2_100);
    let (mut state, mut kept) = (holder.state(), Vec::new());
    holder.journal(|write| match write {
        JournalWrite::Holder(written) => state = written,
        JournalWrite::Account(_, account) => kept.push(account),
        JournalWrite::Forgotten(_) => {}
    });
    // Ten seconds later, by a monotonic clock of its own. The ledger has never answered: it counts from the beginning.
    let (mut holder, _) = Holder::restore(state, kept, 7, START + 10_000);
    let limit_again = holder.adopt([&id()])[0];
    holder.let_fail_open(limit_again, Some(FailOpen { most: 50, lasts: 60_000 }));
    holder.wait(limit_again, 10, 7);
    heard_nothing_new(&mut holder, 500);
    let open = holder.fail_open_state(limit_again, false, 2_007).unwrap();
    assert_eq!((open.owed, open.lasts), (10, Some(60_000 - 2_100 - 12_000)));
}

#[test]
fn a_limit_that_is_no_longer_named_returns_what_it_holds() {
    let (mut holder, limit) = holding(100);
    let open = holder.reserve(limit, 30, 11).unwrap();
    holder.adopt([]);
    assert_eq!(only(&holder.report(12).unwrap()).returned, 70);
    holder.settle(open, 30, 30, 13);
    let report = holder.report(14).unwrap();
    assert_eq!((only(&report).returned, only(&report).spent, report.wanted.len()), (70, 30, 0));
}

#[test]
fn fleet_usage_is_the_ledgers_report_plus_what_was_spent_here_since() {
    let (mut holder, limit) = holding(100);
    holder.charge(limit, 10, 11);
    let report = holder.report(12).unwrap();
    holder.charge(limit, 5, 13);
    let fleet = FleetAccount { limit: 1000, spent: 410, ..FleetAccount::default() };
    let granted = AccountGrant { fleet, ..grant(100) };
    assert_eq!(holder.take(&of(LEADER, report.number, vec![granted]), 14), MessageOutcome::Yes);
    assert_eq!(holder.used(limit, 15), 415);
    assert_eq!(holder.fleet(limit, 15).map(|view| (view.account.limit, view.reported_at)), Some((1000, 14)));
}

#[derive(Clone, Debug)]
enum Op {
    Reserve(u64),
    Settle(u64),
    /// A further grant arrives.
    Grant(u64, bool),
    /// An earlier message arrives again.
    Again(prop::sample::Index),
    Report,
    Later(Millis),
    /// The process ends; the journal is as it was last written.
    Restart,
    Leader,
    Recall,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        4 => (0..60_u64).prop_map(Op::Reserve),
        3 => (0..=4_u64).prop_map(Op::Settle),
        3 => (0..100_u64, any::<bool>()).prop_map(|(amount, arrives)| Op::Grant(amount, arrives)),
        2 => any::<prop::sample::Index>().prop_map(Op::Again),
        3 => Just(Op::Report),
        1 => (0..4000_i64).prop_map(Op::Later),
        1 => Just(Op::Restart),
        1 => Just(Op::Leader),
        1 => Just(Op::Recall),
    ];
    prop::collection::vec(op, 0..80)
}

proptest! {
    /// A ledger that grants only to this holder, and forgets unreported amounts at each change of leader.
    #[test]
    fn never_more_than_granted_with_lost_repeated_messages_and_restarts(ops in ops()) {
        let (mut holder, mut limit) = following();
        let (mut now, mut term, mut granted) = (10, LEADER, 0_u64);
        let mut open: Vec<(HeldNo, u64)> = Vec::new();
        let mut sent: Vec<Grants> = Vec::new();
        let mut kept: BTreeMap<HeldNo, HeldState> = BTreeMap::new();
        let (mut state, mut truth, mut high) = (holder.state(), 0_u64, [0_u64; 3]);
        let mut last = holder.report(now).unwrap();
        for op in ops {
            now += 1;
            match op {
                Op::Reserve(amount) => if let Ok(no) = holder.reserve(limit, amount, now) { open.push((no, amount)); },
                Op::Settle(quarters) if !open.is_empty() => {
                    let (no, reserved) = open.remove(0);
                    let actual = reserved * quarters / 4;
                    truth += actual;
                    holder.settle(no, reserved, actual, now);
                }
                Op::Settle(_) => {}
                Op::Grant(amount, arrives) if last.term == term && last.whole => {
                    granted = granted.max(last.accounts.first().map_or(0, |account| account.granted)) + amount;
                    let grants = of(term, last.number, vec![AccountGrant { valid_for_ms: None, ..grant(granted) }]);
                    sent.push(grants.clone());
                    if arrives { let _ = holder.take(&grants, now); }
                }
                Op::Grant(..) => {}
                Op::Again(index) if !sent.is_empty() => { let _ = holder.take(index.get(&sent), now); }
                Op::Again(_) => {}
                Op::Report => {
                    holder.connected();
                    last = holder.report(now).unwrap();
                    if last.term < term { let _ = holder.take(&of(term, last.number, Vec::new()), now); }
                    if let Some(account) = last.accounts.first() {
                        let sums = [account.granted, account.returned, account.spent];
                        prop_assert!(sums.iter().zip(high).all(|(sum, before)| *sum >= before), "{:?} < {:?}", sums, high);
                        high = sums;
                    }
                }
                Op::Later(ms) => now += ms,
                Op::Restart => {
                    truth += open.drain(..).map(|(_, amount)| amount).sum::<u64>();
                    let accounts: Vec<HeldState> = std::mem::take(&mut kept).into_values().collect();
                    let numbers;
                    (holder, numbers) = Holder::restore(state, accounts.clone(), now, START);
                    kept = numbers.into_iter().zip(accounts).collect();
                    limit = holder.adopt([&id()])[0];
                    holder.connected();
                }
                Op::Leader => {
                    term = Term(term.0 + 1);
                    let _ = holder.take(&of(term, last.number, Vec::new()), now);
                    holder.journal(|_| {});
                    holder.connected();
                    last = holder.report(now).unwrap();
                    // The new leader starts from what it is told in reports.
                    granted = last.accounts.first().map_or(0, |account| account.granted);
                }
                Op::Recall => {
                    let recall = AccountGrant { recall: true, valid_for_ms: None, ..grant(0) };
                    let _ = holder.take(&of(term, last.number, vec![recall]), now);
                }
            }
            holder.journal(|write| match write {
                JournalWrite::Holder(written) => state = written,
                JournalWrite::Account(no, account) => drop(kept.insert(no, account)),
                JournalWrite::Forgotten(no) => drop(kept.remove(&no)),
            });
            let reserved: u64 = open.iter().map(|(_, amount)| amount).sum();
            prop_assert!(truth + reserved <= granted, "{truth} + {reserved} > {granted}");
            if let Some(held) = holder.limits[0].accounts.first() {
                prop_assert!(held.account.spent() + held.account.reserved() <= held.account.held());
                prop_assert_eq!(held.account.spent(), truth);
            }
        }
    }
}

#[test]
fn usage_is_known_while_reports_are_in_flight() {
    let (mut holder, limit) = holding(1_000);
    let spent = |amount: u64| AccountGrant {
        fleet: FleetAccount { limit: 10_000, spent: amount, ..FleetAccount::default() },
        ..grant(1_000)
    };
    let mut numbers = Vec::new();
    for step in 1..=40 {
        holder.charge(limit, 10, 20 + step);
        numbers.push(holder.report(20 + step).unwrap().number);
    }
    // Others have spent 300. Each answer includes what it answers, and the rest is added here.
    for (answered, own) in [(25, 260), (30, 310), (30, 310), (39, 400)] {
        let message = of(LEADER, numbers[answered], vec![spent(300 + own)]);
        assert_eq!(holder.take(&message, 100), MessageOutcome::Yes);
        assert_eq!(holder.used(limit, 101), 700, "after answer {answered}");
    }
    // So many reports were in flight that the oldest were forgotten: never more than was spent.
    let (mut holder, limit) = holding(1_000);
    let first = {
        holder.charge(limit, 10, 21);
        holder.report(21).unwrap().number
    };
    for step in 2..=40 {
        holder.charge(limit, 10, 20 + step);
        holder.report(20 + step).unwrap();
    }
    assert_eq!(holder.take(&of(LEADER, first, vec![spent(310)]), 100), MessageOutcome::Yes);
    assert!((310..=700).contains(&holder.used(limit, 101)), "{}", holder.used(limit, 101));
}
