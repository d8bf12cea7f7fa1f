//! Conversations whose provider changes at each turn, for callers of each dialect: each upstream gets only what it
//! would accept.
#![allow(clippy::unwrap_used)] // The helpers here are tests too.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use outrigger_llm::Dialect::{self, Anthropic, Bedrock, Cohere, Gemini, OpenAi};
use outrigger_llm::chat::{JsonObject, mark, signature};
use outrigger_llm::passthrough::strip_marks::strip_marks;
use outrigger_llm::provider::Target;
use outrigger_llm::{Answer, decode_request, decode_response, encode_request, encode_response};
use serde_json::{Value, json};

fn model(dialect: Dialect) -> &'static str {
    match dialect {
        OpenAi => "gpt-5",
        Anthropic => "claude-sonnet-4-5",
        Gemini => "gemini-3-pro-preview",
        Bedrock => "us.amazon.nova-2-lite-v1:0",
        Cohere => "command-a-plus-05-2026",
    }
}

/// An upstream's answer in turn `n`: thinking, in its own form, and a tool call.
fn answer(upstream: Dialect, n: usize) -> Value {
    match upstream {
        OpenAi => json!({"id": format!("chatcmpl-{n}"), "model": "gpt-5", "choices": [{
            "index": 0, "finish_reason": "tool_calls",
            "message": {"role": "assistant", "content": null, "reasoning_content": "hm", "tool_calls": [
                {"id": format!("call_{n}Zr5"), "type": "function", "function": {"name": "look", "arguments": "{\"at\":1}"}},
            ]},
        }]}),
        Anthropic => json!({"id": format!("msg_{n}"), "type": "message", "role": "assistant", "model": "claude",
            "stop_reason": "tool_use", "content": [
                {"type": "thinking", "thinking": format!("hm {n}"), "signature": anthropic_signature(n)},
                {"type": "tool_use", "id": format!("toolu_01{n}"), "name": "look", "input": {"at": 1}},
            ], "usage": {"input_tokens": 1, "output_tokens": 1}}),
        Gemini => json!({"responseId": format!("r{n}"), "modelVersion": "gemini", "candidates": [{
            "index": 0, "finishReason": "STOP", "content": {"role": "model", "parts": [
                {"text": "hm", "thought": true},
                {"functionCall": {"name": "look", "args": {"at": 1}}, "thoughtSignature": gemini_signature(n)},
            ]},
        }]}),
        Bedrock => json!({"output": {"message": {"role": "assistant", "content": [
            {"reasoningContent": {"reasoningText": {"text": format!("hm {n}")}}},
            {"toolUse": {"toolUseId": format!("tooluse_{n}"), "name": "look", "input": {"at": 1}}},
        ]}}, "stopReason": "tool_use", "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}}),
        Cohere => json!({"id": format!("c{n}"), "finish_reason": "TOOL_CALL", "message": {"role": "assistant",
        "content": [{"type": "thinking", "thinking": format!("hm {n}")}], "tool_calls": [
            {"id": format!("look_{n}"), "type": "function", "function": {"name": "look", "arguments": "{\"at\":1}"}},
        ]}}),
    }
}

fn anthropic_signature(n: usize) -> String {
    STANDARD.encode(format!("anthropic {n} {}", "\u{7f}".repeat(90)))
}

fn gemini_signature(n: usize) -> String {
    STANDARD.encode(format!("gemini {n} {}", "?>".repeat(90)))
}

/// A client: what it sends, turn by turn, without knowledge of the gateway.
struct Client {
    dialect: Dialect,
    body: Value,
    /// Whether it keeps only the fields of OpenAI's schema, as LangChain does.
    forgetful: bool,
}

impl Client {
    fn new(dialect: Dialect, forgetful: bool) -> Self {
        let schema = json!({"type": "object", "properties": {"at": {"type": "integer"}}});
        let body = match dialect {
            OpenAi => json!({"model": "m", "reasoning_effort": "low", "messages": [{"role": "user", "content": "q"}],
                "tools": [{"type": "function", "function": {"name": "look", "parameters": schema}}]}),
            Anthropic => {
                json!({"model": "m", "max_tokens": 4000, "thinking": {"type": "enabled", "budget_tokens": 2000},
                "messages": [{"role": "user", "content": "q"}], "tools": [{"name": "look", "input_schema": schema}]})
            }
            Gemini => json!({"contents": [{"role": "user", "parts": [{"text": "q"}]}],
                "generationConfig": {"thinkingConfig": {"thinkingLevel": "LOW"}},
                "tools": [{"functionDeclarations": [{"name": "look", "parametersJsonSchema": schema}]}]}),
            Bedrock => json!({"messages": [{"role": "user", "content": [{"text": "q"}]}],
                "inferenceConfig": {"maxTokens": 4000},
                "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 2000}},
                "toolConfig": {"tools": [{"toolSpec": {"name": "look", "inputSchema": {"json": schema}}}]}}),
            Cohere => json!({"model": "m", "thinking": {"type": "enabled", "token_budget": 2000},
                "messages": [{"role": "user", "content": "q"}],
                "tools": [{"type": "function", "function": {"name": "look", "parameters": schema}}]}),
        };
        Client { dialect, body, forgetful }
    }

    /// Adds an answer to the conversation, and answers its call.
    fn take(&mut self, answer: &Value) {
        match self.dialect {
            OpenAi => {
                let mut message = answer["choices"][0]["message"].clone();
                if self.forgetful {
                    message
                        .as_object_mut()
                        .unwrap()
                        .retain(|key, _| ["role", "content", "tool_calls"].contains(&key.as_str()));
                    for call in message["tool_calls"].as_array_mut().unwrap() {
                        call.as_object_mut()
                            .unwrap()
                            .retain(|key, _| ["id", "type", "function"].contains(&key.as_str()));
                    }
                }
                let id = message["tool_calls"][0]["id"].clone();
                let messages = self.body["messages"].as_array_mut().unwrap();
                messages.extend([message, json!({"role": "tool", "tool_call_id": id, "content": "a cat"})]);
            }
            Cohere => {
                let message = answer["message"].clone();
                let id = message["tool_calls"][0]["id"].clone();
                let messages = self.body["messages"].as_array_mut().unwrap();
                messages.extend([message, json!({"role": "tool", "tool_call_id": id, "content": "a cat"})]);
            }
            Anthropic => {
                let content = answer["content"].clone();
                let id =
                    content.as_array().unwrap().iter().find(|block| block["type"] == "tool_use").unwrap()["id"].clone();
                let result = json!({"type": "tool_result", "tool_use_id": id, "content": "a cat"});
                let messages = self.body["messages"].as_array_mut().unwrap();
                messages.extend([
                    json!({"role": "assistant", "content": content}),
                    json!({"role": "user", "content": [result]}),
                ]);
            }
            Gemini => {
                let mut content = answer["candidates"][0]["content"].clone();
                let mut called = Value::Null;
                for part in content["parts"].as_array_mut().unwrap() {
                    // Google's SDK stores signatures as bytes, and writes them in the other alphabet.
                    if let Some(signature) = part.get_mut("thoughtSignature") {
                        *signature = json!(URL_SAFE.encode(STANDARD.decode(signature.as_str().unwrap()).unwrap()));
                    }
                    if let Some(call) = part.get("functionCall") {
                        called = json!({"name": "look", "response": {"result": "a cat"}});
                        if let Some(id) = call.get("id") {
                            called["id"] = id.clone();
                        }
                    }
                }
                let turns = self.body["contents"].as_array_mut().unwrap();
                turns.extend([content, json!({"role": "user", "parts": [{"functionResponse": called}]})]);
            }
            Bedrock => {
                let message = answer["output"]["message"].clone();
                let blocks = message["content"].as_array().unwrap();
                let id = blocks.iter().find_map(|block| block.get("toolUse")).unwrap()["toolUseId"].clone();
                let result = json!({"toolResult": {"toolUseId": id, "content": [{"text": "a cat"}]}});
                let messages = self.body["messages"].as_array_mut().unwrap();
                messages.extend([message, json!({"role": "user", "content": [result]})]);
            }
        }
    }
}

/// The gateway's request to an upstream for a client's body.
fn sent(caller: Dialect, body: &Value, upstream: Dialect) -> Value {
    let bytes = body.to_string().into_bytes();
    if caller == upstream {
        let bytes = strip_marks(&Target::vendor(caller, model(upstream)), &bytes).unwrap_or(bytes);
        return serde_json::from_slice(&bytes).unwrap();
    }
    let body: JsonObject = serde_json::from_slice(&bytes).unwrap();
    let request = decode_request(caller.format(), &body, "m", false).unwrap();
    let target = Target::vendor(upstream, model(upstream));
    Value::Object(encode_request(caller.format(), &request, &target, None).unwrap().body)
}

/// Checks a body as its provider would. `turns`: which providers answered so far.
fn check(upstream: Dialect, body: &Value, turns: &[Dialect], case: &str) {
    let text = body.to_string();
    assert!(!text.contains(mark::MARK), "a mark reaches {upstream} {case}: {text}");
    assert!(!text.contains(signature::MARK), "a packed id reaches {upstream} {case}: {text}");
    let answered = |dialect: Dialect| turns.iter().enumerate().filter(move |(_, by)| **by == dialect).map(|(n, _)| n);
    let same = |signature: &str| signature.replace('-', "+").replace('_', "/");
    let mut open = HashSet::new();
    let mut calls = 0;
    match upstream {
        OpenAi => {
            for message in body["messages"].as_array().unwrap() {
                for call in message["tool_calls"].as_array().into_iter().flatten() {
                    calls += 1;
                    let id = call["id"].as_str().unwrap();
                    assert!(id.len() <= 40, "{case}: {id}");
                    assert!(call.get("extra_content").is_none(), "{case}: {call}");
                    assert!(open.insert(id.to_owned()), "{case}: {id} twice");
                }
                if message["role"] == "tool" {
                    assert!(open.contains(message["tool_call_id"].as_str().unwrap()), "{case}: {message}");
                }
            }
        }
        Cohere => {
            for message in body["messages"].as_array().unwrap() {
                for call in message["tool_calls"].as_array().into_iter().flatten() {
                    calls += 1;
                    assert!(open.insert(call["id"].as_str().unwrap().to_owned()), "{case}: {call} twice");
                }
                if message["role"] == "tool" {
                    assert!(open.contains(message["tool_call_id"].as_str().unwrap()), "{case}: {message}");
                }
            }
        }
        Anthropic => {
            let own: HashSet<String> = answered(Anthropic).map(anthropic_signature).collect();
            for block in body["messages"].as_array().unwrap().iter().flat_map(|m| m["content"].as_array()).flatten() {
                match block["type"].as_str().unwrap() {
                    "thinking" => assert!(own.contains(block["signature"].as_str().unwrap()), "{case}: {block}"),
                    "tool_use" => {
                        calls += 1;
                        let id = block["id"].as_str().unwrap();
                        assert!(id.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b)), "{case}: {id}");
                        assert!(open.insert(id.to_owned()), "{case}: {id} twice");
                    }
                    "tool_result" => assert!(open.contains(block["tool_use_id"].as_str().unwrap()), "{case}: {block}"),
                    _ => {}
                }
            }
            // A thinking budget requires thinking at the beginning of the current turn.
            if body["thinking"]["type"] == "enabled" && !turns.is_empty() {
                let messages = body["messages"].as_array().unwrap();
                assert_eq!(messages[messages.len() - 2]["content"][0]["type"], "thinking", "{case}: {text}");
            }
        }
        Gemini => {
            let own: HashSet<String> = answered(Gemini).map(gemini_signature).collect();
            let mut signed = HashSet::new();
            for part in body["contents"].as_array().unwrap().iter().flat_map(|c| c["parts"].as_array()).flatten() {
                let signature = part["thoughtSignature"].as_str().map(same);
                if let Some(signature) = signature.as_deref().filter(|s| *s != "skip/thought/signature/validator") {
                    assert!(own.contains(signature), "{case}: {part}");
                    signed.insert(signature.to_owned());
                }
                if let Some(call) = part.get("functionCall") {
                    calls += 1;
                    assert!(signature.is_some(), "Gemini 3 refuses a call without a signature {case}: {part}");
                    open.insert(call["id"].as_str().unwrap_or_default().to_owned());
                }
                if let Some(response) = part.get("functionResponse") {
                    assert!(open.contains(response["id"].as_str().unwrap_or_default()), "{case}: {part}");
                }
            }
            assert_eq!(signed, own, "Gemini's own signatures come back {case}");
        }
        Bedrock => {
            for block in body["messages"].as_array().unwrap().iter().flat_map(|m| m["content"].as_array()).flatten() {
                if let Some(thought) = block.pointer("/reasoningContent/reasoningText") {
                    // Nova signs nothing.
                    assert!(thought.get("signature").is_none(), "{case}: {block}");
                }
                if let Some(call) = block.get("toolUse") {
                    calls += 1;
                    let id = call["toolUseId"].as_str().unwrap();
                    assert!(id.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b)), "{case}: {id}");
                    assert!(id.len() <= 64 && open.insert(id.to_owned()), "{case}: {id}");
                }
                if let Some(result) = block.get("toolResult") {
                    assert!(open.contains(result["toolUseId"].as_str().unwrap()), "{case}: {block}");
                }
            }
        }
    }
    assert_eq!(calls, turns.len(), "every call is sent {case}: {text}");
}

#[test]
fn each_of_three_turns_has_another_provider() {
    for caller in Dialect::ALL {
        for route in routes() {
            for forgetful in [false, true] {
                let mut client = Client::new(caller, forgetful);
                for (n, upstream) in route.into_iter().enumerate() {
                    let case = format!("in turn {n} of {caller} by {route:?}");
                    check(upstream, &sent(caller, &client.body, upstream), &route[..n], &case);
                    let mut answer_body = answer(upstream, n);
                    if caller != upstream {
                        let response = decode_response(upstream.format(), &answer_body).unwrap();
                        answer_body = encode_response(
                            caller.format(),
                            &response,
                            &Answer { id: "a".into(), ..Answer::default() },
                        );
                    }
                    client.take(&answer_body);
                }
            }
        }
    }
}

/// Anthropic's signed thinking returns to Anthropic, through every dialect that can keep it.
#[test]
fn signed_thinking_returns_to_its_provider() {
    for (caller, comes_back) in [(OpenAi, false), (Anthropic, true), (Gemini, true), (Bedrock, true), (Cohere, false)] {
        let mut client = Client::new(caller, false);
        let mut answer_body = answer(Anthropic, 0);
        if caller != Anthropic {
            answer_body = encode_response(
                caller.format(),
                &decode_response(Anthropic.format(), &answer_body).unwrap(),
                &Answer::default(),
            );
        }
        client.take(&answer_body);
        let body = sent(caller, &client.body, Anthropic).to_string();
        assert_eq!(body.contains(&anthropic_signature(0)) && body.contains("hm 0"), comes_back, "{caller}: {body}");
    }
}

fn routes() -> impl Iterator<Item = [Dialect; 3]> {
    let all = Dialect::ALL.len();
    (0..all.pow(3)).map(move |n| [n / all / all, n / all % all, n % all].map(|place| Dialect::ALL[place]))
}
