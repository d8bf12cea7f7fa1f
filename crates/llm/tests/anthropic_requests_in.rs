//! Decoding of Anthropic requests from callers.
#![allow(clippy::unwrap_used)] // The helpers here are tests too.

use outrigger_llm::chat::cache::{CacheLife, PrefixEnd};
use outrigger_llm::chat::origin::Origin;
use outrigger_llm::chat::{
    ChatRequest, Effort, Media, MediaSource, Message, OutputFormat, Part, Role, Thinking, Thought, Tool, ToolCall,
    ToolChoice, ToolResult,
};
use outrigger_llm::format::anthropic::request::{self, decode};
use outrigger_llm::provider::Target;
use outrigger_llm::{Dialect, EncodedRequest, RequestError};
use proptest::prelude::{BoxedStrategy, Just, Strategy, any, prop_oneof, proptest};
use proptest::sample::select;
use serde_json::{Map, Number, Value, json};

/// Encodes a request for the vendor of the format.
fn encode(request: &ChatRequest, model: &str, most: Option<u64>) -> Result<EncodedRequest, RequestError> {
    request::encode(request, &Target::vendor(Dialect::Anthropic, model), most)
}

fn read(body: &Value) -> ChatRequest {
    decode(body.as_object().unwrap()).unwrap()
}

fn text(text: &str) -> Part {
    Part::Text(text.into())
}

fn message(role: Role, parts: Vec<Part>) -> Message {
    Message { role, parts }
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

#[test]
fn a_whole_request_is_decoded() {
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
    let expected = ChatRequest {
        model: "claude-sonnet-5".into(),
        system: vec!["Be brief.".into(), "Be kind.".into(), "Mind the time.".into()],
        messages: vec![
            message(Role::User, vec![text("Hi")]),
            message(
                Role::Assistant,
                vec![
                    Part::Thinking(Thought {
                        text: Some("Hm".into()),
                        signature: Some("sig".into()),
                        redacted: None,
                        origin: Some(Origin::CLAUDE),
                    }),
                    Part::Thinking(Thought {
                        redacted: Some("xx".into()),
                        origin: Some(Origin::CLAUDE),
                        ..Thought::default()
                    }),
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
        ..ChatRequest::default()
    };
    let mut request = read(&body);
    let cache = std::mem::take(&mut request.cache);
    assert_eq!(cache.at(PrefixEnd::System(0)), Some(CacheLife::FiveMinutes));
    assert_eq!(cache.at(PrefixEnd::System(1)), None);
    assert_eq!(request, expected);
}

#[test]
fn pictures_and_documents_are_decoded() {
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
        // The second block keeps the turn if the first is omitted.
        let read = read(&json!({"messages": [{"role": "user", "content": [block, {"type": "text", "text": "."}]}]}));
        let mut expected = parts;
        expected.push(text("."));
        assert_eq!(read.messages[0].parts, expected, "{block}");
        assert_eq!(read.fields, fields, "{block}");
    }
}

#[test]
fn wrong_shapes_are_reported_with_their_path() {
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
fn a_decoded_request_encodes_to_the_same() {
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
    let again = encode(&read(&body), "claude-haiku-4-5", None).unwrap();
    assert_eq!(Value::Object(again.body), body);
    assert!(again.left_out.is_empty());
}

/// JSON made of names of this dialect, in right and wrong places.
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
                let _ = encode(&request, model, None);
            }
        }
    }
}
