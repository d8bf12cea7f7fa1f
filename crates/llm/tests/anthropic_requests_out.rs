//! Encoding of requests for an Anthropic upstream.
#![allow(clippy::unwrap_used)] // The helpers here are tests too.

use outrigger_llm::chat::origin::Origin;
use outrigger_llm::chat::{
    ChatRequest, Effort, Media, MediaSource, Message, OutputFormat, Part, Role, Thinking, Thought, Tool, ToolCall,
    ToolChoice, ToolResult,
};
use outrigger_llm::format::anthropic::request;
use outrigger_llm::provider::Target;
use outrigger_llm::{Dialect, EncodedRequest, Format, RequestError, encode_request};
use serde_json::{Number, Value, json};

/// Encodes a request for the vendor of the format.
fn encode(request: &ChatRequest, model: &str, most: Option<u64>) -> Result<EncodedRequest, RequestError> {
    request::encode(request, &Target::vendor(Dialect::Anthropic, model), most)
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

/// A request with one turn, modified by `change`.
fn request(change: impl FnOnce(&mut ChatRequest)) -> ChatRequest {
    let mut request = ChatRequest { messages: vec![message(Role::User, vec![text("Hi")])], ..ChatRequest::default() };
    change(&mut request);
    request
}

fn encoded(request: &ChatRequest, model: &str) -> EncodedRequest {
    encode(request, model, None).unwrap()
}

fn turns(messages: Vec<Message>) -> Value {
    encoded(&request(|r| r.messages = messages), "claude-haiku-4-5").body["messages"].clone()
}

#[test]
fn turns_are_encoded_as_anthropic_requires() {
    let (user, assistant) = (Role::User, Role::Assistant);
    let text_block = |text: &str| json!({"type": "text", "text": text});
    for (name, messages, expected) in [
        ("nothing", vec![], json!([{"role": "user", "content": [text_block(".")]}])),
        (
            "two of one role, and blank texts",
            vec![
                message(user, vec![text("a"), text(" ")]),
                message(assistant, vec![text("\n")]),
                message(user, vec![text("b")]),
            ],
            json!([{"role": "user", "content": [text_block("a"), text_block("b")]}]),
        ),
        (
            "the assistant first and last",
            vec![message(assistant, vec![text("a \n"), text("b \n")])],
            json!([{"role": "user", "content": [text_block(".")]}, {"role": "assistant", "content": [text_block("a \n"), text_block("b")]}]),
        ),
        (
            "results before the rest, ids made fit",
            vec![
                message(user, vec![text("a")]),
                message(assistant, vec![call("x.1", "f"), call("y", "g")]),
                message(user, vec![text("b"), result("x.1", vec![text("1")]), result("y", vec![])]),
            ],
            json!([
                {"role": "user", "content": [text_block("a")]},
                {"role": "assistant", "content": [
                    {"type": "tool_use", "id": "x_2e1", "name": "f", "input": {}},
                    {"type": "tool_use", "id": "y", "name": "g", "input": {}}]},
                {"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": "x_2e1", "content": "1"},
                    {"type": "tool_result", "tool_use_id": "y"}, text_block("b")]},
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
fn fields_that_a_model_no_longer_accepts_are_not_sent() {
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
    // The request, the model, some keys of the body (null: absent), what is omitted.
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
            capped(3_000, 5_000),
            "claude-haiku-4-5",
            json!({"thinking": {"type": "enabled", "budget_tokens": 1500}, "max_tokens": 3000}),
            none,
        ),
        (capped(1_000, 5_000), "claude-haiku-4-5", json!({"thinking": null, "max_tokens": 1000}), &["thinking"]),
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
        let encoded = encoded(&request, model);
        for (key, value) in expected.as_object().unwrap() {
            assert_eq!(encoded.body.get(key).unwrap_or(&Value::Null), value, "{key} towards {model} of {request:?}");
        }
        assert_eq!(encoded.left_out, left_out, "towards {model} of {request:?}");
    }
}

#[test]
fn max_tokens_stays_within_every_limit() {
    for (cap, budget, most, max_tokens, thinking) in [
        (None, None, Some(500), 500, None),
        (Some(300), None, Some(500), 300, None),
        (Some(800), None, Some(500), 500, None),
        (Some(800), None, None, 800, None),
        // A budget stays below the limit, and a limit of the caller is never raised for it.
        (Some(1_000), Some(2_000), None, 1_000, None),
        (Some(1_025), Some(24_576), None, 1_025, Some(1_024)),
        (Some(2_000), Some(24_576), None, 2_000, Some(1_024)),
        (Some(100), Some(24_576), Some(2_000), 100, None),
        (Some(32_000), Some(16_000), Some(2_000), 2_000, Some(1_024)),
        (None, Some(2_000), None, 18_384, Some(2_000)),
        (None, Some(2_000), Some(2_500), 2_500, Some(2_000)),
        (Some(9_000), Some(8_000), Some(4_000), 4_000, Some(2_000)),
        (None, Some(8_000), Some(1_025), 1_025, Some(1_024)),
        (None, Some(8_000), Some(1_024), 1_024, None),
    ] {
        let request = request(|r| (r.max_output_tokens, r.thinking) = (cap, budget.map(Thinking::Budget)));
        let encoded = encode(&request, "claude-haiku-4-5", most).unwrap();
        let case = format!("{cap:?} {budget:?} {most:?}");
        assert_eq!(
            (encoded.body["max_tokens"].as_u64(), encoded.max_output_tokens),
            (Some(max_tokens), Some(max_tokens)),
            "{case}"
        );
        assert_eq!(
            encoded.body.get("thinking").map(|encoded| encoded["budget_tokens"].as_u64()),
            thinking.map(Some),
            "{case}"
        );
    }
    for (upstream, at) in [(Dialect::OpenAi, "/max_tokens"), (Dialect::Gemini, "/generationConfig/maxOutputTokens")] {
        for (cap, most, expected) in
            [(None, None, None), (None, Some(5), Some(5)), (Some(9), Some(5), Some(5)), (Some(3), Some(5), Some(3))]
        {
            let request = request(|r| r.max_output_tokens = cap);
            let encoded = encode_request(Format::Anthropic, &request, &Target::vendor(upstream, "m"), most).unwrap();
            let body = Value::Object(encoded.body);
            assert_eq!((encoded.max_output_tokens, body.pointer(at).and_then(Value::as_u64)), (expected, expected));
        }
    }
}

#[test]
fn tools_are_encoded() {
    let with = |choice: Option<ToolChoice>, parallel: Option<bool>| {
        let request = request(|r| {
            r.tools = vec![tool("f"), tool("g")];
            (r.tool_choice, r.parallel_tool_calls) = (choice, parallel);
        });
        let body = encoded(&request, "claude-haiku-4-5").body;
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
        let encoded = encoded(&request(|r| r.tools = vec![Tool { parameters, strict, ..tool("f") }]), model);
        assert_eq!(
            (&encoded.body["tools"][0], encoded.left_out),
            (&expected, left_out.into_iter().map(str::to_owned).collect())
        );
    }
    // Calls of tools that are not declared any more.
    let request = request(|r| {
        r.messages.push(message(Role::Assistant, vec![call("a", "f")]));
        r.messages.push(message(Role::User, vec![result("a", vec![text("1")])]));
    });
    let body = encoded(&request, "claude-haiku-4-5").body;
    assert_eq!(body["tools"], json!([{"name": "f", "input_schema": {"type": "object"}}]));
    assert_eq!(body["tool_choice"], json!({"type": "none"}));
}

#[test]
fn thoughts_are_sent_where_anthropic_can_check_them() {
    let thought = |text: Option<&str>, signature: Option<&str>| {
        Part::Thinking(Thought {
            text: text.map(Into::into),
            signature: signature.map(Into::into),
            redacted: None,
            origin: Some(Origin::CLAUDE),
        })
    };
    let redacted =
        Part::Thinking(Thought { redacted: Some("xx".into()), origin: Some(Origin::CLAUDE), ..Thought::default() });
    let foreign = Part::Thinking(Thought {
        text: Some("t".into()),
        signature: Some("s".into()),
        redacted: None,
        origin: Some(Origin::GEMINI),
    });
    let on = Some(Thinking::Budget(2_000));
    for (name, part, thinking, model, kinds, asked, left_out) in [
        ("signed", thought(Some("t"), Some("s")), on.clone(), "claude-haiku-4-5", "thinking tool_use", true, vec![]),
        ("redacted", redacted, on.clone(), "claude-haiku-4-5", "redacted_thinking tool_use", true, vec![]),
        ("not asked for", thought(Some("t"), Some("s")), None, "claude-haiku-4-5", "tool_use", false, vec!["thinking"]),
        ("always on", thought(Some("t"), Some("s")), None, "claude-fable-5", "thinking tool_use", false, vec![]),
        ("unsigned", thought(Some("t"), None), on.clone(), "claude-haiku-4-5", "tool_use", false, vec!["thinking"]),
        ("without words", thought(None, Some("s")), on.clone(), "claude-haiku-4-5", "thinking tool_use", true, vec![]),
        ("of another", foreign, on.clone(), "claude-haiku-4-5", "tool_use", false, vec!["thinking"]),
        ("unsigned, adaptive", thought(Some("t"), None), on, "claude-opus-5", "tool_use", true, vec!["thinking"]),
    ] {
        let request = request(|r| {
            r.messages.push(message(Role::Assistant, vec![part, call("a", "f")]));
            r.messages.push(message(Role::User, vec![result("a", vec![])]));
            r.thinking = thinking;
        });
        let encoded = encoded(&request, model);
        let blocks = encoded.body["messages"][1]["content"].as_array().unwrap();
        let got: Vec<&str> = blocks.iter().map(|block| block["type"].as_str().unwrap()).collect();
        assert_eq!((got.join(" "), encoded.body.contains_key("thinking")), (kinds.to_owned(), asked), "{name}");
        assert_eq!(encoded.left_out, left_out, "{name}");
    }
}

#[test]
fn earlier_thoughts_are_dropped_if_the_latest_turn_has_none() {
    let signed =
        Thought { text: Some("t".into()), signature: Some("s".into()), redacted: None, origin: Some(Origin::CLAUDE) };
    let request = request(|r| {
        r.messages.push(message(Role::Assistant, vec![Part::Thinking(signed), call("a", "f")]));
        r.messages.push(message(Role::User, vec![result("a", vec![])]));
        r.messages.push(message(Role::Assistant, vec![call("b", "f")]));
        r.messages.push(message(Role::User, vec![result("b", vec![])]));
        r.thinking = Some(Thinking::Budget(2_000));
    });
    let encoded = encoded(&request, "claude-haiku-4-5");
    assert_eq!(encoded.body["messages"][1]["content"][0]["type"], "tool_use");
    assert_eq!((encoded.body.get("thinking"), encoded.left_out), (None, vec!["thinking".to_owned()]));
}

#[test]
fn content_that_anthropic_cannot_express_is_refused() {
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
        (request(|r| r.tools = vec![tool("a.b")]), old, "the tool name `a.b`"),
        (
            request(|r| (r.tools, r.tool_choice) = (vec![tool("f")], Some(ToolChoice::AnyOf(vec!["g".into()])))),
            old,
            "tool_choice among tools that are not declared",
        ),
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
        assert_eq!(encode(&request, model, None), Err(expected));
    }
}
