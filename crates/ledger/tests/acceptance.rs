//! The ten promises of the documentation about shared budgets
//! ([table](../../../docs/budgets.md#ten-promises-and-their-tests)): a test each, named after it.
//!
//! Sentences 2, 3, 4, 5, 9 and 10 are here. Sentences 1, 6, 7 and 8 are about requests, attempts and prices: their tests
//! are in `sidecar/tests/gateway/acceptance.rs`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod one_leader;

use outrigger_core::{CalendarUnit, Millis, Periods};
use outrigger_ledger::protocol::{
    AccountGrant, AccountKey, AccountUsage, DurableUsage, FleetAccount, Grants, LimitKey, WantedLimit,
};
use outrigger_ledger::shared::holder::{HeldShort, MessageOutcome};
use outrigger_ledger::shared::leader::{Input, LedgerVerb, SharedLimit};
use outrigger_ledger::shared::record::StoreRecord;

use one_leader::{Gateway, Ledger, MORNING, id};

const HOUR: Millis = 3_600_000;
const DAY: Millis = 86_400_000;

/// What may have been granted according to the store.
fn durable(ledger: &Ledger) -> u128 {
    let shards = ledger.store.values().filter_map(|(_, record)| match record {
        StoreRecord::Shard(shard) => Some(shard),
        StoreRecord::Index(_) => None,
    });
    shards.flat_map(|shard| &shard.accounts).map(|account| account.former + account.ceiling).sum()
}

/// Sentence 2.
#[test]
fn a_reservation_never_lapses_by_time() {
    let mut ledger = Ledger::of(100);
    let (mut one, mut two) = (Gateway::new("one", 0), Gateway::new("two", 0));
    one.wants(&mut ledger, 100);
    let reserved = one.holder.reserve(one.limit, 100, Gateway::clock(&ledger)).unwrap();
    one.report(&mut ledger);
    // The gateway is silent for a week, and its pod continues to exist.
    for _ in 0..7 * 24 * 360 {
        ledger.now += 10_000;
        ledger.input(Input::Tick);
    }
    two.wants(&mut ledger, 1);
    let status = ledger.leader.status(&id("a")).unwrap();
    assert_eq!((two.free(&ledger), status.available, status.fleet.reserved), (0, 0, 100));
    // At the gateway itself too.
    assert_eq!(one.holder.fits(one.limit, 1, Gateway::clock(&ledger)), Err(HeldShort::Contended));
    one.holder.settle(reserved, 100, 99, Gateway::clock(&ledger));
    assert_eq!(one.free(&ledger), 1);
}

/// Sentence 3.
#[test]
fn a_paused_pod_that_wakes_after_its_grant_was_charged_finds_its_epoch_void() {
    let mut ledger = Ledger::of(100);
    let (mut paused, mut other) = (Gateway::new("paused", 0), Gateway::new("other", 0));
    paused.wants(&mut ledger, 60);
    let held = paused.holder.reserve(paused.limit, 60, Gateway::clock(&ledger)).unwrap();
    ledger.input(Input::HolderGone { pod: "paused".to_owned() });
    assert_eq!(ledger.leader.status(&id("a")).unwrap().fleet.unconfirmed, 60, "it is charged");
    ledger.act("f", LedgerVerb::Forgive);
    other.wants(&mut ledger, 100);
    assert_eq!(other.free(&ledger), 100);
    // It resumes, and is told before it can spend any more of what others have now.
    paused.holder.settle(held, 60, 10, Gateway::clock(&ledger));
    assert_eq!(paused.report(&mut ledger), Some(MessageOutcome::Void));
    assert_eq!(paused.holder.reserve(paused.limit, 1, Gateway::clock(&ledger)), Err(HeldShort::NotGranted));
    paused.holder.begin_anew(u64::try_from(ledger.now).unwrap());
    paused.wants(&mut ledger, 1);
    assert_eq!(paused.free(&ledger), 0, "others hold all of it");
}

/// Sentence 4.
#[test]
fn the_sum_of_grants_is_durable_before_it_is_handed_out() {
    let mut ledger = Ledger::of(1_000_000);
    ledger.held = true;
    let mut granted = 0;
    for turn in 0..400_u64 {
        let pod = format!("pod-{}", turn % 37);
        let already = ledger.grants.get(&pod).and_then(|grants| grants.accounts.first()).map_or(0, |one| one.granted);
        let used = one_leader::usage(already, already, 0);
        let usage = AccountUsage { want: 3_000, least: 1_000, ..used };
        let first = WantedLimit { limit: id("a"), want: 3_000, least: 1_000 };
        match already {
            0 => ledger.report(&pod, 1, Vec::new(), vec![first], false),
            _ => ledger.report(&pod, 1, vec![usage], Vec::new(), false),
        }
        for _ in 0..3 {
            ledger.now += 100;
            ledger.input(Input::Tick);
            let all: u64 = ledger.grants.values().flat_map(|grants| &grants.accounts).map(|one| one.granted).sum();
            assert!(u128::from(all) <= durable(&ledger), "{all} of {}", durable(&ledger));
            granted = all;
        }
        // The store is slow.
        if turn % 4 == 0 && !ledger.waiting.is_empty() {
            ledger.write();
        }
    }
    assert!(granted > 100_000 && durable(&ledger) <= 1_000_000, "{granted}");
}

/// Sentence 5.
#[test]
fn a_new_leader_starts_from_the_durable_sum() {
    let mut ledger = Ledger::of(1_000);
    let mut gateway = Gateway::new("one", 0);
    gateway.wants(&mut ledger, 400);
    // The next leader reads the store. The previous one does not know that, and continues.
    let mut next = ledger.succeeded(1_000);
    next.now = ledger.now;
    let before = durable(&next);
    assert!(before >= 400);
    ledger.store = next.store.clone();
    gateway.wants(&mut ledger, 900);
    let by_the_old_one = u128::from(gateway.free(&ledger));
    assert!(by_the_old_one <= before, "it hands out nothing but what the store has: {by_the_old_one} of {before}");
    let mut another = Gateway::new("two", 0);
    another.wants(&mut next, 1_000 - u64::try_from(before).unwrap());
    let by_the_new_one = u128::from(another.free(&next));
    assert!(by_the_new_one > 0 && by_the_old_one + by_the_new_one <= 1_000, "{by_the_old_one} {by_the_new_one}");
    assert!(ledger.deposed, "it could write nothing, and knows now that it leads no more");
}

/// Sentence 9.
#[test]
fn both_periods_are_bounded_at_the_edge_under_clock_skew() {
    let window = Periods::calendar(CalendarUnit::Hour, "UTC", 1).unwrap();
    let limits = || vec![SharedLimit { id: id("a"), max: 100, window: window.clone() }];
    let mut ledger = Ledger::new(limits());
    let mut gateways = [("slow", -DAY), ("right", 0), ("fast", DAY)].map(|(pod, skew)| Gateway::new(pod, skew));
    // The spent amount of each account.
    let mut spent = std::collections::BTreeMap::<Millis, u64>::new();
    ledger.now = MORNING + HOUR - 70_000;
    for second in 0..140 {
        if second == 65 {
            // Another leader takes over just before the hour, and its clock is ten seconds behind.
            let now = ledger.now;
            ledger = ledger.succeeded_with(limits());
            ledger.now = now - 10_000;
        }
        for gateway in &mut gateways {
            let now = Gateway::clock(&ledger).max(0);
            if let (Ok(account), Some(start)) =
                (gateway.holder.reserve(gateway.limit, 4, now), gateway.holder.period(gateway.limit, now))
            {
                *spent.entry(start.start).or_default() += 4;
                gateway.holder.settle(account, 4, 4, now);
            }
            gateway.report(&mut ledger);
        }
        assert!(spent.values().all(|spent| *spent <= 100), "{spent:?}");
    }
    // Both hours are used, and nothing is spent in an hour without a gateway.
    assert_eq!(spent.keys().copied().collect::<Vec<_>>(), [MORNING, MORNING + HOUR], "{spent:?}");
    assert!(spent.values().all(|spent| *spent >= 90), "{spent:?}");
    assert_eq!(gateways[0].period(&ledger), Some(MORNING + HOUR));
}

/// Sentence 10. Allowances of limits that fail open belong to keys: `sidecar/tests/gateway/` tests them.
#[test]
fn with_an_unreachable_ledger_what_is_granted_is_served_and_then_refused() {
    let mut ledger = Ledger::of(1_000);
    let mut gateway = Gateway::new("one", 0);
    gateway.wants(&mut ledger, 50);
    let granted = gateway.free(&ledger);
    assert!(granted >= 50);
    // From now on the ledger does not answer, for a week.
    for day in 0..7 {
        let now = Gateway::clock(&ledger) + day * DAY;
        assert!(gateway.holder.report(now).is_some());
        if day == 3 {
            let served = gateway.holder.reserve(gateway.limit, granted, now).unwrap();
            gateway.holder.settle(served, granted, granted, now);
        }
        let fits = gateway.holder.fits(gateway.limit, 1, now);
        assert_eq!(fits, if day < 3 { Ok(()) } else { Err(HeldShort::NotGranted) }, "day {day}");
        assert!(
            !gateway.holder.is_answered(gateway.limit, now) || day == 0,
            "the ledger does not report that others have it"
        );
    }
    // A message that answers no report is not accepted either.
    let grant = AccountGrant { granted: 1_000, ..some_grant() };
    let grants = Grants {
        epoch: gateway.holder.state().epoch,
        term: ledger.term(),
        answers: u64::MAX,
        accounts: vec![grant],
        ..Grants::default()
    };
    assert_eq!(gateway.holder.take(&grants, 8 * DAY), MessageOutcome::Stale);
}

fn some_grant() -> AccountGrant {
    let limit = LimitKey::new("Budget test/a", "usd");
    AccountGrant {
        account: AccountKey { limit, start: 0 },
        end: None,
        valid_for_ms: None,
        begins_in_ms: 0,
        granted: 0,
        durable: DurableUsage::default(),
        over: false,
        recall: false,
        short: None,
        fleet: FleetAccount::default(),
    }
}
