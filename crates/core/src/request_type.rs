//! What kinds of requests there are.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What is asked for, in the words of conditions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RequestType {
    /// A conversation.
    #[default]
    ChatCompletion,
    /// A conversation, its answer as a stream.
    ChatCompletionStream,
    /// A text, continued.
    TextCompletion,
    /// A conversation of the Responses API.
    Responses,
    /// The same, its answer as a stream.
    ResponsesStream,
    /// Vectors.
    Embedding,
    /// Whether a text is fit.
    Moderation,
    /// Documents, in order.
    Rerank,
    /// A text, read aloud.
    Speech,
    /// Speech, written down.
    Transcription,
    /// Pictures.
    ImageGeneration,
    /// How large a request is.
    CountTokens,
    /// Which models there are.
    ListModels,
}

impl RequestType {
    /// All of them, in the order in which errors list them.
    pub const ALL: [Self; 13] = [
        Self::ChatCompletion,
        Self::ChatCompletionStream,
        Self::TextCompletion,
        Self::Responses,
        Self::ResponsesStream,
        Self::Embedding,
        Self::Moderation,
        Self::Rerank,
        Self::Speech,
        Self::Transcription,
        Self::ImageGeneration,
        Self::CountTokens,
        Self::ListModels,
    ];

    /// The words of [`RequestType::ALL`].
    pub const NAMES: [&'static str; 13] = {
        let mut names = [""; 13];
        let mut index = 0;
        while index < names.len() {
            names[index] = Self::ALL[index].name();
            index += 1;
        }
        names
    };

    /// The word for it in rules: `request_type`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ChatCompletion => "chat_completion",
            Self::ChatCompletionStream => "chat_completion_stream",
            Self::TextCompletion => "text_completion",
            Self::Responses => "responses",
            Self::ResponsesStream => "responses_stream",
            Self::Embedding => "embedding",
            Self::Moderation => "moderation",
            Self::Rerank => "rerank",
            Self::Speech => "speech",
            Self::Transcription => "transcription",
            Self::ImageGeneration => "image_generation",
            Self::CountTokens => "count_tokens",
            Self::ListModels => "list_models",
        }
    }

    /// The one of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }

    /// Whether it is answered in words. The vectors of another model would fit no index, and no other model draws or
    /// speaks for less.
    #[must_use]
    pub const fn is_conversation(self) -> bool {
        matches!(
            self,
            Self::ChatCompletion
                | Self::ChatCompletionStream
                | Self::Responses
                | Self::ResponsesStream
                | Self::TextCompletion
        )
    }
}

impl fmt::Display for RequestType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_and_rules_say_the_same_word() {
        for one in RequestType::ALL {
            assert_eq!(serde_json::to_value(one).unwrap(), one.name());
            assert_eq!(RequestType::from_name(one.name()), Some(one));
        }
        assert_eq!(RequestType::from_name("chat"), None);
        assert_eq!(RequestType::NAMES.last(), Some(&"list_models"));
    }
}
