//! Encodes a request for an upstream.
//!
//! Models behind Converse accept different things, and AWS answers 400 to much that other dialects allow. What can be
//! expressed differently is; what affects only how the answer is made is omitted and named; the rest is refused.
//!
//! | in the request | written as |
//! |---|---|
//! | temperature above 1 | 1, and named |
//! | any JSON object as output | an instruction in the system prompt, and named |
//! | one of some tools | `any`, with the other tools omitted |
//! | no tool may be called | no tools, unless the turns contain calls, where AWS requires tools: then it is refused |
//! | calls in the turns, no tools declared | the called tools declared |
//! | marks of the prompt's cache | `cachePoint` for models that have it; else omitted and named |
//! | thinking, `top_k` | in the model's own words ([`extra_fields`]), or omitted and named |

use std::collections::HashSet;

use serde_json::{Number, Value, json};

use super::extra_fields;
use super::turns::{self, check_name, unsupported};
use crate::chat::cache::PrefixEnd;
use crate::chat::{ChatRequest, JsonObject, OutputFormat, Part, Tool, ToolChoice, object};
use crate::format::anthropic::schema;
use crate::provider::Target;
use crate::{EncodedRequest, RequestError};

/// The instruction for a JSON object without a schema, for which Converse has no field.
const JSON_INSTRUCTION: &str =
    "Answer with one valid JSON object and nothing else: no prose around it, and no code fence.";

/// Encodes `request` for `target`, with at most `most` tokens of output. The path names the model.
///
/// # Errors
/// [`RequestError::Unsupported`] if Converse can't express a part of it.
pub fn encode(request: &ChatRequest, target: &Target<'_>, most: Option<u64>) -> Result<EncodedRequest, RequestError> {
    let mut left_out: Vec<String> = Vec::new();
    refuse_penalties(request)?;
    if request.seed.is_some() {
        left_out.push("seed".to_owned());
    }
    let cache = Some(&request.cache).filter(|_| caches(target.model));
    if cache.is_none() && !request.cache.is_empty() {
        left_out.push("cache_control".to_owned());
    }
    let mut turns = turns::of(&request.messages, &target.origin(), cache)?;
    // A request that is only written anew.
    if request.cite {
        turns.cite_documents();
    }
    left_out.extend(turns.left_out.iter().map(|field| (*field).to_owned()));
    let mut body = JsonObject::new();
    body.insert("messages".to_owned(), turns.into_value());
    let mut blocks = Vec::new();
    for (at, text) in request.system.iter().enumerate().filter(|(_, text)| !text.trim().is_empty()) {
        blocks.push(json!({"text": text}));
        if cache.is_some_and(|cache| cache.at(PrefixEnd::System(at)).is_some()) {
            blocks.push(turns::cache_point());
        }
    }
    if request.output == OutputFormat::JsonObject {
        blocks.push(json!({"text": JSON_INSTRUCTION}));
        left_out.push("response_format".to_owned());
    }
    if !blocks.is_empty() {
        body.insert("system".to_owned(), Value::Array(blocks));
    }
    let max_output_tokens = request.output_within(most);
    let config = inference_config(request, max_output_tokens, &mut left_out);
    if !config.is_empty() {
        body.insert("inferenceConfig".to_owned(), Value::Object(config));
    }
    body.extend(tool_config(request, &mut left_out)?.map(|config| ("toolConfig".to_owned(), config)));
    if let OutputFormat::JsonSchema { name, description, schema, .. } = &request.output {
        let format = output_format(schema, name.as_deref(), description.as_deref())?;
        body.insert("outputConfig".to_owned(), json!({"textFormat": format}));
    }
    let capped = max_output_tokens.is_some();
    let (thinking, top_k) = (request.thinking.as_ref(), request.top_k.as_ref());
    let fields = extra_fields::encode(thinking, top_k, target.model, capped, &mut left_out);
    if !fields.is_empty() {
        body.insert("additionalModelRequestFields".to_owned(), Value::Object(fields));
    }
    let mut seen = HashSet::new();
    left_out.retain(|field| seen.insert(field.clone()));
    Ok(EncodedRequest { body, left_out, max_output_tokens })
}

/// Whether a model accepts marks of the prompt's cache in turns and in the system prompt. Others refuse the request.
/// Claude is asked through another API, where it can be.
fn caches(model: &str) -> bool {
    model.contains("amazon.nova")
}

fn refuse_penalties(request: &ChatRequest) -> Result<(), RequestError> {
    let bites = |penalty: &Option<Number>| penalty.as_ref().is_some_and(|penalty| penalty.as_f64() != Some(0.0));
    match (bites(&request.presence_penalty), bites(&request.frequency_penalty)) {
        (true, _) => Err(unsupported("presence_penalty")),
        (_, true) => Err(unsupported("frequency_penalty")),
        _ => Ok(()),
    }
}

fn inference_config(request: &ChatRequest, max_output_tokens: Option<u64>, left_out: &mut Vec<String>) -> JsonObject {
    let mut config = JsonObject::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            config.insert(name.to_owned(), value);
        }
    };
    put("maxTokens", max_output_tokens.map(Value::from));
    let temperature = request.temperature.as_ref().map(|degrees| match degrees.as_f64() {
        Some(hot) if hot > 1.0 => {
            left_out.push("temperature".to_owned());
            json!(1)
        }
        _ => Value::Number(degrees.clone()),
    });
    put("temperature", temperature);
    put("topP", request.top_p.clone().map(Value::Number));
    // A stop sequence of white space alone is refused.
    let (stop, blank): (Vec<&String>, Vec<&String>) = request.stop.iter().partition(|stop| !stop.trim().is_empty());
    if !blank.is_empty() {
        left_out.push("stop".to_owned());
    }
    put("stopSequences", (!stop.is_empty()).then(|| json!(stop)));
    config
}

fn tool_config(request: &ChatRequest, left_out: &mut Vec<String>) -> Result<Option<Value>, RequestError> {
    let parts = || request.messages.iter().flat_map(|message| &message.parts);
    let calls = parts().any(|part| matches!(part, Part::ToolCall(_) | Part::ToolResult(_)));
    if request.tools.is_empty() {
        return match calls {
            true => called_tools(request).map(Some),
            false => Ok(None),
        };
    }
    if request.tool_choice == Some(ToolChoice::None) {
        return match calls {
            true => Err(unsupported("tool_choice that forbids tools, after calls of tools,")),
            false => Ok(None),
        };
    }
    let is_among = |tool: &&Tool| match &request.tool_choice {
        Some(ToolChoice::AnyOf(names)) => names.contains(&tool.name),
        _ => true,
    };
    let mut declared = Vec::with_capacity(request.tools.len());
    for tool in request.tools.iter().filter(is_among) {
        declared.push(tool_spec(tool, left_out)?);
    }
    if declared.is_empty() {
        return Err(unsupported("tool_choice among tools that are not declared"));
    }
    let mut config = object([("tools", Value::Array(declared))]);
    match &request.tool_choice {
        None | Some(ToolChoice::None) => {}
        Some(ToolChoice::Auto) => config["toolChoice"] = json!({"auto": {}}),
        Some(ToolChoice::Required | ToolChoice::AnyOf(_)) => config["toolChoice"] = json!({"any": {}}),
        Some(ToolChoice::Tool(name)) => config["toolChoice"] = json!({"tool": {"name": name}}),
    }
    Ok(Some(config))
}

fn tool_spec(tool: &Tool, left_out: &mut Vec<String>) -> Result<Value, RequestError> {
    check_name(&tool.name)?;
    if tool.strict == Some(true) {
        // Few models have it, and the others refuse it.
        left_out.push("tools[].strict".to_owned());
    }
    let schema = match &tool.parameters {
        Some(Value::Object(schema)) if !schema.is_empty() => {
            let mut schema = schema.clone();
            // Required here, and often missing.
            schema.entry("type").or_insert_with(|| json!("object"));
            Value::Object(schema)
        }
        _ => json!({"type": "object", "properties": {}}),
    };
    let mut spec = object([("name", json!(tool.name)), ("inputSchema", object([("json", schema)]))]);
    if let Some(description) = tool.description.as_deref().filter(|description| !description.trim().is_empty()) {
        spec["description"] = json!(description);
    }
    Ok(object([("toolSpec", spec)]))
}

/// Declares the tools that are called in the turns: AWS requires that, whether or not they are used again.
fn called_tools(request: &ChatRequest) -> Result<Value, RequestError> {
    let (mut declared, mut seen) = (Vec::new(), HashSet::new());
    for part in request.messages.iter().flat_map(|message| &message.parts) {
        if let Part::ToolCall(call) = part
            && seen.insert(call.name.as_str())
        {
            check_name(&call.name)?;
            declared.push(json!({"toolSpec": {"name": call.name, "inputSchema": {"json": {"type": "object"}}}}));
        }
    }
    match declared.is_empty() {
        true => Err(unsupported("results of tools without their calls")),
        false => Ok(object([("tools", Value::Array(declared))])),
    }
}

/// The schema as text, in the form that the grammars behind it accept, which is the same as for Claude.
fn output_format(schema: &Value, name: Option<&str>, description: Option<&str>) -> Result<Value, RequestError> {
    let fitted =
        schema::fit(schema).ok_or_else(|| unsupported("a JSON schema for the answer with objects of free keys"))?;
    let mut definition = object([("schema", json!(fitted.to_string()))]);
    if let Some(name) = name {
        definition["name"] = json!(name);
    }
    if let Some(description) = description {
        definition["description"] = json!(description);
    }
    Ok(json!({"type": "json_schema", "structure": {"jsonSchema": definition}}))
}
