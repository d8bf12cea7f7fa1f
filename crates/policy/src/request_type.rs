//! What kinds of requests there are, in the words that rules use.

/// What `request_type` can be, in the words that rules use.
pub const REQUEST_TYPES: [&str; 13] = [
    "chat_completion",
    "chat_completion_stream",
    "text_completion",
    "responses",
    "responses_stream",
    "embedding",
    "moderation",
    "rerank",
    "speech",
    "transcription",
    "image_generation",
    "count_tokens",
    "list_models",
];

/// Requests that are answered in words. The vectors of another model would fit no index, and no other model draws or
/// speaks for less.
pub(crate) const CONVERSATIONS: [&str; 5] =
    ["chat_completion", "chat_completion_stream", "responses", "responses_stream", "text_completion"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversations_are_types_of_requests() {
        assert!(CONVERSATIONS.iter().all(|kind| REQUEST_TYPES.contains(kind)));
    }
}
