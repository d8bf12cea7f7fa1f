//! The paths in `CONTRIBUTING.md` exist, and the diffs of its examples still apply to this crate.

#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

use std::fs;
use std::path::{Path, PathBuf};

fn house() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn page() -> String {
    fs::read_to_string(house().join("CONTRIBUTING.md")).unwrap()
}

#[test]
fn the_paths_of_this_crate_exist() {
    let page = page();
    let named = page.split('`').filter(|word| word.starts_with("crates/llm/"));
    // Words in capitals or with a star are placeholders.
    let plain = |word: &&str| !word.contains(['*', ' ', '\n']) && !word.contains("NAME") && !word.contains("FORMAT");
    let paths: Vec<&str> = named.filter(plain).collect();
    assert!(paths.len() > 10, "{paths:?}");
    for path in paths {
        assert!(house().join(path).exists(), "CONTRIBUTING.md names {path}");
    }
}

/// The hunks of a diff: a file, and the lines that must follow each other in it.
fn hunks(diff: &str) -> Vec<(String, Vec<String>)> {
    let mut hunks: Vec<(String, Vec<String>)> = Vec::new();
    for line in diff.lines().filter(|line| !line.starts_with('+')) {
        if let Some(file) = line.strip_prefix("--- a/") {
            hunks.push((file.to_owned(), Vec::new()));
        } else if let (Some((_, lines)), Some(line)) = (hunks.last_mut(), line.strip_prefix([' ', '-'])) {
            lines.push(line.to_owned());
        }
    }
    hunks
}

#[test]
fn the_diffs_of_toys_fit() {
    let page = page();
    let diffs = page.split("```diff\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let hunks: Vec<_> = diffs.flat_map(hunks).filter(|(file, _)| file.starts_with("crates/llm/")).collect();
    assert!(hunks.len() >= 6, "{hunks:?}");
    for (file, lines) in hunks {
        let text = fs::read_to_string(house().join(&file)).unwrap();
        assert!(!lines.is_empty() && text.contains(&lines.join("\n")), "{file} has no longer\n{}", lines.join("\n"));
    }
}
