//! The gateway's container, and the volumes that only it mounts.

use serde_json::{Map, Value, json};

use crate::inject::InjectionContext;
use crate::inject::options::{ADMIN_PORT, InjectionOptions, PORT};
use crate::inject::resources::resources;
use crate::names::{
    AUTHORITIES_FILE, CONTAINER, IDENTITY_DIR, IDENTITY_FILE, IDENTITY_VOLUME, LABELS_FILE, LOG, POD_FIELDS,
    POLICY_DIR, POLICY_FILE, POLICY_NAME, POLICY_VOLUME, SIDECAR_BINARY, SIGNATURES_FILE, SIGNED_BY, STATE_DIR,
    STATE_VOLUME, TOKEN_DIR, TOKEN_FILE, TOKEN_VOLUME,
};

/// Readable for the gateway with any user id. No other container mounts the volume.
const READABLE: u16 = 0o444;

/// Builds a native sidecar that satisfies Pod Security's *restricted*, for a pod that has none yet.
pub fn container(pod: &Value, options: &InjectionOptions, facts: &InjectionContext<'_>) -> Value {
    let settings = facts.settings;
    let mut container = Map::new();
    let mut put = |name: &str, value: Value| container.insert(name.to_owned(), value);
    put("name", CONTAINER.into());
    put("image", settings.image.as_str().into());
    if let Some(policy) = &settings.image_pull_policy {
        put("imagePullPolicy", policy.as_str().into());
    }
    put("restartPolicy", "Always".into());
    put("args", arguments(options, facts).into());
    put("env", environment(options));
    put("ports", json!([{"name": crate::names::ADMIN_PORT, "containerPort": options.admin_port, "protocol": "TCP"}]));
    put("resources", resources(pod, options));
    // The gateway has started once it serves a policy, or after half a minute. The kubelet restarts only one that
    // hangs.
    put(
        "startupProbe",
        json!({"exec": {"command": probe("started", options)}, "periodSeconds": 1, "timeoutSeconds": 5, "failureThreshold": 60}),
    );
    put(
        "readinessProbe",
        json!({"exec": {"command": probe("ready", options)}, "periodSeconds": 5, "timeoutSeconds": 5, "failureThreshold": 3}),
    );
    put("securityContext", security(settings.openshift));
    let mut mounts = vec![
        json!({"name": TOKEN_VOLUME, "mountPath": TOKEN_DIR, "readOnly": true}),
        json!({"name": POLICY_VOLUME, "mountPath": POLICY_DIR, "readOnly": true}),
        json!({"name": STATE_VOLUME, "mountPath": STATE_DIR}),
    ];
    if options.identity_audience.is_some() {
        mounts.push(json!({"name": IDENTITY_VOLUME, "mountPath": IDENTITY_DIR, "readOnly": true}));
    }
    put("volumeMounts", mounts.into());
    Value::Object(container)
}

fn arguments(options: &InjectionOptions, facts: &InjectionContext<'_>) -> Vec<String> {
    let settings = facts.settings;
    let mut all: Vec<String> = Vec::new();
    let mut push = |flag: &str, value: String| all.extend([flag.to_owned(), value]);
    push("--policy", POLICY_DIR.to_owned());
    push("--state", STATE_DIR.to_owned());
    push("--labels", format!("{POLICY_DIR}/{LABELS_FILE}"));
    if let Some(key) = settings.verifying.current() {
        push(SIGNED_BY, key.to_string());
        push(POLICY_NAME, options.binding.object_name());
    }
    if let Some(service) = settings.service.first() {
        push("--operator", format!("https://{service}:{}", settings.service_port));
        push("--token", format!("{TOKEN_DIR}/{TOKEN_FILE}"));
        push("--authorities", format!("{POLICY_DIR}/{AUTHORITIES_FILE}"));
    }
    if options.port != PORT {
        push("--listen", format!("127.0.0.1:{}", options.port));
        push("--listen", format!("[::1]:{}", options.port));
    }
    if options.admin_port != ADMIN_PORT {
        push("--admin", format!("0.0.0.0:{}", options.admin_port));
    }
    all
}

/// Repairs the arguments of a gateway that is already in the pod: an older replica set no key, and the binding may have
/// another name since. Arguments that somebody else set stay, and attestation checks them.
pub fn repair(container: &mut Value, options: &InjectionOptions, facts: &InjectionContext<'_>) {
    let Some(key) = facts.settings.verifying.current() else { return };
    let Some(arguments) = container.get_mut("args").and_then(Value::as_array_mut) else { return };
    let mut set = |flag: &str, value: String, over: bool| match arguments.iter().position(|argument| argument == flag) {
        Some(at) if over && arguments.len() > at + 1 => arguments[at + 1] = value.into(),
        Some(_) => {}
        None => arguments.extend([Value::from(flag), value.into()]),
    };
    set(SIGNED_BY, key.to_string(), false);
    set(POLICY_NAME, options.binding.object_name(), true);
}

/// The gateway's own program probes it over loopback, so no mesh, NetworkPolicy or address family is in the way.
fn probe(what: &str, options: &InjectionOptions) -> Vec<String> {
    let mut command = vec![SIDECAR_BINARY.to_owned(), "probe".to_owned(), what.to_owned()];
    if options.port != PORT {
        command.extend(["--listen".to_owned(), format!("127.0.0.1:{}", options.port)]);
    }
    if options.admin_port != ADMIN_PORT {
        command.extend(["--admin".to_owned(), format!("127.0.0.1:{}", options.admin_port)]);
    }
    command
}

fn environment(options: &InjectionOptions) -> Value {
    let field = |(name, path): (&str, &str)| json!({"name": name, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}});
    let mut all: Vec<Value> = POD_FIELDS.into_iter().map(field).collect();
    if let Some(level) = options.log_level {
        all.push(json!({"name": LOG, "value": level}));
    }
    if options.identity_audience.is_some() {
        all.push(json!({"name": IDENTITY_FILE, "value": format!("{IDENTITY_DIR}/{TOKEN_FILE}")}));
    }
    all.into()
}

fn security(openshift: bool) -> Value {
    let mut context = json!({
        "allowPrivilegeEscalation": false,
        "capabilities": {"drop": ["ALL"]},
        "privileged": false,
        "readOnlyRootFilesystem": true,
        "runAsNonRoot": true,
        "seccompProfile": {"type": "RuntimeDefault"},
    });
    // OpenShift assigns ids to each namespace, and refuses others.
    if !openshift && let Some(context) = context.as_object_mut() {
        context.insert("runAsUser".to_owned(), 65_532.into());
        context.insert("runAsGroup".to_owned(), 65_532.into());
    }
    context
}

/// The gateway's volumes. Their sources may appear late or vanish while the gateway runs.
pub fn volumes(options: &InjectionOptions) -> Vec<Value> {
    let token = |name: &str, audience: &str| {
        let token = json!({"audience": audience, "expirationSeconds": 3600, "path": TOKEN_FILE});
        json!({"name": name, "projected": {"sources": [{"serviceAccountToken": token}]}})
    };
    let mut volumes = vec![
        token(TOKEN_VOLUME, outrigger_sync::AUDIENCE),
        policy_volume(options),
        json!({"name": STATE_VOLUME, "emptyDir": {"medium": "Memory", "sizeLimit": "8Mi"}}),
    ];
    volumes.extend(options.identity_audience.iter().map(|audience| token(IDENTITY_VOLUME, audience)));
    volumes
}

/// The three files of the ConfigMap that a gateway reads, the whole Secret, and the pod's labels.
fn policy_volume(options: &InjectionOptions) -> Value {
    let object = options.binding.object_name();
    let items = [POLICY_FILE, AUTHORITIES_FILE, SIGNATURES_FILE].map(|file| json!({"key": file, "path": file}));
    let labels = json!({"path": LABELS_FILE, "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.labels"}});
    json!({
        "name": POLICY_VOLUME,
        "projected": {
            "defaultMode": READABLE,
            "sources": [
                {"configMap": {"name": object, "optional": true, "items": items}},
                {"secret": {"name": object, "optional": true}},
                {"downwardAPI": {"items": [labels]}},
            ],
        },
    })
}

/// Whether a policy volume mounts the signatures. An older replica's does not.
pub fn has_signatures(volume: &Value) -> bool {
    let sources = volume.pointer("/projected/sources").and_then(Value::as_array).into_iter().flatten();
    let mut items = sources.filter_map(|source| source.pointer("/configMap/items")?.as_array()).flatten();
    volume.get("name").and_then(Value::as_str) != Some(POLICY_VOLUME)
        || items.any(|item| item["key"] == SIGNATURES_FILE)
}

/// The ConfigMap of a pod's policy volume.
pub fn mounted(volume: &Value) -> Option<&str> {
    let sources = volume.pointer("/projected/sources")?.as_array()?;
    sources.iter().find_map(|source| source.pointer("/configMap/name")?.as_str())
}
