//! The operator's admission webhooks. Pure: they take an `AdmissionReview` and return one.
//!
//! | path | reviews |
//! |---|---|
//! | `/admit/pods` | pods that ask for a gateway by an annotation |
//! | `/admit/namespaces` | pods in namespaces whose label requests a gateway |
//! | `/admit/workloads` | workloads with an annotation of ours |
//! | `/admit/actions` | objects of ours whose annotation asks for an action on a limit |
//! | `/admit/validate` | objects of ours: [`objects`] |

mod action_author;
mod completeness;
mod limit_names;
pub mod objects;
pub mod patch;
mod pods;
pub mod review;
mod workloads;

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use http::StatusCode;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use serde_json::json;

use crate::inject::InjectionReason;
use crate::names;
use crate::settings::OperatorSettings;
use crate::status::reason::ConditionReason;
use review::{AdmissionRequest, ReviewResponse};

/// The inputs of a review, apart from the request.
#[derive(Clone, Copy)]
pub struct AdmissionContext<'a> {
    pub settings: &'a OperatorSettings,
    /// The labels and annotations of a namespace. `None` if the operator has not seen it yet: a pod that asks for a
    /// gateway there must be created again.
    pub namespace: &'a dyn Fn(&str) -> Option<Namespace>,
    /// Called once for each request with its outcome, for metrics and Events.
    pub record: &'a dyn Fn(&AdmissionRecord<'_>),
}

impl fmt::Debug for AdmissionContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdmissionContext").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Labels and annotations of a namespace. Those that are not the operator's may be left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespace {
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
}

impl Namespace {
    /// Whether all pods of the namespace shall get a gateway.
    #[must_use]
    pub fn is_labelled(&self) -> bool {
        self.labels.get(names::INJECT).is_some_and(|value| value == "true")
    }
}

/// One of the webhooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Webhook {
    Pods,
    Namespaces,
    Workloads,
    Actions,
    Validate,
}

impl Webhook {
    pub const ALL: [Webhook; 5] =
        [Webhook::Pods, Webhook::Namespaces, Webhook::Workloads, Webhook::Actions, Webhook::Validate];

    /// The value in the path and in the metrics label.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Webhook::Pods => "pods",
            Webhook::Namespaces => "namespaces",
            Webhook::Workloads => "workloads",
            Webhook::Actions => "actions",
            Webhook::Validate => "validate",
        }
    }
}

/// The outcome of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    Injected,
    Stamped,
    Unchanged,
    Skipped,
    Warned,
    Refused,
}

impl Effect {
    /// The value of the metrics label.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Effect::Injected => "injected",
            Effect::Stamped => "stamped",
            Effect::Unchanged => "unchanged",
            Effect::Skipped => "skipped",
            Effect::Warned => "warned",
            Effect::Refused => "refused",
        }
    }
}

/// Why an object or a pod is skipped or refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DenialReason {
    /// For an object of ours.
    Condition(ConditionReason),
    /// For a pod or a workload.
    Injection(InjectionReason),
}

impl DenialReason {
    /// The value that `kubectl` shows in parentheses, and the value of the metrics label.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            DenialReason::Condition(reason) => reason.word(),
            DenialReason::Injection(reason) => reason.word(),
        }
    }
}

impl From<ConditionReason> for DenialReason {
    fn from(reason: ConditionReason) -> Self {
        DenialReason::Condition(reason)
    }
}

impl From<InjectionReason> for DenialReason {
    fn from(reason: InjectionReason) -> Self {
        DenialReason::Injection(reason)
    }
}

/// The outcome of a request, with the object that it belongs to.
#[derive(Clone, Debug)]
pub struct AdmissionRecord<'a> {
    pub webhook: Webhook,
    pub effect: Effect,
    /// `None` if no reason applies.
    pub reason: Option<DenialReason>,
    /// Why the object was skipped or refused; otherwise empty.
    pub message: &'a str,
    pub namespace: &'a str,
    /// The pod's controller. It exists, while the pod may never be created, so Events go to it.
    pub owner: Option<OwnerReference>,
    /// A dry run is counted, but causes no Event.
    pub dry_run: bool,
}

/// Answers a review. A body that is not a review gets a 400 and an unknown path a 404, with a message for whoever
/// configured the webhook. A review that cannot be answered gets a 503, so that the API server applies the webhook's
/// `failurePolicy`.
#[must_use]
pub fn admit(path: &str, body: &[u8], context: &AdmissionContext<'_>) -> (StatusCode, Bytes) {
    let handler: fn(&AdmissionRequest, &AdmissionContext<'_>) -> ReviewResponse = match path {
        "/admit/pods" => |request, context| pods::admit(Webhook::Pods, request, context),
        "/admit/namespaces" => |request, context| pods::admit(Webhook::Namespaces, request, context),
        "/admit/workloads" => workloads::admit,
        "/admit/actions" => action_author::admit,
        _ => return (StatusCode::NOT_FOUND, error("this path is not a webhook of the operator")),
    };
    match AdmissionRequest::read(body) {
        Ok(request) => match handler(&request, context) {
            ReviewResponse { unavailable: Some(message), .. } => (StatusCode::SERVICE_UNAVAILABLE, error(&message)),
            answer => (StatusCode::OK, answer.write(&request.uid)),
        },
        Err(wrong) => (StatusCode::BAD_REQUEST, error(&wrong.to_string())),
    }
}

fn error(message: &str) -> Bytes {
    json!({"error": message}).to_string().into()
}
