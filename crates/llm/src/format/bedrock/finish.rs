//! `stopReason`, to which AWS adds values now and then.

use crate::chat::Finish;

/// The finish of a stop reason. An unknown one is a plain stop.
pub(super) fn decode(reason: &str, calls_tools: bool) -> Finish {
    match reason {
        "max_tokens" | "model_context_window_exceeded" => Finish::Length,
        "stop_sequence" => Finish::StopSequence,
        "tool_use" => Finish::ToolCalls,
        "guardrail_intervened" | "content_filtered" => Finish::Filtered,
        // `end_turn`, and what a model wrote that could not be read as a call.
        _ if calls_tools => Finish::ToolCalls,
        _ => Finish::Stop,
    }
}

/// The stop reason of an answer. Some upstreams end tool calls with a plain stop, which would end an agent's loop early.
pub(super) fn encode(finish: Finish, calls_tools: bool) -> &'static str {
    match finish {
        Finish::Stop if calls_tools => "tool_use",
        Finish::Stop | Finish::Pause => "end_turn",
        Finish::StopSequence => "stop_sequence",
        Finish::Length => "max_tokens",
        Finish::ToolCalls => "tool_use",
        Finish::Filtered | Finish::Refusal => "content_filtered",
    }
}

/// Whether a stop reason explains an answer without content.
pub(super) fn explains(reason: &str) -> bool {
    !matches!(reason, "end_turn" | "tool_use" | "malformed_model_output" | "malformed_tool_use")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stop_reasons_are_read_and_written() {
        for (reason, calls, finish, back) in [
            ("end_turn", false, Finish::Stop, "end_turn"),
            ("end_turn", true, Finish::ToolCalls, "tool_use"),
            ("tool_use", true, Finish::ToolCalls, "tool_use"),
            ("max_tokens", true, Finish::Length, "max_tokens"),
            ("model_context_window_exceeded", false, Finish::Length, "max_tokens"),
            ("stop_sequence", false, Finish::StopSequence, "stop_sequence"),
            ("guardrail_intervened", false, Finish::Filtered, "content_filtered"),
            ("content_filtered", false, Finish::Filtered, "content_filtered"),
            ("malformed_tool_use", false, Finish::Stop, "end_turn"),
            ("something_new", false, Finish::Stop, "end_turn"),
        ] {
            assert_eq!(decode(reason, calls), finish, "{reason}");
            assert_eq!(encode(finish, calls), back, "{reason}");
        }
        assert_eq!(encode(Finish::Stop, true), "tool_use");
        assert_eq!(encode(Finish::Refusal, false), "content_filtered");
    }
}
