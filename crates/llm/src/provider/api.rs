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
}

/// OpenAI's API, which most others serve too.
pub const OPENAI: Api = Api {
    dialect: Dialect::OpenAi,
    format: Format::OpenAiChat,
    url: UrlLayout::OpenAi,
    framing: Framing::Sse,
    header: None,
};

/// OpenAI's API, whose endpoint includes no version.
pub const PERPLEXITY: Api = Api { url: UrlLayout::Perplexity, ..OPENAI };

pub const ANTHROPIC: Api = Api {
    dialect: Dialect::Anthropic,
    format: Format::Anthropic,
    url: UrlLayout::Anthropic,
    framing: Framing::Sse,
    header: Some(("anthropic-version", "2023-06-01")),
};

/// Google's Gemini API.
pub const GEMINI: Api = Api {
    dialect: Dialect::Gemini,
    format: Format::Gemini,
    url: UrlLayout::Gemini,
    framing: Framing::Sse,
    header: None,
};

impl Api {
    /// The API of the vendor of a dialect.
    #[must_use]
    pub const fn of(dialect: Dialect) -> &'static Api {
        match dialect {
            Dialect::OpenAi => &OPENAI,
            Dialect::Anthropic => &ANTHROPIC,
            Dialect::Gemini => &GEMINI,
        }
    }
}
