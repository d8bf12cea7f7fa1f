//! Written by `scripts/catalogue.py`; `make catalogue` regenerates it. Do not edit it by hand.
//!
//! Derived from the price table of LiteLLM, Copyright (c) 2023 Berri AI, MIT licence (see NOTICE). Models with the
//! same price share an entry, which is named after one of them.

use std::borrow::Cow;

use crate::prices::{Price, Service, Tier};

const PRICE: Price = Price {
    input: 0, output: 0, cached_input: None, cache_write: None, cache_write_1h: None, reasoning: None,
    audio_input: None, audio_output: None, image_input: None, image_output: None,
    image: None, characters: None, second: None, tiers: Cow::Borrowed(&[]), services: Cow::Borrowed(&[]),
};
const TIER: Tier = Tier { above: 0, input: 0, output: 0, cached_input: None, cache_write: None, cache_write_1h: None };
const SERVICE: Service = Service {
    name: Cow::Borrowed(""), input: 0, output: 0, cached_input: None, cache_write: None, cache_write_1h: None,
    audio_input: None, image_output: None, tiers: Cow::Borrowed(&[]),
};

pub(super) static ANTHROPIC_CLAUDE_FABLE_5: Price = Price {
    input: 10_000_000_000, output: 50_000_000_000, cached_input: Some(1_000_000_000), cache_write: Some(12_500_000_000), cache_write_1h: Some(20_000_000_000),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 5_000_000_000, output: 25_000_000_000, cached_input: Some(500_000_000), cache_write: Some(6_250_000_000),
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static ANTHROPIC_CLAUDE_FABLE_5_1: Price = Price {
    input: 10_000_000_000, output: 50_000_000_000, cached_input: Some(250_000_000), cache_write: Some(12_500_000_000), cache_write_1h: Some(20_000_000_000),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 5_000_000_000, output: 25_000_000_000, cached_input: Some(125_000_000), cache_write: Some(6_250_000_000),
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static ANTHROPIC_CLAUDE_HAIKU_4_5: Price = Price {
    input: 1_000_000_000, output: 5_000_000_000, cached_input: Some(100_000_000), cache_write: Some(1_250_000_000), cache_write_1h: Some(2_000_000_000),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 500_000_000, output: 2_500_000_000, cached_input: Some(50_000_000), cache_write: Some(625_000_000),
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static ANTHROPIC_CLAUDE_HAIKU_5_5: Price = Price {
    input: 100_000_000, output: 500_000_000, cached_input: Some(10_000_000), cache_write: Some(125_000_000), cache_write_1h: Some(200_000_000),
    tiers: Cow::Borrowed(&[
        Tier { above: 100_000, input: 500_000_000, output: 2_500_000_000, ..TIER },
    ]),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 50_000_000, output: 250_000_000, cached_input: Some(5_000_000), cache_write: Some(62_500_000),
            tiers: Cow::Borrowed(&[
                Tier { above: 100_000, input: 250_000_000, output: 1_250_000_000, ..TIER },
            ]),
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static ANTHROPIC_CLAUDE_MYTHOS_PREVIEW: Price = Price {
    input: 10_000_000_000, output: 50_000_000_000, cached_input: Some(1_000_000_000), cache_write: Some(12_500_000_000), cache_write_1h: Some(20_000_000_000),
    ..PRICE
};

pub(super) static ANTHROPIC_CLAUDE_OPUS_4_5: Price = Price {
    input: 5_000_000_000, output: 25_000_000_000, cached_input: Some(500_000_000), cache_write: Some(6_250_000_000), cache_write_1h: Some(10_000_000_000),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 2_500_000_000, output: 12_500_000_000, cached_input: Some(250_000_000), cache_write: Some(3_125_000_000),
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static ANTHROPIC_CLAUDE_OPUS_4_8: Price = Price {
    input: 5_000_000_000, output: 25_000_000_000, cached_input: Some(500_000_000), cache_write: Some(6_250_000_000), cache_write_1h: Some(10_000_000_000),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 2_500_000_000, output: 12_500_000_000, cached_input: Some(250_000_000), cache_write: Some(3_125_000_000),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("fast"), input: 10_000_000_000, output: 50_000_000_000,
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static ANTHROPIC_CLAUDE_OPUS_5_5: Price = Price {
    input: 4_000_000_000, output: 20_000_000_000, cached_input: Some(200_000_000), cache_write: Some(5_000_000_000), cache_write_1h: Some(8_000_000_000),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 2_000_000_000, output: 10_000_000_000, cached_input: Some(100_000_000), cache_write: Some(2_500_000_000),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("fast"), input: 8_000_000_000, output: 40_000_000_000,
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static ANTHROPIC_CLAUDE_SONNET_4_5: Price = Price {
    input: 3_000_000_000, output: 15_000_000_000, cached_input: Some(300_000_000), cache_write: Some(3_750_000_000), cache_write_1h: Some(6_000_000_000),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 1_500_000_000, output: 7_500_000_000, cached_input: Some(150_000_000), cache_write: Some(1_875_000_000),
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static ANTHROPIC_CLAUDE_SONNET_5: Price = Price {
    input: 2_000_000_000, output: 10_000_000_000, cached_input: Some(200_000_000), cache_write: Some(2_500_000_000), cache_write_1h: Some(4_000_000_000),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 1_000_000_000, output: 5_000_000_000, cached_input: Some(100_000_000), cache_write: Some(1_250_000_000),
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static ANTHROPIC_CLAUDE_SONNET_5_5: Price = Price {
    input: 2_000_000_000, output: 10_000_000_000, cached_input: Some(100_000_000), cache_write: Some(2_500_000_000), cache_write_1h: Some(4_000_000_000),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 1_000_000_000, output: 5_000_000_000, cached_input: Some(50_000_000), cache_write: Some(1_250_000_000),
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static CEREBRAS_GEMMA_4_31B: Price = Price {
    input: 990_000_000, output: 1_490_000_000,
    ..PRICE
};

pub(super) static CEREBRAS_GPT_OSS_120B: Price = Price {
    input: 350_000_000, output: 750_000_000,
    ..PRICE
};

pub(super) static CEREBRAS_LLAMA_3_1_70B: Price = Price {
    input: 600_000_000, output: 600_000_000,
    ..PRICE
};

pub(super) static CEREBRAS_LLAMA_3_1_8B: Price = Price {
    input: 100_000_000, output: 100_000_000,
    ..PRICE
};

pub(super) static CEREBRAS_LLAMA_3_3_70B: Price = Price {
    input: 850_000_000, output: 1_200_000_000,
    ..PRICE
};

pub(super) static CEREBRAS_QWEN_3_32B: Price = Price {
    input: 400_000_000, output: 800_000_000,
    ..PRICE
};

pub(super) static GEMINI_DEEP_RESEARCH_MAX_PREVIEW_04_2026: Price = Price {
    input: 2_000_000_000, output: 12_000_000_000,
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 1_000_000_000, output: 6_000_000_000,
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static GEMINI_GEMINI_2_5_COMPUTER_USE_PREVIEW_10_2025: Price = Price {
    input: 1_250_000_000, output: 10_000_000_000,
    tiers: Cow::Borrowed(&[
        Tier { above: 200_000, input: 2_500_000_000, output: 15_000_000_000, ..TIER },
    ]),
    ..PRICE
};

pub(super) static GEMINI_GEMINI_2_5_FLASH: Price = Price {
    input: 300_000_000, output: 2_500_000_000, cached_input: Some(30_000_000), audio_input: Some(1_000_000_000),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 150_000_000, output: 1_250_000_000, audio_input: Some(500_000_000),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("flex"), input: 150_000_000, output: 1_250_000_000, audio_input: Some(500_000_000),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("priority"), input: 540_000_000, output: 4_500_000_000,
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static GEMINI_GEMINI_2_5_FLASH_IMAGE: Price = Price {
    input: 300_000_000, output: 2_500_000_000, cached_input: Some(30_000_000), audio_input: Some(1_000_000_000), image_output: Some(30_000_000_000),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 150_000_000, output: 1_250_000_000,
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("flex"), input: 150_000_000, output: 1_250_000_000,
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("priority"), input: 540_000_000, output: 4_500_000_000,
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static GEMINI_GEMINI_2_5_FLASH_LITE: Price = Price {
    input: 100_000_000, output: 400_000_000, cached_input: Some(10_000_000), audio_input: Some(300_000_000),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 50_000_000, output: 200_000_000, audio_input: Some(150_000_000),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("flex"), input: 50_000_000, output: 200_000_000, audio_input: Some(150_000_000),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("priority"), input: 180_000_000, output: 720_000_000,
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static GEMINI_GEMINI_2_5_FLASH_PREVIEW_TTS: Price = Price {
    input: 500_000_000, output: 10_000_000_000,
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 250_000_000, output: 5_000_000_000,
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static GEMINI_GEMINI_2_5_PRO: Price = Price {
    input: 1_250_000_000, output: 10_000_000_000, cached_input: Some(125_000_000),
    tiers: Cow::Borrowed(&[
        Tier { above: 200_000, input: 2_500_000_000, output: 15_000_000_000, ..TIER },
    ]),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 625_000_000, output: 5_000_000_000,
            tiers: Cow::Borrowed(&[
                Tier { above: 200_000, input: 1_250_000_000, output: 7_500_000_000, ..TIER },
            ]),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("flex"), input: 625_000_000, output: 5_000_000_000,
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("priority"), input: 2_250_000_000, output: 18_000_000_000,
            tiers: Cow::Borrowed(&[
                Tier { above: 200_000, input: 4_500_000_000, output: 27_000_000_000, ..TIER },
            ]),
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static GEMINI_GEMINI_2_5_PRO_PREVIEW_TTS: Price = Price {
    input: 1_000_000_000, output: 20_000_000_000, cached_input: Some(125_000_000), audio_input: Some(700_000_000),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 500_000_000, output: 10_000_000_000,
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static GEMINI_GEMINI_3_FLASH_PREVIEW: Price = Price {
    input: 500_000_000, output: 3_000_000_000, cached_input: Some(50_000_000), audio_input: Some(1_000_000_000),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 250_000_000, output: 1_500_000_000, audio_input: Some(500_000_000),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("flex"), input: 250_000_000, output: 1_500_000_000, audio_input: Some(500_000_000),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("priority"), input: 900_000_000, output: 5_400_000_000,
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static GEMINI_GEMINI_3_PRO_IMAGE: Price = Price {
    input: 2_000_000_000, output: 12_000_000_000, image_output: Some(120_000_000_000),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 1_000_000_000, output: 6_000_000_000, image_output: Some(60_000_000_000),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("flex"), input: 1_000_000_000, output: 6_000_000_000,
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("priority"), input: 3_600_000_000, output: 21_600_000_000,
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static GEMINI_GEMINI_3_PRO_IMAGE_PREVIEW: Price = Price {
    input: 2_000_000_000, output: 12_000_000_000, image_output: Some(120_000_000_000),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 1_000_000_000, output: 6_000_000_000,
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("flex"), input: 1_000_000_000, output: 6_000_000_000,
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("priority"), input: 3_600_000_000, output: 21_600_000_000,
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static GEMINI_GEMINI_3_1_FLASH_IMAGE: Price = Price {
    input: 500_000_000, output: 3_000_000_000, image_output: Some(60_000_000_000),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 250_000_000, output: 1_500_000_000, image_output: Some(30_000_000_000),
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static GEMINI_GEMINI_3_1_FLASH_IMAGE_PREVIEW: Price = Price {
    input: 500_000_000, output: 3_000_000_000, image_output: Some(60_000_000_000),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 250_000_000, output: 1_500_000_000,
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static GEMINI_GEMINI_3_1_FLASH_LITE: Price = Price {
    input: 250_000_000, output: 1_500_000_000, cached_input: Some(25_000_000), audio_input: Some(500_000_000),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 125_000_000, output: 750_000_000, cached_input: Some(12_500_000), audio_input: Some(250_000_000),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("flex"), input: 125_000_000, output: 750_000_000, cached_input: Some(12_500_000), audio_input: Some(250_000_000),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("priority"), input: 450_000_000, output: 2_700_000_000,
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static GEMINI_GEMINI_3_1_FLASH_LITE_IMAGE: Price = Price {
    input: 250_000_000, output: 1_500_000_000, image_output: Some(30_000_000_000),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 125_000_000, output: 750_000_000, image_output: Some(15_000_000_000),
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static GEMINI_GEMINI_3_1_FLASH_LITE_PREVIEW: Price = Price {
    input: 250_000_000, output: 1_500_000_000, cached_input: Some(25_000_000), audio_input: Some(500_000_000),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 125_000_000, output: 750_000_000, cached_input: Some(12_500_000), audio_input: Some(250_000_000),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("flex"), input: 125_000_000, output: 750_000_000, cached_input: Some(12_500_000),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("priority"), input: 450_000_000, output: 2_700_000_000,
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static GEMINI_GEMINI_3_1_FLASH_TTS_PREVIEW: Price = Price {
    input: 1_000_000_000, output: 20_000_000_000,
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 500_000_000, output: 10_000_000_000,
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static GEMINI_GEMINI_3_1_PRO_PREVIEW: Price = Price {
    input: 2_000_000_000, output: 12_000_000_000, cached_input: Some(200_000_000),
    tiers: Cow::Borrowed(&[
        Tier { above: 200_000, input: 4_000_000_000, output: 18_000_000_000, ..TIER },
    ]),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 1_000_000_000, output: 6_000_000_000,
            tiers: Cow::Borrowed(&[
                Tier { above: 200_000, input: 2_000_000_000, output: 9_000_000_000, ..TIER },
            ]),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("flex"), input: 1_000_000_000, output: 6_000_000_000,
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("priority"), input: 3_600_000_000, output: 21_600_000_000,
            tiers: Cow::Borrowed(&[
                Tier { above: 200_000, input: 7_200_000_000, output: 32_400_000_000, ..TIER },
            ]),
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static GEMINI_GEMINI_3_5_FLASH: Price = Price {
    input: 1_500_000_000, output: 9_000_000_000, cached_input: Some(150_000_000),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 750_000_000, output: 4_500_000_000, cached_input: Some(75_000_000),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("flex"), input: 750_000_000, output: 4_500_000_000, cached_input: Some(80_000_000),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("priority"), input: 2_700_000_000, output: 16_200_000_000,
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static GEMINI_GEMINI_3_5_FLASH_LITE: Price = Price {
    input: 300_000_000, output: 2_500_000_000, cached_input: Some(30_000_000),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 150_000_000, output: 1_250_000_000, cached_input: Some(20_000_000),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("flex"), input: 150_000_000, output: 1_250_000_000, cached_input: Some(20_000_000),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("priority"), input: 540_000_000, output: 4_500_000_000, cached_input: Some(50_000_000),
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static GEMINI_GEMINI_3_5_TRANSCRIBE: Price = Price {
    input: 2_000_000_000, output: 12_000_000_000,
    ..PRICE
};

pub(super) static GEMINI_GEMINI_3_5_TRANSCRIBE_LIVE: Price = Price {
    input: 3_500_000_000, output: 21_000_000_000,
    ..PRICE
};

pub(super) static GEMINI_GEMINI_3_6_FLASH: Price = Price {
    input: 750_000_000, output: 3_750_000_000, cached_input: Some(75_000_000),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 375_000_000, output: 1_875_000_000, cached_input: Some(37_500_000),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("flex"), input: 375_000_000, output: 1_875_000_000, cached_input: Some(37_500_000),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("priority"), input: 1_350_000_000, output: 6_750_000_000,
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static GEMINI_GEMINI_3_8_FLASH_LITE_TTS: Price = Price {
    input: 500_000_000, output: 6_000_000_000, cached_input: Some(125_000_000),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 250_000_000, output: 3_000_000_000, cached_input: Some(62_500_000),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("flex"), input: 250_000_000, output: 3_000_000_000, cached_input: Some(25_000_000),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("priority"), input: 900_000_000, output: 10_800_000_000,
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static GEMINI_GEMINI_3_8_FLASH_TTS: Price = Price {
    input: 500_000_000, output: 9_000_000_000, cached_input: Some(125_000_000),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 250_000_000, output: 4_500_000_000, cached_input: Some(62_500_000),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("flex"), input: 250_000_000, output: 4_500_000_000, cached_input: Some(25_000_000),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("priority"), input: 900_000_000, output: 16_200_000_000,
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static GEMINI_GEMINI_4_ARGON: Price = Price {
    input: 2_000_000_000, output: 10_000_000_000, cached_input: Some(100_000_000),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 1_000_000_000, output: 5_000_000_000, cached_input: Some(50_000_000),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("flex"), input: 1_000_000_000, output: 5_000_000_000, cached_input: Some(50_000_000),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("priority"), input: 3_600_000_000, output: 18_000_000_000,
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static GEMINI_GEMINI_EMBEDDING_001: Price = Price {
    input: 150_000_000, output: 0,
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 75_000_000, output: 0,
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static GEMINI_GEMINI_EMBEDDING_2: Price = Price {
    input: 200_000_000, output: 0, audio_input: Some(6_500_000_000), image_input: Some(450_000_000),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 100_000_000, output: 0, audio_input: Some(3_250_000_000),
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static GEMINI_GEMINI_EXP_1114: Price = Price {
    input: 0, output: 0,
    ..PRICE
};

pub(super) static GEMINI_GEMINI_FLASH_LATEST: Price = Price {
    input: 750_000_000, output: 3_750_000_000, cached_input: Some(75_000_000),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 375_000_000, output: 1_875_000_000,
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("flex"), input: 375_000_000, output: 1_875_000_000, cached_input: Some(37_500_000),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("priority"), input: 1_350_000_000, output: 6_750_000_000,
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static GEMINI_GEMINI_FLASH_LITE_LATEST: Price = Price {
    input: 300_000_000, output: 2_500_000_000, cached_input: Some(30_000_000),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 150_000_000, output: 1_250_000_000,
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("flex"), input: 150_000_000, output: 1_250_000_000, cached_input: Some(20_000_000),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("priority"), input: 540_000_000, output: 4_500_000_000, cached_input: Some(50_000_000),
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static GEMINI_GEMINI_GEMMA_2_27B_IT: Price = Price {
    input: 350_000_000, output: 1_050_000_000,
    ..PRICE
};

pub(super) static GEMINI_GEMINI_NANO_BANANA_2_1: Price = Price {
    input: 1_500_000_000, output: 7_500_000_000, image_output: Some(30_000_000_000),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 750_000_000, output: 3_750_000_000, image_output: Some(15_000_000_000),
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static GEMINI_GEMINI_OMNI_1_1_FLASH: Price = Price {
    input: 1_500_000_000, output: 9_000_000_000,
    ..PRICE
};

pub(super) static GEMINI_GEMINI_PRO_LATEST: Price = Price {
    input: 2_000_000_000, output: 12_000_000_000, cached_input: Some(200_000_000),
    tiers: Cow::Borrowed(&[
        Tier { above: 200_000, input: 4_000_000_000, output: 18_000_000_000, ..TIER },
    ]),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 1_000_000_000, output: 6_000_000_000,
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("flex"), input: 1_000_000_000, output: 6_000_000_000,
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("priority"), input: 3_600_000_000, output: 21_600_000_000,
            tiers: Cow::Borrowed(&[
                Tier { above: 200_000, input: 7_200_000_000, output: 32_400_000_000, ..TIER },
            ]),
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static GEMINI_GEMINI_ROBOTICS_ER_2_PREVIEW: Price = Price {
    input: 1_000_000_000, output: 5_000_000_000, cached_input: Some(100_000_000),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 500_000_000, output: 2_500_000_000, cached_input: Some(50_000_000),
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static GEMINI_GEMINI_ROBOTICS_ER_2_STREAMING_PREVIEW: Price = Price {
    input: 1_000_000_000, output: 5_000_000_000,
    ..PRICE
};

pub(super) static GROQ_CANOPYLABS_ORPHEUS_ARABIC_SAUDI: Price = Price {
    input: 0, output: 0, characters: Some(40_000_000_000),
    ..PRICE
};

pub(super) static GROQ_CANOPYLABS_ORPHEUS_V1_ENGLISH: Price = Price {
    input: 0, output: 0, characters: Some(22_000_000_000),
    ..PRICE
};

pub(super) static GROQ_LLAMA_GUARD_3_8B: Price = Price {
    input: 200_000_000, output: 200_000_000,
    ..PRICE
};

pub(super) static GROQ_META_LLAMA_LLAMA_PROMPT_GUARD_2_22M: Price = Price {
    input: 30_000_000, output: 30_000_000,
    ..PRICE
};

pub(super) static GROQ_META_LLAMA_LLAMA_PROMPT_GUARD_2_86M: Price = Price {
    input: 40_000_000, output: 40_000_000,
    ..PRICE
};

pub(super) static GROQ_OPENAI_GPT_OSS_120B: Price = Price {
    input: 150_000_000, output: 600_000_000, cached_input: Some(75_000_000),
    ..PRICE
};

pub(super) static GROQ_OPENAI_GPT_OSS_20B: Price = Price {
    input: 75_000_000, output: 300_000_000, cached_input: Some(37_500_000),
    ..PRICE
};

pub(super) static GROQ_OPENAI_GPT_OSS_SAFEGUARD_20B: Price = Price {
    input: 75_000_000, output: 300_000_000, cached_input: Some(37_000_000),
    ..PRICE
};

pub(super) static GROQ_QWEN_QWEN3_8_27B: Price = Price {
    input: 800_000_000, output: 4_000_000_000,
    ..PRICE
};

pub(super) static GROQ_WHISPER_LARGE_V3: Price = Price {
    input: 0, output: 0, second: Some(30_830),
    ..PRICE
};

pub(super) static GROQ_WHISPER_LARGE_V3_TURBO: Price = Price {
    input: 0, output: 0, second: Some(11_110),
    ..PRICE
};

pub(super) static MISTRAL_CODESTRAL_2508: Price = Price {
    input: 300_000_000, output: 900_000_000, cached_input: Some(30_000_000),
    ..PRICE
};

pub(super) static MISTRAL_CODESTRAL_EMBED: Price = Price {
    input: 150_000_000, output: 0, cached_input: Some(15_000_000),
    ..PRICE
};

pub(super) static MISTRAL_CODESTRAL_MAMBA_LATEST: Price = Price {
    input: 250_000_000, output: 250_000_000, cached_input: Some(25_000_000),
    ..PRICE
};

pub(super) static MISTRAL_DEEPSEEK_V4_1_FLASH_1017: Price = Price {
    input: 300_000_000, output: 1_200_000_000, cached_input: Some(7_000_000),
    ..PRICE
};

pub(super) static MISTRAL_DEVSTRAL_LATEST: Price = Price {
    input: 400_000_000, output: 2_000_000_000, cached_input: Some(40_000_000),
    ..PRICE
};

pub(super) static MISTRAL_DEVSTRAL_SMALL_LATEST: Price = Price {
    input: 100_000_000, output: 300_000_000, cached_input: Some(10_000_000),
    ..PRICE
};

pub(super) static MISTRAL_GLM_5_2: Price = Price {
    input: 1_400_000_000, output: 4_400_000_000, cached_input: Some(140_000_000),
    ..PRICE
};

pub(super) static MISTRAL_LABS_LEANSTRAL_1_5: Price = Price {
    input: 0, output: 0,
    ..PRICE
};

pub(super) static MISTRAL_MAGISTRAL_MEDIUM_LATEST: Price = Price {
    input: 1_500_000_000, output: 7_500_000_000, cached_input: Some(150_000_000),
    ..PRICE
};

pub(super) static MISTRAL_MAGISTRAL_SMALL_LATEST: Price = Price {
    input: 150_000_000, output: 600_000_000, cached_input: Some(15_000_000),
    ..PRICE
};

pub(super) static MISTRAL_MINISTRAL_14B_2512: Price = Price {
    input: 200_000_000, output: 200_000_000, cached_input: Some(20_000_000),
    ..PRICE
};

pub(super) static MISTRAL_MINISTRAL_3_3B_2512: Price = Price {
    input: 100_000_000, output: 100_000_000, cached_input: Some(10_000_000),
    ..PRICE
};

pub(super) static MISTRAL_MINISTRAL_3_8B_2512: Price = Price {
    input: 150_000_000, output: 150_000_000, cached_input: Some(15_000_000),
    ..PRICE
};

pub(super) static MISTRAL_MISTRAL_EMBED: Price = Price {
    input: 100_000_000, output: 0,
    ..PRICE
};

pub(super) static MISTRAL_MISTRAL_LARGE_2512: Price = Price {
    input: 500_000_000, output: 1_500_000_000, cached_input: Some(50_000_000),
    ..PRICE
};

pub(super) static MISTRAL_MISTRAL_LARGE_4: Price = Price {
    input: 1_360_000_000, output: 4_180_000_000, cached_input: Some(140_000_000),
    ..PRICE
};

pub(super) static MISTRAL_OPEN_MISTRAL_NEMO: Price = Price {
    input: 300_000_000, output: 300_000_000, cached_input: Some(30_000_000),
    ..PRICE
};

pub(super) static MISTRAL_PIXTRAL_LARGE_LATEST: Price = Price {
    input: 2_000_000_000, output: 6_000_000_000, cached_input: Some(200_000_000),
    ..PRICE
};

pub(super) static MISTRAL_VOXTRAL_MINI_2602: Price = Price {
    input: 0, output: 0, second: Some(50_000),
    ..PRICE
};

pub(super) static MISTRAL_VOXTRAL_MINI_REALTIME_2602: Price = Price {
    input: 0, output: 0, second: Some(100_000),
    ..PRICE
};

pub(super) static MISTRAL_VOXTRAL_MINI_TRANSCRIBE_3: Price = Price {
    input: 0, output: 0, second: Some(58_334),
    ..PRICE
};

pub(super) static MISTRAL_VOXTRAL_MINI_TRANSCRIBE_REALTIME_3: Price = Price {
    input: 0, output: 0, second: Some(133_333),
    ..PRICE
};

pub(super) static MISTRAL_VOXTRAL_MINI_TTS_2603: Price = Price {
    input: 0, output: 0, characters: Some(16_000_000_000),
    ..PRICE
};

pub(super) static MISTRAL_VOXTRAL_MINI_TTS_3: Price = Price {
    input: 0, output: 0, characters: Some(13_000_000_000),
    ..PRICE
};

pub(super) static MISTRAL_VOXTRAL_SMALL_2507: Price = Price {
    input: 100_000_000, output: 400_000_000, cached_input: Some(10_000_000),
    ..PRICE
};

pub(super) static MISTRAL_VOXTRAL_SMALL_TRANSCRIBE_3: Price = Price {
    input: 0, output: 0, second: Some(66_667),
    ..PRICE
};

pub(super) static MISTRAL_ZAI_GLM_5_3_FLASH: Price = Price {
    input: 150_000_000, output: 500_000_000, cached_input: Some(30_000_000),
    ..PRICE
};

pub(super) static OPENAI_BABBAGE_002: Price = Price {
    input: 400_000_000, output: 400_000_000,
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 200_000_000, output: 200_000_000,
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static OPENAI_CHAT_LATEST: Price = Price {
    input: 5_000_000_000, output: 30_000_000_000, cached_input: Some(500_000_000),
    ..PRICE
};

pub(super) static OPENAI_CHATGPT_IMAGE_LATEST: Price = Price {
    input: 5_000_000_000, output: 10_000_000_000, cached_input: Some(1_250_000_000), image_input: Some(8_000_000_000), image_output: Some(32_000_000_000),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 2_500_000_000, output: 5_000_000_000, cached_input: Some(630_000_000),
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static OPENAI_COMPUTER_USE_PREVIEW: Price = Price {
    input: 3_000_000_000, output: 12_000_000_000,
    ..PRICE
};

pub(super) static OPENAI_DAVINCI_002: Price = Price {
    input: 2_000_000_000, output: 2_000_000_000,
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 1_000_000_000, output: 1_000_000_000,
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static OPENAI_DAYBREAK_BLUE_LATEST: Price = Price {
    input: 4_000_000_000, output: 20_000_000_000, cached_input: Some(400_000_000), cache_write: Some(5_000_000_000),
    tiers: Cow::Borrowed(&[
        Tier { above: 272_000, input: 8_000_000_000, output: 30_000_000_000, ..TIER },
    ]),
    ..PRICE
};

pub(super) static OPENAI_DAYBREAK_RED_LATEST: Price = Price {
    input: 12_500_000_000, output: 75_000_000_000, cached_input: Some(1_250_000_000), cache_write: Some(15_625_000_000),
    tiers: Cow::Borrowed(&[
        Tier { above: 272_000, input: 25_000_000_000, output: 112_500_000_000, ..TIER },
    ]),
    ..PRICE
};

pub(super) static OPENAI_GPT_3_5_TURBO: Price = Price {
    input: 500_000_000, output: 1_500_000_000,
    ..PRICE
};

pub(super) static OPENAI_GPT_3_5_TURBO_0125: Price = Price {
    input: 500_000_000, output: 1_500_000_000,
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 250_000_000, output: 750_000_000,
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static OPENAI_GPT_3_5_TURBO_1106: Price = Price {
    input: 1_000_000_000, output: 2_000_000_000,
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 1_000_000_000, output: 2_000_000_000,
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static OPENAI_GPT_3_5_TURBO_16K: Price = Price {
    input: 3_000_000_000, output: 4_000_000_000,
    ..PRICE
};

pub(super) static OPENAI_GPT_3_5_TURBO_INSTRUCT: Price = Price {
    input: 1_500_000_000, output: 2_000_000_000,
    ..PRICE
};

pub(super) static OPENAI_GPT_4: Price = Price {
    input: 30_000_000_000, output: 60_000_000_000,
    ..PRICE
};

pub(super) static OPENAI_GPT_4_0613: Price = Price {
    input: 30_000_000_000, output: 60_000_000_000,
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 15_000_000_000, output: 30_000_000_000,
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static OPENAI_GPT_4_1106_PREVIEW: Price = Price {
    input: 10_000_000_000, output: 30_000_000_000,
    ..PRICE
};

pub(super) static OPENAI_GPT_4_TURBO_2024_04_09: Price = Price {
    input: 10_000_000_000, output: 30_000_000_000,
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 5_000_000_000, output: 15_000_000_000,
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static OPENAI_GPT_4_1: Price = Price {
    input: 2_000_000_000, output: 8_000_000_000, cached_input: Some(500_000_000),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 1_000_000_000, output: 4_000_000_000,
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("priority"), input: 3_500_000_000, output: 14_000_000_000,
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static OPENAI_GPT_4_1_MINI: Price = Price {
    input: 400_000_000, output: 1_600_000_000, cached_input: Some(100_000_000),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 200_000_000, output: 800_000_000,
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("priority"), input: 700_000_000, output: 2_800_000_000,
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static OPENAI_GPT_4_1_NANO: Price = Price {
    input: 100_000_000, output: 400_000_000, cached_input: Some(25_000_000),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 50_000_000, output: 200_000_000,
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("priority"), input: 200_000_000, output: 800_000_000,
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static OPENAI_GPT_4O: Price = Price {
    input: 2_500_000_000, output: 10_000_000_000, cached_input: Some(1_250_000_000),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 1_250_000_000, output: 5_000_000_000,
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("priority"), input: 4_250_000_000, output: 17_000_000_000,
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static OPENAI_GPT_4O_2024_05_13: Price = Price {
    input: 5_000_000_000, output: 15_000_000_000,
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 2_500_000_000, output: 7_500_000_000,
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("priority"), input: 8_750_000_000, output: 26_250_000_000,
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static OPENAI_GPT_4O_AUDIO_PREVIEW_2024_12_17: Price = Price {
    input: 2_500_000_000, output: 10_000_000_000, audio_input: Some(40_000_000_000), audio_output: Some(80_000_000_000),
    ..PRICE
};

pub(super) static OPENAI_GPT_4O_MINI: Price = Price {
    input: 150_000_000, output: 600_000_000, cached_input: Some(75_000_000),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 75_000_000, output: 300_000_000,
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("priority"), input: 250_000_000, output: 1_000_000_000,
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static OPENAI_GPT_4O_MINI_AUDIO_PREVIEW_2024_12_17: Price = Price {
    input: 150_000_000, output: 600_000_000, audio_input: Some(10_000_000_000), audio_output: Some(20_000_000_000),
    ..PRICE
};

pub(super) static OPENAI_GPT_4O_MINI_SEARCH_PREVIEW: Price = Price {
    input: 150_000_000, output: 600_000_000, cached_input: Some(75_000_000),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 75_000_000, output: 300_000_000,
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static OPENAI_GPT_4O_MINI_TRANSCRIBE: Price = Price {
    input: 1_250_000_000, output: 5_000_000_000,
    ..PRICE
};

pub(super) static OPENAI_GPT_4O_MINI_TTS: Price = Price {
    input: 600_000_000, output: 10_000_000_000, audio_output: Some(12_000_000_000),
    ..PRICE
};

pub(super) static OPENAI_GPT_4O_SEARCH_PREVIEW: Price = Price {
    input: 2_500_000_000, output: 10_000_000_000, cached_input: Some(1_250_000_000),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 1_250_000_000, output: 5_000_000_000,
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static OPENAI_GPT_4O_TRANSCRIBE: Price = Price {
    input: 2_500_000_000, output: 10_000_000_000,
    ..PRICE
};

pub(super) static OPENAI_GPT_5: Price = Price {
    input: 1_250_000_000, output: 10_000_000_000, cached_input: Some(125_000_000),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 625_000_000, output: 5_000_000_000, cached_input: Some(62_500_000),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("flex"), input: 625_000_000, output: 5_000_000_000, cached_input: Some(62_500_000),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("priority"), input: 2_500_000_000, output: 20_000_000_000,
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static OPENAI_GPT_5_CHAT: Price = Price {
    input: 1_250_000_000, output: 10_000_000_000, cached_input: Some(125_000_000),
    ..PRICE
};

pub(super) static OPENAI_GPT_5_MINI: Price = Price {
    input: 250_000_000, output: 2_000_000_000, cached_input: Some(25_000_000),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 125_000_000, output: 1_000_000_000, cached_input: Some(12_500_000),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("flex"), input: 125_000_000, output: 1_000_000_000, cached_input: Some(12_500_000),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("priority"), input: 450_000_000, output: 3_600_000_000,
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static OPENAI_GPT_5_NANO: Price = Price {
    input: 50_000_000, output: 400_000_000, cached_input: Some(5_000_000),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 25_000_000, output: 200_000_000, cached_input: Some(2_500_000),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("flex"), input: 25_000_000, output: 200_000_000, cached_input: Some(2_500_000),
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static OPENAI_GPT_5_PRO: Price = Price {
    input: 15_000_000_000, output: 120_000_000_000,
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 7_500_000_000, output: 60_000_000_000,
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static OPENAI_GPT_5_1_CODEX_MINI: Price = Price {
    input: 250_000_000, output: 2_000_000_000, cached_input: Some(25_000_000),
    ..PRICE
};

pub(super) static OPENAI_GPT_5_2: Price = Price {
    input: 1_750_000_000, output: 14_000_000_000, cached_input: Some(175_000_000),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 875_000_000, output: 7_000_000_000, cached_input: Some(87_500_000),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("flex"), input: 875_000_000, output: 7_000_000_000, cached_input: Some(87_500_000),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("priority"), input: 3_500_000_000, output: 28_000_000_000,
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static OPENAI_GPT_5_2_CHAT_LATEST: Price = Price {
    input: 1_750_000_000, output: 14_000_000_000, cached_input: Some(175_000_000),
    ..PRICE
};

pub(super) static OPENAI_GPT_5_2_PRO: Price = Price {
    input: 21_000_000_000, output: 168_000_000_000,
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 10_500_000_000, output: 84_000_000_000,
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static OPENAI_GPT_5_3_CODEX: Price = Price {
    input: 1_750_000_000, output: 14_000_000_000, cached_input: Some(175_000_000),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("priority"), input: 3_500_000_000, output: 28_000_000_000,
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static OPENAI_GPT_5_4: Price = Price {
    input: 2_500_000_000, output: 15_000_000_000, cached_input: Some(250_000_000),
    tiers: Cow::Borrowed(&[
        Tier { above: 272_000, input: 5_000_000_000, output: 22_500_000_000, ..TIER },
    ]),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 1_250_000_000, output: 7_500_000_000, cached_input: Some(130_000_000),
            tiers: Cow::Borrowed(&[
                Tier { above: 272_000, input: 2_500_000_000, output: 11_250_000_000, cached_input: Some(250_000_000), ..TIER },
            ]),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("flex"), input: 1_250_000_000, output: 7_500_000_000, cached_input: Some(130_000_000),
            tiers: Cow::Borrowed(&[
                Tier { above: 272_000, input: 2_500_000_000, output: 11_250_000_000, cached_input: Some(250_000_000), ..TIER },
            ]),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("priority"), input: 5_000_000_000, output: 30_000_000_000,
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static OPENAI_GPT_5_4_MINI: Price = Price {
    input: 750_000_000, output: 4_500_000_000, cached_input: Some(75_000_000),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 375_000_000, output: 2_250_000_000, cached_input: Some(37_500_000),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("flex"), input: 375_000_000, output: 2_250_000_000, cached_input: Some(37_500_000),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("priority"), input: 1_500_000_000, output: 9_000_000_000,
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static OPENAI_GPT_5_4_NANO: Price = Price {
    input: 200_000_000, output: 1_250_000_000, cached_input: Some(20_000_000),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 100_000_000, output: 625_000_000, cached_input: Some(10_000_000),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("flex"), input: 100_000_000, output: 625_000_000, cached_input: Some(10_000_000),
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static OPENAI_GPT_5_4_PRO: Price = Price {
    input: 30_000_000_000, output: 180_000_000_000,
    tiers: Cow::Borrowed(&[
        Tier { above: 272_000, input: 60_000_000_000, output: 270_000_000_000, ..TIER },
    ]),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 15_000_000_000, output: 90_000_000_000,
            tiers: Cow::Borrowed(&[
                Tier { above: 272_000, input: 30_000_000_000, output: 135_000_000_000, ..TIER },
            ]),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("flex"), input: 15_000_000_000, output: 90_000_000_000,
            tiers: Cow::Borrowed(&[
                Tier { above: 272_000, input: 30_000_000_000, output: 135_000_000_000, ..TIER },
            ]),
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static OPENAI_GPT_5_5: Price = Price {
    input: 5_000_000_000, output: 30_000_000_000, cached_input: Some(500_000_000),
    tiers: Cow::Borrowed(&[
        Tier { above: 272_000, input: 10_000_000_000, output: 45_000_000_000, ..TIER },
    ]),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 2_500_000_000, output: 15_000_000_000, cached_input: Some(250_000_000),
            tiers: Cow::Borrowed(&[
                Tier { above: 272_000, input: 5_000_000_000, output: 22_500_000_000, ..TIER },
            ]),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("flex"), input: 2_500_000_000, output: 15_000_000_000, cached_input: Some(250_000_000),
            tiers: Cow::Borrowed(&[
                Tier { above: 272_000, input: 5_000_000_000, output: 22_500_000_000, ..TIER },
            ]),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("priority"), input: 12_500_000_000, output: 75_000_000_000,
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static OPENAI_GPT_5_5_CYBER: Price = Price {
    input: 12_500_000_000, output: 75_000_000_000, cached_input: Some(1_250_000_000),
    ..PRICE
};

pub(super) static OPENAI_GPT_5_5_PRO: Price = Price {
    input: 30_000_000_000, output: 180_000_000_000,
    tiers: Cow::Borrowed(&[
        Tier { above: 272_000, input: 60_000_000_000, output: 270_000_000_000, ..TIER },
    ]),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 15_000_000_000, output: 90_000_000_000,
            tiers: Cow::Borrowed(&[
                Tier { above: 272_000, input: 30_000_000_000, output: 135_000_000_000, ..TIER },
            ]),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("flex"), input: 15_000_000_000, output: 90_000_000_000,
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static OPENAI_GPT_5_6: Price = Price {
    input: 4_000_000_000, output: 20_000_000_000, cached_input: Some(400_000_000), cache_write: Some(5_000_000_000), cache_write_1h: Some(10_000_000_000),
    tiers: Cow::Borrowed(&[
        Tier { above: 272_000, input: 8_000_000_000, output: 30_000_000_000, ..TIER },
    ]),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 2_000_000_000, output: 10_000_000_000, cached_input: Some(200_000_000), cache_write: Some(2_500_000_000),
            tiers: Cow::Borrowed(&[
                Tier { above: 272_000, input: 4_000_000_000, output: 15_000_000_000, ..TIER },
            ]),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("flex"), input: 2_000_000_000, output: 10_000_000_000, cached_input: Some(200_000_000), cache_write: Some(2_500_000_000), cache_write_1h: Some(5_000_000_000),
            tiers: Cow::Borrowed(&[
                Tier { above: 272_000, input: 4_000_000_000, output: 15_000_000_000, ..TIER },
            ]),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("priority"), input: 8_000_000_000, output: 40_000_000_000,
            tiers: Cow::Borrowed(&[
                Tier { above: 272_000, input: 16_000_000_000, output: 60_000_000_000, ..TIER },
            ]),
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static OPENAI_GPT_5_6_CYBER: Price = Price {
    input: 12_500_000_000, output: 75_000_000_000, cached_input: Some(1_250_000_000), cache_write: Some(15_625_000_000), cache_write_1h: Some(31_250_000_000),
    tiers: Cow::Borrowed(&[
        Tier { above: 272_000, input: 25_000_000_000, output: 112_500_000_000, ..TIER },
    ]),
    ..PRICE
};

pub(super) static OPENAI_GPT_5_6_LUNA: Price = Price {
    input: 200_000_000, output: 1_200_000_000, cached_input: Some(20_000_000), cache_write: Some(250_000_000), cache_write_1h: Some(500_000_000),
    tiers: Cow::Borrowed(&[
        Tier { above: 272_000, input: 400_000_000, output: 1_800_000_000, ..TIER },
    ]),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 100_000_000, output: 600_000_000, cached_input: Some(10_000_000), cache_write: Some(125_000_000), cache_write_1h: Some(250_000_000),
            tiers: Cow::Borrowed(&[
                Tier { above: 272_000, input: 200_000_000, output: 900_000_000, ..TIER },
            ]),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("flex"), input: 100_000_000, output: 600_000_000, cached_input: Some(10_000_000), cache_write: Some(125_000_000), cache_write_1h: Some(250_000_000),
            tiers: Cow::Borrowed(&[
                Tier { above: 272_000, input: 200_000_000, output: 900_000_000, ..TIER },
            ]),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("priority"), input: 400_000_000, output: 2_400_000_000,
            tiers: Cow::Borrowed(&[
                Tier { above: 272_000, input: 800_000_000, output: 3_600_000_000, ..TIER },
            ]),
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static OPENAI_GPT_5_6_SOL: Price = Price {
    input: 4_000_000_000, output: 20_000_000_000, cached_input: Some(400_000_000), cache_write: Some(5_000_000_000), cache_write_1h: Some(10_000_000_000),
    tiers: Cow::Borrowed(&[
        Tier { above: 272_000, input: 8_000_000_000, output: 30_000_000_000, ..TIER },
    ]),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 2_000_000_000, output: 10_000_000_000, cached_input: Some(200_000_000), cache_write: Some(2_500_000_000), cache_write_1h: Some(5_000_000_000),
            tiers: Cow::Borrowed(&[
                Tier { above: 272_000, input: 4_000_000_000, output: 15_000_000_000, ..TIER },
            ]),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("flex"), input: 2_000_000_000, output: 10_000_000_000, cached_input: Some(200_000_000), cache_write: Some(2_500_000_000), cache_write_1h: Some(5_000_000_000),
            tiers: Cow::Borrowed(&[
                Tier { above: 272_000, input: 4_000_000_000, output: 15_000_000_000, ..TIER },
            ]),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("priority"), input: 8_000_000_000, output: 40_000_000_000,
            tiers: Cow::Borrowed(&[
                Tier { above: 272_000, input: 16_000_000_000, output: 60_000_000_000, ..TIER },
            ]),
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static OPENAI_GPT_5_6_TERRA: Price = Price {
    input: 2_000_000_000, output: 12_000_000_000, cached_input: Some(200_000_000), cache_write: Some(2_500_000_000), cache_write_1h: Some(5_000_000_000),
    tiers: Cow::Borrowed(&[
        Tier { above: 272_000, input: 4_000_000_000, output: 18_000_000_000, ..TIER },
    ]),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 1_000_000_000, output: 6_000_000_000, cached_input: Some(100_000_000), cache_write: Some(1_250_000_000), cache_write_1h: Some(2_500_000_000),
            tiers: Cow::Borrowed(&[
                Tier { above: 272_000, input: 2_000_000_000, output: 9_000_000_000, ..TIER },
            ]),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("flex"), input: 1_000_000_000, output: 6_000_000_000, cached_input: Some(100_000_000), cache_write: Some(1_250_000_000), cache_write_1h: Some(2_500_000_000),
            tiers: Cow::Borrowed(&[
                Tier { above: 272_000, input: 2_000_000_000, output: 9_000_000_000, ..TIER },
            ]),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("priority"), input: 4_000_000_000, output: 24_000_000_000,
            tiers: Cow::Borrowed(&[
                Tier { above: 272_000, input: 8_000_000_000, output: 36_000_000_000, ..TIER },
            ]),
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static OPENAI_GPT_6_ASTRA: Price = Price {
    input: 10_000_000_000, output: 50_000_000_000, cached_input: Some(1_000_000_000), cache_write: Some(12_500_000_000), cache_write_1h: Some(25_000_000_000),
    tiers: Cow::Borrowed(&[
        Tier { above: 272_000, input: 20_000_000_000, output: 75_000_000_000, ..TIER },
    ]),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 5_000_000_000, output: 25_000_000_000, cached_input: Some(500_000_000), cache_write: Some(6_250_000_000), cache_write_1h: Some(12_500_000_000),
            tiers: Cow::Borrowed(&[
                Tier { above: 272_000, input: 10_000_000_000, output: 37_500_000_000, ..TIER },
            ]),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("flex"), input: 5_000_000_000, output: 25_000_000_000, cached_input: Some(500_000_000), cache_write: Some(6_250_000_000), cache_write_1h: Some(12_500_000_000),
            tiers: Cow::Borrowed(&[
                Tier { above: 272_000, input: 10_000_000_000, output: 37_500_000_000, ..TIER },
            ]),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("priority"), input: 20_000_000_000, output: 100_000_000_000,
            tiers: Cow::Borrowed(&[
                Tier { above: 272_000, input: 40_000_000_000, output: 150_000_000_000, ..TIER },
            ]),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("ultrafast"), input: 60_000_000_000, output: 300_000_000_000,
            tiers: Cow::Borrowed(&[
                Tier { above: 272_000, input: 120_000_000_000, output: 450_000_000_000, ..TIER },
            ]),
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static OPENAI_GPT_6_ASTRA_LAW: Price = Price {
    input: 10_000_000_000, output: 50_000_000_000, cached_input: Some(1_000_000_000),
    ..PRICE
};

pub(super) static OPENAI_GPT_6_LUNA: Price = Price {
    input: 100_000_000, output: 500_000_000, cached_input: Some(10_000_000), cache_write: Some(125_000_000), cache_write_1h: Some(250_000_000),
    tiers: Cow::Borrowed(&[
        Tier { above: 272_000, input: 200_000_000, output: 750_000_000, ..TIER },
    ]),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 50_000_000, output: 250_000_000, cached_input: Some(5_000_000), cache_write: Some(62_500_000), cache_write_1h: Some(125_000_000),
            tiers: Cow::Borrowed(&[
                Tier { above: 272_000, input: 100_000_000, output: 375_000_000, ..TIER },
            ]),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("flex"), input: 50_000_000, output: 250_000_000, cached_input: Some(5_000_000), cache_write: Some(62_500_000), cache_write_1h: Some(125_000_000),
            tiers: Cow::Borrowed(&[
                Tier { above: 272_000, input: 100_000_000, output: 375_000_000, ..TIER },
            ]),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("priority"), input: 200_000_000, output: 1_000_000_000,
            tiers: Cow::Borrowed(&[
                Tier { above: 272_000, input: 400_000_000, output: 1_500_000_000, ..TIER },
            ]),
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static OPENAI_GPT_6_ROSALIND: Price = Price {
    input: 15_000_000_000, output: 75_000_000_000, cached_input: Some(1_500_000_000), cache_write: Some(18_750_000_000), cache_write_1h: Some(37_500_000_000),
    tiers: Cow::Borrowed(&[
        Tier { above: 272_000, input: 30_000_000_000, output: 112_500_000_000, ..TIER },
    ]),
    ..PRICE
};

pub(super) static OPENAI_GPT_6_SOL: Price = Price {
    input: 2_000_000_000, output: 10_000_000_000, cached_input: Some(200_000_000), cache_write: Some(2_500_000_000), cache_write_1h: Some(5_000_000_000),
    tiers: Cow::Borrowed(&[
        Tier { above: 272_000, input: 4_000_000_000, output: 15_000_000_000, ..TIER },
    ]),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 1_000_000_000, output: 5_000_000_000, cached_input: Some(100_000_000), cache_write: Some(1_250_000_000), cache_write_1h: Some(2_500_000_000),
            tiers: Cow::Borrowed(&[
                Tier { above: 272_000, input: 2_000_000_000, output: 7_500_000_000, ..TIER },
            ]),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("flex"), input: 1_000_000_000, output: 5_000_000_000, cached_input: Some(100_000_000), cache_write: Some(1_250_000_000), cache_write_1h: Some(2_500_000_000),
            tiers: Cow::Borrowed(&[
                Tier { above: 272_000, input: 2_000_000_000, output: 7_500_000_000, ..TIER },
            ]),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("priority"), input: 4_000_000_000, output: 20_000_000_000,
            tiers: Cow::Borrowed(&[
                Tier { above: 272_000, input: 8_000_000_000, output: 30_000_000_000, ..TIER },
            ]),
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static OPENAI_GPT_6_1_SOL: Price = Price {
    input: 2_000_000_000, output: 10_000_000_000, cached_input: Some(100_000_000), cache_write: Some(2_500_000_000), cache_write_1h: Some(5_000_000_000),
    tiers: Cow::Borrowed(&[
        Tier { above: 272_000, input: 4_000_000_000, output: 15_000_000_000, ..TIER },
    ]),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 1_000_000_000, output: 5_000_000_000, cached_input: Some(50_000_000), cache_write: Some(1_250_000_000), cache_write_1h: Some(2_500_000_000),
            tiers: Cow::Borrowed(&[
                Tier { above: 272_000, input: 2_000_000_000, output: 7_500_000_000, ..TIER },
            ]),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("flex"), input: 1_000_000_000, output: 5_000_000_000, cached_input: Some(50_000_000), cache_write: Some(1_250_000_000), cache_write_1h: Some(2_500_000_000),
            tiers: Cow::Borrowed(&[
                Tier { above: 272_000, input: 2_000_000_000, output: 7_500_000_000, ..TIER },
            ]),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("priority"), input: 4_000_000_000, output: 20_000_000_000,
            tiers: Cow::Borrowed(&[
                Tier { above: 272_000, input: 8_000_000_000, output: 30_000_000_000, ..TIER },
            ]),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("ultrafast"), input: 12_000_000_000, output: 60_000_000_000,
            tiers: Cow::Borrowed(&[
                Tier { above: 272_000, input: 24_000_000_000, output: 90_000_000_000, ..TIER },
            ]),
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static OPENAI_GPT_6_1_TERRA: Price = Price {
    input: 1_000_000_000, output: 5_000_000_000, cached_input: Some(50_000_000), cache_write: Some(1_250_000_000), cache_write_1h: Some(2_500_000_000),
    tiers: Cow::Borrowed(&[
        Tier { above: 272_000, input: 2_000_000_000, output: 7_500_000_000, ..TIER },
    ]),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 500_000_000, output: 2_500_000_000, cached_input: Some(25_000_000), cache_write: Some(625_000_000), cache_write_1h: Some(1_250_000_000),
            tiers: Cow::Borrowed(&[
                Tier { above: 272_000, input: 1_000_000_000, output: 3_750_000_000, ..TIER },
            ]),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("flex"), input: 500_000_000, output: 2_500_000_000, cached_input: Some(25_000_000), cache_write: Some(625_000_000), cache_write_1h: Some(1_250_000_000),
            tiers: Cow::Borrowed(&[
                Tier { above: 272_000, input: 1_000_000_000, output: 3_750_000_000, ..TIER },
            ]),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("priority"), input: 2_000_000_000, output: 10_000_000_000,
            tiers: Cow::Borrowed(&[
                Tier { above: 272_000, input: 4_000_000_000, output: 15_000_000_000, ..TIER },
            ]),
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static OPENAI_GPT_AUDIO: Price = Price {
    input: 2_500_000_000, output: 10_000_000_000, audio_input: Some(32_000_000_000), audio_output: Some(64_000_000_000),
    ..PRICE
};

pub(super) static OPENAI_GPT_AUDIO_MINI: Price = Price {
    input: 600_000_000, output: 2_400_000_000, audio_input: Some(10_000_000_000), audio_output: Some(20_000_000_000),
    ..PRICE
};

pub(super) static OPENAI_GPT_IMAGE_1: Price = Price {
    input: 5_000_000_000, output: 40_000_000_000, cached_input: Some(1_250_000_000), image_input: Some(10_000_000_000),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 2_500_000_000, output: 40_000_000_000, cached_input: Some(630_000_000),
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static OPENAI_GPT_IMAGE_1_MINI: Price = Price {
    input: 2_000_000_000, output: 8_000_000_000, cached_input: Some(200_000_000), image_input: Some(2_500_000_000),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 1_000_000_000, output: 8_000_000_000, cached_input: Some(100_000_000),
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static OPENAI_GPT_IMAGE_2: Price = Price {
    input: 5_000_000_000, output: 30_000_000_000, cached_input: Some(1_250_000_000), image_input: Some(8_000_000_000),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 2_500_000_000, output: 30_000_000_000, cached_input: Some(625_000_000),
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static OPENAI_GPT_IMAGE_2_2026_04_21: Price = Price {
    input: 5_000_000_000, output: 30_000_000_000, cached_input: Some(1_250_000_000), image_input: Some(8_000_000_000),
    ..PRICE
};

pub(super) static OPENAI_GPT_LIVE_TRANSCRIBE: Price = Price {
    input: 0, output: 0, second: Some(283_334),
    ..PRICE
};

pub(super) static OPENAI_GPT_ROSALIND_DISCOVERY: Price = Price {
    input: 5_000_000_000, output: 25_000_000_000, cached_input: Some(500_000_000),
    ..PRICE
};

pub(super) static OPENAI_GPT_TRANSCRIBE: Price = Price {
    input: 0, output: 0, second: Some(75_000),
    ..PRICE
};

pub(super) static OPENAI_O1: Price = Price {
    input: 15_000_000_000, output: 60_000_000_000, cached_input: Some(7_500_000_000),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 7_500_000_000, output: 30_000_000_000,
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static OPENAI_O1_PRO: Price = Price {
    input: 150_000_000_000, output: 600_000_000_000,
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 75_000_000_000, output: 300_000_000_000,
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static OPENAI_O3: Price = Price {
    input: 2_000_000_000, output: 8_000_000_000, cached_input: Some(500_000_000),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 1_000_000_000, output: 4_000_000_000,
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("flex"), input: 1_000_000_000, output: 4_000_000_000, cached_input: Some(250_000_000),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("priority"), input: 3_500_000_000, output: 14_000_000_000,
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static OPENAI_O3_DEEP_RESEARCH: Price = Price {
    input: 10_000_000_000, output: 40_000_000_000, cached_input: Some(2_500_000_000),
    ..PRICE
};

pub(super) static OPENAI_O3_MINI: Price = Price {
    input: 1_100_000_000, output: 4_400_000_000, cached_input: Some(550_000_000),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 550_000_000, output: 2_200_000_000,
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static OPENAI_O3_PRO: Price = Price {
    input: 20_000_000_000, output: 80_000_000_000,
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 10_000_000_000, output: 40_000_000_000,
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static OPENAI_O4_MINI: Price = Price {
    input: 1_100_000_000, output: 4_400_000_000, cached_input: Some(275_000_000),
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 550_000_000, output: 2_200_000_000,
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("flex"), input: 550_000_000, output: 2_200_000_000, cached_input: Some(138_000_000),
            ..SERVICE
        },
        Service {
            name: Cow::Borrowed("priority"), input: 2_000_000_000, output: 8_000_000_000,
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static OPENAI_O4_MINI_DEEP_RESEARCH: Price = Price {
    input: 2_000_000_000, output: 8_000_000_000, cached_input: Some(500_000_000),
    ..PRICE
};

pub(super) static OPENAI_OMNI_MODERATION_2024_09_26: Price = Price {
    input: 0, output: 0,
    ..PRICE
};

pub(super) static OPENAI_TEXT_EMBEDDING_3_LARGE: Price = Price {
    input: 130_000_000, output: 0,
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 65_000_000, output: 0,
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static OPENAI_TEXT_EMBEDDING_3_SMALL: Price = Price {
    input: 20_000_000, output: 0,
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 10_000_000, output: 0,
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static OPENAI_TEXT_EMBEDDING_ADA_002: Price = Price {
    input: 100_000_000, output: 0,
    ..PRICE
};

pub(super) static OPENAI_TEXT_EMBEDDING_ADA_002_V2: Price = Price {
    input: 100_000_000, output: 0,
    services: Cow::Borrowed(&[
        Service {
            name: Cow::Borrowed("batch"), input: 50_000_000, output: 0,
            ..SERVICE
        },
    ]),
    ..PRICE
};

pub(super) static OPENAI_TTS_1: Price = Price {
    input: 0, output: 0, characters: Some(15_000_000_000),
    ..PRICE
};

pub(super) static OPENAI_TTS_1_HD: Price = Price {
    input: 0, output: 0, characters: Some(30_000_000_000),
    ..PRICE
};

pub(super) static OPENAI_WHISPER_1: Price = Price {
    input: 0, output: 0, second: Some(100_000),
    ..PRICE
};
