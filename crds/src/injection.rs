//! Decides which pods should have a gateway sidecar, from annotations and labels of the pod and its namespace, and
//! gives the command that restarts a pod without one. The operator's watchdog and `outrigger doctor` both use it.

use serde_json::Value;

/// Set on pods (as an annotation) and on namespaces (as a label).
pub const INJECT: &str = "outrigger.dev/inject";
/// Set on a workload's pod template: the workload's own annotations, as JSON.
pub const WORKLOAD: &str = "outrigger.dev/workload";
/// Set on a pod that the webhook has seen: what was added, or why nothing was added.
pub const INJECTED: &str = "outrigger.dev/injected";
/// Label of a pod that has a gateway sidecar.
pub const SIDECAR: &str = "outrigger.dev/sidecar";

/// Whether a pod *without* the label [`SIDECAR`] should have it. A pod that the webhook saw and skipped has the
/// annotation [`INJECTED`] and does not count. `annotation` returns an annotation of the pod by name; `labelled` is
/// whether its namespace has the label [`INJECT`]`=true`.
#[must_use]
pub fn should_inject<'a>(annotation: impl Fn(&str) -> Option<&'a str>, labelled: bool) -> bool {
    if annotation(INJECTED).is_some() {
        return false;
    }
    let stamp: Value = annotation(WORKLOAD).and_then(|stamp| serde_json::from_str(stamp).ok()).unwrap_or_default();
    let of_workload = stamp.get("inject").and_then(Value::as_str);
    annotation(INJECT).or(of_workload).map_or(labelled, |value| value != "false")
}

/// How to restart the pods of a controller: a command, or an instruction if no command does it. `hash` is the pod's
/// label `pod-template-hash`; without it, the end of a ReplicaSet's name is used.
#[must_use]
pub fn restart_command(namespace: &str, pod: &str, controller: Option<(&str, &str)>, hash: Option<&str>) -> String {
    let restart = |kind: &str, name: &str| format!("kubectl rollout restart {kind}/{name} -n {namespace}");
    match controller {
        Some(("ReplicaSet", name)) => match deployment(name, hash) {
            Some(deployment) => restart("deployment", deployment),
            None => format!("kubectl delete pod {pod} -n {namespace}"),
        },
        Some(("StatefulSet", name)) => restart("statefulset", name),
        Some(("DaemonSet", name)) => restart("daemonset", name),
        Some(("Job", name)) => {
            format!("delete job/{name} of namespace {namespace} and create it again, or wait until it ends")
        }
        Some((_, _)) => format!("kubectl delete pod {pod} -n {namespace}"),
        None => format!("delete pod/{pod} of namespace {namespace} and create it again: it has no controller"),
    }
}

/// The Deployment that owns a ReplicaSet, derived from the ReplicaSet's name.
fn deployment<'a>(name: &'a str, hash: Option<&str>) -> Option<&'a str> {
    let (front, end) = name.rsplit_once('-')?;
    match hash {
        Some(hash) => (end == hash).then_some(front),
        // The alphabet that Kubernetes uses for hashes.
        None => end.bytes().all(|byte| b"bcdfghjklmnpqrstvwxz2456789".contains(&byte)).then_some(front),
    }
    .filter(|front| !front.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn should(annotations: &[(&str, &str)], labelled: bool) -> bool {
        let find = |name: &str| annotations.iter().find(|(one, _)| *one == name).map(|(_, value)| *value);
        should_inject(find, labelled)
    }

    #[test]
    fn the_pod_overrides_the_workload_and_the_workload_overrides_the_namespace() {
        let stamp = |value: &'static str| (WORKLOAD, value);
        for (annotations, labelled, expected) in [
            (vec![], false, false),
            (vec![], true, true),
            (vec![(INJECT, "true")], false, true),
            (vec![(INJECT, "false")], true, false),
            (vec![stamp(r#"{"inject":"true"}"#)], false, true),
            (vec![stamp(r#"{"inject":"false"}"#)], true, false),
            (vec![stamp(r#"{"virtual-key":"a"}"#)], false, false),
            (vec![stamp(r#"{"virtual-key":"a"}"#)], true, true),
            (vec![(INJECT, "true"), stamp(r#"{"inject":"false"}"#)], false, true),
            (vec![stamp("no JSON")], true, true),
            (vec![(INJECT, "true"), (INJECTED, r#"{"skipped":["HostNetwork"]}"#)], true, false),
        ] {
            assert_eq!(should(&annotations, labelled), expected, "{annotations:?} {labelled}");
        }
    }

    #[test]
    fn the_restart_command_is_for_the_controller() {
        let of = |controller, hash| restart_command("shop", "web-1", controller, hash);
        let restart = "kubectl rollout restart deployment/web -n shop";
        assert_eq!(of(Some(("ReplicaSet", "web-5d4f8b")), Some("5d4f8b")), restart);
        assert_eq!(of(Some(("ReplicaSet", "web-5d4f8b")), None), restart);
        assert_eq!(of(Some(("ReplicaSet", "web-app")), None), "kubectl delete pod web-1 -n shop");
        assert_eq!(of(Some(("StatefulSet", "db")), None), "kubectl rollout restart statefulset/db -n shop");
        assert_eq!(
            of(Some(("Job", "once")), None),
            "delete job/once of namespace shop and create it again, or wait until it ends"
        );
        assert_eq!(of(Some(("Rollout", "web")), None), "kubectl delete pod web-1 -n shop");
        assert_eq!(of(None, None), "delete pod/web-1 of namespace shop and create it again: it has no controller");
    }
}
