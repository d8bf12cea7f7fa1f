//! The estimate of a request's input, compared with what providers billed for recorded requests.
//!
//! Runs if `OUTRIGGER_CORPUS` is the folder that contains `recorded.jsonl.gz`.

// Clippy treats helpers of an integration test as shipped code.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::collections::BTreeMap;

use outrigger_llm::Dialect;
use outrigger_llm::operation::find;
use outrigger_llm::passthrough::scan::scan;
use outrigger_llm::tokens::estimate::{RequestInput, TokenEstimate, input_tokens, output_tokens};
use outrigger_llm::tokens::meter::{Metered, meter};
use serde_json::{Value, json};

mod recorded;

fn tokens(dialect: Dialect, body: &Value) -> u64 {
    input_tokens(dialect, body.to_string().as_bytes())
}

fn estimate(dialect: Dialect, model: &str, body: &Value) -> TokenEstimate {
    RequestInput::read(dialect, body.to_string().as_bytes()).estimate(dialect, model)
}

/// Base64 of an image's first bytes, padded to a size.
fn png(width: u32, height: u32, bytes: usize) -> String {
    use base64::Engine;
    let mut picture = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    picture.extend(width.to_be_bytes());
    picture.extend(height.to_be_bytes());
    picture.resize(bytes, 7);
    base64::prelude::BASE64_STANDARD.encode(picture)
}

/// The gateway's paths for recorded requests; providers have other ones.
const PATHS: [(&str, &str); 7] = [
    ("chat", "/v1/chat/completions"),
    ("completions", "/v1/completions"),
    ("responses", "/v1/responses"),
    ("embeddings", "/v1/embeddings"),
    ("messages", "/v1/messages"),
    ("generateContent", "/v1beta/models/m:generateContent"),
    ("streamGenerateContent", "/v1beta/models/m:streamGenerateContent"),
];

/// The input tokens in an answer, including cached ones.
fn billed(answer: &Value) -> Option<u64> {
    let usage =
        ["/usage", "/usageMetadata", "/response/usage", "/message/usage"].iter().find_map(|at| answer.pointer(at))?;
    let figure = |name: &str| usage[name].as_u64();
    if let Some(prompt) = figure("prompt_tokens").or_else(|| figure("promptTokenCount")) {
        return Some(prompt);
    }
    let cached = ["cache_read_input_tokens", "cache_creation_input_tokens"].iter().filter_map(|name| figure(name));
    Some(figure("input_tokens")? + cached.sum::<u64>())
}

#[test]
fn recorded_requests_are_rarely_estimated_too_low() {
    let Some(exchanges) = recorded::exchanges() else { return };
    let mut ratios: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for exchange in exchanges.into_iter().filter(|exchange| exchange.status == 200) {
        // Cohere's chat is not OpenAI's.
        let path = PATHS.iter().find(|(api, _)| *api == exchange.api).filter(|_| exchange.provider != "cohere");
        let Some(operation) = path.and_then(|(_, path)| find("POST", path)).map(|found| found.operation) else {
            continue;
        };
        let body = exchange.req.as_ref().map(Value::to_string).unwrap_or_default();
        let Ok(scanned) = scan(body.as_bytes()) else { continue };
        // The body does not show what a provider's own tools read, and what it stores.
        if meter(operation, &scanned, body.as_bytes()) != Metered::Tokens || scanned.handle.is_some() {
            continue;
        }
        let answer = exchange.body.unwrap_or_default();
        let documents = answer.lines().map(|line| line.strip_prefix("data:").unwrap_or(line));
        let actual = match exchange.kind.as_str() {
            "json" => serde_json::from_str(&answer).ok().as_ref().and_then(billed),
            _ => documents.filter_map(|line| billed(&serde_json::from_str(line).ok()?)).max(),
        };
        let Some(actual) = actual.filter(|actual| *actual > 0) else { continue };
        let in_path = exchange.path.split(':').next().and_then(|path| path.rsplit('/').next()).unwrap_or_default();
        let model = scanned.model.as_deref().unwrap_or(in_path);
        let input = RequestInput::read(operation.dialect, body.as_bytes());
        let ratio = input.estimate(operation.dialect, model).tokens() as f64 / actual as f64;
        ratios.entry(format!("{} {}", exchange.provider, operation.name)).or_default().push(ratio);
        ratios.entry("all".to_owned()).or_default().push(ratio);
    }
    for (name, ratios) in &mut ratios {
        ratios.sort_by(f64::total_cmp);
        let at = |share: f64| ratios[((ratios.len() - 1) as f64 * share) as usize];
        let low = ratios.iter().filter(|ratio| **ratio < 1.0).count();
        println!(
            "{name}: {} requests, {low} too low; least {:.2}, median {:.2}, nine of ten below {:.2}, most {:.2}",
            ratios.len(),
            at(0.0),
            at(0.5),
            at(0.9),
            at(1.0)
        );
    }
    let all = &ratios["all"];
    assert!(all.len() > 700, "only {} requests tell their usage", all.len());
    let low = all.iter().filter(|ratio| **ratio < 1.0).count();
    assert!(low * 50 <= all.len(), "more than one of fifty is too low: {low} of {}", all.len());
    assert!(all[all.len() / 2] < 2.0, "the half of them is estimated at more than twice of what they cost");
}

#[test]
fn pictures_are_counted_by_their_size_and_not_by_their_bytes() {
    let chat = |url: &str| json!({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]});
    let small = format!("data:image/png;base64,{}", png(512, 512, 200_000));
    let large = format!("data:image/png;base64,{}", png(4_000, 3_000, 300));
    let pictures = |url: &str, model: &str| estimate(Dialect::OpenAi, model, &chat(url)).pictures;
    assert_eq!(pictures(&small, "gpt-4o"), 16 * 16 * 162 / 100);
    assert_eq!(pictures(&small, "gpt-4o-mini"), 2_833 + 5_667);
    assert_eq!(pictures(&small, "anthropic/claude-haiku-4-5"), 350);
    assert_eq!(pictures(&large, "claude-opus-5"), 4_784);
    assert_eq!(pictures(&small, "gemini-2.5-flash"), 258 * 4);
    assert_eq!(pictures(&small, "google/gemini-3-pro"), 1_120);
    // An image elsewhere may have the maximum size.
    assert_eq!(pictures("https://example.com/a.png", "gpt-4o"), pictures(&large, "gpt-4o"));
    assert_eq!(pictures("https://example.com/a.png", "gpt-4o-mini"), 2_833 + 8 * 5_667);
    // Each image counts.
    let two = json!({"messages": [{"content": [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": png(300, 300, 400)}},
        {"type": "tool_result", "content": [{"type": "image", "source": {"type": "url", "url": "https://example.com"}}]},
    ]}]});
    assert_eq!(estimate(Dialect::Anthropic, "claude-haiku-4-5", &two).pictures, 120 + 4_784);
    // Ollama's have no types.
    let listed = json!({"messages": [{"role": "user", "content": "", "images": [png(512, 512, 200_000)]}]});
    assert_eq!(estimate(Dialect::Ollama, "gpt-4o", &listed).pictures, pictures(&small, "gpt-4o"));
}

#[test]
fn documents_and_sound_are_counted_by_pages_and_seconds() {
    use base64::Engine;
    let encode = |head: &[u8], bytes: usize| {
        let mut all = head.to_vec();
        all.resize(bytes, b' ');
        base64::prelude::BASE64_STANDARD.encode(all)
    };
    let pdf = encode(b"%PDF-1.4 /Type /Page /Type /Page /Type /Pages", 90_000);
    let inline = |data: &str| json!({"contents": [{"parts": [{"inlineData": {"mimeType": "x/y", "data": data}}]}]});
    assert_eq!(estimate(Dialect::Gemini, "gemini-2.5-flash", &inline(&pdf)).documents, 2 * 1_300);
    let mp3 = encode(b"ID3\x04", 40_000);
    let sound = estimate(Dialect::Gemini, "gemini-2.5-flash", &inline(&mp3));
    assert_eq!((sound.audio, sound.documents, sound.pictures), (320, 0, 0));
    // Files elsewhere are counted once, however they are declared.
    let file = |file: Value| estimate(Dialect::Gemini, "m", &json!({"contents": [{"parts": [{"fileData": file}]}]}));
    assert!(file(json!({"fileUri": "gs://a/b"})).documents > 5_000);
    assert!(file(json!({"fileUri": "gs://a/b", "mimeType": "application/pdf"})).documents > 5_000);
    let picture = file(json!({"mime_type": "image/png", "file_uri": "gs://a/b"}));
    assert!(picture.pictures > 1_000 && picture.documents == 0);
    assert!(file(json!({"fileUri": "gs://a/b", "mimeType": "video/mp4"})).audio > 5_000);
    // So is a document elsewhere, whatever follows it.
    let elsewhere = json!({"messages": [{"content": [
        {"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}},
        {"type": "text", "text": "What does it say?"},
    ]}]});
    assert_eq!(estimate(Dialect::Anthropic, "claude-haiku-4-5", &elsewhere).documents, 5 * 3_600);
    // A document given as text counts as its text.
    let words = json!({"messages": [{"content": [
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "https://example.com says just these words."}},
    ]}]});
    assert_eq!(estimate(Dialect::Anthropic, "claude-haiku-4-5", &words).documents, 0);
}

#[test]
fn only_text_that_models_read_is_counted() {
    let long = "a word or two ".repeat(200);
    let with = |key: &str, value: Value| {
        let mut body = json!({"messages": [{"role": "user", "content": "hi"}]});
        body[key] = value;
        tokens(Dialect::OpenAi, &body)
    };
    let least = with("stream", json!(true));
    assert_eq!(with("metadata", json!({"note": long})), least);
    assert_eq!(with("prompt_cache_key", json!(long)), least);
    for (key, value) in [
        ("tools", json!([{"type": "function", "function": {"name": "f", "description": long}}])),
        ("response_format", json!({"type": "json_schema", "json_schema": {"schema": {"description": long}}})),
        ("a_field_of_tomorrow", json!({"inside": [long]})),
    ] {
        assert!(with(key, value) > least + 600, "{key}");
    }
    // The result of a tool is read as raw text, whatever it looks like.
    let result = json!({"messages": [{"role": "tool", "content": png(64, 64, 3_000)}]});
    assert!(tokens(Dialect::OpenAi, &result) > 1_500);
    let response = json!({"contents": [{"parts": [{"functionResponse": {"response": {"data": png(64, 64, 3_000)}}}]}]});
    assert!(tokens(Dialect::Gemini, &response) > 1_500);
    // Tokens given as numbers count exactly.
    let numbers = json!({"input": vec![7; 500]});
    assert!((500..520).contains(&tokens(Dialect::OpenAi, &numbers)));
}

#[test]
fn a_truncated_answer_has_at_least_one_token() {
    for (bytes, expected) in [(0, 0), (1, 1), (4, 2), (700, 200), (u64::MAX, u64::MAX.div_ceil(7))] {
        assert_eq!(output_tokens(bytes), expected, "{bytes}");
    }
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_can_be_estimated(bytes in prop::collection::vec(any::<u8>(), 0..400), text in r#"[\[\]{}",:\\a-z0-9 ]{0,200}"#) {
            for dialect in Dialect::ALL {
                let _ = input_tokens(dialect, &bytes);
                let _ = input_tokens(dialect, text.as_bytes());
            }
        }

        /// Deeper than any stack.
        #[test]
        fn nesting_does_not_count(depth in 0_usize..20_000) {
            let body = format!("{{\"messages\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
            prop_assert!(input_tokens(Dialect::OpenAi, body.as_bytes()) < 100);
        }

        /// More text never has fewer tokens.
        #[test]
        fn more_text_never_has_fewer_tokens(text in "\\PC{0,60}", more in "\\PC{0,60}") {
            let of = |text: &str| tokens(Dialect::Anthropic, &json!({"messages": [{"role": "user", "content": text}]}));
            let longer = format!("{text} {more}");
            prop_assert!(of(&longer) >= of(&text));
        }
    }
}
