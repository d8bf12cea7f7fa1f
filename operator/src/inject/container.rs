//! The gateway's container, and the volumes that only it mounts.

use serde_json::{Map, Value, json};

use crate::inject::InjectionContext;
use crate::inject::options::{ADMIN_PORT, InjectionOptions, PORT};
use crate::inject::resources::resources;
use crate::names::{
    AUTHORITIES_FILE, CONTAINER, LABELS_FILE, LOG, POD_FIELDS, POLICY_DIR, POLICY_FILE, POLICY_NAME, POLICY_VOLUME,
    SIDECAR_BINARY, SIGNATURES_FILE, SIGNED_BY, STATE_DIR, STATE_VOLUME, TOKEN_DIR, TOKEN_FILE, TOKEN_VOLUME,
};

/// Readable by the gateway whoever it runs as; no other container mounts it.
const READABLE: u16 = 0o444;

/// A native sidecar, fit for Pod Security's *restricted*. The pod has none yet.
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
    // Started means that a policy was served, or that half a minute is over; only what hangs is made anew.
    put(
        "startupProbe",
        json!({"exec": {"command": probe("started", options)}, "periodSeconds": 1, "timeoutSeconds": 5, "failureThreshold": 60}),
    );
    put(
        "readinessProbe",
        json!({"exec": {"command": probe("ready", options)}, "periodSeconds": 5, "timeoutSeconds": 5, "failureThreshold": 3}),
    );
    put("securityContext", security(settings.openshift));
    put(
        "volumeMounts",
        json!([
            {"name": TOKEN_VOLUME, "mountPath": TOKEN_DIR, "readOnly": true},
            {"name": POLICY_VOLUME, "mountPath": POLICY_DIR, "readOnly": true},
            {"name": STATE_VOLUME, "mountPath": STATE_DIR},
        ]),
    );
    Value::Object(container)
}

fn arguments(options: &InjectionOptions, facts: &InjectionContext<'_>) -> Vec<String> {
    let settings = facts.settings;
    let mut all: Vec<String> = Vec::new();
    let mut give = |flag: &str, value: String| all.extend([flag.to_owned(), value]);
    give("--policy", POLICY_DIR.to_owned());
    give("--state", STATE_DIR.to_owned());
    give("--labels", format!("{POLICY_DIR}/{LABELS_FILE}"));
    if let Some(key) = settings.verifying.current() {
        give(SIGNED_BY, key.to_string());
        give(POLICY_NAME, options.binding.object_name());
    }
    if let Some(service) = settings.service.first() {
        give("--operator", format!("https://{service}:{}", settings.service_port));
        give("--token", format!("{TOKEN_DIR}/{TOKEN_FILE}"));
        give("--authorities", format!("{POLICY_DIR}/{AUTHORITIES_FILE}"));
    }
    if options.port != PORT {
        give("--listen", format!("127.0.0.1:{}", options.port));
        give("--listen", format!("[::1]:{}", options.port));
    }
    if options.admin_port != ADMIN_PORT {
        give("--admin", format!("0.0.0.0:{}", options.admin_port));
    }
    all
}

/// A gateway that an older replica made knows nobody's key yet, and one whose binding was named anew is to know the new one:
/// what it has is mended, and what somebody else gave it stays, to be judged.
pub fn mend(container: &mut Value, options: &InjectionOptions, facts: &InjectionContext<'_>) {
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

/// By the program itself over loopback: no mesh, no NetworkPolicy and no family of addresses is in the way.
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
    // OpenShift gives each namespace ids of its own, and refuses others.
    if !openshift && let Some(context) = context.as_object_mut() {
        context.insert("runAsUser".to_owned(), 65_532.into());
        context.insert("runAsGroup".to_owned(), 65_532.into());
    }
    context
}

/// Named for what they hold. What is mounted may come later or vanish, and the gateway serves on.
pub fn volumes(options: &InjectionOptions) -> [Value; 3] {
    let token = json!({"audience": outrigger_sync::AUDIENCE, "expirationSeconds": 3600, "path": TOKEN_FILE});
    [
        json!({"name": TOKEN_VOLUME, "projected": {"sources": [{"serviceAccountToken": token}]}}),
        policy_volume(options),
        json!({"name": STATE_VOLUME, "emptyDir": {"medium": "Memory", "sizeLimit": "8Mi"}}),
    ]
}

/// The ConfigMap's three files that a gateway reads, the Secret whole, the pod's labels.
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

/// Whether a pod's policy volume shows all that is read of the ConfigMap: an older replica's did not.
pub fn is_whole(volume: &Value) -> bool {
    let sources = volume.pointer("/projected/sources").and_then(Value::as_array).into_iter().flatten();
    let mut items = sources.filter_map(|source| source.pointer("/configMap/items")?.as_array()).flatten();
    volume.get("name").and_then(Value::as_str) != Some(POLICY_VOLUME)
        || items.any(|item| item["key"] == SIGNATURES_FILE)
}

/// The ConfigMap that a pod's policy volume is of.
pub fn mounted(volume: &Value) -> Option<&str> {
    let sources = volume.pointer("/projected/sources")?.as_array()?;
    sources.iter().find_map(|source| source.pointer("/configMap/name")?.as_str())
}
