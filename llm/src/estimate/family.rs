//! What providers put around a request's words, and what they count a picture, a page and a second for.
//!
//! Which of them reads a request is told by its dialect, unless the model's name tells better: Claude and Gemini are
//! asked in OpenAI's dialect too.

use crate::Dialect;

/// A provider's way of counting. In tokens, unless something else is said.
#[derive(Clone, Copy, Debug)]
pub(super) struct Family {
    /// Once for each request, each message, each tool; and once where there are tools at all.
    pub request: u64,
    pub message: u64,
    pub tool: u64,
    pub tools: u64,
    /// For each page of a PDF: its words and its picture.
    pub page: u64,
    /// For each second, in thousandths.
    pub heard: u64,
    pub seen: u64,
    pub picture: Picture,
}

/// How a picture is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Picture {
    OpenAi,
    /// GPT-4o mini counts the same tiles for 33 times as much, at a lower price.
    OpenAiMini,
    Anthropic,
    Gemini,
}

const OPEN_AI: Family = Family {
    request: 12,
    message: 6,
    tool: 12,
    tools: 60,
    page: 1_500,
    heard: 32_000,
    seen: 300_000,
    picture: Picture::OpenAi,
};

const ANTHROPIC: Family =
    Family { request: 12, message: 6, tool: 40, tools: 540, page: 4_500, picture: Picture::Anthropic, ..OPEN_AI };

const GEMINI: Family =
    Family { request: 4, message: 4, tool: 16, tools: 24, page: 1_300, picture: Picture::Gemini, ..OPEN_AI };

/// xAI puts a prompt of its own before the caller's.
const GROK: Family = Family { request: 210, ..OPEN_AI };

const OPEN_AI_MINI: Family = Family { picture: Picture::OpenAiMini, ..OPEN_AI };

/// By a part of the model's name.
const NAMES: [(&str, Family); 4] =
    [("4o-mini", OPEN_AI_MINI), ("claude", ANTHROPIC), ("gemini", GEMINI), ("grok", GROK)];

impl Family {
    /// The one that reads requests of a dialect for a model, as far as its name is known.
    pub(super) fn of(dialect: Dialect, model: &str) -> Family {
        let named = NAMES.iter().find(|(name, _)| model.contains(name));
        named.map_or(
            match dialect {
                Dialect::OpenAi => OPEN_AI,
                Dialect::Anthropic => ANTHROPIC,
                Dialect::Gemini => GEMINI,
            },
            |(_, family)| *family,
        )
    }
}

impl Picture {
    pub(super) const ALL: [Picture; 4] = [Picture::OpenAi, Picture::OpenAiMini, Picture::Anthropic, Picture::Gemini];

    /// Tokens of a picture, by its size in pixels; the most that there may be where that is not known.
    pub(super) fn tokens(self, size: Option<(u32, u32)>) -> u64 {
        let (width, height) = size.unwrap_or((u32::MAX, u32::MAX));
        let (width, height) = (u64::from(width).max(1), u64::from(height).max(1));
        match self {
            Picture::OpenAi => {
                // Older models: 85 for each and 170 for a tile, eight of them at the most. Newer ones: 1.62 for a
                // patch of 32 by 32, 1,536 of them at the most.
                let patches = (width.div_ceil(32).saturating_mul(height.div_ceil(32))).min(1_536);
                (85 + 170 * tiles(width, height)).max(patches * 162 / 100)
            }
            Picture::OpenAiMini => 2_833 + 5_667 * tiles(width, height),
            // The newest models look at 2,576 pixels by the longer side; those before them at 1,568, for 1,600.
            Picture::Anthropic => (width.saturating_mul(height).div_ceil(750)).min(4_784),
            // Before Gemini 3 258 for each tile of 768; with it up to 1,120 for a picture of any size.
            Picture::Gemini => {
                let tiles = width.div_ceil(768).saturating_mul(height.div_ceil(768)).min(8);
                (258 * tiles).max(1_120)
            }
        }
    }
}

/// Tiles of 512, after a picture is made to fit into 2,048 by 2,048 and its shorter side into 768.
fn tiles(width: u64, height: u64) -> u64 {
    let (short, long) = (width.min(height), width.max(height));
    let (short, long) = if long > 2_048 { ((short * 2_048).div_ceil(long), 2_048) } else { (short, long) };
    let (short, long) = if short > 768 { (768, (long * 768).div_ceil(short)) } else { (short, long) };
    short.div_ceil(512).max(1) * long.div_ceil(512).max(1)
}
