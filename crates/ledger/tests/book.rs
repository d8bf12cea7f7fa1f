//! Guarantees of a book.
#![allow(clippy::unwrap_used)] // The helpers here are tests too.

use outrigger_core::{CalendarUnit, Millis, Periods};
use outrigger_ledger::{Book, LimitNo, LimitSpec, Refused, SLOT, State, records};

const HOUR: Millis = 3_600_000;
const DAY: Millis = 24 * HOUR;
/// 2024-05-15T12:00Z.
const NOON: Millis = 1_715_774_400_000;
const MIDNIGHT: Millis = NOON + 12 * HOUR;
/// 2024-05-01 and 2024-06-01.
const MAY: Millis = 1_714_521_600_000;
const JUNE: Millis = 1_717_200_000_000;

fn calendar(unit: CalendarUnit) -> Periods {
    Periods::calendar(unit, "UTC", 1).unwrap()
}

fn limit(name: &str, max: u64, window: Periods) -> LimitSpec {
    LimitSpec { name: name.into(), unit: "tokens", max, window, fail_open: None }
}

fn daily(name: &str, max: u64) -> LimitSpec {
    limit(name, max, calendar(CalendarUnit::Day))
}

/// A book with one limit.
fn one(max: u64, window: Periods) -> (Book, LimitNo) {
    let mut book = Book::new();
    let no = book.adopt(&[limit("a", max, window)], NOON)[0];
    (book, no)
}

fn adopt(book: &mut Book, max: u64, window: Periods, at: Millis) {
    book.adopt(&[limit("a", max, window)], at);
}

fn spent(book: &Book, no: LimitNo, at: Millis) -> u64 {
    let spent = book.state(no, at).spent;
    assert_eq!(book.used(no, at), spent, "asked in either way");
    spent
}

fn spend(book: &mut Book, no: LimitNo, amount: u64, at: Millis) {
    let reservation = book.reserve(at, &[(no, amount)]).unwrap();
    book.settle(reservation, &[(no, amount)]);
}

fn exhausted(limit: LimitNo, spent: u64, max: u64, until: Millis) -> Refused {
    Refused::Exhausted { limit, spent, max, until: Some(until) }
}

/// Makes the book read the clock.
fn look(book: &mut Book, at: Millis) {
    book.charge(at, &[]);
}

/// Performs the pending writes.
fn write(book: &mut Book, file: &mut Vec<u8>) {
    book.writes(|slot, bytes| {
        let at = slot as usize * SLOT;
        file.resize(file.len().max(at + SLOT), 0);
        file[at..at + SLOT].copy_from_slice(bytes);
    });
}

/// The slots that are to be written.
fn slots(book: &mut Book) -> Vec<u32> {
    let mut slots = Vec::new();
    book.writes(|slot, _: &[u8; SLOT]| slots.push(slot));
    slots
}

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

#[test]
fn a_clock_that_steps_back_returns_no_spent_money() {
    let (mut book, no) = one(100, calendar(CalendarUnit::Day));
    spend(&mut book, no, 20, NOON);
    spend(&mut book, no, 90, MIDNIGHT + 1);
    for at in [MIDNIGHT - 1, NOON, MAY, 0, Millis::MIN] {
        assert_eq!(book.state(no, at).start, MIDNIGHT, "{at}");
        assert_eq!(book.reserve(at, &[(no, 20)]).unwrap_err(), exhausted(no, 90, 100, MIDNIGHT + DAY), "{at}");
    }
    spend(&mut book, no, 10, NOON);
    assert_eq!(spent(&book, no, MIDNIGHT), 100);
}

/// A book with a monotonic clock; both clocks advance by this much.
struct Clocks {
    book: Book,
    monotonic: Millis,
    wall: Millis,
}

impl Clocks {
    fn pass(&mut self, ms: Millis) {
        (self.monotonic, self.wall) = (self.monotonic + ms, self.wall + ms);
        self.book.move_steadily(self.monotonic);
    }

    fn spend(&mut self, no: LimitNo, amount: u64) {
        spend(&mut self.book, no, amount, self.wall);
    }

    fn spent(&self, no: LimitNo) -> u64 {
        spent(&self.book, no, self.wall)
    }
}

#[test]
fn after_a_jump_ahead_a_corrected_clock_uses_the_right_account() {
    for jump in [DAY, 40 * DAY, 4_000 * DAY] {
        let windows = [
            calendar(CalendarUnit::Day),
            calendar(CalendarUnit::Month),
            Periods::rolling(3_600_000).unwrap(),
            Periods::lifetime(),
        ];
        let named = ["day", "month", "hour", "life"].into_iter().zip(windows);
        let specs: Vec<LimitSpec> = named.map(|(name, window)| limit(name, 100, window)).collect();
        let mut clocks = Clocks { book: Book::new(), monotonic: 5, wall: NOON };
        clocks.pass(0);
        let numbers = clocks.book.adopt(&specs, NOON);
        let [day, month, hour, life] = numbers[..] else { panic!("four") };
        numbers.iter().for_each(|no| clocks.spend(*no, 60));
        clocks.pass(60_000);
        let under_way = clocks.book.reserve(clocks.wall, &[(day, 10)]).unwrap();
        clocks.wall += jump;
        // Without a monotonic clock the wall clock is trusted, and usage counts at its time.
        clocks.pass(60_000);
        assert_eq!([day, hour, life].map(|no| clocks.spent(no)), [0, 0, 60], "{jump}");
        numbers.iter().for_each(|no| clocks.spend(*no, 30));
        clocks.book.settle(under_way, &[(day, 10)]);
        (0..70).for_each(|_| {
            clocks.pass(60_000);
            clocks.spend(day, 0);
        });
        clocks.wall -= jump;
        clocks.pass(60_000);
        assert_eq!(clocks.spent(day), 70, "{jump}: before anything is reserved");
        let month_s = if jump == DAY { 90 } else { 60 };
        assert_eq!([month, life].map(|no| clocks.spent(no)), [month_s, 90], "{jump}");
        // An hour has passed meanwhile.
        assert_eq!(clocks.spent(hour), 0, "{jump}");
        let refused = clocks.book.reserve(clocks.wall, &[(day, 31)]).unwrap_err();
        assert_eq!(refused, exhausted(day, 70, 100, MIDNIGHT), "{jump}");
        clocks.spend(day, 30);
        // The account that was used ahead of time still exists when its time comes.
        clocks.pass(jump);
        assert_eq!(clocks.spent(day), 30, "{jump}");
        // A small step back does not return to an earlier day.
        let (monotonic, midnight) = (clocks.monotonic, clocks.wall - clocks.wall.rem_euclid(DAY) + DAY);
        clocks.pass(midnight - clocks.wall);
        clocks.spend(day, 1);
        assert_eq!(clocks.book.state(day, clocks.wall - 1_000).start, clocks.book.state(day, clocks.wall).start);
        assert!(clocks.monotonic > monotonic);
    }
}

#[test]
fn a_wrong_clock_does_not_forget_an_unnamed_limit() {
    let mut clocks = Clocks { book: Book::new(), monotonic: 5, wall: NOON };
    clocks.pass(0);
    let day = daily("day", 100);
    let [no] = clocks.book.adopt(std::slice::from_ref(&day), clocks.wall)[..] else { panic!("one") };
    clocks.spend(no, 60);
    clocks.book.adopt(&[daily("other", 100)], clocks.wall);
    clocks.wall += 400 * DAY;
    (0..70).for_each(|_| {
        clocks.pass(60_000);
        look(&mut clocks.book, clocks.wall);
    });
    clocks.wall -= 400 * DAY;
    clocks.pass(60_000);
    clocks.book.adopt(&[day], clocks.wall);
    assert_eq!(clocks.spent(no), 60);
}

#[test]
fn a_lifetime_never_restarts() {
    let (mut book, no) = one(100, Periods::lifetime());
    spend(&mut book, no, 100, NOON);
    let refused = book.reserve(NOON + 36_500 * DAY, &[(no, 1)]).unwrap_err();
    assert_eq!(refused, Refused::Exhausted { limit: no, spent: 100, max: 100, until: None });
}

#[test]
fn a_rolling_window_counts_its_length_at_any_time() {
    let (mut book, no) = one(100, Periods::rolling(60_000).unwrap());
    spend(&mut book, no, 50, NOON);
    assert_eq!(book.state(no, NOON).end, Some(NOON + 60_000));
    spend(&mut book, no, 30, NOON + 10_500);
    spend(&mut book, no, 20, NOON + 20_000);
    let at = NOON + 30_000;
    let until = |amount: u64| match book.reserve(at, &[(no, amount)]) {
        Err(Refused::Exhausted { spent: 100, max: 100, until, .. }) => until.map(|until| until - NOON),
        other => panic!("{other:?}"),
    };
    // The earliest time at which it may fit if nothing else is spent.
    assert_eq!(
        [1, 50, 51, 80, 81, 100, 101].map(until),
        [Some(60_000), Some(60_000), Some(70_500), Some(70_500), Some(80_000), Some(80_000), None]
    );
    assert_eq!(
        book.state(no, at),
        State { spent: 100, reserved: 0, max: 100, start: at - 59_999, end: Some(NOON + 60_000), shared: None }
    );
    assert!(book.reserve(NOON + 59_999, &[(no, 1)]).is_err());
    spend(&mut book, no, 50, NOON + 60_000);
    assert!(book.reserve(NOON + 70_499, &[(no, 1)]).is_err());
    spend(&mut book, no, 30, NOON + 70_500);
    assert_eq!(spent(&book, no, NOON + 10 * HOUR), 0);
    assert_eq!(book.state(no, NOON + 10 * HOUR).end, Some(NOON + 10 * HOUR + 60_000));
}

#[test]
fn a_bucket_leaves_a_rolling_window_as_a_whole() {
    let (mut book, no) = one(100, Periods::rolling(60_000).unwrap());
    spend(&mut book, no, 60, NOON);
    spend(&mut book, no, 10, NOON + 999);
    // Late by less than a sixtieth, never early.
    assert_eq!(spent(&book, no, NOON + 60_998), 70);
    assert_eq!(spent(&book, no, NOON + 60_999), 0);
}

#[test]
fn a_reservation_that_outlives_its_rolling_window_still_settles() {
    let (mut book, no) = one(100, Periods::rolling(1_000).unwrap());
    let long = book.reserve(NOON, &[(no, 100)]).unwrap();
    for step in 0..200 {
        spend(&mut book, no, 1, NOON + 1_000 + step * 500);
    }
    let at = NOON + 101_000;
    book.settle(long, &[(no, 100)]);
    assert_eq!((spent(&book, no, at), book.open()), (1, 0));
}

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

#[test]
fn a_name_with_another_unit_is_another_limit() {
    let (mut book, no) = one(100, calendar(CalendarUnit::Day));
    spend(&mut book, no, 100, NOON);
    let money = LimitSpec { unit: "nano-dollars", ..daily("a", 100) };
    let other = book.adopt(&[money], NOON)[0];
    assert!(other != no);
    assert_eq!(book.available(other, NOON), 100);
}

#[test]
fn slots_are_reused_and_their_number_is_bounded() {
    let mut book = Book::new();
    let specs = [daily("a", 10), limit("b", 10, Periods::rolling(1_000).unwrap())];
    let [a, b] = book.adopt(&specs, NOON)[..] else { panic!("two numbers") };
    let mut highest = 0;
    for step in 0..5_000 {
        let at = NOON + step * 50;
        let days = NOON + step * DAY;
        book.charge(if step < 2_500 { at } else { days }, &[(a, 1), (b, 1)]);
        book.writes(|slot, _| highest = highest.max(slot));
    }
    // Sixty ended accounts and the live ones, of each.
    assert!(highest <= 2 * 60 + 61 + 2, "{highest}");
}

#[test]
fn huge_amounts_saturate() {
    let (mut book, no) = one(u64::MAX, Periods::rolling(60_000).unwrap());
    for step in 0..3 {
        book.charge(NOON + step * 1_000, &[(no, u64::MAX)]);
    }
    assert_eq!((spent(&book, no, NOON), book.available(no, NOON)), (u64::MAX, 0));
    let reservation = book.reserve(Millis::MAX, &[(no, u64::MAX), (no, 1)]).unwrap();
    book.settle(reservation, &[(no, u64::MAX), (no, u64::MAX)]);
    for unit in [CalendarUnit::Minute, CalendarUnit::Week, CalendarUnit::Year] {
        adopt(&mut book, 5, calendar(unit), Millis::MAX);
        let refused = book.reserve(Millis::MIN, &[(no, 1)]).unwrap_err();
        assert_eq!(refused, Refused::Exhausted { limit: no, spent: u64::MAX, max: 5, until: None });
    }
}
