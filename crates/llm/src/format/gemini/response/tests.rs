use super::*;
use crate::chat::mark::mark;
use crate::chat::{Media, MediaSource, ToolCall};
use crate::usage::Usage;

fn text(text: &str) -> Part {
    Part::Text(text.to_owned())
}

fn call(id: &str, name: &str, arguments: &str, signature: Option<&str>) -> Part {
    Part::ToolCall(ToolCall {
        id: id.to_owned(),
        name: name.to_owned(),
        arguments: arguments.to_owned(),
        signature: signature.map(str::to_owned),
    })
}

fn thinking(text: &str, signature: Option<&str>) -> Part {
    Part::Thinking(Thought {
        text: Some(text.to_owned()),
        signature: signature.map(str::to_owned),
        ..Thought::default()
    })
}

fn candidate(parts: Value, reason: &str) -> Value {
    json!({"candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": reason, "index": 0}]})
}

#[test]
fn reads_answers() {
    let cases = [
        (
            "text",
            candidate(json!([{"text": "a"}, {"text": ""}, {"text": "b"}]), "STOP"),
            vec![text("a"), text("b")],
            Finish::Stop,
        ),
        (
            "calls, with and without ids",
            candidate(
                json!([{"functionCall": {"name": "f"}, "thoughtSignature": "sig"}, {"functionCall": {"id": "x", "name": "g", "args": {"n": 1.50}}}]),
                "STOP",
            ),
            vec![call("call_0", "f", "{}", Some("sig")), call("x", "g", r#"{"n":1.5}"#, None)],
            Finish::ToolCalls,
        ),
        (
            "the text after the thinking is signed",
            candidate(
                json!([{"text": "hm", "thought": true}, {"text": "a", "thoughtSignature": "sig"}, {"text": "", "thoughtSignature": "other"}]),
                "STOP",
            ),
            vec![thinking("hm", Some("text:sig")), text("a")],
            Finish::Stop,
        ),
        (
            "a picture",
            candidate(json!([{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]), "STOP"),
            vec![Part::Media(Media {
                media_type: Some("image/png".to_owned()),
                source: MediaSource::Base64("AAAA".to_owned()),
                filename: None,
                detail: None,
            })],
            Finish::Stop,
        ),
        ("cut", candidate(json!([{"text": "a"}]), "MAX_TOKENS"), vec![text("a")], Finish::Length),
        (
            "all thought",
            json!({"candidates": [{"content": {"role": "model"}, "finishReason": "MAX_TOKENS"}]}),
            vec![],
            Finish::Length,
        ),
        ("filtered without content", json!({"candidates": [{"finishReason": "SAFETY"}]}), vec![], Finish::Filtered),
        ("blocked", json!({"promptFeedback": {"blockReason": "SAFETY"}}), vec![], Finish::Filtered),
        (
            "blocked, a new reason",
            json!({"promptFeedback": {"blockReason": "NEWER"}, "candidates": []}),
            vec![],
            Finish::Filtered,
        ),
        (
            "failed after text",
            candidate(json!([{"text": "a"}]), "MALFORMED_FUNCTION_CALL"),
            vec![text("a")],
            Finish::Stop,
        ),
        (
            "the first of two",
            json!({"candidates": [{"index": 1, "content": {"parts": [{"text": "b"}]}, "finishReason": "STOP"}, {"content": {"parts": [{"text": "a"}]}, "finishReason": "STOP"}]}),
            vec![text("a")],
            Finish::Stop,
        ),
    ];
    for (name, body, parts, finish) in cases {
        let response = decode(&body).unwrap();
        assert_eq!((response.parts.clone(), response.finish), (parts, Some(finish)), "{name}");
        let own = Answer { origin: Origin::OWN, ..Answer::default() };
        let again = decode(&encode(&response, &own)).unwrap();
        assert_eq!(again, response, "{name}, encoded again");
    }
}

#[test]
fn refuses_objects_that_are_not_answers() {
    let cases = [
        (json!([]), "it is not an object"),
        (json!({}), "it has no candidates"),
        (json!({"candidates": []}), "it has no candidates"),
        (
            json!({"error": {"code": 400, "message": "API key not valid", "status": "INVALID_ARGUMENT"}}),
            "it is an error: API key not valid",
        ),
        (json!({"candidates": [{"content": {}}]}), "its candidate has neither content nor a finishReason"),
        (json!({"candidates": [{"content": {"parts": {}}}]}), "content.parts is not a list"),
        (json!({"candidates": [{"content": {"parts": ["x"]}}]}), "a part is not an object"),
        (json!({"candidates": [{"content": 1}]}), "content is not an object"),
        (
            json!({"candidates": [{"content": {}, "finishReason": "MALFORMED_FUNCTION_CALL", "finishMessage": "bad call"}]}),
            "it finished with MALFORMED_FUNCTION_CALL: bad call",
        ),
    ];
    for (body, problem) in cases {
        assert_eq!(decode(&body), Err(malformed(problem)), "{body}");
    }
}

#[test]
fn encodes_the_strict_schema() {
    let response = ChatResponse {
        id: Some("r1".to_owned()),
        model: None,
        parts: vec![
            thinking("hm", Some("t")),
            Part::Thinking(Thought { redacted: Some("secret".to_owned()), ..Thought::default() }),
            text("a"),
            call("c", "f", "{\"x\":1}", Some("s")),
        ],
        finish: Some(Finish::ToolCalls),
        stop_sequence: None,
        usage: Usage { input: Some(3), cached_input: Some(1), output: Some(5), reasoning: Some(2), ..Usage::default() },
        citations: Vec::new(),
    };
    let answer =
        Answer { id: "fallback".to_owned(), model: "gemini-x".to_owned(), origin: Origin::CLAUDE, ..Answer::default() };
    let marked = |thought: Thought| mark(&Origin::CLAUDE, &thought);
    let signature = marked(Thought { signature: Some("t".to_owned()), ..Thought::default() });
    let redacted = marked(Thought { redacted: Some("secret".to_owned()), ..Thought::default() });
    assert_eq!(
        encode(&response, &answer),
        json!({
            "candidates": [{
                "content": {"role": "model", "parts": [
                    {"text": "hm", "thought": true, "thoughtSignature": signature},
                    {"text": "", "thought": true, "thoughtSignature": redacted},
                    {"text": "a"},
                    {"functionCall": {"id": "c", "name": "f", "args": {"x": 1}}, "thoughtSignature": "s"},
                ]},
                "finishReason": "STOP",
                "index": 0,
            }],
            "usageMetadata": {"promptTokenCount": 3, "cachedContentTokenCount": 1, "candidatesTokenCount": 3, "thoughtsTokenCount": 2, "totalTokenCount": 8},
            "modelVersion": "gemini-x",
            "responseId": "r1",
        })
    );
}

#[test]
fn encodes_a_broken_call_like_gemini() {
    for (finish, reason) in [(Finish::ToolCalls, "MALFORMED_FUNCTION_CALL"), (Finish::Length, "MAX_TOKENS")] {
        let response = ChatResponse {
            parts: vec![text("a"), call("c", "f", "{\"x\":", None)],
            finish: Some(finish),
            ..ChatResponse::default()
        };
        let encoded = encode(&response, &Answer::default());
        assert_eq!(encoded["candidates"][0]["finishReason"], json!(reason));
        assert_eq!(encoded["candidates"][0]["content"]["parts"], json!([{"text": "a"}]));
    }
}
