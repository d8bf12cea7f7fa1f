//! Citations, which count characters of one part of the content.

use std::ops::Range;

use serde_json::{Value, json};

use crate::chat::JsonObject;
use crate::chat::citation::Citation;

/// Decodes a citation: one for each of its sources. `begin_of` says where in the answer the text of a part begins.
pub(super) fn decode(cited: &Value, begin_of: impl Fn(u64) -> Option<usize>) -> Vec<Citation> {
    // Plans and thoughts are not the answer.
    if cited.get("type").and_then(Value::as_str).is_some_and(|kind| kind != "TEXT_CONTENT") {
        return Vec::new();
    }
    let number = |key: &str| cited.get(key).and_then(Value::as_u64).and_then(|number| usize::try_from(number).ok());
    let begin = begin_of(cited.get("content_index").and_then(Value::as_u64).unwrap_or(0));
    let passage = match (begin, number("start"), number("end")) {
        (Some(begin), Some(start), Some(end)) if start <= end => {
            Some(begin.saturating_add(start)..begin.saturating_add(end))
        }
        _ => None,
    };
    let sources = cited.get("sources").and_then(Value::as_array).into_iter().flatten();
    sources.filter_map(|source| Citation { passage: passage.clone(), ..read(source) }.told()).collect()
}

/// A document, or the output of a tool, whose fields are the application's own.
fn read(source: &Value) -> Citation {
    let fields = source.get("document").or_else(|| source.get("tool_output"));
    let text = |keys: &[&str]| {
        keys.iter().find_map(|key| fields?.get(key)?.as_str()).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    Citation {
        passage: None,
        title: text(&["title"]),
        url: text(&["url"]),
        source: source.get("id").and_then(Value::as_str).map(str::to_owned),
        quote: text(&["text", "snippet", "content"]),
        place: None,
    }
}

/// Encodes a citation of the part at `index`, whose text begins at `begin` in the answer. `text` is the passage, if it
/// is known.
pub(super) fn encode(citation: &Citation, index: usize, begin: usize, text: Option<&str>) -> Value {
    let mut document = JsonObject::new();
    let members = [("title", &citation.title), ("url", &citation.url), ("text", &citation.quote)];
    document.extend(members.into_iter().filter_map(|(key, value)| Some((key.to_owned(), json!(value.as_ref()?)))));
    let position = citation.place.map(|place| format!("doc:{}", place.document));
    let id = citation.source.clone().or(position).or_else(|| citation.url.clone()).unwrap_or_default();
    document.insert("id".to_owned(), json!(id));
    let source = json!({"type": "document", "id": id, "document": document});
    let mut cited = json!({"sources": [source], "type": "TEXT_CONTENT", "content_index": index});
    // The passage of an earlier part is none of this one.
    if let Some(Range { start, end }) = citation.passage.as_ref().filter(|passage| passage.start >= begin) {
        cited["start"] = json!(start.saturating_sub(begin));
        cited["end"] = json!(end.saturating_sub(begin));
    }
    if let Some(text) = text {
        cited["text"] = json!(text);
    }
    cited
}
