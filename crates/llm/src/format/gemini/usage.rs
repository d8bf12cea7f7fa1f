//! `usageMetadata` in both directions.

use serde_json::{Map, Value, json};

use crate::usage::{self, ServiceTier, Usage};

/// Decodes `usageMetadata`. Gemini counts thoughts, and what tools added to the prompt, separately.
pub(super) fn decode(metadata: &Value) -> Usage {
    let count = |name: &str| metadata.get(name).and_then(usage::count);
    let service = |name: &str| metadata.get(name).and_then(Value::as_str).and_then(ServiceTier::parse);
    let prompt = count("promptTokenCount");
    let input = plus(prompt, count("toolUsePromptTokenCount"));
    let candidates = count("candidatesTokenCount");
    let reasoning = count("thoughtsTokenCount");
    // Some Vertex models include thoughts in the candidates' tokens; the total shows which.
    let inclusive = reasoning.is_some_and(|thoughts| thoughts > 0)
        && candidates.is_some()
        && count("totalTokenCount").is_some_and(|total| plus(input, candidates) == Some(total));
    Usage {
        input,
        cached_input: count("cachedContentTokenCount"),
        output: if inclusive { candidates } else { plus(candidates, reasoning) },
        reasoning,
        audio_input: modality(metadata, "promptTokensDetails", "AUDIO"),
        audio_output: modality(metadata, "candidatesTokensDetails", "AUDIO"),
        image_input: modality(metadata, "promptTokensDetails", "IMAGE"),
        image_output: modality(metadata, "candidatesTokensDetails", "IMAGE"),
        service: service("serviceTier").or_else(|| service("trafficType")),
        ..Usage::default()
    }
}

/// Encodes `usageMetadata`; `None` if nothing is known.
pub(super) fn encode(usage: &Usage) -> Option<Value> {
    if usage.is_empty() {
        return None;
    }
    let mut out = Map::new();
    let mut put = |name: &str, count: Option<u64>| {
        if let Some(count) = count {
            out.insert(name.to_owned(), json!(count));
        }
    };
    put("promptTokenCount", usage.input);
    put("cachedContentTokenCount", usage.cached_input);
    put("candidatesTokenCount", usage.output.map(|all| all.saturating_sub(usage.reasoning.unwrap_or(0))));
    put("thoughtsTokenCount", usage.reasoning);
    put("totalTokenCount", plus(usage.input, usage.output));
    for (name, audio, image) in [
        ("promptTokensDetails", usage.audio_input, usage.image_input),
        ("candidatesTokensDetails", usage.audio_output, usage.image_output),
    ] {
        let known = [("AUDIO", audio), ("IMAGE", image)]
            .into_iter()
            .filter_map(|(modality, count)| count.map(|count| json!({"modality": modality, "tokenCount": count})));
        let details: Vec<Value> = known.collect();
        if !details.is_empty() {
            out.insert(name.to_owned(), Value::Array(details));
        }
    }
    Some(Value::Object(out))
}

fn plus(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (one, other) {
        (None, None) => None,
        _ => Some(one.unwrap_or(0).saturating_add(other.unwrap_or(0))),
    }
}

fn modality(metadata: &Value, name: &str, modality: &str) -> Option<u64> {
    let details = metadata.get(name)?.as_array()?;
    details
        .iter()
        .find(|detail| detail.get("modality").and_then(Value::as_str) == Some(modality))?
        .get("tokenCount")
        .and_then(usage::count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_has_the_common_meaning() {
        let cases = [
            (json!({}), Usage::default()),
            (
                json!({"promptTokenCount": 10, "candidatesTokenCount": 5, "thoughtsTokenCount": 7, "totalTokenCount": 22,
                       "cachedContentTokenCount": 4}),
                Usage {
                    input: Some(10),
                    cached_input: Some(4),
                    output: Some(12),
                    reasoning: Some(7),
                    ..Usage::default()
                },
            ),
            (
                json!({"promptTokenCount": 10, "candidatesTokenCount": 12, "thoughtsTokenCount": 7, "totalTokenCount": 22}),
                Usage { input: Some(10), output: Some(12), reasoning: Some(7), ..Usage::default() },
            ),
            (
                json!({"promptTokenCount": 10, "toolUsePromptTokenCount": 3, "totalTokenCount": 13}),
                Usage { input: Some(13), ..Usage::default() },
            ),
            (
                json!({"thoughtsTokenCount": 7, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 1}, {"modality": "AUDIO", "tokenCount": 9}]}),
                Usage { output: Some(7), reasoning: Some(7), audio_input: Some(9), ..Usage::default() },
            ),
            (
                json!({"candidatesTokenCount": 9, "totalTokenCount": 9, "candidatesTokensDetails":
                      [{"modality": "AUDIO", "tokenCount": 1}, {"modality": "IMAGE", "tokenCount": 8}]}),
                Usage { output: Some(9), audio_output: Some(1), image_output: Some(8), ..Usage::default() },
            ),
        ];
        for (metadata, expected) in cases {
            assert_eq!(decode(&metadata), expected, "{metadata}");
            let again = encode(&expected).map(|metadata| decode(&metadata)).unwrap_or_default();
            assert_eq!(again, expected, "{metadata} encoded again");
        }
    }

    #[test]
    fn reads_the_service_tier() {
        for (metadata, service) in [
            (json!({"serviceTier": "priority"}), Some(ServiceTier::Priority)),
            (json!({"trafficType": "ON_DEMAND_FLEX"}), Some(ServiceTier::Flex)),
            (json!({"trafficType": "PROVISIONED_THROUGHPUT"}), None),
        ] {
            assert_eq!(decode(&metadata), Usage { service, ..Usage::default() }, "{metadata}");
        }
    }

    #[test]
    fn encodes_candidates_without_thoughts() {
        let usage = Usage { input: Some(10), output: Some(12), reasoning: Some(7), ..Usage::default() };
        assert_eq!(
            encode(&usage),
            Some(
                json!({"promptTokenCount": 10, "candidatesTokenCount": 5, "thoughtsTokenCount": 7, "totalTokenCount": 22})
            )
        );
    }
}
