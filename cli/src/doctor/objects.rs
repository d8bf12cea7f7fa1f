//! Objects that are not as they should be, and keys whose gateways are not connected.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::Value;

use super::kubectl::ClusterState;
use super::line::{ReportLine, age, answered, list, place, text};
use crate::check::counted;

/// An object that changed less than so long ago may still be on its way.
const UNDER_WAY: i64 = 60;

pub(super) fn judge(seen: &ClusterState, now: Timestamp) -> Vec<ReportLine> {
    let mut lines = Vec::new();
    if let Err(why) = &seen.objects
        && why.contains("doesn't have a resource type")
    {
        lines.push(
            ReportLine::wrong("objects: their definitions are not in the cluster")
                .with("outrigger crds | kubectl apply --server-side -f -"),
        );
        return lines;
    }
    let Some(objects) = answered(&seen.objects, "objects", &mut lines) else { return lines };
    let judged: Vec<ReportLine> = objects.iter().filter_map(|object| ready(object, now)).collect();
    let well = objects.len() - judged.len();
    let place = seen.namespace.as_ref().map_or_else(String::new, |namespace| format!(" of namespace {namespace}"));
    let text = format!("objects{place}: {well} of {} Ready", counted(objects.len(), "object"));
    lines.push(match objects.len() {
        0 => ReportLine::note(format!("objects{place}: there are none")),
        all if all == well => ReportLine::well(text),
        _ => ReportLine::note(text),
    });
    lines.extend(judged);
    lines.extend(objects.iter().filter_map(off));
    lines.extend(objects.iter().filter_map(|object| unconnected(object, seen)));
    lines
}

fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    list(object, "/status/conditions").iter().find(|condition| text(condition, "/type") == kind)
}

/// `None`: it is Ready.
fn ready(object: &Value, now: Timestamp) -> Option<ReportLine> {
    let name = format!("{} {}", text(object, "/kind"), place(object));
    let Some(ready) = condition(object, "Ready") else {
        return Some(ReportLine::wrong(format!("{name} has no status: no operator has seen it")));
    };
    let (generation, observed) = (object.pointer("/metadata/generation"), ready.get("observedGeneration"));
    let current = observed.is_some() && observed == generation;
    let (status, reason) = (text(ready, "/status"), text(ready, "/reason"));
    if status == "True" && current {
        return None;
    }
    let since_change = age(object, "/metadata/creationTimestamp", now);
    let since_word = age(ready, "/lastTransitionTime", now).filter(|_| observed.is_some());
    let young = since_word.or(since_change).is_some_and(|age| age < UNDER_WAY);
    let message = text(ready, "/message");
    Some(match status {
        "False" => ReportLine::wrong(format!("{name} is not Ready: {reason}: {message}")),
        _ if young => ReportLine::note(format!("{name} is under way: {message}")),
        "True" => ReportLine::wrong(format!("{name} was changed, and the operator has not seen its generation yet")),
        _ => ReportLine::wrong(format!("{name} is not Ready: {reason}: {message}")),
    })
}

/// Ready, as its author asked for, and nothing goes through it.
fn off(object: &Value) -> Option<ReportLine> {
    let ready = condition(object, "Ready").filter(|ready| text(ready, "/status") == "True")?;
    let reason = text(ready, "/reason");
    let name = format!("{} {}", text(object, "/kind"), place(object));
    let message = text(ready, "/message");
    let why = message.strip_prefix("in force: ").unwrap_or(message);
    matches!(reason, "Expired" | "Suspended").then(|| ReportLine::note(format!("{name} is off: {why}")))
}

/// Of a key alone: what else is concerned is so because of it.
fn unconnected(object: &Value, seen: &ClusterState) -> Option<ReportLine> {
    let programmed = condition(object, "Programmed").filter(|_| text(object, "/kind") == "VirtualKey")?;
    let told = text(programmed, "/reason") == "Unconnected";
    let number = |name: &str| object.pointer(&format!("/status/sidecars/{name}")).and_then(Value::as_u64).unwrap_or(0);
    let alone = number("live").saturating_sub(number("connected"));
    let (namespace, name) = (text(object, "/metadata/namespace"), text(object, "/metadata/name"));
    let what = match alone {
        0 if !told => return None,
        0 => "gateways".to_owned(),
        alone => format!("{alone} of {}", counted(usize::try_from(number("live")).unwrap_or(usize::MAX), "gateway")),
    };
    let text = format!("VirtualKey {namespace}/{name}: {what} not connected to the operator");
    let line = match told {
        true => ReportLine::wrong(format!("{text} for 5 minutes or more: they serve what they have")),
        // One that starts, and all of them while the leader changes, for a moment.
        false => ReportLine::note(format!("{text} at the moment: they serve what they have")),
    };
    let closed: BTreeSet<&str> = egress(seen, namespace).collect();
    let hint = match closed.is_empty() {
        true => format!("kubectl logs -n {namespace} -l outrigger.dev/virtual-key={name} -c outrigger --tail=20"),
        false => format!(
            "namespace {namespace} limits what its pods may call ({}): apply the NetworkPolicy of docs/conditions.md#the-network",
            closed.into_iter().collect::<Vec<_>>().join(", ")
        ),
    };
    Some(line.with(hint))
}

/// Names of NetworkPolicies that limit egress.
fn egress<'a>(seen: &'a ClusterState, namespace: &'a str) -> impl Iterator<Item = &'a str> {
    let policies = seen.policies.as_deref().unwrap_or_default();
    let limits = move |policy: &&Value| {
        text(policy, "/metadata/namespace") == namespace
            && list(policy, "/spec/policyTypes").iter().any(|kind| kind.as_str() == Some("Egress"))
    };
    policies.iter().filter(limits).map(|policy| text(policy, "/metadata/name"))
}
