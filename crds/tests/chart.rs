//! The definitions in the chart are those of `yaml/`, byte for byte.

#![allow(clippy::unwrap_used, reason = "a test may panic, outside its own function as well")]

use std::fs;
use std::path::{Path, PathBuf};

use outrigger_crds::definitions::{every, to_yaml};

#[test]
fn the_charts_definitions_are_current() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/outrigger/charts/outrigger-crds/definitions");
    let mut expected: Vec<PathBuf> = Vec::new();
    for definition in every() {
        let file = folder.join(format!("{}.yaml", definition.spec.names.plural));
        let current = to_yaml(&definition).unwrap();
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&file, &current).unwrap();
        }
        let committed = fs::read_to_string(&file).unwrap_or_default();
        assert!(committed == current, "{} is stale: run `make crds`", file.display());
        // The chart adds annotations after this line, so it must occur once.
        assert_eq!(current.matches("\nmetadata:\n").count(), 1);
        expected.push(file);
    }
    let mut present: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    present.sort();
    expected.sort();
    assert_eq!(present, expected, "one file a kind, and no other");
}
