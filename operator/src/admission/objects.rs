//! Reviews our own objects that are created, changed or deleted. Finds faults that a CRD's schema cannot express.
//!
//! | | |
//! |---|---|
//! | refused | faults that do not depend on other objects: an expression that does not compile, an unknown time zone; a
//! rule whose own tests fail although everything that it names exists |
//! | warned of | faults that may only be a matter of order: a reference to an object that does not exist, a missing
//! Secret; a deletion of an object that others use |
//!
//! A review waits for nothing and stores nothing: the object is evaluated in a copy of the index.

use std::collections::BTreeSet;
use std::time::Instant;

use bytes::Bytes;
use http::StatusCode;
use outrigger_compile::{Cause, Cluster, Finding, Severity, compile_in};
use outrigger_core::ObjectRef;
use outrigger_crds::RoutingRuleSpec;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::admission::completeness::all_exist;
use crate::admission::limit_names;
use crate::admission::review::{AdmissionOperation, AdmissionRequest, ReviewResponse};
use crate::admission::{DenialReason, Effect};
use crate::objects::fields::read;
use crate::objects::id::{ObjectId, ObjectKind};
use crate::objects::metadata::Metadata;
use crate::objects::refs::{Reference, references_of};
use crate::objects::version::ObjectVersion;
use crate::plan::choose::evaluate;
use crate::plan::last_good::LastGood;
use crate::state::index::ObjectIndex;
use crate::status::reason::ConditionReason;

/// The webhook's path.
pub const PATH: &str = "/admit/validate";
/// The value of the metrics label, beside [`crate::admission::Webhook::word`].
/// How many users of a deleted object a warning names.
const USERS_MAX: usize = 8;
/// How many faults a refusal names.
const FAULTS_MAX: usize = 5;
/// Completes the name of an object with a `generateName`.
const NEW_NAME_SUFFIX: &str = "new";

/// The outcome of a review, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReviewOutcome {
    Allowed,
    Warned,
    Refused(ConditionReason),
}

impl ReviewOutcome {
    /// The `effect` and `reason` labels of the metric.
    #[must_use]
    pub fn effect(self) -> (Effect, Option<DenialReason>) {
        match self {
            ReviewOutcome::Allowed => (Effect::Unchanged, None),
            ReviewOutcome::Warned => (Effect::Warned, None),
            ReviewOutcome::Refused(reason) => (Effect::Refused, Some(reason.into())),
        }
    }
}

/// Answers a review. `index` returns a copy of the current index; it is called only where a copy is needed.
#[must_use]
pub fn answer(
    body: &[u8],
    index: impl FnOnce() -> ObjectIndex,
    record: impl FnOnce(ReviewOutcome),
) -> (StatusCode, Bytes) {
    match AdmissionRequest::read(body) {
        Ok(request) => {
            let (answer, outcome) = admit(&request, index);
            record(outcome);
            (StatusCode::OK, answer.write(&request.uid))
        }
        Err(error) => (StatusCode::BAD_REQUEST, json!({"error": error.to_string()}).to_string().into()),
    }
}

/// Returns the namespace that a review is about, without parsing the objects in it. Empty if the object has no
/// namespace or the body is not a review.
pub(crate) fn namespace(body: &[u8]) -> String {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct ReviewHead {
        request: ReviewTarget,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct ReviewTarget {
        namespace: String,
    }
    serde_json::from_slice::<ReviewHead>(body).unwrap_or_default().request.namespace
}

fn admit(request: &AdmissionRequest, index: impl FnOnce() -> ObjectIndex) -> (ReviewResponse, ReviewOutcome) {
    let ours = request.kind.group == outrigger_crds::GROUP && request.subresource.is_empty();
    let Some(kind) = ObjectKind::named(&request.kind.kind).filter(|_| ours) else {
        return (ReviewResponse::allow(), ReviewOutcome::Allowed);
    };
    match request.operation {
        AdmissionOperation::Create | AdmissionOperation::Update if changes_spec(request) => match version(request) {
            Some(version) => {
                let renamed = limit_names::warnings(&version.id, &request.old_object, &request.object);
                let (mut answer, outcome) = review_spec(version, index());
                answer.warnings.extend(renamed);
                let warned = outcome == ReviewOutcome::Allowed && !answer.warnings.is_empty();
                (answer, if warned { ReviewOutcome::Warned } else { outcome })
            }
            None => (ReviewResponse::allow(), ReviewOutcome::Allowed),
        },
        AdmissionOperation::Delete => {
            let id = ObjectId { kind, namespace: request.namespace.clone(), name: request.name.clone() };
            allow_with_warnings(describe_users(&id, &index()))
        }
        _ => (ReviewResponse::allow(), ReviewOutcome::Allowed),
    }
}

/// Whether the spec changes. A change of a label, an annotation or a finalizer is never refused, nor is a change of an
/// object that is being deleted.
fn changes_spec(request: &AdmissionRequest) -> bool {
    let deleting = Metadata::of(&request.object).is_being_deleted();
    !deleting && request.object.get("spec") != request.old_object.get("spec")
}

fn version(request: &AdmissionRequest) -> Option<ObjectVersion> {
    let mut object = request.object.clone();
    let metadata = object.get_mut("metadata").and_then(Value::as_object_mut)?;
    metadata.entry("namespace").or_insert_with(|| request.namespace.clone().into());
    if metadata.get("name").and_then(Value::as_str).is_none_or(str::is_empty) {
        let prefix = metadata.get("generateName").and_then(Value::as_str).unwrap_or_default();
        let name = format!("{prefix}{NEW_NAME_SUFFIX}");
        metadata.insert("name".to_owned(), name.into());
    }
    ObjectVersion::of(&object)
}

fn review_spec(version: ObjectVersion, mut index: ObjectIndex) -> (ReviewResponse, ReviewOutcome) {
    let id = version.id.clone();
    let certain = own_faults(&version, &index);
    if !certain.is_empty() {
        return refuse(&id, ConditionReason::Invalid, &certain);
    }
    let unread = has_unread_values(&version, &index);
    index.apply_unstored(version);
    let began = Instant::now();
    let evaluated = evaluate(&index, &mut LastGood::new(), &id.namespace);
    tracing::debug!(object = %id, took = ?began.elapsed(), "evaluated an object at admission");
    let found: Vec<&Finding> = evaluated.findings.get(&id).into_iter().flatten().collect();
    let is_unresolved = |finding: &&Finding| finding.severity == Severity::Error && finding.cause != Cause::TestFailed;
    let references_exist = || {
        let rule = ObjectRef { namespace: id.namespace.clone(), name: id.name.clone() };
        let spec = index.get(&id).and_then(|known| read::<RoutingRuleSpec>(known.version.spec()?));
        spec.is_some_and(|spec| all_exist(&rule, &spec, &evaluated.compiled.document))
    };
    let failed: Vec<Finding> =
        found.iter().filter(|finding| finding.cause == Cause::TestFailed).map(|finding| (*finding).clone()).collect();
    if !failed.is_empty() && !found.iter().any(is_unresolved) && references_exist() {
        return refuse(&id, ConditionReason::TestsFailed, &failed);
    }
    // The operator reads a Secret only once an object refers to it. So a value that is missing here proves nothing.
    let reported = found.into_iter().filter(|finding| !(unread && finding.cause == Cause::ValueMissing));
    allow_with_warnings(reported.map(describe).collect())
}

/// Faults of the object that do not depend on other objects.
fn own_faults(version: &ObjectVersion, index: &ObjectIndex) -> Vec<Finding> {
    let compiled = compile_in(&Cluster {
        objects: &[(version.object(), version.judgement())],
        others: &[],
        namespace: &version.id.namespace,
        operator_namespace: index.operator_namespace(),
    });
    // The API server has already checked the schema by its own definitions, which may be newer.
    let certain = |finding: &Finding| finding.severity == Severity::Error && finding.cause == Cause::Invalid;
    compiled.findings.into_iter().filter(certain).collect()
}

/// Whether the object refers to a Secret or ConfigMap that the operator does not watch yet.
fn has_unread_values(version: &ObjectVersion, index: &ObjectIndex) -> bool {
    let known = index.wanted();
    references_of(version).iter().any(|named| matches!(named, Reference::Value(wanted) if !known.contains(wanted)))
}

fn refuse(id: &ObjectId, reason: ConditionReason, faults: &[Finding]) -> (ReviewResponse, ReviewOutcome) {
    let described: BTreeSet<String> = faults.iter().map(describe).collect();
    let mut message = format!("{id}: {}", described.iter().take(FAULTS_MAX).cloned().collect::<Vec<_>>().join("; "));
    if let Some(more) = described.len().checked_sub(FAULTS_MAX).filter(|more| *more > 0) {
        message.push_str(&format!("; and {more} more"));
    }
    (ReviewResponse::refuse(reason, message), ReviewOutcome::Refused(reason))
}

fn allow_with_warnings(warnings: Vec<String>) -> (ReviewResponse, ReviewOutcome) {
    let outcome = if warnings.is_empty() { ReviewOutcome::Allowed } else { ReviewOutcome::Warned };
    (ReviewResponse { warnings, ..ReviewResponse::default() }, outcome)
}

fn describe(finding: &Finding) -> String {
    match finding.path.as_str() {
        "" => finding.message.clone(),
        path => format!("{path}: {}", finding.message),
    }
}

/// Describes the objects and pods that use an object, as warnings for its deletion.
fn describe_users(id: &ObjectId, index: &ObjectIndex) -> Vec<String> {
    let users = index.users(id);
    let mut warnings = Vec::new();
    if !users.is_empty() {
        let mut names: Vec<String> = users.iter().take(USERS_MAX).map(ObjectId::to_string).collect();
        if let Some(more) = users.len().checked_sub(USERS_MAX).filter(|more| *more > 0) {
            names.push(format!("{more} more"));
        }
        let becomes = match id.kind {
            ObjectKind::Budget => "they keep its last amount, and report ResolvedRefs=False",
            _ => "they continue without it, and report ResolvedRefs=False",
        };
        warnings.push(format!("{id} is used by {}: {becomes}", names.join(", ")));
    }
    let bound = |name: &String| *name == id.name;
    let pods = index.bindings(&id.namespace).into_iter().flatten().any(|binding| binding.keys().iter().any(bound));
    if id.kind == ObjectKind::VirtualKey && pods {
        warnings.push(format!(
            "pods in {} are bound to {id}: their requests with it are refused from now on",
            id.namespace
        ));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use crate::objects::binding::Binding;

    use super::*;

    fn object(kind: &str, name: &str, spec: Value) -> Value {
        json!({
            "apiVersion": "outrigger.dev/v1alpha1", "kind": kind,
            "metadata": {"name": name, "namespace": "shop", "uid": name, "generation": 1, "resourceVersion": "1"},
            "spec": spec,
        })
    }

    fn index(objects: &[Value]) -> ObjectIndex {
        let mut index = ObjectIndex::new("outrigger-system", false);
        for object in objects {
            let _ = index.apply(object);
        }
        index
    }

    fn review(operation: &str, object: Value, old: Value) -> Vec<u8> {
        let any = if object.is_null() { &old } else { &object };
        let word = |pointer: &str| any.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let review = json!({
            "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
            "request": {
                "uid": "1", "operation": operation, "namespace": "shop", "name": word("/metadata/name"),
                "kind": {"group": "outrigger.dev", "version": "v1alpha1", "kind": word("/kind")},
                "object": object, "oldObject": old,
            },
        });
        review.to_string().into_bytes()
    }

    fn respond(body: &[u8], index: ObjectIndex) -> (Value, ReviewOutcome) {
        let mut outcome = None;
        let (code, body) = answer(body, || index, |result| outcome = Some(result));
        assert_eq!(code, StatusCode::OK);
        (serde_json::from_slice::<Value>(&body).unwrap()["response"].take(), outcome.unwrap())
    }

    fn created(object: Value, index: ObjectIndex) -> (Value, ReviewOutcome) {
        respond(&review("CREATE", object, Value::Null), index)
    }

    fn mock() -> Value {
        object("LLMProvider", "mock", json!({"type": "Mock", "mock": {"reply": "hello"}}))
    }

    fn key() -> Value {
        object("VirtualKey", "search", json!({"providers": [{"name": "mock"}]}))
    }

    fn rule(when: &str, expected: &str) -> Value {
        object(
            "RoutingRule",
            "premium",
            json!({
                "priority": 1, "scope": {"virtualKeys": ["search"]}, "when": when,
                "targets": [{"provider": "mock", "model": "big"}],
                "tests": [{"name": "goes", "request": {"key": "search", "model": "m"}, "expect": {"model": expected}}],
            }),
        )
    }

    #[test]
    fn the_namespace_of_a_review_is_read_without_its_objects() {
        assert_eq!(namespace(&review("CREATE", key(), Value::Null)), "shop");
        assert_eq!(namespace(b"{\"request\": 7}"), "");
        assert_eq!(namespace(b"nothing"), "");
    }

    #[test]
    fn a_valid_object_is_allowed_without_warnings() {
        let (answer, outcome) = created(rule("model == \"m\"", "big"), index(&[mock(), key()]));
        assert_eq!((answer, outcome), (json!({"uid": "1", "allowed": true}), ReviewOutcome::Allowed));
    }

    #[test]
    fn an_expression_that_does_not_compile_is_always_refused() {
        for index in [index(&[]), index(&[mock(), key()])] {
            let (answer, outcome) = created(rule("model ==", "big"), index);
            assert_eq!(outcome, ReviewOutcome::Refused(ConditionReason::Invalid));
            let message = answer["status"]["message"].as_str().unwrap();
            assert!(message.starts_with("RoutingRule shop/premium: spec.when: "), "{message}");
        }
    }

    #[test]
    fn an_unknown_time_zone_is_refused() {
        let budget = json!({"amount": "5", "window": "Month", "timeZone": "Mars/Olympus"});
        let (answer, outcome) = created(object("Budget", "team", budget), index(&[]));
        assert_eq!(outcome, ReviewOutcome::Refused(ConditionReason::Invalid));
        assert!(answer["status"]["message"].as_str().unwrap().contains("Mars/Olympus"), "{answer}");
    }

    #[test]
    fn failing_tests_refuse_a_rule_if_all_that_it_names_exists() {
        let (answer, outcome) = created(rule("model == \"m\"", "small"), index(&[mock(), key()]));
        assert_eq!(outcome, ReviewOutcome::Refused(ConditionReason::TestsFailed));
        assert_eq!(answer["status"]["reason"], "TestsFailed");
        // Another rule, the key or the provider does not exist yet.
        let mut other = rule("model == \"m\"", "small");
        other["spec"]["tests"][0]["expect"]["rule"] = json!("cheap");
        for (rule, index) in [
            (rule("model == \"m\"", "small"), index(&[])),
            (rule("model == \"m\"", "small"), index(&[mock()])),
            (rule("model == \"m\"", "small"), index(&[key()])),
            (other, index(&[mock(), key()])),
        ] {
            let (answer, outcome) = created(rule, index);
            assert!(!matches!(outcome, ReviewOutcome::Refused(_)) && answer["allowed"] == true, "{answer}");
        }
    }

    #[test]
    fn a_missing_reference_is_a_warning() {
        let (answer, outcome) = created(key(), index(&[]));
        assert_eq!((outcome, &answer["allowed"]), (ReviewOutcome::Warned, &json!(true)));
        let warning = answer["warnings"][0].as_str().unwrap();
        assert!(warning.starts_with("spec.providers[0]"), "{warning}");
    }

    #[test]
    fn a_secret_that_is_not_watched_yet_is_not_reported_as_missing() {
        let spec = json!({"type": "OpenAI", "credentials": [{"name": "main", "secretRef": {"name": "openai"}}]});
        let provider = object("LLMProvider", "openai", spec);
        let (answer, outcome) = created(provider.clone(), index(&[]));
        assert_eq!(outcome, ReviewOutcome::Allowed, "{answer}");
        let mut changed = provider.clone();
        changed["spec"]["prewarm"] = json!(true);
        let (answer, outcome) = respond(&review("UPDATE", changed, provider.clone()), index(&[provider]));
        assert_eq!(outcome, ReviewOutcome::Warned);
        assert!(answer["warnings"][0].as_str().unwrap().contains("openai"), "{answer}");
    }

    #[test]
    fn a_change_outside_the_spec_is_not_reviewed() {
        let broken = rule("model ==", "big");
        let mut labelled = broken.clone();
        labelled["metadata"]["labels"] = json!({"a": "b"});
        let (answer, outcome) = respond(&review("UPDATE", labelled, broken.clone()), index(&[]));
        assert_eq!((outcome, &answer["allowed"]), (ReviewOutcome::Allowed, &json!(true)));
        let mut deleting = rule("also ==", "big");
        deleting["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        assert_eq!(respond(&review("UPDATE", deleting, broken), index(&[])).1, ReviewOutcome::Allowed);
    }

    #[test]
    fn deleting_an_object_that_is_used_names_its_users() {
        let (answer, outcome) = respond(&review("DELETE", Value::Null, mock()), index(&[mock(), key()]));
        assert_eq!((outcome, &answer["allowed"]), (ReviewOutcome::Warned, &json!(true)));
        assert_eq!(
            answer["warnings"],
            json!([
                "LLMProvider shop/mock is used by VirtualKey shop/search: they continue without it, and report ResolvedRefs=False"
            ])
        );
        assert_eq!(respond(&review("DELETE", Value::Null, mock()), index(&[mock()])).1, ReviewOutcome::Allowed);
        let mut bound = index(&[key()]);
        let _ = bound.bind([Binding::of("shop", "search")].into());
        let (answer, _) = respond(&review("DELETE", Value::Null, key()), bound);
        assert!(answer["warnings"][0].as_str().unwrap().starts_with("pods in shop are bound"), "{answer}");
    }

    #[test]
    fn an_object_with_a_generated_name_is_reviewed() {
        let mut nameless = rule("model ==", "big");
        nameless["metadata"] = json!({"generateName": "premium-"});
        let (answer, outcome) = created(nameless, index(&[]));
        assert_eq!(outcome, ReviewOutcome::Refused(ConditionReason::Invalid), "{answer}");
    }

    #[test]
    fn other_kinds_and_malformed_objects_are_allowed() {
        for object in [json!({"kind": "Deployment"}), json!({"kind": "VirtualKey", "metadata": 3}), json!({"kind": 3})]
        {
            assert_eq!(created(object, index(&[])).0["allowed"], true);
        }
        let (code, body) = answer(b"{", || index(&[]), |_| panic!("nothing was reviewed"));
        assert_eq!(code, StatusCode::BAD_REQUEST);
        assert!(String::from_utf8_lossy(&body).contains("not an AdmissionReview"));
    }
}
