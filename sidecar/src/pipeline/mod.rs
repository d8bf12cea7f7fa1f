//! The path of a request through the gateway: one step after the other, each in its own file.

pub(crate) mod account_bound;
mod decide;
mod detached;
mod filter_response;
pub mod identify;
mod listing;
mod second_decision;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::request::Parts;
use http::{Extensions, HeaderMap, Request, Response};
use hyper::body::Incoming;
use outrigger_core::RefusalKind;
use outrigger_llm::Dialect;
use outrigger_llm::operation::{self, Hints, ModelLocation, StreamForm};
use outrigger_llm::passthrough::scan::Scanned;
use outrigger_policy::{Draw, Key, OnHangUp, PolicyRefusalKind};

use crate::attempt::{self, AttemptContext, attempt};
use crate::completion::Completion;
use crate::completion::unidentified::Unidentified;
use crate::filter::{Filters, after_deciding, before_deciding};
use crate::gateway::Gateway;
use crate::memory::{LONG_WORK, MemoryLease, STREAM};
use crate::pipeline::decide::{Circumstances, decide};
use crate::pipeline::detached::DetachedRequest;
use crate::pipeline::filter_response::respond_to_stop;
use crate::pipeline::identify::identify;
use crate::pipeline::listing::{list, unknown_path};
use crate::request::body::{drain, overloaded, receive};
use crate::request::client_timeouts::client_timeouts;
use crate::request::context::{RequestContext, new_id};
use crate::request::headers::name;
use crate::request::parse::{parse_request, trace_id};
use crate::request::query::Query;
use crate::request::refusal::Refusal;
use crate::request::reply::ReplyBody;
use crate::request::session;
use crate::request::translation::RequestTranslation;

/// How many rules are logged for one request whose expressions failed.
const MAX_LOGGED_RULES: usize = 8;
/// How long idle places of other gateways are waited for.
const PERMIT_PATIENCE: Duration = Duration::from_secs(2);

impl Gateway {
    /// Refuses a request by its head, before its key is known. It is counted, but not recorded: otherwise a web page
    /// could displace all other records.
    pub(crate) fn refuse_early<B>(&self, request: &Request<B>, refusal: &Refusal) -> Response<ReplyBody> {
        self.metrics.count_early_refusal(refusal.kind);
        let hints = hints(request.headers(), &Query::parse(request.uri().query().unwrap_or_default()));
        let dialect = operation::dialect_of(request.uri().path(), hints);
        refusal.answer(dialect, &format!("req_{}", new_id(SystemTime::now())), &[])
    }

    /// Answers a request.
    pub async fn handle(self: Arc<Self>, request: Request<Incoming>) -> Response<ReplyBody> {
        let (head, mut body) = request.into_parts();
        let (version, waits) = (head.version, head.headers.contains_key(http::header::EXPECT));
        let response = self.answer(head, &mut body).await;
        // Read and discard the rest of a body that was refused early.
        drain(&mut body, version, waits).await;
        response
    }

    async fn answer(self: Arc<Self>, head: Parts, body: &mut Incoming) -> Response<ReplyBody> {
        let started = Instant::now();
        let received = SystemTime::now();
        let query = Query::parse(head.uri.query().unwrap_or_default());
        let hints = hints(&head.headers, &query);
        let decision_id = new_id(received);
        let path = head.uri.path();
        let listing_dialect = operation::dialect_of(path, hints);
        let unidentified = Unidentified {
            started,
            received,
            trace_id: trace_id(&head.headers, &decision_id),
            request_id: format!("req_{decision_id}"),
            decision_id,
        };
        let refuse = |dialect: Dialect, operation: &'static str, refusal: &Refusal| {
            unidentified.refuse(&self, dialect, operation, refusal)
        };
        let Some(matched) = operation::find(head.method.as_str(), path) else {
            return refuse(listing_dialect, "unknown", &unknown_path(head.method.as_str(), path));
        };
        let listing = matched.operation.kind.is_answered_here();
        let dialect = if listing { listing_dialect } else { matched.operation.dialect };
        let errors = if listing { dialect } else { matched.operation.error_dialect() };
        let Some(in_force) = self.in_force() else {
            let refusal = Refusal::new(RefusalKind::NoPolicy, "the gateway has no policy yet").after(1);
            return refuse(errors, matched.operation.name, &refusal);
        };
        let (served, filters) = (Arc::clone(&in_force.served), in_force.filters.clone());
        let begin = |context| Completion::new(Arc::clone(&self), filters.clone(), context);
        if let Some(message) = self.id.loop_refusal(&head.headers, &served.policy) {
            return refuse(errors, matched.operation.name, &Refusal::new(RefusalKind::LoopDetected, message));
        }
        let now = received.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()) as i64;
        let key = match identify(&served.policy, &head.headers, &query, self.service_account.as_deref(), now) {
            Ok(key) => key,
            Err(refusal) => return refuse(errors, matched.operation.name, &refusal),
        };
        let Unidentified { trace_id, decision_id, request_id, .. } = unidentified;
        let mut context = RequestContext {
            trace_id,
            decision_id,
            request_id,
            started,
            received,
            read: started,
            dialect,
            operation: matched.operation,
            served,
            key,
            session: None,
            model: None,
            stream: false,
            stream_form: StreamForm::default(),
            client_timeouts: client_timeouts(&head.headers),
            headers: head.headers,
            query,
            scanned: Scanned::default(),
            body: Bytes::new(),
            lease: MemoryLease::default(),
            estimate: OnceLock::new(),
            metered: OnceLock::new(),
            gone: Arc::default(),
            notes: Extensions::default(),
        };
        if listing && matched.operation.model != ModelLocation::Field {
            context.model = matched.model;
            return list(begin(context));
        }
        // Its header is checked at once. It is joined once the whole request was read, so that nobody takes a place in the
        // table with a body that never comes.
        if let Err(refusal) = session::name(context.key(), context.operation, &context.headers) {
            return begin(context).refuse(&refusal);
        }
        match receive(&context.headers, body, &self.memory).await {
            Ok((body, lease)) => (context.body, context.lease) = (body, lease),
            Err(refusal) => return begin(context).refuse(&refusal),
        }
        context.read = Instant::now();
        if (parsing_copies(&context.body) || copies_arguments(context.key(), &context.body))
            && context.lease.grow_to(context.lease.bytes() + context.body.len(), &self.memory).is_err()
        {
            return begin(context).refuse(&overloaded());
        }
        let parsed = self.memory.work(context.body.len(), || parse_request(&mut context, matched)).await;
        if let Err(refusal) = parsed {
            return begin(context).refuse(&refusal);
        }
        if listing {
            return list(begin(context));
        }
        if context.key().session.as_ref().is_some_and(|session| session.repeats.is_some()) {
            let repeats = || session::refuses_repeats(context.key(), context.operation, &context.body);
            if let Some(refusal) = self.memory.work(context.body.len(), repeats).await {
                return begin(context).refuse(&refusal);
            }
        }
        match session::join(&self.sessions, context.key(), context.operation, &context.headers) {
            Ok(session) => context.session = session,
            Err(refusal) => return begin(context).refuse(&refusal),
        }
        if context.stream && context.lease.grow_to(context.lease.bytes() + STREAM, &self.memory).is_err() {
            return begin(context).refuse(&overloaded());
        }
        let counts = context.served.policy.limits.counts(context.key, &context.key().id);
        match counts || context.key().on_hang_up == OnHangUp::Drain {
            // An attempt continues for a moment after its caller has gone, so that its usage becomes known. Boxed,
            // because a task would copy its 18 KiB several times.
            true => DetachedRequest::new(&context).wait(Box::pin(self.route(context, filters))).await,
            false => self.route(context, filters).await,
        }
    }

    /// Handles a parsed request up to its answer.
    async fn route(self: Arc<Self>, mut context: RequestContext, filters: Filters) -> Response<ReplyBody> {
        let mut translation = RequestTranslation::new(&self.memory);
        if !filters.is_empty() {
            // Boxed, so that the future of a request without filters stays small.
            let passed = before_deciding(&filters, &mut context, &mut translation, &self.memory);
            if let Err(stop) = Box::pin(passed).await {
                return respond_to_stop(Completion::new(Arc::clone(&self), filters, context), stop).await;
            }
        }
        let now = Instant::now();
        self.retries.request(now);
        let circumstances = Circumstances { now, draw: Draw::Random(fastrand::u64(..)), short: None };
        let (mut decision, mut conversation) =
            self.memory.work(context.body.len(), || decide(&self, &context, &translation, circumstances)).await;
        if decision.refusal.is_some() && translation.may_wait() {
            // No candidate can take it unchanged, and memory for a translation will soon be free.
            translation = RequestTranslation::new(&self.memory);
            translation.make_room(&context).await;
            (decision, conversation) =
                self.memory.work(context.body.len(), || decide(&self, &context, &translation, circumstances)).await;
        }
        let concurrency = context.served.keys[context.key].all.clone();
        let mut completion = Completion::new(Arc::clone(&self), filters.clone(), context);
        completion.record_decision(&decision);
        self.report_failed_rules(&decision.rule_errors);
        if let Some(refusal) = &decision.refusal {
            // If the body is no conversation, the request is invalid, not unsupported.
            let unfit = refusal.kind == PolicyRefusalKind::UnsupportedParameter;
            let refusal = match (translation.problem(), translation.no_room()) {
                (_, Some(no_room)) if unfit => no_room,
                (Some((path, problem)), _) if unfit => Refusal {
                    param: Some(path.to_owned()),
                    ..Refusal::new(RefusalKind::InvalidRequest, format!("{path}: {problem}"))
                },
                _ => self.with_time(&completion.context.served, refusal),
            };
            return completion.refuse(&refusal);
        }
        if !filters.is_empty() {
            let passed = after_deciding(&filters, &mut completion.context, &translation, &decision);
            if let Err(stop) = Box::pin(passed).await {
                return respond_to_stop(completion, stop).await;
            }
            completion.set_answer_filters();
        }
        if let Some(concurrency) = concurrency {
            match concurrency.take(|| (Instant::now() + PERMIT_PATIENCE).into()).await {
                Ok(permit) => completion.hold_permit(permit),
                Err(why) => {
                    let message = concurrency.describe("spec.limits.concurrentRequests", why);
                    return completion.refuse(&Refusal::new(why.kind(), message).after(why.retry_after()));
                }
            }
        }
        let clock = attempt::clock(&completion, &decision);
        let attempts = AttemptContext {
            gateway: &self,
            decision: &decision,
            translation: &translation,
            clock,
            conversation,
            may_decide_again: completion.context.served.policy.depends_on_usage(),
            waits_until: None,
        };
        match attempt(&attempts, completion).await {
            Ok(answer) => answer,
            // Boxed: hardly any request comes here.
            Err(short) => Box::pin(second_decision::decide_again(&attempts, short, circumstances)).await,
        }
    }

    /// Counts and logs rules whose expression failed on a request.
    fn report_failed_rules(&self, errors: &[(Arc<str>, String)]) {
        errors.iter().for_each(|(rule, _)| self.metrics.rule_failed(rule));
        for (rule, problem) in errors.iter().take(MAX_LOGGED_RULES) {
            tracing::warn!(%rule, %problem, "the rule's expression failed on a request");
        }
        if let Some(more) = errors.len().checked_sub(MAX_LOGGED_RULES).filter(|more| *more > 0) {
            tracing::warn!(more, "expressions of other rules failed on the same request");
        }
    }
}

/// Signs of the SDK, for paths that several dialects share.
fn hints(headers: &HeaderMap, query: &Query) -> Hints {
    Hints {
        anthropic: headers.contains_key(&name::ANTHROPIC_VERSION),
        google: headers.contains_key(&name::X_GOOG_API_KEY) || query.key().is_some(),
        cohere: headers.get(&name::X_FERN_SDK_NAME).is_some_and(|sdk| sdk.as_bytes().starts_with(b"cohere")),
    }
}

/// Whether the arguments of tool calls in a long body are copied to compare them, one at a time.
fn copies_arguments(key: &Key, body: &[u8]) -> bool {
    body.len() >= LONG_WORK && key.session.as_ref().is_some_and(|session| session.repeats.is_some())
}

/// Whether parsing a long body copies it, because it may contain escaped letters.
fn parsing_copies(body: &[u8]) -> bool {
    body.len() >= LONG_WORK && memchr::memmem::find(body, b"\\u00").is_some()
}
