//! The files that `CONTRIBUTING.md` names exist, and the diffs of its examples still apply.

#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

use std::fs;
use std::path::{Path, PathBuf};

/// Folders at the top. A name in backticks that begins with one of them is a path.
const FOLDERS: [&str; 13] = [
    "bench/",
    "charts/",
    "cli/",
    "crates/",
    "crds/",
    "docs/",
    "examples/",
    "fuzz/",
    "operator/",
    "scripts/",
    "sidecar/",
    "tests/",
    ".ci/",
];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn page() -> String {
    fs::read_to_string(repository().join("CONTRIBUTING.md")).unwrap()
}

#[test]
fn named_files_exist() {
    let page = page();
    // Diffs are checked below. They add files that do not exist.
    let prose: String = page.split("```").step_by(2).collect();
    // A bare file name belongs to the folder that was named before it.
    let (mut paths, mut folder) = (Vec::new(), PathBuf::new());
    for word in prose.split('`').skip(1).step_by(2) {
        // Words in capitals or with a star are placeholders.
        let is_placeholder = ["NAME", "FORMAT", "KIND", "*"].iter().any(|part| word.contains(part));
        if is_placeholder || word.contains([' ', '\n', ':', '(']) {
            continue;
        }
        if FOLDERS.iter().any(|folder| word.starts_with(folder)) {
            paths.push(PathBuf::from(word));
            let path = Path::new(word);
            folder = if word.ends_with('/') { path } else { path.parent().unwrap() }.to_owned();
        } else if word.ends_with(".rs") {
            paths.push(folder.join(word));
        }
    }
    assert!(paths.len() > 60, "{paths:?}");
    let missing: Vec<_> = paths.iter().filter(|path| !repository().join(path).exists()).collect();
    assert!(missing.is_empty(), "CONTRIBUTING.md names files that do not exist: {missing:?}");
}

/// The hunks of a diff: a file, and the lines that must follow each other in it.
fn hunks(diff: &str) -> Vec<(String, Vec<Vec<String>>)> {
    let mut hunks: Vec<(String, Vec<Vec<String>>)> = Vec::new();
    for line in diff.lines().filter(|line| !line.starts_with('+')) {
        if let Some(file) = line.strip_prefix("--- a/") {
            hunks.push((file.to_owned(), vec![Vec::new()]));
        } else if let Some((_, runs)) = hunks.last_mut() {
            match line.strip_prefix([' ', '-']) {
                Some(line) => runs.last_mut().unwrap().push(line.to_owned()),
                // `@@`: what follows is elsewhere in the file.
                None => runs.push(Vec::new()),
            }
        }
    }
    hunks
}

#[test]
fn example_diffs_apply() {
    let page = page();
    let diffs = page.split("```diff\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let hunks: Vec<_> = diffs.flat_map(hunks).collect();
    assert!(hunks.len() >= 8, "{hunks:?}");
    for (file, runs) in hunks {
        let text = fs::read_to_string(repository().join(&file)).unwrap();
        assert!(runs.iter().any(|run| !run.is_empty()), "{file}: the example has no context");
        for run in runs {
            assert!(text.contains(&run.join("\n")), "{file} has no longer\n{}", run.join("\n"));
        }
    }
}
