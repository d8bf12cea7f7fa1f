//! No input panics, and encoded answers can be decoded again.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::stream::Decoder;
use super::{request, response};
use crate::chat::origin::Origin;
use crate::framing;
use crate::provider::Target;
use crate::{Answer, Dialect};

/// The names that the codec uses, in both spellings, so that values of any shape meet each.
const NAMES: &[&str] = &[
    "contents",
    "role",
    "parts",
    "text",
    "thought",
    "thoughtSignature",
    "inlineData",
    "inline_data",
    "fileData",
    "mimeType",
    "data",
    "fileUri",
    "functionCall",
    "function_call",
    "functionResponse",
    "id",
    "name",
    "args",
    "response",
    "systemInstruction",
    "tools",
    "functionDeclarations",
    "parameters",
    "parametersJsonSchema",
    "toolConfig",
    "functionCallingConfig",
    "mode",
    "allowedFunctionNames",
    "generationConfig",
    "responseMimeType",
    "responseSchema",
    "thinkingConfig",
    "thinkingBudget",
    "thinkingLevel",
    "maxOutputTokens",
    "candidateCount",
    "stopSequences",
    "candidates",
    "content",
    "finishReason",
    "finishMessage",
    "promptFeedback",
    "blockReason",
    "usageMetadata",
    "promptTokenCount",
    "candidatesTokenCount",
    "thoughtsTokenCount",
    "totalTokenCount",
    "error",
    "code",
    "message",
    "status",
    "index",
    "responseId",
    "type",
    "nullable",
    "properties",
    "anyOf",
    "enum",
    "other",
];

fn any_value() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "",
        "user",
        "model",
        "STOP",
        "MAX_TOKENS",
        "MALFORMED_FUNCTION_CALL",
        "ANY",
        "application/json",
        "{",
        "f",
        "\u{1F600}=",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.prop_map(Value::from),
    ];
    leaf.prop_recursive(7, 60, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((prop::sample::select(NAMES), inner), 0..6).prop_map(|entries| Value::Object(
                entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
            )),
        ]
    })
}

/// Values in places that are decoded, so that not every case ends at the first field.
fn in_place(value: &Value) -> Vec<Map<String, Value>> {
    let bodies = [
        value.clone(),
        json!({"contents": value}),
        json!({"contents": [{"parts": value}]}),
        json!({"contents": [{"parts": [value]}]}),
        json!({"contents": [{"parts": [{"functionCall": value}]}, {"parts": [{"functionResponse": value}]}]}),
        json!({"contents": [{"parts": []}], "generationConfig": value, "toolConfig": value}),
        json!({"contents": [{"parts": []}], "tools": [{"functionDeclarations": [{"name": "f", "parameters": value}]}]}),
        json!({"candidates": value}),
        json!({"candidates": [value]}),
        json!({"candidates": [{"content": {"parts": [value]}, "finishReason": "STOP"}], "usageMetadata": value}),
    ];
    bodies.into_iter().filter_map(|body| body.as_object().cloned()).collect()
}

proptest! {
    #[test]
    fn nothing_panics_and_encoded_answers_decode_again(value in any_value()) {
        for body in in_place(&value) {
            if let Ok(read) = request::decode(&body) {
                for model in ["gemini-3-flash", "gemini-2.5-pro", "other"] {
                    let _ = request::encode(&read, &Target::vendor(Dialect::Gemini, model), None);
                }
            }
            let body = Value::Object(body);
            if let Ok(read) = response::decode(&body) {
                let own = Answer { origin: Origin::OWN, ..Answer::default() };
                let again = response::decode(&response::encode(&read, &own));
                // An unfinished answer with an empty text has no content to encode.
                if read.finish.is_some() {
                    prop_assert_eq!(again, Ok(read));
                }
            }
            let event = framing::Event::of("", Some(&body.to_string()));
            let _ = Decoder::default().push(&event, &mut Vec::new());
        }
    }
}
