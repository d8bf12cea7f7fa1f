//! Decodes pictures, documents and search results: of turns, of tool results and of guarded content.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::chat::{JsonObject, Media, MediaSource, Part};
use crate::format::anthropic::shape::{self, NotedPlaces, Path, Shaped, boolean_if, given, text_if, text_of};
use crate::format::bedrock::media::{document_type, picture_type};

/// A picture, or nothing if it is recorded as one that only AWS can read.
pub(super) fn picture(value: &Value, at: &Path<'_>, places: &mut NotedPlaces) -> Shaped<Option<Part>> {
    let image = shape::object(value, at)?;
    let format = text_of(image, "format", at)?;
    let media_type = picture_type(format).ok_or_else(|| at.key("format").invalid("must be png, jpeg, gif or webp"))?;
    places.note_rest(image, &["format", "source"], at);
    let at = at.key("source");
    let source = shape::object(given(image, "source").ok_or_else(|| at.invalid("is missing"))?, &at)?;
    places.note_rest(source, &["bytes"], &at);
    let Some(data) = text_if(source, "bytes", &at)? else { return Ok(None) };
    Ok(Some(Part::Media(Media {
        media_type: Some(media_type.to_owned()),
        source: MediaSource::Base64(data.to_owned()),
        filename: None,
        detail: None,
    })))
}

/// A document. PDFs are media; what is text becomes text with name and context above it.
pub(super) fn document(value: &Value, at: &Path<'_>, places: &mut NotedPlaces, parts: &mut Vec<Part>) -> Shaped<()> {
    let document = shape::object(value, at)?;
    let format = text_if(document, "format", at)?.unwrap_or("txt");
    let media_type = document_type(format)
        .ok_or_else(|| at.key("format").invalid("must be pdf, csv, doc, docx, xls, xlsx, html, txt or md"))?;
    let name = text_if(document, "name", at)?.filter(|name| !name.is_empty());
    let context = text_if(document, "context", at)?.filter(|context| !context.is_empty());
    let cite = citations(document, at, places)? || places.whole_documents;
    places.note_rest(document, &["format", "name", "source", "context", "citations"], at);
    let format_at = at.key("format");
    let at = at.key("source");
    let source = shape::object(given(document, "source").ok_or_else(|| at.invalid("is missing"))?, &at)?;
    places.note_rest(source, &["bytes", "text", "content"], &at);
    let heading = |first: Option<&str>| [first, context].into_iter().flatten().collect::<Vec<_>>().join("\n");
    // What is to be cited has to stay a document.
    let cited = |data: String, media_type: &str| {
        let (media_type, filename) = (Some(media_type.to_owned()), name.map(str::to_owned));
        Part::Media(Media { media_type, source: MediaSource::Base64(data), filename, detail: None })
    };
    let with_heading = |text: &str| match heading(name) {
        _ if cite && !text.is_empty() => cited(STANDARD.encode(text), "text/plain"),
        heading if heading.is_empty() => Part::Text(text.to_owned()),
        heading => Part::Text(format!("{heading}\n\n{text}")),
    };
    if let Some(context) = context.filter(|_| cite) {
        parts.push(Part::Text(context.to_owned()));
    }
    if let Some(text) = text_if(source, "text", &at)? {
        parts.push(with_heading(text));
    }
    if let Some(content) = given(source, "content") {
        let at = at.key("content");
        let mut texts = Vec::new();
        for (index, block) in shape::list(content, &at)?.iter().enumerate() {
            let at = at.index(index);
            let block = shape::object(block, &at)?;
            places.note_rest(block, &["text"], &at);
            texts.push(text_of(block, "text", &at)?);
        }
        parts.push(with_heading(&texts.join("\n")));
    }
    let Some(data) = text_if(source, "bytes", &at)? else { return Ok(()) };
    match format {
        "pdf" => {
            let heading = heading(None);
            if !heading.is_empty() && !cite {
                parts.push(Part::Text(heading));
            }
            parts.push(cited(data.to_owned(), media_type));
        }
        "csv" | "html" | "txt" | "md" => {
            let text = STANDARD.decode(data).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            parts.push(with_heading(&text.ok_or_else(|| at.key("bytes").invalid("must be base64 of UTF-8"))?));
        }
        // Formats of office programs.
        other => places.note_value(&format_at, other),
    }
    Ok(())
}

/// A search result, as text: title, source, and content.
pub(super) fn search_result(value: &Value, at: &Path<'_>, places: &mut NotedPlaces) -> Shaped<Part> {
    let result = shape::object(value, at)?;
    places.note_rest(result, &["source", "title", "content", "citations"], at);
    citations(result, at, places)?;
    let mut text = format!("{}\n{}", text_of(result, "title", at)?, text_of(result, "source", at)?);
    let at = at.key("content");
    let found = given(result, "content").ok_or_else(|| at.invalid("is missing"))?;
    for (index, block) in shape::list(found, &at)?.iter().enumerate() {
        let at = at.index(index);
        let block = shape::object(block, &at)?;
        places.note_rest(block, &["text"], &at);
        text.push_str("\n\n");
        text.push_str(text_of(block, "text", &at)?);
    }
    Ok(Part::Text(text))
}

/// Content that a guardrail checks. Without a guardrail, whose configuration is refused, it is content like any other.
pub(super) fn guarded(value: &Value, at: &Path<'_>, places: &mut NotedPlaces) -> Shaped<Option<Part>> {
    let content = shape::object(value, at)?;
    places.note_rest(content, &["text", "image"], at);
    if let Some(text) = given(content, "text") {
        let at = at.key("text");
        let text = shape::object(text, &at)?;
        places.note_rest(text, &["text"], &at);
        return Ok(Some(Part::Text(text_of(text, "text", &at)?.to_owned())));
    }
    match given(content, "image") {
        Some(image) => picture(image, &at.key("image"), places),
        None => Ok(None),
    }
}

/// Records that citations are requested, which changes the answer. Returns whether they are.
fn citations(block: &JsonObject, at: &Path<'_>, places: &mut NotedPlaces) -> Shaped<bool> {
    let Some(config) = given(block, "citations") else { return Ok(false) };
    let at = at.key("citations");
    let requested = boolean_if(shape::object(config, &at)?, "enabled", &at)? == Some(true);
    if requested {
        places.note(&at.key("enabled"));
    }
    Ok(requested)
}
