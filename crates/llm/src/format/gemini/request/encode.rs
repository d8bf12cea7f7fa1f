//! Encodes a request for Gemini.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::thinking::{self, ModelGeneration};
use crate::chat::origin::Origin;
use crate::chat::{
    ChatRequest, JsonObject, Media, MediaSource, Message, OutputFormat, Part, Role, Tool, ToolCall, ToolChoice,
    ToolResult, object,
};
use crate::format::gemini::parts::{self, OwnParts};
use crate::provider::Target;
use crate::{Dialect, EncodedRequest, RequestError};

/// Replaces the signature of a call that Gemini did not make: Gemini 3 refuses the first call of a step without one,
/// and documents this value for histories from other models.
const NO_SIGNATURE: &str = "skip_thought_signature_validator";

/// The signature for the first call of a step that Gemini did not make, for the model named `model`: Gemini 3 requires
/// it, earlier models do not know it.
pub(crate) fn stand_in(model: &str) -> Option<&'static str> {
    matches!(ModelGeneration::of(model), ModelGeneration::Levels { .. }).then_some(NO_SIGNATURE)
}

/// Gemini's limit on stop sequences.
const MOST_STOPS: usize = 5;

/// Encodes a request with at most `most` tokens of output. `model` determines how thinking is written; it is part of
/// the path, not of the body.
///
/// # Errors
/// [`RequestError::Unsupported`] for what Gemini can't express: more than five stop sequences, a URL of unknown type, before Gemini 3 JSON output together with tools. [`RequestError::Invalid`] for a call in the
/// history whose arguments are not a JSON object.
pub fn encode(request: &ChatRequest, target: &Target<'_>, most: Option<u64>) -> Result<EncodedRequest, RequestError> {
    let generation = ModelGeneration::of(target.model);
    let mut body = JsonObject::new();
    let mut left_out = Vec::new();
    body.insert("contents".to_owned(), contents(request, generation, &mut left_out)?);
    if request.system.iter().any(|text| !text.is_empty()) {
        let parts: Vec<Value> =
            request.system.iter().filter(|text| !text.is_empty()).map(|text| json!({"text": text})).collect();
        body.insert("systemInstruction".to_owned(), json!({"parts": parts}));
    }
    if !request.tools.is_empty() {
        let declarations: Vec<Value> = request.tools.iter().map(declaration).collect();
        body.insert("tools".to_owned(), json!([{"functionDeclarations": declarations}]));
        if let Some(choice) = &request.tool_choice {
            body.insert("toolConfig".to_owned(), json!({"functionCallingConfig": calling_config(choice)}));
        }
        // Gemini follows the schemas of calls if it can, without a guarantee.
        if request.tools.iter().any(|tool| tool.strict == Some(true)) {
            left_out.push("strict".to_owned());
        }
    }
    let max_output_tokens = request.output_within(most);
    let config = generation_config(request, generation, max_output_tokens, &mut left_out)?;
    if !config.is_empty() {
        body.insert("generationConfig".to_owned(), Value::Object(config));
    }
    Ok(EncodedRequest { body, left_out, max_output_tokens })
}

fn unsupported(field: &str) -> RequestError {
    RequestError::Unsupported { field: field.to_owned(), upstream: Dialect::Gemini }
}

fn declaration(tool: &Tool) -> Value {
    let mut out = Map::new();
    out.insert("name".to_owned(), json!(tool.name));
    if let Some(description) = &tool.description {
        out.insert("description".to_owned(), json!(description));
    }
    // Both the Gemini API and Vertex AI accept JSON Schema here; the other field is OpenAPI.
    if let Some(parameters) = &tool.parameters {
        out.insert("parametersJsonSchema".to_owned(), parameters.clone());
    }
    Value::Object(out)
}

fn calling_config(choice: &ToolChoice) -> Value {
    match choice {
        ToolChoice::Auto => json!({"mode": "AUTO"}),
        ToolChoice::None => json!({"mode": "NONE"}),
        ToolChoice::Required => json!({"mode": "ANY"}),
        ToolChoice::Tool(name) => json!({"mode": "ANY", "allowedFunctionNames": [name]}),
        ToolChoice::AnyOf(names) => json!({"mode": "ANY", "allowedFunctionNames": names}),
    }
}

fn generation_config(
    request: &ChatRequest,
    generation: ModelGeneration,
    max_output_tokens: Option<u64>,
    left_out: &mut Vec<String>,
) -> Result<JsonObject, RequestError> {
    let mut config = JsonObject::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            config.insert(name.to_owned(), value);
        }
    };
    if request.stop.len() > MOST_STOPS {
        return Err(unsupported("stop"));
    }
    put("maxOutputTokens", max_output_tokens.map(Value::from));
    put("temperature", request.temperature.clone().map(Value::Number));
    put("topP", request.top_p.clone().map(Value::Number));
    put("topK", request.top_k.clone().map(Value::Number));
    put("stopSequences", (!request.stop.is_empty()).then(|| json!(request.stop)));
    // Google's seed has 32 bits.
    let seed = request.seed.map(|seed| i32::try_from(seed).map_err(|_| unsupported("seed"))).transpose()?;
    put("seed", seed.map(Value::from));
    put("presencePenalty", request.presence_penalty.clone().map(Value::Number));
    put("frequencyPenalty", request.frequency_penalty.clone().map(Value::Number));
    if request.output != OutputFormat::Text {
        let calls = !request.tools.is_empty() && request.tool_choice != Some(ToolChoice::None);
        if calls && !matches!(generation, ModelGeneration::Levels { .. }) {
            return Err(unsupported("response_format together with tools"));
        }
        put("responseMimeType", Some(json!("application/json")));
    }
    if let OutputFormat::JsonSchema { schema, .. } = &request.output {
        put("responseJsonSchema", Some(schema.clone()));
    }
    if let Some(thinking) = &request.thinking {
        let encoded = thinking::encode(thinking, generation, max_output_tokens);
        // A model that does not think already does what was asked if thinking is off.
        if encoded.is_none() && *thinking != crate::chat::Thinking::Off {
            left_out.push("thinking".to_owned());
        }
        put("thinkingConfig", encoded);
    }
    Ok(config)
}

/// A turn under construction: its role, whether it answers calls, its parts.
type WrittenTurn = (Role, bool, Vec<Value>);

/// Encodes the turns. Consecutive turns of one role become one, because Gemini requires the results of parallel calls
/// in one turn; but results stay separate from other user content.
fn contents(
    request: &ChatRequest,
    generation: ModelGeneration,
    left_out: &mut Vec<String>,
) -> Result<Value, RequestError> {
    let names: HashMap<&str, &str> = request
        .messages
        .iter()
        .flat_map(|message| &message.parts)
        .filter_map(|part| match part {
            Part::ToolCall(call) => Some((call.id.as_str(), call.name.as_str())),
            _ => None,
        })
        .collect();
    let mut turns: Vec<WrittenTurn> = Vec::new();
    for (at, message) in request.messages.iter().enumerate() {
        let mut first_call = true;
        let mut own = OwnParts::default();
        for part in &message.parts {
            let results = matches!(part, Part::ToolResult(_));
            let mut parts = Vec::new();
            match part {
                Part::Text(text) | Part::Refusal(text) if text.is_empty() => {}
                Part::Text(text) | Part::Refusal(text) => parts.push(own.text(text)),
                Part::Media(media) => parts.push(media_part(media, left_out)?),
                Part::Thinking(thought) => {
                    if thought.origin.as_ref() == Some(&Origin::GEMINI) {
                        parts.extend(own.thought(thought));
                    } else if !left_out.iter().any(|name| name == "thinking") {
                        left_out.push("thinking".to_owned());
                    }
                }
                Part::ToolCall(call) => {
                    parts.push(call_part(call, first_call, generation, at)?);
                    first_call = false;
                }
                Part::ToolResult(result) => result_parts(result, &names, generation, left_out, &mut parts)?,
            }
            add(&mut turns, message, results, parts);
        }
        add(&mut turns, message, false, own.rest().into_iter().collect());
    }
    let turns: Vec<Value> = turns
        .into_iter()
        .map(|(role, _, parts)| {
            let role = if role == Role::User { "user" } else { "model" };
            object([("role", json!(role)), ("parts", Value::Array(parts))])
        })
        .collect();
    Ok(Value::Array(turns))
}

fn add(turns: &mut Vec<WrittenTurn>, message: &Message, results: bool, added: Vec<Value>) {
    if added.is_empty() {
        return;
    }
    match turns.last_mut() {
        Some((role, answers, parts)) if *role == message.role && *answers == results => parts.extend(added),
        _ => turns.push((message.role, results, added)),
    }
}

fn call_part(call: &ToolCall, first: bool, generation: ModelGeneration, message: usize) -> Result<Value, RequestError> {
    // Of parallel calls, Gemini signs only the first.
    let stand_in = (first && matches!(generation, ModelGeneration::Levels { .. })).then_some(NO_SIGNATURE);
    parts::encode_call(call, call.signature.as_deref().or(stand_in)).ok_or_else(|| RequestError::Invalid {
        path: format!("messages[{message}]"),
        problem: format!("the arguments of the call of {} ({}) are not a JSON object", call.name, call.id),
    })
}

fn result_parts(
    result: &ToolResult,
    names: &HashMap<&str, &str>,
    generation: ModelGeneration,
    left_out: &mut Vec<String>,
    out: &mut Vec<Value>,
) -> Result<(), RequestError> {
    let texts: Vec<&str> = result
        .content
        .iter()
        .filter_map(|part| match part {
            Part::Text(text) | Part::Refusal(text) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    let mut media = Vec::new();
    for part in &result.content {
        if let Part::Media(one) = part {
            media.push(media_part(one, left_out)?);
        }
    }
    let name = result.name.as_deref().or_else(|| names.get(result.id.as_str()).copied()).unwrap_or(&result.id);
    let mut response = Map::new();
    response.insert("id".to_owned(), json!(result.id));
    response.insert("name".to_owned(), json!(name));
    response.insert("response".to_owned(), response_object(&texts.join("\n"), result.is_error));
    // Gemini 3 accepts images inside a response; for earlier models they are separate parts.
    if !media.is_empty() && matches!(generation, ModelGeneration::Levels { .. }) {
        response.insert("parts".to_owned(), Value::Array(std::mem::take(&mut media)));
    }
    out.push(object([("functionResponse", Value::Object(response))]));
    out.extend(media);
    Ok(())
}

/// A tool's text as the object that Gemini requires.
fn response_object(text: &str, is_error: bool) -> Value {
    if is_error {
        return json!({"error": text});
    }
    match serde_json::from_str::<Map<String, Value>>(text) {
        Ok(fitted) => Value::Object(fitted),
        Err(_) => json!({"result": text}),
    }
}

fn media_part(media: &Media, left_out: &mut Vec<String>) -> Result<Value, RequestError> {
    if media.detail.as_deref().is_some_and(|detail| detail != "auto") && !left_out.iter().any(|name| name == "detail") {
        left_out.push("detail".to_owned());
    }
    let known = media.media_type.as_deref().or_else(|| match &media.source {
        MediaSource::Url(url) => media_type_of(url),
        MediaSource::Base64(_) => None,
    });
    // Gemini fetches public URLs itself, but needs their media type.
    match known {
        Some(media_type) => Ok(parts::encode_media(media, Some(media_type))),
        None => Err(unsupported("a picture or document whose media type is not known")),
    }
}

/// By the extension in a URL's path, for types that Gemini reads.
fn media_type_of(url: &str) -> Option<&'static str> {
    let path = url.split(['?', '#']).next()?;
    let (_, ending) = path.rsplit('/').next()?.rsplit_once('.')?;
    Some(match ending.to_ascii_lowercase().as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "gif" => "image/gif",
        "heic" => "image/heic",
        "heif" => "image/heif",
        "pdf" => "application/pdf",
        _ => return None,
    })
}
