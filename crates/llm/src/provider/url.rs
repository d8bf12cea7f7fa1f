//! The path of an operation, and of its model's name, below an endpoint.

use crate::operation::{Operation, OperationKind};
use crate::path::{PathError, PathSegment, UpstreamPath};

/// The path of a conversation in OpenAI's API.
const CHAT: &str = "chat/completions";

/// The layout of a server's paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UrlLayout {
    /// `chat/completions`; the body names the model.
    OpenAi,
    /// `chat/completions`, and `v1/` before everything else.
    Perplexity,
    /// `messages`; the body names the model.
    Anthropic,
    /// `models/NAME:generateContent`.
    Gemini,
}

impl UrlLayout {
    /// The path for an operation of the server's own dialect.
    ///
    /// # Errors
    /// [`PathError`] if the path would contain the model's name, and can't.
    pub fn own(self, operation: &Operation, model: &str) -> Result<UpstreamPath, PathError> {
        match operation.path.split_once('*') {
            Some((_, verb)) if self == UrlLayout::Gemini => UpstreamPath::gemini(model, verb),
            Some((before, after)) => {
                Ok(self.versioned(UpstreamPath::with(before, &PathSegment::encode(model)?, after)))
            }
            None => Ok(self.versioned(UpstreamPath::fixed(operation.path))),
        }
    }

    /// A path of OpenAI's API, with the version where the endpoint does not include it.
    #[must_use]
    pub fn versioned(self, path: UpstreamPath) -> UpstreamPath {
        match self {
            UrlLayout::Perplexity if path.as_str() != CHAT => path.below("v1/"),
            _ => path,
        }
    }

    /// The path for an operation of another dialect. Conversations are translated; other operations keep their own
    /// path.
    ///
    /// # Errors
    /// As [`UrlLayout::own`].
    pub fn translated(self, operation: &Operation, model: &str, stream: bool) -> Result<UpstreamPath, PathError> {
        match (operation.kind, self) {
            (OperationKind::Chat, UrlLayout::OpenAi | UrlLayout::Perplexity) => Ok(UpstreamPath::fixed(CHAT)),
            (OperationKind::Chat, UrlLayout::Anthropic) => Ok(UpstreamPath::fixed("messages")),
            (OperationKind::Chat, UrlLayout::Gemini) => {
                UpstreamPath::gemini(model, if stream { ":streamGenerateContent" } else { ":generateContent" })
            }
            _ => self.own(operation, model),
        }
    }

    /// The query that a streamed conversation needs, whatever the caller wrote.
    #[must_use]
    pub fn stream_query(self) -> Option<&'static str> {
        match self {
            // Without it Google answers with a JSON array.
            UrlLayout::Gemini => Some("alt=sse"),
            UrlLayout::OpenAi | UrlLayout::Perplexity | UrlLayout::Anthropic => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::Dialect::{Anthropic, Gemini, OpenAi};
    use crate::operation::find;
    use crate::path::PathError;
    use crate::provider::{Target, lookup};

    #[test]
    fn models_are_encoded_in_upstream_paths() {
        let generate = find("POST", "/v1beta/models/m:generateContent").unwrap().operation;
        let chat = find("POST", "/v1/chat/completions").unwrap().operation;
        let path = |operation, dialect, model, stream| {
            let target = Target::new(lookup("Mock").unwrap(), dialect, model);
            target.path(operation, stream).map(|path| path.to_string())
        };
        let is = |path: &str| Ok(path.to_owned());
        assert_eq!(path(generate, Gemini, "a/b", false), is("models/a%2Fb:generateContent"));
        assert_eq!(path(generate, Anthropic, "m", true), is("messages"));
        assert_eq!(path(chat, Gemini, "m", true), is("models/m:streamGenerateContent"));
        assert_eq!(path(chat, OpenAi, "m", true), is("chat/completions"));
        assert_eq!(path(chat, Gemini, "a/../b", false), Err(PathError::Dots));
        // The body contains the name there, which is harmless.
        assert_eq!(path(chat, OpenAi, "../models/llama", false), is("chat/completions"));
    }

    #[test]
    fn perplexity_has_a_version_before_all_but_conversations() {
        let path = |method, path| {
            let operation = find(method, path).unwrap().operation;
            let target = Target::new(lookup("Perplexity").unwrap(), OpenAi, "sonar");
            target.path(operation, false).map(|path| path.to_string()).unwrap()
        };
        assert_eq!(path("POST", "/v1/chat/completions"), "chat/completions");
        assert_eq!(path("POST", "/v1/messages"), "chat/completions");
        assert_eq!(path("POST", "/v1/embeddings"), "v1/embeddings");
        assert_eq!(path("POST", "/v1/responses"), "v1/responses");
        assert_eq!(path("GET", "/v1/models"), "v1/models");
    }
}
