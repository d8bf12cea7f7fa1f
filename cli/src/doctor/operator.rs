//! Checks the operator, its leader and its webhooks.

use jiff::Timestamp;
use serde_json::Value;

use super::cluster::ClusterState;
use super::line::{ReportLine, age, list, listed, name_of, text, value_of};

/// A Lease that was not renewed for this many seconds has no holder.
const LEASE_SECONDS: i64 = 60;
/// Webhooks whose absence goes unnoticed, and the consequence.
const WEBHOOKS: [(&str, &str); 2] = [
    ("pods.outrigger.dev", "pods that ask for a gateway get none"),
    ("workloads.outrigger.dev", "annotations on workloads do nothing"),
];

pub(super) fn check(state: &ClusterState, now: Timestamp) -> Vec<ReportLine> {
    let mut lines = Vec::new();
    let remote = webhooks(state, &mut lines);
    let operators: Option<Vec<&Value>> =
        listed(&state.operators, "the operator", &mut lines).map(|all| all.iter().collect());
    match operators.as_deref() {
        None => {}
        Some([]) => match remote {
            Some(url) => {
                lines.insert(0, ReportLine::note(format!("operator: none in this cluster, webhooks call {url}")))
            }
            None => lines.insert(
                0,
                ReportLine::wrong("operator: no Deployment has the label app.kubernetes.io/part-of=outrigger")
                    .with("install it: docs/install.md"),
            ),
        },
        Some(operators) => {
            let problems = operators.iter().map(|operator| replicas(operator));
            let mut first: Vec<ReportLine> = problems.collect();
            if operators.len() > 1 {
                let names: Vec<String> = operators.iter().map(|one| name_of(one)).collect();
                let text = format!("operator: {} write the same objects", names.join(" and "));
                first.push(ReportLine::wrong(text).with("keep one: helm uninstall the other"));
            }
            first.extend(lease(state, operators, now));
            lines.splice(0..0, first);
        }
    }
    lines
}

/// The version of an operator.
pub(super) fn version(operator: &Value) -> &str {
    let label = value_of(operator, "labels", "app.kubernetes.io/version");
    let image = || {
        let image = text(operator, "/spec/template/spec/containers/0/image");
        let name = image.rsplit('/').next().unwrap_or(image);
        name.split_once(':').map_or("", |(_, tag)| tag)
    };
    label.unwrap_or_else(image)
}

fn replicas(operator: &Value) -> ReportLine {
    let number = |pointer: &str| operator.pointer(pointer).and_then(Value::as_u64).unwrap_or_default();
    let (wanted, ready) = (number("/spec/replicas"), number("/status/readyReplicas"));
    let qualified = name_of(operator);
    let text = format!("operator: deployment {qualified}, version {}, {ready} of {wanted} ready", version(operator));
    match ready {
        0 => {
            let (namespace, name) = qualified.split_once('/').unwrap_or_default();
            let hint = format!(
                "kubectl describe pods -n {namespace} -l app.kubernetes.io/part-of=outrigger\nkubectl logs -n {namespace} deployment/{name}"
            );
            ReportLine::wrong(text).with(hint)
        }
        ready if ready < wanted => ReportLine::note(text),
        _ => ReportLine::well(text),
    }
}

/// Checks the leader.
fn lease(state: &ClusterState, operators: &[&Value], now: Timestamp) -> Option<ReportLine> {
    let mut lines = Vec::new();
    let Some(leases) = listed(&state.leases, "who leads", &mut lines) else { return lines.pop() };
    let homes: Vec<&str> = operators.iter().map(|operator| text(operator, "/metadata/namespace")).collect();
    let lease = leases.iter().find(|lease| homes.contains(&text(lease, "/metadata/namespace")));
    let log = "look at its log: kubectl logs -n NAMESPACE -l app.kubernetes.io/part-of=outrigger --tail=50"
        .replace("NAMESPACE", homes.first().copied().unwrap_or_default());
    let holder = lease.map(|lease| text(lease, "/spec/holderIdentity")).filter(|holder| !holder.is_empty());
    let old = lease.and_then(|lease| age(lease, "/spec/renewTime", now)).filter(|age| *age > LEASE_SECONDS);
    match (holder, old) {
        (None, _) => Some(ReportLine::wrong("leader: no replica is the leader, so nothing is written").with(log)),
        (Some(holder), Some(age)) => {
            let text = format!("leader: {holder} has not renewed its Lease for {age} s, and no replica has taken over");
            Some(ReportLine::wrong(text).with(log))
        }
        (Some(holder), None) => Some(ReportLine::well(format!("leader: {holder}"))),
    }
}

/// The URL of the webhooks, if it is outside the cluster.
fn webhooks(state: &ClusterState, lines: &mut Vec<ReportLine>) -> Option<String> {
    let configurations = listed(&state.webhooks, "webhooks", lines)?;
    let ours: Vec<(&Value, &Value)> = configurations
        .iter()
        .flat_map(|one| list(one, "/webhooks").iter().map(move |webhook| (one, webhook)))
        .filter(|(_, webhook)| text(webhook, "/name").ends_with(".outrigger.dev"))
        .collect();
    let before = lines.len();
    for (name, consequence) in WEBHOOKS {
        let found = ours.iter().filter(|(_, webhook)| text(webhook, "/name") == name).count();
        match found {
            0 => lines.push(
                ReportLine::wrong(format!("webhooks: {name} is missing: {consequence}"))
                    .with("the chart brings it: helm upgrade --install outrigger … (docs/install.md)"),
            ),
            1 => {}
            many => lines.push(
                ReportLine::wrong(format!("webhooks: {name} exists {many} times: several operators review pods"))
                    .with("keep one: helm uninstall the other"),
            ),
        }
    }
    for (configuration, webhook) in &ours {
        if text(webhook, "/clientConfig/caBundle").is_empty() {
            let (name, held_by) = (text(webhook, "/name"), text(configuration, "/metadata/name"));
            let text = format!(
                "webhooks: {name} of {held_by} has no caBundle: the API server can't trust the operator, and its failurePolicy ({}) holds",
                text_or(webhook, "/failurePolicy", "Fail")
            );
            lines.push(ReportLine::wrong(text).with("the operator (or cert-manager) writes it: look at its log"));
        }
    }
    if lines.len() == before {
        lines.push(ReportLine::well(format!("webhooks: {}, each with a caBundle", ours.len())));
    }
    let url = ours.iter().map(|(_, webhook)| text(webhook, "/clientConfig/url")).find(|url| !url.is_empty());
    url.map(str::to_owned)
}

fn text_or<'a>(value: &'a Value, pointer: &str, otherwise: &'a str) -> &'a str {
    match text(value, pointer) {
        "" => otherwise,
        found => found,
    }
}
