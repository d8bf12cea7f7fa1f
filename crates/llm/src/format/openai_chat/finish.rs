//! Why an answer ended, in OpenAI's words and in those that its followers use.

use crate::chat::Finish;

/// Reads a `finish_reason`. Words that nobody agreed on count as a plain stop; so does an empty one
/// (Snowflake) in a whole answer. With tool calls a stop is [`Finish::ToolCalls`] whatever it is
/// called, because agents end their loop on anything else.
pub(super) fn read(word: Option<&str>, has_tool_calls: bool) -> Finish {
    match word.unwrap_or_default() {
        // `model_length` is Mistral's; DeepSeek's `insufficient_system_resource` cuts an answer short too.
        "length" | "max_tokens" | "model_length" | "insufficient_system_resource" => Finish::Length,
        "content_filter" => Finish::Filtered,
        "tool_calls" | "function_call" => Finish::ToolCalls,
        _ if has_tool_calls => Finish::ToolCalls,
        _ => Finish::Stop,
    }
}

/// OpenAI's word. It has none for a refusal of a model's classifier, which withholds the answer as
/// a content filter does.
pub(super) fn word(finish: Finish, has_tool_calls: bool) -> &'static str {
    match finish {
        Finish::Length => "length",
        Finish::Filtered | Finish::Refusal => "content_filter",
        Finish::ToolCalls => "tool_calls",
        Finish::Stop | Finish::StopSequence | Finish::Pause if has_tool_calls => "tool_calls",
        Finish::Stop | Finish::StopSequence | Finish::Pause => "stop",
    }
}
