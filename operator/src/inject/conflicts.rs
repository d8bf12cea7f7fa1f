//! What prevents a gateway in a pod: host network, shared processes, a port or a name in use.

use serde_json::Value;

use crate::inject::options::InjectionOptions;
use crate::inject::pod::{containers, list, name};
use crate::inject::{InjectionReason, NotInjected};
use crate::names;

/// Returns the first conflict in a pod that has no gateway yet.
pub fn conflict(pod: &Value, options: &InjectionOptions) -> Option<NotInjected> {
    let is = |field: &str| pod.pointer(&format!("/spec/{field}")) == Some(&Value::Bool(true));
    if is("hostNetwork") {
        return Some(cause(
            InjectionReason::HostNetwork,
            "the pod has hostNetwork: every process of its node could call the gateway",
        ));
    }
    for field in ["shareProcessNamespace", "hostPID"] {
        if is(field) {
            let message =
                format!("the pod has {field}: the application could read the gateway's credentials out of its process");
            return Some(cause(InjectionReason::SharedProcesses, &message));
        }
    }
    let windows =
        ["/spec/os/name", "/spec/nodeSelector/kubernetes.io~1os", "/spec/nodeSelector/beta.kubernetes.io~1os"];
    if windows.iter().any(|path| pod.pointer(path).and_then(Value::as_str) == Some("windows")) {
        return Some(cause(InjectionReason::Windows, "the pod is for Windows, and the gateway runs on Linux"));
    }
    port(pod, options).or_else(|| name_taken(pod)).or_else(|| intruder(pod))
}

/// A container beside the gateway that mounts one of its volumes. The volumes may be missing still: the API server
/// checks them only at the end.
pub fn intruder(pod: &Value) -> Option<NotInjected> {
    let mounts = |container: &Value| {
        let mounts = container.get("volumeMounts").and_then(Value::as_array);
        mounts.is_some_and(|mounts| mounts.iter().any(|mount| VOLUMES.contains(&name(mount))))
    };
    let container = containers(pod).find(|container| name(container) != names::CONTAINER && mounts(container))?;
    let message =
        format!("container {} mounts a volume that only the gateway may mount: remove that mount", name(container));
    Some(cause(InjectionReason::NameTaken, &message))
}

const VOLUMES: [&str; 4] = [names::TOKEN_VOLUME, names::POLICY_VOLUME, names::STATE_VOLUME, names::IDENTITY_VOLUME];

fn port(pod: &Value, options: &InjectionOptions) -> Option<NotInjected> {
    let ours = [(options.port, "clients", "port"), (options.admin_port, "probes and metrics", "admin-port")];
    for container in containers(pod) {
        let ports = container.get("ports").and_then(Value::as_array).into_iter().flatten();
        for number in ports.filter(|port| is_tcp(port)).filter_map(|port| port.get("containerPort")?.as_u64()) {
            if let Some((port, purpose, word)) = ours.iter().find(|(port, _, _)| u64::from(*port) == number) {
                let message = format!(
                    "container {} listens on {port}, which the gateway needs for {purpose}: set outrigger.dev/{word}",
                    name(container)
                );
                return Some(cause(InjectionReason::PortInUse, &message));
            }
        }
    }
    None
}

fn is_tcp(port: &Value) -> bool {
    port.get("protocol").and_then(Value::as_str).is_none_or(|protocol| protocol == "TCP")
}

fn name_taken(pod: &Value) -> Option<NotInjected> {
    if containers(pod).any(|container| name(container) == names::CONTAINER) {
        let message = format!("the pod has a container {} that is not the operator's: rename it", names::CONTAINER);
        return Some(cause(InjectionReason::NameTaken, &message));
    }
    let volume = list(pod, "volumes").iter().map(name).find(|volume| VOLUMES.contains(volume))?;
    Some(cause(
        InjectionReason::NameTaken,
        &format!("the pod has a volume {volume} that is not the operator's: rename it"),
    ))
}

fn cause(reason: InjectionReason, message: &str) -> NotInjected {
    NotInjected { reason, message: message.to_owned() }
}
