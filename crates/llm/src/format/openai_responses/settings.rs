//! What an answer repeats of its request: the settings that a response object must have, and the names of tools whose
//! calls are written in a form of their own.
//!
//! Neither the instructions nor the tools are repeated: they may be larger than the answer, and clients have them.

use serde_json::{Value, json};

use super::named_tools::{self, NamedTool};
use crate::chat::JsonObject;
use crate::json::raw::{self, unescape};

/// The value of `include` that asks for encrypted thoughts.
pub(crate) const ENCRYPTED: &str = "reasoning.encrypted_content";

/// The fields that are repeated.
const REPEATED: [&str; 13] = [
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "parallel_tool_calls",
    "prompt_cache_key",
    "reasoning",
    "safety_identifier",
    "temperature",
    "text",
    "tool_choice",
    "top_p",
    "truncation",
    "user",
];

/// The longest value that is repeated, in bytes. A longer one is left out, or replaced by its default.
const LONGEST: usize = 16 << 10;

/// What an answer repeats of its request.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ResponseSettings {
    repeated: JsonObject,
    named_tools: Vec<NamedTool>,
    /// Whether thoughts are returned with what only their provider can read.
    encrypts: bool,
}

impl ResponseSettings {
    /// Reads them from the body of a request.
    #[must_use]
    pub fn of(body: &[u8]) -> ResponseSettings {
        let mut settings = ResponseSettings::default();
        let Ok(text) = std::str::from_utf8(body) else { return settings };
        // The body was read before, so it is an object.
        let _ = raw::members(text, |key, value| {
            let (key, value) = (unescape(key.get()), value.get());
            match &*key {
                "tools" => settings.named_tools = named_tools::of(value),
                "include" => {
                    let _ = raw::elements(value, |one| settings.encrypts |= raw::is(Some(one.get()), ENCRYPTED));
                }
                "store" => settings.encrypts |= value == "false",
                key if REPEATED.contains(&key) && value.len() <= LONGEST => {
                    if let Ok(value) = serde_json::from_str(value) {
                        settings.repeated.insert(key.to_owned(), value);
                    }
                }
                _ => {}
            }
        });
        settings
    }

    /// Whether thoughts are returned with what only their provider can read.
    pub(super) fn encrypts(&self) -> bool {
        self.encrypts
    }

    /// The tool that a function stands for; `None` if it is a plain function.
    pub(super) fn tool(&self, function: &str) -> Option<&NamedTool> {
        self.named_tools.iter().find(|tool| tool.function == function)
    }

    /// Writes them into a response object, with OpenAI's defaults for those that clients expect.
    pub(super) fn write(&self, response: &mut JsonObject) {
        for (key, default) in [
            ("parallel_tool_calls", json!(true)),
            ("tool_choice", json!("auto")),
            ("text", json!({"format": {"type": "text"}})),
            ("truncation", json!("disabled")),
            ("metadata", json!({})),
        ] {
            response.insert(key.to_owned(), default);
        }
        for (key, value) in self.repeated.iter().filter(|(_, value)| !value.is_null()) {
            response.insert(key.clone(), value.clone());
        }
        for (key, value) in [
            // Nothing is stored.
            ("store", Value::Bool(false)),
            ("background", Value::Bool(false)),
            ("instructions", Value::Null),
            ("tools", json!([])),
            ("previous_response_id", Value::Null),
        ] {
            response.insert(key.to_owned(), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_from_the_body() {
        let body = json!({
            "model": "m", "input": "x".repeat(9), "instructions": "Be brief.", "temperature": 0.5, "top_p": null,
            "metadata": {"a": "x".repeat(LONGEST)}, "store": false,
            "tools": [{"type": "custom", "name": "patch"}, {"type": "function", "name": "f"}],
        });
        let settings = ResponseSettings::of(body.to_string().as_bytes());
        assert!(settings.encrypts());
        assert_eq!(settings.tool("f"), None);
        assert!(settings.tool("patch").is_some_and(|tool| tool.custom));
        let mut response = JsonObject::new();
        settings.write(&mut response);
        assert_eq!(response["temperature"], json!(0.5));
        assert_eq!(response["metadata"], json!({}));
        assert_eq!(response["instructions"], Value::Null);
        assert_eq!(response.get("top_p"), None);
    }

    #[test]
    fn encrypted_thoughts_are_asked_for_or_needed_because_nothing_is_stored() {
        for (body, encrypts) in [
            (json!({}), false),
            (json!({"store": true, "include": []}), false),
            (json!({"store": true, "include": ["reasoning.encrypted_content"]}), true),
            (json!({"store": false}), true),
        ] {
            assert_eq!(ResponseSettings::of(body.to_string().as_bytes()).encrypts(), encrypts, "{body}");
        }
    }
}
