//! The capabilities that a request needs from a model, by the names of the catalogue.
//!
//! Computed only for policies with rules or capabilities; a scan only records the positions.

mod parts;

use std::fmt;
use std::ops::{BitOr, BitOrAssign};

use crate::Dialect;
use crate::json::pieces::without_ascii_escapes;
use crate::json::raw::{self, is, member, unescape};
use crate::operation::{Operation, OperationKind};
use crate::passthrough::scan::{Field, Scanned};

/// A set of capabilities.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Needs(u16);

impl Needs {
    /// Declares functions that the model may call.
    pub const TOOLS: Self = Self(1);
    /// Contains images or video.
    pub const VISION: Self = Self(1 << 1);
    /// Asks for thinking.
    pub const REASONING: Self = Self(1 << 2);
    /// The answer must match a schema.
    pub const STRUCTURED_OUTPUTS: Self = Self(1 << 3);
    /// A prefix is to be cached, or was.
    pub const PROMPT_CACHING: Self = Self(1 << 4);
    /// Contains audio, or asks for it.
    pub const AUDIO: Self = Self(1 << 5);
    /// Contains documents.
    pub const FILES: Self = Self(1 << 6);
    /// Asks for embeddings.
    pub const EMBEDDINGS: Self = Self(1 << 7);

    /// Every capability with its name, as in `LLMProvider.spec.models[].capabilities`.
    pub const NAMES: [(Self, &'static str); 8] = [
        (Self::TOOLS, "Tools"),
        (Self::VISION, "Vision"),
        (Self::REASONING, "Reasoning"),
        (Self::STRUCTURED_OUTPUTS, "StructuredOutputs"),
        (Self::PROMPT_CACHING, "PromptCaching"),
        (Self::AUDIO, "Audio"),
        (Self::FILES, "Files"),
        (Self::EMBEDDINGS, "Embeddings"),
    ];

    /// Whether all of `other` are in this set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether the set is empty.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The names in this set, in the order of [`Self::NAMES`].
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().filter(move |(one, _)| self.contains(*one)).map(|(_, name)| name)
    }

    fn when(self, needed: bool) -> Self {
        if needed { self } else { Self::default() }
    }
}

impl BitOr for Needs {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Needs {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl fmt::Debug for Needs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

impl Scanned {
    /// The capabilities that the request needs. `body` is the one that was scanned; parts of it with another shape than
    /// the dialect's need nothing, because the upstream will refuse them.
    ///
    /// The dialect and the kind of the operation determine the positions in the body; Responses have needs too,
    /// although they have no format.
    #[must_use]
    pub fn needs(&self, operation: &Operation, body: &[u8]) -> Needs {
        match operation.kind {
            OperationKind::Chat | OperationKind::Responses => {}
            OperationKind::Embeddings => return Needs::EMBEDDINGS,
            OperationKind::Speech | OperationKind::Transcription => return Needs::AUDIO,
            _ => return Needs::default(),
        }
        let value = |field| self.value(body, field);
        let cached = value(Field::CachedContent).is_some() || self.caching(body).is_some();
        let mut needs = Needs::PROMPT_CACHING.when(cached);
        let turns = match operation.dialect {
            Dialect::OpenAi if operation.kind == OperationKind::Responses => Field::Input,
            Dialect::OpenAi | Dialect::Anthropic | Dialect::Bedrock | Dialect::Cohere | Dialect::Ollama => {
                Field::Messages
            }
            Dialect::Gemini => Field::Contents,
        };
        needs |= value(turns).map_or(Needs::default(), |turns| {
            parts::needs(&without_ascii_escapes(turns.as_bytes()), operation.dialect == Dialect::Bedrock)
        });
        needs |= Needs::TOOLS.when(value(Field::Tools).is_some_and(|raw| declares(operation.dialect, raw)));
        if operation.dialect == Dialect::Gemini {
            return needs | value(Field::GenerationConfig).map_or(Needs::default(), generation);
        }
        let of = |field, key| value(field).and_then(|raw| member(raw, key));
        let object = |raw: Option<&str>| raw.is_some_and(|raw| raw.starts_with('{'));
        if operation.dialect == Dialect::Bedrock {
            let tools = of(Field::ToolConfig, "tools").and_then(raw::length) > Some(0);
            let schema = object(of(Field::TextOutput, "textFormat"));
            let extra = value(Field::AdditionalModelRequestFields).map_or(Needs::default(), model_fields);
            return needs | Needs::TOOLS.when(tools) | Needs::STRUCTURED_OUTPUTS.when(schema) | extra;
        }
        if operation.dialect == Dialect::Ollama {
            // The pictures of a single prompt.
            let pictures = value(Field::Images).and_then(raw::length) > Some(0);
            let thinks = value(Field::Think).is_some_and(|raw| raw != "false");
            let schema = object(value(Field::Format));
            return needs
                | Needs::VISION.when(pictures)
                | Needs::REASONING.when(thinks)
                | Needs::STRUCTURED_OUTPUTS.when(schema);
        }
        let schema = is(of(Field::ResponseFormat, "type"), "json_schema")
            || is(of(Field::Text, "format").and_then(|format| member(format, "type")), "json_schema")
            || object(of(Field::OutputConfig, "format"))
            || object(value(Field::OutputFormat));
        let kind = of(Field::Thinking, "type");
        let thinks = value(Field::ReasoningEffort).is_some_and(|raw| unescape(raw) != "none")
            || object(value(Field::Reasoning))
                && !is(of(Field::Reasoning, "effort"), "none")
                && of(Field::Reasoning, "enabled") != Some("false")
            || is(kind, "enabled")
            || is(kind, "adaptive")
            || value(Field::EnableThinking) == Some("true");
        let speaks = value(Field::Modalities).is_some_and(|raw| holds(raw, |word| is(Some(word), "audio")));
        needs | Needs::STRUCTURED_OUTPUTS.when(schema) | Needs::REASONING.when(thinks) | Needs::AUDIO.when(speaks)
    }
}

/// The needs of Bedrock's `additionalModelRequestFields`.
fn model_fields(extra: &str) -> Needs {
    let on = |key| {
        let kind = member(extra, key).and_then(|config| member(config, "type"));
        is(kind, "enabled") || is(kind, "adaptive")
    };
    let thinks = ["thinking", "reasoning_config", "reasoningConfig"].into_iter().any(on);
    Needs::REASONING.when(thinks || member(extra, "reasoning_effort").is_some_and(|raw| raw.starts_with('"')))
}

/// Whether a list contains an element that matches.
fn holds(list: &str, such: impl Fn(&str) -> bool) -> bool {
    let mut any = false;
    raw::elements(list, |element| any |= such(element.get())).is_ok() && any
}

/// Google's tools come in groups, some of which contain no functions of the caller.
fn declares(dialect: Dialect, tools: &str) -> bool {
    match dialect {
        Dialect::Gemini => holds(tools, |group| {
            either(group, ["functionDeclarations", "function_declarations"]).and_then(raw::length) > Some(0)
        }),
        _ => raw::length(tools) > Some(0),
    }
}

/// The value under one of a key's two spellings; `None` if it is null.
fn either<'a>(object: &'a str, [camel, snake]: [&str; 2]) -> Option<&'a str> {
    member(object, camel).or_else(|| member(object, snake)).filter(|raw| *raw != "null")
}

/// The needs of Gemini's `generationConfig`.
fn generation(config: &str) -> Needs {
    let there = |names| either(config, names).is_some();
    let schema = there(["responseSchema", "response_schema"]) || there(["responseJsonSchema", "response_json_schema"]);
    let audio = |word: &str| word.starts_with('"') && unescape(word).eq_ignore_ascii_case("audio");
    let speaks = there(["speechConfig", "speech_config"])
        || either(config, ["responseModalities", "response_modalities"]).is_some_and(|list| holds(list, audio));
    let thinks = either(config, ["thinkingConfig", "thinking_config"]).is_some_and(|thinking| {
        match either(thinking, ["thinkingBudget", "thinking_budget"]) {
            Some(budget) => budget.parse::<i64>() != Ok(0),
            None => {
                either(thinking, ["thinkingLevel", "thinking_level"]).is_some()
                    || either(thinking, ["includeThoughts", "include_thoughts"]) == Some("true")
            }
        }
    });
    Needs::STRUCTURED_OUTPUTS.when(schema) | Needs::AUDIO.when(speaks) | Needs::REASONING.when(thinks)
}

#[cfg(test)]
mod tests {
    use crate::operation::find;
    use crate::passthrough::scan::scan;

    fn needs(path: &str, body: &str) -> Vec<&'static str> {
        let operation = find("POST", path).unwrap().operation;
        scan(body.as_bytes()).unwrap().needs(operation, body.as_bytes()).names().collect()
    }

    #[test]
    fn needs_are_derived_from_the_request() {
        const CHAT: &str = "/v1/chat/completions";
        const RESPONSES: &str = "/v1/responses";
        const MESSAGES: &str = "/v1/messages";
        const GEMINI: &str = "/v1beta/models/m:generateContent";
        const CONVERSE: &str = "/model/m/converse";
        const OLLAMA: &str = "/api/chat";
        const GENERATE: &str = "/api/generate";
        for (path, body, expected) in [
            (CHAT, r#"{"messages":[{"role":"user","content":"a picture: image_url"}]}"#, &[][..]),
            (CHAT, r#"{"messages":[{"content":[{"type":"image_url","image_url":{"url":"u"}}]}]}"#, &["Vision"]),
            (CHAT, r#"{"messages":[{"content":[{"type":"input_audio"},{"type":"file"}]}]}"#, &["Audio", "Files"]),
            (CHAT, r#"{"tools":[{"type":"function"}],"modalities":["text","audio"]}"#, &["Tools", "Audio"]),
            (CHAT, r#"{"tools":[],"response_format":{"type":"json_object"},"reasoning_effort":"none"}"#, &[]),
            (
                CHAT,
                r#"{"response_format":{"type":"json_schema"},"reasoning_effort":"low"}"#,
                &["Reasoning", "StructuredOutputs"],
            ),
            (CHAT, r#"{"reasoning":{"enabled":false},"thinking":{"type":"disabled"},"enable_thinking":false}"#, &[]),
            (
                CHAT,
                r#"{"enable_thinking":true,"messages":[{"content":[{"type":"text","cache_control":{"type":"ephemeral"}}]}]}"#,
                &["Reasoning", "PromptCaching"],
            ),
            (CHAT, r#"{"messages":7,"tools":{},"text":[],"modalities":1}"#, &[]),
            (
                RESPONSES,
                r#"{"input":"x","text":{"format":{"type":"json_schema"}},"reasoning":{"effort":"high"}}"#,
                &["Reasoning", "StructuredOutputs"],
            ),
            (
                RESPONSES,
                r#"{"input":[{"type":"message","content":[{"type":"input_image"},{"type":"input_file"}]}]}"#,
                &["Vision", "Files"],
            ),
            (
                RESPONSES,
                r#"{"input":[{"type":"function_call_output","output":[{"type":"input_image"}]}]}"#,
                &["Vision"],
            ),
            (RESPONSES, r#"{"input":[{"content":[{"type":"input_file","file_data":"data:"}]}]}"#, &["Files"]),
            (
                MESSAGES,
                r#"{"messages":[{"content":[{"type":"document","source":{"type":"url"}},{"type":"text","text":"x"}]}]}"#,
                &["Files"],
            ),
            // Arguments of a tool are not part of the conversation, and neither is its schema.
            (
                MESSAGES,
                r#"{"messages":[{"content":[{"type":"tool_use","input":{"content":[{"type":"image"}]}}]}]}"#,
                &[],
            ),
            (
                MESSAGES,
                r#"{"messages":[{"content":[{"type":"tool_result","content":[{"type":"image"}]}]}]}"#,
                &["Vision"],
            ),
            (
                MESSAGES,
                r#"{"messages":[{"content":[{"type":"document","source":{"type":"base64"}}]}],"thinking":{"type":"adaptive"}}"#,
                &["Reasoning", "Files"],
            ),
            (
                MESSAGES,
                r#"{"messages":[{"content":[{"type":"document","source":{"type":"text"}}]}],"output_config":{"effort":"low"}}"#,
                &[],
            ),
            (
                MESSAGES,
                r#"{"output_config":{"format":{"type":"json_schema"}},"tools":[{"name":"f"}]}"#,
                &["Tools", "StructuredOutputs"],
            ),
            (
                GEMINI,
                r#"{"contents":[{"parts":[{"inlineData":{"mimeType":"image/png"}},{"file_data":{"mime_type":"application/pdf"}}]}]}"#,
                &["Vision", "Files"],
            ),
            (GEMINI, r#"{"contents":{"parts":{"inline_data":{"mime_type":"audio/wav"}}}}"#, &["Audio"]),
            (
                GEMINI,
                r#"{"contents":[{"parts":[{"functionResponse":{"parts":[{"inlineData":{"mimeType":"image/png"}}]}}]}]}"#,
                &["Vision"],
            ),
            (
                GEMINI,
                r#"{"tools":[{"google_search":{}}],"generationConfig":{"thinkingConfig":{"thinkingBudget":0}}}"#,
                &[],
            ),
            (
                GEMINI,
                r#"{"tools":[{"functionDeclarations":[{}]}],"generation_config":{"thinking_config":{"thinking_level":"LOW"},"response_schema":{}}}"#,
                &["Tools", "Reasoning", "StructuredOutputs"],
            ),
            (
                GEMINI,
                r#"{"cachedContent":"c","generationConfig":{"responseModalities":["AUDIO"]}}"#,
                &["PromptCaching", "Audio"],
            ),
            (OLLAMA, r#"{"messages":[{"content":"images","images":[]}],"think":false,"format":"json"}"#, &[]),
            (OLLAMA, r#"{"messages":[{"content":"a","images":["iVBORw0KGgo="]}]}"#, &["Vision"]),
            (
                OLLAMA,
                r#"{"messages":[{"tool_calls":[{"function":{"arguments":{"images":["a"]}}}]}],"tools":[{"type":"function"}]}"#,
                &["Tools"],
            ),
            (OLLAMA, r#"{"messages":[],"think":"low","format":{}}"#, &["Reasoning", "StructuredOutputs"]),
            (GENERATE, r#"{"prompt":"a","images":["iVBORw0KGgo="],"think":true}"#, &["Vision", "Reasoning"]),
            (GENERATE, r#"{"prompt":"images"}"#, &[]),
            (CONVERSE, r#"{"messages":[{"content":[{"text":"image"},{"image":{"format":"png"}}]}]}"#, &["Vision"]),
            (CONVERSE, r#"{"messages":[{"content":[{"document":{"format":"txt","source":{"text":"x"}}}]}]}"#, &[]),
            (
                CONVERSE,
                r#"{"messages":[{"content":[{"document":{"format":"txt","source":{"content":[{"text":"x"}]}}}]}]}"#,
                &[],
            ),
            (
                CONVERSE,
                r#"{"messages":[{"content":[{"document":{"format":"pdf","source":{"bytes":"AA"}}},{"audio":{}}]}]}"#,
                &["Audio", "Files"],
            ),
            (
                CONVERSE,
                r#"{"messages":[{"content":[{"toolUse":{"input":{"image":{}}}},{"toolResult":{"content":[{"json":{"image":{}}}]}}]}]}"#,
                &[],
            ),
            (
                CONVERSE,
                r#"{"messages":[{"content":[{"toolResult":{"content":[{"image":{}},{"cachePoint":{"type":"default"}}]}}]}]}"#,
                &["Vision", "PromptCaching"],
            ),
            (
                CONVERSE,
                r#"{"toolConfig":{"tools":[{}]},"outputConfig":{"textFormat":{}},"additionalModelRequestFields":{"thinking":{"type":"enabled"}}}"#,
                &["Tools", "Reasoning", "StructuredOutputs"],
            ),
            (
                CONVERSE,
                r#"{"toolConfig":{"tools":[]},"additionalModelRequestFields":{"reasoningConfig":{"type":"disabled"}}}"#,
                &[],
            ),
            (CONVERSE, r#"{"additionalModelRequestFields":{"reasoning_effort":"low"}}"#, &["Reasoning"]),
            ("/v1/embeddings", r#"{"input":"x"}"#, &["Embeddings"]),
            ("/v1/audio/speech", r#"{"input":"x"}"#, &["Audio"]),
            ("/v1/images/generations", r#"{"prompt":"x"}"#, &[]),
        ] {
            assert_eq!(needs(path, body), expected, "{path} {body}");
        }
    }
}
