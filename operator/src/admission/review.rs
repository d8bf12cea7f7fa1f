//! The request and the response of an `AdmissionReview` (`admission.k8s.io/v1`).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use json_patch::Patch;
use serde::Deserialize;
use serde_json::{Value, json};
use thiserror::Error;

use crate::admission::DenialReason;

/// The only supported version.
const VERSION: &str = "admission.k8s.io/v1";
const KIND: &str = "AdmissionReview";
/// The API server may cut longer warnings, and drop more than a few.
const WARNING_MAX: usize = 240;
const WARNINGS_MAX: usize = 12;

/// A body that is not a review. The response is a 400 with this message.
#[derive(Debug, Error)]
pub enum ReviewError {
    #[error("the body is not an AdmissionReview: {0}")]
    Json(#[from] serde_json::Error),
    #[error("the body is of kind `{kind}` and version `{version}`, not {KIND} of {VERSION}")]
    Other { version: String, kind: String },
    #[error("the AdmissionReview has no request with a uid")]
    NoRequest,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Review {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    request: Option<AdmissionRequest>,
}

/// The change that the API server wants reviewed.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AdmissionRequest {
    pub uid: String,
    #[serde(default)]
    pub kind: GroupKind,
    #[serde(default)]
    pub operation: AdmissionOperation,
    /// `status` or `scale`; empty for the object itself.
    #[serde(default, rename = "subResource")]
    pub subresource: String,
    #[serde(default)]
    pub namespace: String,
    #[serde(default)]
    pub name: String,
    /// The user who sent the request.
    #[serde(default, rename = "userInfo")]
    pub user: RequestUser,
    /// The review must have no side effects.
    #[serde(default)]
    pub dry_run: bool,
    /// Null for a deletion.
    #[serde(default)]
    pub object: Value,
    /// Null for a creation.
    #[serde(default)]
    pub old_object: Value,
}

/// A user as the API server has authenticated them.
#[derive(Debug, Default, Deserialize)]
pub struct RequestUser {
    #[serde(default)]
    pub username: String,
}

/// The operation on the object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum AdmissionOperation {
    Create,
    Update,
    Delete,
    /// An operation that the webhooks do not review.
    #[default]
    #[serde(other)]
    Other,
}

#[derive(Debug, Default, Deserialize)]
pub struct GroupKind {
    #[serde(default)]
    pub group: String,
    #[serde(default)]
    pub kind: String,
}

/// The response to a review.
#[derive(Debug, Default)]
pub struct ReviewResponse {
    /// `None` if the change is allowed.
    pub refusal: Option<Denial>,
    /// Changes to the object; empty for none.
    pub patch: Patch,
    /// Warnings for the author. Long ones are cut, and their number is limited.
    pub warnings: Vec<String>,
    /// Annotations for the API server's audit log, with values from closed lists.
    pub audit: Vec<(&'static str, String)>,
    /// Why the request cannot be answered. The webhook's `failurePolicy` then decides.
    pub unavailable: Option<String>,
}

/// Why a change is refused.
#[derive(Debug)]
pub struct Denial {
    pub reason: DenialReason,
    /// The problem, and what to do about it.
    pub message: String,
    /// After how many seconds a client shall try again; `None` if that is no use.
    pub retry: Option<u32>,
}

impl AdmissionRequest {
    /// Parses a request's body.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub fn read(body: &[u8]) -> Result<Self, ReviewError> {
        let review: Review = serde_json::from_slice(body)?;
        if review.api_version != VERSION || review.kind != KIND {
            let short = |text: String| text.chars().take(60).collect();
            return Err(ReviewError::Other { version: short(review.api_version), kind: short(review.kind) });
        }
        review.request.filter(|request| !request.uid.is_empty()).ok_or(ReviewError::NoRequest)
    }
}

impl ReviewResponse {
    /// Allows the change unmodified.
    #[must_use]
    pub fn allow() -> Self {
        ReviewResponse::default()
    }

    /// Refuses the change.
    #[must_use]
    pub fn refuse(reason: impl Into<DenialReason>, message: String) -> Self {
        ReviewResponse {
            refusal: Some(Denial { reason: reason.into(), message, retry: None }),
            ..ReviewResponse::default()
        }
    }

    /// Writes the body of the response to the request with this uid.
    #[must_use]
    pub fn write(&self, uid: &str) -> Bytes {
        let mut response = json!({"uid": uid, "allowed": self.refusal.is_none()});
        let mut put = |name: &str, value: Value| {
            if let Some(response) = response.as_object_mut() {
                response.insert(name.to_owned(), value);
            }
        };
        if let Some(refusal) = &self.refusal {
            put("status", refusal.status());
        } else if !self.patch.0.is_empty() {
            put("patchType", "JSONPatch".into());
            put("patch", STANDARD.encode(json!(self.patch).to_string()).into());
        }
        if !self.warnings.is_empty() {
            put("warnings", truncated(&self.warnings).into());
        }
        if !self.audit.is_empty() {
            let audit: serde_json::Map<String, Value> =
                self.audit.iter().map(|(name, value)| ((*name).to_owned(), value.as_str().into())).collect();
            put("auditAnnotations", audit.into());
        }
        json!({"apiVersion": VERSION, "kind": KIND, "response": response}).to_string().into()
    }
}

impl Denial {
    /// With `retryAfterSeconds` the API server sends a `Retry-After`, which client-go and kubectl follow.
    fn status(&self) -> Value {
        match self.retry {
            Some(seconds) => json!({
                "status": "Failure", "code": 503, "reason": self.reason.word(), "message": self.message,
                "details": {"retryAfterSeconds": seconds},
            }),
            None => json!({"status": "Failure", "code": 422, "reason": self.reason.word(), "message": self.message}),
        }
    }
}

fn truncated(warnings: &[String]) -> Vec<String> {
    let cut = |warning: &String| match warning.char_indices().nth(WARNING_MAX) {
        Some((end, _)) => format!("{}…", warning.get(..end).unwrap_or_default()),
        None => warning.clone(),
    };
    let mut all: Vec<String> = warnings.iter().take(WARNINGS_MAX).map(cut).collect();
    if let Some(more) = warnings.len().checked_sub(WARNINGS_MAX).filter(|more| *more > 0) {
        all.push(format!("and {more} more"));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_is_no_review_is_an_error() {
        let error_of = |body: &str| AdmissionRequest::read(body.as_bytes()).unwrap_err().to_string();
        assert!(error_of("").starts_with("the body is not an AdmissionReview: "));
        assert!(
            error_of(&format!(r#"{{"request":{{"uid":"1","object":{}"#, "[".repeat(1000))).contains("recursion limit")
        );
        assert_eq!(error_of("{}"), "the body is of kind `` and version ``, not AdmissionReview of admission.k8s.io/v1");
        let old = r#"{"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview","request":{"uid":"1"}}"#;
        assert_eq!(
            error_of(old),
            "the body is of kind `AdmissionReview` and version `admission.k8s.io/v1beta1`, not AdmissionReview of admission.k8s.io/v1"
        );
        for request in ["null", r#"{"uid":""}"#] {
            let body =
                format!(r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{request}}}"#);
            assert_eq!(error_of(&body), "the AdmissionReview has no request with a uid");
        }
    }

    #[test]
    fn a_refusal_says_whether_trying_again_helps() {
        let written =
            |answer: &ReviewResponse| serde_json::from_slice::<Value>(&answer.write("7")).unwrap()["response"].take();
        let mut answer = ReviewResponse::refuse(crate::inject::InjectionReason::HostNetwork, "no".to_owned());
        let status = json!({"status": "Failure", "code": 422, "reason": "HostNetwork", "message": "no"});
        assert_eq!(written(&answer), json!({"uid": "7", "allowed": false, "status": status}));
        answer.refusal.as_mut().unwrap().retry = Some(1);
        assert_eq!(written(&answer)["status"]["details"], json!({"retryAfterSeconds": 1}));
        assert_eq!(written(&ReviewResponse::allow()), json!({"uid": "7", "allowed": true}));
    }

    #[test]
    fn warnings_stay_few_and_short() {
        let all = truncated(&vec!["é".repeat(500); 20]);
        assert_eq!(all.len(), WARNINGS_MAX + 1);
        assert_eq!(all[0].chars().count(), WARNING_MAX + 1);
        assert_eq!(all[WARNINGS_MAX], "and 8 more");
    }
}
