//! Every field of a request for `POST /api/chat`, as typed in Ollama's SDK, and the settings of all requests. All others
//! are refused.
//!
//! If the handling depends on the value, the decoder records the field only for a value that matters:
//! `logprobs: false` has no effect.

use crate::Format;
use crate::chat::fields::FieldHandling::{Adapted, Carried, Hint, Refused};
use crate::chat::fields::{FieldRow, HandlingByFormat};

pub(super) const CARRIED: HandlingByFormat = HandlingByFormat::all(Carried);
const ADAPTED: HandlingByFormat = HandlingByFormat::all(Adapted);
pub(super) const HINT: HandlingByFormat = HandlingByFormat::all(Hint);
pub(super) const REFUSED: HandlingByFormat = HandlingByFormat::all(Refused);
const PENALTY: HandlingByFormat =
    REFUSED.with(Format::OpenAiChat, Carried).with(Format::Gemini, Carried).with(Format::Cohere, Carried);

pub(super) const fn row(
    path: &'static str,
    handling_by_format: HandlingByFormat,
    sample: &'static str,
    note: &'static str,
) -> FieldRow {
    FieldRow { path, handling_by_format, note, sample }
}

#[rustfmt::skip] // A row a line.
pub(super) const SETTINGS: [FieldRow; 30] = [
    row("model", CARRIED, r#""llama3.2""#, ""),
    row("stream", CARRIED, "true", "the default is a stream"),
    row("format", CARRIED, r#"{"type":"object"}"#, "`json` or a schema"),
    row("think", ADAPTED, r#""high""#, "`true` lets the model decide; an effort becomes a budget if the dialect has no efforts"),
    row("keep_alive", HINT, r#""5m""#, "how long a server of one's own keeps the model in memory"),
    row("logprobs", REFUSED, "true", "false is carried"),
    row("top_logprobs", REFUSED, "3", "see `logprobs`"),
    row("options", CARRIED, "{}", ""),
    row("options.temperature", CARRIED, "0.5", ""),
    row("options.top_p", CARRIED, "0.9", ""),
    row("options.num_predict", CARRIED, "100", "0 or less is no limit"),
    row("options.stop", CARRIED, r#"["END"]"#, ""),
    row("options.top_k", REFUSED.with(Format::Anthropic, Carried).with(Format::Gemini, Carried).with(Format::Cohere, Carried).with(Format::Bedrock, Adapted), "40", "OpenAI's dialect has no such field"),
    row("options.seed", HINT.with(Format::OpenAiChat, Carried).with(Format::Gemini, Carried).with(Format::Cohere, Carried), "7", "best effort elsewhere too"),
    row("options.presence_penalty", PENALTY, "0.5", "0 is carried; Anthropic has no penalties"),
    row("options.frequency_penalty", PENALTY, "0.5", "0 is carried; Anthropic has no penalties"),
    row("options.repeat_penalty", REFUSED, "1.2", "others have no such field"),
    row("options.min_p", REFUSED, "0.1", "others have no such field"),
    row("options.num_ctx", HINT, "8192", "how a server of one's own runs the model"),
    row("options.num_keep", HINT, "5", "see `options.num_ctx`"),
    row("options.num_batch", HINT, "2", "see `options.num_ctx`"),
    row("options.num_gpu", HINT, "1", "see `options.num_ctx`"),
    row("options.main_gpu", HINT, "0", "see `options.num_ctx`"),
    row("options.num_thread", HINT, "8", "see `options.num_ctx`"),
    row("options.numa", HINT, "false", "see `options.num_ctx`"),
    row("options.low_vram", HINT, "false", "see `options.num_ctx`"),
    row("options.f16_kv", HINT, "true", "see `options.num_ctx`"),
    row("options.use_mmap", HINT, "true", "see `options.num_ctx`"),
    row("options.use_mlock", HINT, "false", "see `options.num_ctx`"),
    row("options.vocab_only", HINT, "false", "see `options.num_ctx`"),
];

#[rustfmt::skip] // A row a line.
const CHAT: [FieldRow; 20] = [
    row("messages", CARRIED, r#"[{"role":"user","content":"Hi"}]"#, ""),
    row("messages[].role", CARRIED, r#""user""#, "system messages become the system prompt at any position"),
    row("messages[].content", CARRIED, r#""Hi""#, ""),
    row("messages[].images", CARRIED, r#"["iVBORw0KGgo="]"#, "the type is found in the bytes; PNG if it is unknown"),
    row("messages[].thinking", HINT, r#""Hm.""#, "thoughts of another model, which can't be verified"),
    row("messages[].tool_calls", CARRIED, r#"[{"function":{"name":"f","arguments":{}}}]"#, ""),
    row("messages[].tool_calls[].id", CARRIED, r#""call_1""#, "made of the position if it is missing; a signature in it is removed"),
    row("messages[].tool_calls[].type", CARRIED, r#""function""#, ""),
    row("messages[].tool_calls[].function", CARRIED, r#"{"name":"f","arguments":{}}"#, ""),
    row("messages[].tool_calls[].function.index", CARRIED, "0", ""),
    row("messages[].tool_calls[].function.name", CARRIED, r#""f""#, ""),
    row("messages[].tool_calls[].function.arguments", CARRIED, r#"{"a":1}"#, ""),
    row("messages[].tool_name", ADAPTED, r#""f""#, "the result belongs to the first call of this tool without a result"),
    row("messages[].tool_call_id", CARRIED, r#""call_1""#, "a signature in it is removed"),
    row("tools", CARRIED, r#"[{"type":"function","function":{"name":"f"}}]"#, ""),
    row("tools[].type", CARRIED, r#""function""#, ""),
    row("tools[].function", CARRIED, r#"{"name":"f"}"#, ""),
    row("tools[].function.name", CARRIED, r#""f""#, ""),
    row("tools[].function.description", CARRIED, r#""Does f""#, ""),
    row("tools[].function.parameters", CARRIED, r#"{"type":"object"}"#, ""),
];

/// The rows of an operation after those of all.
pub(super) const fn with_settings<const OWN: usize, const ALL: usize>(own: [FieldRow; OWN]) -> [FieldRow; ALL] {
    let mut all = [SETTINGS[0]; ALL];
    let mut at = 0;
    while at < ALL {
        all[at] = if at < SETTINGS.len() { SETTINGS[at] } else { own[at - SETTINGS.len()] };
        at += 1;
    }
    all
}

pub const FIELDS: &[FieldRow] = &with_settings::<{ CHAT.len() }, { SETTINGS.len() + CHAT.len() }>(CHAT);

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use serde_json::{Value, json};

    use super::*;
    use crate::RequestError;
    use crate::format::ollama::request::decode;
    use crate::registry::{fit, handling};

    /// The smallest request with a place for the field at `path`.
    fn request_around(path: &str) -> Value {
        let call = json!({"id": "call_1", "function": {"name": "f", "arguments": {}}});
        let under = |prefix: &str| path.starts_with(prefix);
        let mut request = json!({"messages": [{"role": "user", "content": "Hi"}]});
        if under("messages[].tool_name") || under("messages[].tool_call_id") {
            return json!({"messages": [
                {"role": "tool", "content": "x"}, {"role": "assistant", "content": "", "tool_calls": [call]},
            ]});
        }
        if under("messages[].tool_calls") || under("messages[].thinking") {
            request["messages"][0] = json!({"role": "assistant", "content": "Hi", "tool_calls": [call]});
        } else if under("tools[]") {
            request["tools"] = json!([{"type": "function", "function": {"name": "f"}}]);
        } else if under("options.") {
            request["options"] = json!({});
        }
        request
    }

    #[test]
    fn each_row_is_handled_as_specified() {
        let mut seen = HashSet::new();
        for field in FIELDS {
            let path = field.path;
            assert!(seen.insert(path), "{path} has two rows");
            let mut body = request_around(path);
            let mut place = &mut body;
            for key in path.split('.') {
                place = &mut place[key.trim_end_matches("[]")];
                if key.ends_with("[]") {
                    place = &mut place[0];
                }
            }
            *place = serde_json::from_str(field.sample).unwrap_or_else(|error| panic!("{path}: {error}"));
            if body["messages"][0]["role"] == "tool" {
                body["messages"].as_array_mut().unwrap().reverse();
            }
            let request = decode(body.as_object().unwrap()).unwrap_or_else(|error| panic!("{path}: {error}\n{body}"));
            for upstream in Format::ALL {
                let fitted = fit(Format::Ollama, &request.fields, upstream);
                match handling(Format::Ollama, path, upstream) {
                    Carried | Adapted => assert!(fitted.is_ok(), "{path} to {upstream:?}: {fitted:?}"),
                    Hint => assert!(fitted.unwrap().iter().any(|hint| hint == path), "{path} to {upstream:?}"),
                    Refused => {
                        let refused =
                            RequestError::Unsupported { field: path.to_owned(), upstream: upstream.dialect() };
                        assert_eq!(fitted, Err(refused), "{path}");
                    }
                }
            }
            let plain = Format::ALL.iter().all(|other| field.handling_by_format.towards(*other) == Carried);
            assert!(plain || !field.note.is_empty(), "{path} has no note");
        }
    }

    #[test]
    fn fields_without_a_row_are_refused() {
        for (path, body) in [
            ("novelty", json!({"novelty": 1, "messages": [{"role": "user", "content": "Hi"}]})),
            ("messages[].novelty", json!({"messages": [{"role": "user", "content": "Hi", "novelty": 1}]})),
            ("options.novelty", json!({"messages": [{"role": "user", "content": "Hi"}], "options": {"novelty": 1}})),
        ] {
            let read = decode(body.as_object().unwrap()).unwrap();
            assert_eq!(read.fields, [path]);
            assert!(fit(Format::Ollama, &read.fields, Format::OpenAiChat).is_err(), "{path}");
        }
    }
}
