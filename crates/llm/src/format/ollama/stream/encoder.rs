//! Encodes a stream for Ollama's clients.

use serde_json::{Value, json};

use crate::Answer;
use crate::chat::pending::PendingThoughts;
use crate::chat::signature::Carried;
use crate::chat::{ChatEvent, Finish, ToolCall};
use crate::format::ollama::response::{AnswerOf, Said, encode_call, end, line};
use crate::framing::lines;
use crate::usage::Usage;

/// Encodes a stream, event by event. Calls are written at the end: only then are their arguments whole.
#[derive(Debug)]
pub struct Encoder {
    operation: AnswerOf,
    answer: Answer,
    ended: bool,
    calls: Vec<UnfinishedCall>,
    finish: Option<Finish>,
    usage: Usage,
    /// The next call's id carries what Ollama's schema has no field for.
    pending: PendingThoughts,
}

/// A call whose arguments may be unfinished.
#[derive(Debug)]
struct UnfinishedCall {
    /// The upstream's index.
    index: usize,
    call: ToolCall,
    carried: Carried,
}

impl Encoder {
    #[must_use]
    pub fn new(answer: Answer) -> Self {
        Encoder::of(AnswerOf::Chat, answer)
    }

    /// The same for a caller of `POST /api/generate`.
    #[must_use]
    pub fn of_generate(answer: Answer) -> Self {
        Encoder::of(AnswerOf::Generate, answer)
    }

    fn of(operation: AnswerOf, answer: Answer) -> Self {
        Encoder {
            operation,
            pending: PendingThoughts::new(answer.origin.clone()),
            answer,
            ended: false,
            calls: Vec::new(),
            finish: None,
            usage: Usage::default(),
        }
    }

    /// Writes an event; nothing after [`ChatEvent::End`] or [`ChatEvent::Error`].
    pub fn push(&mut self, event: &ChatEvent, out: &mut Vec<u8>) {
        if self.ended {
            return;
        }
        self.pending.event(event);
        match event {
            ChatEvent::Start { model, .. } => {
                if let Some(model) = model.as_ref().filter(|model| !model.is_empty()) {
                    self.answer.model.clone_from(model);
                }
            }
            ChatEvent::Text(text) | ChatEvent::Refusal(text) if !text.is_empty() => {
                self.write(Said { text: text.clone(), ..Said::default() }, out);
            }
            ChatEvent::Thinking(text) if !text.is_empty() => {
                self.write(Said { thinking: text.clone(), ..Said::default() }, out);
            }
            ChatEvent::ToolCall { index, id, name, signature } => {
                if self.calls.iter().all(|open| open.index != *index) {
                    let carried = self.pending.take(signature.clone());
                    let call = ToolCall {
                        id: id.clone(),
                        name: name.clone(),
                        arguments: String::new(),
                        signature: signature.clone(),
                    };
                    self.calls.push(UnfinishedCall { index: *index, call, carried });
                }
            }
            ChatEvent::ToolArguments { index, fragment } => {
                if let Some(open) = self.calls.iter_mut().find(|open| open.index == *index) {
                    open.call.arguments.push_str(fragment);
                }
            }
            ChatEvent::Usage(usage) => self.usage.merge(usage),
            ChatEvent::Finish { reason, .. } => self.finish = Some(*reason),
            ChatEvent::Error(error) => {
                self.ended = true;
                lines::write(&json!({"error": error.message}).to_string(), out);
            }
            ChatEvent::End => self.end(out),
            // Nothing is said, or Ollama can't express it.
            ChatEvent::Text(_)
            | ChatEvent::Refusal(_)
            | ChatEvent::Thinking(_)
            | ChatEvent::Citation(_)
            | ChatEvent::Media(_)
            | ChatEvent::ThinkingSignature(_)
            | ChatEvent::RedactedThinking(_) => {}
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.ended = true;
        for (position, open) in std::mem::take(&mut self.calls).into_iter().enumerate() {
            let call = encode_call(position, &open.call, &open.carried, &self.answer.origin);
            self.write(Said { calls: vec![call], ..Said::default() }, out);
        }
        let mut last = line(self.operation, &self.answer.model, &self.answer, Said::default(), true);
        end(&mut last, self.finish.unwrap_or(Finish::Stop), &self.usage, &self.answer);
        lines::write(&Value::Object(last).to_string(), out);
    }

    fn write(&self, said: Said, out: &mut Vec<u8>) {
        let line = line(self.operation, &self.answer.model, &self.answer, said, false);
        lines::write(&Value::Object(line).to_string(), out);
    }
}
