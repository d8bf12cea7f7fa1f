//! The API of a server: its dialect, the format of its conversations, its paths and its streams.

use super::url::UrlLayout;
use crate::framing::Framing;
use crate::{Dialect, Format};

/// The API of a server. Servers of one dialect may differ in everything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Api {
    /// The API. Requests of callers with the same dialect pass through unchanged.
    pub dialect: Dialect,
    /// The format to which conversations of other callers are translated.
    pub format: Format,
    pub url: UrlLayout,
    /// How its streams are split into events.
    pub framing: Framing,
    /// A header that every request needs.
    pub header: Option<(&'static str, &'static str)>,
    /// The `anthropic_version` that the body of a conversation has in place of `model`, because the path names that.
    pub body_version: Option<&'static str>,
}

/// The APIs of one server: which one a request speaks depends on its model, and on the caller if several serve it.
#[derive(Clone, Copy, Debug)]
pub struct Apis {
    pub usual: &'static Api,
    /// See [`ProviderType::own`](super::ProviderType::own).
    pub own: Option<&'static Api>,
    /// See [`ProviderType::by_model`](super::ProviderType::by_model).
    pub by_model: &'static [(&'static str, &'static Api)],
}

impl Apis {
    /// A server with one API.
    #[must_use]
    pub const fn one(usual: &'static Api) -> Self {
        Apis { usual, own: None, by_model: &[] }
    }

    /// The API for a model, by the name that the server is sent: `claude-sonnet-4-5`,
    /// `publishers/anthropic/models/claude-sonnet-4-5`, `us.anthropic.claude-sonnet-4-5-20250929-v1:0`.
    #[must_use]
    pub fn of(&self, caller: Dialect, upstream_model: &str) -> &'static Api {
        if let Some(own) = self.own.filter(|own| own.dialect == caller) {
            return own;
        }
        // Converse serves all models, so its callers need no other API.
        if self.by_model.is_empty() || caller == self.usual.dialect && self.usual.url == UrlLayout::Converse {
            return self.usual;
        }
        let name = upstream_model.rsplit('/').next().unwrap_or_default();
        // AWS writes region and vendor before the name.
        let begins = |word: &str| name.split('.').any(|part| part.starts_with(word));
        self.by_model.iter().find(|(word, _)| begins(word)).map_or(self.usual, |(_, api)| api)
    }
}

/// OpenAI's API, which most others serve too.
pub const OPENAI: Api = Api {
    dialect: Dialect::OpenAi,
    format: Format::OpenAiChat,
    url: UrlLayout::OpenAi,
    framing: Framing::Sse,
    header: None,
    body_version: None,
};

/// OpenAI's API, whose endpoint includes no version.
pub const PERPLEXITY: Api = Api { url: UrlLayout::Perplexity, ..OPENAI };

/// OpenAI's API as Azure serves it with an `api-version`: the deployment is in the path.
pub const AZURE_DEPLOYMENTS: Api = Api { url: UrlLayout::AzureDeployments, ..OPENAI };

pub const ANTHROPIC: Api = Api {
    dialect: Dialect::Anthropic,
    format: Format::Anthropic,
    url: UrlLayout::Anthropic,
    framing: Framing::Sse,
    header: Some(("anthropic-version", "2023-06-01")),
    body_version: None,
};

/// Anthropic's API as Vertex AI serves it: the model is in the path, the version in the body.
pub const VERTEX_CLAUDE: Api =
    Api { url: UrlLayout::VertexClaude, header: None, body_version: Some("vertex-2023-10-16"), ..ANTHROPIC };

/// Google's Gemini API.
pub const GEMINI: Api = Api {
    dialect: Dialect::Gemini,
    format: Format::Gemini,
    url: UrlLayout::Gemini,
    framing: Framing::Sse,
    header: None,
    body_version: None,
};

/// Amazon Bedrock's `Converse`: the model is in the path.
pub const BEDROCK: Api = Api {
    dialect: Dialect::Bedrock,
    format: Format::Bedrock,
    url: UrlLayout::Converse,
    framing: Framing::AwsEventStream,
    header: None,
    body_version: None,
};

/// Anthropic's API as Amazon Bedrock serves it, by `InvokeModel`: the model is in the path, the version in the body.
pub const BEDROCK_CLAUDE: Api = Api {
    url: UrlLayout::InvokeModel,
    framing: Framing::AwsChunks,
    header: None,
    body_version: Some("bedrock-2023-05-31"),
    ..ANTHROPIC
};

/// Gemini's API as Vertex AI serves it.
pub const VERTEX_GEMINI: Api = Api { url: UrlLayout::VertexGemini, ..GEMINI };

/// Version 2 of Cohere's API.
pub const COHERE: Api = Api {
    dialect: Dialect::Cohere,
    format: Format::Cohere,
    url: UrlLayout::Cohere,
    framing: Framing::Sse,
    header: None,
    body_version: None,
};

/// Ollama's own API.
pub const OLLAMA: Api = Api {
    dialect: Dialect::Ollama,
    format: Format::Ollama,
    url: UrlLayout::Ollama,
    framing: Framing::Lines,
    header: None,
    body_version: None,
};

impl Api {
    /// The API whose errors it sends.
    #[must_use]
    pub const fn error_dialect(&self) -> Dialect {
        match self.url {
            UrlLayout::InvokeModel => Dialect::Bedrock,
            _ => self.dialect,
        }
    }

    /// The API of the vendor of a dialect.
    #[must_use]
    pub const fn of(dialect: Dialect) -> &'static Api {
        match dialect {
            Dialect::OpenAi => &OPENAI,
            Dialect::Anthropic => &ANTHROPIC,
            Dialect::Gemini => &GEMINI,
            Dialect::Bedrock => &BEDROCK,
            Dialect::Cohere => &COHERE,
            Dialect::Ollama => &OLLAMA,
        }
    }
}
