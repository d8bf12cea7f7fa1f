//! Requests of OpenAI's Responses, written for providers that do not have that API; and what is removed on the way to
//! one that does.
#![allow(clippy::unwrap_used)] // The helpers here are tests too.

use outrigger_llm::chat::origin::Origin;
use outrigger_llm::chat::{ChatResponse, Part, Thought, ToolCall};
use outrigger_llm::passthrough::strip_marks::strip_marks_of;
use outrigger_llm::provider::{Target, lookup};
use outrigger_llm::{
    Answer, CallerFormat, Dialect, EncodedRequest, RequestError, decode_request, encode_request, encode_response,
};
use serde_json::{Value, json};

const CALLER: CallerFormat = CallerFormat::OpenAiResponses;

fn target(kind: &str, model: &'static str) -> Target<'static> {
    Target::new(lookup(kind).unwrap(), Dialect::OpenAi, model)
}

fn anthropic() -> Target<'static> {
    target("Anthropic", "claude-sonnet-4-5")
}

fn encoded(body: &Value, target: &Target<'_>) -> Result<EncodedRequest, RequestError> {
    let request = decode_request(CALLER, body.as_object().unwrap(), "m", false)?;
    encode_request(CALLER, &request, target, None)
}

fn body(request: &Value, target: &Target<'_>) -> Value {
    Value::Object(encoded(request, target).unwrap_or_else(|error| panic!("{error}\n{request}")).body)
}

/// A turn of an agent: what it was asked, what it thought and called, and what came out.
fn agent() -> Value {
    json!({
        "store": false,
        "instructions": "Be brief.",
        "max_output_tokens": 2000,
        "input": [
            {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "In French."}]},
            {"type": "message", "id": "msg_1", "role": "user", "content": [
                {"type": "input_text", "text": "Look."},
                {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "auto"},
            ]},
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm."}],
             "encrypted_content": "b3V0cmlnZ2VyY2xhdWRlIHNzaWc="},
            {"type": "message", "role": "assistant", "status": "completed", "content": [
                {"type": "output_text", "text": "I look.", "annotations": [], "logprobs": []},
            ]},
            {"type": "function_call", "id": "fc_1", "call_id": "toolu_1", "name": "close", "namespace": "agents",
             "arguments": "{\"a\":1}", "status": "completed"},
            {"type": "custom_tool_call", "call_id": "toolu_2", "name": "apply_patch", "input": "*** Begin"},
            {"type": "function_call_output", "call_id": "toolu_1", "output": "closed"},
            {"type": "custom_tool_call_output", "call_id": "toolu_2",
             "output": [{"type": "input_text", "text": "patched"}]},
            {"role": "user", "content": "Go on."},
        ],
        "tools": [
            {"type": "custom", "name": "apply_patch", "description": "Patches.",
             "format": {"type": "grammar", "syntax": "lark", "definition": "start: x"}},
            {"type": "namespace", "name": "agents", "description": "Agents.", "tools": [
                {"type": "function", "name": "close", "description": "Closes.", "strict": false,
                 "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}}},
            ]},
        ],
        "tool_choice": "auto",
        "parallel_tool_calls": true,
        "reasoning": {"effort": "low", "summary": "auto"},
        "include": ["reasoning.encrypted_content"],
    })
}

fn patch_parameters() -> Value {
    json!({
        "type": "object",
        "properties": {"input": {"type": "string", "description": "The whole input of the tool, as plain text."}},
        "required": ["input"],
        "additionalProperties": false,
    })
}

#[test]
fn an_agents_turn_for_anthropic() {
    let written = body(&agent(), &anthropic());
    assert_eq!(
        written["system"],
        json!([{"type": "text", "text": "Be brief."}, {"type": "text", "text": "In French."}])
    );
    assert_eq!(
        written["messages"],
        json!([
            {"role": "user", "content": [
                {"type": "text", "text": "Look."},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
            ]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "Hm.", "signature": "sig"},
                {"type": "text", "text": "I look."},
                {"type": "tool_use", "id": "toolu_1", "name": "agents__close", "input": {"a": 1}},
                {"type": "tool_use", "id": "toolu_2", "name": "apply_patch", "input": {"input": "*** Begin"}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": "closed"},
                {"type": "tool_result", "tool_use_id": "toolu_2", "content": "patched"},
                {"type": "text", "text": "Go on."},
            ]},
        ])
    );
    assert_eq!(
        written["tools"],
        json!([
            {"name": "apply_patch",
             "description": "Patches.\n\nThe input must match this lark grammar:\nstart: x",
             "input_schema": patch_parameters()},
            {"name": "agents__close", "description": "Agents.\n\nCloses.",
             "input_schema": {"type": "object", "properties": {"a": {"type": "integer"}}}},
        ])
    );
    assert_eq!(written["max_tokens"], 2000);
}

#[test]
fn an_agents_turn_for_a_server_of_chat_completions() {
    let written = body(&agent(), &target("Cerebras", "gpt-oss-120b"));
    let roles: Vec<&str> =
        written["messages"].as_array().unwrap().iter().map(|message| message["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["system", "system", "user", "assistant", "tool", "tool", "user"]);
    let assistant = &written["messages"][3];
    assert_eq!(assistant["content"], "I look.");
    assert_eq!(
        assistant["tool_calls"][1],
        json!({"id": "toolu_2", "type": "function",
               "function": {"name": "apply_patch", "arguments": "{\"input\":\"*** Begin\"}"}})
    );
    assert_eq!(written["tools"][1]["function"]["name"], "agents__close");
    assert_eq!(written["reasoning_effort"], "low");
}

#[test]
fn an_agents_turn_for_gemini() {
    let written = body(&agent(), &target("Gemini", "gemini-2.5-flash"));
    let roles: Vec<&str> =
        written["contents"].as_array().unwrap().iter().map(|content| content["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["user", "model", "user", "user"]);
    let results = &written["contents"][2]["parts"];
    assert_eq!(results[0]["functionResponse"]["name"], "agents__close");
    assert_eq!(results[1]["functionResponse"]["name"], "apply_patch");
}

#[test]
fn a_text_is_a_request() {
    let written = body(&json!({"input": "Hi", "store": false}), &anthropic());
    assert_eq!(written["messages"], json!([{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]));
}

#[test]
fn structured_output_for_each_api() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"],
                        "additionalProperties": false});
    let request = json!({"input": "Hi", "store": false, "text": {"format":
        {"type": "json_schema", "name": "answer", "schema": schema, "strict": true}}});
    let chat = body(&request, &target("Cerebras", "m"));
    assert_eq!(
        chat["response_format"],
        json!({"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": true}})
    );
    assert_eq!(body(&request, &anthropic())["output_config"]["format"]["schema"], schema);
    let gemini = body(&request, &target("Gemini", "gemini-2.5-flash"));
    assert_eq!(gemini["generationConfig"]["responseMimeType"], "application/json");
}

#[test]
fn state_and_servers_tools_are_refused_and_hints_are_named() {
    for (field, request) in [
        ("previous_response_id", json!({"input": "Hi", "previous_response_id": "resp_1"})),
        ("previous_response_id", json!({"previous_response_id": "resp_1"})),
        ("conversation", json!({"input": "Hi", "conversation": {"id": "conv_1"}})),
        ("background", json!({"input": "Hi", "background": true})),
        ("input[].type:item_reference", json!({"input": [{"id": "msg_1"}]})),
        ("tools[].type:web_search", json!({"input": "Hi", "tools": [{"type": "web_search"}]})),
        ("tools[].type:mcp", json!({"input": "Hi", "tools": [{"type": "mcp", "server_label": "m"}]})),
    ] {
        for target in [anthropic(), target("Gemini", "gemini-2.5-flash"), target("Mistral", "mistral-large")] {
            let refused = RequestError::Unsupported { field: field.to_owned(), upstream: target.api.dialect };
            assert_eq!(encoded(&request, &target), Err(refused));
        }
    }
    for (request, left_out) in [
        (json!({"input": "Hi"}), &["store"][..]),
        (json!({"input": "Hi", "store": true, "user": "u"}), &["store", "user"]),
        (json!({"input": "Hi", "store": false}), &[]),
    ] {
        assert_eq!(encoded(&request, &anthropic()).unwrap().left_out, left_out, "{request}");
    }
}

#[test]
fn mistakes_are_named_by_their_place() {
    for (path, request) in [
        ("input", json!({})),
        ("input", json!({"input": []})),
        ("input", json!({"input": 7})),
        ("input[0].role", json!({"input": [{"role": "robot", "content": "Hi"}]})),
        (
            "input[1].call_id",
            json!({"input": [{"role": "user", "content": "Hi"}, {"type": "function_call", "name": "f"}]}),
        ),
        ("input[0].content[0].text", json!({"input": [{"role": "user", "content": [{"type": "input_text"}]}]})),
        ("tools[0].name", json!({"input": "Hi", "tools": [{"type": "function"}]})),
        ("text.format.schema", json!({"input": "Hi", "text": {"format": {"type": "json_schema"}}})),
        ("reasoning.effort", json!({"input": "Hi", "reasoning": {"effort": "much"}})),
    ] {
        match decode_request(CALLER, request.as_object().unwrap(), "m", false) {
            Err(RequestError::Invalid { path: found, .. }) => assert_eq!(found, path),
            other => panic!("{path}: {other:?}"),
        }
    }
}

/// The answer of a provider, returned by the caller with its next request.
fn returned(parts: Vec<Part>, request: &Value) -> Value {
    let answer = Answer {
        id: "d1".to_owned(),
        request: request.to_string().into(),
        origin: Origin::CLAUDE,
        ..Answer::default()
    };
    let response = encode_response(CALLER, &ChatResponse { parts, ..ChatResponse::default() }, &answer);
    let mut next = request.clone();
    let input = next["input"].as_array_mut().unwrap();
    input.extend(response["output"].as_array().unwrap().iter().cloned());
    for call in response["output"].as_array().unwrap().iter().filter(|item| item["type"] == "function_call") {
        input.push(json!({"type": "function_call_output", "call_id": call["call_id"], "output": "42"}));
    }
    next
}

#[test]
fn what_a_provider_signed_comes_back_to_it_and_to_nobody_else() {
    let request = json!({"store": false, "input": [{"role": "user", "content": "Hi"}],
                         "reasoning": {"effort": "low"}, "max_output_tokens": 4000});
    let thought = Thought { text: Some("Hm.".to_owned()), signature: Some("sig".to_owned()), ..Thought::default() };
    let redacted = Thought { redacted: Some("sealed".to_owned()), ..Thought::default() };
    let call = ToolCall {
        id: "toolu_1".to_owned(),
        name: "f".to_owned(),
        arguments: "{}".to_owned(),
        signature: Some("gemini's".to_owned()),
    };
    let parts = vec![Part::Thinking(thought), Part::Thinking(redacted), Part::ToolCall(call)];
    let next = returned(parts, &request);

    let to_anthropic = body(&next, &anthropic());
    assert_eq!(
        to_anthropic["messages"][1]["content"],
        json!([
            {"type": "thinking", "thinking": "Hm.", "signature": "sig"},
            {"type": "redacted_thinking", "data": "sealed"},
            {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}},
        ])
    );
    let to_gemini = body(&next, &target("Gemini", "gemini-2.5-flash")).to_string();
    assert!(to_gemini.contains("gemini's"), "{to_gemini}");

    // A server that has the API gets what it could have written itself.
    let bytes = next.to_string().into_bytes();
    let openai = target("OpenAI", "gpt-5");
    let stripped = strip_marks_of(CALLER, &openai, &bytes).unwrap();
    let stripped: Value = serde_json::from_slice(&stripped).unwrap();
    let kinds: Vec<&Value> = stripped["input"].as_array().unwrap().iter().map(|item| &item["type"]).collect();
    assert_eq!(kinds, [&Value::Null, &json!("function_call"), &json!("function_call_output")]);
    assert_eq!(stripped["input"][1]["call_id"], "toolu_1");
    assert_eq!(stripped["input"][2]["call_id"], "toolu_1");
    assert_eq!(strip_marks_of(CALLER, &openai, stripped.to_string().as_bytes()), None);
}

#[test]
fn what_openai_encrypted_is_left_out_elsewhere_and_named() {
    let request = json!({"store": false, "input": [
        {"role": "user", "content": "Hi"},
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAAA"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "Bye"},
    ]});
    let written = encoded(&request, &anthropic()).unwrap();
    assert_eq!(written.left_out, ["input[].encrypted_content"]);
    assert!(!Value::Object(written.body).to_string().contains("gAAAAA"));
    let bytes = request.to_string().into_bytes();
    assert_eq!(strip_marks_of(CALLER, &target("OpenAI", "gpt-5"), &bytes), None);
}
