//! Encodes streams in a form that OpenAI's clients can handle.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::Answer;
use crate::chat::pending::PendingThoughts;
use crate::chat::{ChatEvent, Finish, JsonObject, StreamError};
use crate::format::openai_chat::{answer, citations, finish, usage};
use crate::framing::sse;
use crate::usage::Usage;

/// Encodes a stream, event by event.
///
/// Follows the rules that clients depend on: each chunk has id, model and time; the first one has the role; each delta
/// of a tool call has its index, and only the first has id and name; a stream with tool calls finishes with
/// `tool_calls`; usage comes after the finish, in a chunk of its own.
#[derive(Debug)]
pub struct Encoder {
    answer: Answer,
    started: bool,
    finished: bool,
    /// Whether `[DONE]` or an error was written: nothing may follow it.
    ended: bool,
    usage: Usage,
    /// The calls that were started, and whether each has arguments.
    calls: BTreeMap<usize, bool>,
    annotations: usize,
    /// OpenAI's schema has no field for a signed thought: the next call's id carries it.
    pending: PendingThoughts,
}

impl Encoder {
    #[must_use]
    pub fn new(answer: Answer) -> Self {
        let (calls, usage) = (BTreeMap::new(), Usage::default());
        let pending = PendingThoughts::new(answer.origin.clone());
        Encoder { answer, started: false, finished: false, ended: false, usage, calls, annotations: 0, pending }
    }

    /// Writes an event.
    pub fn push(&mut self, event: &ChatEvent, out: &mut Vec<u8>) {
        if self.ended {
            return;
        }
        self.pending.event(event);
        match event {
            ChatEvent::Start { id, model } => self.start(id.as_deref(), model.as_deref(), out),
            ChatEvent::Text(text) => self.delta("content", json!(text), out),
            ChatEvent::Citation(citation) => {
                if let Some(mut annotations) = citations::annotations(std::slice::from_ref(citation)) {
                    // OpenAI's SDKs join the lists of deltas by this.
                    annotations[0]["index"] = json!(self.annotations);
                    self.annotations += 1;
                    self.delta("annotations", annotations, out);
                }
            }
            ChatEvent::Refusal(text) => self.delta("refusal", json!(text), out),
            ChatEvent::Thinking(text) => self.delta("reasoning_content", json!(text), out),
            ChatEvent::Media(media) => self.delta("images", json!([answer::encode_image(media)]), out),
            ChatEvent::ToolCall { index, id, name, signature } => {
                // LangChain would join a repeated call to one with a doubled name.
                if self.calls.contains_key(index) {
                    return;
                }
                self.calls.insert(*index, false);
                let mut call = JsonObject::new();
                call.insert("index".into(), json!(index));
                let carried = self.pending.take(signature.clone());
                call.extend(answer::encode_call(id, name, "", &carried, &self.answer.origin));
                self.delta("tool_calls", json!([call]), out);
            }
            ChatEvent::ToolArguments { index, fragment } => self.arguments(*index, fragment, out),
            ChatEvent::Usage(usage) => self.usage.merge(usage),
            ChatEvent::Finish { reason, .. } => self.finish(*reason, out),
            ChatEvent::Error(error) => {
                self.ended = true;
                sse::write(None, &error_body(error), out);
            }
            ChatEvent::End => self.end(out),
            ChatEvent::ThinkingSignature(_) | ChatEvent::RedactedThinking(_) => {}
        }
    }

    fn start(&mut self, id: Option<&str>, model: Option<&str>, out: &mut Vec<u8>) {
        if self.started {
            return;
        }
        self.started = true;
        if let Some(id) = id {
            id.clone_into(&mut self.answer.id);
        }
        if let Some(model) = model {
            model.clone_into(&mut self.answer.model);
        }
        self.chunk(&json!({"role": "assistant", "content": ""}), None, out);
    }

    fn delta(&mut self, key: &str, value: Value, out: &mut Vec<u8>) {
        if self.finished {
            return;
        }
        self.start(None, None, out);
        let delta: JsonObject = std::iter::once((key.to_owned(), value)).collect();
        self.chunk(&Value::Object(delta), None, out);
    }

    fn arguments(&mut self, index: usize, fragment: &str, out: &mut Vec<u8>) {
        // Arguments of a call that never began are dropped.
        let Some(has_arguments) = self.calls.get_mut(&index) else { return };
        if fragment.is_empty() {
            return;
        }
        *has_arguments = true;
        self.delta("tool_calls", json!([{"index": index, "function": {"arguments": fragment}}]), out);
    }

    fn finish(&mut self, reason: Finish, out: &mut Vec<u8>) {
        if self.finished {
            return;
        }
        self.start(None, None, out);
        // Clients parse the arguments, and an empty text is not JSON.
        let bare: Vec<usize> = self.calls.iter().filter(|(_, has)| !**has).map(|(index, _)| *index).collect();
        for index in bare {
            self.arguments(index, "{}", out);
        }
        self.finished = true;
        let word = finish::word(reason, !self.calls.is_empty());
        self.chunk(&json!({}), Some(word), out);
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.finish(Finish::Stop, out);
        self.ended = true;
        if self.answer.stream_usage
            && let Some(usage) = usage::encode(&self.usage)
        {
            let mut chunk = self.envelope();
            chunk.insert("choices".into(), json!([]));
            chunk.insert("usage".into(), usage);
            sse::write(None, &Value::Object(chunk), out);
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
    }

    fn envelope(&self) -> JsonObject {
        let mut chunk = JsonObject::new();
        chunk.insert("id".into(), json!(self.answer.id));
        chunk.insert("object".into(), json!("chat.completion.chunk"));
        chunk.insert("created".into(), json!(self.answer.created));
        chunk.insert("model".into(), json!(self.answer.model));
        chunk
    }

    fn chunk(&self, delta: &Value, finish: Option<&str>, out: &mut Vec<u8>) {
        let mut chunk = self.envelope();
        let choice = json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}]);
        chunk.insert("choices".into(), choice);
        if self.answer.stream_usage {
            // As OpenAI does if usage was requested: null on each chunk but the last.
            chunk.insert("usage".into(), Value::Null);
        }
        sse::write(None, &Value::Object(chunk), out);
    }
}

fn error_body(error: &StreamError) -> Value {
    json!({"error": {"message": error.message, "type": error.kind, "param": null, "code": error.kind}})
}
