//! Decodes a caller's request.

use serde_json::Value;

use crate::RequestError;
use crate::chat::cache::PrefixEnd;
use crate::chat::{ChatRequest, Effort, JsonObject, Message, OutputFormat, Role, Thinking, Tool, ToolChoice};
use crate::format::anthropic::blocks::{self, ToolNames};
use crate::format::anthropic::shape::{self, NotedPlaces, Path, boolean_if, given, text_if, text_of};

/// Decodes the body of a messages request.
///
/// `max_tokens` may be absent, although Anthropic requires it: other upstreams do not.
///
/// # Errors
/// [`RequestError::Invalid`] if a field has the wrong shape.
pub fn decode(body: &JsonObject) -> Result<ChatRequest, RequestError> {
    let mut request = ChatRequest::default();
    let mut places = NotedPlaces::default();
    let (mut asked, mut effort) = (None, None);
    for (key, value) in body {
        if value.is_null() {
            continue;
        }
        let at = Path::Root.key(key);
        match key.as_str() {
            "model" => shape::text(value, &at)?.clone_into(&mut request.model),
            // Decoded below, after anything that may move into the system prompt.
            "system" | "messages" => {}
            "max_tokens" => match shape::whole(value, &at)? {
                // Only fills the prompt cache, without an answer.
                0 => places.note_value(&at, "0"),
                cap => request.max_output_tokens = Some(cap),
            },
            "stream" => request.stream = shape::boolean(value, &at)?,
            "temperature" => request.temperature = Some(shape::number(value, &at)?),
            "top_p" => request.top_p = Some(shape::number(value, &at)?),
            "top_k" => {
                request.top_k = Some(shape::number(value, &at)?);
                places.note(&at);
            }
            "stop_sequences" => {
                for (index, stop) in shape::list(value, &at)?.iter().enumerate() {
                    request.stop.push(shape::text(stop, &at.index(index))?.to_owned());
                }
            }
            "thinking" => asked = thinking(shape::object(value, &at)?, &at, &mut places)?,
            "output_config" => {
                let config = shape::object(value, &at)?;
                effort = effort_of(config, &at)?;
                if let Some(format) = given(config, "format") {
                    request.output = format_of(format, &at.key("format"), &mut places)?;
                }
                places.note_rest(config, &["effort", "format"], &at);
            }
            // The beta's name for `output_config.format`.
            "output_format" => request.output = format_of(value, &at, &mut places)?,
            "tools" => {
                for (index, tool) in shape::list(value, &at)?.iter().enumerate() {
                    let at = at.index(index);
                    let tool = shape::object(tool, &at)?;
                    request.tools.extend(tool_of(tool, &at, &mut places)?);
                    if let Some(mark) = tool.get("cache_control") {
                        places.marks.mark(request.tools.len(), mark);
                    }
                }
            }
            "tool_choice" => {
                let choice = shape::object(value, &at)?;
                request.tool_choice = tool_choice(choice, &at)?;
                if boolean_if(choice, "disable_parallel_tool_use", &at)? == Some(true) {
                    request.parallel_tool_calls = Some(false);
                }
                places.note_rest(choice, &["type", "name", "disable_parallel_tool_use"], &at);
            }
            // Empty lists have no effect.
            "mcp_servers" if value.as_array().is_some_and(Vec::is_empty) => {}
            _ => places.note(&at),
        }
    }
    places.marks.put(&mut request.cache, |_| PrefixEnd::Tools);
    request.thinking = match (asked, effort) {
        // An effort sets how much; `adaptive` alone lets the model decide.
        (None | Some(Thinking::Adaptive), Some(effort)) => Some(Thinking::Effort(effort)),
        (asked, _) => asked,
    };
    if let Some(system) = given(body, "system") {
        request.system = blocks::system(system, &Path::Root.key("system"), &mut places)?;
        places.marks.put(&mut request.cache, PrefixEnd::System);
    }
    let at = Path::Root.key("messages");
    let messages = given(body, "messages").ok_or_else(|| at.invalid("is missing"))?;
    decode_messages(shape::list(messages, &at)?, &at, &mut request, &mut places)?;
    request.fields = places.into_paths();
    Ok(request)
}

fn decode_messages(
    messages: &[Value],
    at: &Path<'_>,
    request: &mut ChatRequest,
    places: &mut NotedPlaces,
) -> Result<(), RequestError> {
    if messages.is_empty() {
        return Err(at.invalid("must not be empty"));
    }
    let mut names = ToolNames::default();
    for (index, message) in messages.iter().enumerate() {
        let at = at.index(index);
        let message = shape::object(message, &at)?;
        let content_at = at.key("content");
        let content = given(message, "content");
        let role = match text_of(message, "role", &at)? {
            "user" => Role::User,
            "assistant" => Role::Assistant,
            "system" => {
                // Such a message may contain only a configuration.
                if let Some(content) = content {
                    let before = request.system.len();
                    request.system.extend(blocks::system(content, &content_at, places)?);
                    places.marks.put(&mut request.cache, |prompt| PrefixEnd::System(before + prompt));
                }
                if text_if(message, "clear_at", &at)?.is_some_and(|when| when != "never") {
                    places.note(&at.key("clear_at"));
                }
                places.note_rest(message, &["role", "content", "clear_at"], &at);
                continue;
            }
            _ => return Err(at.key("role").invalid("must be user, assistant or system")),
        };
        let content = content.ok_or_else(|| content_at.invalid("is missing"))?;
        let parts = blocks::content(content, &content_at, &mut names, places)?;
        places.note_rest(message, &["role", "content"], &at);
        let message = request.messages.len();
        places.marks.put(&mut request.cache, |part| PrefixEnd::Part { message, part });
        if !parts.is_empty() {
            request.messages.push(Message { role, parts });
        }
    }
    Ok(())
}

fn thinking(config: &JsonObject, at: &Path<'_>, places: &mut NotedPlaces) -> Result<Option<Thinking>, RequestError> {
    let asked = match text_of(config, "type", at)? {
        "enabled" => {
            let at = at.key("budget_tokens");
            let budget = given(config, "budget_tokens").ok_or_else(|| at.invalid("is missing"))?;
            Some(Thinking::Budget(shape::whole(budget, &at)?))
        }
        "disabled" => Some(Thinking::Off),
        "adaptive" => Some(Thinking::Adaptive),
        other => {
            places.note_value(&at.key("type"), other);
            None
        }
    };
    places.note_rest(config, &["type", "budget_tokens"], at);
    Ok(asked)
}

fn effort_of(config: &JsonObject, at: &Path<'_>) -> Result<Option<Effort>, RequestError> {
    let Some(word) = text_if(config, "effort", at)? else { return Ok(None) };
    let effort =
        Effort::parse(word).ok_or_else(|| at.key("effort").invalid("must be low, medium, high, xhigh or max"))?;
    Ok(Some(effort))
}

fn format_of(format: &Value, at: &Path<'_>, places: &mut NotedPlaces) -> Result<OutputFormat, RequestError> {
    let format = shape::object(format, at)?;
    let kind = text_of(format, "type", at)?;
    if kind != "json_schema" {
        places.note_value(&at.key("type"), kind);
        return Ok(OutputFormat::Text);
    }
    let schema_at = at.key("schema");
    let schema = given(format, "schema").ok_or_else(|| schema_at.invalid("is missing"))?;
    shape::object(schema, &schema_at)?;
    places.note_rest(format, &["type", "schema"], at);
    // Anthropic enforces the schema, so other dialects must too.
    Ok(OutputFormat::JsonSchema { name: None, description: None, schema: schema.clone(), strict: Some(true) })
}

/// A tool of the caller's own. Tools that the provider knows by type are recorded, not translated.
fn tool_of(tool: &JsonObject, at: &Path<'_>, places: &mut NotedPlaces) -> Result<Option<Tool>, RequestError> {
    let kind = text_if(tool, "type", at)?.unwrap_or("custom");
    if kind != "custom" {
        places.note_value(&at.key("type"), kind);
        return Ok(None);
    }
    let parameters = given(tool, "input_schema");
    if let Some(schema) = parameters {
        shape::object(schema, &at.key("input_schema"))?;
    }
    if boolean_if(tool, "defer_loading", at)? == Some(true) {
        places.note(&at.key("defer_loading"));
    }
    // Calls by the model itself are what every other dialect has.
    if let Some(callers) = given(tool, "allowed_callers") {
        let callers_at = at.key("allowed_callers");
        if shape::list(callers, &callers_at)?.iter().any(|caller| caller != "direct") {
            places.note(&callers_at);
        }
    }
    let known = ["type", "name", "description", "input_schema", "strict", "defer_loading", "allowed_callers"];
    places.note_rest(tool, &known, at);
    Ok(Some(Tool {
        name: text_of(tool, "name", at)?.to_owned(),
        description: text_if(tool, "description", at)?.map(str::to_owned),
        parameters: parameters.cloned(),
        strict: boolean_if(tool, "strict", at)?,
    }))
}

fn tool_choice(choice: &JsonObject, at: &Path<'_>) -> Result<Option<ToolChoice>, RequestError> {
    Ok(Some(match text_of(choice, "type", at)? {
        "auto" => ToolChoice::Auto,
        "any" => ToolChoice::Required,
        "none" => ToolChoice::None,
        "tool" => ToolChoice::Tool(text_of(choice, "name", at)?.to_owned()),
        _ => return Err(at.key("type").invalid("must be auto, any, tool or none")),
    }))
}
