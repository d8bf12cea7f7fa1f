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

Read this page if an object is not Ready, or if you wait for objects in scripts. Generated from the
tables in `operator/src/status/reason.rs` and `operator/src/status/conditions.rs` by `make docs`; do
not edit it by hand.

```console
$ kubectl wait --for=condition=Ready virtualkey/search --timeout=60s
$ kubectl get virtualkey search -o jsonpath='{.status.conditions}'
```

Every object has the same conditions. Each condition names the generation that it is about, and
`status.observedGeneration` names the generation that the operator processed last. So kstatus (Flux,
Argo CD, `kpt`) and `kubectl wait` never mistake an old condition for a new one. The time of a
condition is the time of its last change between True, False and Unknown.

| condition | True says |
|---|---|
";

const MIDDLE: &str = "
An object that is **invalid or unresolved** takes nothing down. Its last good version stays in
force, and the message says which generation that is. If the object has never been valid, its usable
parts are in force, or nothing. `Programmed` then names the generation that gateways serve. An
object that is **off** (`suspended: true`, or `expiresAt` has passed) is Ready with that reason: its
author asked for it, and it is in force.

A missing object is often just applied a little later than the object that refers to it. So
`Stalled` reports it after 30 seconds. It reports problems of the object itself at once. An object
that waits for a correction of another object (`DependencyInvalid`) is never Stalled.

`Programmed` counts the pods with a running gateway that are bound to the object. While they take a
new policy the condition stays as it was, for at most 30 seconds; for a new generation it is Unknown
during that time. `status.sidecars` says how many pods there are, a few seconds late. Messages never
contain the number.

```yaml
status:
  sidecars: {live: 12, connected: 12, programmed: 11, rejected: 1, summary: 11/12}
  summary:
    {spent: $0.42, limit: $100.00, available: $98.33, limitName: \"spec.limits.budgets[month]\",
     resets: \"2027-01-31T23:00:00Z\"}
```

`status.summary` is the limit that is used most. If nothing is spent yet, it is the one that lets
the least be spent in the same time: money before tokens before requests. `resets` is given for
windows of a day and longer. `spent` and `available` are given for limits that gateways share;
`status.limits` has all of those: see [budgets](budgets.md#see-how-a-limit-stands).
`status.actions` has what was [forgiven, reset and raised](budgets.md#forgive-reset-and-raise).

## Reasons

This list is closed. The message names the object and the field, and says what to do. When a
condition becomes False, or an object is switched off (`Suspended`, `Expired`), an Event says the
same with the same reason. If the same happens again, the Event counts it.

| reason | means | what to do |
|---|---|---|
";

const TAIL: &str = "
Events have more reasons:

- `NotInjected` is on the owner of a pod (its ReplicaSet, StatefulSet, DaemonSet or Job) that should
  have a gateway and has none. The Event has the command to type; `outrigger_uninjected_pods` counts
  the pods.
- `UsageRefused` is on a pod whose gateway reported impossible usage to the ledger: see
  [budgets](budgets.md#what-the-ledger-refuses). `outrigger_operator_ledger_findings_total` counts
  the reports.
- `LimitReached` is on an object of which a limit is used to one of its thresholds, or used up.
- `LimitRemoved` is on an object that has a limit no more of which something was spent. If the limit
  was renamed, what was spent does not count against the new name.
- `LimitAction` and `LimitActionRefused` are on an object whose annotation
  [`outrigger.dev/ledger-action`](budgets.md#forgive-reset-and-raise) asked for something.

## The network

`Unconnected`: gateways call the operator's Service on port 443, unless the chart says otherwise.
The Service leads to port 10250 of the operator's pods. If a namespace allows egress only by
NetworkPolicies, it also needs this policy, with the operator's namespace in it:

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

A pod that a policy selects may only send what this policy and the pod's other policies allow. This
policy allows DNS to any address, because a cluster's DNS is often at an address of the node, which
no selector can match. If providers listen on another port than 443, add that port.
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
    for reason in [
        EventReason::NotInjected,
        EventReason::UsageRefused,
        EventReason::LimitReached,
        EventReason::LimitRemoved,
        EventReason::LimitAction,
        EventReason::LimitActionRefused,
    ] {
        assert!(text.contains(&format!("`{}`", reason.word())));
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/conditions.md");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&file, &text).unwrap();
    }
    let committed = fs::read_to_string(&file).unwrap_or_default();
    let stale = "docs/conditions.md is stale: run `UPDATE=1 cargo test -p outrigger-operator --test condition_docs`";
    assert!(committed == text, "{stale}");
}

#[test]
fn reasons_have_the_shape_of_the_definitions_and_are_unique() {
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
