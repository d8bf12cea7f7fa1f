//! `usage`, whose `inputTokens` excludes what was read from the cache and written to it.

use serde_json::{Value, json};

use crate::chat::JsonObject;
use crate::usage::{self, ServiceTier, Usage};

/// The numbers as AWS reports them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ConverseFigures {
    pub input: Option<u64>,
    pub output: Option<u64>,
    pub cache_read: Option<u64>,
    pub cache_write: Option<u64>,
    /// Included in `cache_write`: written for an hour.
    pub cache_write_1h: Option<u64>,
}

impl ConverseFigures {
    pub(super) fn usage(self, service: Option<ServiceTier>) -> Usage {
        let written = self.cache_write.unwrap_or(0);
        let hour = self.cache_write_1h.map(|hour| hour.min(written));
        let cached = self.cache_read.unwrap_or(0);
        Usage {
            input: self.input.map(|fresh| fresh.saturating_add(cached).saturating_add(written)),
            cached_input: self.cache_read,
            cache_write: self.cache_write.map(|all| all.saturating_sub(hour.unwrap_or(0))),
            cache_write_1h: hour,
            output: self.output,
            service,
            ..Usage::default()
        }
    }
}

/// Decodes `usage`, and the service tier of the same object's `serviceTier`.
pub(super) fn decode(answer: &Value) -> Usage {
    let Some(usage) = answer.get("usage") else { return Usage::default() };
    let count = |name: &str| usage.get(name).and_then(usage::count);
    let details = usage.get("cacheDetails").and_then(Value::as_array);
    let is_hour = |detail: &&Value| detail.get("ttl").and_then(Value::as_str) == Some("1h");
    let hour = details.and_then(|all| all.iter().find(is_hour)?.get("inputTokens").and_then(usage::count));
    let figures = ConverseFigures {
        input: count("inputTokens"),
        output: count("outputTokens"),
        cache_read: count("cacheReadInputTokens"),
        cache_write: count("cacheWriteInputTokens"),
        cache_write_1h: hour,
    };
    let service = answer.pointer("/serviceTier/type").and_then(Value::as_str).and_then(ServiceTier::parse);
    figures.usage(service)
}

/// The `usage` object of an answer. Three numbers are required in every SDK, so an unknown one is written as 0 there;
/// unknown optional ones are omitted.
pub(super) fn encode(usage: &Usage) -> JsonObject {
    let cached = usage.cached_input.unwrap_or(0);
    let written = usage.cache_write.unwrap_or(0).saturating_add(usage.cache_write_1h.unwrap_or(0));
    let all = usage.input.unwrap_or(0);
    let output = usage.output.unwrap_or(0);
    let mut encoded = JsonObject::new();
    let mut put = |name: &str, count: u64| encoded.insert(name.to_owned(), count.into());
    put("inputTokens", all.saturating_sub(cached).saturating_sub(written));
    put("outputTokens", output);
    put("totalTokens", all.saturating_add(output));
    if usage.cached_input.is_some() {
        put("cacheReadInputTokens", cached);
    }
    if usage.cache_write.is_some() || usage.cache_write_1h.is_some() {
        put("cacheWriteInputTokens", written);
    }
    if let Some(hour) = usage.cache_write_1h {
        encoded.insert("cacheDetails".to_owned(), json!([{"ttl": "1h", "inputTokens": hour}]));
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cached_tokens_are_counted_once_in_both_directions() {
        for (usage, expected) in [
            (json!({}), Usage::default()),
            (
                json!({"inputTokens": 10, "outputTokens": 4, "totalTokens": 14}),
                Usage { input: Some(10), output: Some(4), ..Usage::default() },
            ),
            (
                json!({"inputTokens": 10, "outputTokens": 4, "totalTokens": 7_365, "cacheReadInputTokens": 0,
                       "cacheWriteInputTokens": 7_351, "cacheDetails": [{"ttl": "5m", "inputTokens": 7_351}]}),
                Usage {
                    input: Some(7_361),
                    cached_input: Some(0),
                    cache_write: Some(7_351),
                    output: Some(4),
                    ..Usage::default()
                },
            ),
            (
                json!({"inputTokens": 1, "outputTokens": 4, "totalTokens": 35, "cacheReadInputTokens": 10,
                       "cacheWriteInputTokens": 20, "cacheDetails": [{"ttl": "1h", "inputTokens": 15}]}),
                Usage {
                    input: Some(31),
                    cached_input: Some(10),
                    cache_write: Some(5),
                    cache_write_1h: Some(15),
                    output: Some(4),
                    ..Usage::default()
                },
            ),
        ] {
            let answer = json!({"usage": usage});
            assert_eq!(decode(&answer), expected, "{usage}");
            if expected != Usage::default() {
                let again = json!({"usage": encode(&expected)});
                assert_eq!(decode(&again), expected, "{again}");
                assert_eq!(again["usage"]["totalTokens"], usage["totalTokens"], "{again}");
            }
        }
    }

    #[test]
    fn required_numbers_are_always_written() {
        let expected = json!({"inputTokens": 0, "outputTokens": 0, "totalTokens": 0});
        assert_eq!(Value::Object(encode(&Usage::default())), expected);
    }

    #[test]
    fn the_service_tier_stands_beside_the_usage() {
        let answer = json!({"usage": {"inputTokens": 1}, "serviceTier": {"type": "flex"}});
        assert_eq!(decode(&answer).service, Some(ServiceTier::Flex));
    }
}
