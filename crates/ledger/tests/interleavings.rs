//! Every interleaving of threads that share a book like a gateway does: reserve; if contended, wait for a release and
//! try again; write; send; settle; wake the waiting threads.
//!
//! The book is behind one mutex and the file behind another, which is locked before the first is released. So writes
//! happen in the order in which the book returned them, and no thread waits for a disk while it holds the book.
#![allow(clippy::unwrap_used)] // The helpers here are tests too.

use std::collections::HashSet;

use loom::model::Builder;
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;
use outrigger_core::{CalendarUnit, Millis, Periods};
use outrigger_ledger::{Book, LimitNo, LimitSpec, Refused, SLOT, empty_file, records};

/// 2024-05-15T12:00Z.
const NOON: Millis = 1_715_774_400_000;
const DAY: Millis = 86_400_000;
const MAX: u64 = 10;

struct Gateway {
    book: Mutex<Book>,
    released: Condvar,
    file: Mutex<Vec<u8>>,
    /// In flight or spent: the file may show no less.
    truth: Mutex<Truth>,
    limits: [LimitNo; 2],
}

#[derive(Default)]
struct Truth {
    left: u64,
    spent: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum End {
    Served,
    /// It had to wait first.
    ServedLate,
    Exhausted,
}

/// The account of the day, and one of all days that is never full.
fn specs() -> [LimitSpec; 2] {
    let day = Periods::calendar(CalendarUnit::Day, "UTC", 1).unwrap();
    [("team", MAX, day), ("all", 100 * MAX, Periods::lifetime())].map(|(name, max, window)| LimitSpec {
        name: name.into(),
        unit: "tokens",
        max,
        window,
        fail_open: None,
    })
}

impl Gateway {
    fn new() -> Arc<Self> {
        let mut book = Book::new();
        let limits = book.adopt(&specs(), NOON).try_into().unwrap();
        let (file, truth) = (Mutex::new(empty_file().to_vec()), Mutex::default());
        Arc::new(Gateway { book: Mutex::new(book), released: Condvar::new(), file, truth, limits })
    }

    fn attempt(&self, now: Millis, want: u64, actual: u64) -> End {
        let [team, all] = self.limits;
        // The order is the book's own.
        let wants = [(all, want), (team, want)];
        let mut end = End::Served;
        let mut book = self.book.lock().unwrap();
        let reservation = loop {
            match book.reserve(now, &wants) {
                Ok(reservation) => break reservation,
                Err(Refused::Contended { limit }) => {
                    assert_eq!(limit, team);
                    end = End::ServedLate;
                    book = self.released.wait(book).unwrap();
                }
                Err(Refused::NotGranted { .. }) => panic!("no ledger grants it"),
                Err(Refused::Exhausted { limit, spent, .. }) => {
                    assert_eq!(limit, team);
                    // What is settled in the book is spent by then.
                    assert!(self.truth.lock().unwrap().spent >= spent && spent + want > MAX);
                    return End::Exhausted;
                }
            }
        };
        let state = book.state(team, now);
        assert!(state.spent + state.reserved <= MAX, "{state:?}");
        let mut file = self.file.lock().unwrap();
        let mut slots = Vec::new();
        book.writes(|slot, bytes| slots.push((slot as usize * SLOT, *bytes)));
        drop(book);
        for (at, bytes) in slots {
            let length = file.len().max(at + SLOT);
            file.resize(length, 0);
            file[at..at + SLOT].copy_from_slice(&bytes);
        }
        drop(file);

        self.truth.lock().unwrap().left += want;
        // The model answers here.
        let mut truth = self.truth.lock().unwrap();
        truth.left -= want;
        truth.spent += actual;
        drop(truth);

        self.book.lock().unwrap().settle(reservation, &[(team, actual), (all, actual)]);
        self.released.notify_all();
        end
    }

    /// As if the machine stopped now.
    fn killed(&self) {
        let truth = self.truth.lock().unwrap();
        let file = self.file.lock().unwrap();
        let mut book = Book::new();
        assert_eq!(book.restore(records(&file).unwrap(), NOON).damaged, []);
        let [_, all] = book.adopt(&specs(), NOON)[..] else { panic!("two numbers") };
        assert!(book.state(all, NOON).spent >= truth.left + truth.spent);
    }
}

/// All results of these attempts (time, wanted, actual), in any interleaving with a crash in between. With many
/// threads, only interleavings with at most this many preemptions are tried.
fn ends(attempts: &'static [(Millis, u64, u64)], preemptions: Option<usize>) -> HashSet<Vec<End>> {
    let ends = std::sync::Arc::new(std::sync::Mutex::new(HashSet::new()));
    let seen = std::sync::Arc::clone(&ends);
    let mut model = Builder::new();
    model.preemption_bound = preemptions;
    model.check(move || {
        let gateway = Gateway::new();
        let threads: Vec<_> = attempts
            .iter()
            .map(|(now, want, actual)| {
                let gateway = Arc::clone(&gateway);
                thread::spawn(move || gateway.attempt(*now, *want, *actual))
            })
            .collect();
        gateway.killed();
        let ended: Vec<End> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        let truth: u64 = attempts
            .iter()
            .zip(&ended)
            .filter(|(_, end)| **end != End::Exhausted)
            .map(|((.., actual), _)| actual)
            .sum();
        let mut book = gateway.book.lock().unwrap();
        assert_eq!(book.open(), 0);
        let [team, all] = gateway.limits;
        // Each day's.
        let days = [NOON, NOON + DAY].map(|day| book.state(team, day));
        assert!(days.iter().all(|day| day.reserved == 0 && day.spent <= MAX));
        assert_eq!(book.state(all, NOON).spent, truth);
        book.writes(|_, _| {});
        seen.lock().unwrap().insert(ended);
    });
    ends.lock().unwrap().clone()
}

#[test]
fn two_requests_that_do_not_fit_together_are_served_in_turn() {
    use End::*;
    let expected = [vec![Served, Served], vec![ServedLate, Served], vec![Served, ServedLate]];
    assert_eq!(ends(&[(NOON, 6, 3), (NOON, 7, 2)], None), HashSet::from(expected));
}

#[test]
fn a_request_after_the_money_is_spent_is_refused_as_spent() {
    use End::*;
    let expected = [vec![Served, Exhausted], vec![Exhausted, Served]];
    assert_eq!(ends(&[(NOON, 6, 6), (NOON, 6, 6)], None), HashSet::from(expected));
}

#[test]
fn each_of_three_is_served_or_really_too_late() {
    use End::*;
    // The third thread finds 4 + 4 spent; and if two wait, both are woken.
    let ends = ends(&[(NOON, 6, 4), (NOON, 6, 4), (NOON, 6, 4)], Some(2));
    for ended in &ends {
        let exhausted = ended.iter().filter(|end| **end == Exhausted).count();
        assert_eq!(exhausted, 1, "{ended:?}");
    }
    assert!(ends.len() >= 6, "{ends:?}");
}

#[test]
fn requests_of_two_days_do_not_wait_for_each_other() {
    use End::*;
    // A thread that reads the clock late uses the new day: then the two share it.
    let ends = ends(&[(NOON, 6, 3), (NOON + DAY, 6, 3)], Some(2));
    assert!(ends.contains(&vec![Served, Served]) && ends.contains(&vec![ServedLate, Served]), "{ends:?}");
    assert!(!ends.contains(&vec![Served, ServedLate]), "{ends:?}");
}
