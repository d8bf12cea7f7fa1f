//! What a server speaks: its API, the format of its conversations, its paths and its streams.

use super::url::UrlLayout;
use crate::framing::Framing;
use crate::{Dialect, Format};

/// What a server speaks. Servers of one dialect may differ in all the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Api {
    /// The API. Requests of callers who use the same one pass through as they are.
    pub dialect: Dialect,
    /// The format that conversations of other callers are translated into.
    pub format: Format,
    pub url: UrlLayout,
    /// How its streams are cut into events.
    pub framing: Framing,
    /// A header that every request needs.
    pub header: Option<(&'static str, &'static str)>,
}

/// As OpenAI serves it, and most others.
pub const OPENAI: Api = Api {
    dialect: Dialect::OpenAi,
    format: Format::OpenAiChat,
    url: UrlLayout::OpenAi,
    framing: Framing::Sse,
    header: None,
};

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
    /// As the owner of a dialect serves it.
    #[must_use]
    pub const fn of(dialect: Dialect) -> &'static Api {
        match dialect {
            Dialect::OpenAi => &OPENAI,
            Dialect::Anthropic => &ANTHROPIC,
            Dialect::Gemini => &GEMINI,
        }
    }
}
