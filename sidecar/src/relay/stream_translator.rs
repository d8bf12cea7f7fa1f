//! How a stream's events are told: passed as they are, or in another dialect.

use outrigger_llm::chat::{ChatEvent, Finish, StreamError};
use outrigger_llm::framing;
use outrigger_llm::passthrough::watch::StreamWatch;
use outrigger_llm::tokens::usage::Usage;
use outrigger_llm::{Answer, Format, StreamDecoder, StreamEncoder};

/// What one event amounted to.
#[derive(Debug, Default)]
pub struct EventOutcome {
    pub content: bool,
    pub error: Option<StreamError>,
    pub malformed: Option<String>,
}

/// Reads one upstream's events and writes a caller's.
#[derive(Debug)]
pub enum StreamTranslator {
    Same {
        watch: Box<StreamWatch>,
        /// Usage chunks that the caller did not ask for are withheld.
        withholds_usage: bool,
    },
    CrossFormat(Box<CrossFormat>),
}

/// What an event takes that is kept.
const KEPT: usize = 256;
/// Tool calls of one stream that is translated. Each new one is looked for among those before it, so that many cost more
/// than their number; models make a few at once.
const MOST_CALLS: usize = 1_024;

/// A translation under way.
#[derive(Debug)]
pub struct CrossFormat {
    decoder: StreamDecoder,
    encoder: StreamEncoder,
    usage: Usage,
    finish: Option<Finish>,
    content: bool,
    ended: bool,
    events: Vec<ChatEvent>,
    said: u64,
    calls: usize,
    /// Bytes that are kept of calls, and of what is told behind them.
    keeps: usize,
}

impl StreamTranslator {
    pub fn same(format: Format, withholds_usage: bool) -> Self {
        StreamTranslator::Same { watch: Box::new(StreamWatch::new(format)), withholds_usage }
    }

    pub fn across(upstream: Format, caller: Format, answer: Answer) -> Self {
        StreamTranslator::CrossFormat(Box::new(CrossFormat {
            decoder: StreamDecoder::new(upstream),
            encoder: StreamEncoder::new(caller, answer),
            usage: Usage::default(),
            finish: None,
            content: false,
            ended: false,
            events: Vec::new(),
            said: 0,
            calls: 0,
            keeps: 0,
        }))
    }

    /// Looks at an event and writes what the caller gets of it. `before_end` is asked for what
    /// stands before the stream's own end.
    pub fn tell(
        &mut self,
        event: &framing::Event,
        out: &mut Vec<u8>,
        before_end: impl FnOnce(&Usage, u64) -> String,
    ) -> EventOutcome {
        match self {
            StreamTranslator::Same { watch, withholds_usage } => {
                let seen = watch.observe(event);
                if seen.malformed {
                    return EventOutcome {
                        malformed: Some("an event that is not of the dialect".to_owned()),
                        ..EventOutcome::default()
                    };
                }
                if event.data_bytes() == Some(b"[DONE]") {
                    out.extend_from_slice(before_end(&watch.usage(), watch.content_bytes()).as_bytes());
                }
                if !(*withholds_usage && seen.usage_only) {
                    out.extend_from_slice(event.raw());
                }
                EventOutcome { content: seen.content, error: seen.error, malformed: None }
            }
            StreamTranslator::CrossFormat(across) => across.tell(event, out, before_end),
        }
    }

    /// The upstream closed. Whether the answer had come to its end; what its dialect leaves unsaid
    /// is written.
    pub fn close(&mut self, out: &mut Vec<u8>, before_end: impl FnOnce(&Usage, u64) -> String) -> bool {
        match self {
            StreamTranslator::Same { watch, .. } => watch.finished(),
            StreamTranslator::CrossFormat(across) => {
                if !across.ended && across.finish.is_some() {
                    across.ended = true;
                    out.extend_from_slice(before_end(&across.usage(), across.said).as_bytes());
                    across.encoder.push(&ChatEvent::End, out);
                }
                across.ended
            }
        }
    }

    /// Whether the answer's own end, or its reason to end, was told.
    pub fn finished(&self) -> bool {
        match self {
            StreamTranslator::Same { watch, .. } => watch.finished(),
            StreamTranslator::CrossFormat(across) => across.finish.is_some() || across.ended,
        }
    }

    /// Whether the answer ended with nothing in it, unexplained.
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

    /// Bytes of content that were told so far.
    pub fn said(&self) -> u64 {
        match self {
            StreamTranslator::Same { watch, .. } => watch.content_bytes(),
            StreamTranslator::CrossFormat(across) => across.said,
        }
    }

    /// Bytes that may be kept of what was told, for later: calls are told whole, or before what comes behind them.
    pub fn keeps(&self) -> usize {
        match self {
            StreamTranslator::Same { .. } => 0,
            StreamTranslator::CrossFormat(across) => across.keeps,
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

    fn tell(
        &mut self,
        event: &framing::Event,
        out: &mut Vec<u8>,
        before_end: impl FnOnce(&Usage, u64) -> String,
    ) -> EventOutcome {
        let mut told = EventOutcome::default();
        self.events.clear();
        if let Err(malformed) = self.decoder.push(event, &mut self.events) {
            told.malformed = Some(malformed.to_string());
            return told;
        }
        let mut before_end = Some(before_end);
        for event in &self.events {
            match event {
                ChatEvent::Usage(usage) => self.usage.merge(usage),
                ChatEvent::ToolCall { .. } if self.calls == MOST_CALLS => {
                    told.malformed = Some(format!("a stream with more than {MOST_CALLS} tool calls"));
                    return told;
                }
                ChatEvent::ToolCall { .. } => self.calls += 1,
                ChatEvent::Finish { reason, .. } => self.finish = Some(*reason),
                ChatEvent::Error(error) => {
                    told.error = Some(error.clone());
                    // Told by whoever knows whether content has gone out.
                    continue;
                }
                ChatEvent::End if self.ended => continue,
                ChatEvent::End => {
                    self.ended = true;
                    if let Some(before_end) = before_end.take() {
                        out.extend_from_slice(before_end(&self.usage(), self.said).as_bytes());
                    }
                }
                _ => {}
            }
            told.content |= event.is_content();
            self.said += event.content_len() as u64;
            if self.keeps > 0 || matches!(event, ChatEvent::ToolCall { .. }) {
                self.keeps += 2 * event.content_len() + KEPT;
            }
            self.encoder.push(event, out);
        }
        self.content |= told.content;
        told
    }
}
