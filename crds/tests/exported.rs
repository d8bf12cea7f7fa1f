//! Exports the cases to a file. `tests/cluster` sends each of them to a real API server and compares the results.

#![allow(clippy::unwrap_used, reason = "a test may panic, outside its own function as well")]

mod cases;

use std::{fs, path::Path};

use cases::{VALID, invalid, object};
use serde_json::{Value, json};

#[test]
fn the_file_is_current() {
    let sound = VALID.iter().map(|(kind, spec)| json!({"object": object(kind, spec), "findings": []}));
    let unsound = invalid().map(|(kind, spec, findings)| json!({"object": object(kind, spec), "findings": findings}));
    let cases: Vec<Value> = sound.chain(unsound).collect();
    // One case a line, so that a diff shows the case.
    let lines: Vec<String> = cases.iter().map(|case| format!("  {case}")).collect();
    let current = format!("[\n{}\n]\n", lines.join(",\n"));
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cluster/objects.json");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&file, &current).unwrap();
    }
    let committed = fs::read_to_string(&file).unwrap_or_default();
    assert!(committed == current, "{} is stale: run `make crds`", file.display());
}
