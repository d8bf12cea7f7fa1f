use serde_json::{Value, json};

use super::{Decoder, Encoder};
use crate::Answer;
use crate::chat::{ChatEvent, ChatResponse, Finish, Part, StreamError, Thought, ToolCall};
use crate::format::cohere::response;
use crate::framing::{Event, sse::SseReader};
use crate::usage::Usage;

fn decoded(events: &[Value]) -> Vec<ChatEvent> {
    let (mut decoder, mut out) = (Decoder::default(), Vec::new());
    for event in events {
        let name = event["type"].as_str().unwrap_or_default();
        decoder.push(&Event::of(name, Some(&event.to_string())), &mut out).unwrap();
    }
    out
}

fn encoded(events: &[ChatEvent]) -> Vec<Value> {
    let (mut encoder, mut bytes) = (Encoder::new(Answer { id: "a".into(), ..Answer::default() }), Vec::new());
    events.iter().for_each(|event| encoder.push(event, &mut bytes));
    let (mut reader, mut out) = (SseReader::default(), Vec::new());
    reader.push(&bytes.into(), &mut out);
    out.iter()
        .map(|event| {
            let data = event.data().unwrap();
            serde_json::from_str(&data).map_or_else(
                |_| json!(data),
                |value: Value| {
                    assert_eq!(event.name(), value["type"]);
                    value
                },
            )
        })
        .collect()
}

fn content(kind: &str, text: &str) -> Value {
    json!({"type": "content-delta", "index": 0, "delta": {"message": {"content": {kind: text}}}})
}

fn call(index: usize, id: &str, name: &str) -> ChatEvent {
    ChatEvent::ToolCall { index, id: id.into(), name: name.into(), signature: None }
}

fn arguments(index: usize, fragment: &str) -> ChatEvent {
    ChatEvent::ToolArguments { index, fragment: fragment.into() }
}

fn stop(reason: Finish) -> ChatEvent {
    ChatEvent::Finish { reason, stop_sequence: None }
}

#[test]
fn a_stream_with_a_plan_and_calls_is_read() {
    let start = |index: usize, id: &str, arguments: &str| {
        json!({"type": "tool-call-start", "index": index, "delta": {"message":
        {"tool_calls": {"id": id, "type": "function", "function": {"name": "look", "arguments": arguments}}}}})
    };
    let more = |index: usize, arguments: &str| {
        json!({"type": "tool-call-delta", "index": index, "delta": {"message":
        {"tool_calls": {"function": {"arguments": arguments}}}}})
    };
    let events = decoded(&[
        json!({"type": "message-start", "id": "r1", "delta": {"message": {"role": "assistant", "content": []}}}),
        json!({"type": "content-start", "index": 0, "delta": {"message": {"content": {"type": "thinking", "thinking": ""}}}}),
        content("thinking", "Hm."),
        json!({"type": "content-end", "index": 0}),
        json!({"type": "tool-plan-delta", "delta": {"message": {"tool_plan": "I look."}}}),
        start(0, "c1", ""),
        more(0, "{\"at\""),
        start(1, "c2", ""),
        more(0, ":1}"),
        json!({"type": "tool-call-end", "index": 0}),
        json!({"type": "tool-call-end", "index": 1}),
        json!({"type": "citation-start", "index": 0, "delta": {"message": {"citations": {"text": "quoted"}}}}),
        json!({"type": "message-end", "delta": {"finish_reason": "TOOL_CALL", "usage": {
            "billed_units": {"input_tokens": 10, "output_tokens": 5.0},
            "tokens": {"input_tokens": 500, "output_tokens": 9, "reasoning_tokens": 2}, "cached_tokens": 448}}}),
        content("text", "after the end"),
    ]);
    assert_eq!(
        events,
        [
            ChatEvent::Start { id: Some("r1".into()), model: None },
            ChatEvent::Thinking("Hm.".into()),
            ChatEvent::Text("I look.".into()),
            call(0, "c1", "look"),
            arguments(0, "{\"at\""),
            call(1, "c2", "look"),
            arguments(0, ":1}"),
            ChatEvent::Usage(Usage { input: Some(10), output: Some(5), reasoning: Some(2), ..Usage::default() }),
            arguments(1, "{}"),
            stop(Finish::ToolCalls),
            ChatEvent::End,
        ]
    );
}

#[test]
fn a_failure_inside_a_stream_is_an_error() {
    let error = |kind: &str, message: &str| {
        ChatEvent::Error(StreamError { kind: kind.into(), message: message.into(), status: None })
    };
    for (event, expected) in [
        (
            json!({"type": "message-end", "delta": {"finish_reason": "ERROR", "error": "overloaded"}}),
            error("ERROR", "overloaded"),
        ),
        (json!({"type": "message-end", "delta": {"finish_reason": "TIMEOUT"}}), error("TIMEOUT", "the model failed")),
        (
            json!({"message": "too many tokens", "error_type": "TOO_MANY_TOKENS"}),
            error("TOO_MANY_TOKENS", "too many tokens"),
        ),
        (json!({"error": {"type": "x", "message": "m"}}), error("x", "m")),
    ] {
        assert_eq!(decoded(&[event.clone(), content("text", "more")]), [expected], "{event}");
    }
    let mut decoder = Decoder::default();
    for data in ["{", "[1]", "{}", r#"{"type":"tool-call-start","index":0}"#] {
        assert!(decoder.push(&Event::of("", Some(data)), &mut Vec::new()).is_err(), "{data}");
    }
}

#[test]
fn a_stream_is_written_as_the_sdk_expects_it() {
    let usage = Usage { input: Some(3), output: Some(9), cached_input: Some(2), ..Usage::default() };
    let events = encoded(&[
        ChatEvent::Start { id: None, model: Some("gpt-5".into()) },
        ChatEvent::Thinking("Hm.".into()),
        ChatEvent::ThinkingSignature("sig".into()),
        ChatEvent::Text("I ".into()),
        ChatEvent::Text("look.".into()),
        call(0, "c1", "look"),
        arguments(0, "{\"at\":1}"),
        call(1, "c2", "list"),
        stop(Finish::ToolCalls),
        ChatEvent::Usage(usage),
        ChatEvent::End,
        ChatEvent::Text("after the end".into()),
    ]);
    let start = |index: usize, kind: &str| json!({"type": "content-start", "index": index, "delta": {"message": {"content": {"type": kind, kind: ""}}}});
    let delta = |index: usize, kind: &str, text: &str| json!({"type": "content-delta", "index": index, "delta": {"message": {"content": {kind: text}}}});
    let called = |index: usize, id: &str, name: &str| {
        json!({"type": "tool-call-start", "index": index, "delta": {"message":
        {"tool_calls": {"id": id, "type": "function", "function": {"name": name, "arguments": ""}}}}})
    };
    let more = |index: usize, text: &str| json!({"type": "tool-call-delta", "index": index, "delta": {"message": {"tool_calls": {"function": {"arguments": text}}}}});
    assert_eq!(
        events,
        [
            json!({"id": "a", "type": "message-start", "delta": {"message":
                {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}}}),
            start(0, "thinking"),
            delta(0, "thinking", "Hm."),
            json!({"type": "content-end", "index": 0}),
            start(1, "text"),
            delta(1, "text", "I "),
            delta(1, "text", "look."),
            json!({"type": "content-end", "index": 1}),
            called(0, "c1", "look"),
            more(0, "{\"at\":1}"),
            json!({"type": "tool-call-end", "index": 0}),
            called(1, "c2", "list"),
            more(1, "{}"),
            json!({"type": "tool-call-end", "index": 1}),
            json!({"type": "message-end", "delta": {"finish_reason": "TOOL_CALL", "usage": {
                "billed_units": {"input_tokens": 3, "output_tokens": 9},
                "tokens": {"input_tokens": 3, "output_tokens": 9}, "cached_tokens": 2}}}),
            json!("[DONE]"),
        ]
    );
    let failed = encoded(&[
        ChatEvent::Text("a".into()),
        ChatEvent::Error(StreamError { kind: "k".into(), message: "m".into(), status: None }),
        ChatEvent::End,
    ]);
    let last = json!({"type": "message-end", "delta": {"error": "m", "finish_reason": "ERROR"}});
    assert_eq!(failed.last(), Some(&last));
}

#[test]
fn a_whole_answer_is_read_and_written() {
    let call =
        |id: &str| json!({"id": id, "type": "function", "function": {"name": "look", "arguments": "{\"at\":1}"}});
    let body = json!({"id": "r1", "message": {"role": "assistant", "tool_plan": "I look.", "content": [
        {"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": ""}], "tool_calls": [call("c1")],
        "citations": [{"text": "quoted"}]},
        "finish_reason": "TOOL_CALL", "usage": {"billed_units": {"input_tokens": 1, "output_tokens": 2}}});
    let read = response::decode(&body).unwrap();
    let tool_call = ToolCall { id: "c1".into(), name: "look".into(), arguments: "{\"at\":1}".into(), signature: None };
    let parts = vec![
        Part::Thinking(Thought { text: Some("Hm.".into()), ..Thought::default() }),
        Part::Text("I look.".into()),
        Part::ToolCall(tool_call),
    ];
    let usage = Usage { input: Some(1), output: Some(2), ..Usage::default() };
    let expected = ChatResponse {
        id: Some("r1".into()),
        parts,
        finish: Some(Finish::ToolCalls),
        usage,
        ..ChatResponse::default()
    };
    assert_eq!(read, expected);
    let written = response::encode(&read, &Answer::default());
    assert_eq!(
        written["message"],
        json!({"role": "assistant", "content": [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "I look."}],
            "tool_calls": [call("c1")]})
    );
    assert_eq!(response::decode(&written), Ok(expected));
    for (body, problem) in [
        (json!([]), "no message"),
        (json!({"message": "no such model"}), "an error instead of an answer: no such model"),
        (json!({"message": {"content": []}, "finish_reason": "ERROR"}), "the model failed: ERROR"),
        (json!({"message": {"tool_calls": [{"id": "c"}]}}), "tool_calls[0] has no function name"),
    ] {
        assert_eq!(response::decode(&body).unwrap_err().problem, problem);
    }
}
