//! The graph of small crates that are written in these tests.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic, outside its own function as well")]

use std::fs;

use outrigger_layers::Graph;

/// The graph of a crate with these files.
fn graph(files: &[(&str, &str)]) -> Graph {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    Graph::of(folder.path()).unwrap()
}

/// Its circles, as `a b`.
fn cycles(files: &[(&str, &str)]) -> Vec<String> {
    let graph = graph(files);
    let cycles = graph.cycles(1).into_iter().map(|cycle| {
        let mut names: Vec<String> = cycle.iter().map(|module| module.join("/")).collect();
        names.sort();
        names.join(" ")
    });
    cycles.collect()
}

#[test]
fn a_circle_is_found_in_every_notation() {
    let closing = [
        "use crate::a::A;",
        "use super::a::{self, A as B};",
        "use crate::{a::A, c};",
        "fn f(x: crate::a::A) {}",
        "fn f() { crate::a::f(); }",
        "fn f() { println!(\"{}\", crate::a::N); }",
        "mod inside { use super::super::a::A; }",
        // Through the root, which re-exports it from `a`.
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
fn one_direction_is_no_circle() {
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
fn a_file_may_need_its_parent() {
    let inner = [("lib.rs", "mod a;"), ("a.rs", "mod x; mod y; pub struct A; use x::X; use self::y::Y;")];
    let files = [("a/x.rs", "use super::A; pub struct X;"), ("a/y.rs", "use super::super::a::A; pub struct Y;")];
    assert!(cycles(&[inner, files].concat()).is_empty());
    let files = [("a/x.rs", "use super::y::Y; pub struct X;"), ("a/y.rs", "use super::x::X; pub struct Y;")];
    assert_eq!(cycles(&[inner, files].concat()), ["a/x a/y"]);
}

#[test]
fn an_arrow_between_rooms_must_go_down() {
    let graph = graph(&[
        ("lib.rs", "mod top; mod left; mod right; mod base; pub use top::Top;"),
        ("top/mod.rs", "mod inner; pub struct Top; use crate::left::Left; use crate::base::deep::Deep;"),
        ("top/inner.rs", "use super::Top; use crate::right::Right;"),
        ("left.rs", "pub struct Left; use crate::right::Right;"),
        ("right.rs", "pub struct Right; use crate::left::Left;"),
        ("base/mod.rs", "pub mod deep; use crate::Top;"),
        ("base/deep.rs", "pub struct Deep; fn f() { crate::left::g(); }"),
        ("base/tests.rs", "use crate::top::Top;"),
    ]);
    assert_eq!(graph.rooms().into_iter().collect::<Vec<_>>(), ["base", "left", "right", "top"]);
    let layers = |text: &str| -> Vec<Vec<String>> {
        text.split(" > ").map(|layer| layer.split(' ').map(str::to_owned).collect()).collect()
    };
    let rising = [
        // Through the root, which re-exports it from `top`; and inside a function.
        "base -> top (crate::Top)",
        "base/deep -> left (crate::left::g)",
    ];
    assert_eq!(graph.rising(&layers("top > left right > base")), rising);
    assert_eq!(
        graph.rising(&layers("top > left > right > base")),
        [&rising[..], &["right -> left (crate::left::Left)"]].concat()
    );
    assert!(graph.rising(&layers("top left right base")).is_empty());
}
