//! Citations of a text block.

use serde_json::{Value, json};

use crate::chat::Thought;
use crate::chat::citation::{Citation, DocumentPlace, PlaceUnit};
use crate::chat::mark::mark;
use crate::chat::origin::Origin;

/// The types of places in documents, and the names of their first and last member.
const PLACES: [(PlaceUnit, &str, &str, &str); 3] = [
    (PlaceUnit::Characters, "char_location", "start_char_index", "end_char_index"),
    (PlaceUnit::Pages, "page_location", "start_page_number", "end_page_number"),
    (PlaceUnit::Blocks, "content_block_location", "start_block_index", "end_block_index"),
];

/// Decodes a citation; its passage is the block.
pub(super) fn decode(cited: &Value) -> Option<Citation> {
    let text = |key: &str| cited.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    let number = |key: &str| cited.get(key).and_then(Value::as_u64);
    let kind = cited.get("type").and_then(Value::as_str).unwrap_or_default();
    let place = PLACES.iter().find(|(_, known, ..)| *known == kind).and_then(|(unit, _, start, end)| {
        let (document, start, end) = (number("document_index")?, number(start)?, number(end)?);
        Some(DocumentPlace { unit: *unit, document, start, end })
    });
    let source = text("source");
    let is_url = |source: &String| source.starts_with("https://") || source.starts_with("http://");
    Citation {
        passage: None,
        title: text("document_title").or_else(|| text("title")),
        url: text("url").or_else(|| source.clone().filter(is_url)),
        source: source.filter(|source| !is_url(source)),
        quote: text("cited_text"),
        place,
    }
    .told()
}

/// Encodes a citation. What is no place in a document is a result of a search, with the gateway's mark in place of what
/// Anthropic encrypts there.
pub(super) fn encode(citation: &Citation, origin: &Origin) -> Value {
    let quote = citation.quote.as_deref().unwrap_or_default();
    let place = citation.place.and_then(|place| {
        let (_, kind, start, end) = PLACES.iter().find(|(unit, ..)| *unit == place.unit)?;
        Some(json!({
            "type": kind, "cited_text": quote, "document_index": place.document, "document_title": citation.title,
            *start: place.start, *end: place.end, "file_id": null,
        }))
    });
    place.unwrap_or_else(|| {
        json!({
            "type": "web_search_result_location",
            "cited_text": quote,
            "url": citation.url.as_deref().or(citation.source.as_deref()).unwrap_or_default(),
            "title": citation.title,
            "encrypted_index": mark(origin, &Thought::default()),
        })
    })
}
