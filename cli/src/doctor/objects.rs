//! Checks objects that are not Ready, and keys whose gateways are not connected.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::Value;

use super::cluster::ClusterState;
use super::line::{ReportLine, age, list, listed, name_of, text};
use crate::check::counted;

/// An object that changed less than this many seconds ago may still be processed.
const UNDER_WAY: i64 = 60;

pub(super) fn check(state: &ClusterState, now: Timestamp) -> Vec<ReportLine> {
    let mut lines = Vec::new();
    if let Err(why) = &state.objects
        && why.contains("doesn't have a resource type")
    {
        lines.push(
            ReportLine::wrong("objects: the cluster does not have their definitions")
                .with("outrigger crds | kubectl apply --server-side -f -"),
        );
        return lines;
    }
    let Some(objects) = listed(&state.objects, "objects", &mut lines) else { return lines };
    let problems: Vec<ReportLine> = objects.iter().filter_map(|object| ready(object, now)).collect();
    let well = objects.len() - problems.len();
    let scope = state.namespace.as_ref().map_or_else(String::new, |namespace| format!(" of namespace {namespace}"));
    let text = format!("objects{scope}: {well} of {} Ready", counted(objects.len(), "object"));
    lines.push(match objects.len() {
        0 => ReportLine::note(format!("objects{scope}: none found")),
        all if all == well => ReportLine::well(text),
        _ => ReportLine::note(text),
    });
    lines.extend(problems);
    lines.extend(objects.iter().filter_map(turned_off));
    lines.extend(objects.iter().filter_map(|object| unconnected(object, state)));
    lines
}

fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    list(object, "/status/conditions").iter().find(|condition| text(condition, "/type") == kind)
}

/// `None` if the object is Ready.
fn ready(object: &Value, now: Timestamp) -> Option<ReportLine> {
    let name = format!("{} {}", text(object, "/kind"), name_of(object));
    let Some(ready) = condition(object, "Ready") else {
        return Some(ReportLine::wrong(format!("{name} has no status: no operator has processed it")));
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
        "True" => {
            ReportLine::wrong(format!("{name} was changed, and the operator has not processed its generation yet"))
        }
        _ => ReportLine::wrong(format!("{name} is not Ready: {reason}: {message}")),
    })
}

/// An object that is Ready but turned off by its author.
fn turned_off(object: &Value) -> Option<ReportLine> {
    let ready = condition(object, "Ready").filter(|ready| text(ready, "/status") == "True")?;
    let reason = text(ready, "/reason");
    let name = format!("{} {}", text(object, "/kind"), name_of(object));
    let message = text(ready, "/message");
    let why = message.strip_prefix("in force: ").unwrap_or(message);
    matches!(reason, "Expired" | "Suspended").then(|| ReportLine::note(format!("{name} is off: {why}")))
}

/// Only for keys. Other objects are unconnected because of their keys.
fn unconnected(object: &Value, state: &ClusterState) -> Option<ReportLine> {
    let programmed = condition(object, "Programmed").filter(|_| text(object, "/kind") == "VirtualKey")?;
    let reported = text(programmed, "/reason") == "Unconnected";
    let number = |name: &str| object.pointer(&format!("/status/sidecars/{name}")).and_then(Value::as_u64).unwrap_or(0);
    let disconnected = number("live").saturating_sub(number("connected"));
    let (namespace, name) = (text(object, "/metadata/namespace"), text(object, "/metadata/name"));
    let what = match disconnected {
        0 if !reported => return None,
        0 => "gateways".to_owned(),
        disconnected => {
            format!("{disconnected} of {}", counted(usize::try_from(number("live")).unwrap_or(usize::MAX), "gateway"))
        }
    };
    let text = format!("VirtualKey {namespace}/{name}: {what} not connected to the operator");
    let line = match reported {
        true => ReportLine::wrong(format!("{text} for 5 minutes or more: they use the last policy that they have")),
        // A gateway that starts is unconnected for a moment, and so are all while the leader changes.
        false => ReportLine::note(format!("{text} at the moment: they serve what they have")),
    };
    let closed: BTreeSet<&str> = egress(state, namespace).collect();
    let hint = match closed.is_empty() {
        true => format!("kubectl logs -n {namespace} -l outrigger.dev/virtual-key={name} -c outrigger --tail=20"),
        false => format!(
            "namespace {namespace} limits what its pods may call ({}): apply the NetworkPolicy of docs/conditions.md#the-network",
            closed.into_iter().collect::<Vec<_>>().join(", ")
        ),
    };
    Some(line.with(hint))
}

/// The names of NetworkPolicies that limit egress.
fn egress<'a>(state: &'a ClusterState, namespace: &'a str) -> impl Iterator<Item = &'a str> {
    let policies = state.policies.as_deref().unwrap_or_default();
    let limits = move |policy: &&Value| {
        text(policy, "/metadata/namespace") == namespace
            && list(policy, "/spec/policyTypes").iter().any(|kind| kind.as_str() == Some("Egress"))
    };
    policies.iter().filter(limits).map(|policy| text(policy, "/metadata/name"))
}
