//! Bifrost's providers, and their types here.

use super::super::endpoint::Version;
use super::super::report::{Fate, code};
use super::super::source::Node;

/// A provider of Bifrost, and its type here.
struct BifrostProvider {
    name: &'static str,
    kind: &'static str,
    /// Its endpoint, if the type has none.
    endpoint: Option<&'static str>,
    version: Version,
}

const fn known(name: &'static str, kind: &'static str) -> BifrostProvider {
    BifrostProvider { name, kind, endpoint: None, version: Version::V1 }
}

/// Its base URL includes the version, or there is none.
const fn whole(name: &'static str, kind: &'static str) -> BifrostProvider {
    BifrostProvider { version: Version::Whole, ..known(name, kind) }
}

const fn at(name: &'static str, endpoint: &'static str) -> BifrostProvider {
    BifrostProvider { name, kind: "OpenAICompatible", endpoint: Some(endpoint), version: Version::V1 }
}

const KNOWN: [BifrostProvider; 21] = [
    known("openai", "OpenAI"),
    known("anthropic", "Anthropic"),
    whole("gemini", "Gemini"),
    BifrostProvider { name: "azure", kind: "AzureOpenAI", endpoint: None, version: Version::Resource },
    whole("vertex", "VertexAI"),
    whole("bedrock", "Bedrock"),
    known("mistral", "Mistral"),
    known("groq", "Groq"),
    known("cerebras", "Cerebras"),
    known("openrouter", "OpenRouter"),
    known("ollama", "Ollama"),
    known("vllm", "vLLM"),
    known("sgl", "SGLang"),
    whole("deepseek", "DeepSeek"),
    known("xai", "xAI"),
    known("fireworks", "Fireworks"),
    known("huggingface", "HuggingFace"),
    known("nebius", "Nebius"),
    whole("perplexity", "Perplexity"),
    BifrostProvider { name: "cohere", kind: "Cohere", endpoint: None, version: Version::Unversioned },
    at("parasail", "https://api.parasail.io/v1"),
];

/// Types that need no key.
pub(super) const KEYLESS: [&str; 4] = ["Ollama", "vLLM", "SGLang", "OpenAICompatible"];

/// Type, endpoint and version path. A custom provider has the type that it resembles.
pub(super) fn kind(called: &str, node: &Node<'_>) -> Option<(&'static str, Option<&'static str>, Version)> {
    if let Some(own) = node.get("custom_provider_config") {
        let base = own.get("base_provider_type").and_then(|node| node.text())?;
        for (field, node) in own.fields() {
            match field {
                "base_provider_type" => {}
                "is_key_less" => node.mark_handled(),
                "allowed_requests" => {
                    node.lost("its operations can't be limited here: the provider refuses the others")
                }
                _ => node.lost("own paths and settings are not carried over: it is called like any server of its API"),
            }
        }
        return match base {
            "openai" => Some(("OpenAICompatible", None, Version::V1)),
            "anthropic" => Some(("Anthropic", None, Version::V1)),
            "gemini" => Some(("Gemini", None, Version::Whole)),
            other => {
                KNOWN.iter().find(|known| known.name == other).map(|known| (known.kind, known.endpoint, known.version))
            }
        };
    }
    let known = KNOWN.iter().find(|known| known.name.eq_ignore_ascii_case(called))?;
    if known.endpoint.is_some() && node.get("network_config").and_then(|node| node.get("base_url")).is_none() {
        let endpoint = known.endpoint.unwrap_or_default();
        node.source().report(
            Fate::Doubtful,
            &node.at("network_config"),
            format!(
                "{} is called as a server of OpenAI's API, at {endpoint}: check that this is still its address",
                code(called)
            ),
        );
    }
    Some((known.kind, known.endpoint, known.version))
}
