use bytes::Bytes;
use serde_json::{Value, json};

use super::{Decoder, Encoder};
use crate::Answer;
use crate::chat::{ChatEvent, ChatResponse, Finish, Part, StreamError, Thought, ToolCall};
use crate::format::ollama::response;
use crate::framing::{Event, lines::JsonLineReader};
use crate::usage::Usage;

fn decoded(lines: &[Value]) -> Vec<ChatEvent> {
    let (mut decoder, mut out) = (Decoder::default(), Vec::new());
    for line in lines {
        decoder.push(&Event::of("", Some(&line.to_string())), &mut out).unwrap();
    }
    out
}

fn encoded(events: &[ChatEvent]) -> Vec<Value> {
    let answer = Answer { model: "m".into(), created: 1_764_000_000, latency_ms: 5, ..Answer::default() };
    let (mut encoder, mut bytes) = (Encoder::new(answer), Vec::new());
    events.iter().for_each(|event| encoder.push(event, &mut bytes));
    let (mut reader, mut out) = (JsonLineReader::default(), Vec::new());
    reader.push(&Bytes::from(bytes), &mut out);
    assert!(reader.finish().is_none(), "the last line has an end");
    out.iter().map(|event| serde_json::from_str(&event.data().unwrap()).unwrap()).collect()
}

fn line(message: Value) -> Value {
    json!({"model": "m", "created_at": "2025-11-24T16:00:00Z", "message": message, "done": false})
}

fn last(reason: &str) -> Value {
    let mut last = line(json!({"content": "", "role": "assistant"}));
    let more = json!({"done": true, "done_reason": reason, "total_duration": 5_000_000, "prompt_eval_count": 7, "eval_count": 3});
    last.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    last
}

fn call(index: usize, id: &str) -> ChatEvent {
    ChatEvent::ToolCall { index, id: id.into(), name: "look".into(), signature: None }
}

fn arguments(index: usize, fragment: &str) -> ChatEvent {
    ChatEvent::ToolArguments { index, fragment: fragment.into() }
}

fn usage() -> Usage {
    Usage { input: Some(7), output: Some(3), ..Usage::default() }
}

fn stop(reason: Finish) -> ChatEvent {
    ChatEvent::Finish { reason, stop_sequence: None }
}

#[test]
fn a_stream_with_thoughts_and_calls_is_read() {
    let calls = |id: Value| json!([{"id": id, "function": {"name": "look", "arguments": {"at": 1}}}]);
    let events = decoded(&[
        line(json!({"role": "assistant", "content": "", "thinking": "Hm."})),
        line(json!({"role": "assistant", "content": "I look."})),
        line(json!({"role": "assistant", "content": "", "tool_calls": calls(Value::Null)})),
        line(json!({"role": "assistant", "content": "", "tool_calls": calls(json!("c2"))})),
        last("stop"),
        line(json!({"content": "after the end"})),
    ]);
    assert_eq!(
        events,
        [
            ChatEvent::Start { id: None, model: Some("m".into()) },
            ChatEvent::Thinking("Hm.".into()),
            ChatEvent::Text("I look.".into()),
            call(0, "call_0"),
            arguments(0, "{\"at\":1}"),
            call(1, "c2"),
            arguments(1, "{\"at\":1}"),
            ChatEvent::Usage(usage()),
            stop(Finish::ToolCalls),
            ChatEvent::End,
        ]
    );
}

#[test]
fn an_error_ends_a_stream() {
    let error = ChatEvent::Error(StreamError { kind: "error".into(), message: "out of memory".into(), status: None });
    let text = line(json!({"content": "Hel"}));
    let events = decoded(&[text.clone(), json!({"error": "out of memory"}), text]);
    assert_eq!(events[1..], [ChatEvent::Text("Hel".into()), error.clone()]);
    let lines = encoded(&[ChatEvent::Text("Hel".into()), error, ChatEvent::Text("lo".into()), ChatEvent::End]);
    assert_eq!((lines.len(), &lines[1]), (2, &json!({"error": "out of memory"})));
}

#[test]
fn lines_of_another_shape_are_malformed() {
    for data in ["", "[]", "{}", "{\"done\":false}", "no JSON", r#"{"message":{"tool_calls":[{"function":{}}]}}"#] {
        let mut out = Vec::new();
        assert!(Decoder::default().push(&Event::of("", Some(data)), &mut out).is_err(), "{data}");
    }
    // An empty line is none.
    assert!(Decoder::default().push(&Event::of("", None), &mut Vec::new()).is_ok());
}

#[test]
fn calls_are_written_when_they_are_whole() {
    let lines = encoded(&[
        ChatEvent::Start { id: Some("r1".into()), model: None },
        ChatEvent::Thinking("Hm.".into()),
        ChatEvent::Text("I look.".into()),
        call(1, "c1"),
        arguments(1, "{\"at\""),
        call(4, "c2"),
        arguments(1, ":1}"),
        stop(Finish::ToolCalls),
        ChatEvent::Usage(usage()),
        ChatEvent::End,
        ChatEvent::Text("after the end".into()),
    ]);
    let calls = |id: &str, index: usize, arguments: Value| {
        line(json!({"role": "assistant", "content": "",
            "tool_calls": [{"id": id, "function": {"index": index, "name": "look", "arguments": arguments}}]}))
    };
    assert_eq!(
        lines,
        [
            line(json!({"role": "assistant", "content": "", "thinking": "Hm."})),
            line(json!({"role": "assistant", "content": "I look."})),
            calls("c1", 0, json!({"at": 1})),
            calls("c2", 1, json!({})),
            last("stop"),
        ]
    );
    for (reason, word) in
        [(Finish::Length, "length"), (Finish::Refusal, "content_filter"), (Finish::StopSequence, "stop")]
    {
        assert_eq!(encoded(&[ChatEvent::Usage(usage()), stop(reason), ChatEvent::End]), [last(word)]);
    }
}

#[test]
fn a_whole_answer_says_the_same_as_its_stream() {
    let thought = Thought { text: Some("Hm.".into()), ..Thought::default() };
    let tool_call = ToolCall { id: "c1".into(), name: "look".into(), arguments: "{\"at\":1}".into(), signature: None };
    let response = ChatResponse {
        id: None,
        model: Some("m".into()),
        parts: vec![Part::Thinking(thought), Part::Text("I look.".into()), Part::ToolCall(tool_call)],
        finish: Some(Finish::ToolCalls),
        stop_sequence: None,
        usage: usage(),
        citations: Vec::new(),
    };
    let encoded = response::encode(&response, &Answer::default());
    assert_eq!(response::decode(&encoded).unwrap(), response);
    for body in [json!({}), json!({"error": "no such model"}), json!({"message": {"tool_calls": [{}]}})] {
        assert!(response::decode(&body).is_err(), "{body}");
    }
}
