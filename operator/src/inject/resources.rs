//! The gateway's resource requests and limits: small, and of the same quality of service as the pod's other containers.

use serde_json::{Map, Value, json};

use crate::inject::options::InjectionOptions;
use crate::inject::pod::containers;
use crate::inject::quantity::Quantity;
use crate::inject::values::QuantityText;

const CPU: &str = "10m";
/// In a Guaranteed pod the request is also the limit. With a hundredth of a core, a gateway would mostly wait.
const CPU_GUARANTEED: &str = "100m";
const MEMORY: &str = "16Mi";
const MEMORY_LIMIT: &str = "64Mi";

/// The gateway's requests and limits for this pod, which does not have its gateway yet.
pub fn resources(pod: &Value, options: &InjectionOptions) -> Value {
    // If the pod itself has resources, the sum of its containers' requests must not exceed them.
    if pod.pointer("/spec/resources").and_then(Value::as_object).is_some_and(|resources| !resources.is_empty()) {
        return written([("cpu", options.cpu.clone()), ("memory", options.memory.clone())]);
    }
    let guaranteed = is_guaranteed(pod);
    let same = |amount: &str| QuantityText { request: amount.to_owned(), limit: Some(amount.to_owned()) };
    let cpu = match (&options.cpu, guaranteed) {
        (Some(QuantityText { request, limit: None }), true) => same(request),
        (Some(requested), _) => requested.clone(),
        (None, true) => same(CPU_GUARANTEED),
        (None, false) => QuantityText { request: CPU.to_owned(), limit: None },
    };
    let memory = match (&options.memory, guaranteed) {
        (Some(QuantityText { request, limit: None }), true) => same(request),
        (Some(QuantityText { request, limit: None }), false)
            if Quantity::parse(request) > Quantity::parse(MEMORY_LIMIT) =>
        {
            same(request)
        }
        (Some(QuantityText { request, limit: None }), false) => {
            QuantityText { request: request.clone(), limit: Some(MEMORY_LIMIT.to_owned()) }
        }
        (Some(requested), _) => requested.clone(),
        (None, true) => same(MEMORY_LIMIT),
        (None, false) => QuantityText { request: MEMORY.to_owned(), limit: Some(MEMORY_LIMIT.to_owned()) },
    };
    written([("cpu", Some(cpu)), ("memory", Some(memory))])
}

fn written(amounts: [(&str, Option<QuantityText>); 2]) -> Value {
    let mut requests = Map::new();
    let mut limits = Map::new();
    for (name, amount) in amounts {
        let Some(QuantityText { request, limit }) = amount else { continue };
        requests.insert(name.to_owned(), request.into());
        if let Some(limit) = limit {
            limits.insert(name.to_owned(), limit.into());
        }
    }
    let parts = [("requests", requests), ("limits", limits)].into_iter().filter(|(_, part)| !part.is_empty());
    json!(parts.map(|(name, part)| (name.to_owned(), Value::Object(part))).collect::<Map<String, Value>>())
}

/// Whether the pod is Guaranteed: every container has limits for CPU and memory, and equal requests if any.
fn is_guaranteed(pod: &Value) -> bool {
    let mut any = false;
    let all = containers(pod).all(|container| {
        any = true;
        ["cpu", "memory"].into_iter().all(|name| {
            let of = |part| container.pointer(&format!("/resources/{part}/{name}"));
            let limit = of("limits").and_then(Quantity::of).filter(|limit| !limit.is_zero());
            let request = of("requests").map(Quantity::of);
            limit.is_some() && request.is_none_or(|request| request == limit)
        })
    });
    any && all
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::inject::options::GatewayAnnotations;

    use super::*;

    fn of(annotations: &Value, containers: &Value, more: &Value) -> Value {
        let mut pod = json!({"metadata": {"annotations": annotations}, "spec": {"containers": containers}});
        if let Some(spec) = pod.get_mut("spec").and_then(Value::as_object_mut) {
            spec.extend(more.as_object().unwrap().clone());
        }
        let options = GatewayAnnotations::of(&pod).unwrap().options("n", &BTreeMap::new()).unwrap();
        resources(&pod, &options)
    }

    #[test]
    fn defaults_are_small_unless_the_pod_is_guaranteed() {
        let usual = json!({"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}});
        let same =
            |cpu, memory| json!({"requests": {"cpu": cpu, "memory": memory}, "limits": {"cpu": cpu, "memory": memory}});
        let firm = json!({"resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1000m", "memory": "1024Mi"}}});
        let limited = json!({"resources": {"limits": {"cpu": 1, "memory": "1Gi"}}});
        let loose = json!({"resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}});
        let none = json!({});
        assert_eq!(of(&none, &json!([none]), &none), usual);
        assert_eq!(of(&none, &json!([firm, limited]), &none), same("100m", "64Mi"));
        assert_eq!(of(&none, &json!([firm, loose]), &none), usual);
        assert_eq!(of(&none, &json!([firm]), &json!({"initContainers": [none]})), usual);
        let requested = json!({"outrigger.dev/cpu": "250m", "outrigger.dev/memory": "128Mi"});
        assert_eq!(of(&requested, &json!([firm]), &none), same("250m", "128Mi"));
        assert_eq!(
            of(&requested, &json!([none]), &none),
            json!({"requests": {"cpu": "250m", "memory": "128Mi"}, "limits": {"memory": "128Mi"}})
        );
        let both = json!({"outrigger.dev/cpu": "50m/1", "outrigger.dev/memory": "32Mi"});
        assert_eq!(
            of(&both, &json!([none]), &none),
            json!({"requests": {"cpu": "50m", "memory": "32Mi"}, "limits": {"cpu": "1", "memory": "64Mi"}})
        );
    }

    #[test]
    fn a_pod_with_pod_level_resources_gets_no_defaults() {
        let pod = json!({"resources": {"limits": {"cpu": "1", "memory": "1Gi"}}});
        assert_eq!(of(&json!({}), &json!([{}]), &pod), json!({}));
        let requested = json!({"outrigger.dev/memory": "32Mi/64Mi"});
        assert_eq!(
            of(&requested, &json!([{}]), &pod),
            json!({"requests": {"memory": "32Mi"}, "limits": {"memory": "64Mi"}})
        );
    }
}
