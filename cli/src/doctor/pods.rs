//! Checks pods whose gateway is missing, was skipped, or does not run.

use std::collections::{BTreeMap, BTreeSet};

use outrigger_crds::injection::{INJECT, INJECTED, SIDECAR, restart_command, should_inject};
use serde_json::Value;

use super::cluster::ClusterState;
use super::line::{ReportLine, list, listed, minor, name_of, text, value_of};
use super::operator;
use crate::check::counted;

/// How many minor versions a gateway may differ from the operator.
const SKEW: u32 = 2;
/// The end of our webhooks' names in messages.
const WEBHOOKS: &str = ".outrigger.dev\"";

pub(super) fn check(state: &ClusterState) -> Vec<ReportLine> {
    let mut lines = Vec::new();
    let gateways = listed(&state.gateways, "pods", &mut lines).unwrap_or_default();
    let bare = match &state.bare {
        Ok(bare) => bare.as_slice(),
        Err(_) => return lines,
    };
    if listed(&state.namespaces, "which namespaces ask for gateways", &mut lines).is_none() {
        lines.push(ReportLine::note("pods: of those without a gateway, only those with an annotation are reported"));
    }
    let missing = missing(state, bare);
    lines.push(ReportLine::well(format!("pods: {} with a gateway", gateways.len())));
    for (remedy, pods) in missing {
        let named: Vec<String> = pods.iter().take(3).map(|pod| name_of(pod)).collect();
        let more = if pods.len() > named.len() { " and more" } else { "" };
        let what = if pods.len() == 1 { "has" } else { "have" };
        lines.push(ReportLine::wrong(format!("{}{more} {what} no gateway", named.join(", "))).with(remedy));
    }
    lines.extend(state.deployments.iter().flatten().filter_map(refused));
    lines.extend(state.namespaces.iter().flatten().filter_map(invalid_label));
    lines.extend(bare.iter().filter_map(skipped));
    lines.extend(gateways.iter().filter_map(stuck));
    lines.extend(skew(state, gateways));
    lines
}

/// Pods without a gateway, by the command that recreates them.
fn missing<'a>(state: &ClusterState, pods: &'a [Value]) -> BTreeMap<String, Vec<&'a Value>> {
    let homes: BTreeSet<&str> = state
        .operators
        .as_deref()
        .unwrap_or_default()
        .iter()
        .map(|operator| text(operator, "/metadata/namespace"))
        .chain(["kube-system"])
        .collect();
    let namespaces = state.namespaces.as_deref().unwrap_or_default();
    let labelled: BTreeSet<&str> = namespaces
        .iter()
        .filter(|namespace| value_of(namespace, "labels", INJECT) == Some("true"))
        .map(|namespace| text(namespace, "/metadata/name"))
        .collect();
    let mut missing: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    for pod in pods {
        let namespace = text(pod, "/metadata/namespace");
        let controller = controller(pod);
        let of_node = controller.is_some_and(|(kind, _)| kind == "Node");
        let ending = pod.pointer("/metadata/deletionTimestamp").is_some_and(|time| !time.is_null());
        let should = should_inject(|name| value_of(pod, "annotations", name), labelled.contains(namespace));
        if should && !of_node && !ending && !homes.contains(namespace) {
            let hash = value_of(pod, "labels", "pod-template-hash");
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

/// A Deployment whose pods the operator refuses. There is no pod that could show the reason.
fn refused(deployment: &Value) -> Option<ReportLine> {
    let is_failure = |condition: &&Value| {
        text(condition, "/type") == "ReplicaFailure"
            && text(condition, "/status") == "True"
            && text(condition, "/message").contains(WEBHOOKS)
    };
    let condition = list(deployment, "/status/conditions").iter().find(is_failure)?;
    let message = text(condition, "/message");
    // The reason follows the API server's own text.
    let why = message.split_once("denied the request: ").map_or(message, |(_, why)| why);
    Some(ReportLine::wrong(format!("Deployment {}: its new pods are refused: {why}", name_of(deployment))))
}

/// A namespace whose label has an invalid value.
fn invalid_label(namespace: &Value) -> Option<ReportLine> {
    let value = value_of(namespace, "labels", INJECT).filter(|value| !matches!(*value, "true" | "false"))?;
    let name = text(namespace, "/metadata/name");
    let text = format!(
        "namespace {name}: its label {INJECT} is `{value}`, neither `true` nor `false`: its pods get no gateway by it"
    );
    Some(ReportLine::wrong(text).with(format!("kubectl label namespace {name} {INJECT}=true --overwrite")))
}

/// A pod whose namespace asks for a gateway, which was not possible.
fn skipped(pod: &Value) -> Option<ReportLine> {
    let annotation: Value = serde_json::from_str(value_of(pod, "annotations", INJECTED)?).ok()?;
    let why: Vec<&str> = list(&annotation, "/skipped").iter().filter_map(Value::as_str).collect();
    Some(ReportLine::note(format!("{} has no gateway on purpose: {}", name_of(pod), why.join("; "))))
}

/// A gateway that does not start.
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

/// Gateways that are too old or too new for the operator.
fn skew(state: &ClusterState, gateways: &[Value]) -> Option<ReportLine> {
    let operators = state.operators.as_deref().unwrap_or_default();
    let of_operator = operators.first().map(operator::version)?;
    let (major, own) = minor(of_operator)?;
    let far = |pod: &&Value| {
        value_of(pod, "labels", SIDECAR)
            .and_then(minor)
            .is_some_and(|(other, minor)| other != major || minor.abs_diff(own) > SKEW)
    };
    let far: Vec<&Value> = gateways.iter().filter(far).collect();
    let first = far.first()?;
    let text = format!(
        "pods: {} of a version that is too far from the operator's {of_operator}, such as {} ({})",
        counted(far.len(), "gateway"),
        name_of(first),
        value_of(first, "labels", SIDECAR).unwrap_or_default()
    );
    Some(
        ReportLine::wrong(text)
            .with("restart their workloads: a pod gets the gateway of the operator's version at its creation"),
    )
}
