//! Watching a stream that passes through.
//!
//! If caller and upstream use the same dialect, bytes pass through unchanged. The gateway only needs to know when
//! content begins, what was used, how the stream ended, and whether it was an answer at all. So an event is read into a
//! few borrowed fields. After the first content most events are not read, but only searched for words that could
//! matter. A field of an unexpected type counts as absent, because clients tolerate it too.

use std::borrow::Cow;

use super::observation::{Observation, Parsed};
use crate::Format;
use crate::format::bedrock::watch as bedrock;
use crate::framing::Event;
use crate::json::lenient;
use crate::registry::StreamWatcher;
use crate::usage::Usage;

/// Watches a stream that passes through.
#[derive(Debug)]
pub struct StreamWatch {
    watcher: StreamWatcher,
    content: bool,
    finished: bool,
    explained: bool,
    model: Option<String>,
    content_bytes: u64,
}

impl StreamWatch {
    #[must_use]
    pub fn new(format: Format) -> Self {
        let watcher = StreamWatcher::new(format);
        StreamWatch { watcher, content: false, finished: false, explained: false, model: None, content_bytes: 0 }
    }

    /// Reads the next event. Blocks without data are ignored.
    pub fn observe(&mut self, event: &Event) -> Observation {
        let data = event.data().unwrap_or_else(|| Cow::Borrowed(bare(event)));
        if event.is_exception() {
            let error = Some(bedrock::exception(event.name(), &data));
            return Observation { error, ..Observation::default() };
        }
        let (name, data) = (event.name(), data.trim());
        if data.is_empty() {
            return Observation::default();
        }
        self.content_bytes = self.content_bytes.saturating_add(self.watcher.content_bytes(name, data));
        match self.watcher.read(name, data, self.content, self.model.is_none()) {
            Some(parsed) => self.note(parsed),
            None => Observation { content: true, ..Observation::default() },
        }
    }

    /// The usage reported so far.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.watcher.usage().believed(self.content)
    }

    /// Bytes of content so far: text, thinking, tools' arguments, refusals. Approximate, because events are not parsed
    /// for it. If a stream breaks off before it reports its output, the output is estimated from these.
    #[must_use]
    pub fn content_bytes(&self) -> u64 {
        self.content_bytes
    }

    /// Whether a finish reason or an end was seen. A stream that closes without one is truncated.
    #[must_use]
    pub fn finished(&self) -> bool {
        self.finished
    }

    /// Whether the answer ended without content, and without a reason that explains that.
    #[must_use]
    pub fn empty(&self) -> bool {
        self.finished && !self.content && !self.explained
    }

    /// The model's name from the upstream.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    fn note(&mut self, parsed: Parsed) -> Observation {
        self.content |= parsed.observation.content;
        self.finished |= parsed.finished || parsed.observation.terminal;
        self.explained |= parsed.explained;
        if self.model.is_none() {
            self.model = parsed.model;
        }
        parsed.observation
    }
}

/// Vertex aborts a stream with an error as plain JSON, without a `data` line.
fn bare(event: &Event) -> &str {
    let text = std::str::from_utf8(event.raw()).unwrap_or_default().trim();
    if lenient::is_object(text) { text } else { "" }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod usage_tests;
