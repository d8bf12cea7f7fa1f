//! Words for a vendor or a provider type that callers put in front of a model's name.
//!
//! `azure/gpt-4o` means Azure. If no provider has that name, no other vendor may get the prompt. So a name that begins
//! with one of these words goes to a provider that accepts any name only if that provider's own names begin so.

/// A vendor, or a service that serves models.
struct Vendor {
    /// As LiteLLM, Bifrost, OpenRouter and people spell it: lower case, with `_` for `-`. Messages use the first one.
    words: &'static [&'static str],
    /// The provider type, as in `LLMProvider.spec.type`.
    kind: Option<&'static str>,
    /// The prefix of OpenRouter's names for its models.
    author: Option<&'static str>,
    /// Parts of the names of models that it publishes under this word: servers of open models have those.
    open: &'static [&'static str],
}

const fn vendor(words: &'static [&'static str]) -> Vendor {
    Vendor { words, kind: None, author: None, open: &[] }
}

const fn of(kind: &'static str, words: &'static [&'static str]) -> Vendor {
    Vendor { kind: Some(kind), ..vendor(words) }
}

/// All vendors. Organizations that only publish models (`meta-llama`, `Qwen`, `mistralai`, `deepseek-ai`, `nvidia`,
/// `microsoft`) are not included: such a word says who made a model, not where to send the request.
const VENDORS: &[Vendor] = &[
    Vendor {
        author: Some("openai"),
        open: &["gpt-oss", "gpt2", "whisper", "clip"],
        ..of("OpenAI", &["openai", "custom_openai", "openai_like", "text_completion_openai", "chatgpt"])
    },
    Vendor { author: Some("anthropic"), ..of("Anthropic", &["anthropic", "anthropic_text", "claude"]) },
    Vendor {
        author: Some("google"),
        open: &["gemma", "t5", "bert", "siglip", "vit-", "timesfm"],
        ..of("Gemini", &["gemini", "google", "google_ai_studio", "google_ai", "google_gemini", "googleai", "palm"])
    },
    of("Mistral", &["mistral", "codestral", "text_completion_mistral", "text_completion_codestral"]),
    Vendor { open: &["groq"], ..of("Groq", &["groq"]) },
    Vendor { open: &["cerebras-gpt", "btlm"], ..of("Cerebras", &["cerebras"]) },
    Vendor { author: Some("openrouter"), ..of("OpenRouter", &["openrouter", "open_router"]) },
    of("Ollama", &["ollama", "ollama_chat"]),
    of("vLLM", &["vllm", "hosted_vllm"]),
    of(
        "AzureOpenAI",
        &["azure", "azure_ai", "azure_openai", "azure_text", "azure_anthropic", "azure_foundry", "azureopenai"],
    ),
    of("Bedrock", &["bedrock", "bedrock_converse", "bedrock_mantle", "aws", "aws_bedrock", "amazon_bedrock"]),
    vendor(&["amazon_nova"]),
    vendor(&["sagemaker", "sagemaker_chat", "sagemaker_nova", "aws_sagemaker"]),
    of("VertexAI", &["vertex", "vertex_ai", "vertex_ai_beta", "vertexai", "google_vertex", "google_vertex_ai"]),
    Vendor { author: Some("cohere"), ..of("Cohere", &["cohere", "cohere_chat"]) },
    Vendor { author: Some("deepseek"), ..of("DeepSeek", &["deepseek"]) },
    Vendor { author: Some("x-ai"), ..of("xAI", &["xai", "x_ai", "grok"]) },
    Vendor { author: Some("perplexity"), ..of("Perplexity", &["perplexity"]) },
    Vendor { author: Some("ai21"), ..vendor(&["ai21", "ai21_chat"]) },
    Vendor { author: Some("minimax"), ..vendor(&["minimax"]) },
    Vendor { author: Some("z-ai"), ..vendor(&["zai", "z_ai", "zhipu", "zhipuai"]) },
    Vendor { author: Some("inception"), ..vendor(&["inception"]) },
    Vendor { author: Some("morph"), ..vendor(&["morph"]) },
    Vendor { open: &["dbrx", "dolly"], ..vendor(&["databricks"]) },
    Vendor { open: &["arctic"], ..vendor(&["snowflake"]) },
    Vendor { open: &["firefunction"], ..of("Fireworks", &["fireworks", "fireworks_ai", "fireworksai"]) },
    of("Together", &["together", "together_ai", "togetherai"]),
    of("HuggingFace", &["huggingface", "hugging_face"]),
    vendor(&["replicate"]),
    vendor(&["deepinfra"]),
    vendor(&["anyscale"]),
    vendor(&["nvidia_nim"]),
    vendor(&["watsonx", "watsonx_text", "ibm_watsonx"]),
    vendor(&["cloudflare", "cloudflare_workers_ai", "workers_ai"]),
    vendor(&["moonshot"]),
    vendor(&["dashscope", "alibaba_cloud"]),
    vendor(&["volcengine", "byteplus"]),
    vendor(&["sambanova"]),
    of("Nebius", &["nebius"]),
    vendor(&["novita", "novita_ai"]),
    vendor(&["hyperbolic"]),
    vendor(&["lambda_ai"]),
    vendor(&["baseten"]),
    vendor(&["parasail"]),
    vendor(&["featherless", "featherless_ai"]),
    vendor(&["friendliai", "friendli"]),
    vendor(&["predibase"]),
    vendor(&["galadriel"]),
    vendor(&["github", "github_models", "github_copilot", "copilot"]),
    vendor(&["gradient_ai", "digitalocean"]),
    vendor(&["heroku"]),
    vendor(&["oci", "oracle"]),
    vendor(&["ovhcloud", "scaleway"]),
    vendor(&["nscale"]),
    vendor(&["aleph_alpha", "nlp_cloud", "petals", "maritalk", "gigachat", "clarifai"]),
    vendor(&["voyage", "jina_ai", "infinity"]),
    vendor(&["deepgram", "elevenlabs", "assemblyai", "recraft", "runwayml", "fal_ai", "stability"]),
    vendor(&["lm_studio", "lmstudio"]),
    vendor(&["triton", "bytez", "lepton", "lepton_ai"]),
    of("SGLang", &["sglang", "sgl"]),
    vendor(&["llamafile", "llama_cpp", "xinference", "docker_model_runner"]),
    vendor(&["litellm", "litellm_proxy", "bifrost", "portkey", "helicone", "aiml", "aimlapi", "compactifai"]),
    vendor(&["vercel", "vercel_ai_gateway", "v0"]),
];

/// A vendor that a word names.
#[derive(Clone, Copy)]
pub(crate) struct VendorWord(&'static Vendor);

impl VendorWord {
    /// The vendor's provider type, as in `LLMProvider.spec.type`.
    pub fn kind(self) -> Option<&'static str> {
        self.0.kind
    }
}

/// The vendor of a word, in any case and with any space around it.
pub(crate) fn named(word: &str) -> Option<VendorWord> {
    let word = word.trim();
    let is = |known: &&str| {
        known.len() == word.len()
            && known.bytes().zip(word.bytes()).all(|(known, byte)| {
                known == byte.to_ascii_lowercase() || (known == b'_' && matches!(byte, b'-' | b'.' | b' '))
            })
    };
    VENDORS.iter().find(|vendor| vendor.words.iter().any(is)).map(VendorWord)
}

/// Whether names of models at a provider of this type may begin with this word.
pub(crate) fn begins(kind: &str, word: &str, rest: &str) -> bool {
    match kind {
        // Only `author/model`.
        "OpenRouter" => {
            let author = named(word).is_none_or(|known| known.0.author == Some(word));
            author && !rest.is_empty() && !rest.contains('/')
        }
        _ => named(word).is_none_or(|known| {
            let lower = rest.to_ascii_lowercase();
            known.0.open.iter().any(|part| lower.contains(part))
        }),
    }
}

/// Whether names at OpenRouter begin with exactly this word.
pub(crate) fn is_author(word: &str) -> bool {
    VENDORS.iter().any(|vendor| vendor.author == Some(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_normalized_and_unique() {
        let mut all: Vec<&str> = VENDORS.iter().flat_map(|vendor| vendor.words.iter().copied()).collect();
        for word in &all {
            let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
            assert!(word.bytes().all(plain), "{word}");
        }
        all.sort_unstable();
        let before = all.len();
        all.dedup();
        assert_eq!(all.len(), before, "no word names two");
    }

    #[test]
    fn every_spelling_of_a_word_is_recognized() {
        for word in [
            "azure",
            "Azure",
            "AZURE_AI",
            "azure-ai",
            "vertex_ai",
            "together_ai",
            "xai",
            "x-ai",
            "OpenAI",
            " azure",
            "azure ",
        ] {
            assert!(named(word).is_some(), "{word}");
        }
        for word in ["meta-llama", "Qwen", "mistralai", "deepseek-ai", "nvidia", "jinaai", "", "azur", "models"] {
            assert!(named(word).is_none(), "{word}");
        }
        for kind in [
            "OpenAI",
            "Anthropic",
            "Gemini",
            "AzureOpenAI",
            "VertexAI",
            "Bedrock",
            "Mistral",
            "Groq",
            "Cerebras",
            "OpenRouter",
            "DeepSeek",
            "xAI",
            "Together",
            "Fireworks",
            "Perplexity",
            "Nebius",
            "HuggingFace",
            "Cohere",
            "Ollama",
            "vLLM",
            "SGLang",
        ] {
            let known = named(kind).and_then(VendorWord::kind);
            assert_eq!(known, Some(kind), "a type's own word names it");
        }
    }

    #[test]
    fn types_whose_models_begin_with_the_word() {
        for (kind, word, rest, begins_so) in [
            ("OpenRouter", "anthropic", "claude-haiku-4.5", true),
            ("OpenRouter", "x-ai", "grok-4", true),
            ("OpenRouter", "openrouter", "auto", true),
            ("OpenRouter", "openrouter", "anthropic/claude-haiku-4.5", false),
            ("OpenRouter", "xai", "grok-4", false),
            ("OpenRouter", "azure", "gpt-4o", false),
            ("OpenRouter", "meta-llama", "llama-3.3-70b-instruct:free", true),
            ("vLLM", "meta-llama", "Llama-3-70b", true),
            ("SGLang", "openai", "gpt-oss-120b", true),
            ("HuggingFace", "openai", "gpt-oss-120b:groq", true),
            ("HuggingFace", "openai", "gpt-4o", false),
            ("vLLM", "openai", "gpt-oss-120b", true),
            ("vLLM", "openai", "gpt-4o", false),
            ("vLLM", "google", "gemma-3-27b-it", true),
            ("vLLM", "google", "gemini-2.5-pro", false),
            ("Ollama", "hf.co", "bartowski/Llama-3.2-3B-Instruct-GGUF", true),
            ("OpenAICompatible", "azure", "gpt-4o", false),
        ] {
            assert_eq!(begins(kind, word, rest), begins_so, "{kind}: {word}/{rest}");
        }
    }
}
