//! The catalogue uses the same names for capabilities as the schema.
#![allow(clippy::unwrap_used)] // The helpers here are tests too.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use outrigger_core::Capability;

/// The values of the `enum` of the field `capabilities` in the committed definition.
fn words_of_the_schema() -> BTreeSet<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crds/yaml/llmproviders.yaml");
    let yaml = fs::read_to_string(file).unwrap();
    let (_, capabilities) = yaml.split_once("capabilities:\n").unwrap();
    let (_, list) = capabilities.split_once("enum:\n").unwrap();
    list.lines().map_while(|line| line.trim().strip_prefix("- ")).map(str::to_owned).collect()
}

#[test]
fn capabilities_have_one_name_everywhere() {
    let known: BTreeSet<String> = Capability::ALL.iter().map(|one| one.name().to_owned()).collect();
    assert_eq!(known, words_of_the_schema());
}
