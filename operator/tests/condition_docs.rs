//! `docs/conditions.md` is written from the tables in `operator/src/status/reason.rs` and `operator/src/status/conditions.rs`.
#![allow(clippy::unwrap_used, reason = "a test may panic, outside its own function as well")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use outrigger_operator::status::ConditionType;
use outrigger_operator::status::events::EventReason;
use outrigger_operator::status::reason::ConditionReason;

const HEAD: &str = "\
# Conditions

Written from the tables in `operator/src/status/reason.rs` and `operator/src/status/conditions.rs`; `make docs` writes it anew. Not edited by
hand.

```console
$ kubectl wait --for=condition=Ready virtualkey/search --timeout=60s
$ kubectl get virtualkey search -o jsonpath='{.status.conditions}'
```

Every object has the same conditions. Each names the generation that it speaks of, and `status.observedGeneration` says which one was
judged last, so that kstatus (Flux, Argo CD, `kpt`) and `kubectl wait` never take an old word for a new one. A condition's time is
that of its last change between True, False and Unknown.

| condition | True says |
|---|---|
";

const MIDDLE: &str = "
What is **invalid or unresolved** takes nothing down: the last good version goes on, and the message says which generation that is; where
an object has never been good, what can be used of it serves, or nothing. `Programmed` then names the generation that gateways serve.
What is **off** (`suspended: true`, `expiresAt` has passed) is Ready with that reason: it is what its author asked for, and it is in force.

A name that names nothing yet is often only the order in which objects are applied: `Stalled` says so after 30 seconds, and at once what is
wrong with an object by itself. What waits for another object to be mended (`DependencyInvalid`) is never Stalled.

`Programmed` counts the pods that are bound to the object, with a gateway that runs. While they are taking a new policy it stays as it was,
for 30 seconds at most; of a new generation it is Unknown so long. How many they are stands in `status.sidecars`, a few seconds
late, and never in a message.

```yaml
status:
  sidecars: {live: 12, connected: 12, programmed: 11, rejected: 1, summary: 11/12}
  summary: {limit: \"100\", limitName: \"spec.limits.budgets[month]\", resets: \"2027-01-31T23:00:00Z\"}
```

`status.summary` is the limit that lets the least be spent: money before tokens before requests. `resets` is told for days and longer.
What is spent is known to each gateway, and told on its `/metrics`.

## Reasons

A closed list. The message has the object, the field and what to do. When a condition becomes False, or an object is off from now on
(`Suspended`, `Expired`), an Event says the same with the same reason; the same words again are counted on it.

| reason | means | what to do |
|---|---|---|
";

const TAIL: &str = "
One more is the reason of Events alone: `NotInjected`, at what made a pod (its ReplicaSet, StatefulSet, DaemonSet or Job) that should carry a
gateway and does not. The Event has the command to type; `outrigger_uninjected_pods` counts them.

## The network

`Unconnected`: gateways call the operator's Service, port 443 unless the chart was told otherwise, which leads to port 10250 of its pods. A
namespace that lets out only what it names needs this one beside its others, with the operator's namespace in it:

```yaml
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: outrigger-gateways}
spec:
  podSelector:
    matchExpressions: [{key: outrigger.dev/sidecar, operator: Exists}]
  policyTypes: [Egress]
  egress:
  - to:                                   # the operator
    - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: outrigger-system}}
      podSelector: {matchLabels: {app.kubernetes.io/name: outrigger}}
    ports: [{port: 10250}]
  - ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}, {port: 443}]   # names, and the providers
```

A policy that selects a pod lets out only what it and its other policies name. Names are asked for anywhere here, because a cluster's DNS is
often at an address of the node, which no selector finds. Providers that listen at another port than 443 need that one, too.
";

#[test]
fn conditions() {
    let mut text = HEAD.to_owned();
    for kind in ConditionType::ALL {
        writeln!(text, "| `{}` | {} |", kind.word(), kind.meaning()).unwrap();
    }
    text.push_str(MIDDLE);
    for reason in ConditionReason::ALL {
        let remedy = if reason.remedy().is_empty() { "Nothing." } else { reason.remedy() };
        writeln!(text, "| `{}` | {} | {remedy} |", reason.word(), reason.meaning()).unwrap();
    }
    text.push_str(TAIL);
    assert!(text.contains(&format!("`{}`", EventReason::NotInjected.word())));
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/conditions.md");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&file, &text).unwrap();
    }
    let committed = fs::read_to_string(&file).unwrap_or_default();
    let stale = "docs/conditions.md is stale: run `UPDATE=1 cargo test -p outrigger-operator --test condition_docs`";
    assert!(committed == text, "{stale}");
}

#[test]
fn words_are_of_the_shape_that_definitions_ask_for_and_lead_back() {
    let words: BTreeSet<&str> = ConditionReason::ALL.into_iter().map(ConditionReason::word).collect();
    assert_eq!(words.len(), ConditionReason::ALL.len());
    for word in words {
        assert!(word.bytes().all(|byte| byte.is_ascii_alphabetic()), "{word}");
        assert_eq!(ConditionReason::named(word).map(ConditionReason::word), Some(word));
    }
    assert_eq!(ConditionReason::named("Odd"), None);
}

#[test]
fn the_network_policy_is_yaml() {
    let block = TAIL.split("```").nth(1).unwrap().trim_start_matches("yaml\n");
    let policy: serde_json::Value = serde_yaml::from_str(block).unwrap();
    assert_eq!(policy["spec"]["egress"][0]["ports"][0]["port"], 10250);
}
