//! The state of a request until its end. Every request is recorded exactly once.
//!
//! [`Completion`] lives as long as the answer. If it is dropped before [`Completion::finish`], the caller closed the
//! connection.

mod clock;
mod failed;
pub(crate) mod handles;
mod recorded;
pub(crate) mod unidentified;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::cost::charge::{AttemptCost, Charge, Completeness, TotalCost};
use crate::duration::ms;
use crate::filter::{AnswerFilters, Filters};
use crate::gateway::Gateway;
use crate::request::context::RequestContext;
use crate::request::headers::{self, name};
use crate::request::refusal::{self, Refusal};
use crate::request::reply::ReplyBody;
use crate::request::whole_body::WholeBody;
use crate::runtime::concurrency::ConcurrencyPermit;
use crate::runtime::health::Busy;
use crate::runtime::limits::LimitAccount;
use crate::runtime::sessions::SessionUse;
use crate::telemetry::attempt_error::AttemptError;
use crate::telemetry::record::{ErrorType, Record};
use crate::telemetry::usage_history::UsageOf;
use http::{HeaderMap, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use outrigger_core::{Millis, Money, RefusalKind};
use outrigger_ledger::LimitNo;
use outrigger_llm::usage::Usage;
use outrigger_policy::LimitIndex;
use outrigger_sync::UsageSums;

pub use clock::{RequestClock, Timing};
pub use failed::{Failed, FailureClass, UpstreamAnswer, keep_content_type};

/// The status recorded if the caller closed the connection before the end; the one that proxies use.
pub const CLIENT_CLOSED: u16 = 499;

/// Everything that a request holds until it ends.
#[derive(Debug)]
pub struct Completion {
    pub gateway: Arc<Gateway>,
    pub context: RequestContext,
    /// The filters that the request began with.
    filters: Filters,
    record: Record,
    /// Counts the request as load on the provider in use.
    _busy: Option<Busy>,
    /// The key's concurrency permit.
    _permit: Option<ConcurrencyPermit>,
    /// The permits of the provider in use.
    pub backend_permits: Vec<ConcurrencyPermit>,
    /// The caller's request counted against limits of requests: once, however many attempts it takes.
    pub admitted: bool,
    /// The charge of the attempt in progress.
    pub charge: Option<Charge>,
    /// The usage, as far as it is known.
    usage: Usage,
    /// The filters of the answer. Empty without filters.
    answer_filters: AnswerFilters,
    /// The cost of all attempts, in nano-dollars.
    money: TotalCost,
    /// The limits that attempts counted against, as indexes into the policy's limits, and when the periods of their accounts
    /// began.
    counted: Vec<(LimitIndex, Millis)>,
    refused: Option<RefusalKind>,
    waited: Duration,
    waiting_since: Option<Instant>,
    done: bool,
}

impl Completion {
    /// Begins a request with these filters.
    pub fn new(gateway: Arc<Gateway>, filters: Filters, context: RequestContext) -> Box<Self> {
        gateway.metrics.in_flight.inc();
        let key = context.key();
        let record = Record {
            time: Some(context.received),
            decision: context.decision_id.clone(),
            trace_id: context.trace_id.clone(),
            request_id: context.request_id.clone(),
            key: key.id.name.clone(),
            namespace: key.id.namespace.clone(),
            workload: gateway.workload.clone(),
            dialect: context.dialect.name(),
            operation: context.operation.name,
            stream: context.stream,
            model_requested: context.model.clone(),
            revision: context.served.policy.revision.to_string(),
            session: context.session.as_ref().map(SessionUse::name),
            ..Record::default()
        };
        Box::new(Completion {
            gateway,
            context,
            filters,
            record,
            _busy: None,
            _permit: None,
            backend_permits: Vec::new(),
            admitted: false,
            charge: None,
            usage: Usage::default(),
            answer_filters: AnswerFilters::default(),
            money: TotalCost::NoAttempt,
            counted: Vec::new(),
            refused: None,
            waited: Duration::ZERO,
            waiting_since: None,
            done: false,
        })
    }

    /// Holds the key's concurrency permit until the request ends.
    pub fn hold_permit(&mut self, permit: ConcurrencyPermit) {
        self._permit = Some(permit);
    }

    /// Counts the request as load on the provider in use, instead of the previous one.
    pub fn set_busy(&mut self, busy: Busy) {
        self._busy = Some(busy);
    }

    /// Releases the load and the permits of the provider in use, so that other requests can use it.
    pub fn release_backend(&mut self) {
        self._busy = None;
        self.backend_permits.clear();
    }

    /// The filters that the request began with.
    pub fn filters(&self) -> &Filters {
        &self.filters
    }

    /// The filters for the answer of the filter at this index: those before it.
    pub fn filters_before(&self, index: usize) -> AnswerFilters {
        self.filters.before(index, &self.context)
    }

    /// Sets the filters for a provider's answer.
    pub fn set_answer_filters(&mut self) {
        self.answer_filters = self.filters.for_answer(&self.context);
    }

    pub fn take_answer_filters(&mut self) -> AnswerFilters {
        std::mem::take(&mut self.answer_filters)
    }

    /// Adds the headers that every answer has: decision, provider, model, rule, attempts, cost, dropped fields.
    pub fn add_headers(&self, headers: &mut HeaderMap) {
        headers::set(headers, name::OUR_DECISION, &self.context.decision_id);
        if let (Some(provider), Some(model)) = (&self.record.provider, &self.record.model) {
            headers::set(headers, name::OUR_PROVIDER, provider);
            headers::set(headers, name::OUR_MODEL, model);
        }
        if let Some(rule) = &self.record.rule {
            headers::set(headers, name::OUR_RULE, rule);
        }
        headers::set(headers, name::OUR_ATTEMPTS, &self.record.attempts.len().to_string());
        // Final for a whole answer. For a stream, it covers only the attempts before it.
        if let Some(money) = self.money.known().filter(|_| self.charge.is_none()) {
            headers::set(headers, name::OUR_COST, &Money::from_nanos(money).exact());
        }
        if !self.record.adapted.is_empty() {
            headers::set(headers, name::OUR_ADAPTED, &self.record.adapted.join(", "));
        }
        refusal::set_request_id(headers, self.context.error_dialect(), &self.context.request_id);
    }

    /// Whether a budget holds a reservation for this attempt.
    pub fn is_charged(&self) -> bool {
        self.charge.as_ref().is_some_and(|charge| charge.held.is_some())
    }

    /// Whether the charge for a whole answer depends on the length of its content: a figure is missing, or is only
    /// plausible for long content. Otherwise the content need not be measured.
    pub fn charge_depends_on_content(&self, usage: &Usage) -> bool {
        self.charge.as_ref().is_some_and(|charge| usage.output.is_none() || charge.judge(usage, 0) != *usage)
    }

    /// The cost of an answer with this usage and this many bytes of content, together with the attempts before it, in
    /// nano-dollars.
    pub fn cost_of(&self, usage: &Usage, content_bytes: u64) -> Option<u64> {
        let Some(charge) = &self.charge else { return self.money.known() };
        let cost = charge.cost(
            &self.context.served.policy,
            &charge.judge(usage, content_bytes),
            content_bytes,
            Completeness::All,
        );
        match cost.money {
            // Without a reservation the input was not measured, so an estimate means nothing.
            Some(_) if cost.estimated && charge.held.is_none() => None,
            money => self.money.with(money).known(),
        }
    }

    /// Settles a complete answer. `content_bytes`: bytes of content, for figures that the provider did not report.
    pub fn settle_complete(&mut self, usage: &Usage, content_bytes: u64) {
        self.settle_answer(usage, content_bytes, Completeness::All);
    }

    /// Settles an answer that was cut off: only the received part counts.
    pub fn settle_cut(&mut self, usage: &Usage, content_bytes: u64) {
        self.settle_answer(usage, content_bytes, Completeness::Part);
    }

    fn settle_answer(&mut self, usage: &Usage, content_bytes: u64, completeness: Completeness) {
        self.usage = *usage;
        let Some(charge) = self.charge.take() else { return };
        self.usage = charge.judge(usage, content_bytes);
        let cost = charge.cost(&self.context.served.policy, &self.usage, content_bytes, completeness);
        let known = cost.money.filter(|_| charge.held.is_some() || !cost.estimated);
        self.money = self.money.with(known);
        self.settle(charge, &cost);
    }

    /// Settles a failed attempt.
    pub fn settle_failed(&mut self, failed: &Failed) {
        let Some(charge) = self.charge.take() else { return };
        let policy = &self.context.served.policy;
        let cost = match failed.status {
            _ if !charge.was_sent() => charge.nothing(policy),
            Some(status) if status < 500 || status == StatusCode::LOOP_DETECTED.as_u16() => charge.nothing(policy),
            // The provider reports that it did not serve the request.
            Some(_) => charge.unanswered(policy),
            // A stream that did not begin contains nothing, except perhaps thoughts.
            None if self.context.stream && !charge.thinks => charge.unanswered(policy),
            None => charge.in_full(policy),
        };
        // A failed attempt of unknown cost does not make the total unknown.
        if let Some(money) = cost.money.filter(|_| charge.held.is_some() || !cost.estimated) {
            self.money = self.money.with(Some(money));
        }
        self.settle(charge, &cost);
    }

    fn settle(&mut self, charge: Charge, cost: &AttemptCost) {
        // A charge in full has no figures of its own: keep the reported ones.
        if (charge.held.is_some() || charge.by_tokens && !cost.estimated) && !cost.usage.is_empty() {
            self.usage = cost.usage;
        }
        self.record.usage_estimated |= charge.held.is_some() && cost.estimated;
        let (settled, counted) = charge.settle(cost);
        // A request may end after the period in which it was charged.
        let start = |account: LimitAccount| {
            let of_it = |(number, _): &(LimitNo, Millis)| Some(*number) == account.number();
            settled.charged().find(of_it).map_or(0, |(_, start)| start)
        };
        self.counted.extend(counted.iter().map(|counted| (counted.place, start(counted.account))));
        self.gateway.crossed(&self.context.served, &settled);
    }

    /// Finishes a request whose caller closed the connection.
    fn finish_client_closed(self: Box<Self>) {
        self.finish(CLIENT_CLOSED);
    }

    /// Ends a request whose caller closed the connection. The returned response is not sent.
    pub fn client_closed(mut self: Box<Self>) -> Response<ReplyBody> {
        self.record_client_closed();
        self.finish_client_closed();
        let mut response = Response::new(Full::default().map_err(|never| match never {}).boxed_unsync());
        *response.status_mut() = StatusCode::from_u16(CLIENT_CLOSED).unwrap_or(StatusCode::BAD_REQUEST);
        response
    }

    /// Frees the request's body. Once content flows, nothing needs it any more.
    pub fn release_body(&mut self) {
        self.context.body = bytes::Bytes::new();
        self.context.lease.shrink_to(crate::memory::request_size(&self.context.headers, self.context.stream));
    }

    /// Refuses the request before any attempt.
    pub fn refuse(self: Box<Self>, refusal: &Refusal) -> Response<ReplyBody> {
        self.refuse_with_attempts(refusal, ErrorType::Refused(refusal.kind), &[])
    }

    /// Answers a failure in the caller's dialect, with a list of the attempts.
    pub fn refuse_with_attempts(
        mut self: Box<Self>,
        refusal: &Refusal,
        error: ErrorType,
        attempts: &[String],
    ) -> Response<ReplyBody> {
        let mut response = refusal.answer(self.context.error_dialect(), &self.context.request_id, attempts);
        self.add_headers(response.headers_mut());
        if self.record.attempts.is_empty() {
            self.refused = Some(refusal.kind);
        }
        self.record.error_type = Some(match self.record.attempts.is_empty() {
            true => ErrorType::Refused(refusal.kind),
            false => error,
        });
        self.record_overhead();
        self.finish(refusal.status);
        response
    }

    /// Returns an upstream's own error answer.
    pub fn return_upstream_answer(
        mut self: Box<Self>,
        upstream_answer: UpstreamAnswer,
        error: AttemptError,
        final_word: bool,
    ) -> Response<ReplyBody> {
        let lease = Arc::try_unwrap(upstream_answer.lease).unwrap_or_default();
        let body = WholeBody::new([upstream_answer.body, Default::default(), Default::default()], lease)
            .map_err(|never| match never {})
            .boxed_unsync();
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(upstream_answer.status).unwrap_or(StatusCode::BAD_GATEWAY);
        *response.headers_mut() = upstream_answer.headers;
        self.add_headers(response.headers_mut());
        if final_word && upstream_answer.status != 200 {
            response.headers_mut().insert("x-should-retry", http::HeaderValue::from_static("false"));
        }
        self.record.error_type = Some(ErrorType::Failed(error));
        self.record_overhead();
        if upstream_answer.status == 200 {
            self.usage = upstream_answer.usage;
        }
        self.finish(upstream_answer.status);
        response
    }

    /// Ends the request and records it.
    pub fn finish(mut self: Box<Self>, status: u16) {
        self.end(status);
    }

    /// In the operator's usage history.
    fn count(&self, record: &Record, model: &str) {
        let of =
            UsageOf { namespace: &record.namespace, key: &record.key, provider: record.provider.as_deref(), model };
        let sums = UsageSums {
            requests: 1,
            errors: u64::from(record.status >= 400 || record.error_type.is_some()),
            input_tokens: record.tokens.input.unwrap_or_default(),
            cached_tokens: record.tokens.cached.unwrap_or_default(),
            output_tokens: record.tokens.output.unwrap_or_default(),
            cost_nanos: self.money.known().unwrap_or_default(),
        };
        self.gateway.history.count(of, &sums);
    }

    fn end(&mut self, status: u16) {
        if std::mem::replace(&mut self.done, true) {
            return;
        }
        if self.context.is_gone() {
            self.record_client_closed();
        }
        self.record.status = if self.context.is_gone() { CLIENT_CLOSED } else { status };
        self.record.latency_ms = ms(self.context.started.elapsed());
        // The cost of an attempt in progress is unknown, so it is charged in full.
        if let Some(charge) = self.charge.take() {
            let cost = match charge.was_sent() {
                true => charge.in_full(&self.context.served.policy),
                false => charge.nothing(&self.context.served.policy),
            };
            if let Some(money) = cost.money.filter(|_| charge.held.is_some() || !cost.estimated) {
                self.money = self.money.with(Some(money));
            }
            self.settle(charge, &cost);
        }
        self.record.cost_usd = self.money.known().map(|money| Money::from_nanos(money).exact());
        self.record.budgets =
            self.gateway.budgets(&self.context.served, &mut self.counted, self.context.session.as_ref());
        self.record.tokens = self.usage.into();
        let model = self.gateway.metric_model(&self.context, self.record.model.as_deref());
        let record = std::mem::take(&mut self.record);
        self.gateway.metrics.in_flight.dec();
        self.gateway.metrics.count_request(&record, &model, self.refused);
        if self.gateway.history.collects() {
            self.count(&record, &model);
        }
        self.filters.recorded(&record);
        self.gateway.record(record);
        if self.gateway.metrics.in_flight.get() == 0 {
            self.gateway.ended.notify_waiters();
        }
    }
}

impl Drop for Completion {
    fn drop(&mut self) {
        if !self.done {
            self.record_client_closed();
            self.end(CLIENT_CLOSED);
        }
    }
}
