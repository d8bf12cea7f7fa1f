//! Recorded exchanges with Anthropic: all must be decoded correctly. They are not part of this repository;
//! `OUTRIGGER_CORPUS` is the folder that contains `recorded.jsonl.gz`.
#![allow(clippy::unwrap_used, clippy::print_stderr)] // The helpers here are tests too.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use flate2::read::GzDecoder;
use outrigger_llm::chat::origin::Origin;
use outrigger_llm::chat::{ChatEvent, ChatResponse, Part, Thought, ToolCall};
use outrigger_llm::format::anthropic::{request, response, stream};
use outrigger_llm::framing;
use outrigger_llm::usage::ServiceTier;
use outrigger_llm::{Answer, RequestError};
use serde_json::Value;

/// The exchanges of the messages API; `None` without a corpus.
fn recorded() -> Option<Vec<Value>> {
    let Some(folder) = std::env::var_os("OUTRIGGER_CORPUS") else {
        eprintln!("skipped: OUTRIGGER_CORPUS is not set");
        return None;
    };
    let file = File::open(Path::new(&folder).join("recorded.jsonl.gz")).unwrap();
    let lines = BufReader::new(GzDecoder::new(file)).lines();
    let all = lines.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
    let ours: Vec<Value> = all.filter(|e| e["api"] == "messages" && e["provider"] == "anthropic").collect();
    assert!(ours.len() >= 80, "{} exchanges are fewer than there were", ours.len());
    Some(ours)
}

fn place(exchange: &Value) -> String {
    format!("{} #{}", exchange["file"].as_str().unwrap_or_default(), exchange["i"])
}

fn body(exchange: &Value) -> &str {
    exchange["body"].as_str().unwrap()
}

fn split(stream: &str) -> Vec<framing::Event> {
    let stream = stream.replace("\r\n", "\n");
    let blocks = stream.split("\n\n").filter(|block| !block.trim().is_empty());
    blocks
        .map(|block| {
            let field = |name: &str| {
                block.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).collect::<Vec<_>>()
            };
            let data = field("data");
            let data = (!data.is_empty()).then(|| data.join("\n"));
            framing::Event::of(&field("event").concat(), data.as_deref())
        })
        .collect()
}

fn read(stream: &str, place: &str) -> Vec<ChatEvent> {
    let mut decoder = stream::Decoder::default();
    let mut events = Vec::new();
    for event in split(stream) {
        decoder.push(&event, &mut events).unwrap_or_else(|error| panic!("{place}: {error}"));
    }
    assert_eq!(events.last(), Some(&ChatEvent::End), "{place}");
    events
}

/// The complete answer of a stream. Text is joined, because consecutive blocks of one kind become one.
fn whole(events: &[ChatEvent]) -> ChatResponse {
    let mut answer = ChatResponse::default();
    for event in events {
        match event {
            ChatEvent::Start { id, model } => (answer.id, answer.model) = (id.clone(), model.clone()),
            ChatEvent::Text(text) => match answer.parts.last_mut() {
                Some(Part::Text(there)) => there.push_str(text),
                _ => answer.parts.push(Part::Text(text.clone())),
            },
            ChatEvent::Citation(citation) => answer.citations.push(citation.clone()),
            ChatEvent::Thinking(text) => match answer.parts.last_mut() {
                Some(Part::Thinking(Thought { text: Some(there), signature: None, .. })) => there.push_str(text),
                _ => answer.parts.push(Part::Thinking(Thought { text: Some(text.clone()), ..Thought::default() })),
            },
            ChatEvent::ThinkingSignature(signature) => match answer.parts.last_mut() {
                Some(Part::Thinking(thought)) => thought.signature = Some(signature.clone()),
                other => panic!("a signature after {other:?}"),
            },
            ChatEvent::RedactedThinking(data) => {
                answer.parts.push(Part::Thinking(Thought { redacted: Some(data.clone()), ..Thought::default() }));
            }
            ChatEvent::ToolCall { id, name, signature, .. } => answer.parts.push(Part::ToolCall(ToolCall {
                id: id.clone(),
                name: name.clone(),
                arguments: String::new(),
                signature: signature.clone(),
            })),
            ChatEvent::ToolArguments { index, fragment } => {
                let mut calls = answer.parts.iter_mut().filter_map(|part| match part {
                    Part::ToolCall(call) => Some(call),
                    _ => None,
                });
                calls.nth(*index).unwrap().arguments.push_str(fragment);
            }
            ChatEvent::Usage(usage) => answer.usage.merge(usage),
            ChatEvent::Finish { reason, stop_sequence } => {
                (answer.finish, answer.stop_sequence) = (Some(*reason), stop_sequence.clone());
            }
            ChatEvent::End => {}
            ChatEvent::Refusal(_) | ChatEvent::Media(_) | ChatEvent::Error(_) => panic!("{event:?}"),
        }
    }
    answer
}

#[test]
fn recorded_answers_survive_decoding_and_encoding() {
    let mut seen = 0;
    for exchange in recorded().unwrap_or_default() {
        if exchange["kind"] != "json" || exchange["status"] != 200 {
            continue;
        }
        let place = place(&exchange);
        let answer = response::decode(&serde_json::from_str(body(&exchange)).unwrap());
        let mut answer = answer.unwrap_or_else(|error| panic!("{place}: {error}"));
        // A translated answer does not report the service tier, because the names differ.
        assert!(answer.usage.service.take().is_none_or(|service| service == ServiceTier::Default), "{place}");
        assert!(answer.finish.is_some() && answer.usage.output.is_some(), "{place}");
        let encoded = response::encode(&answer, &Answer { origin: Origin::OWN, ..Answer::default() });
        assert_eq!(response::decode(&encoded), Ok(answer), "{place}");
        seen += 1;
    }
    eprintln!("{seen} answers");
}

#[test]
fn recorded_streams_survive_decoding_and_encoding() {
    let Some(exchanges) = recorded() else { return };
    let (mut seen, mut input, mut output, mut calls) = (0, 0, 0, 0);
    for exchange in exchanges {
        if exchange["kind"] != "sse" || exchange["status"] != 200 {
            continue;
        }
        let place = place(&exchange);
        let events = read(body(&exchange), &place);
        let mut answer = whole(&events);
        answer.usage.service = None;
        let mut encoder = stream::Encoder::new(Answer { origin: Origin::OWN, ..Answer::default() });
        let mut bytes = Vec::new();
        for event in &events {
            encoder.push(event, &mut bytes);
        }
        let mut again = whole(&read(&String::from_utf8(bytes).unwrap(), &place));
        // A cited block also has the text before it: citations come after the text.
        for (citation, before) in again.citations.iter_mut().zip(&answer.citations) {
            let (passage, cited) = (citation.passage.clone().unwrap(), before.passage.clone().unwrap());
            assert!(passage.start <= cited.start && passage.end == cited.end, "{place}: {citation:?} {before:?}");
            citation.passage = Some(cited);
        }
        assert_eq!(again, answer, "{place}");
        for part in &answer.parts {
            if let Part::ToolCall(call) = part {
                assert!(serde_json::from_str::<Value>(&call.arguments).unwrap().is_object(), "{place}");
                calls += 1;
            }
        }
        seen += 1;
        input += answer.usage.input.unwrap();
        output += answer.usage.output.unwrap();
    }
    // Computed separately from each stream's `message_delta`.
    assert_eq!((seen, input, output, calls), (13, 16259, 1429, 4));
}

#[test]
fn recorded_requests_are_read() {
    for exchange in recorded().unwrap_or_default() {
        if exchange["status"] == 400 {
            continue;
        }
        match request::decode(exchange["req"].as_object().unwrap()) {
            Ok(request) => assert!(!request.messages.is_empty() && !request.model.is_empty(), "{}", place(&exchange)),
            Err(error @ (RequestError::Invalid { .. } | RequestError::Unsupported { .. })) => {
                panic!("{}: {error}", place(&exchange));
            }
        }
    }
}
