//! The gateway's position among a pod's init containers: behind a mesh's proxy, so that its traffic goes through the mesh;
//! otherwise first, so that all other containers can call it.

use serde_json::Value;

use crate::inject::pod::{list, list_mut, name};
use crate::names;

/// Container names of Istio and Linkerd.
const MESH: [&str; 6] =
    ["istio-validation", "istio-init", "istio-proxy", "linkerd-network-validator", "linkerd-init", "linkerd-proxy"];

/// Containers of other injectors (Vault, Consul, Kuma, Dapr, Knative, Linkerd's debugger), which are not the
/// application's.
const OTHERS: [&str; 13] = [
    "vault-agent",
    "vault-agent-init",
    "consul-dataplane",
    "consul-connect-inject-init",
    "kuma-init",
    "kuma-validation",
    "kuma-sidecar",
    "daprd",
    "queue-proxy",
    "linkerd-debug",
    "enable-core-dump",
    "opentelemetry-auto-instrumentation",
    "cilium-envoy",
];

/// Whether another injector added a container.
pub fn is_foreign(name: &str) -> bool {
    MESH.contains(&name) || OTHERS.contains(&name)
}

/// The position after the last init container of a mesh.
fn behind_mesh(init: &[Value]) -> usize {
    init.iter().rposition(|container| MESH.contains(&name(container))).map_or(0, |last| last + 1)
}

/// The gateway's position, if the pod has one.
pub fn position(pod: &Value) -> Option<usize> {
    list(pod, "initContainers").iter().position(|container| name(container) == names::CONTAINER)
}

/// Inserts the gateway at its position.
pub fn insert(pod: &mut Value, container: Value) {
    if let Some(init) = list_mut(pod, "initContainers") {
        init.insert(behind_mesh(init), container);
    }
}

/// Moves the gateway behind a mesh's containers that were added later. Otherwise it stays where it is, because somebody
/// moved it on purpose.
pub fn restore(pod: &mut Value) {
    let Some(at) = position(pod) else { return };
    let Some(init) = list_mut(pod, "initContainers") else { return };
    let wanted = behind_mesh(init);
    if at < wanted {
        let container = init.remove(at);
        init.insert(wanted - 1, container);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn order(pod: &Value) -> Vec<&str> {
        list(pod, "initContainers").iter().map(name).collect()
    }

    fn pod(init: &[&str]) -> Value {
        let init: Vec<Value> = init.iter().map(|name| json!({"name": name})).collect();
        json!({"spec": {"initContainers": init}})
    }

    #[test]
    fn the_gateway_is_behind_a_mesh_or_first() {
        for (init, expected) in [
            (&[][..], &["outrigger"][..]),
            (&["setup"], &["outrigger", "setup"]),
            (&["istio-init", "istio-proxy", "setup"], &["istio-init", "istio-proxy", "outrigger", "setup"]),
            (&["setup", "linkerd-init", "linkerd-proxy"], &["setup", "linkerd-init", "linkerd-proxy", "outrigger"]),
        ] {
            let mut pod = pod(init);
            insert(&mut pod, json!({"name": "outrigger"}));
            assert_eq!(order(&pod), expected);
            let before = pod.clone();
            restore(&mut pod);
            assert_eq!(pod, before);
        }
    }

    #[test]
    fn the_gateway_moves_only_behind_a_mesh_that_was_added_later() {
        for (init, expected) in [
            (&["outrigger", "setup", "linkerd-init"][..], &["setup", "linkerd-init", "outrigger"][..]),
            (&["istio-init", "setup", "outrigger"], &["istio-init", "setup", "outrigger"]),
            (&["setup", "outrigger"], &["setup", "outrigger"]),
        ] {
            let mut pod = pod(init);
            restore(&mut pod);
            assert_eq!(order(&pod), expected);
        }
    }
}
