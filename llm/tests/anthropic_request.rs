//! Anthropic's requests, read and written.
#![allow(clippy::unwrap_used)] // The helpers here are tests too.

use outrigger_llm::anthropic::request::{decode, encode};
use outrigger_llm::chat::{
    Effort, Media, MediaSource, Message, OutputFormat, Part, Request, Role, Thinking, Thought, Tool, ToolCall,
    ToolChoice, ToolResult,
};
use outrigger_llm::{Dialect, EncodedRequest, RequestError};
use proptest::prelude::{BoxedStrategy, Just, Strategy, any, prop_oneof, proptest};
use proptest::sample::select;
use serde_json::{Map, Number, Value, json};

fn read(body: &Value) -> Request {
    decode(body.as_object().unwrap()).unwrap()
}

fn text(text: &str) -> Part {
    Part::Text(text.into())
}

fn message(role: Role, parts: Vec<Part>) -> Message {
    Message { role, parts }
}

fn call(id: &str, name: &str) -> Part {
    Part::ToolCall(ToolCall { id: id.into(), name: name.into(), arguments: "{}".into(), signature: None })
}

fn result(id: &str, content: Vec<Part>) -> Part {
    Part::ToolResult(ToolResult { id: id.into(), name: None, content, is_error: false })
}

fn media(media_type: Option<&str>, source: MediaSource) -> Part {
    let media_type = media_type.map(str::to_owned);
    Part::Media(Media { media_type, source, filename: None, detail: None })
}

fn base64(data: &str) -> MediaSource {
    MediaSource::Base64(data.into())
}

fn url(url: &str) -> MediaSource {
    MediaSource::Url(url.into())
}

fn number(value: f64) -> Option<Number> {
    Number::from_f64(value)
}

fn tool(name: &str) -> Tool {
    Tool { name: name.into(), description: None, parameters: None, strict: None }
}

/// A request that says Hi, changed.
fn request(change: impl FnOnce(&mut Request)) -> Request {
    let mut request = Request { messages: vec![message(Role::User, vec![text("Hi")])], ..Request::default() };
    change(&mut request);
    request
}

fn told(request: &Request, model: &str) -> EncodedRequest {
    encode(request, model).unwrap()
}

fn turns(messages: Vec<Message>) -> Value {
    told(&request(|r| r.messages = messages), "claude-haiku-4-5").body["messages"].clone()
}

#[test]
fn a_whole_request_is_read() {
    let body = json!({
        "model": "claude-sonnet-5", "max_tokens": 300, "stream": true, "temperature": 0.5, "top_p": 1, "top_k": 40,
        "stop_sequences": ["END"], "metadata": {"user_id": "u"}, "system": [{"type": "text", "text": "Be brief.",
        "cache_control": {"type": "ephemeral"}}, {"type": "text", "text": "Be kind."}],
        "thinking": {"type": "adaptive"}, "output_config": {"effort": "max", "format": {"type": "json_schema",
        "schema": {"type": "object"}}},
        "tools": [{"name": "f", "description": "Does.", "input_schema": {"type": "object"}, "strict": true}],
        "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": true},
        "messages": [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "Hm", "signature": "sig"},
                {"type": "redacted_thinking", "data": "xx"},
                {"type": "text", "text": "Wait.", "citations": null},
                {"type": "tool_use", "id": "t1__ts_c2ln", "name": "f", "input": {"a": 1.0}, "caller": {"type": "direct"}}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "t1__ts_c2ln", "is_error": true, "content": [
                    {"type": "text", "text": "No."}, {"type": "tool_reference", "tool_name": "g"}]},
                {"type": "text", "text": "So?"}]},
            {"role": "system", "content": "Mind the time."},
        ],
    });
    let expected = Request {
        model: "claude-sonnet-5".into(),
        system: vec!["Be brief.".into(), "Be kind.".into(), "Mind the time.".into()],
        messages: vec![
            message(Role::User, vec![text("Hi")]),
            message(
                Role::Assistant,
                vec![
                    Part::Thinking(Thought { text: Some("Hm".into()), signature: Some("sig".into()), redacted: None }),
                    Part::Thinking(Thought { redacted: Some("xx".into()), ..Thought::default() }),
                    text("Wait."),
                    Part::ToolCall(ToolCall {
                        id: "t1".into(),
                        name: "f".into(),
                        arguments: r#"{"a":1.0}"#.into(),
                        signature: Some("sig".into()),
                    }),
                ],
            ),
            message(
                Role::User,
                vec![
                    Part::ToolResult(ToolResult {
                        id: "t1".into(),
                        name: Some("f".into()),
                        content: vec![text("No."), text("g")],
                        is_error: true,
                    }),
                    text("So?"),
                ],
            ),
        ],
        tools: vec![Tool {
            name: "f".into(),
            description: Some("Does.".into()),
            parameters: Some(json!({"type": "object"})),
            strict: Some(true),
        }],
        tool_choice: Some(ToolChoice::Tool("f".into())),
        parallel_tool_calls: Some(false),
        output: OutputFormat::JsonSchema {
            name: None,
            description: None,
            schema: json!({"type": "object"}),
            strict: Some(true),
        },
        stop: vec!["END".into()],
        max_output_tokens: Some(300),
        temperature: number(0.5),
        top_p: Some(1.into()),
        top_k: Some(40.into()),
        thinking: Some(Thinking::Effort(Effort::XHigh)),
        stream: true,
        fields: vec!["top_k".into(), "metadata".into(), "system[].cache_control".into()],
        ..Request::default()
    };
    assert_eq!(read(&body), expected);
}

#[test]
fn pictures_and_documents_are_read() {
    let pdf = |source, filename: Option<&str>| {
        let media_type = Some("application/pdf".to_owned());
        Part::Media(Media { media_type, source, filename: filename.map(str::to_owned), detail: None })
    };
    for (block, parts, fields) in [
        (
            json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}),
            vec![media(Some("image/png"), base64("AAAA"))],
            vec![],
        ),
        (
            json!({"type": "image", "source": {"type": "url", "url": "https://a.example/a"}}),
            vec![media(None, url("https://a.example/a"))],
            vec![],
        ),
        (
            json!({"type": "image", "source": {"type": "file", "file_id": "f"}}),
            vec![],
            vec!["messages[].content[].source.type:file"],
        ),
        (
            json!({"type": "document", "title": "T", "source": {"type": "base64", "media_type": "application/pdf", "data": "AAAA"}}),
            vec![pdf(base64("AAAA"), Some("T"))],
            vec![],
        ),
        (
            json!({"type": "document", "context": "C", "source": {"type": "url", "url": "https://a.example/a"}}),
            vec![text("C"), pdf(url("https://a.example/a"), None)],
            vec![],
        ),
        (
            json!({"type": "document", "title": "T", "context": "C", "source": {"type": "text", "media_type": "text/plain", "data": "D"}}),
            vec![text("T\nC\n\nD")],
            vec![],
        ),
        (
            json!({"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "D"}]}}),
            vec![text("D")],
            vec![],
        ),
        (
            json!({"type": "document", "citations": {"enabled": true}, "source": {"type": "text", "media_type": "text/plain", "data": "D"}}),
            vec![text("D")],
            vec!["messages[].content[].citations.enabled"],
        ),
        (
            json!({"type": "search_result", "title": "T", "source": "S", "content": [{"type": "text", "text": "x"}], "citations": {"enabled": false}}),
            vec![text("T\nS\n\nx")],
            vec![],
        ),
    ] {
        // The second keeps the turn there where the block is not.
        let read = read(&json!({"messages": [{"role": "user", "content": [block, {"type": "text", "text": "."}]}]}));
        let mut expected = parts;
        expected.push(text("."));
        assert_eq!(read.messages[0].parts, expected, "{block}");
        assert_eq!(read.fields, fields, "{block}");
    }
}

#[test]
fn wrong_shapes_are_told_with_their_place() {
    let turn =
        |content: Value| json!({"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": content}]});
    let hi = json!([{"role": "user", "content": "Hi"}]);
    for (body, path, problem) in [
        (json!({}), "messages", "is missing"),
        (json!({"messages": []}), "messages", "must not be empty"),
        (json!({"messages": {}}), "messages", "must be a list"),
        (json!({"messages": [1]}), "messages[0]", "must be an object"),
        (
            json!({"messages": [{"role": "tool", "content": ""}]}),
            "messages[0].role",
            "must be user, assistant or system",
        ),
        (json!({"messages": [{"role": "user"}]}), "messages[0].content", "is missing"),
        (turn(json!(1)), "messages[1].content", "must be a string or a list of blocks"),
        (turn(json!([{}])), "messages[1].content[0].type", "is missing"),
        (turn(json!([{"type": "text"}])), "messages[1].content[0].text", "is missing"),
        (turn(json!([{"type": "image"}])), "messages[1].content[0].source", "is missing"),
        (turn(json!([{"type": "image", "source": "x"}])), "messages[1].content[0].source", "must be an object"),
        (
            turn(json!([{"type": "image", "source": {"type": "base64", "data": 1}}])),
            "messages[1].content[0].source.data",
            "must be a string",
        ),
        (turn(json!([{"type": "tool_use", "id": "", "name": "f"}])), "messages[1].content[0].id", "must not be empty"),
        (
            turn(json!([{"type": "tool_use", "id": "a", "name": "f", "input": []}])),
            "messages[1].content[0].input",
            "must be an object",
        ),
        (
            turn(json!([{"type": "tool_result", "tool_use_id": "a", "content": [3]}])),
            "messages[1].content[0].content[0]",
            "must be an object",
        ),
        (json!({"messages": hi, "max_tokens": -1}), "max_tokens", "must be a whole number, 0 or more"),
        (json!({"messages": hi, "temperature": "1"}), "temperature", "must be a number"),
        (json!({"messages": hi, "stop_sequences": ["a", 1]}), "stop_sequences[1]", "must be a string"),
        (json!({"messages": hi, "system": [{"type": "text"}]}), "system[0].text", "is missing"),
        (json!({"messages": hi, "thinking": {"type": "enabled"}}), "thinking.budget_tokens", "is missing"),
        (json!({"messages": hi, "tools": [{"name": 1}]}), "tools[0].name", "must be a string"),
        (
            json!({"messages": hi, "tool_choice": {"type": "some"}}),
            "tool_choice.type",
            "must be auto, any, tool or none",
        ),
        (
            json!({"messages": hi, "output_config": {"effort": "huge"}}),
            "output_config.effort",
            "must be low, medium, high, xhigh or max",
        ),
        (json!({"messages": hi, "stream": "yes"}), "stream", "must be true or false"),
    ] {
        let expected = RequestError::Invalid { path: path.into(), problem: problem.into() };
        assert_eq!(decode(body.as_object().unwrap()), Err(expected), "{body}");
    }
}

#[test]
fn turns_are_told_as_anthropic_wants_them() {
    let (user, assistant) = (Role::User, Role::Assistant);
    let said = |text: &str| json!({"type": "text", "text": text});
    for (name, messages, expected) in [
        ("nothing", vec![], json!([{"role": "user", "content": [said(".")]}])),
        (
            "two of one role, and blank texts",
            vec![
                message(user, vec![text("a"), text(" ")]),
                message(assistant, vec![text("\n")]),
                message(user, vec![text("b")]),
            ],
            json!([{"role": "user", "content": [said("a"), said("b")]}]),
        ),
        (
            "the assistant first and last",
            vec![message(assistant, vec![text("a \n"), text("b \n")])],
            json!([{"role": "user", "content": [said(".")]}, {"role": "assistant", "content": [said("a \n"), said("b")]}]),
        ),
        (
            "results before the rest, ids made fit",
            vec![
                message(user, vec![text("a")]),
                message(assistant, vec![call("x.1", "f"), call("y", "g")]),
                message(user, vec![text("b"), result("x.1", vec![text("1")]), result("y", vec![])]),
            ],
            json!([
                {"role": "user", "content": [said("a")]},
                {"role": "assistant", "content": [
                    {"type": "tool_use", "id": "x_2e1", "name": "f", "input": {}},
                    {"type": "tool_use", "id": "y", "name": "g", "input": {}}]},
                {"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": "x_2e1", "content": "1"},
                    {"type": "tool_result", "tool_use_id": "y"}, said("b")]},
            ]),
        ),
        (
            "media",
            vec![message(
                user,
                vec![
                    media(Some("image/jpg"), base64("AAAA")),
                    media(None, url("https://a.example/a")),
                    media(None, url("https://a.example/A.PDF?x")),
                    media(Some("application/pdf"), base64("AAAA")),
                    media(Some("text/csv"), base64("YSxi")),
                ],
            )],
            json!([{"role": "user", "content": [
                {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": "AAAA"}},
                {"type": "image", "source": {"type": "url", "url": "https://a.example/a"}},
                {"type": "document", "source": {"type": "url", "url": "https://a.example/A.PDF?x"}},
                {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "AAAA"}},
                {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "a,b"}},
            ]}]),
        ),
    ] {
        assert_eq!(turns(messages), expected, "{name}");
    }
}

#[test]
fn what_a_model_has_outgrown_is_not_said_to_it() {
    let thinks = |thinking: Thinking| request(|r| r.thinking = Some(thinking));
    let effort = |effort| thinks(Thinking::Effort(effort));
    let capped =
        |cap, budget| request(|r| (r.max_output_tokens, r.thinking) = (Some(cap), Some(Thinking::Budget(budget))));
    let hot = |temperature, top_p| request(|r| (r.temperature, r.top_p) = (number(temperature), number(top_p)));
    let forced = request(|r| {
        (r.tools, r.tool_choice) = (vec![tool("f")], Some(ToolChoice::Required));
        r.thinking = Some(Thinking::Effort(Effort::High));
    });
    let none: &[&str] = &[];
    // The request, the model, some keys of the body (null: not there), what is left out.
    for (request, model, expected, left_out) in [
        (request(|_| {}), "claude-3-haiku-20240307", json!({"max_tokens": 4096, "thinking": null}), none),
        (request(|_| {}), "claude-opus-4-1", json!({"max_tokens": 16384}), none),
        (request(|_| {}), "claude-opus-5", json!({"max_tokens": 32000}), none),
        (request(|r| r.max_output_tokens = Some(1_000_000)), "claude-opus-4-1", json!({"max_tokens": 32000}), none),
        // Thinking.
        (effort(Effort::Low), "claude-3-5-haiku-20241022", json!({"thinking": null}), &["thinking"]),
        (
            effort(Effort::Minimal),
            "claude-haiku-4-5",
            json!({"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 17408}),
            none,
        ),
        (
            effort(Effort::XHigh),
            "claude-opus-4-1",
            json!({"thinking": {"type": "enabled", "budget_tokens": 16000}, "max_tokens": 32000}),
            none,
        ),
        (
            capped(2_000, 1_024),
            "claude-haiku-4-5",
            json!({"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 2000}),
            none,
        ),
        (
            capped(1_000, 5_000),
            "claude-haiku-4-5",
            json!({"thinking": {"type": "enabled", "budget_tokens": 5000}, "max_tokens": 6000}),
            none,
        ),
        (
            capped(1_000, 5_000),
            "claude-opus-5",
            json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": "medium"}, "max_tokens": 1000}),
            none,
        ),
        (
            effort(Effort::Minimal),
            "claude-sonnet-4-6",
            json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}),
            none,
        ),
        (effort(Effort::XHigh), "claude-sonnet-4-6", json!({"output_config": {"effort": "max"}}), none),
        (effort(Effort::XHigh), "claude-opus-4-7", json!({"output_config": {"effort": "xhigh"}}), none),
        (
            thinks(Thinking::Adaptive),
            "claude-opus-4-7",
            json!({"thinking": {"type": "adaptive"}, "output_config": null}),
            none,
        ),
        (thinks(Thinking::Off), "claude-sonnet-5", json!({"thinking": {"type": "disabled"}}), none),
        (thinks(Thinking::Off), "claude-fable-5", json!({"thinking": null}), &["thinking"]),
        (forced.clone(), "claude-haiku-4-5", json!({"thinking": null, "tool_choice": {"type": "any"}}), &["thinking"]),
        (
            forced.clone(),
            "claude-opus-5",
            json!({"thinking": null, "output_config": {"effort": "high"}}),
            &["thinking"],
        ),
        (forced.clone(), "claude-fable-5", json!({"thinking": null, "output_config": {"effort": "high"}}), none),
        // Sampling.
        (hot(0.5, 0.5), "claude-sonnet-4-20250514", json!({"temperature": 0.5, "top_p": 0.5}), none),
        (hot(0.5, 0.5), "claude-haiku-4-5", json!({"temperature": 0.5, "top_p": null}), &["top_p"]),
        (hot(0.5, 1.0), "claude-haiku-4-5", json!({"temperature": 0.5, "top_p": null}), none),
        (hot(1.7, 1.0), "claude-haiku-4-5", json!({"temperature": 1}), &["temperature"]),
        (hot(0.0, 0.5), "claude-sonnet-5", json!({"temperature": null, "top_p": null}), &["temperature", "top_p"]),
        (hot(1.0, 1.0), "claude-sonnet-5", json!({"temperature": null, "top_p": null}), none),
        (request(|r| r.top_p = number(0.5)), "claude-haiku-4-5", json!({"top_p": 0.5}), none),
        (request(|r| r.top_k = number(40.0)), "claude-haiku-4-5", json!({"top_k": 40}), none),
        (
            request(|r| {
                (r.temperature, r.top_p, r.top_k) = (number(0.2), number(0.95), number(5.0));
                r.thinking = Some(Thinking::Budget(2_000));
            }),
            "claude-haiku-4-5",
            json!({"temperature": null, "top_p": 0.95, "top_k": null}),
            &["temperature", "top_k"],
        ),
        // The rest.
        (request(|r| r.seed = Some(1)), "claude-opus-5", json!({"seed": null}), &["seed"]),
        (request(|r| r.presence_penalty = number(0.0)), "claude-opus-5", json!({}), none),
        (
            request(|r| r.stop = vec![" \n".into(), "END".into()]),
            "claude-opus-5",
            json!({"stop_sequences": ["END"]}),
            &["stop"],
        ),
        (request(|r| r.stream = true), "claude-opus-5", json!({"stream": true, "model": "claude-opus-5"}), none),
        (request(|r| r.system = vec!["a".into()]), "claude-opus-5", json!({"system": "a"}), none),
        (
            request(|r| r.system = vec!["a".into(), " ".into(), "b".into()]),
            "claude-opus-5",
            json!({"system": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}),
            none,
        ),
        (
            request(|r| r.output = OutputFormat::JsonObject),
            "claude-opus-5",
            json!({"system": "Answer with one valid JSON object and nothing else: no prose around it, and no code fence."}),
            &["response_format"],
        ),
        (
            request(|r| {
                let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}});
                r.output = OutputFormat::JsonSchema { name: None, description: Some("D".into()), schema, strict: None };
                r.thinking = Some(Thinking::Effort(Effort::Low));
            }),
            "claude-opus-5",
            json!({"output_config": {"effort": "low", "format": {"type": "json_schema", "schema": {"type": "object",
                "properties": {"a": {"type": "string"}}, "additionalProperties": false, "description": "D"}}}}),
            none,
        ),
    ] {
        let told = told(&request, model);
        for (key, value) in expected.as_object().unwrap() {
            assert_eq!(told.body.get(key).unwrap_or(&Value::Null), value, "{key} towards {model} of {request:?}");
        }
        assert_eq!(told.left_out, left_out, "towards {model} of {request:?}");
    }
}

#[test]
fn tools_are_told() {
    let with = |choice: Option<ToolChoice>, parallel: Option<bool>| {
        let request = request(|r| {
            r.tools = vec![tool("f"), tool("g")];
            (r.tool_choice, r.parallel_tool_calls) = (choice, parallel);
        });
        let body = told(&request, "claude-haiku-4-5").body;
        let names: Vec<String> =
            body["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect();
        (names.concat(), body.get("tool_choice").cloned().unwrap_or_default())
    };
    for (choice, parallel, names, expected) in [
        (None, None, "fg", Value::Null),
        (None, Some(true), "fg", Value::Null),
        (None, Some(false), "fg", json!({"type": "auto", "disable_parallel_tool_use": true})),
        (Some(ToolChoice::Auto), None, "fg", json!({"type": "auto"})),
        (Some(ToolChoice::None), Some(false), "fg", json!({"type": "none"})),
        (Some(ToolChoice::Required), Some(false), "fg", json!({"type": "any", "disable_parallel_tool_use": true})),
        (Some(ToolChoice::Tool("g".into())), None, "fg", json!({"type": "tool", "name": "g"})),
        (Some(ToolChoice::AnyOf(vec!["g".into()])), None, "g", json!({"type": "any"})),
    ] {
        assert_eq!(with(choice.clone(), parallel), (names.to_owned(), expected), "{choice:?} {parallel:?}");
    }
    let open = json!({"properties": {"a": {"type": "integer", "minimum": 1}}});
    for (parameters, strict, model, expected, left_out) in [
        (
            None,
            None,
            "claude-haiku-4-5",
            json!({"name": "f", "input_schema": {"type": "object", "properties": {}}}),
            vec![],
        ),
        (
            Some(open.clone()),
            None,
            "claude-haiku-4-5",
            json!({"name": "f", "input_schema":
            {"properties": {"a": {"type": "integer", "minimum": 1}}, "type": "object"}}),
            vec![],
        ),
        (
            Some(open.clone()),
            Some(true),
            "claude-haiku-4-5",
            json!({"name": "f", "input_schema": {"properties":
            {"a": {"type": "integer", "description": "(minimum: 1)"}}, "type": "object", "additionalProperties": false},
            "strict": true}),
            vec![],
        ),
        (
            Some(open),
            Some(true),
            "claude-opus-4-1",
            json!({"name": "f", "input_schema":
            {"properties": {"a": {"type": "integer", "minimum": 1}}, "type": "object"}}),
            vec!["tools[].strict"],
        ),
    ] {
        let told = told(&request(|r| r.tools = vec![Tool { parameters, strict, ..tool("f") }]), model);
        assert_eq!(
            (&told.body["tools"][0], told.left_out),
            (&expected, left_out.into_iter().map(str::to_owned).collect())
        );
    }
    // Calls of tools that are no longer declared.
    let request = request(|r| {
        r.messages.push(message(Role::Assistant, vec![call("a", "f")]));
        r.messages.push(message(Role::User, vec![result("a", vec![text("1")])]));
    });
    let body = told(&request, "claude-haiku-4-5").body;
    assert_eq!(body["tools"], json!([{"name": "f", "input_schema": {"type": "object"}}]));
    assert_eq!(body["tool_choice"], json!({"type": "none"}));
}

#[test]
fn thoughts_are_told_where_they_can_be_checked() {
    let thought = |text: Option<&str>, signature: Option<&str>| {
        Part::Thinking(Thought { text: text.map(Into::into), signature: signature.map(Into::into), redacted: None })
    };
    let redacted = Part::Thinking(Thought { redacted: Some("xx".into()), ..Thought::default() });
    let on = Some(Thinking::Budget(2_000));
    for (name, part, thinking, model, kinds, asked, left_out) in [
        ("signed", thought(Some("t"), Some("s")), on.clone(), "claude-haiku-4-5", "thinking tool_use", true, vec![]),
        ("redacted", redacted, on.clone(), "claude-haiku-4-5", "redacted_thinking tool_use", true, vec![]),
        ("not asked for", thought(Some("t"), Some("s")), None, "claude-haiku-4-5", "tool_use", false, vec!["thinking"]),
        ("always on", thought(Some("t"), Some("s")), None, "claude-fable-5", "thinking tool_use", false, vec![]),
        ("unsigned", thought(Some("t"), None), on.clone(), "claude-haiku-4-5", "tool_use", false, vec!["thinking"]),
        (
            "without words",
            thought(None, Some("s")),
            on.clone(),
            "claude-haiku-4-5",
            "tool_use",
            false,
            vec!["thinking"],
        ),
        ("unsigned, adaptive", thought(Some("t"), None), on, "claude-opus-5", "tool_use", true, vec!["thinking"]),
    ] {
        let request = request(|r| {
            r.messages.push(message(Role::Assistant, vec![part, call("a", "f")]));
            r.messages.push(message(Role::User, vec![result("a", vec![])]));
            r.thinking = thinking;
        });
        let told = told(&request, model);
        let blocks = told.body["messages"][1]["content"].as_array().unwrap();
        let got: Vec<&str> = blocks.iter().map(|block| block["type"].as_str().unwrap()).collect();
        assert_eq!((got.join(" "), told.body.contains_key("thinking")), (kinds.to_owned(), asked), "{name}");
        assert_eq!(told.left_out, left_out, "{name}");
    }
}

#[test]
fn thoughts_of_former_turns_go_when_the_latest_has_none() {
    let signed = Thought { text: Some("t".into()), signature: Some("s".into()), redacted: None };
    let request = request(|r| {
        r.messages.push(message(Role::Assistant, vec![Part::Thinking(signed), call("a", "f")]));
        r.messages.push(message(Role::User, vec![result("a", vec![])]));
        r.messages.push(message(Role::Assistant, vec![call("b", "f")]));
        r.messages.push(message(Role::User, vec![result("b", vec![])]));
        r.thinking = Some(Thinking::Budget(2_000));
    });
    let told = told(&request, "claude-haiku-4-5");
    assert_eq!(told.body["messages"][1]["content"][0]["type"], "tool_use");
    assert_eq!((told.body.get("thinking"), told.left_out), (None, vec!["thinking".to_owned()]));
}

#[test]
fn what_cannot_be_said_is_refused() {
    let part = |part: Part| request(|r| r.messages[0].parts.push(part));
    let schema = |schema: Value| {
        request(|r| r.output = OutputFormat::JsonSchema { name: None, description: None, schema, strict: None })
    };
    let (old, new) = ("claude-haiku-4-5", "claude-opus-5-5");
    for (request, model, field) in [
        (request(|r| r.presence_penalty = number(0.1)), old, "presence_penalty"),
        (request(|r| r.frequency_penalty = number(-0.1)), old, "frequency_penalty"),
        (part(media(Some("audio/wav"), base64("AAAA"))), old, "media of type audio/wav"),
        (part(media(None, base64("AAAA"))), old, "media without a type"),
        (part(media(Some("video/mp4"), url("https://a.example/a"))), old, "media of type video/mp4"),
        (part(media(Some("image/png"), url("gs://a/b"))), old, "a gs:// address"),
        (request(|r| r.tools = vec![tool("a.b")]), old, "the tool name `a.b`"),
        (
            request(|r| (r.tools, r.tool_choice) = (vec![tool("f")], Some(ToolChoice::Required))),
            new,
            "tool_choice that forces a tool",
        ),
        (
            request(|r| r.messages.push(message(Role::Assistant, vec![text("a")]))),
            new,
            "a conversation that ends with the assistant's turn",
        ),
        (schema(json!({"type": "object"})), new, "a JSON schema for the answer with objects of free keys"),
        (schema(json!({"type": "string"})), "claude-opus-4-1", "a JSON schema for the answer, to this model,"),
    ] {
        let expected = RequestError::Unsupported { field: field.into(), upstream: Dialect::Anthropic };
        assert_eq!(encode(&request, model), Err(expected));
    }
}

#[test]
fn a_request_read_and_told_again_says_the_same() {
    let body = json!({
        "model": "claude-haiku-4-5", "max_tokens": 300,
        "system": "Be brief.",
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Hi"},
                {"type": "image", "source": {"type": "url", "url": "https://a.example/a.png"}}]},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": [1, 2.50]}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "1", "is_error": true}]},
        ],
        "tools": [{"name": "f", "description": "Does.", "input_schema": {"type": "object", "properties": {}}}],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": true},
        "temperature": 0.5,
        "stop_sequences": ["END"],
        "stream": true,
    });
    let again = told(&read(&body), "claude-haiku-4-5");
    assert_eq!(Value::Object(again.body), body);
    assert!(again.left_out.is_empty());
}

/// JSON made of the words of this dialect, right and wrong.
fn anything() -> BoxedStrategy<Value> {
    let words = [
        "type",
        "role",
        "content",
        "messages",
        "text",
        "source",
        "data",
        "media_type",
        "url",
        "id",
        "name",
        "input",
        "tool_use_id",
        "tools",
        "tool_choice",
        "thinking",
        "budget_tokens",
        "system",
        "output_config",
        "format",
        "schema",
        "caller",
        "citations",
        "enabled",
        "title",
        "allowed_callers",
        "input_schema",
        "is_error",
    ];
    let values = [
        "text",
        "user",
        "assistant",
        "system",
        "image",
        "document",
        "base64",
        "url",
        "tool_use",
        "tool_result",
        "auto",
        "search_result",
        "thinking",
        "redacted_thinking",
        "enabled",
        "json_schema",
        "custom",
        "server_tool_use",
        "",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        select(values.to_vec()).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    let grown = leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((select(words.to_vec()), inner), 0..6).prop_map(|pairs| {
                Value::Object(pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>())
            }),
        ]
    });
    grown.boxed()
}

proptest! {
    #[test]
    fn nothing_panics_on_what_callers_send(content in anything(), extra in anything(), tools in anything()) {
        let mut body = extra.as_object().cloned().unwrap_or_default();
        body.insert("messages".to_owned(), json!([{"role": "user", "content": content}]));
        body.insert("tools".to_owned(), tools);
        if let Ok(request) = decode(&body) {
            for model in ["claude-3-haiku-20240307", "claude-haiku-4-5", "claude-fable-5-1", "other"] {
                let _ = encode(&request, model);
            }
        }
    }
}
