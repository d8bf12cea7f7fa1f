//! The forms in which servers of this format send thoughts, and want them back.
//!
//! Other formats keep a note of the form in the place of the signature ([`Thought::signature`]):
//!
//! | note | form |
//! |---|---|
//! | none | `reasoning_content`: DeepSeek, SGLang, xAI |
//! | `reasoning` | `reasoning`: Groq, Cerebras, Ollama, vLLM |
//! | `parts` | parts of type `thinking` in the content: Mistral |
//! | a JSON list | `reasoning_details`: OpenRouter, with other vendors' signatures. The text of the only detail that has one is left out: it is the thought's own |

use serde_json::{Value, json};

use crate::chat::{JsonObject, Thought};

/// How a server sends thoughts.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum ThoughtForm {
    ReasoningContent,
    Reasoning,
    Parts,
    /// The entries of `reasoning_details`.
    Details(Vec<Value>),
}

/// The fields of a detail with text.
const TEXTS: [&str; 2] = ["text", "summary"];
/// The most details that a stream collects.
const MOST_DETAILS: usize = 1_000;

impl ThoughtForm {
    /// The field of the message.
    pub(super) fn key(&self) -> &'static str {
        match self {
            ThoughtForm::ReasoningContent => "reasoning_content",
            ThoughtForm::Reasoning => "reasoning",
            ThoughtForm::Parts => "content",
            ThoughtForm::Details(_) => "reasoning_details",
        }
    }

    /// The note of this form; `None` for the usual one.
    pub(super) fn note(&self) -> Option<String> {
        match self {
            ThoughtForm::ReasoningContent => None,
            ThoughtForm::Reasoning => Some("reasoning".to_owned()),
            ThoughtForm::Parts => Some("parts".to_owned()),
            ThoughtForm::Details(details) => {
                let mut details = details.clone();
                if let [(at, key)] = texts(&details)[..]
                    && let Some(detail) = details.get_mut(at)
                {
                    detail[key] = json!("");
                }
                Some(Value::Array(details).to_string())
            }
        }
    }

    fn read(note: Option<&str>) -> Option<ThoughtForm> {
        Some(match note {
            None => ThoughtForm::ReasoningContent,
            Some("reasoning") => ThoughtForm::Reasoning,
            Some("parts") => ThoughtForm::Parts,
            Some(details) => ThoughtForm::Details(serde_json::from_str(details).ok()?),
        })
    }

    /// Adds a streamed piece to the form of the thinking so far.
    pub(super) fn add(so_far: &mut Option<ThoughtForm>, piece: ThoughtForm) {
        match (so_far, piece) {
            (Some(ThoughtForm::Details(all)), ThoughtForm::Details(more)) => {
                for detail in more {
                    join(all, detail);
                }
            }
            // OpenRouter sends the text without its detail too.
            (Some(ThoughtForm::Details(_)), _) => {}
            (so_far, piece) => *so_far = Some(piece),
        }
    }
}

/// Adds a streamed detail to those of the same type and index: their texts, and encrypted data, are joined.
fn join(all: &mut Vec<Value>, detail: Value) {
    let same = |other: &&mut Value| ["type", "index", "id"].iter().all(|key| other.get(key) == detail.get(key));
    let (Some(Value::Object(known)), Some(more)) = (all.iter_mut().rev().find(same), detail.as_object()) else {
        if all.len() < MOST_DETAILS {
            all.push(detail);
        }
        return;
    };
    for (key, value) in more.iter().filter(|(_, value)| !value.is_null()) {
        match (known.get_mut(key), value) {
            (Some(Value::String(text)), Value::String(more)) if TEXTS.contains(&key.as_str()) || key == "data" => {
                text.push_str(more);
            }
            _ => drop(known.insert(key.clone(), value.clone())),
        }
    }
}

/// The details with text, and the name of the field.
fn texts(details: &[Value]) -> Vec<(usize, &'static str)> {
    let text = |detail: &Value| TEXTS.into_iter().find(|key| detail.get(key).is_some_and(Value::is_string));
    details.iter().enumerate().filter_map(|(at, detail)| Some((at, text(detail)?))).collect()
}

/// Writes thoughts into a message as the server sent them. The content is written by [`before`].
pub(super) fn write(thoughts: &[&Thought], message: &mut JsonObject) {
    for thought in thoughts {
        let own = thought.text.as_deref().unwrap_or_default();
        match ThoughtForm::read(thought.signature.as_deref()) {
            Some(ThoughtForm::Details(mut details)) => {
                if let [(at, key)] = texts(&details)[..]
                    && let Some(detail) = details.get_mut(at)
                {
                    detail[key] = json!(own);
                }
                let list = message.entry("reasoning_details").or_insert_with(|| json!([]));
                if let Some(list) = list.as_array_mut() {
                    list.extend(details);
                }
            }
            Some(form @ (ThoughtForm::ReasoningContent | ThoughtForm::Reasoning)) if !own.is_empty() => {
                if let Value::String(text) = message.entry(form.key()).or_insert_with(|| json!("")) {
                    text.push_str(own);
                }
            }
            _ => {}
        }
    }
}

/// The content of a message, after the thoughts that belong into it.
pub(super) fn before(thoughts: &[&Thought], content: Value) -> Value {
    let own = thoughts.iter().filter(|thought| thought.signature.as_deref() == Some("parts"));
    let mut parts: Vec<Value> =
        own.map(|thought| json!({"type": "thinking", "thinking": [{"type": "text", "text": thought.text}]})).collect();
    match content {
        content if parts.is_empty() => return content,
        Value::Null => {}
        Value::Array(more) => parts.extend(more),
        text => parts.push(json!({"type": "text", "text": text})),
    }
    Value::Array(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server's thought, in the way of another format and back.
    fn back(form: &ThoughtForm, text: &str) -> Value {
        let thought = Thought { text: Some(text.to_owned()), signature: form.note(), ..Thought::default() };
        let mut message = JsonObject::new();
        write(&[&thought], &mut message);
        let content = before(&[&thought], Value::Null);
        if !content.is_null() {
            message.insert("content".to_owned(), content);
        }
        Value::Object(message)
    }

    #[test]
    fn each_form_comes_back() {
        let signed = json!([{"type": "reasoning.text", "text": "hm", "signature": "s", "index": 0}]);
        let several = json!([{"type": "reasoning.summary", "summary": "h"}, {"type": "reasoning.text", "text": "m"},
            {"type": "reasoning.encrypted", "data": "x"}]);
        for (form, message) in [
            (ThoughtForm::ReasoningContent, json!({"reasoning_content": "hm"})),
            (ThoughtForm::Reasoning, json!({"reasoning": "hm"})),
            (
                ThoughtForm::Parts,
                json!({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]}),
            ),
            (ThoughtForm::Details(signed.as_array().unwrap().clone()), json!({"reasoning_details": signed})),
            (ThoughtForm::Details(several.as_array().unwrap().clone()), json!({"reasoning_details": several})),
        ] {
            assert_eq!(back(&form, "hm"), message);
        }
        let note = ThoughtForm::Details(signed.as_array().unwrap().clone()).note().unwrap();
        assert!(!note.contains("hm"), "the text is not kept twice: {note}");
    }

    #[test]
    fn streamed_details_are_joined() {
        let mut form = None;
        for piece in [
            json!([{"type": "reasoning.text", "text": "h", "format": "f", "index": 0}]),
            json!([{"type": "reasoning.text", "text": "m", "format": "f", "index": 0}]),
            json!([{"type": "reasoning.text", "signature": "s", "format": "f", "index": 0}]),
            json!([{"type": "reasoning.encrypted", "data": "x", "index": 1}]),
        ] {
            ThoughtForm::add(&mut form, ThoughtForm::Reasoning);
            ThoughtForm::add(&mut form, ThoughtForm::Details(piece.as_array().unwrap().clone()));
        }
        let joined = json!([
            {"type": "reasoning.text", "text": "hm", "format": "f", "index": 0, "signature": "s"},
            {"type": "reasoning.encrypted", "data": "x", "index": 1},
        ]);
        assert_eq!(form, Some(ThoughtForm::Details(joined.as_array().unwrap().clone())));
    }
}
