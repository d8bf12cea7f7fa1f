//! Every recorded successful answer and stream is recognized, with the usage that a full parse gives.
#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

use std::collections::BTreeMap;

use bytes::Bytes;
use outrigger_llm::framing::Event;
use outrigger_llm::framing::sse::SseReader;
use outrigger_llm::operation::TABLE;
use outrigger_llm::passthrough::summary::AnswerSummary;
use outrigger_llm::passthrough::watch::StreamWatch;
use outrigger_llm::registry::summarize;
use outrigger_llm::usage::{ServiceTier, Usage};
use outrigger_llm::{Dialect, Format, StreamDecoder, chat, decode_response};
use serde_json::Value;

mod recorded;

use recorded::Exchange;

/// The summary of an answer of the operation with this name.
fn whole(dialect: Dialect, operation: &str, body: &[u8]) -> AnswerSummary {
    let row = TABLE.iter().find(|row| row.dialect == dialect && row.name == operation).unwrap();
    summarize(dialect, row.kind, body)
}

/// The dialect and operation, if it is one of our dialects.
fn operation(exchange: &Exchange) -> Option<(Dialect, &'static str)> {
    Some(match (exchange.provider.as_str(), exchange.api.as_str()) {
        ("cohere", "chat") => (Dialect::Cohere, "chat"),
        ("cohere", _) => return None,
        (_, "chat") => (Dialect::OpenAi, "chat"),
        (_, "completions") => (Dialect::OpenAi, "completions"),
        (_, "responses") => (Dialect::OpenAi, "responses"),
        ("openai" | "azure" | "mistral" | "openrouter" | "perplexity", "embeddings") => (Dialect::OpenAi, "embeddings"),
        ("perplexity", "models") => (Dialect::OpenAi, "models"),
        ("anthropic", "messages") => (Dialect::Anthropic, "messages"),
        ("anthropic", "count_tokens") => (Dialect::Anthropic, "count_tokens"),
        ("gemini" | "vertex", "generateContent" | "streamGenerateContent") => (Dialect::Gemini, "generate_content"),
        ("gemini" | "vertex", "countTokens") => (Dialect::Gemini, "count_tokens"),
        ("gemini", "batchEmbedContents") => (Dialect::Gemini, "embeddings"),
        ("bedrock", "converse") => (Dialect::Bedrock, "converse"),
        _ => return None,
    })
}

fn good(recorded: &[Exchange]) -> impl Iterator<Item = (&Exchange, &str, Dialect, &'static str)> {
    recorded.iter().filter(|exchange| exchange.status == 200).filter_map(|exchange| {
        let (dialect, operation) = operation(exchange)?;
        Some((exchange, exchange.body.as_deref()?, dialect, operation))
    })
}

/// Usage from a full parse, with numbers added as each provider documents.
fn usage(dialect: Dialect, documents: &[Value]) -> Usage {
    let mut flat = Value::Object(serde_json::Map::new());
    for document in documents {
        for found in [
            document.get("usage"),
            document.get("usageMetadata"),
            document.pointer("/message/usage"),
            document.pointer("/response/usage"),
            document.pointer("/x_groq/usage"),
            document.pointer("/delta/usage"),
            // OpenAI's service tier is next to the usage, and Ollama's counts are in the answer itself.
            matches!(dialect, Dialect::OpenAi | Dialect::Ollama).then_some(document),
            document.get("response"),
        ] {
            for (key, value) in found.and_then(Value::as_object).into_iter().flatten() {
                flat[key] = value.clone();
            }
        }
    }
    let word = |path: &str| flat.pointer(path).and_then(Value::as_str).and_then(ServiceTier::parse);
    let at = |path: &str| flat.pointer(path).and_then(Value::as_u64);
    let plus = |first: Option<u64>, second: Option<u64>| match (first, second) {
        (None, None) => None,
        (first, second) => Some(first.unwrap_or(0) + second.unwrap_or(0)),
    };
    // Mistral's prompt excludes its audio, as the total shows.
    let (prompt, audio) = (at("/prompt_tokens").or(at("/input_tokens")), at("/prompt_tokens_details/audio_tokens"));
    let all = plus(plus(prompt, audio), at("/completion_tokens"));
    let prompt = if all.is_some() && all == at("/total_tokens") { plus(prompt, audio) } else { prompt };
    match dialect {
        Dialect::OpenAi => Usage {
            input: prompt,
            cached_input: at("/prompt_tokens_details/cached_tokens")
                .or(at("/input_tokens_details/cached_tokens"))
                .or(at("/prompt_cache_hit_tokens"))
                // Grok on Azure reports more than the total.
                .filter(|cached| prompt.is_some_and(|prompt| *cached <= prompt)),
            cache_write: at("/prompt_tokens_details/cache_write_tokens")
                .or(at("/input_tokens_details/cache_write_tokens")),
            output: at("/completion_tokens").or(at("/output_tokens")),
            reasoning: at("/completion_tokens_details/reasoning_tokens")
                .or(at("/output_tokens_details/reasoning_tokens")),
            audio_input: at("/prompt_tokens_details/audio_tokens"),
            audio_output: at("/completion_tokens_details/audio_tokens"),
            image_input: at("/prompt_tokens_details/image_tokens"),
            image_output: at("/completion_tokens_details/image_tokens"),
            milliseconds: at("/prompt_audio_seconds").map(|seconds| seconds * 1_000),
            service: word("/service_tier"),
            ..Usage::default()
        },
        Dialect::Anthropic => Usage {
            input: plus(at("/input_tokens"), plus(at("/cache_read_input_tokens"), at("/cache_creation_input_tokens"))),
            cached_input: at("/cache_read_input_tokens"),
            cache_write: at("/cache_creation/ephemeral_5m_input_tokens"),
            cache_write_1h: at("/cache_creation/ephemeral_1h_input_tokens"),
            output: at("/output_tokens"),
            reasoning: at("/output_tokens_details/thinking_tokens"),
            service: word("/service_tier"),
            ..Usage::default()
        },
        Dialect::Bedrock => {
            let written = at("/cacheWriteInputTokens");
            let hour =
                at("/cacheDetails/0/inputTokens").filter(|_| flat.pointer("/cacheDetails/0/ttl") == Some(&"1h".into()));
            Usage {
                input: plus(at("/inputTokens"), plus(at("/cacheReadInputTokens"), written)),
                cached_input: at("/cacheReadInputTokens"),
                cache_write: written.map(|written| written - hour.unwrap_or(0)),
                cache_write_1h: hour,
                output: at("/outputTokens"),
                ..Usage::default()
            }
        }
        Dialect::Gemini => {
            let of = |modality: &str, list: &str| {
                let list = flat.pointer(list).and_then(Value::as_array).into_iter().flatten();
                list.filter(|one| one["modality"] == modality).find_map(|one| one["tokenCount"].as_u64())
            };
            Usage {
                input: plus(at("/promptTokenCount"), at("/toolUsePromptTokenCount")),
                cached_input: at("/cachedContentTokenCount"),
                output: plus(at("/candidatesTokenCount"), at("/thoughtsTokenCount")),
                reasoning: at("/thoughtsTokenCount"),
                audio_input: of("AUDIO", "/promptTokensDetails"),
                audio_output: of("AUDIO", "/candidatesTokensDetails"),
                image_input: of("IMAGE", "/promptTokensDetails"),
                image_output: of("IMAGE", "/candidatesTokensDetails"),
                service: word("/serviceTier").or(word("/trafficType")),
                ..Usage::default()
            }
        }
        Dialect::Cohere => Usage {
            input: at("/billed_units/input_tokens"),
            output: at("/billed_units/output_tokens"),
            reasoning: at("/tokens/reasoning_tokens"),
            ..Usage::default()
        },
        Dialect::Ollama => Usage { input: at("/prompt_eval_count"), output: at("/eval_count"), ..Usage::default() },
    }
}

/// The content and usage of a stream, by a full parse.
fn fully_parsed(dialect: Dialect, events: &[Event]) -> (u64, Usage) {
    let mut decoder = StreamDecoder::new(dialect.format());
    let mut decoded = Vec::new();
    for event in events {
        assert_eq!(decoder.push(event, &mut decoded), Ok(()), "a stream that the watch accepted");
    }
    let mut used = Usage::default();
    for event in &decoded {
        if let chat::ChatEvent::Usage(usage) = event {
            used.merge(usage);
        }
    }
    (decoded.iter().map(|event| event.content_len() as u64).sum(), used)
}

#[test]
fn every_recorded_answer_is_recognized() {
    let Some(recorded) = recorded::exchanges() else { return };
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut empty = 0;
    for (exchange, body, dialect, operation) in good(&recorded).filter(|(exchange, ..)| exchange.kind == "json") {
        let place = format!("{} {} {}", exchange.provider, exchange.file, exchange.i);
        let seen = whole(dialect, operation, body.as_bytes());
        assert_eq!((&seen.malformed, &seen.error), (&None, &None), "{place}");
        // When tools were forbidden, Claude ended its turn without content: the only empty answers.
        let silent = exchange.file.contains("haiku-4-5_respects_choice_none") && operation != "responses";
        assert_eq!(seen.empty, silent, "{place}");
        empty += usize::from(seen.empty);
        let document: Value = serde_json::from_str(body).expect(&place);
        if operation == "count_tokens" {
            assert!(seen.usage.is_empty(), "{place}: a count is no use");
        } else {
            let documents = [document.clone()];
            assert_eq!(seen.usage, usage(dialect, &documents), "{place}");
        }
        if ["chat", "messages", "generate_content", "converse"].contains(&operation) {
            let across = decode_response(dialect.format(), &document).map(|response| response.usage);
            assert_eq!(across, Ok(seen.usage), "{place}: the same across dialects");
        }
        let model = document.get("model").or(document.get("modelVersion")).and_then(Value::as_str);
        assert_eq!(seen.model.as_deref(), model, "{place}");
        *counts.entry((&exchange.provider, operation)).or_default() += 1;
    }
    assert_eq!(empty, 2);
    assert_eq!(counts.get(&("openai", "responses")), Some(&88));
    assert_eq!(counts.get(&("anthropic", "messages")), Some(&71));
    assert_eq!(counts.get(&("vertex", "generate_content")), Some(&59));
    assert_eq!(counts.get(&("bedrock", "converse")), Some(&60));
    assert_eq!(counts.get(&("cohere", "chat")), Some(&45));
    assert!(counts.values().sum::<usize>() > 700, "{counts:?}");
}

#[test]
fn every_recorded_stream_is_recognized() {
    let Some(recorded) = recorded::exchanges() else { return };
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for (exchange, body, dialect, operation) in good(&recorded).filter(|(exchange, ..)| exchange.kind == "sse") {
        let place = format!("{} {} {}", exchange.provider, exchange.file, exchange.i);
        let mut events: Vec<Event> = Vec::new();
        let mut reader = SseReader::default();
        for chunk in body.as_bytes().chunks(997) {
            reader.push(&Bytes::copy_from_slice(chunk), &mut events);
        }
        events.extend(reader.finish());
        let raw: Vec<u8> = events.iter().flat_map(|event| event.raw().to_vec()).collect();
        assert_eq!(raw, body.as_bytes(), "{place}");

        let mut watch = StreamWatch::new(dialect.format());
        let mut content = false;
        let mut terminal = false;
        let mut documents = Vec::new();
        for event in &events {
            let seen = watch.observe(event);
            assert!(!seen.malformed && seen.error.is_none(), "{place}: {event:?}");
            let document = event.data().and_then(|data| serde_json::from_str::<Value>(&data).ok());
            if let Some(document) = document {
                let bare = document.get("choices").and_then(Value::as_array).is_some_and(Vec::is_empty);
                let used = document.get("usage").is_some_and(|usage| !usage.is_null());
                assert_eq!(seen.usage_only, bare && used, "{place}: {event:?}");
                documents.push(document);
            }
            content |= seen.content;
            terminal |= seen.terminal;
        }
        assert!(watch.finished() && !watch.empty(), "{place}: {watch:?}");
        // This one used all its tokens for hidden thinking: its `length` explains it.
        assert_eq!(content, !exchange.file.ends_with("chat-streaming-detailed-usage.yaml"), "{place}");
        // These end with only a finish reason.
        assert!(terminal || ["perplexity", "gpustack"].contains(&exchange.provider.as_str()), "{place}");
        assert_eq!(watch.usage(), usage(dialect, &documents), "{place}");
        if !["responses", "completions"].contains(&operation) {
            let (content_bytes, across) = fully_parsed(dialect, &events);
            assert_eq!(across, watch.usage(), "{place}: the same across dialects");
            // Escaped letters are estimated, and arguments that are not text count with their brackets.
            assert!(
                watch.content_bytes().abs_diff(content_bytes) <= content_bytes / 20 + 40,
                "{place}: {} for {content_bytes}",
                watch.content_bytes()
            );
        }
        let model = ["/model", "/message/model", "/response/model", "/modelVersion"];
        let model = documents.iter().find_map(|document| {
            model.iter().find_map(|path| document.pointer(path)?.as_str()).filter(|model| !model.is_empty())
        });
        assert_eq!(watch.model(), model, "{place}");
        *counts.entry((&exchange.provider, operation)).or_default() += 1;
    }
    assert_eq!(counts.get(&("anthropic", "messages")), Some(&13));
    assert_eq!(counts.get(&("ollama", "chat")), Some(&19));
    assert_eq!(counts.get(&("cohere", "chat")), Some(&11));
    assert_eq!(counts.get(&("openai", "responses")), Some(&13));
    assert!(counts.values().sum::<usize>() > 120, "{counts:?}");
}

/// Whether an event has content is decided by the event itself, not by earlier ones.
#[test]
fn content_begins_at_the_same_event_as_in_a_full_parse() {
    let Some(recorded) = recorded::exchanges() else { return };
    let text = |value: Option<&Value>| value.and_then(Value::as_str).is_some_and(|text| !text.is_empty());
    for (exchange, body, dialect, operation) in good(&recorded).filter(|(exchange, ..)| exchange.kind == "sse") {
        let mut events: Vec<Event> = Vec::new();
        let mut reader = SseReader::default();
        reader.push(&Bytes::copy_from_slice(body.as_bytes()), &mut events);
        let mut watch = StreamWatch::new(dialect.format());
        let first = events.iter().position(|event| watch.observe(event).content);
        let documents = events
            .iter()
            .map(|event| event.data().and_then(|data| serde_json::from_str::<Value>(&data).ok()).unwrap_or_default());
        let expected = documents.into_iter().position(|document| match (dialect, operation) {
            (Dialect::Anthropic, _) => {
                let tool = document.pointer("/content_block/type").and_then(Value::as_str);
                tool.is_some_and(|kind| kind != "text" && kind != "thinking")
                    || ["/delta/text", "/delta/thinking", "/delta/partial_json"]
                        .iter()
                        .any(|path| text(document.pointer(path)))
                    || document.pointer("/delta/citation").is_some()
            }
            (Dialect::Gemini, _) => {
                let part = |path: &str| document.pointer(&format!("/candidates/0/content/parts/0/{path}")).cloned();
                text(part("text").as_ref()) || part("functionCall").is_some() || part("inlineData").is_some()
            }
            (Dialect::Cohere, _) => {
                let message = |path: &str| text(document.pointer(&format!("/delta/message/{path}")));
                ["content/text", "content/thinking", "tool_plan", "tool_calls/function/name"].into_iter().any(message)
            }
            (_, "responses") => {
                let done = document["type"] == "response.output_item.done";
                text(document.get("delta"))
                    || done && text(document.pointer("/item/encrypted_content"))
                    || document.pointer("/item/type").is_some_and(|kind| kind != "message" && kind != "reasoning")
            }
            (_, "completions") => text(document.pointer("/choices/0/text")),
            _ => {
                let delta = |path: &str| document.pointer(&format!("/choices/0/delta/{path}")).cloned();
                let thinking =
                    delta("content").is_some_and(|content| content.as_array().is_some_and(|c| !c.is_empty()));
                thinking
                    || ["content", "reasoning", "reasoning_content", "refusal", "tool_calls/0/function/name"]
                        .iter()
                        .any(|path| text(delta(path).as_ref()))
            }
        });
        assert_eq!(first, expected, "{} {}", exchange.provider, exchange.file);
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Odd {
    Content,
    /// Empty, with an explanation.
    Blocked,
    Empty,
    Cut,
    Malformed,
    Error,
}

/// Gemini's unusual answers that are not simply content.
const ODD: &[(&str, Odd)] = &[
    ("googleai/streaming-failure-prompt-blocked-safety.txt", Odd::Blocked),
    ("vertexai/streaming-failure-prompt-blocked-safety.txt", Odd::Blocked),
    ("vertexai/streaming-failure-prompt-blocked-safety-with-message.txt", Odd::Blocked),
    ("vertexai/streaming-failure-empty-content.txt", Odd::Cut),
    ("vertexai/streaming-failure-malformed-content.txt", Odd::Cut),
    ("vertexai/streaming-failure-invalid-json.txt", Odd::Malformed),
    ("vertexai/streaming-failure-error-mid-stream.txt", Odd::Error),
    // As its name says, except for its last event, which the file omits.
    ("vertexai/streaming-success-quotes-escaped.txt", Odd::Cut),
    ("googleai/unary-failure-with-message-no-content.json", Odd::Empty),
    ("vertexai/unary-failure-empty-content.json", Odd::Empty),
    ("vertexai/unary-failure-malformed-content.json", Odd::Empty),
    ("vertexai/unary-success-empty-text-part.json", Odd::Empty),
    ("vertexai/unary-failure-invalid-response.json", Odd::Malformed),
];

/// Answers with status 200 whose names begin with `failure`: the others are errors.
const ANSWERS: &[&str] =
    &["finish-reason", "prompt-blocked", "only-prompt-feedback", "unknown-enum", "recitation", "citations"];

#[test]
fn geminis_unusual_answers_are_recognized() {
    let Some(answers) = recorded::gemini_answers() else { return };
    let mut looked_at = 0;
    for (name, body) in &answers {
        let name = name.trim_start_matches("mock-responses/");
        // Images and counts are other operations.
        let other = ["generate-images", "total-tokens", "billable-characters", "detailed-token", "schema/"];
        if other.iter().any(|other| name.contains(other)) {
            continue;
        }
        let (seen, whole_answer) = if name.contains("/streaming") && body.starts_with(b"data:") {
            let mut reader = SseReader::default();
            let mut events = Vec::new();
            reader.push(&Bytes::copy_from_slice(body), &mut events);
            events.extend(reader.finish());
            let mut watch = StreamWatch::new(Format::Gemini);
            let seen: Vec<_> = events.iter().map(|event| watch.observe(event)).collect();
            let any = |what: fn(&outrigger_llm::passthrough::observation::Observation) -> bool| seen.iter().any(what);
            let odd = match () {
                () if any(|seen| seen.malformed) => Odd::Malformed,
                () if any(|seen| seen.error.is_some()) => Odd::Error,
                () if !watch.finished() => Odd::Cut,
                () if watch.empty() => Odd::Empty,
                () if any(|seen| seen.content) => Odd::Content,
                () => Odd::Blocked,
            };
            (odd, false)
        } else if name.contains("/unary") && name.ends_with(".json") {
            let seen = whole(Dialect::Gemini, "generate_content", body);
            let odd = match () {
                () if seen.malformed.is_some() => Odd::Malformed,
                () if seen.error.is_some() => Odd::Error,
                () if seen.empty => Odd::Empty,
                () => Odd::Content,
            };
            (odd, true)
        } else {
            continue;
        };
        let listed = ODD.iter().find(|(file, _)| *file == name).map(|(_, odd)| *odd);
        let error = whole_answer && name.contains("failure") && !ANSWERS.iter().any(|answer| name.contains(answer));
        let expected = listed.unwrap_or(if error { Odd::Error } else { Odd::Content });
        assert_eq!(seen, expected, "{name}");
        looked_at += 1;
    }
    assert!(looked_at > 80, "{looked_at}");
}
