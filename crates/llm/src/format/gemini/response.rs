//! A complete `GenerateContentResponse`.

use serde_json::{Map, Value, json};

use super::parts::{self, CallIds, DecodedPart, OwnParts};
use super::{citations, finish, usage};
use crate::chat::citation::KeptCitations;
use crate::chat::origin::Origin;
use crate::chat::{ChatResponse, Finish, Part, Thought, object};
use crate::{Answer, Dialect, Malformed};

/// Decodes an answer.
///
/// A blocked prompt is an answer without parts: [`Finish::Filtered`].
///
/// # Errors
/// [`Malformed`] if it is an error object, has no candidate although nothing was blocked, or its candidate is empty
/// without a reason.
pub fn decode(body: &Value) -> Result<ChatResponse, Malformed> {
    let Value::Object(object) = body else { return Err(malformed("it is not an object")) };
    if let Some(error) = object.get("error") {
        let message = error.get("message").and_then(Value::as_str).unwrap_or("an error without a message");
        return Err(malformed(format!("it is an error: {message}")));
    }
    let text = |name: &str| object.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    let mut response = ChatResponse {
        id: text("responseId"),
        model: text("modelVersion"),
        usage: object.get("usageMetadata").map(usage::decode).unwrap_or_default(),
        ..ChatResponse::default()
    };
    let Some(candidate) = first_candidate(body) else {
        if !is_blocked(body) {
            return Err(malformed("it has no candidates"));
        }
        response.finish = Some(Finish::Filtered);
        return Ok(response);
    };

    let mut ids = CallIds::default();
    for part in content_parts(candidate)? {
        match parts::decode(part, &mut ids, response.id.as_deref()).map_err(malformed)? {
            None => {}
            Some(DecodedPart::Text { text, signature }) => {
                close_thinking(&mut response.parts, signature.as_deref().map(parts::of_text));
                if !text.is_empty() {
                    response.parts.push(Part::Text(text));
                }
            }
            Some(DecodedPart::Thought { text, signature }) if text.is_empty() => {
                close_thinking(&mut response.parts, signature);
            }
            Some(DecodedPart::Thought { text, signature }) => {
                response.parts.push(Part::Thinking(Thought { text: Some(text), signature, ..Thought::default() }));
            }
            Some(DecodedPart::Call(call)) => response.parts.push(Part::ToolCall(call)),
            Some(DecodedPart::Media(media)) => response.parts.push(Part::Media(media)),
        }
    }

    citations::decode(candidate, &mut KeptCitations::default(), &mut response.citations);
    let calls = response.parts.iter().any(|part| matches!(part, Part::ToolCall(_)));
    let reason = candidate.get("finishReason").and_then(Value::as_str).unwrap_or_default();
    response.finish = match finish::decode(reason, calls) {
        finish::Reason::Finished(finish) => Some(finish),
        finish::Reason::Failed if response.parts.is_empty() => {
            let message = candidate.get("finishMessage").and_then(Value::as_str).unwrap_or("nothing was said");
            return Err(malformed(format!("it finished with {reason}: {message}")));
        }
        finish::Reason::Failed if calls => Some(Finish::ToolCalls),
        finish::Reason::Failed => Some(Finish::Stop),
        finish::Reason::Unspecified if response.parts.is_empty() => {
            return Err(malformed("its candidate has neither content nor a finishReason"));
        }
        finish::Reason::Unspecified => calls.then_some(Finish::ToolCalls),
    };
    Ok(response)
}

/// Encodes an answer in the schema that Google's SDKs validate.
///
/// Omitted: the stop sequence that ended the answer. A call whose arguments are not JSON is
/// reported as Gemini reports its own: `MALFORMED_FUNCTION_CALL`.
#[must_use]
pub fn encode(response: &ChatResponse, answer: &Answer) -> Value {
    let mut parts = Vec::with_capacity(response.parts.len());
    let mut texts = Vec::new();
    let mut broken = None;
    let mut called = false;
    let mut own = (answer.origin == Origin::OWN).then(OwnParts::default);
    for part in &response.parts {
        let first_call = !called;
        called |= matches!(part, Part::ToolCall(_));
        let encoded = match (part, &mut own) {
            (Part::Thinking(thought), Some(own)) => own.thought(thought),
            (Part::Text(text), Some(own)) if !text.is_empty() => Some(own.text(text)),
            _ => parts::encode(part, first_call, &answer.origin),
        };
        match (encoded, part) {
            (Some(encoded), _) => {
                if let Part::Text(text) = part {
                    texts.push((parts.len(), text.as_str()));
                }
                parts.push(encoded);
            }
            (None, Part::ToolCall(call)) => broken = Some(call),
            (None, _) => {}
        }
    }
    parts.extend(own.and_then(|mut own| own.rest()));
    let mut candidate = Map::new();
    candidate.insert("content".to_owned(), object([("role", json!("model")), ("parts", Value::Array(parts))]));
    if let Some(sources) = citations::encode(&response.citations, &texts) {
        candidate.insert("groundingMetadata".to_owned(), sources);
    }
    if let Some(finish) = response.finish {
        candidate.insert("finishReason".to_owned(), json!(finish::encode(finish)));
    }
    if let Some(call) = broken.filter(|_| response.finish != Some(Finish::Length)) {
        candidate.insert("finishReason".to_owned(), json!("MALFORMED_FUNCTION_CALL"));
        candidate.insert("finishMessage".to_owned(), json!(broken_call(&call.name)));
    }
    candidate.insert("index".to_owned(), json!(0));

    let mut out = Map::new();
    out.insert("candidates".to_owned(), Value::Array(vec![Value::Object(candidate)]));
    if let Some(usage) = usage::encode(&response.usage) {
        out.insert("usageMetadata".to_owned(), usage);
    }
    out.insert("modelVersion".to_owned(), json!(response.model.as_ref().unwrap_or(&answer.model)));
    out.insert("responseId".to_owned(), json!(response.id.as_ref().unwrap_or(&answer.id)));
    Value::Object(out)
}

pub(super) fn broken_call(name: &str) -> String {
    format!("Malformed function call: the arguments of {name} are not a JSON object")
}

/// The first alternative: requests for several are not translated.
pub(super) fn first_candidate(body: &Value) -> Option<&Value> {
    let candidates = body.get("candidates")?.as_array()?;
    let index = |candidate: &Value| candidate.get("index").and_then(Value::as_u64).unwrap_or(0);
    candidates.iter().find(|candidate| index(candidate) == 0)
}

/// Any reason counts, known or not; the Gemini API sometimes sends only the message.
pub(super) fn is_blocked(body: &Value) -> bool {
    let has = |name: &str| {
        body.get("promptFeedback")
            .and_then(|feedback| feedback.get(name))
            .and_then(Value::as_str)
            .is_some_and(|text| !text.is_empty())
    };
    has("blockReason") || has("blockReasonMessage")
}

/// The parts of a candidate; empty if it has no content, as when it was filtered.
pub(super) fn content_parts(candidate: &Value) -> Result<&[Value], Malformed> {
    match candidate.get("content").map(|content| (content, content.get("parts"))) {
        None | Some((Value::Object(_) | Value::Null, None | Some(Value::Null))) => Ok(&[]),
        Some((_, Some(Value::Array(parts)))) => match parts.iter().find(|part| !part.is_object()) {
            None => Ok(parts),
            Some(_) => Err(malformed("a part is not an object")),
        },
        Some((_, Some(_))) => Err(malformed("content.parts is not a list")),
        Some((_, None)) => Err(malformed("content is not an object")),
    }
}

pub(super) fn malformed(problem: impl Into<String>) -> Malformed {
    Malformed { dialect: Dialect::Gemini, problem: problem.into() }
}

/// Gemini may sign the text after the thinking; other dialects sign the thinking itself. The signature of another text
/// is dropped: Google asks for it back but does not require it.
fn close_thinking(parts: &mut [Part], signature: Option<String>) {
    if let (Some(Part::Thinking(thought)), Some(signature)) = (parts.last_mut(), signature) {
        thought.signature.get_or_insert(signature);
    }
}

#[cfg(test)]
mod tests;
