//! `docs/rules.md` is written from the tables of variables and functions, and its examples are compiled.
#![allow(clippy::unwrap_used, reason = "a test may panic, outside its own function as well")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use outrigger_policy::{Expression, FUNCTIONS, VARIABLES};

const HEAD: &str = "\
# Conditions of rules

Written from the tables in `policy/src/`; `make docs` writes it anew. Not edited by hand.

`spec.when` of a `RoutingRule` is an expression in [CEL](https://cel.dev) that is true or false. It is compiled when the policy is built, and
tried on a sample of each request type: a misspelt name or a type that does not fit is told by `outrigger check`, with its place. Which rule
is asked first, and what follows: [semantics](semantics.md#8-rules). The object's other fields: [objects](api.md#routingrule).

## Variables

| variable | type | is |
|---|---|---|
";

const MIDDLE: &str = "
A header or parameter that the request does not have makes the condition false, unless the rest of it decides. Names of headers are in
lower case; headers that carry credentials are not there. The values of `request_type` stand in the [table of operations](operations.md),
in the column *in rules*.
";

/// Conditions that people ask for, and what each says.
const EXAMPLES: [(&str, &str); 8] = [
    (r#"model == "gpt-4o-mini""#, "one model, with or without a provider in front"),
    (r#"model.startsWith("gpt-")"#, "a family of models"),
    (r#"model.matches("^(gpt|o[0-9])")"#, "a regular expression"),
    (r#"model in ["fast", "cheap"]"#, "names that no provider has: a rule may give them a meaning"),
    (r#"headers["x-tier"] == "premium""#, "what the application says of itself"),
    (r#""x-tier" in headers && headers["x-tier"] != "free""#, "a header that must be there"),
    (r#"request_type == "embedding""#, "an operation"),
    (r#"team_name == "search" && !request_type.endsWith("_stream")"#, "a team, without streaming"),
];

#[test]
fn rules() {
    let mut text = HEAD.to_owned();
    for variable in VARIABLES {
        writeln!(text, "| `{}` | `{}` | {} |", variable.name, variable.kind, variable.meaning).unwrap();
    }
    text.push_str(MIDDLE);
    let listed = |names: &[&str]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    write!(
        text,
        "\n## Functions\n\n{}; the macros `has`, `all`, `exists`, `exists_one`, `map` and `filter`; and CEL's operators.\n",
        listed(&FUNCTIONS)
    )
    .unwrap();
    text.push_str("\n## Examples\n\n| condition | says |\n|---|---|\n");
    for (when, says) in EXAMPLES {
        Expression::compile(when).unwrap().try_on_samples().unwrap();
        writeln!(text, "| `{}` | {says} |", when.replace('|', "\\|")).unwrap();
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/rules.md");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&file, &text).unwrap();
    }
    let committed = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        committed == text,
        "docs/rules.md is stale: run `UPDATE=1 cargo test -p outrigger-policy --test rules_docs`"
    );
}
