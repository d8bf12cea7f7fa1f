//! Decodes a caller's request.

use serde_json::{Value, json};

use super::{items, tools};
use crate::RequestError;
use crate::chat::{ChatRequest, JsonObject, OutputFormat, Thinking};
use crate::format::openai_chat::shape::{self, NotedFields};
use crate::format::openai_chat::thinking::effort;

/// Decodes the body of a request. Fields that [`ChatRequest`] does not have are recorded in [`ChatRequest::fields`], if
/// their value matters.
///
/// # Errors
/// [`RequestError::Invalid`] if a field has the wrong shape.
pub fn decode(body: &JsonObject) -> Result<ChatRequest, RequestError> {
    let mut request = ChatRequest::default();
    let mut noted = NotedFields::default();
    if let Some(instructions) = shape::present(body, "instructions") {
        request.system.push(shape::text(instructions, "", "instructions")?.to_owned());
    }
    match shape::present(body, "input") {
        Some(input) => items::decode(input, &mut request, &mut noted)?,
        // The provider has the input already; towards any other, these fields are refused.
        None if ["previous_response_id", "conversation", "prompt"].iter().any(|key| body.contains_key(*key)) => {}
        None => return Err(shape::invalid("", "input", "is required")),
    }
    // The default keeps the answer at OpenAI.
    if body.get("store") != Some(&Value::Bool(false)) {
        noted.note("", "store");
    }
    for (key, value) in body.iter().filter(|(_, value)| !value.is_null()) {
        let at = key.as_str();
        match at {
            "input" | "instructions" | "tool_choice" | "store" => {}
            "model" => request.model = shape::text(value, "", at)?.to_owned(),
            "stream" => request.stream = shape::boolean(value, "", at)?,
            "stream_options" => note_others(value, at, &[("include_obfuscation", &json!(false))], &mut noted)?,
            "temperature" => request.temperature = Some(shape::number(value, "", at)?),
            "top_p" => request.top_p = Some(shape::number(value, "", at)?),
            "max_output_tokens" => request.max_output_tokens = Some(shape::count(value, "", at)?),
            "tools" => request.tools = tools::decode(value, &mut noted)?,
            "parallel_tool_calls" => {
                let parallel = shape::boolean(value, "", at)?;
                if !parallel {
                    noted.note("", at);
                }
                request.parallel_tool_calls = Some(parallel);
            }
            "text" => request.output = output(shape::object(value, "", at)?, &mut noted)?,
            "reasoning" => request.thinking = reasoning(shape::object(value, "", at)?, &mut noted)?,
            "include" => include(value, &mut noted)?,
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
fn asks_nothing(key: &str, value: &Value) -> bool {
    match key {
        "background" => value == &json!(false),
        "truncation" => value == &json!("disabled"),
        "top_logprobs" => value.as_u64() == Some(0),
        "service_tier" => value == &json!("auto") || value == &json!("default"),
        "metadata" => value.as_object().is_some_and(JsonObject::is_empty),
        "context_management" => value.as_array().is_some_and(Vec::is_empty),
        _ => false,
    }
}

/// Records the members of an object whose value is not the default.
fn note_others(
    value: &Value,
    key: &str,
    defaults: &[(&str, &Value)],
    noted: &mut NotedFields,
) -> Result<(), RequestError> {
    for (name, value) in shape::object(value, "", key)?.iter().filter(|(_, value)| !value.is_null()) {
        if !defaults.contains(&(name.as_str(), value)) {
            noted.note(key, name);
        }
    }
    Ok(())
}

/// What an answer shall contain in addition. Only encrypted thoughts exist elsewhere, and the answer's encoder reads
/// that wish itself ([`super::settings`]).
fn include(value: &Value, noted: &mut NotedFields) -> Result<(), RequestError> {
    for (at, one) in shape::array(value, "", "include")?.iter().enumerate() {
        let path = format!("include[{at}]");
        let word = one.as_str().ok_or_else(|| shape::invalid("", &path, "must be a string"))?;
        if word != super::settings::ENCRYPTED {
            noted.note("", &format!("include[]:{word}"));
        }
    }
    Ok(())
}

fn reasoning(config: &JsonObject, noted: &mut NotedFields) -> Result<Option<Thinking>, RequestError> {
    let mut thinking = None;
    for (key, value) in config.iter().filter(|(_, value)| !value.is_null()) {
        match key.as_str() {
            "effort" => thinking = Some(effort(value, "reasoning", key)?),
            // The thoughts that the provider shows are the summary.
            "summary" | "generate_summary" => {}
            _ => noted.note("reasoning", key),
        }
    }
    Ok(thinking)
}

fn output(text: &JsonObject, noted: &mut NotedFields) -> Result<OutputFormat, RequestError> {
    let mut output = OutputFormat::Text;
    for (key, value) in text.iter().filter(|(_, value)| !value.is_null()) {
        match key.as_str() {
            "format" => output = format(shape::object(value, "text", key)?, noted)?,
            "verbosity" if value == "medium" => {}
            _ => noted.note("text", key),
        }
    }
    Ok(output)
}

fn format(format: &JsonObject, noted: &mut NotedFields) -> Result<OutputFormat, RequestError> {
    const AT: &str = "text.format";
    match shape::required_text(format, AT, "type")? {
        "text" => Ok(OutputFormat::Text),
        "json_object" => Ok(OutputFormat::JsonObject),
        "json_schema" => {
            let schema = shape::required(format, AT, "schema")?;
            shape::object(schema, AT, "schema")?;
            let (mut name, mut description, mut strict) = (None, None, None);
            for (key, value) in format.iter().filter(|(_, value)| !value.is_null()) {
                match key.as_str() {
                    "type" | "schema" => {}
                    "name" => {
                        name = Some(shape::text(value, AT, key)?.to_owned());
                        noted.note(AT, key);
                    }
                    "description" => {
                        description = Some(shape::text(value, AT, key)?.to_owned());
                        noted.note(AT, key);
                    }
                    "strict" => strict = Some(shape::boolean(value, AT, key)?),
                    _ => noted.note(AT, key),
                }
            }
            Ok(OutputFormat::JsonSchema { name, description, schema: schema.clone(), strict })
        }
        other => {
            tools::note_type(AT, other, noted);
            Ok(OutputFormat::Text)
        }
    }
}
