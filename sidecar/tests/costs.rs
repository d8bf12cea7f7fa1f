//! Tests costs end to end: usage as providers report it, and costs computed by hand.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, reason = "tests fail loudly")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;

use outrigger_core::Capabilities;
use outrigger_llm::Dialect::{self, Anthropic, Bedrock, Cohere, Gemini, OpenAi};
use outrigger_llm::Format;
use outrigger_llm::framing::{self, Framing};
use outrigger_llm::operation::TABLE;
use outrigger_llm::passthrough::summary::AnswerSummary;
use outrigger_llm::passthrough::watch::StreamWatch;
use outrigger_llm::provider::CapField;
use outrigger_llm::registry::summarize;
use outrigger_llm::tokens::meter::{Metered, meter};
use outrigger_llm::tokens::plausible::{AttemptFacts, InputSource};
use outrigger_llm::usage::Usage;
use outrigger_policy::catalogue;
use outrigger_policy::{Price, Used};
use serde_json::{Value, json};

/// The summary of an answer to the operation with this name.
fn whole(dialect: Dialect, operation: &str, body: &[u8]) -> AnswerSummary {
    let row = TABLE.iter().find(|row| row.name == operation).unwrap();
    summarize(dialect, row.kind, body)
}

fn used(usage: &Usage) -> Used<'static> {
    let count = |figure: Option<u64>| figure.unwrap_or(0);
    Used {
        input: count(usage.input),
        cached_input: count(usage.cached_input),
        cache_write: count(usage.cache_write),
        cache_write_1h: count(usage.cache_write_1h),
        audio_input: count(usage.audio_input),
        image_input: count(usage.image_input),
        output: count(usage.output),
        reasoning: count(usage.reasoning),
        audio_output: count(usage.audio_output),
        image_output: count(usage.image_output),
        images: count(usage.images),
        characters: 0,
        milliseconds: count(usage.milliseconds),
        searches: count(usage.searches),
        service: usage.service.map(|service| service.word()),
    }
}

fn price(kind: &str, model: &str) -> &'static Price {
    let entry = catalogue::lookup(kind, model).unwrap_or_else(|| panic!("{kind} has no {model}"));
    entry.price.unwrap_or_else(|| panic!("{model} has no price"))
}

/// The cost of an answer in nano-dollars, read in its own dialect.
fn cost(kind: &str, model: &str, dialect: Dialect, operation: &str, body: &Value) -> u64 {
    let seen = whole(dialect, operation, body.to_string().as_bytes());
    assert_eq!((&seen.malformed, &seen.error), (&None, &None), "{body}");
    price(kind, model).cost(&used(&seen.usage))
}

/// $1 per million tokens is 1,000 nano-dollars a token.
#[test]
fn answers_cost_what_was_computed_by_hand() {
    let chat = |usage: Value| json!({"choices": [{"message": {"content": "a"}}], "usage": usage});
    let response = |usage: Value, service: &str| json!({"output": [], "service_tier": service, "usage": usage});
    let message = |usage: Value| json!({"content": [], "usage": usage});
    let candidates = |usage: Value| json!({"candidates": [], "usageMetadata": usage});

    // Recorded. Cached: 149 × 1,750 + 6,016 × 175 + 5 × 14,000
    let body = response(
        json!({"input_tokens": 6165, "input_tokens_details": {"cache_write_tokens": 0, "cached_tokens": 6016},
               "output_tokens": 5, "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 6170}),
        "default",
    );
    assert_eq!(cost("OpenAI", "gpt-5.2-2025-12-11", OpenAi, "responses", &body), 1_383_550);

    // Recorded. Reasoning costs as much as other output: 1,517 × 50 + 2,521 × 400
    let thought = json!({"input_tokens": 1517, "input_tokens_details": {"cache_write_tokens": 0, "cached_tokens": 0},
                         "output_tokens": 2521, "output_tokens_details": {"reasoning_tokens": 2432},
                         "total_tokens": 4038});
    let body = response(thought.clone(), "default");
    assert_eq!(cost("OpenAI", "gpt-5-nano-2025-08-07", OpenAi, "responses", &body), 1_084_250);
    // The same at half the price: 1,517 × 25 + 2,521 × 200
    let body = response(thought, "flex");
    assert_eq!(cost("OpenAI", "gpt-5-nano-2025-08-07", OpenAi, "responses", &body), 542_125);

    // Priority: 600 × 700 + 400 × 175 + 100 × 2,800
    let mut body = chat(json!({"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100,
                               "prompt_tokens_details": {"cached_tokens": 400}}));
    body["service_tier"] = "priority".into();
    assert_eq!(cost("OpenAI", "gpt-4.1-mini-2025-04-14", OpenAi, "chat", &body), 770_000);

    // o3: 1,000 × 2,000 + 2,000 × 8,000
    let body = chat(json!({"prompt_tokens": 1000, "completion_tokens": 2000, "total_tokens": 3000,
                           "completion_tokens_details": {"reasoning_tokens": 1800}}));
    assert_eq!(cost("OpenAI", "o3", OpenAi, "chat", &body), 18_000_000);

    // Above 272,000, with writes: 50,000 × 400 + 100,000 × 40 + 150,000 × 500 + 1,000 × 1,800
    let body = chat(json!({"prompt_tokens": 300_000, "completion_tokens": 1000, "total_tokens": 301_000,
                           "prompt_tokens_details": {"cached_tokens": 100_000, "cache_write_tokens": 150_000}}));
    assert_eq!(cost("OpenAI", "gpt-5.6-luna", OpenAi, "chat", &body), 100_800_000);

    // Recorded. Audio input: 16 × 600 + 37 × 10,000 + 123 × 2,400
    let body = chat(json!({"prompt_tokens": 53, "completion_tokens": 123, "total_tokens": 176,
                           "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 37, "text_tokens": 16},
                           "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0}}));
    assert_eq!(cost("OpenAI", "gpt-audio-mini-2025-12-15", OpenAi, "chat", &body), 674_800);

    // Recorded. Audio output: 22 × 150 + 6 × 600 + 12 × 20,000
    let body = chat(json!({"prompt_tokens": 22, "completion_tokens": 18, "total_tokens": 40,
                           "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0, "text_tokens": 22},
                           "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 12}}));
    assert_eq!(cost("OpenAI", "gpt-4o-mini-audio-preview-2024-12-17", OpenAi, "chat", &body), 246_900);

    // Recorded. Mistral counts audio in addition to the prompt: (9 + 375) × 100 + 248 × 400
    let body = chat(json!({"prompt_audio_seconds": 3, "prompt_tokens": 9, "total_tokens": 632,
                           "completion_tokens": 248, "service_tier": "standard",
                           "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 375}}));
    assert_eq!(cost("Mistral", "voxtral-small-latest", OpenAi, "chat", &body), 137_600);

    // Recorded. 26 × 20
    let body = json!({"data": [], "usage": {"prompt_tokens": 26, "total_tokens": 26}});
    assert_eq!(cost("OpenAI", "text-embedding-3-small", OpenAi, "embeddings", &body), 520);

    // Cohere bills embeddings by the token, and rerank by the search: 26 × 120; 2 × 2,000,000
    let body = json!({"embeddings": {}, "meta": {"billed_units": {"input_tokens": 26}}});
    assert_eq!(cost("Cohere", "embed-v4.0", Cohere, "embeddings", &body), 3_120);
    let body = json!({"results": [], "meta": {"billed_units": {"search_units": 2}}});
    assert_eq!(cost("Cohere", "rerank-v3.5", Cohere, "rerank", &body), 4_000_000);

    // Recorded. Written to the cache: 10 × 1,000 + 7,351 × 1,250 + 4 × 5,000
    let body = message(json!({
        "input_tokens": 10, "cache_creation_input_tokens": 7351, "cache_read_input_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 7351, "ephemeral_1h_input_tokens": 0},
        "output_tokens": 4, "service_tier": "standard", "inference_geo": "not_available"}));
    assert_eq!(cost("Anthropic", "claude-haiku-4-5-20251001", Anthropic, "messages", &body), 9_218_750);

    // Recorded. Read from the cache: 10 × 1,000 + 7,351 × 100 + 4 × 5,000
    let body = message(json!({
        "input_tokens": 10, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 7351,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "output_tokens": 4, "service_tier": "standard"}));
    assert_eq!(cost("Anthropic", "claude-haiku-4-5-20251001", Anthropic, "messages", &body), 765_100);

    // Recorded. Thoughts in addition to the candidates: 13 × 300 + 9,609 × 30 + (35 + 136) × 2,500
    let body = candidates(json!({
        "promptTokenCount": 9622, "candidatesTokenCount": 35, "totalTokenCount": 9793,
        "cachedContentTokenCount": 9609, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 9622}],
        "cacheTokensDetails": [{"modality": "TEXT", "tokenCount": 9609}], "thoughtsTokenCount": 136,
        "serviceTier": "standard"}));
    assert_eq!(cost("Gemini", "gemini-2.5-flash", Gemini, "generate_content", &body), 719_670);

    // Recorded. Audio input: 6 × 300 + 139 × 1,000 + (10 + 24) × 2,500
    let body = candidates(json!({
        "promptTokenCount": 145, "candidatesTokenCount": 10, "totalTokenCount": 179, "thoughtsTokenCount": 24,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 6}, {"modality": "AUDIO", "tokenCount": 139}],
        "serviceTier": "standard"}));
    assert_eq!(cost("Gemini", "gemini-2.5-flash", Gemini, "generate_content", &body), 225_800);

    // Recorded. Audio output: 11 × 500 + 111 × 10,000
    let body = candidates(json!({
        "promptTokenCount": 11, "candidatesTokenCount": 111, "totalTokenCount": 122,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 11}],
        "candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": 111}], "serviceTier": "standard"}));
    assert_eq!(cost("Gemini", "gemini-2.5-flash-preview-tts", Gemini, "generate_content", &body), 1_115_500);

    // Above 200,000, tool input included: 51,000 × 2,500 + 200,000 × 250 + (1,000 + 500) × 15,000
    let body = candidates(json!({
        "promptTokenCount": 250_000, "toolUsePromptTokenCount": 1000, "cachedContentTokenCount": 200_000,
        "candidatesTokenCount": 1000, "thoughtsTokenCount": 500, "totalTokenCount": 252_500}));
    assert_eq!(cost("Gemini", "gemini-2.5-pro", Gemini, "generate_content", &body), 200_000_000);
    // Not above 200,000: 200,000 × 1,250 + 10,000
    let body = candidates(json!({
        "promptTokenCount": 200_000, "candidatesTokenCount": 1, "totalTokenCount": 200_001}));
    assert_eq!(cost("Gemini", "gemini-2.5-pro", Gemini, "generate_content", &body), 250_010_000);

    // A picture: 10 × 300 + 10 × 2,500 + 1,290 × 30,000
    let body = candidates(json!({
        "promptTokenCount": 10, "candidatesTokenCount": 1300, "totalTokenCount": 1310,
        "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1290}]}));
    assert_eq!(cost("Gemini", "gemini-2.5-flash-image", Gemini, "generate_content", &body), 38_728_000);

    // Two pictures from one: 10 × 5,000 + 40 × 10,000 + 8,320 × 40,000
    let body = json!({"data": [{"b64_json": "AA"}, {"b64_json": "AA"}], "usage": {
        "input_tokens": 50, "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
        "output_tokens": 8320, "total_tokens": 8370}});
    assert_eq!(cost("OpenAI", "gpt-image-1", OpenAi, "images", &body), 333_250_000);

    // Transcribed, by the second and by the token: 9 × 100,000; 8.471 × 11,110 rounded up; 14 × 2,500 + 45 × 10,000
    let body = json!({"text": "a", "usage": {"type": "duration", "seconds": 9}});
    assert_eq!(cost("OpenAI", "whisper-1", OpenAi, "transcription", &body), 900_000);
    let body = json!({"text": "a", "duration": 8.4701});
    assert_eq!(cost("Groq", "whisper-large-v3-turbo", OpenAi, "transcription", &body), 94_113);
    let body = json!({"text": "a", "usage": {"type": "tokens", "input_tokens": 14, "output_tokens": 45,
        "input_token_details": {"text_tokens": 0, "audio_tokens": 14}, "total_tokens": 59}});
    assert_eq!(cost("OpenAI", "gpt-4o-transcribe", OpenAi, "transcription", &body), 485_000);

    // Speech, by the character, which the request contains: 100 × 15,000
    assert_eq!(price("OpenAI", "tts-1").cost(&Used { characters: 100, ..Used::default() }), 1_500_000);
}

#[test]
fn figures_that_a_message_repeats_are_billed_once() {
    let mut watch = StreamWatch::new(Format::Anthropic);
    for data in [
        json!({"type": "message_start", "message": {"usage": {
            "input_tokens": 9, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 50,
            "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 30},
            "output_tokens": 1, "service_tier": "standard"}}}),
        json!({"type": "content_block_delta", "delta": {"type": "text_delta", "text": "a"}}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {
            "input_tokens": 9, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 50,
            "output_tokens": 9, "output_tokens_details": {"thinking_tokens": 4}}}),
    ] {
        watch.observe(&framing::Event::of("", Some(&data.to_string())));
    }
    // 9 × 1,000 + 100 × 100 + 20 × 1,250 + 30 × 2,000 + 9 × 5,000
    assert_eq!(price("Anthropic", "claude-haiku-4-5").cost(&used(&watch.usage())), 149_000);
}

/// The cost of a streamed message that reports these usages, one after the other.
fn stream_costs(model: &str, statements: &[Value]) -> u64 {
    let mut watch = StreamWatch::new(Format::Anthropic);
    let mut decoder = outrigger_llm::StreamDecoder::new(Format::Anthropic);
    let mut translated = Usage::default();
    for (at, usage) in statements.iter().enumerate() {
        let data = match at {
            0 => json!({"type": "message_start", "message": {"usage": usage}}),
            _ => json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage}),
        };
        let event = framing::Event::of("", Some(&data.to_string()));
        watch.observe(&event);
        let mut decoded = Vec::new();
        decoder.push(&event, &mut decoded).unwrap();
        for event in decoded {
            if let outrigger_llm::chat::ChatEvent::Usage(usage) = event {
                translated.merge(&usage);
            }
        }
    }
    assert_eq!(watch.usage(), translated, "read in both ways");
    price("Anthropic", model).cost(&used(&translated))
}

#[test]
fn iterations_are_summed_and_corrections_replace_earlier_figures() {
    let model = "claude-sonnet-4-5";
    let message = |usage: Value| json!({"content": [{"type": "text", "text": "a"}], "usage": usage});
    let compacted = json!({
        "input_tokens": 220, "output_tokens": 8,
        "iterations": [{"type": "compaction", "input_tokens": 55_196, "output_tokens": 125},
                       {"type": "message", "input_tokens": 220, "output_tokens": 8}]});
    // (55,196 + 220) × 3,000 + (125 + 8) × 15,000
    assert_eq!(cost("Anthropic", model, Anthropic, "messages", &message(compacted.clone())), 168_243_000);
    assert_eq!(stream_costs(model, &[json!({"input_tokens": 220, "output_tokens": 1}), compacted]), 168_243_000);
    // The turns of a tool loop are included in the total: (10 + 20) × 3,000 + 30 × 300 + 40 × 3,750 + 7 × 15,000
    let looped = json!({
        "input_tokens": 30, "cache_read_input_tokens": 30, "cache_creation_input_tokens": 40, "output_tokens": 7,
        "iterations": [
            {"type": "message", "input_tokens": 10, "cache_creation_input_tokens": 40, "cache_read_input_tokens": 0,
             "output_tokens": 3},
            {"type": "message", "input_tokens": 20, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 30,
             "output_tokens": 4}]});
    assert_eq!(cost("Anthropic", model, Anthropic, "messages", &message(looped)), 354_000);
    // Invalid iterations are ignored.
    let odd = json!({"input_tokens": 10, "output_tokens": 1, "iterations": [7, null, "x", {}]});
    assert_eq!(cost("Anthropic", model, Anthropic, "messages", &message(odd)), 45_000);

    // 3,883 × 3,000 + 30,464 × 300 + 49 × 15,000
    let begun = json!({"input_tokens": 34_824, "output_tokens": 1});
    let corrected = json!({"input_tokens": 3_883, "cache_read_input_tokens": 30_464, "output_tokens": 49});
    assert_eq!(stream_costs(model, &[begun.clone(), corrected.clone()]), 21_523_200);
    // A correction may also lower a figure: 100 × 3,000 + 5 × 15,000
    let cached = json!({"input_tokens": 10, "cache_read_input_tokens": 90, "cache_creation_input_tokens": 7,
                        "cache_creation": {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 4}});
    let none = json!({"input_tokens": 100, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0,
                      "output_tokens": 5});
    assert_eq!(stream_costs(model, &[cached.clone(), none]), 375_000);
    // A server that does not know a figure sends zero, or nothing: 34,824 × 3,000 + 49 × 15,000
    for unknowing in
        [json!({"input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 49}), json!({"output_tokens": 49})]
    {
        assert_eq!(stream_costs(model, &[begun.clone(), unknowing]), 105_207_000);
    }
    // The last figure counts, also for output: 3,883 × 3,000 + 30,464 × 300 + 40 × 15,000
    let again = json!({"output_tokens": 40});
    assert_eq!(stream_costs(model, &[begun, corrected, again]), 21_388_200);
}

#[test]
fn no_recorded_figure_is_judged_implausible() {
    let Some(folder) = std::env::var_os("OUTRIGGER_CORPUS") else {
        eprintln!("skipped: OUTRIGGER_CORPUS is not set");
        return;
    };
    let file = std::fs::File::open(Path::new(&folder).join("recorded.jsonl.gz")).unwrap();
    let (mut judged, mut refused) = (0, Vec::new());
    for line in BufReader::new(flate2::read::GzDecoder::new(file)).lines() {
        let exchange: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let text = |key: &str| exchange[key].as_str().unwrap_or_default();
        let (dialect, operation) = match text("api") {
            "chat" => (OpenAi, "chat"),
            "completions" => (OpenAi, "completions"),
            "responses" => (OpenAi, "responses"),
            "embeddings" => (OpenAi, "embeddings"),
            "messages" => (Anthropic, "messages"),
            "generateContent" | "streamGenerateContent" => (Gemini, "generate_content"),
            "converse" => (Bedrock, "converse"),
            _ => continue,
        };
        if exchange["status"] != 200 {
            continue;
        }
        let body = exchange["req"].to_string();
        let Ok(scanned) = outrigger_llm::passthrough::scan::scan(body.as_bytes()) else { continue };
        let (usage, content_bytes) = match text("kind") {
            "json" => (whole(dialect, operation, text("body").as_bytes()).usage, text("body").len() as u64),
            _ => {
                let (mut watch, mut reader, mut events) =
                    (StreamWatch::new(dialect.format()), framing::EventReader::new(Framing::Sse), Vec::new());
                reader.push(&text("body").to_owned().into(), &mut events);
                events.extend(reader.finish());
                for event in &events {
                    watch.observe(event);
                }
                (watch.usage(), watch.content_bytes())
            }
        };
        if usage.is_empty() {
            continue;
        }
        let path = match (dialect, operation) {
            (OpenAi, "chat") => "/v1/chat/completions",
            (OpenAi, "completions") => "/v1/completions",
            (OpenAi, "responses") => "/v1/responses",
            (OpenAi, _) => "/v1/embeddings",
            (Anthropic, _) => "/v1/messages",
            (Gemini, _) => "/v1beta/models/m:generateContent",
            (Bedrock, _) => "/model/m/converse",
            (Dialect::Cohere, _) => "/v2/chat",
            (Dialect::Ollama, _) => "/api/chat",
        };
        let operation = outrigger_llm::operation::find("POST", path).unwrap().operation;
        let metered = meter(operation, &scanned, body.as_bytes());
        let input = outrigger_llm::tokens::estimate::RequestInput::read(dialect, body.as_bytes());
        let kind = spoken(text("provider"), text("api")).map_or("OpenAI", |(kind, ..)| kind);
        let model =
            exchange["req"]["model"].as_str().or_else(|| text("path").rsplit_once("models/")?.1.split(':').next());
        let entry = model.and_then(|model| catalogue::lookup(kind, model));
        let answers = scanned.answers(operation, body.as_bytes());
        let known = AttemptFacts {
            sent: body.len() as u64,
            reads: match metered {
                Metered::Unmetered(_) => InputSource::Elsewhere,
                _ if scanned.handle.is_some() => InputSource::Elsewhere,
                _ if input.is_words() => InputSource::Words,
                _ => InputSource::Media,
            },
            window: entry.map(|entry| u64::from(entry.context_window)).filter(|window| *window > 0),
            cap: scanned.output_cap(CapField::of_caller(operation)).map(|cap| cap * answers),
            most: entry.map(|entry| u64::from(entry.max_output_tokens) * answers).filter(|most| *most > 0),
            shows_all: entry.is_some_and(|entry| {
                entry.capabilities.is_some_and(|known| !known.contains(Capabilities::REASONING))
                    && entry.price.is_some_and(|price| {
                        price.audio_output.is_none() && price.image_output.is_none() && price.image.is_none()
                    })
            }),
        };
        judged += 1;
        let believed = known.judge(&usage, content_bytes);
        if believed != usage {
            refused.push(format!(
                "{} {} {}: {known:?} {content_bytes} {usage:?} -> {believed:?}",
                text("provider"),
                text("file"),
                exchange["i"]
            ));
        }
    }
    assert!(refused.is_empty() && judged > 500, "{judged} judged, {}:\n{}", refused.len(), refused.join("\n"));
}

/// The type, dialect and operation of a recorded exchange.
fn spoken(provider: &str, api: &str) -> Option<(&'static str, Dialect, &'static str)> {
    let kind = match provider {
        "openai" => "OpenAI",
        "mistral" => "Mistral",
        "anthropic" => "Anthropic",
        "gemini" | "vertex" => "Gemini",
        _ => return None,
    };
    Some(match api {
        "chat" => (kind, OpenAi, "chat"),
        "completions" => (kind, OpenAi, "completions"),
        "responses" => (kind, OpenAi, "responses"),
        "embeddings" => (kind, OpenAi, "embeddings"),
        "messages" => (kind, Anthropic, "messages"),
        "generateContent" | "streamGenerateContent" => (kind, Gemini, "generate_content"),
        _ => return None,
    })
}

#[test]
fn every_recorded_answer_of_a_known_model_has_a_cost() {
    let Some(folder) = std::env::var_os("OUTRIGGER_CORPUS") else {
        eprintln!("skipped: OUTRIGGER_CORPUS is not set");
        return;
    };
    let file = std::fs::File::open(Path::new(&folder).join("recorded.jsonl.gz")).unwrap();
    let mut costs: BTreeMap<&str, (u32, u64)> = BTreeMap::new();
    let mut unknown: BTreeMap<String, u32> = BTreeMap::new();
    for line in BufReader::new(flate2::read::GzDecoder::new(file)).lines() {
        let exchange: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let text = |key: &str| exchange[key].as_str().unwrap_or_default();
        let Some((kind, dialect, operation)) = spoken(text("provider"), text("api")) else { continue };
        if exchange["status"] != 200 {
            continue;
        }
        let (usage, model) = match text("kind") {
            "json" => {
                let seen = whole(dialect, operation, text("body").as_bytes());
                (seen.usage, seen.model)
            }
            _ => {
                let (mut watch, mut reader, mut events) =
                    (StreamWatch::new(dialect.format()), framing::EventReader::new(Framing::Sse), Vec::new());
                reader.push(&text("body").to_owned().into(), &mut events);
                events.extend(reader.finish());
                for event in &events {
                    watch.observe(event);
                }
                (watch.usage(), watch.model().map(str::to_owned))
            }
        };
        let asked = exchange["req"]["model"].as_str().map(str::to_owned);
        let names = [model, asked].into_iter().flatten();
        let found = names.clone().find_map(|name| catalogue::lookup(kind, &name)?.price);
        let Some(price) = found else {
            *unknown.entry(format!("{kind} {:?}", names.collect::<Vec<_>>())).or_default() += 1;
            continue;
        };
        if usage.is_empty() {
            continue;
        }
        let cost = price.cost(&used(&usage));
        assert_eq!(cost > 0, !price.is_free(), "{} {}: {usage:?}", text("provider"), text("file"));
        // No recorded answer was an expensive one.
        assert!(cost < 1_000_000_000, "{} {}: {cost} for {usage:?}", text("provider"), text("file"));
        let all = costs.entry(kind).or_default();
        *all = (all.0 + 1, all.1 + cost);
    }
    eprintln!("{costs:?}, without a price: {unknown:?}");
    for (kind, least) in [("OpenAI", 120), ("Anthropic", 80), ("Gemini", 120), ("Mistral", 50)] {
        assert!(costs.get(kind).is_some_and(|(count, _)| *count >= least), "{kind}: {costs:?}, {unknown:?}");
    }
}
