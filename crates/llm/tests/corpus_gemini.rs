//! Every recorded exchange of the Gemini API and Vertex AI, and unusual cases from Firebase.
//!
//! They are read from `OUTRIGGER_CORPUS`; if it is unset, nothing is tested and a line says so.

// Tests may panic, and print a line if they are skipped.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;

use flate2::read::GzDecoder;
use outrigger_llm::chat::origin::Origin;
use outrigger_llm::chat::{ChatEvent, JsonObject};
use outrigger_llm::embeddings::{self, AnswerForm};
use outrigger_llm::format::gemini;
use outrigger_llm::framing;
use outrigger_llm::operation::find;
use outrigger_llm::provider::Target;
use outrigger_llm::{Answer, Dialect, Format, RequestError, StreamDecoder, StreamEncoder};
use serde_json::Value;

fn corpus(test: &str) -> Option<PathBuf> {
    let path = std::env::var_os("OUTRIGGER_CORPUS").map(PathBuf::from);
    if path.is_none() {
        println!("{test}: skipped, OUTRIGGER_CORPUS is not set");
    }
    path
}

/// Splits a recorded stream by hand: the reader has its own tests.
fn events(body: &str) -> Vec<framing::Event> {
    let body = body.replace("\r\n", "\n");
    body.split("\n\n")
        .filter(|block| !block.trim().is_empty())
        .map(|block| {
            let data: Vec<&str> =
                block.lines().filter_map(|line| line.strip_prefix("data:")).map(|data| data.trim_start()).collect();
            framing::Event::of("", (!data.is_empty()).then(|| data.join("\n")).as_deref())
        })
        .collect()
}

fn decode_stream(body: &str) -> Result<Vec<ChatEvent>, String> {
    let (mut decoder, mut out) = (StreamDecoder::new(Format::Gemini), Vec::new());
    for event in events(body) {
        decoder.push(&event, &mut out).map_err(|error| error.to_string())?;
    }
    Ok(out)
}

/// The content of a stream: joined pieces, the last usage, the finish.
fn gathered(events: &[ChatEvent]) -> Vec<ChatEvent> {
    let mut out: Vec<ChatEvent> = Vec::new();
    let mut usage = outrigger_llm::usage::Usage::default();
    let mut ended = false;
    for event in events {
        match (out.last_mut(), event) {
            (Some(ChatEvent::Text(text)), ChatEvent::Text(more))
            | (Some(ChatEvent::Thinking(text)), ChatEvent::Thinking(more)) => {
                text.push_str(more);
            }
            (_, ChatEvent::Usage(later)) if !ended => usage.merge(later),
            (_, ChatEvent::Usage(_)) => {}
            (_, event) => {
                ended |= *event == ChatEvent::End;
                out.push(event.clone());
            }
        }
    }
    if let Some(ChatEvent::Start { id, model }) = out.first_mut() {
        *id = Some(id.clone().unwrap_or_default());
        *model = Some(model.clone().unwrap_or_default());
    }
    out.push(ChatEvent::Usage(usage));
    out
}

fn assert_stream_survives(name: &str, events: &[ChatEvent]) {
    let (mut encoder, mut bytes) =
        (StreamEncoder::new(Format::Gemini, Answer { origin: Origin::OWN, ..Answer::default() }), Vec::new());
    for event in events {
        encoder.push(event, &mut bytes);
    }
    let again = decode_stream(&String::from_utf8(bytes).unwrap()).unwrap_or_else(|error| panic!("{name}: {error}"));
    let mut expected = gathered(events);
    if events.iter().any(|event| matches!(event, ChatEvent::Error(_))) {
        // An error ends the stream without a last chunk, which would contain the usage.
        expected.pop();
        expected.push(ChatEvent::Usage(outrigger_llm::usage::Usage::default()));
    }
    // The service tier is not translated.
    if let Some(ChatEvent::Usage(usage)) = expected.last_mut() {
        usage.service = None;
    }
    assert_eq!(gathered(&again), expected, "{name}");
}

fn assert_answer_survives(name: &str, body: &Value) {
    let mut response = gemini::response::decode(body).unwrap_or_else(|error| panic!("{name}: {error}"));
    response.usage.service = None;
    let encoded = gemini::response::encode(&response, &Answer { origin: Origin::OWN, ..Answer::default() });
    assert_eq!(gemini::response::decode(&encoded), Ok(response), "{name}");
}

#[test]
fn recorded_exchanges_are_read() {
    let Some(corpus) = corpus("recorded_exchanges_are_read") else { return };
    let file = File::open(corpus.join("recorded.jsonl.gz")).unwrap();
    let (mut answers, mut streams, mut requests) = (0, 0, 0);
    for line in BufReader::new(GzDecoder::new(file)).lines() {
        let row: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let field = |name: &str| row[name].as_str().unwrap_or_default();
        let api = field("api");
        if !matches!(field("provider"), "gemini" | "vertex")
            || !matches!(api, "generateContent" | "streamGenerateContent")
        {
            continue;
        }
        let name = format!("{} {} {}", field("src"), field("file"), row["i"]);
        let request: JsonObject = serde_json::from_value(row["req"].clone()).unwrap();
        match gemini::request::decode(&request) {
            Ok(request) => {
                requests += 1;
                // A request that was encoded for Gemini can be encoded again; the model is any that accepts all of it.
                match gemini::request::encode(&request, &Target::vendor(Dialect::Gemini, "gemini-3-flash"), None) {
                    Ok(encoded) => {
                        let again = gemini::request::decode(&encoded.body);
                        again.unwrap_or_else(|error| panic!("{name}: decoded again: {error}"));
                    }
                    Err(RequestError::Unsupported { .. }) => {}
                    Err(error) => panic!("{name}: {error}"),
                }
            }
            Err(error) => assert_eq!(row["status"], 400, "{name}: {error}"),
        }
        if row["status"] != 200 {
            let body: Value = serde_json::from_str(field("body")).unwrap();
            gemini::response::decode(&body).expect_err(&name);
        } else if field("kind") == "sse" {
            let events = decode_stream(field("body")).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(events.iter().filter(|event| **event == ChatEvent::End).count(), 1, "{name}");
            assert_stream_survives(&name, &events);
            streams += 1;
        } else {
            let body: Value = serde_json::from_str(field("body")).unwrap();
            assert_answer_survives(&name, &body);
            answers += 1;
        }
    }
    println!("read {requests} requests, {answers} answers, {streams} streams");
    assert!(requests > 100 && answers > 100 && streams > 10, "{requests} {answers} {streams}");
}

#[test]
fn recorded_embeddings_survive_translation_and_back() {
    let Some(corpus) = corpus("recorded_embeddings_survive_translation_and_back") else { return };
    let file = File::open(corpus.join("recorded.jsonl.gz")).unwrap();
    let (mut all, mut crossed) = (0, 0);
    for line in BufReader::new(GzDecoder::new(file)).lines() {
        let row: Value = serde_json::from_str(&line.unwrap()).unwrap();
        if row["provider"] != "gemini" || row["api"] != "batchEmbedContents" || row["status"] != 200 {
            continue;
        }
        let request: JsonObject = serde_json::from_value(row["req"].clone()).unwrap();
        let operation = find("POST", "/v1beta/models/m:batchEmbedContents").unwrap().operation;
        let read = embeddings::decode_request(operation, &request).unwrap();
        let target = Target::vendor(Dialect::OpenAi, "m");
        match embeddings::encode_request(Dialect::Gemini, &read, &target) {
            Ok(converted) => {
                let inputs = converted.body["input"].as_array().map(Vec::len);
                assert_eq!(inputs, row["req"]["requests"].as_array().map(Vec::len), "{}", row["file"]);
                crossed += 1;
            }
            // OpenAI has no embeddings of images.
            Err(error) => assert!(error.to_string().contains("parts[].inlineData"), "{}: {error}", row["file"]),
        }
        let answer: Value = serde_json::from_str(row["body"].as_str().unwrap()).unwrap();
        let there_and_back = |form: AnswerForm| {
            let read = embeddings::decode_answer(Dialect::Gemini, answer.clone()).unwrap();
            let told = embeddings::encode_answer(Dialect::OpenAi, read, form, "m", "r").unwrap();
            let read = embeddings::decode_answer(Dialect::OpenAi, told).unwrap();
            embeddings::encode_answer(Dialect::Gemini, read, AnswerForm::default(), "m", "r").unwrap()
        };
        let again = there_and_back(AnswerForm::default());
        assert_eq!(again["embeddings"], answer["embeddings"], "{}", row["file"]);
        let again = there_and_back(AnswerForm { float: false, base64: true, batch: true });
        let first = |body: &Value| body.pointer("/embeddings/0/values/0").and_then(Value::as_f64).unwrap();
        assert!((first(&again) - first(&answer)).abs() < 1e-6, "{}", row["file"]);
        all += 1;
    }
    assert!(all > 5 && crossed > 2, "{all} {crossed}");
}

/// Bodies that are not answers, and why. All other bodies must be decoded.
const NO_ANSWERS: &[(&str, &str)] = &[
    ("googleai/streaming-failure-image-rejected.txt", "no end"),
    ("googleai/unary-failure-api-key.json", "it is an error:"),
    ("googleai/unary-failure-api-key.txt", "it is an error:"),
    ("googleai/unary-failure-generativelanguage-api-not-enabled.json", "it is an error:"),
    ("googleai/unary-failure-unknown-model.json", "it is an error:"),
    ("googleai/unary-failure-unknown-model.txt", "it is an error:"),
    ("schema/json-schema.json", "it has no candidates"),
    ("schema/open-api-schema.json", "it has no candidates"),
    ("vertexai/streaming-failure-api-key.txt", "no end"),
    ("vertexai/streaming-failure-empty-content.txt", "no end"),
    ("vertexai/streaming-failure-http-error.txt", "no end"),
    ("vertexai/streaming-failure-image-rejected.txt", "no end"),
    ("vertexai/streaming-failure-invalid-json.txt", "not a gemini answer: an event has no part of a response"),
    ("vertexai/streaming-failure-malformed-content.txt", "no end"),
    ("vertexai/streaming-failure-unknown-model.txt", "no end"),
    ("vertexai/streaming-success-quotes-escaped.txt", "no end"),
    ("vertexai/unary-failure-api-key.json", "it is an error:"),
    ("vertexai/unary-failure-context-cache-model-doesnt-match.json", "it is an error:"),
    ("vertexai/unary-failure-context-cache-not-found.json", "it is an error:"),
    ("vertexai/unary-failure-empty-content.json", "its candidate has neither content nor a finishReason"),
    ("vertexai/unary-failure-firebaseml-api-not-enabled.json", "it is an error:"),
    ("vertexai/unary-failure-firebasevertexai-api-not-enabled.json", "it is an error:"),
    ("vertexai/unary-failure-generate-images-all-filtered.json", "it has no candidates"),
    ("vertexai/unary-failure-generate-images-base64-some-filtered.json", "it has no candidates"),
    ("vertexai/unary-failure-generate-images-gcs-some-filtered.json", "it has no candidates"),
    ("vertexai/unary-failure-generate-images-prompt-blocked.json", "it is an error:"),
    ("vertexai/unary-failure-http-error.json", "it is an error:"),
    ("vertexai/unary-failure-iam-permission-denied.json", "it is an error:"),
    ("vertexai/unary-failure-image-rejected.json", "it is an error:"),
    ("vertexai/unary-failure-invalid-context-cache-id.json", "it is an error:"),
    ("vertexai/unary-failure-invalid-location-url-not-found.html", "not JSON"),
    ("vertexai/unary-failure-invalid-response.json", "it has no candidates"),
    ("vertexai/unary-failure-malformed-content.json", "its candidate has neither content nor a finishReason"),
    ("vertexai/unary-failure-model-not-found.json", "it is an error:"),
    ("vertexai/unary-failure-quota-exceeded.json", "it is an error:"),
    ("vertexai/unary-failure-unknown-model.json", "it is an error:"),
    ("vertexai/unary-failure-unsupported-user-location.json", "it is an error:"),
    ("vertexai/unary-success-detailed-token-response.json", "it has no candidates"),
    ("vertexai/unary-success-generate-images-base64.json", "it has no candidates"),
    ("vertexai/unary-success-generate-images-gcs.json", "it has no candidates"),
    ("vertexai/unary-success-generate-images-safety_info.json", "it has no candidates"),
    ("vertexai/unary-success-no-billable-characters.json", "it has no candidates"),
    ("vertexai/unary-success-total-tokens.json", "it has no candidates"),
];

/// Streams of the first Gemini models, which sent a finish reason on every chunk. They are read up to the first: later
/// models send it once, and nothing else ends a stream.
const FINISHED_TWICE: &[&str] = &[
    "vertexai/streaming-failure-error-mid-stream.txt",
    "vertexai/streaming-failure-recitation-no-content.txt",
    "vertexai/streaming-failure-unknown-finish-enum.txt",
    "vertexai/streaming-success-citations.txt",
    "vertexai/streaming-success-unknown-safety-enum.txt",
    "vertexai/streaming-success-utf8.txt",
];

#[test]
fn firebase_bodies_are_read_or_refused_for_a_known_reason() {
    let Some(corpus) = corpus("firebase_bodies_are_read_or_refused_for_a_known_reason") else { return };
    let file = File::open(corpus.join("firebase-gemini-mock-responses.tar.gz")).unwrap();
    let mut archive = tar::Archive::new(GzDecoder::new(file));
    let mut refused = BTreeMap::new();
    let mut finished_twice = BTreeSet::new();
    let mut all = 0;
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_string_lossy().into_owned();
        let mut body = String::new();
        let Some(name) = path.strip_prefix("mock-responses/").filter(|name| !name.ends_with('/')) else { continue };
        entry.read_to_string(&mut body).unwrap();
        all += 1;
        if name.contains("streaming-") && body.matches("\"finishReason\"").count() > 1 {
            finished_twice.insert(name.to_owned());
        }
        if name.contains("streaming-") {
            match decode_stream(&body) {
                Err(error) => drop(refused.insert(name.to_owned(), error)),
                Ok(events) if !events.iter().any(|event| matches!(event, ChatEvent::End | ChatEvent::Error(_))) => {
                    refused.insert(name.to_owned(), "no end".to_owned());
                }
                Ok(events) => assert_stream_survives(name, &events),
            }
        } else {
            match serde_json::from_str::<Value>(&body) {
                Err(_) => drop(refused.insert(name.to_owned(), "not JSON".to_owned())),
                Ok(body) => match gemini::response::decode(&body) {
                    Err(error) => drop(refused.insert(name.to_owned(), error.problem)),
                    Ok(_) => assert_answer_survives(name, &body),
                },
            }
        }
    }
    let expected: BTreeSet<&str> = NO_ANSWERS.iter().map(|(name, _)| *name).collect();
    let found: BTreeSet<&str> = refused.keys().map(String::as_str).collect();
    let surprises: Vec<_> = found.symmetric_difference(&expected).map(|name| (*name, refused.get(*name))).collect();
    assert!(surprises.is_empty(), "{surprises:#?}");
    for (name, why) in NO_ANSWERS {
        let problem = &refused[*name];
        assert!(problem.contains(why), "{name}: {problem}");
    }
    assert_eq!(
        finished_twice,
        FINISHED_TWICE.iter().map(|name| (*name).to_owned()).collect(),
        "streams finished twice"
    );
    assert!(all > 120, "{all}");
}
