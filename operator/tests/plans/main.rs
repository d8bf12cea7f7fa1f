//! Which plans a cluster gets, and when.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic, outside its own function as well")]

mod many;
mod order;
mod past;
mod reach;
mod story;

use std::{fs, path::Path};

#[test]
fn stories_match_their_files() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plans/stories");
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 6, "the folder is found");
    let mut stale = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let current = story::with_plans(&text);
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&file, &current).unwrap();
        } else if text != current {
            stale.push(format!("{}:\n{current}", file.display()));
        }
    }
    assert!(stale.is_empty(), "run `UPDATE=1 cargo test -p outrigger-operator` and look:\n{}", stale.join("\n"));
}
