//! What providers add to a request's text, and the tokens of an image, a page and a second.
//!
//! The dialect determines who reads a request, unless the model's name is more specific: Claude and Gemini are also
//! served in OpenAI's dialect.

use crate::Dialect;

/// How a provider counts. In tokens, unless noted.
#[derive(Clone, Copy, Debug)]
pub(super) struct TokenFamily {
    /// For each request, each message, each tool; and once if there are tools at all.
    pub request: u64,
    pub message: u64,
    /// For each call of a tool, and each result.
    pub call: u64,
    pub tool: u64,
    pub tools: u64,
    /// Once if there is thinking, a schema, or citations.
    pub thinks: u64,
    pub schema: u64,
    pub cites: u64,
    /// For a thousand tokens of text as counted for other providers.
    pub words: u64,
    /// For a thousand bytes that only the provider can read: as content, and as a signature.
    pub sealed: u64,
    pub signed: u64,
    /// For each page of a PDF: its text and its image.
    pub page: u64,
    /// For each second, in thousandths.
    pub audio: u64,
    pub video: u64,
    pub picture: PictureCost,
}

/// How an image is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PictureCost {
    OpenAi,
    /// GPT-4o mini counts 33 times as many tokens for the same tiles, at a lower price.
    OpenAiMini,
    Anthropic,
    /// Unknown generation, before Gemini 3, and since Gemini 3.
    Gemini2,
    Gemini3,
    Gemini,
}

const OPEN_AI: TokenFamily = TokenFamily {
    request: 8,
    message: 5,
    call: 8,
    tool: 12,
    tools: 60,
    thinks: 0,
    schema: 16,
    cites: 0,
    words: 1_000,
    sealed: 150,
    signed: 200,
    page: 1_500,
    audio: 32_000,
    video: 300_000,
    picture: PictureCost::OpenAi,
};

const ANTHROPIC: TokenFamily = TokenFamily {
    request: 10,
    call: 24,
    tool: 40,
    tools: 560,
    thinks: 32,
    schema: 120,
    cites: 620,
    words: 1_100,
    // Pages that its search found.
    sealed: 450,
    page: 3_600,
    picture: PictureCost::Anthropic,
    ..OPEN_AI
};

/// Since Opus 4.7 the same text has up to a third more tokens.
const ANTHROPIC_NEW: TokenFamily = TokenFamily { words: 1_450, ..ANTHROPIC };

const GEMINI: TokenFamily =
    TokenFamily { request: 4, message: 4, tool: 16, tools: 40, page: 1_300, picture: PictureCost::Gemini, ..OPEN_AI };

const GEMINI_2: TokenFamily = TokenFamily { picture: PictureCost::Gemini2, ..GEMINI };
const GEMINI_3: TokenFamily = TokenFamily { picture: PictureCost::Gemini3, ..GEMINI };

/// xAI adds a prompt of its own before the caller's, and so do servers of OpenAI's open models.
const GROK: TokenFamily = TokenFamily { request: 205, ..OPEN_AI };
const GPT_OSS: TokenFamily = TokenFamily { request: 72, ..OPEN_AI };

const OPEN_AI_MINI: TokenFamily = TokenFamily { picture: PictureCost::OpenAiMini, ..OPEN_AI };
const DEEPSEEK: TokenFamily = TokenFamily { request: 14, call: 20, tools: 260, thinks: 80, ..OPEN_AI };
const MISTRAL: TokenFamily = TokenFamily { request: 15, ..OPEN_AI };
/// Nova 2 adds a prompt of its own, and a longer one for tools.
const NOVA_2: TokenFamily = TokenFamily { request: 56, tools: 900, ..OPEN_AI };
const QWEN: TokenFamily = TokenFamily { request: 12, call: 12, tools: 130, ..OPEN_AI };

/// By a part of the model's name; the first match counts.
const NAMES: [(&str, TokenFamily); 11] = [
    ("4o-mini", OPEN_AI_MINI),
    ("deepseek", DEEPSEEK),
    ("gemini-1", GEMINI_2),
    ("gemini-2", GEMINI_2),
    ("gemini-3", GEMINI_3),
    ("gemini", GEMINI),
    ("gpt-oss", GPT_OSS),
    ("grok", GROK),
    ("mistral", MISTRAL),
    ("nova-2", NOVA_2),
    ("qwen", QWEN),
];

impl TokenFamily {
    /// The family for a dialect and a model, as far as its name is known.
    pub(super) fn of(dialect: Dialect, model: &str) -> TokenFamily {
        let model = &*model.to_ascii_lowercase();
        if let Some((_, family)) = NAMES.iter().find(|(name, _)| model.contains(name)) {
            return *family;
        }
        match (model.contains("claude"), dialect) {
            // A name that the gateway's user invented does not show the generation.
            (true, _) | (false, Dialect::Anthropic) if crate::format::anthropic::models::has_dense_tokens(model) => {
                ANTHROPIC_NEW
            }
            (true, _) | (false, Dialect::Anthropic) => ANTHROPIC,
            (false, Dialect::OpenAi | Dialect::Bedrock | Dialect::Cohere | Dialect::Ollama) => OPEN_AI,
            (false, Dialect::Gemini) => GEMINI,
        }
    }
}

impl PictureCost {
    pub(super) const ALL: [PictureCost; 6] = [
        PictureCost::OpenAi,
        PictureCost::OpenAiMini,
        PictureCost::Anthropic,
        PictureCost::Gemini2,
        PictureCost::Gemini3,
        PictureCost::Gemini,
    ];

    /// Tokens of an image, by its size in pixels; the maximum if that is unknown. From the providers' pages on vision,
    /// autumn 2026.
    pub(super) fn tokens(self, size: Option<(u32, u32)>) -> u64 {
        match self {
            // Older models: 85 for each and 170 for a tile. Newer ones: 1.62 for a patch.
            PictureCost::OpenAi => (85 + 170 * tiles(size)).max(patches(size) * 162 / 100),
            PictureCost::OpenAiMini => 2_833 + 5_667 * tiles(size),
            PictureCost::Anthropic => pixels(size).div_ceil(750).min(4_784),
            PictureCost::Gemini2 => 258 * crops(size),
            // For an image of any size.
            PictureCost::Gemini3 => 1_120,
            PictureCost::Gemini => (258 * crops(size)).max(1_120),
        }
    }
}

/// Tiles of 512, after an image is scaled to fit into 2,048 by 2,048 and its shorter side to 768.
fn tiles(size: Option<(u32, u32)>) -> u64 {
    let Some((width, height)) = size else { return 8 };
    let (short, long) = (u64::from(width.min(height)), u64::from(width.max(height)));
    let (short, long) = if long > 2_048 { ((short * 2_048).div_ceil(long), 2_048) } else { (short, long) };
    let (short, long) = if short > 768 { (768, (long * 768).div_ceil(short)) } else { (short, long) };
    short.div_ceil(512).max(1) * long.div_ceil(512).max(1)
}

/// Patches of 32 by 32; an image with more is scaled down.
fn patches(size: Option<(u32, u32)>) -> u64 {
    const MOST: u64 = 1_536;
    size.map_or(MOST, |(width, height)| (u64::from(width.div_ceil(32)) * u64::from(height.div_ceil(32))).min(MOST))
}

/// The newest models read 2,576 pixels of the longer side; earlier ones 1,568, for 1,600 tokens.
fn pixels(size: Option<(u32, u32)>) -> u64 {
    size.map_or(u64::MAX, |(width, height)| u64::from(width) * u64::from(height))
}

/// One for a small image, else crops of two thirds of its shorter side, of at most 768.
fn crops(size: Option<(u32, u32)>) -> u64 {
    const MOST: u64 = 16;
    let Some((width, height)) = size else { return MOST };
    if width.max(height) <= 384 {
        return 1;
    }
    let side = (width.min(height) / 3 * 2).clamp(256, 768);
    (u64::from(width.div_ceil(side)) * u64::from(height.div_ceil(side))).min(MOST)
}
