//! The gateway's position among a pod's init containers: behind a mesh's proxy, so that its traffic goes through the mesh;
//! otherwise first, so that all other containers can call it.

use serde_json::Value;

use crate::inject::pod::{list, list_mut, name};
use crate::names;

/// A mesh's containers, in Istio's and Linkerd's own names.
const MESH: [&str; 6] =
    ["istio-validation", "istio-init", "istio-proxy", "linkerd-network-validator", "linkerd-init", "linkerd-proxy"];

/// Containers of other injectors (Vault, Consul, Kuma, Dapr, Knative, Linkerd's debugger): not the application's.
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

/// Whether a container is another injector's.
pub fn is_foreign(name: &str) -> bool {
    MESH.contains(&name) || OTHERS.contains(&name)
}

/// Behind the last container of a mesh among the init containers.
fn behind_mesh(init: &[Value]) -> usize {
    init.iter().rposition(|container| MESH.contains(&name(container))).map_or(0, |last| last + 1)
}

/// Where the gateway is, if it is there.
pub fn position(pod: &Value) -> Option<usize> {
    list(pod, "initContainers").iter().position(|container| name(container) == names::CONTAINER)
}

/// Puts the gateway in its place.
pub fn insert(pod: &mut Value, container: Value) {
    if let Some(init) = list_mut(pod, "initContainers") {
        init.insert(behind_mesh(init), container);
    }
}

/// A mesh that came later may have put its containers behind the gateway. In any other place it stays where it is: who
/// moved it knew why.
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
    fn behind_a_mesh_else_first() {
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
    fn it_moves_behind_a_mesh_that_comes_later_and_nowhere_else() {
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
