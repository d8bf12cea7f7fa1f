//! Content of a message: text, or parts of text, pictures and documents.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::shape::{self, NotedFields, join};
use crate::chat::{JsonObject, Media, MediaSource, Part, Thought, object};
use crate::{Dialect, RequestError};

/// Decodes the `content` of the message at `path` (`messages[2]`), and appends its parts to `out`.
pub(super) fn decode(
    content: &Value,
    path: &str,
    noted: &mut NotedFields,
    out: &mut Vec<Part>,
) -> Result<(), RequestError> {
    match content {
        Value::String(text) => out.push(Part::Text(text.clone())),
        Value::Array(parts) => {
            for (at, part) in parts.iter().enumerate() {
                let path = format!("{path}.content[{at}]");
                let part = shape::element(part, &path)?;
                out.extend(decode_part(part, &path, noted)?);
                if let Some(mark) = part.get("cache_control") {
                    noted.marks.mark(out.len(), mark);
                }
            }
        }
        _ => return Err(shape::invalid(path, "content", "must be a string or an array of parts")),
    }
    Ok(())
}

/// Decodes one part. `None` for a kind of part that no other dialect has: it is recorded.
fn decode_part(part: &JsonObject, path: &str, noted: &mut NotedFields) -> Result<Option<Part>, RequestError> {
    let kind = shape::required_text(part, path, "type")?;
    let (known, read): (&[&str], _) = match kind {
        "text" => (&["text"], Some(Part::Text(shape::required_text(part, path, "text")?.to_owned()))),
        "refusal" => {
            noted.note(path, "refusal");
            (&["refusal"], Some(Part::Refusal(shape::required_text(part, path, "refusal")?.to_owned())))
        }
        "image_url" => (&["image_url"], Some(Part::Media(image(part, path, noted)?))),
        "file" => (&["file"], file(part, path, noted)?.map(Part::Media)),
        "thinking" => {
            // From Mistral's own answers.
            noted.note(path, "thinking");
            let text = thinking_text(shape::required(part, path, "thinking")?);
            (&["thinking", "closed"], Some(Part::Thinking(Thought { text: Some(text), ..Thought::default() })))
        }
        _ => {
            noted.note(path, kind);
            (&[], None)
        }
    };
    for (key, value) in part {
        if !value.is_null() && key != "type" && key != kind && !known.contains(&key.as_str()) {
            noted.note(path, key);
        }
    }
    Ok(read)
}

/// The text of a Mistral `thinking` part: a string, or text parts.
pub(super) fn thinking_text(thinking: &Value) -> String {
    match thinking {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part.get("text").and_then(Value::as_str)).collect(),
        _ => String::new(),
    }
}

pub(crate) fn image(part: &JsonObject, path: &str, noted: &mut NotedFields) -> Result<Media, RequestError> {
    let (url, detail) = match shape::required(part, path, "image_url")? {
        // Mistral's spelling.
        Value::String(url) => (url.as_str(), None),
        value => {
            let image = shape::object(value, path, "image_url")?;
            let path = join(path, "image_url");
            let mut detail = None;
            for (key, value) in image.iter().filter(|(_, value)| !value.is_null()) {
                match key.as_str() {
                    "url" => {}
                    "detail" => {
                        let word = shape::text(value, &path, "detail")?;
                        if word != "auto" {
                            noted.note(&path, "detail");
                        }
                        detail = Some(word.to_owned());
                    }
                    _ => noted.note(&path, key),
                }
            }
            (shape::required_text(image, &path, "url")?, detail)
        }
    };
    let (media_type, source) = media_source(url)
        .ok_or_else(|| shape::invalid(path, "image_url.url", "must be a URL, or a data: URL in base64"))?;
    Ok(Media { media_type, source, filename: None, detail })
}

/// Decodes a `file` part; `None` if it refers to a file at OpenAI, which nobody else can open.
fn file(part: &JsonObject, path: &str, noted: &mut NotedFields) -> Result<Option<Media>, RequestError> {
    let file = shape::object(shape::required(part, path, "file")?, path, "file")?;
    let path = join(path, "file");
    let mut filename = None;
    let mut data = None;
    let mut elsewhere = false;
    for (key, value) in file.iter().filter(|(_, value)| !value.is_null()) {
        match key.as_str() {
            "filename" => filename = Some(shape::text(value, &path, "filename")?.to_owned()),
            "file_data" => data = Some(shape::text(value, &path, "file_data")?),
            "file_id" => {
                elsewhere = true;
                noted.note(&path, "file_id");
            }
            _ => noted.note(&path, key),
        }
    }
    let Some(data) = data else {
        return if elsewhere { Ok(None) } else { Err(shape::invalid(&path, "file_data", "is required")) };
    };
    let is_pdf = |name: &str| name.to_ascii_lowercase().ends_with(".pdf");
    let (media_type, source) = media_source(data).unwrap_or_else(|| (None, MediaSource::Base64(data.to_owned())));
    let named_pdf = filename.as_deref().is_some_and(is_pdf) || matches!(&source, MediaSource::Url(url) if is_pdf(url));
    let media_type = media_type.or_else(|| named_pdf.then(|| "application/pdf".to_owned()));
    Ok(Some(Media { media_type, source, filename, detail: None }))
}

/// The media type and the source of a URL. `None` if it is not a URL, or a `data:` URL that is not base64.
pub(crate) fn media_source(url: &str) -> Option<(Option<String>, MediaSource)> {
    let scheme = url.split_once(':')?.0.to_ascii_lowercase();
    match scheme.as_str() {
        "http" | "https" | "gs" => Some((None, MediaSource::Url(url.to_owned()))),
        "data" => {
            let (head, data) = url.get("data:".len()..)?.split_once(',')?;
            let media_type = head.strip_suffix(";base64")?.split(';').next().filter(|name| !name.is_empty());
            Some((media_type.map(str::to_ascii_lowercase), MediaSource::Base64(data.to_owned())))
        }
        _ => None,
    }
}

/// The URL of media: its own, or a `data:` URL.
pub(crate) fn media_url(media: &Media) -> String {
    match &media.source {
        MediaSource::Url(url) => url.clone(),
        MediaSource::Base64(data) => {
            // A comma would end the head of the URL, so an invalid media type is dropped.
            let fits = |name: &&str| name.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic() && byte != b',');
            let media_type = media.media_type.as_deref().filter(fits).unwrap_or("application/octet-stream");
            format!("data:{media_type};base64,{data}")
        }
    }
}

/// Encodes the parts of a user's turn: as a plain string if it is one text.
pub(super) fn encode(parts: &[Cow<'_, Part>]) -> Result<Value, RequestError> {
    if let [one] = parts
        && let Part::Text(text) = &**one
    {
        return Ok(json!(text));
    }
    parts.iter().filter_map(|part| encode_part(part).transpose()).collect::<Result<Vec<_>, _>>().map(Value::Array)
}

fn encode_part(part: &Part) -> Result<Option<Value>, RequestError> {
    Ok(match part {
        Part::Text(text) | Part::Refusal(text) => Some(json!({"type": "text", "text": text})),
        Part::Media(media) => Some(encode_media(media)?),
        // Calls, results and thinking have their own fields in a message.
        Part::ToolCall(_) | Part::ToolResult(_) | Part::Thinking(_) => None,
    })
}

fn encode_media(media: &Media) -> Result<Value, RequestError> {
    let media_type = media.media_type.as_deref().unwrap_or_default();
    match &media.source {
        MediaSource::Url(_) if !media_type.is_empty() && !media_type.starts_with("image/") => {
            Err(unsupported(&format!("{media_type} by URL")))
        }
        MediaSource::Base64(data) => match media_type {
            "audio/wav" | "audio/x-wav" | "audio/wave" => Ok(audio(data, "wav")),
            "audio/mpeg" | "audio/mp3" => Ok(audio(data, "mp3")),
            _ if media_type.starts_with("image/") => Ok(picture(media)),
            _ if media_type.starts_with("audio/") || media_type.starts_with("video/") => Err(unsupported(media_type)),
            _ => {
                // OpenAI requires a name with the data, and derives the type from its extension.
                let filename = media.filename.as_deref().unwrap_or(match media_type {
                    "application/pdf" => "document.pdf",
                    "text/plain" => "document.txt",
                    _ => "document",
                });
                let file = [("filename", json!(filename)), ("file_data", Value::String(media_url(media)))];
                Ok(object([("type", json!("file")), ("file", object(file))]))
            }
        },
        MediaSource::Url(_) => Ok(picture(media)),
    }
}

fn picture(media: &Media) -> Value {
    fn shown<const N: usize>(url: [(&str, Value); N]) -> Value {
        object([("type", json!("image_url")), ("image_url", object(url))])
    }
    match &media.detail {
        Some(detail) => shown([("url", Value::String(media_url(media))), ("detail", json!(detail))]),
        None => shown([("url", Value::String(media_url(media)))]),
    }
}

fn audio(data: &str, format: &str) -> Value {
    json!({"type": "input_audio", "input_audio": {"data": data, "format": format}})
}

pub(super) fn unsupported(field: &str) -> RequestError {
    RequestError::Unsupported { field: field.to_owned(), upstream: Dialect::OpenAi }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_media_type_gives_a_readable_url() {
        for (media_type, expected) in [
            ("image/png", "data:image/png;base64,AAAA"),
            ("text/plain; charset=utf-8", "data:text/plain; charset=utf-8;base64,AAAA"),
            ("image/p,ng", "data:application/octet-stream;base64,AAAA"),
            ("image/\n", "data:application/octet-stream;base64,AAAA"),
        ] {
            let source = MediaSource::Base64("AAAA".to_owned());
            let media_type = Some(media_type.to_owned());
            let url = media_url(&Media { media_type, source: source.clone(), filename: None, detail: None });
            assert_eq!(url, expected);
            assert_eq!(media_source(&url).map(|(_, read)| read), Some(source));
        }
    }
}
