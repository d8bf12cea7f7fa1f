//! Models that search or run tools without a request for it, and bill each call. Neither usage nor request shows these
//! calls.
//!
//! The models are recognized by name, because public tables list a price of searches for every model that can search if
//! asked.

use std::sync::LazyLock;

use wildmatch::WildMatch;

const SEARCHES: &str = "the model searches by itself, and each search is billed by its own price";
const TOOLS: &str = "the model runs tools by itself, which are billed by their own price";
const PRESET: &str = "a preset that is stored at the provider may add tools to the request";

/// Names in lower case, from the providers' price pages, autumn 2026.
const NAMES: &[(&str, &str)] = &[
    // OpenAI's, at OpenAI or other providers.
    ("*-search-preview*", SEARCHES),
    ("*-search-api*", SEARCHES),
    ("*deep-research*", SEARCHES),
    // Perplexity's.
    ("sonar", SEARCHES),
    ("sonar-*", SEARCHES),
    ("*/sonar", SEARCHES),
    ("*/sonar-*", SEARCHES),
    // Groq's.
    ("compound", TOOLS),
    ("compound-beta*", TOOLS),
    ("*/compound", TOOLS),
    ("*/compound-*", TOOLS),
    // OpenRouter's suffix, for any model.
    ("*:online*", SEARCHES),
    ("*@preset/*", PRESET),
];

static KNOWN: LazyLock<Vec<(WildMatch, &str)>> =
    LazyLock::new(|| NAMES.iter().map(|(name, why)| (WildMatch::new(name), *why)).collect());

/// Why a conversation with a model of this name may cost more than its tokens; `None` if it can't.
#[must_use]
pub fn bills_by_call(model: &str) -> Option<&'static str> {
    let model = model.to_ascii_lowercase();
    KNOWN.iter().find(|(known, _)| known.matches(&model)).map(|(_, why)| *why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::models;

    #[test]
    fn models_that_bill_by_the_call_are_known_by_name() {
        for (name, expected) in [
            ("gpt-4o-search-preview-2025-03-11", Some(SEARCHES)),
            ("openai/gpt-4o-mini-search-preview", Some(SEARCHES)),
            ("gpt-5-search-api", Some(SEARCHES)),
            ("o3-deep-research", Some(SEARCHES)),
            ("sonar", Some(SEARCHES)),
            ("perplexity/sonar-pro", Some(SEARCHES)),
            ("groq/compound-mini", Some(TOOLS)),
            ("compound-beta-mini", Some(TOOLS)),
            ("openai/gpt-4o:online", Some(SEARCHES)),
            ("openai/gpt-4o:ONLINE", Some(SEARCHES)),
            ("@preset/support", Some(PRESET)),
            ("openai/gpt-4o@preset/support", Some(PRESET)),
            ("gpt-4o", None),
            ("openai/gpt-4o:free", None),
            ("llama-3.1-sonar-small", None),
            ("NousResearch/Hermes-4-70B", None),
            ("", None),
        ] {
            assert_eq!(bills_by_call(name), expected, "{name}");
        }
    }

    /// A pattern that is too wide would refuse models that bill only tokens.
    #[test]
    fn few_models_of_the_built_in_catalogue_count_as_billed_by_the_call() {
        let kinds = ["Anthropic", "Cerebras", "DeepSeek", "Gemini", "Groq", "Mistral", "OpenAI", "OpenRouter", "xAI"];
        let all = kinds.into_iter().flat_map(models).map(|entry| entry.name);
        for name in all.filter(|name| bills_by_call(name).is_some()) {
            assert!(["search", "compound", "sonar", "deep-research"].iter().any(|part| name.contains(part)), "{name}");
        }
    }
}
