//! The operator's admission webhooks. Pure: an `AdmissionReview` in, one out.
//!
//! | path | asked about |
//! |---|---|
//! | `/admit/pods` | pods that ask for a gateway by an annotation |
//! | `/admit/namespaces` | pods in namespaces whose label asks |
//! | `/admit/workloads` | workloads with an annotation of ours |
//! | `/admit/validate` | objects of ours: [`validate`] |

mod completeness;
pub mod patch;
mod pods;
pub mod review;
pub mod validate;
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

/// What is asked with.
#[derive(Clone, Copy)]
pub struct AdmissionContext<'a> {
    pub settings: &'a OperatorSettings,
    /// What is known of a namespace; `None`: nothing yet, and who asks for a gateway there is told to come again.
    pub namespace: &'a dyn Fn(&str) -> Option<Namespace>,
    /// Hears what became of each request, once: for metrics and Events.
    pub record: &'a dyn Fn(&AdmissionRecord<'_>),
}

impl fmt::Debug for AdmissionContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdmissionContext").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// A namespace's own words; those of others may be left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespace {
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
}

impl Namespace {
    /// All its pods are asked to carry a gateway.
    #[must_use]
    pub fn is_labelled(&self) -> bool {
        self.labels.get(names::INJECT).is_some_and(|value| value == "true")
    }
}

/// Which of the webhooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Webhook {
    Pods,
    Namespaces,
    Workloads,
    Validate,
}

impl Webhook {
    pub const ALL: [Webhook; 4] = [Webhook::Pods, Webhook::Namespaces, Webhook::Workloads, Webhook::Validate];

    /// As in the path, and as a label of metrics.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Webhook::Pods => "pods",
            Webhook::Namespaces => "namespaces",
            Webhook::Workloads => "workloads",
            Webhook::Validate => "validate",
        }
    }
}

/// What became of a request.
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
    /// As a label of metrics.
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

/// Why something is skipped or refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DenialReason {
    /// Of an object of ours.
    Condition(ConditionReason),
    /// Of a pod, or of what makes pods.
    Injection(InjectionReason),
}

impl DenialReason {
    /// `kubectl` shows it in parentheses; also a label of metrics.
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

/// What became of a request, and whose it was.
#[derive(Clone, Debug)]
pub struct AdmissionRecord<'a> {
    pub webhook: Webhook,
    pub effect: Effect,
    /// `None`: there is nothing to say.
    pub reason: Option<DenialReason>,
    /// Of what was skipped or refused.
    pub message: &'a str,
    pub namespace: &'a str,
    /// The controller of the pod that it is about: it is there, where the pod may never come to be.
    pub owner: Option<OwnerReference>,
    /// Nothing may come of it: it is counted, and no Event told.
    pub dry_run: bool,
}

/// Answers a review. What is none is a 400, and an unknown path a 404, with words for whoever set the webhook up; one that can't
/// be answered is a 503, by which the API server goes by the webhook's `failurePolicy`.
#[must_use]
pub fn admit(path: &str, body: &[u8], context: &AdmissionContext<'_>) -> (StatusCode, Bytes) {
    let answers: fn(&AdmissionRequest, &AdmissionContext<'_>) -> ReviewResponse = match path {
        "/admit/pods" => |request, context| pods::admit(Webhook::Pods, request, context),
        "/admit/namespaces" => |request, context| pods::admit(Webhook::Namespaces, request, context),
        "/admit/workloads" => workloads::admit,
        _ => return (StatusCode::NOT_FOUND, error("this path is not a webhook of the operator")),
    };
    match AdmissionRequest::read(body) {
        Ok(request) => match answers(&request, context) {
            ReviewResponse { none: Some(why), .. } => (StatusCode::SERVICE_UNAVAILABLE, error(&why)),
            answer => (StatusCode::OK, answer.write(&request.uid)),
        },
        Err(wrong) => (StatusCode::BAD_REQUEST, error(&wrong.to_string())),
    }
}

fn error(message: &str) -> Bytes {
    json!({"error": message}).to_string().into()
}
