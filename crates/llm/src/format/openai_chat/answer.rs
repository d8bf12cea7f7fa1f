//! Shared code for answers and chunks of a stream.

use serde_json::{Value, json};

use super::content::{media_source, media_url, thinking_text};
use super::thoughts::ThoughtForm;
use super::tool_id::shorten;
use crate::chat::origin::Origin;
use crate::chat::signature::{Carried, pack_all};
use crate::chat::{JsonObject, Media, Part, StreamError, Thought};

/// The parts of a message or a delta, except tool calls: thinking, text, images, refusal. Empty ones are omitted.
pub(super) fn parts(message: &JsonObject) -> Vec<Part> {
    let mut parts = Vec::new();
    if let Some((text, form)) = thought(message) {
        parts.push(thinking(text.to_owned(), &form));
    }
    match message.get("content") {
        Some(Value::String(text)) if !text.is_empty() => parts.push(Part::Text(text.clone())),
        // Mistral's thinking models answer in parts.
        Some(Value::Array(content)) => {
            for part in content {
                push_content(part, &mut parts);
            }
        }
        _ => {}
    }
    // Audio can't be requested across dialects; if it is sent anyway, its transcript is used.
    if let Some(text) = non_empty(message.get("audio").and_then(|audio| audio.get("transcript"))) {
        parts.push(Part::Text(text.to_owned()));
    }
    for image in message.get("images").and_then(Value::as_array).into_iter().flatten() {
        let url = image.pointer("/image_url/url").or_else(|| image.get("image_url")).and_then(Value::as_str);
        if let Some((media_type, source)) = url.and_then(media_source) {
            parts.push(Part::Media(Media { media_type, source, filename: None, detail: None }));
        }
    }
    if let Some(text) = non_empty(message.get("refusal")) {
        parts.push(Part::Refusal(text.to_owned()));
    }
    parts
}

/// The thinking of a message or a delta that is not in its content, and its form.
pub(super) fn thought(message: &JsonObject) -> Option<(&str, ThoughtForm)> {
    // DeepSeek and SGLang send `reasoning_content`, OpenRouter, Groq, Ollama and vLLM `reasoning`; some send both.
    let spelled = [ThoughtForm::ReasoningContent, ThoughtForm::Reasoning];
    let text = spelled.into_iter().find_map(|form| Some((non_empty(message.get(form.key()))?, form)));
    match message.get("reasoning_details").and_then(Value::as_array).filter(|details| !details.is_empty()) {
        Some(details) => Some((text.map_or("", |(text, _)| text), ThoughtForm::Details(details.clone()))),
        None => text,
    }
}

fn non_empty(value: Option<&Value>) -> Option<&str> {
    value.and_then(Value::as_str).filter(|text| !text.is_empty())
}

fn thinking(text: String, form: &ThoughtForm) -> Part {
    Part::Thinking(Thought { text: Some(text), signature: form.note(), ..Thought::default() })
}

/// A part of an answer's content; consecutive parts of one kind are joined.
fn push_content(part: &Value, parts: &mut Vec<Part>) {
    if let Some(thought) = part.get("thinking") {
        let more = thinking_text(thought);
        match parts.last_mut() {
            Some(Part::Thinking(Thought { text: Some(text), .. })) => text.push_str(&more),
            _ if more.is_empty() => {}
            _ => parts.push(thinking(more, &ThoughtForm::Parts)),
        }
        return;
    }
    if let Some(more) = non_empty(part.get("text").or(Some(part))) {
        match parts.last_mut() {
            Some(Part::Text(text)) => text.push_str(more),
            _ => parts.push(Part::Text(more.to_owned())),
        }
    }
}

/// A call's arguments: JSON text, or (OpenRouter, Ollama) the object itself.
pub(super) fn arguments(function: Option<&Value>) -> Option<String> {
    match function?.get("arguments")? {
        Value::String(text) => Some(text.clone()),
        Value::Null => None,
        value => Some(value.to_string()),
    }
}

/// An image that the model generated, as OpenRouter sends it in `message.images` and `delta.images`: OpenAI's own
/// schema has no field for it.
pub(super) fn encode_image(media: &Media) -> Value {
    json!({"type": "image_url", "image_url": {"url": media_url(media)}})
}

/// The start of a tool call. OpenAI itself would accept its id, but for what that carries. The signature of the call is
/// both in the id and in the field of Google's own OpenAI-compatible endpoint.
pub(super) fn encode_call(id: &str, name: &str, arguments: &str, carried: &Carried, origin: &Origin) -> JsonObject {
    let mut call = JsonObject::new();
    let packed = match *origin == Origin::OWN {
        true => id.to_owned(),
        false => pack_all(&shorten(id), id, carried),
    };
    call.insert("id".into(), json!(packed));
    call.insert("type".into(), json!("function"));
    call.insert("function".into(), json!({"name": name, "arguments": arguments}));
    if let Some(signature) = &carried.signature {
        call.insert("extra_content".into(), json!({"google": {"thought_signature": signature}}));
    }
    call
}

/// The error that a body or a chunk contains instead of an answer.
pub(super) fn error_of(body: &JsonObject) -> Option<StreamError> {
    body.get("error").filter(|error| !error.is_null()).map(error)
}

/// Reads an error object, or any other value in its place.
pub(super) fn error(error: &Value) -> StreamError {
    let word = |key: &str| non_empty(error.get(key)).map(str::to_owned);
    let number = |key: &str| error.get(key).and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
    let message = word("message").or_else(|| word("detail")).or_else(|| non_empty(Some(error)).map(str::to_owned));
    let digits = word("code").and_then(|code| code.parse::<u16>().ok());
    StreamError {
        kind: word("code").filter(|_| digits.is_none()).or_else(|| word("type")).unwrap_or_else(|| "api_error".into()),
        message: message.unwrap_or_else(|| error.to_string()),
        status: number("code").or_else(|| number("status")).or(digits).filter(|status| (400..600).contains(status)),
    }
}
