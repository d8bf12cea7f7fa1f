//! Types of requests.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The type of a request, as conditions see it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RequestType {
    /// A conversation of the chat completions API.
    #[default]
    ChatCompletion,
    /// The same, with a streamed answer.
    ChatCompletionStream,
    /// A continuation of a text.
    TextCompletion,
    /// A conversation of the Responses API.
    Responses,
    /// The same, with a streamed answer.
    ResponsesStream,
    /// Embeddings: vectors of texts.
    Embedding,
    /// Whether a text is acceptable.
    Moderation,
    /// Documents, ordered by relevance.
    Rerank,
    /// Text to speech.
    Speech,
    /// Speech to text.
    Transcription,
    /// Images.
    ImageGeneration,
    /// The size of a request in tokens.
    CountTokens,
    /// The list of models.
    ListModels,
}

impl RequestType {
    /// All types, in the order in which errors list them.
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

    /// The names of [`RequestType::ALL`].
    pub const NAMES: [&'static str; 13] = {
        let mut names = [""; 13];
        let mut index = 0;
        while index < names.len() {
            names[index] = Self::ALL[index].name();
            index += 1;
        }
        names
    };

    /// The value of `request_type` in rules.
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

    /// The type with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }

    /// Whether the answer is text. Only such requests may be downgraded to a cheaper model: vectors of another model
    /// would fit no index, and images and speech have no cheaper equivalent.
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
    fn objects_and_rules_use_the_same_name() {
        for one in RequestType::ALL {
            assert_eq!(serde_json::to_value(one).unwrap(), one.name());
            assert_eq!(RequestType::from_name(one.name()), Some(one));
        }
        assert_eq!(RequestType::from_name("chat"), None);
        assert_eq!(RequestType::NAMES.last(), Some(&"list_models"));
    }
}
