//! How an attempt failed, what to do next, and what the caller would be told.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use outrigger_core::RefusalKind;
use outrigger_llm::errors::classify::{Class, Scope, UpstreamFailure};
use outrigger_llm::tokens::usage::Usage;

use crate::memory::{MemoryLease, NoRoom};
use crate::request::refusal::Refusal;
use crate::telemetry::attempt_error::AttemptError;
use crate::upstream::SendError;
use crate::upstream::mask::Mask;

/// How long a credential rests that could not be made ready. Nobody has refused it: its token's server may be back soon.
const UNAUTHORIZED_REST: Duration = Duration::from_secs(2);

/// What kind of failure it is. What comes after it is decided in `next_step.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureClass {
    /// The caller's own mistake, or one that anybody else would repeat: the answer goes back as it is.
    Final,
    /// The credential was refused, or its account is empty.
    Credential,
    RateLimited,
    /// This candidate does not serve it: overloaded, no such model, an empty answer.
    Candidate,
    /// A candidate with a larger context window may.
    ContextTooLong,
    Transient,
    /// A kept connection was closed, which says nothing of the place.
    ConnectionClosed,
}

/// An attempt that did not serve.
#[derive(Clone, Debug)]
pub struct Failed {
    /// Of the closed vocabulary of attempts.
    pub error: AttemptError,
    pub class: FailureClass,
    /// The upstream's.
    pub status: Option<u16>,
    pub message: String,
    pub retry_after: Option<Duration>,
    /// The upstream's own answer, where the caller can read it as it is.
    pub passed: Option<Box<UpstreamAnswer>>,
    /// Status and type with which the gateway itself would tell it.
    pub tell: (u16, RefusalKind),
    /// The answer held the gateway's own credential, which was taken out.
    pub quoted: bool,
    /// What rests.
    pub scope: Scope,
    /// Whether it says something of the place. That the caller's own time was over does not.
    pub teaches: bool,
    /// Nobody has looked at the request: it costs nothing, and may be sent again.
    pub unprocessed: bool,
}

/// An upstream's error answer, in the caller's dialect.
#[derive(Clone, Debug)]
pub struct UpstreamAnswer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// What it tells of it: nothing, in an error.
    pub usage: Usage,
    /// Room for the body.
    pub held: Arc<MemoryLease>,
}

/// The upstream's own word, with its charset, where it is true of what is told; else that.
pub fn keep_content_type(headers: &mut HeaderMap, told: &HeaderValue) {
    let same = |own: &HeaderValue| own.as_bytes().starts_with(told.as_bytes());
    if !headers.get(CONTENT_TYPE).is_some_and(same) {
        headers.insert(CONTENT_TYPE, told.clone());
    }
}

impl Failed {
    /// Nothing, or no answer, came from the provider.
    pub fn unreachable(error: AttemptError, message: String) -> Self {
        Failed {
            error,
            class: FailureClass::Transient,
            status: None,
            message,
            retry_after: None,
            passed: None,
            tell: (502, RefusalKind::UpstreamUnreachable),
            quoted: false,
            scope: Scope::Model,
            teaches: true,
            unprocessed: false,
        }
    }

    /// An answer with nothing in it. When nobody else can do better it goes back as it is, for some
    /// models mean it so.
    pub fn empty(provider: &str, answer: Option<(&'static str, Bytes, Usage)>) -> Self {
        let passed = answer.map(|(content_type, body, usage)| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
            Box::new(UpstreamAnswer { status: 200, headers, body, usage, held: Arc::default() })
        });
        let failed = Failed::unreachable(AttemptError::Empty, format!("{provider} answered with nothing"));
        Failed { class: FailureClass::Candidate, passed, ..failed }
    }

    /// Whether it was an answer with nothing in it, which goes back if nobody does better.
    pub fn is_empty(&self) -> bool {
        self.passed.as_ref().is_some_and(|passed| passed.status == 200)
    }

    /// With the upstream's own headers, for an empty answer that goes back after all.
    pub fn with_headers(mut self, mut down: HeaderMap) -> Self {
        if let Some(passed) = &mut self.passed {
            if let Some(told) = passed.headers.get(CONTENT_TYPE) {
                keep_content_type(&mut down, told);
            }
            passed.headers = down;
        }
        self
    }

    /// The provider leads back to a gateway that the request has passed through: it would do so again.
    pub fn looping(self) -> Self {
        Failed {
            error: AttemptError::Loop,
            class: FailureClass::Candidate,
            retry_after: None,
            tell: (508, RefusalKind::LoopDetected),
            ..self
        }
    }

    /// The answer is longer than any that can be held. Another one would be as long, and was paid for, too.
    pub fn too_long(provider: &str, longest: usize) -> Self {
        let longest =
            if longest < 1 << 20 { format!("{} KiB", longest >> 10) } else { format!("{} MiB", longest >> 20) };
        let message =
            format!("{provider}: the answer is longer than {longest}, the most that this gateway's memory allows");
        Failed { class: FailureClass::Final, ..Failed::unreachable(AttemptError::Malformed, message) }
    }

    /// The answer is there, and no room to hold it, or to tell it in another dialect.
    pub fn crowded(no_room: NoRoom) -> Self {
        let mib = |bytes: usize| bytes.div_ceil(1 << 20);
        match no_room {
            NoRoom::Now => Failed {
                class: FailureClass::Final,
                tell: (503, RefusalKind::Overloaded),
                retry_after: Some(Duration::from_secs(1)),
                ..Failed::unreachable(
                    AttemptError::Malformed,
                    "there is no room for the answer: the gateway holds as much as its memory allows".to_owned(),
                )
            },
            NoRoom::Ever { wanted, total } => {
                let (wanted, total) = (mib(wanted), total >> 20);
                let message =
                    format!("to tell the answer may take {wanted} MiB, and the gateway's memory allows {total}");
                Failed { class: FailureClass::Final, ..Failed::unreachable(AttemptError::Malformed, message) }
            }
        }
    }

    /// There is no room to tell the request in the candidate's dialect.
    pub fn no_room(refusal: Refusal) -> Self {
        Failed {
            class: FailureClass::Candidate,
            tell: (refusal.status, refusal.kind),
            retry_after: refusal.retry_after.map(Duration::from_secs),
            ..Failed::unreachable(AttemptError::Unsupported, refusal.message)
        }
    }

    /// It took too long.
    pub fn timeout(error: AttemptError, message: String) -> Self {
        Failed { tell: (504, RefusalKind::UpstreamTimeout), ..Failed::unreachable(error, message) }
    }

    /// The candidate's dialect cannot be told this request after all.
    pub fn unsupported(field: String, provider: &str) -> Self {
        let message = format!("`{field}` cannot be carried to {provider}");
        Failed {
            class: FailureClass::Candidate,
            tell: (400, RefusalKind::UnsupportedParameter),
            ..Failed::unreachable(AttemptError::Unsupported, message)
        }
    }

    /// The credential can't be used now: what is made of it could not be had.
    pub fn unauthorized(reason: &str, provider: &str) -> Self {
        let failed = Failed::unreachable(AttemptError::Credential, format!("{provider}: {reason}"));
        let retry_after = Some(UNAUTHORIZED_REST);
        Failed { class: FailureClass::Credential, scope: Scope::Credential, retry_after, ..failed }
    }

    /// The provider answered with an error.
    pub fn answered(
        failure: &UpstreamFailure,
        status: u16,
        provider: &str,
        passed: Option<Box<UpstreamAnswer>>,
    ) -> Self {
        let class = match failure.class {
            Class::Caller | Class::Filtered => FailureClass::Final,
            Class::Credential | Class::Quota => FailureClass::Credential,
            Class::RateLimited => FailureClass::RateLimited,
            Class::Overloaded | Class::ModelMissing => FailureClass::Candidate,
            Class::ContextTooLong => FailureClass::ContextTooLong,
            Class::Transient => FailureClass::Transient,
        };
        let told = if failure.message.is_empty() { "no message" } else { &failure.message };
        let (tell, passed) = match failure.class {
            // The caller's own key is not at fault: its SDK must not say so.
            Class::Credential | Class::Quota => ((502, RefusalKind::UpstreamCredentialsExhausted), None),
            Class::RateLimited => ((429, RefusalKind::UpstreamRateLimited), passed),
            Class::Overloaded => ((503, RefusalKind::UpstreamOverloaded), passed),
            Class::ModelMissing => ((404, RefusalKind::ModelNotFound), passed),
            Class::ContextTooLong => ((400, RefusalKind::ContextLengthExceeded), passed),
            Class::Filtered => ((400, RefusalKind::ContentFilter), passed),
            Class::Caller => {
                ((if (400..500).contains(&status) { status } else { 400 }, RefusalKind::InvalidRequest), passed)
            }
            Class::Transient => ((if status >= 500 { status } else { 502 }, RefusalKind::UpstreamError), passed),
        };
        Failed {
            error: failure.class.into(),
            class,
            status: Some(status),
            message: format!("{provider}: {told}"),
            retry_after: failure.retry_after,
            passed,
            tell,
            quoted: false,
            scope: failure.scope,
            teaches: true,
            unprocessed: false,
        }
    }

    /// The same of an answer that held the gateway's own credential: somebody else is asked, and the caller is not told
    /// the answer. What it teaches of the place stays what it was: a caller whose bad requests are quoted must not be able
    /// to put a good credential to rest.
    pub fn quoting(self) -> Self {
        Failed {
            error: AttemptError::Credential,
            passed: None,
            tell: (502, RefusalKind::UpstreamCredentialsExhausted),
            quoted: true,
            ..self
        }
    }

    /// The class that decides what comes next; the field itself says what the failure teaches of the place. A quoted
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

    /// With the credential taken out of the words, which may be the other side's.
    pub fn masked(self, mask: Option<&Mask>) -> Self {
        let Some(mask) = mask else { return self };
        let (message, quoted) = mask.words(self.message);
        let failed = Failed { message, ..self };
        if quoted && failed.status.is_some() { failed.quoting() } else { failed }
    }

    /// Whether the provider may have served it all the same, and bills it: it left, and nobody said that it failed.
    pub fn may_have_served(&self) -> bool {
        self.status.is_none()
            && !matches!(
                self.error,
                AttemptError::Connect | AttemptError::Tls | AttemptError::TimeoutConnect | AttemptError::Unsupported
            )
    }

    pub fn not_sent(sending: &SendError) -> Self {
        let (error, message) = (sending.attempt_error(), sending.to_string());
        match sending {
            SendError::ConnectTimeout { .. } => Failed::timeout(error, message),
            SendError::Closed { kept, unprocessed, .. } => Failed {
                class: if *kept { FailureClass::ConnectionClosed } else { FailureClass::Transient },
                unprocessed: *unprocessed,
                ..Failed::unreachable(error, message)
            },
            _ => Failed::unreachable(error, message),
        }
    }
}
