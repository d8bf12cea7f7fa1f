//! Runs every input in `fuzz/seeds/`, and variations of each: a second of what libFuzzer does for hours.
#![allow(clippy::unwrap_used, reason = "a test may panic, outside its own function as well")]

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use fastrand::Rng;
use outrigger_fuzzing::{FuzzTarget, TARGETS};

/// The number of variations for each target.
const VARIATIONS: usize = 2_000;
const LONGEST: usize = 4_096;
/// Tokens that random bytes seldom form, and that may break a reader.
const TOKENS: &[&[u8]] = &[
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\"",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"null",
    b"true",
    b"-1",
    b"1e400",
    b"18446744073709551616",
    b"\n\n",
    b"\r\n",
    b"\r",
    b"data: ",
    b"data: [DONE]\n\n",
    b"event: ",
    b"\xEF\xBB\xBF",
    b"\xFF",
    b"\0",
    "\u{202e}".as_bytes(),
    "😀".as_bytes(),
    b"\"type\":",
    b"\"text\"",
    b"\"role\":\"tool\"",
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds")
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder().join(target)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

/// How many failing inputs of a target are reported.
const SHOWN: usize = 10;

/// Runs a target. Returns the failure, if the input breaks a promise.
fn broken(target: &FuzzTarget, input: &[u8]) -> Option<String> {
    let panic = catch_unwind(AssertUnwindSafe(|| (target.run)(input))).err()?;
    let text = panic.downcast_ref::<String>().map_or("it panics", String::as_str);
    let name = target.name;
    Some(format!("{name}: {text}\n  put this into a file of fuzz/seeds/{name}/: {}", input.escape_ascii()))
}

/// Changes a seed a few times, sometimes with a part of another one.
fn vary(random: &mut Rng, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut input = random.choice(seeds).cloned().unwrap_or_default();
    for _ in 0..random.usize(1..6) {
        let at = random.usize(0..=input.len());
        let end = random.usize(at..=input.len().min(at + 32));
        match random.u8(0..7) {
            0 if at < input.len() => input[at] ^= 1 << random.u8(0..8),
            1 => drop(input.drain(at..end)),
            2 => drop(input.splice(at..at, random.choice(TOKENS).unwrap().iter().copied())),
            3 => drop(input.splice(at..end, random.choice(TOKENS).unwrap().iter().copied())),
            4 => input.truncate(at),
            5 => {
                let piece = input[at..end].to_vec();
                input.splice(at..at, piece);
            }
            _ => {
                let other = random.choice(seeds).cloned().unwrap_or_default();
                let from = random.usize(0..=other.len());
                input.splice(at..end, other[from..].iter().copied());
            }
        }
        input.truncate(LONGEST);
    }
    input
}

#[test]
fn every_target_has_seeds_and_a_file_for_the_fuzzer() {
    let names: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    let listed = |folder: PathBuf| -> BTreeSet<String> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect()
    };
    assert_eq!(listed(folder()), names);
    assert_eq!(listed(folder().join("../fuzz_targets")), names);
    for name in names {
        assert!(seeds(&name).len() >= 3, "{name}");
    }
}

#[test]
fn seeds_and_their_variations_break_no_promise() {
    let mut wrong = Vec::new();
    for target in TARGETS {
        let seeds = seeds(target.name);
        // A fixed seed, so that the test always has the same outcome.
        let mut random = Rng::with_seed(1);
        let varied = (0..VARIATIONS).map(|_| vary(&mut random, &seeds));
        wrong.extend(seeds.iter().cloned().chain(varied).filter_map(|input| broken(target, &input)).take(SHOWN));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
