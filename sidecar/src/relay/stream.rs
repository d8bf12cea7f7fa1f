//! A stream on its way back.
//!
//! ```text
//! held (until content, or 64 events, 256 kB, 10 s) -> flowing -> ended | broken (an error event)
//! ```
//! While events are held, another candidate can still take over. Once content has gone out, the
//! loss of the upstream is an error event and the end, never an invented one.

mod filtered;
mod read;
mod until_content;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::BodyExt;
use outrigger_llm::errors::GatewayError;
use outrigger_llm::framing::{self, EventReader};
use outrigger_llm::registry::error_event;
use outrigger_llm::tokens::usage::Usage;
use tokio::time::Sleep;

use super::broken_stream::Broken;
use super::stream_body::Flow;
use super::stream_translator::StreamTranslator;
use super::{AnswerSource, extra_fields};
use crate::completion::Completion;
use crate::completion::Timing;
use crate::filter::Filtering;
use crate::memory::{Memory, MemoryLease};
use crate::relay::Conversion;
use crate::request::answer_events;
use crate::request::as_array::AsArray;
use crate::request::context::RequestContext;
use crate::request::reply::ReplyBody;
use crate::telemetry::attempt_error::AttemptError;
use crate::upstream::UpstreamBody;

/// A stream from an upstream to a caller.
#[derive(Debug)]
pub struct Relay {
    body: UpstreamBody,
    reader: EventReader,
    translator: StreamTranslator,
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
        let translator = match setting.way {
            Conversion::Same => StreamTranslator::same(context.dialect.format(), setting.asked_usage),
            Conversion::Across | Conversion::Vectors { .. } => StreamTranslator::across(
                setting.upstream.format,
                context.dialect.format(),
                answer_events::answer_of(context, &setting.model),
            ),
        };
        Relay {
            body,
            reader: EventReader::new(setting.upstream.framing),
            translator,
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

    /// The answer's body: what is held, then what comes.
    pub fn into_body(self: Box<Self>, mut completion: Box<Completion>, status: u16) -> ReplyBody {
        completion.first_byte();
        Flow::new(self, completion, status).boxed_unsync()
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
        self.translator.usage()
    }

    /// Whether the answer came to its own end, and all of it was handed on.
    pub fn is_told(&self) -> bool {
        self.translator.finished()
            && self.out.is_empty()
            && self.filtering.is_none()
            && (self.array.is_none() || self.closed)
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
        self.translator.finished()
    }

    /// Bytes of content that were told so far.
    pub fn said(&self) -> u64 {
        self.translator.said()
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
            Err(_) | Ok(Some(Err(_))) if self.translator.finished() => self.close(completion),
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
                completion.used(self.translator.usage());
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
        let finished =
            self.translator.close(&mut self.out, |usage, said| comment(completion, &self.setting, usage, said));
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
        completion.broke_off(word, kind);
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

/// What stands before the end of a stream of the OpenAI dialect: a comment, which every SDK skips.
fn comment(completion: &Completion, setting: &AnswerSource, usage: &Usage, said: u64) -> String {
    // Without the upstream's figures the price of a stream is known at its end alone.
    let cost = usage.output.and_then(|_| completion.cost_of(usage, said));
    match completion.context.tells_extra_fields() {
        true => format!(": outrigger {}\n", extra_fields(completion, setting, cost)),
        false => String::new(),
    }
}
