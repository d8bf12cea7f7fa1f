//! The items of an answer, and the response object around them.

use serde_json::{Value, json};

use super::named_tools::custom_input;
use super::settings::ResponseSettings;
use super::usage;
use crate::Answer;
use crate::chat::citation::Citation;
use crate::chat::signature::pack;
use crate::chat::{Finish, JsonObject, Media, MediaSource, ToolCall};
use crate::format::openai_chat::citations::url_citation;
use crate::usage::Usage;

/// A call, as the caller's own kind of item.
#[derive(Debug)]
pub(super) struct CallItem {
    pub id: String,
    pub call_id: String,
    pub name: String,
    pub namespace: Option<String>,
    /// Whether its input is a text.
    pub custom: bool,
}

impl CallItem {
    /// The item at an index of the answer with this id.
    pub fn new(
        answer: &str,
        index: usize,
        settings: &ResponseSettings,
        (id, function, signature): (&str, &str, Option<&str>),
    ) -> CallItem {
        let tool = settings.tool(function);
        let custom = tool.is_some_and(|tool| tool.custom);
        CallItem {
            id: item_id(if custom { "ctc" } else { "fc" }, answer, index),
            call_id: pack(id, signature),
            name: tool.map_or(function, |tool| &tool.name).to_owned(),
            namespace: tool.and_then(|tool| tool.namespace.clone()),
            custom,
        }
    }

    /// The item, with the arguments as far as they are known.
    pub fn item(&self, arguments: &str, status: &str) -> Value {
        let mut item = JsonObject::new();
        let kind = if self.custom { "custom_tool_call" } else { "function_call" };
        item.insert("type".into(), json!(kind));
        item.insert("id".into(), json!(self.id));
        item.insert("call_id".into(), json!(self.call_id));
        item.insert("name".into(), json!(self.name));
        if let Some(namespace) = &self.namespace {
            item.insert("namespace".into(), json!(namespace));
        }
        match self.custom {
            true => item.insert("input".into(), Value::String(custom_input(arguments))),
            false => item.insert("arguments".into(), json!(arguments)),
        };
        item.insert("status".into(), json!(status));
        Value::Object(item)
    }
}

/// A whole call of an answer that is not streamed.
pub(super) fn call(answer: &str, index: usize, settings: &ResponseSettings, call: &ToolCall) -> Value {
    let item = CallItem::new(answer, index, settings, (&call.id, &call.name, call.signature.as_deref()));
    item.item(non_empty(&call.arguments), "completed")
}

/// Arguments as JSON: clients parse them, and an empty text is not JSON.
pub(super) fn non_empty(arguments: &str) -> &str {
    if arguments.trim().is_empty() { "{}" } else { arguments }
}

/// The id of the item at an index of an answer.
pub(super) fn item_id(kind: &str, answer: &str, index: usize) -> String {
    format!("{kind}_{answer}_{index}")
}

/// A message of the model.
pub(super) fn message(id: &str, content: Vec<Value>, status: &str) -> Value {
    let mut message = json!({"type": "message", "id": id, "role": "assistant", "status": status});
    message["content"] = Value::Array(content);
    message
}

/// A text of a message.
pub(super) fn text_part(text: &str, annotations: Vec<Value>) -> Value {
    let mut part = json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []});
    part["annotations"] = Value::Array(annotations);
    part
}

/// A citation of a text that begins at `begin` in the answer; `None` if its source has no address.
pub(super) fn annotation(citation: &Citation, begin: usize) -> Option<Value> {
    let mut annotation = url_citation(citation, begin)?;
    annotation.insert("type".into(), json!("url_citation"));
    Some(Value::Object(annotation))
}

/// A refusal in a message.
pub(super) fn refusal_part(refusal: &str) -> Value {
    json!({"type": "refusal", "refusal": refusal})
}

/// A picture that the model generated; `None` if only its URL is known.
pub(super) fn picture(id: &str, media: &Media) -> Option<Value> {
    let MediaSource::Base64(data) = &media.source else { return None };
    let mut item = json!({"type": "image_generation_call", "id": id, "status": "completed"});
    if let Some(format) = media.media_type.as_deref().and_then(|media_type| media_type.strip_prefix("image/")) {
        item["output_format"] = json!(format);
    }
    item["result"] = json!(data);
    Some(item)
}

/// A picture as text that chat clients display.
pub(super) fn picture_text(media: &Media) -> String {
    match &media.source {
        MediaSource::Url(url) => format!("![image]({url})"),
        MediaSource::Base64(data) => format!("![image](data:;base64,{data})"),
    }
}

/// The state of a response object.
pub(super) enum State<'s> {
    InProgress,
    Ended(Option<Finish>),
    Failed { code: &'s str, message: &'s str },
}

/// The id of the response for an upstream's id.
pub(super) fn response_id(upstream: Option<&str>, answer: &Answer) -> String {
    let id = upstream.filter(|id| !id.is_empty()).unwrap_or(&answer.id);
    if id.starts_with("resp_") { id.to_owned() } else { format!("resp_{id}") }
}

/// The response object.
pub(super) fn response(
    (id, model): (&str, &str),
    (answer, settings): (&Answer, &ResponseSettings),
    state: &State<'_>,
    output: Vec<Value>,
    usage: &Usage,
) -> Value {
    let (status, reason) = match state {
        State::InProgress => ("in_progress", None),
        State::Failed { .. } => ("failed", None),
        State::Ended(Some(Finish::Length)) => ("incomplete", Some("max_output_tokens")),
        State::Ended(Some(Finish::Filtered | Finish::Refusal)) => ("incomplete", Some("content_filter")),
        State::Ended(_) => ("completed", None),
    };
    let error = match state {
        State::Failed { code, message } => json!({"code": code, "message": message}),
        _ => Value::Null,
    };
    let mut response = JsonObject::new();
    response.insert("id".into(), json!(id));
    response.insert("object".into(), json!("response"));
    response.insert("created_at".into(), json!(answer.created));
    response.insert("status".into(), json!(status));
    response.insert("error".into(), error);
    response.insert("incomplete_details".into(), reason.map_or(Value::Null, |reason| json!({"reason": reason})));
    response.insert("model".into(), json!(model));
    response.insert("output".into(), Value::Array(output));
    settings.write(&mut response);
    response.insert("usage".into(), usage::encode(usage));
    Value::Object(response)
}
