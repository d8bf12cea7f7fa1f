//! Citations of a text.

use serde_json::{Value, json};

use crate::chat::JsonObject;
use crate::chat::citation::{Citation, DocumentPlace, PlaceUnit};

/// The members of a location that are places in documents.
const PLACES: [(PlaceUnit, &str); 3] =
    [(PlaceUnit::Characters, "documentChar"), (PlaceUnit::Pages, "documentPage"), (PlaceUnit::Blocks, "documentChunk")];

/// Decodes a citation of a block, or of a stream's delta; its passage is the block.
pub(super) fn decode(cited: &Value) -> Option<Citation> {
    let text = |place: &str| cited.pointer(place).and_then(Value::as_str).filter(|text| !text.is_empty());
    let quotes = cited.get("sourceContent").and_then(Value::as_array).into_iter().flatten();
    let quote: String = quotes.filter_map(|quote| quote.get("text")?.as_str()).collect();
    let place = PLACES.iter().find_map(|(unit, member)| {
        let place = cited.get("location")?.get(member)?;
        let number = |key: &str| place.get(key).and_then(Value::as_u64);
        let (document, start, end) = (number("documentIndex")?, number("start")?, number("end")?);
        Some(DocumentPlace { unit: *unit, document, start, end })
    });
    Citation {
        passage: None,
        title: text("/title").map(str::to_owned),
        url: text("/location/web/url").map(str::to_owned),
        source: text("/source").map(str::to_owned),
        quote: Some(quote).filter(|quote| !quote.is_empty()),
        place,
    }
    .told()
}

/// Encodes a citation.
pub(super) fn encode(citation: &Citation) -> Value {
    let mut cited = JsonObject::new();
    let mut put = |key: &str, value: Option<Value>| cited.extend(value.map(|value| (key.to_owned(), value)));
    put("title", citation.title.as_ref().map(|title| json!(title)));
    put("source", citation.source.as_ref().map(|source| json!(source)));
    put("sourceContent", citation.quote.as_ref().map(|quote| json!([{"text": quote}])));
    let place = citation.place.and_then(|place| {
        let (_, member) = PLACES.iter().find(|(unit, _)| *unit == place.unit)?;
        Some(json!({*member: {"documentIndex": place.document, "start": place.start, "end": place.end}}))
    });
    put("location", place.or_else(|| citation.url.as_ref().map(|url| json!({"web": {"url": url}}))));
    Value::Object(cited)
}
