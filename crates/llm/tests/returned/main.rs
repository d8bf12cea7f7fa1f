//! What a provider told comes back to it, exactly as it gave it, and to nobody else: conversations of three turns with
//! thinking and tools, whose provider changes at each turn, for clients of each format.
#![allow(clippy::unwrap_used)] // The helpers here are tests too.

mod bedrock;
mod clients;
mod cohere;
mod ollama;
mod providers;

use std::collections::HashSet;

use bytes::Bytes;
use clients::{CLIENTS, Client};
use outrigger_llm::chat::{JsonObject, mark, signature};
use outrigger_llm::framing::{Event, EventReader};
use outrigger_llm::passthrough::strip_marks::strip_marks;
use outrigger_llm::provider::{Api, Target, lookup};
use outrigger_llm::{
    Answer, CallerFormat, Format, StreamDecoder, StreamEncoder, decode_request, decode_response, encode_request,
    encode_response,
};
use providers::{PROVIDERS, Provider};
use serde_json::{Value, json};

fn target(provider: &Provider) -> Target<'static> {
    let target = Target::new(lookup(provider.kind).unwrap(), provider.format.dialect(), provider.model);
    assert_eq!(target.format(), provider.format, "{}", provider.kind);
    target
}

fn is_same(client: &Client, provider: &Provider) -> bool {
    client.format == provider.format.into()
}

/// The gateway's request to a provider for a client's body.
fn sent(client: &Client, body: &Value, provider: &Provider) -> Value {
    let bytes = body.to_string().into_bytes();
    let target = target(provider);
    if is_same(client, provider) {
        let bytes = strip_marks(&target, &bytes).unwrap_or(bytes);
        return serde_json::from_slice(&bytes).unwrap();
    }
    let body: JsonObject = serde_json::from_slice(&bytes).unwrap();
    let request = decode_request(client.format, &body, "m", false).unwrap();
    Value::Object(encode_request(client.format, &request, &target, None).unwrap().body)
}

fn answer_of(provider: &Provider, n: usize) -> Answer {
    // A client of Responses asks for what it must return.
    let request = Bytes::from_static(br#"{"store":false,"include":["reasoning.encrypted_content"]}"#);
    Answer { id: format!("a{n}"), origin: target(provider).origin(), request, ..Answer::default() }
}

/// The client's next request, after an answer of the provider in turn `n`.
fn take(client: &Client, body: &mut Value, provider: &Provider, n: usize, stream: bool) {
    let same = is_same(client, provider);
    if !stream {
        let answer = (provider.answer)(n);
        let answer = match same {
            true => answer,
            false => {
                let response = decode_response(provider.format, &answer).unwrap();
                encode_response(client.format, &response, &answer_of(provider, n))
            }
        };
        return (client.take)(body, &answer);
    }
    let events = (provider.events)(n);
    if same {
        return (client.take_stream)(body, &events);
    }
    let mut decoder = StreamDecoder::new(provider.format);
    let (mut decoded, mut bytes) = (Vec::new(), Vec::new());
    for event in &events {
        let event = match (provider.format, event.as_object().and_then(|event| event.iter().next())) {
            (Format::Bedrock, Some((name, data))) => Event::of(name, Some(&data.to_string())),
            _ => Event::of(event["type"].as_str().unwrap_or_default(), Some(&event.to_string())),
        };
        decoder.push(&event, &mut decoded).unwrap();
    }
    if provider.format == Format::OpenAiChat {
        decoder.push(&Event::of("", Some("[DONE]")), &mut decoded).unwrap();
    }
    let mut encoder = StreamEncoder::new(client.format, answer_of(provider, n));
    decoded.iter().for_each(|event| encoder.push(event, &mut bytes));
    let aws = client.format == Format::Bedrock.into();
    let (mut reader, mut read) = (EventReader::new(Api::of(client.format.dialect()).framing), Vec::new());
    reader.push(&Bytes::from(bytes), &mut read);
    read.extend(reader.finish());
    let data = |event: &Event| serde_json::from_str(&event.data()?).ok();
    let named = |event: &Event, data: Value| if aws { json!({event.name(): data}) } else { data };
    let told: Vec<Value> = read.iter().filter_map(|event| Some(named(event, data(event)?))).collect();
    (client.take_stream)(body, &told);
}

/// Whether a value contains an object with at least the members of `wanted`. Google's SDK writes Base64 in the other
/// alphabet.
fn holds(value: &Value, wanted: &Value) -> bool {
    match value {
        Value::Object(object) => covers(value, wanted) || object.values().any(|value| holds(value, wanted)),
        Value::Array(list) => list.iter().any(|value| holds(value, wanted)),
        _ => false,
    }
}

fn covers(value: &Value, wanted: &Value) -> bool {
    match (value, wanted) {
        (Value::Object(object), Value::Object(wanted)) => {
            wanted.iter().all(|(key, wanted)| object.get(key).is_some_and(|value| covers(value, wanted)))
        }
        (Value::Array(list), Value::Array(wanted)) => {
            list.len() == wanted.len() && list.iter().zip(wanted).all(|(value, wanted)| covers(value, wanted))
        }
        (Value::String(text), Value::String(wanted)) => standard(text) == standard(wanted),
        _ => value == wanted,
    }
}

fn standard(text: &str) -> String {
    text.replace('-', "+").replace('_', "/")
}

/// Checks the request to a provider after the turns of others.
fn check(client: &Client, provider: &Provider, body: &Value, turns: &[&Provider], case: &str) {
    let text = body.to_string();
    assert!(!text.contains(mark::MARK), "a mark is sent {case}: {text}");
    assert!(!text.contains(signature::MARK), "a packed id is sent {case}: {text}");
    // A thought in the caller's own format may stay if the server does not refuse it: whose it is cannot be known.
    let keeps = |by: &Provider| is_same(client, by) && is_same(client, provider);
    // Claude does not think in the middle of a turn that another began, and then gets no thoughts either.
    let thinks = provider.format != Format::Anthropic || turns.last().is_none_or(|by| by.family == provider.family);
    for (n, by) in turns.iter().enumerate() {
        let own = (by.own)(n);
        if by.family == provider.family {
            let of_schema = keeps(by) && client.name == "langchain-openai";
            for object in own.objects.iter().filter(|_| by.format == provider.format) {
                let lost = of_schema || !thinks && is_thought(object);
                assert!(lost || holds(body, object), "turn {n} came back without {object} {case}: {text}");
            }
            // In the provider's other format.
            for secret in own.secrets.iter().filter(|_| by.format != provider.format && thinks) {
                assert!(
                    standard(&text).contains(&standard(secret)),
                    "turn {n} came back without {secret} {case}: {text}"
                );
            }
        } else if !keeps(by) {
            for secret in own.secrets {
                assert!(!standard(&text).contains(&standard(&secret)), "{secret} of turn {n} is sent {case}: {text}");
            }
        }
    }
    check_budget(provider, body, case);
    check_calls(provider, body, turns.len(), case);
}

/// Claude refuses a thinking budget if the current turn does not begin with thinking.
fn check_budget(provider: &Provider, body: &Value, case: &str) {
    let (budget, thoughts): (_, &[&str]) = match provider.format {
        Format::Anthropic => ("/thinking", &["thinking", "redacted_thinking"]),
        Format::Bedrock => ("/additionalModelRequestFields/thinking", &["reasoningContent"]),
        _ => return,
    };
    if provider.family != "claude" || body.pointer(budget).is_none_or(|budget| budget["type"] != "enabled") {
        return;
    }
    let turns = body["messages"].as_array().unwrap();
    if let Some(current) = turns.iter().rfind(|turn| turn["role"] == "assistant") {
        let first = &current["content"][0];
        let begins = |kind: &&str| first["type"] == **kind || first.get(*kind).is_some();
        assert!(thoughts.iter().any(begins), "a thinking budget without thinking {case}: {body}");
    }
}

fn is_thought(object: &Value) -> bool {
    ["id", "toolUseId", "tool_call_id"].iter().all(|key| object.get(key).is_none())
}

/// Every call is sent, and each result finds its call.
fn check_calls(provider: &Provider, body: &Value, turns: usize, case: &str) {
    let mut calls = Vec::new();
    let mut results = Vec::new();
    walk(body, &mut |object| {
        let id = |key: &str| object.get(key).and_then(Value::as_str).map(str::to_owned);
        match object.get("type").and_then(Value::as_str) {
            Some("function") if object.contains_key("id") => calls.extend(id("id")),
            Some("tool_use") => calls.extend(id("id")),
            // Ollama's have no type.
            None if object.contains_key("function") => calls.extend(id("id")),
            _ => {}
        }
        results.extend(id("tool_call_id").or(id("tool_use_id")));
        let inside = |key: &str, id: &str| object.get(key).and_then(|call| call[id].as_str()).map(str::to_owned);
        calls.extend(inside("functionCall", "id").or(inside("toolUse", "toolUseId")));
        results.extend(inside("functionResponse", "id").or(inside("toolResult", "toolUseId")));
    });
    assert_eq!(calls.len(), turns, "every call is sent {case}: {body}");
    assert_eq!(calls, results, "each result finds its call {case}");
    assert_eq!(calls.iter().collect::<HashSet<_>>().len(), turns, "{case}: {calls:?}");
    let fits: fn(&str) -> bool = match (provider.format, provider.kind) {
        (Format::OpenAiChat, "Mistral") => |id| id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()),
        (Format::OpenAiChat, _) => |id| id.len() <= 40,
        (Format::Anthropic | Format::Bedrock, _) => {
            |id| id.len() <= 64 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
        }
        _ => |_| true,
    };
    for id in &calls {
        assert!(fits(id), "{case}: {id}");
    }
}

fn walk(value: &Value, each: &mut impl FnMut(&JsonObject)) {
    match value {
        Value::Object(object) => {
            each(object);
            object.values().for_each(|value| walk(value, each));
        }
        Value::Array(list) => list.iter().for_each(|value| walk(value, each)),
        _ => {}
    }
}

#[test]
fn what_a_provider_told_comes_back_to_it_and_to_nobody_else() {
    std::thread::scope(|threads| {
        for client in CLIENTS {
            threads.spawn(|| {
                for stream in [false, true] {
                    let mut conversations = 0;
                    go_on(client, &(client.first)(), stream, &mut Vec::new(), &mut conversations);
                    assert_eq!(conversations, PROVIDERS.len().pow(TURNS), "{}", client.name);
                }
            });
        }
    });
}

const TURNS: u32 = 3;

/// Goes on with a conversation, once with each provider.
fn go_on(client: &Client, body: &Value, stream: bool, turns: &mut Vec<&'static Provider>, conversations: &mut usize) {
    for provider in PROVIDERS {
        let kinds: Vec<&str> = turns.iter().map(|provider| provider.kind).collect();
        let how = if stream { "streamed" } else { "whole" };
        let case = format!("to {} by {}, {how}, after {kinds:?}", provider.kind, client.name);
        check(client, provider, &sent(client, body, provider), turns, &case);
        if turns.len() + 1 == TURNS as usize {
            *conversations += 1;
            continue;
        }
        let mut next = body.clone();
        take(client, &mut next, provider, turns.len(), stream);
        turns.push(provider);
        go_on(client, &next, stream, turns, conversations);
        turns.pop();
    }
}

/// A new format needs a row in both tables.
#[test]
fn every_format_has_a_provider_and_a_client() {
    for format in Format::ALL {
        assert!(PROVIDERS.iter().any(|provider| provider.format == format), "no provider with {format:?}");
    }
    // A prompt has no turns.
    for format in CallerFormat::all().filter(|format| *format != CallerFormat::OllamaGenerate) {
        assert!(CLIENTS.iter().any(|client| client.format == format), "no client with {format:?}");
    }
}
