//! Requests of the OpenAI dialect: decoding from a caller and encoding for an upstream.

// Clippy treats helpers of an integration test as shipped code.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use outrigger_llm::chat::origin::Origin;
use outrigger_llm::chat::{
    ChatRequest, Effort, Media, MediaSource, Message, OutputFormat, Part, Role, Thinking, Thought, Tool, ToolCall,
    ToolChoice, ToolResult,
};
use outrigger_llm::format::openai_chat::request::{self, decode};
use outrigger_llm::provider::Target;
use outrigger_llm::{Dialect, EncodedRequest, Format, RequestError, decode_request};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Encodes a request for the vendor of the format.
fn encode(request: &ChatRequest, model: &str, most: Option<u64>) -> Result<EncodedRequest, RequestError> {
    request::encode(request, &Target::vendor(Dialect::OpenAi, model), most)
}

fn read(body: &Value) -> Result<ChatRequest, RequestError> {
    decode(body.as_object().unwrap())
}

fn asked(message: Value) -> Value {
    json!({"messages": [message]})
}

fn text(text: &str) -> Part {
    Part::Text(text.to_owned())
}

fn call(id: &str, name: &str, arguments: &str) -> ToolCall {
    ToolCall { id: id.into(), name: name.into(), arguments: arguments.into(), signature: None }
}

fn result(id: &str, name: Option<&str>, content: Vec<Part>) -> Part {
    Part::ToolResult(ToolResult { id: id.into(), name: name.map(Into::into), content, is_error: false })
}

fn base64(media_type: &str, data: &str) -> Media {
    Media {
        media_type: Some(media_type.into()),
        source: MediaSource::Base64(data.into()),
        filename: None,
        detail: None,
    }
}

fn user(parts: Vec<Part>) -> Message {
    Message { role: Role::User, parts }
}

fn assistant(parts: Vec<Part>) -> Message {
    Message { role: Role::Assistant, parts }
}

#[test]
fn a_message_to_continue_is_noted_and_others_are_not() {
    for (prefix, noted) in [(json!(false), 0), (Value::Null, 0), (json!(true), 1), (json!("yes"), 1)] {
        let request = read(&asked(json!({"role": "assistant", "content": "So", "prefix": prefix}))).unwrap();
        assert_eq!(request.fields, vec!["messages[].prefix"; noted], "{prefix}");
    }
}

#[test]
fn reads_a_conversation_with_tools() {
    let body = json!({
        "model": "gpt-4o",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "developer", "content": [{"type": "text", "text": "In French."}]},
            {"role": "user", "content": "Weather in Oslo and Rome?"},
            {"role": "assistant", "content": "", "tool_calls": [
                {"id": "call_a", "type": "function", "function": {"name": "weather", "arguments": "{\"city\":\"Oslo\"}"}},
                {"id": "call_b__ts_c2ln", "type": "function", "function": {"name": "weather", "arguments": ""}},
                {"id": "call_c", "function": {"name": "time", "arguments": {"zone": "CET"}},
                 "extra_content": {"google": {"thought_signature": "sig2"}}},
            ]},
            {"role": "tool", "tool_call_id": "call_a", "content": "12 degrees"},
            {"role": "tool", "tool_call_id": "call_b__ts_c2ln", "content": [{"type": "text", "text": "20 degrees"}]},
            {"role": "tool", "tool_call_id": "call_x", "name": "lost", "content": null},
            {"role": "user", "content": "Go on."},
            {"role": "user", "content": "Please."},
            {"role": "assistant", "content": null, "refusal": "No."},
        ],
    });
    let request = read(&body).unwrap();
    assert_eq!(request.system, ["Be brief.", "In French."]);
    assert_eq!(
        request.messages,
        [
            user(vec![text("Weather in Oslo and Rome?")]),
            assistant(vec![
                Part::ToolCall(call("call_a", "weather", r#"{"city":"Oslo"}"#)),
                Part::ToolCall(ToolCall { signature: Some("sig".into()), ..call("call_b", "weather", "{}") }),
                Part::ToolCall(ToolCall {
                    signature: Some("sig2".into()),
                    ..call("call_c", "time", r#"{"zone":"CET"}"#)
                }),
            ]),
            user(vec![
                result("call_a", Some("weather"), vec![text("12 degrees")]),
                result("call_b", Some("weather"), vec![text("20 degrees")]),
                result("call_x", Some("lost"), vec![]),
                text("Go on."),
            ]),
            user(vec![text("Please.")]),
            assistant(vec![Part::Refusal("No.".into())]),
        ]
    );
    assert_eq!(
        request.fields,
        ["messages[].tool_calls[].extra_content.google.thought_signature", "messages[].refusal"]
    );
}

#[test]
fn consecutive_turns_of_one_role_occur_only_if_the_caller_sent_them() {
    let message_of = |role: &str| match role {
        "tool" => json!({"role": role, "content": "x", "tool_call_id": "c"}),
        _ => json!({"role": role, "content": "x"}),
    };
    for (roles, turns) in [
        (&["user", "user"][..], &[Role::User, Role::User][..]),
        (&["assistant", "tool", "tool", "user", "assistant"], &[Role::Assistant, Role::User, Role::Assistant]),
        (&["tool", "user", "user"], &[Role::User, Role::User]),
        (&["tool", "user", "tool"], &[Role::User]),
        (&["user", "tool"], &[Role::User]),
        (&["user", "system", "assistant"], &[Role::User, Role::Assistant]),
        (&["assistant", "assistant"], &[Role::Assistant, Role::Assistant]),
    ] {
        let messages: Value = roles.iter().map(|role| message_of(role)).collect();
        let read = read(&json!({"messages": messages})).unwrap();
        assert_eq!(read.messages.iter().map(|message| message.role).collect::<Vec<_>>(), turns, "{roles:?}");
        assert_eq!(read.fields, [""; 0], "{roles:?}");
    }
    let silent = json!({"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": ""}]});
    assert_eq!(read(&silent).unwrap().messages, [user(vec![text("x")])]);
}

#[test]
fn reads_pictures_and_documents() {
    for (part, expected) in [
        (
            json!({"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}}),
            Media {
                media_type: None,
                source: MediaSource::Url("https://example.com/a.png".into()),
                filename: None,
                detail: Some("low".into()),
            },
        ),
        (json!({"type": "image_url", "image_url": {"url": "data:image/PNG;base64,AAAA"}}), base64("image/png", "AAAA")),
        (json!({"type": "image_url", "image_url": "data:image/png;x=y;base64,AAAA"}), base64("image/png", "AAAA")),
        (
            json!({"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"}}),
            Media { filename: Some("a.pdf".into()), ..base64("application/pdf", "AAAA") },
        ),
        (
            json!({"type": "file", "file": {"filename": "A.PDF", "file_data": "AAAA"}}),
            Media { filename: Some("A.PDF".into()), ..base64("application/pdf", "AAAA") },
        ),
        (
            json!({"type": "file", "file": {"file_data": "https://example.com/a.pdf"}}),
            Media {
                media_type: Some("application/pdf".into()),
                source: MediaSource::Url("https://example.com/a.pdf".into()),
                filename: None,
                detail: None,
            },
        ),
    ] {
        let request = read(&asked(json!({"role": "user", "content": [part]}))).unwrap();
        assert_eq!(request.messages, [user(vec![Part::Media(expected)])], "{part}");
    }
}

#[test]
fn decodes_the_other_fields_of_a_request() {
    let messages = json!([{"role": "user", "content": "Hi"}]);
    let tools = json!([
        {"type": "function", "function": {"name": "f", "description": "F", "parameters": {"type": "object"}, "strict": false}},
        {"type": "function", "function": {"name": "g"}},
    ]);
    let f = Tool {
        name: "f".into(),
        description: Some("F".into()),
        parameters: Some(json!({"type": "object"})),
        strict: Some(false),
    };
    let g = Tool { name: "g".into(), description: None, parameters: None, strict: None };
    let base = ChatRequest { messages: vec![user(vec![text("Hi")])], ..ChatRequest::default() };
    let with_tools = ChatRequest { tools: vec![f.clone(), g.clone()], ..base.clone() };
    let number = |text: &str| serde_json::from_str(text).unwrap();
    for (extra, expected) in [
        (json!({"max_tokens": 5}), ChatRequest { max_output_tokens: Some(5), ..base.clone() }),
        (
            json!({"max_tokens": 5, "max_completion_tokens": 7}),
            ChatRequest { max_output_tokens: Some(7), ..base.clone() },
        ),
        (
            json!({"max_completion_tokens": 7, "max_tokens": 5}),
            ChatRequest { max_output_tokens: Some(7), ..base.clone() },
        ),
        (
            json!({"temperature": 1.0, "top_p": 1, "top_k": 40}),
            ChatRequest {
                temperature: Some(number("1.0")),
                top_p: Some(number("1")),
                top_k: Some(number("40")),
                ..base.clone()
            },
        ),
        (json!({"stop": "END"}), ChatRequest { stop: vec!["END".into()], ..base.clone() }),
        (json!({"stop": ["A", "B"]}), ChatRequest { stop: vec!["A".into(), "B".into()], ..base.clone() }),
        (json!({"stop": null, "n": null, "user": null}), base.clone()),
        (
            json!({"stream": true, "stream_options": {"include_usage": true}}),
            ChatRequest { stream: true, stream_usage: true, ..base.clone() },
        ),
        (json!({"reasoning_effort": "none"}), ChatRequest { thinking: Some(Thinking::Off), ..base.clone() }),
        (
            json!({"reasoning_effort": "max"}),
            ChatRequest { thinking: Some(Thinking::Effort(Effort::XHigh)), ..base.clone() },
        ),
        (
            json!({"reasoning": {"max_tokens": 2000}}),
            ChatRequest { thinking: Some(Thinking::Budget(2000)), ..base.clone() },
        ),
        (json!({"reasoning": {"enabled": false}}), ChatRequest { thinking: Some(Thinking::Off), ..base.clone() }),
        (
            json!({"thinking": {"type": "enabled", "budget_tokens": 9}}),
            ChatRequest { thinking: Some(Thinking::Budget(9)), ..base.clone() },
        ),
        (json!({"thinking": {"type": "disabled"}}), ChatRequest { thinking: Some(Thinking::Off), ..base.clone() }),
        (json!({"enable_thinking": true}), ChatRequest { thinking: Some(Thinking::Adaptive), ..base.clone() }),
        (
            json!({"response_format": {"type": "json_object"}}),
            ChatRequest { output: OutputFormat::JsonObject, ..base.clone() },
        ),
        (json!({"response_format": {"type": "text"}}), base.clone()),
        (json!({"tools": tools}), with_tools.clone()),
        (
            json!({"tools": tools, "tool_choice": "required"}),
            ChatRequest { tool_choice: Some(ToolChoice::Required), ..with_tools.clone() },
        ),
        (
            json!({"tools": tools, "tool_choice": {"type": "function", "function": {"name": "g"}}}),
            ChatRequest { tool_choice: Some(ToolChoice::Tool("g".into())), ..with_tools.clone() },
        ),
        (
            json!({"tools": tools, "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "required",
                "tools": [{"type": "function", "function": {"name": "g"}}]}}}),
            ChatRequest { tool_choice: Some(ToolChoice::AnyOf(vec!["g".into()])), ..with_tools.clone() },
        ),
        (
            // If it precedes `tools` in the body, it still limits them.
            json!({"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto",
                "tools": [{"type": "function", "function": {"name": "g"}}]}}, "tools": tools}),
            ChatRequest { tool_choice: Some(ToolChoice::Auto), tools: vec![g.clone()], ..base.clone() },
        ),
    ] {
        let mut body = extra.clone();
        body["messages"] = messages.clone();
        assert_eq!(read(&body).unwrap(), expected, "{extra}");
    }
}

#[test]
fn reports_where_a_request_is_wrong() {
    let part = |part: Value| asked(json!({"role": "user", "content": [{"type": "text", "text": "a"}, part]}));
    let calls = |calls: Value| asked(json!({"role": "assistant", "tool_calls": calls}));
    let hi = |key: &str, value: Value| json!({"messages": [{"role": "user", "content": "Hi"}], key: value});
    for (body, expected) in [
        (json!({}), "messages: is required"),
        (json!({"messages": []}), "messages: must not be empty"),
        (json!({"messages": "Hi"}), "messages: must be an array"),
        (json!({"messages": ["Hi"]}), "messages[0]: must be an object"),
        (asked(json!({"content": "Hi"})), "messages[0].role: is required"),
        (
            asked(json!({"role": "robot", "content": "Hi"})),
            "messages[0].role: must be one of system, developer, user, assistant and tool",
        ),
        (asked(json!({"role": "user"})), "messages[0].content: is required"),
        (asked(json!({"role": "user", "content": 7})), "messages[0].content: must be a string or an array of parts"),
        (part(json!("x")), "messages[0].content[1]: must be an object"),
        (part(json!({"text": "x"})), "messages[0].content[1].type: is required"),
        (part(json!({"type": "text", "text": 5})), "messages[0].content[1].text: must be a string"),
        (part(json!({"type": "image_url"})), "messages[0].content[1].image_url: is required"),
        (
            part(json!({"type": "image_url", "image_url": {"url": "cat.png"}})),
            "messages[0].content[1].image_url.url: must be a URL, or a data: URL in base64",
        ),
        (
            part(json!({"type": "image_url", "image_url": {"url": "data:image/svg+xml,<svg/>"}})),
            "messages[0].content[1].image_url.url: must be a URL, or a data: URL in base64",
        ),
        (part(json!({"type": "file", "file": {}})), "messages[0].content[1].file.file_data: is required"),
        (asked(json!({"role": "tool", "content": "x"})), "messages[0].tool_call_id: is required"),
        (calls(json!([{"function": {"name": "f"}}])), "messages[0].tool_calls[0].id: is required"),
        (calls(json!([{"id": "a", "function": {}}])), "messages[0].tool_calls[0].function.name: is required"),
        (
            calls(json!([{"id": "a", "function": {"name": "f", "arguments": 5}}])),
            "messages[0].tool_calls[0].function.arguments: must be a string of JSON",
        ),
        (hi("temperature", json!("hot")), "temperature: must be a number"),
        (hi("max_tokens", json!(-1)), "max_tokens: must be a whole number, not negative"),
        (hi("max_tokens", json!(1.5)), "max_tokens: must be a whole number, not negative"),
        (hi("seed", json!(1.5)), "seed: must be a whole number"),
        (hi("stream", json!("yes")), "stream: must be true or false"),
        (hi("stop", json!([1])), "stop: must be a string or an array of strings"),
        (hi("tools", json!({})), "tools: must be an array"),
        (hi("tools", json!([{"type": "function"}])), "tools[0].function: is required"),
        (
            hi("tools", json!([{"type": "function", "function": {"name": "f", "parameters": "x"}}])),
            "tools[0].function.parameters: must be an object",
        ),
        (
            hi("tool_choice", json!("maybe")),
            "tool_choice: must be auto, none, required, or an object that names a tool",
        ),
        (hi("response_format", json!("json")), "response_format: must be an object"),
        (hi("response_format", json!({"type": "json_schema"})), "response_format.json_schema: is required"),
        (
            hi("reasoning_effort", json!("lots")),
            "reasoning_effort: must be one of none, minimal, low, medium, high, xhigh and max",
        ),
        (hi("thinking", json!({"type": "maybe"})), "thinking.type: must be enabled or disabled"),
    ] {
        let error = read(&body).expect_err(&body.to_string());
        assert!(matches!(error, RequestError::Invalid { .. }), "{error:?}");
        assert_eq!(error.to_string(), expected, "{body}");
    }
}

#[test]
fn keeps_arguments_that_are_not_an_object() {
    let body = asked(json!({"role": "assistant", "tool_calls": [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{\"city\": \"Os"}}]}));
    let request = read(&body).unwrap();
    let kept = Part::ToolCall(call("a", "f", r#"{"arguments":"{\"city\": \"Os"}"#));
    assert_eq!(request.messages, [assistant(vec![kept])]);
    assert_eq!(request.fields, ["messages[].tool_calls[].function.arguments"]);
}

#[test]
fn encodes_a_conversation_as_openai_requires() {
    let request = ChatRequest {
        system: vec!["Be brief.".into()],
        messages: vec![
            user(vec![
                text("Look:"),
                Part::Media(base64("image/png", "AAAA")),
                Part::Media(base64("application/pdf", "BBBB")),
            ]),
            assistant(vec![
                Part::Thinking(Thought {
                    text: Some("Hm.".into()),
                    signature: Some("s".into()),
                    redacted: None,
                    origin: Some(Origin::CLAUDE),
                }),
                text("I look."),
                Part::ToolCall(ToolCall { signature: Some("sig".into()), ..call("call_1", "look", r#"{"at": 1.0}"#) }),
                Part::ToolCall(call("call_2", "look", "{}")),
            ]),
            user(vec![
                text("Well?"),
                result("call_1", Some("look"), vec![text("Seen"), Part::Media(base64("image/png", "CCCC"))]),
                Part::ToolResult(ToolResult {
                    id: "call_2".into(),
                    name: None,
                    content: vec![text("dark")],
                    is_error: true,
                }),
            ]),
        ],
        tools: vec![Tool { name: "look".into(), description: None, parameters: None, strict: Some(true) }],
        tool_choice: Some(ToolChoice::AnyOf(vec!["look".into(), "see".into()])),
        parallel_tool_calls: Some(false),
        output: OutputFormat::JsonSchema {
            name: None,
            description: None,
            schema: json!({"type": "object"}),
            strict: None,
        },
        stop: vec!["A".into(), "B".into()],
        max_output_tokens: Some(10),
        temperature: Some(serde_json::from_str("0.10").unwrap()),
        top_k: Some(4.into()),
        seed: Some(-1),
        thinking: Some(Thinking::Budget(20_000)),
        stream: true,
        ..ChatRequest::default()
    };
    let encoded = encode(&request, "o3", None).unwrap();
    let expected = json!({
        "model": "o3",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [
                {"type": "text", "text": "Look:"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                {"type": "file", "file": {"filename": "document.pdf", "file_data": "data:application/pdf;base64,BBBB"}},
            ]},
            {"role": "assistant", "content": "I look.", "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{\"at\": 1.0}"}},
                {"id": "call_2", "type": "function", "function": {"name": "look", "arguments": "{}"}},
            ]},
            {"role": "tool", "tool_call_id": "call_1", "content": "Seen"},
            {"role": "tool", "tool_call_id": "call_2", "content": "Error: dark"},
            {"role": "user", "content": [
                {"type": "text", "text": "Output of the tool look:"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,CCCC"}},
                {"type": "text", "text": "Well?"},
            ]},
        ],
        "tools": [{"type": "function", "function": {"name": "look", "strict": true}}],
        "parallel_tool_calls": false,
        "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [
            {"type": "function", "function": {"name": "look"}}, {"type": "function", "function": {"name": "see"}}]}},
        "response_format": {"type": "json_schema", "json_schema": {"name": "response", "schema": {"type": "object"}}},
        "stop": ["A", "B"],
        "max_completion_tokens": 10,
        "temperature": 0.1,
        "seed": -1,
        "reasoning_effort": "high",
        "stream": true,
        "stream_options": {"include_usage": true},
    });
    assert_eq!(Value::Object(encoded.body), expected);
    assert_eq!(encoded.left_out, ["thinking", "thought signatures", "top_k"]);

    let gemini = encode(&request, "google/gemini-2.5-pro", None).unwrap();
    assert_eq!(
        gemini.body["messages"][2]["tool_calls"][0]["extra_content"],
        json!({"google": {"thought_signature": "sig"}})
    );
    assert_eq!(gemini.body["max_tokens"], 10);
    assert_eq!(gemini.left_out, ["thinking", "top_k"]);
}

#[test]
fn marks_the_result_of_a_failed_tool() {
    for (content, expected) in [
        (vec![], "Error: the tool failed"),
        (vec![text("disk full")], "Error: disk full"),
        (vec![text("ERROR 5: disk full")], "ERROR 5: disk full"),
        (vec![text("é")], "Error: é"),
    ] {
        let failed = ToolResult { id: "c".into(), name: None, content, is_error: true };
        let request = ChatRequest { messages: vec![user(vec![Part::ToolResult(failed)])], ..ChatRequest::default() };
        assert_eq!(encode(&request, "m", None).unwrap().body["messages"][0]["content"], expected);
    }
}

#[test]
fn refuses_content_that_openai_cannot_express() {
    let url = |media_type: Option<&str>, url: &str| {
        let source = MediaSource::Url(url.into());
        Part::Media(Media { media_type: media_type.map(Into::into), source, filename: None, detail: None })
    };
    let ask = |message: Message| ChatRequest { messages: vec![message], ..ChatRequest::default() };
    for (request, field) in [
        (ask(user(vec![url(Some("application/pdf"), "https://example.com/a.pdf")])), "application/pdf by URL"),
        (ask(user(vec![Part::Media(base64("video/mp4", "AAAA"))])), "video/mp4"),
        (ask(assistant(vec![Part::Media(base64("image/png", "AAAA"))])), "a picture in the assistant's turn"),
        (
            ChatRequest { tool_choice: Some(ToolChoice::Required), ..ChatRequest::default() },
            "a tool choice without tools",
        ),
    ] {
        let expected = RequestError::Unsupported { field: field.to_owned(), upstream: Dialect::OpenAi };
        assert_eq!(encode(&request, "gpt-4o", None), Err(expected));
    }
}

/// JSON whose keys and words are those of the dialect, in places where they may not belong.
fn any_json() -> impl Strategy<Value = Value> {
    let words = [
        "user",
        "assistant",
        "tool",
        "system",
        "text",
        "image_url",
        "file",
        "function",
        "auto",
        "json_schema",
        "high",
        "allowed_tools",
        "data:;base64,",
        "data:,",
        "é",
        "",
        "{}",
        "thinking",
        "https://a/b",
    ];
    let keys = [
        "role",
        "content",
        "type",
        "text",
        "image_url",
        "url",
        "file",
        "file_data",
        "file_id",
        "tool_calls",
        "id",
        "function",
        "name",
        "arguments",
        "tool_call_id",
        "extra_content",
        "google",
        "mode",
        "tools",
        "allowed_tools",
        "json_schema",
        "schema",
        "strict",
        "thinking",
        "reasoning",
        "images",
        "refusal",
        "[0]",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        proptest::sample::select(words.to_vec()).prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 6, move |inner| {
        let object = proptest::collection::hash_map(proptest::sample::select(keys.to_vec()), inner.clone(), 0..6);
        prop_oneof![
            proptest::collection::vec(inner, 0..4).prop_map(Value::from),
            object.prop_map(|entries| entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ]
    })
}

proptest! {
    #[test]
    fn accepts_or_refuses_but_never_panics(key in "messages|tools|tool_choice|response_format|stop|thinking|reasoning", value in any_json()) {
        let mut body = json!({"messages": [{"role": "user", "content": "Hi"}]});
        body[key.as_str()] = value;
        if let Ok(request) = decode_request(Format::OpenAiChat, body.as_object().unwrap(), "m", false) {
            let _ = encode(&request, "m", None);
        }
    }

    #[test]
    fn reads_or_refuses_any_message(role in "user|assistant|tool|system", content in any_json(), calls in any_json()) {
        let body = asked(json!({"role": role, "content": content, "tool_calls": calls, "tool_call_id": "c"}));
        if let Ok(request) = read(&body) {
            let _ = encode(&request, "gemini", None);
        }
    }
}
