//! The end of a request: whatever way it takes, it is recorded once.
//!
//! Lives as long as the answer. Dropped without a word it was the caller who went away.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::attempt::Passed;
use crate::call::Call;
use crate::duration::ms;
use crate::gateway::{Gateway, ReplyBody};
use crate::headers;
use crate::health::Busy;
use crate::record::Record;
use crate::refuse::{self, Refusal};
use crate::served::Slot;
use http::{HeaderMap, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use outrigger_llm::usage::Usage;
use outrigger_policy::Candidate;

/// The status recorded for callers that went away before the end, as proxies have it.
const CLIENT_CLOSED: u16 = 499;

/// Everything that is held until a request ends.
#[derive(Debug)]
pub struct Ending {
    pub gateway: Arc<Gateway>,
    pub call: Call,
    pub record: Record,
    /// Counts as load on the place that is asked.
    pub busy: Option<Busy>,
    /// The key's concurrency slot.
    pub slot: Option<Slot>,
    /// What was used, as far as it was told.
    pub usage: Usage,
    refused: Option<&'static str>,
    waited: Duration,
    waiting_since: Option<Instant>,
    done: bool,
}

impl Ending {
    pub fn new(gateway: Arc<Gateway>, call: Call) -> Box<Self> {
        gateway.metrics.in_flight.inc();
        let key = call.key();
        let record = Record {
            time: Some(call.received),
            decision: call.decision_id.clone(),
            trace_id: call.trace_id.clone(),
            request_id: call.request_id.clone(),
            key: key.id.name.clone(),
            namespace: key.id.namespace.clone(),
            workload: gateway.workload.clone(),
            dialect: call.dialect.name(),
            operation: call.operation.name,
            stream: call.stream,
            model_requested: call.model.clone(),
            revision: call.served.policy.revision.to_string(),
            ..Record::default()
        };
        Box::new(Ending {
            gateway,
            call,
            record,
            busy: None,
            slot: None,
            usage: Usage::default(),
            refused: None,
            waited: Duration::ZERO,
            waiting_since: None,
            done: false,
        })
    }

    /// This one is asked now; who asks later sees who it was.
    pub fn serves(&mut self, candidate: &Candidate) {
        self.record.provider = Some(candidate.name.to_string());
        self.record.model = Some(candidate.model.to_string());
    }

    /// Headers that say who was asked, on every answer.
    pub fn tell_who(&self, to: &mut HeaderMap) {
        headers::set(to, "x-outrigger-decision", &self.call.decision_id);
        if let (Some(provider), Some(model)) = (&self.record.provider, &self.record.model) {
            headers::set(to, "x-outrigger-provider", provider);
            headers::set(to, "x-outrigger-model", model);
        }
        if let Some(rule) = &self.record.rule {
            headers::set(to, "x-outrigger-rule", rule);
        }
        headers::set(to, "x-outrigger-attempts", &self.record.attempts.len().to_string());
        if !self.record.adapted.is_empty() {
            headers::set(to, "x-outrigger-adapted", &self.record.adapted.join(", "));
        }
        refuse::tell_request_id(to, self.call.dialect, &self.call.request_id);
    }

    /// From here on the time is the upstream's.
    pub fn waits(&mut self) {
        self.waiting_since = Some(Instant::now());
    }

    /// From here on it is ours again.
    pub fn waited(&mut self) {
        if let Some(since) = self.waiting_since.take() {
            self.waited += since.elapsed();
        }
    }

    /// The first byte of the answer is about to go out: what was not waiting was our own.
    pub fn first_byte(&mut self) {
        let own = self.call.read.elapsed().saturating_sub(self.waited);
        self.record.overhead_us = Some(u64::try_from(own.as_micros()).unwrap_or(u64::MAX));
    }

    /// Content flows: nobody needs the request's body any more.
    pub fn let_go_of_body(&mut self) {
        self.call.body = bytes::Bytes::new();
        self.call.held = crate::memory::Held::default();
    }

    /// Refuses, before anybody was asked.
    pub fn refuse(self: Box<Self>, refusal: &Refusal) -> Response<ReplyBody> {
        self.refuse_after(refusal, refusal.kind, &[])
    }

    /// Tells a failure in the caller's dialect, with the attempts that were made.
    pub fn refuse_after(
        mut self: Box<Self>,
        refusal: &Refusal,
        error: &str,
        attempts: &[String],
    ) -> Response<ReplyBody> {
        let mut response = refusal.answer(self.call.dialect, &self.call.request_id, attempts);
        self.tell_who(response.headers_mut());
        if self.record.attempts.is_empty() {
            self.refused = Some(refusal.kind);
        }
        self.record.error_type = Some(match self.record.attempts.is_empty() {
            true => refusal.kind.to_owned(),
            false => error.to_owned(),
        });
        self.first_byte();
        self.finish(refusal.status);
        response
    }

    /// Passes an upstream's own error answer on.
    pub fn pass_on(mut self: Box<Self>, passed: Passed, error: &str, final_word: bool) -> Response<ReplyBody> {
        let body = Full::new(passed.body).map_err(|never| match never {}).boxed_unsync();
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(passed.status).unwrap_or(StatusCode::BAD_GATEWAY);
        *response.headers_mut() = passed.headers;
        self.tell_who(response.headers_mut());
        if final_word && passed.status != 200 {
            response.headers_mut().insert("x-should-retry", http::HeaderValue::from_static("false"));
        }
        self.record.error_type = Some(error.to_owned());
        self.first_byte();
        self.usage = passed.usage;
        self.finish(passed.status);
        response
    }

    /// The end.
    pub fn finish(mut self: Box<Self>, status: u16) {
        self.end(status);
    }

    fn end(&mut self, status: u16) {
        if std::mem::replace(&mut self.done, true) {
            return;
        }
        self.record.status = status;
        self.record.latency_ms = ms(self.call.started.elapsed());
        self.record.tokens = self.usage.into();
        let model = self.gateway.metric_model(&self.call, self.record.model.as_deref());
        let record = std::mem::take(&mut self.record);
        self.gateway.metrics.in_flight.dec();
        self.gateway.metrics.recorded(&record, &model, self.refused);
        if let Some(hook) = &self.gateway.hooks.on_answer {
            hook.recorded(&record);
        }
        self.gateway.record(record);
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        if !self.done {
            self.record.error_type.get_or_insert_with(|| "client_closed".to_owned());
            self.end(CLIENT_CLOSED);
        }
    }
}
