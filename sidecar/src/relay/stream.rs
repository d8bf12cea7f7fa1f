//! Relays a stream to the caller.
//!
//! ```text
//! buffered (until content, or 64 events, 256 kB, 10 s) -> flowing -> ended | broken (an error event)
//! ```
//! While events are buffered, another candidate can still take over. After content was sent, the loss of the upstream
//! becomes an error event and the end of the stream; the gateway never invents a regular end.

mod event_filters;
mod read;
mod until_content;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::BodyExt;
use outrigger_llm::errors::GatewayError;
use outrigger_llm::framing::{self, EventReader, Framing};
use outrigger_llm::usage::Usage;
use tokio::time::Sleep;

use super::broken_stream::Broken;
use super::stream_body::RelayBody;
use super::stream_translator::StreamTranslator;
use super::{AnswerSource, extra_fields};
use crate::completion::Completion;
use crate::completion::Timing;
use crate::filter::RunningFilters;
use crate::memory::{Memory, MemoryLease};
use crate::relay::Conversion;
use crate::request::answer_events;
use crate::request::context::RequestContext;
use crate::request::reframing::Reframing;
use crate::request::reply::ReplyBody;
use crate::telemetry::attempt_error::AttemptError;
use crate::upstream::UpstreamBody;

/// A stream from an upstream to a caller.
#[derive(Debug)]
pub struct Relay {
    body: UpstreamBody,
    reader: EventReader,
    translator: StreamTranslator,
    /// If the caller gets the events in another form.
    reframing: Option<Reframing>,
    /// How the caller's events are framed, before they get another form.
    caller_framing: Framing,
    /// Filters that see the events before they are sent.
    filters: Option<Box<RunningFilters>>,
    source: AnswerSource,
    timing: Timing,
    /// Written and not sent yet.
    out: Vec<u8>,
    events: Vec<framing::Event>,
    /// The number of events since the last check.
    read_events: usize,
    /// Content or the end has come. From then on, only silence counts against the upstream.
    content: bool,
    /// The upstream sends nothing more.
    over: bool,
    /// The last bytes were returned.
    closed: bool,
    memory: Memory,
    /// Memory for an incomplete event, and for buffered parts of the translation.
    lease: MemoryLease,
    chunks: u32,
    chunk_time: Duration,
    /// Waiting for the upstream, until `alarm`.
    waiting: bool,
    alarm: Option<Pin<Box<Sleep>>>,
}

/// The upstream was silent for longer than allowed.
#[derive(Debug)]
struct Silence;

impl Relay {
    pub fn new(
        body: UpstreamBody,
        source: AnswerSource,
        timing: Timing,
        context: &RequestContext,
        memory: &Memory,
    ) -> Self {
        let translator = match source.conversion {
            Conversion::Same => StreamTranslator::same(context.dialect.format(), source.requests_usage),
            Conversion::Across { .. } | Conversion::Embeddings(_) | Conversion::Rerank { .. } => {
                StreamTranslator::across(
                    source.upstream.format,
                    context.operation.format(),
                    answer_events::answer_properties(context, &source.model, source.origin.clone()),
                    source.conversion == Conversion::Across { one_call: true },
                )
            }
        };
        Relay {
            body,
            reader: EventReader::new(source.upstream.framing),
            translator,
            reframing: Reframing::of(context.stream_form),
            caller_framing: context.framing(),
            filters: None,
            source,
            timing,
            out: Vec::new(),
            events: Vec::new(),
            read_events: 0,
            content: false,
            over: false,
            closed: false,
            memory: memory.clone(),
            lease: MemoryLease::default(),
            chunks: 0,
            chunk_time: Duration::ZERO,
            waiting: false,
            alarm: None,
        }
    }

    /// The body of the answer: first the buffered events, then the rest.
    pub fn into_body(self: Box<Self>, mut completion: Box<Completion>, status: u16) -> ReplyBody {
        completion.record_overhead();
        RelayBody::new(self, completion, status).boxed_unsync()
    }

    /// The next bytes for the caller; `None` at the end.
    pub fn poll_next(&mut self, cx: &mut Context<'_>, completion: &mut Completion) -> Poll<Option<Bytes>> {
        loop {
            let output = match self.filters {
                None => std::mem::take(&mut self.out),
                Some(_) => std::task::ready!(self.poll_filters(cx, completion)).unwrap_or_default(),
            };
            if !output.is_empty() {
                let Some(reframing) = &mut self.reframing else { return Poll::Ready(Some(output.into())) };
                let mut framed = Vec::with_capacity(output.len() + 8);
                reframing.frame(&output.into(), &mut framed);
                if !framed.is_empty() {
                    return Poll::Ready(Some(framed.into()));
                }
            }
            if self.over {
                if std::mem::replace(&mut self.closed, true) {
                    return Poll::Ready(None);
                }
                let Some(reframing) = &mut self.reframing else { return Poll::Ready(None) };
                reframing.end(&mut self.out);
                if self.out.is_empty() {
                    return Poll::Ready(None);
                }
                return Poll::Ready(Some(std::mem::take(&mut self.out).into()));
            }
            let chunk = match self.body.poll_chunk(cx) {
                Poll::Ready(chunk) => Ok(chunk),
                Poll::Pending => {
                    std::task::ready!(self.poll_silence(cx));
                    Err(Silence)
                }
            };
            self.waiting = false;
            let begun = Instant::now();
            self.take_chunk(chunk, completion);
            self.chunks += 1;
            self.chunk_time += begun.elapsed();
        }
    }

    /// Ready when the upstream has been silent for longer than allowed.
    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !std::mem::replace(&mut self.waiting, true) {
            // Once content flows, only silence is limited; before, also the total time.
            let silent = Instant::now() + self.timing.idle;
            let by = match self.content {
                true => silent,
                false => silent.max(self.timing.first_at).min(self.timing.total_at),
            };
            match &mut self.alarm {
                Some(alarm) => alarm.as_mut().reset(by.into()),
                None => self.alarm = Some(Box::pin(tokio::time::sleep_until(by.into()))),
            }
        }
        match &mut self.alarm {
            Some(alarm) => alarm.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }

    /// The reported usage so far.
    pub fn usage(&self) -> Usage {
        self.translator.usage()
    }

    /// Whether the answer has ended regularly, and all of it was returned.
    pub fn is_complete(&self) -> bool {
        self.translator.finished()
            && self.out.is_empty()
            && self.filters.is_none()
            && (self.closed || !self.reframing.as_ref().is_some_and(Reframing::has_end))
    }

    /// The caller needs nothing after the answer's end: count it as served.
    pub fn mark_served(&mut self) {
        if !std::mem::replace(&mut self.over, true) {
            self.source.health.record_stream_end(&self.source.model, Instant::now());
        }
    }

    /// How long to read an answer whose caller has gone.
    pub fn longest(&self) -> Duration {
        self.timing.total
    }

    /// Whether the answer has ended regularly.
    pub fn is_finished(&self) -> bool {
        self.translator.finished()
    }

    /// The bytes of content so far.
    pub fn content_bytes(&self) -> u64 {
        self.translator.content_bytes()
    }

    /// The gateway's own time for one chunk, in microseconds on average. The first chunks do not count.
    pub fn chunk_overhead_us(&self) -> Option<f64> {
        (self.chunks > 0).then(|| {
            let mean = self.chunk_time.as_secs_f64() * 1e6 / f64::from(self.chunks);
            (mean * 10.0).round() / 10.0
        })
    }

    fn take_chunk(
        &mut self,
        chunk: Result<Option<Result<Bytes, crate::upstream::BodyError>>, Silence>,
        completion: &mut Completion,
    ) {
        match chunk {
            // After the answer's end, a lost or open connection is no error.
            Err(_) | Ok(Some(Err(_))) if self.translator.finished() => self.close(completion),
            Err(_) if !self.content && Instant::now() >= self.timing.total_at => {
                self.break_off(&Broken::Timeout(AttemptError::TimeoutTotal), completion)
            }
            Err(_) => self.break_off(&Broken::Timeout(AttemptError::TimeoutIdle), completion),
            Ok(Some(Err(error))) => self.break_off(&Broken::Lost(error.to_string()), completion),
            Ok(Some(Ok(chunk))) => {
                let (content, broken) = self.read(&chunk, completion);
                if content && !self.content {
                    self.handle_first_content(completion);
                }
                completion.record_usage(self.translator.usage());
                if let Some(broken) = broken {
                    self.break_off(&broken, completion);
                }
            }
            Ok(None) => {
                if let (_, Some(broken)) = self.read_rest(completion) {
                    return self.break_off(&broken, completion);
                }
                self.close(completion);
            }
        }
    }

    /// Handles the upstream's end: writes the rest of the answer, or reports that it broke off.
    fn close(&mut self, completion: &mut Completion) {
        let finished = self
            .translator
            .close(&mut self.out, |usage, content_bytes| comment(completion, &self.source, usage, content_bytes));
        match finished {
            true => {
                self.over = true;
                self.source.health.record_stream_end(&self.source.model, Instant::now());
            }
            false => self.break_off(&Broken::Lost("closed before the answer's end".to_owned()), completion),
        }
    }

    /// Ends a stream of which content was sent: with an error event in the caller's dialect.
    fn break_off(&mut self, broken: &Broken, completion: &mut Completion) {
        self.over = true;
        let (word, status, kind, message) = broken.caller_error(&self.source);
        completion.record_broken_stream(word, kind);
        if broken.affects_health(&self.timing) {
            self.source.health.record_failure(&self.source.model, self.source.sent_at, Instant::now());
        }
        // The upstream's own error event of the same dialect was passed on already.
        if matches!((broken, self.source.conversion), (Broken::ErrorEvent(_), Conversion::Same)) {
            return;
        }
        let refusal = GatewayError {
            status,
            kind: kind.name(),
            message: &message,
            request_id: &completion.context.request_id,
            param: None,
            attempts: &[],
        };
        self.translator.fail(completion.context.operation.format(), &refusal, &mut self.out);
    }
}

/// The comment before the end of a stream of the OpenAI dialect. Every SDK skips it.
fn comment(completion: &Completion, source: &AnswerSource, usage: &Usage, content_bytes: u64) -> String {
    // Without reported figures, the cost is not known before the end.
    let cost = usage.output.and_then(|_| completion.cost_of(usage, content_bytes));
    match completion.context.has_extra_fields() {
        true => format!(": outrigger {}\n", extra_fields(completion, source, cost)),
        false => String::new(),
    }
}
