//! Reserving and settling.

use super::*;

#[test]
fn reserved_amounts_are_spent_or_returned() {
    let (mut book, no) = one(100, calendar(CalendarUnit::Day));
    let reservation = book.reserve(NOON, &[(no, 60)]).unwrap();
    let state = State { spent: 0, reserved: 60, max: 100, start: MIDNIGHT - DAY, end: Some(MIDNIGHT), shared: None };
    assert_eq!((book.state(no, NOON), book.available(no, NOON), book.open()), (state, 40, 1));
    book.settle(reservation, &[(no, 25)]);
    assert_eq!(
        (book.state(no, NOON), book.available(no, NOON), book.open()),
        (State { spent: 25, reserved: 0, ..state }, 75, 0)
    );
    let unused = book.reserve(NOON, &[(no, 75)]).unwrap();
    book.settle(unused, &[]);
    assert_eq!((spent(&book, no, NOON), book.available(no, NOON)), (25, 75));
}

#[test]
fn only_spent_amounts_are_reported_as_spent() {
    let (mut book, no) = one(100, calendar(CalendarUnit::Day));
    let reservation = book.reserve(NOON, &[(no, 60)]).unwrap();
    assert_eq!(book.reserve(NOON, &[(no, 41)]).unwrap_err(), Refused::Contended { limit: no });
    book.settle(reservation, &[(no, 60)]);
    assert_eq!(book.reserve(NOON, &[(no, 41)]).unwrap_err(), exhausted(no, 60, 100, MIDNIGHT));
    // More than the whole limit: waiting does not help.
    let never = Refused::Exhausted { limit: no, spent: 60, max: 100, until: None };
    assert_eq!(book.reserve(NOON, &[(no, 101)]).unwrap_err(), never);
    spend(&mut book, no, 40, NOON);
}

#[test]
fn all_limits_are_reserved_or_none_and_the_exhausted_one_is_named() {
    let mut book = Book::new();
    let specs = [daily("a", 100), daily("b", 100), daily("c", 100)];
    let [a, b, c] = book.adopt(&specs, NOON)[..] else { panic!("three numbers") };
    let held = book.reserve(NOON, &[(a, 90)]).unwrap();
    spend(&mut book, c, 95, NOON);
    for (what, wants, refused) in [
        ("c is spent, a only reserved", vec![(a, 50), (b, 50), (c, 50)], exhausted(c, 95, 100, MIDNIGHT)),
        ("in whatever order they are given", vec![(c, 50), (b, 50), (a, 50)], exhausted(c, 95, 100, MIDNIGHT)),
        ("a is reserved", vec![(b, 50), (a, 50)], Refused::Contended { limit: a }),
        (
            "twice 60 is too much",
            vec![(b, 60), (b, 60)],
            Refused::Exhausted { limit: b, spent: 0, max: 100, until: None },
        ),
    ] {
        let before = [a, b, c].map(|no| book.state(no, NOON));
        assert_eq!(book.reserve(NOON, &wants).unwrap_err(), refused, "{what}");
        assert_eq!([a, b, c].map(|no| book.state(no, NOON)), before, "{what}: nothing is held");
    }
    let reservation = book.reserve(NOON, &[(c, 1), (b, 2), (a, 3), (b, 4)]).unwrap();
    assert_eq!(reservation.amounts().collect::<Vec<_>>(), [(a, 3), (b, 6), (c, 1)]);
    book.settle(reservation, &[(b, 1), (b, 1)]);
    book.settle(held, &[]);
    assert_eq!([a, b, c].map(|no| spent(&book, no, NOON)), [0, 2, 95]);
}

#[test]
fn the_limit_without_room_for_the_longest_time_is_named() {
    let mut book = Book::new();
    let specs = [
        limit("minute", 10, Periods::rolling(60_000).unwrap()),
        limit("held", 10, Periods::lifetime()),
        limit("day", 10, calendar(CalendarUnit::Day)),
        limit("month", 10, calendar(CalendarUnit::Month)),
        limit("other month", 10, calendar(CalendarUnit::Month)),
        limit("ever", 10, Periods::lifetime()),
    ];
    let [minute, held, day, month, other, ever] = book.adopt(&specs, NOON)[..] else { panic!("six numbers") };
    let reservation = book.reserve(NOON, &[(held, 10)]).unwrap();
    [minute, day, month, other, ever].into_iter().for_each(|no| spend(&mut book, no, 10, NOON));
    let gone = |limit, until| Refused::Exhausted { limit, spent: 10, max: 10, until };
    for (what, wants, refused) in [
        ("what is spent before what may come back", vec![(held, 1), (minute, 1)], gone(minute, Some(NOON + 60_000))),
        ("a day before a minute", vec![(minute, 1), (day, 1)], gone(day, Some(MIDNIGHT))),
        ("a month before a day", vec![(day, 1), (month, 1), (minute, 1)], gone(month, Some(JUNE))),
        ("of equals the first", vec![(other, 1), (month, 1)], gone(month, Some(JUNE))),
        ("what never ends before all", vec![(minute, 1), (month, 1), (ever, 1)], gone(ever, None)),
        ("more than a minute ever has, too", vec![(minute, 11), (month, 1)], gone(minute, None)),
    ] {
        assert_eq!(book.reserve(NOON, &wants).unwrap_err(), refused, "{what}");
    }
    book.settle(reservation, &[]);
}

#[test]
fn a_refusal_writes_nothing() {
    let (mut book, no) = one(10, calendar(CalendarUnit::Day));
    spend(&mut book, no, 10, NOON);
    assert_eq!(slots(&mut book), [1, 0]);
    for at in [NOON, NOON + 1] {
        assert!(book.reserve(at, &[(no, 1)]).is_err());
    }
    assert!(slots(&mut book).is_empty());
}

#[test]
fn a_cost_above_the_reservation_is_a_debt_of_that_period() {
    let (mut book, no) = one(100, calendar(CalendarUnit::Day));
    let reservation = book.reserve(NOON, &[(no, 10)]).unwrap();
    book.settle(reservation, &[(no, 150)]);
    assert_eq!((spent(&book, no, NOON), book.available(no, NOON)), (150, 0));
    // Not even zero may be reserved.
    assert_eq!(book.reserve(NOON, &[(no, 0)]).unwrap_err(), exhausted(no, 150, 100, MIDNIGHT));
    assert_eq!(book.available(no, MIDNIGHT), 100);
}

#[test]
fn amounts_that_were_not_reserved_are_counted_too() {
    let mut book = Book::new();
    let [a, b] = book.adopt(&[daily("a", 100), daily("b", 100)], NOON)[..] else { panic!("two numbers") };
    let reservation = book.reserve(NOON, &[(a, 0)]).unwrap();
    book.settle(reservation, &[(a, 7), (b, 5)]);
    book.charge(NOON, &[(b, 200), (b, 1)]);
    assert_eq!((spent(&book, a, NOON), spent(&book, b, NOON)), (7, 206));
    // The reservation of another book reserves nothing here, but what was spent counts.
    let mut other = Book::new();
    let strange = other.adopt(&[daily("a", 100)], NOON)[0];
    let reservation = other.reserve(NOON, &[(strange, 10)]).unwrap();
    let mut empty = Book::new();
    let own = empty.adopt(&[daily("a", 100)], NOON)[0];
    empty.settle(reservation, &[(strange, 10)]);
    assert_eq!(empty.state(own, NOON), State { spent: 10, reserved: 0, ..empty.state(own, NOON) });
    let never = Refused::Exhausted { limit: b, spent: 0, max: 0, until: None };
    assert_eq!(empty.reserve(NOON, &[(b, 0)]).unwrap_err(), never);
}

#[test]
fn amounts_that_were_not_reserved_count_in_the_current_period() {
    let mut book = Book::new();
    let [a, b] = book.adopt(&[daily("a", 100), daily("b", 100)], MIDNIGHT - 1)[..] else { panic!("two numbers") };
    spend(&mut book, b, 70, MIDNIGHT - 1);
    // Nothing was reserved from b since midnight.
    let reservation = book.reserve(MIDNIGHT, &[(a, 0)]).unwrap();
    book.settle(reservation, &[(b, 5)]);
    assert_eq!(spent(&book, b, MIDNIGHT), 5);
}

#[test]
fn a_new_period_is_a_new_account_and_settlements_use_the_old_one() {
    let (mut book, no) = one(100, calendar(CalendarUnit::Day));
    let reservation = book.reserve(MIDNIGHT - 1, &[(no, 100)]).unwrap();
    let tomorrow = book.reserve(MIDNIGHT, &[(no, 100)]).unwrap();
    book.settle(reservation, &[(no, 70)]);
    assert_eq!(
        book.state(no, MIDNIGHT),
        State { spent: 0, reserved: 100, max: 100, start: MIDNIGHT, end: Some(MIDNIGHT + DAY), shared: None }
    );
    book.settle(tomorrow, &[(no, 30)]);
    assert_eq!(spent(&book, no, MIDNIGHT), 30);
}

#[test]
fn a_settlement_returns_its_effect_on_each_limit() {
    let mut book = Book::new();
    let specs = [daily("a", 100), limit("b", 100, Periods::rolling(60_000).unwrap()), daily("c", 100)];
    let [a, b, c] = book.adopt(&specs, MIDNIGHT - 1)[..] else { panic!("three numbers") };
    let changes = |book: &mut Book, reservation, actual: &[(LimitNo, u64)]| {
        let before = [a, b, c].map(|no| book.used(no, 0));
        let changes: Vec<_> = book.settle(reservation, actual).changes().collect();
        for (no, was, is) in &changes {
            let place = [a, b, c].iter().position(|one| one == no).unwrap();
            assert_eq!((*was, *is), (before[place], book.used(*no, 0)));
        }
        changes
    };
    let [first, second, third] = [(); 3].map(|()| book.reserve(MIDNIGHT - 1, &[(b, 20), (a, 20)]).unwrap());
    // One after the other: exactly one of them passes each threshold.
    assert_eq!(changes(&mut book, first, &[(a, 10), (b, 5), (b, 6)]), [(a, 0, 10), (b, 0, 11)]);
    assert_eq!(changes(&mut book, second, &[(c, 1), (b, 30), (c, 2)]), [(a, 10, 10), (b, 11, 41), (c, 0, 3)]);
    // Yesterday's usage does not count today, but still in the last minute.
    let today = book.reserve(MIDNIGHT, &[(a, 7)]).unwrap();
    assert_eq!(changes(&mut book, third, &[(a, 20), (b, 20)]), [(a, 0, 0), (b, 41, 61)]);
    assert_eq!(changes(&mut book, today, &[(a, 7)]), [(a, 0, 7)]);
}
