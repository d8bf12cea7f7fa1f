//! The keys of a body that are read or edited. Each may occur only once.

use std::ops::Range;

use super::members::differs_in_case;

/// A key that is read. Google accepts either spelling of its keys, so both are the same field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    AdditionalModelRequestFields,
    AnthropicBeta,
    AnthropicVersion,
    Background,
    BestOf,
    CacheControl,
    CachedContent,
    Container,
    Contents,
    ContextManagement,
    Conversation,
    Documents,
    EnableThinking,
    Fallbacks,
    Format,
    GenerationConfig,
    GuardrailConfig,
    Images,
    InferenceConfig,
    Input,
    Instructions,
    MaxCompletionTokens,
    MaxOutputTokens,
    MaxTokens,
    McpServers,
    Messages,
    Modalities,
    Model,
    Models,
    N,
    Options,
    OutputConfig,
    OutputFormat,
    Plugins,
    Preset,
    PreviousResponseId,
    Prompt,
    Prediction,
    PromptCacheKey,
    PromptCacheRetention,
    Reasoning,
    ReasoningEffort,
    ResponseFormat,
    Route,
    SearchParameters,
    ServiceTier,
    Speed,
    Stream,
    StreamOptions,
    System,
    SystemInstruction,
    Text,
    /// `outputConfig` of Bedrock; with an underscore it is Anthropic's.
    TextOutput,
    Think,
    Thinking,
    ToolConfig,
    Tools,
    WebSearchOptions,
}

/// Each key as it is written.
const KEYS: &[(&str, Field)] = &[
    ("additionalModelRequestFields", Field::AdditionalModelRequestFields),
    ("anthropic_beta", Field::AnthropicBeta),
    ("anthropic_version", Field::AnthropicVersion),
    ("background", Field::Background),
    ("best_of", Field::BestOf),
    ("cache_control", Field::CacheControl),
    ("cachedContent", Field::CachedContent),
    ("cached_content", Field::CachedContent),
    ("container", Field::Container),
    ("contents", Field::Contents),
    ("context_management", Field::ContextManagement),
    ("conversation", Field::Conversation),
    ("documents", Field::Documents),
    ("enable_thinking", Field::EnableThinking),
    ("fallbacks", Field::Fallbacks),
    ("format", Field::Format),
    ("generationConfig", Field::GenerationConfig),
    ("generation_config", Field::GenerationConfig),
    ("guardrailConfig", Field::GuardrailConfig),
    ("images", Field::Images),
    ("inferenceConfig", Field::InferenceConfig),
    ("input", Field::Input),
    ("instructions", Field::Instructions),
    ("max_completion_tokens", Field::MaxCompletionTokens),
    ("max_output_tokens", Field::MaxOutputTokens),
    ("max_tokens", Field::MaxTokens),
    ("mcp_servers", Field::McpServers),
    ("messages", Field::Messages),
    ("modalities", Field::Modalities),
    ("model", Field::Model),
    ("models", Field::Models),
    ("n", Field::N),
    ("options", Field::Options),
    ("outputConfig", Field::TextOutput),
    ("output_config", Field::OutputConfig),
    ("output_format", Field::OutputFormat),
    ("plugins", Field::Plugins),
    ("preset", Field::Preset),
    ("previous_response_id", Field::PreviousResponseId),
    ("prompt", Field::Prompt),
    ("prediction", Field::Prediction),
    ("prompt_cache_key", Field::PromptCacheKey),
    ("prompt_cache_retention", Field::PromptCacheRetention),
    ("reasoning", Field::Reasoning),
    ("reasoning_effort", Field::ReasoningEffort),
    ("response_format", Field::ResponseFormat),
    ("route", Field::Route),
    ("search_parameters", Field::SearchParameters),
    ("serviceTier", Field::ServiceTier),
    ("service_tier", Field::ServiceTier),
    ("speed", Field::Speed),
    ("stream", Field::Stream),
    ("stream_options", Field::StreamOptions),
    ("system", Field::System),
    ("systemInstruction", Field::SystemInstruction),
    ("system_instruction", Field::SystemInstruction),
    ("text", Field::Text),
    ("think", Field::Think),
    ("thinking", Field::Thinking),
    ("toolConfig", Field::ToolConfig),
    ("tools", Field::Tools),
    ("web_search_options", Field::WebSearchOptions),
];

impl Field {
    /// The field of a key, unescaped.
    pub(super) fn of(key: &str) -> Option<Field> {
        KEYS.iter().find(|(known, _)| *known == key).map(|(_, field)| *field)
    }

    /// The key that a parser that ignores case would read.
    pub(super) fn in_other_case(key: &str) -> Option<&'static str> {
        KEYS.iter().map(|(known, _)| *known).find(|known| differs_in_case(key, known))
    }

    /// Its name in errors about duplicates: Google's keys in proto's JSON spelling.
    pub(super) fn name(key: &str) -> &str {
        match key {
            "cached_content" => "cachedContent",
            "generation_config" => "generationConfig",
            "system_instruction" => "systemInstruction",
            _ => key,
        }
    }
}

/// A top-level member of the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub field: Field,
    /// From the key's opening quote to the value's end.
    pub whole: Range<usize>,
    pub value: Range<usize>,
}
