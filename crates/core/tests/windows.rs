//! Every instant lies in exactly one period, however the clocks change.
#![allow(clippy::unwrap_used)] // The helpers here are tests too.

use jiff::Timestamp;
use jiff::tz::TimeZoneDatabase;
use outrigger_core::{CalendarUnit, Millis, Period, Periods, WindowError};
use proptest::prelude::*;

const UNITS: [CalendarUnit; 7] = [
    CalendarUnit::Minute,
    CalendarUnit::Hour,
    CalendarUnit::Day,
    CalendarUnit::Week,
    CalendarUnit::Month,
    CalendarUnit::Quarter,
    CalendarUnit::Year,
];

fn at(time: &str) -> Millis {
    time.parse::<Timestamp>().unwrap().as_millisecond()
}

fn window(unit: CalendarUnit, zone: &str, anchor: u8) -> Periods {
    Periods::calendar(unit, zone, anchor).unwrap()
}

/// The zones whose names are in the IANA database.
fn zones() -> Vec<String> {
    TimeZoneDatabase::bundled().available().map(|name| name.to_string()).collect()
}

/// The period of an instant contains it, and its neighbours are adjacent.
fn check(window: &Periods, at: Millis, context: &str) -> Period {
    let period = window.period(at);
    let Period { start, end } = period;
    assert!(period.contains(at), "{context}: {at} is not in {period:?}");
    if start > Millis::MIN {
        assert_eq!(window.period(start), period, "{context} at {at}: its first instant");
        assert_eq!(window.period(start - 1).end, Some(start), "{context} at {at}: the one before");
    }
    if let Some(end) = end {
        assert_eq!(window.period(end - 1), period, "{context} at {at}: its last instant");
        assert_eq!(window.period(end).start, end, "{context} at {at}: the one after");
    }
    period
}

#[test]
fn periods_follow_the_calendar_of_the_zone() {
    for (unit, zone, anchor, instant, start, end) in [
        (CalendarUnit::Day, "UTC", 1, "2024-02-29T12:00Z", "2024-02-29T00:00Z", "2024-03-01T00:00Z"),
        // The spring day has 23 hours, the autumn day 25.
        (CalendarUnit::Day, "Europe/Berlin", 1, "2024-03-31T12:00Z", "2024-03-30T23:00Z", "2024-03-31T22:00Z"),
        (CalendarUnit::Day, "Europe/Berlin", 1, "2024-10-27T12:00Z", "2024-10-26T22:00Z", "2024-10-27T23:00Z"),
        // Midnight does not exist: the day begins at one o'clock.
        (CalendarUnit::Day, "America/Sao_Paulo", 1, "2018-11-04T12:00Z", "2018-11-04T03:00Z", "2018-11-05T02:00Z"),
        // The clocks went from 23:30 to 00:30: the day begins at half past, not at one.
        (CalendarUnit::Day, "America/Toronto", 1, "1919-03-31T12:00Z", "1919-03-31T04:30Z", "1919-04-01T04:00Z"),
        // Midnight occurs twice: the day begins with the first.
        (CalendarUnit::Day, "America/Havana", 1, "2023-11-05T12:00Z", "2023-11-05T04:00Z", "2023-11-06T05:00Z"),
        // At one minute past midnight the previous day came back for an hour: it had already ended.
        (CalendarUnit::Day, "America/Goose_Bay", 1, "2010-11-07T02:30Z", "2010-11-06T03:00Z", "2010-11-07T03:00Z"),
        (CalendarUnit::Day, "America/Goose_Bay", 1, "2010-11-07T03:30Z", "2010-11-07T03:00Z", "2010-11-08T04:00Z"),
        // The 30th of December was skipped.
        (CalendarUnit::Day, "Pacific/Apia", 1, "2011-12-30T09:59Z", "2011-12-29T10:00Z", "2011-12-30T10:00Z"),
        (CalendarUnit::Day, "Pacific/Apia", 1, "2011-12-30T10:00Z", "2011-12-30T10:00Z", "2011-12-31T10:00Z"),
        // Two o'clock occurs twice, and is two hours.
        (CalendarUnit::Hour, "Europe/Berlin", 1, "2024-10-27T00:30Z", "2024-10-27T00:00Z", "2024-10-27T01:00Z"),
        (CalendarUnit::Hour, "Europe/Berlin", 1, "2024-10-27T01:30Z", "2024-10-27T01:00Z", "2024-10-27T02:00Z"),
        (CalendarUnit::Hour, "Asia/Kathmandu", 1, "2024-05-01T00:30Z", "2024-05-01T00:15Z", "2024-05-01T01:15Z"),
        // Clocks change by half an hour.
        (CalendarUnit::Hour, "Australia/Lord_Howe", 1, "2024-04-06T15:10Z", "2024-04-06T15:00Z", "2024-04-06T15:30Z"),
        (CalendarUnit::Hour, "Australia/Lord_Howe", 1, "2024-10-05T15:40Z", "2024-10-05T15:30Z", "2024-10-05T16:00Z"),
        (CalendarUnit::Minute, "Asia/Tokyo", 1, "2024-05-01T00:30:59.999Z", "2024-05-01T00:30Z", "2024-05-01T00:31Z"),
        // Weeks from Monday, from Sunday, from the day itself.
        (CalendarUnit::Week, "UTC", 1, "2024-05-01T12:00Z", "2024-04-29T00:00Z", "2024-05-06T00:00Z"),
        (CalendarUnit::Week, "UTC", 7, "2024-05-01T12:00Z", "2024-04-28T00:00Z", "2024-05-05T00:00Z"),
        (CalendarUnit::Week, "UTC", 3, "2024-05-01T00:00Z", "2024-05-01T00:00Z", "2024-05-08T00:00Z"),
        (CalendarUnit::Month, "UTC", 1, "2024-05-01T00:00Z", "2024-05-01T00:00Z", "2024-06-01T00:00Z"),
        (CalendarUnit::Month, "America/New_York", 1, "2024-03-01T04:59Z", "2024-02-01T05:00Z", "2024-03-01T05:00Z"),
        (CalendarUnit::Month, "UTC", 15, "2024-05-14T23:59Z", "2024-04-15T00:00Z", "2024-05-15T00:00Z"),
        // The last day of a shorter month.
        (CalendarUnit::Month, "UTC", 31, "2024-02-29T00:00Z", "2024-02-29T00:00Z", "2024-03-31T00:00Z"),
        (CalendarUnit::Month, "UTC", 31, "2023-02-27T23:59Z", "2023-01-31T00:00Z", "2023-02-28T00:00Z"),
        (CalendarUnit::Month, "UTC", 30, "2024-12-31T00:00Z", "2024-12-30T00:00Z", "2025-01-30T00:00Z"),
        (CalendarUnit::Quarter, "UTC", 1, "2024-05-20T00:00Z", "2024-04-01T00:00Z", "2024-07-01T00:00Z"),
        (CalendarUnit::Quarter, "UTC", 31, "2024-04-29T00:00Z", "2024-01-31T00:00Z", "2024-04-30T00:00Z"),
        (CalendarUnit::Quarter, "UTC", 15, "2025-01-14T00:00Z", "2024-10-15T00:00Z", "2025-01-15T00:00Z"),
        (CalendarUnit::Year, "UTC", 1, "2024-12-31T23:59Z", "2024-01-01T00:00Z", "2025-01-01T00:00Z"),
        (CalendarUnit::Year, "Asia/Kolkata", 10, "2024-01-09T18:29Z", "2023-01-09T18:30Z", "2024-01-09T18:30Z"),
    ] {
        let period = window(unit, zone, anchor).period(at(instant));
        let expected = Period { start: at(start), end: Some(at(end)) };
        assert_eq!(period, expected, "{unit:?} of {zone} from day {anchor} at {instant}");
    }
}

#[test]
fn periods_are_adjacent_at_clock_changes_of_every_zone() {
    let (first, last): (Timestamp, Timestamp) =
        ("1995-01-01T00:00Z".parse().unwrap(), "2040-01-01T00:00Z".parse().unwrap());
    let database = TimeZoneDatabase::bundled();
    let mut changes = 0;
    for name in zones() {
        let zone = database.get(&name).unwrap();
        let windows = UNITS.map(|unit| (unit, window(unit, &name, 1)));
        for change in zone.following(first).take_while(|change| change.timestamp() < last) {
            changes += 1;
            let change = change.timestamp().as_millisecond();
            for (unit, window) in &windows {
                let context = format!("{unit:?} of {name}");
                // The repeated hour, too.
                for near in [change - 1, change, change + 1_800_000] {
                    check(window, near, &context);
                }
            }
        }
    }
    assert!(changes > 10_000, "only {changes} changes were tried");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn every_instant_lies_in_exactly_one_period(
        zone in prop::sample::select(zones()),
        unit in prop::sample::select(UNITS.to_vec()),
        anchor in 1_u8..=31,
        // 1850 to 2250.
        at in -3_786_825_600_000_i64..8_835_984_000_000,
    ) {
        let anchor = match unit {
            CalendarUnit::Minute | CalendarUnit::Hour | CalendarUnit::Day => 1,
            CalendarUnit::Week => (anchor - 1) % 7 + 1,
            CalendarUnit::Month | CalendarUnit::Quarter | CalendarUnit::Year => anchor,
        };
        let context = format!("{unit:?} of {zone} from day {anchor}");
        let period = check(&window(unit, &zone, anchor), at, &context);
        // The longest possible period of the unit. Clocks were put back by up to a day where a country changed sides of
        // the date line.
        let length = period.end.unwrap() - period.start;
        let hours = |hours: i64| hours * 3_600_000;
        let longest = match unit {
            CalendarUnit::Minute => 60_000,
            CalendarUnit::Hour => hours(1),
            CalendarUnit::Day => hours(48),
            CalendarUnit::Week => hours(8 * 24),
            CalendarUnit::Month => hours(32 * 24),
            CalendarUnit::Quarter => hours(94 * 24),
            CalendarUnit::Year => hours(367 * 24),
        };
        prop_assert!(length > 0 && length <= longest, "{} has {} ms", context, length);
        // Without a clock change it begins when the clocks show it.
        let local = |at: Millis| TimeZoneDatabase::bundled().get(&zone).unwrap().to_datetime(Timestamp::from_millisecond(at).unwrap());
        let (start, before) = (local(period.start), local(period.start - 1));
        match unit {
            CalendarUnit::Minute | CalendarUnit::Hour => {}
            CalendarUnit::Week if before < start => prop_assert_eq!(start.weekday().to_monday_one_offset(), anchor as i8),
            _ if before < start => prop_assert!(before.date() < start.date()),
            _ => {}
        }
    }

    #[test]
    fn buckets_of_a_rolling_window_cover_all_time(ms in 1_u64..=3_155_760_000_000, at in any::<i32>()) {
        let period = check(&Periods::rolling(ms).unwrap(), i64::from(at) * 1_000, "rolling");
        let length = u64::try_from(period.end.unwrap() - period.start).unwrap();
        prop_assert!(length >= 1 && length * 60 >= ms && (length - 1) * 60 < ms);
    }

    #[test]
    fn every_time_has_a_period(zone in prop::sample::select(zones()), unit in prop::sample::select(UNITS.to_vec()), at in any::<i64>()) {
        check(&window(unit, &zone, 1), at, &zone);
        prop_assert_eq!(Periods::lifetime().period(at), Period { start: 0, end: None });
        let _ = Periods::rolling(1_000).unwrap().period(at);
    }
}

#[test]
fn the_first_and_last_instant_have_periods() {
    for unit in UNITS {
        let window = window(unit, "Europe/Berlin", 1);
        for at in [Millis::MIN, Millis::MAX] {
            check(&window, at, &format!("{unit:?}"));
        }
    }
}

#[test]
fn invalid_windows_are_errors_with_a_remedy() {
    let calendar = |unit, zone, anchor| Periods::calendar(unit, zone, anchor).unwrap_err();
    for (error, expected) in [
        (
            calendar(CalendarUnit::Month, "Europe/Atlantis", 1),
            "there is no time zone \"Europe/Atlantis\": give a name of the IANA database, such as Europe/Berlin or UTC",
        ),
        (calendar(CalendarUnit::Week, "UTC", 8), "a window of one Week can't begin on day 8: give 1 to 7"),
        (calendar(CalendarUnit::Month, "UTC", 0), "a window of one Month can't begin on day 0: give 1 to 31"),
        (calendar(CalendarUnit::Year, "UTC", 255), "a window of one Year can't begin on day 255: give 1 to 31"),
        (calendar(CalendarUnit::Day, "UTC", 2), "a window of one Day can't begin on day 2: give 1 to 1"),
        (
            Periods::rolling(0).unwrap_err(),
            "a rolling window can't be 0 ms long: give at least 1 ms and at most 100 years",
        ),
        (
            Periods::rolling(u64::MAX).unwrap_err(),
            "a rolling window can't be 18446744073709551615 ms long: give at least 1 ms and at most 100 years",
        ),
    ] {
        assert_eq!(error.to_string(), expected);
    }
    assert!(matches!(Periods::calendar(CalendarUnit::Day, "", 1), Err(WindowError::Zone(_))));
}

#[test]
fn windows_with_the_same_periods_are_equal() {
    assert_eq!(window(CalendarUnit::Month, "UTC", 1), window(CalendarUnit::Month, "UTC", 1));
    assert_ne!(window(CalendarUnit::Month, "UTC", 1), window(CalendarUnit::Month, "UTC", 2));
    assert_ne!(window(CalendarUnit::Month, "UTC", 1), window(CalendarUnit::Month, "Asia/Tokyo", 1));
    assert_ne!(window(CalendarUnit::Month, "UTC", 1), window(CalendarUnit::Quarter, "UTC", 1));
    assert_ne!(Periods::rolling(1_000), Periods::rolling(1_001));
}
