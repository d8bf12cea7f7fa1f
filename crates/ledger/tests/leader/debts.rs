//! What was spent beyond what a holder holds, and how much of it counts.

use outrigger_core::{CalendarUnit, Periods};
use outrigger_ledger::protocol::{AccountUsage, Shortage};
use outrigger_ledger::shared::leader::{FindingKind, Input, SharedLimit};

use crate::one_leader::{Ledger, id, usage};

#[test]
fn a_debt_counts_up_to_the_whole_limit() {
    let mut ledger = Ledger::of(1000);
    assert_eq!(ledger.ask("one", 100, 100), 100);
    ledger.send_usage("one", 100, 1_090, 10);
    ledger.pass(11);
    let status = |ledger: &Ledger| ledger.leader.status(&id("a")).unwrap();
    assert_eq!((status(&ledger).fleet.spent, status(&ledger).available), (1_090, 0));
    // What counts already continues to count, whatever the limit is now, and for the next leader too.
    ledger.input(Input::Limits(vec![SharedLimit { id: id("a"), max: 10, window: Periods::lifetime() }]));
    ledger.send_usage("one", 100, 1_090, 10);
    let mut next = ledger.succeeded(10);
    next.send_usage("one", 100, 1_090, 10);
    assert_eq!((ledger.findings.len(), next.findings.len(), status(&next).fleet.spent), (0, 0, 1_090));
}

#[test]
fn a_debt_under_a_lowered_limit_is_bounded_by_former_grants() {
    let mut ledger = Ledger::of(1000);
    assert_eq!(ledger.ask("one", 100, 100), 100);
    ledger.input(Input::Limits(vec![SharedLimit { id: id("a"), max: 10, window: Periods::lifetime() }]));
    ledger.send_usage("one", 100, 150, 0);
    ledger.send_usage("one", 100, 201, 0);
    let spent = ledger.leader.status(&id("a")).unwrap().fleet.spent;
    assert_eq!((spent, ledger.findings.as_slice()), (200, [FindingKind::Overspent].as_slice()));
}

#[test]
fn an_excessive_debt_of_an_ended_period_is_dropped() {
    let window = Periods::calendar(CalendarUnit::Hour, "UTC", 1).unwrap();
    let mut ledger = Ledger::new(vec![SharedLimit { id: id("a"), max: 100, window }]);
    assert_eq!(ledger.ask("one", 50, 50), 50);
    let account = ledger.grant("one").unwrap().account.clone();
    let owes = || vec![AccountUsage { account: account.clone(), ..usage(50, 500, 0) }];
    ledger.report("one", 1, vec![AccountUsage { account: account.clone(), ..usage(50, 20, 0) }], Vec::new(), false);
    ledger.now += 3_600_000;
    ledger.report("one", 1, owes(), Vec::new(), false);
    ledger.pass(11);
    ledger.report("one", 1, owes(), Vec::new(), false);
    assert!(ledger.grant("one").unwrap().over);
    assert_eq!(ledger.findings, [FindingKind::Overspent], "it is recorded once");
}

#[test]
fn a_cost_above_a_tiny_limit_is_counted_and_its_gateway_is_served_again() {
    let limit = |max| vec![SharedLimit { id: id("a"), max, window: Periods::lifetime() }];
    let mut ledger = Ledger::of(100);
    assert_eq!(ledger.ask("one", 20, 20), 20);
    ledger.send_usage("one", 20, 500, 0);
    ledger.pass(11);
    let status = |ledger: &Ledger| ledger.leader.status(&id("a")).unwrap();
    assert_eq!((status(&ledger).fleet.spent, ledger.findings.as_slice()), (120, [FindingKind::Overspent].as_slice()));
    assert_eq!(ledger.grant("one").unwrap().durable.spent, 500, "it need not say it again");
    ledger.send_usage("one", 20, 500, 0);
    let wants = |spent| vec![AccountUsage { want: 520, least: 500, ..usage(20, spent, 0) }];
    ledger.report("one", 1, wants(500), Vec::new(), false);
    ledger.pass(1);
    assert_eq!(ledger.grant("one").unwrap().short, Some(Shortage::Spent));
    assert_eq!(ledger.findings, [FindingKind::Overspent], "it is recorded once");
    // If the limit is large enough, all of it counts, and the holder continues.
    ledger.input(Input::Limits(limit(10_000)));
    ledger.report("one", 1, wants(500), Vec::new(), false);
    ledger.pass(1);
    assert_eq!((status(&ledger).fleet.spent, ledger.findings.len()), (500, 1));
    assert!(ledger.granted("one") >= 520, "{}", ledger.granted("one"));
    ledger.send_usage("one", ledger.granted("one"), 500, 0);
    ledger.pass(11);
    let held = ledger.granted("one") - 500;
    assert_eq!(status(&ledger).available + held, 9_500, "a debt that is covered counts once");
    let mut next = ledger.succeeded(10_000);
    next.send_usage("one", ledger.granted("one"), 500, 0);
    next.pass(11);
    assert_eq!((status(&next).fleet.spent, next.findings.len()), (500, 0));
}

/// In any order, a pod with false reports uses up at most the limit, and gets an answer.
#[test]
fn a_false_spent_amount_counts_up_to_the_whole_limit() {
    for (pod, granted, returned) in [("one", 100, 10), ("stranger", 0, 0)] {
        let mut ledger = Ledger::of(1_000);
        assert_eq!(ledger.ask("one", 100, 100), 100);
        ledger.send_usage("one", 100, 50, 10);
        ledger.send_usage(pod, granted, u64::MAX, returned);
        ledger.pass(11);
        let status = ledger.leader.status(&id("a")).unwrap();
        assert!(status.fleet.spent <= 1_100 && status.available == 0, "{status:?}");
        assert_eq!(ledger.findings, [FindingKind::Overspent]);
    }
}
