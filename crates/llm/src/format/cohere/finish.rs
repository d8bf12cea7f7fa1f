//! `finish_reason`, in both directions.

use crate::chat::Finish;

/// Whether the reason says that the model failed. Such an answer is an error.
pub(super) fn is_failure(reason: &str) -> bool {
    matches!(reason, "ERROR" | "TIMEOUT")
}

/// Unknown reasons count as a plain stop. With tool calls a stop is [`Finish::ToolCalls`].
pub(super) fn read(reason: Option<&str>, has_tool_calls: bool) -> Finish {
    match reason.unwrap_or_default() {
        "MAX_TOKENS" | "ERROR_LIMIT" => Finish::Length,
        "ERROR_TOXIC" => Finish::Filtered,
        "TOOL_CALL" => Finish::ToolCalls,
        _ if has_tool_calls => Finish::ToolCalls,
        "STOP_SEQUENCE" => Finish::StopSequence,
        _ => Finish::Stop,
    }
}

/// Version 2 has no reason for a filtered answer; this is the one of version 1.
pub(super) fn word(finish: Finish, has_tool_calls: bool) -> &'static str {
    match finish {
        Finish::Length => "MAX_TOKENS",
        Finish::Filtered | Finish::Refusal => "ERROR_TOXIC",
        Finish::ToolCalls => "TOOL_CALL",
        Finish::Stop | Finish::StopSequence | Finish::Pause if has_tool_calls => "TOOL_CALL",
        Finish::StopSequence => "STOP_SEQUENCE",
        Finish::Stop | Finish::Pause => "COMPLETE",
    }
}
