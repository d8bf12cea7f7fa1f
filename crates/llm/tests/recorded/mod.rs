//! Recorded exchanges with providers.

#![allow(dead_code, reason = "each test reads its own part")]
#![allow(clippy::expect_used, clippy::print_stderr, reason = "tests fail loudly, and say when they did not run")]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use flate2::read::GzDecoder;
use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub struct Exchange {
    pub file: String,
    pub i: u64,
    pub provider: String,
    pub api: String,
    pub status: u16,
    pub kind: String,
    pub resp_headers: Option<BTreeMap<String, String>>,
    pub body: Option<String>,
    /// Of a body that is no text.
    pub body_b64: Option<String>,
    pub path: String,
    pub req: Option<serde_json::Value>,
}

fn open(name: &str) -> Option<GzDecoder<File>> {
    let Some(folder) = std::env::var_os("OUTRIGGER_CORPUS") else {
        eprintln!("skipped: OUTRIGGER_CORPUS is not set");
        return None;
    };
    Some(GzDecoder::new(File::open(Path::new(&folder).join(name)).expect("OUTRIGGER_CORPUS holds the recordings")))
}

/// All exchanges; `None`, with a line that says so, if `OUTRIGGER_CORPUS` is unset.
pub fn exchanges() -> Option<Vec<Exchange>> {
    let lines = BufReader::new(open("recorded.jsonl.gz")?).lines();
    let exchanges: Vec<Exchange> =
        lines.map(|line| serde_json::from_str(&line.expect("gzip")).expect("an exchange")).collect();
    assert!(exchanges.len() > 1_000, "the recordings are not whole");
    Some(exchanges)
}

/// Gemini's unusual answers, by file name.
pub fn gemini_answers() -> Option<BTreeMap<String, Vec<u8>>> {
    let mut tar = Vec::new();
    open("firebase-gemini-mock-responses.tar.gz")?.read_to_end(&mut tar).expect("gzip");
    let mut answers = BTreeMap::new();
    // A tar archive: headers of 512 bytes with the name first and the size, octal, at 124; contents padded to 512.
    let mut rest = &tar[..];
    while rest.len() >= 512 && rest[0] != 0 {
        let (header, after) = rest.split_at(512);
        let field = |from: usize, to: usize| {
            let text = String::from_utf8_lossy(&header[from..to]);
            text.split(['\0', ' ']).next().unwrap_or_default().to_owned()
        };
        let size = usize::from_str_radix(&field(124, 136), 8).expect("a size");
        if header[156] == b'0' {
            answers.insert(field(0, 100), after[..size].to_vec());
        }
        rest = after.get(size.next_multiple_of(512)..).unwrap_or_default();
    }
    assert!(answers.len() > 100, "the answers are not whole");
    Some(answers)
}
