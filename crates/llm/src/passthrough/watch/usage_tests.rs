//! Usage other than tokens of text, and the service tier.

use crate::Dialect::{Anthropic, Gemini, OpenAi};

use super::*;
use crate::Dialect;
use crate::operation::TABLE;
use crate::passthrough::summary::AnswerSummary;
use crate::registry::summarize;
use crate::usage::ServiceTier::{self, Batch, Default as Usual, Fast, Flex, Priority, Ultrafast};

/// The summary of an answer of the operation with this name.
fn whole(dialect: Dialect, operation: &str, body: &[u8]) -> AnswerSummary {
    let row = TABLE.iter().find(|row| row.name == operation).unwrap();
    summarize(dialect, row.kind, body)
}

fn watched(dialect: Dialect, events: &[&str]) -> Usage {
    let mut watch = StreamWatch::new(dialect.format());
    for data in events {
        watch.observe(&Event::of("", Some(data)));
    }
    watch.usage()
}

#[test]
fn the_service_tier_is_read_from_every_place() {
    let whole = |dialect, operation, body: &str| whole(dialect, operation, body.as_bytes()).usage.service;
    let chat = r#"{"choices":[{"message":{"content":"a"}}],"service_tier":"flex","usage":{"prompt_tokens":1}}"#;
    assert_eq!(whole(OpenAi, "chat", chat), Some(Flex));
    let mistral = r#"{"choices":[{"message":{"content":"a"}}],"usage":{"prompt_tokens":1,"service_tier":"standard"}}"#;
    assert_eq!(whole(OpenAi, "chat", mistral), Some(Usual));
    let response = r#"{"status":"completed","output":[],"service_tier":"priority","usage":{"input_tokens":1}}"#;
    assert_eq!(whole(OpenAi, "responses", response), Some(Priority));
    let message = r#"{"content":[],"usage":{"input_tokens":1,"service_tier":"batch"}}"#;
    assert_eq!(whole(Anthropic, "messages", message), Some(Batch));
    let fast = r#"{"content":[],"usage":{"input_tokens":1,"service_tier":"standard","speed":"fast"}}"#;
    assert_eq!(whole(Anthropic, "messages", fast), Some(Fast));
    let slow = r#"{"content":[],"usage":{"input_tokens":1,"service_tier":"priority","speed":"standard"}}"#;
    assert_eq!(whole(Anthropic, "messages", slow), Some(Priority));
    let gemini = r#"{"candidates":[],"usageMetadata":{"promptTokenCount":1,"serviceTier":"flex"}}"#;
    assert_eq!(whole(Gemini, "generate_content", gemini), Some(Flex));
    let vertex = r#"{"candidates":[],"usageMetadata":{"promptTokenCount":1,"trafficType":"ON_DEMAND_PRIORITY"}}"#;
    assert_eq!(whole(Gemini, "generate_content", vertex), Some(Priority));
    let embedded = r#"{"data":[],"usage":{"prompt_tokens":1}}"#;
    assert_eq!(whole(OpenAi, "embeddings", embedded), None);
}

#[test]
fn the_service_tier_may_precede_or_follow_the_usage() {
    let usage = r#"{"choices":[],"usage":{"prompt_tokens":3}}"#;
    let piece = r#"{"choices":[{"delta":{"content":""}}],"service_tier":"flex"}"#;
    let expected = Usage { input: Some(3), service: Some(Flex), ..Usage::default() };
    assert_eq!(watched(OpenAi, &[piece, usage]), expected);
    assert_eq!(watched(OpenAi, &[usage, piece]), expected);
    let begun = r#"{"type":"response.created","response":{"service_tier":"auto","usage":null}}"#;
    let ended =
        r#"{"type":"response.completed","response":{"service_tier":"flex","usage":{"input_tokens":3},"output":[]}}"#;
    assert_eq!(watched(OpenAi, &[begun]), Usage::default());
    assert_eq!(watched(OpenAi, &[begun, ended]), expected);
    let start = r#"{"type":"message_start","message":{"usage":{"input_tokens":3,"service_tier":"priority"}}}"#;
    let delta = r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":2}}"#;
    let expected = Usage { input: Some(3), output: Some(2), service: Some(Priority), ..Usage::default() };
    assert_eq!(watched(Anthropic, &[start, delta]), expected);
    let traffic = r#"{"candidates":[],"usageMetadata":{"trafficType":"ON_DEMAND"}}"#;
    let counts = r#"{"candidates":[],"usageMetadata":{"promptTokenCount":3}}"#;
    assert!(watched(Gemini, &[traffic]).is_empty());
    let expected = Usage { input: Some(3), service: Some(Usual), ..Usage::default() };
    assert_eq!(watched(Gemini, &[traffic, counts]), expected);
}

#[test]
fn a_service_tier_has_one_name_and_many_spellings() {
    for tier in [Usual, Batch, Flex, Priority, Fast, Ultrafast] {
        assert_eq!(ServiceTier::parse(tier.word()), Some(tier));
    }
    for (word, tier) in [("standard", Some(Usual)), ("on_demand", Some(Usual)), ("ON_DEMAND_FLEX", Some(Flex))] {
        assert_eq!(ServiceTier::parse(word), tier, "{word}");
    }
    for word in ["", "auto", "scale", "PROVISIONED_THROUGHPUT"] {
        assert_eq!(ServiceTier::parse(word), None, "{word}");
    }
}

#[test]
fn usage_of_a_message_never_decreases_and_its_start_has_no_output() {
    let start = r#"{"type":"message_start","message":{"usage":{"input_tokens":9,"cache_read_input_tokens":100,"cache_creation_input_tokens":50,"cache_creation":{"ephemeral_5m_input_tokens":50,"ephemeral_1h_input_tokens":0},"output_tokens":3}}}"#;
    let cut = watched(Anthropic, &[start]);
    assert_eq!((cut.input, cut.output), (Some(159), None));
    // A tool that ran in between wrote more to the cache, which is reported as one number.
    let delta = r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"input_tokens":0,"cache_read_input_tokens":0,"cache_creation_input_tokens":70,"output_tokens":20}}"#;
    let expected = Usage {
        input: Some(179),
        cached_input: Some(100),
        cache_write: Some(70),
        cache_write_1h: Some(0),
        output: Some(20),
        ..Usage::default()
    };
    assert_eq!(watched(Anthropic, &[start, delta]), expected);
}

#[test]
fn thoughts_included_in_candidates_are_counted_once() {
    let apart = r#"{"candidates":[],"usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":5,"thoughtsTokenCount":7,"totalTokenCount":22}}"#;
    let among = r#"{"candidates":[],"usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":12,"thoughtsTokenCount":7,"totalTokenCount":22}}"#;
    for chunk in [apart, among] {
        let usage = watched(Gemini, &[chunk]);
        assert_eq!((usage.output, usage.reasoning), (Some(12), Some(7)), "{chunk}");
    }
}

#[test]
fn pictures_and_sounds_are_counted() {
    let table = [
        (
            OpenAi,
            "images",
            r#"{"data":[{"b64_json":"AA"},{"b64_json":"BB"}],"usage":{"input_tokens":50,"input_tokens_details":{"text_tokens":10,"image_tokens":40},"output_tokens":8320,"total_tokens":8370}}"#,
            Usage {
                input: Some(50),
                image_input: Some(40),
                output: Some(8_320),
                image_output: Some(8_320),
                images: Some(2),
                ..Usage::default()
            },
        ),
        (
            OpenAi,
            "images",
            r#"{"data":[{"url":"u"}],"usage":{"input_tokens":5,"output_tokens":100,"output_tokens_details":{"image_tokens":90,"text_tokens":10}}}"#,
            Usage { input: Some(5), output: Some(100), image_output: Some(90), images: Some(1), ..Usage::default() },
        ),
        (OpenAi, "images", r#"{"data":[{"url":"u"}]}"#, Usage { images: Some(1), ..Usage::default() }),
        (OpenAi, "images", "\u{1}binary", Usage::default()),
        (
            OpenAi,
            "transcription",
            r#"{"text":"a","usage":{"type":"tokens","input_tokens":14,"input_token_details":{"text_tokens":0,"audio_tokens":14},"output_tokens":45,"total_tokens":59}}"#,
            Usage { input: Some(14), audio_input: Some(14), output: Some(45), ..Usage::default() },
        ),
        (
            OpenAi,
            "transcription",
            r#"{"text":"a","usage":{"type":"duration","seconds":9},"duration":8.47}"#,
            Usage { milliseconds: Some(9_000), ..Usage::default() },
        ),
        (
            OpenAi,
            "transcription",
            r#"{"text":"a","duration":8.4701}"#,
            Usage { milliseconds: Some(8_471), ..Usage::default() },
        ),
        (OpenAi, "transcription", r#"{"text":"a","duration":"8.47"}"#, Usage::default()),
        (OpenAi, "transcription", r#"{"text":"a","duration":-1.5}"#, Usage::default()),
        (
            OpenAi,
            "chat",
            r#"{"choices":[{"message":{"content":"a"}}],"usage":{"prompt_audio_seconds":4,"prompt_tokens":9,"completion_tokens":201,"total_tokens":585,"prompt_tokens_details":{"audio_tokens":375}}}"#,
            Usage {
                input: Some(384),
                audio_input: Some(375),
                output: Some(201),
                milliseconds: Some(4_000),
                ..Usage::default()
            },
        ),
        (
            Gemini,
            "generate_content",
            r#"{"candidates":[],"usageMetadata":{"promptTokenCount":300,"promptTokensDetails":[{"modality":"TEXT","tokenCount":42},{"modality":"IMAGE","tokenCount":258}],"candidatesTokenCount":1300,"candidatesTokensDetails":[{"modality":"IMAGE","tokenCount":1290}]}}"#,
            Usage {
                input: Some(300),
                image_input: Some(258),
                output: Some(1_300),
                image_output: Some(1_290),
                ..Usage::default()
            },
        ),
    ];
    for (dialect, operation, body, expected) in table {
        assert_eq!(whole(dialect, operation, body.as_bytes()).usage, expected, "{operation} {body}");
    }
}

#[test]
fn content_is_counted_before_and_after_the_first_event_with_content() {
    let mut watch = StreamWatch::new(OpenAi.format());
    for data in [
        r#"{"choices":[{"delta":{"role":"assistant","content":""}}]}"#,
        r#"{"choices":[{"delta":{"content":"abc"}}]}"#,
        r#"{"choices":[{"delta":{"content":"de"}}]}"#,
        r#"{"choices":[],"usage":{"prompt_tokens":1}}"#,
        "[DONE]",
    ] {
        watch.observe(&Event::of("", Some(data)));
    }
    assert_eq!(watch.content_bytes(), 5);
}
