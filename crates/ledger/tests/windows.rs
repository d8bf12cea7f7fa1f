//! The end of periods, and rolling windows.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod one_leader;

use std::collections::BTreeMap;

use outrigger_core::{CalendarUnit, Millis, Periods};
use outrigger_ledger::shared::leader::SharedLimit;

use one_leader::{Gateway, Ledger, MORNING, id};

const MINUTE: Millis = 60_000;
const HOUR: Millis = 60 * MINUTE;

fn limit(max: u64, window: Periods) -> Vec<SharedLimit> {
    vec![SharedLimit { id: id("a"), max, window }]
}

/// Never more than the limit in any hour, and nothing counts that is older than an hour and one bucket.
#[test]
fn a_rolling_window_is_never_overspent_and_at_most_one_bucket_is_unusable() {
    const MAX: u64 = 600;
    // Amounts granted of the next bucket ahead of time, and amounts of the last one that are being returned.
    const SLICES: u64 = 40;
    let bucket = HOUR / 60;
    let mut ledger = Ledger::new(limit(MAX, Periods::rolling(3_600_000).unwrap()));
    let mut gateway = Gateway::new("one", 0);
    // The time and amount of each charge.
    let mut spent: BTreeMap<Millis, u64> = BTreeMap::new();
    let since = |spent: &BTreeMap<Millis, u64>, from: Millis| spent.range(from + 1..).map(|(_, one)| one).sum::<u64>();
    for step in 0..600 {
        // More than the limit allows, in bursts.
        let amount = if step % 7 < 4 { 9 } else { 1 };
        let length = ledger.now;
        gateway.wants(&mut ledger, amount);
        let now = Gateway::clock(&ledger);
        if let Ok(account) = gateway.holder.reserve(gateway.limit, amount, now) {
            gateway.holder.settle(account, amount, amount, now);
            *spent.entry(ledger.now).or_default() += amount;
        } else {
            let usable = since(&spent, ledger.now - HOUR - bucket) + amount;
            assert!(usable > MAX - SLICES, "step {step}: {usable} of {MAX} would have fitted");
        }
        assert!(since(&spent, ledger.now - HOUR) <= MAX, "step {step}");
        gateway.report(&mut ledger);
        let took = ledger.now - length;
        ledger.pass((20_000 - took).max(0) / 1_000);
    }
    let all: u64 = spent.values().sum();
    assert!(all >= 3 * MAX, "three hours and more: {all}");
}

/// At midnight no gateway has to ask first, and the grants before were spread over time.
#[test]
fn the_next_period_is_granted_ahead_at_different_times() {
    const GATEWAYS: usize = 200;
    let mut ledger = Ledger::new(limit(1_000_000, Periods::calendar(CalendarUnit::Hour, "UTC", 1).unwrap()));
    ledger.now = MORNING + HOUR - 3 * MINUTE;
    let mut gateways: Vec<Gateway> = (0..GATEWAYS).map(|place| Gateway::new(&format!("pod-{place}"), 0)).collect();
    let mut granted_in: BTreeMap<i64, usize> = BTreeMap::new();
    let mut known = [false; GATEWAYS];
    let mut writes = Vec::new();
    for second in 0..178 {
        let before = ledger.writes;
        for (place, gateway) in gateways.iter_mut().enumerate() {
            let now = Gateway::clock(&ledger);
            if (second + place) % 10 == 0 {
                gateway.holder.wait(gateway.limit, 10, now);
                if let Ok(account) = gateway.holder.reserve(gateway.limit, 10, now) {
                    gateway.holder.settle(account, 10, 5, now);
                }
                let Some(report) = gateway.holder.report(now) else { continue };
                ledger.send(&gateway.pod, report);
            }
        }
        for gateway in &mut gateways {
            if let Some(grants) = ledger.grants.remove(&gateway.pod) {
                let _ = gateway.holder.take(&grants, Gateway::clock(&ledger));
                let place: usize = gateway.pod.trim_start_matches("pod-").parse().unwrap();
                let ahead = grants.accounts.iter().any(|one| one.account.start == MORNING + HOUR && one.granted > 0);
                if ahead && !std::mem::replace(&mut known[place], true) {
                    *granted_in.entry(second as i64).or_default() += 1;
                }
            }
        }
        ledger.pass(1);
        writes.push(ledger.writes - before);
    }
    assert_eq!(granted_in.values().sum::<usize>(), GATEWAYS, "all have it before the hour: {granted_in:?}");
    assert!(*granted_in.keys().next().unwrap() >= 119, "not before the last minute: {granted_in:?}");
    let most = granted_in.values().max().unwrap();
    assert!(*most <= GATEWAYS / 5, "{most} in one second: {granted_in:?}");
    let busiest = writes.windows(10).map(|ten| ten.iter().sum::<u64>()).max().unwrap();
    assert!(busiest < 100, "{busiest} writes in ten seconds");
    // The hour begins, and the first request is served without a message.
    ledger.pass(3);
    let now = Gateway::clock(&ledger);
    let ready = gateways.iter().filter(|gateway| gateway.holder.fits(gateway.limit, 10, now).is_ok()).count();
    assert_eq!(ready, GATEWAYS);
    assert!(gateways.iter().all(|gateway| gateway.period(&ledger) == Some(MORNING + HOUR)));
}
