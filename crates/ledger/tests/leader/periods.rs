//! Periods and windows: where one account ends and the next begins.

use outrigger_core::{CalendarUnit, Periods};
use outrigger_ledger::protocol::{AccountKey, AccountUsage, Shortage};
use outrigger_ledger::shared::leader::{Input, SharedLimit};

use crate::one_leader::{Ledger, MORNING, id, usage};

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
