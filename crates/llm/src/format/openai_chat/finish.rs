//! Why an answer ended, by OpenAI's names and those of compatible providers.

use crate::chat::Finish;

/// Parses a `finish_reason`. Unknown values count as a plain stop; so does an empty one (Snowflake) in an answer that
/// is not streamed. With tool calls a stop is [`Finish::ToolCalls`] whatever its name, because agents end their loop on
/// anything else.
pub(super) fn read(word: Option<&str>, has_tool_calls: bool) -> Finish {
    match word.unwrap_or_default() {
        // `model_length` is Mistral's; DeepSeek's `insufficient_system_resource` truncates an answer too.
        "length" | "max_tokens" | "model_length" | "insufficient_system_resource" => Finish::Length,
        "content_filter" => Finish::Filtered,
        "tool_calls" | "function_call" => Finish::ToolCalls,
        _ if has_tool_calls => Finish::ToolCalls,
        _ => Finish::Stop,
    }
}

/// OpenAI's name. It has none for a refusal of a model's classifier, which withholds the answer like a content filter.
pub(super) fn word(finish: Finish, has_tool_calls: bool) -> &'static str {
    match finish {
        Finish::Length => "length",
        Finish::Filtered | Finish::Refusal => "content_filter",
        Finish::ToolCalls => "tool_calls",
        Finish::Stop | Finish::StopSequence | Finish::Pause if has_tool_calls => "tool_calls",
        Finish::Stop | Finish::StopSequence | Finish::Pause => "stop",
    }
}
