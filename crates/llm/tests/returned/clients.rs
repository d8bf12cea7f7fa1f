//! Clients, as their SDKs build a conversation: what they return of an answer in the next request.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use outrigger_llm::{CallerFormat, Format};
use serde_json::{Map, Value, json};

use crate::{bedrock, cohere, ollama};

/// A client without knowledge of the gateway.
pub struct Client {
    pub name: &'static str,
    pub format: CallerFormat,
    /// The first request.
    pub first: fn() -> Value,
    /// Adds a whole answer to the conversation, and the result of its call.
    pub take: fn(&mut Value, &Value),
    /// Adds a streamed answer, of which these are the events' data.
    pub take_stream: fn(&mut Value, &[Value]),
}

/// At least one client of each format.
pub const CLIENTS: &[Client] = &[
    Client {
        name: "openai-python",
        format: CallerFormat::Common(Format::OpenAiChat),
        first: openai,
        take: |body, answer| openai_take(body, answer["choices"][0]["message"].clone()),
        take_stream: |body, events| openai_take(body, joined(events)),
    },
    Client {
        // It keeps only the fields of OpenAI's schema.
        name: "langchain-openai",
        format: CallerFormat::Common(Format::OpenAiChat),
        first: openai,
        take: |body, answer| openai_take(body, of_schema(answer["choices"][0]["message"].clone())),
        take_stream: |body, events| openai_take(body, of_schema(joined(events))),
    },
    Client {
        name: "anthropic",
        format: CallerFormat::Common(Format::Anthropic),
        first: || {
            json!({"model": "m", "max_tokens": 4000, "thinking": {"type": "enabled", "budget_tokens": 2000},
                "messages": [{"role": "user", "content": "q"}], "tools": [{"name": "look", "input_schema": schema()}]})
        },
        take: |body, answer| anthropic_take(body, answer["content"].clone()),
        take_stream: |body, events| anthropic_take(body, blocks(events)),
    },
    Client {
        name: "google-genai",
        format: CallerFormat::Common(Format::Gemini),
        first: || {
            json!({"contents": [{"role": "user", "parts": [{"text": "q"}]}],
                "generationConfig": {"thinkingConfig": {"thinkingLevel": "LOW"}},
                "tools": [{"functionDeclarations": [{"name": "look", "parametersJsonSchema": schema()}]}]})
        },
        take: |body, answer| gemini_take(body, std::slice::from_ref(answer)),
        take_stream: gemini_take,
    },
    Client {
        // openai-agents and Codex return the items of an answer.
        name: "openai-responses",
        format: CallerFormat::OpenAiResponses,
        first: || {
            json!({"model": "m", "store": false, "include": ["reasoning.encrypted_content"],
                "reasoning": {"effort": "low"}, "input": [{"role": "user", "content": "q"}],
                "tools": [{"type": "function", "name": "look", "parameters": schema()}]})
        },
        take: |body, answer| responses_take(body, answer["output"].clone()),
        take_stream: |body, events| {
            let items = events.iter().filter(|event| event["type"] == "response.output_item.done");
            responses_take(body, items.map(|event| event["item"].clone()).collect());
        },
    },
    Client {
        name: "boto3",
        format: CallerFormat::Common(Format::Bedrock),
        first: bedrock::first,
        take: |body, answer| bedrock::take(body, answer["output"]["message"].clone()),
        take_stream: |body, events| bedrock::take(body, bedrock::joined(events)),
    },
    Client {
        name: "cohere",
        format: CallerFormat::Common(Format::Cohere),
        first: cohere::first,
        take: |body, answer| cohere::take(body, answer["message"].clone()),
        take_stream: |body, events| cohere::take(body, cohere::joined(events)),
    },
    Client {
        name: "ollama",
        format: CallerFormat::Common(Format::Ollama),
        first: ollama::first,
        take: |body, answer| ollama::take(body, answer["message"].clone()),
        take_stream: |body, lines| ollama::take(body, ollama::joined(lines)),
    },
];

pub fn schema() -> Value {
    json!({"type": "object", "properties": {"at": {"type": "integer"}}})
}

fn openai() -> Value {
    json!({"model": "m", "reasoning_effort": "low", "messages": [{"role": "user", "content": "q"}],
        "tools": [{"type": "function", "function": {"name": "look", "parameters": schema()}}]})
}

fn openai_take(body: &mut Value, message: Value) {
    let id = message["tool_calls"][0]["id"].clone();
    let messages = body["messages"].as_array_mut().unwrap();
    messages.extend([message, json!({"role": "tool", "tool_call_id": id, "content": "a cat"})]);
}

/// The message of a stream, with fields that the SDK does not know.
fn joined(events: &[Value]) -> Value {
    let mut message = json!({"role": "assistant", "content": null});
    for event in events {
        let Some(delta) = event["choices"][0]["delta"].as_object() else { continue };
        join(message.as_object_mut().unwrap(), delta);
    }
    for call in message["tool_calls"].as_array_mut().into_iter().flatten() {
        call.as_object_mut().unwrap().shift_remove("index");
    }
    message
}

/// Texts are joined, and lists by the index of their elements.
fn join(into: &mut Map<String, Value>, delta: &Map<String, Value>) {
    for (key, value) in delta {
        match (into.get_mut(key), value) {
            (Some(Value::String(text)), Value::String(more)) if !["role", "type", "format"].contains(&key.as_str()) => {
                text.push_str(more);
            }
            (Some(Value::Array(list)), Value::Array(more)) => {
                for element in more {
                    // Mistral's own SDK joins the texts.
                    if let (Some(last), true) = (list.last_mut(), element["type"] == "thinking")
                        && let Some(text) = element["thinking"][0]["text"].as_str()
                    {
                        let so_far = last["thinking"][0]["text"].as_str().unwrap().to_owned();
                        last["thinking"][0]["text"] = json!(so_far + text);
                        continue;
                    }
                    let same =
                        |other: &&mut Value| element.get("index").is_some() && other["index"] == element["index"];
                    match (list.iter_mut().find(same), element) {
                        (Some(Value::Object(known)), Value::Object(element)) => join(known, element),
                        _ => list.push(element.clone()),
                    }
                }
            }
            (Some(Value::Object(known)), Value::Object(more)) => join(known, more),
            (_, value) => drop(into.insert(key.clone(), value.clone())),
        }
    }
}

fn of_schema(mut message: Value) -> Value {
    let retain = |value: &mut Value, known: &[&str]| {
        value.as_object_mut().unwrap().retain(|key, _| known.contains(&key.as_str()));
    };
    retain(&mut message, &["role", "content", "tool_calls"]);
    for call in message["tool_calls"].as_array_mut().unwrap() {
        retain(call, &["id", "type", "function"]);
    }
    message
}

fn responses_take(body: &mut Value, items: Value) {
    let items = items.as_array().unwrap();
    let call = items.iter().find(|item| item["type"] == "function_call").unwrap();
    let result = json!({"type": "function_call_output", "call_id": call["call_id"], "output": "a cat"});
    let input = body["input"].as_array_mut().unwrap();
    input.extend(items.iter().cloned());
    input.push(result);
}

fn anthropic_take(body: &mut Value, content: Value) {
    let call = content.as_array().unwrap().iter().find(|block| block["type"] == "tool_use").unwrap();
    let result = json!({"type": "tool_result", "tool_use_id": call["id"], "content": "a cat"});
    let messages = body["messages"].as_array_mut().unwrap();
    messages.extend([json!({"role": "assistant", "content": content}), json!({"role": "user", "content": [result]})]);
}

/// The blocks of a stream, as the SDK accumulates them.
fn blocks(events: &[Value]) -> Value {
    let mut blocks: Vec<Value> = Vec::new();
    let mut input = String::new();
    for event in events {
        match event["type"].as_str().unwrap() {
            "content_block_start" => {
                assert_eq!(event["index"], blocks.len());
                blocks.push(event["content_block"].clone());
            }
            "content_block_delta" => {
                let block = blocks.last_mut().unwrap();
                let delta = event["delta"].as_object().unwrap();
                for (key, value) in delta.iter().filter(|(key, _)| *key != "type") {
                    match key.as_str() {
                        "partial_json" => input.push_str(value.as_str().unwrap()),
                        "signature" => block["signature"] = value.clone(),
                        _ => block[key] = json!(format!("{}{}", block[key].as_str().unwrap(), value.as_str().unwrap())),
                    }
                }
            }
            "content_block_stop" if !input.is_empty() => {
                blocks.last_mut().unwrap()["input"] = serde_json::from_str(&std::mem::take(&mut input)).unwrap();
            }
            _ => {}
        }
    }
    Value::Array(blocks)
}

/// Google's SDK returns each chunk of a stream as a turn of its own, stores signatures as bytes and writes them in the
/// other alphabet.
fn gemini_take(body: &mut Value, chunks: &[Value]) {
    let turns = body["contents"].as_array_mut().unwrap();
    let mut called = Value::Null;
    for chunk in chunks {
        let mut content = chunk["candidates"][0]["content"].clone();
        for part in content["parts"].as_array_mut().unwrap() {
            if let Some(signature) = part.get_mut("thoughtSignature") {
                *signature = json!(URL_SAFE.encode(STANDARD.decode(signature.as_str().unwrap()).unwrap()));
            }
            if let Some(call) = part.get("functionCall") {
                called = json!({"name": "look", "response": {"result": "a cat"}, "id": call["id"]});
            }
        }
        turns.push(content);
    }
    turns.push(json!({"role": "user", "parts": [{"functionResponse": called}]}));
}
