//! What the gateway knows about a request.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use http::{Extensions, HeaderMap};
use outrigger_core::{Capabilities, RequestType};
use outrigger_llm::Dialect;
use outrigger_llm::framing::Framing;
use outrigger_llm::operation::{Meter, Operation, OperationKind, StreamForm};
use outrigger_llm::passthrough::caching::Caching;
use outrigger_llm::passthrough::scan::Scanned;
use outrigger_llm::provider::Api;
use outrigger_llm::tokens::estimate::RequestInput;
use outrigger_llm::tokens::meter::{self, Metered};
use outrigger_policy::{CacheWrite, KeyIndex};

use crate::memory::MemoryLease;
use crate::request::client_timeouts::ClientTimeouts;
use crate::request::query::Query;
use crate::runtime::active_policy::ActivePolicy;
use crate::runtime::sessions::SessionUse;

/// Everything that was read of a request before the decision.
pub struct RequestContext {
    /// The id of the decision in headers and records.
    pub decision_id: String,
    pub request_id: String,
    /// From the caller's `traceparent`, otherwise the id of the decision.
    pub trace_id: String,
    pub started: Instant,
    pub received: SystemTime,
    /// When the last byte of the body was read.
    pub read: Instant,
    pub dialect: Dialect,
    pub operation: &'static Operation,
    pub served: Arc<ActivePolicy>,
    /// The index in the policy's keys.
    pub key: KeyIndex,
    /// Its part in its session, if its key limits sessions and it names one.
    pub session: Option<SessionUse>,
    /// As the caller wrote it.
    pub model: Option<String>,
    pub stream: bool,
    /// How the caller gets the events.
    pub stream_form: StreamForm,
    pub headers: HeaderMap,
    pub query: Query,
    pub scanned: Scanned,
    /// Empty once content flows, so that its memory is free.
    pub body: Bytes,
    pub lease: MemoryLease,
    /// The caller's own timeouts.
    pub client_timeouts: ClientTimeouts,
    /// The parts of its input, computed on first use.
    pub estimate: OnceLock<RequestInput>,
    /// How its cost is metered, computed on first use.
    pub metered: OnceLock<Metered>,
    /// Set when the caller has gone.
    pub gone: Arc<AtomicBool>,
    /// Data that filters hold for this request. Allocates nothing if empty.
    pub notes: Extensions,
}

impl fmt::Debug for RequestContext {
    /// Only names and sizes: headers and query contain the caller's key, the body its prompt.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("decision_id", &self.decision_id)
            .field("operation", &self.operation.name)
            .field("key", &self.key().id)
            .field("model", &self.model)
            .field("stream", &self.stream)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl RequestContext {
    #[must_use]
    pub fn key(&self) -> &outrigger_policy::Key {
        &self.served.policy.keys[self.key]
    }

    /// The dialect of the gateway's own errors.
    #[must_use]
    pub fn error_dialect(&self) -> Dialect {
        if self.operation.is_invoke_model() { self.operation.error_dialect() } else { self.dialect }
    }

    /// How the events of its dialect are framed, before they get the caller's form.
    #[must_use]
    pub fn framing(&self) -> Framing {
        Api::of(self.dialect).framing
    }

    /// The media type of a streamed answer.
    #[must_use]
    pub fn stream_type(&self) -> &'static str {
        match self.stream_form {
            StreamForm::Events => self.framing().content_type(),
            StreamForm::Array => "application/json",
            StreamForm::AwsChunks => Framing::AwsChunks.content_type(),
        }
    }

    /// The operation, by the name that rules use.
    #[must_use]
    pub fn request_type(&self) -> RequestType {
        match self.stream {
            true => self.operation.request_type.1,
            false => self.operation.request_type.0,
        }
    }

    /// Whether the answer's bytes are neither JSON nor events.
    #[must_use]
    pub fn is_binary(&self) -> bool {
        matches!(self.operation.kind, OperationKind::Speech | OperationKind::Transcription)
    }

    /// The parts of the request's input. Only valid before the body is released.
    #[must_use]
    pub fn input(&self) -> &RequestInput {
        self.estimate.get_or_init(|| RequestInput::read(self.dialect, &self.body))
    }

    /// The request's tokens, estimated from its bytes, for the model that the caller names.
    #[must_use]
    pub fn input_tokens(&self) -> u64 {
        self.input().estimate(self.dialect, self.model.as_deref().unwrap_or_default()).tokens()
    }

    /// How its cost is metered.
    #[must_use]
    pub fn metered(&self) -> Metered {
        *self.metered.get_or_init(|| meter::meter(self.operation, &self.scanned, &self.body))
    }

    /// Whether prompt caching is requested, and for how long.
    #[must_use]
    pub fn cache_write(&self) -> CacheWrite {
        match self.scanned.caching(&self.body) {
            _ if self.scanned.keeps_cache(&self.body) => CacheWrite::Hour,
            None => CacheWrite::None,
            Some(Caching::FiveMinutes) => CacheWrite::Short,
            Some(Caching::Hour) => CacheWrite::Hour,
        }
    }

    /// The capabilities that the request needs from a model.
    #[must_use]
    pub fn needs(&self) -> Capabilities {
        let needs = self.scanned.needs(self.operation, &self.body);
        let known = needs.names().filter_map(Capabilities::from_name);
        known.fold(Capabilities::default(), |all, one| all | one)
    }

    /// Whether the caller has gone. Then no other candidate is tried.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    /// Whether it is billed by tokens, perhaps among other things.
    #[must_use]
    pub fn counts_tokens(&self) -> bool {
        self.operation.meter == Meter::Tokens
    }

    /// Whether the input is a recording, which is billed by the second.
    #[must_use]
    pub fn counts_seconds(&self) -> bool {
        self.operation.meter == Meter::Seconds
    }

    /// Whether its answers consist of tokens.
    #[must_use]
    pub fn answers_with_text(&self) -> bool {
        matches!(self.operation.kind, OperationKind::Chat | OperationKind::Completions | OperationKind::Responses)
    }

    /// Whether answers to this caller contain `extra_fields`.
    #[must_use]
    pub fn has_extra_fields(&self) -> bool {
        self.dialect == Dialect::OpenAi && self.key().extra_fields && !self.is_binary()
    }
}

/// A new id for a decision. It begins with the time, so that ids sort by age.
#[must_use]
pub fn new_id(now: SystemTime) -> String {
    let ms = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
    format!("{ms:012x}{:020x}", fastrand::u128(..) >> 48)
}
