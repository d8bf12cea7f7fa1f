//! The path of an operation, and of its model's name, below an endpoint.

use crate::operation::{Operation, OperationKind};
use crate::path::{PathError, PathSegment, UpstreamPath};

/// The path of a conversation in OpenAI's API.
const CHAT: &str = "chat/completions";
/// The path of embeddings there.
const EMBEDDINGS: &str = "embeddings";

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
    /// `deployments/NAME/chat/completions`.
    AzureDeployments,
    /// `publishers/google/models/NAME:generateContent`.
    VertexGemini,
    /// `publishers/anthropic/models/NAME:rawPredict`; the body says whether the answer is streamed, and so does the path.
    VertexClaude,
    /// `model/NAME/converse`.
    Converse,
    /// `model/NAME/invoke`; the path says whether the answer is streamed.
    InvokeModel,
    /// `v2/chat`; the body names the model.
    Cohere,
    /// `api/chat`; the body names the model. Beside the version that the endpoint includes.
    Ollama,
}

impl UrlLayout {
    /// The path for an operation of the server's own dialect.
    ///
    /// # Errors
    /// [`PathError`] if the path would contain the model's name, and can't.
    pub fn own(self, operation: &Operation, model: &str, stream: bool) -> Result<UpstreamPath, PathError> {
        match (self, operation.kind, operation.path.split_once('*')) {
            // Some paths name a model only for some callers.
            (UrlLayout::OpenAi | UrlLayout::Perplexity | UrlLayout::Anthropic, OperationKind::Chat, _) => {
                self.chat(model, stream)
            }
            (UrlLayout::Anthropic, OperationKind::CountTokens, _) => Ok(UpstreamPath::fixed("messages/count_tokens")),
            (UrlLayout::VertexClaude, OperationKind::CountTokens, _) => {
                Ok(UpstreamPath::fixed("publishers/anthropic/models/count-tokens:rawPredict"))
            }
            (UrlLayout::VertexClaude | UrlLayout::Converse | UrlLayout::InvokeModel, ..) => self.chat(model, stream),
            (UrlLayout::Gemini, _, Some((_, verb))) => UpstreamPath::gemini(model, verb),
            (UrlLayout::VertexGemini, _, Some((_, verb))) => UpstreamPath::vertex("google", model, verb),
            (UrlLayout::AzureDeployments, kind, _) if names_deployment(kind) => {
                UpstreamPath::deployment(model, operation.path)
            }
            (_, _, Some((before, after))) => {
                Ok(self.versioned(UpstreamPath::with(before, &PathSegment::encode(model)?, after)))
            }
            (_, _, None) => Ok(self.versioned(UpstreamPath::fixed(operation.path))),
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

    /// The path for an operation that the server does not have. Conversations and rerank are translated; other
    /// operations keep their own path.
    ///
    /// # Errors
    /// As [`UrlLayout::own`].
    pub fn translated(self, operation: &Operation, model: &str, stream: bool) -> Result<UpstreamPath, PathError> {
        match operation.kind {
            OperationKind::Rerank => Ok(self.rerank()),
            _ if operation.is_conversation() => self.chat(model, stream),
            _ => self.own(operation, model, stream),
        }
    }

    /// The path for a translated request to rerank documents. A server that does not rerank is not asked.
    fn rerank(self) -> UpstreamPath {
        match self {
            UrlLayout::Cohere => UpstreamPath::fixed("v2/rerank"),
            _ => self.versioned(UpstreamPath::fixed("rerank")),
        }
    }

    /// The path for embeddings that were translated. `batch`: Gemini gets several inputs at once. A server whose dialect
    /// has no embeddings is not asked.
    ///
    /// # Errors
    /// As [`UrlLayout::own`].
    pub fn embeddings(self, model: &str, batch: bool) -> Result<UpstreamPath, PathError> {
        match self {
            UrlLayout::Gemini if batch => UpstreamPath::gemini(model, ":batchEmbedContents"),
            UrlLayout::Gemini => UpstreamPath::gemini(model, ":embedContent"),
            UrlLayout::VertexGemini => UpstreamPath::vertex("google", model, ":predict"),
            UrlLayout::AzureDeployments => UpstreamPath::deployment(model, EMBEDDINGS),
            UrlLayout::Cohere => Ok(UpstreamPath::fixed("v2/embed")),
            UrlLayout::Ollama => Ok(UpstreamPath::fixed("api/embed")),
            UrlLayout::OpenAi
            | UrlLayout::Perplexity
            | UrlLayout::Anthropic
            | UrlLayout::VertexClaude
            | UrlLayout::Converse
            | UrlLayout::InvokeModel => Ok(self.versioned(UpstreamPath::fixed(EMBEDDINGS))),
        }
    }

    /// The path of a conversation.
    fn chat(self, model: &str, stream: bool) -> Result<UpstreamPath, PathError> {
        let generate = if stream { ":streamGenerateContent" } else { ":generateContent" };
        let predict = if stream { ":streamRawPredict" } else { ":rawPredict" };
        match self {
            UrlLayout::OpenAi | UrlLayout::Perplexity => Ok(UpstreamPath::fixed(CHAT)),
            UrlLayout::Anthropic => Ok(UpstreamPath::fixed("messages")),
            UrlLayout::Cohere => Ok(UpstreamPath::fixed("v2/chat")),
            UrlLayout::Ollama => Ok(UpstreamPath::fixed("api/chat")),
            UrlLayout::Gemini => UpstreamPath::gemini(model, generate),
            UrlLayout::AzureDeployments => UpstreamPath::deployment(model, CHAT),
            UrlLayout::VertexGemini => UpstreamPath::vertex("google", model, generate),
            UrlLayout::VertexClaude => UpstreamPath::vertex("anthropic", model, predict),
            UrlLayout::Converse => {
                let verb = if stream { "/converse-stream" } else { "/converse" };
                Ok(UpstreamPath::with("model/", &PathSegment::encode(model)?, verb))
            }
            UrlLayout::InvokeModel => {
                let verb = if stream { "/invoke-with-response-stream" } else { "/invoke" };
                Ok(UpstreamPath::with("model/", &PathSegment::encode(model)?, verb))
            }
        }
    }

    /// The query that a streamed conversation needs, whatever the caller wrote.
    #[must_use]
    pub fn stream_query(self) -> Option<&'static str> {
        match self {
            // Without it Google answers with a JSON array.
            UrlLayout::Gemini | UrlLayout::VertexGemini => Some("alt=sse"),
            UrlLayout::OpenAi
            | UrlLayout::Perplexity
            | UrlLayout::Anthropic
            | UrlLayout::AzureDeployments
            | UrlLayout::VertexClaude
            | UrlLayout::Converse
            | UrlLayout::InvokeModel
            | UrlLayout::Cohere
            | UrlLayout::Ollama => None,
        }
    }
}

/// Whether Azure serves this at a deployment. Responses name it in the body.
fn names_deployment(kind: OperationKind) -> bool {
    match kind {
        OperationKind::Chat
        | OperationKind::Completions
        | OperationKind::Embeddings
        | OperationKind::ImageGeneration
        | OperationKind::Speech
        | OperationKind::Transcription => true,
        OperationKind::Responses
        | OperationKind::Rerank
        | OperationKind::CountTokens
        | OperationKind::Moderations
        | OperationKind::ListModels
        | OperationKind::GetModel
        | OperationKind::Version => false,
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
        let cloud = |kind: &str, caller: &str, model: &str, stream: bool| {
            let operation = find("POST", caller).unwrap().operation;
            Target::new(lookup(kind).unwrap(), OpenAi, model).path(operation, stream).map(|path| path.to_string())
        };
        let (chat_path, messages) = ("/v1/chat/completions", "/v1/messages");
        let claude = "publishers/anthropic/models/claude-sonnet-4-5@20250929";
        for (caller, model, stream, expected) in [
            (chat_path, "gemini-2.5-pro", false, "publishers/google/models/gemini-2.5-pro:generateContent"),
            (chat_path, "google/gemini-2.5-pro", true, "publishers/google/models/gemini-2.5-pro:streamGenerateContent"),
            (chat_path, "endpoints/123", false, "endpoints/123:generateContent"),
            (chat_path, "a/b", false, "publishers/google/models/a%2Fb:generateContent"),
            ("/v1/models/m:countTokens", "models/g", false, "publishers/google/models/g:countTokens"),
            (messages, "claude-sonnet-4-5@20250929", false, &format!("{claude}:rawPredict")),
            (messages, claude, true, &format!("{claude}:streamRawPredict")),
            (chat_path, "anthropic/claude-sonnet-4-5@20250929", true, &format!("{claude}:streamRawPredict")),
            (
                "/v1/messages/count_tokens",
                "claude-sonnet-4-5",
                false,
                "publishers/anthropic/models/count-tokens:rawPredict",
            ),
        ] {
            assert_eq!(cloud("VertexAI", caller, model, stream), is(expected), "{caller} {model}");
        }
        assert_eq!(cloud("VertexAI", chat_path, "a/../b", false), Err(PathError::Dots));
        assert_eq!(cloud("AzureOpenAI", chat_path, "../x", false), is("chat/completions"));
        for (caller, expected) in [
            (chat_path, Ok("deployments/my%20d/chat/completions")),
            ("/v1/embeddings", Ok("deployments/my%20d/embeddings")),
            ("/v1/responses", Ok("responses")),
            (messages, Ok("deployments/my%20d/chat/completions")),
        ] {
            let operation = find("POST", caller).unwrap().operation;
            let api = lookup("AzureOpenAI").unwrap().versioned.unwrap();
            let target = Target { api, ..Target::new(lookup("AzureOpenAI").unwrap(), OpenAi, "my d") };
            assert_eq!(target.path(operation, false).map(|path| path.to_string()), expected.map(str::to_owned));
        }
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
