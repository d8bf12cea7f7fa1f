//! `docs/semantics.md` lists the types of the gateway's own errors, as in the table.
#![allow(clippy::unwrap_used, reason = "a test may panic, outside its own function as well")]

use std::fs;
use std::path::Path;

use outrigger_core::RefusalKind;

const BEGIN: &str = "| `type` | status | means |\n|---|---|---|\n";

/// `| `model_not_found` | 404 | no provider serves the model |`
fn rows() -> String {
    RefusalKind::ALL.iter().map(|kind| format!("| `{kind}` | {} | {} |\n", kind.status(), kind.meaning())).collect()
}

#[test]
fn the_page_lists_exactly_the_types_of_errors() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/semantics.md");
    let page = fs::read_to_string(&file).unwrap();
    let (before, after) = page.split_once(BEGIN).unwrap();
    let length: usize = after.split_inclusive('\n').take_while(|line| line.starts_with('|')).map(str::len).sum();
    let current = format!("{before}{BEGIN}{}{}", rows(), &after[length..]);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&file, &current).unwrap();
    } else {
        assert!(
            page == current,
            "docs/semantics.md is stale: run `UPDATE=1 cargo test -p outrigger-core --test refusal_docs`"
        );
    }
}
