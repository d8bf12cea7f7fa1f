//! One attempt: sends the request, waits for the head, and reads on until it is clear that it is an answer.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Response, StatusCode, header};
use outrigger_llm::RequestError;
use outrigger_llm::errors::classify::classify;
use outrigger_llm::operation::{OperationKind, StreamForm};
use outrigger_llm::usage::Usage;
use outrigger_policy::Candidate;

use super::answer_filters;
use super::caller_credential;
use super::route::Route;
use super::{AttemptContext, Failed, Timing, UpstreamAnswer, keep_content_type};
use crate::attempt::prepare::{Prepared, prepare};
use crate::attempt::reserve::ReservedAttempt;
use crate::completion::Completion;
use crate::memory::{Memory, MemoryLease, NoRoom};
use crate::relay::{AnswerSource, Relay, WholeAnswer, binary, whole_answer};
use crate::request::headers;
use crate::request::reply::ReplyBody;
use crate::runtime::active_policy::ActivePolicy;
use crate::runtime::backend::Backend;
use crate::telemetry::attempt_error::AttemptError;
use crate::upstream::mask::Masker;
use crate::upstream::mock::NoFallback;
use crate::upstream::{AuthorizeError, SentMask, UpstreamBody};

const CONNECT: Duration = Duration::from_secs(2);
/// How long to wait for the body of an error.
const ERROR_TIME: Duration = Duration::from_secs(5);
/// The longest error body that is read.
const LONGEST_ERROR: usize = 256 << 10;

/// An answer that can go to the caller.
pub enum ProviderAnswer {
    Whole { status: u16, headers: HeaderMap, answer: Box<WholeAnswer> },
    Stream { status: u16, headers: HeaderMap, relay: Box<Relay> },
    Binary { status: u16, headers: HeaderMap, body: Box<UpstreamBody>, timing: Box<Timing> },
}

impl ProviderAnswer {
    pub fn status(&self) -> u16 {
        match self {
            ProviderAnswer::Whole { status, .. }
            | ProviderAnswer::Stream { status, .. }
            | ProviderAnswer::Binary { status, .. } => *status,
        }
    }

    /// Sends it to the caller, through the filters. `completion` ends with the body.
    pub async fn send(self, mut completion: Box<Completion>) -> Response<ReplyBody> {
        let filters = completion.take_answer_filters();
        match filters.is_empty() {
            true => self.send_unfiltered(completion),
            false => Box::pin(answer_filters::send(self, completion, filters)).await,
        }
    }

    /// Sends it to the caller, without filters.
    pub fn send_unfiltered(self, mut completion: Box<Completion>) -> Response<ReplyBody> {
        let status = StatusCode::from_u16(self.status()).unwrap_or(StatusCode::OK);
        let (mut headers, body) = match self {
            ProviderAnswer::Whole { mut headers, answer, status } => {
                let (usage, content_bytes) = answer.figures();
                completion.settle_complete(usage, content_bytes);
                completion.add_headers(&mut headers);
                (headers, answer.into_body(completion, status))
            }
            ProviderAnswer::Stream { mut headers, relay, status } => {
                completion.add_headers(&mut headers);
                (headers, relay.into_body(completion, status))
            }
            ProviderAnswer::Binary { mut headers, body, status, timing } => {
                completion.add_headers(&mut headers);
                (headers, binary(*body, completion, status, *timing))
            }
        };
        headers.remove(header::CONTENT_LENGTH);
        let mut response = Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }
}

/// Whether the caller wrote the request for another server or model: the first candidate's.
fn is_for_another(
    attempts: &AttemptContext<'_>,
    candidate: &Candidate,
    backend: &Backend,
    served: &ActivePolicy,
) -> bool {
    let Some(first) = attempts.decision.candidates.first() else { return false };
    let same_server = || {
        let quirks = first.provider.map(|provider| &served.backends[provider].kind.quirks);
        quirks == Some(&backend.kind.quirks)
    };
    let is_first = std::ptr::eq(first, candidate);
    !is_first && (first.upstream_model != candidate.upstream_model || !same_server())
}

pub async fn once(
    attempts: &AttemptContext<'_>,
    completion: &mut Completion,
    route: &Route<'_>,
    reserved: &ReservedAttempt,
    timing: Timing,
) -> Result<ProviderAnswer, Failed> {
    let &Route { candidate, provider: index, credential } = route;
    let served = Arc::clone(&completion.context.served);
    let backend = &served.backends[index];
    let health = backend.health(credential);
    let authorization = backend.value(credential).map(|value| &value.authorization);
    let usually_requests = !health.refuses_usage.load(Ordering::Relaxed);
    let mut may_request_usage = usually_requests;
    let mut fresh = false;
    let adapts = is_for_another(attempts, candidate, backend, &served);
    let context = &completion.context;
    let same = backend.target(context.dialect, &candidate.upstream_model).takes(context.operation);
    let cap = if same { reserved.cap } else { reserved.most };
    health.begin(&candidate.model, timing.began);
    completion.set_busy(health.busy(&candidate.model, timing.began));
    loop {
        if !same {
            attempts.translation.make_room(&completion.context).await;
        }
        let make = || {
            let context = &completion.context;
            prepare(context, candidate, backend, attempts.translation, adapts, may_request_usage, cap)
        };
        let made = attempts.gateway.memory.work(completion.context.body.len(), make).await;
        let mut prepared = made.map_err(|error| {
            if let Some(refusal) = attempts.translation.no_room() {
                return Failed::no_memory_for_request(refusal);
            }
            match error {
                RequestError::Unsupported { field, .. } => Failed::unsupported(field, &candidate.name),
                RequestError::Invalid { path, problem } => {
                    Failed::unsupported(format!("{path} ({problem})"), &candidate.name)
                }
            }
        })?;
        attempts.translation.release(&completion.context);
        let mut mask = backend.value(credential).and_then(|value| value.mask.clone());
        if let Some(authorization) = authorization {
            let limit = timing.limit(completion.context.stream);
            let made = authorization.authorize(&mut prepared.request, limit.at).await.map_err(|error| match error {
                AuthorizeError::Late => limit.timed_out(&candidate.name),
                AuthorizeError::Failed(reason) => Failed::unauthorized(&reason, &candidate.name),
            })?;
            mask = made.or(mask);
        }
        if served.policy.providers[index].caller_credential {
            mask = caller_credential::add(&completion.context, same, &candidate.name, &mut prepared.request)?;
        }
        let requests_usage = prepared.requests_usage;
        let sent = send(completion, route, prepared, mask, (timing, fresh)).await;
        if let (Err(failed), Some(authorization)) = (&sent, authorization)
            && failed.refuses_credential()
        {
            authorization.refused();
        }
        if let (Err(Failed { unprocessed: true, .. }), Some(charge)) = (&sent, &mut completion.charge) {
            // The upstream did not process the request, so nothing is charged.
            charge.left = Arc::default();
        }
        match sent {
            Err(failed) if requests_usage && refuses_usage(&failed) => may_request_usage = false,
            // Once, and on a new connection, which the server cannot have closed for being idle.
            Err(failed)
                if failed.unprocessed && !fresh && Instant::now() < timing.limit(completion.context.stream).at =>
            {
                fresh = true
            }
            Err(failed) => return Err(failed),
            Ok(answer) => {
                // The usage field was the cause: do not send it to this upstream again.
                if usually_requests && !may_request_usage {
                    health.refuses_usage.store(true, Ordering::Relaxed);
                }
                // A stream counts as served only at its end.
                if !matches!(answer, ProviderAnswer::Stream { .. }) {
                    let now = Instant::now();
                    // The duration of counting tokens says nothing about that of an answer.
                    let counting = completion.context.operation.kind == OperationKind::CountTokens;
                    let took = (!counting).then(|| now.saturating_duration_since(timing.began));
                    health.record_answer(&candidate.model, took, now);
                }
                return Ok(answer);
            }
        }
    }
}

fn refuses_usage(failed: &Failed) -> bool {
    matches!(failed.status, Some(400 | 422))
        && (failed.message.contains("stream_options")
            || failed.upstream_answer.as_ref().is_some_and(|upstream_answer| {
                memchr::memmem::find(&upstream_answer.body, b"stream_options").is_some()
            }))
}

async fn send(
    completion: &mut Completion,
    &Route { candidate, provider: index, credential }: &Route<'_>,
    prepared: Prepared,
    mask: SentMask,
    (timing, fresh): (Timing, bool),
) -> Result<ProviderAnswer, Failed> {
    let served = Arc::clone(&completion.context.served);
    let (backend, provider) = (&served.backends[index], &served.policy.providers[index]);
    let limit = timing.limit(completion.context.stream);
    completion.record_dropped_fields(&prepared.left_out);
    let connect = provider.timeouts.connect.map_or(CONNECT, Duration::from_millis);

    let sent_at = Instant::now();
    completion.waits();
    let request = match &completion.charge {
        Some(charge) => prepared.request.map(|body| body.with_sent_flag(&charge.left)),
        None => prepared.request,
    };
    let sending = tokio::time::timeout_at(limit.at.into(), backend.upstream.send(request, connect, fresh));
    let outcome = sending.await;
    completion.waited();
    let sent = match outcome {
        Ok(Ok(sent)) => sent,
        Ok(Err(error)) => return Err(Failed::send_failed(&error).masked(mask.as_deref())),
        Err(_) => return Err(limit.timed_out(&candidate.name)),
    };
    let (mut head, mut body) = sent.response.into_parts();
    let encoding = head.headers.get(header::CONTENT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    body.decode(encoding)
        .map_err(|error| Failed::unreachable(AttemptError::Malformed, format!("{}: {error}", candidate.name)))?;
    let status = head.status.as_u16();
    let mut quoted = false;
    if let Some(mask) = &mask {
        let is_error = !head.status.is_success();
        quoted = mask.headers(&mut head.headers, is_error);
        body.mask(Masker::new(Arc::clone(mask), is_error));
    }
    let single =
        provider.caller_credential || (completion.context.key().providers.len() == 1 && provider.credentials.len() < 2);
    let target = backend.target(completion.context.dialect, &candidate.upstream_model);
    let (api, same) = (target.api, target.takes(completion.context.operation));
    let answer_headers = match same {
        true => headers::answer_headers(&head.headers, single),
        false => HeaderMap::new(),
    };
    if !head.status.is_success() {
        // The status already decides: the body of an error gets less time than that of an answer.
        let by = limit.at.min(Instant::now() + ERROR_TIME);
        let waits = BodyDeadline { by, silence: Duration::ZERO, at_most: by };
        let memory = completion.gateway.memory.clone();
        let longest = LONGEST_ERROR.min(memory.longest_answer());
        let read = read_whole(&mut body, longest, waits, completion, &memory).await.ok();
        // If the body is too long or does not arrive, the caller gets the status with the gateway's own message.
        let whole = read.is_some();
        let (text, lease) = read.unwrap_or_default();
        let text = body.masked_error(text);
        let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        // Without a `Date` header, use the local time.
        let now = || humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string();
        let look_up = |name: &str| header(name).or_else(|| (name == "date").then(now));
        let mut failure = classify(api.dialect, status, &look_up, &text);
        if head.extensions.get::<NoFallback>().is_some() {
            failure.class = outrigger_llm::errors::classify::Class::Caller;
        }
        if provider.caller_credential {
            failure = caller_credential::own_fault(failure);
        }
        // A status below 400 is not passed on: an SDK would follow a redirect.
        let same_errors = api.error_dialect() == completion.context.error_dialect();
        let upstream_answer = (same && same_errors && whole && status >= 400).then(|| {
            Box::new(UpstreamAnswer {
                status,
                headers: answer_headers,
                body: text,
                usage: Usage::default(),
                lease: Arc::new(lease),
            })
        });
        let mut failed = Failed::answered(&failure, status, &candidate.name, upstream_answer);
        if provider.caller_credential {
            failed = caller_credential::without_pause(failed);
        }
        if status == StatusCode::LOOP_DETECTED.as_u16() {
            return Err(failed.loop_detected());
        }
        // A caller may see that its own credential was quoted.
        let quotes_ours = !provider.caller_credential && (quoted || body.quoted());
        return Err(if quotes_ours { failed.quoting() } else { failed });
    }
    let content_type = head.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let stay = outrigger_policy::Stay {
        provider: provider.identity,
        credential: credential.map_or(0, |at| provider.credentials[at].identity),
    };
    let source = AnswerSource {
        upstream: api,
        conversion: prepared.conversion,
        provider: Arc::clone(&candidate.name),
        model: Arc::clone(&candidate.model),
        origin: target.origin(),
        requests_usage: prepared.requests_usage,
        stay,
        health: Arc::clone(backend.health(credential)),
        sent_at,
    };
    if completion.context.stream && content_type.starts_with(api.framing.content_type()) {
        let mut headers = answer_headers;
        let unchanged = same && api.framing == completion.context.framing();
        if !unchanged || completion.context.stream_form != StreamForm::Events {
            let content_type = completion.context.stream_type();
            headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
        }
        headers.entry(header::CACHE_CONTROL).or_insert(header::HeaderValue::from_static("no-cache"));
        let mut relay = Box::new(Relay::new(body, source, timing, &completion.context, &completion.gateway.memory));
        relay.read_until_content(completion).await.map_err(|failed| failed.with_headers(headers.clone()))?;
        return Ok(ProviderAnswer::Stream { status, headers, relay });
    }
    if same
        && (is_binary(content_type)
            || (completion.context.is_binary() && !content_type.starts_with("application/json")))
    {
        return Ok(ProviderAnswer::Binary {
            status,
            headers: answer_headers,
            body: Box::new(body),
            timing: Box::new(timing),
        });
    }
    // Some providers send white space while they compute a long answer. That is not silence.
    let share = timing.whole.at.saturating_duration_since(timing.began);
    let waits = BodyDeadline { by: timing.whole.at, silence: timing.idle.min(share), at_most: timing.deadline };
    let memory = completion.gateway.memory.clone();
    let longest = memory.longest_answer();
    let (text, lease) =
        read_whole(&mut body, longest, waits, completion, &memory).await.map_err(|failed| match failed {
            BodyReadError::Late => timing.whole.timed_out(&candidate.name),
            BodyReadError::Lost(reason) => {
                Failed::unreachable(AttemptError::Cut, format!("{}: {reason}", candidate.name))
            }
            BodyReadError::TooLong => Failed::too_long(&candidate.name, longest),
            BodyReadError::NoRoom(no_room) => Failed::no_memory_for_answer(no_room),
        })?;
    let mut headers = answer_headers;
    let length = text.len();
    let convert = || whole_answer(source, completion, text, lease, &memory);
    let answer = memory.work(length, convert).await.map_err(|failed| {
        // An error under status 200 may quote the request too.
        let failed = if failed.is_empty() { failed } else { failed.masked(mask.as_deref()) };
        let failed = if body.quoted() && !failed.is_empty() { failed.quoting() } else { failed };
        failed.with_headers(headers.clone())
    })?;
    keep_content_type(&mut headers, &header::HeaderValue::from_static(answer.content_type));
    Ok(ProviderAnswer::Whole { status, headers, answer: Box::new(answer) })
}

/// Speech, images, archives: relayed unchanged.
fn is_binary(content_type: &str) -> bool {
    ["audio/", "image/", "video/", "application/octet-stream"].iter().any(|prefix| content_type.starts_with(prefix))
}

/// How long to wait for a body: until `by`, and beyond it until `at_most` as long as no pause is longer than `silence`.
#[derive(Clone, Copy, Debug)]
struct BodyDeadline {
    by: Instant,
    silence: Duration,
    at_most: Instant,
}

/// Why a body was not read to its end.
#[derive(Debug)]
enum BodyReadError {
    Late,
    Lost(String),
    TooLong,
    /// Not enough memory.
    NoRoom(NoRoom),
}

/// Reads a body to its end, within limits of length, time and memory.
async fn read_whole(
    body: &mut UpstreamBody,
    longest: usize,
    mut waits: BodyDeadline,
    completion: &mut Completion,
    memory: &Memory,
) -> Result<(Bytes, MemoryLease), BodyReadError> {
    let mut lease = MemoryLease::default();
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    loop {
        completion.waits();
        let chunk = tokio::time::timeout_at(waits.by.into(), body.chunk()).await;
        completion.waited();
        let chunk = match chunk {
            Err(_) => return Err(BodyReadError::Late),
            Ok(None) => break,
            Ok(Some(Err(error))) => return Err(BodyReadError::Lost(error.to_string())),
            Ok(Some(Ok(chunk))) => chunk,
        };
        waits.by = waits.by.max((Instant::now() + waits.silence).min(waits.at_most));
        let length = first.len() + whole.len() + chunk.len();
        if length > longest {
            return Err(BodyReadError::TooLong);
        }
        // The buffer is copied when it grows, so parts of both copies exist for a moment.
        lease
            .grow_to(if whole.is_empty() { length } else { length + length / 2 }, memory)
            .map_err(BodyReadError::NoRoom)?;
        // Most answers arrive in one chunk, which is kept without a copy.
        if first.is_empty() && whole.is_empty() {
            first = chunk;
            continue;
        }
        if !first.is_empty() {
            whole.extend_from_slice(&std::mem::take(&mut first));
        }
        whole.extend_from_slice(&chunk);
    }
    let text = if first.is_empty() { whole.freeze() } else { first };
    lease.shrink_to(text.len());
    Ok((text, lease))
}
