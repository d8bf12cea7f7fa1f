//! The names of reasons for skipped candidates are stable: `docs/semantics.md` lists them.
#![allow(clippy::unwrap_used)] // The helpers here are tests too.

use std::fs;
use std::path::Path;

use outrigger_policy::{LimitIndex, Skip};

/// The list item that begins with `start`.
fn listed(start: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/semantics.md");
    let page = fs::read_to_string(file).unwrap();
    let (_, rest) = page.split_once(start).unwrap();
    rest.split("\n- ").next().unwrap().to_owned()
}

#[test]
fn every_reason_to_skip_is_listed() {
    let words = listed("\n- Why a candidate was passed over:");
    let limit = LimitIndex::from(0);
    for skip in [
        Skip::ProviderBlocked,
        Skip::ModelBlocked,
        Skip::CredentialBlocked,
        Skip::Breaker,
        Skip::Cooldown,
        Skip::Unhealthy,
        Skip::Budget(limit),
        Skip::Limit(limit),
        Skip::Concurrency,
        Skip::Unpriced,
    ] {
        assert!(words.contains(&format!("`{skip}`")), "{skip} is not in {words}");
    }
    assert!(words.contains("`unsupported: <field>`") && Skip::Unsupported(String::new()).word() == "unsupported");
}
