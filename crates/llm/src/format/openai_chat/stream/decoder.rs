//! Decodes streams of OpenAI and of compatible providers, each of which differs a little.

use serde_json::Value;

use crate::chat::citation::Citation;
use crate::chat::{ChatEvent, Finish, JsonObject, Part};
use crate::format::openai_chat::thoughts::ThoughtForm;
use crate::format::openai_chat::{answer, citations, finish, tools, usage};
use crate::framing;
use crate::usage::Usage;
use crate::{Dialect, Malformed};

/// The most calls of an answer: each delta is searched among them.
const MOST_CALLS: usize = 1_024;
/// The most bytes of arguments that a call may have before its name. Servers send the name first.
const MOST_NAMELESS: usize = 64 * 1024;

/// Decodes a stream, event by event.
///
/// Tolerates what providers are known to send: chunks without choices, usage on any chunk or on several, tool calls
/// without an index or with one index for all, repeated ids and names, arguments as an object, a whole message instead
/// of a delta, empty finish reasons, errors within the stream.
#[derive(Debug, Default)]
pub struct Decoder {
    started: bool,
    /// Whether a choice was seen: without one, `[DONE]` ends no answer.
    answered: bool,
    content_seen: bool,
    finished: bool,
    ended: bool,
    usage: Usage,
    calls: Vec<CallInProgress>,
    /// The sources that Perplexity repeats in each chunk.
    sources: Vec<Citation>,
    /// The form of the thinking that goes on.
    thinking: Option<ThoughtForm>,
}

/// A tool call in progress. It is passed on when its name is known.
#[derive(Debug, Default)]
struct CallInProgress {
    /// The upstream's index of the call.
    index: Option<u64>,
    id: String,
    name: String,
    signature: Option<String>,
    begun: bool,
    /// Arguments that arrived before the name.
    waiting: String,
}

impl Decoder {
    /// Decodes one event, and appends the result to `out`.
    ///
    /// # Errors
    /// [`Malformed`] if its data is not a JSON object, a tool call ends without a name, or the stream ends without an
    /// answer.
    pub fn push(&mut self, event: &framing::Event, out: &mut Vec<ChatEvent>) -> Result<(), Malformed> {
        let Some(data) = event.data() else { return Ok(()) };
        let data = data.trim();
        if self.ended || data.is_empty() {
            return Ok(());
        }
        if data == "[DONE]" {
            return self.end(out);
        }
        let chunk: Value = match serde_json::from_str(data) {
            Ok(chunk) => chunk,
            Err(_) if event.name() == "error" => Value::from(data),
            Err(error) => return Err(malformed(&format!("an event that is not JSON: {error}"))),
        };
        let error_of_chunk = chunk.as_object().and_then(answer::error_of);
        let error_of_chunk = error_of_chunk.or_else(|| (event.name() == "error").then(|| answer::error(&chunk)));
        if let Some(error) = error_of_chunk {
            self.ended = true;
            out.push(ChatEvent::Error(error));
            return Ok(());
        }
        match chunk.as_object() {
            Some(chunk) => self.chunk(chunk, out),
            None => Err(malformed("an event that is not an object")),
        }
    }

    fn chunk(&mut self, chunk: &JsonObject, out: &mut Vec<ChatEvent>) -> Result<(), Malformed> {
        let choices = chunk.get("choices").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        // One alternative: requests for several are not translated.
        let choice = choices
            .iter()
            .filter_map(Value::as_object)
            .find(|choice| choice.get("index").and_then(Value::as_u64).unwrap_or(0) == 0);
        let usage = chunk.get("usage").or_else(|| choice.and_then(|choice| choice.get("usage")));
        let usage = usage::of(chunk, usage);
        // Azure's first chunk has neither, nor an id.
        if choice.is_none() && usage.is_empty() {
            return Ok(());
        }
        if !self.started {
            self.started = true;
            let text = |key| chunk.get(key).and_then(Value::as_str).filter(|text: &&str| !text.is_empty());
            out.push(ChatEvent::Start { id: text("id").map(str::to_owned), model: text("model").map(str::to_owned) });
        }
        let sources = citations::of_body(chunk);
        if !sources.is_empty() {
            self.sources = sources;
        }
        if let Some(choice) = choice {
            self.answered = true;
            if let Some(error) = answer::error_of(choice) {
                self.ended = true;
                out.push(ChatEvent::Error(error));
                return Ok(());
            }
            self.choice(choice, out)?;
        }
        let mut merged = self.usage;
        merged.merge(&usage);
        if merged != self.usage {
            self.usage = merged;
            out.push(ChatEvent::Usage(merged));
        }
        Ok(())
    }

    fn choice(&mut self, choice: &JsonObject, out: &mut Vec<ChatEvent>) -> Result<(), Malformed> {
        let delta = choice.get("delta").and_then(Value::as_object);
        // Some servers answer a stream with one whole message.
        let delta = delta.or_else(|| choice.get("message").and_then(Value::as_object).filter(|_| !self.content_seen));
        if let Some(delta) = delta {
            for part in answer::parts(delta) {
                if let Part::Thinking(thought) = part {
                    let form = answer::thought(delta).map_or(ThoughtForm::Parts, |(_, form)| form);
                    ThoughtForm::add(&mut self.thinking, form);
                    let text = thought.text.filter(|text| !text.is_empty());
                    self.content_seen |= text.is_some();
                    out.extend(text.map(ChatEvent::Thinking));
                    continue;
                }
                self.content_seen = true;
                self.end_thinking(out);
                out.extend(match part {
                    Part::Text(text) => Some(ChatEvent::Text(text)),
                    Part::Refusal(text) => Some(ChatEvent::Refusal(text)),
                    Part::Media(media) => Some(ChatEvent::Media(media)),
                    Part::Thinking(_) | Part::ToolCall(_) | Part::ToolResult(_) => None,
                });
            }
            out.extend(citations::of_message(delta).into_iter().map(ChatEvent::Citation));
            for call in delta.get("tool_calls").and_then(Value::as_array).into_iter().flatten() {
                self.content_seen = true;
                self.end_thinking(out);
                self.tool_delta(call, out)?;
            }
        }
        match choice.get("finish_reason").and_then(Value::as_str) {
            // Some servers send an empty one with each chunk.
            None | Some("") => Ok(()),
            Some("error") => {
                self.ended = true;
                out.push(ChatEvent::Error(answer::error(&Value::from("the upstream broke off with an error"))));
                Ok(())
            }
            reason => self.finish(reason, out),
        }
    }

    /// Passes on the form of the thinking before other content.
    fn end_thinking(&mut self, out: &mut Vec<ChatEvent>) {
        let note = self.thinking.take().and_then(|form| form.note());
        out.extend(note.map(ChatEvent::ThinkingSignature));
    }

    fn tool_delta(&mut self, delta: &Value, out: &mut Vec<ChatEvent>) -> Result<(), Malformed> {
        let function = delta.get("function");
        let text =
            |value: Option<&Value>| value.and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
        let id = text(delta.get("id"));
        let name = text(function.and_then(|function| function.get("name")));
        let at = self.find(delta.get("index").and_then(Value::as_u64), id.as_deref(), name.is_some());
        if at >= MOST_CALLS {
            return Err(malformed(&format!("more than {MOST_CALLS} tool calls")));
        }
        let Some(call) = self.calls.get_mut(at) else { return Ok(()) };
        let signature = delta.get("extra_content").and_then(tools::signature_of);
        if !call.begun {
            if let Some(id) = id.filter(|_| call.id.is_empty()) {
                call.id = id;
            }
            call.signature = signature.or(call.signature.take());
            if let Some(name) = name {
                call.name = name;
            }
        }
        let arguments = answer::arguments(function).unwrap_or_default();
        if call.name.is_empty() {
            call.waiting.push_str(&arguments);
            return match call.waiting.len() {
                0..=MOST_NAMELESS => Ok(()),
                _ => Err(malformed(&format!("tool call {at} has no function name"))),
            };
        }
        if !call.begun {
            call.begun = true;
            let id = if call.id.is_empty() { format!("call_{at}") } else { call.id.clone() };
            let signature = call.signature.take();
            out.push(ChatEvent::ToolCall { index: at, id, name: call.name.clone(), signature });
        }
        let fragment = std::mem::take(&mut call.waiting) + &arguments;
        if !fragment.is_empty() {
            out.push(ChatEvent::ToolArguments { index: at, fragment });
        }
        Ok(())
    }

    /// The call that a delta belongs to, created if it is new. An index alone is not enough: Gemini's compatible
    /// endpoint sends none, or 0 for each of several calls. A new id with a name means a new call.
    fn find(&mut self, index: Option<u64>, id: Option<&str>, named: bool) -> usize {
        let agrees = |call: &CallInProgress| index.is_none() || call.index.is_none() || call.index == index;
        let by_id = id.and_then(|id| self.calls.iter().rposition(|call| call.id == id && agrees(call)));
        let found =
            match (by_id, index) {
                (Some(at), _) => Some(at),
                (None, Some(index)) => self.calls.iter().rposition(|call| call.index == Some(index)).filter(|at| {
                    !(named && id.is_some() && self.calls.get(*at).is_some_and(|call| !call.id.is_empty()))
                }),
                // Without both, a name starts a call, and a fragment continues the last one.
                (None, None) if named || id.is_some() => None,
                (None, None) => self.calls.len().checked_sub(1),
            };
        found.unwrap_or_else(|| {
            self.calls.push(CallInProgress { index, ..CallInProgress::default() });
            self.calls.len() - 1
        })
    }

    fn finish(&mut self, reason: Option<&str>, out: &mut Vec<ChatEvent>) -> Result<(), Malformed> {
        if self.finished {
            return Ok(());
        }
        if let Some(at) = self.calls.iter().position(|call| !call.begun) {
            return Err(malformed(&format!("tool call {at} has no function name")));
        }
        self.finished = true;
        self.end_thinking(out);
        out.extend(std::mem::take(&mut self.sources).into_iter().map(ChatEvent::Citation));
        let reason: Finish = finish::read(reason, !self.calls.is_empty());
        out.push(ChatEvent::Finish { reason, stop_sequence: None });
        Ok(())
    }

    /// `[DONE]`: the upstream ends the answer, possibly with an empty reason or none.
    fn end(&mut self, out: &mut Vec<ChatEvent>) -> Result<(), Malformed> {
        if !self.answered {
            return Err(malformed("the stream ended without an answer"));
        }
        self.finish(None, out)?;
        self.ended = true;
        out.push(ChatEvent::End);
        Ok(())
    }
}

fn malformed(problem: &str) -> Malformed {
    Malformed { dialect: Dialect::OpenAi, problem: problem.to_owned() }
}
