//! Where an operation's path and its model's name stand below an endpoint.

use crate::operation::{Operation, OperationKind};
use crate::path::{PathError, PathSegment, UpstreamPath};

/// How a server lays out its paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UrlLayout {
    /// `chat/completions`; the body names the model.
    OpenAi,
    /// `messages`; the body names the model.
    Anthropic,
    /// `models/NAME:generateContent`.
    Gemini,
}

impl UrlLayout {
    /// The path for an operation of the server's own dialect.
    ///
    /// # Errors
    /// [`PathError`] where the model's name would stand in the path, and can't.
    pub fn own(self, operation: &Operation, model: &str) -> Result<UpstreamPath, PathError> {
        match operation.path.split_once('*') {
            Some((_, verb)) if self == UrlLayout::Gemini => UpstreamPath::gemini(model, verb),
            Some((before, after)) => Ok(UpstreamPath::with(before, &PathSegment::encode(model)?, after)),
            None => Ok(UpstreamPath::fixed(operation.path)),
        }
    }

    /// The path for an operation of another dialect. Conversations are translated; anything else keeps its own path.
    ///
    /// # Errors
    /// As [`UrlLayout::own`].
    pub fn translated(self, operation: &Operation, model: &str, stream: bool) -> Result<UpstreamPath, PathError> {
        match (operation.kind, self) {
            (OperationKind::Chat, UrlLayout::OpenAi) => Ok(UpstreamPath::fixed("chat/completions")),
            (OperationKind::Chat, UrlLayout::Anthropic) => Ok(UpstreamPath::fixed("messages")),
            (OperationKind::Chat, UrlLayout::Gemini) => {
                UpstreamPath::gemini(model, if stream { ":streamGenerateContent" } else { ":generateContent" })
            }
            _ => self.own(operation, model),
        }
    }

    /// What the query must say for a conversation that streams, whatever the caller wrote.
    #[must_use]
    pub fn stream_query(self) -> Option<&'static str> {
        match self {
            // Without it Google answers with a JSON array.
            UrlLayout::Gemini => Some("alt=sse"),
            UrlLayout::OpenAi | UrlLayout::Anthropic => None,
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
    fn models_stand_in_upstream_paths_encoded() {
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
        // There the name stands in the body, where it harms nobody.
        assert_eq!(path(chat, OpenAi, "../models/llama", false), is("chat/completions"));
    }
}
