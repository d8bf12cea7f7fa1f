//! Policies that change limits.

use super::*;

#[test]
fn another_amount_keeps_the_account() {
    let (mut book, no) = one(100, calendar(CalendarUnit::Day));
    spend(&mut book, no, 40, NOON);
    let reservation = book.reserve(NOON, &[(no, 50)]).unwrap();
    for (max, available) in [(100, 10), (120, 30), (60, 0), (90, 0), (91, 1), (0, 0), (u64::MAX, u64::MAX - 90)] {
        adopt(&mut book, max, calendar(CalendarUnit::Day), NOON);
        let State { spent, reserved, max: shown_max, .. } = book.state(no, NOON);
        assert_eq!((spent, reserved, shown_max, book.available(no, NOON)), (40, 50, max, available), "{max}");
    }
    adopt(&mut book, 60, calendar(CalendarUnit::Day), NOON);
    assert_eq!(book.reserve(NOON, &[(no, 20)]).unwrap_err(), Refused::Contended { limit: no });
    book.settle(reservation, &[(no, 5)]);
    assert_eq!(book.available(no, NOON), 15);
}

#[test]
fn another_window_begins_with_what_was_spent_in_the_overlap() {
    let day = || calendar(CalendarUnit::Day);
    let month = || calendar(CalendarUnit::Month);
    // Ten a day from the 10th to the 15th.
    let ten_a_day = || {
        let mut book = Book::new();
        let no = book.adopt(&[limit("a", 1_000, day())], NOON - 5 * DAY)[0];
        (-5..=0).for_each(|days| spend(&mut book, no, 10, NOON + days * DAY));
        (book, no)
    };
    let tokyo = Periods::calendar(CalendarUnit::Day, "Asia/Tokyo", 1).unwrap();
    for (what, window, spent) in [
        ("the same", day(), 10),
        ("the month knows all its days", month(), 60),
        ("the week those since Monday", calendar(CalendarUnit::Week), 30),
        ("an hour is not known: the day's counts in full", calendar(CalendarUnit::Hour), 10),
        ("another zone's day began on the 15th at 15:00Z the day before: one account was used since", tokyo, 10),
        ("all there ever was", Periods::lifetime(), 60),
        ("the last while", Periods::rolling(3 * DAY as u64).unwrap(), 30),
        ("the last while, and no more", Periods::rolling(3 * DAY as u64 + 1).unwrap(), 40),
    ] {
        let (mut book, no) = ten_a_day();
        adopt(&mut book, 1_000, window.clone(), NOON);
        assert_eq!(self::spent(&book, no, NOON), spent, "{what}");
        // And back, which counts nothing twice; and by another number of periods.
        for _ in 0..500 {
            adopt(&mut book, 1_000, day(), NOON);
            adopt(&mut book, 1_000, window.clone(), NOON);
        }
        assert_eq!(self::spent(&book, no, NOON), spent, "{what}: after a thousand changes");
        spend(&mut book, no, 1, NOON);
        assert_eq!(self::spent(&book, no, NOON), spent + 1, "{what}");
        adopt(&mut book, 1_000, day(), NOON);
        assert_eq!(self::spent(&book, no, NOON), 11, "{what}: back to days");
    }
}

#[test]
fn amounts_in_flight_count_in_a_changed_window_too() {
    let (mut book, no) = one(100, calendar(CalendarUnit::Day));
    let reservation = book.reserve(NOON, &[(no, 80)]).unwrap();
    adopt(&mut book, 100, calendar(CalendarUnit::Month), NOON);
    assert_eq!(book.reserve(NOON, &[(no, 30)]).unwrap_err(), Refused::Contended { limit: no });
    book.settle(reservation, &[(no, 60)]);
    assert_eq!(
        book.state(no, NOON),
        State { spent: 60, reserved: 0, max: 100, start: MAY, end: Some(JUNE), shared: None }
    );
}

#[test]
fn a_shorter_window_forgets_the_longer_one_when_its_own_period_ends() {
    let (mut book, no) = one(100, calendar(CalendarUnit::Month));
    spend(&mut book, no, 90, NOON);
    adopt(&mut book, 50, calendar(CalendarUnit::Day), NOON);
    assert_eq!(book.reserve(NOON, &[(no, 1)]).unwrap_err(), exhausted(no, 90, 50, MIDNIGHT));
    assert_eq!(book.available(no, MIDNIGHT), 50);
    // But one that was last used before the day began does not count.
    let (mut book, no) = one(100, calendar(CalendarUnit::Month));
    spend(&mut book, no, 90, NOON);
    adopt(&mut book, 50, calendar(CalendarUnit::Day), MIDNIGHT);
    assert_eq!(book.available(no, MIDNIGHT), 50);
}

#[test]
fn a_limit_that_is_not_named_keeps_its_account_until_it_has_ended() {
    let (mut book, no) = one(100, calendar(CalendarUnit::Day));
    spend(&mut book, no, 30, NOON);
    let reservation = book.reserve(NOON, &[(no, 20)]).unwrap();
    assert!(book.adopt(&[daily("other", 5)], NOON)[0] != no);
    assert_eq!(spent(&book, no, NOON), 30);
    // A request that began with the old policy continues with it.
    spend(&mut book, no, 10, NOON);
    assert_eq!(book.adopt(&[daily("a", 100)], NOON), [no]);
    assert_eq!(spent(&book, no, NOON), 40);
    let _ = book.adopt(&[], NOON);
    let _ = slots(&mut book);
    let _ = book.adopt(&[], MIDNIGHT);
    look(&mut book, MIDNIGHT);
    assert!(slots(&mut book).is_empty(), "its reservation may come back");
    book.settle(reservation, &[(no, 20)]);
    assert_eq!(slots(&mut book), [1]);
    let _ = book.adopt(&[], MIDNIGHT);
    assert!(slots(&mut book).is_empty(), "the policy may be taken back");
    look(&mut book, MIDNIGHT);
    assert_eq!(slots(&mut book), [1], "its slot is free");
    book.adopt(&[daily("new", 5)], MIDNIGHT);
    let new = book.adopt(&[daily("new", 5)], MIDNIGHT)[0];
    spend(&mut book, new, 1, MIDNIGHT);
    assert_eq!(slots(&mut book), [1], "and used again");
}

#[test]
fn taking_a_policy_back_restores_everything() {
    let day = || calendar(CalendarUnit::Day);
    let fortnight = || Periods::rolling(14 * DAY as u64).unwrap();
    // Each had its limit lowered from 100 to 60 while 50 were reserved. 40 are spent, and 90 ended days are known.
    let begin = |window: Periods| {
        let mut book = Book::new();
        let no = book.adopt(&[limit("a", 100, window.clone())], NOON - 90 * DAY)[0];
        (1..=90).rev().for_each(|days| book.charge(NOON - days * DAY, &[(no, 1)]));
        let reservation = book.reserve(NOON, &[(no, 50)]).unwrap();
        let more = 40 - book.used(no, NOON);
        book.charge(NOON, &[(no, more)]);
        adopt(&mut book, 60, window, NOON);
        look(&mut book, NOON);
        (book, no, reservation)
    };
    // Both orders work.
    type Undo = fn(&mut Book, Periods);
    let ways: [Undo; 2] = [|book, _| book.take_back(), |book, own| adopt(book, 60, own, NOON)];
    let policies = [
        (day(), vec![limit("a", 500, day())]),
        (day(), vec![limit("a", 0, day())]),
        (day(), vec![limit("a", 500, calendar(CalendarUnit::Minute)), daily("b", 5)]),
        (day(), vec![limit("a", 5, Periods::lifetime())]),
        (day(), vec![]),
        (fortnight(), vec![limit("a", 5, day())]),
        (fortnight(), vec![limit("a", 5, Periods::rolling(1_000).unwrap()), limit("a", 7, Periods::lifetime())]),
        (fortnight(), vec![daily("b", 5)]),
    ];
    for ((own, policy), undo) in policies.iter().flat_map(|one| ways.map(|way| (one, way))) {
        let (mut book, no, reservation) = begin(own.clone());
        let before = (book.state(no, NOON), book.available(no, NOON));
        assert_eq!((before.0.max, before.0.reserved, before.0.spent), (60, 50, 40));
        let mut file = Vec::new();
        write(&mut book, &mut file);
        let _ = book.adopt(policy, NOON);
        write(&mut book, &mut file);
        undo(&mut book, own.clone());
        assert_eq!((book.state(no, NOON), book.available(no, NOON)), before, "{policy:?}");
        // As if the adoption had never happened: returned amounts fit into the old limit, and no more.
        look(&mut book, NOON);
        assert_eq!(book.reserve(NOON, &[(no, 11)]).unwrap_err(), Refused::Contended { limit: no }, "{policy:?}");
        book.settle(reservation, &[(no, 5)]);
        assert_eq!((book.used(no, NOON), book.available(no, NOON)), (45, 15), "{policy:?}");
        // The same for the next process; ended accounts are known as far back as before.
        write(&mut book, &mut file);
        let mut next = Book::new();
        let _ = next.restore(records(&file).unwrap(), NOON);
        let [a] = next.adopt(&[limit("a", 60, own.clone())], NOON)[..] else { panic!("one number") };
        assert_eq!((next.used(a, NOON), next.available(a, NOON)), (45, 15), "{policy:?}");
        adopt(&mut next, 1_000, Periods::lifetime(), NOON);
        adopt(&mut book, 1_000, Periods::lifetime(), NOON);
        let (mut never, no, reservation) = begin(own.clone());
        never.settle(reservation, &[(no, 5)]);
        adopt(&mut never, 1_000, Periods::lifetime(), NOON);
        assert_eq!([book.used(no, NOON), next.used(a, NOON)], [never.used(no, NOON); 2], "{policy:?}");
    }
}
