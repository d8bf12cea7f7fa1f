//! Reverts the listed edits of an answer: the rest must be what the upstream sent.

use serde_json::Value;

/// Removes `extra_fields` before the last brace.
pub fn without_extra_fields(text: &str, place: &str) -> String {
    let at = text.rfind(",\"extra_fields\":").unwrap_or_else(|| panic!("{place}: no extra_fields in {text}"));
    let value = at + ",\"extra_fields\":".len();
    let mut values = serde_json::Deserializer::from_str(&text[value..]).into_iter::<Value>();
    let extra = values.next().unwrap().unwrap();
    assert_eq!(extra["fallback_reason"], Value::Null, "{place}");
    let after = &text[value + values.byte_offset()..];
    assert_eq!(after.trim(), "}", "{place}: not at the end");
    format!("{}{after}", &text[..at])
}

/// Removes the gateway's comment, which is the line before the end.
pub fn without_comment(text: &str, place: &str) -> String {
    let Some(end) = text.rfind("data: [DONE]").or_else(|| text.rfind("data:[DONE]")) else { return text.to_owned() };
    let at = text.find(": outrigger {").unwrap_or_else(|| panic!("{place}: no comment"));
    assert_eq!(text[at..end].trim_end().lines().count(), 1, "{place}: {}", &text[at..]);
    format!("{}{}", &text[..at], &text[end..])
}

/// The events of a stream, each with the empty line that ends it.
fn events(stream: &str) -> Vec<String> {
    let mut events = vec![String::new()];
    for line in stream.split_inclusive('\n') {
        if let Some(event) = events.last_mut() {
            event.push_str(line);
        }
        if line.trim().is_empty() {
            events.push(String::new());
        }
    }
    events
}

fn data(event: &str) -> Option<Value> {
    serde_json::from_str(event.lines().find_map(|line| line.strip_prefix("data:"))?).ok()
}

/// Removes the chunks that contain only usage. Returns their number.
pub fn without_usage_chunks(stream: &str) -> (String, usize) {
    let usage_only = |event: &String| {
        let chunk = data(event).unwrap_or_default();
        chunk["choices"].as_array().is_some_and(Vec::is_empty) && !chunk["usage"].is_null()
    };
    let (withheld, kept): (Vec<String>, Vec<String>) = events(stream).into_iter().partition(usage_only);
    (kept.concat(), withheld.len())
}

/// The objects of a recorded stream.
pub fn objects(stream: &str) -> Vec<Value> {
    events(stream).iter().filter_map(|event| data(event)).collect()
}
