//! LiteLLM's providers, and their types here.

use std::borrow::Cow;

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

const KNOWN: [LiteLlmProvider; 32] = [
    known("openai", "OpenAI", Version::Whole, "OPENAI_API_KEY"),
    known("text-completion-openai", "OpenAI", Version::Whole, "OPENAI_API_KEY"),
    known("anthropic", "Anthropic", Version::V1, "ANTHROPIC_API_KEY"),
    known("gemini", "Gemini", Version::Whole, "GEMINI_API_KEY"),
    known("azure", "AzureOpenAI", Version::Resource, "AZURE_API_KEY"),
    own("vertex_ai", "VertexAI", Version::Whole),
    own("bedrock", "Bedrock", Version::Whole),
    own("bedrock_converse", "Bedrock", Version::Whole),
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
    known("deepseek", "DeepSeek", Version::Whole, "DEEPSEEK_API_KEY"),
    known("xai", "xAI", Version::Whole, "XAI_API_KEY"),
    known("perplexity", "Perplexity", Version::Whole, "PERPLEXITYAI_API_KEY"),
    known("fireworks_ai", "Fireworks", Version::Whole, "FIREWORKS_API_KEY"),
    known("together_ai", "Together", Version::Whole, "TOGETHERAI_API_KEY"),
    known("nebius", "Nebius", Version::Whole, "NEBIUS_API_KEY"),
    known("huggingface", "HuggingFace", Version::V1, "HUGGINGFACE_API_KEY"),
    known("cohere", "Cohere", Version::Unversioned, "COHERE_API_KEY"),
    known("cohere_chat", "Cohere", Version::Unversioned, "COHERE_API_KEY"),
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

/// The region in LiteLLM's name for a model of Bedrock: `us-west-2/anthropic.claude-v2`.
pub(super) fn region(model: &str) -> Option<&str> {
    let (first, _) = model.split_once('/')?;
    let parts: Vec<&str> = first.split('-').collect();
    let is_number = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    (parts.len() >= 3 && parts.last().is_some_and(is_number)).then_some(first)
}

/// The model's name at the provider, where LiteLLM sends another one than its configuration says. `own_server`: the
/// deployment names its server.
pub(super) fn name_at<'m>(known: &LiteLlmProvider, model: &'m str, own_server: bool) -> Cow<'m, str> {
    let parts: Vec<&str> = model.split('/').collect();
    if known.kind == "Bedrock" {
        // `converse/`, `invoke/` and a region say how LiteLLM calls it; an ARN may have the kind of its model before it.
        let named = model.find("arn:").and_then(|at| model.get(at..));
        return Cow::Borrowed(named.or_else(|| model.rsplit('/').next()).unwrap_or(model));
    }
    match (known.kind, parts.as_slice()) {
        _ if own_server || model.contains('*') => Cow::Borrowed(model),
        // The provider that the router shall use.
        ("HuggingFace", [provider, author, name]) => Cow::Owned(format!("{author}/{name}:{provider}")),
        ("Fireworks", ["accounts", ..]) => Cow::Borrowed(model),
        ("Fireworks", _) if model.contains('#') => Cow::Borrowed(model),
        ("Fireworks", ["models" | "routers", ..]) => Cow::Owned(format!("accounts/fireworks/{model}")),
        ("Fireworks", _) if model.ends_with("-fast") => Cow::Owned(format!("accounts/fireworks/routers/{model}")),
        ("Fireworks", _) => Cow::Owned(format!("accounts/fireworks/models/{model}")),
        _ => Cow::Borrowed(model),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_litellm_completes_are_complete_here() {
        for (full, own_server, expected) in [
            ("huggingface/together/deepseek-ai/DeepSeek-R1", false, "deepseek-ai/DeepSeek-R1:together"),
            ("huggingface/deepseek-ai/DeepSeek-R1", false, "deepseek-ai/DeepSeek-R1"),
            ("huggingface/together/deepseek-ai/DeepSeek-R1", true, "together/deepseek-ai/DeepSeek-R1"),
            ("fireworks_ai/glm-5p1", false, "accounts/fireworks/models/glm-5p1"),
            ("fireworks_ai/glm-5p1-fast", false, "accounts/fireworks/routers/glm-5p1-fast"),
            ("fireworks_ai/models/glm-5p1", false, "accounts/fireworks/models/glm-5p1"),
            ("fireworks_ai/accounts/a/models/b", false, "accounts/a/models/b"),
            (
                "fireworks_ai/accounts/a/models/b#accounts/c/deployments/d",
                false,
                "accounts/a/models/b#accounts/c/deployments/d",
            ),
            ("fireworks_ai/*", false, "*"),
            ("together_ai/deepseek-ai/DeepSeek-V3", false, "deepseek-ai/DeepSeek-V3"),
        ] {
            let (known, model) = vendor(full, None).unwrap();
            assert_eq!(name_at(known, model, own_server), expected, "{full}");
        }
    }

    #[test]
    fn the_provider_of_a_model() {
        for (full, custom, expected) in [
            ("openai/gpt-4o", None, Some(("openai", "gpt-4o"))),
            ("gpt-4o", None, Some(("openai", "gpt-4o"))),
            ("openrouter/anthropic/claude-haiku-4.5", None, Some(("openrouter", "anthropic/claude-haiku-4.5"))),
            ("claude-haiku-4-5", None, Some(("anthropic", "claude-haiku-4-5"))),
            ("openai/*", None, Some(("openai", "*"))),
            ("llama", Some("hosted_vllm"), Some(("hosted_vllm", "llama"))),
            ("azure/gpt-4o", None, Some(("azure", "gpt-4o"))),
            ("azure_ai/deepseek-v3", None, None),
            ("gemini-2.5-pro", None, None),
            ("bedrock/anthropic.claude", None, Some(("bedrock", "anthropic.claude"))),
            ("bedrock/converse/us.amazon.nova-pro-v1:0", None, Some(("bedrock", "converse/us.amazon.nova-pro-v1:0"))),
            ("sagemaker/x", None, None),
        ] {
            let got = vendor(full, custom).map(|(known, model)| (known.name, model));
            assert_eq!(got, expected, "{full}");
        }
    }
}
