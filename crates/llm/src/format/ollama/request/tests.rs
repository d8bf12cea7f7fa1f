use serde_json::{Value, json};

use super::decode;
use crate::chat::{ChatRequest, OutputFormat, Part, Role, Thinking};
use crate::provider::Target;
use crate::{Dialect, Format, RequestError, decode_request, encode_request};

fn read(body: &Value) -> Result<ChatRequest, RequestError> {
    decode(body.as_object().unwrap())
}

/// The request between two formats, and what is left out.
fn sent(caller: Format, body: &Value, upstream: Dialect) -> Result<(Value, Vec<String>), RequestError> {
    let request = decode_request(caller, body.as_object().unwrap(), "m", false)?;
    let encoded = encode_request(caller, &request, &Target::vendor(upstream, "m"), None)?;
    Ok((Value::Object(encoded.body), encoded.left_out))
}

fn call(id: &str, at: u64) -> Value {
    json!({"id": id, "function": {"name": "look", "arguments": {"at": at}}})
}

#[test]
fn a_conversation_of_ollama_reaches_openai() {
    let schema = json!({"type": "object", "properties": {"at": {"type": "integer"}}});
    let tool = json!({"type": "function", "function": {"name": "look", "parameters": schema}});
    let answer_schema = json!({"type": "object", "properties": {"animal": {"type": "string"}}});
    let (body, left_out) = sent(
        Format::Ollama,
        &json!({
            "model": "m", "keep_alive": "5m", "format": answer_schema, "tools": [tool], "think": "low",
            "options": {"temperature": 0.5, "top_p": 0.9, "seed": 3, "stop": "END", "num_predict": 100, "num_ctx": 4096,
                "presence_penalty": 0.0, "frequency_penalty": 0.5},
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "What is this?", "images": ["iVBORw0KGgo="]},
                {"role": "assistant", "content": "", "thinking": "Hm.", "tool_calls": [
                    {"function": {"index": 0, "name": "look", "arguments": {"at": 1}}},
                    {"function": {"index": 1, "name": "look", "arguments": {"at": 2}}},
                ]},
                {"role": "tool", "tool_name": "look", "content": "a cat"},
                {"role": "tool", "tool_name": "look", "content": "a dog"},
                {"role": "user", "content": "Thanks"},
            ],
        }),
        Dialect::OpenAi,
    )
    .unwrap();
    let call = |id: &str, arguments: &str| json!({"id": id, "type": "function", "function": {"name": "look", "arguments": arguments}});
    let image = json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}});
    assert_eq!(
        body["messages"],
        json!([
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [image, {"type": "text", "text": "What is this?"}]},
            {"role": "assistant", "content": null, "tool_calls": [call("call_0", "{\"at\":1}"), call("call_1", "{\"at\":2}")]},
            {"role": "tool", "tool_call_id": "call_0", "content": "a cat"},
            {"role": "tool", "tool_call_id": "call_1", "content": "a dog"},
            {"role": "user", "content": "Thanks"},
        ])
    );
    for (key, expected) in [
        ("temperature", json!(0.5)),
        ("top_p", json!(0.9)),
        ("seed", json!(3)),
        ("stop", json!("END")),
        ("max_tokens", json!(100)),
        ("frequency_penalty", json!(0.5)),
        ("presence_penalty", Value::Null),
        ("reasoning_effort", json!("low")),
    ] {
        assert_eq!(body[key], expected, "{key}");
    }
    assert_eq!(body["response_format"]["json_schema"]["schema"], answer_schema);
    for hint in ["keep_alive", "options.num_ctx", "messages[].thinking"] {
        assert!(left_out.iter().any(|path| path == hint), "{hint} in {left_out:?}");
    }
}

#[test]
fn a_conversation_of_another_dialect_is_written_in_ollama_s_form() {
    let schema = json!({"type": "object", "properties": {"at": {"type": "integer"}}});
    let tool = json!({"type": "function", "function": {"name": "look", "parameters": schema}});
    let (body, left_out) = sent(
        Format::OpenAiChat,
        &json!({
            "max_completion_tokens": 100, "temperature": 0.5, "top_k": 7, "seed": 3, "stop": ["END"],
            "reasoning_effort": "minimal", "response_format": {"type": "json_object"}, "tools": [tool],
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": [
                    {"type": "text", "text": "What is this?"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                ]},
                {"role": "assistant", "content": "I look.", "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{\"at\":1}"}},
                ]},
                {"role": "tool", "tool_call_id": "c1", "content": "a cat"},
            ],
        }),
        Dialect::Ollama,
    )
    .unwrap();
    assert_eq!(
        body,
        json!({
            "model": "m",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "What is this?", "images": ["AAAA"]},
                {"role": "assistant", "content": "I look.", "tool_calls": [call("c1", 1)]},
                {"role": "tool", "content": "a cat", "tool_call_id": "c1", "tool_name": "look"},
            ],
            "tools": [tool], "format": "json", "think": "low", "stream": false,
            "options": {"temperature": 0.5, "top_k": 7, "seed": 3, "stop": ["END"], "num_predict": 100},
        })
    );
    assert_eq!(left_out, Vec::<String>::new());
}

#[test]
fn what_ollama_cannot_express_is_refused() {
    let user = json!([{"role": "user", "content": "q"}]);
    let tools = json!([{"type": "function", "function": {"name": "look"}}]);
    let url =
        json!([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://h.test/a.png"}}]}]);
    for (body, field) in [
        (json!({"messages": user, "tools": tools, "tool_choice": "required"}), "a tool that must be called"),
        (json!({"messages": url}), "a picture behind a URL"),
    ] {
        let refused = RequestError::Unsupported { field: field.to_owned(), upstream: Dialect::Ollama };
        assert_eq!(sent(Format::OpenAiChat, &body, Dialect::Ollama), Err(refused));
    }
}

#[test]
fn a_result_belongs_to_its_call() {
    let calls = json!({"role": "assistant", "content": "", "tool_calls": [
        {"function": {"name": "look", "arguments": {}}},
        {"function": {"name": "hear", "arguments": {}}},
        call("c3", 3),
    ]});
    for (results, expected) in [
        // By name, the first one without a result.
        (
            vec![json!({"tool_name": "hear"}), json!({"tool_name": "look"}), json!({"tool_name": "look"})],
            vec!["call_1", "call_0", "c3"],
        ),
        // By id.
        (vec![json!({"tool_call_id": "c3"}), json!({"tool_call_id": "call_1"})], vec!["c3", "call_1"]),
        // An id that the SDK has replaced.
        (vec![json!({"tool_call_id": "other", "tool_name": "hear"})], vec!["call_1"]),
        // Neither.
        (vec![json!({}), json!({})], vec!["call_0", "call_1"]),
    ] {
        let mut messages = vec![json!({"role": "user", "content": "q"}), calls.clone()];
        messages.extend(results.into_iter().map(|mut result| {
            result["role"] = json!("tool");
            result["content"] = json!("seen");
            result
        }));
        let request = read(&json!({"messages": messages})).unwrap();
        let turn = request.messages.last().unwrap();
        let ids: Vec<&str> = turn
            .parts
            .iter()
            .map(|part| match part {
                Part::ToolResult(result) => result.id.as_str(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!((turn.role, ids), (Role::User, expected));
    }
}

#[test]
fn wrong_shapes_are_named() {
    let hi = json!({"role": "user", "content": "Hi"});
    for (body, at) in [
        (json!({"messages": []}), "messages"),
        (json!({"messages": [{"role": "critic", "content": "a"}]}), "messages[0].role"),
        (json!({"messages": [{"role": "user", "content": ["a"]}]}), "messages[0].content"),
        (json!({"messages": [{"role": "user", "images": [1]}]}), "messages[0].images"),
        (json!({"messages": [{"role": "tool", "content": "a"}]}), "messages[0].tool_name"),
        (json!({"messages": [{"role": "tool", "content": "a", "tool_call_id": 1}]}), "messages[0].tool_call_id"),
        (json!({"messages": [hi], "think": 3}), "think"),
        (json!({"messages": [hi], "format": "xml"}), "format"),
        (json!({"messages": [hi], "options": []}), "options"),
        (json!({"messages": [hi], "options": {"stop": [1]}}), "options.stop"),
        (json!({"messages": [hi], "options": {"num_predict": "a"}}), "options.num_predict"),
        (
            json!({"messages": [{"role": "assistant", "tool_calls": [{"function": {}}]}]}),
            "messages[0].tool_calls[0].function.name",
        ),
    ] {
        match read(&body) {
            Err(RequestError::Invalid { path, .. }) => assert_eq!(path, at, "{body}"),
            other => panic!("{body}: {other:?}"),
        }
    }
}

#[test]
fn settings_are_read() {
    let with = |key: &str, value: Value| {
        let mut body = json!({"messages": [{"role": "user", "content": "Hi"}]});
        body[key] = value;
        read(&body).unwrap()
    };
    for (value, expected) in [
        (json!(true), Thinking::Adaptive),
        (json!(false), Thinking::Off),
        (json!("high"), Thinking::Effort(crate::chat::Effort::High)),
    ] {
        assert_eq!(with("think", value).thinking, Some(expected));
    }
    assert_eq!(with("format", json!("")).output, OutputFormat::Text);
    assert_eq!(with("format", json!("json")).output, OutputFormat::JsonObject);
    assert_eq!(with("options", json!({"num_predict": -1})).max_output_tokens, None);
    assert_eq!(with("options", json!({"num_predict": 9})).max_output_tokens, Some(9));
}
