//! Generates `docs/metrics.md` from the declared metrics, and checks that `docs/decisions.md` explains exactly the
//! fields of a record, and that `docs/budgets.md` names the tests of its promises.
#![allow(clippy::unwrap_used, reason = "a test may panic, outside its own function as well")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use outrigger_sidecar::telemetry::metrics::Metrics;
use outrigger_sidecar::telemetry::record::{AttemptRecord, BudgetRecord, CandidateRecord, Record, ShadowRecord};
use serde_json::Value;

const HEAD: &str = "\
# Metrics

Read this page if you watch gateways with Prometheus. Generated from what is registered in
`sidecar/src/telemetry/metrics.rs` by `make docs`; do not edit it by hand. [Metrics of the
operator](operator-metrics.md) are on a page of their own.

`GET /metrics` on the admin port answers in Prometheus's text format. A metric with labels appears
when it is first counted.

";

const TAIL: &str = "
## Labels

The values are names of the policy or words of a closed list. They never come from the content of a
request.

| label | is |
|---|---|
| `key` | the VirtualKey's name |
| `provider`, `from`, `to` | the provider, by the name that the key has for it; `none` if nobody was asked |
| `model` | the model that was served, if the policy or the catalogue has it; else `other`; `none` if nobody was asked |
| `operation` | as in the [table](operations.md) |
| `status` | what the caller got; 499 if the caller left first |
| `stream` | `true` or `false` |
| `reason`, `result` | how an attempt failed ([semantics](semantics.md#9-closed-vocabularies)); `result` is `ok` if it did not fail |
| `type` of tokens | `input`, `cached` (a part of input), `output`, `reasoning` (a part of output) |
| `type` of refusals | the type of the gateway's own error ([semantics](semantics.md#9-closed-vocabularies)) |
| `rule` | the rule, as namespace/name |
| `budget`, `limit` | the object and the place in it: `VirtualKey search/search: spec.limits.budgets[month]`, `Budget search/team` |
| `unit` | what a limit counts: `usd`, `tokens` or `requests` |
| `percent`, `action` | the threshold: from where on, and `notify`, `downgrade` or `reject` |
| `revision` | the policy's sequence and the beginning of its digest |

A request that is refused before its key is known (an unknown path, no key, an unknown key) is
counted under the key `none` and in `outrigger_refusals_total`. Its record has no key.

## Questions

The share of requests that another provider had to take over, by the provider that failed:

```promql
sum by (from, reason) (rate(outrigger_failovers_total[5m])) / ignoring(from, reason) group_left sum(rate(outrigger_requests_total[5m]))
```

What the gateway itself adds, 99th percentile:

```promql
histogram_quantile(0.99, sum by (le) (rate(outrigger_overhead_seconds_bucket[5m])))
```

What a key costs an hour, by model:

```promql
sum by (key, model) (increase(outrigger_cost_usd_total[1h]))
```

Tokens a key used today, by provider:

```promql
sum by (key, provider, type) (increase(outrigger_tokens_total[1d]))
```

Budgets of which more than 80 % are spent:

```promql
outrigger_budget_spent_usd / outrigger_budget_limit_usd > 0.8
```
";

fn document(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name)
}

#[test]
fn metrics() {
    let mut text = HEAD.to_owned();
    text.push_str("| metric | type | labels | counts |\n|---|---|---|---|\n");
    let metrics = Metrics::new().unwrap();
    let described = metrics.described();
    for metric in described {
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let labels = if labels.is_empty() { " ".to_owned() } else { format!(" {} ", labels.join(", ")) };
        writeln!(text, "| `{}` | {} |{labels}| {} |", metric.name, metric.kind.word(), metric.help).unwrap();
        // All labels are explained, and every metric in a query exists.
        assert!(metric.labels.iter().all(|label| TAIL.contains(&format!("`{label}`"))), "{metric:?}");
    }
    for word in TAIL.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_') {
        let name = word.trim_end_matches("_bucket");
        assert!(!name.starts_with("outrigger_") || described.iter().any(|metric| metric.name == name), "{name}");
    }
    text.push_str(TAIL);
    let file = document("metrics.md");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&file, &text).unwrap();
    }
    let committed = fs::read_to_string(&file).unwrap_or_default();
    assert!(committed == text, "docs/metrics.md is stale: run `UPDATE=1 cargo test -p outrigger-sidecar --test docs`");
}

/// The names of all fields, nested ones with their path: `attempts[].ms`, `tokens.input`.
fn names(value: &Value, path: &str, all: &mut BTreeSet<String>) {
    for (name, field) in value.as_object().into_iter().flatten() {
        let here = format!("{path}{name}");
        match field {
            Value::Array(items) => items.iter().for_each(|item| names(item, &format!("{here}[]."), all)),
            field => names(field, &format!("{here}."), all),
        }
        all.insert(here);
    }
}

#[test]
fn every_field_of_a_record_is_explained() {
    let text = String::new;
    let attempt =
        AttemptRecord { provider: text(), model: text(), credential: None, status: None, error: None, ms: 0.0 };
    let record = Record {
        candidates: vec![CandidateRecord { provider: text(), model: text(), skipped: None }],
        attempts: vec![attempt],
        budgets: vec![BudgetRecord {
            name: text(),
            unit: "usd",
            spent: text(),
            limit: text(),
            since: None,
            as_of: None,
        }],
        shadow: Some(ShadowRecord { rule: text(), provider: None, model: None }),
        ..Record::default()
    };
    let mut expected = BTreeSet::new();
    names(&serde_json::to_value(&record).unwrap(), "", &mut expected);
    for deep in ["attempts[].ms", "budgets[].spent", "shadow.rule", "tokens.cached"] {
        assert!(expected.contains(deep), "the walk finds {deep}");
    }

    let page = fs::read_to_string(document("decisions.md")).unwrap();
    let explained: BTreeSet<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` |"))
        .map(|(name, _)| name.to_owned())
        .collect();
    assert_eq!(explained, expected, "docs/decisions.md and sidecar/src/telemetry/record.rs");
}

/// Each of the ten promises about budgets names its test, which says by its number of which promise it is.
#[test]
fn each_promise_about_budgets_has_its_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap();
    let tests = ["crates/ledger/tests/acceptance.rs", "sidecar/tests/gateway/acceptance.rs"].map(read).join("\n");
    let page = read("docs/budgets.md");
    let (_, section) = page.split_once("\n## Ten promises, and their tests\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let rows = section.lines().filter_map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        Some((cells.first()?.parse::<usize>().ok()?, cells.last()?.trim_matches('`').to_owned()))
    });
    let rows: Vec<(usize, String)> = rows.collect();
    assert_eq!(rows.iter().map(|(number, _)| *number).collect::<Vec<_>>(), (1..=10).collect::<Vec<_>>());
    for (number, name) in rows {
        let (_, test) = tests.split_once(&format!("/// Sentence {number}.")).unwrap_or_else(|| panic!("{number}"));
        let (_, found) = test.split_once("fn ").unwrap();
        assert!(found.starts_with(&format!("{name}(")), "promise {number}: {name}");
    }
}
