//! Sources: read from `citationMetadata` and `groundingMetadata`, written as the latter.

use std::ops::Range;

use serde_json::{Value, json};

use crate::chat::JsonObject;
use crate::chat::citation::{Citation, KeptCitations, MOST, Passages};

/// Reads the sources of a candidate: `citationMetadata`, which both of Google's APIs have, under different names, and
/// `groundingMetadata`. Their passages count bytes of the whole answer, which a stream does not know, so they are of the
/// answer as a whole. Several citations of one source are one.
pub(super) fn decode(candidate: &Value, kept: &mut KeptCitations, citations: &mut Vec<Citation>) {
    let list = |places: [&str; 2]| places.into_iter().find_map(|place| candidate.pointer(place)?.as_array());
    let listed = list(["/citationMetadata/citationSources", "/citationMetadata/citations"]);
    let grounded = list(["/groundingMetadata/groundingChunks", ""]);
    let chunks = grounded.into_iter().flatten().filter_map(|chunk| chunk.get("web").or(chunk.get("retrievedContext")));
    for source in listed.into_iter().flatten().chain(chunks) {
        let text = |key: &str| source.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        let (is_url, uri) = (|uri: &&str| uri.contains("://"), text("uri"));
        let citation = Citation {
            passage: None,
            title: text("title").map(str::to_owned),
            url: uri.filter(is_url).map(str::to_owned),
            source: uri.filter(|uri| !is_url(uri)).map(str::to_owned),
            quote: text("text").map(str::to_owned),
            place: None,
        };
        // Those that are named again count, too: each is compared with all before it.
        let told = citation.told().filter(|citation| kept.keep(citation) && !citations.contains(citation));
        citations.extend(told);
    }
}

/// The sources of an answer, and the passages that they are for, which count bytes of one part. `texts`: the texts, and
/// the positions of their parts; none of a stream. A long passage is not quoted.
pub(super) fn encode(citations: &[Citation], texts: &[(usize, &str)]) -> Option<Value> {
    if citations.is_empty() {
        return None;
    }
    let citations = citations.iter().take(MOST);
    let chunks: Vec<Value> = citations.clone().map(chunk).collect();
    let mut begin = 0;
    let passages: Vec<(usize, usize, Passages<'_>)> = texts
        .iter()
        .map(|(part, text)| {
            let here = begin;
            begin += text.chars().count();
            (here, *part, Passages::of(text))
        })
        .collect();
    let supports: Vec<Value> = citations
        .enumerate()
        .filter_map(|(at, citation)| {
            let Range { start, end } = citation.passage.clone()?;
            let text = passages.partition_point(|(begin, ..)| *begin <= start).checked_sub(1)?;
            let (begin, part, passages) = passages.get(text)?;
            let (bytes, quoted) = passages.find(&(start - begin..end.max(start) - begin));
            let mut segment = json!({"partIndex": part, "startIndex": bytes.start, "endIndex": bytes.end});
            if let Some(quoted) = quoted {
                segment["text"] = json!(quoted);
            }
            Some(json!({"segment": segment, "groundingChunkIndices": [at]}))
        })
        .collect();
    Some(json!({"groundingChunks": chunks, "groundingSupports": supports}))
}

fn chunk(citation: &Citation) -> Value {
    let mut source = JsonObject::new();
    let uri = citation.url.as_ref().or(citation.source.as_ref());
    let quote = citation.quote.as_ref().filter(|_| citation.url.is_none());
    for (key, value) in [("uri", uri), ("title", citation.title.as_ref()), ("text", quote)] {
        source.extend(value.map(|value| (key.to_owned(), json!(value))));
    }
    match citation.url {
        Some(_) => json!({"web": source}),
        None => json!({"retrievedContext": source}),
    }
}
