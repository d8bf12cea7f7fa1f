//! Measures the cost of accounts for a request: reserve, write the page, settle, write the page. `make bench-ledger`.
//!
//! The file is in the folder for temporary files. Its pages are written as the gateway writes them, without waiting for
//! the disk.
#![allow(clippy::print_stdout, reason = "a table is what it is for")]

use std::fs::File;
use std::io::{Error, Result};
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use outrigger_core::{Millis, Periods};
use outrigger_ledger::protocol::{AccountGrant, AccountKey, DurableUsage, FleetAccount, Grants, LimitKey, Term};
use outrigger_ledger::{Book, Granter, LimitNo, LimitSpec, SLOT};

const ROUNDS: usize = 200_000;
/// How often threads that share a book are measured.
const RUNS: usize = 5;
const AMOUNT: u64 = 1_000;
/// Enough for all rounds.
const MAX: u64 = 1 << 60;

fn main() -> Result<()> {
    let path = std::env::temp_dir().join(format!("outrigger-bench-ledger-{}", std::process::id()));
    let file = File::options().read(true).write(true).create_new(true).open(&path)?;
    let measured = measure_all(&file);
    std::fs::remove_file(&path)?;
    measured
}

fn measure_all(file: &File) -> Result<()> {
    println!("| limits of a request | granted by | median | 99 % | median without the file |\n|---|---|---|---|---|");
    for limits in [1, 5] {
        for by in [Granter::Itself, Granter::Ledger] {
            let (median, most) = measure(Some(file), limits, by)?;
            let (alone, _) = measure(None, limits, by)?;
            println!("| {limits} | {} | {median:.2} µs | {most:.2} µs | {alone:.2} µs |", name(by));
        }
    }
    println!("\n| limits of a request | granted by | one thread | 2 threads | 8 threads |\n|---|---|---|---|---|");
    for limits in [1, 5] {
        for by in [Granter::Itself, Granter::Ledger] {
            let [one, two, eight] = [1, 2, 8].map(|threads| measure_together(file, threads, limits, by));
            println!("| {limits} | {} | {:.2} µs | {:.2} µs | {:.2} µs |", name(by), one?, two?, eight?);
        }
    }
    Ok(())
}

fn name(by: Granter) -> &'static str {
    match by {
        Granter::Ledger => "the ledger",
        Granter::Itself => "the gateway",
    }
}

/// A book, and the amounts of each request.
struct Requests {
    book: Book,
    now: Millis,
    wants: Vec<(LimitNo, u64)>,
    spent: Vec<(LimitNo, u64)>,
}

impl Requests {
    fn new(limits: usize, by: Granter) -> Result<Self> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(Error::other)?.as_millis();
        let now = Millis::try_from(now).map_err(Error::other)?;
        let spec = |number: usize| LimitSpec {
            name: format!("Budget bench/limit-{number}"),
            unit: "usd",
            max: MAX,
            window: Periods::lifetime(),
            fail_open: None,
        };
        let specs: Vec<LimitSpec> = (0..limits).map(spec).collect();
        let mut book = Book::new();
        let numbers = book.adopt_from(by, &specs, now);
        grant(&mut book, &specs, now);
        let wants = numbers.iter().map(|no| (*no, AMOUNT)).collect();
        let spent = numbers.iter().map(|no| (*no, AMOUNT / 2)).collect();
        Ok(Requests { book, now, wants, spent })
    }
}

/// The time of a reservation and its settlement in microseconds: the median and the 99th percentile.
fn measure(file: Option<&File>, limits: usize, by: Granter) -> Result<(f64, f64)> {
    let Requests { mut book, now, wants, spent } = Requests::new(limits, by)?;
    write(&mut book, file)?;
    let mut took = Vec::with_capacity(ROUNDS);
    for round in 0..ROUNDS {
        let begun = Instant::now();
        book.move_steadily(Millis::try_from(round / 100).unwrap_or(0));
        let reserved = book.reserve(now, &wants).map_err(|refused| Error::other(format!("{refused:?}")))?;
        write(&mut book, file)?;
        book.settle(reserved, &spent);
        write(&mut book, file)?;
        took.push(begun.elapsed());
    }
    took.sort_unstable();
    let at = |share: usize| took.get(ROUNDS * share / 100).map_or(0.0, |one| one.as_secs_f64() * 1e6);
    Ok((at(50), at(99)))
}

/// The time for each request in microseconds when threads share a book behind a lock, as those of a gateway do: of the
/// quickest of some runs, because other programs of the machine make the others slower.
fn measure_together(file: &File, threads: usize, limits: usize, by: Granter) -> Result<f64> {
    let Requests { mut book, now, wants, spent } = Requests::new(limits, by)?;
    write(&mut book, Some(file))?;
    let book = Mutex::new(book);
    let lock = || book.lock().unwrap_or_else(PoisonError::into_inner);
    let one_thread = || -> Result<()> {
        for _ in 0..ROUNDS / threads {
            let mut book = lock();
            let reserved = book.reserve(now, &wants).map_err(|refused| Error::other(format!("{refused:?}")))?;
            write(&mut book, Some(file))?;
            drop(book);
            let mut book = lock();
            book.settle(reserved, &spent);
            write(&mut book, Some(file))?;
        }
        Ok(())
    };
    let mut least = f64::INFINITY;
    for _ in 0..RUNS {
        let begun = Instant::now();
        thread::scope(|scope| {
            let threads: Vec<_> = (0..threads).map(|_| scope.spawn(one_thread)).collect();
            threads
                .into_iter()
                .try_for_each(|thread| thread.join().unwrap_or_else(|_| Err(Error::other("it panicked"))))
        })?;
        least = least.min(begun.elapsed().as_secs_f64() * 1e6 / ROUNDS as f64);
    }
    Ok(least)
}

/// Acts as a ledger that grants everything there is.
fn grant(book: &mut Book, specs: &[LimitSpec], now: Millis) {
    for accounts in [Vec::new(), specs.iter().map(granted).collect()] {
        let Some(report) = book.report() else { return };
        let grants =
            Grants { epoch: report.epoch, term: Term(1), answers: report.number, accounts, ..Grants::default() };
        let _ = book.take(&grants, now);
    }
}

fn granted(spec: &LimitSpec) -> AccountGrant {
    AccountGrant {
        account: AccountKey { limit: LimitKey::new(&spec.name, spec.unit), start: 0 },
        end: None,
        valid_for_ms: None,
        begins_in_ms: 0,
        granted: MAX,
        durable: DurableUsage::default(),
        over: false,
        recall: false,
        short: None,
        fleet: FleetAccount { limit: MAX, ..FleetAccount::default() },
    }
}

fn write(book: &mut Book, file: Option<&File>) -> Result<()> {
    let mut written = Ok(());
    book.write_runs(|first, bytes| {
        let at = u64::from(first) * SLOT as u64;
        if let Some(Err(error)) = file.map(|file| file.write_all_at(bytes, at)) {
            written = Err(error);
        }
    });
    written
}
