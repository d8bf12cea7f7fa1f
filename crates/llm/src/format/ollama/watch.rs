//! Watches Ollama's answers.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::Deserialize;

use crate::json::lenient::{
    Filled, LenientCount, LenientError, LenientFlag, LenientObject, LenientText, is_object, object,
};
use crate::passthrough::content;
use crate::passthrough::observation::Parsed;
use crate::passthrough::summary::AnswerSummary;
use crate::usage::Usage;

/// A whole answer, or a line of a streamed one.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct OllamaLine<'a> {
    #[serde(borrow)]
    model: LenientText<'a>,
    message: LenientObject<OllamaMessage>,
    /// Of `/api/generate`, in place of a message.
    #[serde(borrow)]
    response: LenientText<'a>,
    thinking: Filled,
    done: LenientFlag,
    #[serde(borrow)]
    done_reason: LenientText<'a>,
    error: LenientError,
    prompt_eval_count: LenientCount,
    eval_count: LenientCount,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct OllamaMessage {
    content: Filled,
    thinking: Filled,
    tool_calls: Filled,
}

impl OllamaLine<'_> {
    /// Whether the model says something; `None` if there is no message, and no response to a prompt.
    fn says(&self) -> Option<bool> {
        let message = self.message.0.as_ref();
        let in_message = message.map(|said| said.content.0 || said.thinking.0 || said.tool_calls.0);
        in_message.or_else(|| self.response.get().map(|text| !text.is_empty() || self.thinking.0))
    }

    fn usage(&self) -> Usage {
        Usage { input: self.prompt_eval_count.0, output: self.eval_count.0, ..Usage::default() }
    }

    /// Whether the reason explains an answer without content.
    fn explains(&self) -> bool {
        self.done_reason.get().is_some_and(|reason| reason != "stop")
    }
}

/// Reads the lines of a stream.
#[derive(Debug, Default)]
pub(crate) struct Watcher(Usage);

impl Watcher {
    /// Whether a line after the first content needs no parsing. Inside of a text, these quotes would be escaped; in the
    /// arguments of a call they are not.
    pub fn is_plain(&self, _name: &str, data: &str) -> bool {
        static GOES_ON: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"done\":false"));
        static CALLS: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"tool_calls\""));
        let has = |finder: &Finder<'_>| finder.find(data.as_bytes()).is_some();
        is_object(data) && has(&GOES_ON) && !has(&CALLS)
    }

    /// Reads a line.
    pub fn read(&mut self, _name: &str, data: &str, unnamed: bool) -> Parsed {
        let mut slow = None;
        let Some(line) = object::<OllamaLine<'_>>(data.as_bytes(), &mut slow) else { return Parsed::malformed() };
        let done = line.done.0;
        if line.says().is_none() && !done && line.error.0.is_none() {
            return Parsed::malformed();
        }
        let mut parsed = Parsed::empty();
        parsed.observation.content = line.says().unwrap_or_default();
        parsed.observation.terminal = done;
        parsed.finished = done;
        parsed.explained = done && line.explains();
        if unnamed {
            parsed.model = line.model.owned();
        }
        if done {
            self.0 = line.usage();
        }
        parsed.observation.error = line.error.0;
        parsed
    }

    /// The usage of the stream, as far as it was reported.
    pub fn usage(&self) -> Usage {
        self.0
    }

    /// Bytes of content in a line.
    pub fn content_bytes(&self, _name: &str, data: &str) -> u64 {
        answer_bytes(data.as_bytes())
    }
}

/// Bytes of content in a line or an answer.
pub(crate) fn answer_bytes(body: &[u8]) -> u64 {
    content::sum(body, &[b"arguments"], |key| matches!(key, b"content" | b"response" | b"thinking" | b"arguments"))
}

/// Reads an answer that is not streamed; `None` if it is not an object.
pub(crate) fn summarize(body: &[u8]) -> Option<AnswerSummary> {
    let mut slow = None;
    let answer: OllamaLine<'_> = object(body, &mut slow)?;
    let (usage, model) = (answer.usage(), answer.model.owned());
    let explained = answer.explains();
    if let Some(error) = answer.error.0 {
        return Some(AnswerSummary::of_error(error, usage, model));
    }
    let Some(filled) = answer.says() else {
        return Some(AnswerSummary::of_malformed("`message` is missing"));
    };
    Some(AnswerSummary {
        usage: usage.believed(filled),
        model,
        empty: !filled && !explained,
        ..AnswerSummary::default()
    })
}
