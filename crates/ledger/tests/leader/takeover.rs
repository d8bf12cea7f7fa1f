//! What a leader knows of earlier leaders, and what it charges to pods that are lost.

use outrigger_ledger::protocol::{AccountUsage, Shortage, Term, WantedLimit};
use outrigger_ledger::shared::leader::{FindingKind, Input, LedgerVerb};

use crate::one_leader::{Ledger, id, usage};

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
