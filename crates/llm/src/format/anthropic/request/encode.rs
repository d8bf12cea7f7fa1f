//! Encodes a request for an upstream.
//!
//! Anthropic answers 400 to much that other dialects allow. What can be expressed differently is; what affects only how
//! the answer is made, and not its meaning, is omitted and named; the rest is refused.
//!
//! | in the request | written as |
//! |---|---|
//! | no limit of output | `max_tokens` by the model ([`super::models`]); a limit above the model's maximum becomes the maximum |
//! | a thinking budget not below the caller's limit, or the gateway's | half of the limit; the thinking is omitted and named if that is too little |
//! | a thinking budget, no limit | the model's `max_tokens` raised by the budget, up to the model's maximum |
//! | thinking and a forced tool | the forced tool; the thinking is omitted if possible |
//! | temperature above 1 | 1, and named |
//! | `temperature` and `top_p` | only `temperature`, if the model accepts only one |
//! | any JSON object as output | an instruction in the system prompt, and named |
//! | one of some tools | `any`, with the other tools omitted |
//! | calls in the turns, no tools declared | the called tools declared, `tool_choice: none` |

use std::collections::HashSet;

use serde_json::{Number, Value, json};

use crate::chat::cache::{CacheLife, PrefixEnd};
use crate::chat::{ChatRequest, Effort, JsonObject, OutputFormat, Part, Role, Thinking, Tool, ToolChoice};
use crate::format::anthropic::models::{self, ModelTraits, Sampling, ThinkingForm, TopEffort};
use crate::format::anthropic::{schema, turns};
use crate::passthrough::scan::thinking::{LEAST_BUDGET, below};
use crate::provider::Target;
use crate::{Dialect, EncodedRequest, RequestError};

/// The instruction for a JSON object without a schema, for which Anthropic has no field.
const JSON_INSTRUCTION: &str =
    "Answer with one valid JSON object and nothing else: no prose around it, and no code fence.";

/// Encodes `request` for `target`, with at most `most` tokens of output.
///
/// # Errors
/// [`RequestError::Unsupported`] if Anthropic, or this model, can't express a part of it.
pub fn encode(request: &ChatRequest, target: &Target<'_>, most: Option<u64>) -> Result<EncodedRequest, RequestError> {
    let model = target.model;
    let takes = models::of(model);
    let mut left_out = Vec::new();
    refuse_penalties(request)?;
    if request.seed.is_some() {
        leave_out(&mut left_out, "seed");
    }

    let mut tools = tools_of(request, &takes, &mut left_out)?;
    if let (Some(life), Some(last)) = (request.cache.at(PrefixEnd::Tools), tools.declared.last_mut()) {
        last["cache_control"] = turns::cache_control(life);
    }
    let forced = matches!(&tools.choice, Some(choice) if choice["type"] == "any" || choice["type"] == "tool");
    if forced && !takes.forced_tools {
        return Err(unsupported("tool_choice that forces a tool"));
    }
    let mut thinking = thinking_of(request.thinking.as_ref(), &takes, &mut left_out);
    // Anthropic does not allow thinking with a forced tool. The effort alone may stay.
    if forced && thinking.on() {
        thinking.config = None;
        if !takes.always_thinks {
            leave_out(&mut left_out, "thinking");
        }
    }
    // A budget must be below the limit, and has a minimum.
    if matches!(thinking.config, Some(Config::Budget(_)))
        && request.output_within(most).is_some_and(|most| most <= LEAST_BUDGET)
    {
        thinking.config = None;
        leave_out(&mut left_out, "thinking");
    }
    let origin = target.origin();
    let thinks = (thinking.on() || takes.always_thinks).then_some(&origin);
    let mut turns = turns::of(&request.messages, thinks, &request.cache)?;
    if matches!(thinking.config, Some(Config::Budget(_))) && turns::lacks_thinking(&turns.turns) {
        thinking.config = None;
        leave_out(&mut left_out, "thinking");
        turns = turns::of(&request.messages, None, &request.cache)?;
    }
    if !takes.prefill && turns.turns.last().is_some_and(|turn| turn.role == Role::Assistant) {
        return Err(unsupported("a conversation that ends with the assistant's turn"));
    }
    for field in &turns.left_out {
        leave_out(&mut left_out, field);
    }

    let mut body = JsonObject::new();
    match target.api.body_version {
        Some(version) => body.insert("anthropic_version".to_owned(), json!(version)),
        None => body.insert("model".to_owned(), json!(model)),
    };
    let cap = thinking.fit_into(request.max_output_tokens, most, &takes);
    body.insert("max_tokens".to_owned(), json!(cap));
    let prompts = request.system.iter().enumerate().filter(|(_, text)| !text.trim().is_empty());
    let mut system: Vec<(&str, Option<CacheLife>)> =
        prompts.map(|(at, text)| (text.as_str(), request.cache.at(PrefixEnd::System(at)))).collect();
    let format = match &request.output {
        OutputFormat::Text => None,
        OutputFormat::JsonObject => {
            system.push((JSON_INSTRUCTION, None));
            leave_out(&mut left_out, "response_format");
            None
        }
        OutputFormat::JsonSchema { schema, description, .. } => {
            Some(output_schema(schema, description.as_deref(), &takes)?)
        }
    };
    match system.as_slice() {
        [] => {}
        [(one, None)] => drop(body.insert("system".to_owned(), json!(one))),
        several => {
            let block = |(text, life): &(&str, Option<CacheLife>)| match life {
                Some(life) => json!({"type": "text", "text": text, "cache_control": turns::cache_control(*life)}),
                None => json!({"type": "text", "text": text}),
            };
            let blocks: Vec<Value> = several.iter().map(block).collect();
            body.insert("system".to_owned(), Value::Array(blocks));
        }
    }
    if request.cite {
        // Anthropic cites all documents, or none.
        turns.turns.iter_mut().for_each(|turn| cite_documents(&mut turn.blocks));
    }
    let messages: Vec<Value> = turns.turns.into_iter().map(turns::MessageTurn::into_value).collect();
    body.insert("messages".to_owned(), Value::Array(messages));
    if !tools.declared.is_empty() {
        body.insert("tools".to_owned(), Value::Array(tools.declared));
        body.extend(tools.choice.map(|choice| ("tool_choice".to_owned(), choice)));
    }
    let mut config = JsonObject::new();
    config.extend(thinking.effort.map(|effort| ("effort".to_owned(), json!(effort))));
    config.extend(format.map(|format| ("format".to_owned(), format)));
    if !config.is_empty() {
        body.insert("output_config".to_owned(), Value::Object(config));
    }
    body.extend(thinking.config.as_ref().map(|config| ("thinking".to_owned(), config.to_value())));
    sampling(request, &takes, thinking.on(), &mut body, &mut left_out);
    // Anthropic refuses stop sequences that are only white space.
    let (stop, blank): (Vec<&String>, Vec<&String>) = request.stop.iter().partition(|stop| !stop.trim().is_empty());
    if !blank.is_empty() {
        leave_out(&mut left_out, "stop");
    }
    if !stop.is_empty() {
        body.insert("stop_sequences".to_owned(), json!(stop));
    }
    if request.stream {
        body.insert("stream".to_owned(), Value::Bool(true));
    }
    Ok(EncodedRequest { body, left_out, max_output_tokens: Some(cap) })
}

/// Asks for citations of all documents, those of tools' results included.
fn cite_documents(blocks: &mut [Value]) {
    for block in blocks {
        if block["type"] == "document" {
            block["citations"] = json!({"enabled": true});
        } else if let Some(Value::Array(content)) = block.get_mut("content") {
            cite_documents(content);
        }
    }
}

fn unsupported(field: &str) -> RequestError {
    RequestError::Unsupported { field: field.to_owned(), upstream: Dialect::Anthropic }
}

fn leave_out(left_out: &mut Vec<String>, field: &str) {
    if !left_out.iter().any(|there| there == field) {
        left_out.push(field.to_owned());
    }
}

fn refuse_penalties(request: &ChatRequest) -> Result<(), RequestError> {
    let bites = |penalty: &Option<Number>| penalty.as_ref().is_some_and(|penalty| penalty.as_f64() != Some(0.0));
    if bites(&request.presence_penalty) {
        return Err(unsupported("presence_penalty"));
    }
    if bites(&request.frequency_penalty) {
        return Err(unsupported("frequency_penalty"));
    }
    Ok(())
}

/// How a request asks for thinking.
#[derive(Default)]
struct ThinkingPlan {
    config: Option<Config>,
    effort: Option<&'static str>,
}

enum Config {
    Off,
    Adaptive,
    Budget(u64),
}

impl Config {
    fn to_value(&self) -> Value {
        match self {
            Config::Off => json!({"type": "disabled"}),
            Config::Adaptive => json!({"type": "adaptive"}),
            Config::Budget(tokens) => json!({"type": "enabled", "budget_tokens": tokens}),
        }
    }
}

impl ThinkingPlan {
    fn on(&self) -> bool {
        matches!(self.config, Some(Config::Adaptive | Config::Budget(_)))
    }

    /// `max_tokens`, which must exceed the budget. A limit of the caller stays, because it limits the cost of an
    /// answer, and the budget is lowered. Without one, the model's default limit is raised by the budget, as far as the
    /// model, or the gateway, allows.
    fn fit_into(&mut self, cap: Option<u64>, most: Option<u64>, takes: &ModelTraits) -> u64 {
        let most = most.unwrap_or(u64::MAX).min(takes.max_output);
        let cap_or_default = cap.unwrap_or(takes.default_output).min(most);
        let Some(Config::Budget(budget)) = &mut self.config else { return cap_or_default };
        let max_tokens = if cap.is_some() { cap_or_default } else { cap_or_default.saturating_add(*budget).min(most) };
        // This fits: it was checked before.
        *budget = below(*budget, max_tokens, LEAST_BUDGET).unwrap_or(LEAST_BUDGET);
        max_tokens
    }
}

fn thinking_of(thinking: Option<&Thinking>, takes: &ModelTraits, left_out: &mut Vec<String>) -> ThinkingPlan {
    let Some(thinking) = thinking else { return ThinkingPlan::default() };
    let only = |config| ThinkingPlan { config: Some(config), effort: None };
    match (takes.thinking, thinking) {
        (ThinkingForm::None, Thinking::Off) => ThinkingPlan::default(),
        (ThinkingForm::None, _) => {
            leave_out(left_out, "thinking");
            ThinkingPlan::default()
        }
        (_, Thinking::Off) if takes.always_thinks => {
            leave_out(left_out, "thinking");
            ThinkingPlan::default()
        }
        (_, Thinking::Off) => only(Config::Off),
        (ThinkingForm::Budget, Thinking::Adaptive) => only(Config::Budget(Effort::Medium.tokens())),
        (ThinkingForm::Budget, Thinking::Effort(effort)) => only(Config::Budget(effort.tokens().max(LEAST_BUDGET))),
        (ThinkingForm::Budget, Thinking::Budget(tokens)) => only(Config::Budget((*tokens).max(LEAST_BUDGET))),
        (ThinkingForm::Adaptive, Thinking::Adaptive) => only(Config::Adaptive),
        (ThinkingForm::Adaptive, Thinking::Effort(effort)) => adaptive(*effort, takes),
        (ThinkingForm::Adaptive, Thinking::Budget(tokens)) => adaptive(Effort::of_tokens(*tokens), takes),
    }
}

fn adaptive(effort: Effort, takes: &ModelTraits) -> ThinkingPlan {
    let word = match (effort, takes.top_effort) {
        // Anthropic's lowest value.
        (Effort::Minimal, _) => "low",
        (Effort::XHigh, TopEffort::Max) => "max",
        (effort, _) => effort.word(),
    };
    ThinkingPlan { config: Some(Config::Adaptive), effort: Some(word) }
}

fn sampling(
    request: &ChatRequest,
    takes: &ModelTraits,
    thinks: bool,
    body: &mut JsonObject,
    left_out: &mut Vec<String>,
) {
    let is = |number: &Number, value: f64| number.as_f64() == Some(value);
    let mut temperature = request.temperature.clone();
    if temperature.as_ref().and_then(Number::as_f64).is_some_and(|degrees| degrees > 1.0) {
        temperature = Some(Number::from(1));
        leave_out(left_out, "temperature");
    }
    let fixed = thinks || takes.sampling == Sampling::None;
    let mut hot = false;
    if let Some(degrees) = temperature {
        if !fixed {
            hot = true;
            body.insert("temperature".to_owned(), Value::Number(degrees));
        } else if !is(&degrees, 1.0) {
            leave_out(left_out, "temperature");
        }
    }
    if let Some(top_p) = &request.top_p {
        let fits = match takes.sampling {
            Sampling::None => false,
            _ if thinks => top_p.as_f64().is_some_and(|top_p| top_p >= 0.95),
            Sampling::OneOfTwo => !hot,
            Sampling::All => true,
        };
        if fits {
            body.insert("top_p".to_owned(), Value::Number(top_p.clone()));
        } else if !is(top_p, 1.0) {
            leave_out(left_out, "top_p");
        }
    }
    if let Some(top_k) = &request.top_k {
        if fixed {
            leave_out(left_out, "top_k");
        } else {
            // An integer in this dialect; Gemini's SDKs write 40.0.
            let whole = top_k.as_f64().filter(|k| k.fract() == 0.0 && (0.0..1e15).contains(k)).map(|k| k as u64);
            body.insert("top_k".to_owned(), whole.map_or_else(|| Value::Number(top_k.clone()), Value::from));
        }
    }
}

fn output_schema(schema: &Value, description: Option<&str>, takes: &ModelTraits) -> Result<Value, RequestError> {
    if !takes.structured {
        return Err(unsupported("a JSON schema for the answer, to this model,"));
    }
    let mut fitted =
        schema::fit(schema).ok_or_else(|| unsupported("a JSON schema for the answer with objects of free keys"))?;
    if let (Some(description), Some(object)) = (description, fitted.as_object_mut()) {
        object.entry("description").or_insert_with(|| json!(description));
    }
    Ok(json!({"type": "json_schema", "schema": fitted}))
}

struct Tools {
    declared: Vec<Value>,
    choice: Option<Value>,
}

fn tools_of(request: &ChatRequest, takes: &ModelTraits, left_out: &mut Vec<String>) -> Result<Tools, RequestError> {
    if request.tools.is_empty() {
        let declared = called_tools(request)?;
        return Ok(Tools { declared, choice: Some(json!({"type": "none"})) });
    }
    let among = match &request.tool_choice {
        Some(ToolChoice::AnyOf(names)) => Some(names.iter().map(String::as_str).collect::<HashSet<_>>()),
        _ => None,
    };
    let mut declared = Vec::with_capacity(request.tools.len());
    let is_among = |tool: &&Tool| among.as_ref().is_none_or(|names| names.contains(tool.name.as_str()));
    for tool in request.tools.iter().filter(is_among) {
        declared.push(tool_of(tool, takes, left_out)?);
    }
    if declared.is_empty() {
        return Err(unsupported("tool_choice among tools that are not declared"));
    }
    let mut choice = match &request.tool_choice {
        None => None,
        Some(ToolChoice::Auto) => Some(json!({"type": "auto"})),
        Some(ToolChoice::None) => Some(json!({"type": "none"})),
        Some(ToolChoice::Required | ToolChoice::AnyOf(_)) => Some(json!({"type": "any"})),
        Some(ToolChoice::Tool(name)) => Some(json!({"type": "tool", "name": name})),
    };
    if request.parallel_tool_calls == Some(false) {
        let choice = choice.get_or_insert_with(|| json!({"type": "auto"}));
        if choice["type"] != "none" {
            choice["disable_parallel_tool_use"] = Value::Bool(true);
        }
    }
    Ok(Tools { declared, choice })
}

fn tool_of(tool: &Tool, takes: &ModelTraits, left_out: &mut Vec<String>) -> Result<Value, RequestError> {
    check_name(&tool.name)?;
    let schema = match &tool.parameters {
        Some(Value::Object(schema)) if !schema.is_empty() => {
            let mut schema = schema.clone();
            // Required here, and often missing.
            schema.entry("type").or_insert_with(|| json!("object"));
            Value::Object(schema)
        }
        _ => json!({"type": "object", "properties": {}}),
    };
    let mut encoded = json!({"name": tool.name});
    if let Some(description) = tool.description.as_deref().filter(|description| !description.is_empty()) {
        encoded["description"] = json!(description);
    }
    let strict = match tool.strict {
        Some(true) if takes.structured => schema::fit(&schema),
        _ => None,
    };
    if tool.strict == Some(true) && strict.is_none() {
        leave_out(left_out, "tools[].strict");
    }
    match strict {
        Some(fitted) => {
            encoded["input_schema"] = fitted;
            encoded["strict"] = Value::Bool(true);
        }
        None => encoded["input_schema"] = schema,
    }
    Ok(encoded)
}

/// Declares the tools that are called in the turns. Anthropic requires that, whether or not they are used again.
fn called_tools(request: &ChatRequest) -> Result<Vec<Value>, RequestError> {
    let (mut names, mut seen) = (Vec::new(), HashSet::new());
    for part in request.messages.iter().flat_map(|message| &message.parts) {
        if let Part::ToolCall(call) = part
            && seen.insert(call.name.as_str())
        {
            check_name(&call.name)?;
            names.push(&call.name);
        }
    }
    Ok(names.into_iter().map(|name| json!({"name": name, "input_schema": {"type": "object"}})).collect())
}

/// Anthropic accepts `^[a-zA-Z0-9_-]{1,128}$`. Another name for the tool would have to be reverted in the answer, where
/// the request is not known.
fn check_name(name: &str) -> Result<(), RequestError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if (1..=128).contains(&name.len()) && name.bytes().all(fits) {
        return Ok(());
    }
    Err(unsupported(&format!("the tool name `{name}`")))
}
