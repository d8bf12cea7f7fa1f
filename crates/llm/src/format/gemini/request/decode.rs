//! Decodes Gemini's request.

use std::collections::HashSet;

use super::{contents, thinking};
use crate::RequestError;
use crate::chat::{ChatRequest, JsonObject, OutputFormat, Tool, ToolChoice};
use crate::format::gemini::reader::{FieldReader, invalid};
use crate::format::gemini::schema::to_json_schema;

/// Decodes a request. The path contains the model, so `model` and `stream` stay empty.
///
/// # Errors
/// [`RequestError::Invalid`] with the camelCase path of a field with the wrong shape.
pub fn decode(body: &JsonObject) -> Result<ChatRequest, RequestError> {
    let mut reader = FieldReader::new("", body)?;
    let mut request = ChatRequest::default();
    // Some SDKs repeat the model here; the path decides.
    reader.string("model")?;
    contents::decode(&mut reader, &mut request)?;
    if let Some(tools) = reader.list("tools")? {
        for (at, tool) in tools.iter().enumerate() {
            read_tool(FieldReader::of(&format!("tools[{at}]"), tool)?, &mut request)?;
        }
    }
    if let Some(config) = reader.object("toolConfig")? {
        read_tool_config(config, &mut request)?;
    }
    if let Some(config) = reader.object("generationConfig")? {
        read_generation_config(config, &mut request)?;
    }
    reader.rest(&mut request.fields);
    Ok(request)
}

fn read_tool(mut tool: FieldReader<'_>, request: &mut ChatRequest) -> Result<(), RequestError> {
    for mut function in tool.objects("functionDeclarations")? {
        let path = function.path("name");
        let Some(name) = function.string("name")?.filter(|name| !name.is_empty()) else {
            return Err(invalid(&path, "is missing: a function needs a name"));
        };
        let description = function.string("description")?.map(str::to_owned);
        let parameters = schema(&mut function, "parameters", "parametersJsonSchema")?;
        // Functions block by default.
        if function.has("behavior") {
            let behavior = function.string("behavior")?.unwrap_or_default();
            if !matches!(behavior.to_ascii_uppercase().as_str(), "BLOCKING" | "UNSPECIFIED") {
                function.report("behavior", &mut request.fields);
            }
        }
        function.rest(&mut request.fields);
        request.tools.push(Tool { name: name.to_owned(), description, parameters, strict: None });
    }
    tool.rest(&mut request.fields);
    Ok(())
}

/// One of two fields with a schema: Gemini's own type, or JSON Schema.
fn schema(
    reader: &mut FieldReader<'_>,
    own: &str,
    json_schema: &str,
) -> Result<Option<serde_json::Value>, RequestError> {
    let (own_path, json_path) = (reader.path(own), reader.path(json_schema));
    match (reader.take(own), reader.take(json_schema)) {
        (None, None) => Ok(None),
        (Some(value), None) if value.is_object() => Ok(Some(to_json_schema(value))),
        (None, Some(value)) if value.is_object() || value.is_boolean() => Ok(Some(value.clone())),
        (Some(_), None) => Err(invalid(&own_path, "must be a schema, an object")),
        (None, Some(_)) => Err(invalid(&json_path, "must be a schema, an object")),
        (Some(_), Some(_)) => Err(invalid(&json_path, format!("cannot stand beside {own}: give one of them"))),
    }
}

fn read_tool_config(mut config: FieldReader<'_>, request: &mut ChatRequest) -> Result<(), RequestError> {
    if let Some(mut calling) = config.object("functionCallingConfig")? {
        let path = calling.path("mode");
        // Google's enums are not case-sensitive.
        let mode = calling.string("mode")?.map(str::to_ascii_uppercase);
        let mode = mode.as_deref();
        let allowed = calling.strings("allowedFunctionNames")?;
        request.tool_choice = match mode {
            None | Some("MODE_UNSPECIFIED" | "AUTO" | "VALIDATED") => {
                // The model may call only these functions, or none: the others are omitted.
                if !allowed.is_empty() {
                    let allowed: HashSet<&str> = allowed.iter().map(String::as_str).collect();
                    request.tools.retain(|tool| allowed.contains(tool.name.as_str()));
                }
                mode.filter(|mode| *mode != "MODE_UNSPECIFIED").map(|_| ToolChoice::Auto)
            }
            Some("NONE") => Some(ToolChoice::None),
            Some("ANY") => Some(match <[String; 1]>::try_from(allowed) {
                Ok([name]) => ToolChoice::Tool(name),
                Err(names) if names.is_empty() => ToolChoice::Required,
                Err(names) => ToolChoice::AnyOf(names),
            }),
            Some(other) => {
                return Err(invalid(&path, format!("{other:?} is none of AUTO, ANY, NONE, VALIDATED")));
            }
        };
        calling.rest(&mut request.fields);
    }
    config.rest(&mut request.fields);
    Ok(())
}

fn read_generation_config(mut config: FieldReader<'_>, request: &mut ChatRequest) -> Result<(), RequestError> {
    // Not carried to all dialects: the table decides.
    for name in ["topK", "seed", "presencePenalty", "frequencyPenalty"] {
        if config.has(name) {
            config.report(name, &mut request.fields);
        }
    }
    request.temperature = config.number("temperature")?;
    request.top_p = config.number("topP")?;
    request.top_k = config.number("topK")?;
    request.seed = config.integer("seed")?;
    request.presence_penalty = config.number("presencePenalty")?;
    request.frequency_penalty = config.number("frequencyPenalty")?;
    request.stop = config.strings("stopSequences")?;
    let path = config.path("maxOutputTokens");
    if let Some(tokens) = config.integer("maxOutputTokens")? {
        let tokens = u64::try_from(tokens).map_err(|_| invalid(&path, "must not be negative"))?;
        // Zero is unset in proto.
        request.max_output_tokens = Some(tokens).filter(|tokens| *tokens > 0);
    }
    if config.integer("candidateCount")?.is_some_and(|count| count > 1) {
        config.report("candidateCount", &mut request.fields);
    }
    if config.boolean("responseLogprobs")? == Some(true) {
        config.report("responseLogprobs", &mut request.fields);
    }
    let modalities = config.strings("responseModalities")?;
    if modalities
        .iter()
        .any(|modality| !matches!(modality.to_ascii_uppercase().as_str(), "TEXT" | "MODALITY_UNSPECIFIED"))
    {
        config.report("responseModalities", &mut request.fields);
    }
    read_output(&mut config, request)?;
    if let Some(thinking) = config.object("thinkingConfig")? {
        request.thinking = thinking::decode(thinking, &mut request.fields)?;
    }
    config.rest(&mut request.fields);
    Ok(())
}

fn read_output(config: &mut FieldReader<'_>, request: &mut ChatRequest) -> Result<(), RequestError> {
    let media_type = config.string("responseMimeType")?.unwrap_or_default();
    let schema = schema(config, "responseSchema", "responseJsonSchema")?;
    match (media_type, schema) {
        ("application/json", Some(schema)) => {
            request.output = OutputFormat::JsonSchema { name: None, description: None, schema, strict: Some(true) };
        }
        ("application/json", None) => request.output = OutputFormat::JsonObject,
        ("" | "text/plain", None) => {}
        ("" | "text/plain", Some(_)) => {
            let path = config.path("responseSchema");
            return Err(invalid(&path, "needs responseMimeType application/json"));
        }
        // `text/x.enum`, and types that Google may add.
        (other, _) => config.report_value("responseMimeType", other, &mut request.fields),
    }
    Ok(())
}
