//! The types of a small crate that is written in this test.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic, outside its own function as well")]

use std::fs;

#[test]
fn types_are_found_in_all_places() {
    let folder = tempfile::tempdir().unwrap();
    let files = [
        (
            "lib.rs",
            "mod a; #[cfg(test)] mod of_tests; pub struct A; enum B {} union C { x: u8 } trait D {} type E = u8;",
        ),
        ("a.rs", "pub(super) struct F; #[kube(kind = \"G\", status = \"S\")] pub struct GSpec;"),
        ("a/b.rs", "#[kube(kind = \"HH\", struct = \"H\")] struct HSpec; fn f() { struct No; } mod m { struct I; }"),
        ("of_tests.rs", "struct No;"),
        ("a/tests.rs", "struct No;"),
        ("a/c.rs", "#[cfg(test)] mod tests { struct No; } impl Iterator for X { type Item = u8; }"),
        ("main.rs", "struct A; use a::No; // struct No;"),
        ("bin/j.rs", "struct J; const TEXT: &str = \"struct No;\";"),
    ];
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let found = outrigger_layers::types(folder.path()).unwrap();
    let types: Vec<String> = found
        .iter()
        .map(|(name, modules)| {
            format!("{name} {}", modules.iter().map(|module| module.join("/")).collect::<Vec<_>>().join(" "))
        })
        .collect();
    let a = ["A  main", "B ", "C ", "D ", "E ", "F a", "G a", "GSpec a"];
    assert_eq!(types, [&a[..], &["H a/b", "HSpec a/b", "I a/b", "J bin/j"]].concat());
}
