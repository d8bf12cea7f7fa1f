//! The provider table: what is known of each type without asking it.

use crate::Dialect;
use crate::passthrough::scan::CapField;

/// How a provider takes its credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// `Authorization: Bearer …`
    Bearer,
    /// `x-api-key: …`
    XApiKey,
    /// `x-goog-api-key: …`
    GoogApiKey,
}

impl Auth {
    /// The header's lower-case name.
    #[must_use]
    pub fn header(self) -> &'static str {
        match self {
            Auth::Bearer => "authorization",
            Auth::XApiKey => "x-api-key",
            Auth::GoogApiKey => "x-goog-api-key",
        }
    }

    /// What stands in front of the credential in the header's value.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        match self {
            Auth::Bearer => "Bearer ",
            Auth::XApiKey | Auth::GoogApiKey => "",
        }
    }
}

/// A type of provider.
#[derive(Clone, Copy, Debug)]
pub struct ProviderType {
    /// As in `LLMProvider.spec.type`.
    pub name: &'static str,
    /// `None` for `Mock`, whose dialect is a setting.
    pub dialect: Option<Dialect>,
    /// Where it answers unless the object says otherwise, its version path included.
    pub endpoint: Option<&'static str>,
    pub auth: Auth,
    /// Works without a credential.
    pub keyless: bool,
    /// Tells a stream's usage only when asked by `stream_options.include_usage`.
    pub usage_on_request: bool,
    /// The fields that cap the answer of a chat completion there; the first is the one to write. Empty where no such
    /// request goes.
    pub caps: &'static [CapField],
    /// Variables in which a credential is looked for when there are no objects, in order.
    pub variables: &'static [&'static str],
}

/// As in the API references and SDKs of OpenAI, Groq, Cerebras and OpenRouter: `max_tokens` is deprecated, and OpenAI's
/// reasoning models refuse it.
const NEW_CAP: &[CapField] = &[CapField::MaxCompletionTokens, CapField::MaxTokens];
/// Newer servers take both, older ones read only `max_tokens`, and none is known to refuse that one.
const BOTH_CAPS: &[CapField] = &[CapField::MaxTokens, CapField::MaxCompletionTokens];
/// The newer word is refused (Mistral, which refuses whatever it does not know) or read over (Ollama).
const OLD_CAP: &[CapField] = &[CapField::MaxTokens];

const fn openai_like(
    name: &'static str,
    endpoint: Option<&'static str>,
    variables: &'static [&'static str],
) -> ProviderType {
    ProviderType {
        name,
        dialect: Some(Dialect::OpenAi),
        endpoint,
        auth: Auth::Bearer,
        keyless: false,
        usage_on_request: true,
        caps: NEW_CAP,
        variables,
    }
}

/// All types, in the order in which people are told of them.
pub const TYPES: &[ProviderType] = &[
    openai_like("OpenAI", Some("https://api.openai.com/v1"), &["OPENAI_API_KEY"]),
    ProviderType {
        name: "Anthropic",
        dialect: Some(Dialect::Anthropic),
        endpoint: Some("https://api.anthropic.com/v1"),
        auth: Auth::XApiKey,
        keyless: false,
        usage_on_request: false,
        caps: &[],
        variables: &["ANTHROPIC_API_KEY"],
    },
    ProviderType {
        name: "Gemini",
        dialect: Some(Dialect::Gemini),
        endpoint: Some("https://generativelanguage.googleapis.com/v1beta"),
        auth: Auth::GoogApiKey,
        keyless: false,
        usage_on_request: false,
        caps: &[],
        variables: &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
    },
    // Mistral tells usage unasked, and refuses fields that it does not know.
    ProviderType {
        usage_on_request: false,
        caps: OLD_CAP,
        ..openai_like("Mistral", Some("https://api.mistral.ai/v1"), &["MISTRAL_API_KEY"])
    },
    openai_like("Groq", Some("https://api.groq.com/openai/v1"), &["GROQ_API_KEY"]),
    openai_like("Cerebras", Some("https://api.cerebras.ai/v1"), &["CEREBRAS_API_KEY"]),
    openai_like("OpenRouter", Some("https://openrouter.ai/api/v1"), &["OPENROUTER_API_KEY"]),
    ProviderType { keyless: true, caps: OLD_CAP, ..openai_like("Ollama", Some("http://127.0.0.1:11434/v1"), &[]) },
    ProviderType { keyless: true, caps: BOTH_CAPS, ..openai_like("vLLM", None, &[]) },
    ProviderType { keyless: true, caps: BOTH_CAPS, ..openai_like("OpenAICompatible", None, &[]) },
    ProviderType {
        name: "Mock",
        dialect: None,
        endpoint: None,
        auth: Auth::Bearer,
        keyless: true,
        usage_on_request: true,
        caps: NEW_CAP,
        variables: &[],
    },
];

/// The type of that name.
#[must_use]
pub fn lookup(name: &str) -> Option<&'static ProviderType> {
    TYPES.iter().find(|kind| kind.name == name)
}
