//! Decodes a caller's request.

use serde_json::{Number, Value, json};

use super::messages;
use crate::RequestError;
use crate::chat::{ChatRequest, JsonObject, OutputFormat, Thinking, ToolChoice};
use crate::format::openai_chat::shape::{self, NotedFields};
use crate::format::openai_chat::tools;

/// Decodes a caller's body. Fields that [`ChatRequest`] does not have are recorded in [`ChatRequest::fields`], if their
/// value matters: `logprobs: false` has no effect.
///
/// # Errors
/// [`RequestError::Invalid`] if a field has the wrong shape.
pub fn decode(body: &JsonObject) -> Result<ChatRequest, RequestError> {
    let mut request = ChatRequest::default();
    let mut noted = NotedFields::default();
    messages::decode(shape::required(body, "", "messages")?, &mut request, &mut noted)?;
    let mut strict_tools = None;
    for (key, value) in body.iter().filter(|(_, value)| !value.is_null()) {
        let at = key.as_str();
        match at {
            "messages" => {}
            "model" => request.model = shape::text(value, "", at)?.to_owned(),
            "stream" => request.stream = shape::boolean(value, "", at)?,
            "max_tokens" => request.max_output_tokens = Some(shape::count(value, "", at)?),
            "temperature" => request.temperature = Some(shape::number(value, "", at)?),
            "p" => request.top_p = Some(shape::number(value, "", at)?),
            "k" => request.top_k = unless_zero(value, at, &mut noted)?,
            "seed" => {
                request.seed = Some(shape::integer(value, "", at)?);
                noted.note("", at);
            }
            "frequency_penalty" => request.frequency_penalty = unless_zero(value, at, &mut noted)?,
            "presence_penalty" => request.presence_penalty = unless_zero(value, at, &mut noted)?,
            "stop_sequences" => request.stop = strings(value, at)?,
            "tools" => request.tools = tools::decode(value, &mut noted)?,
            "strict_tools" => {
                let strict = shape::boolean(value, "", at)?;
                if strict {
                    noted.note("", at);
                }
                strict_tools = Some(strict);
            }
            "tool_choice" => {
                request.tool_choice = Some(match shape::text(value, "", at)?.to_ascii_uppercase().as_str() {
                    "REQUIRED" => ToolChoice::Required,
                    "NONE" => ToolChoice::None,
                    _ => return Err(shape::invalid("", at, "must be REQUIRED or NONE")),
                });
            }
            "response_format" => request.output = output(value, &mut noted)?,
            "thinking" => request.thinking = thinking(value, &mut noted)?,
            _ if asks_nothing(at, value) => {}
            _ => noted.note("", at),
        }
    }
    for tool in &mut request.tools {
        tool.strict = tool.strict.or(strict_tools);
    }
    request.fields = noted.into_paths();
    Ok(request)
}

/// Whether a value is the default, or what other providers do anyway.
fn asks_nothing(key: &str, value: &Value) -> bool {
    match key {
        "documents" => value.as_array().is_some_and(Vec::is_empty),
        "logprobs" => value == &json!(false),
        "priority" => value == &json!(0),
        // Only Cohere adds instructions about safety to a prompt: without them, a prompt is as it is elsewhere.
        "safety_mode" => value.as_str().is_some_and(|mode| !mode.eq_ignore_ascii_case("STRICT")),
        _ => false,
    }
}

/// A number for which zero means that it is off.
fn unless_zero(value: &Value, key: &str, noted: &mut NotedFields) -> Result<Option<Number>, RequestError> {
    let number = shape::number(value, "", key)?;
    if number.as_f64() == Some(0.0) {
        return Ok(None);
    }
    noted.note("", key);
    Ok(Some(number))
}

fn strings(value: &Value, key: &str) -> Result<Vec<String>, RequestError> {
    let wrong = || shape::invalid("", key, "must be an array of strings");
    shape::array(value, "", key)?.iter().map(|one| one.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
}

fn output(value: &Value, noted: &mut NotedFields) -> Result<OutputFormat, RequestError> {
    const AT: &str = "response_format";
    let format = shape::object(value, "", AT)?;
    for (key, _) in format.iter().filter(|(_, value)| !value.is_null()) {
        if !matches!(key.as_str(), "type" | "json_schema" | "schema") {
            noted.note(AT, key);
        }
    }
    // `schema` is the name in version 1 of the API, which some clients still send.
    let schema = ["json_schema", "schema"].iter().find_map(|key| Some((*key, shape::present(format, key)?)));
    match (shape::required_text(format, AT, "type")?, schema) {
        ("text", _) => Ok(OutputFormat::Text),
        ("json_object", None) => Ok(OutputFormat::JsonObject),
        ("json_object", Some((key, schema))) => {
            shape::object(schema, AT, key)?;
            Ok(OutputFormat::JsonSchema { name: None, description: None, schema: schema.clone(), strict: Some(true) })
        }
        _ => Err(shape::invalid(AT, "type", "must be text or json_object")),
    }
}

fn thinking(value: &Value, noted: &mut NotedFields) -> Result<Option<Thinking>, RequestError> {
    const AT: &str = "thinking";
    let (mut enabled, mut budget) = (None, None);
    for (key, value) in shape::object(value, "", AT)?.iter().filter(|(_, value)| !value.is_null()) {
        match key.as_str() {
            "type" => match shape::text(value, AT, key)? {
                "enabled" => enabled = Some(true),
                "disabled" => enabled = Some(false),
                _ => return Err(shape::invalid(AT, key, "must be enabled or disabled")),
            },
            "token_budget" => budget = Some(shape::count(value, AT, key)?),
            _ => noted.note(AT, key),
        }
    }
    Ok(match (enabled, budget) {
        (Some(false), _) => Some(Thinking::Off),
        (_, Some(budget)) => Some(Thinking::Budget(budget)),
        (Some(true), None) => Some(Thinking::Adaptive),
        (None, None) => None,
    })
}
