//! LiteLLM's providers, and their types here.

use super::super::super::endpoint::Version;

/// A provider of LiteLLM, and its type here.
pub(super) struct LiteLlmProvider {
    pub(super) name: &'static str,
    pub(super) kind: &'static str,
    pub(super) endpoint: Option<&'static str>,
    pub(super) version: Version,
    /// The variable from which LiteLLM reads a key by default.
    pub(super) variable: Option<&'static str>,
}

const fn known(name: &'static str, kind: &'static str, version: Version, variable: &'static str) -> LiteLlmProvider {
    LiteLlmProvider { name, kind, endpoint: None, version, variable: Some(variable) }
}

const fn at(name: &'static str, endpoint: &'static str, variable: &'static str) -> LiteLlmProvider {
    LiteLlmProvider {
        name,
        kind: "OpenAICompatible",
        endpoint: Some(endpoint),
        version: Version::Whole,
        variable: Some(variable),
    }
}

const fn own(name: &'static str, kind: &'static str, version: Version) -> LiteLlmProvider {
    LiteLlmProvider { name, kind, endpoint: None, version, variable: None }
}

const KNOWN: [LiteLlmProvider; 24] = [
    known("openai", "OpenAI", Version::Whole, "OPENAI_API_KEY"),
    known("text-completion-openai", "OpenAI", Version::Whole, "OPENAI_API_KEY"),
    known("anthropic", "Anthropic", Version::V1, "ANTHROPIC_API_KEY"),
    known("gemini", "Gemini", Version::Whole, "GEMINI_API_KEY"),
    known("mistral", "Mistral", Version::Whole, "MISTRAL_API_KEY"),
    known("groq", "Groq", Version::Whole, "GROQ_API_KEY"),
    known("cerebras", "Cerebras", Version::Whole, "CEREBRAS_API_KEY"),
    known("openrouter", "OpenRouter", Version::Whole, "OPENROUTER_API_KEY"),
    own("ollama", "Ollama", Version::V1),
    own("ollama_chat", "Ollama", Version::V1),
    own("hosted_vllm", "vLLM", Version::Whole),
    own("vllm", "vLLM", Version::Whole),
    own("openai_like", "OpenAICompatible", Version::Whole),
    own("custom_openai", "OpenAICompatible", Version::Whole),
    own("litellm_proxy", "OpenAICompatible", Version::Whole),
    own("lm_studio", "OpenAICompatible", Version::Whole),
    own("llamafile", "OpenAICompatible", Version::Whole),
    at("deepseek", "https://api.deepseek.com/v1", "DEEPSEEK_API_KEY"),
    at("xai", "https://api.x.ai/v1", "XAI_API_KEY"),
    at("perplexity", "https://api.perplexity.ai", "PERPLEXITYAI_API_KEY"),
    at("fireworks_ai", "https://api.fireworks.ai/inference/v1", "FIREWORKS_API_KEY"),
    at("together_ai", "https://api.together.xyz/v1", "TOGETHERAI_API_KEY"),
    at("deepinfra", "https://api.deepinfra.com/v1/openai", "DEEPINFRA_API_KEY"),
    at("nvidia_nim", "https://integrate.api.nvidia.com/v1", "NVIDIA_NIM_API_KEY"),
];

/// Prefixes of model names, with the provider that LiteLLM recognizes by them.
const BARE: [(&str, &str); 11] = [
    ("gpt-", "openai"),
    ("o1", "openai"),
    ("o3", "openai"),
    ("o4", "openai"),
    ("chatgpt-", "openai"),
    ("text-embedding-", "openai"),
    ("dall-e", "openai"),
    ("whisper", "openai"),
    ("tts-", "openai"),
    ("ft:gpt-", "openai"),
    ("claude-", "anthropic"),
];

/// The provider of a model, and the model's name without the provider.
pub(super) fn vendor<'m>(full: &'m str, custom: Option<&str>) -> Option<(&'static LiteLlmProvider, &'m str)> {
    let known = |name: &str| KNOWN.iter().find(|known| known.name == name);
    if let Some(custom) = custom {
        let model = full.strip_prefix(custom).and_then(|rest| rest.strip_prefix('/')).unwrap_or(full);
        return known(custom).map(|known| (known, model));
    }
    match full.split_once('/') {
        Some((first, model)) => known(first).map(|known| (known, model)),
        None => BARE
            .iter()
            .find(|(beginning, _)| full.starts_with(beginning))
            .and_then(|(_, name)| Some((known(name)?, full))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_provider_of_a_model() {
        for (full, custom, expected) in [
            ("openai/gpt-4o", None, Some(("openai", "gpt-4o"))),
            ("gpt-4o", None, Some(("openai", "gpt-4o"))),
            ("openrouter/anthropic/claude-haiku-4.5", None, Some(("openrouter", "anthropic/claude-haiku-4.5"))),
            ("claude-haiku-4-5", None, Some(("anthropic", "claude-haiku-4-5"))),
            ("openai/*", None, Some(("openai", "*"))),
            ("llama", Some("hosted_vllm"), Some(("hosted_vllm", "llama"))),
            ("azure/gpt-4o", None, None),
            ("gemini-2.5-pro", None, None),
            ("bedrock/anthropic.claude", None, None),
        ] {
            let got = vendor(full, custom).map(|(known, model)| (known.name, model));
            assert_eq!(got, expected, "{full}");
        }
    }
}
