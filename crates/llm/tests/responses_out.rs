//! Answers for callers of OpenAI's Responses: whole, and as events.
#![allow(clippy::unwrap_used)] // The helpers here are tests too.

use outrigger_llm::chat::origin::Origin;
use outrigger_llm::chat::{ChatEvent, ChatResponse, Finish, Media, MediaSource, Part, StreamError, Thought, ToolCall};
use outrigger_llm::errors::GatewayError;
use outrigger_llm::framing::sse::SseReader;
use outrigger_llm::usage::Usage;
use outrigger_llm::{Answer, CallerFormat, StreamEncoder, encode_response};
use serde_json::{Value, json};

const CALLER: CallerFormat = CallerFormat::OpenAiResponses;

fn answer(request: &Value) -> Answer {
    Answer {
        id: "d1".to_owned(),
        model: "claude-sonnet-5".to_owned(),
        created: 1_790_000_000,
        latency_ms: 0,
        stream_usage: false,
        request: request.to_string().into(),
        origin: Origin::CLAUDE,
    }
}

fn call(id: &str, name: &str, arguments: &str) -> Part {
    let (id, name, arguments) = (id.to_owned(), name.to_owned(), arguments.to_owned());
    Part::ToolCall(ToolCall { id, name, arguments, signature: None })
}

fn thought(text: Option<&str>, signature: Option<&str>) -> Part {
    let (text, signature) = (text.map(str::to_owned), signature.map(str::to_owned));
    Part::Thinking(Thought { text, signature, ..Thought::default() })
}

fn text(text: &str) -> ChatEvent {
    ChatEvent::Text(text.to_owned())
}

fn start() -> ChatEvent {
    ChatEvent::Start { id: Some("msg_1".to_owned()), model: Some("claude-sonnet-5-1".to_owned()) }
}

fn finish(reason: Finish) -> ChatEvent {
    ChatEvent::Finish { reason, stop_sequence: None }
}

fn tool(index: usize, id: &str, name: &str) -> ChatEvent {
    ChatEvent::ToolCall { index, id: id.to_owned(), name: name.to_owned(), signature: None }
}

fn arguments(index: usize, fragment: &str) -> ChatEvent {
    ChatEvent::ToolArguments { index, fragment: fragment.to_owned() }
}

/// The events of a stream: each is named by its type, and numbered.
fn written(request: &Value, events: &[ChatEvent]) -> Vec<Value> {
    let mut encoder = StreamEncoder::new(CALLER, answer(request));
    let mut out = Vec::new();
    for event in events {
        encoder.push(event, &mut out);
    }
    read(out)
}

fn read(bytes: Vec<u8>) -> Vec<Value> {
    let (mut reader, mut events) = (SseReader::default(), Vec::new());
    reader.push(&bytes.into(), &mut events);
    assert_eq!(reader.finish(), None);
    let read: Vec<(String, Value)> = events
        .iter()
        .map(|event| (event.name().to_owned(), serde_json::from_slice(event.data_bytes().unwrap()).unwrap()))
        .collect();
    for (at, (name, data)) in read.iter().enumerate() {
        assert_eq!((data["type"].as_str(), data["sequence_number"].as_u64()), (Some(name.as_str()), Some(at as u64)));
    }
    read.into_iter().map(|(_, data)| data).collect()
}

fn types(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

/// The items of a stream, put together from its pieces as clients do; checked against the last event.
fn collected(events: &[Value]) -> Vec<Value> {
    let mut items: Vec<Value> = Vec::new();
    for event in events {
        let at = event["output_index"].as_u64().map(|at| at as usize);
        let of_item = |items: &[Value]| at.map(|at| items[at]["id"].clone()).unwrap_or_default();
        match event["type"].as_str().unwrap() {
            "response.output_item.added" => {
                assert_eq!(at, Some(items.len()));
                items.push(event["item"].clone());
            }
            "response.content_part.added" => {
                assert_eq!(event["item_id"], of_item(&items));
                items[at.unwrap()]["content"].as_array_mut().unwrap().push(event["part"].clone());
            }
            "response.reasoning_summary_part.added" => {
                items[at.unwrap()]["summary"].as_array_mut().unwrap().push(event["part"].clone());
            }
            name if name.ends_with(".delta") => {
                assert_eq!(event["item_id"], of_item(&items));
                let item = &mut items[at.unwrap()];
                let place = match name {
                    "response.output_text.delta" => {
                        &mut item["content"][event["content_index"].as_u64().unwrap() as usize]["text"]
                    }
                    "response.refusal.delta" => {
                        &mut item["content"][event["content_index"].as_u64().unwrap() as usize]["refusal"]
                    }
                    "response.reasoning_summary_text.delta" => &mut item["summary"][0]["text"],
                    "response.custom_tool_call_input.delta" => &mut item["input"],
                    _ => &mut item["arguments"],
                };
                *place = json!(format!("{}{}", place.as_str().unwrap(), event["delta"].as_str().unwrap()));
            }
            "response.output_item.done" => {
                let mut collected = items[at.unwrap()].clone();
                let done = &event["item"];
                if let Some(encrypted) = done.get("encrypted_content") {
                    collected["encrypted_content"] = encrypted.clone();
                }
                if let Some(status) = done.get("status") {
                    collected["status"] = status.clone();
                }
                if collected["type"] == "image_generation_call" {
                    collected["result"] = done["result"].clone();
                }
                // Arguments that never came are written as an empty object.
                if collected["arguments"] == "" {
                    collected["arguments"] = json!("{}");
                }
                assert_eq!(&collected, done);
                items[at.unwrap()] = collected;
            }
            _ => {}
        }
    }
    assert_eq!(events.last().unwrap()["response"]["output"], json!(items));
    items
}

const TOOLS: &str = r#"[
    {"type": "function", "name": "f", "parameters": {"type": "object"}},
    {"type": "custom", "name": "apply_patch"},
    {"type": "namespace", "name": "agents", "tools": [{"type": "function", "name": "close"}]}
]"#;

fn with_tools() -> Value {
    json!({"store": false, "tools": serde_json::from_str::<Value>(TOOLS).unwrap(), "temperature": 0.5,
           "tool_choice": "required"})
}

#[test]
fn a_whole_answer_is_a_response_object() {
    let response = ChatResponse {
        id: Some("msg_1".to_owned()),
        model: Some("claude-sonnet-5-1".to_owned()),
        parts: vec![
            thought(Some("Hm."), Some("sig")),
            Part::Text("One. ".to_owned()),
            Part::Text("Two.".to_owned()),
            call("toolu_1", "f", "{\"a\":1}"),
            call("toolu_2", "agents__close", ""),
            call("toolu_3", "apply_patch", "{\"input\":\"*** Begin\"}"),
        ],
        finish: Some(Finish::ToolCalls),
        stop_sequence: None,
        usage: Usage {
            input: Some(10),
            cached_input: Some(4),
            output: Some(5),
            reasoning: Some(2),
            ..Usage::default()
        },
        citations: Vec::new(),
    };
    let body = encode_response(CALLER, &response, &answer(&with_tools()));
    assert_eq!(
        body,
        json!({
            "id": "resp_msg_1", "object": "response", "created_at": 1_790_000_000, "status": "completed",
            "error": null, "incomplete_details": null, "model": "claude-sonnet-5-1",
            "output": [
                {"type": "reasoning", "id": "rs_b3V0cmlnZ2VydW5rbm93biBzZDFfMA",
                 "summary": [{"type": "summary_text", "text": "Hm."}], "encrypted_content": "b3V0cmlnZ2VyY2xhdWRlIHNzaWc="},
                {"type": "message", "id": "msg_d1_1", "role": "assistant", "status": "completed", "content": [
                    {"type": "output_text", "text": "One. ", "annotations": [], "logprobs": []},
                    {"type": "output_text", "text": "Two.", "annotations": [], "logprobs": []},
                ]},
                {"type": "function_call", "id": "fc_d1_2", "call_id": "toolu_1", "name": "f",
                 "arguments": "{\"a\":1}", "status": "completed"},
                {"type": "function_call", "id": "fc_d1_3", "call_id": "toolu_2", "name": "close",
                 "namespace": "agents", "arguments": "{}", "status": "completed"},
                {"type": "custom_tool_call", "id": "ctc_d1_4", "call_id": "toolu_3", "name": "apply_patch",
                 "input": "*** Begin", "status": "completed"},
            ],
            "parallel_tool_calls": true, "tool_choice": "required", "text": {"format": {"type": "text"}},
            "truncation": "disabled", "metadata": {}, "temperature": 0.5, "store": false, "background": false,
            "instructions": null, "tools": [], "previous_response_id": null,
            "usage": {"input_tokens": 10, "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
                      "output_tokens": 5, "output_tokens_details": {"reasoning_tokens": 2}, "total_tokens": 15},
        })
    );
}

#[test]
fn the_finish_is_a_status_with_a_reason() {
    for (reason, status, why) in [
        (Finish::Stop, "completed", None),
        (Finish::StopSequence, "completed", None),
        (Finish::ToolCalls, "completed", None),
        (Finish::Pause, "completed", None),
        (Finish::Length, "incomplete", Some("max_output_tokens")),
        (Finish::Filtered, "incomplete", Some("content_filter")),
        (Finish::Refusal, "incomplete", Some("content_filter")),
    ] {
        let response = ChatResponse { finish: Some(reason), ..ChatResponse::default() };
        let body = encode_response(CALLER, &response, &answer(&json!({})));
        let details = why.map_or(Value::Null, |why| json!({"reason": why}));
        assert_eq!((&body["status"], &body["incomplete_details"]), (&json!(status), &details), "{reason:?}");
        let events = written(&json!({}), &[start(), text("a"), finish(reason), ChatEvent::End]);
        let last = events.last().unwrap();
        assert_eq!(last["type"], format!("response.{status}"));
        assert_eq!((&last["response"]["status"], &last["response"]["incomplete_details"]), (&json!(status), &details));
    }
}

#[test]
fn a_stream_of_text_has_all_events_in_order() {
    let usage = Usage { input: Some(3), output: Some(2), ..Usage::default() };
    let events = written(
        &json!({}),
        &[start(), text("Hel"), text("lo"), finish(Finish::Stop), ChatEvent::Usage(usage), ChatEvent::End],
    );
    assert_eq!(
        types(&events),
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed",
        ]
    );
    assert_eq!(events[0]["response"]["status"], "in_progress");
    assert_eq!(events[6]["text"], "Hello");
    let items = collected(&events);
    assert_eq!(items[0]["content"][0]["text"], "Hello");
    assert_eq!(events[9]["response"]["usage"]["total_tokens"], 5);
    assert_eq!(events[9]["response"]["model"], "claude-sonnet-5-1");
}

#[test]
fn thoughts_text_and_interleaved_calls_are_put_together_again() {
    let events = written(
        &with_tools(),
        &[
            start(),
            ChatEvent::Thinking("H".to_owned()),
            ChatEvent::Thinking("m.".to_owned()),
            ChatEvent::ThinkingSignature("sig".to_owned()),
            ChatEvent::RedactedThinking("xx".to_owned()),
            text("I call."),
            ChatEvent::Refusal("No.".to_owned()),
            tool(0, "t0", "f"),
            tool(1, "t1", "apply_patch"),
            arguments(1, "{\"input\":"),
            arguments(0, "{\"a\""),
            arguments(1, "\"x\"}"),
            arguments(0, ":1}"),
            tool(2, "t2", "agents__close"),
            tool(2, "t2", "agents__close"),
            arguments(9, "lost"),
            text("Done."),
            finish(Finish::ToolCalls),
            ChatEvent::End,
        ],
    );
    let items = collected(&events);
    let kinds: Vec<&str> = items.iter().map(|item| item["type"].as_str().unwrap()).collect();
    assert_eq!(
        kinds,
        ["reasoning", "reasoning", "message", "function_call", "custom_tool_call", "function_call", "message"]
    );
    assert_eq!(items[0]["encrypted_content"], "b3V0cmlnZ2VyY2xhdWRlIHNzaWc=");
    assert_eq!(
        (&items[1]["summary"], &items[1]["encrypted_content"]),
        (&json!([]), &json!("b3V0cmlnZ2VyY2xhdWRlIHJ4eA=="))
    );
    assert_eq!(items[3]["arguments"], "{\"a\":1}");
    assert_eq!(items[4]["input"], "x");
    assert_eq!(
        (&items[5]["name"], &items[5]["namespace"], &items[5]["arguments"]),
        (&json!("close"), &json!("agents"), &json!("{}"))
    );
    assert_eq!(items[2]["content"][1], json!({"type": "refusal", "refusal": "No."}));
}

#[test]
fn thoughts_are_sealed_only_for_those_who_can_return_them() {
    let response = ChatResponse { parts: vec![thought(Some("Hm."), Some("sig"))], ..ChatResponse::default() };
    let sealed = |request: Value| {
        let whole = encode_response(CALLER, &response, &answer(&request));
        let events = [
            ChatEvent::Thinking("Hm.".to_owned()),
            ChatEvent::ThinkingSignature("sig".to_owned()),
            finish(Finish::Stop),
            ChatEvent::End,
        ];
        let streamed = collected(&written(&request, &events));
        assert_eq!(whole["output"], json!(streamed));
        whole["output"][0].get("encrypted_content").is_some()
    };
    assert!(!sealed(json!({})));
    assert!(sealed(json!({"include": ["reasoning.encrypted_content"]})));
    assert!(sealed(json!({"store": false})));
}

#[test]
fn a_picture_is_an_item_of_its_own() {
    let media = |source| Media { media_type: Some("image/png".to_owned()), source, filename: None, detail: None };
    let encoded = media(MediaSource::Base64("AAAA".to_owned()));
    let linked = media(MediaSource::Url("https://a.example/a.png".to_owned()));
    let parts = vec![Part::Text("Look:".to_owned()), Part::Media(encoded.clone()), Part::Media(linked.clone())];
    let whole = encode_response(CALLER, &ChatResponse { parts, ..ChatResponse::default() }, &answer(&json!({})));
    let events =
        [text("Look:"), ChatEvent::Media(encoded), ChatEvent::Media(linked), finish(Finish::Stop), ChatEvent::End];
    let streamed = collected(&written(&json!({}), &events));
    assert_eq!(whole["output"], json!(streamed));
    assert_eq!(
        streamed[1],
        json!({"type": "image_generation_call", "id": "ig_d1_1", "status": "completed", "output_format": "png",
               "result": "AAAA"})
    );
    assert_eq!(streamed[2]["content"][0]["text"], "![image](https://a.example/a.png)");
}

#[test]
fn an_error_is_an_event_and_a_failed_response() {
    let overloaded =
        StreamError { kind: "overloaded_error".to_owned(), message: "Overloaded".to_owned(), status: Some(529) };
    let events = written(
        &json!({}),
        &[start(), text("Hel"), tool(0, "t", "f"), ChatEvent::Error(overloaded), text("lost"), ChatEvent::End],
    );
    let [error, failed] = &events[events.len() - 2..] else { panic!("{events:?}") };
    assert_eq!((&error["message"], &error["code"]), (&json!("Overloaded"), &json!("overloaded_error")));
    assert_eq!(error["error"]["message"], "Overloaded");
    assert_eq!(failed["type"], "response.failed");
    assert_eq!(failed["response"]["status"], "failed");
    assert_eq!(failed["response"]["error"], json!({"code": "server_error", "message": "Overloaded"}));
    // The call was not over.
    assert_eq!(failed["response"]["output"].as_array().unwrap().len(), 1);

    let mut encoder = StreamEncoder::new(CALLER, answer(&json!({})));
    let mut out = Vec::new();
    let refusal = GatewayError {
        status: 429,
        kind: "rate_limited",
        message: "all are busy",
        request_id: "r",
        param: None,
        attempts: &[],
    };
    encoder.fail(CALLER, &refusal, &mut out);
    encoder.fail(CALLER, &refusal, &mut out);
    let events = read(out);
    assert_eq!(types(&events), ["response.created", "response.in_progress", "error", "response.failed"]);
    assert_eq!(events[2]["error"]["code"], "rate_limited");
    assert_eq!(events[3]["response"]["error"]["code"], "rate_limit_exceeded");
}

#[test]
fn a_stream_without_content_is_a_response_without_items() {
    let events = written(&json!({}), &[ChatEvent::End]);
    assert_eq!(types(&events), ["response.created", "response.in_progress", "response.completed"]);
    assert_eq!(events[2]["response"]["id"], "resp_d1");
    assert_eq!(events[2]["response"]["model"], "claude-sonnet-5");
    assert_eq!(events[2]["response"]["usage"], Value::Null);
}
