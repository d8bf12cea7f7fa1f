//! Requests: decodes a caller's body, and encodes a conversation for an upstream.

use serde_json::{Value, json};

use super::conform::conform;
use super::model::ModelFamily;
use super::shape::{self, NotedFields};
use super::{messages, thinking, tools};
use crate::chat::cache::PrefixEnd;
use crate::chat::{ChatRequest, JsonObject, OutputFormat, Thinking, ToolChoice};
use crate::provider::{StreamUsage, Target};
use crate::{EncodedRequest, RequestError};

/// Decodes a caller's body. Fields that [`ChatRequest`] does not have are recorded in [`ChatRequest::fields`], if their
/// value matters: `n: 1` has no effect.
///
/// # Errors
/// [`RequestError::Invalid`] if a field has the wrong shape.
pub fn decode(body: &JsonObject) -> Result<ChatRequest, RequestError> {
    let mut request = ChatRequest::default();
    let mut noted = NotedFields::default();
    messages::decode(shape::required(body, "", "messages")?, &mut request, &mut noted)?;
    for (key, value) in body.iter().filter(|(_, value)| !value.is_null()) {
        let at = key.as_str();
        match at {
            "messages" | "tool_choice" => {}
            "model" => request.model = shape::text(value, "", at)?.to_owned(),
            "stream" => request.stream = shape::boolean(value, "", at)?,
            "stream_options" => request.stream_usage = stream_usage(value, &mut noted)?,
            "temperature" => request.temperature = Some(shape::number(value, "", at)?),
            "top_p" => request.top_p = Some(shape::number(value, "", at)?),
            "top_k" => request.top_k = Some(shape::number(value, "", at)?),
            "seed" => {
                request.seed = Some(shape::integer(value, "", at)?);
                noted.note("", at);
            }
            "presence_penalty" => request.presence_penalty = penalty(value, at, &mut noted)?,
            "frequency_penalty" => request.frequency_penalty = penalty(value, at, &mut noted)?,
            "max_completion_tokens" => request.max_output_tokens = Some(shape::count(value, "", at)?),
            "max_tokens" => {
                let cap = shape::count(value, "", at)?;
                // The new spelling overrides the deprecated one.
                if shape::present(body, "max_completion_tokens").is_none() {
                    request.max_output_tokens = Some(cap);
                }
            }
            "stop" => request.stop = stop(value)?,
            "tools" => {
                request.tools = tools::decode(value, &mut noted)?;
                noted.marks.put(&mut request.cache, |_| PrefixEnd::Tools);
            }
            "parallel_tool_calls" => {
                let parallel = shape::boolean(value, "", at)?;
                if !parallel {
                    noted.note("", at);
                }
                request.parallel_tool_calls = Some(parallel);
            }
            "response_format" => request.output = output(value, &mut noted)?,
            "reasoning_effort" => request.thinking = Some(thinking::effort(value, "", at)?),
            "reasoning" => {
                let thinking = thinking::reasoning(value, &mut noted)?;
                request.thinking = thinking.or(request.thinking);
            }
            "thinking" => {
                let thinking = thinking::thinking(value, &mut noted)?;
                request.thinking = thinking.or(request.thinking);
            }
            "enable_thinking" => {
                let switch = thinking::switch(shape::boolean(value, "", at)?);
                request.thinking = request.thinking.or(Some(switch));
            }
            _ if asks_nothing(at, value) => {}
            _ => noted.note("", at),
        }
    }
    if let Some(choice) = shape::present(body, "tool_choice") {
        request.tool_choice = tools::decode_choice(choice, &mut request.tools, &mut noted)?;
    }
    request.fields = noted.into_paths();
    Ok(request)
}

/// Whether a value is the default.
pub(super) fn asks_nothing(key: &str, value: &Value) -> bool {
    match key {
        "n" => value.as_u64() == Some(1),
        "top_logprobs" => value.as_u64() == Some(0),
        "logprobs" | "store" => value == &json!(false),
        "logit_bias" => value.as_object().is_some_and(JsonObject::is_empty),
        "modalities" => value == &json!(["text"]),
        "service_tier" => value == &json!("auto") || value == &json!("default"),
        "verbosity" => value == &json!("medium"),
        "functions" => value.as_array().is_some_and(Vec::is_empty),
        "function_call" => value == &json!("auto") || value == &json!("none"),
        _ => false,
    }
}

fn penalty(value: &Value, key: &str, noted: &mut NotedFields) -> Result<Option<serde_json::Number>, RequestError> {
    let penalty = shape::number(value, "", key)?;
    if penalty.as_f64() != Some(0.0) {
        noted.note("", key);
    }
    Ok(Some(penalty))
}

fn stream_usage(value: &Value, noted: &mut NotedFields) -> Result<bool, RequestError> {
    let mut usage = false;
    for (key, value) in shape::object(value, "", "stream_options")?.iter().filter(|(_, value)| !value.is_null()) {
        match key.as_str() {
            "include_usage" => usage = shape::boolean(value, "stream_options", key)?,
            "include_obfuscation" if value == &json!(false) => {}
            _ => noted.note("stream_options", key),
        }
    }
    Ok(usage)
}

fn stop(value: &Value) -> Result<Vec<String>, RequestError> {
    if let Some(one) = value.as_str() {
        return Ok(vec![one.to_owned()]);
    }
    let wrong = || shape::invalid("", "stop", "must be a string or an array of strings");
    let several = value.as_array().ok_or_else(wrong)?;
    several.iter().map(|one| one.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
}

fn output(value: &Value, noted: &mut NotedFields) -> Result<OutputFormat, RequestError> {
    const AT: &str = "response_format";
    let format = shape::object(value, "", AT)?;
    let kind = match shape::present(format, "type") {
        Some(kind) => shape::text(kind, AT, "type")?,
        // Perplexity accepts a schema without a type.
        None if format.contains_key("json_schema") => "json_schema",
        None => return Err(shape::invalid(AT, "type", "is required")),
    };
    for key in format.keys().filter(|key| !["type", "json_schema"].contains(&key.as_str())) {
        noted.note(AT, key);
    }
    match kind {
        "text" => Ok(OutputFormat::Text),
        "json_object" => Ok(OutputFormat::JsonObject),
        "json_schema" => {
            let json_schema = shape::object(shape::required(format, AT, "json_schema")?, AT, "json_schema")?;
            schema(json_schema, "response_format.json_schema", noted)
        }
        _ => {
            noted.note(AT, "type");
            Ok(OutputFormat::Text)
        }
    }
}

fn schema(object: &JsonObject, path: &str, noted: &mut NotedFields) -> Result<OutputFormat, RequestError> {
    let (mut name, mut description, mut strict) = (None, None, None);
    // A format may have only a name and a description; then any object is valid.
    let mut schema = json!({"type": "object"});
    for (key, value) in object.iter().filter(|(_, value)| !value.is_null()) {
        match key.as_str() {
            "name" => {
                name = Some(shape::text(value, path, key)?.to_owned());
                noted.note(path, key);
            }
            "description" => {
                description = Some(shape::text(value, path, key)?.to_owned());
                noted.note(path, key);
            }
            "schema" => {
                shape::object(value, path, key)?;
                schema = value.clone();
            }
            "strict" => strict = Some(shape::boolean(value, path, key)?),
            _ => noted.note(path, key),
        }
    }
    Ok(OutputFormat::JsonSchema { name, description, schema, strict })
}

/// Encodes a request for an OpenAI-compatible upstream, for the model named `model` there, with at most `most` tokens
/// of output.
///
/// # Errors
/// [`RequestError::Unsupported`] if something that matters can't be expressed: a document by URL, a video, an image in
/// the assistant's turn.
pub fn encode(request: &ChatRequest, target: &Target<'_>, most: Option<u64>) -> Result<EncodedRequest, RequestError> {
    let mut left_out = Vec::new();
    let mut body = JsonObject::new();
    let model = target.model;
    let family = ModelFamily::of(model);
    body.insert("model".into(), json!(model));
    let messages = messages::encode(request, target, &mut left_out)?;
    body.insert("messages".into(), Value::Array(messages));
    if !request.tools.is_empty() {
        body.insert("tools".into(), tools::encode(&request.tools));
        if let Some(parallel) = request.parallel_tool_calls {
            body.insert("parallel_tool_calls".into(), json!(parallel));
        }
    }
    let choice = request.tool_choice.as_ref().map(|choice: &ToolChoice| tools::encode_choice(choice, &request.tools));
    if let Some(choice) = choice.transpose()?.flatten() {
        body.insert("tool_choice".into(), choice);
    }
    if let Some(format) = encode_output(&request.output) {
        body.insert("response_format".into(), format);
    }
    match request.stop.as_slice() {
        [] => {}
        [one] => {
            body.insert("stop".into(), json!(one));
        }
        several => {
            body.insert("stop".into(), json!(several));
        }
    }
    let max_output_tokens = request.output_within(most);
    if let Some(cap) = max_output_tokens {
        body.insert(family.cap().into(), json!(cap));
    }
    let numbers = [
        ("temperature", &request.temperature),
        ("top_p", &request.top_p),
        ("presence_penalty", &request.presence_penalty),
        ("frequency_penalty", &request.frequency_penalty),
    ];
    for (key, number) in numbers {
        if let Some(number) = number {
            body.insert(key.into(), Value::Number(number.clone()));
        }
    }
    if let Some(seed) = request.seed {
        body.insert("seed".into(), json!(seed));
    }
    if request.top_k.is_some() {
        left_out.push("top_k".to_owned());
    }
    if let Some(thinking) = &request.thinking {
        match family.effort(thinking) {
            Some(effort) => {
                body.insert("reasoning_effort".into(), json!(effort));
            }
            // The default: the model decides, or does not think.
            None if *thinking == Thinking::Adaptive || family == ModelFamily::Plain && *thinking == Thinking::Off => {}
            None => left_out.push("thinking effort".to_owned()),
        }
    }
    if request.stream {
        body.insert("stream".into(), json!(true));
        if target.quirks().stream_usage == StreamUsage::OnRequest {
            body.insert("stream_options".into(), json!({"include_usage": true}));
        }
    }
    left_out.extend(conform(&mut body, target)?.left_out);
    Ok(EncodedRequest { body, left_out, max_output_tokens })
}

fn encode_output(output: &OutputFormat) -> Option<Value> {
    match output {
        OutputFormat::Text => None,
        OutputFormat::JsonObject => Some(json!({"type": "json_object"})),
        OutputFormat::JsonSchema { name, description, schema, strict } => {
            let mut encoded = JsonObject::new();
            // OpenAI requires a name.
            encoded.insert("name".into(), json!(name.as_deref().unwrap_or("response")));
            if let Some(description) = description {
                encoded.insert("description".into(), json!(description));
            }
            encoded.insert("schema".into(), schema.clone());
            if let Some(strict) = strict {
                encoded.insert("strict".into(), json!(strict));
            }
            Some(json!({"type": "json_schema", "json_schema": encoded}))
        }
    }
}
