//! The amount of content in an event, without parsing it: the lengths of its strings of content, found by their keys.
//!
//! The output of an interrupted stream is an estimate anyway. So an escaped character counts as its most frequent
//! length, and arguments that are not text count with their brackets.

use memchr::{memchr, memchr2};

/// Bytes of images and audio in an answer that is not streamed. Their tokens are unknown, so they count by their
/// encoded length.
pub(crate) fn media_bytes(body: &[u8]) -> u64 {
    let mut media = 0;
    values(body, &[], |key, length| {
        media += if matches!(key, b"data" | b"url" | b"result") && length > LONGEST_WORD { length } else { 0 };
    });
    media
}

/// A longer value under a key of media is media.
const LONGEST_WORD: u64 = 4_096;

/// The sum of the lengths of all strings whose key counts, with the lengths that [`values`] reports for the keys of
/// `whole`.
pub(crate) fn sum(data: &[u8], whole: &[&[u8]], counts: impl Fn(&[u8]) -> bool) -> u64 {
    let mut sum = 0;
    values(data, whole, |key, length| sum += if counts(key) { length } else { 0 });
    sum
}

/// Reports the length of each string that is the value of a key, at any depth. Objects and lists under the keys of
/// `whole` are reported by their raw length, without their content. For text that is not JSON the result is arbitrary,
/// but it ends.
pub(crate) fn values(data: &[u8], whole: &[&[u8]], mut each: impl FnMut(&[u8], u64)) {
    let mut at = 0;
    while let Some(quote) = memchr(b'"', rest(data, at)) {
        let begin = at + quote + 1;
        let (end, _) = string(data, begin);
        let key = data.get(begin..end).unwrap_or_default();
        at = blank(data, end + 1);
        if data.get(at) != Some(&b':') {
            continue;
        }
        at = blank(data, at + 1);
        match data.get(at) {
            Some(b'"') => {
                let (end, length) = string(data, at + 1);
                each(key, length);
                at = end + 1;
            }
            Some(b'{' | b'[') if whole.contains(&key) => {
                let end = span(data, at);
                each(key, (end - at) as u64);
                at = end;
            }
            _ => {}
        }
    }
}

fn rest(data: &[u8], at: usize) -> &[u8] {
    data.get(at..).unwrap_or_default()
}

fn blank(data: &[u8], at: usize) -> usize {
    at + rest(data, at).iter().take_while(|byte| byte.is_ascii_whitespace()).count()
}

/// The end of the string that begins at `at`, after its quote, and its unescaped length in bytes.
fn string(data: &[u8], mut at: usize) -> (usize, u64) {
    let mut length = 0;
    while let Some(found) = memchr2(b'"', b'\\', rest(data, at)) {
        length += found as u64;
        at += found;
        if data.get(at) == Some(&b'"') {
            return (at, length);
        }
        // An escaped code point is usually a letter of two or three bytes.
        let unicode = data.get(at + 1) == Some(&b'u');
        length += if unicode { 3 } else { 1 };
        at += if unicode { 6 } else { 2 };
    }
    (data.len(), length + rest(data, at).len() as u64)
}

/// The end of the object or list that begins at `at`.
fn span(data: &[u8], mut at: usize) -> usize {
    let mut depth = 0usize;
    while let Some(byte) = data.get(at) {
        at += 1;
        match byte {
            b'"' => at = string(data, at).0 + 1,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    break;
                }
            }
            _ => {}
        }
    }
    at.min(data.len())
}

#[cfg(test)]
mod tests {
    use crate::Dialect::{self, Anthropic, Gemini, OpenAi};
    use crate::operation::TABLE;
    use crate::registry::{StreamWatcher, answer_bytes};

    fn event_bytes(dialect: Dialect, name: &str, data: &str) -> u64 {
        StreamWatcher::new(dialect.format()).content_bytes(name, data)
    }

    #[test]
    fn counts_only_content() {
        let table: &[(Dialect, &str, &str, u64)] = &[
            (
                OpenAi,
                "",
                r#"{"id":"chatcmpl-1","model":"m","choices":[{"delta":{"role":"assistant","content":"abc"}}]}"#,
                3,
            ),
            (OpenAi, "", r#"{"choices":[{"delta":{"content" : "a\n\"b\u4e2d"}}]}"#, 7),
            (OpenAi, "", r#"{"choices":[{"delta":{"content":null,"refusal":"no"}}]}"#, 2),
            (
                OpenAi,
                "",
                r#"{"choices":[{"delta":{"tool_calls":[{"id":"c","function":{"name":"f","arguments":"{\"a\":"}}]}}]}"#,
                5,
            ),
            (OpenAi, "", r#"{"choices":[{"delta":{"tool_calls":[{"function":{"arguments":{"text":[1]}}}]}}]}"#, 12),
            (
                OpenAi,
                "",
                r#"{"choices":[{"delta":{"content":"","reasoning":"abc","reasoning_details":[{"text":"abc"}]}}]}"#,
                3,
            ),
            (OpenAi, "", r#"{"choices":[{"delta":{"content":"a","reasoning":"bc","reasoning_content":"bc"}}]}"#, 3),
            (
                OpenAi,
                "",
                r#"{"choices":[{"delta":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"ab"}]}]}}]}"#,
                2,
            ),
            (OpenAi, "", r#"{"choices":[{"message":{"content":"so far"},"delta":{"content":"far"}}]}"#, 3),
            (OpenAi, "", r#"{"choices":[{"message":{"content":"all"}}]}"#, 3),
            (OpenAi, "", r#"{"choices":[{"text":"ab"}]}"#, 2),
            (OpenAi, "", r#"{"choices":[],"usage":{"prompt_tokens":1}}"#, 0),
            (OpenAi, "", "[DONE]", 0),
            (OpenAi, "", r#"{"type":"response.output_text.delta","delta":"ab"}"#, 2),
            (OpenAi, "response.output_text.delta", r#"{"type": "response.output_text.delta", "delta": "ab"}"#, 2),
            (OpenAi, "response.output_text.done", r#"{"type":"response.output_text.done","text":"ab"}"#, 0),
            (OpenAi, "response.audio.delta", r#"{"type":"response.audio.delta","delta":"AAAA"}"#, 0),
            (OpenAi, "response.completed", r#"{"response":{"output":[{"content":[{"text":"ab"}]}]}}"#, 0),
            (Anthropic, "", r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":"ab"}}"#, 2),
            (Anthropic, "", r#"{"type":"content_block_delta","delta":{"type":"thinking_delta","thinking":"abc"}}"#, 3),
            (
                Anthropic,
                "",
                r#"{"type":"content_block_delta","delta":{"type":"input_json_delta","partial_json":"{\""}}"#,
                2,
            ),
            (
                Anthropic,
                "",
                r#"{"type":"content_block_delta","delta":{"type":"signature_delta","signature":"AAAA"}}"#,
                0,
            ),
            (
                Gemini,
                "",
                r#"{"candidates":[{"content":{"parts":[{"text":"ab","thought":true,"thoughtSignature":"AA"}]}}]}"#,
                2,
            ),
            (
                Gemini,
                "",
                r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"text":"a}"}}}]}}]}"#,
                13,
            ),
            (
                Gemini,
                "",
                r#"{"candidates":[{"content":{"parts":[{"inlineData":{"mimeType":"image/png","data":"AAAA"}}]}}]}"#,
                0,
            ),
        ];
        for (dialect, name, data, bytes) in table {
            assert_eq!(event_bytes(*dialect, name, data), *bytes, "{data}");
        }
    }

    #[test]
    fn a_whole_answer_counts_like_its_stream() {
        let picture = "A".repeat(5_000);
        for (dialect, operation, body, bytes) in [
            (
                OpenAi,
                "chat",
                r#"{"id":"c","choices":[{"message":{"role":"assistant","content":"abc"}}],"usage":{}}"#.to_owned(),
                3,
            ),
            (
                OpenAi,
                "chat",
                r#"{"choices":[{"message":{"content":"ab","tool_calls":[{"function":{"name":"f","arguments":"{}"}}]},
                    "logprobs":{"content":[{"token":"ab","bytes":[1],"top_logprobs":[]}]}}]}"#
                    .to_owned(),
                4,
            ),
            (OpenAi, "completions", r#"{"choices":[{"text":"abcd"}]}"#.to_owned(), 4),
            (
                OpenAi,
                "responses",
                r#"{"instructions":"be kind","text":{"format":{"type":"text"}},"output":[{"type":"message","content":
                    [{"type":"output_text","text":"abc"}]},{"type":"function_call","arguments":"{}"}]}"#
                    .to_owned(),
                5,
            ),
            (
                Anthropic,
                "messages",
                r#"{"content":[{"type":"thinking","thinking":"ab","signature":"AAAA"},{"type":"text","text":"abc"},
                    {"type":"tool_use","name":"f","input":{"a":1}}]}"#
                    .to_owned(),
                12,
            ),
            (
                Gemini,
                "generate_content",
                r#"[{"candidates":[{"content":{"parts":[{"text":"ab"}]}}]},{"candidates":[]}]"#.to_owned(),
                2,
            ),
            (
                Gemini,
                "generate_content",
                format!(
                    r#"{{"candidates":[{{"content":{{"parts":[{{"text":"ab"}},{{"inlineData":{{"data":"{picture}"}}}}]}}}}]}}"#
                ),
                5_002,
            ),
            (OpenAi, "chat", "no JSON".to_owned(), 0),
        ] {
            let kind = TABLE.iter().find(|row| row.name == operation).unwrap().kind;
            assert_eq!(answer_bytes(dialect, kind, body.as_bytes()), bytes, "{body}");
        }
    }

    #[test]
    fn truncated_text_ends_anywhere() {
        let data =
            r#"{"candidates":[{"content":{"parts":[{"functionCall":{"args":{"a":"\u00e9\\"}}},{"text":"ab\n"}]}}]}"#;
        for end in 0..data.len() {
            for dialect in [OpenAi, Anthropic, Gemini] {
                assert!(event_bytes(dialect, "", &data[..end]) <= data.len() as u64, "{}", &data[..end]);
            }
        }
    }
}
