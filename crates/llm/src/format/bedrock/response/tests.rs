use serde_json::json;

use super::*;
use crate::chat::citation::Citation;
use crate::usage::Usage;

fn call(id: &str, name: &str, arguments: &str) -> Part {
    Part::ToolCall(ToolCall { id: id.into(), name: name.into(), arguments: arguments.into(), signature: None })
}

fn answer_of(content: Value, reason: &str) -> Value {
    json!({
        "metrics": {"latencyMs": 5}, "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": reason, "usage": {"inputTokens": 3, "outputTokens": 5, "totalTokens": 8},
    })
}

#[test]
fn blocks_are_decoded_in_order_and_tools_of_aws_are_skipped() {
    let response = decode(&answer_of(
        json!([
            {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "sig"}}},
            {"reasoningContent": {"redactedContent": "AAAA"}},
            {"toolUse": {"toolUseId": "s", "name": "nova_grounding", "input": {}, "type": "server_tool_use"}},
            {"toolResult": {"toolUseId": "s", "content": [], "type": "nova_grounding_result"}},
            {"text": ""},
            {"text": "It says "},
            {"citationsContent": {"content": [{"text": "fun"}], "citations": [{"title": "t"}]}},
            {"text": "."},
            {"toolUse": {"toolUseId": "t1", "name": "f", "input": {"a": 1.0}, "type": "tool_use"}},
            {"toolUse": {"toolUseId": "t2", "name": "g"}},
            {"image": {"format": "png", "source": {"bytes": "AAAA"}}},
            {"novelty": {}},
        ]),
        "tool_use",
    ))
    .unwrap();
    let picture = Media {
        media_type: Some("image/png".into()),
        source: MediaSource::Base64("AAAA".into()),
        filename: None,
        detail: None,
    };
    assert_eq!(
        response.parts,
        [
            Part::Thinking(Thought { text: Some("hm".into()), signature: Some("sig".into()), ..Thought::default() }),
            Part::Thinking(Thought { redacted: Some("AAAA".into()), ..Thought::default() }),
            Part::Text("It says ".into()),
            Part::Text("fun".into()),
            Part::Text(".".into()),
            call("t1", "f", r#"{"a":1.0}"#),
            call("t2", "g", "{}"),
            Part::Media(picture),
        ]
    );
    let cited = Citation { passage: Some(8..11), title: Some("t".into()), ..Citation::default() };
    assert_eq!(response.citations, [cited]);
    assert_eq!(response.finish, Some(Finish::ToolCalls));
    assert_eq!(response.usage, Usage { input: Some(3), output: Some(5), ..Usage::default() });
}

#[test]
fn other_objects_are_malformed_answers() {
    for (body, problem) in [
        (json!({"message": "no"}), "it has no list `output.message.content`"),
        (answer_of(json!({}), "end_turn"), "it has no list `output.message.content`"),
        (answer_of(json!([{"text": 1}]), "end_turn"), "content[0] has a `text` that is no string"),
        (answer_of(json!([{"toolUse": {"name": "f"}}]), "end_turn"), "content[0] has no `toolUse.toolUseId`"),
        (answer_of(json!([3]), "end_turn"), "content[0] is no object"),
        (answer_of(json!([]), "malformed_tool_use"), "it finished with malformed_tool_use"),
    ] {
        assert_eq!(decode(&body), Err(malformed(problem)));
    }
}

#[test]
fn foreign_answers_become_answers_of_converse() {
    let media = |media_type: &str, source| {
        Part::Media(Media { media_type: Some(media_type.into()), source, filename: None, detail: None })
    };
    let response = ChatResponse {
        id: Some("chatcmpl-7".into()),
        parts: vec![
            Part::Thinking(Thought { text: Some("hm".into()), ..Thought::default() }),
            Part::Text(String::new()),
            media("image/jpg", MediaSource::Base64("AAAA".into())),
            media("image/tiff", MediaSource::Url("https://a.example/a".into())),
            Part::ToolCall(ToolCall {
                id: "call.1".into(),
                name: "f".into(),
                arguments: r#"{"a":"#.into(),
                signature: Some("sig".into()),
            }),
        ],
        finish: Some(Finish::Stop),
        usage: Usage { input: Some(7), cached_input: Some(4), output: Some(2), ..Usage::default() },
        ..ChatResponse::default()
    };
    let answer = Answer { latency_ms: 12, ..Answer::default() };
    assert_eq!(
        encode(&response, &answer),
        json!({
            "metrics": {"latencyMs": 12},
            "output": {"message": {"role": "assistant", "content": [
                {"reasoningContent": {"reasoningText": {"text": "hm", "signature": mark(&Origin::UNKNOWN, &Thought::default())}}},
                {"image": {"format": "jpeg", "source": {"bytes": "AAAA"}}},
                {"text": "![image/tiff](https://a.example/a)"},
                {"toolUse": {"toolUseId": "call_2e1__ts_eyJpZCI6ImNhbGwuMSIsInNpZyI6InNpZyJ9", "name": "f", "input": {"_raw": "{\"a\":"}}},
            ]}},
            "stopReason": "tool_use",
            "usage": {"inputTokens": 3, "outputTokens": 2, "totalTokens": 9, "cacheReadInputTokens": 4},
        })
    );
    let refusal = ChatResponse {
        parts: vec![Part::Refusal("No.".into())],
        finish: Some(Finish::Stop),
        ..ChatResponse::default()
    };
    assert_eq!(encode(&refusal, &answer)["stopReason"], "content_filtered");
}
