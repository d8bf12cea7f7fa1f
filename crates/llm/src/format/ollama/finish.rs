//! `done_reason`, in both directions.

use crate::chat::Finish;

/// Ollama itself filters nothing. Its clients accept any word, and this one is OpenAI's.
const FILTERED: &str = "content_filter";

/// Unknown reasons count as a plain stop. With tool calls a stop is [`Finish::ToolCalls`].
pub(super) fn read(reason: Option<&str>, has_tool_calls: bool) -> Finish {
    match reason {
        Some("length") => Finish::Length,
        Some(FILTERED) => Finish::Filtered,
        _ if has_tool_calls => Finish::ToolCalls,
        _ => Finish::Stop,
    }
}

pub(super) fn word(finish: Finish) -> &'static str {
    match finish {
        Finish::Length => "length",
        Finish::Filtered | Finish::Refusal => FILTERED,
        Finish::Stop | Finish::StopSequence | Finish::ToolCalls | Finish::Pause => "stop",
    }
}
