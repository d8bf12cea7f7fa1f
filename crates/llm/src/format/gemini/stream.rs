//! `streamGenerateContent`: each event is a `GenerateContentResponse` with the new content.

use serde_json::{Map, Value, json};

use super::parts::{self, CallIds, DecodedPart, OwnParts};
use super::response::{broken_call, content_parts, first_candidate, is_blocked, malformed};
use super::{citations, finish, usage};
use crate::chat::citation::{Citation, KeptCitations};
use crate::chat::origin::Origin;
use crate::chat::{ChatEvent, Finish, StreamError, Thought, ToolCall};
use crate::framing;
use crate::framing::json_array::ArrayFraming;
use crate::usage::Usage;
use crate::{Answer, Malformed};

/// Decodes a stream. The chunk with the finish reason ends it: there is no other sign. Usage in a later chunk is still
/// passed on.
#[derive(Debug, Default)]
pub struct Decoder {
    started: bool,
    ended: bool,
    response: Option<String>,
    ids: CallIds,
    calls: usize,
    has_content: bool,
    /// Chunks may repeat them, so they are passed on at the end.
    sources: Vec<Citation>,
    kept: KeptCitations,
    /// Whether the last event was thinking without a signature so far.
    unsigned: bool,
}

impl Decoder {
    /// Decodes one event.
    ///
    /// # Errors
    /// [`Malformed`] if its data is not a response of Gemini.
    pub fn push(&mut self, event: &framing::Event, out: &mut Vec<ChatEvent>) -> Result<(), Malformed> {
        let Some(data) = event.data().filter(|data| !data.trim().is_empty()) else { return Ok(()) };
        let body: Value =
            serde_json::from_str(&data).map_err(|error| malformed(format!("an event is not JSON: {error}")))?;
        if !body.is_object() {
            return Err(malformed("an event is not an object"));
        }
        if self.ended {
            out.extend(
                body.get("usageMetadata")
                    .map(usage::decode)
                    .filter(|usage| *usage != Usage::default())
                    .map(ChatEvent::Usage),
            );
            return Ok(());
        }
        if let Some(error) = body.get("error") {
            self.ended = true;
            out.push(ChatEvent::Error(read_error(error)));
            return Ok(());
        }
        if !["candidates", "promptFeedback", "usageMetadata", "responseId"].iter().any(|name| body.get(name).is_some())
        {
            return Err(malformed("an event has no part of a response"));
        }
        if !self.started {
            let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
            self.response = text("responseId");
            out.push(ChatEvent::Start { id: self.response.clone(), model: text("modelVersion") });
            self.started = true;
        }

        let candidate = first_candidate(&body);
        if let Some(candidate) = candidate {
            for part in content_parts(candidate)? {
                let part = parts::decode(part, &mut self.ids, self.response.as_deref()).map_err(malformed)?;
                self.push_part(part, out);
            }
            citations::decode(candidate, &mut self.kept, &mut self.sources);
        }
        out.extend(
            body.get("usageMetadata")
                .map(usage::decode)
                .filter(|usage| *usage != Usage::default())
                .map(ChatEvent::Usage),
        );

        let reason = candidate.and_then(|candidate| candidate.get("finishReason")).and_then(Value::as_str);
        let finished = match finish::decode(reason.unwrap_or_default(), self.calls > 0) {
            finish::Reason::Finished(finish) => Some(finish),
            finish::Reason::Failed if !self.has_content => {
                let message = candidate.and_then(|candidate| candidate.get("finishMessage")).and_then(Value::as_str);
                out.push(ChatEvent::Error(StreamError {
                    kind: reason.unwrap_or_default().to_owned(),
                    message: message.unwrap_or("the model's answer could not be read").to_owned(),
                    status: None,
                }));
                self.ended = true;
                None
            }
            finish::Reason::Failed if self.calls > 0 => Some(Finish::ToolCalls),
            finish::Reason::Failed => Some(Finish::Stop),
            finish::Reason::Unspecified => (candidate.is_none() && is_blocked(&body)).then_some(Finish::Filtered),
        };
        if let Some(reason) = finished {
            out.extend(std::mem::take(&mut self.sources).into_iter().map(ChatEvent::Citation));
            out.push(ChatEvent::Finish { reason, stop_sequence: None });
            out.push(ChatEvent::End);
            self.ended = true;
        }
        Ok(())
    }

    fn push_part(&mut self, part: Option<DecodedPart>, out: &mut Vec<ChatEvent>) {
        match part {
            None => {}
            Some(DecodedPart::Text { text, signature }) => {
                self.close_thinking(signature.as_deref().map(parts::of_text), out);
                if !text.is_empty() {
                    self.content(ChatEvent::Text(text), out);
                }
            }
            Some(DecodedPart::Thought { text, signature }) => {
                if !text.is_empty() {
                    self.content(ChatEvent::Thinking(text), out);
                    self.unsigned = true;
                }
                self.close_thinking(signature, out);
            }
            Some(DecodedPart::Call(ToolCall { id, name, arguments, signature })) => {
                let index = self.calls;
                self.calls += 1;
                self.content(ChatEvent::ToolCall { index, id, name, signature }, out);
                out.push(ChatEvent::ToolArguments { index, fragment: arguments });
            }
            Some(DecodedPart::Media(media)) => self.content(ChatEvent::Media(media), out),
        }
    }

    fn content(&mut self, event: ChatEvent, out: &mut Vec<ChatEvent>) {
        self.has_content = true;
        self.unsigned = false;
        out.push(event);
    }

    /// As in an answer that is not streamed: a signature directly after thinking belongs to the thinking.
    fn close_thinking(&mut self, signature: Option<String>, out: &mut Vec<ChatEvent>) {
        if let Some(signature) = signature.filter(|_| self.unsigned) {
            out.push(ChatEvent::ThinkingSignature(signature));
            self.unsigned = false;
        }
    }
}

fn read_error(error: &Value) -> StreamError {
    let field = |name: &str| error.get(name).and_then(Value::as_str);
    StreamError {
        kind: field("status").unwrap_or("UNKNOWN").to_owned(),
        message: field("message").unwrap_or("an error without a message").to_owned(),
        status: error.get("code").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok()),
    }
}

/// Encodes a stream. Calls are written whole, because Gemini has no partial arguments; finish reason and usage are
/// written together, in the last chunk.
#[derive(Debug)]
pub struct Encoder {
    answer: Answer,
    /// `None`: server-sent events.
    array: Option<ArrayFraming>,
    calls: Vec<(usize, ToolCall)>,
    called: bool,
    broken: Option<String>,
    /// For answers of Gemini itself that are written anew.
    own: OwnParts,
    usage: Usage,
    /// Written in the last chunk.
    sources: Vec<Citation>,
    kept: KeptCitations,
    finish: Option<Finish>,
    ended: bool,
}

impl Encoder {
    /// Writes server-sent events (`alt=sse`).
    #[must_use]
    pub fn new(answer: Answer) -> Self {
        Encoder {
            answer,
            array: None,
            calls: Vec::new(),
            called: false,
            broken: None,
            own: OwnParts::default(),
            usage: Usage::default(),
            sources: Vec::new(),
            kept: KeptCitations::default(),
            finish: None,
            ended: false,
        }
    }

    /// Writes a JSON array, as Gemini does without `alt=sse`.
    #[must_use]
    pub fn as_array(answer: Answer) -> Self {
        Encoder { array: Some(ArrayFraming::default()), ..Encoder::new(answer) }
    }

    /// Writes an event; nothing after [`ChatEvent::End`] or [`ChatEvent::Error`].
    pub fn push(&mut self, event: &ChatEvent, out: &mut Vec<u8>) {
        if self.ended {
            return;
        }
        match event {
            ChatEvent::Start { id, model } => {
                for (mine, given) in [(&mut self.answer.id, id), (&mut self.answer.model, model)] {
                    if let Some(given) = given.as_ref().filter(|given| !given.is_empty()) {
                        mine.clone_from(given);
                    }
                }
            }
            ChatEvent::Text(text) | ChatEvent::Refusal(text) => {
                if !text.is_empty() {
                    let part = self.own.text(text);
                    self.part(part, out);
                }
            }
            ChatEvent::Citation(citation) => {
                if self.kept.keep(citation) {
                    self.sources.push(citation.clone());
                }
            }
            ChatEvent::Thinking(text) => {
                let thought = Thought { text: Some(text.clone()), ..Thought::default() };
                if !text.is_empty() {
                    self.thought(&thought, out);
                }
            }
            ChatEvent::ThinkingSignature(signature) => {
                self.thought(&Thought { signature: Some(signature.clone()), ..Thought::default() }, out);
            }
            ChatEvent::RedactedThinking(data) => {
                self.thought(&Thought { redacted: Some(data.clone()), ..Thought::default() }, out);
            }
            ChatEvent::Media(media) => self.part(parts::encode_media(media, media.media_type.as_deref()), out),
            ChatEvent::ToolCall { index, id, name, signature } => {
                let call = ToolCall {
                    id: id.clone(),
                    name: name.clone(),
                    arguments: String::new(),
                    signature: signature.clone(),
                };
                self.calls.push((*index, call));
            }
            ChatEvent::ToolArguments { index, fragment } => {
                // Parallel calls may come interleaved.
                if let Some((_, call)) = self.calls.iter_mut().rev().find(|(at, _)| at == index) {
                    call.arguments.push_str(fragment);
                }
            }
            ChatEvent::Usage(usage) => self.usage.merge(usage),
            ChatEvent::Finish { reason, .. } => {
                self.flush_calls(out);
                if let Some(part) = self.own.rest() {
                    self.part(part, out);
                }
                self.finish = Some(*reason);
            }
            ChatEvent::Error(error) => {
                self.write(&error_object(error), out);
                self.end(out);
            }
            ChatEvent::End => {
                self.flush_calls(out);
                self.last_chunk(out);
                self.end(out);
            }
        }
    }

    fn thought(&mut self, thought: &Thought, out: &mut Vec<u8>) {
        let part = match self.answer.origin == Origin::OWN {
            true => self.own.thought(thought),
            false => Some(parts::encode_marked_thought(thought, &self.answer.origin)),
        };
        if let Some(part) = part {
            self.part(part, out);
        }
    }

    /// Writes a part as a chunk of its own, after the calls that were waiting.
    fn part(&mut self, part: Value, out: &mut Vec<u8>) {
        self.flush_calls(out);
        self.chunk(vec![part], false, out);
    }

    fn flush_calls(&mut self, out: &mut Vec<u8>) {
        let mut parts = Vec::with_capacity(self.calls.len());
        for (_, call) in std::mem::take(&mut self.calls) {
            let first = !std::mem::replace(&mut self.called, true);
            match parts::encode_marked_call(&call, first, &self.answer.origin) {
                Some(part) => parts.push(part),
                None => self.broken = Some(call.name),
            }
        }
        if !parts.is_empty() {
            self.chunk(parts, false, out);
        }
    }

    fn last_chunk(&mut self, out: &mut Vec<u8>) {
        self.chunk(vec![json!({"text": ""})], true, out);
    }

    fn chunk(&mut self, parts: Vec<Value>, last: bool, out: &mut Vec<u8>) {
        let mut candidate = Map::new();
        candidate.insert("content".to_owned(), json!({"role": "model", "parts": parts}));
        if let Some(reason) = self.finish.filter(|_| last) {
            candidate.insert("finishReason".to_owned(), json!(finish::encode(reason)));
            // As in an answer that is not streamed: truncated arguments mean a truncated answer, not a malformed call.
            if let Some(name) = self.broken.take().filter(|_| reason != Finish::Length) {
                candidate.insert("finishReason".to_owned(), json!("MALFORMED_FUNCTION_CALL"));
                candidate.insert("finishMessage".to_owned(), json!(broken_call(&name)));
            }
        }
        if last && let Some(sources) = citations::encode(&self.sources, &[]) {
            candidate.insert("groundingMetadata".to_owned(), sources);
        }
        candidate.insert("index".to_owned(), json!(0));
        let mut chunk = Map::new();
        chunk.insert("candidates".to_owned(), json!([candidate]));
        if let Some(usage) = usage::encode(&self.usage).filter(|_| last) {
            chunk.insert("usageMetadata".to_owned(), usage);
        }
        chunk.insert("modelVersion".to_owned(), json!(self.answer.model));
        chunk.insert("responseId".to_owned(), json!(self.answer.id));
        self.write(&Value::Object(chunk), out);
    }

    fn write(&mut self, object: &Value, out: &mut Vec<u8>) {
        let data = object.to_string();
        match &mut self.array {
            Some(array) => array.push(&data, out),
            None => {
                out.extend_from_slice(b"data: ");
                out.extend_from_slice(data.as_bytes());
                out.extend_from_slice(b"\r\n\r\n");
            }
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.ended = true;
        if let Some(array) = &mut self.array {
            array.end(out);
        }
    }
}

/// Google's error object, with the status name for the code.
fn error_object(error: &StreamError) -> Value {
    let code = error.status.unwrap_or(match error.kind.as_str() {
        "INVALID_ARGUMENT" | "invalid_request_error" => 400,
        "UNAUTHENTICATED" | "authentication_error" => 401,
        "PERMISSION_DENIED" | "permission_error" => 403,
        "NOT_FOUND" | "not_found_error" => 404,
        "RESOURCE_EXHAUSTED" | "rate_limit_error" | "rate_limit_exceeded" | "insufficient_quota" => 429,
        "UNAVAILABLE" | "overloaded_error" => 503,
        "DEADLINE_EXCEEDED" | "timeout_error" => 504,
        _ => 500,
    });
    let status = match code {
        400 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        429 => "RESOURCE_EXHAUSTED",
        499 => "CANCELLED",
        // 529 is Anthropic's own.
        503 | 529 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        _ => "INTERNAL",
    };
    json!({"error": {"code": code, "message": error.message, "status": status}})
}

#[cfg(test)]
mod tests;
