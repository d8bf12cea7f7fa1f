//! The environment variables that point the application's SDKs at the gateway.

use std::collections::BTreeSet;

use outrigger_llm::capture::{Capture, PLACEHOLDER};
use serde_json::{Value, json};

use crate::inject::options::InjectionOptions;
use crate::inject::pod::{array, list, list_mut, name};
use crate::inject::position::{is_foreign, position};
use crate::inject::values::Suggestion;
use crate::inject::{InjectionReason, NotInjected};
use crate::names;

/// Sets the variables in a pod that has its gateway. Returns notes about what was left out, and why.
///
/// # Errors
/// [`InjectionReason::UnknownContainer`].
pub fn set(pod: &mut Value, options: &InjectionOptions) -> Result<Vec<String>, NotInjected> {
    let mut notes = Vec::new();
    let named = match &options.containers {
        Some(named) => named.clone(),
        None => list(pod, "containers").iter().map(name).filter(|name| !is_foreign(name)).map(str::to_owned).collect(),
    };
    let gateway = position(pod).unwrap_or_default();
    for wanted in named {
        let at = |field| list(pod, field).iter().position(|container| name(container) == wanted);
        let (field, index) = match (at("containers"), at("initContainers")) {
            (Some(index), _) => ("containers", index),
            (None, Some(index)) if wanted != names::CONTAINER => ("initContainers", index),
            _ => return Err(unknown(pod, &wanted)),
        };
        if is_foreign(&wanted) {
            notes.push(format!("{wanted}: belongs to another injector: not changed"));
        } else if field == "initContainers" && index < gateway {
            notes.push(format!("{wanted}: starts before the gateway: not changed"));
        } else if let Some(container) = list_mut(pod, field).and_then(|list| list.get_mut(index)) {
            set_in_container(container, options, &mut notes);
        }
    }
    Ok(notes)
}

fn unknown(pod: &Value, wanted: &str) -> NotInjected {
    let known = || list(pod, "containers").iter().map(name);
    let message = format!(
        "outrigger.dev/containers names {wanted}, and the pod has {}{}",
        known().collect::<Vec<_>>().join(", "),
        Suggestion::of(wanted, known())
    );
    NotInjected { reason: InjectionReason::UnknownContainer, message }
}

/// Sets a capture's URL and its placeholder key. If the container sets either itself, both are left out. With the URL
/// alone, the application would send its own key here; with the placeholder alone, it would send that to the provider.
fn set_in_container(container: &mut Value, options: &InjectionOptions, notes: &mut Vec<String>) {
    let container_name = name(container).to_owned();
    let variables = container.get("env").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let there: BTreeSet<String> = variables.iter().map(|variable| name(variable).to_owned()).collect();
    let hidden = container.get("envFrom").and_then(Value::as_array).is_some_and(|from| !from.is_empty());
    let address = format!("127.0.0.1:{}", options.port);
    let proxied = is_proxied(variables);
    let mut added: Vec<Value> = Vec::new();
    for capture in &options.captures {
        if let Some(set) = capture.variables().find(|variable| there.contains(*variable)) {
            notes.push(format!(
                "{container_name}: {set} is already set, so {} does not use the gateway: remove it if it should",
                capture.name
            ));
            continue;
        }
        added.extend(capture.urls_at(&address).map(|(variable, url)| json!({"name": variable, "value": url})));
        if hidden && !options.explicit_captures {
            notes.push(hidden_key(&container_name, capture));
        } else {
            added.push(json!({"name": capture.key, "value": PLACEHOLDER}));
        }
    }
    if added.is_empty() {
        return;
    }
    if proxied {
        notes.push(format!(
            "{container_name}: uses a proxy, and NO_PROXY lacks 127.0.0.1: SDKs may call the gateway through the proxy"
        ));
    }
    // Added in front, so that the container's own variables may refer to them.
    if let Some(variables) = array(container, "env") {
        variables.splice(0..0, added);
    }
}

/// Variables from `envFrom` are not visible here, and a placeholder would override them.
fn hidden_key(container_name: &str, capture: &Capture) -> String {
    format!(
        "{container_name}: {} may be set by envFrom, so no placeholder is set: name {} in outrigger.dev/capture to set one",
        capture.key, capture.name
    )
}

fn is_proxied(variables: &[Value]) -> bool {
    let set = |names: &[&str]| variables.iter().any(|variable| names.contains(&name(variable)));
    let excepted = |variable: &Value| {
        let hosts = variable.get("value").and_then(Value::as_str);
        // A value that is not visible here is assumed to have the exception.
        hosts.is_none_or(|hosts| hosts.split(',').any(|host| matches!(host.trim(), "*" | "127.0.0.1")))
    };
    let mut exceptions = variables.iter().filter(|variable| matches!(name(variable), "NO_PROXY" | "no_proxy"));
    set(&["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"]) && !exceptions.any(excepted)
}
