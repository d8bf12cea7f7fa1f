//! Why a stream is not opened, as the gateway logs it.

use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde_json::json;
use thiserror::Error;

use crate::attestation::AttestationError;
use crate::runtime::response::{AnswerBody, answer};

/// Why a stream is not opened. Never contains a token, or a part of it that was not verified.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StreamRefusal {
    #[error("no token: send the pod's projected token as `authorization: Bearer …`")]
    NoToken,
    #[error("the token is no token of a service account: {0}")]
    NoJwt(&'static str),
    #[error("the token is not for the audience `outrigger`")]
    Audience,
    #[error("the token was issued by someone else than this cluster, which is `{0}`")]
    Issuer(String),
    #[error("the token has expired: is the kubelet's projected volume still being refreshed?")]
    Expired,
    #[error(
        "the token is valid only later: the clocks of this node and of the API server differ by more than 10 minutes"
    )]
    NotYet,
    #[error("the token's signature is not by a key that the cluster publishes")]
    Signature,
    #[error("the API server does not know the token")]
    NotAuthenticated,
    #[error("the token is bound to no pod: use the one that is projected into the pod")]
    NoPod,
    #[error("no live pod {namespace}/{pod} with this uid carries a gateway, as far as the operator can see")]
    PodUnknown { namespace: String, pod: String },
    #[error("pod {namespace}/{pod} runs as another service account than the token's")]
    Account { namespace: String, pod: String },
    #[error("pod {namespace}/{pod} gets no credentials: {why}")]
    Foreign { namespace: String, pod: String, why: AttestationError },
    #[error("no key that the cluster publishes can verify the token, and the API server did not review it: {0}")]
    Unverifiable(&'static str),
    #[error("this replica does not lead; {0} does")]
    Elsewhere(String),
    #[error("no replica leads at the moment")]
    NoLeader,
    #[error("this replica is shutting down")]
    Closing,
    #[error("there are {0} streams, and no more are opened")]
    Full(usize),
}

impl StreamRefusal {
    fn row(&self) -> (StatusCode, &'static str) {
        match self {
            StreamRefusal::NoToken => (StatusCode::UNAUTHORIZED, "token_missing"),
            StreamRefusal::NoJwt(_) => (StatusCode::UNAUTHORIZED, "token_malformed"),
            StreamRefusal::Audience => (StatusCode::UNAUTHORIZED, "token_audience"),
            StreamRefusal::Issuer(_) => (StatusCode::UNAUTHORIZED, "token_issuer"),
            StreamRefusal::Expired => (StatusCode::UNAUTHORIZED, "token_expired"),
            StreamRefusal::NotYet => (StatusCode::UNAUTHORIZED, "token_not_yet_valid"),
            StreamRefusal::Signature => (StatusCode::UNAUTHORIZED, "token_signature"),
            StreamRefusal::NotAuthenticated => (StatusCode::UNAUTHORIZED, "token_unknown"),
            StreamRefusal::NoPod => (StatusCode::FORBIDDEN, "token_without_pod"),
            StreamRefusal::PodUnknown { .. } => (StatusCode::FORBIDDEN, "pod_unknown"),
            StreamRefusal::Account { .. } => (StatusCode::FORBIDDEN, "service_account_differs"),
            StreamRefusal::Foreign { .. } => (StatusCode::FORBIDDEN, "gateway_foreign"),
            StreamRefusal::Unverifiable(_) => (StatusCode::SERVICE_UNAVAILABLE, "token_unverifiable"),
            StreamRefusal::Elsewhere(_) => (StatusCode::MISDIRECTED_REQUEST, "not_leader"),
            StreamRefusal::NoLeader => (StatusCode::SERVICE_UNAVAILABLE, "no_leader"),
            StreamRefusal::Closing => (StatusCode::SERVICE_UNAVAILABLE, "closing"),
            StreamRefusal::Full(_) => (StatusCode::SERVICE_UNAVAILABLE, "too_many_streams"),
        }
    }

    /// Stable; for logs and metrics.
    #[must_use]
    pub fn word(&self) -> &'static str {
        self.row().1
    }

    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.row().0
    }

    /// As the gateway receives it.
    #[must_use]
    pub fn response(&self) -> Response<AnswerBody> {
        let (status, word) = self.row();
        let mut response = answer(status, json!({"error": {"type": word, "message": self.to_string()}}).to_string());
        if let StreamRefusal::Elsewhere(leader) = self
            && let Ok(value) = HeaderValue::from_str(leader)
        {
            response.headers_mut().insert(HeaderName::from_static(outrigger_sync::LEADER), value);
        }
        response
    }
}
