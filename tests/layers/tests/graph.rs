//! The graph of small crates that are written down here.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic, outside its own function as well")]

use std::fs;

use outrigger_layers::Graph;

/// Cycles of the crate with these files, as `a b`.
fn cycles(files: &[(&str, &str)]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let graph = Graph::of(folder.path()).unwrap();
    let told = graph.cycles(1).into_iter().map(|cycle| {
        let mut names: Vec<String> = cycle.iter().map(|module| module.join("/")).collect();
        names.sort();
        names.join(" ")
    });
    told.collect()
}

#[test]
fn a_circle_is_found_however_its_arrows_are_written() {
    let closing = [
        "use crate::a::A;",
        "use super::a::{self, A as B};",
        "use crate::{a::A, c};",
        "fn f(x: crate::a::A) {}",
        "fn f() { crate::a::f(); }",
        "fn f() { println!(\"{}\", crate::a::N); }",
        "mod inside { use super::super::a::A; }",
        // Through the root, which has it from `a`.
        "use crate::A;",
        // Through another module.
        "use crate::d::A;",
        "use crate::a::*;",
    ];
    for last in closing {
        let found = cycles(&[
            ("lib.rs", "mod a; mod b; mod c; mod d; pub use a::A;"),
            ("a.rs", "use crate::b::B; pub struct A; pub const N: u8 = 0; pub fn f() {}"),
            ("b.rs", "use crate::c; pub struct B;"),
            ("c.rs", last),
            ("d.rs", "pub use super::a::A;"),
        ]);
        assert_eq!(found, ["a b c"], "{last}");
    }
}

#[test]
fn what_goes_one_way_is_no_circle() {
    for last in [
        "",
        "use std::a::A; use a::A;",
        "#[cfg(test)] mod tests { use crate::a::A; }",
        "#[cfg(test)] use crate::a::A;",
        "// use crate::a::A;\n/* crate::a::A */ const X: &str = \"crate::a::A\";",
        "mod a2 { pub mod a {} } use a2::a;",
    ] {
        let found = cycles(&[
            ("lib.rs", "mod a; mod b; mod c;"),
            ("a.rs", "use crate::b::B; pub struct A;"),
            ("b.rs", "use crate::c; pub struct B;"),
            ("c.rs", last),
            ("c/tests.rs", "use crate::a::A;"),
            ("main.rs", "use a::A;"),
        ]);
        assert!(found.is_empty(), "{last}: {found:?}");
    }
}

#[test]
fn a_file_may_need_the_one_around_it() {
    let inner = [("lib.rs", "mod a;"), ("a.rs", "mod x; mod y; pub struct A; use x::X; use self::y::Y;")];
    let files = [("a/x.rs", "use super::A; pub struct X;"), ("a/y.rs", "use super::super::a::A; pub struct Y;")];
    assert!(cycles(&[inner, files].concat()).is_empty());
    let files = [("a/x.rs", "use super::y::Y; pub struct X;"), ("a/y.rs", "use super::x::X; pub struct Y;")];
    assert_eq!(cycles(&[inner, files].concat()), ["a/x a/y"]);
}
