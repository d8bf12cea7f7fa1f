//! Each guarantee separately.

use outrigger_core::{CalendarUnit, Periods};
use outrigger_ledger::Refused;
use outrigger_ledger::protocol::{AccountKey, AccountUsage, UsageReport};
use outrigger_ledger::shared::leader::{FindingKind, Input};

use crate::fleet::{Fleet, MINUTE, NOON, OPEN, id};

fn is_not_granted(outcome: &Result<bool, Refused>) -> bool {
    matches!(outcome, Err(Refused::NotGranted { .. }))
}

fn ever() -> Periods {
    Periods::lifetime()
}

#[test]
fn nothing_passes_unless_the_policy_allows_it() {
    let mut fleet = Fleet::new(1_000, ever(), None).started(&["a"]);
    assert_eq!(fleet.spend("a", 10), Ok(false));
    fleet.cut("a");
    while fleet.spend("a", 10) == Ok(false) {}
    let refused = fleet.spend("a", 10);
    assert!(is_not_granted(&refused), "{refused:?}");
}

#[test]
fn held_amounts_are_used_first_then_the_allowance_and_all_is_counted() {
    let mut fleet = Fleet::new(1_000, ever(), Some(OPEN)).started(&["a", "b"]);
    assert_eq!(fleet.spend("a", 10), Ok(false));
    fleet.cut("a");
    while fleet.spend("a", 10) == Ok(false) {}
    assert_eq!(fleet.owed("a").0, 10, "the first one that no grant covers has passed");
    let waited = fleet.now;
    for _ in 0..4 {
        assert_eq!(fleet.spend("a", 10), Ok(true));
    }
    assert_eq!(fleet.now, waited, "only the first one waits");
    let refused = fleet.spend("a", 10);
    assert!(is_not_granted(&refused), "{refused:?}");
    assert_eq!(fleet.owed("a").0, 50);
    fleet.connect("a");
    assert_eq!(fleet.counted(), fleet.spent, "the first report states it");
    assert_eq!(fleet.findings, []);
    assert_eq!(fleet.spend("a", 10), Ok(false), "it goes on with what is granted");
    assert_eq!(fleet.owed("a"), (0, None));
    // The others get the rest, and no more.
    while fleet.spend("b", 10) == Ok(false) {}
    while fleet.spend("a", 10) == Ok(false) {}
    assert!(fleet.spent <= 1_000, "{}", fleet.spent);
}

#[test]
fn a_ledger_that_answers_is_not_lost_even_if_it_refuses() {
    let mut fleet = Fleet::new(100, ever(), Some(OPEN)).started(&["a", "b"]);
    assert_eq!(fleet.reserve("a", 90), Ok(false));
    for _ in 0..20 {
        let refused = fleet.spend("b", 20);
        assert!(matches!(refused, Err(Refused::Contended { .. })), "{refused:?}");
    }
    fleet.settle("a");
    fleet.report_all();
    let refused = fleet.spend("b", 20);
    assert!(matches!(refused, Err(Refused::Exhausted { .. })), "{refused:?}");
    // What the ledger reported as spent stays refused.
    fleet.cut("b");
    let refused = fleet.spend("b", 20);
    assert!(matches!(refused, Err(Refused::Exhausted { .. })), "{refused:?}");
}

#[test]
fn a_request_that_waited_and_left_does_not_make_the_ledger_lost() {
    let mut fleet = Fleet::new(100, ever(), Some(OPEN)).started(&["a", "b"]);
    assert_eq!(fleet.reserve("a", 90), Ok(false));
    assert!(fleet.spend("b", 20).is_err());
    fleet.pass(30_000);
    fleet.settle("a");
    fleet.cut("b");
    let began = fleet.now;
    let passed = fleet.spend("b", 5);
    assert_eq!((passed, fleet.now - began), (Ok(true), 2_000), "it is asked again, and waited for");
}

#[test]
fn the_duration_counts_from_the_last_answer_of_the_ledger() {
    let mut fleet = Fleet::new(1_000, ever(), Some(OPEN)).started(&["a"]);
    assert_eq!(fleet.spend("a", 10), Ok(false));
    fleet.report_all();
    fleet.cut("a");
    let cut = fleet.now;
    fleet.pass(9 * MINUTE);
    while fleet.spend("a", 10) == Ok(false) {}
    let lasts = fleet.owed("a").1.unwrap();
    assert_eq!(lasts, u64::try_from(cut + OPEN.lasts - fleet.now).unwrap());
    fleet.pass(MINUTE);
    let refused = fleet.spend("a", 1);
    assert!(is_not_granted(&refused), "{refused:?}");
    assert_eq!(fleet.owed("a").1, Some(0));
}

#[test]
fn a_restart_renews_neither_the_amount_nor_the_time() {
    let mut fleet = Fleet::new(1_000, ever(), Some(OPEN)).started(&["a"]);
    assert_eq!(fleet.spend("a", 10), Ok(false));
    fleet.cut("a");
    while fleet.spend("a", 10) == Ok(false) {}
    assert_eq!(fleet.reserve("a", 30), Ok(true));
    fleet.pass(MINUTE);
    fleet.restart("a");
    assert_eq!(fleet.owed("a").0, 40, "what was under way counts as spent");
    let refused = fleet.spend("a", 20);
    assert!(is_not_granted(&refused), "{refused:?}");
    assert_eq!(fleet.spend("a", 5), Ok(true));
    fleet.pass(8 * MINUTE);
    fleet.restart("a");
    assert_eq!(fleet.spend("a", 1), Ok(true));
    fleet.pass(MINUTE);
    fleet.restart("a");
    let refused = fleet.spend("a", 1);
    assert!(is_not_granted(&refused), "{refused:?}");
    fleet.connect("a");
    assert_eq!(fleet.counted(), fleet.spent);
}

#[test]
fn a_pod_that_was_never_connected_has_the_same_allowance() {
    let mut fleet = Fleet::new(1_000, ever(), Some(OPEN));
    fleet.start("new");
    assert_eq!(fleet.reserve("new", 20), Ok(true));
    assert_eq!(fleet.spend("new", 20), Ok(true));
    let refused = fleet.spend("new", 20);
    assert!(is_not_granted(&refused), "{refused:?}");
    assert_eq!(fleet.reserve("new", 10), Ok(true));
    fleet.restart("new");
    assert_eq!(fleet.owed("new").0, 50);
    fleet.connect("new");
    assert_eq!((fleet.counted(), fleet.findings.len()), (50, 0));
    fleet.start("late");
    fleet.pass(11 * MINUTE);
    let refused = fleet.spend("late", 1);
    assert!(is_not_granted(&refused), "it counts from its begin: {refused:?}");
}

#[test]
fn requests_without_a_grant_are_settled_and_counted_when_the_ledger_returns() {
    let mut fleet = Fleet::new(1_000, ever(), Some(OPEN));
    fleet.start("new");
    assert_eq!(fleet.reserve("new", 20), Ok(true));
    fleet.connect("new");
    assert_eq!(fleet.findings, []);
    fleet.settle("new");
    fleet.report_all();
    assert_eq!((fleet.counted(), fleet.spent), (20, 20));
    assert_eq!(fleet.spend("new", 30), Ok(false));
}

#[test]
fn the_final_report_of_a_pod_without_grants_counts() {
    let mut fleet = Fleet::new(1_000, ever(), Some(OPEN));
    fleet.start("new");
    assert_eq!(fleet.spend("new", 20), Ok(true));
    assert_eq!(fleet.reserve("new", 10), Ok(true));
    fleet.spent += 10;
    fleet.pods.get_mut("new").unwrap().connected = true;
    // It first asks who leads.
    fleet.report("new");
    fleet.pods.get_mut("new").unwrap().book.close();
    fleet.talk();
    fleet.pass(2_000);
    fleet.report("new");
    fleet.pass(2_000);
    assert_eq!(fleet.counted(), 30);
    assert!(fleet.pods["new"].book.is_closed());
}

#[test]
fn a_period_that_begins_meanwhile_has_its_own_allowance_and_account() {
    let minute = Periods::calendar(CalendarUnit::Minute, "UTC", 1).unwrap();
    let mut fleet = Fleet::new(200, minute, Some(OPEN)).started(&["a"]);
    assert_eq!(fleet.spend("a", 10), Ok(false));
    fleet.cut("a");
    while fleet.spend("a", 10) == Ok(false) {}
    while fleet.spend("a", 10) == Ok(true) {}
    fleet.pass(MINUTE - (fleet.now - NOON) % MINUTE);
    let mut passed = 0;
    while fleet.spend("a", 10) == Ok(true) {
        passed += 10;
    }
    assert_eq!(passed, 50);
    fleet.restart("a");
    assert_eq!(fleet.owed("a").0, 50, "the journal has the account that it opened itself");
    fleet.connect("a");
    assert_eq!((fleet.counted(), fleet.findings.len()), (50, 0));
}

#[test]
fn buckets_of_a_rolling_window_share_one_allowance() {
    let hour = Periods::rolling(3_600_000).unwrap();
    let mut fleet = Fleet::new(1_000, hour, Some(OPEN)).started(&["a"]);
    assert_eq!(fleet.spend("a", 10), Ok(false));
    fleet.cut("a");
    let mut passed = 0;
    for _ in 0..8 {
        while let Ok(open) = fleet.spend("a", 10) {
            passed += if open { 10 } else { 0 };
        }
        fleet.pass(MINUTE);
    }
    assert_eq!(passed, 50);
    fleet.connect("a");
    fleet.report_all();
    assert_eq!(fleet.counted(), fleet.spent);
}

#[test]
fn a_store_that_does_not_answer_counts_as_a_lost_ledger() {
    let mut fleet = Fleet::new(1_000_000, ever(), Some(OPEN)).started(&["a"]);
    assert_eq!(fleet.spend("a", 10), Ok(false));
    fleet.held = true;
    let mut outcome = fleet.spend("a", 10);
    for _ in 0..10_000 {
        if outcome != Ok(false) {
            break;
        }
        outcome = fleet.spend("a", 10);
    }
    assert_eq!(outcome, Ok(true));
    assert_eq!(fleet.spend("a", 40), Ok(true));
    let refused = fleet.spend("a", 10);
    assert!(is_not_granted(&refused), "{refused:?}");
    fleet.held = false;
    fleet.input(Input::Tick);
    fleet.pass(2_000);
    fleet.report_all();
    assert_eq!(fleet.spend("a", 10), Ok(false));
}

#[test]
fn a_gateways_debt_is_limited_to_the_allowance() {
    let owing = |spent: u64| {
        let mut fleet = Fleet::new(100, ever(), Some(OPEN)).started(&["a"]);
        let limits = outrigger_ledger::shared::leader::GatewayLimits {
            wanted: [id()].into(),
            fail_open: [(id(), OPEN.most)].into(),
            ..Default::default()
        };
        let account = AccountKey { limit: id(), start: 0 };
        let usage = AccountUsage { account, spent, reserved: 0, granted: 0, returned: 0, want: 0, least: 0 };
        let term = fleet.leader.leads().unwrap();
        let report =
            UsageReport { epoch: 9, term, number: 1, whole: true, accounts: vec![usage], ..UsageReport::default() };
        // Another gateway has opened the account.
        assert_eq!(fleet.spend("a", 1), Ok(false));
        fleet.report_all();
        fleet.input(Input::Report { pod: "liar".to_owned(), limits: limits.into(), report });
        (fleet.counted() - 1, fleet.findings)
    };
    assert_eq!(owing(150), (150, vec![]));
    assert_eq!(owing(151), (150, vec![FindingKind::Overspent]));
}
