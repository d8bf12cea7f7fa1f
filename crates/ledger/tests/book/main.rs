//! Guarantees of a book.
#![allow(clippy::unwrap_used)] // The helpers here are tests too.

mod periods;
mod policies;
mod reserving;

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
