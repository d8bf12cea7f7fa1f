//! Reads and edits a pod as JSON. The response to the API server is the difference, and unknown fields must survive. So
//! no file of `inject/` parses the pod into a type.

use serde_json::{Map, Value};

/// Whether every field that is edited here has the right JSON type. The API server sends only such pods, and reports a
/// template with other types by itself.
pub fn is_sound(pod: &Value) -> bool {
    let absent_or =
        |value: Option<&Value>, is: fn(&Value) -> bool| value.is_none_or(|value| value.is_null() || is(value));
    let strings = |value: &Value| value.as_object().is_some_and(|map| map.values().all(Value::is_string));
    let metadata = pod.get("metadata");
    let of_metadata = |field| absent_or(metadata.and_then(|metadata| metadata.get(field)), strings);
    let lists = ["initContainers", "volumes", "imagePullSecrets"];
    let of_spec = |field| absent_or(pod.get("spec").and_then(|spec| spec.get(field)), Value::is_array);
    pod.is_object()
        && absent_or(metadata, Value::is_object)
        && of_metadata("annotations")
        && of_metadata("labels")
        && lists.into_iter().all(of_spec)
        && !list(pod, "containers").is_empty()
        && containers(pod).all(|container| container.is_object() && absent_or(container.get("env"), Value::is_array))
}

/// `spec.containers`, `spec.initContainers` or `spec.volumes`.
pub fn list<'a>(pod: &'a Value, field: &str) -> &'a [Value] {
    pod.get("spec").and_then(|spec| spec.get(field)).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The same list, created if it is missing. `None` if the field is not a list.
pub fn list_mut<'a>(pod: &'a mut Value, field: &str) -> Option<&'a mut Vec<Value>> {
    array(pod.get_mut("spec")?, field)
}

/// A list of an object, created if it is missing.
pub fn array<'a>(object: &'a mut Value, field: &str) -> Option<&'a mut Vec<Value>> {
    let slot = object.as_object_mut()?.entry(field).or_insert(Value::Null);
    if slot.is_null() {
        *slot = Value::Array(Vec::new());
    }
    slot.as_array_mut()
}

/// `metadata.labels` or `metadata.annotations`, created if it is missing.
pub fn metadata_mut<'a>(pod: &'a mut Value, field: &str) -> Option<&'a mut Map<String, Value>> {
    map(map(pod.as_object_mut()?, "metadata")?, field)
}

fn map<'a>(object: &'a mut Map<String, Value>, field: &str) -> Option<&'a mut Map<String, Value>> {
    let slot = object.entry(field).or_insert(Value::Null);
    if slot.is_null() {
        *slot = Value::Object(Map::new());
    }
    slot.as_object_mut()
}

/// The name of a container, volume or variable; empty if it has none.
pub fn name(value: &Value) -> &str {
    value.get("name").and_then(Value::as_str).unwrap_or_default()
}

/// All init containers and containers. Pods are never created with ephemeral ones.
pub fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    list(pod, "initContainers").iter().chain(list(pod, "containers"))
}
