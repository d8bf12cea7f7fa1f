//! The built-in catalogue: the models of each provider type, their sizes, capabilities and prices.
//!
//! A sorted static table for each provider type; nothing is parsed at start. Types whose models are those of a server
//! (OpenAICompatible, vLLM, SGLang, Ollama, Mock) have no table. A deployment at Azure is known here if it has the name of
//! its model. A dated snapshot is an ordinary name: there are no aliases here. Only names of Bedrock have parts
//! (`bedrock.rs`).

mod bedrock;
pub(crate) mod custom;
pub(crate) mod model;
#[rustfmt::skip]
mod builtin;
mod by_call;
pub(crate) mod resold;
mod table;

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
    /// Its known capabilities. A missing one may just be unrecorded. `None` if nothing is known of them.
    pub capabilities: Option<Capabilities>,
    /// Its price; `None` if unknown.
    pub price: Option<&'static Price>,
}

impl CatalogueEntry {
    const NONE: CatalogueEntry =
        CatalogueEntry { name: "", context_window: 0, max_output_tokens: 0, capabilities: None, price: None };
}

/// The table of a provider type (`OpenAI`, `Anthropic`, …).
fn table(provider_type: &str) -> Option<&'static table::ModelTable> {
    Some(match provider_type {
        "Anthropic" => &builtin::ANTHROPIC,
        "AzureOpenAI" => &builtin::AZUREOPENAI,
        bedrock::TYPE => &builtin::BEDROCK,
        "Cerebras" => &builtin::CEREBRAS,
        "Cohere" => &builtin::COHERE,
        "DeepSeek" => &builtin::DEEPSEEK,
        "Fireworks" => &builtin::FIREWORKS,
        "Gemini" => &builtin::GEMINI,
        "Groq" => &builtin::GROQ,
        "HuggingFace" => &builtin::HUGGINGFACE,
        "Mistral" => &builtin::MISTRAL,
        "Nebius" => &builtin::NEBIUS,
        "OpenAI" => &builtin::OPENAI,
        "OpenRouter" => &builtin::OPENROUTER,
        "Perplexity" => &builtin::PERPLEXITY,
        "Together" => &builtin::TOGETHER,
        "VertexAI" => &builtin::VERTEXAI,
        "xAI" => &builtin::XAI,
        _ => return None,
    })
}

/// The models of a provider type, sorted by name; empty for a type without a table.
pub fn models(provider_type: &str) -> impl ExactSizeIterator<Item = CatalogueEntry> {
    table(provider_type).unwrap_or(&table::NONE).entries()
}

/// The model with exactly this name.
pub fn lookup(provider_type: &str, model: &str) -> Option<CatalogueEntry> {
    lookup_in(provider_type, "", model)
}

/// The same for a type whose prices depend on the region.
pub(crate) fn lookup_in(provider_type: &str, region: &str, model: &str) -> Option<CatalogueEntry> {
    let table = table(provider_type)?;
    match provider_type {
        bedrock::TYPE => bedrock::entry(table, region, model),
        _ => table.find(model),
    }
}

/// Whether a provider of this type serves what its table lists. In a cloud, the account and the region decide.
pub(crate) fn serves_all(provider_type: &str) -> bool {
    ![bedrock::TYPE, "AzureOpenAI", "VertexAI"].contains(&provider_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPES: [&str; 18] = [
        "Anthropic",
        "AzureOpenAI",
        "Bedrock",
        "Cerebras",
        "Cohere",
        "DeepSeek",
        "Fireworks",
        "Gemini",
        "Groq",
        "HuggingFace",
        "Mistral",
        "Nebius",
        "OpenAI",
        "OpenRouter",
        "Perplexity",
        "Together",
        "VertexAI",
        "xAI",
    ];

    #[test]
    fn every_table_is_sorted_and_names_each_model_once() {
        for kind in TYPES {
            let models: Vec<CatalogueEntry> = models(kind).collect();
            assert!(models.len() >= 5, "{kind} has only {}", models.len());
            for pair in models.windows(2) {
                assert!(pair[0].name < pair[1].name, "{kind}: {} before {}", pair[0].name, pair[1].name);
            }
        }
    }

    #[test]
    fn every_model_is_found_by_its_whole_name_only() {
        for kind in TYPES {
            // Bedrock's rows with a region are no names.
            for entry in models(kind).filter(|entry| kind != "Bedrock" || !entry.name.contains('/')) {
                assert!(!entry.name.is_empty());
                assert_eq!(lookup(kind, entry.name), Some(entry));
                assert_eq!(lookup(kind, &format!("{}-", entry.name)), None);
            }
        }
    }

    #[test]
    fn names_are_those_of_the_provider() {
        for (kind, prefix) in [
            ("Gemini", "gemini/"),
            ("Mistral", "mistral/"),
            ("Groq", "groq/"),
            ("Cerebras", "cerebras/"),
            ("Together", "together_ai/"),
            ("Nebius", "nebius/"),
            ("xAI", "xai/"),
            ("DeepSeek", "deepseek/"),
        ] {
            assert!(models(kind).all(|m| !m.name.starts_with(prefix)), "{kind}");
        }
        assert!(models("OpenAI").all(|m| !m.name.contains('/') && !m.name.starts_with("ft:")));
        // The rows for models of a size are no models.
        assert!(models("Together").chain(models("Fireworks")).all(|m| m.name.contains('/')));
        // Only its Responses API has models of other vendors.
        assert!(models("Perplexity").all(|m| !m.name.contains('/')));
        // The router's suffix says who serves the model, at which price.
        assert!(models("HuggingFace").all(|m| m.name.contains('/') && m.name.contains(':')));
        assert!(lookup("Fireworks", "accounts/fireworks/models/gpt-oss-120b").is_some());
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
            assert!(entry.capabilities.is_some_and(|known| known.contains(can)), "{name}: {:?}", entry.capabilities);
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
            ("Bedrock", "amazon.nova-pro-v1:0", plain(0.8, 3.2)),
            ("DeepSeek", "deepseek-chat", plain(0.28, 0.42)),
            ("xAI", "grok-4.3", plain(1.25, 2.5)),
            ("Together", "deepseek-ai/DeepSeek-V3", plain(1.25, 1.25)),
            ("Fireworks", "accounts/fireworks/models/gpt-oss-120b", plain(0.15, 0.6)),
            ("Perplexity", "sonar-pro", plain(3.0, 15.0)),
            ("Nebius", "Qwen/Qwen3-32B", plain(0.1, 0.3)),
            ("HuggingFace", "Qwen/Qwen3-32B:groq", plain(0.29, 0.59)),
            ("OpenRouter", "ai21/jamba-1-5-large", plain(2.0, 8.0)),
            ("OpenRouter", "deepseek/deepseek-chat:free", plain(0.0, 0.0)),
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
        let haiku = price("OpenRouter", "anthropic/claude-haiku-5.5");
        assert_eq!((haiku.input, haiku.cached_input), (100_000_000, Some(10_000_000)));
        assert_eq!(
            haiku.tiers.iter().map(|tier| (tier.above, tier.input)).collect::<Vec<_>>(),
            [(100_000, 500_000_000)]
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
                let given = free.iter().any(|(of, name)| *of == kind && entry.name.starts_with(name))
                    || kind == "OpenRouter" && entry.name.ends_with(":free");
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
        assert_eq!(models("Mock").len(), 0);
    }

    #[test]
    fn the_source_is_named() {
        assert!(SOURCE.starts_with("litellm ") && SOURCE.contains("; genai-prices "), "{SOURCE}");
    }

    /// The loader writes each address of a static when a process starts, into memory of its own.
    #[test]
    fn prices_that_most_models_have_contain_no_address() {
        let of = |kind| models(kind).filter_map(|entry| entry.price);
        let all: Vec<&Price> = TYPES.into_iter().flat_map(of).collect();
        let graded = all.iter().filter(|price| !price.tiers.is_empty() || !price.services.is_empty()).count();
        assert!(graded * 4 < all.len(), "{graded} of {}", all.len());
        assert!(builtin::prices::PLAIN.iter().all(|price| price.tiers.is_empty() && price.services.is_empty()));
    }
}
