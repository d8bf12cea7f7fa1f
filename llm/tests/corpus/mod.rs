//! Recorded exchanges with providers, read where they lie.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[allow(dead_code, reason = "each test reads its own part")]
pub struct Exchange {
    pub file: String,
    pub i: u64,
    pub provider: String,
    pub api: String,
    pub status: u16,
    pub kind: String,
    pub resp_headers: Option<BTreeMap<String, String>>,
    pub body: Option<String>,
}

/// All of them; `None`, with a line that says so, when `OUTRIGGER_CORPUS` names no folder.
#[allow(clippy::print_stderr, reason = "a test that did not run must say so")]
pub fn recorded() -> Option<Vec<Exchange>> {
    let Some(folder) = std::env::var_os("OUTRIGGER_CORPUS") else {
        eprintln!("skipped: OUTRIGGER_CORPUS is not set");
        return None;
    };
    let file = File::open(Path::new(&folder).join("recorded.jsonl.gz")).expect("OUTRIGGER_CORPUS holds the recordings");
    let lines = BufReader::new(flate2::read::GzDecoder::new(file)).lines();
    let exchanges: Vec<Exchange> =
        lines.map(|line| serde_json::from_str(&line.expect("gzip")).expect("an exchange")).collect();
    assert!(exchanges.len() > 1_000, "the recordings are not whole");
    Some(exchanges)
}
