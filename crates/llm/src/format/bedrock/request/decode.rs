//! Decodes a caller's request.

use serde_json::Value;

use super::blocks::{self, CalledTools};
use super::extra_fields;
use crate::RequestError;
use crate::chat::cache::PrefixEnd;
use crate::chat::{ChatRequest, JsonObject, Message, OutputFormat, Role, Tool, ToolChoice};
use crate::format::anthropic::shape::{self, NotedPlaces, Path, Shaped, boolean_if, given, text_if, text_of};

/// The field of a document that asks for citations.
const CITE: &str = "messages[].content[].document.citations.enabled";

/// Decodes a request. The path names the model and says whether the answer is streamed, so `model` and `stream` stay
/// empty.
///
/// # Errors
/// [`RequestError::Invalid`] if a field has the wrong shape.
pub fn decode(body: &JsonObject) -> Result<ChatRequest, RequestError> {
    let request = read(body, NotedPlaces::default())?;
    if !request.cite {
        return Ok(request);
    }
    drop(request);
    let mut places = NotedPlaces::default();
    places.whole_documents = true;
    read(body, places)
}

fn read(body: &JsonObject, mut places: NotedPlaces) -> Result<ChatRequest, RequestError> {
    let mut request = ChatRequest::default();
    for (key, value) in body.iter().filter(|(_, value)| !value.is_null()) {
        let at = Path::Root.key(key);
        match key.as_str() {
            "messages" => {}
            "system" => {
                request.system = blocks::system(value, &at, &mut places)?;
                places.marks.put(&mut request.cache, PrefixEnd::System);
            }
            "inferenceConfig" => inference(shape::object(value, &at)?, &at, &mut request, &mut places)?,
            "toolConfig" => tools(shape::object(value, &at)?, &at, &mut request, &mut places)?,
            "outputConfig" => output(shape::object(value, &at)?, &at, &mut request, &mut places)?,
            "additionalModelRequestFields" => {
                extra_fields::decode(shape::object(value, &at)?, &at, &mut request, &mut places)?;
            }
            _ => places.note(&at),
        }
    }
    let at = Path::Root.key("messages");
    let messages = shape::list(given(body, "messages").ok_or_else(|| at.invalid("is missing"))?, &at)?;
    if messages.is_empty() {
        return Err(at.invalid("must not be empty"));
    }
    let mut names = CalledTools::default();
    for (index, message) in messages.iter().enumerate() {
        let at = at.index(index);
        let message = shape::object(message, &at)?;
        let role = match text_of(message, "role", &at)? {
            "user" => Role::User,
            "assistant" => Role::Assistant,
            _ => return Err(at.key("role").invalid("must be user or assistant")),
        };
        places.note_rest(message, &["role", "content"], &at);
        let at = at.key("content");
        let content = given(message, "content").ok_or_else(|| at.invalid("is missing"))?;
        let parts = blocks::content(content, &at, &mut names, &mut places)?;
        let message = request.messages.len();
        places.marks.put(&mut request.cache, |part| PrefixEnd::Part { message, part });
        if !parts.is_empty() {
            request.messages.push(Message { role, parts });
        }
    }
    request.fields = places.into_paths();
    request.cite = request.fields.iter().any(|field| field == CITE);
    Ok(request)
}

fn inference(config: &JsonObject, at: &Path<'_>, request: &mut ChatRequest, places: &mut NotedPlaces) -> Shaped<()> {
    for (key, value) in config.iter().filter(|(_, value)| !value.is_null()) {
        let at = at.key(key);
        match key.as_str() {
            "maxTokens" => request.max_output_tokens = Some(shape::whole(value, &at)?).filter(|tokens| *tokens > 0),
            "temperature" => request.temperature = Some(shape::number(value, &at)?),
            "topP" => request.top_p = Some(shape::number(value, &at)?),
            "stopSequences" => {
                for (index, stop) in shape::list(value, &at)?.iter().enumerate() {
                    request.stop.push(shape::text(stop, &at.index(index))?.to_owned());
                }
            }
            _ => places.note(&at),
        }
    }
    Ok(())
}

fn tools(config: &JsonObject, at: &Path<'_>, request: &mut ChatRequest, places: &mut NotedPlaces) -> Shaped<()> {
    places.note_rest(config, &["tools", "toolChoice"], at);
    let list_at = at.key("tools");
    let declared =
        given(config, "tools").map_or(Ok(&[][..]), |tools| shape::list(tools, &list_at).map(Vec::as_slice))?;
    for (index, tool) in declared.iter().enumerate() {
        let at = list_at.index(index);
        let tool = shape::object(tool, &at)?;
        places.note_rest(tool, &["toolSpec"], &at);
        if let Some(mark) = given(tool, "cachePoint") {
            places.marks.mark(request.tools.len(), mark);
            places.marks.put(&mut request.cache, |_| PrefixEnd::Tools);
        }
        if let Some(spec) = given(tool, "toolSpec") {
            let at = at.key("toolSpec");
            request.tools.push(tool_spec(shape::object(spec, &at)?, &at, places)?);
        }
    }
    if let Some(choice) = given(config, "toolChoice") {
        let at = at.key("toolChoice");
        let choice = shape::object(choice, &at)?;
        places.note_rest(choice, &["auto", "any", "tool"], &at);
        request.tool_choice = match (given(choice, "tool"), given(choice, "any"), given(choice, "auto")) {
            (Some(tool), ..) => {
                let at = at.key("tool");
                Some(ToolChoice::Tool(text_of(shape::object(tool, &at)?, "name", &at)?.to_owned()))
            }
            (None, Some(_), _) => Some(ToolChoice::Required),
            (None, None, Some(_)) => Some(ToolChoice::Auto),
            (None, None, None) => None,
        };
    }
    Ok(())
}

fn tool_spec(spec: &JsonObject, at: &Path<'_>, places: &mut NotedPlaces) -> Shaped<Tool> {
    places.note_rest(spec, &["name", "description", "inputSchema", "strict"], at);
    let schema_at = at.key("inputSchema");
    let parameters = match given(spec, "inputSchema") {
        Some(schema) => {
            let schema = shape::object(schema, &schema_at)?;
            places.note_rest(schema, &["json"], &schema_at);
            let at = schema_at.key("json");
            given(schema, "json").map(|json| shape::object(json, &at).map(|_| json.clone())).transpose()?
        }
        None => None,
    };
    Ok(Tool {
        name: text_of(spec, "name", at)?.to_owned(),
        description: text_if(spec, "description", at)?.map(str::to_owned),
        parameters,
        strict: boolean_if(spec, "strict", at)?,
    })
}

fn output(config: &JsonObject, at: &Path<'_>, request: &mut ChatRequest, places: &mut NotedPlaces) -> Shaped<()> {
    places.note_rest(config, &["textFormat"], at);
    let Some(format) = given(config, "textFormat") else { return Ok(()) };
    let at = at.key("textFormat");
    let format = shape::object(format, &at)?;
    places.note_rest(format, &["type", "structure"], &at);
    let kind = text_of(format, "type", &at)?;
    if kind != "json_schema" {
        places.note_value(&at.key("type"), kind);
        return Ok(());
    }
    let at = at.key("structure");
    let structure = shape::object(given(format, "structure").ok_or_else(|| at.invalid("is missing"))?, &at)?;
    places.note_rest(structure, &["jsonSchema"], &at);
    let at = at.key("jsonSchema");
    let definition = shape::object(given(structure, "jsonSchema").ok_or_else(|| at.invalid("is missing"))?, &at)?;
    // Not every dialect has names and descriptions of schemas: the table decides.
    places.note_rest(definition, &["schema"], &at);
    let schema_at = at.key("schema");
    // In this dialect a schema is text.
    let schema: Value = serde_json::from_str(text_of(definition, "schema", &at)?)
        .ok()
        .filter(Value::is_object)
        .ok_or_else(|| schema_at.invalid("must be the JSON of a schema, an object"))?;
    request.output = OutputFormat::JsonSchema {
        name: text_if(definition, "name", &at)?.map(str::to_owned),
        description: text_if(definition, "description", &at)?.map(str::to_owned),
        schema,
        strict: Some(true),
    };
    Ok(())
}
