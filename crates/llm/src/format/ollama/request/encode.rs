//! Encodes a request for Ollama.

use serde_json::{Value, json};

use super::messages;
use crate::chat::{ChatRequest, Effort, JsonObject, OutputFormat, Thinking, ToolChoice};
use crate::format::ollama::unsupported;
use crate::format::openai_chat::tools;
use crate::provider::Target;
use crate::{EncodedRequest, RequestError};

/// Encodes a request with at most `most` tokens of output.
///
/// # Errors
/// [`RequestError::Unsupported`] for what Ollama can't express: a tool that must be called, a picture behind a
/// URL, a document.
pub fn encode(request: &ChatRequest, target: &Target<'_>, most: Option<u64>) -> Result<EncodedRequest, RequestError> {
    let mut left_out = Vec::new();
    let mut body = JsonObject::new();
    body.insert("model".into(), json!(target.model));
    body.insert("messages".into(), Value::Array(messages::encode(request, &target.origin(), &mut left_out)?));
    let offers = !request.tools.is_empty() && request.tool_choice != Some(ToolChoice::None);
    match &request.tool_choice {
        None | Some(ToolChoice::Auto | ToolChoice::None) => {}
        Some(_) => return Err(unsupported("a tool that must be called")),
    }
    if offers {
        body.insert("tools".into(), tools::encode(&request.tools));
    }
    match &request.output {
        OutputFormat::Text => {}
        OutputFormat::JsonObject => drop(body.insert("format".into(), json!("json"))),
        OutputFormat::JsonSchema { schema, .. } if schema.is_object() => {
            body.insert("format".into(), schema.clone());
        }
        OutputFormat::JsonSchema { .. } => return Err(unsupported("a schema that is not an object")),
    }
    if let Some(thinking) = &request.thinking {
        body.insert("think".into(), think(thinking));
    }
    let max_output_tokens = request.output_within(most);
    let options = options(request, max_output_tokens);
    if !options.is_empty() {
        body.insert("options".into(), Value::Object(options));
    }
    // The default is a stream.
    body.insert("stream".into(), json!(request.stream));
    Ok(EncodedRequest { body, left_out, max_output_tokens })
}

fn options(request: &ChatRequest, most: Option<u64>) -> JsonObject {
    let numbers = [
        ("temperature", request.temperature.as_ref()),
        ("top_p", request.top_p.as_ref()),
        ("top_k", request.top_k.as_ref()),
        ("presence_penalty", request.presence_penalty.as_ref()),
        ("frequency_penalty", request.frequency_penalty.as_ref()),
    ];
    let mut options: JsonObject =
        numbers.into_iter().filter_map(|(key, number)| Some((key.to_owned(), json!(number?)))).collect();
    if let Some(seed) = request.seed {
        options.insert("seed".into(), json!(seed));
    }
    if !request.stop.is_empty() {
        options.insert("stop".into(), json!(request.stop));
    }
    if let Some(tokens) = most {
        options.insert("num_predict".into(), json!(i64::try_from(tokens).unwrap_or(i64::MAX)));
    }
    options
}

/// Ollama has three efforts, and a switch.
fn think(thinking: &Thinking) -> Value {
    let effort = match thinking {
        Thinking::Off | Thinking::Budget(0) => return json!(false),
        Thinking::Adaptive => return json!(true),
        Thinking::Effort(effort) => *effort,
        Thinking::Budget(tokens) => Effort::of_tokens(*tokens),
    };
    json!(match effort {
        Effort::Minimal | Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High | Effort::XHigh => "high",
    })
}
