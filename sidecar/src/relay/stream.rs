//! A stream on its way back.
//!
//! ```text
//! held (until content, or 64 events, 256 kB, 10 s) -> flowing -> ended | broken (an error event)
//! ```
//! While events are held, another candidate can still take over. Once content has gone out, the
//! loss of the upstream is an error event and the end, never an invented one.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::BodyExt;
use outrigger_core::RefusalKind;
use outrigger_llm::errors::GatewayError;
use outrigger_llm::framing::{self, EventReader};
use outrigger_llm::registry::error_event;
use outrigger_llm::tokens::usage::Usage;
use tokio::time::Sleep;

use super::broken_stream::Broken;
use super::stream_body::Flow;
use super::stream_translator::{AsArray, StreamTranslator};
use super::{AnswerSource, events, extra_fields};
use crate::attempt::prepare::Conversion;
use crate::attempt::{Failed, Timing};
use crate::duration::ms;
use crate::filter::{AnswerFilters, Filtering};
use crate::memory::{EVENTS, Memory, MemoryLease};
use crate::pipeline::account_bound::{remember_handle, response_handle};
use crate::pipeline::body::overloaded;
use crate::pipeline::completion::Completion;
use crate::pipeline::context::RequestContext;
use crate::pipeline::refusal::Refusal;
use crate::pipeline::reply::ReplyBody;
use crate::telemetry::attempt_error::AttemptError;
use crate::upstream::UpstreamBody;

/// So much of what came is read at one time: the events in it are many times as long in memory.
const READ_AT_ONCE: usize = 8 << 10;
/// How many times an event is there while it is told: read, taken apart, told, and on its way.
const COPIES: usize = 6;

/// How much is held back before content, at the most.
const HELD_EVENTS: usize = 64;
const HELD_BYTES: usize = 256 << 10;
const HELD_TIME: Duration = Duration::from_secs(10);

/// A stream from an upstream to a caller.
#[derive(Debug)]
pub struct Relay {
    body: UpstreamBody,
    reader: EventReader,
    lens: StreamTranslator,
    array: Option<AsArray>,
    /// Filters that see the events; what is told passes them before it is sent.
    filtering: Option<Box<Filtering>>,
    setting: AnswerSource,
    timing: Timing,
    /// Told and not yet sent.
    out: Vec<u8>,
    events: Vec<framing::Event>,
    /// How many there were since somebody looked.
    read_events: usize,
    /// There was content, or the end: from then on only silence counts against the upstream.
    content: bool,
    /// Nothing more comes from the upstream.
    over: bool,
    /// The last bytes were told.
    closed: bool,
    memory: Memory,
    /// For an event that has no end yet, and for what is kept to be told later.
    held: MemoryLease,
    chunks: u32,
    chunk_time: Duration,
    /// The upstream is waited for, until the alarm.
    waiting: bool,
    alarm: Option<Pin<Box<Sleep>>>,
}

/// Nothing came for as long as is allowed.
#[derive(Debug)]
struct Silence;

impl Relay {
    pub fn new(
        body: UpstreamBody,
        setting: AnswerSource,
        timing: Timing,
        context: &RequestContext,
        memory: &Memory,
    ) -> Self {
        let lens = match setting.way {
            Conversion::Same => StreamTranslator::same(context.dialect.format(), setting.asked_usage),
            Conversion::Across | Conversion::Vectors { .. } => StreamTranslator::across(
                setting.upstream.format,
                context.dialect.format(),
                events::answer_of(context, &setting.model),
            ),
        };
        Relay {
            body,
            reader: EventReader::new(setting.upstream.framing),
            lens,
            array: context.as_array.then(AsArray::default),
            filtering: None,
            setting,
            timing,
            out: Vec::new(),
            events: Vec::new(),
            read_events: 0,
            content: false,
            over: false,
            closed: false,
            memory: memory.clone(),
            held: MemoryLease::default(),
            chunks: 0,
            chunk_time: Duration::ZERO,
            waiting: false,
            alarm: None,
        }
    }

    /// Reads on until there is content, or so much else that the caller should have it.
    ///
    /// # Errors
    /// What another candidate could cure.
    pub async fn until_content(&mut self, completion: &mut Completion) -> Result<(), Failed> {
        let held_until = Instant::now() + HELD_TIME;
        let limit = self.timing.first;
        let mut let_go = self.timing.let_go;
        let mut heard = Instant::now();
        let provider = self.setting.provider.to_string();
        let mut events = 0;
        loop {
            let by = preamble_until(
                limit.at,
                let_go.map_or(held_until, |caller| caller.at.min(held_until)),
                self.out.is_empty(),
            );
            completion.waits();
            let chunk = tokio::time::timeout_at(by.into(), self.body.chunk()).await;
            completion.waited();
            let chunk = match chunk {
                Err(_) if Instant::now() >= limit.at => return Err(limit.late(&provider)),
                // The caller would not wait any longer. What is silent by then is failed with, as long as that can be.
                Err(_)
                    if let_go.is_some_and(|caller| heard + caller.since < caller.at && Instant::now() < held_until) =>
                {
                    let_go = None;
                    continue;
                }
                // Ten seconds of preamble: let it go.
                Err(_) => break,
                Ok(Some(Err(error))) => {
                    return Err(Failed::unreachable(AttemptError::Cut, format!("{provider}: {error}")));
                }
                Ok(Some(Ok(chunk))) => Some(chunk),
                Ok(None) => None,
            };
            let (content, error) = match &chunk {
                Some(chunk) => {
                    heard = Instant::now();
                    self.read(chunk, completion)
                }
                None => self.read_rest(completion),
            };
            events += std::mem::take(&mut self.read_events);
            if let Some(broken) = error {
                // Content and an error in one piece: the content came first.
                if !content {
                    let failed = broken.failed(&self.setting);
                    return Err(if self.body.quoted() { failed.quoting() } else { failed });
                }
                self.saw_content(completion);
                self.break_off(&broken, completion);
                return Ok(());
            }
            if content {
                self.saw_content(completion);
                return Ok(());
            }
            if chunk.is_none() {
                return self.ended_before_content(completion);
            }
            if events > HELD_EVENTS || self.out.len() > HELD_BYTES {
                break;
            }
        }
        // Let go without content: nobody else can take over, but the first token's time goes on.
        completion.let_go_of_body();
        Ok(())
    }

    fn saw_content(&mut self, completion: &mut Completion) {
        self.content = true;
        // Kept there, for a caller who goes away: what was told is what was used.
        completion.usage = self.lens.usage();
        let now = Instant::now();
        let took = now.saturating_duration_since(self.setting.sent_at);
        self.setting.health.saw_first_token(&self.setting.model, took, now);
        completion.record.ttft_ms = Some(ms(completion.context.started.elapsed()));
        if let Some(handle) = response_handle(completion.context.dialect, completion.context.operation.name, &self.out)
        {
            remember_handle(completion, &handle, self.setting.stay);
        }
        completion.let_go_of_body();
    }

    fn ended_before_content(&mut self, completion: &mut Completion) -> Result<(), Failed> {
        let finished = self.lens.close(&mut self.out, |usage, said| comment(completion, &self.setting, usage, said));
        let provider = &self.setting.provider;
        if !finished && self.out.is_empty() {
            return Err(Failed::empty(provider, None));
        }
        if !finished {
            let message = format!("{provider} closed the stream before there was an answer in it");
            return Err(Failed::unreachable(AttemptError::Cut, message));
        }
        if self.lens.is_empty() {
            let mut body = std::mem::take(&mut self.out);
            if let Some(mut array) = self.array.take() {
                let told = std::mem::take(&mut body);
                array.frame(&told.into(), &mut body);
                array.end(&mut body);
            }
            let content_type = if completion.context.as_array { "application/json" } else { "text/event-stream" };
            return Err(Failed::empty(provider, Some((content_type, body.into(), self.lens.usage()))));
        }
        self.over = true;
        self.saw_content(completion);
        Ok(())
    }

    /// Reads what came and tells it. Whether there was content, and what broke the stream.
    fn read(&mut self, chunk: &Bytes, completion: &Completion) -> (bool, Option<Broken>) {
        let mut content = false;
        for begin in (0..chunk.len()).step_by(READ_AT_ONCE) {
            let piece = chunk.slice(begin..chunk.len().min(begin + READ_AT_ONCE));
            // What has no end yet, or is told later, is in memory for as long; an event is there several times.
            let grows = (self.reader.buffered() + piece.len()) * COPIES + self.lens.keeps();
            if grows > EVENTS && self.held.grow_to(grows, &self.memory).is_err() {
                return (content, Some(Broken::Malformed("an event is longer than there is memory for".to_owned())));
            }
            self.reader.push(&piece, &mut self.events);
            // Mostly as much is told as came: what has room for twice as much would wait like that for a slow reader.
            self.out.reserve_exact(piece.len());
            let (told, broken) = self.tell_events(completion);
            content |= told;
            if broken.is_some() {
                return (content, broken);
            }
            if self.reader.overflowed() {
                return (content, Some(Broken::Malformed("an event without an end".to_owned())));
            }
        }
        self.held.shrink_to(self.reader.buffered() * COPIES + self.lens.keeps());
        (content, None)
    }

    /// The same at the end of what comes.
    fn read_rest(&mut self, completion: &Completion) -> (bool, Option<Broken>) {
        self.events.extend(self.reader.finish());
        self.tell_events(completion)
    }

    /// Tells the events at hand. Whether there was content, and what broke the stream.
    fn tell_events(&mut self, completion: &Completion) -> (bool, Option<Broken>) {
        let mut content = false;
        self.read_events += self.events.len();
        let setting = &self.setting;
        for event in self.events.drain(..) {
            let before = self.out.len();
            let mut told =
                self.lens.tell(&event, &mut self.out, |usage, said| comment(completion, setting, usage, said));
            content |= told.content;
            if let Some(problem) = told.malformed {
                return (content, Some(Broken::Malformed(problem)));
            }
            if let Some(error) = &mut told.error {
                // It may quote the request, as any error.
                let passed = self.body.masked_error(Bytes::copy_from_slice(&self.out[before..]));
                self.out.truncate(before);
                self.out.extend_from_slice(&passed);
                let message = self.body.masked_error(std::mem::take(&mut error.message).into());
                error.message = String::from_utf8_lossy(&message).into_owned();
                return (content, told.error.map(Broken::Told));
            }
        }
        (content, None)
    }

    /// The answer's body: what is held, then what comes.
    pub fn into_body(self: Box<Self>, mut completion: Box<Completion>, status: u16) -> ReplyBody {
        completion.first_byte();
        Flow::new(self, completion, status).boxed_unsync()
    }

    /// From here on events pass these filters. The caller must have got nothing yet.
    pub fn pass_through(&mut self, filters: AnswerFilters) {
        self.filtering = (!filters.is_empty()).then(|| Box::new(Filtering::new(filters)));
    }

    /// Reads the stream to its end, for filters that see it whole. The events of the caller's dialect, in no array; an
    /// error if it broke off.
    ///
    /// # Errors
    /// What the caller is told.
    pub async fn collect(&mut self, completion: &mut Completion) -> Result<Bytes, Refusal> {
        let array = self.array.take();
        let mut whole = Vec::new();
        let mut held = MemoryLease::default();
        while let Some(bytes) = std::future::poll_fn(|cx| self.poll_next(cx, completion)).await {
            let length = whole.len() + bytes.len();
            if length > self.memory.longest_answer() || held.grow_to(2 * length, &self.memory).is_err() {
                return Err(overloaded());
            }
            whole.extend_from_slice(&bytes);
        }
        self.array = array;
        self.held = held;
        match completion.record.error_type.is_some() {
            true => Err(Refusal::new(RefusalKind::UpstreamError, format!("{} broke off", self.setting.provider))),
            false => Ok(whole.into()),
        }
    }

    /// Sends this in place of what came, which was read to its end.
    pub fn replace(&mut self, events: Bytes) {
        (self.out, self.closed) = (events.into(), false);
    }

    /// Shows what is told to the filters. Ready when there is something to send, or nothing to wait for.
    fn poll_filters(&mut self, cx: &mut Context<'_>, completion: &mut Completion) -> Poll<Option<Vec<u8>>> {
        while let Some(filtering) = &mut self.filtering {
            match std::task::ready!(filtering.poll(cx)) {
                Some(Ok(told)) if filtering.is_done() => {
                    self.filtering = None;
                    return Poll::Ready(Some(told).filter(|told| !told.is_empty()));
                }
                Some(Ok(told)) if told.is_empty() => {}
                Some(Ok(told)) => return Poll::Ready(Some(told)),
                Some(Err((name, refusal))) => {
                    self.filtering = None;
                    return Poll::Ready(Some(self.fail(name, &refusal, completion)));
                }
                None if !self.out.is_empty() => filtering.begin(Some(std::mem::take(&mut self.out))),
                None if self.over => filtering.begin(None),
                None => break,
            }
        }
        Poll::Ready(None)
    }

    /// A filter fails the answer: an error event of the caller's dialect, and the end.
    fn fail(&mut self, name: &'static str, refusal: &Refusal, completion: &mut Completion) -> Vec<u8> {
        self.over = true;
        self.out.clear();
        completion.record.filter = Some(name);
        completion.record.error_type = Some(refusal.kind.name().to_owned());
        let refusal = GatewayError {
            status: refusal.status,
            kind: refusal.kind.name(),
            message: &refusal.message,
            request_id: &completion.context.request_id,
            param: None,
            attempts: &[],
        };
        error_event(completion.context.dialect, &refusal)
    }

    /// The next bytes for the caller; `None` when all is told.
    pub fn poll_next(&mut self, cx: &mut Context<'_>, completion: &mut Completion) -> Poll<Option<Bytes>> {
        loop {
            let told = match self.filtering {
                None => std::mem::take(&mut self.out),
                Some(_) => std::task::ready!(self.poll_filters(cx, completion)).unwrap_or_default(),
            };
            if !told.is_empty() {
                let Some(array) = &mut self.array else { return Poll::Ready(Some(told.into())) };
                let mut framed = Vec::with_capacity(told.len() + 8);
                array.frame(&told.into(), &mut framed);
                if !framed.is_empty() {
                    return Poll::Ready(Some(framed.into()));
                }
            }
            if self.over {
                if std::mem::replace(&mut self.closed, true) {
                    return Poll::Ready(None);
                }
                let Some(array) = &mut self.array else { return Poll::Ready(None) };
                array.end(&mut self.out);
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

    /// Ready when the upstream has been silent for longer than it may.
    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !std::mem::replace(&mut self.waiting, true) {
            // What flows is bounded by silence alone; before there is content also by the time of the whole.
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

    /// What the answer used, as far as it was told.
    pub fn usage(&self) -> Usage {
        self.lens.usage()
    }

    /// Whether the answer came to its own end, and all of it was handed on.
    pub fn is_told(&self) -> bool {
        self.lens.finished() && self.out.is_empty() && self.filtering.is_none() && (self.array.is_none() || self.closed)
    }

    /// Nobody waits for what may still come behind the answer's end: it served.
    pub fn served(&mut self) {
        if !std::mem::replace(&mut self.over, true) {
            self.setting.health.succeeded(&self.setting.model, Instant::now());
        }
    }

    /// How long an answer may take that nobody reads.
    pub fn longest(&self) -> Duration {
        self.timing.total
    }

    /// Whether the answer came to its own end.
    pub fn is_finished(&self) -> bool {
        self.lens.finished()
    }

    /// Bytes of content that were told so far.
    pub fn said(&self) -> u64 {
        self.lens.said()
    }

    /// What the gateway took for one later chunk, in microseconds, on average.
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
            // The answer's end was told: that the connection is lost behind it, or stays open, is no loss.
            Err(_) | Ok(Some(Err(_))) if self.lens.finished() => self.close(completion),
            Err(_) if !self.content && Instant::now() >= self.timing.total_at => {
                self.break_off(&Broken::Timeout(AttemptError::TimeoutTotal), completion)
            }
            Err(_) => self.break_off(&Broken::Timeout(AttemptError::TimeoutIdle), completion),
            Ok(Some(Err(error))) => self.break_off(&Broken::Lost(error.to_string()), completion),
            Ok(Some(Ok(chunk))) => {
                let (content, broken) = self.read(&chunk, completion);
                if content && !self.content {
                    self.saw_content(completion);
                }
                completion.usage = self.lens.usage();
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

    /// The upstream is done. What it left unsaid is told, or that it broke off.
    fn close(&mut self, completion: &mut Completion) {
        let finished = self.lens.close(&mut self.out, |usage, said| comment(completion, &self.setting, usage, said));
        match finished {
            true => {
                self.over = true;
                self.setting.health.succeeded(&self.setting.model, Instant::now());
            }
            false => self.break_off(&Broken::Lost("closed before the answer's end".to_owned()), completion),
        }
    }

    /// Content has gone out: an error event of the caller's dialect, and the end.
    fn break_off(&mut self, broken: &Broken, completion: &mut Completion) {
        self.over = true;
        let (word, status, kind, message) = broken.told(&self.setting);
        if let Some(attempt) = completion.record.attempts.last_mut() {
            attempt.error = Some(word);
        }
        completion.record.error_type = Some(kind.name().to_owned());
        if broken.teaches(&self.timing) {
            self.setting.health.failed(&self.setting.model, self.setting.sent_at, Instant::now());
        }
        // An upstream's own error event of the same dialect was already passed on.
        if matches!((broken, self.setting.way), (Broken::Told(_), Conversion::Same)) {
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
        self.out.extend_from_slice(&error_event(completion.context.dialect, &refusal));
    }
}

/// Until when the next bytes are waited for before there is content. With nothing to let go, only
/// the first token's own time counts.
fn preamble_until(first_by: Instant, held_until: Instant, nothing_held: bool) -> Instant {
    if nothing_held { first_by } else { first_by.min(held_until) }
}

/// What stands before the end of a stream of the OpenAI dialect: a comment, which every SDK skips.
fn comment(completion: &Completion, setting: &AnswerSource, usage: &Usage, said: u64) -> String {
    // Without the upstream's figures the price of a stream is known at its end alone.
    let cost = usage.output.and_then(|_| completion.cost_of(usage, said));
    match completion.context.tells_extra_fields() {
        true => format!(": outrigger {}\n", extra_fields(completion, setting, cost)),
        false => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preamble_is_let_go_in_time_and_silence_has_the_first_tokens() {
        let now = Instant::now();
        let at = |seconds| now + Duration::from_secs(seconds);
        for (first_by, held_until, nothing_held, expected) in
            [(60, 10, true, 60), (60, 10, false, 10), (5, 10, true, 5), (5, 10, false, 5)]
        {
            assert_eq!(preamble_until(at(first_by), at(held_until), nothing_held), at(expected));
        }
    }
}
