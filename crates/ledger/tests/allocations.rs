//! Every request reads, reserves and settles, so these operations allocate nothing.
#![allow(clippy::unwrap_used)]

use outrigger_core::{CalendarUnit, Millis, Periods};
use outrigger_ledger::{Book, LimitNo, LimitSpec};

/// 2024-05-15T12:00Z.
const NOON: Millis = 1_715_774_400_000;

#[test]
fn a_request_over_eight_accounts_allocates_nothing() {
    let windows = [
        Periods::calendar(CalendarUnit::Month, "Europe/Berlin", 15).unwrap(),
        Periods::calendar(CalendarUnit::Day, "America/New_York", 1).unwrap(),
        Periods::rolling(60_000).unwrap(),
        Periods::lifetime(),
    ];
    let spec = |(at, window): (usize, &Periods)| LimitSpec {
        name: format!("limit {at}"),
        unit: "tokens",
        max: u64::MAX,
        window: window.clone(),
        fail_open: None,
    };
    let specs: Vec<LimitSpec> = windows.iter().cycle().take(8).enumerate().map(spec).collect();
    let mut book = Book::new();
    let amounts: Vec<(LimitNo, u64)> = book.adopt(&specs, NOON).into_iter().zip(1..).collect();
    let mut request = |at: Millis| {
        // The buckets of a rolling window are summed in place.
        assert!(amounts.iter().all(|(no, _)| book.available(*no, at) == u64::MAX - book.used(*no, at)));
        let reservation = book.reserve(at, &amounts).unwrap();
        let mut bytes = 0;
        book.writes(|_, slot| bytes += slot.len());
        let settled = book.settle(reservation, &amounts);
        assert!(settled.changes().zip(&amounts).all(|((_, before, after), (_, amount))| after - before == *amount));
        book.writes(|_, slot| bytes += slot.len());
        assert!(bytes > 0);
    };
    // Buckets come and go; their space is kept.
    (0..1_000).for_each(|step| request(NOON + step * 100));
    let counted = allocation_counter::measure(|| {
        for _ in 0..100 {
            request(NOON + 100_000);
        }
    });
    assert_eq!(counted.count_total, 0, "{counted:?}");
}
