//! Decodes the content of messages and of tools' outputs.

use serde_json::Value;

use super::tools::note_type;
use crate::RequestError;
use crate::chat::{JsonObject, Media, MediaSource, Part};
use crate::format::openai_chat::content::media_source;
use crate::format::openai_chat::shape::{self, NotedFields};

/// Decodes the content under `key` of the item at `path`: a text, or a list of parts.
pub(super) fn decode(
    content: &Value,
    path: &str,
    key: &str,
    noted: &mut NotedFields,
) -> Result<Vec<Part>, RequestError> {
    match content {
        Value::String(text) => Ok(vec![Part::Text(text.clone())]),
        Value::Array(list) => {
            let mut parts = Vec::with_capacity(list.len());
            for (at, part) in list.iter().enumerate() {
                let path = format!("{path}.{key}[{at}]");
                parts.extend(decode_part(shape::element(part, &path)?, &path, noted)?);
            }
            Ok(parts)
        }
        _ => Err(shape::invalid(path, key, "must be a string or an array of parts")),
    }
}

/// Decodes one part; `None` for a kind that no other format has, which is recorded.
fn decode_part(part: &JsonObject, path: &str, noted: &mut NotedFields) -> Result<Option<Part>, RequestError> {
    let (known, read): (&[&str], _) = match shape::required_text(part, path, "type")? {
        "input_text" | "output_text" | "text" => {
            (&["text"], Part::Text(shape::required_text(part, path, "text")?.to_owned()))
        }
        "refusal" => (&["refusal"], Part::Refusal(shape::required_text(part, path, "refusal")?.to_owned())),
        "input_image" => match image(part, path, noted)? {
            Some(media) => (&["image_url", "file_id", "detail"], Part::Media(media)),
            None => return Ok(None),
        },
        "input_file" => match file(part, path, noted)? {
            Some(media) => (&["file_data", "file_url", "file_id", "filename", "detail"], Part::Media(media)),
            None => return Ok(None),
        },
        other => {
            note_type(path, other, noted);
            return Ok(None);
        }
    };
    for (key, value) in part.iter().filter(|(_, value)| !value.is_null()) {
        // An earlier answer is returned with empty lists.
        let empty = matches!(key.as_str(), "annotations" | "logprobs") && value.as_array().is_some_and(Vec::is_empty);
        if key != "type" && !known.contains(&key.as_str()) && !empty {
            noted.note(path, key);
        }
    }
    Ok(Some(read))
}

fn text_if<'a>(part: &'a JsonObject, path: &str, key: &str) -> Result<Option<&'a str>, RequestError> {
    shape::present(part, key).map(|value| shape::text(value, path, key)).transpose()
}

/// Decodes an image; `None` if it is a file at OpenAI, which nobody else can open.
fn image(part: &JsonObject, path: &str, noted: &mut NotedFields) -> Result<Option<Media>, RequestError> {
    let detail = text_if(part, path, "detail")?;
    if detail.is_some_and(|detail| detail != "auto") {
        noted.note(path, "detail");
    }
    let Some(url) = text_if(part, path, "image_url")? else {
        shape::required(part, path, "file_id")?;
        noted.note(path, "file_id");
        return Ok(None);
    };
    let (media_type, source) = media_source(url)
        .ok_or_else(|| shape::invalid(path, "image_url", "must be a URL, or a data: URL in base64"))?;
    Ok(Some(Media { media_type, source, filename: None, detail: detail.map(str::to_owned) }))
}

/// Decodes a document; `None` if it is a file at OpenAI.
fn file(part: &JsonObject, path: &str, noted: &mut NotedFields) -> Result<Option<Media>, RequestError> {
    let filename = text_if(part, path, "filename")?.map(str::to_owned);
    if part.get("detail").is_some_and(|detail| !detail.is_null() && detail != "auto") {
        noted.note(path, "detail");
    }
    let data = match (text_if(part, path, "file_data")?, text_if(part, path, "file_url")?) {
        (Some(data), _) => data,
        (None, Some(url)) if media_source(url).is_some() => url,
        (None, Some(_)) => return Err(shape::invalid(path, "file_url", "must be a URL")),
        (None, None) => {
            shape::required(part, path, "file_id")?;
            noted.note(path, "file_id");
            return Ok(None);
        }
    };
    let is_pdf = |name: &str| name.to_ascii_lowercase().ends_with(".pdf");
    let (media_type, source) = media_source(data).unwrap_or_else(|| (None, MediaSource::Base64(data.to_owned())));
    let named_pdf = filename.as_deref().is_some_and(is_pdf);
    // A document behind a URL is a PDF: other formats fetch no other kind.
    let media_type = match &source {
        MediaSource::Url(_) => Some("application/pdf".to_owned()),
        MediaSource::Base64(_) => media_type.or_else(|| named_pdf.then(|| "application/pdf".to_owned())),
    };
    Ok(Some(Media { media_type, source, filename, detail: None }))
}
