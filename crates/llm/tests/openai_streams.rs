//! Streams of the OpenAI dialect: decoding of known variants, and encoding of the one that every client accepts.

// Clippy treats helpers of an integration test as shipped code.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use outrigger_llm::chat::{ChatEvent, Finish, Media, MediaSource, StreamError};
use outrigger_llm::format::openai_chat::stream::{Decoder, Encoder};
use outrigger_llm::framing;
use outrigger_llm::usage::Usage;
use outrigger_llm::{Answer, StreamEncoder};
use serde_json::{Value, json};

fn read(chunks: &[Value]) -> Vec<ChatEvent> {
    let mut decoder = Decoder::default();
    let mut events = Vec::new();
    for chunk in chunks {
        let data = chunk.as_str().map_or_else(|| chunk.to_string(), str::to_owned);
        decoder.push(&framing::Event::of("", Some(&data)), &mut events).unwrap();
    }
    events
}

fn delta(delta: Value) -> Value {
    json!({"id": "r", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": null}]})
}

fn finish(reason: &str) -> Value {
    json!({"id": "r", "model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
}

fn tool(delta_of_call: Value) -> Value {
    delta(json!({"tool_calls": [delta_of_call]}))
}

fn start() -> ChatEvent {
    ChatEvent::Start { id: Some("r".into()), model: Some("m".into()) }
}

fn text(text: &str) -> ChatEvent {
    ChatEvent::Text(text.into())
}

fn call(index: usize, id: &str, name: &str) -> ChatEvent {
    ChatEvent::ToolCall { index, id: id.into(), name: name.into(), signature: None }
}

fn arguments(index: usize, fragment: &str) -> ChatEvent {
    ChatEvent::ToolArguments { index, fragment: fragment.into() }
}

fn ended(reason: Finish) -> ChatEvent {
    ChatEvent::Finish { reason, stop_sequence: None }
}

fn used(input: u64, output: u64) -> ChatEvent {
    ChatEvent::Usage(Usage { input: Some(input), output: Some(output), ..Usage::default() })
}

/// An upstream may open calls without a name for ever, or send arguments before one.
#[test]
fn calls_without_a_name_are_bounded() {
    let many = (0..2_000).map(|index| tool(json!({"index": index, "function": {"arguments": "{"}})));
    let long = (0..2_000).map(|_| tool(json!({"index": 0, "function": {"arguments": "x".repeat(100)}})));
    for (chunks, problem) in
        [(many.collect::<Vec<_>>(), "more than 1024 tool calls"), (long.collect(), "tool call 0 has no function name")]
    {
        let (mut decoder, mut events) = (Decoder::default(), Vec::new());
        let failed = chunks
            .iter()
            .find_map(|chunk| decoder.push(&framing::Event::of("", Some(&chunk.to_string())), &mut events).err());
        assert!(failed.unwrap().to_string().contains(problem));
    }
}

#[test]
fn decodes_known_variants_of_streams() {
    let done = || json!("[DONE]");
    let usage = |input: u64, output: u64| json!({"prompt_tokens": input, "completion_tokens": output});
    let mut finish_with_usage = finish("stop");
    finish_with_usage["usage"] = usage(3, 1);
    let mut early_usage = delta(json!({"content": "a"}));
    early_usage["usage"] = usage(3, 1);
    let tools = [
        start(),
        call(0, "a", "f"),
        arguments(0, "{\"x\""),
        call(1, "b", "g"),
        arguments(0, ":1}"),
        arguments(1, "{}"),
        ended(Finish::ToolCalls),
        ChatEvent::End,
    ];
    let parallel = [
        start(),
        call(0, "a", "f"),
        arguments(0, "{}"),
        call(1, "b", "g"),
        arguments(1, "{}"),
        ended(Finish::ToolCalls),
        ChatEvent::End,
    ];
    for (why, chunks, expected) in [
        (
            "OpenAI with usage",
            vec![
                delta(json!({"role": "assistant", "content": "", "refusal": null})),
                delta(json!({"content": "Hi"})),
                finish("stop"),
                json!({"id": "r", "model": "m", "choices": [], "usage": usage(3, 1)}),
                done(),
            ],
            vec![start(), text("Hi"), ended(Finish::Stop), used(3, 1), ChatEvent::End],
        ),
        (
            "Azure begins with the prompt's filters",
            vec![
                json!({"id": "", "model": "", "choices": [], "prompt_filter_results": []}),
                delta(json!({"content": "Hi"})),
                finish("content_filter"),
                done(),
            ],
            vec![start(), text("Hi"), ended(Finish::Filtered), ChatEvent::End],
        ),
        (
            "usage on the finish, null before",
            vec![
                json!({"id": "r", "model": "m", "usage": null, "choices": [{"delta": {"content": "Hi"}}]}),
                finish_with_usage,
                done(),
            ],
            vec![start(), text("Hi"), ended(Finish::Stop), used(3, 1), ChatEvent::End],
        ),
        (
            "usage repeated, and growing",
            vec![
                early_usage.clone(),
                early_usage,
                json!({"choices": [], "usage": usage(3, 2)}),
                finish("stop"),
                done(),
            ],
            vec![start(), text("a"), used(3, 1), text("a"), used(3, 2), ended(Finish::Stop), ChatEvent::End],
        ),
        (
            "thinking in three spellings",
            vec![
                delta(json!({"reasoning_content": "a", "content": null})),
                delta(json!({"reasoning": "b"})),
                delta(json!({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "c"}]}]})),
                delta(json!({"content": [{"type": "text", "text": "d"}]})),
                delta(json!({"refusal": "e"})),
                finish("eos"),
                done(),
            ],
            vec![
                start(),
                ChatEvent::Thinking("a".into()),
                ChatEvent::Thinking("b".into()),
                ChatEvent::Thinking("c".into()),
                ChatEvent::ThinkingSignature("parts".into()),
                text("d"),
                ChatEvent::Refusal("e".into()),
                ended(Finish::Stop),
                ChatEvent::End,
            ],
        ),
        (
            "two calls, interleaved",
            vec![
                tool(json!({"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}})),
                tool(json!({"index": 0, "function": {"arguments": "{\"x\""}})),
                tool(json!({"index": 1, "id": "b", "function": {"name": "g", "arguments": ""}})),
                tool(json!({"index": 0, "function": {"arguments": ":1}"}})),
                tool(json!({"index": 1, "function": {"arguments": "{}"}})),
                finish("tool_calls"),
                done(),
            ],
            tools.to_vec(),
        ),
        (
            "ids and names repeated with each delta, ended by stop",
            vec![
                tool(json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": "{\"x\""}})),
                tool(json!({"index": 1, "id": "b", "function": {"name": "g", "arguments": null}})),
                tool(json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": ":1}"}})),
                tool(json!({"index": 1, "id": "b", "function": {"name": "g", "arguments": {}}})),
                finish("stop"),
                done(),
            ],
            tools.to_vec(),
        ),
        (
            "no index, as at Gemini's compatible endpoint",
            vec![
                delta(
                    json!({"tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{}"}}, {"id": "b", "function": {"name": "g", "arguments": "{}"}}]}),
                ),
                finish("stop"),
                done(),
            ],
            parallel.to_vec(),
        ),
        (
            "one index for all calls",
            vec![
                tool(json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}})),
                tool(json!({"index": 0, "id": "b", "function": {"name": "g", "arguments": "{}"}})),
                finish("tool_calls"),
                done(),
            ],
            parallel.to_vec(),
        ),
        (
            "one id for two indexes is two calls",
            vec![
                tool(json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}})),
                tool(json!({"index": 1, "id": "a", "function": {"name": "g", "arguments": "{}"}})),
                finish("tool_calls"),
                done(),
            ],
            vec![
                start(),
                call(0, "a", "f"),
                arguments(0, "{}"),
                call(1, "a", "g"),
                arguments(1, "{}"),
                ended(Finish::ToolCalls),
                ChatEvent::End,
            ],
        ),
        (
            "fragments without index or id belong to the last call; indexes need not begin at 0",
            vec![
                tool(json!({"index": 3, "id": "a", "function": {"name": "f"}})),
                tool(json!({"function": {"arguments": "{}"}})),
                finish("tool_calls"),
                done(),
            ],
            vec![start(), call(0, "a", "f"), arguments(0, "{}"), ended(Finish::ToolCalls), ChatEvent::End],
        ),
        (
            "the name comes after id and arguments",
            vec![
                tool(json!({"index": 0, "id": "a", "function": {"arguments": "{"}})),
                tool(json!({"index": 0, "function": {"name": "f", "arguments": "}"}})),
                finish("tool_calls"),
                done(),
            ],
            vec![start(), call(0, "a", "f"), arguments(0, "{}"), ended(Finish::ToolCalls), ChatEvent::End],
        ),
        (
            "no id at all",
            vec![tool(json!({"function": {"name": "f", "arguments": "{}"}})), finish("tool_calls"), done()],
            vec![start(), call(0, "call_0", "f"), arguments(0, "{}"), ended(Finish::ToolCalls), ChatEvent::End],
        ),
        (
            "a signature",
            vec![
                tool(
                    json!({"id": "a", "function": {"name": "f", "arguments": "{}"}, "extra_content": {"google": {"thought_signature": "s"}}}),
                ),
                finish("stop"),
                done(),
            ],
            vec![
                start(),
                ChatEvent::ToolCall { index: 0, id: "a".into(), name: "f".into(), signature: Some("s".into()) },
                arguments(0, "{}"),
                ended(Finish::ToolCalls),
                ChatEvent::End,
            ],
        ),
        (
            "empty finish reasons on each chunk, and none at the end",
            vec![
                json!({"id": "r", "model": "m", "choices": [{"delta": {"content": "Hi"}, "finish_reason": ""}]}),
                done(),
            ],
            vec![start(), text("Hi"), ended(Finish::Stop), ChatEvent::End],
        ),
        (
            "a whole message instead of deltas",
            vec![
                json!({"id": "r", "model": "m", "choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}], "usage": usage(3, 1)}),
                done(),
            ],
            vec![start(), text("Hi"), ended(Finish::Stop), used(3, 1), ChatEvent::End],
        ),
        (
            "Perplexity repeats all text with the last delta",
            vec![
                delta(json!({"content": "Hi"})),
                json!({"choices": [{"index": 0, "delta": {"content": ""}, "message": {"content": "Hi"}, "finish_reason": "stop"}]}),
                done(),
            ],
            vec![start(), text("Hi"), ended(Finish::Stop), ChatEvent::End],
        ),
        (
            "a second alternative, a ping, and words after the end",
            vec![
                json!({"type": "ping"}),
                delta(json!({"content": "Hi"})),
                json!({"choices": [{"index": 1, "delta": {"content": "Ho"}}]}),
                finish("stop"),
                finish("stop"),
                done(),
                delta(json!({"content": "late"})),
                done(),
            ],
            vec![start(), text("Hi"), ended(Finish::Stop), ChatEvent::End],
        ),
    ] {
        assert_eq!(read(&chunks), expected, "{why}");
    }
}

#[test]
fn reads_errors_within_streams() {
    let error = |kind: &str, message: &str, status| {
        ChatEvent::Error(StreamError { kind: kind.into(), message: message.into(), status })
    };
    for (name, data, expected) in [
        (
            "",
            r#"{"error":{"message":"busy","type":"server_error","code":"overloaded"}}"#,
            error("overloaded", "busy", None),
        ),
        ("", r#"{"error":{"message":"busy","type":"server_error","code":null}}"#, error("server_error", "busy", None)),
        (
            "",
            r#"{"error":{"message":"cut","code":502},"choices":[{"finish_reason":"error"}]}"#,
            error("api_error", "cut", Some(502)),
        ),
        (
            "",
            r#"{"error":{"message":"slow down","type":"rate_limit","code":"429"}}"#,
            error("rate_limit", "slow down", Some(429)),
        ),
        ("", r#"{"error":"boom"}"#, error("api_error", "boom", None)),
        ("", r#"{"choices":[{"error":{"message":"cut"}}]}"#, error("api_error", "cut", None)),
        ("error", r#"{"message":"busy","type":"overloaded"}"#, error("overloaded", "busy", None)),
        ("error", "plain words", error("api_error", "plain words", None)),
    ] {
        let mut events = Vec::new();
        let mut decoder = Decoder::default();
        for data in [data, "[DONE]", "not read any more"] {
            let event = framing::Event::of(name, Some(data));
            decoder.push(&event, &mut events).unwrap();
        }
        events.retain(|event| !matches!(event, ChatEvent::Start { .. }));
        assert_eq!(events, [expected], "{data}");
    }
}

#[test]
fn reports_what_is_not_a_stream() {
    for (data, problem) in [
        ("{", "an event that is not JSON: EOF while parsing an object at line 1 column 1"),
        ("[1]", "an event that is not an object"),
        ("[DONE]", "the stream ended without an answer"),
        (
            r#"{"choices":[{"delta":{"tool_calls":[{"id":"a"}]},"finish_reason":"tool_calls"}]}"#,
            "tool call 0 has no function name",
        ),
    ] {
        let event = framing::Event::of("", Some(data));
        let malformed = Decoder::default().push(&event, &mut Vec::new()).unwrap_err();
        assert_eq!(malformed.problem, problem, "{data}");
    }
}

#[test]
fn skips_comments_and_empty_data() {
    let mut events = Vec::new();
    for data in [None, Some(String::new()), Some("  ".to_owned())] {
        let event = framing::Event::of("", data.as_deref());
        Decoder::default().push(&event, &mut events).unwrap();
    }
    assert_eq!(events, []);
}

fn write(stream_usage: bool, events: &[ChatEvent]) -> String {
    let answer = Answer { id: "gw-1".into(), model: "asked-for".into(), created: 7, stream_usage, ..Answer::default() };
    let mut encoder = Encoder::new(answer);
    let mut out = Vec::new();
    for event in events {
        encoder.push(event, &mut out);
    }
    String::from_utf8(out).unwrap()
}

/// The chunks of a stream; `[DONE]` as a string.
fn chunks(stream: &str) -> Vec<Value> {
    let events = stream.strip_suffix("\n\n").unwrap().split("\n\n");
    events
        .map(|event| {
            let data = event.strip_prefix("data: ").unwrap();
            serde_json::from_str(data).unwrap_or_else(|_| Value::from(data))
        })
        .collect()
}

#[test]
fn writes_exactly_these_bytes() {
    let start = ChatEvent::Start { id: Some("r".into()), model: None };
    assert_eq!(
        write(false, &[start, text("é\n"), used(3, 1), ended(Finish::Stop), ChatEvent::End]),
        concat!(
            r#"data: {"id":"r","object":"chat.completion.chunk","created":7,"model":"asked-for","choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]}"#,
            "\n\n",
            r#"data: {"id":"r","object":"chat.completion.chunk","created":7,"model":"asked-for","choices":[{"index":0,"delta":{"content":"é\n"},"logprobs":null,"finish_reason":null}]}"#,
            "\n\n",
            r#"data: {"id":"r","object":"chat.completion.chunk","created":7,"model":"asked-for","choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]}"#,
            "\n\n",
            "data: [DONE]\n\n",
        )
    );
}

#[test]
fn writes_usage_last_and_only_if_requested() {
    let events = [start(), used(3, 1), text("Hi"), used(3, 2), ended(Finish::Stop), used(3, 4), ChatEvent::End];
    let chunks = chunks(&write(true, &events));
    let last = &chunks[chunks.len() - 2];
    assert_eq!(last["choices"], json!([]));
    assert_eq!(last["usage"], json!({"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}));
    assert_eq!(chunks.iter().filter(|chunk| chunk["usage"].is_object()).count(), 1);
    assert!(!write(false, &events).contains("usage"));
    let unknown = write(true, &[start(), text("Hi"), ended(Finish::Stop), ChatEvent::End]);
    assert!(!unknown.contains("prompt_tokens"), "usage that was not reported: {unknown}");
}

#[test]
fn writes_each_call_once_with_its_index() {
    let signed = ChatEvent::ToolCall { index: 1, id: "b".into(), name: "g".into(), signature: Some("sig".into()) };
    let events = [
        start(),
        call(0, "a", "f"),
        call(0, "a", "f"),
        arguments(0, "{\"x\""),
        signed,
        arguments(0, ""),
        arguments(0, ":1}"),
        arguments(9, "{}"),
        ended(Finish::Stop),
        text("too late"),
        ChatEvent::End,
        ChatEvent::End,
    ];
    let chunks = chunks(&write(false, &events));
    let deltas: Vec<&Value> = chunks.iter().map(|chunk| &chunk["choices"][0]["delta"]).collect();
    let of_call = |call: Value| json!({"tool_calls": [call]});
    let expected = [
        json!({"role": "assistant", "content": ""}),
        of_call(json!({"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}})),
        of_call(json!({"index": 0, "function": {"arguments": "{\"x\""}})),
        of_call(json!({"index": 1, "id": "b__ts_c2ln", "type": "function", "function": {"name": "g", "arguments": ""},
                       "extra_content": {"google": {"thought_signature": "sig"}}})),
        of_call(json!({"index": 0, "function": {"arguments": ":1}"}})),
        of_call(json!({"index": 1, "function": {"arguments": "{}"}})),
        json!({}),
        Value::Null,
    ];
    assert_eq!(deltas, expected.iter().collect::<Vec<_>>());
    assert_eq!(chunks[6]["choices"][0]["finish_reason"], "tool_calls");
    assert_eq!(chunks[7], "[DONE]");
}

#[test]
fn writes_thinking_pictures_and_refusals() {
    let media = Media {
        media_type: Some("image/png".into()),
        source: MediaSource::Base64("AAAA".into()),
        filename: None,
        detail: None,
    };
    for (event, delta) in [
        (ChatEvent::Thinking("Hm".into()), json!({"reasoning_content": "Hm"})),
        (ChatEvent::Refusal("No".into()), json!({"refusal": "No"})),
        (
            ChatEvent::Media(media),
            json!({"images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]}),
        ),
    ] {
        let chunks = chunks(&write(false, &[event]));
        assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant", "a start without an event for it");
        assert_eq!(chunks[1]["choices"][0]["delta"], delta);
        assert_eq!((&chunks[1]["id"], &chunks[1]["model"]), (&json!("gw-1"), &json!("asked-for")));
    }
    assert_eq!(write(false, &[ChatEvent::ThinkingSignature("s".into()), ChatEvent::RedactedThinking("r".into())]), "");
}

#[test]
fn ends_correctly_if_the_end_is_missing() {
    for events in [vec![ended(Finish::Length), ChatEvent::End], vec![start(), ChatEvent::End], vec![ChatEvent::End]] {
        let chunks = chunks(&write(false, &events));
        assert_eq!(chunks.len(), 3, "{events:?}");
        assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
        assert!(chunks[1]["choices"][0]["finish_reason"].is_string());
        assert_eq!(chunks[2], "[DONE]");
    }
}

#[test]
fn writes_nothing_after_an_error() {
    let error = StreamError { kind: "overloaded_error".into(), message: "busy".into(), status: Some(529) };
    let expected = concat!(
        r#"data: {"error":{"message":"busy","type":"overloaded_error","param":null,"code":"overloaded_error"}}"#,
        "\n\n"
    );
    assert_eq!(write(true, &[ChatEvent::Error(error.clone()), text("Hi"), ChatEvent::End]), expected);
    assert_eq!(StreamEncoder::error(outrigger_llm::Format::OpenAiChat, &error), expected.as_bytes());
}
