//! Every field of a request for `POST /v2/chat`, as typed in Cohere's SDK 7 (`cohere/v2/client.py`). All others are
//! refused.
//!
//! If the handling depends on the value, the decoder records the field only for a value that matters:
//! `safety_mode: "CONTEXTUAL"` and `priority: 0` have no effect.

use crate::Format;
use crate::chat::fields::FieldHandling::{Adapted, Carried, Hint, Refused};
use crate::chat::fields::{FieldRow, HandlingByFormat};

const CARRIED: HandlingByFormat = HandlingByFormat::all(Carried);
const ADAPTED: HandlingByFormat = HandlingByFormat::all(Adapted);
const HINT: HandlingByFormat = HandlingByFormat::all(Hint);
const REFUSED: HandlingByFormat = HandlingByFormat::all(Refused);

const fn row(
    path: &'static str,
    handling_by_format: HandlingByFormat,
    sample: &'static str,
    note: &'static str,
) -> FieldRow {
    FieldRow { path, handling_by_format, note, sample }
}

#[rustfmt::skip] // A row a line.
pub const FIELDS: &[FieldRow] = &[
    // The request.
    row("model", CARRIED, r#""command-a-03-2025""#, ""),
    row("messages", CARRIED, r#"[{"role":"user","content":"Hi"}]"#, ""),
    row("stream", CARRIED, "true", ""),
    row("max_tokens", CARRIED, "100", ""),
    row("temperature", CARRIED, "0.5", ""),
    row("p", CARRIED, "0.9", ""),
    row("k", REFUSED.with(Format::Ollama, Carried).with(Format::Anthropic, Carried).with(Format::Gemini, Carried), "40", "0 is carried; OpenAI's dialect has no such field"),
    row("seed", HINT.with(Format::Ollama, Carried).with(Format::OpenAiChat, Carried).with(Format::Gemini, Carried), "7", "best effort at Cohere too"),
    row("frequency_penalty", REFUSED.with(Format::Ollama, Carried).with(Format::OpenAiChat, Carried).with(Format::Gemini, Carried), "0.5", "0 is carried; Anthropic has no penalties"),
    row("presence_penalty", REFUSED.with(Format::Ollama, Carried).with(Format::OpenAiChat, Carried).with(Format::Gemini, Carried), "0.5", "0 is carried; Anthropic has no penalties"),
    row("stop_sequences", CARRIED, r#"["END"]"#, ""),
    row("response_format", CARRIED, r#"{"type":"json_object"}"#, ""),
    row("response_format.type", CARRIED, r#""json_object""#, ""),
    row("response_format.json_schema", CARRIED, r#"{"type":"object"}"#, ""),
    row("response_format.schema", CARRIED, r#"{"type":"object"}"#, "the name in version 1 of `response_format.json_schema`"),
    row("thinking", ADAPTED, r#"{"type":"disabled"}"#, "a budget becomes the nearest effort if the dialect has named efforts"),
    row("thinking.type", ADAPTED, r#""enabled""#, "see `thinking`"),
    row("thinking.token_budget", ADAPTED, "2048", "see `thinking`"),
    row("documents", REFUSED, r#"[{"id":"d","data":{"text":"x"}}]"#, "an empty list is carried; other dialects do not cite documents that are beside the messages"),
    row("citation_options", HINT, r#"{"mode":"ACCURATE"}"#, "how answers cite documents and results of tools"),
    row("safety_mode", REFUSED, r#""STRICT""#, "other modes are carried: they are less than Cohere adds by itself"),
    row("logprobs", REFUSED, "true", "false is carried"),
    row("priority", HINT, "1", "which request is served first; 0 is carried"),
    // Tools.
    row("tools", CARRIED, r#"[{"type":"function","function":{"name":"f"}}]"#, ""),
    row("tools[].type", CARRIED, r#""function""#, ""),
    row("tools[].function", CARRIED, r#"{"name":"f"}"#, ""),
    row("tools[].function.name", CARRIED, r#""f""#, ""),
    row("tools[].function.description", CARRIED, r#""Does f""#, ""),
    row("tools[].function.parameters", CARRIED, r#"{"type":"object"}"#, ""),
    row("strict_tools", HINT.with(Format::OpenAiChat, Carried).with(Format::Anthropic, Carried), "true", "Gemini has no strict tools; false is carried"),
    row("tool_choice", CARRIED, r#""REQUIRED""#, ""),
    // Messages.
    row("messages[].role", CARRIED, r#""user""#, "system messages become the system prompt at any position"),
    row("messages[].content", CARRIED, r#""Hi""#, ""),
    row("messages[].tool_call_id", CARRIED, r#""call_1""#, "a signature in it is removed"),
    row("messages[].tool_plan", ADAPTED, r#""I look.""#, "as text before the calls"),
    row("messages[].tool_calls", CARRIED, r#"[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]"#, ""),
    row("messages[].tool_calls[].id", CARRIED, r#""call_1""#, "a signature in it is removed"),
    row("messages[].tool_calls[].type", CARRIED, r#""function""#, ""),
    row("messages[].tool_calls[].function", CARRIED, r#"{"name":"f","arguments":"{}"}"#, ""),
    row("messages[].tool_calls[].function.name", CARRIED, r#""f""#, ""),
    row("messages[].tool_calls[].function.arguments", ADAPTED, r#""not an object""#, "an object's JSON is carried; other text is sent as `{\"arguments\": \"…\"}`"),
    row("messages[].citations", HINT, "[]", "citations in an earlier answer"),
    // Parts of a message's content.
    row("messages[].content[].type", CARRIED, r#""text""#, ""),
    row("messages[].content[].text", CARRIED, r#""Hi""#, ""),
    row("messages[].content[].thinking", HINT, r#""Hm.""#, "thoughts of another model, which can't be verified"),
    row("messages[].content[].image_url", CARRIED, r#"{"url":"https://example.com/a.png"}"#, ""),
    row("messages[].content[].image_url.url", CARRIED, r#""data:image/png;base64,AAAA""#, ""),
    row("messages[].content[].image_url.detail", HINT, r#""low""#, "`auto` is the default"),
    row("messages[].content[].document", ADAPTED, r#"{"id":"d","data":{"text":"x"}}"#, "in a tool's result: its data as JSON text"),
    row("messages[].content[].document.data", ADAPTED, r#"{"text":"x"}"#, "see `messages[].content[].document`"),
    row("messages[].content[].document.id", HINT, r#""d""#, "the name of the document in citations"),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use serde_json::{Value, json};

    use super::*;
    use crate::RequestError;
    use crate::format::cohere::request::decode;
    use crate::registry::{fit, handling};

    /// The smallest request with a place for the field at `path`.
    fn request_around(path: &str) -> Value {
        let call = json!({"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}});
        let with =
            |role: &str, part: Value| json!({"messages": [{"role": role, "tool_call_id": "c", "content": [part]}]});
        let under = |prefix: &str| path.starts_with(prefix);
        if under("messages[].content[].document") {
            return with("tool", json!({"type": "document", "document": {"data": "x"}}));
        }
        if under("messages[].content[].thinking") {
            return json!({"messages": [{"role": "assistant", "content": [{"type": "thinking", "thinking": "x"}]}]});
        }
        if under("messages[].content[].image_url") {
            let part = json!({"type": "image_url", "image_url": {"url": "https://example.com/a.png"}});
            return json!({"messages": [{"role": "user", "content": [part]}]});
        }
        if under("messages[].content[]") {
            return json!({"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]});
        }
        if under("messages[].tool_call_id") {
            return with("tool", json!({"type": "text", "text": "Hi"}));
        }
        if ["tool_calls", "tool_plan", "citations"].iter().any(|key| under(&format!("messages[].{key}"))) {
            return json!({"messages": [{"role": "assistant", "content": "Hi", "tool_calls": [call]}]});
        }
        let mut request = json!({"messages": [{"role": "user", "content": "Hi"}]});
        if under("tools[]") {
            request["tools"] = json!([{"type": "function", "function": {"name": "f"}}]);
        } else if under("response_format.") {
            request["response_format"] = json!({"type": "json_object"});
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
            let request = decode(body.as_object().unwrap()).unwrap_or_else(|error| panic!("{path}: {error}\n{body}"));
            for upstream in Format::ALL {
                let fitted = fit(Format::Cohere, &request.fields, upstream);
                match handling(Format::Cohere, path, upstream) {
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
            ("messages[].content[].file", json!({"messages": [{"role": "user", "content": [{"type": "file"}]}]})),
        ] {
            let read = decode(body.as_object().unwrap()).unwrap();
            assert_eq!(read.fields, [path]);
            assert!(fit(Format::Cohere, &read.fields, Format::OpenAiChat).is_err(), "{path}");
        }
    }

    #[test]
    fn values_without_an_effect_are_not_recorded() {
        for (key, value) in [
            ("k", json!(0)),
            ("frequency_penalty", json!(0.0)),
            ("documents", json!([])),
            ("logprobs", json!(false)),
            ("priority", json!(0)),
            ("safety_mode", json!("CONTEXTUAL")),
            ("safety_mode", json!("OFF")),
            ("strict_tools", json!(false)),
            ("novelty", Value::Null),
        ] {
            let body = json!({"messages": [{"role": "user", "content": "Hi"}], key: value});
            let request = decode(body.as_object().unwrap()).unwrap();
            assert!(request.fields.is_empty(), "{body}: {:?}", request.fields);
        }
    }
}
