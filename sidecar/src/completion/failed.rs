//! How an attempt failed, and how the caller would be answered.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use outrigger_core::RefusalKind;
use outrigger_llm::errors::classify::{Class, Scope, UpstreamFailure};
use outrigger_llm::usage::Usage;

use crate::memory::{MemoryLease, NoRoom, size_text};
use crate::request::refusal::Refusal;
use crate::telemetry::attempt_error::AttemptError;
use crate::upstream::SendError;
use crate::upstream::mask::Mask;

/// How long a credential is not used if its access token could not be fetched. Nobody refused it: the token server may
/// be back soon.
const UNAUTHORIZED_PAUSE: Duration = Duration::from_secs(2);

/// The class of a failure. `next_step.rs` decides what follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureClass {
    /// The caller's mistake, or a failure that every candidate would repeat: the answer goes back unchanged.
    Final,
    /// The credential was refused, or its account is empty.
    Credential,
    RateLimited,
    /// This candidate does not serve it: overloaded, no such model, an empty answer.
    Candidate,
    /// Only a candidate with a larger context window may serve the request.
    ContextTooLong,
    Transient,
    /// A reused idle connection was closed, which says nothing about the provider.
    ConnectionClosed,
}

/// An attempt that failed.
#[derive(Clone, Debug)]
pub struct Failed {
    /// The error, for records and metrics.
    pub error: AttemptError,
    pub class: FailureClass,
    /// The status of the upstream's answer.
    pub status: Option<u16>,
    pub message: String,
    pub retry_after: Option<Duration>,
    /// The upstream's own answer, if it is in the caller's dialect.
    pub upstream_answer: Option<Box<UpstreamAnswer>>,
    /// Status and type of the gateway's own error for this failure.
    pub refusal: (u16, RefusalKind),
    /// The answer contained the gateway's own credential, which was masked.
    pub quoted: bool,
    /// What to pause: the model, the credential or the account.
    pub scope: Scope,
    /// Whether the failure counts against the provider's health. If the caller's own time ran out, it does not.
    pub affects_health: bool,
    /// The upstream did not process the request: it costs nothing and may be sent again.
    pub unprocessed: bool,
}

/// An upstream's error answer, in the caller's dialect.
#[derive(Clone, Debug)]
pub struct UpstreamAnswer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// The usage that the answer reports. Empty for an error.
    pub usage: Usage,
    /// The memory reserved for the body.
    pub lease: Arc<MemoryLease>,
}

/// Keeps the upstream's content type, with its charset, if it is the type that is sent. Otherwise sets that type.
pub fn keep_content_type(headers: &mut HeaderMap, content_type: &HeaderValue) {
    let same = |own: &HeaderValue| own.as_bytes().starts_with(content_type.as_bytes());
    if !headers.get(CONTENT_TYPE).is_some_and(same) {
        headers.insert(CONTENT_TYPE, content_type.clone());
    }
}

impl Failed {
    /// No answer, or an invalid one, came from the provider.
    pub fn unreachable(error: AttemptError, message: String) -> Self {
        Failed {
            error,
            class: FailureClass::Transient,
            status: None,
            message,
            retry_after: None,
            upstream_answer: None,
            refusal: (502, RefusalKind::UpstreamUnreachable),
            quoted: false,
            scope: Scope::Model,
            affects_health: true,
            unprocessed: false,
        }
    }

    /// An empty answer. If no other candidate does better, it goes back unchanged, because some models mean it so.
    pub fn empty(provider: &str, answer: Option<(&'static str, Bytes, Usage)>) -> Self {
        let upstream_answer = answer.map(|(content_type, body, usage)| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
            Box::new(UpstreamAnswer { status: 200, headers, body, usage, lease: Arc::default() })
        });
        let failed = Failed::unreachable(AttemptError::Empty, format!("{provider} sent an empty answer"));
        Failed { class: FailureClass::Candidate, upstream_answer, ..failed }
    }

    /// Whether the answer was empty.
    pub fn is_empty(&self) -> bool {
        self.upstream_answer.as_ref().is_some_and(|upstream_answer| upstream_answer.status == 200)
    }

    /// Adds the upstream's own headers to an empty answer.
    pub fn with_headers(mut self, mut headers: HeaderMap) -> Self {
        if let Some(upstream_answer) = &mut self.upstream_answer {
            if let Some(content_type) = upstream_answer.headers.get(CONTENT_TYPE) {
                keep_content_type(&mut headers, content_type);
            }
            upstream_answer.headers = headers;
        }
        self
    }

    /// The request has already passed through the gateway that the provider leads to, and would do so again.
    pub fn loop_detected(self) -> Self {
        Failed {
            error: AttemptError::Loop,
            class: FailureClass::Candidate,
            retry_after: None,
            refusal: (508, RefusalKind::LoopDetected),
            ..self
        }
    }

    /// The answer is longer than the memory limit. Another attempt would produce, and bill, one of the same length.
    pub fn too_long(provider: &str, longest: usize) -> Self {
        let longest = size_text(longest);
        let message =
            format!("{provider}: the answer is longer than {longest}, the most that this gateway's memory allows");
        Failed { class: FailureClass::Final, ..Failed::unreachable(AttemptError::Malformed, message) }
    }

    /// There is not enough memory to hold the answer, or to translate it to another dialect.
    pub fn no_memory_for_answer(no_room: NoRoom) -> Self {
        let mib = |bytes: usize| bytes.div_ceil(1 << 20);
        match no_room {
            NoRoom::Now => Failed {
                class: FailureClass::Final,
                refusal: (503, RefusalKind::Overloaded),
                retry_after: Some(Duration::from_secs(1)),
                ..Failed::unreachable(
                    AttemptError::Malformed,
                    "the gateway has no memory left for the answer".to_owned(),
                )
            },
            NoRoom::TooLarge { wanted, total } => {
                let (wanted, total) = (mib(wanted), total >> 20);
                let message = format!(
                    "the conversion of the answer may take {wanted} MiB, and the gateway's memory allows {total} MiB"
                );
                Failed { class: FailureClass::Final, ..Failed::unreachable(AttemptError::Malformed, message) }
            }
        }
    }

    /// There is not enough memory to translate the request to the candidate's dialect.
    pub fn no_memory_for_request(refusal: Refusal) -> Self {
        Failed {
            class: FailureClass::Candidate,
            refusal: (refusal.status, refusal.kind),
            retry_after: refusal.retry_after.map(Duration::from_secs),
            ..Failed::unreachable(AttemptError::Unsupported, refusal.message)
        }
    }

    /// The attempt took too long.
    pub fn timeout(error: AttemptError, message: String) -> Self {
        Failed { refusal: (504, RefusalKind::UpstreamTimeout), ..Failed::unreachable(error, message) }
    }

    /// The candidate's dialect does not support this request after all.
    pub fn unsupported(field: String, provider: &str) -> Self {
        let message = format!("`{field}` can't be sent to {provider}");
        Failed {
            class: FailureClass::Candidate,
            refusal: (400, RefusalKind::UnsupportedParameter),
            ..Failed::unreachable(AttemptError::Unsupported, message)
        }
    }

    /// The credential is not usable now: no access token or signature could be made from it.
    pub fn unauthorized(reason: &str, provider: &str) -> Self {
        let failed = Failed::unreachable(AttemptError::Credential, format!("{provider}: {reason}"));
        let retry_after = Some(UNAUTHORIZED_PAUSE);
        Failed { class: FailureClass::Credential, scope: Scope::Credential, retry_after, ..failed }
    }

    /// The provider answered with an error.
    pub fn answered(
        failure: &UpstreamFailure,
        status: u16,
        provider: &str,
        upstream_answer: Option<Box<UpstreamAnswer>>,
    ) -> Self {
        let class = match failure.class {
            Class::Caller | Class::Filtered => FailureClass::Final,
            Class::Credential | Class::Quota => FailureClass::Credential,
            Class::RateLimited => FailureClass::RateLimited,
            Class::Overloaded | Class::ModelMissing => FailureClass::Candidate,
            Class::ContextTooLong => FailureClass::ContextTooLong,
            Class::Transient => FailureClass::Transient,
        };
        let message = if failure.message.is_empty() { "no message" } else { &failure.message };
        let (refusal, upstream_answer) = match failure.class {
            // The caller's own key is not at fault, so its SDK must not report an authentication error.
            Class::Credential | Class::Quota => ((502, RefusalKind::UpstreamCredentialsExhausted), None),
            Class::RateLimited => ((429, RefusalKind::UpstreamRateLimited), upstream_answer),
            Class::Overloaded => ((503, RefusalKind::UpstreamOverloaded), upstream_answer),
            Class::ModelMissing => ((404, RefusalKind::ModelNotFound), upstream_answer),
            Class::ContextTooLong => ((400, RefusalKind::ContextLengthExceeded), upstream_answer),
            Class::Filtered => ((400, RefusalKind::ContentFilter), upstream_answer),
            Class::Caller => (
                (if (400..500).contains(&status) { status } else { 400 }, RefusalKind::InvalidRequest),
                upstream_answer,
            ),
            Class::Transient => {
                ((if status >= 500 { status } else { 502 }, RefusalKind::UpstreamError), upstream_answer)
            }
        };
        Failed {
            error: failure.class.into(),
            class,
            status: Some(status),
            message: format!("{provider}: {message}"),
            retry_after: failure.retry_after,
            upstream_answer,
            refusal,
            quoted: false,
            scope: failure.scope,
            affects_health: true,
            unprocessed: false,
        }
    }

    /// Marks an answer that contains the gateway's own credential: another credential is tried, and the caller does not
    /// get the answer. The effect on the provider's health does not change. Otherwise a caller could disable a working
    /// credential with bad requests whose answers quote it.
    pub fn quoting(self) -> Self {
        Failed {
            error: AttemptError::Credential,
            upstream_answer: None,
            refusal: (502, RefusalKind::UpstreamCredentialsExhausted),
            quoted: true,
            ..self
        }
    }

    /// The class that decides the next step. The field `class` decides the effect on the provider's health. A quoted
    /// credential is not sent again.
    pub fn effective_class(&self) -> FailureClass {
        match self.class {
            FailureClass::Final | FailureClass::Candidate | FailureClass::ContextTooLong | FailureClass::Transient
                if self.quoted =>
            {
                FailureClass::Credential
            }
            class => class,
        }
    }

    /// Whether a provider refused the credential, or its account.
    pub fn refuses_credential(&self) -> bool {
        self.quoted || self.class == FailureClass::Credential
    }

    /// Masks the credential in the message, which may contain the upstream's text.
    pub fn masked(self, mask: Option<&Mask>) -> Self {
        let Some(mask) = mask else { return self };
        let (message, quoted) = mask.text(self.message);
        let failed = Failed { message, ..self };
        if quoted && failed.status.is_some() { failed.quoting() } else { failed }
    }

    /// Whether the provider may have served and billed the request: it was sent, and no error came back.
    pub fn may_have_served(&self) -> bool {
        self.status.is_none()
            && !matches!(
                self.error,
                AttemptError::Connect | AttemptError::Tls | AttemptError::TimeoutConnect | AttemptError::Unsupported
            )
    }

    pub fn send_failed(sending: &SendError) -> Self {
        let (error, message) = (sending.attempt_error(), sending.to_string());
        match sending {
            SendError::ConnectTimeout { .. } => Failed::timeout(error, message),
            SendError::Closed { reused, unprocessed, .. } => Failed {
                class: if *reused { FailureClass::ConnectionClosed } else { FailureClass::Transient },
                unprocessed: *unprocessed,
                ..Failed::unreachable(error, message)
            },
            _ => Failed::unreachable(error, message),
        }
    }
}
