//! Pods whose gateway is missing, was left out, or does not run.

use std::collections::{BTreeMap, BTreeSet};

use outrigger_crds::injection::{INJECT, INJECTED, SIDECAR, restart_command, should_inject};
use serde_json::Value;

use super::kubectl::ClusterState;
use super::line::{ReportLine, answered, list, minor, place, text, word};
use super::operator;
use crate::check::counted;

/// Versions of gateways that an operator speaks with, either side of its own.
const SKEW: u32 = 2;
/// What the names of our webhooks end with.
const WEBHOOKS: &str = ".outrigger.dev\"";

pub(super) fn judge(seen: &ClusterState) -> Vec<ReportLine> {
    let mut lines = Vec::new();
    let gateways = answered(&seen.gateways, "pods", &mut lines).unwrap_or_default();
    let bare = match &seen.bare {
        Ok(bare) => bare.as_slice(),
        Err(_) => return lines,
    };
    if answered(&seen.namespaces, "which namespaces ask for gateways", &mut lines).is_none() {
        lines
            .push(ReportLine::note("pods: of those without a gateway, only those that ask themselves are missed here"));
    }
    let missing = missing(seen, bare);
    lines.push(ReportLine::well(format!("pods: {} with a gateway", gateways.len())));
    for (remedy, pods) in missing {
        let named: Vec<String> = pods.iter().take(3).map(|pod| place(pod)).collect();
        let more = if pods.len() > named.len() { " and more" } else { "" };
        let what = if pods.len() == 1 { "has" } else { "have" };
        lines.push(ReportLine::wrong(format!("{}{more} {what} no gateway", named.join(", "))).with(remedy));
    }
    lines.extend(seen.deployments.iter().flatten().filter_map(refused));
    lines.extend(seen.namespaces.iter().flatten().filter_map(neither));
    lines.extend(bare.iter().filter_map(passed_over));
    lines.extend(gateways.iter().filter_map(stuck));
    lines.extend(skew(seen, gateways));
    lines
}

/// By what to type.
fn missing<'a>(seen: &ClusterState, pods: &'a [Value]) -> BTreeMap<String, Vec<&'a Value>> {
    let homes: BTreeSet<&str> = seen
        .operators
        .as_deref()
        .unwrap_or_default()
        .iter()
        .map(|operator| text(operator, "/metadata/namespace"))
        .chain(["kube-system"])
        .collect();
    let namespaces = seen.namespaces.as_deref().unwrap_or_default();
    let labelled: BTreeSet<&str> = namespaces
        .iter()
        .filter(|namespace| word(namespace, "labels", INJECT) == Some("true"))
        .map(|namespace| text(namespace, "/metadata/name"))
        .collect();
    let mut missing: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    for pod in pods {
        let namespace = text(pod, "/metadata/namespace");
        let controller = controller(pod);
        let of_node = controller.is_some_and(|(kind, _)| kind == "Node");
        let ending = pod.pointer("/metadata/deletionTimestamp").is_some_and(|time| !time.is_null());
        let should = should_inject(|name| word(pod, "annotations", name), labelled.contains(namespace));
        if should && !of_node && !ending && !homes.contains(namespace) {
            let hash = word(pod, "labels", "pod-template-hash");
            missing
                .entry(restart_command(namespace, text(pod, "/metadata/name"), controller, hash))
                .or_default()
                .push(pod);
        }
    }
    missing
}

fn controller(pod: &Value) -> Option<(&str, &str)> {
    let owners = list(pod, "/metadata/ownerReferences");
    let owner = owners.iter().find(|owner| owner.get("controller") == Some(&Value::Bool(true)))?;
    Some((text(owner, "/kind"), text(owner, "/name")))
}

/// A Deployment whose pods the operator does not let in: there is no pod that could say so.
fn refused(deployment: &Value) -> Option<ReportLine> {
    let told = |condition: &&Value| {
        text(condition, "/type") == "ReplicaFailure"
            && text(condition, "/status") == "True"
            && text(condition, "/message").contains(WEBHOOKS)
    };
    let condition = list(deployment, "/status/conditions").iter().find(told)?;
    let message = text(condition, "/message");
    // After the API server's own words.
    let why = message.split_once("denied the request: ").map_or(message, |(_, why)| why);
    Some(ReportLine::wrong(format!("Deployment {}: its new pods are refused: {why}", place(deployment))))
}

/// A namespace whose label asks for nothing that there is.
fn neither(namespace: &Value) -> Option<ReportLine> {
    let said = word(namespace, "labels", INJECT).filter(|said| !matches!(*said, "true" | "false"))?;
    let name = text(namespace, "/metadata/name");
    let text = format!(
        "namespace {name}: its label {INJECT} is `{said}`, neither `true` nor `false`: its pods get no gateway by it"
    );
    Some(ReportLine::wrong(text).with(format!("kubectl label namespace {name} {INJECT}=true --overwrite")))
}

/// Asked for by its namespace, and it could not be.
fn passed_over(pod: &Value) -> Option<ReportLine> {
    let said: Value = serde_json::from_str(word(pod, "annotations", INJECTED)?).ok()?;
    let why: Vec<&str> = list(&said, "/skipped").iter().filter_map(Value::as_str).collect();
    Some(ReportLine::note(format!("{} has no gateway on purpose: {}", place(pod), why.join("; "))))
}

/// A gateway that does not get up.
fn stuck(pod: &Value) -> Option<ReportLine> {
    let containers = list(pod, "/status/initContainerStatuses").iter().chain(list(pod, "/status/containerStatuses"));
    let gateway = containers.into_iter().find(|container| text(container, "/name") == "outrigger")?;
    let reason = text(gateway, "/state/waiting/reason");
    let harmless = matches!(reason, "" | "PodInitializing" | "ContainerCreating");
    let (namespace, name) = (text(pod, "/metadata/namespace"), text(pod, "/metadata/name"));
    let hint = match reason {
        "CrashLoopBackOff" => format!("kubectl logs -n {namespace} {name} -c outrigger --previous --tail=20"),
        _ => format!("kubectl describe pod -n {namespace} {name}"),
    };
    let message = text(gateway, "/state/waiting/message");
    let message = if message.is_empty() { String::new() } else { format!(": {message}") };
    (!harmless).then(|| {
        ReportLine::wrong(format!("{namespace}/{name}: its gateway does not run: {reason}{message}")).with(hint)
    })
}

/// Gateways that are too old, or too new, for the operator.
fn skew(seen: &ClusterState, gateways: &[Value]) -> Option<ReportLine> {
    let operators = seen.operators.as_deref().unwrap_or_default();
    let of_operator = operators.first().map(operator::version)?;
    let (major, own) = minor(of_operator)?;
    let far = |pod: &&Value| {
        word(pod, "labels", SIDECAR)
            .and_then(minor)
            .is_some_and(|(other, minor)| other != major || minor.abs_diff(own) > SKEW)
    };
    let far: Vec<&Value> = gateways.iter().filter(far).collect();
    let first = far.first()?;
    let text = format!(
        "pods: {} of a version that is too far from the operator's {of_operator}, such as {} ({})",
        counted(far.len(), "gateway"),
        place(first),
        word(first, "labels", SIDECAR).unwrap_or_default()
    );
    Some(
        ReportLine::wrong(text)
            .with("restart what made them: a pod gets the gateway of the day on which it is created"),
    )
}
