//! Whether a request asks to cache its prefix, and for how long: writing to a cache has a price.

use memchr::memmem;
use serde::Deserialize;

use crate::json::pieces::without_ascii_escapes;
use crate::passthrough::scan::{Field, Scanned};

/// How long a prefix is cached. A longer time costs more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Caching {
    FiveMinutes,
    Hour,
}

/// The keys of such a mark, and the type that asks for it: Anthropic's and Bedrock's.
const MARKS: [(&[u8], &str); 2] = [(b"\"cache_control\"", "ephemeral"), (b"\"cachePoint\"", "default")];
/// The most bytes of a `cache_control` that are read: they may be nested.
const LONGEST: usize = 256;

impl Scanned {
    /// The longest time that a `cache_control` or a `cachePoint` in the body asks for, anywhere in it.
    ///
    /// The bytes are searched, not parsed. Inside a text the quotes are escaped, so text about caching does not count.
    #[must_use]
    pub fn caching(&self, body: &[u8]) -> Option<Caching> {
        #[derive(Deserialize)]
        struct Control {
            #[serde(rename = "type")]
            kind: String,
            ttl: Option<String>,
        }
        let body = &*without_ascii_escapes(body);
        let mut longest = None;
        let places =
            MARKS.iter().flat_map(|(key, kind)| memmem::find_iter(body, key).map(move |at| (at + key.len(), *kind)));
        for (at, kind) in places {
            let rest = body[at..].trim_ascii_start();
            let Some(value) = rest.strip_prefix(b":") else { continue };
            // One or two words. How a provider reads a longer value is unknown, so it counts as the expensive one.
            let looked_at = value.get(..LONGEST).unwrap_or(value);
            let control = serde_json::Deserializer::from_slice(looked_at).into_iter::<Option<Control>>().next();
            let control = match control {
                Some(Ok(Some(control))) => control,
                Some(Err(error)) if error.is_eof() && looked_at.len() < value.len() => return Some(Caching::Hour),
                _ => continue,
            };
            if control.kind == kind {
                let hour = control.ttl.as_deref() == Some("1h");
                longest = longest.max(Some(if hour { Caching::Hour } else { Caching::FiveMinutes }));
            }
        }
        longest
    }

    /// Whether OpenAI is asked to keep the prefix longer than by default.
    #[must_use]
    pub fn keeps_cache(&self, body: &[u8]) -> bool {
        self.value(body, Field::PromptCacheRetention).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::passthrough::scan::scan;

    #[test]
    fn the_longest_time_counts() {
        let text = r#"{"messages":[{"content":"\"cache_control\":{\"type\":\"ephemeral\"}"}]}"#;
        for (body, expected) in [
            (r#"{"messages":[]}"#, None),
            (text, None),
            (r#"{"cache_control":{"type":"ephemeral"}}"#, Some(Caching::FiveMinutes)),
            (r#"{"cache_control" : {"ttl":"5m","type":"ephemeral"}}"#, Some(Caching::FiveMinutes)),
            (r#"{"cache_control":null}"#, None),
            (r#"{"system":[{"text":"x"},{"cachePoint":{"type":"default"}}]}"#, Some(Caching::FiveMinutes)),
            (r#"{"messages":[{"content":[{"cachePoint":{"type":"default","ttl":"1h"}}]}]}"#, Some(Caching::Hour)),
            (r#"{"required":["cache_control"],"x":{"cache_control":{"type":"string"}}}"#, None),
            (
                r#"{"system":[{"cache_control":{"type":"ephemeral","ttl":"1h"}}],"tools":[{"cache_control":{"type":"ephemeral"}}]}"#,
                Some(Caching::Hour),
            ),
        ] {
            assert_eq!(scan(body.as_bytes()).unwrap().caching(body.as_bytes()), expected, "{body}");
        }
    }
}
