//! Pictures and documents: AWS names formats, other dialects media types.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::chat::{Media, MediaSource, object};

/// The formats of pictures, and their media types.
const PICTURES: [(&str, &str); 4] =
    [("png", "image/png"), ("jpeg", "image/jpeg"), ("gif", "image/gif"), ("webp", "image/webp")];

/// The formats of documents, and their media types.
const DOCUMENTS: [(&str, &str); 9] = [
    ("pdf", "application/pdf"),
    ("csv", "text/csv"),
    ("doc", "application/msword"),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("xls", "application/vnd.ms-excel"),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("html", "text/html"),
    ("txt", "text/plain"),
    ("md", "text/markdown"),
];

/// The most characters of a document's name.
const LONGEST_NAME: usize = 200;

/// The media type of a picture's format.
pub(super) fn picture_type(format: &str) -> Option<&'static str> {
    PICTURES.iter().find(|(known, _)| *known == format).map(|(_, media_type)| *media_type)
}

/// The media type of a document's format.
pub(super) fn document_type(format: &str) -> Option<&'static str> {
    DOCUMENTS.iter().find(|(known, _)| *known == format).map(|(_, media_type)| *media_type)
}

/// What AWS makes of media.
#[derive(Debug, PartialEq)]
pub(super) enum EncodedMedia {
    Picture(Value),
    Document(Value),
}

/// Encodes media as a block. Documents of one request need different names, which `names` holds.
///
/// # Errors
/// What AWS can't read.
pub(super) fn encode(media: &Media, names: &mut DocumentNames) -> Result<EncodedMedia, String> {
    let MediaSource::Base64(data) = &media.source else {
        return Err("a picture or document behind an address".to_owned());
    };
    let source = json!({"bytes": data});
    let media_type = media.media_type.as_deref().unwrap_or_default().to_ascii_lowercase();
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    let known = |table: &[(&'static str, &'static str)]| {
        table.iter().find(|(_, known)| *known == media_type).map(|(format, _)| *format)
    };
    let picture = if media_type == "image/jpg" { Some("jpeg") } else { known(&PICTURES) };
    if let Some(format) = picture {
        return Ok(EncodedMedia::Picture(object([("image", object([("format", json!(format)), ("source", source)]))])));
    }
    match known(&DOCUMENTS) {
        Some(format) => {
            let name = unique(&document_name(media.filename.as_deref().unwrap_or_default()), names);
            let document = object([("format", json!(format)), ("name", json!(name)), ("source", source)]);
            Ok(EncodedMedia::Document(object([("document", document)])))
        }
        None if media_type.is_empty() => Err("media without a type".to_owned()),
        None => Err(format!("media of type {media_type}")),
    }
}

/// A name of the characters that AWS accepts: letters, digits, single spaces, hyphens, parentheses and brackets.
fn document_name(filename: &str) -> String {
    // The ending says the same as the format.
    let stem = filename.rsplit_once('.').map_or(filename, |(stem, _)| stem);
    let mut name = String::with_capacity(stem.len().min(LONGEST_NAME));
    for character in stem.chars() {
        let fits = character.is_ascii_alphanumeric() || "-()[]".contains(character);
        if fits {
            name.push(character);
        } else if !name.is_empty() && !name.ends_with(' ') {
            name.push(' ');
        }
        // A number may follow.
        if name.len() >= LONGEST_NAME - 8 {
            break;
        }
    }
    let name = name.trim_end();
    if name.is_empty() { "document".to_owned() } else { name.to_owned() }
}

/// The names of a request's documents, and the last number that was tried for each.
pub(super) type DocumentNames = HashMap<String, usize>;

/// The name, with a number if another document has it.
fn unique(name: &str, names: &mut DocumentNames) -> String {
    let mut candidate = name.to_owned();
    while names.contains_key(&candidate) {
        let number = names.entry(name.to_owned()).or_insert(1);
        *number += 1;
        candidate = format!("{name} {number}");
    }
    names.insert(candidate.clone(), 1);
    candidate
}

#[cfg(test)]
mod tests {
    use super::*;

    fn media(media_type: &str, source: MediaSource, filename: Option<&str>) -> Media {
        let media_type = Some(media_type.to_owned()).filter(|text| !text.is_empty());
        Media { media_type, source, filename: filename.map(str::to_owned), detail: None }
    }

    #[test]
    fn media_becomes_blocks() {
        let data = || MediaSource::Base64("AAAA".to_owned());
        let url = |url: &str| MediaSource::Url(url.to_owned());
        let mut names = DocumentNames::new();
        for (media, expected) in [
            (
                media("image/PNG", data(), None),
                Ok(EncodedMedia::Picture(json!({"image": {"format": "png", "source": {"bytes": "AAAA"}}}))),
            ),
            (
                media("image/jpg", data(), None),
                Ok(EncodedMedia::Picture(json!({"image": {"format": "jpeg", "source": {"bytes": "AAAA"}}}))),
            ),
            (
                media("application/pdf", data(), Some("Q3_report (final).pdf")),
                Ok(EncodedMedia::Document(
                    json!({"document": {"format": "pdf", "name": "Q3 report (final)", "source": {"bytes": "AAAA"}}}),
                )),
            ),
            (
                media("text/plain; charset=utf-8", data(), Some("Q3:report  (final).txt")),
                Ok(EncodedMedia::Document(
                    json!({"document": {"format": "txt", "name": "Q3 report (final) 2", "source": {"bytes": "AAAA"}}}),
                )),
            ),
            (
                media("text/markdown", data(), None),
                Ok(EncodedMedia::Document(
                    json!({"document": {"format": "md", "name": "document", "source": {"bytes": "AAAA"}}}),
                )),
            ),
            (
                media("image/png", url("https://a.example/a.png"), None),
                Err("a picture or document behind an address".to_owned()),
            ),
            (media("audio/wav", data(), None), Err("media of type audio/wav".to_owned())),
            (media("", data(), None), Err("media without a type".to_owned())),
        ] {
            assert_eq!(encode(&media, &mut names), expected, "{media:?}");
        }
    }

    #[test]
    fn documents_of_one_name_get_numbers() {
        let mut names = DocumentNames::new();
        let given = ["a", "a", "a 2", "a", "b", "a 2"].map(|name| unique(name, &mut names));
        assert_eq!(given, ["a", "a 2", "a 2 2", "a 3", "b", "a 2 3"]);
        // Each is found by its number, not by trying all before it.
        let last = (0..200_000).map(|_| unique("a", &mut names)).last();
        assert_eq!(last.as_deref(), Some("a 200003"));
    }

    #[test]
    fn names_are_short_and_plain() {
        for name in ["x".repeat(500), "é".repeat(500), "a b".repeat(200), String::new(), "…".to_owned()] {
            let name = document_name(&name);
            assert!((1..=LONGEST_NAME - 8).contains(&name.len()) && !name.contains("  "), "{name}");
            assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" -()[]".contains(&byte)), "{name}");
        }
    }
}
