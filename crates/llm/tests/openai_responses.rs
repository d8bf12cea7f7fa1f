//! Answers of the OpenAI dialect: decoding with the quirks of compatible providers, and encoding.

// Clippy treats helpers of an integration test as shipped code.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use outrigger_llm::chat::{ChatResponse, Finish, Media, MediaSource, Part, Thought, ToolCall};
use outrigger_llm::format::openai_chat::response::{decode, encode};
use outrigger_llm::usage::Usage;
use outrigger_llm::{Answer, Malformed};
use serde_json::{Value, json};

fn text(text: &str) -> Part {
    Part::Text(text.into())
}

fn thought(text: &str) -> Part {
    Part::Thinking(Thought { text: Some(text.into()), ..Thought::default() })
}

fn call(id: &str, arguments: &str, signature: Option<&str>) -> Part {
    Part::ToolCall(ToolCall {
        id: id.into(),
        name: "f".into(),
        arguments: arguments.into(),
        signature: signature.map(Into::into),
    })
}

#[test]
fn reads_the_answers_of_many_vendors() {
    let function = |arguments: Value| json!({"name": "f", "arguments": arguments});
    for (why, choice, finish, parts) in [
        (
            "OpenAI",
            json!({"message": {"role": "assistant", "content": "Hi", "refusal": null}, "finish_reason": "stop"}),
            Finish::Stop,
            vec![text("Hi")],
        ),
        (
            "OpenAI refuses in words",
            json!({"message": {"content": null, "refusal": "No."}, "finish_reason": "stop"}),
            Finish::Stop,
            vec![Part::Refusal("No.".into())],
        ),
        (
            "Mistral has no type on a call",
            json!({"message": {"content": "", "tool_calls": [{"id": "c", "function": function(json!("{}"))}]}, "finish_reason": "tool_calls"}),
            Finish::ToolCalls,
            vec![call("c", "{}", None)],
        ),
        (
            "Mistral's content in parts",
            json!({"message": {"content": [
                {"type": "thinking", "thinking": [{"type": "text", "text": "H"}, {"type": "text", "text": "m"}], "closed": true},
                {"type": "text", "text": "4"}, {"type": "text", "text": "2"}]}, "finish_reason": "stop"}),
            Finish::Stop,
            vec![
                Part::Thinking(Thought {
                    text: Some("Hm".into()),
                    signature: Some("parts".into()),
                    ..Thought::default()
                }),
                text("42"),
            ],
        ),
        (
            "OpenRouter's arguments as an object",
            json!({"message": {"tool_calls": [{"id": "c", "function": function(json!({"a": 1.0}))}]}, "finish_reason": "tool_calls"}),
            Finish::ToolCalls,
            vec![call("c", r#"{"a":1.0}"#, None)],
        ),
        (
            "calls that ended with stop, without ids or arguments",
            json!({"message": {"content": "Hm", "tool_calls": [{"function": {"name": "f"}}, {"id": "", "function": function(json!(""))}]}, "finish_reason": "stop"}),
            Finish::ToolCalls,
            vec![text("Hm"), call("call_0", "{}", None), call("call_1", "{}", None)],
        ),
        (
            "a call cut short stays cut short",
            json!({"message": {"tool_calls": [{"id": "c", "function": function(json!("{\"a"))}]}, "finish_reason": "length"}),
            Finish::Length,
            vec![call("c", "{\"a", None)],
        ),
        (
            "Gemini's signature",
            json!({"message": {"tool_calls": [{"id": "c", "function": function(json!("{}")), "extra_content": {"google": {"thought_signature": "s"}}}]}, "finish_reason": "tool_calls"}),
            Finish::ToolCalls,
            vec![call("c", "{}", Some("s"))],
        ),
        ("Together", json!({"message": {"content": "Hi"}, "finish_reason": "eos"}), Finish::Stop, vec![text("Hi")]),
        ("Snowflake", json!({"message": {"content": "Hi"}, "finish_reason": ""}), Finish::Stop, vec![text("Hi")]),
        (
            "Snowflake with a call",
            json!({"message": {"tool_calls": [{"id": "c", "function": function(json!("{}"))}]}, "finish_reason": ""}),
            Finish::ToolCalls,
            vec![call("c", "{}", None)],
        ),
        (
            "Azure withholds the message",
            json!({"finish_reason": "content_filter", "content_filter_results": {}}),
            Finish::Filtered,
            vec![],
        ),
        (
            "DeepSeek",
            json!({"message": {"reasoning_content": "Hm", "content": "Hi"}, "finish_reason": "stop"}),
            Finish::Stop,
            vec![thought("Hm"), text("Hi")],
        ),
        (
            "both spellings at once",
            json!({"message": {"reasoning_content": "Hm", "reasoning": "Hm", "content": "Hi"}, "finish_reason": "length"}),
            Finish::Length,
            vec![thought("Hm"), text("Hi")],
        ),
        (
            "OpenRouter's pictures",
            json!({"message": {"content": "", "images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]}, "finish_reason": "stop"}),
            Finish::Stop,
            vec![Part::Media(Media {
                media_type: Some("image/png".into()),
                source: MediaSource::Base64("AAAA".into()),
                filename: None,
                detail: None,
            })],
        ),
        (
            "sound, as its words",
            json!({"message": {"content": null, "audio": {"id": "a", "data": "T2dn", "transcript": "beep"}}, "finish_reason": "stop"}),
            Finish::Stop,
            vec![text("beep")],
        ),
    ] {
        let response = decode(&json!({"id": "r", "model": "m", "choices": [choice]})).unwrap();
        let expected = ChatResponse {
            id: Some("r".into()),
            model: Some("m".into()),
            parts,
            finish: Some(finish),
            ..ChatResponse::default()
        };
        assert_eq!(response, expected, "{why}");
    }
}

#[test]
fn reports_bodies_that_are_not_answers() {
    for (body, problem) in [
        (json!([]), "the body is not an object"),
        (json!({}), "no choices"),
        (json!({"choices": []}), "no choices"),
        (json!({"choices": [5]}), "no choices"),
        (json!({"choices": [{"finish_reason": "stop"}]}), "a choice without a message"),
        (json!({"error": {"message": "Overloaded", "code": 502}}), "an error instead of an answer: Overloaded"),
        (json!({"error": "boom"}), "an error instead of an answer: boom"),
        (json!({"choices": [{"error": {"message": "cut"}, "message": {}}]}), "an error instead of an answer: cut"),
        (
            json!({"choices": [{"message": {"tool_calls": [{"id": "c", "function": {}}]}}]}),
            "tool_calls[0] has no function name",
        ),
    ] {
        let Malformed { problem: error, .. } = decode(&body).expect_err(&body.to_string());
        assert_eq!(error, problem, "{body}");
    }
}

#[test]
fn encodes_answers_in_openais_schema() {
    let answer = Answer { id: "gw-1".into(), model: "asked-for".into(), created: 1_700_000_000, ..Answer::default() };
    let response = ChatResponse {
        id: None,
        model: Some("claude-x".into()),
        parts: vec![
            thought("Hm."),
            Part::Thinking(Thought { redacted: Some("secret".into()), ..Thought::default() }),
            text("Let me "),
            text("look."),
            call("call_1", "{\"a\": 1.0}", Some("sig")),
        ],
        finish: Some(Finish::Stop),
        usage: Usage {
            input: Some(10),
            cached_input: Some(4),
            output: Some(7),
            reasoning: Some(2),
            ..Usage::default()
        },
        ..ChatResponse::default()
    };
    let expected = json!({
        "id": "gw-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "claude-x",
        "choices": [{
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "Let me look.",
                "refusal": null,
                "reasoning_content": "Hm.",
                "tool_calls": [{
                    "id": "call_1__ts_c2ln",
                    "type": "function",
                    "function": {"name": "f", "arguments": "{\"a\": 1.0}"},
                    "extra_content": {"google": {"thought_signature": "sig"}},
                }],
            },
            "logprobs": null,
            "finish_reason": "tool_calls",
        }],
        "usage": {
            "prompt_tokens": 10,
            "completion_tokens": 7,
            "total_tokens": 17,
            "prompt_tokens_details": {"cached_tokens": 4},
            "completion_tokens_details": {"reasoning_tokens": 2},
        },
    });
    assert_eq!(encode(&response, &answer), expected);
}

#[test]
fn encodes_content_finish_and_usage_as_clients_expect_them() {
    for (parts, finish, content, reason) in [
        (vec![], Some(Finish::Stop), json!(""), "stop"),
        (vec![], None, json!(""), "stop"),
        (vec![], Some(Finish::Filtered), json!(""), "content_filter"),
        (vec![], Some(Finish::Refusal), json!(""), "content_filter"),
        (vec![text("a")], Some(Finish::StopSequence), json!("a"), "stop"),
        (vec![text("a")], Some(Finish::Pause), json!("a"), "stop"),
        (vec![text("a")], Some(Finish::Length), json!("a"), "length"),
        (vec![call("c", "{}", None)], Some(Finish::ToolCalls), json!(null), "tool_calls"),
        (vec![Part::Refusal("No.".into())], Some(Finish::Stop), json!(null), "stop"),
    ] {
        let encoded =
            encode(&ChatResponse { parts: parts.clone(), finish, ..ChatResponse::default() }, &Answer::default());
        let choice = &encoded["choices"][0];
        assert_eq!(
            (&choice["message"]["content"], choice["finish_reason"].as_str()),
            (&content, Some(reason)),
            "{parts:?}"
        );
        assert_eq!(encoded.get("usage"), None, "usage that was not reported");
    }
}
