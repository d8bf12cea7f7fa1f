//! A request for `POST /api/generate`.

use crate::RequestError;
use crate::chat::{ChatRequest, JsonObject, Message, Part, Role};
use crate::format::ollama::request::{images, setting};
use crate::format::openai_chat::shape::{self, NotedFields};

/// Decodes a caller's body.
///
/// # Errors
/// [`RequestError::Invalid`] if a field has the wrong shape, or there is no prompt: Ollama only loads the model then.
pub fn decode(body: &JsonObject) -> Result<ChatRequest, RequestError> {
    let mut request = ChatRequest::default();
    let mut noted = NotedFields::default();
    let mut parts = images(body, "")?;
    for (key, value) in body.iter().filter(|(_, value)| !value.is_null()) {
        let is_empty = value.as_str() == Some("");
        match key.as_str() {
            "images" => {}
            "prompt" => parts.push(Part::Text(shape::text(value, "", key)?.to_owned())),
            "system" => request.system.push(shape::text(value, "", key)?.to_owned()),
            // The SDK sends these empty.
            "suffix" | "template" if is_empty => {}
            "raw" if value.as_bool() == Some(false) => {}
            _ => setting(key, value, &mut request, &mut noted)?,
        }
    }
    parts.retain(|part| !matches!(part, Part::Text(text) if text.is_empty()));
    request.system.retain(|prompt| !prompt.is_empty());
    if parts.is_empty() {
        return Err(shape::invalid("", "prompt", "must not be empty"));
    }
    request.messages.push(Message { role: Role::User, parts });
    request.fields = noted.into_paths();
    Ok(request)
}
