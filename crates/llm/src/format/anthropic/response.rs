//! An answer that is not streamed: decodes the message object from an upstream and encodes it for a caller.

use serde_json::{Value, json};

use super::{citations, tool_id, usage};
use crate::chat::citation::{CitedBlocks, CitedTexts};
use crate::chat::mark::mark;
use crate::chat::origin::Origin;
use crate::chat::signature::{Carried, pack_all};
use crate::chat::{ChatResponse, Finish, JsonObject, Media, MediaSource, Part, Thought, ToolCall};
use crate::{Answer, Dialect, Malformed};

/// Decodes an upstream's message.
///
/// Blocks of tools that the provider runs (`server_tool_use` and their results) are skipped: the text around them is the
/// answer.
pub fn decode(body: &Value) -> Result<ChatResponse, Malformed> {
    if let Some(error) = body.get("error").filter(|error| !error.is_null()) {
        let message = error.get("message").and_then(Value::as_str).unwrap_or("without a message");
        return Err(malformed(format!("it contains an error: {message}")));
    }
    let content = body.get("content").and_then(Value::as_array).ok_or_else(|| malformed("it has no list `content`"))?;
    let mut parts = Vec::with_capacity(content.len());
    let (mut cited, mut citations) = (CitedBlocks::default(), Vec::new());
    for (index, block) in content.iter().enumerate() {
        if let Some(part) = decode_block(block).map_err(|problem| malformed(format!("content[{index}] {problem}")))? {
            if let Part::Text(text) = &part {
                cited.text(text);
                let list = block.get("citations").and_then(Value::as_array).into_iter().flatten();
                list.for_each(|citation| cited.cite(citations::decode(citation)));
                citations.extend(cited.end());
            }
            parts.push(part);
        }
    }
    let usage = body.get("usage").map(usage::UsageStatements::read).unwrap_or_default();
    Ok(ChatResponse {
        id: text(body, "id").map(str::to_owned),
        model: text(body, "model").map(str::to_owned),
        parts,
        finish: text(body, "stop_reason").map(finish),
        stop_sequence: text(body, "stop_sequence").map(str::to_owned),
        usage: usage.usage(),
        citations,
    })
}

/// Encodes an answer as a message that Anthropic's SDKs accept.
///
/// - An id that is not Anthropic's gets the prefix `msg_`.
/// - A refusal becomes a text block, with the stop reason `refusal`.
/// - An image, for which answers have no block, becomes a Markdown image in text.
/// - Arguments that are not a JSON object (a truncated answer) are written under `_raw`.
/// - Thinking is marked as another provider's ([`crate::chat::mark`]).
pub fn encode(response: &ChatResponse, answer: &Answer) -> Value {
    let mut cited = CitedTexts::of(response);
    let encode = |part: &Part| {
        let mut block = encode_part(part, &answer.origin);
        if let Part::Text(text) = part {
            let citations = cited.next(text).1;
            if let Some(block) = block.as_mut().filter(|_| !citations.is_empty()) {
                let encoded = citations.into_iter().map(|citation| citations::encode(citation, &answer.origin));
                block["citations"] = Value::Array(encoded.collect());
            }
        }
        block
    };
    let content: Vec<Value> = response.parts.iter().filter_map(encode).collect();
    let calls = response.parts.iter().any(|part| matches!(part, Part::ToolCall(_)));
    let refused = response.parts.iter().any(|part| matches!(part, Part::Refusal(_)));
    json!({
        "id": message_id(response.id.as_deref(), answer),
        "type": "message",
        "role": "assistant",
        "model": response.model.as_deref().unwrap_or(&answer.model),
        "content": content,
        "stop_reason": stop_reason(response.finish.unwrap_or(Finish::Stop), calls, refused),
        "stop_sequence": response.stop_sequence,
        "usage": usage::encode(&response.usage),
    })
}

pub(super) fn malformed(problem: impl Into<String>) -> Malformed {
    Malformed { dialect: Dialect::Anthropic, problem: problem.into() }
}

/// Decodes a `stop_reason`. An unknown one is a plain stop.
pub(super) fn finish(reason: &str) -> Finish {
    match reason {
        "max_tokens" | "model_context_window_exceeded" => Finish::Length,
        "stop_sequence" => Finish::StopSequence,
        "tool_use" => Finish::ToolCalls,
        "pause_turn" | "compaction" => Finish::Pause,
        "refusal" => Finish::Refusal,
        _ => Finish::Stop,
    }
}

/// The `stop_reason` of an answer. Some upstreams end tool calls with a plain stop, which would end an agent's loop
/// early, and report a refusal only by its text.
pub(super) fn stop_reason(finish: Finish, calls: bool, refused: bool) -> &'static str {
    match finish {
        Finish::Stop if calls => "tool_use",
        Finish::Stop if refused => "refusal",
        Finish::Stop => "end_turn",
        Finish::StopSequence => "stop_sequence",
        Finish::Length => "max_tokens",
        Finish::ToolCalls => "tool_use",
        Finish::Filtered | Finish::Refusal => "refusal",
        Finish::Pause => "pause_turn",
    }
}

pub(super) fn message_id(upstream: Option<&str>, answer: &Answer) -> String {
    let id = upstream.filter(|id| !id.is_empty()).unwrap_or(&answer.id);
    if id.starts_with("msg_") { id.to_owned() } else { format!("msg_{id}") }
}

/// The id of a call for a caller. It is valid for Anthropic itself, because the caller's next request may go there byte
/// for byte.
pub(super) fn call_id(id: &str, signature: Option<&str>, origin: &Origin) -> String {
    if *origin == Origin::OWN {
        return id.to_owned();
    }
    let carried = Carried { signature: signature.map(str::to_owned), ..Carried::default() };
    pack_all(&tool_id::fit(id), id, &carried)
}

/// A call's arguments as the object that Anthropic requires.
pub(crate) fn input(arguments: &str) -> Value {
    if arguments.trim().is_empty() {
        return Value::Object(JsonObject::new());
    }
    match serde_json::from_str::<JsonObject>(arguments) {
        Ok(object) => Value::Object(object),
        Err(_) => json!({"_raw": arguments}),
    }
}

/// An `input` object as JSON text.
pub(super) fn arguments(input: Option<&Value>) -> String {
    match input {
        Some(Value::Object(object)) => match (object.len(), object.get("_raw")) {
            (1, Some(Value::String(raw))) => raw.clone(),
            _ => Value::Object(object.clone()).to_string(),
        },
        _ => "{}".to_owned(),
    }
}

/// An image as text that chat clients display.
pub(crate) fn picture(media: &Media) -> String {
    let media_type = media.media_type.as_deref().unwrap_or("application/octet-stream");
    match &media.source {
        MediaSource::Base64(data) => format!("![{media_type}](data:{media_type};base64,{data})"),
        MediaSource::Url(url) => format!("![{media_type}]({url})"),
    }
}

fn text<'v>(value: &'v Value, key: &str) -> Option<&'v str> {
    value.get(key).and_then(Value::as_str)
}

fn decode_block(block: &Value) -> Result<Option<Part>, String> {
    let wanted = |key: &str| text(block, key).ok_or_else(|| format!("has no `{key}`"));
    Ok(match wanted("type")? {
        "text" => Some(wanted("text")?).filter(|text| !text.is_empty()).map(|text| Part::Text(text.to_owned())),
        "thinking" => Some(Part::Thinking(Thought {
            text: Some(wanted("thinking")?.to_owned()),
            signature: text(block, "signature").filter(|signature| !signature.is_empty()).map(str::to_owned),
            ..Thought::default()
        })),
        "redacted_thinking" => {
            Some(Part::Thinking(Thought { redacted: Some(wanted("data")?.to_owned()), ..Thought::default() }))
        }
        "tool_use" => Some(Part::ToolCall(ToolCall {
            id: wanted("id")?.to_owned(),
            name: wanted("name")?.to_owned(),
            arguments: arguments(block.get("input")),
            signature: None,
        })),
        _ => None,
    })
}

fn encode_part(part: &Part, origin: &Origin) -> Option<Value> {
    Some(match part {
        Part::Text(text) | Part::Refusal(text) if text.is_empty() => return None,
        Part::Text(text) | Part::Refusal(text) => json!({"type": "text", "text": text}),
        Part::Media(media) => json!({"type": "text", "text": picture(media)}),
        Part::ToolCall(call) => json!({
            "type": "tool_use",
            "id": call_id(&call.id, call.signature.as_deref(), origin),
            "name": call.name,
            "input": input(&call.arguments),
        }),
        Part::Thinking(thought) if thought.redacted.is_some() => {
            json!({"type": "redacted_thinking", "data": mark(origin, thought)})
        }
        Part::Thinking(thought) => json!({
            "type": "thinking",
            "thinking": thought.text.as_deref().unwrap_or_default(),
            "signature": mark(origin, thought),
        }),
        // Only callers send results.
        Part::ToolResult(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::Usage;

    fn decoded(body: Value) -> ChatResponse {
        decode(&body).unwrap()
    }

    #[test]
    fn blocks_are_decoded_in_order_and_server_tools_are_skipped() {
        let response = decoded(json!({
            "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-haiku-4-5", "stop_sequence": null,
            "stop_reason": "tool_use",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "sig"},
                {"type": "redacted_thinking", "data": "xx"},
                {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {"query": "q"}},
                {"type": "web_search_tool_result", "tool_use_id": "srv_1", "content": []},
                {"type": "text", "text": ""},
                {"type": "text", "text": "Look.", "citations": [{"type": "char_location"}]},
                {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1.0, "b": [2]}},
                {"type": "tool_use", "id": "toolu_2", "name": "g", "input": {}},
            ],
            "usage": {"input_tokens": 3, "output_tokens": 5},
        }));
        let call = |id: &str, name: &str, arguments: &str| {
            Part::ToolCall(ToolCall { id: id.into(), name: name.into(), arguments: arguments.into(), signature: None })
        };
        assert_eq!(
            response.parts,
            [
                Part::Thinking(Thought {
                    text: Some("hm".into()),
                    signature: Some("sig".into()),
                    ..Thought::default()
                }),
                Part::Thinking(Thought { redacted: Some("xx".into()), ..Thought::default() }),
                Part::Text("Look.".into()),
                call("toolu_1", "f", r#"{"a":1.0,"b":[2]}"#),
                call("toolu_2", "g", "{}"),
            ]
        );
        assert_eq!(response.finish, Some(Finish::ToolCalls));
        assert_eq!(response.usage, Usage { input: Some(3), output: Some(5), ..Usage::default() });
    }

    #[test]
    fn stop_reasons() {
        for (reason, finish, back) in [
            ("end_turn", Finish::Stop, "end_turn"),
            ("max_tokens", Finish::Length, "max_tokens"),
            ("model_context_window_exceeded", Finish::Length, "max_tokens"),
            ("stop_sequence", Finish::StopSequence, "stop_sequence"),
            ("tool_use", Finish::ToolCalls, "tool_use"),
            ("pause_turn", Finish::Pause, "pause_turn"),
            ("refusal", Finish::Refusal, "refusal"),
            ("something_new", Finish::Stop, "end_turn"),
        ] {
            let response = decoded(json!({"content": [], "stop_reason": reason}));
            assert_eq!(response.finish, Some(finish), "{reason}");
            assert_eq!(encode(&response, &Answer::default())["stop_reason"], back, "{reason}");
        }
    }

    #[test]
    fn usage_counts_cached_tokens_once_in_both_directions() {
        let usage = json!({
            "input_tokens": 10, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 70,
            "cache_creation": {"ephemeral_5m_input_tokens": 50, "ephemeral_1h_input_tokens": 20},
            "output_tokens": 40, "output_tokens_details": {"thinking_tokens": 30},
        });
        let response = decoded(json!({"content": [], "usage": usage}));
        let expected = Usage {
            input: Some(180),
            cached_input: Some(100),
            cache_write: Some(50),
            cache_write_1h: Some(20),
            output: Some(40),
            reasoning: Some(30),
            ..Usage::default()
        };
        assert_eq!(response.usage, expected);
        assert_eq!(encode(&response, &Answer::default())["usage"], usage);
    }

    #[test]
    fn unknown_usage_stays_absent_except_for_required_integers() {
        let response = decoded(json!({"content": []}));
        assert!(response.usage.is_empty());
        assert_eq!(encode(&response, &Answer::default())["usage"], json!({"input_tokens": 0, "output_tokens": 0}));
    }

    #[test]
    fn other_objects_are_malformed_messages() {
        for (body, problem) in [
            (json!({"type": "error", "error": {"type": "api_error", "message": "oh"}}), "it contains an error: oh"),
            (json!({"choices": []}), "it has no list `content`"),
            (json!("x"), "it has no list `content`"),
            (json!({"content": [{"type": "text"}]}), "content[0] has no `text`"),
            (json!({"content": [3]}), "content[0] has no `type`"),
            (json!({"content": [{"type": "tool_use", "id": "a"}]}), "content[0] has no `name`"),
        ] {
            assert_eq!(decode(&body), Err(malformed(problem)));
        }
    }

    #[test]
    fn foreign_answers_become_messages() {
        let response = ChatResponse {
            id: Some("chatcmpl-7".into()),
            model: None,
            parts: vec![
                Part::Text(String::new()),
                Part::Media(Media {
                    media_type: Some("image/png".into()),
                    source: MediaSource::Base64("AAAA".into()),
                    filename: None,
                    detail: None,
                }),
                Part::ToolCall(ToolCall {
                    id: "call.1".into(),
                    name: "f".into(),
                    arguments: r#"{"a":"#.into(),
                    signature: Some("sig".into()),
                }),
                Part::ToolCall(ToolCall {
                    id: "c2".into(),
                    name: "g".into(),
                    arguments: String::new(),
                    signature: None,
                }),
            ],
            finish: Some(Finish::Stop),
            ..ChatResponse::default()
        };
        let answer = Answer { id: "x".into(), model: "gpt-5".into(), ..Answer::default() };
        assert_eq!(
            encode(&response, &answer),
            json!({
                "id": "msg_chatcmpl-7", "type": "message", "role": "assistant", "model": "gpt-5",
                "content": [
                    {"type": "text", "text": "![image/png](data:image/png;base64,AAAA)"},
                    {"type": "tool_use", "id": "call_2e1__ts_eyJpZCI6ImNhbGwuMSIsInNpZyI6InNpZyJ9", "name": "f", "input": {"_raw": "{\"a\":"}},
                    {"type": "tool_use", "id": "c2", "name": "g", "input": {}},
                ],
                "stop_reason": "tool_use", "stop_sequence": null,
                "usage": {"input_tokens": 0, "output_tokens": 0},
            })
        );
        let refusal = ChatResponse {
            parts: vec![Part::Refusal("No.".into())],
            finish: Some(Finish::Stop),
            ..ChatResponse::default()
        };
        let encoded = encode(&refusal, &answer);
        assert_eq!((&encoded["id"], &encoded["stop_reason"]), (&json!("msg_x"), &json!("refusal")));
        assert_eq!(encoded["content"], json!([{"type": "text", "text": "No."}]));
    }
}
