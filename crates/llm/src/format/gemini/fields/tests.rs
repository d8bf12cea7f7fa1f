use serde_json::{Map, Value, json};

use super::FIELDS;
use crate::chat::fields::FieldHandling;
use crate::format::gemini;
use crate::registry::fit;
use crate::{Format, RequestError};

/// A request with the required surroundings of the field at `path`, but without the field.
fn surroundings(path: &str) -> Map<String, Value> {
    let after = |prefix: &str| path.starts_with(prefix);
    let part = if after("contents[].parts[].inlineData.") {
        json!({"inlineData": {"mimeType": "image/png", "data": "AAAA"}})
    } else if after("contents[].parts[].fileData.") {
        json!({"fileData": {"mimeType": "image/png", "fileUri": "https://example.com/b.png"}})
    } else if after("contents[].parts[].functionCall.") {
        json!({"functionCall": {"name": "g"}})
    } else if after("contents[].parts[].functionResponse.") {
        json!({"functionResponse": {"name": "g", "response": {}}})
    } else if after("contents[].parts[].thought") {
        json!({"text": "x"})
    } else {
        json!({})
    };
    let mut body = json!({"contents": [{"role": "user", "parts": [part]}]});
    if after("tools[].functionDeclarations[].") {
        body["tools"] = json!([{"functionDeclarations": [{"name": "g"}]}]);
    }
    if after("generationConfig.response") && path.ends_with("Schema") {
        body["generationConfig"] = json!({"responseMimeType": "application/json"});
    }
    serde_json::from_value(body).unwrap()
}

fn put(target: &mut Value, path: &str, sample: Value) {
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    let (name, list) = name.strip_suffix("[]").map_or((name, false), |name| (name, true));
    if target.is_null() {
        *target = json!({});
    }
    let mut slot = &mut target[name];
    if list {
        if slot.is_null() {
            *slot = json!([{}]);
        }
        slot = &mut slot[0];
    }
    match rest {
        Some(rest) => put(slot, rest, sample),
        None => *slot = sample,
    }
}

fn snake_case(path: &str) -> String {
    path.chars()
        .flat_map(|c| if c.is_ascii_uppercase() { vec!['_', c.to_ascii_lowercase()] } else { vec![c] })
        .collect()
}

#[test]
fn every_row_holds_in_both_spellings() {
    for field in FIELDS {
        let sample: Value = serde_json::from_str(field.sample).unwrap();
        let mut spellings = vec![field.path.to_owned()];
        // A snake-case sibling of a camel-case field would be a second field, so only leaves are respelt.
        let leaf = field.path.rsplit('.').next().unwrap();
        let snake = snake_case(leaf);
        if snake != leaf && surroundings(field.path).get(leaf).is_none() {
            spellings.push(format!("{}{snake}", field.path.strip_suffix(leaf).unwrap()));
        }
        for path in spellings {
            let mut body = Value::Object(surroundings(field.path));
            if path != field.path {
                remove(&mut body, field.path);
            }
            put(&mut body, &path, sample.clone());
            let body = serde_json::from_value(body).unwrap();
            let request = gemini::request::decode(&body).unwrap_or_else(|error| panic!("{path}: {error}"));
            for upstream in [Format::OpenAiChat, Format::Anthropic, Format::Bedrock] {
                let result = fit(Format::Gemini, &request.fields, upstream);
                let named = field.path.to_owned();
                match field.handling_by_format.towards(upstream) {
                    FieldHandling::Refused => {
                        assert_eq!(
                            result,
                            Err(RequestError::Unsupported { field: named, upstream: upstream.dialect() }),
                            "{path}"
                        )
                    }
                    FieldHandling::Hint => assert_eq!(result, Ok(vec![named]), "{path} to {upstream:?}"),
                    FieldHandling::Carried | FieldHandling::Adapted => {
                        assert_eq!(result, Ok(vec![]), "{path} to {upstream:?}")
                    }
                }
            }
            assert_eq!(fit(Format::Gemini, &request.fields, Format::Gemini), Ok(vec![]), "{path}");
        }
    }
}

fn remove(target: &mut Value, path: &str) {
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    let (name, list) = name.strip_suffix("[]").map_or((name, false), |name| (name, true));
    let Some(object) = target.as_object_mut() else { return };
    match rest {
        None => drop(object.remove(name)),
        Some(rest) => {
            if let Some(slot) = object.get_mut(name) {
                remove(if list { &mut slot[0] } else { slot }, rest);
            }
        }
    }
}

#[test]
fn paths_are_unique() {
    let mut paths: Vec<&str> = FIELDS.iter().map(|field| field.path).collect();
    paths.sort_unstable();
    let all = paths.len();
    paths.dedup();
    assert_eq!(paths.len(), all);
}
