//! Writes a stream's events to the caller: unchanged, or translated to the caller's dialect.

use outrigger_llm::chat::citation::KeptCitations;
use outrigger_llm::chat::{ChatEvent, Finish, StreamError};
use outrigger_llm::errors::GatewayError;
use outrigger_llm::framing;
use outrigger_llm::passthrough::watch::StreamWatch;
use outrigger_llm::registry::error_event;
use outrigger_llm::usage::Usage;
use outrigger_llm::{Answer, CallerFormat, Format, StreamDecoder, StreamEncoder};

/// What an event contained.
#[derive(Debug, Default)]
pub struct EventOutcome {
    pub content: bool,
    pub error: Option<StreamError>,
    pub malformed: Option<String>,
}

/// Reads the events of an upstream and writes those of the caller.
#[derive(Debug)]
pub enum StreamTranslator {
    Same {
        watch: Box<StreamWatch>,
        /// Removes usage chunks that the caller did not request.
        hides_usage: bool,
    },
    CrossFormat(Box<CrossFormat>),
}

/// The memory overhead of a buffered event.
const EVENT_OVERHEAD: usize = 256;
/// The most tool calls in a translated stream. Each new call is searched among the earlier ones, which takes quadratic
/// time; models make a few at once.
const MAX_CALLS: usize = 1_024;

/// The state of a translation.
#[derive(Debug)]
pub struct CrossFormat {
    decoder: StreamDecoder,
    encoder: StreamEncoder,
    one_call: bool,
    usage: Usage,
    finish: Option<Finish>,
    content: bool,
    ended: bool,
    events: Vec<ChatEvent>,
    content_bytes: u64,
    calls: usize,
    citations: KeptCitations,
    /// Bytes buffered for tool calls and for the events after them.
    buffered: usize,
}

impl StreamTranslator {
    pub fn same(format: Format, hides_usage: bool) -> Self {
        StreamTranslator::Same { watch: Box::new(StreamWatch::new(format)), hides_usage }
    }

    /// `one_call`: the caller wants one tool call at most.
    pub fn across(upstream: Format, caller: CallerFormat, answer: Answer, one_call: bool) -> Self {
        StreamTranslator::CrossFormat(Box::new(CrossFormat {
            decoder: StreamDecoder::new(upstream),
            encoder: StreamEncoder::new(caller, answer),
            one_call,
            usage: Usage::default(),
            finish: None,
            content: false,
            ended: false,
            events: Vec::new(),
            content_bytes: 0,
            calls: 0,
            citations: KeptCitations::default(),
            buffered: 0,
        }))
    }

    /// Reads an event and writes it for the caller. `before_end` returns what to write before the end of the stream.
    pub fn translate(
        &mut self,
        event: &framing::Event,
        out: &mut Vec<u8>,
        before_end: impl FnOnce(&Usage, u64) -> String,
    ) -> EventOutcome {
        match self {
            StreamTranslator::Same { watch, hides_usage } => {
                let observed = watch.observe(event);
                if observed.malformed {
                    return EventOutcome {
                        malformed: Some("an event that is not valid in the dialect".to_owned()),
                        ..EventOutcome::default()
                    };
                }
                if event.data_bytes() == Some(b"[DONE]") {
                    out.extend_from_slice(before_end(&watch.usage(), watch.content_bytes()).as_bytes());
                }
                if !(*hides_usage && observed.usage_only) {
                    out.extend_from_slice(event.raw());
                }
                EventOutcome { content: observed.content, error: observed.error, malformed: None }
            }
            StreamTranslator::CrossFormat(across) => across.translate(event, out, before_end),
        }
    }

    /// Handles the upstream's end: writes the rest that the caller's dialect requires. Returns whether the answer was
    /// complete.
    pub fn close(&mut self, out: &mut Vec<u8>, before_end: impl FnOnce(&Usage, u64) -> String) -> bool {
        match self {
            StreamTranslator::Same { watch, .. } => watch.finished(),
            StreamTranslator::CrossFormat(across) => {
                if !across.ended && across.finish.is_some() {
                    across.ended = true;
                    out.extend_from_slice(before_end(&across.usage(), across.content_bytes).as_bytes());
                    across.encoder.push(&ChatEvent::End, out);
                }
                across.ended
            }
        }
    }

    /// Ends the stream with an error of the gateway.
    pub fn fail(&mut self, caller: CallerFormat, error: &GatewayError<'_>, out: &mut Vec<u8>) {
        match self {
            StreamTranslator::Same { .. } => out.extend_from_slice(&error_event(caller, error)),
            StreamTranslator::CrossFormat(across) => across.encoder.fail(caller, error, out),
        }
    }

    /// Whether the answer's end, or its finish reason, was received.
    pub fn finished(&self) -> bool {
        match self {
            StreamTranslator::Same { watch, .. } => watch.finished(),
            StreamTranslator::CrossFormat(across) => across.finish.is_some() || across.ended,
        }
    }

    /// Whether the answer ended without content and without a reason for that.
    pub fn is_empty(&self) -> bool {
        match self {
            StreamTranslator::Same { watch, .. } => watch.empty(),
            StreamTranslator::CrossFormat(across) => {
                let explained = matches!(
                    across.finish,
                    Some(Finish::Length | Finish::Filtered | Finish::Refusal | Finish::StopSequence | Finish::Pause)
                );
                !across.content && !explained
            }
        }
    }

    /// The bytes of content so far.
    pub fn content_bytes(&self) -> u64 {
        match self {
            StreamTranslator::Same { watch, .. } => watch.content_bytes(),
            StreamTranslator::CrossFormat(across) => across.content_bytes,
        }
    }

    /// The bytes that the encoder may have buffered: it writes tool calls as a whole, and before the events after them.
    /// Some encoders keep the whole answer.
    pub fn buffered_bytes(&self) -> usize {
        match self {
            StreamTranslator::Same { .. } => 0,
            StreamTranslator::CrossFormat(across) => across.buffered,
        }
    }

    pub fn usage(&self) -> Usage {
        match self {
            StreamTranslator::Same { watch, .. } => watch.usage(),
            StreamTranslator::CrossFormat(across) => across.usage(),
        }
    }
}

impl CrossFormat {
    fn usage(&self) -> Usage {
        self.usage.believed(self.content)
    }

    fn translate(
        &mut self,
        event: &framing::Event,
        out: &mut Vec<u8>,
        before_end: impl FnOnce(&Usage, u64) -> String,
    ) -> EventOutcome {
        let mut outcome = EventOutcome::default();
        self.events.clear();
        if let Err(malformed) = self.decoder.push(event, &mut self.events) {
            outcome.malformed = Some(malformed.to_string());
            return outcome;
        }
        let mut before_end = Some(before_end);
        for event in &self.events {
            match event {
                ChatEvent::Usage(usage) => self.usage.merge(usage),
                ChatEvent::ToolCall { .. } if self.calls == MAX_CALLS => {
                    outcome.malformed = Some(format!("a stream with more than {MAX_CALLS} tool calls"));
                    return outcome;
                }
                ChatEvent::ToolCall { .. } => self.calls += 1,
                // The encoder may hold it to the end.
                ChatEvent::Citation(citation) if !self.citations.keep(citation) => continue,
                ChatEvent::Finish { reason, .. } => self.finish = Some(*reason),
                ChatEvent::Error(error) => {
                    outcome.error = Some(error.clone());
                    // The caller of this function decides how to report it.
                    continue;
                }
                ChatEvent::End if self.ended => continue,
                ChatEvent::End => {
                    self.ended = true;
                    if let Some(before_end) = before_end.take() {
                        out.extend_from_slice(before_end(&self.usage(), self.content_bytes).as_bytes());
                    }
                }
                _ => {}
            }
            outcome.content |= event.is_content();
            self.content_bytes += event.content_len() as u64;
            if self.one_call && event.is_of_later_call() {
                continue;
            }
            if self.buffered > 0 || self.encoder.keeps_answer() || matches!(event, ChatEvent::ToolCall { .. }) {
                self.buffered += 2 * event.content_len() + EVENT_OVERHEAD + self.encoder.parsed_bytes(event);
            }
            self.encoder.push(event, out);
        }
        self.content |= outcome.content;
        outcome
    }
}
