//! What the turns of a conversation show beside words, in any dialect.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Needs;

/// Turns hold parts, parts of tools' results hold parts again, and none goes deeper than this.
const DEEPEST: usize = 5;

/// A turn, an item or a part: as much as tells what is in it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Part<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    /// Of a tool's result in a response's input.
    #[serde(borrow)]
    output: Option<&'a RawValue>,
    /// Gemini's.
    #[serde(borrow)]
    parts: Option<&'a RawValue>,
    #[serde(borrow, alias = "functionResponse")]
    function_response: Option<&'a RawValue>,
    #[serde(borrow, alias = "inlineData")]
    inline_data: Option<&'a RawValue>,
    /// Gemini's is an object; a response's file has a string of that name.
    #[serde(borrow, alias = "fileData")]
    file_data: Option<&'a RawValue>,
    /// Of Anthropic's documents.
    #[serde(borrow)]
    source: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Blob<'a> {
    #[serde(borrow, alias = "mimeType")]
    mime_type: Option<Cow<'a, str>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Source<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
}

/// What the turns need: a list of them, or the only one.
pub(super) fn needs(turns: &str) -> Needs {
    of(turns, DEEPEST)
}

fn read<'a, T: Deserialize<'a>>(value: Option<&'a RawValue>) -> Option<T> {
    serde_json::from_str(value?.get()).ok()
}

fn of(raw: &str, deeper: usize) -> Needs {
    if deeper == 0 || raw.starts_with('"') {
        return Needs::default();
    }
    if raw.starts_with('[') {
        let several: Vec<&RawValue> = serde_json::from_str(raw).unwrap_or_default();
        return several.into_iter().fold(Needs::default(), |needs, one| needs | of(one.get(), deeper));
    }
    let part: Part<'_> = serde_json::from_str(raw).unwrap_or_default();
    let source: Source<'_> = read(part.source).unwrap_or_default();
    let words = matches!(source.kind.as_deref(), Some("text" | "content"));
    let mut needs = match part.kind.as_deref() {
        Some("image_url" | "input_image" | "image" | "computer_screenshot" | "video_url" | "input_video") => {
            Needs::VISION
        }
        Some("input_audio" | "audio" | "audio_url") => Needs::AUDIO,
        Some("file" | "input_file" | "document" | "document_url") if !words => Needs::FILES,
        _ => Needs::default(),
    };
    for blob in [part.inline_data, part.file_data].into_iter().filter_map(read::<Blob<'_>>) {
        needs |= match blob.mime_type.as_deref().and_then(|kind| kind.split('/').next()) {
            Some("image" | "video") => Needs::VISION,
            Some("audio") => Needs::AUDIO,
            Some("text") => Needs::default(),
            _ => Needs::FILES,
        };
    }
    for inner in [part.content, part.output, part.parts, part.function_response].into_iter().flatten() {
        needs |= of(inner.get(), deeper - 1);
    }
    needs
}
