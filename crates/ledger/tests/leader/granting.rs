//! What one leader grants, and in which order.

use outrigger_core::Periods;
use outrigger_ledger::protocol::{AccountUsage, Shortage};
use outrigger_ledger::shared::leader::{Input, SharedLimit};
use outrigger_ledger::shared::record::{StoreObject, StoreRecord};

use crate::one_leader::{Ledger, has, id, usage};

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
