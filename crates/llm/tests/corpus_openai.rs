//! Recorded exchanges of eight providers with the OpenAI dialect: each answer is decoded, encoded in OpenAI's schema,
//! and decoded to the same value; each request is decoded.
//!
//! Runs if `OUTRIGGER_CORPUS` is the folder that contains `recorded.jsonl.gz`.

// Clippy treats helpers of an integration test as shipped code.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;

use flate2::read::GzDecoder;
use outrigger_llm::chat::{ChatEvent, ChatResponse, Finish, OutputFormat, Part, Thought, ToolCall};
use outrigger_llm::framing;
use outrigger_llm::provider::Target;
use outrigger_llm::usage::Usage;
use outrigger_llm::{
    Answer, Dialect, Format, RequestError, StreamDecoder, StreamEncoder, decode_request, decode_response,
    encode_request, encode_response,
};
use serde_json::Value;

const PROVIDERS: [&str; 8] =
    ["openai", "azure", "deepseek", "mistral", "ollama", "openrouter", "perplexity", "gpustack"];

/// The chat exchanges; `None` (and a line that says so) without a corpus.
fn exchanges() -> Option<Vec<Value>> {
    let Some(folder) = std::env::var_os("OUTRIGGER_CORPUS") else {
        println!("skipped: OUTRIGGER_CORPUS is not set");
        return None;
    };
    let file = File::open(PathBuf::from(folder).join("recorded.jsonl.gz")).unwrap();
    let lines = BufReader::new(GzDecoder::new(file)).lines();
    let all = lines.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
    let chat =
        all.filter(|exchange| exchange["api"] == "chat" && PROVIDERS.iter().any(|name| exchange["provider"] == *name));
    Some(chat.collect())
}

fn expected(exceptions: &[(&str, usize)]) -> BTreeMap<String, usize> {
    exceptions.iter().map(|(problem, count)| ((*problem).to_owned(), *count)).collect()
}

fn provider(exchange: &Value) -> &str {
    exchange["provider"].as_str().unwrap()
}

fn name(exchange: &Value) -> String {
    format!("{} {} #{}", provider(exchange), exchange["file"], exchange["i"])
}

fn events(body: &str) -> Vec<framing::Event> {
    let body = body.replace("\r\n", "\n");
    let blocks = body.split("\n\n").filter(|block| !block.trim().is_empty());
    blocks
        .map(|block| {
            let field = |name: &str| {
                let values =
                    block.lines().filter_map(move |line| line.strip_prefix(&format!("{name}:")).map(str::trim_start));
                values.collect::<Vec<_>>()
            };
            let data = field("data");
            let data = (!data.is_empty()).then(|| data.join("\n"));
            framing::Event::of(&field("event").join(""), data.as_deref())
        })
        .collect()
}

fn read_stream(body: &str) -> Result<Vec<ChatEvent>, String> {
    let mut decoder = StreamDecoder::new(Format::OpenAiChat);
    let mut decoded = Vec::new();
    for event in events(body) {
        decoder.push(&event, &mut decoded).map_err(|malformed| malformed.problem)?;
    }
    Ok(decoded)
}

/// The complete answer of a stream.
fn whole(events: &[ChatEvent]) -> ChatResponse {
    let mut response = ChatResponse::default();
    let (mut thinking, mut text, mut refusal) = (String::new(), String::new(), String::new());
    let mut calls: BTreeMap<usize, ToolCall> = BTreeMap::new();
    for event in events {
        match event {
            ChatEvent::Start { id, model } => (response.id, response.model) = (id.clone(), model.clone()),
            ChatEvent::Text(more) => text.push_str(more),
            ChatEvent::Citation(citation) => response.citations.push(citation.clone()),
            ChatEvent::Thinking(more) => thinking.push_str(more),
            ChatEvent::Refusal(more) => refusal.push_str(more),
            ChatEvent::ToolCall { index, id, name, signature } => {
                let call = ToolCall {
                    id: id.clone(),
                    name: name.clone(),
                    arguments: String::new(),
                    signature: signature.clone(),
                };
                assert!(calls.insert(*index, call).is_none(), "call {index} occurs twice");
            }
            ChatEvent::ToolArguments { index, fragment } => calls.get_mut(index).unwrap().arguments.push_str(fragment),
            ChatEvent::Usage(usage) => response.usage.merge(usage),
            ChatEvent::Finish { reason, .. } => response.finish = Some(*reason),
            ChatEvent::Media(media) => response.parts.push(Part::Media(media.clone())),
            // The form of thoughts is noted for callers of other formats.
            ChatEvent::End | ChatEvent::ThinkingSignature(_) => {}
            other => panic!("{other:?}"),
        }
    }
    if !thinking.is_empty() {
        response.parts.push(Part::Thinking(Thought { text: Some(thinking), ..Thought::default() }));
    }
    response.parts.extend((!text.is_empty()).then_some(Part::Text(text)));
    response.parts.extend((!refusal.is_empty()).then_some(Part::Refusal(refusal)));
    for mut call in calls.into_values() {
        if call.arguments.is_empty() {
            call.arguments.push_str("{}");
        }
        response.parts.push(Part::ToolCall(call));
    }
    response
}

/// The usage that OpenAI's schema can express. The service tier is not translated.
fn without_service(usage: Usage) -> Usage {
    Usage { image_input: None, image_output: None, milliseconds: None, service: None, ..usage }
}

#[test]
fn answers_are_decoded_and_encoded_without_loss() {
    let Some(exchanges) = exchanges() else { return };
    let mut read = 0;
    let mut exceptions: BTreeMap<String, usize> = BTreeMap::new();
    for exchange in exchanges.iter().filter(|exchange| exchange["status"] == 200 && exchange["kind"] == "json") {
        let name = name(exchange);
        let body: Value = serde_json::from_str(exchange["body"].as_str().unwrap()).unwrap();
        let mut response = match decode_response(Format::OpenAiChat, &body) {
            Ok(response) => response,
            Err(error) => {
                *exceptions.entry(format!("{} {}", provider(exchange), error.problem)).or_default() += 1;
                continue;
            }
        };
        read += 1;
        if response.parts.is_empty() {
            *exceptions.entry(format!("{} sent no content, {:?}", provider(exchange), response.finish)).or_default() +=
                1;
        }
        let calls = response.parts.iter().filter(|part| matches!(part, Part::ToolCall(_))).count();
        let recorded = body["choices"][0]["message"]["tool_calls"].as_array().map_or(0, Vec::len);
        assert_eq!(calls, recorded, "{name}");
        assert_eq!(calls > 0, response.finish == Some(Finish::ToolCalls), "{name}");
        // Mistral's prompt excludes its audio.
        let figure = |name: &str| body.pointer(name).and_then(Value::as_u64);
        let audio = figure("/usage/prompt_tokens_details/audio_tokens").filter(|_| provider(exchange) == "mistral");
        let prompt = figure("/usage/prompt_tokens").map(|text| text + audio.unwrap_or(0));
        assert_eq!(response.usage.input, prompt, "{name}");
        let encoded = encode_response(Format::OpenAiChat, &response, &Answer::default());
        let again = decode_response(Format::OpenAiChat, &encoded).unwrap();
        response.usage = without_service(response.usage);
        // The form of thoughts is noted for callers of other formats.
        for part in &mut response.parts {
            if let Part::Thinking(thought) = part {
                thought.signature = None;
            }
        }
        response
            .parts
            .retain(|part| *part != Part::Thinking(Thought { text: Some(String::new()), ..Thought::default() }));
        assert_eq!(again, response, "{name}\n{body}\n{encoded}");
    }
    assert!(read > 250, "{read}");
    // Truncated while thinking, and once a plain end without content.
    let empty = [("openai sent no content, Some(Length)", 3), ("openrouter sent no content, Some(Stop)", 1)];
    assert_eq!(exceptions, expected(&empty));
}

#[test]
fn streams_are_decoded_and_encoded_without_loss() {
    let Some(exchanges) = exchanges() else { return };
    let mut read = 0;
    let mut exceptions: BTreeMap<String, usize> = BTreeMap::new();
    for exchange in exchanges.iter().filter(|exchange| exchange["status"] == 200 && exchange["kind"] == "sse") {
        let name = name(exchange);
        let body = exchange["body"].as_str().unwrap();
        let events = match read_stream(body) {
            Ok(events) => events,
            Err(problem) => {
                *exceptions.entry(format!("{} {problem}", provider(exchange))).or_default() += 1;
                continue;
            }
        };
        if let Some(ChatEvent::Error(error)) = events.last() {
            *exceptions.entry(format!("{} error: {}", provider(exchange), error.message)).or_default() += 1;
            continue;
        }
        read += 1;
        assert!(matches!(events.first(), Some(ChatEvent::Start { .. })), "{name}: {:?}", events.first());
        let finishes = events.iter().filter(|event| matches!(event, ChatEvent::Finish { .. })).count();
        assert_eq!(finishes, 1, "{name}");
        if body.contains("[DONE]") {
            assert_eq!(events.last(), Some(&ChatEvent::End), "{name}");
        }
        let mut answer = whole(&events);
        if answer.parts.is_empty() {
            *exceptions.entry(format!("{} sent no content, {:?}", provider(exchange), answer.finish)).or_default() += 1;
        }
        assert_eq!(!answer.usage.is_empty(), body.contains("\"prompt_tokens\""), "{name}");

        let mut encoder = StreamEncoder::new(Format::OpenAiChat, Answer { stream_usage: true, ..Answer::default() });
        let mut bytes = Vec::new();
        for event in events.iter().filter(|event| **event != ChatEvent::End).chain([&ChatEvent::End]) {
            encoder.push(event, &mut bytes);
        }
        let again = whole(&read_stream(std::str::from_utf8(&bytes).unwrap()).unwrap());
        answer.usage = without_service(answer.usage);
        assert_eq!(again, answer, "{name}");
    }
    assert!(read > 60, "{read}");
    // Truncated while thinking.
    assert_eq!(exceptions, expected(&[("openai sent no content, Some(Length)", 1)]));
}

#[test]
fn requests_decode_to_the_same_after_encoding() {
    let Some(exchanges) = exchanges() else { return };
    let (mut read, mut written) = (0, 0);
    let mut refused: BTreeMap<String, usize> = BTreeMap::new();
    for exchange in &exchanges {
        let name = name(exchange);
        let body = exchange["req"].as_object().unwrap();
        let model = body.get("model").and_then(Value::as_str).unwrap_or_default();
        let stream = body.get("stream").and_then(Value::as_bool).unwrap_or_default();
        let request = match decode_request(Format::OpenAiChat, body, model, stream) {
            Ok(request) => request,
            Err(error) => {
                assert!(exchange["status"].as_u64() >= Some(400), "{name}: {error}");
                *refused.entry(error.to_string()).or_default() += 1;
                continue;
            }
        };
        read += 1;
        let shown_by_tools = request.messages.iter().flat_map(|message| &message.parts).any(|part| match part {
            Part::ToolResult(result) => result.content.iter().any(|part| matches!(part, Part::Media(_))),
            _ => false,
        });
        match encode_request(Format::OpenAiChat, &request, &Target::vendor(Dialect::OpenAi, model), None) {
            Ok(encoded) => {
                written += 1;
                let mut again = decode_request(Format::OpenAiChat, &encoded.body, model, stream).unwrap();
                let mut expected = request.clone();
                for request in [&mut again, &mut expected] {
                    // Omitted on purpose: thoughts, hints, and other names of thinking fields.
                    for message in &mut request.messages {
                        message.parts.retain(|part| !matches!(part, Part::Thinking(_)));
                    }
                    request.messages.retain(|message| !message.parts.is_empty());
                    request.fields.clear();
                    // OpenAI requires names of schemas, Perplexity doesn't.
                    if let OutputFormat::JsonSchema { name, .. } = &mut request.output {
                        name.get_or_insert_with(|| "response".to_owned());
                    }
                    (request.thinking, request.top_k, request.stream_usage) = (None, None, false);
                }
                // Images of a tool move into a user message.
                if !shown_by_tools {
                    assert_eq!(again, expected, "{name}");
                }
            }
            Err(RequestError::Unsupported { field, .. }) => *refused.entry(field).or_default() += 1,
            Err(error) => panic!("{name}: {error}"),
        }
    }
    assert!(written > 380, "{written}");
    assert_eq!(read, written);
    // OpenAI itself answered these with 400.
    assert_eq!(refused, expected(&[("messages: must not be empty", 1), ("messages[0].content: is required", 1)]));
}
