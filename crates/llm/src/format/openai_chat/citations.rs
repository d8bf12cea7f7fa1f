//! Citations: `annotations` of a message, and Perplexity's lists beside the choices.

use serde_json::{Value, json};

use crate::chat::JsonObject;
use crate::chat::citation::Citation;

/// The annotations of a message or a delta.
pub(super) fn of_message(message: &JsonObject) -> Vec<Citation> {
    let annotations = message.get("annotations").and_then(Value::as_array).into_iter().flatten();
    annotations.filter_map(|annotation| read(annotation.get("url_citation")?)).collect()
}

fn read(cited: &Value) -> Option<Citation> {
    let text = |key: &str| cited.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    let number = |key: &str| cited.get(key).and_then(Value::as_u64).and_then(|number| usize::try_from(number).ok());
    // OpenRouter writes 0 for both if it does not know.
    let passage = match (number("start_index"), number("end_index")) {
        (Some(start), Some(end)) if start < end => Some(start..end),
        _ => None,
    };
    Some(Citation {
        passage,
        title: text("title"),
        url: Some(text("url")?),
        quote: text("content"),
        ..Citation::default()
    })
}

/// What Perplexity found, in the body of an answer or in a chunk: with titles, or (earlier) only the addresses.
pub(super) fn of_body(body: &JsonObject) -> Vec<Citation> {
    let list = |key: &str| body.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let found = list("search_results");
    if !found.is_empty() {
        return found
            .iter()
            .filter_map(|result| {
                let text = |key: &str| result.get(key)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
                let (title, url, quote) = (text("title"), Some(text("url")?), text("snippet"));
                Some(Citation { title, url, quote, ..Citation::default() })
            })
            .collect();
    }
    let addresses = list("citations").iter().filter_map(Value::as_str);
    addresses.map(|url| Citation { url: Some(url.to_owned()), ..Citation::default() }).collect()
}

/// A citation as OpenAI's `url_citation`, which is only for what has an address. Its passage counts from `begin`.
pub(crate) fn url_citation(citation: &Citation, begin: usize) -> Option<JsonObject> {
    let url = citation.url.as_ref()?;
    // The passage of an earlier text is none of this one.
    let passage = citation.passage.clone().filter(|passage| passage.start >= begin).unwrap_or(begin..begin);
    let members = [
        ("url", json!(url)),
        ("title", json!(citation.title.as_ref().unwrap_or(url))),
        ("start_index", json!(passage.start.saturating_sub(begin))),
        ("end_index", json!(passage.end.saturating_sub(begin))),
    ];
    Some(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

/// The annotations of a message or a delta; `None` if there are none. The words of a source are in OpenRouter's field.
pub(super) fn annotations(citations: &[Citation]) -> Option<Value> {
    let annotation = |citation: &Citation| {
        let mut cited = url_citation(citation, 0)?;
        cited.extend(citation.quote.as_ref().map(|quote| ("content".to_owned(), json!(quote))));
        Some(json!({"type": "url_citation", "url_citation": cited}))
    };
    let annotations: Vec<Value> = citations.iter().filter_map(annotation).collect();
    (!annotations.is_empty()).then_some(Value::Array(annotations))
}
