//! The parts of an answer: shared by answers, streams and conversations that are encoded for Gemini.

use serde_json::{Map, Value, json};

use crate::chat::mark::mark;
use crate::chat::origin::Origin;
use crate::chat::{Media, MediaSource, Part, Thought, ToolCall, object};

/// Before a signature that Gemini gave to the text after a thought. No signature begins so: they are Base64.
const OF_TEXT: &str = "text:";

/// Creates ids for the calls of one answer: Gemini 2 has none.
#[derive(Debug, Default)]
pub(super) struct CallIds {
    made: usize,
}

impl CallIds {
    /// The model's own id; else one derived from the id of the answer, because callers distinguish calls of several
    /// turns only by their ids; else `call_{n}`.
    pub(super) fn id(&mut self, own: Option<&str>, response: Option<&str>) -> String {
        let at = self.made;
        self.made += 1;
        if let Some(own) = own.filter(|id| !id.is_empty()) {
            return own.to_owned();
        }
        // The intersection of the callers' dialects: OpenAI's 40 characters, Anthropic's alphabet.
        let answer: String = response
            .unwrap_or_default()
            .chars()
            .filter(|character| character.is_ascii_alphanumeric() || matches!(character, '-' | '_'))
            .take(28)
            .collect();
        if answer.is_empty() { format!("call_{at}") } else { format!("call_{answer}_{at}") }
    }
}

/// A decoded part of an answer.
#[derive(Debug, PartialEq)]
pub(super) enum DecodedPart {
    Text { text: String, signature: Option<String> },
    Thought { text: String, signature: Option<String> },
    Call(ToolCall),
    Media(Media),
}

/// Decodes a part of an answer. `None` for parts that no other dialect can express, such as code that Google's own tool
/// ran.
pub(super) fn decode(part: &Value, ids: &mut CallIds, response: Option<&str>) -> Result<Option<DecodedPart>, String> {
    let signature =
        part.get("thoughtSignature").and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    if let Some(call) = part.get("functionCall") {
        let name = call.get("name").and_then(Value::as_str).filter(|name| !name.is_empty());
        let Some(name) = name else { return Err("a functionCall has no name".to_owned()) };
        let arguments = match call.get("args") {
            None | Some(Value::Null) => "{}".to_owned(),
            Some(args @ Value::Object(_)) => args.to_string(),
            Some(_) => return Err(format!("the args of functionCall {name} are not an object")),
        };
        let id = ids.id(call.get("id").and_then(Value::as_str), response);
        return Ok(Some(DecodedPart::Call(ToolCall { id, name: name.to_owned(), arguments, signature })));
    }
    if let Some(blob) = part.get("inlineData") {
        let field = |name: &str| blob.get(name).and_then(Value::as_str).map(str::to_owned);
        let Some(data) = field("data") else { return Err("an inlineData has no data".to_owned()) };
        return Ok(Some(DecodedPart::Media(Media {
            media_type: field("mimeType"),
            source: MediaSource::Base64(data),
            filename: None,
            detail: None,
        })));
    }
    if let Some(file) = part.get("fileData") {
        let field = |name: &str| file.get(name).and_then(Value::as_str).map(str::to_owned);
        let Some(uri) = field("fileUri") else { return Err("a fileData has no fileUri".to_owned()) };
        return Ok(Some(DecodedPart::Media(Media {
            media_type: field("mimeType"),
            source: MediaSource::Url(uri),
            filename: None,
            detail: None,
        })));
    }
    let text = match part.get("text") {
        Some(Value::String(text)) => text.clone(),
        Some(_) => return Err("the text of a part is not a string".to_owned()),
        None if signature.is_some() && part.as_object().is_some_and(|part| part.len() <= 2) => String::new(),
        None => return Ok(None),
    };
    if part.get("thought").and_then(Value::as_bool) == Some(true) {
        return Ok(Some(DecodedPart::Thought { text, signature }));
    }
    Ok(Some(DecodedPart::Text { text, signature }))
}

/// Encodes a part of an answer for a caller. `None` if there is nothing to write, or Gemini can't express it.
pub(super) fn encode(part: &Part, first_call: bool, origin: &Origin) -> Option<Value> {
    match part {
        Part::Text(text) | Part::Refusal(text) => (!text.is_empty()).then(|| json!({"text": text})),
        Part::Media(media) => Some(encode_media(media, media.media_type.as_deref())),
        Part::ToolCall(call) => encode_marked_call(call, first_call, origin),
        Part::Thinking(thought) => Some(encode_marked_thought(thought, origin)),
        Part::ToolResult(_) => None,
    }
}

/// A thought for a caller: marked, because the signature is another provider's.
pub(super) fn encode_marked_thought(thought: &Thought, origin: &Origin) -> Value {
    let text = thought.text.as_deref().unwrap_or_default();
    let mut part = json!({"text": text, "thought": true});
    let signature = mark(origin, thought);
    sign(&mut part, Some(&*signature).filter(|signature| !signature.is_empty()));
    part
}

/// A call for a caller. Gemini signs the first call of an answer and requires the signature back; for another
/// provider's call, the mark takes the place of the signature.
pub(super) fn encode_marked_call(call: &ToolCall, first: bool, origin: &Origin) -> Option<Value> {
    match &call.signature {
        None if first && *origin != Origin::OWN => encode_call(call, Some(&mark(origin, &Thought::default()))),
        signature => encode_call(call, signature.as_deref()),
    }
}

/// Writes thoughts and texts that are Gemini's own, with each signature where Gemini gave it.
#[derive(Debug, Default)]
pub(super) struct OwnParts {
    /// The signature of the next text, which came with the thought before it.
    of_text: Option<String>,
}

impl OwnParts {
    /// A thought; `None` if it is only the signature of the next text.
    pub(super) fn thought(&mut self, thought: &Thought) -> Option<Value> {
        let text = thought.text.as_deref().unwrap_or_default();
        let mut part = json!({"text": text, "thought": true});
        match thought.signature.as_deref().map(|signature| (signature, signature.strip_prefix(OF_TEXT))) {
            Some((_, Some(of_text))) => self.of_text = Some(of_text.to_owned()),
            Some((signature, None)) => {
                sign(&mut part, Some(signature));
                return Some(part);
            }
            None => {}
        }
        (!text.is_empty()).then_some(part)
    }

    pub(super) fn text(&mut self, text: &str) -> Value {
        let mut part = json!({"text": text});
        sign(&mut part, self.of_text.take().as_deref());
        part
    }

    /// What is left at the end.
    pub(super) fn rest(&mut self) -> Option<Value> {
        self.of_text.is_some().then(|| self.text(""))
    }
}

/// The signature of the text after a thought, as other dialects keep it: with the thought.
pub(super) fn of_text(signature: &str) -> String {
    format!("{OF_TEXT}{signature}")
}

/// Encodes a call; `None` if its arguments are not a JSON object.
pub(super) fn encode_call(call: &ToolCall, signature: Option<&str>) -> Option<Value> {
    let args = arguments(&call.arguments)?;
    let called = object([("id", json!(call.id)), ("name", json!(call.name)), ("args", Value::Object(args))]);
    let mut part = object([("functionCall", called)]);
    sign(&mut part, signature);
    Some(part)
}

/// Arguments as the object that Gemini requires; an empty text means no arguments.
pub(super) fn arguments(text: &str) -> Option<Map<String, Value>> {
    if text.trim().is_empty() {
        return Some(Map::new());
    }
    serde_json::from_str(text).ok()
}

pub(super) fn encode_media(media: &Media, media_type: Option<&str>) -> Value {
    let (kind, field, data) = match &media.source {
        MediaSource::Base64(data) => ("inlineData", "data", data),
        MediaSource::Url(url) => ("fileData", "fileUri", url),
    };
    let mut blob = Map::new();
    if let Some(media_type) = media_type {
        blob.insert("mimeType".to_owned(), json!(media_type));
    }
    blob.insert(field.to_owned(), json!(data));
    object([(kind, Value::Object(blob))])
}

fn sign(part: &mut Value, signature: Option<&str>) {
    if let (Value::Object(part), Some(signature)) = (part, signature) {
        part.insert("thoughtSignature".to_owned(), json!(signature));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makes_ids_for_calls_that_have_none() {
        let mut ids = CallIds::default();
        assert_eq!(ids.id(Some("own"), Some("r")), "own");
        assert_eq!(ids.id(None, Some("r1/+=-_")), "call_r1-__1");
        assert_eq!(ids.id(Some(""), None), "call_2");
        assert!(ids.id(None, Some(&"x".repeat(99))).len() <= 40);
    }

    #[test]
    fn refuses_parts_of_the_wrong_shape() {
        for (part, problem) in [
            (json!({"functionCall": {}}), "a functionCall has no name"),
            (json!({"functionCall": {"name": "f", "args": [1]}}), "the args of functionCall f are not an object"),
            (json!({"inlineData": {"mimeType": "image/png"}}), "an inlineData has no data"),
            (json!({"fileData": {}}), "a fileData has no fileUri"),
            (json!({"text": 1}), "the text of a part is not a string"),
        ] {
            assert_eq!(decode(&part, &mut CallIds::default(), None), Err(problem.to_owned()), "{part}");
        }
    }

    #[test]
    fn skips_parts_that_only_gemini_has() {
        for part in [
            json!({"executableCode": {"code": "1"}}),
            json!({}),
            json!({"codeExecutionResult": {}, "thoughtSignature": "s", "x": 1}),
        ] {
            assert_eq!(decode(&part, &mut CallIds::default(), None), Ok(None), "{part}");
        }
    }
}
