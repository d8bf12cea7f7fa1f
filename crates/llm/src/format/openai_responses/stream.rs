//! Encodes a stream as the events of a response.
//!
//! One message or thought is open at a time. Calls stay open until the end, because upstreams may interleave their
//! arguments; events name their item, so that clients put the pieces together. The last event repeats the whole answer,
//! so all of it is kept until then.

use serde_json::{Value, json};

use super::output::{self, CallItem, State};
use super::settings::ResponseSettings;
use super::{errors, reasoning};
use crate::Answer;
use crate::chat::citation::Citation;
use crate::chat::{ChatEvent, Finish, JsonObject, StreamError, Thought};
use crate::errors::GatewayError;
use crate::format::openai_chat;
use crate::framing::sse;
use crate::usage::Usage;

#[derive(Debug)]
pub struct Encoder {
    answer: Answer,
    settings: ResponseSettings,
    id: Option<String>,
    model: Option<String>,
    usage: Usage,
    finish: Option<Finish>,
    /// The number of the next event.
    sequence: u64,
    begun: bool,
    over: bool,
    /// The items, by their index; null while an item is open.
    items: Vec<Value>,
    open: Option<OpenItem>,
    calls: Vec<OpenCall>,
    /// The characters of the texts so far.
    length: usize,
}

/// The message or the thought that is being written.
#[derive(Debug)]
enum OpenItem {
    Message { at: usize, id: String, parts: Vec<Value>, part: Option<OpenPart> },
    Thought { at: usize, id: String, thought: Thought },
}

/// The part of a message that is being written.
#[derive(Debug)]
struct OpenPart {
    is_refusal: bool,
    text: String,
    /// Where the text begins in the answer.
    begin: usize,
    annotations: Vec<Value>,
}

/// A call whose arguments may follow.
#[derive(Debug)]
struct OpenCall {
    /// Its index among the calls of the answer, and its item's index.
    index: usize,
    at: usize,
    call: CallItem,
    arguments: String,
}

impl Encoder {
    /// A stream with nothing written yet.
    #[must_use]
    pub fn new(mut answer: Answer) -> Self {
        // The body may be large: only what the answer repeats is kept.
        let settings = ResponseSettings::of(&std::mem::take(&mut answer.request));
        Encoder {
            answer,
            settings,
            id: None,
            model: None,
            usage: Usage::default(),
            finish: None,
            sequence: 0,
            begun: false,
            over: false,
            items: Vec::new(),
            open: None,
            calls: Vec::new(),
            length: 0,
        }
    }

    /// Writes an event. After an error or the end nothing more is written.
    pub fn push(&mut self, event: &ChatEvent, out: &mut Vec<u8>) {
        if self.over {
            return;
        }
        match event {
            ChatEvent::Start { id, model } => {
                if !self.begun {
                    self.id.clone_from(id);
                    self.model.clone_from(model);
                    self.begin(out);
                }
            }
            ChatEvent::Text(text) => self.words(text, false, out),
            ChatEvent::Citation(citation) => self.annotate(citation, out),
            ChatEvent::Refusal(text) => self.words(text, true, out),
            ChatEvent::Thinking(text) => self.think(text, out),
            ChatEvent::ThinkingSignature(signature) => self.sign(signature, out),
            ChatEvent::RedactedThinking(data) => {
                self.close(out);
                let thought = Thought { redacted: Some(data.clone()), ..Thought::default() };
                let (at, id) = self.begin_thought(out);
                self.end_thought(at, &id, &thought, out);
            }
            ChatEvent::Media(media) => match output::picture(&self.item_id("ig"), media) {
                Some(item) => {
                    self.close(out);
                    let mut added = item.clone();
                    added["status"] = json!("in_progress");
                    added["result"] = Value::Null;
                    let at = self.add(&added, out);
                    self.done(at, item, out);
                }
                None => self.words(&output::picture_text(media), false, out),
            },
            ChatEvent::ToolCall { index, id, name, signature } => {
                if self.calls.iter().any(|call| call.index == *index) {
                    return;
                }
                self.close(out);
                let at = self.items.len();
                let call = CallItem::new(&self.answer.id, at, &self.settings, (id, name, signature.as_deref()));
                let mut added = call.item("", "in_progress");
                if call.custom {
                    added["input"] = json!("");
                }
                self.add(&added, out);
                self.calls.push(OpenCall { index: *index, at, call, arguments: String::new() });
            }
            ChatEvent::ToolArguments { index, fragment } => self.arguments(*index, fragment, out),
            ChatEvent::Usage(usage) => self.usage.merge(usage),
            ChatEvent::Finish { reason, .. } => {
                self.finish = Some(*reason);
                self.close_all(out);
            }
            ChatEvent::Error(error) => {
                let body = json!({
                    "message": error.message, "type": error.kind, "param": null, "code": error.kind,
                });
                self.fail_with(&body, code_of(error), &error.message, out);
            }
            ChatEvent::End => {
                self.begin(out);
                self.close_all(out);
                self.over = true;
                let name = match self.finish {
                    Some(Finish::Length | Finish::Filtered | Finish::Refusal) => "response.incomplete",
                    _ => "response.completed",
                };
                let items = std::mem::take(&mut self.items);
                let response = self.response(&State::Ended(self.finish), items);
                self.emit(name, [("response", response)], out);
            }
        }
    }

    /// Ends the stream with an error of the gateway.
    pub fn fail(&mut self, error: &GatewayError<'_>, out: &mut Vec<u8>) {
        if self.over {
            return;
        }
        let body = openai_chat::errors::body(error);
        let code = code_of_status(Some(error.status));
        self.fail_with(&body["error"], code, &error.full_message(), out);
    }

    /// Writes the error, at which SDKs raise an exception, and the failed response, which other clients read.
    fn fail_with(&mut self, body: &Value, code: &str, message: &str, out: &mut Vec<u8>) {
        self.begin(out);
        self.over = true;
        let event = errors::event(body, self.sequence);
        self.sequence += 1;
        sse::write(Some("error"), &event, out);
        // Items that are still open are not part of it.
        let items = std::mem::take(&mut self.items).into_iter().filter(|item| !item.is_null()).collect();
        let response = self.response(&State::Failed { code, message }, items);
        self.emit("response.failed", [("response", response)], out);
    }

    fn emit<const N: usize>(&mut self, name: &str, members: [(&str, Value); N], out: &mut Vec<u8>) {
        let mut event = JsonObject::new();
        event.insert("type".into(), json!(name));
        event.insert("sequence_number".into(), json!(self.sequence));
        event.extend(members.into_iter().map(|(key, value)| (key.to_owned(), value)));
        self.sequence += 1;
        sse::write(Some(name), &Value::Object(event), out);
    }

    fn response(&self, state: &State<'_>, items: Vec<Value>) -> Value {
        let id = output::response_id(self.id.as_deref(), &self.answer);
        let model = self.model.as_deref().unwrap_or(&self.answer.model);
        output::response((&id, model), (&self.answer, &self.settings), state, items, &self.usage)
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        if self.begun {
            return;
        }
        self.begun = true;
        for name in ["response.created", "response.in_progress"] {
            let response = self.response(&State::InProgress, Vec::new());
            self.emit(name, [("response", response)], out);
        }
    }

    /// The id of the next item.
    fn item_id(&self, kind: &str) -> String {
        output::item_id(kind, &self.answer.id, self.items.len())
    }

    /// Announces the next item; returns its index.
    fn add(&mut self, item: &Value, out: &mut Vec<u8>) -> usize {
        self.begin(out);
        let at = self.items.len();
        self.items.push(Value::Null);
        self.emit("response.output_item.added", [("output_index", json!(at)), ("item", item.clone())], out);
        at
    }

    fn done(&mut self, at: usize, item: Value, out: &mut Vec<u8>) {
        self.emit("response.output_item.done", [("output_index", json!(at)), ("item", item.clone())], out);
        if let Some(place) = self.items.get_mut(at) {
            *place = item;
        }
    }

    fn words(&mut self, text: &str, refuses: bool, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        if !matches!(self.open, Some(OpenItem::Message { .. })) {
            self.close(out);
            let id = self.item_id("msg");
            let at = self.add(&output::message(&id, Vec::new(), "in_progress"), out);
            self.open = Some(OpenItem::Message { at, id, parts: Vec::new(), part: None });
        }
        if !matches!(&self.open, Some(OpenItem::Message { part: Some(part), .. }) if part.is_refusal == refuses) {
            self.close_part(out);
            self.begin_part(refuses, out);
        }
        let Some(OpenItem::Message { at, id, parts, part: Some(part) }) = &mut self.open else { return };
        part.text.push_str(text);
        if !refuses {
            self.length += text.chars().count();
        }
        let place = [("item_id", json!(id)), ("output_index", json!(at)), ("content_index", json!(parts.len()))];
        let [item, index, content] = place;
        match refuses {
            true => {
                self.emit("response.refusal.delta", [item, index, content, ("delta", json!(text))], out);
            }
            false => {
                let delta = [item, index, content, ("delta", json!(text)), ("logprobs", json!([]))];
                self.emit("response.output_text.delta", delta, out);
            }
        }
    }

    fn begin_part(&mut self, is_refusal: bool, out: &mut Vec<u8>) {
        let Some(OpenItem::Message { at, id, parts, part }) = &mut self.open else { return };
        *part = Some(OpenPart { is_refusal, text: String::new(), begin: self.length, annotations: Vec::new() });
        let empty = if is_refusal { output::refusal_part("") } else { output::text_part("", Vec::new()) };
        let place = [
            ("item_id", json!(id)),
            ("output_index", json!(at)),
            ("content_index", json!(parts.len())),
            ("part", empty),
        ];
        self.emit("response.content_part.added", place, out);
    }

    /// Adds a citation to the text that is open.
    fn annotate(&mut self, citation: &Citation, out: &mut Vec<u8>) {
        let Some(OpenItem::Message { at, id, parts, part: Some(part) }) = &mut self.open else { return };
        let Some(annotation) = output::annotation(citation, part.begin).filter(|_| !part.is_refusal) else { return };
        let members = [
            ("item_id", json!(id)),
            ("output_index", json!(at)),
            ("content_index", json!(parts.len())),
            ("annotation_index", json!(part.annotations.len())),
            ("annotation", annotation.clone()),
        ];
        part.annotations.push(annotation);
        self.emit("response.output_text.annotation.added", members, out);
    }

    fn close_part(&mut self, out: &mut Vec<u8>) {
        let Some(OpenItem::Message { at, id, parts, part }) = &mut self.open else { return };
        let Some(OpenPart { is_refusal, text, annotations, .. }) = part.take() else { return };
        let place = || [("item_id", json!(id)), ("output_index", json!(at)), ("content_index", json!(parts.len()))];
        let [item, index, content] = place();
        let part_place = place();
        let whole = if is_refusal { output::refusal_part(&text) } else { output::text_part(&text, annotations) };
        parts.push(whole.clone());
        match is_refusal {
            true => {
                self.emit("response.refusal.done", [item, index, content, ("refusal", json!(text))], out);
            }
            false => {
                let done = [item, index, content, ("text", json!(text)), ("logprobs", json!([]))];
                self.emit("response.output_text.done", done, out);
            }
        }
        let [item, index, content] = part_place;
        self.emit("response.content_part.done", [item, index, content, ("part", whole)], out);
    }

    /// Closes the message or the thought that is open.
    fn close(&mut self, out: &mut Vec<u8>) {
        self.close_part(out);
        match self.open.take() {
            None => {}
            Some(OpenItem::Message { at, id, parts, .. }) => {
                self.done(at, output::message(&id, parts, "completed"), out);
            }
            Some(OpenItem::Thought { at, id, thought }) => self.end_thought(at, &id, &thought, out),
        }
    }

    fn close_all(&mut self, out: &mut Vec<u8>) {
        self.close(out);
        for OpenCall { at, call, arguments, .. } in std::mem::take(&mut self.calls) {
            let arguments = output::non_empty(&arguments);
            let item = call.item(arguments, "completed");
            let place = || [("item_id", json!(call.id)), ("output_index", json!(at))];
            let [id, index] = place();
            if call.custom {
                let input = item["input"].clone();
                self.emit("response.custom_tool_call_input.delta", [id, index, ("delta", input.clone())], out);
                let [id, index] = place();
                self.emit("response.custom_tool_call_input.done", [id, index, ("input", input)], out);
            } else {
                let done = [id, index, ("name", json!(call.name)), ("arguments", json!(arguments))];
                self.emit("response.function_call_arguments.done", done, out);
            }
            self.done(at, item, out);
        }
    }

    fn begin_thought(&mut self, out: &mut Vec<u8>) -> (usize, String) {
        let id = reasoning::item_id(&self.answer.id, self.items.len());
        let at = self.add(&reasoning::item(&id, &Thought::default(), &self.answer.origin, false), out);
        (at, id)
    }

    fn think(&mut self, text: &str, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        if !matches!(self.open, Some(OpenItem::Thought { .. })) {
            self.close(out);
            let (at, id) = self.begin_thought(out);
            self.open = Some(OpenItem::Thought { at, id, thought: Thought::default() });
        }
        let Some(OpenItem::Thought { at, id, thought }) = &mut self.open else { return };
        let begins = thought.text.is_none();
        thought.text.get_or_insert_default().push_str(text);
        let (at, id) = (*at, id.clone());
        if begins {
            self.summary(("response.reasoning_summary_part.added", at, &id), ("part", summary_part("")), out);
        }
        self.summary(("response.reasoning_summary_text.delta", at, &id), ("delta", json!(text)), out);
    }

    fn summary(&mut self, (name, at, id): (&str, usize, &str), member: (&str, Value), out: &mut Vec<u8>) {
        let place = [("item_id", json!(id)), ("output_index", json!(at)), ("summary_index", json!(0)), member];
        self.emit(name, place, out);
    }

    /// A signature ends its thought. One without a thought before it is a thought of its own.
    fn sign(&mut self, signature: &str, out: &mut Vec<u8>) {
        if !matches!(self.open, Some(OpenItem::Thought { .. })) {
            self.close(out);
            let (at, id) = self.begin_thought(out);
            self.open = Some(OpenItem::Thought { at, id, thought: Thought::default() });
        }
        if let Some(OpenItem::Thought { thought, .. }) = &mut self.open {
            thought.signature = Some(signature.to_owned());
        }
        self.close(out);
    }

    fn end_thought(&mut self, at: usize, id: &str, thought: &Thought, out: &mut Vec<u8>) {
        if let Some(text) = &thought.text {
            self.summary(("response.reasoning_summary_text.done", at, id), ("text", json!(text)), out);
            self.summary(("response.reasoning_summary_part.done", at, id), ("part", summary_part(text)), out);
        }
        let item = reasoning::item(id, thought, &self.answer.origin, self.settings.encrypts());
        self.done(at, item, out);
    }

    fn arguments(&mut self, index: usize, fragment: &str, out: &mut Vec<u8>) {
        // Arguments of a call that never began are dropped.
        let Some(open) = self.calls.iter_mut().find(|call| call.index == index) else { return };
        if fragment.is_empty() {
            return;
        }
        open.arguments.push_str(fragment);
        // The input of a custom tool is a part of the arguments, and follows when they are whole.
        if !open.call.custom {
            let delta =
                [("item_id", json!(open.call.id)), ("output_index", json!(open.at)), ("delta", json!(fragment))];
            self.emit("response.function_call_arguments.delta", delta, out);
        }
    }
}

fn summary_part(text: &str) -> Value {
    json!({"type": "summary_text", "text": text})
}

/// A code that SDKs know.
fn code_of(error: &StreamError) -> &'static str {
    match error.kind.as_str() {
        "rate_limit_exceeded" | "rate_limit_error" | "RESOURCE_EXHAUSTED" => "rate_limit_exceeded",
        _ => code_of_status(error.status),
    }
}

fn code_of_status(status: Option<u16>) -> &'static str {
    match status {
        Some(429) => "rate_limit_exceeded",
        Some(400 | 413 | 422) => "invalid_prompt",
        _ => "server_error",
    }
}
