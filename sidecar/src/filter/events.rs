//! Passes the events of a stream through filters.

use std::borrow::Cow;
use std::fmt;
use std::mem;
use std::task::{Context, Poll};

use bytes::Bytes;
use outrigger_llm::framing::{self, EventReader, Framing};

use super::answer::{AnswerFilters, FilterFailure};
use super::{BoxFuture, Refusal};

/// An event of the caller's dialect.
#[derive(Clone, Debug)]
pub struct StreamEvent {
    name: String,
    data: Option<String>,
    /// The original bytes, unless the event was made here.
    raw: Option<Bytes>,
}

impl StreamEvent {
    #[must_use]
    pub fn new(name: impl Into<String>, data: impl Into<String>) -> Self {
        StreamEvent { name: name.into(), data: Some(data.into()), raw: None }
    }

    /// The `event:` field; empty if absent.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The data; `None` for a comment or a ping.
    #[must_use]
    pub fn data(&self) -> Option<&str> {
        self.data.as_deref()
    }

    /// The same event with other data.
    #[must_use]
    pub fn with_data(self, data: impl Into<String>) -> Self {
        StreamEvent { data: Some(data.into()), raw: None, ..self }
    }

    fn write(&self, framing: Framing, out: &mut Vec<u8>) {
        match &self.raw {
            Some(raw) => out.extend_from_slice(raw),
            None => framing.write(&self.name, self.data.as_deref().unwrap_or_default(), out),
        }
    }
}

impl From<framing::Event> for StreamEvent {
    fn from(event: framing::Event) -> Self {
        let data = event.data().map(Cow::into_owned);
        StreamEvent { name: event.name().to_owned(), data, raw: Some(event.raw().clone()) }
    }
}

/// Passes the bytes of a stream through filters that see single events.
pub struct EventFilters {
    filters: AnswerFilters,
    framing: Framing,
    reader: EventReader,
    parsed: Vec<framing::Event>,
}

impl EventFilters {
    pub fn new(filters: AnswerFilters, framing: Framing) -> Self {
        EventFilters { filters, framing, reader: EventReader::new(framing), parsed: Vec::new() }
    }

    /// Takes the next bytes of the stream. Returns the bytes for the caller.
    pub async fn push(&mut self, bytes: &Bytes) -> Result<Vec<u8>, FilterFailure> {
        let mut out = Vec::new();
        self.reader.push(bytes, &mut self.parsed);
        for event in mem::take(&mut self.parsed) {
            self.pass(0, vec![event.into()], &mut out).await?;
        }
        Ok(out)
    }

    /// Ends the stream. Returns what the filters held back.
    pub async fn end(&mut self) -> Result<Vec<u8>, FilterFailure> {
        let mut out = Vec::new();
        if let Some(event) = self.reader.finish() {
            self.pass(0, vec![event.into()], &mut out).await?;
        }
        for index in 0..self.filters.0.len() {
            let mut rest = Vec::new();
            let (name, filter) = &mut self.filters.0[index];
            let ended: Result<(), Refusal> = filter.end(&mut rest).await;
            ended.map_err(|refusal| (*name, refusal))?;
            self.pass(index + 1, rest, &mut out).await?;
        }
        Ok(out)
    }

    /// Passes events through the filters, starting with the one at index `from`.
    async fn pass(&mut self, from: usize, events: Vec<StreamEvent>, out: &mut Vec<u8>) -> Result<(), FilterFailure> {
        let mut events = events;
        for (name, filter) in self.filters.0.iter_mut().skip(from) {
            let mut passed = Vec::new();
            for event in events {
                filter.event(event, &mut passed).await.map_err(|refusal| (*name, refusal))?;
            }
            events = passed;
        }
        events.iter().for_each(|event| event.write(self.framing, out));
        Ok(())
    }
}

type FilterStep = (Box<EventFilters>, Result<Vec<u8>, FilterFailure>);

/// Runs filters beside a stream that is polled, one step at a time.
pub struct RunningFilters {
    /// `None` while a step runs.
    idle: Option<Box<EventFilters>>,
    step: Option<BoxFuture<'static, FilterStep>>,
    /// The last step has begun.
    done: bool,
}

impl RunningFilters {
    pub fn new(filters: AnswerFilters, framing: Framing) -> Self {
        RunningFilters { idle: Some(Box::new(EventFilters::new(filters, framing))), step: None, done: false }
    }

    /// Begins a step; with `None`, the last one. Call it only if no step is running.
    pub fn begin(&mut self, bytes: Option<Vec<u8>>) {
        let Some(mut filters) = self.idle.take() else { return };
        self.done = bytes.is_none();
        self.step = Some(Box::pin(async move {
            let output = match bytes {
                Some(bytes) => filters.push(&bytes.into()).await,
                None => filters.end().await,
            };
            (filters, output)
        }));
    }

    /// Whether the last step has begun.
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// The outcome of the running step; `None` if no step is running.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Vec<u8>, FilterFailure>>> {
        let Some(step) = &mut self.step else { return Poll::Ready(None) };
        let (filters, output) = std::task::ready!(step.as_mut().poll(cx));
        (self.idle, self.step) = (Some(filters), None);
        Poll::Ready(Some(output))
    }
}

impl fmt::Debug for RunningFilters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningFilters").field("at_work", &self.step.is_some()).finish_non_exhaustive()
    }
}
