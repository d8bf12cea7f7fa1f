use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Decoder, Encoder};
use crate::chat::citation::Citation;
use crate::chat::mark::mark;
use crate::chat::origin::Origin;
use crate::chat::{ChatEvent, Finish, Media, MediaSource, StreamError, Thought};
use crate::framing::aws_event_stream::{write_event, write_exception};
use crate::framing::{self, EventReader, Framing};
use crate::usage::Usage;
use crate::{Answer, Malformed};

fn events_of(stream: Vec<u8>) -> Vec<framing::Event> {
    let (mut reader, mut events) = (EventReader::new(Framing::AwsEventStream), Vec::new());
    reader.push(&stream.into(), &mut events);
    assert_eq!((reader.buffered(), reader.failure()), (0, None));
    events
}

fn decoded(events: &[(&str, Value)]) -> Result<Vec<ChatEvent>, Malformed> {
    let mut stream = Vec::new();
    events.iter().for_each(|(name, data)| write_event(name, data, &mut stream));
    let (mut decoder, mut out) = (Decoder::default(), Vec::new());
    for event in events_of(stream) {
        decoder.push(&event, &mut out)?;
    }
    Ok(out)
}

/// The names and the data of what is written.
fn encoded(events: &[ChatEvent]) -> Vec<(String, Value)> {
    let mut encoder = Encoder::new(Answer { latency_ms: 9, ..Answer::default() });
    let mut out = Vec::new();
    events.iter().for_each(|event| encoder.push(event, &mut out));
    let told = |event: &framing::Event| {
        (event.name().to_owned(), serde_json::from_slice(event.data_bytes().unwrap()).unwrap())
    };
    events_of(out).iter().map(told).collect()
}

fn block(index: u64, kind: &str, value: Value) -> Value {
    json!({"contentBlockIndex": index, kind: value, "p": "abcdef"})
}

fn text(text: &str) -> ChatEvent {
    ChatEvent::Text(text.to_owned())
}

fn call(index: usize, id: &str, name: &str) -> ChatEvent {
    ChatEvent::ToolCall { index, id: id.to_owned(), name: name.to_owned(), signature: None }
}

fn arguments(index: usize, fragment: &str) -> ChatEvent {
    ChatEvent::ToolArguments { index, fragment: fragment.to_owned() }
}

fn finish(reason: Finish) -> ChatEvent {
    ChatEvent::Finish { reason, stop_sequence: None }
}

#[test]
fn an_upstreams_stream_is_decoded() {
    let tool = |id: &str, name: &str| json!({"toolUse": {"toolUseId": id, "name": name}});
    let server = json!({"toolUse": {"toolUseId": "s", "name": "nova_grounding", "type": "server_tool_use"}});
    let usage = json!({"inputTokens": 1, "outputTokens": 2, "totalTokens": 13, "cacheReadInputTokens": 10});
    let events = decoded(&[
        ("messageStart", json!({"role": "assistant", "p": "abc"})),
        ("contentBlockDelta", block(0, "delta", json!({"reasoningContent": {"text": "hm"}}))),
        ("contentBlockDelta", block(0, "delta", json!({"reasoningContent": {"signature": "sig"}}))),
        ("contentBlockStop", block(0, "p", json!("abc"))),
        ("contentBlockDelta", block(1, "delta", json!({"reasoningContent": {"redactedContent": "AAAA"}}))),
        ("contentBlockStart", block(2, "start", server)),
        ("contentBlockDelta", block(2, "delta", json!({"toolUse": {"input": "{\"query\":1}"}}))),
        ("contentBlockStop", block(2, "p", json!("abc"))),
        ("contentBlockStart", block(3, "start", json!({"toolResult": {"toolUseId": "s"}}))),
        ("contentBlockStop", block(3, "p", json!("abc"))),
        ("contentBlockDelta", block(4, "delta", json!({"text": "So "}))),
        ("contentBlockDelta", block(4, "delta", json!({"citation": {"title": "t"}}))),
        ("contentBlockDelta", block(4, "delta", json!({"text": "be it."}))),
        ("contentBlockStart", block(5, "start", tool("t1", "f"))),
        ("contentBlockDelta", block(5, "delta", json!({"toolUse": {"input": "{\"a\""}}))),
        ("contentBlockDelta", block(5, "delta", json!({"toolUse": {"input": ":1}"}}))),
        ("contentBlockStop", block(5, "p", json!("abc"))),
        ("contentBlockStart", block(6, "start", tool("t2", "g"))),
        ("contentBlockStart", block(7, "start", json!({"image": {"format": "png"}}))),
        ("contentBlockDelta", block(7, "delta", json!({"image": {"source": {"bytes": "AAAA"}}}))),
        ("novelty", json!({"x": 1})),
        ("messageStop", json!({"stopReason": "tool_use"})),
        ("metadata", json!({"usage": usage, "metrics": {"latencyMs": 1}})),
    ])
    .unwrap();
    let picture = Media {
        media_type: Some("image/png".into()),
        source: MediaSource::Base64("AAAA".into()),
        filename: None,
        detail: None,
    };
    let cited = Citation { passage: Some(0..9), title: Some("t".into()), ..Citation::default() };
    assert_eq!(
        events,
        [
            ChatEvent::Start { id: None, model: None },
            ChatEvent::Thinking("hm".into()),
            ChatEvent::ThinkingSignature("sig".into()),
            ChatEvent::RedactedThinking("AAAA".into()),
            text("So "),
            text("be it."),
            ChatEvent::Citation(cited),
            call(0, "t1", "f"),
            arguments(0, "{\"a\""),
            arguments(0, ":1}"),
            call(1, "t2", "g"),
            arguments(1, "{}"),
            ChatEvent::Media(picture),
            finish(Finish::ToolCalls),
            ChatEvent::Usage(Usage { input: Some(11), cached_input: Some(10), output: Some(2), ..Usage::default() }),
            ChatEvent::End,
        ]
    );
}

#[test]
fn an_exception_ends_the_stream() {
    let mut stream = Vec::new();
    write_event("contentBlockDelta", &block(0, "delta", json!({"text": "a"})), &mut stream);
    write_exception("throttlingException", &json!({"message": "Too many"}), &mut stream);
    write_event("contentBlockDelta", &block(0, "delta", json!({"text": "b"})), &mut stream);
    let (mut decoder, mut out) = (Decoder::default(), Vec::new());
    events_of(stream).iter().for_each(|event| decoder.push(event, &mut out).unwrap());
    let error = StreamError { kind: "throttlingException".into(), message: "Too many".into(), status: Some(429) };
    assert_eq!(out, [text("a"), ChatEvent::Error(error)]);
}

#[test]
fn events_that_are_not_of_the_format_are_malformed() {
    for (events, problem) in [
        ([("contentBlockStart", json!({"start": {}}))], "contentBlockStart has no `contentBlockIndex`"),
        ([("contentBlockStart", block(0, "start", json!({"toolUse": {"name": "f"}})))], "a toolUse has no `toolUseId`"),
        ([("", json!({}))], "event has no name"),
    ] {
        assert_eq!(decoded(&events).unwrap_err().problem, problem);
    }
}

/// Text has no start: an SDK refuses an empty one.
#[test]
fn blocks_follow_each_other_and_only_tools_have_a_start() {
    let told = encoded(&[
        ChatEvent::Start { id: Some("a".into()), model: Some("m".into()) },
        ChatEvent::Thinking("hm".into()),
        text(""),
        text("So"),
        call(0, "c.1", "f"),
        call(1, "c2", "g"),
        arguments(1, "{\"b\":2}"),
        arguments(0, "{\"a\""),
        text("after"),
        arguments(0, ":1}"),
        finish(Finish::Stop),
        ChatEvent::Usage(Usage { input: Some(3), output: Some(4), ..Usage::default() }),
        ChatEvent::End,
        text("late"),
    ]);
    let delta = |index: u64, delta: Value| {
        ("contentBlockDelta".to_owned(), json!({"contentBlockIndex": index, "delta": delta}))
    };
    let stop = |index: u64| ("contentBlockStop".to_owned(), json!({"contentBlockIndex": index}));
    let start = |index: u64, id: &str, name: &str| {
        let tool = json!({"toolUse": {"toolUseId": id, "name": name}});
        ("contentBlockStart".to_owned(), json!({"contentBlockIndex": index, "start": tool}))
    };
    assert_eq!(
        told,
        [
            ("messageStart".to_owned(), json!({"role": "assistant"})),
            delta(0, json!({"reasoningContent": {"text": "hm"}})),
            delta(0, json!({"reasoningContent": {"signature": mark(&Origin::UNKNOWN, &Thought::default())}})),
            stop(0),
            delta(1, json!({"text": "So"})),
            stop(1),
            start(2, "c_2e1__ts_eyJpZCI6ImMuMSJ9", "f"),
            delta(2, json!({"toolUse": {"input": "{\"a\""}})),
            delta(2, json!({"toolUse": {"input": ":1}"}})),
            stop(2),
            start(3, "c2", "g"),
            delta(3, json!({"toolUse": {"input": "{\"b\":2}"}})),
            stop(3),
            delta(4, json!({"text": "after"})),
            stop(4),
            ("messageStop".to_owned(), json!({"stopReason": "tool_use"})),
            (
                "metadata".to_owned(),
                json!({"metrics": {"latencyMs": 9}, "usage": {"inputTokens": 3, "outputTokens": 4, "totalTokens": 7}})
            ),
        ]
    );
}

#[test]
fn a_call_without_arguments_has_an_empty_object() {
    let written = encoded(&[call(0, "a", "now"), call(1, "b", "now"), arguments(1, "{}"), finish(Finish::ToolCalls)]);
    let inputs = written.iter().filter_map(|(_, data)| data.pointer("/delta/toolUse/input"));
    assert_eq!(inputs.collect::<Vec<_>>(), ["{}", "{}"]);
}

#[test]
fn an_answer_without_content_and_an_error_are_told() {
    let names = |events: &[ChatEvent]| encoded(events).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    let start = ChatEvent::Start { id: None, model: None };
    assert_eq!(
        names(&[start.clone(), finish(Finish::Length), ChatEvent::End]),
        ["messageStart", "messageStop", "metadata"]
    );
    for (kind, status, exception) in [
        ("overloaded_error", Some(529), "serviceUnavailableException"),
        ("rate_limit_error", Some(429), "throttlingException"),
        ("throttlingException", None, "throttlingException"),
        ("whatever", None, "internalServerException"),
    ] {
        let error = ChatEvent::Error(StreamError { kind: kind.into(), message: "m".into(), status });
        let told = encoded(&[start.clone(), error, text("late")]);
        assert_eq!(told, [(exception.to_owned(), json!({"message": "m"}))], "{kind}");
    }
}

fn any_event() -> impl Strategy<Value = ChatEvent> {
    prop_oneof![
        "[a-z]{0,4}".prop_map(ChatEvent::Text),
        "[a-z]{0,4}".prop_map(ChatEvent::Thinking),
        "[a-z]{1,4}".prop_map(ChatEvent::ThinkingSignature),
        "[a-z]{1,4}".prop_map(ChatEvent::RedactedThinking),
        (0..3usize).prop_map(|index| call(index, &format!("c{index}"), "f")),
        (0..3usize, prop_oneof![Just("{"), Just("\"a\":1"), Just("}"), Just("{}")])
            .prop_map(|(index, fragment)| arguments(index, fragment)),
    ]
}

proptest! {
    /// Whatever comes, blocks are opened and closed one after the other, and the text is whole.
    #[test]
    fn any_stream_is_well_formed(mut events in prop::collection::vec(any_event(), 0..30)) {
        events.extend([finish(Finish::Stop), ChatEvent::End]);
        let told = encoded(&events);
        prop_assert_eq!(&told[0].0, "messageStart");
        prop_assert_eq!(&told[told.len() - 1].0, "metadata");
        let (mut open, mut next) = (None, 0);
        let mut said = String::new();
        for (name, data) in &told[1..told.len() - 2] {
            let index = data["contentBlockIndex"].as_u64().unwrap();
            match name.as_str() {
                "contentBlockStart" => prop_assert!(open.is_none() && index == next),
                "contentBlockStop" => {
                    prop_assert_eq!(open, Some(index));
                    next = index + 1;
                }
                _ => {
                    prop_assert!(index == next);
                    said.push_str(data["delta"]["text"].as_str().unwrap_or_default());
                }
            }
            open = (name != "contentBlockStop").then_some(index);
        }
        prop_assert_eq!(open, None);
        let expected: String =
            events.iter().filter_map(|event| if let ChatEvent::Text(text) = event { Some(text.as_str()) } else { None }).collect();
        prop_assert_eq!(said, expected);
    }
}
