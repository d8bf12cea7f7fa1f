//! The order of requests that wait for room in the same limit.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // The helpers here are tests too.

use std::collections::VecDeque;

use outrigger_core::{Millis, Periods};
use outrigger_ledger::protocol::{AccountGrant, AccountKey, DurableUsage, FleetAccount, Grants, LimitKey, Term};
use outrigger_ledger::{Book, Granter, LimitNo, LimitSpec, Refused, Reservation, WaitingPlace};

/// 2024-05-15T12:00Z.
const NOON: Millis = 1_715_774_400_000;
const MAX: u64 = 100;

fn spec() -> LimitSpec {
    LimitSpec { name: "a".into(), unit: "usd", max: MAX, window: Periods::lifetime(), fail_open: None }
}

fn book() -> (Book, LimitNo) {
    let mut book = Book::new();
    let no = book.adopt(&[spec()], NOON)[0];
    (book, no)
}

/// A request that tries again until it has what it wants.
#[derive(Default)]
struct Waiter(Option<WaitingPlace>);

impl Waiter {
    fn tries(&mut self, book: &mut Book, no: LimitNo, amount: u64) -> Result<Reservation, Refused> {
        let reserved = book.reserve_in_turn(NOON, &[(no, amount)], &mut self.0);
        if reserved.is_ok() {
            self.leaves(book);
        }
        reserved
    }

    fn leaves(&mut self, book: &mut Book) {
        if let Some(place) = self.0.take() {
            book.leave(place);
        }
    }
}

/// Small requests take 20 each. They end one after the other, and new ones come at once. In which round a request for 90
/// gets its amount, and how many small ones were served until then.
fn beside_small_ones(in_turn: bool) -> (Option<usize>, usize) {
    const ROUNDS: usize = 1_000;
    let (mut book, no) = book();
    let mut running: VecDeque<Reservation> = (0..5).map(|_| book.reserve(NOON, &[(no, 20)]).unwrap()).collect();
    let (mut large, mut small) = (Waiter::default(), [const { Waiter(None) }; 5]);
    let mut served = 0;
    for round in 0..ROUNDS {
        let reserved = match in_turn {
            true => large.tries(&mut book, no, 90),
            false => book.reserve(NOON, &[(no, 90)]),
        };
        if reserved.is_ok() {
            return (Some(round), served);
        }
        if let Some(ended) = running.pop_front() {
            book.settle(ended, &[]);
        }
        for one in &mut small {
            if let Ok(reservation) = one.tries(&mut book, no, 20) {
                running.push_back(reservation);
                served += 1;
            }
        }
    }
    (None, served)
}

#[test]
fn a_large_request_gets_its_turn_beside_small_ones_that_never_pause() {
    let (round, served) = beside_small_ones(true);
    assert!(round.is_some_and(|round| round < 20), "in round {round:?}");
    assert!(served > 0, "the others go on meanwhile");
    assert_eq!(beside_small_ones(false), (None, 1_000), "without its turn it waits for ever");
}

#[test]
fn the_oldest_comes_first_and_then_the_next() {
    let (mut book, no) = book();
    let all = book.reserve(NOON, &[(no, MAX)]).unwrap();
    let [mut first, mut second, mut third] = [const { Waiter(None) }; 3];
    for one in [&mut first, &mut second, &mut third] {
        assert_eq!(one.tries(&mut book, no, 60).unwrap_err(), Refused::Contended { limit: no });
    }
    book.settle(all, &[]);
    // Whoever looks first: half is the oldest one's.
    assert_eq!(third.tries(&mut book, no, 60).unwrap_err(), Refused::Contended { limit: no });
    assert_eq!(second.tries(&mut book, no, 60).unwrap_err(), Refused::Contended { limit: no });
    let held = first.tries(&mut book, no, 60).unwrap();
    book.settle(held, &[]);
    assert!(third.tries(&mut book, no, 60).is_err(), "not before the second");
    let held = second.tries(&mut book, no, 60).unwrap();
    book.settle(held, &[]);
    let held = third.tries(&mut book, no, 60).unwrap();
    book.settle(held, &[]);
    assert!(book.reserve(NOON, &[(no, MAX)]).is_ok(), "nothing is kept for nobody");
}

#[test]
fn no_more_is_kept_than_the_oldest_wants_and_nothing_for_one_that_gives_up() {
    let (mut book, no) = book();
    let all = book.reserve(NOON, &[(no, MAX)]).unwrap();
    let mut modest = Waiter::default();
    assert!(modest.tries(&mut book, no, 10).is_err());
    book.settle(all, &[]);
    let others = book.reserve(NOON, &[(no, 90)]).unwrap();
    assert_eq!(book.reserve(NOON, &[(no, 1)]).unwrap_err(), Refused::Contended { limit: no });
    book.settle(others, &[]);
    assert_eq!(book.reserve(NOON, &[(no, 91)]).unwrap_err(), Refused::Contended { limit: no });
    modest.leaves(&mut book);
    assert!(book.reserve(NOON, &[(no, MAX)]).is_ok());
}

#[test]
fn who_waits_for_another_limit_keeps_nothing_of_the_first() {
    let mut book = Book::new();
    let specs = ["a", "b"].map(|name| LimitSpec { name: name.into(), ..spec() });
    let [a, b] = book.adopt(&specs, NOON)[..] else { panic!("two limits") };
    let (of_a, of_b) = (book.reserve(NOON, &[(a, MAX)]).unwrap(), book.reserve(NOON, &[(b, MAX)]).unwrap());
    let mut place = None;
    let both = [(a, 50), (b, 50)];
    assert_eq!(book.reserve_in_turn(NOON, &both, &mut place).unwrap_err(), Refused::Contended { limit: a });
    book.settle(of_a, &[]);
    assert_eq!(book.reserve_in_turn(NOON, &both, &mut place).unwrap_err(), Refused::Contended { limit: b });
    let of_a = book.reserve(NOON, &[(a, MAX)]).unwrap();
    book.settle(of_a, &[]);
    book.settle(of_b, &[]);
    assert!(book.reserve(NOON, &[(b, MAX)]).is_err());
    assert!(book.reserve_in_turn(NOON, &both, &mut place).is_ok());
}

/// The ledger's grants.
struct Ledger {
    book: Book,
    no: LimitNo,
}

impl Ledger {
    fn granting(amount: u64) -> Ledger {
        let mut book = Book::new();
        let no = book.adopt_from(Granter::Ledger, &[LimitSpec { max: 1_000, ..spec() }], NOON)[0];
        let mut ledger = Ledger { book, no };
        ledger.grants(0);
        ledger.grants(amount);
        ledger
    }

    /// Answers a report with so much in all, and returns what the report has asked for.
    fn grants(&mut self, granted: u64) -> u64 {
        let report = self.book.report().unwrap();
        let account = AccountKey { limit: LimitKey::new("a", "usd"), start: 0 };
        let least = report.accounts.iter().map(|account| account.least).max();
        let grant = AccountGrant {
            account,
            end: None,
            valid_for_ms: None,
            begins_in_ms: 0,
            granted,
            durable: DurableUsage::default(),
            over: false,
            recall: false,
            short: None,
            fleet: FleetAccount { limit: 1_000, ..FleetAccount::default() },
        };
        let grants = Grants {
            epoch: report.epoch,
            term: Term(1),
            answers: report.number,
            accounts: vec![grant],
            ..Grants::default()
        };
        let _ = self.book.take(&grants, NOON);
        least.unwrap_or_default()
    }
}

#[test]
fn the_ledger_is_asked_for_what_the_others_need_beside_what_is_kept() {
    let mut ledger = Ledger::granting(50);
    let no = ledger.no;
    let _runs = ledger.book.reserve(NOON, &[(no, 30)]).unwrap();
    let (mut large, mut small) = (Waiter::default(), Waiter::default());
    assert_eq!(large.tries(&mut ledger.book, no, 200).unwrap_err(), Refused::Contended { limit: no });
    assert_eq!(small.tries(&mut ledger.book, no, 15).unwrap_err(), Refused::Contended { limit: no });
    // 20 are free, and 10 of them are kept. Of 10 more the small one gets five.
    assert_eq!(ledger.grants(50), 10);
    assert!(small.tries(&mut ledger.book, no, 15).is_err());
    ledger.grants(60);
    assert!(small.tries(&mut ledger.book, no, 15).is_ok());
    assert_eq!(large.tries(&mut ledger.book, no, 200).unwrap_err(), Refused::Contended { limit: no });
    assert_eq!(ledger.grants(245), 185);
    assert!(large.tries(&mut ledger.book, no, 200).is_ok());
}

#[test]
fn while_the_ledger_is_away_all_that_is_held_may_be_spent() {
    let mut ledger = Ledger::granting(50);
    let no = ledger.no;
    let mut large = Waiter::default();
    assert_eq!(large.tries(&mut ledger.book, no, 200).unwrap_err(), Refused::Contended { limit: no });
    ledger.book.move_steadily(2_000);
    assert_eq!(large.tries(&mut ledger.book, no, 200).unwrap_err(), Refused::NotGranted { limit: no });
    assert!(ledger.book.reserve(NOON, &[(no, 50)]).is_ok());
}
