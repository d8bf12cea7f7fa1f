//! Every field of a chat request, as typed in OpenAI's SDK 3.x (`chat/completion_create_params.py`), and fields that
//! other vendors and clients of the dialect add. All others are refused.
//!
//! If the handling depends on the value, the decoder records the field only for a value that matters: `n: 1`,
//! `logprobs: false` and `service_tier: "auto"` have no effect.

use crate::Format;
use crate::chat::fields::FieldHandling::{Adapted, Carried, Hint, Refused};
use crate::chat::fields::{FieldRow, HandlingByFormat};

const CARRIED: HandlingByFormat = HandlingByFormat::all(Carried);
const ADAPTED: HandlingByFormat = HandlingByFormat::all(Adapted);
const HINT: HandlingByFormat = HandlingByFormat::all(Hint);
/// Marks of the prompt's cache, which Anthropic and AWS have.
const CACHE_MARK: HandlingByFormat = HINT.with(Format::Anthropic, Adapted).with(Format::Bedrock, Adapted);
const TOOL_CACHE_MARK: HandlingByFormat = HINT.with(Format::Anthropic, Adapted);
const REFUSED: HandlingByFormat = HandlingByFormat::all(Refused);

const fn row(
    path: &'static str,
    handling_by_format: HandlingByFormat,
    sample: &'static str,
    note: &'static str,
) -> FieldRow {
    FieldRow { path, handling_by_format, note, sample }
}

#[rustfmt::skip]
pub const FIELDS: &[FieldRow] = &[
    // The request.
    row("model", CARRIED, r#""gpt-4o""#, ""),
    row("messages", CARRIED, r#"[{"role":"user","content":"Hi"}]"#, ""),
    row("stream", CARRIED, "true", ""),
    row("stream_options", CARRIED, r#"{"include_usage":true}"#, ""),
    row("stream_options.include_usage", CARRIED, "true", "the gateway writes the usage chunk itself"),
    row("stream_options.include_obfuscation", HINT, "true", "padding against eavesdroppers who measure chunks"),
    row("max_tokens", CARRIED, "100", "`max_completion_tokens` takes precedence"),
    row("max_completion_tokens", CARRIED, "100", ""),
    row("temperature", CARRIED, "0.5", ""),
    row("top_p", CARRIED, "0.9", ""),
    row("top_k", CARRIED.with(Format::Bedrock, Adapted), "40", "not part of OpenAI's API; vLLM, OpenRouter and others accept it"),
    row("seed", HINT.with(Format::Ollama, Carried).with(Format::Gemini, Carried).with(Format::Cohere, Carried), "7", "best effort at OpenAI too"),
    row("presence_penalty", REFUSED.with(Format::Ollama, Carried).with(Format::Gemini, Carried).with(Format::Cohere, Carried), "0.5", "0 is carried; Anthropic has no penalties, and Cohere's are from 0 to 1"),
    row("frequency_penalty", REFUSED.with(Format::Ollama, Carried).with(Format::Gemini, Carried).with(Format::Cohere, Carried), "0.5", "0 is carried; Anthropic has no penalties, and Cohere's are from 0 to 1"),
    row("stop", CARRIED, r#"["END"]"#, ""),
    row("n", REFUSED, "2", "1 is carried; other dialects have one answer"),
    row("logprobs", REFUSED, "true", "false is carried"),
    row("top_logprobs", REFUSED, "3", "0 is carried"),
    row("logit_bias", REFUSED, r#"{"50256":-100}"#, "names tokens of OpenAI's own vocabulary; an empty one is carried"),
    row("modalities", REFUSED, r#"["text","audio"]"#, "`[\"text\"]` is carried"),
    row("audio", REFUSED, r#"{"voice":"alloy","format":"wav"}"#, "only OpenAI generates speech"),
    row("reasoning_effort", ADAPTED, r#""high""#, "as a budget, or as a level where the model has levels; `none` turns thinking off"),
    row("verbosity", HINT, r#""low""#, "changes the length of the answer, not its content; `medium` is the default"),
    row("response_format", ADAPTED.with(Format::Gemini, Carried), r#"{"type":"json_object"}"#, "in the dialect's own form for JSON"),
    row("response_format.type", REFUSED, r#""grammar""#, "`text`, `json_object` and `json_schema` are carried; vendors' own types are not"),
    row("response_format.json_schema", CARRIED, r#"{"name":"a","schema":{"type":"object"}}"#, ""),
    row("response_format.json_schema.name", HINT.with(Format::Bedrock, Carried), r#""answer""#, "in most other dialects a schema has no name"),
    row("response_format.json_schema.description", HINT.with(Format::Bedrock, Carried), r#""An answer""#, "put it into the schema itself to keep it"),
    row("response_format.json_schema.schema", CARRIED, r#"{"type":"object"}"#, ""),
    row("response_format.json_schema.strict", CARRIED, "true", "in other dialects a schema is always enforced"),
    row("web_search_options", REFUSED, r#"{"search_context_size":"low"}"#, "a tool of OpenAI's own"),
    row("prediction", HINT, r#"{"type":"content","content":"x"}"#, "makes an answer faster, not different"),
    row("moderation", REFUSED, r#"{"model":"omni-moderation-latest"}"#, "may block the answer, and adds results that only OpenAI has"),
    row("metadata", HINT, r#"{"team":"a"}"#, "labels for OpenAI's dashboard"),
    row("store", HINT, "true", "keeps the answer at OpenAI; false is carried"),
    row("service_tier", HINT, r#""flex""#, "price and speed; `auto` and `default` are carried"),
    row("user", HINT, r#""u-1""#, "for OpenAI's abuse detection"),
    row("safety_identifier", HINT, r#""u-1""#, "for OpenAI's abuse detection"),
    row("prompt_cache_key", HINT, r#""k""#, "where OpenAI looks for a cached prompt"),
    row("prompt_cache_retention", HINT, r#""24h""#, "how long OpenAI keeps a cached prompt"),
    row("prompt_cache_options", HINT, r#"{"mode":"explicit"}"#, "how OpenAI caches a prompt"),
    row("functions", REFUSED, r#"[{"name":"f"}]"#, "deprecated: use `tools`"),
    row("function_call", REFUSED, r#"{"name":"f"}"#, "deprecated: use `tool_choice`"),
    // Tools.
    row("tools", CARRIED, r#"[{"type":"function","function":{"name":"f"}}]"#, ""),
    row("tools[].type", REFUSED, r#""web_search""#, "`function` is carried; vendors' built-in tools are not"),
    row("tools[].function", CARRIED, r#"{"name":"f"}"#, ""),
    row("tools[].function.name", CARRIED, r#""f""#, ""),
    row("tools[].function.description", CARRIED, r#""Does f""#, ""),
    row("tools[].function.parameters", CARRIED, r#"{"type":"object"}"#, ""),
    row("tools[].function.strict", HINT.with(Format::Anthropic, Carried).with(Format::Cohere, Adapted), "true", "Gemini has no strict tools; Cohere has one switch for all; false is carried"),
    row("tools[].custom", REFUSED, r#"{"name":"c"}"#, "tools of free text are OpenAI's own"),
    row("tool_choice", CARRIED, r#""auto""#, ""),
    row("tool_choice.type", REFUSED, r#""web_search""#, "`function` and `allowed_tools` are carried"),
    row("tool_choice.function", CARRIED.with(Format::Cohere, Adapted), r#"{"name":"f"}"#, "towards Cohere the other tools are left out of `tools`; Ollama can't be made to call a tool, so that it is skipped"),
    row("tool_choice.function.name", CARRIED, r#""f""#, ""),
    row("tool_choice.allowed_tools", ADAPTED, r#"{"mode":"auto","tools":[{"type":"function","function":{"name":"f"}}]}"#, "in mode `auto` the other tools are left out of `tools`"),
    row("tool_choice.allowed_tools.mode", CARRIED, r#""required""#, ""),
    row("tool_choice.allowed_tools.tools", CARRIED, r#"[{"type":"function","function":{"name":"f"}}]"#, ""),
    row("tool_choice.allowed_tools.tools[].type", REFUSED, r#""custom""#, "`function` is carried"),
    row("tool_choice.allowed_tools.tools[].function", CARRIED, r#"{"name":"f"}"#, ""),
    row("tool_choice.custom", REFUSED, r#"{"name":"c"}"#, "tools of free text are OpenAI's own"),
    row("parallel_tool_calls", ADAPTED.with(Format::Anthropic, Carried), "false", "true is carried; of a provider that can't be held to one call, the first one is passed on"),
    // Messages.
    row("messages[].role", REFUSED, r#""function""#, "only `function`, which is deprecated; system and developer messages become the system prompt at any position"),
    row("messages[].content", CARRIED, r#""Hi""#, ""),
    row("messages[].name", HINT, r#""ann""#, "in other dialects speakers have no names"),
    row("messages[].tool_call_id", CARRIED, r#""call_1""#, "what the gateway packed into it is taken out"),
    row("messages[].tool_calls", CARRIED, r#"[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]"#, ""),
    row("messages[].tool_calls[].id", CARRIED, r#""call_1""#, "what the gateway packed into it is taken out, and returned to its provider"),
    row("messages[].tool_calls[].type", CARRIED, r#""function""#, ""),
    row("messages[].tool_calls[].index", HINT, "0", "left over from a stream's deltas"),
    row("messages[].tool_calls[].function", CARRIED, r#"{"name":"f","arguments":"{}"}"#, ""),
    row("messages[].tool_calls[].function.name", CARRIED, r#""f""#, ""),
    row("messages[].tool_calls[].function.arguments", ADAPTED, r#""not an object""#, "an object's JSON is carried; other text is sent as `{\"arguments\": \"…\"}`"),
    row("messages[].tool_calls[].custom", REFUSED, r#"{"name":"c","input":"x"}"#, "tools of free text are OpenAI's own"),
    row("messages[].tool_calls[].extra_content", HINT, r#"{"vendor":{}}"#, "except Google's `thought_signature`"),
    row("messages[].tool_calls[].extra_content.google.thought_signature", HINT.with(Format::Gemini, Carried), r#""c2ln""#, "only Gemini can check it"),
    row("messages[].refusal", ADAPTED, r#""No.""#, "as text"),
    row("messages[].audio", REFUSED, r#"{"id":"audio_1"}"#, "refers to speech that is stored at OpenAI"),
    row("messages[].function_call", REFUSED, r#"{"name":"f","arguments":"{}"}"#, "deprecated: use `tool_calls`"),
    // Fields of answers of other vendors, and of ours, that clients return.
    row("messages[].reasoning_content", HINT, r#""Hm.""#, "thoughts of an unknown model; what its provider needs is in the ids of calls"),
    row("messages[].reasoning", HINT, r#""Hm.""#, "thoughts of another model, which can't be verified"),
    row("messages[].reasoning_details", HINT, "[]", "OpenRouter's form of thoughts"),
    row("messages[].images", CARRIED, r#"[{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]"#, "pictures that the model generated, in the gateway's format"),
    row("messages[].parsed", HINT, r#"{"a":1}"#, "the parsed content that SDKs add"),
    row("messages[].tool_calls[].function.parsed_arguments", HINT, r#"{"a":1}"#, "the parsed arguments that SDKs add"),
    row("messages[].annotations", HINT, "[]", "citations in an earlier answer"),
    row("messages[].extra_content", HINT, r#"{"google":{}}"#, "Google's extension, outside of tool calls"),
    row("messages[].provider_specific_fields", HINT, "{}", "LiteLLM's notes on an earlier answer"),
    row("messages[].cache_control", CACHE_MARK, r#"{"type":"ephemeral"}"#, "a mark of the prompt's cache, from clients of OpenRouter and LiteLLM; at Bedrock only for Nova"),
    row("messages[].prefix", REFUSED, "true", "the answer continues this message, at Mistral and DeepSeek; false is carried"),
    // Parts of a message's content.
    row("messages[].content[].type", CARRIED, r#""text""#, ""),
    row("messages[].content[].text", CARRIED, r#""Hi""#, ""),
    row("messages[].content[].image_url", CARRIED, r#"{"url":"https://example.com/a.png"}"#, ""),
    row("messages[].content[].image_url.url", CARRIED, r#""data:image/png;base64,AAAA""#, ""),
    row("messages[].content[].image_url.detail", HINT, r#""low""#, "`auto` is the default"),
    row("messages[].content[].file", CARRIED, r#"{"filename":"a.pdf","file_data":"data:application/pdf;base64,AAAA"}"#, "refused towards Cohere, which accepts no documents in messages"),
    row("messages[].content[].file.file_data", CARRIED, r#""data:application/pdf;base64,AAAA""#, ""),
    row("messages[].content[].file.filename", CARRIED, r#""a.pdf""#, ""),
    row("messages[].content[].file.file_id", REFUSED, r#""file-1""#, "a file that is stored at OpenAI"),
    row("messages[].content[].input_audio", REFUSED, r#"{"data":"AAAA","format":"wav"}"#, "Anthropic accepts no audio, and the gateway does not translate it for Gemini"),
    row("messages[].content[].refusal", ADAPTED, r#""No.""#, "as text"),
    row("messages[].content[].thinking", HINT, r#"[{"type":"text","text":"Hm."}]"#, "Mistral's form of thoughts"),
    row("messages[].content[].prompt_cache_breakpoint", HINT, r#"{"mode":"explicit"}"#, "where a cached prompt of OpenAI may end"),
    row("messages[].content[].cache_control", CACHE_MARK, r#"{"type":"ephemeral"}"#, "a mark of the prompt's cache, from clients of OpenRouter and LiteLLM; at Bedrock only for Nova"),
    row("tools[].cache_control", TOOL_CACHE_MARK, r#"{"type":"ephemeral"}"#, "a mark of the prompt's cache, from clients of OpenRouter and LiteLLM"),
    row("tools[].function.cache_control", TOOL_CACHE_MARK, r#"{"type":"ephemeral"}"#, "a mark of the prompt's cache, from clients of LiteLLM"),
    // Other vendors' switches for thinking.
    row("reasoning", ADAPTED, r#"{"effort":"low"}"#, "OpenRouter's form of `reasoning_effort`"),
    row("reasoning.effort", ADAPTED, r#""low""#, "as `reasoning_effort`"),
    row("reasoning.max_tokens", ADAPTED, "2000", "as a budget"),
    row("reasoning.enabled", ADAPTED, "true", "on: the model decides; off: no thinking"),
    row("reasoning.exclude", HINT, "true", "thoughts are returned nevertheless"),
    row("thinking", ADAPTED, r#"{"type":"disabled"}"#, "DeepSeek's and Z.ai's switch"),
    row("thinking.type", ADAPTED, r#""enabled""#, "on: the model decides; off: no thinking"),
    row("thinking.budget_tokens", ADAPTED, "2000", "as a budget"),
    row("enable_thinking", ADAPTED, "false", "Qwen's switch"),
];

#[cfg(test)]
#[path = "fields_tests.rs"]
mod tests;
