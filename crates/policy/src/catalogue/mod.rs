//! The built-in catalogue: the models of each provider type, their sizes, capabilities and prices.
//!
//! A sorted static table for each provider type; nothing is parsed at start. Types that accept any name
//! (OpenAICompatible, vLLM, Ollama, OpenRouter, Mock), and types whose names depend on a deployment or an account
//! (Azure, Bedrock), have no table. A dated snapshot is an ordinary name: there are no aliases here.

pub(crate) mod custom;
pub(crate) mod model;
#[rustfmt::skip]
mod builtin;
mod by_call;
pub(crate) mod resold;

pub use builtin::SOURCE;
pub use by_call::bills_by_call;

use outrigger_core::Capabilities;

use crate::prices::Price;

/// One model, by the name in its provider's own API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CatalogueEntry {
    /// As sent upstream in `model` or in the path.
    pub name: &'static str,
    /// The most input tokens; 0 if unknown.
    pub context_window: u32,
    /// The most output tokens; 0 if unknown, and for embeddings.
    pub max_output_tokens: u32,
    /// Its known capabilities. A missing one may just be unrecorded.
    pub capabilities: Capabilities,
    /// Its price; `None` if unknown.
    pub price: Option<&'static Price>,
}

/// The models of a provider type (`OpenAI`, `Anthropic`, …), sorted by name; empty for a type without a table.
pub fn models(provider_type: &str) -> &'static [CatalogueEntry] {
    match provider_type {
        "Anthropic" => builtin::ANTHROPIC,
        "Cerebras" => builtin::CEREBRAS,
        "Gemini" => builtin::GEMINI,
        "Groq" => builtin::GROQ,
        "Mistral" => builtin::MISTRAL,
        "OpenAI" => builtin::OPENAI,
        _ => &[],
    }
}

/// The model with exactly this name.
pub fn lookup(provider_type: &str, model: &str) -> Option<&'static CatalogueEntry> {
    let models = models(provider_type);
    models.binary_search_by(|entry| entry.name.cmp(model)).ok().and_then(|at| models.get(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPES: [&str; 6] = ["Anthropic", "Cerebras", "Gemini", "Groq", "Mistral", "OpenAI"];

    #[test]
    fn every_table_is_sorted_and_names_each_model_once() {
        for kind in TYPES {
            let models = models(kind);
            assert!(models.len() >= 5, "{kind} has only {}", models.len());
            for pair in models.windows(2) {
                assert!(pair[0].name < pair[1].name, "{kind}: {} before {}", pair[0].name, pair[1].name);
            }
        }
    }

    #[test]
    fn every_model_is_found_by_its_whole_name_only() {
        for kind in TYPES {
            for entry in models(kind) {
                assert_eq!(lookup(kind, entry.name), Some(entry));
                assert_eq!(lookup(kind, &format!("{}-", entry.name)), None);
            }
        }
    }

    #[test]
    fn names_are_those_of_the_provider() {
        for (kind, prefix) in
            [("Gemini", "gemini/"), ("Mistral", "mistral/"), ("Groq", "groq/"), ("Cerebras", "cerebras/")]
        {
            assert!(models(kind).iter().all(|m| !m.name.starts_with(prefix)), "{kind}");
        }
        assert!(models("OpenAI").iter().all(|m| !m.name.contains('/') && !m.name.starts_with("ft:")));
        // Groq's own names begin with a vendor.
        assert!(lookup("Groq", "openai/gpt-oss-120b").is_some());
        assert!(lookup("Cerebras", "gpt-oss-120b").is_some());
    }

    #[test]
    fn known_models() {
        let all = |names: &[&str]| {
            names.iter().fold(Capabilities::default(), |set, name| set | Capabilities::from_name(name).unwrap())
        };
        let cases = [
            ("OpenAI", "gpt-4o", 128_000, 16_384, all(&["Tools", "Vision", "StructuredOutputs", "PromptCaching"])),
            ("Anthropic", "claude-haiku-4-5", 200_000, 64_000, all(&["Tools", "Vision", "Reasoning", "Files"])),
            ("Gemini", "gemini-2.5-flash", 1_048_576, 65_536, all(&["Tools", "Vision", "Reasoning", "Audio"])),
            ("OpenAI", "text-embedding-3-small", 8_191, 0, all(&["Embeddings"])),
        ];
        for (kind, name, context_window, max_output_tokens, can) in cases {
            let entry = lookup(kind, name).unwrap_or_else(|| panic!("{kind} has no {name}"));
            assert_eq!((entry.context_window, entry.max_output_tokens), (context_window, max_output_tokens), "{name}");
            assert!(entry.capabilities.contains(can), "{name}: {:?}", entry.capabilities);
        }
    }

    #[test]
    fn known_prices() {
        let plain = |input, output| Some((input, output));
        for (kind, name, dollars_per_million) in [
            ("OpenAI", "gpt-4o", plain(2.5, 10.0)),
            ("OpenAI", "text-embedding-3-small", plain(0.02, 0.0)),
            ("OpenAI", "omni-moderation-latest", plain(0.0, 0.0)),
            ("Anthropic", "claude-haiku-4-5", plain(1.0, 5.0)),
            ("Gemini", "gemini-2.5-flash", plain(0.3, 2.5)),
            ("Groq", "whisper-large-v3", plain(0.0, 0.0)),
            ("Gemini", "lyria-3.5", None),
        ] {
            let price = lookup(kind, name).unwrap_or_else(|| panic!("{kind} has no {name}")).price;
            let nanos = |dollars: f64| (dollars * 1e9).round() as u64;
            let expected = dollars_per_million.map(|(input, output)| (nanos(input), nanos(output)));
            assert_eq!(price.map(|price| (price.input, price.output)), expected, "{name}");
        }
        let price = |kind, name| lookup(kind, name).and_then(|entry| entry.price).unwrap_or_else(|| panic!("{name}"));
        let haiku = price("Anthropic", "claude-haiku-4-5");
        assert_eq!((haiku.cached_input, haiku.cache_write), (Some(100_000_000), Some(1_250_000_000)));
        assert_eq!(haiku.cache_write_1h, Some(2_000_000_000));
        assert_eq!(price("OpenAI", "tts-1").characters, Some(15_000_000_000));
        assert_eq!(price("Groq", "whisper-large-v3").second, Some(30_830));
        assert_eq!(
            price("OpenAI", "gpt-image-1").image_output.unwrap_or(price("OpenAI", "gpt-image-1").output),
            40_000_000_000
        );
        assert_eq!(price("Gemini", "gemini-2.5-flash-image").image_output, Some(30_000_000_000));
        let pro = price("Gemini", "gemini-2.5-pro");
        assert_eq!(
            pro.tiers.iter().map(|tier| (tier.above, tier.input)).collect::<Vec<_>>(),
            [(200_000, 2_500_000_000)]
        );
        let services: Vec<&str> = pro.services.iter().map(|service| &*service.name).collect();
        assert_eq!(services, ["batch", "flex", "priority"]);
    }

    #[test]
    fn no_price_is_zero_by_accident() {
        // Google's open models and experiments, Mistral's labs, and moderation.
        let free = [
            ("Gemini", "gemma-"),
            ("Gemini", "gemini-exp-"),
            ("Gemini", "learnlm-"),
            ("Mistral", "labs-"),
            ("Mistral", "mistral-moderation-"),
            ("OpenAI", "omni-moderation-"),
        ];
        for kind in TYPES {
            let (mut priced, mut all) = (0, 0);
            for entry in models(kind) {
                all += 1;
                let Some(price) = entry.price else { continue };
                priced += 1;
                let given = free.iter().any(|(of, name)| *of == kind && entry.name.starts_with(name));
                assert_eq!(price.is_free(), given, "{}", entry.name);
                assert!(price.tiers.is_sorted_by_key(|tier| tier.above), "{}", entry.name);
            }
            assert!(priced * 5 > all * 4, "{kind}: only {priced} of {all} have a price");
        }
    }

    #[test]
    fn snapshots_match_exactly_and_types_without_a_table_have_no_models() {
        assert!(lookup("OpenAI", "gpt-4o-2024-08-06").is_some());
        assert_eq!(lookup("OpenAI", "gpt-4o-1999-01-01"), None);
        assert_eq!(lookup("OpenAICompatible", "gpt-4o"), None);
        assert_eq!(lookup("openai", "gpt-4o"), None);
        assert_eq!(lookup("OpenAI", ""), None);
        assert!(models("Mock").is_empty());
    }

    #[test]
    fn the_source_is_named() {
        assert!(SOURCE.starts_with("litellm "), "{SOURCE}");
    }
}
