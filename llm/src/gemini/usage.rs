//! `usageMetadata` in both directions.

use serde_json::{Map, Value, json};

use crate::usage::Usage;

/// Reads `usageMetadata`. Gemini counts what it thought and what tools put into the prompt apart.
pub(super) fn decode(metadata: &Value) -> Usage {
    let count = |name: &str| metadata.get(name).and_then(Value::as_u64);
    let prompt = count("promptTokenCount");
    let input = plus(prompt, count("toolUsePromptTokenCount"));
    let candidates = count("candidatesTokenCount");
    let reasoning = count("thoughtsTokenCount");
    // Some Vertex models count thoughts among the candidates' tokens; the total tells which.
    let inclusive = reasoning.is_some_and(|thoughts| thoughts > 0)
        && candidates.is_some()
        && count("totalTokenCount").is_some_and(|total| plus(input, candidates) == Some(total));
    Usage {
        input,
        cached_input: count("cachedContentTokenCount"),
        output: if inclusive { candidates } else { plus(candidates, reasoning) },
        reasoning,
        audio_input: audio(metadata, "promptTokensDetails"),
        audio_output: audio(metadata, "candidatesTokensDetails"),
        ..Usage::default()
    }
}

/// Writes `usageMetadata`; none when nothing is known.
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
    for (name, count) in [("promptTokensDetails", usage.audio_input), ("candidatesTokensDetails", usage.audio_output)] {
        if let Some(count) = count {
            out.insert(name.to_owned(), json!([{"modality": "AUDIO", "tokenCount": count}]));
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

fn audio(metadata: &Value, name: &str) -> Option<u64> {
    let details = metadata.get(name)?.as_array()?;
    details
        .iter()
        .find(|detail| detail.get("modality").and_then(Value::as_str) == Some("AUDIO"))?
        .get("tokenCount")?
        .as_u64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_in_the_hubs_meaning() {
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
        ];
        for (metadata, expected) in cases {
            assert_eq!(decode(&metadata), expected, "{metadata}");
            let again = encode(&expected).map(|metadata| decode(&metadata)).unwrap_or_default();
            assert_eq!(again, expected, "{metadata} told again");
        }
    }

    #[test]
    fn tells_candidates_without_thoughts() {
        let usage = Usage { input: Some(10), output: Some(12), reasoning: Some(7), ..Usage::default() };
        assert_eq!(
            encode(&usage),
            Some(
                json!({"promptTokenCount": 10, "candidatesTokenCount": 5, "thoughtsTokenCount": 7, "totalTokenCount": 22})
            )
        );
    }
}
