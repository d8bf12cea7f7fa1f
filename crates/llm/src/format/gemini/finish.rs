//! `finishReason`, to which Google adds values now and then.

use crate::chat::Finish;

/// The meaning of a finish reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// Not finished, or not reported.
    Unspecified,
    Finished(Finish),
    /// Google could not parse the output of the model; without content, there is no answer.
    Failed,
}

pub(super) fn decode(reason: &str, calls_tools: bool) -> Reason {
    let finish = match reason {
        "" | "FINISH_REASON_UNSPECIFIED" => return Reason::Unspecified,
        "MAX_TOKENS" => Finish::Length,
        "SAFETY"
        | "RECITATION"
        | "LANGUAGE"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION"
        | "MODEL_ARMOR"
        | "ESCALATION" => Finish::Filtered,
        "MALFORMED_FUNCTION_CALL"
        | "UNEXPECTED_TOOL_CALL"
        | "TOO_MANY_TOOL_CALLS"
        | "MISSING_THOUGHT_SIGNATURE"
        | "MALFORMED_RESPONSE" => return Reason::Failed,
        // STOP, OTHER and values that Google may add: the answer is what was received.
        _ if calls_tools => Finish::ToolCalls,
        _ => Finish::Stop,
    };
    Reason::Finished(finish)
}

pub(super) fn encode(finish: Finish) -> &'static str {
    match finish {
        // Gemini has no reason for calls: they end like other answers.
        Finish::Stop | Finish::StopSequence | Finish::ToolCalls | Finish::Pause => "STOP",
        Finish::Length => "MAX_TOKENS",
        Finish::Filtered | Finish::Refusal => "SAFETY",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_reasons() {
        let cases = [
            ("STOP", false, Reason::Finished(Finish::Stop)),
            ("STOP", true, Reason::Finished(Finish::ToolCalls)),
            ("MAX_TOKENS", true, Reason::Finished(Finish::Length)),
            ("SAFETY", false, Reason::Finished(Finish::Filtered)),
            ("RECITATION", false, Reason::Finished(Finish::Filtered)),
            ("BLOCKLIST", false, Reason::Finished(Finish::Filtered)),
            ("PROHIBITED_CONTENT", false, Reason::Finished(Finish::Filtered)),
            ("SPII", true, Reason::Finished(Finish::Filtered)),
            ("MALFORMED_FUNCTION_CALL", false, Reason::Failed),
            ("OTHER", false, Reason::Finished(Finish::Stop)),
            ("FAKE_NEW_REASON", true, Reason::Finished(Finish::ToolCalls)),
            ("FINISH_REASON_UNSPECIFIED", true, Reason::Unspecified),
        ];
        for (reason, calls, expected) in cases {
            assert_eq!(decode(reason, calls), expected, "{reason}");
        }
    }
}
