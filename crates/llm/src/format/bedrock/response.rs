//! An answer that is not streamed: decodes it from an upstream and encodes it for a caller.

use serde_json::{Value, json};

use super::{citations, finish, tool_id, usage};
use crate::chat::citation::{CitedBlocks, CitedTexts};
use crate::chat::mark::mark;
use crate::chat::origin::Origin;
use crate::chat::signature::{Carried, pack_all};
use crate::chat::{ChatResponse, Finish, Media, MediaSource, Part, Thought, ToolCall, object};
use crate::format::anthropic::response::{input, picture};
use crate::format::bedrock::media::picture_type;
use crate::{Answer, Dialect, Malformed};

/// Decodes an upstream's answer.
///
/// Blocks of tools that AWS runs are skipped: the text around them is the answer.
///
/// # Errors
/// [`Malformed`] if it is no answer.
pub fn decode(body: &Value) -> Result<ChatResponse, Malformed> {
    let content = body
        .pointer("/output/message/content")
        .and_then(Value::as_array)
        .ok_or_else(|| malformed("it has no list `output.message.content`"))?;
    let mut parts: Vec<Part> = Vec::with_capacity(content.len());
    let (mut cited, mut citations) = (CitedBlocks::default(), Vec::new());
    for (index, block) in content.iter().enumerate() {
        let read = decode_block(block).map_err(|problem| malformed(format!("content[{index}] {problem}")))?;
        if let Some(Part::Text(text)) = &read {
            cited.text(text);
            let list = block.pointer("/citationsContent/citations").and_then(Value::as_array).into_iter().flatten();
            list.for_each(|citation| cited.cite(citations::decode(citation)));
            citations.extend(cited.end());
        }
        parts.extend(read);
    }
    let calls = parts.iter().any(|part| matches!(part, Part::ToolCall(_)));
    let reason = body.get("stopReason").and_then(Value::as_str);
    if parts.is_empty() && matches!(reason, Some("malformed_model_output" | "malformed_tool_use")) {
        return Err(malformed(format!("it finished with {}", reason.unwrap_or_default())));
    }
    Ok(ChatResponse {
        id: None,
        model: None,
        parts,
        finish: reason.map(|reason| finish::decode(reason, calls)),
        stop_sequence: None,
        usage: usage::decode(body),
        citations,
    })
}

fn decode_block(block: &Value) -> Result<Option<Part>, String> {
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    if let Some(block) = block.get("text") {
        let text = block.as_str().ok_or("has a `text` that is no string")?;
        return Ok((!text.is_empty()).then(|| Part::Text(text.to_owned())));
    }
    if let Some(call) = block.get("toolUse") {
        if call.get("type").and_then(Value::as_str) == Some("server_tool_use") {
            return Ok(None);
        }
        let wanted = |key: &str| text(call, key).ok_or_else(|| format!("has no `toolUse.{key}`"));
        let arguments = match call.get("input") {
            Some(input @ Value::Object(_)) => input.to_string(),
            _ => "{}".to_owned(),
        };
        let (id, name) = (wanted("toolUseId")?, wanted("name")?);
        return Ok(Some(Part::ToolCall(ToolCall { id, name, arguments, signature: None })));
    }
    if let Some(thought) = block.get("reasoningContent") {
        let said = thought.get("reasoningText");
        let signature = said.and_then(|said| text(said, "signature")).filter(|signature| !signature.is_empty());
        let thought = Thought {
            text: said.and_then(|said| text(said, "text")),
            signature,
            redacted: text(thought, "redactedContent"),
            ..Thought::default()
        };
        return Ok((thought != Thought::default()).then_some(Part::Thinking(thought)));
    }
    if let Some(cited) = block.get("citationsContent") {
        let pieces = cited.get("content").and_then(Value::as_array).into_iter().flatten();
        let said: String = pieces.filter_map(|piece| text(piece, "text")).collect();
        return Ok((!said.is_empty()).then_some(Part::Text(said)));
    }
    if let Some(image) = block.get("image") {
        let data = image.pointer("/source/bytes").and_then(Value::as_str);
        return Ok(data.map(|data| {
            Part::Media(Media {
                media_type: text(image, "format").and_then(|format| picture_type(&format)).map(str::to_owned),
                source: MediaSource::Base64(data.to_owned()),
                filename: None,
                detail: None,
            })
        }));
    }
    match block.is_object() {
        true => Ok(None),
        false => Err("is no object".to_owned()),
    }
}

/// Encodes an answer that AWS's SDKs accept.
///
/// - A refusal becomes a text block, with the stop reason `content_filtered`.
/// - A picture of a format that AWS has no word for becomes a Markdown image in text.
/// - Arguments that are not a JSON object (a truncated answer) are written under `_raw`.
/// - Thinking is marked as another provider's ([`crate::chat::mark`]).
#[must_use]
pub fn encode(response: &ChatResponse, answer: &Answer) -> Value {
    let mut cited = CitedTexts::of(response);
    let encode = |part: &Part| {
        if let Part::Text(text) = part {
            let citations = cited.next(text).1;
            // Only who asked to cite documents looks for text here: others would miss it.
            if citations.iter().any(|citation| citation.place.is_some()) && !text.is_empty() {
                let citations: Vec<Value> = citations.into_iter().map(citations::encode).collect();
                return Some(json!({"citationsContent": {"content": [{"text": text}], "citations": citations}}));
            }
        }
        encode_part(part, &answer.origin)
    };
    let content: Vec<Value> = response.parts.iter().filter_map(encode).collect();
    let calls = response.parts.iter().any(|part| matches!(part, Part::ToolCall(_)));
    let refused = response.parts.iter().any(|part| matches!(part, Part::Refusal(_)));
    object([
        ("metrics", json!({"latencyMs": answer.latency_ms})),
        ("output", object([("message", object([("role", json!("assistant")), ("content", Value::Array(content))]))])),
        ("stopReason", json!(stop_reason(response.finish.unwrap_or(Finish::Stop), calls, refused))),
        ("usage", Value::Object(usage::encode(&response.usage))),
    ])
}

pub(super) fn stop_reason(finish: Finish, calls: bool, refused: bool) -> &'static str {
    match finish {
        Finish::Stop if refused && !calls => "content_filtered",
        finish => finish::encode(finish, calls),
    }
}

/// The id of a call for a caller. It is valid for AWS itself, because the caller's next request may go there byte for
/// byte.
pub(super) fn call_id(id: &str, signature: Option<&str>, origin: &Origin) -> String {
    if *origin == Origin::OWN {
        return id.to_owned();
    }
    let carried = Carried { signature: signature.map(str::to_owned), ..Carried::default() };
    pack_all(&tool_id::fit(id), id, &carried)
}

/// The format of a picture that AWS has a word for, and its bytes in Base64.
pub(super) fn picture_block(media: &Media) -> Option<(&'static str, &str)> {
    let MediaSource::Base64(data) = &media.source else { return None };
    let format = match media.media_type.as_deref()? {
        "image/png" => "png",
        "image/jpeg" | "image/jpg" => "jpeg",
        "image/gif" => "gif",
        "image/webp" => "webp",
        _ => return None,
    };
    Some((format, data))
}

fn encode_part(part: &Part, origin: &Origin) -> Option<Value> {
    Some(match part {
        Part::Text(text) | Part::Refusal(text) if text.is_empty() => return None,
        Part::Text(text) | Part::Refusal(text) => json!({"text": text}),
        Part::Media(media) => match picture_block(media) {
            Some((format, data)) => json!({"image": {"format": format, "source": {"bytes": data}}}),
            None => json!({"text": picture(media)}),
        },
        Part::ToolCall(call) => {
            let called = [
                ("toolUseId", json!(call_id(&call.id, call.signature.as_deref(), origin))),
                ("name", json!(call.name)),
                ("input", input(&call.arguments)),
            ];
            object([("toolUse", object(called))])
        }
        Part::Thinking(thought) if thought.redacted.is_some() => {
            json!({"reasoningContent": {"redactedContent": mark(origin, thought)}})
        }
        Part::Thinking(thought) => json!({"reasoningContent": {"reasoningText": {
            "text": thought.text.as_deref().unwrap_or_default(),
            "signature": mark(origin, thought),
        }}}),
        // Only callers send results.
        Part::ToolResult(_) => return None,
    })
}

pub(super) fn malformed(problem: impl Into<String>) -> Malformed {
    Malformed { dialect: Dialect::Bedrock, problem: problem.into() }
}

#[cfg(test)]
mod tests;
