//! Finds what the turns of a conversation contain besides text, in any dialect: one walk over the bytes.

use super::Needs;
use crate::json::pieces::{JsonToken, JsonTokens};

/// Keys of arguments and results of tools, whose content does not count.
const TOOLS: [&[u8]; 4] = [b"arguments", b"args", b"input", b"response"];

/// The capabilities that the turns need: a list of turns, or the only one. `by_key`: in this dialect, parts are named by
/// their key and not by a type.
pub(super) fn needs(turns: &[u8], by_key: bool) -> Needs {
    let mut needs = Needs::default();
    // Documents in parts, and those given as text, which need no capability.
    let (mut documents, mut written) = (0_u64, 0_u64);
    let mut depth = 0_usize;
    let mut inside_tool: Option<usize> = None;
    let (mut key, mut opened_by): (&[u8], &[u8]) = (b"", b"");
    for piece in JsonTokens::of(turns) {
        match piece {
            JsonToken::Open => {
                if inside_tool.is_none() && depth > 0 && (TOOLS.contains(&key) || by_key && key == b"json") {
                    inside_tool = Some(depth);
                }
                if by_key && inside_tool.is_none() {
                    match key {
                        b"image" | b"video" => needs |= Needs::VISION,
                        b"audio" => needs |= Needs::AUDIO,
                        b"document" => documents += 1,
                        b"content" if opened_by == b"source" => written += 1,
                        _ => {}
                    }
                }
                opened_by = std::mem::take(&mut key);
                depth += 1;
            }
            JsonToken::Close => {
                depth = depth.saturating_sub(1);
                opened_by = b"";
                inside_tool = inside_tool.filter(|since| depth > *since);
            }
            JsonToken::Key(name) => key = name,
            JsonToken::Text(raw) => {
                if inside_tool.is_none() {
                    match key {
                        b"type" if opened_by == b"source" && matches!(raw, b"text" | b"content") => written += 1,
                        b"type" => match raw {
                            b"image_url"
                            | b"input_image"
                            | b"image"
                            | b"computer_screenshot"
                            | b"video_url"
                            | b"input_video" => needs |= Needs::VISION,
                            b"input_audio" | b"audio" | b"audio_url" => needs |= Needs::AUDIO,
                            b"file" | b"input_file" | b"document" | b"document_url" => documents += 1,
                            _ => {}
                        },
                        b"mimeType" | b"mime_type" => needs |= by_mime(raw),
                        // Ollama's messages have a list of pictures.
                        b"" if opened_by == b"images" => needs |= Needs::VISION,
                        b"text" if by_key && opened_by == b"source" => written += 1,
                        _ => {}
                    }
                }
                key = b"";
            }
            JsonToken::Bare(_) => key = b"",
        }
    }
    needs | Needs::FILES.when(documents > written)
}

fn by_mime(mime: &[u8]) -> Needs {
    // A slash may be escaped.
    match mime.split(|byte| matches!(byte, b'/' | b'\\')).next() {
        Some(b"image" | b"video") => Needs::VISION,
        Some(b"audio") => Needs::AUDIO,
        Some(b"text") => Needs::default(),
        _ => Needs::FILES,
    }
}
