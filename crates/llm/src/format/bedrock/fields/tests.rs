//! Tests each row of the table: its sample is decoded in its place and handled as the row says.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::FIELDS;
use crate::chat::fields::FieldHandling;
use crate::format::bedrock::request::decode;
use crate::registry::{fit, handling};
use crate::{Format, RequestError};

/// A block that contains a given field, and is otherwise valid.
fn block(path: &str) -> Value {
    let picture = json!({"format": "png", "source": {"bytes": "AAAA"}});
    let (kind, rest) = path.split_once('.').unwrap_or((path, ""));
    match kind {
        "image" => json!({"image": picture}),
        "document" => json!({"document": {"format": "pdf", "name": "a", "source": {"bytes": "AAAA"}}}),
        "searchResult" => json!({"searchResult": {"source": "s", "title": "t", "content": [{"text": "x"}]}}),
        "guardContent" if rest.starts_with("image") => json!({"guardContent": {"image": picture}}),
        "guardContent" => json!({"guardContent": {"text": {"text": "x"}}}),
        "citationsContent" => json!({"citationsContent": {"content": [{"text": "x"}]}}),
        "reasoningContent" if rest == "redactedContent" => json!({"reasoningContent": {}}),
        "reasoningContent" => json!({"reasoningContent": {"reasoningText": {"text": "x"}}}),
        "toolUse" => json!({"toolUse": {"toolUseId": "t", "name": "f", "input": {}}}),
        "toolResult" => match rest.strip_prefix("content[].") {
            Some(inner) => json!({"toolResult": {"toolUseId": "t", "content": [block(inner)]}}),
            None => json!({"toolResult": {"toolUseId": "t", "content": []}}),
        },
        _ => json!({}),
    }
}

/// The smallest request in which the field at this path can occur.
fn request(path: &str) -> Value {
    let mut request = json!({"messages": [{"role": "user", "content": [{"text": "Hi"}]}]});
    if let Some(rest) = path.strip_prefix("messages[].content[].") {
        request["messages"][0]["content"] = json!([block(rest.split(':').next().unwrap())]);
    } else if let Some(rest) = path.strip_prefix("system[].") {
        request["system"] = json!([block(rest)]);
    } else if path.starts_with("toolConfig.tools[].toolSpec.") {
        request["toolConfig"] = json!({"tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": {}}}}]});
    } else if path.starts_with("outputConfig.") {
        request["outputConfig"] =
            json!({"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"schema": "{}"}}}});
    } else if path.ends_with(".thinking.budget_tokens") {
        request["additionalModelRequestFields"] = json!({"thinking": {"type": "enabled"}});
    } else if path.ends_with(".maxReasoningEffort") {
        request["additionalModelRequestFields"] = json!({"reasoningConfig": {"type": "enabled"}});
    }
    request
}

/// Inserts `sample` at `path`; if the path contains a value, in place of the object that has it.
fn put(mut into: &mut Value, path: &str, sample: Value) {
    let path = match path.split_once(':') {
        Some((path, _)) => path.rsplit_once('.').unwrap().0,
        None => path,
    };
    for key in path.split('.') {
        let name = key.trim_end_matches("[]");
        into = &mut into[name];
        if key.ends_with("[]") {
            if into.is_null() {
                *into = json!([{}]);
            }
            into = &mut into[0];
        }
    }
    *into = sample;
}

#[test]
fn each_row_is_decoded_as_specified() {
    let mut paths = HashSet::new();
    for field in FIELDS {
        assert!(paths.insert(field.path), "{} has two rows", field.path);
        let mut body = request(field.path);
        put(&mut body, field.path, serde_json::from_str(field.sample).expect(field.path));
        let read = decode(body.as_object().unwrap()).unwrap_or_else(|error| panic!("{}: {error}\n{body}", field.path));
        for upstream in Format::ALL {
            let fitted = fit(Format::Bedrock, &read.fields, upstream);
            let path = field.path.to_owned();
            match handling(Format::Bedrock, field.path, upstream) {
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
        let as_it_is =
            Format::ALL.iter().all(|other| field.handling_by_format.towards(*other) == FieldHandling::Carried);
        assert!(as_it_is || !field.note.is_empty(), "{} has no note", field.path);
    }
}

#[test]
fn fields_without_a_row_are_refused() {
    for (path, body) in [
        ("novelty", json!({"novelty": 1})),
        ("messages[].novelty", json!({"messages": [{"role": "user", "content": [], "novelty": 1}]})),
        ("messages[].content[].novelty", json!({"messages": [{"role": "user", "content": [{"novelty": {}}]}]})),
        ("inferenceConfig.novelty", json!({"inferenceConfig": {"novelty": 1}})),
        ("toolConfig.tools[].novelty", json!({"toolConfig": {"tools": [{"novelty": {}}]}})),
        ("additionalModelRequestFields.novelty", json!({"additionalModelRequestFields": {"novelty": 1}})),
        (
            "additionalModelRequestFields.inferenceConfig.novelty",
            json!({"additionalModelRequestFields": {"inferenceConfig": {"novelty": 1}}}),
        ),
    ] {
        let mut body = body;
        if body.get("messages").is_none() {
            body["messages"] = json!([{"role": "user", "content": [{"text": "Hi"}]}]);
        }
        let read = decode(body.as_object().unwrap()).unwrap();
        assert_eq!(read.fields, [path]);
        for upstream in Format::ALL.into_iter().filter(|other| *other != Format::Bedrock) {
            assert!(fit(Format::Bedrock, &read.fields, upstream).is_err(), "{path}");
        }
    }
}
