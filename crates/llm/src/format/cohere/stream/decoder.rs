//! Decodes an upstream's stream, event by event.
//!
//! ```text
//! message-start
//!   (content-start  content-delta…  content-end)…     text or thinking
//!   tool-plan-delta…
//!   (tool-call-start  tool-call-delta…  tool-call-end)…
//!   (citation-start  citation-end)…
//! message-end                                         finish reason, usage, an error
//! [DONE]
//! ```

use serde_json::Value;

use crate::Malformed;
use crate::chat::signature::unpack;
use crate::chat::{ChatEvent, StreamError};
use crate::format::cohere::{citations, finish, malformed, usage};
use crate::framing;

/// How many texts of an answer can be cited. Cohere writes one, and thoughts before it.
const MOST_TEXTS: usize = 64;

/// Decodes a stream. Events of unknown types are skipped.
#[derive(Debug, Default)]
pub struct Decoder {
    started: bool,
    over: bool,
    /// The upstream's index of each call, and whether it has arguments.
    calls: Vec<(Option<u64>, bool)>,
    /// The upstream's index of each text, and where it begins in the answer.
    texts: Vec<(u64, usize)>,
    /// The characters of the texts so far.
    length: usize,
}

impl Decoder {
    /// Decodes one event, and appends the result to `out`.
    ///
    /// # Errors
    /// [`Malformed`] if the data is not a JSON object, or a call has no name.
    pub fn push(&mut self, event: &framing::Event, out: &mut Vec<ChatEvent>) -> Result<(), Malformed> {
        let Some(data) = event.data() else { return Ok(()) };
        let data = data.trim();
        if self.over || data.is_empty() || data == "[DONE]" {
            return Ok(());
        }
        let data: Value =
            serde_json::from_str(data).map_err(|error| malformed(format!("an event that is not JSON: {error}")))?;
        let kind = data.get("type").and_then(Value::as_str).unwrap_or(event.name());
        let at = |pointer: &str| data.pointer(pointer);
        let text = |pointer: &str| at(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
        match kind {
            "message-start" => self.start(text("/id"), out),
            "content-start" | "content-delta" => {
                self.start(None, out);
                let thinking = text("/delta/message/content/thinking");
                out.extend(thinking.map(|text| ChatEvent::Thinking(text.to_owned())));
                if let Some(text) = text("/delta/message/content/text") {
                    let index = at("/index").and_then(Value::as_u64).unwrap_or(0);
                    if self.texts.len() < MOST_TEXTS && self.texts.iter().all(|(known, _)| *known != index) {
                        self.texts.push((index, self.length));
                    }
                    self.text(text, out);
                }
            }
            "tool-plan-delta" => {
                self.start(None, out);
                if let Some(text) = text("/delta/message/tool_plan") {
                    self.text(text, out);
                }
            }
            "citation-start" => {
                let cited = at("/delta/message/citations");
                let begin_of = |index: u64| Some(self.texts.iter().find(|(known, _)| *known == index)?.1);
                let cited = cited.map(|cited| citations::decode(cited, begin_of)).unwrap_or_default();
                out.extend(cited.into_iter().map(ChatEvent::Citation));
            }
            "tool-call-start" => {
                self.start(None, out);
                let index = self.calls.len();
                let name = text("/delta/message/tool_calls/function/name");
                let name = name.ok_or_else(|| malformed(format!("tool call {index} has no function name")))?.to_owned();
                let (id, signature) = match text("/delta/message/tool_calls/id") {
                    Some(id) => unpack(id),
                    None => (format!("call_{index}"), None),
                };
                self.calls.push((at("/index").and_then(Value::as_u64), false));
                out.push(ChatEvent::ToolCall { index, id, name, signature });
                self.arguments(index, text("/delta/message/tool_calls/function/arguments"), out);
            }
            "tool-call-delta" => {
                let position = at("/index").and_then(Value::as_u64);
                // Without an index it is the last call.
                let found = match position {
                    Some(_) => self.calls.iter().rposition(|(known, _)| *known == position),
                    None => self.calls.len().checked_sub(1),
                };
                if let Some(index) = found {
                    self.arguments(index, text("/delta/message/tool_calls/function/arguments"), out);
                }
            }
            "message-end" => self.end(&data, out),
            _ => {
                if let Some(error) = error_of(&data) {
                    self.over = true;
                    out.push(ChatEvent::Error(error));
                } else if kind.is_empty() {
                    return Err(malformed("an event without `type`"));
                }
            }
        }
        Ok(())
    }

    fn start(&mut self, id: Option<&str>, out: &mut Vec<ChatEvent>) {
        if !std::mem::replace(&mut self.started, true) {
            // Cohere does not name the model.
            out.push(ChatEvent::Start { id: id.map(str::to_owned), model: None });
        }
    }

    fn text(&mut self, text: &str, out: &mut Vec<ChatEvent>) {
        self.length += text.chars().count();
        out.push(ChatEvent::Text(text.to_owned()));
    }

    fn arguments(&mut self, index: usize, fragment: Option<&str>, out: &mut Vec<ChatEvent>) {
        if let (Some(fragment), Some((_, has_arguments))) = (fragment, self.calls.get_mut(index)) {
            *has_arguments = true;
            out.push(ChatEvent::ToolArguments { index, fragment: fragment.to_owned() });
        }
    }

    fn end(&mut self, data: &Value, out: &mut Vec<ChatEvent>) {
        self.over = true;
        let usage = data.pointer("/delta/usage").map(usage::read).unwrap_or_default();
        if !usage.is_empty() {
            out.push(ChatEvent::Usage(usage));
        }
        let word = |pointer: &str| data.pointer(pointer).and_then(Value::as_str).filter(|word| !word.is_empty());
        let reason = word("/delta/finish_reason");
        let error = word("/delta/error");
        if let Some(kind) = reason.filter(|reason| finish::is_failure(reason)).or(error.and(Some("ERROR"))) {
            let message = error.unwrap_or("the model failed").to_owned();
            out.push(ChatEvent::Error(StreamError { kind: kind.to_owned(), message, status: None }));
            return;
        }
        // A call without arguments has no delta for them.
        for (index, _) in self.calls.iter().enumerate().filter(|(_, (_, has_arguments))| !has_arguments) {
            out.push(ChatEvent::ToolArguments { index, fragment: "{}".to_owned() });
        }
        out.push(ChatEvent::Finish { reason: finish::read(reason, !self.calls.is_empty()), stop_sequence: None });
        out.push(ChatEvent::End);
    }
}

/// An error of Cohere (`{"message": …}`), or of a gateway or proxy in front of it.
fn error_of(data: &Value) -> Option<StreamError> {
    let error = data.get("error").filter(|error| !error.is_null());
    let message = error.map_or(data.get("message"), |error| error.get("message").or(Some(error)))?;
    let message = message.as_str().map_or_else(|| message.to_string(), str::to_owned);
    let kind = error.and_then(|error| error.get("type")).or_else(|| data.get("error_type")).and_then(Value::as_str);
    Some(StreamError { kind: kind.unwrap_or("ERROR").to_owned(), message, status: None })
}
