//! Periods, and clocks that are wrong.

use super::*;

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
