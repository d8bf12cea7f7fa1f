//! `docs/operator-metrics.md` is written from what is registered in `operator/src/metrics.rs`.
#![allow(clippy::unwrap_used, reason = "a test may panic, outside its own function as well")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use outrigger_operator::admission::Webhook;
use outrigger_operator::api::CallFailure;
use outrigger_operator::ledger::finding_words;
use outrigger_operator::ledger::store::fault::StoreFault;
use outrigger_operator::metrics::{LeaderWork, LeaderWorkResult, LedgerWrite, OperatorMetrics};

const HEAD: &str = "\
# Metrics of the operator

Read this page if you watch the operator with Prometheus. Generated from what is registered in
`operator/src/metrics.rs` by `make docs`; do not edit it by hand. The metrics of gateways are in
[metrics](metrics.md).

`GET /metrics` on the metrics port answers in Prometheus's text format. `/healthz` and `/readyz` are
on the same port. Each replica reports about itself; what only the leader does is counted by the
leader. A metric with labels appears when it is first counted.

";

/// The closed vocabularies, and what else labels say.
fn labels() -> String {
    let works: Vec<String> = LeaderWork::ALL.map(|work| format!("`{}`: {}", work.word(), work.meaning())).into();
    let results: Vec<String> = LeaderWorkResult::ALL
        .map(|result| match result.meaning() {
            "" => format!("`{}`", result.word()),
            meaning => format!("or `{}`: {meaning}", result.word()),
        })
        .into();
    let written: Vec<String> = LedgerWrite::ALL
        .map(|result| match result.meaning() {
            "" => format!("`{}`", result.word()),
            meaning => format!("`{}`: {meaning}", result.word()),
        })
        .into();
    let findings: Vec<String> = finding_words::KINDS
        .map(|kind| format!("`{}`: {}", finding_words::word(kind), finding_words::meaning(kind)))
        .into();
    let faults: Vec<String> = StoreFault::ALL.map(|fault| format!("`{}`: {}", fault.word(), fault.advice())).into();
    let failures: Vec<String> = CallFailure::ALL.map(|failure| format!("`{}`", failure.word())).into();
    let webhooks: Vec<String> = Webhook::ALL.map(|webhook| format!("`{}`", webhook.word())).into();
    let [rest @ .., last] = &webhooks[..] else { panic!("there are webhooks") };
    format!(
        "
## Labels

| label | is |
|---|---|
| `work` | {} |
| `result` of work | {} |
| `kind` | of what is written: `ConfigMap`, `Secret`, or one of our kinds for its status |
| `result` of writes | `ok`, or why not: {} |
| `result` of the ledger's writes | {} |
| `finding` | why a gateway's report was refused: {} |
| `fault` | why the ledger's store does not serve, and what to do: {} |
| `verb`, `result` of actions | `forgive`, `reset`, `raise`, or `unknown` if the annotation can't be read; `ok` or `refused`: the object's status says why |
| `verb`, `code` | of a request to the API server; the code is the HTTP status, or `none` if there was no answer |
| `watch` | what is watched |
| `webhook` | {} or {last} |
| `effect`, `reason` | what became of the object, and the reason of a skip or a refusal ([annotations](annotations.md)) |
| `namespace` | of the pods |

",
        works.join("; "),
        results.join(", "),
        failures.join(", "),
        written.join("; "),
        findings.join("; "),
        faults.join("; "),
        rest.join(", "),
    )
}

const TAIL: &str = "\
## Questions

How long from `kubectl apply` to pushed, 99th percentile:

```promql
histogram_quantile(0.99, sum by (le) (rate(outrigger_operator_propagation_seconds_bucket[5m])))
```

Whether nobody leads, and whether anything fails:

```promql
max(outrigger_operator_leader) < 1
sum by (work) (rate(outrigger_operator_reconciles_total{result=\"error\"}[5m])) > 0
```

Gateways that run and are not connected:

```promql
max(outrigger_operator_live_sidecars) - sum(outrigger_operator_connected_sidecars)
```

Days until the certificate runs out (it is renewed ten days before):

```promql
min((outrigger_operator_certificate_expiry_timestamp_seconds - time()) / 86400)
```
";

#[test]
fn the_page_of_metrics_is_current() {
    let mut page = HEAD.to_owned();
    page.push_str("| metric | kind | labels | counts |\n|---|---|---|---|\n");
    let metrics = OperatorMetrics::new().unwrap();
    for metric in metrics.described() {
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        writeln!(page, "| `{}` | {} | {} | {} |", metric.name, metric.kind.word(), labels.join(", "), metric.help)
            .unwrap();
    }
    page.push_str(&labels());
    page.push_str(TAIL);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operator-metrics.md");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page, "docs/operator-metrics.md is not current: `make docs` writes it anew");
}
