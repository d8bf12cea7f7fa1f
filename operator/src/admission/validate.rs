//! Reviews of our own objects that are created, changed or deleted. They find what a CRD's schema cannot.
//!
//! | | |
//! |---|---|
//! | refused | what is wrong whatever else exists: an expression that does not compile, an unknown time zone; a rule whose own tests fail although everything that it names exists |
//! | warned of | what may only be a matter of order: a name that names nothing, a missing Secret; that others use what is deleted |
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

use crate::admission::completeness::all_there;
use crate::admission::review::{AdmissionOperation, AdmissionRequest, ReviewResponse};
use crate::admission::{DenialReason, Effect};
use crate::objects::fields::read;
use crate::objects::id::{ObjectId, ObjectKind};
use crate::objects::metadata::Metadata;
use crate::objects::refs::{Reference, named_by};
use crate::objects::version::ObjectVersion;
use crate::plan::choose::evaluate;
use crate::plan::last_good::LastGood;
use crate::state::index::ObjectIndex;
use crate::status::reason::ConditionReason;

/// Where it answers.
pub const PATH: &str = "/admit/validate";
/// As a label of metrics, beside [`crate::admission::Webhook::word`].
/// Users that are named of what is deleted.
const USERS: usize = 8;
/// Faults that are named of what is refused.
const FAULTS: usize = 5;
/// Of an object that is to be given a name.
const NAMELESS: &str = "new";

/// What became of a request, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReviewOutcome {
    Allowed,
    Warned,
    Refused(ConditionReason),
}

impl ReviewOutcome {
    /// As `effect` and `reason` of a metric.
    #[must_use]
    pub fn effect(self) -> (Effect, Option<DenialReason>) {
        match self {
            ReviewOutcome::Allowed => (Effect::Unchanged, None),
            ReviewOutcome::Warned => (Effect::Warned, None),
            ReviewOutcome::Refused(reason) => (Effect::Refused, Some(reason.into())),
        }
    }
}

/// Answers a review. `index` gives a copy of what is known; it is asked for one where it is needed.
#[must_use]
pub fn answer(
    body: &[u8],
    index: impl FnOnce() -> ObjectIndex,
    record: impl FnOnce(ReviewOutcome),
) -> (StatusCode, Bytes) {
    match AdmissionRequest::read(body) {
        Ok(request) => {
            let (answer, judged) = admit(&request, index);
            record(judged);
            (StatusCode::OK, answer.write(&request.uid))
        }
        Err(wrong) => (StatusCode::BAD_REQUEST, json!({"error": wrong.to_string()}).to_string().into()),
    }
}

/// The namespace that a review is about, without reading the objects in it; empty: of none, or it is no review.
pub(crate) fn namespace(body: &[u8]) -> String {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct ReviewHead {
        request: ReviewPlace,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct ReviewPlace {
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
        AdmissionOperation::Create | AdmissionOperation::Update if is_news(request) => match version(request) {
            Some(version) => judged(version, index()),
            None => (ReviewResponse::allow(), ReviewOutcome::Allowed),
        },
        AdmissionOperation::Delete => {
            let id = ObjectId { kind, namespace: request.namespace.clone(), name: request.name.clone() };
            warned(used(&id, &index()))
        }
        _ => (ReviewResponse::allow(), ReviewOutcome::Allowed),
    }
}

/// A label, an annotation or a finalizer is no reason to stop anybody; neither is what is on its way out.
fn is_news(request: &AdmissionRequest) -> bool {
    let going = Metadata::of(&request.object).is_being_deleted();
    !going && request.object.get("spec") != request.old_object.get("spec")
}

fn version(request: &AdmissionRequest) -> Option<ObjectVersion> {
    let mut object = request.object.clone();
    let metadata = object.get_mut("metadata").and_then(Value::as_object_mut)?;
    metadata.entry("namespace").or_insert_with(|| request.namespace.clone().into());
    if metadata.get("name").and_then(Value::as_str).is_none_or(str::is_empty) {
        let prefix = metadata.get("generateName").and_then(Value::as_str).unwrap_or_default();
        let name = format!("{prefix}{NAMELESS}");
        metadata.insert("name".to_owned(), name.into());
    }
    ObjectVersion::of(&object)
}

fn judged(version: ObjectVersion, mut index: ObjectIndex) -> (ReviewResponse, ReviewOutcome) {
    let id = version.id.clone();
    let certain = alone(&version, &index);
    if !certain.is_empty() {
        return refused(&id, ConditionReason::Invalid, &certain);
    }
    let unread = unread(&version, &index);
    index.rehearse(version);
    let began = Instant::now();
    let judged = evaluate(&index, &mut LastGood::new(), &id.namespace);
    tracing::debug!(object = %id, took = ?began.elapsed(), "evaluated an object at admission");
    let found: Vec<&Finding> = judged.findings.get(&id).into_iter().flatten().collect();
    let waits = |finding: &&Finding| finding.severity == Severity::Error && finding.cause != Cause::TestFailed;
    let is_there = || {
        let rule = ObjectRef { namespace: id.namespace.clone(), name: id.name.clone() };
        let spec = index.get(&id).and_then(|known| read::<RoutingRuleSpec>(known.version.spec()?));
        spec.is_some_and(|spec| all_there(&rule, &spec, &judged.compiled.document))
    };
    let failed: Vec<Finding> =
        found.iter().filter(|finding| finding.cause == Cause::TestFailed).map(|finding| (*finding).clone()).collect();
    if !failed.is_empty() && !found.iter().any(waits) && is_there() {
        return refused(&id, ConditionReason::TestsFailed, &failed);
    }
    // What nobody has named before is read once it is named: that it is not known says nothing.
    let said = found.into_iter().filter(|finding| !(unread && finding.cause == Cause::ValueMissing));
    warned(said.map(describe).collect())
}

/// What is wrong with it whatever else there is.
fn alone(version: &ObjectVersion, index: &ObjectIndex) -> Vec<Finding> {
    let compiled = compile_in(&Cluster {
        objects: &[(version.object(), version.judgement())],
        others: &[],
        namespace: &version.id.namespace,
        operator_namespace: index.operator_namespace(),
    });
    // What the schema says, the API server has said by its own definitions, which may be newer.
    let certain = |finding: &Finding| finding.severity == Severity::Error && finding.cause == Cause::Invalid;
    compiled.findings.into_iter().filter(certain).collect()
}

/// Whether it names a Secret or ConfigMap that is not watched yet.
fn unread(version: &ObjectVersion, index: &ObjectIndex) -> bool {
    let known = index.wanted();
    named_by(version).iter().any(|named| matches!(named, Reference::Value(wanted) if !known.contains(wanted)))
}

fn refused(id: &ObjectId, reason: ConditionReason, faults: &[Finding]) -> (ReviewResponse, ReviewOutcome) {
    let described: BTreeSet<String> = faults.iter().map(describe).collect();
    let mut message = format!("{id}: {}", described.iter().take(FAULTS).cloned().collect::<Vec<_>>().join("; "));
    if let Some(more) = described.len().checked_sub(FAULTS).filter(|more| *more > 0) {
        message.push_str(&format!("; and {more} more"));
    }
    (ReviewResponse::refuse(reason, message), ReviewOutcome::Refused(reason))
}

fn warned(warnings: Vec<String>) -> (ReviewResponse, ReviewOutcome) {
    let judged = if warnings.is_empty() { ReviewOutcome::Allowed } else { ReviewOutcome::Warned };
    (ReviewResponse { warnings, ..ReviewResponse::default() }, judged)
}

fn describe(finding: &Finding) -> String {
    match finding.path.as_str() {
        "" => finding.message.clone(),
        path => format!("{path}: {}", finding.message),
    }
}

/// Who is hurt if it goes.
fn used(id: &ObjectId, index: &ObjectIndex) -> Vec<String> {
    let users = index.users(id);
    let mut warnings = Vec::new();
    if !users.is_empty() {
        let mut names: Vec<String> = users.iter().take(USERS).map(ObjectId::to_string).collect();
        if let Some(more) = users.len().checked_sub(USERS).filter(|more| *more > 0) {
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
        warnings
            .push(format!("pods in {} are bound to {id}: their requests with it are refused from now on", id.namespace));
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

    fn asked(body: &[u8], index: ObjectIndex) -> (Value, ReviewOutcome) {
        let mut judged = None;
        let (code, body) = answer(body, || index, |said| judged = Some(said));
        assert_eq!(code, StatusCode::OK);
        (serde_json::from_slice::<Value>(&body).unwrap()["response"].take(), judged.unwrap())
    }

    fn created(object: Value, index: ObjectIndex) -> (Value, ReviewOutcome) {
        asked(&review("CREATE", object, Value::Null), index)
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
    fn whose_a_review_is_can_be_told_before_it_is_read() {
        assert_eq!(namespace(&review("CREATE", key(), Value::Null)), "shop");
        assert_eq!(namespace(b"{\"request\": 7}"), "");
        assert_eq!(namespace(b"nothing"), "");
    }

    #[test]
    fn what_is_well_is_let_through_in_silence() {
        let (answer, judged) = created(rule("model == \"m\"", "big"), index(&[mock(), key()]));
        assert_eq!((answer, judged), (json!({"uid": "1", "allowed": true}), ReviewOutcome::Allowed));
    }

    #[test]
    fn an_expression_that_does_not_compile_is_refused_whatever_else_there_is() {
        for index in [index(&[]), index(&[mock(), key()])] {
            let (answer, judged) = created(rule("model ==", "big"), index);
            assert_eq!(judged, ReviewOutcome::Refused(ConditionReason::Invalid));
            let message = answer["status"]["message"].as_str().unwrap();
            assert!(message.starts_with("RoutingRule shop/premium: spec.when: "), "{message}");
        }
    }

    #[test]
    fn a_zone_that_there_is_not_is_refused() {
        let budget = json!({"amount": "5", "window": "Month", "timeZone": "Mars/Olympus"});
        let (answer, judged) = created(object("Budget", "team", budget), index(&[]));
        assert_eq!(judged, ReviewOutcome::Refused(ConditionReason::Invalid));
        assert!(answer["status"]["message"].as_str().unwrap().contains("Mars/Olympus"), "{answer}");
    }

    #[test]
    fn tests_that_fail_refuse_a_rule_when_all_that_it_names_is_there() {
        let (answer, judged) = created(rule("model == \"m\"", "small"), index(&[mock(), key()]));
        assert_eq!(judged, ReviewOutcome::Refused(ConditionReason::TestsFailed));
        assert_eq!(answer["status"]["reason"], "TestsFailed");
        // Of another rule, of the key or of what it goes to nobody has heard yet.
        let mut other = rule("model == \"m\"", "small");
        other["spec"]["tests"][0]["expect"]["rule"] = json!("cheap");
        for (rule, index) in [
            (rule("model == \"m\"", "small"), index(&[])),
            (rule("model == \"m\"", "small"), index(&[mock()])),
            (rule("model == \"m\"", "small"), index(&[key()])),
            (other, index(&[mock(), key()])),
        ] {
            let (answer, judged) = created(rule, index);
            assert!(!matches!(judged, ReviewOutcome::Refused(_)) && answer["allowed"] == true, "{answer}");
        }
    }

    #[test]
    fn what_is_not_there_yet_is_a_warning() {
        let (answer, judged) = created(key(), index(&[]));
        assert_eq!((judged, &answer["allowed"]), (ReviewOutcome::Warned, &json!(true)));
        let warning = answer["warnings"][0].as_str().unwrap();
        assert!(warning.starts_with("spec.providers[0]"), "{warning}");
    }

    #[test]
    fn a_secret_that_nobody_has_named_before_is_not_said_to_be_missing() {
        let spec = json!({"type": "OpenAI", "credentials": [{"name": "main", "secretRef": {"name": "openai"}}]});
        let provider = object("LLMProvider", "openai", spec);
        let (answer, judged) = created(provider.clone(), index(&[]));
        assert_eq!(judged, ReviewOutcome::Allowed, "{answer}");
        let mut changed = provider.clone();
        changed["spec"]["prewarm"] = json!(true);
        let (answer, judged) = asked(&review("UPDATE", changed, provider.clone()), index(&[provider]));
        assert_eq!(judged, ReviewOutcome::Warned);
        assert!(answer["warnings"][0].as_str().unwrap().contains("openai"), "{answer}");
    }

    #[test]
    fn what_does_not_touch_the_spec_is_nobodys_business() {
        let broken = rule("model ==", "big");
        let mut labelled = broken.clone();
        labelled["metadata"]["labels"] = json!({"a": "b"});
        let (answer, judged) = asked(&review("UPDATE", labelled, broken.clone()), index(&[]));
        assert_eq!((judged, &answer["allowed"]), (ReviewOutcome::Allowed, &json!(true)));
        let mut going = rule("also ==", "big");
        going["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        assert_eq!(asked(&review("UPDATE", going, broken), index(&[])).1, ReviewOutcome::Allowed);
    }

    #[test]
    fn what_is_deleted_while_it_is_used_names_its_users() {
        let (answer, judged) = asked(&review("DELETE", Value::Null, mock()), index(&[mock(), key()]));
        assert_eq!((judged, &answer["allowed"]), (ReviewOutcome::Warned, &json!(true)));
        assert_eq!(
            answer["warnings"],
            json!([
                "LLMProvider shop/mock is used by VirtualKey shop/search: they continue without it, and report ResolvedRefs=False"
            ])
        );
        assert_eq!(asked(&review("DELETE", Value::Null, mock()), index(&[mock()])).1, ReviewOutcome::Allowed);
        let mut bound = index(&[key()]);
        let _ = bound.bind([Binding::of("shop", "search")].into());
        let (answer, _) = asked(&review("DELETE", Value::Null, key()), bound);
        assert!(answer["warnings"][0].as_str().unwrap().starts_with("pods in shop are bound"), "{answer}");
    }

    #[test]
    fn an_object_without_a_name_yet_is_judged_all_the_same() {
        let mut nameless = rule("model ==", "big");
        nameless["metadata"] = json!({"generateName": "premium-"});
        let (answer, judged) = created(nameless, index(&[]));
        assert_eq!(judged, ReviewOutcome::Refused(ConditionReason::Invalid), "{answer}");
    }

    #[test]
    fn others_and_odd_ones_are_let_through() {
        for object in [json!({"kind": "Deployment"}), json!({"kind": "VirtualKey", "metadata": 3}), json!({"kind": 3})]
        {
            assert_eq!(created(object, index(&[])).0["allowed"], true);
        }
        let (code, body) = answer(b"{", || index(&[]), |_| panic!("nothing was judged"));
        assert_eq!(code, StatusCode::BAD_REQUEST);
        assert!(String::from_utf8_lossy(&body).contains("not an AdmissionReview"));
    }
}
