//! Slots that follow each other in the page file are written in one piece: for a request over five limits, one call.
#![allow(clippy::unwrap_used)] // The helpers here are tests too.

use outrigger_core::{Millis, Periods};
use outrigger_ledger::{Book, Granter, LimitNo, LimitSpec, SLOT, records};

const NOON: Millis = 1_715_774_400_000;

fn limits(count: usize) -> Vec<LimitSpec> {
    let spec = |number| LimitSpec {
        name: format!("limit {number}"),
        unit: "tokens",
        max: 1_000,
        window: Periods::lifetime(),
        fail_open: None,
    };
    (0..count).map(spec).collect()
}

/// The pending writes: the first slot of each, and how many it has. They are applied to `file`.
fn write(book: &mut Book, file: &mut Vec<u8>) -> Vec<(u32, usize)> {
    let mut runs = Vec::new();
    book.write_runs(|first, bytes| {
        let at = first as usize * SLOT;
        file.resize(file.len().max(at + bytes.len()), 0);
        file[at..at + bytes.len()].copy_from_slice(bytes);
        runs.push((first, bytes.len() / SLOT));
    });
    runs
}

fn begun(count: usize) -> (Book, Vec<LimitNo>, Vec<u8>) {
    let (mut book, mut file) = (Book::new(), Vec::new());
    let numbers = book.adopt(&limits(count), NOON);
    let all: Vec<(LimitNo, u64)> = numbers.iter().map(|no| (*no, 1)).collect();
    book.charge(NOON, &all);
    write(&mut book, &mut file);
    (book, numbers, file)
}

#[test]
fn a_request_over_several_limits_is_written_by_one_call() {
    let (mut book, numbers, mut file) = begun(5);
    let wants: Vec<(LimitNo, u64)> = numbers.iter().map(|no| (*no, 10)).collect();
    let reserved = book.reserve(NOON, &wants).unwrap();
    assert_eq!(write(&mut book, &mut file), [(1, 5)]);
    let _ = book.settle(reserved, &wants);
    assert_eq!(write(&mut book, &mut file), [(1, 5)]);
    assert_eq!(write(&mut book, &mut file), []);
    let spent: Vec<u64> = records(&file).unwrap().map(|record| record.unwrap().counters().spent).collect();
    assert_eq!(spent, [11; 5]);
}

#[test]
fn slots_that_are_apart_are_written_apart() {
    let (mut book, numbers, mut file) = begun(6);
    let wants = [0, 1, 3, 5].map(|at| (numbers[at], 10));
    let _in_flight = book.reserve(NOON, &wants).unwrap();
    assert_eq!(write(&mut book, &mut file), [(1, 2), (4, 1), (6, 1)]);
    let reserved: Vec<u64> = records(&file).unwrap().map(|record| record.unwrap().reserved()).collect();
    assert_eq!(reserved, [10, 10, 0, 10, 0, 10]);
}

#[test]
fn accounts_that_the_ledger_grants_are_written_together_too_and_the_header_comes_last() {
    let (mut book, mut file) = (Book::new(), Vec::new());
    let mut specs = limits(3);
    specs.iter_mut().for_each(|spec| spec.fail_open = Some(outrigger_ledger::FailOpen { most: 100, lasts: 60_000 }));
    let numbers = book.adopt_from(Granter::Ledger, &specs, NOON);
    let wants: Vec<(LimitNo, u64)> = numbers.iter().map(|no| (*no, 10)).collect();
    // Nobody answers, so they pass without a grant once the first one has waited.
    assert!(book.reserve(NOON, &wants).is_err());
    book.move_steadily(2_000);
    let _in_flight = book.reserve(NOON, &wants).unwrap();
    assert_eq!(write(&mut book, &mut file), [(1, 3), (0, 1)]);
    assert_eq!(records(&file).unwrap().filter(|record| record.as_ref().unwrap().granted_to().is_some()).count(), 3);
}

/// What is passed at once is kept until it could be written, so it is bounded. However it is divided, the file is the same.
#[test]
fn many_slots_are_divided_and_the_file_is_the_same() {
    let one_by_one = |book: &mut Book, file: &mut Vec<u8>| {
        let mut order = Vec::new();
        book.writes(|slot, bytes| {
            let at = slot as usize * SLOT;
            file.resize(file.len().max(at + SLOT), 0);
            file[at..at + SLOT].copy_from_slice(bytes);
            order.push(slot);
        });
        order
    };
    let [mut together, mut apart] = [(); 2].map(|()| {
        let mut book = Book::new();
        let numbers = book.adopt(&limits(40), NOON);
        let all: Vec<(LimitNo, u64)> = numbers.iter().zip(1..).map(|(no, amount)| (*no, amount)).collect();
        book.charge(NOON, &all);
        book
    });
    let (mut file, mut other) = (Vec::new(), Vec::new());
    assert_eq!(write(&mut together, &mut file), [(1, 16), (17, 16), (33, 8), (0, 1)]);
    assert_eq!(one_by_one(&mut apart, &mut other), (1..=40).chain([0]).collect::<Vec<u32>>());
    assert_eq!(file, other);
}
