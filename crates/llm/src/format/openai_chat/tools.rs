//! Tools, the choice among them, and calls of them.

use std::collections::HashSet;

use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::content::unsupported;
use super::shape::{self, NotedFields, join};
use crate::RequestError;
use crate::chat::signature::unpack_all;
use crate::chat::{JsonObject, Thought, Tool, ToolCall, ToolChoice, object};

/// Decodes `tools`. Custom tools and vendors' built-in ones are recorded.
pub(crate) fn decode(value: &Value, noted: &mut NotedFields) -> Result<Vec<Tool>, RequestError> {
    let mut tools = Vec::new();
    for (at, tool) in shape::array(value, "", "tools")?.iter().enumerate() {
        let path = format!("tools[{at}]");
        let tool = shape::element(tool, &path)?;
        // Some servers accept tools without a type, and so does the gateway if there is a function.
        let kind = match shape::present(tool, "type") {
            Some(kind) => shape::text(kind, &path, "type")?,
            None => "function",
        };
        for (key, _) in tool.iter().filter(|(_, value)| !value.is_null()) {
            if key != "type" && key != "function" {
                noted.note(&path, key);
            }
        }
        let marks = ["/cache_control", "/function/cache_control"];
        if let Some(mark) = marks.iter().find_map(|place| value.get(at)?.pointer(place)) {
            noted.marks.mark(at + 1, mark);
        }
        if kind == "function" {
            let function = shape::object(shape::required(tool, &path, "function")?, &path, "function")?;
            tools.push(decode_function(function, &join(&path, "function"), noted)?);
        } else {
            noted.note(&path, if kind == "custom" { "custom" } else { "type" });
        }
    }
    Ok(tools)
}

fn decode_function(function: &JsonObject, path: &str, noted: &mut NotedFields) -> Result<Tool, RequestError> {
    let name = shape::required_text(function, path, "name")?.to_owned();
    let mut tool = Tool { name, description: None, parameters: None, strict: None };
    for (key, value) in function.iter().filter(|(_, value)| !value.is_null()) {
        match key.as_str() {
            "name" => {}
            "description" => tool.description = Some(shape::text(value, path, key)?.to_owned()),
            "parameters" => {
                shape::object(value, path, key)?;
                tool.parameters = Some(value.clone());
            }
            "strict" => {
                let strict = shape::boolean(value, path, key)?;
                if strict {
                    noted.note(path, key);
                }
                tool.strict = Some(strict);
            }
            _ => noted.note(path, key),
        }
    }
    Ok(tool)
}

/// Decodes `tool_choice`. A choice among some tools, in mode `auto`, removes the others from `tools`: only OpenAI's
/// dialect can express it otherwise.
pub(super) fn decode_choice(
    value: &Value,
    tools: &mut Vec<Tool>,
    noted: &mut NotedFields,
) -> Result<Option<ToolChoice>, RequestError> {
    const AT: &str = "tool_choice";
    if let Some(word) = value.as_str() {
        return match word {
            "auto" => Ok(Some(ToolChoice::Auto)),
            "none" => Ok(Some(ToolChoice::None)),
            // `any` is Mistral's.
            "required" | "any" => Ok(Some(ToolChoice::Required)),
            _ => Err(shape::invalid("", AT, "must be auto, none, required, or an object that names a tool")),
        };
    }
    let choice = shape::object(value, "", AT)?;
    let kind = shape::required_text(choice, AT, "type")?;
    for key in choice.keys().filter(|key| !["type", kind].contains(&key.as_str())) {
        noted.note(AT, key);
    }
    match kind {
        "function" => {
            let function = shape::object(shape::required(choice, AT, "function")?, AT, "function")?;
            let name = shape::required_text(function, "tool_choice.function", "name")?;
            Ok(Some(ToolChoice::Tool(name.to_owned())))
        }
        "allowed_tools" => {
            const AT_ALLOWED: &str = "tool_choice.allowed_tools";
            let allowed = shape::object(shape::required(choice, AT, "allowed_tools")?, AT, "allowed_tools")?;
            let names = allowed_names(shape::required(allowed, AT_ALLOWED, "tools")?, noted)?;
            match shape::required_text(allowed, AT_ALLOWED, "mode")? {
                "required" => Ok(Some(ToolChoice::AnyOf(names))),
                "auto" => {
                    let names: HashSet<String> = names.into_iter().collect();
                    tools.retain(|tool| names.contains(&tool.name));
                    Ok(Some(ToolChoice::Auto))
                }
                _ => Err(shape::invalid(AT_ALLOWED, "mode", "must be auto or required")),
            }
        }
        "custom" => {
            noted.note(AT, "custom");
            Ok(None)
        }
        _ => {
            noted.note(AT, "type");
            Ok(None)
        }
    }
}

fn allowed_names(value: &Value, noted: &mut NotedFields) -> Result<Vec<String>, RequestError> {
    let mut names = Vec::new();
    for (at, tool) in shape::array(value, "tool_choice.allowed_tools", "tools")?.iter().enumerate() {
        let path = format!("tool_choice.allowed_tools.tools[{at}]");
        let tool = shape::element(tool, &path)?;
        match shape::present(tool, "function") {
            Some(function) => {
                let function = shape::object(function, &path, "function")?;
                names.push(shape::required_text(function, &join(&path, "function"), "name")?.to_owned());
            }
            None => noted.note(&path, "type"),
        }
    }
    Ok(names)
}

/// A call, and the thoughts that its id carries.
pub(super) type DecodedCall = (Vec<Thought>, ToolCall);

/// Decodes the `tool_calls` of the assistant's message at `path`.
pub(crate) fn decode_calls(
    value: &Value,
    path: &str,
    noted: &mut NotedFields,
) -> Result<Vec<DecodedCall>, RequestError> {
    let mut calls = Vec::new();
    for (at, call) in shape::array(value, path, "tool_calls")?.iter().enumerate() {
        let path = format!("{path}.tool_calls[{at}]");
        let call = shape::element(call, &path)?;
        for (key, _) in call.iter().filter(|(_, value)| !value.is_null()) {
            match key.as_str() {
                "id" | "type" | "function" | "extra_content" => {}
                _ => noted.note(&path, key),
            }
        }
        if call.contains_key("custom") {
            continue;
        }
        let (id, carried) = unpack_all(shape::required_text(call, &path, "id")?);
        let carried = carried.unwrap_or_default();
        let function = shape::object(shape::required(call, &path, "function")?, &path, "function")?;
        let function_path = join(&path, "function");
        for key in function.keys().filter(|key| !["name", "arguments"].contains(&key.as_str())) {
            noted.note(&function_path, key);
        }
        let own = call.get("extra_content").filter(|extra| !extra.is_null()).and_then(|extra| {
            let signature = signature_of(extra);
            if signature.is_some() {
                noted.note(&path, "extra_content.google.thought_signature");
            } else {
                noted.note(&path, "extra_content");
            }
            signature
        });
        let call = ToolCall {
            id,
            name: shape::required_text(function, &function_path, "name")?.to_owned(),
            arguments: arguments(function.get("arguments"), &function_path, noted)?,
            signature: own.or(carried.signature),
        };
        calls.push((carried.thoughts, call));
    }
    Ok(calls)
}

/// The signature in a call's `extra_content`.
pub(super) fn signature_of(extra: &Value) -> Option<String> {
    extra.pointer("/google/thought_signature").and_then(Value::as_str).map(str::to_owned)
}

/// A call's arguments, as the JSON text of an object. A model may have written something else, and an agent that
/// reports the mistake to it returns that text; so it is kept, as `{"arguments": "…"}`.
pub(crate) fn arguments(value: Option<&Value>, path: &str, noted: &mut NotedFields) -> Result<String, RequestError> {
    match value {
        None | Some(Value::Null) => Ok("{}".to_owned()),
        Some(Value::Object(object)) => Ok(json!(object).to_string()),
        Some(Value::String(text)) if text.trim().is_empty() => Ok("{}".to_owned()),
        Some(Value::String(text)) => {
            if text.trim_start().starts_with('{') && serde_json::from_str::<IgnoredAny>(text).is_ok() {
                return Ok(text.clone());
            }
            noted.note(path, "arguments");
            Ok(json!({"arguments": text}).to_string())
        }
        Some(_) => Err(shape::invalid(path, "arguments", "must be a string of JSON")),
    }
}

/// Encodes the tools.
pub(crate) fn encode(tools: &[Tool]) -> Value {
    tools
        .iter()
        .map(|tool| {
            let mut function = JsonObject::new();
            function.insert("name".into(), json!(tool.name));
            if let Some(description) = &tool.description {
                function.insert("description".into(), json!(description));
            }
            if let Some(parameters) = &tool.parameters {
                function.insert("parameters".into(), parameters.clone());
            }
            if let Some(strict) = tool.strict {
                function.insert("strict".into(), json!(strict));
            }
            object([("type", json!("function")), ("function", Value::Object(function))])
        })
        .collect()
}

/// Encodes the choice.
///
/// # Errors
/// [`RequestError::Unsupported`] if a tool must be called and there is none.
pub(super) fn encode_choice(choice: &ToolChoice, tools: &[Tool]) -> Result<Option<Value>, RequestError> {
    let named = |name: &String| json!({"type": "function", "function": {"name": name}});
    if tools.is_empty() {
        // OpenAI refuses any choice without tools; without tools it is none or auto anyway.
        return match choice {
            ToolChoice::Auto | ToolChoice::None => Ok(None),
            _ => Err(unsupported("a tool choice without tools")),
        };
    }
    Ok(Some(match choice {
        ToolChoice::Auto => json!("auto"),
        ToolChoice::None => json!("none"),
        ToolChoice::Required => json!("required"),
        ToolChoice::Tool(name) => named(name),
        ToolChoice::AnyOf(names) => match names.as_slice() {
            [name] => named(name),
            _ => json!({"type": "allowed_tools", "allowed_tools": {
                "mode": "required",
                "tools": names.iter().map(named).collect::<Value>(),
            }}),
        },
    }))
}
