//! Encodes a stream for Cohere's clients.

use serde_json::{Value, json};

use crate::Answer;
use crate::chat::citation::Citation;
use crate::chat::pending::PendingThoughts;
use crate::chat::{ChatEvent, Finish};
use crate::format::cohere::response::encode_call;
use crate::format::cohere::{citations, errors, finish, usage};
use crate::framing::sse;
use crate::usage::Usage;

/// Encodes a stream, event by event. Usage may come after the finish, so `message-end` is written at the end.
#[derive(Debug)]
pub struct Encoder {
    answer: Answer,
    started: bool,
    ended: bool,
    /// The open block of content, and the number of blocks so far.
    open: Option<Kind>,
    blocks: usize,
    /// The characters of the texts before the last block of text, and with it.
    begin: usize,
    length: usize,
    citations: usize,
    /// For each call: whether it has arguments. The last one is open if `in_call` is set.
    calls: Vec<(usize, bool)>,
    in_call: bool,
    finish: Option<Finish>,
    usage: Usage,
    /// The next call's id carries what Cohere's schema has no field for.
    pending: PendingThoughts,
}

/// The type of a block of content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Thinking,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Kind::Text => "text",
            Kind::Thinking => "thinking",
        }
    }
}

impl Encoder {
    #[must_use]
    pub fn new(answer: Answer) -> Self {
        Encoder {
            pending: PendingThoughts::new(answer.origin.clone()),
            answer,
            started: false,
            ended: false,
            open: None,
            blocks: 0,
            begin: 0,
            length: 0,
            citations: 0,
            calls: Vec::new(),
            in_call: false,
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
            ChatEvent::Start { id, .. } => {
                if let Some(id) = id.as_ref().filter(|id| !id.is_empty()) {
                    self.answer.id.clone_from(id);
                }
                self.start(out);
            }
            ChatEvent::Text(text) | ChatEvent::Refusal(text) => {
                self.content(Kind::Text, text, out);
                if matches!(event, ChatEvent::Text(_)) {
                    self.length += text.chars().count();
                }
            }
            ChatEvent::Citation(citation) => self.cite(citation, out),
            ChatEvent::Thinking(text) => self.content(Kind::Thinking, text, out),
            ChatEvent::ToolCall { index, id, name, signature } => {
                if self.calls.iter().any(|(known, _)| known == index) {
                    return;
                }
                self.close(out);
                let position = self.calls.len();
                self.calls.push((*index, false));
                self.in_call = true;
                let carried = self.pending.take(signature.clone());
                let call = encode_call(id, name, "", &carried, &self.answer.origin);
                self.write("tool-call-start", Some(position), Some(json!({"message": {"tool_calls": call}})), out);
            }
            ChatEvent::ToolArguments { index, fragment } => {
                let position = self.calls.iter().position(|(known, _)| known == index);
                if let Some(position) = position.filter(|_| !fragment.is_empty()) {
                    self.arguments(position, fragment, out);
                }
            }
            ChatEvent::Usage(usage) => self.usage.merge(usage),
            ChatEvent::Finish { reason, .. } => self.finish = Some(*reason),
            ChatEvent::Error(error) => {
                self.ended = true;
                errors::write_end(&error.message, out);
            }
            ChatEvent::End => self.end(out),
            // Cohere can't express them.
            ChatEvent::Media(_) | ChatEvent::ThinkingSignature(_) | ChatEvent::RedactedThinking(_) => {}
        }
    }

    fn start(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        let message = json!({"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []});
        let event = json!({"id": self.answer.id, "type": "message-start", "delta": {"message": message}});
        sse::write(Some("message-start"), &event, out);
    }

    fn content(&mut self, kind: Kind, text: &str, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        let word = kind.word();
        if self.open != Some(kind) {
            self.close(out);
            let content = json!({"type": word, word: ""});
            self.write("content-start", Some(self.blocks), Some(json!({"message": {"content": content}})), out);
            self.open = Some(kind);
            self.blocks += 1;
            self.begin = self.length;
        }
        let delta = json!({"message": {"content": {word: text}}});
        self.write("content-delta", self.blocks.checked_sub(1), Some(delta), out);
    }

    /// A citation of the last block, which is text unless something followed it.
    fn cite(&mut self, citation: &Citation, out: &mut Vec<u8>) {
        let Some(block) = self.blocks.checked_sub(1).filter(|_| self.open == Some(Kind::Text)) else { return };
        let cited = citations::encode(citation, block, self.begin, None);
        let index = self.citations;
        self.citations += 1;
        self.write("citation-start", Some(index), Some(json!({"message": {"citations": cited}})), out);
        self.write("citation-end", Some(index), None, out);
    }

    fn arguments(&mut self, position: usize, fragment: &str, out: &mut Vec<u8>) {
        if let Some((_, has_arguments)) = self.calls.get_mut(position) {
            *has_arguments = true;
        }
        let delta = json!({"message": {"tool_calls": {"function": {"arguments": fragment}}}});
        self.write("tool-call-delta", Some(position), Some(delta), out);
    }

    /// Ends the open block or call.
    fn close(&mut self, out: &mut Vec<u8>) {
        if self.open.take().is_some() {
            self.write("content-end", self.blocks.checked_sub(1), None, out);
        }
        if std::mem::replace(&mut self.in_call, false)
            && let Some(position) = self.calls.len().checked_sub(1)
        {
            // Clients parse the arguments, and an empty text is not JSON.
            if self.calls.last().is_some_and(|(_, has_arguments)| !has_arguments) {
                self.arguments(position, "{}", out);
            }
            self.write("tool-call-end", Some(position), None, out);
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.close(out);
        self.ended = true;
        let reason = finish::word(self.finish.unwrap_or(Finish::Stop), !self.calls.is_empty());
        let mut delta = json!({"finish_reason": reason});
        if let (Some(usage), Some(delta)) = (usage::encode(&self.usage), delta.as_object_mut()) {
            delta.insert("usage".to_owned(), usage);
        }
        self.write("message-end", None, Some(delta), out);
        out.extend_from_slice(b"data: [DONE]\n\n");
    }

    fn write(&mut self, kind: &str, index: Option<usize>, delta: Option<Value>, out: &mut Vec<u8>) {
        self.start(out);
        let mut event = serde_json::Map::new();
        event.insert("type".to_owned(), json!(kind));
        if let Some(index) = index {
            event.insert("index".to_owned(), json!(index));
        }
        if let Some(delta) = delta {
            event.insert("delta".to_owned(), delta);
        }
        sse::write(Some(kind), &Value::Object(event), out);
    }
}
