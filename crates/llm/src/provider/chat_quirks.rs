//! What servers accept and refuse of an OpenAI chat completion, as data.
//!
//! Encoders, and requests that another provider of the same API could not answer, are made to fit by
//! `format::openai_chat::conform`:
//!
//! | quirk | what is done |
//! |---|---|
//! | `developer` | the role is written as `system` |
//! | `system_first` | system messages become one, before the others |
//! | `alternates` | consecutive messages of a role become one |
//! | `user_after_tool` | a short turn of the assistant is put between |
//! | `one_string` | parts of text become one text; other parts are refused |
//! | `thinking_parts` | they are left out |
//! | `tool_call_ids` | replaced by a hash, the same in each turn |
//! | `tool_name` | a longer name, or one with other characters, is refused |
//! | `schema_without` | the keywords are removed; they do not constrain a value |
//! | `json_schema` | a schema for the answer is refused |
//! | `stops` | more of them are refused |
//! | `efforts` | the closest one is written |
//! | `temperature_tenths` | lowered to the highest |
//! | `renamed` | written under the other name |
//! | `fields`, `messages` | what has no effect on the answer's meaning is left out (a `Hint` of the table of fields); what has is refused |
//!
//! *Refused* means that the candidate is passed over for this request.

/// What a server accepts of an OpenAI chat completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChatQuirks {
    /// Whether there is a role `developer`.
    pub developer: bool,
    /// Whether there may be one system message only, before all others.
    pub system_first: bool,
    /// Whether turns of the user and of the assistant must alternate.
    pub alternates: bool,
    /// Whether a user's message may follow a tool's.
    pub user_after_tool: bool,
    /// The roles whose content must be one string.
    pub one_string: &'static [&'static str],
    /// Whether the content may have Mistral's `thinking` parts.
    pub thinking_parts: bool,
    pub tool_call_ids: ToolCallIds,
    /// The longest name of a tool, if names are of letters, digits, `_` and `-`. `None`: any name.
    pub tool_name: Option<usize>,
    /// Keywords of JSON Schema that are refused in schemas.
    pub schema_without: &'static [&'static str],
    /// Whether `response_format` may have a schema.
    pub json_schema: bool,
    /// The most stop sequences.
    pub stops: Option<usize>,
    /// The values of `reasoning_effort`, from the lowest to the highest; empty if they depend on the model.
    pub efforts: &'static [&'static str],
    /// The highest temperature, in tenths.
    pub temperature_tenths: u64,
    /// Fields with another name there.
    pub renamed: &'static [(&'static str, &'static str)],
    /// The fields of the body, without those for the limit of output ([`Quirks::caps`](super::Quirks::caps)).
    pub fields: AcceptedFields,
    /// The fields of a message, by role.
    pub messages: &'static [(&'static str, &'static [&'static str])],
}

/// The fields that a server accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcceptedFields {
    /// Others are ignored.
    Any,
    /// Others are refused.
    Only(&'static [&'static str]),
}

/// Which ids of tool calls are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToolCallIds {
    /// Any: servers of open models, whose own are longer than OpenAI's.
    Any,
    /// At most this many characters.
    Most(usize),
    /// Exactly this many ASCII letters and digits.
    Exactly(usize),
}

impl AcceptedFields {
    #[must_use]
    pub fn has(self, field: &str) -> bool {
        match self {
            AcceptedFields::Any => true,
            AcceptedFields::Only(fields) => fields.contains(&field),
        }
    }
}

impl ChatQuirks {
    /// Nothing is known to be refused: OpenRouter, which adapts requests itself, and mocks.
    pub const ANY: ChatQuirks = ChatQuirks {
        developer: true,
        system_first: false,
        alternates: false,
        user_after_tool: true,
        one_string: &[],
        thinking_parts: false,
        tool_call_ids: ToolCallIds::Most(40),
        tool_name: None,
        schema_without: &[],
        json_schema: true,
        stops: None,
        efforts: &[],
        temperature_tenths: 20,
        renamed: &[],
        fields: AcceptedFields::Any,
        messages: &[],
    };

    /// OpenAI refuses unknown fields of the body and of messages.
    pub const OPENAI: ChatQuirks = ChatQuirks {
        tool_name: Some(64),
        stops: Some(4),
        fields: AcceptedFields::Only(&[
            "model",
            "messages",
            "audio",
            "frequency_penalty",
            "function_call",
            "functions",
            "logit_bias",
            "logprobs",
            "metadata",
            "modalities",
            "moderation",
            "n",
            "parallel_tool_calls",
            "prediction",
            "presence_penalty",
            "prompt_cache_key",
            "prompt_cache_options",
            "prompt_cache_retention",
            "reasoning_effort",
            "response_format",
            "safety_identifier",
            "seed",
            "service_tier",
            "stop",
            "store",
            "stream",
            "stream_options",
            "temperature",
            "tool_choice",
            "tools",
            "top_logprobs",
            "top_p",
            "user",
            "verbosity",
            "web_search_options",
        ]),
        messages: &[
            ("system", &["role", "content", "name"]),
            ("developer", &["role", "content", "name"]),
            ("user", &["role", "content", "name"]),
            (
                "assistant",
                &["role", "content", "name", "refusal", "audio", "annotations", "tool_calls", "function_call"],
            ),
            ("tool", &["role", "content", "name", "tool_call_id"]),
        ],
        ..ChatQuirks::ANY
    };

    /// Mistral validates each field (422), and the order of messages (400).
    pub const MISTRAL: ChatQuirks = ChatQuirks {
        developer: false,
        system_first: true,
        user_after_tool: false,
        thinking_parts: true,
        tool_call_ids: ToolCallIds::Exactly(9),
        tool_name: Some(64),
        schema_without: &["$id", "$schema"],
        efforts: &["none", "minimal", "low", "medium", "high", "xhigh", "max"],
        temperature_tenths: 15,
        renamed: &[("seed", "random_seed")],
        fields: AcceptedFields::Only(&[
            "model",
            "messages",
            "frequency_penalty",
            "guardrails",
            "logprobs",
            "metadata",
            "min_tokens",
            "n",
            "parallel_tool_calls",
            "prediction",
            "presence_penalty",
            "prompt_cache_key",
            "prompt_mode",
            "prompt_logprobs",
            "random_seed",
            "reasoning_effort",
            "repetition_penalty",
            "response_format",
            "safe_prompt",
            "stop",
            "stream",
            "temperature",
            "tool_choice",
            "tools",
            "top_k",
            "top_logprobs",
            "top_p",
            "top_prompt_logprobs",
        ]),
        messages: &[
            ("system", &["role", "content"]),
            ("user", &["role", "content"]),
            ("assistant", &["role", "content", "tool_calls", "prefix"]),
            ("tool", &["role", "content", "tool_call_id", "name"]),
        ],
        ..ChatQuirks::ANY
    };

    /// Groq refuses unknown fields, log probabilities, biases and several answers (400). Its service tiers have other names.
    pub const GROQ: ChatQuirks = ChatQuirks {
        tool_name: Some(64),
        stops: Some(4),
        efforts: &["none", "low", "medium", "high"],
        fields: AcceptedFields::Only(&[
            "model",
            "messages",
            "citation_options",
            "compound_custom",
            "disable_tool_validation",
            "documents",
            "frequency_penalty",
            "function_call",
            "functions",
            "include_reasoning",
            "metadata",
            "parallel_tool_calls",
            "presence_penalty",
            "reasoning_effort",
            "reasoning_format",
            "response_format",
            "search_settings",
            "seed",
            "stop",
            "stream",
            "stream_options",
            "temperature",
            "tool_choice",
            "tools",
            "top_p",
            "user",
        ]),
        messages: &[
            ("system", &["role", "content", "name"]),
            ("developer", &["role", "content", "name"]),
            ("user", &["role", "content", "name"]),
            ("assistant", &["role", "content", "name", "reasoning", "tool_calls", "function_call"]),
            ("tool", &["role", "content", "tool_call_id"]),
        ],
        ..ChatQuirks::ANY
    };

    /// Cerebras refuses unknown fields (400 `wrong_api_format`).
    pub const CEREBRAS: ChatQuirks = ChatQuirks {
        tool_name: Some(64),
        stops: Some(4),
        efforts: &["none", "low", "medium", "high"],
        temperature_tenths: 15,
        fields: AcceptedFields::Only(&[
            "model",
            "messages",
            "clear_thinking",
            "disable_reasoning",
            "logprobs",
            "min_completion_tokens",
            "min_tokens",
            "parallel_tool_calls",
            "prediction",
            "prompt_cache_key",
            "reasoning_effort",
            "reasoning_format",
            "response_format",
            "seed",
            "service_tier",
            "stop",
            "stream",
            "stream_options",
            "temperature",
            "tool_choice",
            "tools",
            "top_logprobs",
            "top_p",
            "user",
        ]),
        messages: &[
            ("system", &["role", "content", "name"]),
            ("developer", &["role", "content", "name"]),
            ("user", &["role", "content", "name"]),
            ("assistant", &["role", "content", "name", "reasoning", "tool_calls"]),
            ("tool", &["role", "content", "name", "tool_call_id"]),
        ],
        ..ChatQuirks::ANY
    };

    /// DeepSeek knows neither the role, nor parts in place of a string but from the user (422), nor schemas for answers
    /// (400).
    pub const DEEPSEEK: ChatQuirks = ChatQuirks {
        developer: false,
        one_string: &["system", "assistant", "tool"],
        tool_name: Some(64),
        json_schema: false,
        stops: Some(16),
        ..ChatQuirks::ANY
    };

    /// Fireworks refuses unknown fields of the body (400 `Extra inputs are not permitted`).
    pub const FIREWORKS: ChatQuirks = ChatQuirks {
        developer: false,
        fields: AcceptedFields::Only(&[
            "model",
            "messages",
            "context_length_exceeded_behavior",
            "echo",
            "echo_last",
            "frequency_penalty",
            "ignore_eos",
            "logit_bias",
            "logprobs",
            "min_p",
            "mirostat_lr",
            "mirostat_target",
            "n",
            "parallel_tool_calls",
            "perf_metrics_in_response",
            "prediction",
            "presence_penalty",
            "prompt_cache_isolation_key",
            "prompt_cache_key",
            "prompt_truncate_len",
            "raw_output",
            "reasoning_effort",
            "reasoning_history",
            "repetition_penalty",
            "response_format",
            "return_token_ids",
            "seed",
            "speculation",
            "stop",
            "stream",
            "stream_options",
            "temperature",
            "thinking",
            "tool_choice",
            "tools",
            "top_k",
            "top_logprobs",
            "top_p",
            "typical_p",
            "user",
        ]),
        ..ChatQuirks::ANY
    };

    /// Perplexity calls no tools of the caller, and wants turns to alternate (400 `invalid_message`).
    pub const PERPLEXITY: ChatQuirks = ChatQuirks {
        developer: false,
        system_first: true,
        alternates: true,
        efforts: &["minimal", "low", "medium", "high"],
        fields: AcceptedFields::Only(&[
            "model",
            "messages",
            "disable_search",
            "enable_search_classifier",
            "frequency_penalty",
            "image_domain_filter",
            "image_format_filter",
            "last_updated_after_filter",
            "last_updated_before_filter",
            "media_response",
            "presence_penalty",
            "reasoning_effort",
            "response_format",
            "return_images",
            "return_related_questions",
            "search_after_date_filter",
            "search_before_date_filter",
            "search_domain_filter",
            "search_language_filter",
            "search_mode",
            "search_recency_filter",
            "stream",
            "stream_mode",
            "stream_options",
            "temperature",
            "top_k",
            "top_p",
            "web_search_options",
        ]),
        ..ChatQuirks::ANY
    };

    /// Servers of open models hand the messages to the model's own template. Many templates know no role `developer`,
    /// and fail on a system message that is not the first.
    pub const OPEN_MODELS: ChatQuirks =
        ChatQuirks { developer: false, system_first: true, tool_call_ids: ToolCallIds::Any, ..ChatQuirks::ANY };
}
