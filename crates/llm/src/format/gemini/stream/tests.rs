use super::*;
use crate::chat::mark::mark;

/// A signature for a caller, of an answer whose origin is not known.
fn marked(signature: Option<&str>) -> String {
    mark(&Origin::UNKNOWN, &Thought { signature: signature.map(str::to_owned), ..Thought::default() })
}

fn decode(chunks: &[Value]) -> Result<Vec<ChatEvent>, Malformed> {
    let (mut decoder, mut out) = (Decoder::default(), Vec::new());
    for chunk in chunks {
        decoder.push(&framing::Event::of("", Some(&chunk.to_string())), &mut out)?;
    }
    Ok(out)
}

fn chunk(parts: Value) -> Value {
    json!({"candidates": [{"content": {"role": "model", "parts": parts}}], "responseId": "r", "modelVersion": "m"})
}

fn last(parts: Value, reason: &str) -> Value {
    json!({"candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": reason}],
           "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 2, "totalTokenCount": 3}, "responseId": "r"})
}

fn start() -> ChatEvent {
    ChatEvent::Start { id: Some("r".to_owned()), model: Some("m".to_owned()) }
}

fn counted() -> ChatEvent {
    ChatEvent::Usage(Usage { input: Some(1), output: Some(2), ..Usage::default() })
}

fn finish(reason: Finish) -> [ChatEvent; 2] {
    [ChatEvent::Finish { reason, stop_sequence: None }, ChatEvent::End]
}

fn say(text: &str) -> ChatEvent {
    ChatEvent::Text(text.to_owned())
}

fn call(index: usize, id: &str, name: &str, arguments: &str, signature: Option<&str>) -> [ChatEvent; 2] {
    [
        ChatEvent::ToolCall {
            index,
            id: id.to_owned(),
            name: name.to_owned(),
            signature: signature.map(str::to_owned),
        },
        ChatEvent::ToolArguments { index, fragment: arguments.to_owned() },
    ]
}

#[test]
fn reads_streams() {
    let usage_later = json!({"usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 2}});
    let without_usage = json!({"candidates": [{"content": {"parts": [{"text": "a"}]}, "finishReason": "STOP"}], "responseId": "r", "modelVersion": "m"});
    let cases: Vec<(&str, Vec<Value>, Vec<ChatEvent>)> = vec![
        (
            "text",
            vec![chunk(json!([{"text": "a"}])), last(json!([{"text": "b"}]), "MAX_TOKENS")],
            [vec![start(), say("a"), say("b"), counted()], finish(Finish::Length).into()].concat(),
        ),
        (
            "calls",
            vec![
                chunk(json!([{"functionCall": {"name": "f", "args": {"x": 1}}, "thoughtSignature": "s"}])),
                last(json!([{"functionCall": {"id": "i", "name": "g"}}]), "STOP"),
            ],
            [
                vec![start()],
                call(0, "call_r_0", "f", r#"{"x":1}"#, Some("s")).into(),
                call(1, "i", "g", "{}", None).into(),
                vec![counted()],
                finish(Finish::ToolCalls).into(),
            ]
            .concat(),
        ),
        (
            "the signature after thinking belongs to the thinking, a later one is dropped",
            vec![
                chunk(json!([{"text": "hm", "thought": true}])),
                chunk(json!([{"text": "", "thoughtSignature": "s"}])),
                last(json!([{"text": "a"}, {"text": "", "thoughtSignature": "t"}]), "STOP"),
            ],
            [
                vec![
                    start(),
                    ChatEvent::Thinking("hm".to_owned()),
                    ChatEvent::ThinkingSignature("text:s".to_owned()),
                    say("a"),
                    counted(),
                ],
                finish(Finish::Stop).into(),
            ]
            .concat(),
        ),
        (
            "usage after the end",
            vec![without_usage, usage_later],
            [vec![start(), say("a")], finish(Finish::Stop).into(), vec![counted()]].concat(),
        ),
        (
            "a blocked prompt",
            vec![
                json!({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 2}, "responseId": "r", "modelVersion": "m"}),
            ],
            [vec![start(), counted()], finish(Finish::Filtered).into()].concat(),
        ),
        (
            "an error after content",
            vec![
                chunk(json!([{"text": "a"}])),
                json!({"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}),
                chunk(json!([{"text": "b"}])),
            ],
            vec![
                start(),
                say("a"),
                ChatEvent::Error(StreamError {
                    kind: "UNAVAILABLE".to_owned(),
                    message: "overloaded".to_owned(),
                    status: Some(503),
                }),
            ],
        ),
        (
            "a call that Google could not read",
            vec![
                json!({"candidates": [{"content": {}, "finishReason": "MALFORMED_FUNCTION_CALL", "finishMessage": "bad"}], "responseId": "r", "modelVersion": "m"}),
            ],
            vec![
                start(),
                ChatEvent::Error(StreamError {
                    kind: "MALFORMED_FUNCTION_CALL".to_owned(),
                    message: "bad".to_owned(),
                    status: None,
                }),
            ],
        ),
    ];
    for (name, chunks, events) in cases {
        assert_eq!(decode(&chunks).unwrap(), events, "{name}");
    }
}

#[test]
fn refuses_events_that_are_not_responses() {
    for data in ["{", "[]", "{}", r#"{"candidates":[{"content":[]}]}"#, r#"{"candidates":[{"content":{"parts":[1]}}]}"#]
    {
        let event = framing::Event::of("", Some(data));
        assert!(Decoder::default().push(&event, &mut Vec::new()).is_err(), "{data}");
    }
    let comment = framing::Event::of(": ping\n\n", None);
    assert_eq!(Decoder::default().push(&comment, &mut Vec::new()), Ok(()));
}

fn encoded(encoder: &mut Encoder, events: &[ChatEvent]) -> Vec<u8> {
    let mut out = Vec::new();
    for event in events {
        encoder.push(event, &mut out);
    }
    out
}

fn objects(bytes: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(bytes).unwrap();
    text.split_terminator("\r\n\r\n")
        .map(|event| serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap())
        .collect()
}

/// Two parallel calls with interleaved arguments, after thinking and text.
fn conversation() -> Vec<ChatEvent> {
    let arguments = |index, fragment: &str| ChatEvent::ToolArguments { index, fragment: fragment.to_owned() };
    vec![
        start(),
        ChatEvent::Thinking("hm".to_owned()),
        ChatEvent::ThinkingSignature("t".to_owned()),
        say("a"),
        ChatEvent::ToolCall { index: 0, id: "x".to_owned(), name: "f".to_owned(), signature: Some("s".to_owned()) },
        ChatEvent::ToolCall { index: 1, id: "y".to_owned(), name: "g".to_owned(), signature: None },
        arguments(0, "{\"n\":"),
        arguments(1, "{}"),
        arguments(0, "1}"),
        ChatEvent::Finish { reason: Finish::ToolCalls, stop_sequence: None },
        counted(),
        ChatEvent::End,
    ]
}

#[test]
fn writes_whole_calls_and_the_end_last() {
    let bytes = encoded(&mut Encoder::new(Answer::default()), &conversation());
    let content = |part: Value| json!({"candidates": [{"content": {"role": "model", "parts": part}, "index": 0}], "modelVersion": "m", "responseId": "r"});
    assert_eq!(
        objects(&bytes),
        vec![
            content(json!([{"text": "hm", "thought": true, "thoughtSignature": marked(None)}])),
            content(json!([{"text": "", "thought": true, "thoughtSignature": marked(Some("t"))}])),
            content(json!([{"text": "a"}])),
            content(json!([
                {"functionCall": {"id": "x", "name": "f", "args": {"n": 1}}, "thoughtSignature": "s"},
                {"functionCall": {"id": "y", "name": "g", "args": {}}},
            ])),
            json!({
                "candidates": [{"content": {"role": "model", "parts": [{"text": ""}]}, "finishReason": "STOP", "index": 0}],
                "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 2, "totalTokenCount": 3},
                "modelVersion": "m", "responseId": "r",
            }),
        ]
    );
}

#[test]
fn decodes_what_it_encoded() {
    let bytes = encoded(&mut Encoder::new(Answer::default()), &conversation());
    let events = decode(&objects(&bytes)).unwrap();
    let calls = [call(0, "x", "f", r#"{"n":1}"#, Some("s")), call(1, "y", "g", "{}", None)].concat();
    let expected = [
        vec![start(), ChatEvent::Thinking("hm".to_owned()), ChatEvent::ThinkingSignature(marked(None)), say("a")],
        calls,
        vec![counted()],
        finish(Finish::ToolCalls).into(),
    ];
    assert_eq!(events, expected.concat());
}

#[test]
fn writes_the_same_objects_as_an_array() {
    let sse = encoded(&mut Encoder::new(Answer::default()), &conversation());
    let array = encoded(&mut Encoder::as_array(Answer::default()), &conversation());
    assert_eq!(serde_json::from_slice::<Vec<Value>>(&array).unwrap(), objects(&sse));
}

#[test]
fn writes_errors_as_google_does() {
    for (kind, status, code, name) in [
        ("UNAVAILABLE", Some(503), 503, "UNAVAILABLE"),
        ("overloaded_error", None, 503, "UNAVAILABLE"),
        ("rate_limit_exceeded", None, 429, "RESOURCE_EXHAUSTED"),
        ("anything", Some(529), 529, "UNAVAILABLE"),
        ("anything", None, 500, "INTERNAL"),
    ] {
        let error = ChatEvent::Error(StreamError { kind: kind.to_owned(), message: "m".to_owned(), status });
        let bytes = encoded(&mut Encoder::new(Answer::default()), &[error, say("never"), ChatEvent::End]);
        assert_eq!(objects(&bytes), [json!({"error": {"code": code, "message": "m", "status": name}})], "{kind}");
    }
}

#[test]
fn broken_arguments_set_the_finish_reason() {
    for (finish_reason, name) in [(Finish::ToolCalls, "MALFORMED_FUNCTION_CALL"), (Finish::Length, "MAX_TOKENS")] {
        let events = [vec![start()], call(0, "x", "f", "{\"n\":", None).into(), finish(finish_reason).into()].concat();
        let objects = objects(&encoded(&mut Encoder::new(Answer::default()), &events));
        assert_eq!(objects.len(), 1);
        assert_eq!(objects[0]["candidates"][0]["finishReason"], json!(name));
    }
}
