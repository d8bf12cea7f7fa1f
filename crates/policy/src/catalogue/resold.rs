//! Prices of models that a provider resells at the vendor's own price: OpenRouter.
//!
//! OpenRouter states that it passes vendors' prices through. This holds if only one vendor sells the model. It does not
//! for models that several vendors serve, each at its own price, and for variants (`:free`, `:nitro`): those have a
//! row of their own, or no price. A vendor's row says more than the reseller's: capabilities, tiers, and the price of
//! a long-lived cache.

use super::{CatalogueEntry, lookup};

/// The first segment of a name, and the provider type of the vendor.
const VENDORS: [(&str, &str); 4] =
    [("anthropic", "Anthropic"), ("google", "Gemini"), ("openai", "OpenAI"), ("x-ai", "xAI")];

/// The entry of a model by OpenRouter's name for it: `anthropic/claude-haiku-4.5`.
pub(crate) fn entry(provider_type: &str, model: &str) -> Option<CatalogueEntry> {
    if provider_type != "OpenRouter" {
        return None;
    }
    let (vendor, name) = model.split_once('/')?;
    let (_, kind) = VENDORS.iter().find(|(known, _)| *known == vendor)?;
    // Many vendors serve OpenAI's open-weight models.
    if name.starts_with("gpt-oss") {
        return None;
    }
    // Anthropic's own names contain no dots.
    lookup(kind, name).or_else(|| lookup(kind, &name.replace('.', "-")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resold_model_has_the_vendors_price() {
        for (model, kind, own) in [
            ("anthropic/claude-haiku-4.5", "Anthropic", "claude-haiku-4-5"),
            ("anthropic/claude-sonnet-4-5", "Anthropic", "claude-sonnet-4-5"),
            ("openai/gpt-4.1-mini", "OpenAI", "gpt-4.1-mini"),
            ("google/gemini-2.5-flash", "Gemini", "gemini-2.5-flash"),
        ] {
            let found = entry("OpenRouter", model).and_then(|entry| entry.price);
            assert!(found.is_some(), "{model}");
            assert_eq!(found, lookup(kind, own).and_then(|entry| entry.price), "{model}");
            assert!(entry("OpenAICompatible", model).is_none(), "{model}");
        }
        for model in [
            "gpt-4o",
            "openai/gpt-oss-120b",
            "openai/gpt-4o:online",
            "anthropic/claude-haiku-4.5:beta",
            "mistralai/mistral-large",
            "openai/",
            "/gpt-4o",
            "openai/openai/gpt-4o",
        ] {
            assert!(entry("OpenRouter", model).is_none(), "{model}");
        }
    }
}
