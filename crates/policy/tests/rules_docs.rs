//! Generates `docs/rules.md` from the tables of variables and functions, and compiles its examples.
#![allow(clippy::unwrap_used, reason = "a test may panic, outside its own function as well")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use outrigger_policy::{Expression, FUNCTIONS, VARIABLES, bounds, grouped};

const HEAD: &str = "\
# Conditions of rules

Read this page if you write `spec.when` of a `RoutingRule`. Generated from the tables in
`crates/policy/src/` by `make docs`; do not edit it by hand.

- [Variables](#variables)
- [Functions](#functions)
- [Examples](#examples)
- [What a condition may cost](#what-a-condition-may-cost)
- [What a match does](#what-a-match-does)

`spec.when` is an expression in [CEL](https://cel.dev) that is true or false. It is compiled when
the policy is built, and tried on a sample of each request type. So `outrigger check` reports a
misspelt name, or a type that does not fit, with its place. [Semantics](semantics.md#8-rules) says
which rule is asked first and what follows. [Objects](api.md#routingrule) lists the other fields of
the object.

## Variables

| variable | type | is |
|---|---|---|
";

const MIDDLE: &str = "
If a header, parameter or label is not there, the condition is false, unless the rest of it decides.
Names of headers are in lower case. Headers that carry credentials are not there. The values of
`request_type` are in the [table of operations](operations.md), in the column *in rules*.

`budget_used`, `tokens_used` and `request` look at the limits that count the request as it is asked
for, whoever serves it: the limits of the key itself, the Budgets that it names, the Budgets that
apply to the key or to the model, and all their parents. If the name has a provider in front, they
also look at the limits of the key's entry for that provider, at those of the provider, and at the
Budgets that apply to it. The fullest one counts: 100 is used up, more is a debt, and without such a
limit the value is 0. What is only reserved does not count. `session_used` looks at the limits on a
run or conversation (`limits.session`), of all units together; the other three do not.

Whole numbers and other numbers compare with each other (`budget_used > 85`). CEL calculates only
with numbers of one kind: write `budget_used + 1.0`, or `double(input_tokens) * 1.2`.
";

const TIMES: &str = "
`now` is read in UTC, or in a zone by its IANA name or its offset: `now.getHours(\"Europe/Paris\")`,
`now.getHours(\"+05:30\")`. The zones are built in, with daylight saving time. `outrigger check`
reports a misspelt zone. CEL counts `getMonth`, `getDayOfMonth` and `getDayOfYear` from 0, `getDate`
from 1, and `getDayOfWeek` from Sunday, which is 0. Compare `now` with a time such as
`timestamp(\"2026-12-01T00:00:00Z\")`.
";

const AFTER: &str = "
## What a match does

| field | does |
|---|---|
| `targets`, `fallbacks` | one target is drawn by weight among those that may be tried; the other targets follow, then the fallbacks |
| `action: Reject` | a 403 `request_rejected` with the rule's `message` |
| `chain: true` | the rules are asked again, about the drawn target: its provider as if it stood in front of the name, and its model. At most 10 times, and none that was passed through; if no other matches, this one decides |
| `mode: Shadow` | nothing: the next rule is asked. The decision tells what the first of these would have done that matched before a rule decided |
| `onError: Refuse` | where the condition fails at run time, a 400. Else that is no match; either way it is counted and told |

Rules of the operator's namespace act on the keys of every namespace, after the namespace's own
rules. The names in their `scope.virtualKeys` are names in any namespace.
";

/// The highest cost of a condition.
fn costs() -> String {
    let number = |number: usize| grouped(number as u64);
    let rows = [
        ("a condition", format!("{} characters", number(bounds::SOURCE)), "check, admission, plans, gateways"),
        ("operators, brackets and calls in each other", bounds::DEPTH.to_string(), "the same"),
        (
            "steps of one condition",
            number(bounds::RULE_STEPS as usize),
            "the same, for the largest request; and each request",
        ),
        ("memory that it makes", format!("{} bytes", number(bounds::RULE_BYTES as usize)), "the same"),
        ("steps of all conditions that a request asks", number(bounds::REQUEST_STEPS as usize), "each request"),
        ("memory that they make", format!("{} bytes", number(bounds::REQUEST_BYTES as usize)), "each request"),
        ("a regular expression", format!("{} bytes", bounds::PATTERN_TEXT), "check, admission, plans, gateways"),
        ("its table, compiled", format!("{} bytes", number(bounds::PATTERN_TABLE)), "the same"),
        ("the tables of one condition", format!("{} bytes", number(bounds::PATTERN_TABLES)), "the same"),
        (
            "letters of a range in a class, where `(?i)` stands in the expression",
            format!("{}; no `\\p`, no negated class in another", number(bounds::FOLDED_RANGE)),
            "the same",
        ),
        ("the regular expressions of a policy", format!("{} bytes", number(bounds::PATTERNS)), "gateways"),
        ("entries of `headers`, `params` and `labels`, each", bounds::ENTRIES.to_string(), "each request"),
        ("one of their names", format!("{} bytes", bounds::NAME), "each request"),
        ("one of their values", format!("{} bytes", number(bounds::VALUE)), "each request"),
        ("all names and values of one of them", format!("{} bytes", number(bounds::ALL)), "each request"),
        ("`model`, `provider` and other texts", format!("{} bytes", number(bounds::TEXT)), "each request"),
    ];
    let mut text = "\n## What a condition may cost\n\n".to_owned();
    text.push_str(COSTS);
    text.push_str("\n| what | at most | looked at by |\n|---|---|---|\n");
    for (what, most, by) in rows {
        writeln!(text, "| {what} | {most} | {by} |").unwrap();
    }
    text.push_str(BEYOND);
    text
}

const COSTS: &str = "\
Conditions are evaluated for every request, so none may be expensive. When a condition is compiled,
the most that it can cost is computed, for the largest request that rules are shown.
`outrigger check`, the operator and gateways compute the same. A condition that may cost too much is
refused, and the message names the part: for example a macro inside another one, or texts that grow
in one. A gateway also counts what each request costs. Costs are counted in steps, so that the same
request costs the same everywhere. A step takes at most about 20 nanoseconds (12 where it was
measured). So all conditions of a request together take at most a millisecond of one processor.
";

const BEYOND: &str = "
If a pattern is not written behind `matches` itself, each text of the condition may be one. Texts
that are too large count as a table of the largest size. Texts that are no regular expression count
as 16 bytes for each of their bytes.

A condition that exceeds a limit at run time is an error of its rule. The rule does not match, the
error is counted in `outrigger_rule_errors_total` and logged, and with `onError: Refuse` the request
is a 400. Shadow rules, and rules that are asked again after `chain`, share the same steps. What a
request has beyond the last rows of the table is not cut off: a condition that reads it fails.

The pattern of `matches` must be written in the rule. It may be one of several:
`[\"^gpt\", \"^o[0-9]\"].exists(p, model.matches(p))`. It is compiled with the rule. A text with
letters outside ASCII costs more to match. That is counted for each request, and is not part of the
cost that is computed beforehand.

Tests of rules are limited as well. One test may take 5,000,000 steps. `outrigger check` runs tests
for about 30 seconds, and reports tests that it did not get to as errors. The operator runs the
tests of a namespace for about 100 milliseconds, and the tests of what serves in place of broken
objects for as long again. Rules whose tests it did not get to are served, with a warning in their
conditions.
";

/// Common conditions, and their meaning.
const EXAMPLES: [(&str, &str); 13] = [
    (r#"model == "gpt-4o-mini""#, "one model, with or without a provider in front"),
    (r#"model.startsWith("gpt-")"#, "a family of models"),
    (r#"model.matches("^(gpt|o[0-9])")"#, "a regular expression"),
    (r#"model in ["fast", "cheap"]"#, "names that no provider has: a rule may give them a meaning"),
    (r#"headers["x-tier"] == "premium""#, "what the application says of itself"),
    (r#""x-tier" in headers && headers["x-tier"] != "free""#, "a header that must be there"),
    (r#"request_type == "embedding""#, "an operation"),
    (r#"team_name == "search" && !request_type.endsWith("_stream")"#, "a team, without streaming"),
    ("budget_used > 85", "money is running out: a rule may send what is left to a cheaper model"),
    ("input_tokens > 100000", "a long prompt"),
    (r#""Vision" in needs"#, "a request with pictures"),
    (
        r#"now.getHours("Europe/Paris") >= 22 || now.getDayOfWeek("Europe/Paris") in [0, 6]"#,
        "by night, and at weekends",
    ),
    (r#"labels["app"] == "batch""#, "the pods of one application"),
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
    text.push_str(TIMES);
    text.push_str("\n## Examples\n\n| condition | says |\n|---|---|\n");
    for (when, meaning) in EXAMPLES {
        Expression::compile(when).unwrap().try_on_samples().unwrap();
        writeln!(text, "| `{}` | {meaning} |", when.replace('|', "\\|")).unwrap();
    }
    text.push_str(&costs());
    text.push_str(AFTER);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/rules.md");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&file, &text).unwrap();
    }
    let committed = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        committed == text,
        "docs/rules.md is stale: run `UPDATE=1 cargo test -p outrigger-policy --test rules_docs`"
    );
}
