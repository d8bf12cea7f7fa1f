//! The page file: written content is read back, and damage is reported.
#![allow(clippy::unwrap_used)] // The helpers here are tests too.

use outrigger_core::{CalendarUnit, Millis, Period, Periods};
use outrigger_ledger::{
    Book, Counters, Damaged, LONGEST_NAME, LimitSpec, PageRecord, Refused, SLOT, UnreadablePage, records,
};
use proptest::prelude::*;

/// 2024-05-15T12:00Z.
const NOON: Millis = 1_715_774_400_000;
const MIDNIGHT: Millis = NOON + 43_200_000;
const DAY: Millis = 86_400_000;
const YEARS_AHEAD: Millis = NOON + 3 * 365 * DAY;

fn daily(name: &str) -> LimitSpec {
    let window = Periods::calendar(CalendarUnit::Day, "UTC", 1).unwrap();
    LimitSpec { name: name.into(), unit: "nano-dollars", max: 1_000, window, fail_open: None }
}

/// Performs the pending writes.
fn write(book: &mut Book, file: &mut Vec<u8>) {
    book.writes(|slot, bytes| {
        let at = slot as usize * SLOT;
        file.resize(file.len().max(at + SLOT), 0);
        file[at..at + SLOT].copy_from_slice(bytes);
    });
}

/// A book with accounts `a` (300 spent, 200 reserved) and `b` (5 spent), and its file.
fn written() -> (Book, Vec<u8>) {
    let (mut book, mut file) = (Book::new(), Vec::new());
    let [a, b] = book.adopt(&[daily("a"), daily("b")], NOON)[..] else { panic!("two numbers") };
    book.charge(NOON, &[(a, 300), (b, 5)]);
    let _in_flight = book.reserve(NOON, &[(a, 200)]).unwrap();
    write(&mut book, &mut file);
    (book, file)
}

fn read(file: &[u8]) -> Vec<Result<PageRecord, Damaged>> {
    records(file).unwrap().collect()
}

/// What is spent of limits with these names, after a restart.
fn spent<const N: usize>(file: &[u8], names: [&str; N]) -> [u64; N] {
    let mut book = Book::new();
    let _ = book.restore(records(file).unwrap(), NOON);
    let numbers = book.adopt(&names.map(daily), NOON);
    names.map(|name| {
        let at = names.iter().position(|other| *other == name).unwrap();
        book.state(numbers[at], NOON).spent
    })
}

#[test]
fn the_format_has_not_changed() {
    let (_, file) = written();
    let hex = |range: std::ops::Range<usize>| file[range].iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(file.len(), 3 * SLOT);
    // "OUTRPAGE", version 2, 512 bytes, 3 slots.
    assert_eq!(hex(0..20), format!("{}{}{}{}", "4f55545250414745", "02000000", "00020000", "03000000"));
    let account = 512;
    for (what, at, bytes) in [
        ("kind, lengths, slot", 0, "020c010001000000"),
        ("start", 8, "00788c798f010000"),
        ("end", 16, "00d4b27e8f010000"),
        ("last", 24, "00a61f7c8f010000"),
        ("granted", 32, "e8030000000000000000000000000000"),
        ("returned", 48, "00000000000000000000000000000000"),
        ("spent, reserved", 64, "2c01000000000000c800000000000000"),
        ("unit", 80, "6e616e6f2d646f6c6c61727300000000"),
        ("name", 108, "6100"),
    ] {
        let start = account + at;
        assert_eq!(hex(start..start + bytes.len() / 2), bytes, "{what}");
    }
    assert!(file[account + 109..account + 508].iter().all(|byte| *byte == 0));
}

#[test]
fn written_accounts_are_read_back() {
    let (_, file) = written();
    let read: Vec<PageRecord> = read(&file).into_iter().map(Result::unwrap).collect();
    let [a, b] = &read[..] else { panic!("{read:?}") };
    assert_eq!((a.slot(), a.name(), a.unit(), a.reserved()), (1, "a", "nano-dollars", 200));
    assert_eq!(a.period(), Period { start: MIDNIGHT - 86_400_000, end: Some(MIDNIGHT) });
    assert_eq!(a.counters(), Counters { granted: 1_000, returned: 0, spent: 300 });
    assert_eq!((b.slot(), b.name(), b.counters().spent, b.reserved()), (2, "b", 5, 0));
}

#[test]
fn amounts_in_flight_are_charged_in_full() {
    let (_, file) = written();
    let mut book = Book::new();
    let restored = book.restore(records(&file).unwrap(), NOON);
    assert_eq!((restored.accounts, restored.in_flight, restored.damaged.len()), (2, 1, 0));
    let [b, a] = book.adopt(&[daily("b"), daily("a")], NOON)[..] else { panic!("two numbers") };
    assert_eq!((book.state(a, NOON).spent, book.state(a, NOON).reserved, book.open()), (500, 0, 0));
    assert_eq!(book.state(b, NOON).spent, 5);
}

#[test]
fn the_latest_time_seen_is_not_forgotten() {
    let (_, file) = written();
    let mut book = Book::new();
    // The clock has stepped back by a day.
    assert_eq!(book.restore(records(&file).unwrap(), NOON - DAY).ahead, 0);
    // Whatever the clock shows now, it is spent on the same day.
    let a = book.adopt(&[daily("a")], 0)[0];
    book.charge(0, &[(a, 1)]);
    assert_eq!([0, NOON, MIDNIGHT].map(|at| book.state(a, at).spent), [501, 501, 0]);
}

/// Accounts that were used at noon (300 each), by a clock that was 100 days ahead (20), and by one that was three years
/// ahead (1,000).
fn used_ahead_of_time(specs: &[LimitSpec]) -> Vec<u8> {
    let (mut book, mut file) = (Book::new(), Vec::new());
    let numbers = book.adopt(specs, NOON);
    for (at, amount) in [(NOON, 300), (NOON + 100 * DAY, 20), (YEARS_AHEAD, 1_000)] {
        numbers.iter().for_each(|no| book.charge(at, &[(*no, amount)]));
    }
    write(&mut book, &mut file);
    file
}

#[test]
fn a_clock_that_was_years_ahead_blocks_no_request_and_current_usage_is_kept() {
    let of = |name: &str, window| LimitSpec { window, ..daily(name) };
    let year = Periods::calendar(CalendarUnit::Year, "UTC", 1).unwrap();
    let specs = [
        daily("day"),
        of("year", year),
        of("minute", Periods::rolling(60_000).unwrap()),
        LimitSpec { max: 2_000, ..of("ever", Periods::lifetime()) },
    ];
    let mut file = used_ahead_of_time(&specs);
    for (at, more) in [(NOON, 0), (NOON + 1, 50), (NOON + 2, 100)] {
        let mut book = Book::new();
        let restored = book.restore(records(&file).unwrap(), at);
        // Two of the day, two of the year, two of the minute, one that never ends.
        assert_eq!((restored.ahead, restored.damaged.len()), (7, 0));
        let numbers = book.adopt(&specs, at);
        let used = |book: &Book, at| numbers.iter().map(|no| book.used(*no, at)).collect::<Vec<_>>();
        assert_eq!(used(&book, at), [300 + more, 320 + more, 300 + more, 1_320 + more]);
        // By today's accounts, to the last unit, and until today ends.
        let refused = Refused::Exhausted { limit: numbers[0], spent: 300 + more, max: 1_000, until: Some(MIDNIGHT) };
        assert_eq!(book.reserve(at, &[(numbers[0], 701 - more)]).unwrap_err(), refused);
        let wants: Vec<_> = numbers.iter().map(|no| (*no, 50)).collect();
        let reservation = book.reserve(at, &wants).unwrap();
        book.settle(reservation, &wants);
        write(&mut book, &mut file);
        // And by the later ones, when their time has come.
        assert_eq!(used(&book, YEARS_AHEAD), [1_000, 1_000, 1_000, 1_370 + more]);
    }
}

#[test]
fn accounts_of_a_wrong_clock_count_in_another_window_and_follow_its_limit() {
    let mut file = used_ahead_of_time(&[daily("a")]);
    let mut book = Book::new();
    let _ = book.restore(records(&file).unwrap(), NOON);
    let unit = |unit| Periods::calendar(unit, "UTC", 1).unwrap();
    for (what, window, used) in [
        ("the day", unit(CalendarUnit::Day), 300),
        ("the year reaches the one of its own", unit(CalendarUnit::Year), 320),
        ("the last two years", Periods::rolling(730 * DAY as u64).unwrap(), 300),
        ("all there ever was", Periods::lifetime(), 1_320),
        ("back to days", unit(CalendarUnit::Day), 300),
    ] {
        let a = book.adopt(&[LimitSpec { window, ..daily("a") }], NOON)[0];
        assert_eq!(book.used(a, NOON), used, "{what}");
    }
    let a = book.adopt(&[LimitSpec { max: 5_000, ..daily("a") }], NOON)[0];
    book.charge(YEARS_AHEAD, &[(a, 1)]);
    write(&mut book, &mut file);
    let then = read(&file).into_iter().flatten().find(|record| record.period().contains(YEARS_AHEAD)).unwrap();
    assert_eq!(then.counters(), Counters { granted: 5_000, returned: 0, spent: 1_001 });
}

#[test]
fn a_duplicate_account_is_merged_into_one_slot() {
    let (mut book, older) = written();
    let a = book.adopt(&[daily("a"), daily("b")], NOON)[0];
    book.charge(NOON, &[(a, 400)]);
    let mut newer = older.clone();
    write(&mut book, &mut newer);
    for (first, second) in [(&older, &newer), (&newer, &older)] {
        let mut book = Book::new();
        let both = records(first).unwrap().chain(records(second).unwrap());
        assert_eq!(book.restore(both, NOON).accounts, 4);
        let a = book.adopt(&[daily("a"), daily("b")], NOON)[0];
        assert_eq!(book.state(a, NOON).spent, 900);
        let mut file = first.clone();
        write(&mut book, &mut file);
        assert_eq!(file.len(), 3 * SLOT);
        assert_eq!(spent(&file, ["a", "b"]), [900, 5]);
    }
}

#[test]
fn an_account_in_two_slots_frees_one_of_them() {
    let (_, mut file) = written();
    file.extend_from_within(SLOT..2 * SLOT);
    file[3 * SLOT + 4] = 3;
    let sum = crc32fast::hash(&file[3 * SLOT..3 * SLOT + 508]).to_le_bytes();
    file[3 * SLOT + 508..].copy_from_slice(&sum);
    assert_eq!(read(&file).len(), 3);
    let mut book = Book::new();
    let _ = book.restore(records(&file).unwrap(), NOON);
    let mut slots = Vec::new();
    book.writes(|slot, bytes| {
        slots.push(slot);
        file[slot as usize * SLOT..][..SLOT].copy_from_slice(bytes);
    });
    // The kept account is written before the other one is removed.
    assert_eq!(slots, [1, 3, 0]);
    assert_eq!(read(&file).len(), 2);
    assert_eq!(spent(&file, ["a", "b"]), [500, 5]);
}

#[test]
fn another_file_is_refused_with_the_reason() {
    let (_, file) = written();
    let of = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut file = file.clone();
        change(&mut file);
        records(&file).map(Iterator::count)
    };
    assert_eq!(of(&|_| {}), Ok(2));
    assert_eq!(of(&Vec::clear), Err(UnreadablePage::Empty));
    assert_eq!(of(&|file| file.truncate(SLOT - 1)), Err(UnreadablePage::Header));
    assert_eq!(of(&|file| file[0] = b'o'), Err(UnreadablePage::Header));
    assert_eq!(of(&|file| file[300] = 1), Err(UnreadablePage::Header));
    let newer = of(&|file| {
        file[8] = 4;
        let sum = crc32fast::hash(&file[..508]).to_le_bytes();
        file[508..512].copy_from_slice(&sum);
    });
    assert_eq!(newer, Err(UnreadablePage::Version(4)));
    for (error, message) in [
        (UnreadablePage::Header, "it is no page file of accounts, or its first 512 bytes are damaged"),
        (
            UnreadablePage::Empty,
            "it is empty, and a file of accounts never is: it was cut off, or could not be written",
        ),
        (UnreadablePage::Version(4), "its format is 4, and this program knows only 3: it was written by a newer one"),
    ] {
        assert_eq!(error.to_string(), message);
    }
}

/// The same file in the previous format: its header has no count.
fn without_count(mut file: Vec<u8>) -> Vec<u8> {
    file[8] = 1;
    file[16..20].fill(0);
    let sum = crc32fast::hash(&file[..508]).to_le_bytes();
    file[508..512].copy_from_slice(&sum);
    file
}

#[test]
fn a_truncated_file_is_always_detected() {
    let (_, file) = written();
    for length in 0..file.len() {
        match records(&file[..length]) {
            Err(error) => assert!(length < SLOT, "{length}: {error}"),
            Ok(records) => {
                let first = records.filter_map(Result::err).next();
                assert_eq!(first, Some(Damaged { slot: (length / SLOT) as u32 }), "{length}");
            }
        }
    }
    // The same if the last slots are free.
    let (_, mut file) = written();
    let mut book = Book::new();
    let _ = book.restore(records(&file).unwrap(), NOON);
    let _ = book.adopt(&[], MIDNIGHT + 62 * DAY);
    book.charge(MIDNIGHT + 62 * DAY, &[]);
    write(&mut book, &mut file);
    assert_eq!((read(&file), file.len()), (vec![], 3 * SLOT));
    assert_eq!(read(&file[..2 * SLOT]), [Err(Damaged { slot: 2 })]);
    assert_eq!(read(&file[..SLOT]), [Err(Damaged { slot: 1 })]);
}

#[test]
fn a_slot_that_was_being_added_is_read_if_complete_and_is_otherwise_no_damage() {
    let (mut book, older) = written();
    let c = book.adopt(&["a", "b", "c"].map(daily), NOON)[2];
    book.charge(NOON, &[(c, 7)]);
    // Written until the process is killed: the header last.
    let (mut slots, mut newer) = (Vec::new(), older.clone());
    book.writes(|slot, bytes| {
        slots.push(slot);
        newer.resize(newer.len().max((slot as usize + 1) * SLOT), 0);
        if slot > 0 {
            newer[slot as usize * SLOT..][..SLOT].copy_from_slice(bytes);
        }
    });
    assert_eq!(slots, [3, 0]);
    assert_eq!(spent(&newer, ["a", "b", "c"]), [500, 5, 7]);
    for length in 3 * SLOT..4 * SLOT {
        let records = read(&newer[..length]);
        assert!(records.len() == 2 && records.iter().all(Result::is_ok), "{length}: {records:?}");
    }
    newer[3 * SLOT + 70] ^= 1;
    let mut book = Book::new();
    assert_eq!(book.restore(records(&newer).unwrap(), NOON).damaged, []);
    let c = book.adopt(&["a", "b", "c"].map(daily), NOON)[2];
    book.charge(NOON, &[(c, 8)]);
    write(&mut book, &mut newer);
    assert_eq!((spent(&newer, ["a", "b", "c"]), newer.len()), ([500, 5, 8], 4 * SLOT));
}

#[test]
fn files_of_the_previous_format_are_read_and_rewritten_with_a_count() {
    let (_, file) = written();
    let mut old = without_count(file.clone());
    assert_eq!(read(&old), read(&file));
    // It is unknown whether the file was longer.
    assert_eq!(read(&old[..2 * SLOT]), read(&file)[..1]);
    assert_eq!(read(&old[..2 * SLOT + 7]).last(), Some(&Err(Damaged { slot: 2 })));
    let mut book = Book::new();
    let _ = book.restore(records(&old).unwrap(), NOON);
    write(&mut book, &mut old);
    assert_eq!(old[..SLOT], file[..SLOT]);
    assert_eq!(spent(&old, ["a", "b"]), [500, 5]);
}

#[test]
fn a_file_without_accounts_is_not_empty() {
    assert_eq!(read(&outrigger_ledger::empty_file()), []);
    let mut file = Vec::new();
    write(&mut Book::new(), &mut file);
    assert_eq!(file, outrigger_ledger::empty_file());
}

#[test]
fn damage_is_reported_with_the_number_of_its_slot() {
    let (_, file) = written();
    type Change = fn(&mut Vec<u8>);
    let cases: [(&str, u32, Change); 7] = [
        ("torn at its end", 2, |file| file.truncate(2 * SLOT + 100)),
        ("zeros", 1, |file| file[SLOT..2 * SLOT].fill(0)),
        ("half written over", 1, |file| file[SLOT + 256..2 * SLOT].fill(0xff)),
        ("another slot's", 1, |file| file.copy_within(2 * SLOT..3 * SLOT, SLOT)),
        ("of a kind that isn't", 2, |file| sealed(file, 0, 4)),
        ("a name longer than there is room", 2, |file| sealed(file, 3, 0xff)),
        ("a name that is no text", 2, |file| sealed(file, 108, 0xff)),
    ];
    for (what, slot, change) in cases {
        let mut file = file.clone();
        change(&mut file);
        let damaged: Vec<_> = read(&file).into_iter().filter_map(Result::err).collect();
        assert_eq!(damaged, [Damaged { slot }], "{what}");
        let mut book = Book::new();
        assert_eq!(book.restore(records(&file).unwrap(), NOON).damaged, damaged, "{what}");
        // It is never overwritten, and reported again.
        let specs = ["a", "b", "c"].map(daily);
        let numbers = book.adopt(&specs, NOON);
        numbers.iter().for_each(|no| book.charge(NOON, &[(*no, 1)]));
        file.resize(file.len().next_multiple_of(SLOT), 0);
        write(&mut book, &mut file);
        let mut again = Book::new();
        let restored = again.restore(records(&file).unwrap(), NOON);
        assert_eq!((restored.damaged, restored.accounts), (damaged, 3), "{what}");
    }
    let message = Damaged { slot: 7 }.to_string();
    assert!(message.starts_with("slot 7 of the page file is damaged: "), "{message}");
}

/// Changes a byte of slot 2, and updates its checksum.
fn sealed(file: &mut [u8], at: usize, byte: u8) {
    let slot = &mut file[2 * SLOT..3 * SLOT];
    slot[at] = byte;
    let sum = crc32fast::hash(&slot[..508]).to_le_bytes();
    slot[508..].copy_from_slice(&sum);
}

#[test]
fn a_slot_that_could_not_be_written_is_returned_again() {
    let (mut book, file) = written();
    let slots = |book: &mut Book| {
        let mut slots = Vec::new();
        book.writes(|slot, bytes| slots.push((slot, bytes.to_vec())));
        slots
    };
    assert_eq!(slots(&mut book), []);
    [2, 0, 2, 99].into_iter().for_each(|slot| book.write_again(slot));
    let slot = |slot: usize| file[slot * SLOT..(slot + 1) * SLOT].to_vec();
    assert_eq!(slots(&mut book), [(2, slot(2)), (0, slot(0))]);
}

#[test]
fn a_forgotten_account_leaves_a_free_slot() {
    let (mut book, mut file) = written();
    let _ = book.adopt(&[daily("a")], MIDNIGHT);
    book.charge(MIDNIGHT, &[]);
    write(&mut book, &mut file);
    assert_eq!(read(&file).len(), 1);
    // After a restart too: ended accounts that are not named are looked up.
    let mut book = Book::new();
    let _ = book.restore(records(&file).unwrap(), NOON);
    let _ = book.adopt(&[], MIDNIGHT + 62 * DAY);
    book.charge(0, &[]);
    write(&mut book, &mut file);
    assert_eq!((read(&file).len(), file.len()), (0, 3 * SLOT));
    let mut book = Book::new();
    let _ = book.restore(records(&file).unwrap(), NOON);
    let new = book.adopt(&[daily("new")], NOON)[0];
    book.charge(NOON, &[(new, 1)]);
    write(&mut book, &mut file);
    assert_eq!(read(&file)[0].as_ref().unwrap().slot(), 1);
}

#[test]
fn the_first_policy_after_a_restart_can_be_taken_back_too() {
    let (_, file) = written();
    let month = Periods::calendar(CalendarUnit::Month, "UTC", 1).unwrap();
    for (what, other, later, window) in [
        ("by no policy anything is forgotten", None, MIDNIGHT + 100 * DAY, Periods::lifetime()),
        ("by another one nothing that may be in a window", Some(daily("b")), MIDNIGHT + 10 * DAY, month),
    ] {
        let mut book = Book::new();
        let _ = book.restore(records(&file).unwrap(), MIDNIGHT);
        // For this account the previous day has ended.
        let _ = book.adopt(&[daily("a")], MIDNIGHT);
        book.take_back();
        if let Some(other) = other {
            let _ = book.adopt(&[other], MIDNIGHT);
        }
        book.charge(later, &[]);
        let a = book.adopt(&[LimitSpec { window, ..daily("a") }], later)[0];
        assert_eq!(book.used(a, later), 500, "{what}");
    }
}

#[test]
fn the_window_may_change_while_no_process_runs() {
    let month = LimitSpec { window: Periods::calendar(CalendarUnit::Month, "UTC", 1).unwrap(), ..daily("a") };
    let (_, file) = written();
    let mut book = Book::new();
    let _ = book.restore(records(&file).unwrap(), NOON);
    let a = book.adopt(&[month], MIDNIGHT)[0];
    assert_eq!(book.state(a, MIDNIGHT).spent, 500);
}

#[test]
fn names_of_any_length_are_found_again() {
    let long = "é".repeat(LONGEST_NAME);
    let (longer, exact) = (format!("{long}x"), "n".repeat(LONGEST_NAME));
    let mut file = Vec::new();
    let names = ["a", &exact, &long, &longer];
    let mut book = Book::new();
    for (no, amount) in book.adopt(&names.map(daily), NOON).into_iter().zip(1..) {
        book.charge(NOON, &[(no, amount)]);
    }
    write(&mut book, &mut file);
    assert_eq!(spent(&file, names), [1, 2, 3, 4]);
    assert_eq!(read(&file)[1].as_ref().unwrap().name(), exact);
}

proptest! {
    #[test]
    fn one_flipped_bit_is_reported_as_one_account(bit in 0..8 * SLOT, slot in 0..3_usize) {
        let (_, mut file) = written();
        file[slot * SLOT + bit / 8] ^= 1 << (bit % 8);
        match slot {
            0 => prop_assert!(records(&file).is_err()),
            _ => {
                let expected = (1..3).map(|at| (at != slot).then_some(at as u32)).collect::<Vec<_>>();
                let readable = read(&file).into_iter().map(|record| record.ok().map(|record| record.slot())).collect::<Vec<_>>();
                prop_assert_eq!(readable, expected);
            }
        }
    }

    #[test]
    fn any_bytes_can_be_read(
        header in any::<bool>(),
        seal in any::<bool>(),
        mut bytes in prop::collection::vec(any::<u8>(), 0..2_000),
    ) {
        if header {
            let (_, file) = written();
            bytes.splice(..bytes.len().min(SLOT), file[..SLOT].iter().copied());
        }
        // Damage that a checksum does not detect.
        if seal {
            for (slot, bytes) in bytes.chunks_exact_mut(SLOT).enumerate().skip(1) {
                bytes[0] = 1 + bytes[0] % 2;
                bytes[4..8].copy_from_slice(&(slot as u32).to_le_bytes());
                let sum = crc32fast::hash(&bytes[..508]).to_le_bytes();
                bytes[508..].copy_from_slice(&sum);
            }
        }
        if let Ok(records) = records(&bytes) {
            let mut book = Book::new();
            let _ = book.restore(records, NOON);
            let numbers = book.adopt(&[daily("a")], NOON);
            let _ = book.available(numbers[0], NOON);
            book.writes(|_, _| {});
        }
    }
}
