//! The admission webhooks: reviews in, responses out.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic, outside its own function as well")]

mod support;

use std::cell::RefCell;
use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use outrigger_operator::admission::{AdmissionContext, AdmissionRecord, DenialReason, Namespace, admit};
use outrigger_operator::names;
use serde_json::{Value, json};
use support::settings;

fn word(reason: Option<DenialReason>) -> &'static str {
    reason.map_or("", DenialReason::word)
}

/// The response, the object as the API server would store it, and the recorded outcomes for metrics and Events.
struct AdmissionAnswer {
    response: Value,
    object: Value,
    recorded: Vec<String>,
}

impl AdmissionAnswer {
    fn warnings(&self) -> Vec<&str> {
        self.response["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
    }

    fn refusal(&self) -> &str {
        assert_eq!(self.response["allowed"], false, "{}", self.response);
        self.response["status"]["message"].as_str().unwrap()
    }
}

fn namespace(namespace: &str) -> Option<Namespace> {
    let labels = match namespace {
        "shop" => BTreeMap::new(),
        "all" => BTreeMap::from([(names::INJECT.to_owned(), "true".to_owned())]),
        _ => return None,
    };
    Some(Namespace { labels, annotations: BTreeMap::new() })
}

fn review(path: &str, request: &Value) -> AdmissionAnswer {
    let settings = settings();
    let records = RefCell::new(Vec::new());
    let record = |entry: &AdmissionRecord<'_>| {
        let owner = entry.owner.as_ref().map(|owner| format!(" of {} {}", owner.kind, owner.name)).unwrap_or_default();
        let dry = if entry.dry_run { " (dry run)" } else { "" };
        records.borrow_mut().push(format!(
            "{} {} {}{owner}{dry}",
            entry.webhook.word(),
            entry.effect.word(),
            word(entry.reason)
        ));
    };
    let context = AdmissionContext { settings: &settings, namespace: &namespace, record: &record };
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request});
    let (status, body) = admit(path, review.to_string().as_bytes(), &context);
    assert_eq!(status, StatusCode::OK);
    let review: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((&review["apiVersion"], &review["kind"]), (&json!("admission.k8s.io/v1"), &json!("AdmissionReview")));
    let response = review["response"].clone();
    assert_eq!(response["uid"], request["uid"]);
    let mut object = request["object"].clone();
    if let Some(patch) = response.get("patch") {
        assert_eq!(response["patchType"], "JSONPatch");
        let patch: json_patch::Patch =
            serde_json::from_slice(&STANDARD.decode(patch.as_str().unwrap()).unwrap()).unwrap();
        json_patch::patch(&mut object, &patch).unwrap();
    }
    AdmissionAnswer { response, object, recorded: records.into_inner() }
}

fn create(namespace: &str, kind: &str, object: &Value) -> Value {
    json!({"uid": "u", "kind": {"group": "", "version": "v1", "kind": kind}, "operation": "CREATE", "namespace": namespace,
        "dryRun": false, "object": object, "oldObject": null, "userInfo": {"username": "somebody"}, "newInRequest": 1})
}

fn update(kind: &str, old: &Value, new: &Value) -> Value {
    let mut request = create("shop", kind, new);
    request["operation"] = "UPDATE".into();
    request["oldObject"] = old.clone();
    request
}

fn pod(annotations: &Value) -> Value {
    let owner = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "app-1", "uid": "r", "controller": true});
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "app-1-", "annotations": annotations, "ownerReferences": [owner]},
        "spec": {"containers": [{"name": "app", "image": "x"}]}})
}

fn containers(pod: &Value) -> usize {
    pod["spec"].get("initContainers").and_then(Value::as_array).map_or(0, Vec::len)
}

#[test]
fn a_pod_that_asks_gets_a_gateway() {
    let answered = review("/admit/pods", &create("shop", "Pod", &pod(&json!({"outrigger.dev/inject": "true"}))));
    assert_eq!(answered.response["allowed"], true);
    assert_eq!(containers(&answered.object), 1);
    assert_eq!(answered.recorded, ["pods injected  of ReplicaSet app-1"]);
    assert_eq!(answered.response["auditAnnotations"], json!({"result": "injected"}));
    // A second pass changes neither the pod nor the audit log.
    let again = review("/admit/pods", &create("shop", "Pod", &answered.object));
    assert_eq!((&again.response["patch"], &again.response["auditAnnotations"]), (&Value::Null, &Value::Null));
}

#[test]
fn a_pod_without_annotations_gets_a_gateway_if_its_namespace_asks() {
    assert_eq!(containers(&review("/admit/namespaces", &create("all", "Pod", &pod(&json!({})))).object), 1);
    // The API server knows the label before the operator's watch reports it.
    assert_eq!(containers(&review("/admit/namespaces", &create("shop", "Pod", &pod(&json!({})))).object), 1);
    let silent = review("/admit/pods", &create("shop", "Pod", &pod(&json!({}))));
    assert_eq!(
        (containers(&silent.object), silent.recorded),
        (0, vec!["pods unchanged NotAsked of ReplicaSet app-1".to_owned()])
    );
}

#[test]
fn an_impossible_injection_is_refused_or_skipped() {
    let mut asking = pod(&json!({"outrigger.dev/inject": "true"}));
    asking["spec"]["hostNetwork"] = true.into();
    let mut request = create("shop", "Pod", &asking);
    request["dryRun"] = true.into();
    let refused = review("/admit/pods", &request);
    assert_eq!(
        refused.refusal(),
        "the pod has hostNetwork: every process of its node could call the gateway (or opt out: outrigger.dev/inject: \"false\")"
    );
    assert_eq!(
        (&refused.response["status"]["reason"], &refused.response["status"]["code"]),
        (&json!("HostNetwork"), &json!(422))
    );
    assert_eq!(refused.recorded, ["pods refused HostNetwork of ReplicaSet app-1 (dry run)"]);

    let mut silent = pod(&json!({}));
    silent["spec"]["hostNetwork"] = true.into();
    let skipped = review("/admit/namespaces", &create("all", "Pod", &silent));
    assert_eq!(skipped.response["allowed"], true);
    assert_eq!(containers(&skipped.object), 0);
    assert!(skipped.object["metadata"]["annotations"][names::INJECTED].as_str().unwrap().contains("HostNetwork"));
    assert!(skipped.object["metadata"].get("labels").is_none());
    assert_eq!(skipped.warnings().len(), 1);
}

/// Ignoring the namespace's annotations would bind the pod to another key.
#[test]
fn a_pod_of_an_unknown_namespace_must_be_retried() {
    let refused = review("/admit/pods", &create("new", "Pod", &pod(&json!({"outrigger.dev/inject": "true"}))));
    assert_eq!(refused.refusal(), "the operator has not seen namespace new yet: try again");
    assert_eq!(refused.response["status"]["code"], 503);
    assert_eq!(refused.response["status"]["details"], json!({"retryAfterSeconds": 1}));
}

/// The webhook's `failurePolicy` decides about the pod: `Ignore`, unless the chart sets another.
#[test]
fn a_pod_that_did_not_ask_is_not_refused_because_its_namespace_is_unknown() {
    let settings = settings();
    let records = RefCell::new(Vec::new());
    let record = |entry: &AdmissionRecord<'_>| {
        records.borrow_mut().push(format!("{} {} {}", entry.webhook.word(), entry.effect.word(), word(entry.reason)));
    };
    let context = AdmissionContext { settings: &settings, namespace: &namespace, record: &record };
    let request = create("new", "Pod", &pod(&json!({})));
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request});
    let (status, body) = admit("/admit/namespaces", review.to_string().as_bytes(), &context);
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body, json!({"error": "the operator has not seen namespace new yet: try again"}), "not a review");
    assert_eq!(records.into_inner(), ["namespaces skipped NamespaceUnknown"]);
}

#[test]
fn only_creations_are_reviewed() {
    for (field, value) in [
        ("operation", json!("DELETE")),
        ("operation", json!("UPDATE")),
        ("subResource", json!("ephemeralcontainers")),
        ("object", json!(null)),
    ] {
        let mut request = create("shop", "Pod", &pod(&json!({"outrigger.dev/inject": "true"})));
        request[field] = value;
        let answered = review("/admit/pods", &request);
        assert_eq!((&answered.response["allowed"], answered.response.get("patch")), (&json!(true), None), "{field}");
    }
}

#[test]
fn an_invalid_body_is_a_400_and_an_unknown_path_a_404() {
    let settings = settings();
    let context =
        AdmissionContext { settings: &settings, namespace: &namespace, record: &|_| panic!("nothing is recorded") };
    let (status, body) = admit("/admit/pods", b"{\"kind\":\"Pod\"}", &context);
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(serde_json::from_slice::<Value>(&body).unwrap()["error"].is_string());
    assert_eq!(admit("/admit/nothing", b"{}", &context).0, StatusCode::NOT_FOUND);
}

fn workload(kind: &str, own: &Value, template: &Value) -> Value {
    let pods = json!({"metadata": {"labels": {"app": "a"}, "annotations": template}, "spec": {"containers": [{"name": "app", "image": "x"}]}});
    let spec = match kind {
        "CronJob" => json!({"schedule": "@daily", "jobTemplate": {"spec": {"template": pods}}}),
        _ => json!({"template": pods}),
    };
    json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "app", "annotations": own}, "spec": spec})
}

fn stamp(kind: &str, object: &Value) -> Value {
    let at = if kind == "CronJob" { "/spec/jobTemplate/spec/template" } else { "/spec/template" };
    let annotations = object.pointer(at).unwrap()["metadata"]["annotations"].clone();
    annotations.get(names::WORKLOAD).map_or(Value::Null, |text| serde_json::from_str(text.as_str().unwrap()).unwrap())
}

#[test]
fn every_kind_of_workload_is_stamped() {
    let own = json!({"outrigger.dev/inject": "true", "outrigger.dev/virtual-key": "search", "team": "a", "deployment.kubernetes.io/revision": "3"});
    for kind in ["Deployment", "StatefulSet", "DaemonSet", "CronJob", "Job"] {
        let object = workload(kind, &own, &json!(null));
        let answered = review("/admit/workloads", &create("shop", kind, &object));
        assert_eq!(stamp(kind, &answered.object), json!({"inject": "true", "virtual-key": "search"}), "{kind}");
        assert_eq!(answered.warnings(), Vec::<&str>::new());
        assert_eq!(answered.recorded, ["workloads stamped "]);
        let again = review("/admit/workloads", &create("shop", kind, &answered.object));
        assert_eq!(again.object, answered.object);
        assert_eq!(again.recorded, ["workloads unchanged "]);
    }
    let set = workload("ReplicaSet", &own, &json!({}));
    assert_eq!(review("/admit/workloads", &create("shop", "ReplicaSet", &set)).object, set);
}

#[test]
fn the_stamp_is_removed_with_the_annotations_and_nothing_else_is() {
    let own = json!({"outrigger.dev/inject": "true"});
    let theirs = json!({"outrigger.dev/port": "5000", "sidecar.istio.io/inject": "false"});
    let before =
        review("/admit/workloads", &create("shop", "Deployment", &workload("Deployment", &own, &theirs))).object;
    let mut after = before.clone();
    after["metadata"]["annotations"] = json!({"team": "a"});
    let answered = review("/admit/workloads", &update("Deployment", &before, &after));
    assert_eq!(answered.object["spec"]["template"]["metadata"]["annotations"], theirs);
    // Opting out is an annotation too, and pods must see it.
    let out = workload("Deployment", &json!({"outrigger.dev/inject": "false"}), &json!({}));
    let answered = review("/admit/workloads", &update("Deployment", &before, &out));
    assert_eq!(stamp("Deployment", &answered.object), json!({"inject": "false"}));
}

#[test]
fn an_invalid_annotation_is_refused_only_when_it_is_written() {
    let slipped =
        workload("Deployment", &json!({"outrigger.dev/inject": "true", "outrigger.dev/virtual-kye": "a"}), &json!({}));
    let refused = review("/admit/workloads", &create("shop", "Deployment", &slipped));
    assert_eq!(
        refused.refusal(),
        "outrigger.dev/virtual-kye is no annotation of a workload; did you mean `outrigger.dev/virtual-key`?"
    );
    let own = json!({"outrigger.dev/inject": "true"});
    let template = workload("Deployment", &own, &json!({"outrigger.dev/port": "80"}));
    let refused = review("/admit/workloads", &create("shop", "Deployment", &template));
    assert_eq!(refused.refusal(), "the pod's annotation outrigger.dev/port: `80` is no port from 1024 to 65535");

    // The invalid annotation is already stored, and a controller writes a revision.
    let mut later = slipped.clone();
    later["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = "4".into();
    let passed = review("/admit/workloads", &update("Deployment", &slipped, &later));
    assert_eq!(passed.response["allowed"], true);
    assert_eq!(
        passed.warnings()[0],
        "outrigger.dev/virtual-kye is no annotation of a workload; did you mean `outrigger.dev/virtual-key`?"
    );
    assert_eq!(stamp("Deployment", &passed.object), json!({"inject": "true"}));

    for (field, value) in [("subResource", json!("scale")), ("operation", json!("DELETE")), ("object", json!(null))] {
        let mut request = update("Deployment", &slipped, &slipped);
        request[field] = value;
        assert_eq!(review("/admit/workloads", &request).response, json!({"uid": "u", "allowed": true}));
    }
    let mut deleting = slipped.clone();
    deleting["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
    assert_eq!(
        review("/admit/workloads", &update("Deployment", &own, &deleting)).response,
        json!({"uid": "u", "allowed": true})
    );
}

#[test]
fn a_workloads_review_warns_about_its_pods() {
    let own = json!({"outrigger.dev/inject": "true", "outrigger.dev/port": "6000"});
    let mut object = workload("Deployment", &own, &json!({"outrigger.dev/port": "5000"}));
    object["spec"]["template"]["spec"]["containers"][0]["env"] = json!([{"name": "OPENAI_API_KEY", "value": "mine"}]);
    let answered = review("/admit/workloads", &create("shop", "Deployment", &object));
    assert_eq!(
        answered.warnings(),
        [
            "the template sets outrigger.dev/port itself, which overrides the value on the Deployment",
            "app: OPENAI_API_KEY is already set, so openai does not use the gateway: remove it if it should",
        ]
    );
    object["spec"]["template"]["spec"]["hostNetwork"] = true.into();
    let answered = review("/admit/workloads", &create("unheard-of", "Deployment", &object));
    assert_eq!(
        answered.warnings()[1],
        "its pods will be refused: HostNetwork: the pod has hostNetwork: every process of its node could call the gateway"
    );
    // Without a change, the warnings are not repeated.
    let same = review("/admit/workloads", &update("Deployment", &answered.object, &answered.object));
    assert_eq!(same.warnings(), Vec::<&str>::new());
}

#[test]
fn a_job_is_stamped_once() {
    let before = review(
        "/admit/workloads",
        &create("shop", "Job", &workload("Job", &json!({"outrigger.dev/inject": "true"}), &json!({}))),
    )
    .object;
    let mut after = before.clone();
    after["metadata"]["annotations"]["outrigger.dev/virtual-kye"] = "other".into();
    let answered = review("/admit/workloads", &update("Job", &before, &after));
    assert!(answered.response.get("patch").is_none());
    assert_eq!(
        answered.warnings(),
        ["a Job's pods do not change after it is created: delete the Job and create it again"]
    );
}

/// The template has the CronJob's stamp, and the Job's own annotations are added.
#[test]
fn a_job_of_a_cron_job_keeps_its_stamp() {
    let stamped = json!({names::WORKLOAD: "{\"inject\":\"true\",\"log-level\":\"debug\"}"});
    let job = workload("Job", &json!({"outrigger.dev/virtual-key": "nightly"}), &stamped);
    let answered = review("/admit/workloads", &create("shop", "Job", &job));
    assert_eq!(
        stamp("Job", &answered.object),
        json!({"inject": "true", "log-level": "debug", "virtual-key": "nightly"})
    );
}
