//! The provider types, one row each.

use super::api::{
    ANTHROPIC, AZURE_DEPLOYMENTS, BEDROCK, BEDROCK_CLAUDE, COHERE, GEMINI, OLLAMA, OPENAI, PERPLEXITY, VERTEX_CLAUDE,
    VERTEX_GEMINI,
};
use super::{Auth, ProviderType, Quirks};

const fn openai_like(
    name: &'static str,
    endpoint: Option<&'static str>,
    variables: &'static [&'static str],
) -> ProviderType {
    ProviderType {
        name,
        api: Some(&OPENAI),
        own: None,
        by_model: &[],
        versioned: None,
        endpoint,
        auth: Auth::Bearer,
        keyless: false,
        responses: false,
        reranks: false,
        quirks: Quirks::OPENAI,
        variables,
    }
}

/// A type that has OpenAI's Responses, too.
const fn with_responses(provider: ProviderType) -> ProviderType {
    ProviderType { responses: true, ..provider }
}

/// All types, in the order in which documents list them.
pub const TYPES: &[ProviderType] = &[
    with_responses(openai_like("OpenAI", Some("https://api.openai.com/v1"), &["OPENAI_API_KEY"])),
    ProviderType {
        api: Some(&ANTHROPIC),
        auth: Auth::XApiKey,
        quirks: Quirks::NONE,
        ..openai_like("Anthropic", Some("https://api.anthropic.com/v1"), &["ANTHROPIC_API_KEY"])
    },
    ProviderType {
        api: Some(&GEMINI),
        auth: Auth::GoogApiKey,
        quirks: Quirks::NONE,
        ..openai_like(
            "Gemini",
            Some("https://generativelanguage.googleapis.com/v1beta"),
            &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
        )
    },
    // Its endpoint is the resource's own. Without an API version, it serves OpenAI's paths below /openai/v1.
    ProviderType {
        versioned: Some(&AZURE_DEPLOYMENTS),
        auth: Auth::ApiKey,
        ..with_responses(openai_like("AzureOpenAI", None, &[]))
    },
    // Its endpoint follows from its location.
    ProviderType {
        api: Some(&VERTEX_GEMINI),
        by_model: &[("claude", &VERTEX_CLAUDE)],
        auth: Auth::GoogApiKey,
        quirks: Quirks::NONE,
        ..openai_like("VertexAI", None, &[])
    },
    // Its endpoint follows from its region. Anthropic's callers reach Claude with their own bytes.
    ProviderType {
        api: Some(&BEDROCK),
        by_model: &[("claude", &BEDROCK_CLAUDE)],
        quirks: Quirks::NONE,
        ..openai_like("Bedrock", None, &[])
    },
    ProviderType {
        quirks: Quirks::MISTRAL,
        ..openai_like("Mistral", Some("https://api.mistral.ai/v1"), &["MISTRAL_API_KEY"])
    },
    ProviderType {
        quirks: Quirks::GROQ,
        ..with_responses(openai_like("Groq", Some("https://api.groq.com/openai/v1"), &["GROQ_API_KEY"]))
    },
    ProviderType {
        quirks: Quirks::CEREBRAS,
        ..openai_like("Cerebras", Some("https://api.cerebras.ai/v1"), &["CEREBRAS_API_KEY"])
    },
    ProviderType {
        reranks: true,
        quirks: Quirks::LENIENT,
        ..with_responses(openai_like("OpenRouter", Some("https://openrouter.ai/api/v1"), &["OPENROUTER_API_KEY"]))
    },
    ProviderType {
        quirks: Quirks::DEEPSEEK,
        ..with_responses(openai_like("DeepSeek", Some("https://api.deepseek.com"), &["DEEPSEEK_API_KEY"]))
    },
    ProviderType {
        quirks: Quirks::LENIENT,
        ..with_responses(openai_like("xAI", Some("https://api.x.ai/v1"), &["XAI_API_KEY"]))
    },
    ProviderType {
        reranks: true,
        quirks: Quirks::MAX_TOKENS,
        ..openai_like("Together", Some("https://api.together.ai/v1"), &["TOGETHER_API_KEY", "TOGETHERAI_API_KEY"])
    },
    ProviderType {
        reranks: true,
        quirks: Quirks::FIREWORKS,
        ..with_responses(openai_like(
            "Fireworks",
            Some("https://api.fireworks.ai/inference/v1"),
            &["FIREWORKS_API_KEY", "FIREWORKS_AI_API_KEY"],
        ))
    },
    ProviderType {
        api: Some(&PERPLEXITY),
        quirks: Quirks::PERPLEXITY,
        ..with_responses(openai_like(
            "Perplexity",
            Some("https://api.perplexity.ai"),
            &["PERPLEXITY_API_KEY", "PERPLEXITYAI_API_KEY"],
        ))
    },
    ProviderType {
        quirks: Quirks::SELF_HOSTED,
        ..openai_like("Nebius", Some("https://api.tokenfactory.nebius.com/v1"), &["NEBIUS_API_KEY"])
    },
    // `HF_TOKEN` is set on many machines to download models, which does not mean that prompts may go there.
    ProviderType {
        quirks: Quirks::MAX_TOKENS,
        ..with_responses(openai_like("HuggingFace", Some("https://router.huggingface.co/v1"), &["HUGGINGFACE_API_KEY"]))
    },
    ProviderType {
        reranks: true,
        api: Some(&COHERE),
        quirks: Quirks::NONE,
        ..openai_like("Cohere", Some("https://api.cohere.com"), &["COHERE_API_KEY", "CO_API_KEY"])
    },
    // Its endpoint is that of OpenAI's API. Its own is beside it.
    ProviderType {
        own: Some(&OLLAMA),
        keyless: true,
        quirks: Quirks::OLLAMA,
        ..with_responses(openai_like("Ollama", Some("http://127.0.0.1:11434/v1"), &[]))
    },
    ProviderType {
        reranks: true,
        keyless: true,
        quirks: Quirks::SELF_HOSTED,
        ..with_responses(openai_like("vLLM", None, &[]))
    },
    ProviderType {
        reranks: true,
        keyless: true,
        quirks: Quirks::SELF_HOSTED,
        ..with_responses(openai_like("SGLang", None, &[]))
    },
    ProviderType {
        reranks: true,
        keyless: true,
        quirks: Quirks::SELF_HOSTED,
        ..with_responses(openai_like("OpenAICompatible", None, &[]))
    },
    // Its API is a setting.
    ProviderType {
        reranks: true,
        keyless: true,
        api: None,
        quirks: Quirks::LENIENT,
        ..with_responses(openai_like("Mock", None, &[]))
    },
];

/// The placeholder for a type that only a newer version knows. No request is sent to it.
pub static UNKNOWN: ProviderType = ProviderType { quirks: Quirks::NONE, ..openai_like("", None, &[]) };
