//! Decodes tools, and the choice among them.

use std::collections::HashSet;

use serde_json::Value;

use super::named_tools::{custom_parameters, function_name};
use crate::RequestError;
use crate::chat::{JsonObject, Tool, ToolChoice};
use crate::format::openai_chat::shape::{self, NotedFields, join};

/// Decodes `tools`. Those that a provider runs, or knows by their type, are recorded.
pub(super) fn decode(value: &Value, noted: &mut NotedFields) -> Result<Vec<Tool>, RequestError> {
    let mut tools = Vec::new();
    for (at, tool) in shape::array(value, "", "tools")?.iter().enumerate() {
        let path = format!("tools[{at}]");
        let tool = shape::element(tool, &path)?;
        match shape::required_text(tool, &path, "type")? {
            "namespace" => namespace(tool, &path, noted, &mut tools)?,
            _ => tools.extend(one(tool, &path, None, noted)?),
        }
    }
    Ok(tools)
}

/// The tools of a namespace, each with the description of the namespace before its own.
fn namespace(
    group: &JsonObject,
    path: &str,
    noted: &mut NotedFields,
    tools: &mut Vec<Tool>,
) -> Result<(), RequestError> {
    let name = shape::required_text(group, path, "name")?;
    let about =
        shape::present(group, "description").map(|about| shape::text(about, path, "description")).transpose()?;
    note_others(group, path, &["type", "name", "description", "tools"], noted);
    for (at, tool) in shape::array(shape::required(group, path, "tools")?, path, "tools")?.iter().enumerate() {
        let path = format!("{path}.tools[{at}]");
        let Some(mut tool) = one(shape::element(tool, &path)?, &path, Some(name), noted)? else { continue };
        let descriptions = [about, tool.description.as_deref()];
        let texts: Vec<&str> = descriptions.into_iter().flatten().filter(|text| !text.is_empty()).collect();
        tool.description = (!texts.is_empty()).then(|| texts.join("\n\n"));
        tools.push(tool);
    }
    Ok(())
}

fn note_others(object: &JsonObject, path: &str, known: &[&str], noted: &mut NotedFields) {
    for (key, _) in object.iter().filter(|(_, value)| !value.is_null()) {
        if !known.contains(&key.as_str()) {
            noted.note(path, key);
        }
    }
}

/// Records the type of an element that other formats do not have.
pub(super) fn note_type(path: &str, kind: &str, noted: &mut NotedFields) {
    noted.note(path, &format!("type:{kind}"));
}

fn one(
    tool: &JsonObject,
    path: &str,
    namespace: Option<&str>,
    noted: &mut NotedFields,
) -> Result<Option<Tool>, RequestError> {
    let custom = match shape::required_text(tool, path, "type")? {
        "function" => false,
        "custom" => true,
        other => {
            note_type(path, other, noted);
            return Ok(None);
        }
    };
    let mut read = Tool {
        name: function_name(namespace, shape::required_text(tool, path, "name")?).into_owned(),
        description: None,
        parameters: custom.then(custom_parameters),
        strict: None,
    };
    let mut grammar = None;
    for (key, value) in tool.iter().filter(|(_, value)| !value.is_null()) {
        match key.as_str() {
            "type" | "name" => {}
            "description" => read.description = Some(shape::text(value, path, key)?.to_owned()),
            "parameters" if !custom => {
                shape::object(value, path, key)?;
                read.parameters = Some(value.clone());
            }
            "strict" if !custom => {
                let strict = shape::boolean(value, path, key)?;
                if strict {
                    noted.note(path, key);
                }
                read.strict = Some(strict);
            }
            "format" if custom => grammar = grammar_of(shape::object(value, path, key)?, &join(path, key), noted)?,
            // Calls by the model itself are what every other format has.
            "allowed_callers" if shape::array(value, path, key)?.iter().all(|caller| caller == "direct") => {}
            "defer_loading" if value == &Value::Bool(false) => {}
            _ => noted.note(path, key),
        }
    }
    if let Some(grammar) = grammar {
        let about = read.description.take().map(|text| format!("{text}\n\n")).unwrap_or_default();
        read.description = Some(format!("{about}{grammar}"));
    }
    Ok(Some(read))
}

/// The sentence that describes the grammar of a custom tool's input: other formats can't enforce one.
fn grammar_of(format: &JsonObject, path: &str, noted: &mut NotedFields) -> Result<Option<String>, RequestError> {
    match shape::required_text(format, path, "type")? {
        "text" => Ok(None),
        "grammar" => {
            let syntax = shape::required_text(format, path, "syntax")?;
            let definition = shape::required_text(format, path, "definition")?;
            note_others(format, path, &["type", "syntax", "definition"], noted);
            Ok(Some(format!("The input must match this {syntax} grammar:\n{definition}")))
        }
        other => {
            note_type(path, other, noted);
            Ok(None)
        }
    }
}

/// Decodes `tool_choice`. A choice among some tools, in mode `auto`, removes the others from `tools`: other formats
/// can't express it otherwise.
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
            "required" => Ok(Some(ToolChoice::Required)),
            _ => Err(shape::invalid("", AT, "must be auto, none, required, or an object that names a tool")),
        };
    }
    let choice = shape::object(value, "", AT)?;
    match shape::required_text(choice, AT, "type")? {
        "function" | "custom" => {
            note_others(choice, AT, &["type", "name", "namespace"], noted);
            Ok(Some(ToolChoice::Tool(called_name(choice, AT)?)))
        }
        "allowed_tools" => {
            note_others(choice, AT, &["type", "mode", "tools"], noted);
            let names = allowed_names(shape::required(choice, AT, "tools")?, noted)?;
            match shape::required_text(choice, AT, "mode")? {
                "required" => Ok(Some(ToolChoice::AnyOf(names))),
                "auto" => {
                    let names: HashSet<String> = names.into_iter().collect();
                    tools.retain(|tool| names.contains(&tool.name));
                    Ok(Some(ToolChoice::Auto))
                }
                _ => Err(shape::invalid(AT, "mode", "must be auto or required")),
            }
        }
        other => {
            note_type(AT, other, noted);
            Ok(None)
        }
    }
}

/// The name of the function that stands for the tool which a call or a choice names.
pub(super) fn called_name(object: &JsonObject, path: &str) -> Result<String, RequestError> {
    let namespace = shape::present(object, "namespace").map(|name| shape::text(name, path, "namespace")).transpose()?;
    Ok(function_name(namespace, shape::required_text(object, path, "name")?).into_owned())
}

fn allowed_names(value: &Value, noted: &mut NotedFields) -> Result<Vec<String>, RequestError> {
    let mut names = Vec::new();
    for (at, tool) in shape::array(value, "tool_choice", "tools")?.iter().enumerate() {
        let path = format!("tool_choice.tools[{at}]");
        let tool = shape::element(tool, &path)?;
        match shape::required_text(tool, &path, "type")? {
            "function" | "custom" => names.push(called_name(tool, &path)?),
            other => note_type(&path, other, noted),
        }
    }
    Ok(names)
}
