use serde_json::{Value, json};

use super::decode;
use crate::provider::{Target, lookup};
use crate::{Dialect, Format, RequestError, decode_request, encode_request};

fn target(model: &str) -> Target<'_> {
    Target::new(lookup("Cohere").unwrap(), Dialect::OpenAi, model)
}

/// The request for a model of Cohere's, and what is left out.
fn sent(caller: Format, body: &Value, model: &str) -> Result<(Value, Vec<String>), RequestError> {
    let request = decode_request(caller, body.as_object().unwrap(), "m", false)?;
    let encoded = encode_request(caller, &request, &target(model), None)?;
    Ok((Value::Object(encoded.body), encoded.left_out))
}

fn from_openai(mut body: Value) -> Result<(Value, Vec<String>), RequestError> {
    if body.get("messages").is_none() {
        body["messages"] = json!([{"role": "user", "content": "Hi"}]);
    }
    sent(Format::OpenAiChat, &body, "command-a-plus-05-2026")
}

fn field(body: Value, key: &str) -> Value {
    from_openai(body).unwrap().0[key].clone()
}

fn tool(name: &str, parameters: Value) -> Value {
    json!({"type": "function", "function": {"name": name, "parameters": parameters}})
}

#[test]
fn a_conversation_of_another_dialect_is_written_in_cohere_s_form() {
    let schema = json!({"type": "object", "properties": {"at": {"type": "integer"}}, "required": ["at"]});
    let (body, left_out) = from_openai(json!({
        "max_completion_tokens": 100, "temperature": 0.5, "top_p": 0.9, "top_k": 7, "seed": 3, "stop": ["END"],
        "presence_penalty": 0.5, "tools": [tool("look", schema.clone())],
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}},
            ]},
            {"role": "assistant", "content": "I look.", "reasoning_content": "Hm.", "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{\"at\":1}"}},
                {"id": "c2", "type": "function", "function": {"name": "look", "arguments": "{\"at\":2}"}},
            ]},
            {"role": "tool", "tool_call_id": "c1", "content": "a cat"},
            {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "dog"}]},
            {"role": "assistant", "content": "A cat and a dog."},
            {"role": "user", "content": "Thanks"},
        ],
    }))
    .unwrap();
    let call = |id: &str, arguments: &str| json!({"id": id, "type": "function", "function": {"name": "look", "arguments": arguments}});
    assert_eq!(
        body,
        json!({
            "model": "command-a-plus-05-2026",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": [
                    {"type": "text", "text": "What is this?"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}},
                ]},
                {"role": "assistant", "tool_plan": "I look.", "tool_calls": [call("c1", "{\"at\":1}"), call("c2", "{\"at\":2}")]},
                {"role": "tool", "tool_call_id": "c1", "content": "a cat"},
                {"role": "tool", "tool_call_id": "c2", "content": "a\ndog"},
                {"role": "assistant", "content": "A cat and a dog."},
                {"role": "user", "content": "Thanks"},
            ],
            "tools": [tool("look", schema)],
            "stop_sequences": ["END"], "max_tokens": 100, "temperature": 0.5, "p": 0.9, "k": 7,
            "presence_penalty": 0.5, "seed": 3,
        })
    );
    assert_eq!(left_out, ["messages[].content[].image_url.detail", "messages[].reasoning_content", "thinking"]);
}

#[test]
fn a_failed_tool_and_pictures_of_a_tool_reach_the_model() {
    let body = json!({"max_tokens": 10, "messages": [
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "look", "input": {}}]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "t1", "is_error": true, "content": [
                {"type": "text", "text": "no camera"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
            ]},
        ]},
    ]});
    let (body, _) = sent(Format::Anthropic, &body, "command-a-03-2025").unwrap();
    assert_eq!(
        body["messages"].as_array().unwrap()[2..],
        [
            json!({"role": "tool", "tool_call_id": "t1", "content": "Error: no camera"}),
            json!({"role": "user", "content": [
                {"type": "text", "text": "Output of the tool look:"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
            ]}),
        ]
    );
}

#[test]
fn a_choice_among_tools_leaves_only_those() {
    let none = json!({"type": "object", "properties": {}});
    let tools =
        json!([tool("a", none.clone()), tool("b", none.clone()), {"type": "function", "function": {"name": "c"}}]);
    let named = |name: &str| json!({"type": "function", "function": {"name": name}});
    for (choice, left, word) in [
        (json!("auto"), vec!["a", "b", "c"], Value::Null),
        (json!("none"), vec!["a", "b", "c"], json!("NONE")),
        (json!("required"), vec!["a", "b", "c"], json!("REQUIRED")),
        (named("b"), vec!["b"], json!("REQUIRED")),
        (
            json!({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [named("a"), named("c")]}}),
            vec!["a", "c"],
            json!("REQUIRED"),
        ),
    ] {
        let (body, _) = from_openai(json!({"tools": tools, "tool_choice": choice})).unwrap();
        let expected: Vec<Value> = left.into_iter().map(|name| tool(name, none.clone())).collect();
        assert_eq!(body["tools"], json!(expected), "{choice}");
        assert_eq!(body["tool_choice"], word, "{choice}");
    }
    let (body, _) = from_openai(json!({"tool_choice": "none"})).unwrap();
    assert_eq!(body.get("tool_choice"), None);
}

#[test]
fn tools_are_strict_if_all_are_and_have_required_arguments() {
    let strict = |name: &str, required: Value, strict: bool| {
        let parameters = json!({"type": "object", "properties": {"a": {}}, "required": required});
        json!({"type": "function", "function": {"name": name, "parameters": parameters, "strict": strict}})
    };
    for (tools, expected, left_out) in [
        (json!([strict("f", json!(["a"]), true)]), json!(true), vec![]),
        (json!([strict("f", json!(["a"]), true), strict("g", json!(["a"]), false)]), Value::Null, vec!["strict"]),
        (json!([strict("f", json!([]), true)]), Value::Null, vec!["strict"]),
        (json!([strict("f", json!(["a"]), false)]), Value::Null, vec![]),
    ] {
        let (body, hints) = from_openai(json!({"tools": tools})).unwrap();
        assert_eq!(
            (&body["strict_tools"], hints),
            (&expected, left_out.into_iter().map(String::from).collect()),
            "{tools}"
        );
        assert_eq!(body.pointer("/tools/0/function/strict"), None);
    }
}

#[test]
fn thinking_is_written_for_models_that_think() {
    let thinking = |model: &str, body: Value| {
        let body = json!({"messages": [{"role": "user", "content": "Hi"}], "max_tokens": body["max_tokens"],
            "reasoning_effort": body["effort"], "thinking": body["thinking"]});
        let (body, left_out) = sent(Format::OpenAiChat, &body, model).unwrap();
        (body["thinking"].clone(), left_out)
    };
    for (model, body, expected, left_out) in [
        (
            "command-a-reasoning-08-2025",
            json!({"effort": "low"}),
            json!({"type": "enabled", "token_budget": 1_024}),
            None,
        ),
        ("command-a-plus-05-2026", json!({"effort": "none"}), json!({"type": "disabled"}), None),
        ("command-a-plus-05-2026", json!({"thinking": {"type": "enabled"}}), json!({"type": "enabled"}), None),
        (
            "command-a-plus-05-2026",
            json!({"thinking": {"budget_tokens": 2_000}, "max_tokens": 1_000}),
            json!({"type": "enabled", "token_budget": 500}),
            None,
        ),
        ("command-a-plus-05-2026", json!({"effort": "high", "max_tokens": 1}), json!({"type": "disabled"}), None),
        ("command-a-03-2025", json!({"effort": "low"}), Value::Null, Some("thinking")),
        ("command-r-plus-08-2024", json!({"effort": "none"}), Value::Null, None),
    ] {
        let (written, hints) = thinking(model, body.clone());
        assert_eq!(written, expected, "{model} {body}");
        assert_eq!(hints.first().map(String::as_str), left_out, "{model} {body}");
    }
}

#[test]
fn json_output_has_a_schema_and_no_tools() {
    let schema = json!({"type": "object"});
    let format = json!({"type": "json_schema", "json_schema": {"name": "a", "schema": schema}});
    assert_eq!(
        field(json!({"response_format": format}), "response_format"),
        json!({"type": "json_object", "json_schema": schema})
    );
    assert_eq!(
        field(json!({"response_format": {"type": "json_object"}}), "response_format"),
        json!({"type": "json_object"})
    );
    let tools = json!([tool("f", schema.clone())]);
    assert!(from_openai(json!({"response_format": format, "tools": tools, "tool_choice": "none"})).is_ok());
    for (body, refused) in [
        (json!({"response_format": format, "tools": tools}), "response_format together with tools"),
        (json!({"stop": ["1", "2", "3", "4", "5", "6"]}), "stop"),
        (json!({"presence_penalty": -0.5}), "presence_penalty"),
        (json!({"frequency_penalty": 1.5}), "frequency_penalty"),
        (
            json!({"tools": tools, "tool_choice": {"type": "function", "function": {"name": "g"}}}),
            "a choice of a tool that is not there",
        ),
        (
            json!({"messages": [{"role": "user", "content": [
                {"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA"}}]}]}),
            "application/pdf",
        ),
    ] {
        let expected = RequestError::Unsupported { field: refused.to_owned(), upstream: Dialect::Cohere };
        assert_eq!(from_openai(body), Err(expected));
    }
    // A seed is best effort, and Cohere has no negative ones.
    let (body, left_out) = from_openai(json!({"seed": -1})).unwrap();
    assert_eq!((body.get("seed"), left_out.as_slice()), (None, &["seed".to_owned()][..]));
}

#[test]
fn a_caller_s_conversation_is_written_for_openai() {
    let body = json!({
        "model": "m", "stream": true, "max_tokens": 50, "p": 0.5, "k": 0, "seed": 5, "stop_sequences": ["END"],
        "frequency_penalty": 0.5, "strict_tools": true, "tool_choice": "REQUIRED", "safety_mode": "OFF",
        "citation_options": {"mode": "OFF"},
        "thinking": {"type": "enabled", "token_budget": 1024},
        "tools": [tool("look", json!({"type": "object"}))],
        "messages": [
            {"role": "system", "content": [{"type": "text", "text": "Be brief."}]},
            {"role": "user", "content": "What is this?"},
            {"role": "assistant", "content": [{"type": "thinking", "thinking": "Hm."}], "tool_plan": "I look.",
             "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "c1", "content": [
                {"type": "document", "document": {"id": "d", "data": {"text": "a cat"}}}, {"type": "text", "text": "b"}]},
        ],
    });
    let request = decode(body.as_object().unwrap()).unwrap();
    let target = Target::vendor(Dialect::OpenAi, "gpt-5");
    let encoded = encode_request(Format::Cohere, &request, &target, None).unwrap();
    assert_eq!(
        Value::Object(encoded.body)["messages"],
        json!([
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "What is this?"},
            {"role": "assistant", "content": "I look.",
             "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "c1", "content": [
                {"type": "text", "text": "{\"text\":\"a cat\"}"}, {"type": "text", "text": "b"}]},
        ])
    );
    assert_eq!((request.tools[0].strict, request.top_k, request.max_output_tokens), (Some(true), None, Some(50)));
    for hint in ["citation_options", "messages[].content[].thinking", "messages[].content[].document.id"] {
        assert!(encoded.left_out.iter().any(|known| known == hint), "{hint}: {:?}", encoded.left_out);
    }
}

#[test]
fn wrong_shapes_are_the_caller_s_mistake() {
    let message = json!([{"role": "user", "content": "Hi"}]);
    for (body, at) in [
        (json!({}), "messages"),
        (json!({"messages": []}), "messages"),
        (json!({"messages": [1]}), "messages[0]"),
        (json!({"messages": [{"role": "chatbot", "content": "Hi"}]}), "messages[0].role"),
        (json!({"messages": [{"role": "user"}]}), "messages[0].content"),
        (json!({"messages": [{"role": "user", "content": 1}]}), "messages[0].content"),
        (json!({"messages": [{"role": "tool", "content": "x"}]}), "messages[0].tool_call_id"),
        (
            json!({"messages": [{"role": "system", "content": [{"type": "image_url", "image_url": "https://a.example"}]}]}),
            "messages[0].content",
        ),
        (json!({"messages": message, "tool_choice": "AUTO"}), "tool_choice"),
        (json!({"messages": message, "max_tokens": -1}), "max_tokens"),
        (json!({"messages": message, "stop_sequences": "END"}), "stop_sequences"),
        (json!({"messages": message, "thinking": {"type": "maybe"}}), "thinking.type"),
        (json!({"messages": message, "response_format": {"type": "json_schema"}}), "response_format.type"),
    ] {
        match decode(body.as_object().unwrap()) {
            Err(RequestError::Invalid { path, .. }) => assert_eq!(path, at, "{body}"),
            other => panic!("{body}: {other:?}"),
        }
    }
}
