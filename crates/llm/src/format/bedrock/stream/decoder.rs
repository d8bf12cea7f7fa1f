//! Decodes an upstream's stream, event by event. Events, blocks and deltas of unknown kinds are skipped: AWS adds new ones
//! without notice.

use std::collections::HashMap;

use serde_json::Value;

use crate::Malformed;
use crate::chat::citation::CitedBlocks;
use crate::chat::{ChatEvent, Media, MediaSource};
use crate::format::bedrock::media::picture_type;
use crate::format::bedrock::response::malformed;
use crate::format::bedrock::{citations, finish, usage, watch};
use crate::framing;

/// Decodes the events of one stream.
#[derive(Debug, Default)]
pub struct Decoder {
    blocks: HashMap<u64, UpstreamBlock>,
    calls: usize,
    cited: CitedBlocks,
    over: bool,
}

/// An open block that began with an event of its own; others are text and thinking.
#[derive(Debug)]
enum UpstreamBlock {
    Call {
        index: usize,
        has_arguments: bool,
    },
    Picture {
        media_type: Option<&'static str>,
        data: String,
    },
    /// A block of a tool that AWS runs, or of an unknown kind.
    Other,
}

impl Decoder {
    /// Decodes one event, and appends the result to `out`.
    ///
    /// # Errors
    /// [`Malformed`] if the data is not JSON, or lacks required fields.
    pub fn push(&mut self, event: &framing::Event, out: &mut Vec<ChatEvent>) -> Result<(), Malformed> {
        if self.over {
            return Ok(());
        }
        let Some(data) = event.data().filter(|data| !data.trim().is_empty()) else { return Ok(()) };
        if event.is_exception() {
            self.over = true;
            out.push(ChatEvent::Error(watch::exception(event.name(), &data)));
            return Ok(());
        }
        let data: Value =
            serde_json::from_str(&data).map_err(|error| malformed(format!("event is not JSON: {error}")))?;
        match event.name() {
            "messageStart" => out.push(ChatEvent::Start { id: None, model: None }),
            "contentBlockStart" => self.block_start(&data, out)?,
            "contentBlockDelta" => self.block_delta(&data, out),
            "contentBlockStop" => {
                if let Some(block) = position(&data).and_then(|position| self.blocks.remove(&position)) {
                    close(block, out);
                }
                out.extend(self.cited.end().map(ChatEvent::Citation));
            }
            "messageStop" => {
                let mut left: Vec<(u64, UpstreamBlock)> = self.blocks.drain().collect();
                left.sort_by_key(|(position, _)| *position);
                left.into_iter().for_each(|(_, block)| close(block, out));
                out.extend(self.cited.end().map(ChatEvent::Citation));
                if let Some(reason) = data.get("stopReason").and_then(Value::as_str) {
                    let reason = finish::decode(reason, self.calls > 0);
                    out.push(ChatEvent::Finish { reason, stop_sequence: None });
                }
            }
            "metadata" => {
                let usage = usage::decode(&data);
                if !usage.is_empty() {
                    out.push(ChatEvent::Usage(usage));
                }
                self.over = true;
                out.push(ChatEvent::End);
            }
            "" => return Err(malformed("event has no name")),
            _ => {}
        }
        Ok(())
    }

    fn block_start(&mut self, data: &Value, out: &mut Vec<ChatEvent>) -> Result<(), Malformed> {
        let position = position(data).ok_or_else(|| malformed("contentBlockStart has no `contentBlockIndex`"))?;
        // The block before may have no end.
        out.extend(self.cited.end().map(ChatEvent::Citation));
        let start = data.get("start");
        let of = |kind: &str| start.and_then(|start| start.get(kind));
        let opened = if let Some(call) = of("toolUse") {
            let text = |key: &str| call.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
            if text("type") == Some("server_tool_use") {
                UpstreamBlock::Other
            } else {
                let wanted = |key: &str| text(key).ok_or_else(|| malformed(format!("a toolUse has no `{key}`")));
                let (id, name) = (wanted("toolUseId")?.to_owned(), wanted("name")?.to_owned());
                let index = self.calls;
                self.calls += 1;
                out.push(ChatEvent::ToolCall { index, id, name, signature: None });
                UpstreamBlock::Call { index, has_arguments: false }
            }
        } else if let Some(image) = of("image") {
            let media_type = image.get("format").and_then(Value::as_str).and_then(picture_type);
            UpstreamBlock::Picture { media_type, data: String::new() }
        } else {
            UpstreamBlock::Other
        };
        self.blocks.insert(position, opened);
        Ok(())
    }

    fn block_delta(&mut self, data: &Value, out: &mut Vec<ChatEvent>) {
        let Some(delta) = data.get("delta") else { return };
        let text = |place: &str| delta.pointer(place).and_then(Value::as_str).filter(|text| !text.is_empty());
        match position(data).and_then(|position| self.blocks.get_mut(&position)) {
            Some(UpstreamBlock::Other) => {}
            Some(UpstreamBlock::Call { index, has_arguments }) => {
                if let Some(fragment) = text("/toolUse/input") {
                    *has_arguments = true;
                    out.push(ChatEvent::ToolArguments { index: *index, fragment: fragment.to_owned() });
                }
            }
            Some(UpstreamBlock::Picture { data, .. }) => data.push_str(text("/image/source/bytes").unwrap_or_default()),
            None => {
                self.cited.text(text("/text").unwrap_or_default());
                self.cited.cite(delta.get("citation").and_then(citations::decode));
                out.extend(text("/text").map(|text| ChatEvent::Text(text.to_owned())));
                out.extend(text("/reasoningContent/text").map(|text| ChatEvent::Thinking(text.to_owned())));
                let signature = text("/reasoningContent/signature");
                out.extend(signature.map(|signature| ChatEvent::ThinkingSignature(signature.to_owned())));
                let redacted = text("/reasoningContent/redactedContent");
                out.extend(redacted.map(|data| ChatEvent::RedactedThinking(data.to_owned())));
            }
        }
    }
}

/// A call without arguments has no delta for them; a picture is passed on whole.
fn close(block: UpstreamBlock, out: &mut Vec<ChatEvent>) {
    match block {
        UpstreamBlock::Call { index, has_arguments: false } => {
            out.push(ChatEvent::ToolArguments { index, fragment: "{}".to_owned() });
        }
        UpstreamBlock::Picture { media_type, data } if !data.is_empty() => out.push(ChatEvent::Media(Media {
            media_type: media_type.map(str::to_owned),
            source: MediaSource::Base64(data),
            filename: None,
            detail: None,
        })),
        UpstreamBlock::Call { .. } | UpstreamBlock::Picture { .. } | UpstreamBlock::Other => {}
    }
}

fn position(data: &Value) -> Option<u64> {
    data.get("contentBlockIndex").and_then(Value::as_u64)
}
