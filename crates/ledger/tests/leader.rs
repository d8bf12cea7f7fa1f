//! One leader, step by step: what it grants, what it writes first, and what it does not believe.
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
fn who_cannot_be_served_hears_whether_it_is_spent_or_others_have_it() {
    let mut ledger = Ledger::of(100);
    assert_eq!(ledger.ask("one", 100, 100), 100);
    assert_eq!(ledger.ask("two", 10, 10), 0);
    assert_eq!(ledger.grant("two").unwrap().short, Some(Shortage::Leased));
    assert!(ledger.grant("one").unwrap().recall);
    ledger.tell("one", 100, 95, 0);
    ledger.pass(1);
    assert_eq!(ledger.grant("two").unwrap().short, Some(Shortage::Spent));
    assert_eq!(ledger.grant("two").unwrap().fleet.spent, 95);
}

#[test]
fn what_comes_back_is_granted_once() {
    let mut ledger = Ledger::of(100);
    assert_eq!(ledger.ask("one", 100, 100), 100);
    ledger.tell("one", 100, 10, 40);
    ledger.tell("one", 100, 10, 40);
    assert_eq!(ledger.ask("two", 1000, 40), 40);
    assert_eq!(ledger.ask("three", 40, 1), 0);
    let mut next = ledger.succeeded(100);
    next.tell("one", 100, 10, 40);
    next.tell("two", 40, 0, 0);
    assert_eq!(next.ask("three", 40, 1), 0, "not by the next leader either");
}

#[test]
fn the_next_leader_grants_what_was_never_handed_out_when_all_have_told() {
    let mut ledger = Ledger::of(1_000);
    ledger.ask("two", 10, 10);
    // The ceiling is raised, and nobody is told.
    ledger.held = true;
    ledger.report("one", 1, Vec::new(), vec![WantedLimit { limit: id("a"), want: 990, least: 990 }], false);
    ledger.pass(1);
    ledger.write();
    let two = ledger.granted("two");
    let mut next = ledger.succeeded(1_000);
    assert_eq!(next.ask("three", 990, 990), 0, "one of them may have it");
    next.tell("two", two, 0, 0);
    assert_eq!(next.ask("three", 980, 980), 0, "the other one may have it");
    next.report("one", 1, Vec::new(), Vec::new(), false);
    next.pass(1);
    assert_eq!(next.granted("three"), 980);
}

#[test]
fn a_leader_that_was_followed_by_another_ends_when_it_writes() {
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
    ledger.tell("one", 100, 30, 0);
    ledger.input(Input::HolderGone { pod: "one".to_owned() });
    assert_eq!(ledger.ask("two", 10, 10), 0);
    let status = ledger.leader.status(&id("a")).unwrap();
    assert_eq!((status.fleet.spent, status.fleet.unconfirmed, status.available), (30, 70, 0));
    assert_eq!(ledger.grant("two").unwrap().short, Some(Shortage::Spent));
    ledger.act("f", LedgerVerb::Forgive);
    ledger.pass(1);
    assert_eq!(ledger.granted("two"), 10);
    // It was not gone after all: its journal is void, and what it spent meanwhile is a debt.
    ledger.tell("one", 100, 90, 0);
    assert_eq!((ledger.findings.as_slice(), ledger.grants["one"].void), ([FindingKind::Less].as_slice(), true));
    assert_eq!(ledger.leader.status(&id("a")).unwrap().fleet.spent, 90);
}

#[test]
fn a_last_word_is_confirmed_when_the_store_has_it() {
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
    assert!(ledger.grant("one").unwrap().over, "it is told again");
    assert_eq!(ledger.findings, Vec::new());
}

#[test]
fn lies_move_no_money_and_are_told() {
    let told = |lie: &dyn Fn(&mut Ledger)| {
        let mut ledger = Ledger::of(1000);
        assert_eq!(ledger.ask("one", 100, 100), 100);
        ledger.tell("one", 100, 50, 10);
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
    assert_eq!(kinds(told(&|ledger| ledger.tell("one", 100, 40, 10))), (vec![FindingKind::Less], true));
    assert_eq!(kinds(told(&|ledger| ledger.tell("one", 100, 50, 5))), (vec![FindingKind::Less], true));
    assert_eq!(kinds(told(&|ledger| ledger.tell("one", 90, 50, 10))), (vec![FindingKind::Less], true));
    assert_eq!(
        kinds(told(&|ledger| ledger.report("one", 1, Vec::new(), Vec::new(), false))),
        (vec![FindingKind::Less], true)
    );
    assert_eq!(kinds(told(&|ledger| ledger.tell("one", 900, 50, 800))), (vec![FindingKind::More], false));
    assert_eq!(kinds(told(&|ledger| ledger.tell("one", 100, 50, 101))), (vec![FindingKind::More], false));
    assert_eq!(kinds(told(&|ledger| ledger.tell("stranger", 100, 0, 0))), (vec![FindingKind::Unknown], true));
    let not_allowed = |ledger: &mut Ledger| {
        ledger.report(
            "one",
            1,
            vec![usage(100, 50, 10)],
            vec![WantedLimit { limit: id("b"), want: 5, least: 5 }],
            false,
        );
    };
    assert_eq!(kinds(told(&not_allowed)), (vec![FindingKind::NotAllowed], false));
    let absurd = |ledger: &mut Ledger| {
        ledger.report(
            "one",
            1,
            vec![AccountUsage { want: u64::MAX, least: 1, ..usage(100, 50, 10) }],
            Vec::new(),
            false,
        );
    };
    assert_eq!(kinds(told(&absurd)), (vec![FindingKind::Absurd], false));
    let odd = |ledger: &mut Ledger| ledger.report("a\"pod", 1, Vec::new(), Vec::new(), false);
    assert_eq!(kinds(told(&odd)), (vec![FindingKind::Absurd], false));
}

#[test]
fn a_limit_that_was_taken_away_is_settled_and_granted_no_more() {
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
fn who_waits_for_a_limit_that_is_taken_away_waits_no_more() {
    let mut ledger = Ledger::of(100);
    assert_eq!((ledger.ask("one", 100, 100), ledger.ask("two", 50, 50)), (100, 0));
    ledger.limits = has(&[], &["a"]);
    assert_eq!(ledger.ask("two", 50, 50), 0);
    ledger.limits = has(&["a"], &[]);
    ledger.tell("one", 100, 0, 100);
    ledger.pass(11);
    assert_eq!((ledger.granted("two"), ledger.ask("three", 100, 100)), (0, 100));
    assert_eq!(ledger.findings, Vec::new());
}

#[test]
fn a_debt_is_believed_up_to_the_whole_limit() {
    let mut ledger = Ledger::of(1000);
    assert_eq!(ledger.ask("one", 100, 100), 100);
    ledger.tell("one", 100, 1_090, 10);
    ledger.pass(11);
    let status = |ledger: &Ledger| ledger.leader.status(&id("a")).unwrap();
    assert_eq!((status(&ledger).fleet.spent, status(&ledger).available), (1_090, 0));
    // What counts already goes on counting, whatever the limit is now, and the next leader believes it too.
    ledger.input(Input::Limits(vec![SharedLimit { id: id("a"), max: 10, window: Periods::lifetime() }]));
    ledger.tell("one", 100, 1_090, 10);
    let mut next = ledger.succeeded(10);
    next.tell("one", 100, 1_090, 10);
    assert_eq!((ledger.findings.len(), next.findings.len(), status(&next).fleet.spent), (0, 0, 1_090));
}

#[test]
fn a_debt_under_a_limit_that_was_lowered_is_judged_by_what_was_granted() {
    let mut ledger = Ledger::of(1000);
    assert_eq!(ledger.ask("one", 100, 100), 100);
    ledger.input(Input::Limits(vec![SharedLimit { id: id("a"), max: 10, window: Periods::lifetime() }]));
    ledger.tell("one", 100, 150, 0);
    ledger.tell("one", 100, 201, 0);
    let spent = ledger.leader.status(&id("a")).unwrap().fleet.spent;
    assert_eq!((spent, ledger.findings.as_slice()), (200, [FindingKind::Overspent].as_slice()));
}

#[test]
fn who_owes_too_much_of_a_period_that_has_ended_forgets_it() {
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
    assert_eq!(ledger.findings, [FindingKind::Overspent], "it is told once");
}

#[test]
fn an_old_journal_of_a_pod_counts_no_more() {
    let mut ledger = Ledger::of(1000);
    ledger.ask("one", 100, 100);
    ledger.report("one", 2, Vec::new(), Vec::new(), false);
    ledger.tell("one", 100, 0, 0);
    assert_eq!((ledger.findings.as_slice(), ledger.grants["one"].void), ([FindingKind::OldEpoch].as_slice(), true));
    assert_eq!(ledger.leader.status(&id("a")).unwrap().fleet.unconfirmed, 100);
}

#[test]
fn a_report_that_comes_late_or_follows_an_earlier_leader_changes_nothing() {
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
    ledger.tell("one", 100, 50, 0);
    ledger.send("one", late.clone());
    assert_eq!((ledger.findings.len(), ledger.leader.status(&id("a")).unwrap().fleet.spent), (0, 50));
    ledger.send("one", UsageReport { number: 99, term: Term(0), ..late });
    assert_eq!((ledger.grants["one"].answers, ledger.grants["one"].accounts.len()), (99, 0));
    assert_eq!(ledger.leader.status(&id("a")).unwrap().fleet.spent, 50);
}

#[test]
fn a_store_that_was_set_back_is_charged_with_what_holders_have() {
    let mut ledger = Ledger::of(1000);
    ledger.ask("one", 10, 10);
    let backup = ledger.store.clone();
    ledger.report("one", 1, vec![AccountUsage { want: 400, least: 400, ..usage(10, 0, 0) }], Vec::new(), false);
    ledger.pass(1);
    assert_eq!(ledger.granted("one"), 410);
    ledger.store = backup;
    let mut next = ledger.succeeded(1000);
    // What it has spent counts. What it holds beside is void: so nothing of it is granted twice.
    next.tell("one", 410, 250, 0);
    assert_eq!((next.findings.as_slice(), next.grants["one"].void), ([FindingKind::More].as_slice(), true));
    assert_eq!(next.leader.status(&id("a")).unwrap().available, 750);
    // It has not heard that yet.
    next.tell("one", 410, 300, 0);
    let status = next.leader.status(&id("a")).unwrap();
    assert_eq!((status.available, status.fleet.spent, next.grants["one"].void), (700, 300, true));
    next.report("one", 2, Vec::new(), vec![WantedLimit { limit: id("a"), want: 100, least: 100 }], false);
    next.pass(1);
    assert_eq!(next.granted("one"), 100);
}

/// Whoever has a pod's token may claim what an earlier leader may have granted and nobody has.
#[test]
fn who_was_not_heard_yet_can_claim_no_more_than_earlier_leaders_left() {
    let mut ledger = Ledger::of(1_000);
    assert_eq!((ledger.ask("honest", 500, 500), ledger.ask("liar", 10, 10)), (500, 10));
    ledger.tell("honest", 500, 0, 0);
    ledger.pass(11);
    // A ceiling is raised, and nobody is granted from it.
    ledger.held = true;
    ledger.report("late", 1, Vec::new(), vec![WantedLimit { limit: id("a"), want: 20, least: 20 }], false);
    ledger.pass(1);
    ledger.write();
    for (claimed, charged, is_void) in [(30, 30, false), (31, 30, true), (490, 30, true), (u64::MAX, 30, true)] {
        let mut next = ledger.succeeded(1_000);
        next.tell("liar", claimed, 0, 0);
        next.tell("honest", 500, 0, 0);
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

/// A pod that was lost before it told the new leader what it holds may have all that the others do not have: but of
/// later leaders it had nothing.
#[test]
fn what_a_lost_pod_may_have_is_charged_to_it_and_later_ceilings_are_free_again() {
    let mut ledger = Ledger::of(1_000);
    assert_eq!((ledger.ask("one", 100, 100), ledger.ask("two", 200, 200)), (100, 200));
    ledger.tell("one", 100, 0, 0);
    ledger.pass(11);
    // Two has spent 50 of what it holds, and the store has heard nothing of that.
    let mut next = ledger.succeeded(1_000);
    next.input(Input::HolderGone { pod: "two".to_owned() });
    next.tell("one", 100, 0, 0);
    next.pass(11);
    let status = |ledger: &Ledger| ledger.leader.status(&id("a")).unwrap();
    assert_eq!((status(&next).fleet.unconfirmed, status(&next).available), (200, 700));
    // This leader raises its ceiling as well, and grants nothing from it.
    next.held = true;
    next.report("three", 1, Vec::new(), vec![WantedLimit { limit: id("a"), want: 300, least: 300 }], false);
    next.pass(1);
    next.write();
    let mut third = next.succeeded(1_000);
    third.tell("one", 100, 0, 0);
    third.report("three", 1, Vec::new(), Vec::new(), false);
    third.pass(11);
    assert_eq!((status(&third).fleet.unconfirmed, status(&third).available), (200, 700));
    // It was not gone after all, and has never had more than 200.
    third.tell("two", 200, 50, 0);
    third.pass(11);
    assert_eq!((status(&third).fleet.unconfirmed, status(&third).fleet.spent, status(&third).available), (0, 50, 700));
    assert_eq!(third.findings, Vec::new());
}

#[test]
fn of_two_lost_pods_one_is_charged_with_what_either_may_have() {
    let mut ledger = Ledger::of(1_000);
    assert_eq!((ledger.ask("one", 100, 100), ledger.ask("two", 200, 200)), (100, 200));
    let mut next = ledger.succeeded(1_000);
    ["one", "two"].iter().for_each(|pod| next.input(Input::HolderGone { pod: (*pod).to_owned() }));
    assert_eq!(next.ask("three", 10, 10), 10);
    let status = |ledger: &Ledger| ledger.leader.status(&id("a")).unwrap();
    assert_eq!((status(&next).fleet.unconfirmed, status(&next).available), (300, 690));
    // Whichever wakes up: what it has spent is counted once, and nothing that the other may have is free.
    next.tell("two", 200, 150, 0);
    next.pass(11);
    let (spent, unconfirmed) = (status(&next).fleet.spent, status(&next).fleet.unconfirmed);
    assert!(spent == 150 && status(&next).available <= 690 && spent + unconfirmed >= 150, "{:?}", status(&next));
}

#[test]
fn a_large_want_is_served_before_those_that_come_after_it() {
    let mut ledger = Ledger::of(1_000);
    assert_eq!(ledger.ask("holder", 1_000, 1_000), 1_000);
    let mut returned = 0;
    assert_eq!(ledger.ask("large", 100, 100), 0);
    for turn in 0..30 {
        // Ten come back in each second, and somebody new wants ten each time.
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

/// What it waits for may never come: it holds up nobody for ever.
#[test]
fn a_want_for_which_nothing_comes_back_lets_smaller_ones_pass() {
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
fn an_answer_that_costs_more_than_a_tiny_limit_is_counted_and_its_gateway_is_served_again() {
    let limit = |max| vec![SharedLimit { id: id("a"), max, window: Periods::lifetime() }];
    let mut ledger = Ledger::of(100);
    assert_eq!(ledger.ask("one", 20, 20), 20);
    ledger.tell("one", 20, 500, 0);
    ledger.pass(11);
    let status = |ledger: &Ledger| ledger.leader.status(&id("a")).unwrap();
    assert_eq!((status(&ledger).fleet.spent, ledger.findings.as_slice()), (120, [FindingKind::Overspent].as_slice()));
    assert_eq!(ledger.grant("one").unwrap().durable.spent, 500, "it need not say it again");
    ledger.tell("one", 20, 500, 0);
    let wants = |spent| vec![AccountUsage { want: 520, least: 500, ..usage(20, spent, 0) }];
    ledger.report("one", 1, wants(500), Vec::new(), false);
    ledger.pass(1);
    assert_eq!(ledger.grant("one").unwrap().short, Some(Shortage::Spent));
    assert_eq!(ledger.findings, [FindingKind::Overspent], "it is told once");
    // Under a limit that has room for it, all of it counts, and it goes on.
    ledger.input(Input::Limits(limit(10_000)));
    ledger.report("one", 1, wants(500), Vec::new(), false);
    ledger.pass(1);
    assert_eq!((status(&ledger).fleet.spent, ledger.findings.len()), (500, 1));
    assert!(ledger.granted("one") >= 520, "{}", ledger.granted("one"));
    ledger.tell("one", ledger.granted("one"), 500, 0);
    ledger.pass(11);
    let held = ledger.granted("one") - 500;
    assert_eq!(status(&ledger).available + held, 9_500, "a debt that is covered counts once");
    let mut next = ledger.succeeded(10_000);
    next.tell("one", ledger.granted("one"), 500, 0);
    next.pass(11);
    assert_eq!((status(&next).fleet.spent, next.findings.len()), (500, 0));
}

/// However it is put, a pod that lies about what it has spent uses up the limit at most, and is told.
#[test]
fn a_lie_about_what_was_spent_counts_up_to_the_whole_limit() {
    for (pod, granted, returned) in [("one", 100, 10), ("stranger", 0, 0)] {
        let mut ledger = Ledger::of(1_000);
        assert_eq!(ledger.ask("one", 100, 100), 100);
        ledger.tell("one", 100, 50, 10);
        ledger.tell(pod, granted, u64::MAX, returned);
        ledger.pass(11);
        let status = ledger.leader.status(&id("a")).unwrap();
        assert!(status.fleet.spent <= 1_100 && status.available == 0, "{status:?}");
        assert_eq!(ledger.findings, [FindingKind::Overspent]);
    }
}

#[test]
fn who_was_told_that_a_limit_is_spent_hears_of_it_when_it_is_raised() {
    let mut ledger = Ledger::of(100);
    assert_eq!(ledger.ask("one", 100, 100), 100);
    ledger.tell("one", 100, 100, 0);
    assert_eq!(ledger.ask("two", 10, 10), 0);
    assert_eq!(ledger.grant("two").unwrap().short, Some(Shortage::Spent));
    ledger.pass(60);
    ledger.grants.clear();
    ledger.input(Input::Limits(vec![SharedLimit { id: id("a"), max: 300, window: Periods::lifetime() }]));
    let told = ledger.grant("one").unwrap();
    assert_eq!((told.short, told.fleet.limit, told.fleet.spent), (None, 300, 100));
    assert_eq!(ledger.ask("two", 10, 10), 10);
}

#[test]
fn a_lower_limit_grants_nothing_more_and_a_higher_one_serves_who_waits() {
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
fn a_period_is_another_account_and_the_next_one_is_granted_ahead_of_time() {
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
fn of_a_rolling_window_all_buckets_count() {
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
fn a_clock_that_steps_back_brings_no_period_back_and_one_that_was_far_ahead_is_followed() {
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

/// What was spent under a former window counts in the period in which the window was changed, and in none after it.
#[test]
fn another_window_begins_accounts_of_its_own() {
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
        assert_eq!(ledger.ask("two", 10, 10), 0, "nobody knows how much of it was spent today");
        let mut ledger = ledger.succeeded_with(limit(100, day()));
        ledger.report("one", 1, vec![of_old(usage(400, 300, 100))], Vec::new(), false);
        assert_eq!(ledger.ask("two", 10, 10), 0);
        ledger.now = MORNING + 57_600_000;
        assert_eq!(ledger.ask("two", 10, 10), 10, "tomorrow");
    }
}

/// The first day of a month is a day too, and its account the same.
#[test]
fn a_longer_window_that_begins_with_the_same_instant_goes_on_with_its_account() {
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
fn who_claims_and_returns_more_than_there_is_frees_nothing_of_others() {
    let mut ledger = Ledger::of(1000);
    assert_eq!(ledger.ask("honest", 900, 900), 900);
    ledger.tell("honest", 900, 0, 0);
    ledger.pass(11);
    assert_eq!(ledger.ask("liar", 10, 10), 10);
    ledger.pass(11);
    let mut next = ledger.succeeded(1000);
    next.tell("liar", 5_000, 0, 5_000);
    next.pass(11);
    assert_eq!(next.findings, [FindingKind::More]);
    assert!(next.ask("another", 1_000, 500) <= 100, "the honest one has 900");
    next.tell("honest", 900, 0, 0);
    assert_eq!(next.findings, [FindingKind::More], "it has said nothing that can't be");
}

#[test]
fn what_is_forgiven_of_who_was_lost_frees_nothing_that_it_spent() {
    let mut ledger = Ledger::of(1000);
    assert_eq!((ledger.ask("one", 500, 500), ledger.ask("two", 300, 300)), (500, 300));
    ledger.tell("one", 500, 0, 0);
    ledger.tell("two", 300, 100, 0);
    ledger.pass(11);
    let mut next = ledger.succeeded(1000);
    next.tell("one", 500, 0, 0);
    next.input(Input::HolderGone { pod: "two".to_owned() });
    next.act("f", LedgerVerb::Forgive);
    next.pass(11);
    assert_eq!(next.leader.status(&id("a")).unwrap().available, 400);
    assert_eq!(next.succeeded(1000).leader.status(&id("a")).unwrap().available, 400);
}

#[test]
fn a_report_is_told_once_of_each_kind() {
    let mut ledger = Ledger::of(1000);
    let wanted = (0..1_000).map(|n| WantedLimit { limit: id(&format!("other-{n}")), want: 5, least: 5 }).collect();
    ledger.report("one", 1, Vec::new(), wanted, false);
    assert_eq!(ledger.findings, [FindingKind::NotAllowed]);
}

/// Each journal is a row of the store, until its pod's part is folded.
#[test]
fn a_pod_that_begins_journal_after_journal_has_to_wait() {
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
