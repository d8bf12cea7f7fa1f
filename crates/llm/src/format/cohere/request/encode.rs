//! Encodes a request for Cohere.

use serde_json::{Number, Value, json};

use super::messages;
use crate::chat::{ChatRequest, JsonObject, OutputFormat, Thinking, Tool, ToolChoice, object};
use crate::format::cohere::unsupported;
use crate::provider::Target;
use crate::{EncodedRequest, RequestError};

/// Cohere's limit on stop sequences.
const MOST_STOPS: usize = 5;

/// Models that do not think, by the beginnings of their names. Later ones do.
const PLAIN_MODELS: [&str; 7] = [
    "command-a-03",
    "command-a-translate",
    "command-a-vision",
    "command-light",
    "command-nightly",
    "command-r",
    "c4ai-",
];

/// Encodes a request with at most `most` tokens of output.
///
/// # Errors
/// [`RequestError::Unsupported`] for what Cohere can't express: more than five stop sequences, a document, a penalty below 0 or above 1, JSON output together with tools.
pub fn encode(request: &ChatRequest, target: &Target<'_>, most: Option<u64>) -> Result<EncodedRequest, RequestError> {
    let mut left_out = Vec::new();
    let mut body = JsonObject::new();
    body.insert("model".into(), json!(target.model));
    body.insert("messages".into(), Value::Array(messages::encode(request, &target.origin(), &mut left_out)?));
    encode_tools(request, &mut body, &mut left_out)?;
    if let Some(format) = output(request)? {
        body.insert("response_format".into(), format);
    }
    if request.stop.len() > MOST_STOPS {
        return Err(unsupported("stop"));
    }
    if !request.stop.is_empty() {
        body.insert("stop_sequences".into(), json!(request.stop));
    }
    let max_output_tokens = request.output_within(most);
    if let Some(tokens) = max_output_tokens {
        body.insert("max_tokens".into(), json!(tokens));
    }
    let numbers = [
        ("temperature", request.temperature.as_ref()),
        ("p", request.top_p.as_ref()),
        ("k", request.top_k.as_ref()),
        ("presence_penalty", penalty("presence_penalty", request.presence_penalty.as_ref())?),
        ("frequency_penalty", penalty("frequency_penalty", request.frequency_penalty.as_ref())?),
    ];
    for (key, number) in numbers {
        if let Some(number) = number {
            body.insert(key.into(), Value::Number(number.clone()));
        }
    }
    match request.seed {
        Some(seed) if seed >= 0 => drop(body.insert("seed".into(), json!(seed))),
        // Cohere's seeds are not negative. A seed is best effort everywhere.
        Some(_) => left_out.push("seed".to_owned()),
        None => {}
    }
    if let Some(thinking) = &request.thinking {
        match thinks(target.model) {
            true => drop(body.insert("thinking".into(), encode_thinking(thinking, max_output_tokens))),
            false if *thinking == Thinking::Off => {}
            false => left_out.push("thinking".to_owned()),
        }
    }
    if request.stream {
        body.insert("stream".into(), json!(true));
    }
    Ok(EncodedRequest { body, left_out, max_output_tokens })
}

fn encode_tools(request: &ChatRequest, body: &mut JsonObject, left_out: &mut Vec<String>) -> Result<(), RequestError> {
    if request.tools.is_empty() {
        return match &request.tool_choice {
            None | Some(ToolChoice::Auto | ToolChoice::None) => Ok(()),
            Some(_) => Err(unsupported("a tool choice without tools")),
        };
    }
    // Cohere can't name a tool to call. If only that tool is there, it is the one.
    let allowed = |name: &str| match &request.tool_choice {
        Some(ToolChoice::Tool(only)) => only == name,
        Some(ToolChoice::AnyOf(names)) => names.iter().any(|one| one == name),
        _ => true,
    };
    let offered: Vec<&Tool> = request.tools.iter().filter(|tool| allowed(&tool.name)).collect();
    if offered.is_empty() {
        return Err(unsupported("a choice of a tool that is not there"));
    }
    // One switch for all tools. Cohere refuses it if a tool has no required argument.
    if offered.iter().any(|tool| tool.strict == Some(true)) {
        match offered.iter().all(|tool| tool.strict == Some(true) && requires_arguments(tool)) {
            true => drop(body.insert("strict_tools".into(), json!(true))),
            false => left_out.push("strict".to_owned()),
        }
    }
    body.insert("tools".into(), offered.into_iter().map(encode_tool).collect());
    match &request.tool_choice {
        None | Some(ToolChoice::Auto) => {}
        Some(ToolChoice::None) => drop(body.insert("tool_choice".into(), json!("NONE"))),
        Some(ToolChoice::Required | ToolChoice::Tool(_) | ToolChoice::AnyOf(_)) => {
            body.insert("tool_choice".into(), json!("REQUIRED"));
        }
    }
    Ok(())
}

fn encode_tool(tool: &Tool) -> Value {
    let mut function = JsonObject::new();
    function.insert("name".into(), json!(tool.name));
    if let Some(description) = &tool.description {
        function.insert("description".into(), json!(description));
    }
    // Cohere requires a schema, also of a tool without arguments.
    let parameters = tool.parameters.clone().unwrap_or_else(|| json!({"type": "object", "properties": {}}));
    function.insert("parameters".into(), parameters);
    object([("type", json!("function")), ("function", Value::Object(function))])
}

fn requires_arguments(tool: &Tool) -> bool {
    let required = tool.parameters.as_ref().and_then(|schema| schema.get("required")).and_then(Value::as_array);
    required.is_some_and(|required| !required.is_empty())
}

fn output(request: &ChatRequest) -> Result<Option<Value>, RequestError> {
    let format = match &request.output {
        OutputFormat::Text => return Ok(None),
        OutputFormat::JsonObject => json!({"type": "json_object"}),
        OutputFormat::JsonSchema { schema, .. } => json!({"type": "json_object", "json_schema": schema}),
    };
    let calls = !request.tools.is_empty() && request.tool_choice != Some(ToolChoice::None);
    match calls {
        true => Err(unsupported("response_format together with tools")),
        false => Ok(Some(format)),
    }
}

/// Cohere's penalties are from 0 to 1.
fn penalty<'a>(name: &str, penalty: Option<&'a Number>) -> Result<Option<&'a Number>, RequestError> {
    match penalty.and_then(Number::as_f64) {
        Some(value) if !(0.0..=1.0).contains(&value) => Err(unsupported(name)),
        _ => Ok(penalty),
    }
}

/// Whether a model accepts `thinking`.
fn thinks(model: &str) -> bool {
    let name = model.rsplit('/').next().unwrap_or(model);
    name != "command" && !PLAIN_MODELS.iter().any(|plain| name.starts_with(plain))
}

/// A budget is positive, and leaves tokens for the answer if that is limited.
fn encode_thinking(thinking: &Thinking, most: Option<u64>) -> Value {
    let budget = match thinking {
        Thinking::Off | Thinking::Budget(0) => return json!({"type": "disabled"}),
        Thinking::Adaptive => return json!({"type": "enabled"}),
        Thinking::Effort(effort) => effort.tokens(),
        Thinking::Budget(tokens) => *tokens,
    };
    match most {
        Some(most) if budget >= most && most < 2 => json!({"type": "disabled"}),
        Some(most) if budget >= most => json!({"type": "enabled", "token_budget": most / 2}),
        _ => json!({"type": "enabled", "token_budget": budget}),
    }
}
