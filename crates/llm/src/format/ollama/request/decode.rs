//! Decodes a caller's request.

use super::messages;
use super::settings::setting;
use crate::RequestError;
use crate::chat::{ChatRequest, JsonObject};
use crate::format::openai_chat::shape::{self, NotedFields};
use crate::format::openai_chat::tools;

/// Decodes a caller's body.
///
/// # Errors
/// [`RequestError::Invalid`] if a field has the wrong shape.
pub fn decode(body: &JsonObject) -> Result<ChatRequest, RequestError> {
    let mut request = ChatRequest::default();
    let mut noted = NotedFields::default();
    messages::decode(shape::required(body, "", "messages")?, &mut request, &mut noted)?;
    for (key, value) in body.iter().filter(|(_, value)| !value.is_null()) {
        match key.as_str() {
            "messages" => {}
            "tools" => request.tools = tools::decode(value, &mut noted)?,
            _ => setting(key, value, &mut request, &mut noted)?,
        }
    }
    request.fields = noted.into_paths();
    Ok(request)
}
