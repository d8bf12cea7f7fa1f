//! Tests each row of the table: its sample is decoded in its place and handled as the row says.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::FIELDS;
use crate::chat::fields::FieldHandling;
use crate::format::openai_chat::request;
use crate::registry::{fit, handling};
use crate::{Format, RequestError};

/// The smallest request with a place for the field at `path`.
fn request_around(path: &str) -> Value {
    let tools = json!([{"type": "function", "function": {"name": "f"}}]);
    let call = json!({"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let with_part = |part: Value| json!({"messages": [{"role": "user", "content": [part]}]});
    let under = |prefix: &str| path.starts_with(prefix);
    if let Some(rest) = path.strip_prefix("messages[].content[].") {
        let key = rest.split('.').next().unwrap();
        return match key {
            "image_url" => with_part(json!({"type": "image_url", "image_url": {"url": "https://example.com/a.png"}})),
            "file" => with_part(json!({"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA"}})),
            "input_audio" => with_part(json!({"type": "input_audio"})),
            "refusal" | "thinking" => json!({"messages": [{"role": "assistant", "content": [{"type": key}]}]}),
            _ => with_part(json!({"type": "text", "text": "Hi"})),
        };
    }
    if under("messages[].tool_call_id") {
        return json!({"messages": [{"role": "tool", "content": "42"}]});
    }
    let by_assistant = ["tool_calls[]", "refusal", "audio", "function_call", "reasoning", "images", "annotations"];
    if by_assistant.iter().any(|key| under(&format!("messages[].{key}"))) {
        return json!({"messages": [{"role": "assistant", "content": "Hi", "tool_calls": [call]}]});
    }
    let mut request = json!({"messages": [{"role": "user", "content": "Hi"}], "tools": tools});
    if under("tool_choice.allowed_tools") {
        request["tool_choice"] = json!({"type": "allowed_tools", "allowed_tools":
            {"mode": "auto", "tools": [{"type": "function", "function": {"name": "f"}}]}});
        if path.ends_with("tools[].type") {
            request["tool_choice"]["allowed_tools"]["tools"] = json!([{"custom": {"name": "f"}}]);
        }
    } else if under("tool_choice.") {
        let kind = path.trim_start_matches("tool_choice.").split('.').next().unwrap();
        request["tool_choice"] = json!({"type": kind, "function": {"name": "f"}});
    } else if under("response_format.json_schema") {
        request["response_format"] = json!({"type": "json_schema", "json_schema": {}});
    } else if under("tools[].custom") {
        request["tools"] = json!([{"type": "custom"}]);
    }
    request
}

/// Sets the value at a normalised path, in the first element of each array.
fn set(value: &mut Value, path: &str, sample: Value) {
    let pointer = format!("/{}", path.replace("[]", "/0").replace('.', "/"));
    let mut place = value;
    for key in pointer.split('/').skip(1) {
        place = match key.parse::<usize>() {
            Ok(at) => &mut place[at],
            Err(_) => &mut place[key],
        };
    }
    *place = sample;
}

#[test]
fn each_row_is_handled_as_specified() {
    for field in FIELDS {
        let path = field.path;
        let mut body = request_around(path);
        set(&mut body, path, serde_json::from_str(field.sample).unwrap_or_else(|error| panic!("{path}: {error}")));
        let request =
            request::decode(body.as_object().unwrap()).unwrap_or_else(|error| panic!("{path}: {error}\n{body}"));
        let recorded = request.fields.iter().any(|known| known == path);
        for upstream in Format::ALL {
            let fitted = fit(Format::OpenAiChat, &request.fields, upstream);
            match handling(Format::OpenAiChat, path, upstream) {
                FieldHandling::Carried | FieldHandling::Adapted => {
                    assert!(fitted.is_ok(), "{path} to {upstream:?}: {fitted:?}\n{body}")
                }
                FieldHandling::Hint => {
                    assert!(recorded, "{path} is not named\n{body}");
                    assert!(fitted.unwrap().iter().any(|hint| hint == path), "{path} to {upstream:?}");
                }
                FieldHandling::Refused => {
                    assert!(recorded, "{path} is not named\n{body}");
                    let refused = RequestError::Unsupported { field: path.to_owned(), upstream: upstream.dialect() };
                    assert_eq!(fitted, Err(refused), "{path}");
                }
            }
        }
    }
}

#[test]
fn each_field_has_one_row_and_a_reason_if_not_carried() {
    let mut seen = HashSet::new();
    for field in FIELDS {
        assert!(seen.insert(field.path), "{} stands twice", field.path);
        let plain = [Format::Anthropic, Format::Gemini]
            .iter()
            .all(|other| field.handling_by_format.towards(*other) == FieldHandling::Carried);
        assert!(plain || !field.note.is_empty(), "{} has no note", field.path);
    }
}

#[test]
fn refuses_unknown_fields() {
    for body in [
        json!({"messages": [{"role": "user", "content": "Hi"}], "frobnicate": 1}),
        json!({"messages": [{"role": "user", "content": "Hi", "frobnicate": 1}]}),
        json!({"messages": [{"role": "user", "content": [{"type": "frobnicate", "frobnicate": 1}]}]}),
        json!({"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi", "frobnicate": 1}]}]}),
        json!({"messages": [{"role": "user", "content": "Hi"}], "stream_options": {"frobnicate": 1}}),
    ] {
        let request = request::decode(body.as_object().unwrap()).unwrap();
        let [path] = request.fields.as_slice() else { panic!("{body}: {:?}", request.fields) };
        assert!(path.ends_with("frobnicate"), "{path}");
        for upstream in [Format::Anthropic, Format::Gemini] {
            assert!(fit(Format::OpenAiChat, &request.fields, upstream).is_err(), "{body}");
        }
    }
}

#[test]
fn omits_fields_whose_value_has_no_effect() {
    let defaults = [
        ("n", json!(1)),
        ("logprobs", json!(false)),
        ("top_logprobs", json!(0)),
        ("logit_bias", json!({})),
        ("modalities", json!(["text"])),
        ("store", json!(false)),
        ("service_tier", json!("auto")),
        ("service_tier", json!("default")),
        ("verbosity", json!("medium")),
        ("presence_penalty", json!(0)),
        ("frequency_penalty", json!(0.0)),
        ("parallel_tool_calls", json!(true)),
        ("functions", json!([])),
        ("function_call", json!("auto")),
        ("stream_options", json!({"include_obfuscation": false})),
    ];
    for (key, value) in defaults.into_iter().chain(
        FIELDS
            .iter()
            .filter(|f| !f.path.contains('.') && !f.path.contains('[') && f.path != "messages")
            .map(|f| (f.path, Value::Null)),
    ) {
        let body = json!({"messages": [{"role": "user", "content": "Hi"}], key: value});
        let request = request::decode(body.as_object().unwrap()).unwrap();
        assert!(request.fields.is_empty(), "{body}: {:?}", request.fields);
    }
}
