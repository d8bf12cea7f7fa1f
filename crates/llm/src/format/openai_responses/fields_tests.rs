//! Tests each row of the table: its sample is decoded in its place and handled as the row says.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::FIELDS;
use crate::chat::fields::FieldHandling;
use crate::dialect::CallerFormat;
use crate::format::openai_responses::request;
use crate::registry::{fit, handling};
use crate::{Format, RequestError};

const CALLER: CallerFormat = CallerFormat::OpenAiResponses;

/// The smallest request with a place for the field at `path`, and the element that contains it.
fn request_around(path: &str) -> Value {
    let item = match path.strip_prefix("input[].") {
        Some("arguments" | "namespace" | "caller") => {
            json!({"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"})
        }
        Some("encrypted_content") => json!({"type": "reasoning", "summary": []}),
        Some(part) => {
            let content = match part.strip_prefix("content[].") {
                Some("detail") => json!([{"type": "input_image", "image_url": "https://example.com/a.png"}]),
                Some("file_id") => json!([{"type": "input_image"}]),
                Some("annotations" | "logprobs") => json!([{"type": "output_text", "text": "Hi"}]),
                Some(_) => json!([{"type": "input_text", "text": "Hi"}]),
                None => json!("Hi"),
            };
            json!({"role": "user", "content": content})
        }
        None => json!({"role": "user", "content": "Hi"}),
    };
    let mut request = json!({"store": false, "input": [item], "tools": [{"type": "function", "name": "f"}]});
    if path.starts_with("text.format") {
        request["text"] = json!({"format": {"type": "json_schema", "name": "a", "schema": {}}});
        request["text"]["format"]["name"].take();
    }
    request
}

fn put(mut into: &mut Value, path: &str, sample: Value) {
    // A list whose element is named: the sample is the list.
    let (path, value) = path.split_once(':').unwrap_or((path, ""));
    let mut keys: Vec<&str> = path.trim_end_matches("[]").split('.').collect();
    if !value.is_empty() && keys.last() == Some(&"type") {
        keys.pop();
    }
    for key in keys {
        into = &mut into[key.trim_end_matches("[]")];
        if key.ends_with("[]") {
            into = &mut into[0];
        }
    }
    *into = sample;
}

fn decoded(body: &Value, path: &str) -> Vec<String> {
    let read = request::decode(body.as_object().unwrap());
    read.unwrap_or_else(|error| panic!("{path}: {error}\n{body}")).fields
}

#[test]
fn each_row_is_decoded_as_specified() {
    let mut paths = HashSet::new();
    for field in FIELDS {
        assert!(paths.insert(field.path), "{} has two rows", field.path);
        let mut body = request_around(field.path);
        put(&mut body, field.path, serde_json::from_str(field.sample).expect(field.path));
        let read = decoded(&body, field.path);
        for upstream in Format::ALL {
            let fitted = fit(CALLER, &read, upstream);
            let path = field.path.to_owned();
            match field.handling_by_format.towards(upstream) {
                FieldHandling::Carried | FieldHandling::Adapted => {
                    assert_eq!(fitted, Ok(vec![]), "{path} towards {upstream:?}\n{body}");
                }
                FieldHandling::Hint => assert_eq!(fitted, Ok(vec![path]), "towards {upstream:?}\n{body}"),
                FieldHandling::Refused => {
                    let refused = RequestError::Unsupported { field: path, upstream: upstream.dialect() };
                    assert_eq!(fitted, Err(refused), "{body}");
                }
            }
        }
    }
}

#[test]
fn rows_explain_their_handling() {
    for field in FIELDS {
        let needs_note = Format::ALL.iter().any(|other| {
            matches!(field.handling_by_format.towards(*other), FieldHandling::Hint | FieldHandling::Refused)
        });
        assert!(!needs_note || !field.note.is_empty(), "{} has no note", field.path);
    }
}

#[test]
fn values_that_ask_for_nothing_are_not_recorded() {
    let body = json!({
        "input": "Hi", "store": false, "background": false, "truncation": "disabled", "top_logprobs": 0,
        "service_tier": "auto", "metadata": {}, "previous_response_id": null, "parallel_tool_calls": true,
        "text": {"format": {"type": "text"}, "verbosity": "medium"}, "context_management": [],
        "stream_options": {"include_obfuscation": false}, "tools": [], "include": ["reasoning.encrypted_content"],
    });
    assert_eq!(decoded(&body, "defaults"), Vec::<String>::new());
}

#[test]
fn fields_without_a_row_are_refused() {
    for (path, body) in [
        ("novelty", json!({"novelty": 1, "input": "Hi"})),
        ("input[].novelty", json!({"input": [{"role": "user", "content": "Hi", "novelty": 1}]})),
        ("input[].type:novelty", json!({"input": [{"type": "novelty"}]})),
        ("input[].content[].type:novelty", json!({"input": [{"role": "user", "content": [{"type": "novelty"}]}]})),
        ("tools[].type:novelty", json!({"input": "Hi", "tools": [{"type": "novelty"}]})),
        ("tools[].novelty", json!({"input": "Hi", "tools": [{"type": "function", "name": "f", "novelty": 1}]})),
        ("include[]:novelty", json!({"input": "Hi", "include": ["novelty"]})),
        ("tool_choice.type:novelty", json!({"input": "Hi", "tool_choice": {"type": "novelty"}})),
        ("text.format.type:novelty", json!({"input": "Hi", "text": {"format": {"type": "novelty"}}})),
    ] {
        let mut body = body;
        body["store"] = json!(false);
        assert_eq!(decoded(&body, path), [path]);
        assert_eq!(handling(CALLER, path, Format::Gemini), FieldHandling::Refused);
    }
}
