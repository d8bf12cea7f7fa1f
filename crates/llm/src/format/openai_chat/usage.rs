//! `usage`, in OpenAI's form and in the variants of compatible providers.

use serde_json::{Map, Value, json};

use crate::chat::JsonObject;
use crate::usage::{self, ServiceTier, Usage};

/// Decodes the usage of a body: `usage`, and the service tier next to it.
pub(super) fn of(body: &JsonObject, usage: Option<&Value>) -> Usage {
    let mut read = usage.map(read).unwrap_or_default();
    read.service = service(body.get("service_tier")).or(read.service);
    read
}

fn service(word: Option<&Value>) -> Option<ServiceTier> {
    word.and_then(Value::as_str).and_then(ServiceTier::parse)
}

/// Decodes a `usage` object; missing numbers stay absent.
fn read(object: &Value) -> Usage {
    let figure = |pointer: &str| object.pointer(pointer).and_then(usage::count);
    let text = figure("/prompt_tokens");
    let audio = figure("/prompt_tokens_details/audio_tokens");
    let completion = figure("/completion_tokens");
    let reasoning = figure("/completion_tokens_details/reasoning_tokens");
    // xAI counts reasoning in addition to the completion and not as a part of it; the total shows this.
    let output = match (text, completion, reasoning, figure("/total_tokens")) {
        (Some(input), Some(completion), Some(reasoning), Some(total))
            if reasoning > 0
                && input.checked_add(completion).and_then(|sum| sum.checked_add(reasoning)) == Some(total) =>
        {
            completion.checked_add(reasoning)
        }
        _ => completion,
    };
    // Mistral counts audio in addition to the prompt and not as a part of it; the total shows this too.
    let input = match (text, audio, output, figure("/total_tokens")) {
        (Some(text), Some(audio), Some(output), Some(total))
            if audio > 0 && text.checked_add(audio).and_then(|sum| sum.checked_add(output)) == Some(total) =>
        {
            text.checked_add(audio)
        }
        _ => text,
    };
    Usage {
        input,
        // DeepSeek reports both or, in older versions, only its own field.
        cached_input: figure("/prompt_tokens_details/cached_tokens")
            .or_else(|| figure("/prompt_cache_hit_tokens"))
            // Grok on Azure reports more cached input than input: then it is unknown.
            .filter(|cached| input.is_none_or(|input| *cached <= input)),
        cache_write: figure("/prompt_tokens_details/cache_write_tokens"),
        cache_write_1h: None,
        output,
        reasoning,
        audio_input: audio,
        audio_output: figure("/completion_tokens_details/audio_tokens"),
        image_input: figure("/prompt_tokens_details/image_tokens"),
        image_output: figure("/completion_tokens_details/image_tokens"),
        images: None,
        searches: None,
        // Mistral's.
        milliseconds: figure("/prompt_audio_seconds").and_then(|seconds| seconds.checked_mul(1_000)),
        service: service(object.get("service_tier")),
    }
}

/// Encodes usage; `None` if nothing is known. The schema requires input, output and their sum: if only one of the two
/// is known, the other is zero (a blocked prompt has no output).
pub(super) fn encode(usage: &Usage) -> Option<Value> {
    if usage.input.is_none() && usage.output.is_none() {
        return None;
    }
    let (input, output) = (usage.input.unwrap_or(0), usage.output.unwrap_or(0));
    let mut encoded = Map::new();
    encoded.insert("prompt_tokens".into(), json!(input));
    encoded.insert("completion_tokens".into(), json!(output));
    encoded.insert("total_tokens".into(), json!(input.saturating_add(output)));
    let cache_write = match (usage.cache_write, usage.cache_write_1h) {
        (None, None) => None,
        (short, long) => Some(short.unwrap_or(0).saturating_add(long.unwrap_or(0))),
    };
    let of_input = [
        ("cached_tokens", usage.cached_input),
        ("cache_write_tokens", cache_write),
        ("audio_tokens", usage.audio_input),
    ];
    let of_output = [("reasoning_tokens", usage.reasoning), ("audio_tokens", usage.audio_output)];
    insert_known(&mut encoded, "prompt_tokens_details", &of_input);
    insert_known(&mut encoded, "completion_tokens_details", &of_output);
    Some(Value::Object(encoded))
}

fn insert_known(object: &mut Map<String, Value>, key: &str, figures: &[(&str, Option<u64>)]) {
    let known: Map<String, Value> =
        figures.iter().filter_map(|(name, figure)| figure.map(|figure| ((*name).to_owned(), json!(figure)))).collect();
    if !known.is_empty() {
        object.insert(key.to_owned(), Value::Object(known));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_variants() {
        for (why, usage, expected) in [
            ("nothing is not zero", json!({}), Usage::default()),
            (
                "OpenAI: reasoning is part of the completion",
                json!({"prompt_tokens": 10, "completion_tokens": 30, "total_tokens": 40,
                       "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 1},
                       "completion_tokens_details": {"reasoning_tokens": 20, "audio_tokens": 2}}),
                Usage {
                    input: Some(10),
                    cached_input: Some(4),
                    output: Some(30),
                    reasoning: Some(20),
                    audio_input: Some(1),
                    audio_output: Some(2),
                    ..Usage::default()
                },
            ),
            (
                "xAI: reasoning comes on top",
                json!({"prompt_tokens": 10, "completion_tokens": 30, "total_tokens": 60,
                       "completion_tokens_details": {"reasoning_tokens": 20}}),
                Usage { input: Some(10), output: Some(50), reasoning: Some(20), ..Usage::default() },
            ),
            (
                "Mistral: audio comes on top",
                json!({"prompt_tokens": 9, "completion_tokens": 20, "total_tokens": 69,
                       "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 40}}),
                Usage {
                    input: Some(49),
                    cached_input: Some(0),
                    output: Some(20),
                    audio_input: Some(40),
                    ..Usage::default()
                },
            ),
            (
                "Grok on Azure: more cached than asked",
                json!({"prompt_tokens": 7, "completion_tokens": 1, "total_tokens": 8,
                       "prompt_tokens_details": {"cached_tokens": 163, "text_tokens": 7}}),
                Usage { input: Some(7), output: Some(1), ..Usage::default() },
            ),
            (
                "DeepSeek's own word for cached",
                json!({"prompt_tokens": 10, "completion_tokens": 3, "prompt_cache_hit_tokens": 8}),
                Usage { input: Some(10), cached_input: Some(8), output: Some(3), ..Usage::default() },
            ),
            (
                "null and strings are not figures",
                json!({"prompt_tokens": null, "completion_tokens": "7"}),
                Usage::default(),
            ),
        ] {
            assert_eq!(read(&usage), expected, "{why}");
        }
    }

    #[test]
    fn the_service_tier_is_next_to_the_usage_or_in_it() {
        let body = json!({"service_tier": "flex", "usage": {"prompt_tokens": 1, "service_tier": "standard",
                          "prompt_tokens_details": {"image_tokens": 1}, "prompt_audio_seconds": 2,
                          "completion_tokens_details": {"image_tokens": 3}}});
        let expected = Usage {
            input: Some(1),
            image_input: Some(1),
            image_output: Some(3),
            milliseconds: Some(2_000),
            service: Some(ServiceTier::Flex),
            ..Usage::default()
        };
        let read = |body: &Value| body.as_object().map(|body| of(body, body.get("usage")));
        assert_eq!(read(&body), Some(expected));
        let body = json!({"service_tier": "auto", "usage": {"service_tier": "standard"}});
        assert_eq!(read(&body).map(|usage| usage.service), Some(Some(ServiceTier::Default)));
    }

    #[test]
    fn encodes_only_known_usage() {
        assert_eq!(encode(&Usage { reasoning: Some(3), ..Usage::default() }), None);
        assert_eq!(
            encode(&Usage { input: Some(5), ..Usage::default() }),
            Some(json!({"prompt_tokens": 5, "completion_tokens": 0, "total_tokens": 5}))
        );
        assert_eq!(
            encode(&Usage {
                input: Some(5),
                output: Some(2),
                cache_write: Some(1),
                cache_write_1h: Some(2),
                ..Usage::default()
            }),
            Some(json!({"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7,
                        "prompt_tokens_details": {"cache_write_tokens": 3}}))
        );
    }
}
