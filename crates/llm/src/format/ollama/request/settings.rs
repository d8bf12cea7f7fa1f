//! What conversations and single prompts have in common: everything besides the text.

use serde_json::Value;

use crate::RequestError;
use crate::chat::{ChatRequest, Effort, JsonObject, OutputFormat, Thinking};
use crate::format::openai_chat::shape::{self, NotedFields};

/// Decodes a field of the body. An unknown one is recorded.
pub(in crate::format::ollama) fn setting(
    key: &str,
    value: &Value,
    request: &mut ChatRequest,
    noted: &mut NotedFields,
) -> Result<(), RequestError> {
    match key {
        "model" => request.model = shape::text(value, "", key)?.to_owned(),
        "stream" => request.stream = shape::boolean(value, "", key)?,
        "format" => request.output = output(value)?,
        "think" => request.thinking = Some(thinking(value)?),
        "options" => options(shape::object(value, "", key)?, request, noted)?,
        "logprobs" if *value == Value::Bool(false) => {}
        _ => noted.note("", key),
    }
    Ok(())
}

fn output(value: &Value) -> Result<OutputFormat, RequestError> {
    match value {
        Value::String(word) if word.is_empty() => Ok(OutputFormat::Text),
        Value::String(word) if word == "json" => Ok(OutputFormat::JsonObject),
        Value::Object(_) => {
            // Schemas of Ollama's callers seldom have what OpenAI demands of strict ones.
            Ok(OutputFormat::JsonSchema { name: None, description: None, schema: value.clone(), strict: None })
        }
        _ => Err(shape::invalid("", "format", "must be json or a schema")),
    }
}

fn thinking(value: &Value) -> Result<Thinking, RequestError> {
    match value {
        Value::Bool(false) => Ok(Thinking::Off),
        Value::Bool(true) => Ok(Thinking::Adaptive),
        _ => {
            let effort = value.as_str().and_then(Effort::parse).map(Thinking::Effort);
            effort.ok_or_else(|| shape::invalid("", "think", "must be true, false, low, medium or high"))
        }
    }
}

fn options(options: &JsonObject, request: &mut ChatRequest, noted: &mut NotedFields) -> Result<(), RequestError> {
    const AT: &str = "options";
    for (key, value) in options.iter().filter(|(_, value)| !value.is_null()) {
        match key.as_str() {
            "temperature" => request.temperature = Some(shape::number(value, AT, key)?),
            "top_p" => request.top_p = Some(shape::number(value, AT, key)?),
            "top_k" => {
                request.top_k = Some(shape::number(value, AT, key)?);
                noted.note(AT, key);
            }
            "seed" => {
                request.seed = Some(shape::integer(value, AT, key)?);
                noted.note(AT, key);
            }
            "presence_penalty" | "frequency_penalty" => {
                let number = Some(shape::number(value, AT, key)?).filter(|number| number.as_f64() != Some(0.0));
                if number.is_some() {
                    noted.note(AT, key);
                }
                match key.as_str() {
                    "presence_penalty" => request.presence_penalty = number,
                    _ => request.frequency_penalty = number,
                }
            }
            // 0 or less: without a limit.
            "num_predict" => {
                let most = u64::try_from(shape::integer(value, AT, key)?).ok();
                request.max_output_tokens = most.filter(|most| *most > 0);
            }
            "stop" => request.stop = stop(value, AT, key)?,
            _ => noted.note(AT, key),
        }
    }
    Ok(())
}

fn stop(value: &Value, path: &str, key: &str) -> Result<Vec<String>, RequestError> {
    let wrong = || shape::invalid(path, key, "must be a string or an array of strings");
    match value {
        Value::String(one) => Ok(vec![one.clone()]),
        Value::Array(all) => all.iter().map(|one| one.as_str().map(str::to_owned).ok_or_else(wrong)).collect(),
        _ => Err(wrong()),
    }
}
