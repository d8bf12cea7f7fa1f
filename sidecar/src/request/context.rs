//! A request on its way: what is known of it, step by step.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use http::{Extensions, HeaderMap};
use outrigger_core::{Capabilities, RequestType};
use outrigger_llm::Dialect;
use outrigger_llm::operation::{Meter, Operation, OperationKind};
use outrigger_llm::passthrough::caching::Caching;
use outrigger_llm::passthrough::scan::Scanned;
use outrigger_llm::tokens::estimate::RequestInput;
use outrigger_llm::tokens::meter::{self, Metered};
use outrigger_policy::{CacheAsk, KeyIndex};

use crate::memory::MemoryLease;
use crate::request::client_timeouts::ClientTimeouts;
use crate::request::query::Query;
use crate::runtime::active_policy::ActivePolicy;

/// Everything that was read of a request before it is decided.
pub struct RequestContext {
    /// Names the decision in headers and records.
    pub decision_id: String,
    pub request_id: String,
    /// From the caller's `traceparent`, else the decision's own.
    pub trace_id: String,
    pub started: Instant,
    pub received: SystemTime,
    /// When the last byte of the body was here.
    pub read: Instant,
    pub dialect: Dialect,
    pub operation: &'static Operation,
    pub served: Arc<ActivePolicy>,
    /// Index in the policy's keys.
    pub key: KeyIndex,
    /// As the caller wrote it.
    pub model: Option<String>,
    pub stream: bool,
    /// A Gemini caller that did not ask for `alt=sse` gets a JSON array.
    pub as_array: bool,
    pub headers: HeaderMap,
    pub query: Query,
    pub scanned: Scanned,
    /// Gone once content flows, so that its memory is free for others.
    pub body: Bytes,
    pub held: MemoryLease,
    /// What the caller itself is prepared to wait.
    pub patience: ClientTimeouts,
    /// What its input is made of, once somebody has asked.
    pub estimate: OnceLock<RequestInput>,
    /// How its cost is counted, once somebody has asked.
    pub metered: OnceLock<Metered>,
    /// Set when the caller is known to have gone.
    pub gone: Arc<AtomicBool>,
    /// What filters keep of this request. Empty, it takes no memory.
    pub notes: Extensions,
}

impl fmt::Debug for RequestContext {
    /// Names and sizes: headers and query hold the caller's own key, the body its prompt.
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

    /// The operation in the words of rules.
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

    /// What the request's input is made of. To be asked before the body is let go of.
    #[must_use]
    pub fn input(&self) -> &RequestInput {
        self.estimate.get_or_init(|| RequestInput::read(self.dialect, &self.body))
    }

    /// Tokens of the request, estimated from its bytes, for the model that the caller names.
    #[must_use]
    pub fn input_tokens(&self) -> u64 {
        self.input().estimate(self.dialect, self.model.as_deref().unwrap_or_default()).tokens()
    }

    /// How its cost is counted.
    #[must_use]
    pub fn metered(&self) -> Metered {
        *self.metered.get_or_init(|| meter::meter(self.operation, &self.scanned, &self.body))
    }

    /// Whether prompt caching is asked for, and for how long.
    #[must_use]
    pub fn cache_ask(&self) -> CacheAsk {
        match self.scanned.caching(&self.body) {
            _ if self.scanned.keeps_cache(&self.body) => CacheAsk::Hour,
            None => CacheAsk::None,
            Some(Caching::FiveMinutes) => CacheAsk::Short,
            Some(Caching::Hour) => CacheAsk::Hour,
        }
    }

    /// What the request asks of a model.
    #[must_use]
    pub fn needs(&self) -> Capabilities {
        let needs = self.scanned.needs(self.operation, &self.body);
        let known = needs.names().filter_map(Capabilities::from_name);
        known.fold(Capabilities::default(), |all, one| all | one)
    }

    /// Whether the caller is known to have gone: then nobody else is asked.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    /// Whether it is counted by tokens, among other things perhaps.
    #[must_use]
    pub fn counts_tokens(&self) -> bool {
        self.operation.meter == Meter::Tokens
    }

    /// Whether it is a recording, of which the seconds count.
    #[must_use]
    pub fn counts_seconds(&self) -> bool {
        self.operation.meter == Meter::Seconds
    }

    /// Whether its answers are made of tokens.
    #[must_use]
    pub fn answers_with_text(&self) -> bool {
        matches!(self.operation.kind, OperationKind::Chat | OperationKind::Completions | OperationKind::Responses)
    }

    /// Whether the caller's answers carry `extra_fields`.
    #[must_use]
    pub fn tells_extra_fields(&self) -> bool {
        self.dialect == Dialect::OpenAi && self.key().extra_fields && !self.is_binary()
    }
}

/// A new name for a decision: time first, so that names sort as they were given.
#[must_use]
pub fn new_id(now: SystemTime) -> String {
    let ms = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
    format!("{ms:012x}{:020x}", fastrand::u128(..) >> 48)
}
