//! Decoding and encoding of Anthropic streams.
#![allow(clippy::unwrap_used)] // The helpers here are tests too.

use outrigger_llm::Answer;
use outrigger_llm::chat::{ChatEvent, Finish, StreamError};
use outrigger_llm::format::anthropic::stream::{Decoder, Encoder};
use outrigger_llm::framing;
use outrigger_llm::usage::{ServiceTier, Usage};
use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_oneof, proptest};
use serde_json::{Value, json};

fn read(events: &[Value]) -> Vec<ChatEvent> {
    let mut decoder = Decoder::default();
    let mut out = Vec::new();
    for event in events {
        let name = event["type"].as_str().unwrap_or_default().to_owned();
        decoder.push(&framing::Event::of(&name, Some(&event.to_string())), &mut out).unwrap();
    }
    out
}

/// The data of each written event. Asserts that its name equals its type.
fn written(events: &[ChatEvent]) -> Vec<Value> {
    let answer = Answer { id: "a".into(), model: "m".into(), ..Answer::default() };
    let mut encoder = Encoder::new(answer);
    let mut out = Vec::new();
    for event in events {
        encoder.push(event, &mut out);
    }
    let text = String::from_utf8(out).unwrap();
    assert!(text.is_empty() || text.ends_with("\n\n"));
    text.split_terminator("\n\n")
        .map(|block| {
            let (name, data) = block.split_once('\n').unwrap();
            let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
            assert_eq!(name, format!("event: {}", data["type"].as_str().unwrap()));
            data
        })
        .collect()
}

/// The written events in short form: `0+text`, `0:Hi`, `0-`, and the names of other events.
fn short(events: &[ChatEvent]) -> String {
    let abbreviate = |event: &Value| {
        let index = &event["index"];
        match event["type"].as_str().unwrap() {
            "content_block_start" => format!("{index}+{}", event["content_block"]["type"].as_str().unwrap()),
            "content_block_delta" => {
                let delta = event["delta"].as_object().unwrap();
                format!("{index}:{}", delta.values().nth(1).unwrap().as_str().unwrap())
            }
            "content_block_stop" => format!("{index}-"),
            "message_delta" => format!("({})", event["delta"]["stop_reason"].as_str().unwrap_or("null")),
            other => other.replace("message_", ""),
        }
    };
    written(events).iter().map(abbreviate).collect::<Vec<_>>().join(" ")
}

fn text(text: &str) -> ChatEvent {
    ChatEvent::Text(text.into())
}

fn call(index: usize) -> ChatEvent {
    ChatEvent::ToolCall { index, id: format!("c{index}"), name: format!("f{index}"), signature: None }
}

fn arguments(index: usize, fragment: &str) -> ChatEvent {
    ChatEvent::ToolArguments { index, fragment: fragment.into() }
}

fn finish(reason: Finish) -> ChatEvent {
    ChatEvent::Finish { reason, stop_sequence: None }
}

#[test]
fn a_stream_is_read() {
    let events = read(&[
        json!({"type": "message_start", "message": {"id": "msg_1", "model": "claude-haiku-4-5", "usage":
            {"input_tokens": 10, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 3,
             "cache_creation": {"ephemeral_5m_input_tokens": 1, "ephemeral_1h_input_tokens": 2}, "output_tokens": 1}}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}}),
        json!({"type": "ping"}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Hm"}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "sig"}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "content_block_start", "index": 1, "content_block": {"type": "redacted_thinking", "data": "xx"}}),
        json!({"type": "content_block_stop", "index": 1}),
        json!({"type": "content_block_start", "index": 2, "content_block": {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}}),
        json!({"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": "{\"q\": 1}"}}),
        json!({"type": "content_block_stop", "index": 2}),
        json!({"type": "content_block_start", "index": 3, "content_block": {"type": "text", "text": "A"}}),
        json!({"type": "content_block_delta", "index": 3, "delta": {"type": "citations_delta", "citation": {}}}),
        json!({"type": "content_block_delta", "index": 3, "delta": {"type": "novel_delta", "text": "x"}}),
        json!({"type": "content_block_delta", "index": 3, "delta": {"type": "text_delta", "text": "B"}}),
        json!({"type": "content_block_stop", "index": 3}),
        json!({"type": "novel_event"}),
        json!({"type": "message_delta", "delta": {"stop_reason": "stop_sequence", "stop_sequence": "END"},
               "usage": {"input_tokens": 0, "output_tokens": 7, "output_tokens_details": {"thinking_tokens": 4},
                         "service_tier": "standard", "speed": "fast"}}),
        json!({"type": "message_stop"}),
        json!({"type": "message_stop"}),
    ]);
    let usage = Usage {
        input: Some(18),
        cached_input: Some(5),
        cache_write: Some(1),
        cache_write_1h: Some(2),
        ..Usage::default()
    };
    assert_eq!(
        events,
        [
            ChatEvent::Start { id: Some("msg_1".into()), model: Some("claude-haiku-4-5".into()) },
            ChatEvent::Usage(usage),
            ChatEvent::Thinking("Hm".into()),
            ChatEvent::ThinkingSignature("sig".into()),
            ChatEvent::RedactedThinking("xx".into()),
            text("A"),
            text("B"),
            ChatEvent::Usage(Usage { output: Some(7), reasoning: Some(4), service: Some(ServiceTier::Fast), ..usage }),
            ChatEvent::Finish { reason: Finish::StopSequence, stop_sequence: Some("END".into()) },
            ChatEvent::End,
        ]
    );
}

#[test]
fn calls_are_decoded_in_every_form_of_input() {
    let start = |index: usize, input: Value| {
        let block = json!({"type": "tool_use", "id": format!("c{index}"), "name": format!("f{index}"), "input": input});
        json!({"type": "content_block_start", "index": index, "content_block": block})
    };
    let delta = |index: usize, json: &str| json!({"type": "content_block_delta", "index": index, "delta": {"type": "input_json_delta", "partial_json": json}});
    let stop = |index: usize| json!({"type": "content_block_stop", "index": index});
    for (name, events, expected) in [
        (
            "in pieces",
            vec![start(0, json!({})), delta(0, ""), delta(0, "{\"a\""), delta(0, ":1}"), stop(0)],
            vec![call(0), arguments(0, "{\"a\""), arguments(0, ":1}")],
        ),
        ("whole, at the start", vec![start(0, json!({"a": 1})), stop(0)], vec![call(0), arguments(0, "{\"a\":1}")]),
        ("none", vec![start(0, json!({})), delta(0, ""), stop(0)], vec![call(0), arguments(0, "{}")]),
        (
            "two, not closed",
            vec![start(0, json!({})), start(1, json!({"b": 2})), json!({"type": "message_stop"})],
            vec![call(0), call(1), arguments(0, "{}"), arguments(1, "{\"b\":2}"), ChatEvent::End],
        ),
    ] {
        assert_eq!(read(&events), expected, "{name}");
    }
}

#[test]
fn errors_in_a_stream_have_a_status() {
    for (kind, status) in [
        ("overloaded_error", Some(529)),
        ("rate_limit_error", Some(429)),
        ("api_error", Some(500)),
        ("timeout_error", Some(504)),
        ("invalid_request_error", Some(400)),
        ("novel_error", None),
    ] {
        let error = json!({"type": "error", "error": {"type": kind, "message": "Oh."}});
        let expected = ChatEvent::Error(StreamError { kind: kind.into(), message: "Oh.".into(), status });
        assert_eq!(read(&[error, json!({"type": "message_stop"})]), [expected]);
    }
}

#[test]
fn invalid_events_are_malformed_and_events_without_data_are_skipped() {
    let push = |data: Option<&str>| {
        let event = framing::Event::of("", data);
        let mut out = Vec::new();
        Decoder::default().push(&event, &mut out).map(|()| out).map_err(|error| error.problem)
    };
    assert_eq!(push(None), Ok(vec![]));
    assert_eq!(push(Some("[DONE]")), Ok(vec![]));
    assert!(push(Some("{")).unwrap_err().starts_with("event is not JSON"));
    assert_eq!(push(Some("{}")), Err("event has no `type`".into()));
    assert_eq!(
        push(Some(r#"{"type":"content_block_start","content_block":{}}"#)),
        Err("content_block_start has no `index`".into())
    );
}

#[test]
fn blocks_follow_each_other() {
    let end = [finish(Finish::Stop), ChatEvent::End];
    for (name, events, expected) in [
        ("nothing", vec![], "start (end_turn) stop"),
        ("text", vec![text("a"), text(""), text("b")], "start 0+text 0:a 0:b 0- (end_turn) stop"),
        (
            "thinking, then text",
            vec![ChatEvent::Thinking("t".into()), ChatEvent::ThinkingSignature("s".into()), text("a")],
            "start 0+thinking 0:t 0:b3V0cmlnZ2VydW5rbm93biBzcw== 0- 1+text 1:a 1- (end_turn) stop",
        ),
        (
            "unsigned thinking is marked too",
            vec![ChatEvent::Thinking("t".into()), ChatEvent::Thinking("u".into()), text("a")],
            "start 0+thinking 0:t 0:u 0:b3V0cmlnZ2VydW5rbm93biAt 0- 1+text 1:a 1- (end_turn) stop",
        ),
        (
            "two thoughts, one without words",
            vec![
                ChatEvent::Thinking("t".into()),
                ChatEvent::ThinkingSignature("s".into()),
                ChatEvent::ThinkingSignature("u".into()),
                ChatEvent::RedactedThinking("x".into()),
            ],
            "start 0+thinking 0:t 0:b3V0cmlnZ2VydW5rbm93biBzcw== 0- 1+thinking 1:b3V0cmlnZ2VydW5rbm93biBzdQ== 1- 2+redacted_thinking 2- (end_turn) stop",
        ),
        ("a refusal", vec![ChatEvent::Refusal("No.".into())], "start 0+text 0:No. 0- (refusal) stop"),
        (
            "calls in a row",
            vec![text("a"), call(0), arguments(0, "{\"x\":"), arguments(0, "{}}"), call(1), arguments(1, "{}")],
            "start 0+text 0:a 0- 1+tool_use 1:{\"x\": 1:{}} 1- 2+tool_use 2:{} 2- (tool_use) stop",
        ),
        (
            "calls in turns",
            vec![
                call(0),
                arguments(0, "{\"a\""),
                call(1),
                arguments(1, "{\"b\""),
                arguments(0, ":1}"),
                arguments(1, ":2}"),
            ],
            "start 0+tool_use 0:{\"a\" 0::1} 0- 1+tool_use 1:{\"b\" 1::2} 1- (tool_use) stop",
        ),
        (
            "three calls, of which the last ends first",
            vec![
                call(0),
                call(1),
                call(2),
                arguments(2, "{}"),
                arguments(1, "{"),
                arguments(0, "{}"),
                arguments(1, "}"),
                arguments(0, " "),
            ],
            "start 0+tool_use 0:{} 0- 1+tool_use 1:{ 1:} 1- 2+tool_use 2:{} 2- (tool_use) stop",
        ),
        (
            "text amid a call",
            vec![call(0), arguments(0, "{"), text("a"), text("b"), arguments(0, "}"), text("c")],
            "start 0+tool_use 0:{ 0:} 0- 1+text 1:a 1:b 1:c 1- (tool_use) stop",
        ),
        (
            "calls that are cut",
            vec![call(0), arguments(0, "{"), call(1), arguments(1, "{\"b")],
            "start 0+tool_use 0:{ 0- 1+tool_use 1:{\"b 1- (tool_use) stop",
        ),
        ("a fragment of no call", vec![arguments(3, "{}"), text("a")], "start 0+text 0:a 0- (end_turn) stop"),
    ] {
        let events: Vec<ChatEvent> = events.into_iter().chain(end.clone()).collect();
        assert_eq!(short(&events), expected, "{name}");
    }
}

#[test]
fn the_end_waits_for_reason_and_usage() {
    let spent = |output| ChatEvent::Usage(Usage { input: Some(3), output, ..Usage::default() });
    let served = ChatEvent::Usage(Usage { service: Some(ServiceTier::Flex), ..Usage::default() });
    // The last numbers are those of message_delta; the first ones those known before any content.
    for (name, events, first, last) in [
        (
            "usage after the reason",
            vec![text("a"), finish(Finish::Stop), spent(Some(2)), ChatEvent::End],
            0,
            json!({"input_tokens": 3, "output_tokens": 2}),
        ),
        (
            "usage before it",
            vec![spent(None), text("a"), spent(Some(2)), finish(Finish::Stop), ChatEvent::End],
            3,
            json!({"input_tokens": 3, "output_tokens": 2}),
        ),
        (
            "how it was served, which is no usage",
            vec![text("a"), finish(Finish::Stop), served, spent(Some(2)), ChatEvent::End],
            0,
            json!({"input_tokens": 3, "output_tokens": 2}),
        ),
        ("none", vec![text("a"), finish(Finish::Stop), ChatEvent::End], 0, json!({"output_tokens": 0})),
    ] {
        let written = written(&events);
        assert_eq!(written[0]["message"]["usage"]["input_tokens"], first, "{name}");
        let deltas: Vec<&Value> = written.iter().filter(|event| event["type"] == "message_delta").collect();
        assert_eq!(deltas.len(), 1, "{name}");
        assert_eq!(deltas[0]["usage"], last, "{name}");
        assert_eq!(written[written.len() - 1]["type"], "message_stop", "{name}");
    }
    assert_eq!(short(&[text("a"), finish(Finish::Stop)]), "start 0+text 0:a 0-");
    assert_eq!(short(&[text("a"), spent(Some(1)), finish(Finish::Stop)]), "start 0+text 0:a 0-");
    assert_eq!(short(&[text("a"), finish(Finish::Stop), spent(Some(1))]), "start 0+text 0:a 0- (end_turn)");
    assert_eq!(short(&[text("a"), ChatEvent::End]), "start 0+text 0:a 0- (null) stop");
    assert_eq!(
        short(&[call(0), ChatEvent::End, ChatEvent::End, text("x")]),
        "start 0+tool_use 0:{} 0- (tool_use) stop"
    );
}

#[test]
fn the_first_event_is_a_whole_message() {
    let start = ChatEvent::Start { id: Some("chatcmpl-1".into()), model: Some("gpt-5".into()) };
    assert_eq!(
        written(&[start, text("a")])[0],
        json!({"type": "message_start", "message": {
            "id": "msg_chatcmpl-1", "type": "message", "role": "assistant", "model": "gpt-5", "content": [],
            "stop_reason": null, "stop_sequence": null, "usage": {"input_tokens": 0, "output_tokens": 0},
        }})
    );
    let written = written(&[text("a")]);
    assert_eq!((&written[0]["message"]["id"], &written[0]["message"]["model"]), (&json!("msg_a"), &json!("m")));
}

#[test]
fn errors_have_a_type_that_the_sdks_know() {
    for (kind, status, kind_sent) in [
        ("overloaded_error", None, "overloaded_error"),
        ("UNAVAILABLE", Some(503), "overloaded_error"),
        ("rate_limit_exceeded", Some(429), "rate_limit_error"),
        ("server_error", None, "api_error"),
        ("INVALID_ARGUMENT", Some(400), "invalid_request_error"),
    ] {
        let error = ChatEvent::Error(StreamError { kind: kind.into(), message: "Oh.".into(), status });
        let expected = json!({"type": "error", "error": {"type": kind_sent, "message": "Oh."}});
        assert_eq!(written(&[error.clone(), ChatEvent::End]), [expected], "{kind}");
    }
    assert_eq!(
        short(&[text("a"), ChatEvent::Error(StreamError { kind: "x".into(), message: "y".into(), status: None })]),
        "start 0+text 0:a error"
    );
}

/// Three calls and some text, in pieces that are interleaved but in order.
fn interleaved() -> impl Strategy<Value = Vec<ChatEvent>> {
    let call_events = |index: usize| {
        vec(prop_oneof!["[a-z{}\\[\\]\": ]{0,4}"], 0..3).prop_map(move |values| {
            let whole = json!({"values": values, "nested": {"index": index}}).to_string();
            // Every four bytes are a fragment; the text is ASCII.
            let fragments =
                whole.as_bytes().chunks(4).map(|piece| arguments(index, std::str::from_utf8(piece).unwrap()));
            std::iter::once(call(index)).chain(fragments).collect::<Vec<_>>()
        })
    };
    let words =
        vec(prop_oneof!["[a-z]{1,3}".prop_map(ChatEvent::Text), "[a-z]{1,3}".prop_map(ChatEvent::Thinking)], 0..5);
    (call_events(0), call_events(1), call_events(2), words, vec(any::<u8>(), 64)).prop_map(|(a, b, c, words, order)| {
        let mut sources = [a, b, c, words].map(std::collections::VecDeque::from);
        let mut events = Vec::new();
        let mut order = order.into_iter().cycle();
        while sources.iter().any(|source| !source.is_empty()) {
            let pick = usize::from(order.next().unwrap()) % 4;
            // A random source; if it is empty, the next one.
            let source = (0..4).map(|step| (pick + step) % 4).find(|at| !sources[*at].is_empty()).unwrap();
            events.extend(sources[source].pop_front());
        }
        events
    })
}

/// The joined arguments of each call by its id, and all text and all thinking.
fn summed(events: &[ChatEvent]) -> (std::collections::BTreeMap<String, String>, String, String) {
    let (mut ids, mut calls) = (std::collections::HashMap::new(), std::collections::BTreeMap::new());
    let (mut texts, mut thoughts) = (String::new(), String::new());
    for event in events {
        match event {
            ChatEvent::ToolCall { index, id, .. } => drop(ids.insert(*index, id.clone())),
            ChatEvent::ToolArguments { index, fragment } => {
                calls.entry(ids[index].clone()).or_insert_with(String::new).push_str(fragment);
            }
            ChatEvent::Text(text) => texts.push_str(text),
            ChatEvent::Thinking(text) => thoughts.push_str(text),
            _ => {}
        }
    }
    (calls, texts, thoughts)
}

proptest! {
    #[test]
    fn interleaved_pieces_are_neither_lost_nor_split(mut events in interleaved()) {
        events.extend([finish(Finish::ToolCalls), ChatEvent::End]);
        let written = written(&events);
        let mut open = None;
        let mut begun = 0;
        for event in &written {
            let index = event["index"].as_u64();
            match event["type"].as_str().unwrap() {
                "content_block_start" => {
                    assert_eq!((open, index), (None, Some(begun)));
                    (open, begun) = (index, begun + 1);
                }
                "content_block_delta" => assert_eq!(open, index),
                "content_block_stop" => assert_eq!(open.take(), index),
                _ => assert_eq!(open, None),
            }
        }
        assert_eq!(summed(&read(&written)), summed(&events));
    }
}
