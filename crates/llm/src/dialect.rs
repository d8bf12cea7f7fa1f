//! Names of protocols: a dialect is an API, a format is how that API writes a conversation.
//!
//! Neither determines where a server is, how it is called or what it accepts: see [`crate::provider`].
//!
//! Code that reads a caller's request depends on the dialect and the kind of operation: estimates, needs, meters and
//! output limits. Only conversations have a format, and this code also reads other operations (completions, Responses,
//! embeddings, images). Errors depend on the dialect too: their bodies belong to the API, whatever the operation. Code
//! that *writes* a conversation takes a [`Target`](crate::provider::Target).

use std::fmt;

use serde::{Deserialize, Serialize};

/// The API that a client's SDK calls, or that a provider serves: paths, error bodies, lists of models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// OpenAI's chat completions and related operations.
    OpenAi,
    /// Anthropic's messages.
    Anthropic,
    /// Gemini's `generateContent`.
    Gemini,
    /// `Converse` of Amazon Bedrock.
    Bedrock,
    /// Version 2 of Cohere's API.
    Cohere,
    /// Ollama's own API, beside the one of OpenAI's that it has too.
    Ollama,
}

impl Dialect {
    /// All of them, in the order in which documents list them.
    pub const ALL: [Dialect; 6] =
        [Dialect::OpenAi, Dialect::Anthropic, Dialect::Gemini, Dialect::Bedrock, Dialect::Cohere, Dialect::Ollama];

    /// The name in records, metrics and messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Dialect::OpenAi => "openai",
            Dialect::Anthropic => "anthropic",
            Dialect::Gemini => "gemini",
            Dialect::Bedrock => "bedrock",
            Dialect::Cohere => "cohere",
            Dialect::Ollama => "ollama",
        }
    }

    /// Whether the gateway translates embeddings from and to it.
    #[must_use]
    pub const fn has_embeddings(self) -> bool {
        matches!(self, Dialect::OpenAi | Dialect::Gemini | Dialect::Cohere | Dialect::Ollama)
    }

    /// The format of this API's conversations.
    #[must_use]
    pub const fn format(self) -> Format {
        match self {
            Dialect::OpenAi => Format::OpenAiChat,
            Dialect::Anthropic => Format::Anthropic,
            Dialect::Gemini => Format::Gemini,
            Dialect::Bedrock => Format::Bedrock,
            Dialect::Cohere => Format::Cohere,
            Dialect::Ollama => Format::Ollama,
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The format of a conversation: a folder in `format/` reads and writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Format {
    /// `POST /chat/completions`.
    OpenAiChat,
    /// `POST /messages`.
    Anthropic,
    /// `POST /models/NAME:generateContent`.
    Gemini,
    /// `POST /model/NAME/converse`.
    Bedrock,
    /// `POST /v2/chat`.
    Cohere,
    /// `POST /api/chat`.
    Ollama,
}

impl Format {
    /// All of them, in the order in which documents list them.
    pub const ALL: [Format; 6] =
        [Format::OpenAiChat, Format::Anthropic, Format::Gemini, Format::Bedrock, Format::Cohere, Format::Ollama];

    /// The API with this format, whose name messages use.
    #[must_use]
    pub const fn dialect(self) -> Dialect {
        match self {
            Format::OpenAiChat => Dialect::OpenAi,
            Format::Anthropic => Dialect::Anthropic,
            Format::Gemini => Dialect::Gemini,
            Format::Bedrock => Dialect::Bedrock,
            Format::Cohere => Dialect::Cohere,
            Format::Ollama => Dialect::Ollama,
        }
    }
}

/// The format of a caller's conversation.
///
/// No server is asked in OpenAI's Responses or by a prompt for Ollama by the gateway itself: those that have these APIs get
/// the caller's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallerFormat {
    /// A format that servers are asked in, too.
    Common(Format),
    /// `POST /responses`.
    OpenAiResponses,
    /// `POST /api/generate`.
    OllamaGenerate,
}

impl CallerFormat {
    /// All of them, in the order in which documents list them.
    pub fn all() -> impl Iterator<Item = CallerFormat> {
        Format::ALL
            .into_iter()
            .map(CallerFormat::Common)
            .chain([CallerFormat::OpenAiResponses, CallerFormat::OllamaGenerate])
    }

    /// Whether every server of `format` has this API itself, so that nothing is translated.
    #[must_use]
    pub fn is_native_to(self, format: Format) -> bool {
        match self {
            CallerFormat::Common(own) => own == format,
            CallerFormat::OpenAiResponses => false,
            CallerFormat::OllamaGenerate => format == Format::Ollama,
        }
    }

    /// The API that this format belongs to.
    #[must_use]
    pub const fn dialect(self) -> Dialect {
        match self {
            CallerFormat::Common(format) => format.dialect(),
            CallerFormat::OpenAiResponses => Dialect::OpenAi,
            CallerFormat::OllamaGenerate => Dialect::Ollama,
        }
    }
}

impl From<Format> for CallerFormat {
    fn from(format: Format) -> Self {
        CallerFormat::Common(format)
    }
}

impl From<Dialect> for CallerFormat {
    fn from(dialect: Dialect) -> Self {
        CallerFormat::Common(dialect.format())
    }
}
