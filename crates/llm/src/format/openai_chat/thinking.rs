//! How much a model should think: OpenAI's `reasoning_effort`, and the corresponding fields of other vendors.

use serde_json::Value;

use super::shape::{self, NotedFields, join};
use crate::RequestError;
use crate::chat::{Effort, JsonObject, Thinking};

/// Parses `reasoning_effort`. An unknown value is the caller's mistake.
pub(crate) fn effort(value: &Value, path: &str, key: &str) -> Result<Thinking, RequestError> {
    match shape::text(value, path, key)? {
        "none" => Ok(Thinking::Off),
        word => Effort::parse(word)
            .map(Thinking::Effort)
            .ok_or_else(|| shape::invalid(path, key, "must be one of none, minimal, low, medium, high, xhigh and max")),
    }
}

/// OpenRouter's `reasoning`: `{"effort"}`, `{"max_tokens"}` or `{"enabled"}`.
pub(super) fn reasoning(value: &Value, noted: &mut NotedFields) -> Result<Option<Thinking>, RequestError> {
    let mut thinking = None;
    for (key, value) in entries(value, "reasoning")? {
        match key.as_str() {
            "effort" => thinking = Some(effort(value, "reasoning", key)?),
            "max_tokens" => thinking = Some(Thinking::Budget(shape::count(value, "reasoning", key)?)),
            "enabled" => {
                let enabled = shape::boolean(value, "reasoning", key)?;
                thinking = thinking.or(Some(switch(enabled)));
            }
            _ => noted.note("reasoning", key),
        }
    }
    Ok(thinking)
}

/// DeepSeek's and Z.ai's `thinking`: `{"type": "enabled" | "disabled"}`, at some with `budget_tokens`.
pub(super) fn thinking(value: &Value, noted: &mut NotedFields) -> Result<Option<Thinking>, RequestError> {
    let (mut enabled, mut budget) = (None, None);
    for (key, value) in entries(value, "thinking")? {
        match key.as_str() {
            "type" => match shape::text(value, "thinking", key)? {
                "disabled" => enabled = Some(false),
                "enabled" | "adaptive" | "auto" => enabled = Some(true),
                _ => return Err(shape::invalid("thinking", key, "must be enabled or disabled")),
            },
            "budget_tokens" => budget = Some(shape::count(value, "thinking", key)?),
            _ => noted.note("thinking", key),
        }
    }
    Ok(match (enabled, budget) {
        (Some(false), _) => Some(Thinking::Off),
        (_, Some(budget)) => Some(Thinking::Budget(budget)),
        (enabled, None) => enabled.map(switch),
    })
}

/// Qwen's `enable_thinking`.
pub(super) fn switch(enabled: bool) -> Thinking {
    if enabled { Thinking::Adaptive } else { Thinking::Off }
}

fn entries<'a>(value: &'a Value, key: &str) -> Result<impl Iterator<Item = (&'a String, &'a Value)>, RequestError> {
    let object: &JsonObject = value
        .as_object()
        .ok_or_else(|| RequestError::Invalid { path: join("", key), problem: "must be an object".to_owned() })?;
    Ok(object.iter().filter(|(_, value)| !value.is_null()))
}
