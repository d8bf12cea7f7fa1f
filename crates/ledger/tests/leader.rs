//! One leader, step by step: what it grants, what it writes first, and which reports it does not trust.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod one_leader;

use outrigger_core::{CalendarUnit, Periods};
use outrigger_ledger::protocol::{AccountKey, AccountUsage, Shortage, Term, UsageReport, WantedLimit};
use outrigger_ledger::shared::leader::{FindingKind, Input, LedgerVerb, SharedLimit};
use outrigger_ledger::shared::record::{StoreObject, StoreRecord};

use one_leader::{Ledger, MORNING, has, id, usage};

#[test]
fn nothing_is_granted_before_the_store_has_the_ceiling_and_the_holder() {
    let mut ledger = Ledger::of(1000);
    ledger.held = true;
    assert_eq!(ledger.ask("one", 100, 10), 0);
    assert_eq!(ledger.waiting.len(), 1, "the index, for the first shard");
    ledger.write();
    ledger.pass(1);
    assert_eq!((ledger.waiting.len(), ledger.granted("one")), (1, 0));
    ledger.held = false;
    ledger.write();
    ledger.pass(1);
    let granted = ledger.granted("one");
    assert!((10..=100).contains(&granted), "{granted}");
    let StoreRecord::Shard(shard) = &ledger.store[&StoreObject::Shard(0)].1 else { panic!() };
    assert!(shard.accounts[0].ceiling >= u128::from(granted));
    assert_eq!(shard.pages[0].holders.len(), 1);
}

#[test]
fn a_refusal_distinguishes_spent_from_held_by_others() {
    let mut ledger = Ledger::of(100);
    assert_eq!(ledger.ask("one", 100, 100), 100);
    assert_eq!(ledger.ask("two", 10, 10), 0);
    assert_eq!(ledger.grant("two").unwrap().short, Some(Shortage::Leased));
    assert!(ledger.grant("one").unwrap().recall);
    ledger.send_usage("one", 100, 95, 0);
    ledger.pass(1);
    assert_eq!(ledger.grant("two").unwrap().short, Some(Shortage::Spent));
    assert_eq!(ledger.grant("two").unwrap().fleet.spent, 95);
}

#[test]
fn returned_amounts_are_granted_once() {
    let mut ledger = Ledger::of(100);
    assert_eq!(ledger.ask("one", 100, 100), 100);
    ledger.send_usage("one", 100, 10, 40);
    ledger.send_usage("one", 100, 10, 40);
    assert_eq!(ledger.ask("two", 1000, 40), 40);
    assert_eq!(ledger.ask("three", 40, 1), 0);
    let mut next = ledger.succeeded(100);
    next.send_usage("one", 100, 10, 40);
    next.send_usage("two", 40, 0, 0);
    assert_eq!(next.ask("three", 40, 1), 0, "not by the next leader either");
}

#[test]
fn the_next_leader_grants_the_rest_once_all_have_reported() {
    let mut ledger = Ledger::of(1_000);
    ledger.ask("two", 10, 10);
    // The ceiling is raised, and no holder is notified.
    ledger.held = true;
    ledger.report("one", 1, Vec::new(), vec![WantedLimit { limit: id("a"), want: 990, least: 990 }], false);
    ledger.pass(1);
    ledger.write();
    let two = ledger.granted("two");
    let mut next = ledger.succeeded(1_000);
    assert_eq!(next.ask("three", 990, 990), 0, "one of them may have it");
    next.send_usage("two", two, 0, 0);
    assert_eq!(next.ask("three", 980, 980), 0, "the other one may have it");
    next.report("one", 1, Vec::new(), Vec::new(), false);
    next.pass(1);
    assert_eq!(next.granted("three"), 980);
}

#[test]
fn a_replaced_leader_ends_when_it_writes() {
    let mut ledger = Ledger::of(1000);
    ledger.ask("one", 10, 10);
    let next = ledger.succeeded(1000);
    assert_eq!(next.term(), Term(ledger.term().0 + 1));
    ledger.store = next.store;
    ledger.ask("two", 10, 10);
    assert!(ledger.deposed && ledger.leader.leads().is_none());
}

#[test]
fn a_gone_holder_stays_charged_until_it_is_forgiven() {
    let mut ledger = Ledger::of(100);
    ledger.ask("one", 100, 100);
    ledger.send_usage("one", 100, 30, 0);
    ledger.input(Input::HolderGone { pod: "one".to_owned() });
    assert_eq!(ledger.ask("two", 10, 10), 0);
    let status = ledger.leader.status(&id("a")).unwrap();
    assert_eq!((status.fleet.spent, status.fleet.unconfirmed, status.available), (30, 70, 0));
    assert_eq!(ledger.grant("two").unwrap().short, Some(Shortage::Spent));
    ledger.act("f", LedgerVerb::Forgive);
    ledger.pass(1);
    assert_eq!(ledger.granted("two"), 10);
    // It was not gone after all: its journal is void, and what it spent meanwhile is a debt.
    ledger.send_usage("one", 100, 90, 0);
    assert_eq!((ledger.findings.as_slice(), ledger.grants["one"].void), ([FindingKind::Less].as_slice(), true));
    assert_eq!(ledger.leader.status(&id("a")).unwrap().fleet.spent, 90);
}

#[test]
fn a_final_report_is_confirmed_when_the_store_has_it() {
    let mut ledger = Ledger::of(100);
    ledger.ask("one", 100, 100);
    ledger.held = true;
    ledger.report("one", 1, vec![usage(100, 30, 70)], Vec::new(), true);
    ledger.pass(1);
    assert_eq!(ledger.grant("one").map(|grant| grant.durable.returned), Some(0), "nothing is confirmed");
    ledger.held = false;
    ledger.write();
    ledger.pass(1);
    let durable = ledger.grant("one").unwrap().durable;
    assert_eq!((durable.spent, durable.returned), (30, 70));
    assert_eq!(ledger.ask("two", 70, 70), 70);
    ledger.report("one", 1, vec![usage(100, 30, 70)], Vec::new(), true);
    assert!(ledger.grant("one").unwrap().over, "it is sent again");
    assert_eq!(ledger.findings, Vec::new());
}

#[test]
fn false_reports_move_no_money_and_are_recorded() {
    let result_of = |lie: &dyn Fn(&mut Ledger)| {
        let mut ledger = Ledger::of(1000);
        assert_eq!(ledger.ask("one", 100, 100), 100);
        ledger.send_usage("one", 100, 50, 10);
        ledger.pass(11);
        let before = ledger.leader.status(&id("a")).unwrap();
        lie(&mut ledger);
        ledger.pass(11);
        let after = ledger.leader.status(&id("a")).unwrap();
        assert_eq!((after.fleet.spent, after.available), (before.fleet.spent, before.available));
        let void = ledger.grants.values().any(|grants| grants.void);
        (ledger.findings, void)
    };
    let kinds = |findings: (Vec<FindingKind>, bool)| (findings.0, findings.1);
    assert_eq!(kinds(result_of(&|ledger| ledger.send_usage("one", 100, 40, 10))), (vec![FindingKind::Less], true));
    assert_eq!(kinds(result_of(&|ledger| ledger.send_usage("one", 100, 50, 5))), (vec![FindingKind::Less], true));
    assert_eq!(kinds(result_of(&|ledger| ledger.send_usage("one", 90, 50, 10))), (vec![FindingKind::Less], true));
    assert_eq!(
        kinds(result_of(&|ledger| ledger.report("one", 1, Vec::new(), Vec::new(), false))),
        (vec![FindingKind::Less], true)
    );
    assert_eq!(kinds(result_of(&|ledger| ledger.send_usage("one", 900, 50, 800))), (vec![FindingKind::More], false));
    assert_eq!(kinds(result_of(&|ledger| ledger.send_usage("one", 100, 50, 101))), (vec![FindingKind::More], false));
    assert_eq!(
        kinds(result_of(&|ledger| ledger.send_usage("stranger", 100, 0, 0))),
        (vec![FindingKind::Unknown], true)
    );
    let not_allowed = |ledger: &mut Ledger| {
        ledger.report(
            "one",
            1,
            vec![usage(100, 50, 10)],
            vec![WantedLimit { limit: id("b"), want: 5, least: 5 }],
            false,
        );
    };
    assert_eq!(kinds(result_of(&not_allowed)), (vec![FindingKind::NotAllowed], false));
    let absurd = |ledger: &mut Ledger| {
        ledger.report(
            "one",
            1,
            vec![AccountUsage { want: u64::MAX, least: 1, ..usage(100, 50, 10) }],
            Vec::new(),
            false,
        );
    };
    assert_eq!(kinds(result_of(&absurd)), (vec![FindingKind::Absurd], false));
    let odd = |ledger: &mut Ledger| ledger.report("a\"pod", 1, Vec::new(), Vec::new(), false);
    assert_eq!(kinds(result_of(&odd)), (vec![FindingKind::Absurd], false));
}

#[test]
fn a_removed_limit_is_settled_and_granted_no_more() {
    let mut ledger = Ledger::of(1000);
    assert_eq!(ledger.ask("one", 100, 100), 100);
    ledger.limits = has(&[], &["a"]);
    let wants = |spent, returned| vec![AccountUsage { want: 50, least: 50, ..usage(100, spent, returned) }];
    ledger.report("one", 1, wants(30, 0), Vec::new(), false);
    ledger.pass(1);
    assert_eq!(ledger.granted("one"), 100, "though there is enough");
    assert_eq!(ledger.ask("two", 50, 50), 0);
    ledger.report("three", 1, vec![AccountUsage { want: 50, least: 50, ..usage(0, 0, 0) }], Vec::new(), false);
    ledger.pass(1);
    assert_eq!(ledger.granted("three"), 0);
    ledger.report("one", 1, wants(40, 60), Vec::new(), false);
    ledger.pass(11);
    let status = ledger.leader.status(&id("a")).unwrap();
    assert_eq!((ledger.granted("one"), status.fleet.spent, status.available), (100, 40, 960));
    assert_eq!(ledger.findings, Vec::new(), "it may not have its new policy yet");
}

#[test]
fn a_want_for_a_removed_limit_is_dropped() {
    let mut ledger = Ledger::of(100);
    assert_eq!((ledger.ask("one", 100, 100), ledger.ask("two", 50, 50)), (100, 0));
    ledger.limits = has(&[], &["a"]);
    assert_eq!(ledger.ask("two", 50, 50), 0);
    ledger.limits = has(&["a"], &[]);
    ledger.send_usage("one", 100, 0, 100);
    ledger.pass(11);
    assert_eq!((ledger.granted("two"), ledger.ask("three", 100, 100)), (0, 100));
    assert_eq!(ledger.findings, Vec::new());
}

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
fn an_old_journal_of_a_pod_no_longer_counts() {
    let mut ledger = Ledger::of(1000);
    ledger.ask("one", 100, 100);
    ledger.report("one", 2, Vec::new(), Vec::new(), false);
    ledger.send_usage("one", 100, 0, 0);
    assert_eq!((ledger.findings.as_slice(), ledger.grants["one"].void), ([FindingKind::OldEpoch].as_slice(), true));
    assert_eq!(ledger.leader.status(&id("a")).unwrap().fleet.unconfirmed, 100);
}

#[test]
fn late_reports_and_reports_to_an_earlier_leader_change_nothing() {
    let mut ledger = Ledger::of(1000);
    ledger.ask("one", 100, 100);
    let late = UsageReport {
        epoch: 1,
        term: ledger.term(),
        number: 1,
        whole: true,
        accounts: vec![usage(100, 10, 0)],
        wanted: Vec::new(),
        last: false,
    };
    ledger.send_usage("one", 100, 50, 0);
    ledger.send("one", late.clone());
    assert_eq!((ledger.findings.len(), ledger.leader.status(&id("a")).unwrap().fleet.spent), (0, 50));
    ledger.send("one", UsageReport { number: 99, term: Term(0), ..late });
    assert_eq!((ledger.grants["one"].answers, ledger.grants["one"].accounts.len()), (99, 0));
    assert_eq!(ledger.leader.status(&id("a")).unwrap().fleet.spent, 50);
}

#[test]
fn a_restored_store_is_charged_with_what_holders_have() {
    let mut ledger = Ledger::of(1000);
    ledger.ask("one", 10, 10);
    let backup = ledger.store.clone();
    ledger.report("one", 1, vec![AccountUsage { want: 400, least: 400, ..usage(10, 0, 0) }], Vec::new(), false);
    ledger.pass(1);
    assert_eq!(ledger.granted("one"), 410);
    ledger.store = backup;
    let mut next = ledger.succeeded(1000);
    // What it has spent counts. The rest of what it holds is void, so none of it is granted twice.
    next.send_usage("one", 410, 250, 0);
    assert_eq!((next.findings.as_slice(), next.grants["one"].void), ([FindingKind::More].as_slice(), true));
    assert_eq!(next.leader.status(&id("a")).unwrap().available, 750);
    // It learns what of this is charged to it. What it has spent since continues in its next journal.
    let charged = next.grants["one"].charged.iter().map(|one| one.charged).collect::<Vec<_>>();
    assert_eq!(charged, [250]);
    // It does not know that yet.
    next.send_usage("one", 410, 300, 0);
    assert_eq!(next.grants["one"].charged[0].charged, 300);
    let status = next.leader.status(&id("a")).unwrap();
    assert_eq!((status.available, status.fleet.spent, next.grants["one"].void), (700, 300, true));
    next.report("one", 2, Vec::new(), vec![WantedLimit { limit: id("a"), want: 100, least: 100 }], false);
    next.pass(1);
    assert_eq!(next.granted("one"), 100);
}

/// A pod with a valid token may claim what an earlier leader may have granted and no other holder has.
#[test]
fn a_holder_that_has_not_reported_can_claim_only_what_earlier_leaders_left() {
    let mut ledger = Ledger::of(1_000);
    assert_eq!((ledger.ask("honest", 500, 500), ledger.ask("liar", 10, 10)), (500, 10));
    ledger.send_usage("honest", 500, 0, 0);
    ledger.pass(11);
    // A ceiling is raised, and nothing is granted from it.
    ledger.held = true;
    ledger.report("late", 1, Vec::new(), vec![WantedLimit { limit: id("a"), want: 20, least: 20 }], false);
    ledger.pass(1);
    ledger.write();
    for (claimed, charged, is_void) in [(30, 30, false), (31, 30, true), (490, 30, true), (u64::MAX, 30, true)] {
        let mut next = ledger.succeeded(1_000);
        next.send_usage("liar", claimed, 0, 0);
        next.send_usage("honest", 500, 0, 0);
        next.report("late", 1, Vec::new(), Vec::new(), false);
        next.pass(11);
        let status = next.leader.status(&id("a")).unwrap();
        assert_eq!(status.available, 1_000 - 500 - charged, "{claimed}");
        assert_eq!((next.grants["liar"].void, next.grants["honest"].void), (is_void, false), "{claimed}");
        let findings = if is_void { vec![FindingKind::More] } else { Vec::new() };
        assert_eq!(next.findings, findings, "{claimed}");
        if is_void {
            assert_eq!(status.fleet.unconfirmed, charged, "{claimed}");
            next.act("f", LedgerVerb::Forgive);
            next.pass(1);
            assert_eq!(next.leader.status(&id("a")).unwrap().available, 500);
        }
    }
}

/// A pod that was lost before it reported to the new leader may have everything that the others do not have, but
/// nothing from later leaders.
#[test]
fn a_lost_pod_is_charged_once_and_later_ceilings_are_free_again() {
    let mut ledger = Ledger::of(1_000);
    assert_eq!((ledger.ask("one", 100, 100), ledger.ask("two", 200, 200)), (100, 200));
    ledger.send_usage("one", 100, 0, 0);
    ledger.pass(11);
    // Two has spent 50 of what it holds, and the store does not have that yet.
    let mut next = ledger.succeeded(1_000);
    next.input(Input::HolderGone { pod: "two".to_owned() });
    next.send_usage("one", 100, 0, 0);
    next.pass(11);
    let status = |ledger: &Ledger| ledger.leader.status(&id("a")).unwrap();
    assert_eq!((status(&next).fleet.unconfirmed, status(&next).available), (200, 700));
    // This leader raises its ceiling too, and grants nothing from it.
    next.held = true;
    next.report("three", 1, Vec::new(), vec![WantedLimit { limit: id("a"), want: 300, least: 300 }], false);
    next.pass(1);
    next.write();
    let mut third = next.succeeded(1_000);
    third.send_usage("one", 100, 0, 0);
    third.report("three", 1, Vec::new(), Vec::new(), false);
    third.pass(11);
    assert_eq!((status(&third).fleet.unconfirmed, status(&third).available), (200, 700));
    // It was not gone after all, and never had more than 200.
    third.send_usage("two", 200, 50, 0);
    third.pass(11);
    assert_eq!((status(&third).fleet.unconfirmed, status(&third).fleet.spent, status(&third).available), (0, 50, 700));
    assert_eq!(third.findings, Vec::new());
}

#[test]
fn of_two_lost_pods_one_is_charged_for_what_either_may_have() {
    let mut ledger = Ledger::of(1_000);
    assert_eq!((ledger.ask("one", 100, 100), ledger.ask("two", 200, 200)), (100, 200));
    let mut next = ledger.succeeded(1_000);
    ["one", "two"].iter().for_each(|pod| next.input(Input::HolderGone { pod: (*pod).to_owned() }));
    assert_eq!(next.ask("three", 10, 10), 10);
    let status = |ledger: &Ledger| ledger.leader.status(&id("a")).unwrap();
    assert_eq!((status(&next).fleet.unconfirmed, status(&next).available), (300, 690));
    // Whichever resumes: its usage is counted once, and nothing that the other may have is free.
    next.send_usage("two", 200, 150, 0);
    next.pass(11);
    let (spent, unconfirmed) = (status(&next).fleet.spent, status(&next).fleet.unconfirmed);
    assert!(spent == 150 && status(&next).available <= 690 && spent + unconfirmed >= 150, "{:?}", status(&next));
}

#[test]
fn a_large_want_is_served_before_later_ones() {
    let mut ledger = Ledger::of(1_000);
    assert_eq!(ledger.ask("holder", 1_000, 1_000), 1_000);
    let mut returned = 0;
    assert_eq!(ledger.ask("large", 100, 100), 0);
    for turn in 0..30 {
        // Ten are returned each second, and a new holder wants ten each time.
        returned += 10;
        ledger.report("holder", 1, vec![usage(1_000, 0, returned)], Vec::new(), false);
        ledger.report("large", 1, vec![AccountUsage { want: 100, least: 100, ..usage(0, 0, 0) }], Vec::new(), false);
        ledger.ask(&format!("small-{turn}"), 10, 10);
        if ledger.granted("large") > 0 {
            break;
        }
    }
    let small: u64 = (0..30).map(|turn| ledger.granted(&format!("small-{turn}"))).sum();
    assert_eq!(ledger.granted("large"), 100, "{small} went to others");
    assert!(small >= 50 && small + 100 <= returned, "others are served as well: {small} of {returned}");
}

/// What it waits for may never be returned: it does not block others forever.
#[test]
fn a_want_that_can_not_be_met_lets_smaller_ones_pass() {
    let mut ledger = Ledger::of(1_000);
    assert_eq!(ledger.ask("silent", 950, 950), 950);
    assert_eq!(ledger.ask("large", 100, 100), 0);
    assert_eq!(ledger.grant("large").unwrap().short, Some(Shortage::Leased));
    assert_eq!(ledger.ask("small", 30, 30), 0, "half of what is left is kept for the one before it");
    for _ in 0..5 {
        ledger.report("small", 1, vec![AccountUsage { want: 30, least: 30, ..usage(0, 0, 0) }], Vec::new(), false);
        ledger.pass(1);
    }
    assert_eq!(ledger.granted("small"), 30);
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

#[test]
fn holders_are_notified_when_a_spent_limit_is_raised() {
    let mut ledger = Ledger::of(100);
    assert_eq!(ledger.ask("one", 100, 100), 100);
    ledger.send_usage("one", 100, 100, 0);
    assert_eq!(ledger.ask("two", 10, 10), 0);
    assert_eq!(ledger.grant("two").unwrap().short, Some(Shortage::Spent));
    ledger.pass(60);
    ledger.grants.clear();
    ledger.input(Input::Limits(vec![SharedLimit { id: id("a"), max: 300, window: Periods::lifetime() }]));
    let granted = ledger.grant("one").unwrap();
    assert_eq!((granted.short, granted.fleet.limit, granted.fleet.spent), (None, 300, 100));
    assert_eq!(ledger.ask("two", 10, 10), 10);
}

#[test]
fn a_lower_limit_grants_nothing_more_and_a_higher_one_serves_waiting_holders() {
    let mut ledger = Ledger::of(100);
    ledger.ask("one", 100, 100);
    let limit = |max| vec![SharedLimit { id: id("a"), max, window: Periods::lifetime() }];
    ledger.input(Input::Limits(limit(50)));
    assert_eq!(ledger.ask("two", 10, 10), 0);
    ledger.input(Input::Limits(limit(150)));
    ledger.pass(1);
    assert_eq!(ledger.granted("two"), 10);
    ledger.input(Input::Limits(Vec::new()));
    assert_eq!(ledger.ask("three", 10, 10), 0);
}

#[test]
fn each_period_is_an_account_and_the_next_one_is_granted_ahead_of_time() {
    let window = Periods::calendar(CalendarUnit::Hour, "UTC", 1).unwrap();
    let mut ledger = Ledger::new(vec![SharedLimit { id: id("a"), max: 100, window }]);
    ledger.pass(3530);
    assert_eq!(ledger.ask("one", 100, 10), 50);
    let first = ledger.grant("one").unwrap().clone();
    assert_eq!(first.end, Some(MORNING + 3_600_000));
    assert!(first.valid_for_ms.unwrap() <= 70_000);
    ledger.pass(50);
    let account = first.account.clone();
    ledger.report("one", 1, vec![AccountUsage { account: account.clone(), ..usage(50, 20, 0) }], Vec::new(), false);
    ledger.pass(1);
    let grants = &ledger.grants["one"].accounts;
    let next = grants.iter().find(|grant| grant.account.start == MORNING + 3_600_000).unwrap();
    assert!(next.granted > 0 && next.begins_in_ms > 0 && next.begins_in_ms < 20_000, "{next:?}");
    let next = next.clone();
    ledger.pass(60);
    let ended = AccountUsage { account: account.clone(), ..usage(50, 20, 30) };
    let running = AccountUsage { account: next.account.clone(), ..usage(next.granted, 0, 0) };
    ledger.report("one", 1, vec![ended.clone(), running.clone()], Vec::new(), false);
    ledger.pass(11);
    ledger.report("one", 1, vec![ended, running], Vec::new(), false);
    let ended = ledger.grants["one"].accounts.iter().find(|grant| grant.account == account).unwrap();
    assert!(ended.over && ended.valid_for_ms == Some(0));
    assert_eq!(ledger.findings, Vec::new());
}

#[test]
fn all_buckets_of_a_rolling_window_count() {
    let window = Periods::rolling(3_600_000).unwrap();
    let mut ledger = Ledger::new(vec![SharedLimit { id: id("a"), max: 100, window }]);
    assert_eq!(ledger.ask("one", 80, 80), 80);
    let account = ledger.grant("one").unwrap().account.clone();
    ledger.pass(120);
    ledger.report("one", 1, vec![AccountUsage { account: account.clone(), ..usage(80, 80, 0) }], Vec::new(), false);
    assert_eq!(ledger.ask("two", 30, 30), 0);
    assert_eq!(ledger.grant("two").unwrap().short, Some(Shortage::Spent));
    assert_eq!(ledger.grant("two").unwrap().fleet.spent, 80);
    ledger.pass(3_600);
    assert_eq!(ledger.ask("two", 30, 30), 30);
}

#[test]
fn a_small_step_back_keeps_the_period_and_a_large_one_is_followed() {
    let window = Periods::calendar(CalendarUnit::Day, "UTC", 1).unwrap();
    let mut ledger = Ledger::new(vec![SharedLimit { id: id("a"), max: 100, window }]);
    assert_eq!(ledger.ask("one", 60, 60), 60);
    let today = ledger.grant("one").unwrap().account.start;
    ledger.now += 86_400_000;
    assert_eq!(ledger.ask("two", 60, 60), 60);
    ledger.now -= 40_000_000;
    assert!(ledger.ask("three", 10, 10) == 10 && ledger.grant("three").unwrap().account.start == today + 86_400_000);
    ledger.now += 400 * 86_400_000;
    assert_eq!(ledger.ask("four", 60, 60), 60);
    ledger.now = MORNING + 1_000_000;
    assert_eq!(ledger.ask("five", 60, 60), 0, "today's account is as it was");
    assert_eq!(ledger.grant("five").unwrap().account.start, today);
}

/// What was spent under a former window counts in the period in which the window changed, and in none after it.
#[test]
fn another_window_begins_new_accounts() {
    let day = || Periods::calendar(CalendarUnit::Day, "UTC", 1).unwrap();
    let month = || Periods::calendar(CalendarUnit::Month, "UTC", 1).unwrap();
    let limit = |max, window| vec![SharedLimit { id: id("a"), max, window }];
    for (former, start, end) in [(Periods::lifetime(), 0, None), (month(), 1_793_491_200_000, Some(1_796_083_200_000))]
    {
        let mut ledger = Ledger::new(limit(1000, former));
        assert_eq!(ledger.ask("one", 400, 400), 400);
        let of_old = |usage: AccountUsage| AccountUsage { account: AccountKey { limit: id("a"), start }, ..usage };
        assert_eq!(ledger.grant("one").unwrap().account.start, start);
        ledger.report("one", 1, vec![of_old(usage(400, 300, 0))], Vec::new(), false);
        assert_eq!(ledger.grant("one").unwrap().end, end);
        ledger.input(Input::Limits(limit(100, day())));
        ledger.report(
            "one",
            1,
            vec![AccountUsage { want: 10, least: 10, ..of_old(usage(400, 300, 0)) }],
            Vec::new(),
            false,
        );
        assert_eq!(ledger.grant("one").unwrap().valid_for_ms, Some(0), "it is not spent from any more");
        ledger.report("one", 1, vec![of_old(usage(400, 300, 100))], Vec::new(), false);
        ledger.pass(11);
        assert_eq!(ledger.ask("two", 10, 10), 0, "it is unknown how much of it was spent today");
        let mut ledger = ledger.succeeded_with(limit(100, day()));
        ledger.report("one", 1, vec![of_old(usage(400, 300, 100))], Vec::new(), false);
        assert_eq!(ledger.ask("two", 10, 10), 0);
        ledger.now = MORNING + 57_600_000;
        assert_eq!(ledger.ask("two", 10, 10), 10, "tomorrow");
    }
}

/// The first day of a month is also a day, with the same account.
#[test]
fn a_longer_window_with_the_same_start_continues_its_account() {
    let day = Periods::calendar(CalendarUnit::Day, "UTC", 1).unwrap();
    let month = Periods::calendar(CalendarUnit::Month, "UTC", 1).unwrap();
    let limit = |window| vec![SharedLimit { id: id("a"), max: 100, window }];
    let first = MORNING + 57_600_000;
    let mut ledger = Ledger::new(limit(day));
    ledger.now = first;
    assert_eq!(ledger.ask("one", 60, 60), 60);
    assert_eq!(ledger.grant("one").unwrap().account.start, first);
    ledger.input(Input::Limits(limit(month)));
    ledger.now += 3 * 86_400_000;
    assert_eq!(ledger.ask("two", 40, 40), 40);
    assert_eq!(ledger.grant("two").unwrap().account.start, first);
    assert_eq!(ledger.grant("two").unwrap().end, Some(first + 31 * 86_400_000));
    assert_eq!(ledger.ask("three", 1, 1), 0, "all of the month's");
}

#[test]
fn false_claims_and_returns_free_nothing_of_others() {
    let mut ledger = Ledger::of(1000);
    assert_eq!(ledger.ask("honest", 900, 900), 900);
    ledger.send_usage("honest", 900, 0, 0);
    ledger.pass(11);
    assert_eq!(ledger.ask("liar", 10, 10), 10);
    ledger.pass(11);
    let mut next = ledger.succeeded(1000);
    next.send_usage("liar", 5_000, 0, 5_000);
    next.pass(11);
    assert_eq!(next.findings, [FindingKind::More]);
    assert!(next.ask("another", 1_000, 500) <= 100, "the honest one has 900");
    next.send_usage("honest", 900, 0, 0);
    assert_eq!(next.findings, [FindingKind::More], "its report is possible");
}

#[test]
fn forgiving_a_lost_holder_frees_nothing_that_it_spent() {
    let mut ledger = Ledger::of(1000);
    assert_eq!((ledger.ask("one", 500, 500), ledger.ask("two", 300, 300)), (500, 300));
    ledger.send_usage("one", 500, 0, 0);
    ledger.send_usage("two", 300, 100, 0);
    ledger.pass(11);
    let mut next = ledger.succeeded(1000);
    next.send_usage("one", 500, 0, 0);
    next.input(Input::HolderGone { pod: "two".to_owned() });
    next.act("f", LedgerVerb::Forgive);
    next.pass(11);
    assert_eq!(next.leader.status(&id("a")).unwrap().available, 400);
    assert_eq!(next.succeeded(1000).leader.status(&id("a")).unwrap().available, 400);
}

#[test]
fn findings_are_recorded_once_for_each_kind_and_report() {
    let mut ledger = Ledger::of(1000);
    let wanted = (0..1_000).map(|n| WantedLimit { limit: id(&format!("other-{n}")), want: 5, least: 5 }).collect();
    ledger.report("one", 1, Vec::new(), wanted, false);
    assert_eq!(ledger.findings, [FindingKind::NotAllowed]);
}

/// Each journal is a row of the store until its pod's part is folded.
#[test]
fn a_pod_that_begins_many_journals_has_to_wait() {
    let mut ledger = Ledger::of(1_000_000);
    let wanted = || vec![WantedLimit { limit: id("a"), want: 1, least: 1 }];
    (1..=1_000).for_each(|epoch| ledger.report("one", epoch, Vec::new(), wanted(), false));
    assert_eq!(ledger.leader.status(&id("a")).unwrap().holders, 17);
    assert_eq!(ledger.findings, vec![FindingKind::Absurd; 983]);
    assert_eq!(ledger.ask("another", 10, 10), 10);
    ledger.pass(10);
    ledger.report("one", 1_001, Vec::new(), wanted(), false);
    ledger.pass(1);
    assert_eq!((ledger.granted("one"), ledger.grants["one"].epoch), (1, 1_001));
}
