//! Tools that a provider runs itself and bills separately, which usage does not include.
//!
//! An unknown kind of tool counts as one: otherwise a budget would not cover it.

use std::borrow::Cow;

use serde_json::Value;

use crate::Dialect;
use crate::json::raw::{self, unescape};
use crate::operation::{Operation, OperationKind};
use crate::passthrough::scan::{Field, Scanned};

/// How a kind of tool is billed.
enum Bill {
    /// The caller runs it, or its use is reported as tokens.
    None,
    Own(&'static str),
}

impl Bill {
    fn reason(&self) -> Option<&'static str> {
        match self {
            Free => None,
            Own(reason) => Some(reason),
        }
    }
}

use Bill::{None as Free, Own};

const UNKNOWN: &str = "a tool of a kind that the gateway does not know may be billed by a price of its own";

/// By the beginning of `type`, because Anthropic, and sometimes OpenAI, append a date. From the providers' price pages,
/// autumn 2026.
const TYPES: &[(&str, Bill)] = &[
    // The caller's own functions, and functions of the caller in a form that the provider defines.
    ("function", Free),
    ("custom", Free),
    ("namespace", Free),
    ("apply_patch", Free),
    ("bash_", Free),
    ("browser_toolset_", Free),
    ("computer", Free),
    ("local_shell", Free),
    ("memory_", Free),
    ("text_editor_", Free),
    // The provider runs them, on the content of the request.
    ("programmatic_tool_calling", Free),
    ("tool_search", Free),
    // The provider runs them, and bills their results as input, however large it is and however often it is read.
    ("mcp", Own("what MCP servers answer is billed as input that is not in the request")),
    ("web_fetch", Own("what the tool web_fetch reads is billed as input that is not in the request")),
    // The provider runs them, and bills each call, each container or each image.
    ("code_execution", Own("the tool code_execution is billed by its own price")),
    ("code_interpreter", Own("the tool code_interpreter is billed by its own price")),
    ("file_search", Own("the tool file_search is billed by its own price")),
    ("image_generation", Own("the tool image_generation is billed by its own price")),
    ("openrouter:", Own("OpenRouter's tools are billed by their own price")),
    ("shell", Own("the tool shell may run in a container, which is billed by its own price")),
    ("web_search", Own("the tool web_search is billed by its own price")),
    ("x_search", Own("the tool x_search is billed by its own price")),
];

/// Google's, by the key that declares them.
const GOOGLE: &[(&str, Bill)] = &[
    ("functionDeclarations", Free),
    ("codeExecution", Free),
    ("computerUse", Free),
    ("fileSearch", Own("what the tool fileSearch finds is billed as input that is not in the request")),
    ("mcpServers", Own("what MCP servers answer is billed as input that is not in the request")),
    ("urlContext", Own("what the tool urlContext reads is billed as input that is not in the request")),
    ("enterpriseWebSearch", Own("the tool enterpriseWebSearch is billed by its own price")),
    ("exaAiSearch", Own("the tool exaAiSearch is billed by its own price")),
    ("googleMaps", Own("the tool googleMaps is billed by its own price")),
    ("googleSearch", Own("the tool googleSearch is billed by its own price")),
    ("googleSearchRetrieval", Own("the tool googleSearchRetrieval is billed by its own price")),
    ("parallelAiSearch", Own("the tool parallelAiSearch is billed by its own price")),
    ("retrieval", Own("the tool retrieval is billed by its own price")),
];

/// Bedrock's, by the key that declares them.
const BEDROCK: &[(&str, Bill)] = &[
    ("toolSpec", Free),
    ("cachePoint", Free),
    ("systemTool", Own("tools that AWS runs are billed by their own price")),
];

/// Only Responses have it: in other operations a prompt is text.
const KEPT_PROMPT: &str = "a prompt that is stored at the provider may add text and tools to the request";

/// Searches outside of the tools: OpenAI's and Perplexity's, OpenRouter's, xAI's; and presets of OpenRouter and
/// Perplexity.
const OUTSIDE_TOOLS: [(Field, &str); 7] = [
    (Field::GuardrailConfig, "what guardrailConfig asks for is billed by its own price"),
    (Field::McpServers, "what MCP servers answer is billed as input that is not in the request"),
    (Field::Container, "what runs in a container is billed by its own price"),
    (Field::WebSearchOptions, "what web_search_options asks for is billed by its own price"),
    (Field::Plugins, "plugins are billed by their own price"),
    (Field::Preset, "a preset that is stored at the provider may add tools to the request"),
    (Field::SearchParameters, "what search_parameters asks for is billed by its own price"),
];

impl Scanned {
    /// Why the tools of this request may cost more than its tokens; `None` if they can't. `body` is the one that was
    /// scanned. The dialect and kind of the operation determine how tools are declared; the format can't, because
    /// Responses have none.
    #[must_use]
    pub fn server_tool(&self, operation: &Operation, body: &[u8]) -> Option<&'static str> {
        if !matches!(operation.kind, OperationKind::Chat | OperationKind::Completions | OperationKind::Responses) {
            return None;
        }
        if operation.kind == OperationKind::Responses && self.value(body, Field::Prompt).is_some() {
            return Some(KEPT_PROMPT);
        }
        let tools = match operation.dialect {
            Dialect::Bedrock => self.value(body, Field::ToolConfig).and_then(|config| raw::member(config, "tools")),
            _ => self.value(body, Field::Tools),
        };
        if operation.dialect == Dialect::Gemini {
            return google(tools?);
        }
        if self.value(body, Field::ContextManagement).is_some_and(compacts) {
            return Some(COMPACTS);
        }
        let other_tool =
            || OUTSIDE_TOOLS.iter().find(|(field, _)| self.value(body, *field).is_some_and(|raw| raw != "[]"));
        let declared = |tools| match operation.dialect {
            Dialect::Bedrock => first(tools, |tool| group(tool, BEDROCK)),
            dialect => by_type(tools, dialect),
        };
        tools.and_then(declared).or_else(|| other_tool().map(|(_, reason)| *reason))
    }
}

/// Anthropic and OpenAI summarize a long conversation on request, and bill that turn in addition to the answer.
const COMPACTS: &str = "compacting the context is billed beside the answer";

/// Whether the context is managed in another way than by omitting parts of it.
fn compacts(raw: &str) -> bool {
    fn any(value: &Value) -> bool {
        match value {
            Value::Array(all) => all.iter().any(any),
            Value::Object(object) => {
                let kind = object.get("type");
                let leaves_out = kind.and_then(Value::as_str).is_some_and(|kind| kind.starts_with("clear_"));
                kind.is_some() && !leaves_out || object.get("edits").is_some_and(any)
            }
            _ => false,
        }
    }
    serde_json::from_str(raw).map_or(true, |value| any(&value))
}

/// The first billed tool. A declaration that is ambiguous counts as unknown: an upstream may be more lenient, or read
/// the other of two keys.
fn by_type(tools: &str, dialect: Dialect) -> Option<&'static str> {
    first(tools, |tool| {
        let mut named = dialect == Dialect::Anthropic;
        let mut found = None;
        let read = raw::members(tool, |key, value| {
            let key = unescape(key.get());
            if key.eq_ignore_ascii_case("type") && value.get() != "null" {
                named = true;
                found = found.or_else(|| kind_of(value.get()));
            }
            // A tool with a name or a function is the caller's own, as it always is in Anthropic's dialect.
            named |= matches!(&*key, "function" | "name");
        });
        found.or((read.is_err() || !named).then_some(UNKNOWN))
    })
}

/// The reason of the first element of a list that has one; the reason for unknown tools if it is not a list.
fn first(list: &str, reason: impl Fn(&str) -> Option<&'static str>) -> Option<&'static str> {
    let mut found = None;
    let read = raw::elements(list, |element| {
        if found.is_none() {
            found = reason(element.get());
        }
    });
    found.or(read.is_err().then_some(UNKNOWN))
}

/// Why tools of a type are billed, if they are. `raw` is the type's JSON.
fn kind_of(raw: &str) -> Option<&'static str> {
    if raw.len() > LONGEST_TYPE {
        return Some(UNKNOWN);
    }
    let Ok(kind) = serde_json::from_str::<Cow<'_, str>>(raw) else { return Some(UNKNOWN) };
    match TYPES.iter().find(|(known, _)| kind.starts_with(known)) {
        Some((_, bill)) => bill.reason(),
        None => Some(UNKNOWN),
    }
}

/// The longest type of a tool, in bytes.
const LONGEST_TYPE: usize = 256;

fn google(tools: &str) -> Option<&'static str> {
    // A single group may be given without a list.
    if tools.starts_with('{') {
        return group(tools, GOOGLE);
    }
    first(tools, |one| group(one, GOOGLE))
}

fn group(group: &str, table: &[(&str, Bill)]) -> Option<&'static str> {
    let mut found = None;
    let read = raw::members(group, |key, value| {
        if found.is_some() || value.get() == "null" {
            return;
        }
        let key = unescape(key.get());
        let known = (key.len() <= LONGEST_TYPE).then(|| crate::format::gemini::reader::camel_case(&key));
        found = match table.iter().find(|(name, _)| known.as_deref() == Some(*name)) {
            Some((_, bill)) => bill.reason(),
            None => Some(UNKNOWN),
        };
    });
    found.or(read.is_err().then_some(UNKNOWN))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::find;
    use crate::passthrough::scan::scan;

    #[test]
    fn separately_billed_tools_are_recognized() {
        const CHAT: &str = "/v1/chat/completions";
        const COMPLETIONS: &str = "/v1/completions";
        const RESPONSES: &str = "/v1/responses";
        const MESSAGES: &str = "/v1/messages";
        const GEMINI: &str = "/v1beta/models/m:generateContent";
        const CONVERSE: &str = "/model/m/converse";
        for (path, body, expected) in [
            (CHAT, r#"{"tools":[{"type":"function"}]}"#, None),
            (CHAT, r#"{"tools":[{"type":"openrouter:web_search"}]}"#, Some("OpenRouter's tools")),
            (CHAT, r#"{"web_search_options":{}}"#, Some("what web_search_options asks for")),
            (CHAT, r#"{"web_search_options":null,"plugins":[]}"#, None),
            (CHAT, r#"{"plugins":[{"id":"web"}]}"#, Some("plugins")),
            (RESPONSES, r#"{"tools":[{"type":"computer_use_preview"},{"type":"custom"}]}"#, None),
            (RESPONSES, r#"{"tools":[{"type":"mcp","server_url":"u"}]}"#, Some("what MCP servers answer")),
            (MESSAGES, r#"{"mcp_servers":[{"type":"url","url":"u"}]}"#, Some("what MCP servers answer")),
            (MESSAGES, r#"{"mcp_servers":[],"container":null}"#, None),
            (MESSAGES, r#"{"container":{"skills":[]}}"#, Some("what runs in a container")),
            (MESSAGES, r#"{"tools":[{"type":"web_fetch_20260318"}]}"#, Some("what the tool web_fetch reads")),
            (MESSAGES, r#"{"context_management":{"edits":[{"type":"clear_tool_uses_20250919"}]}}"#, None),
            (
                MESSAGES,
                r#"{"context_management":{"edits":[{"type":"clear_thinking_20251015"},{"type":"compact_20260112"}]}}"#,
                Some(COMPACTS),
            ),
            (RESPONSES, r#"{"context_management":[{"type":"compaction","compact_threshold":9}]}"#, Some(COMPACTS)),
            (GEMINI, r#"{"tools":[{"url_context":{}}]}"#, Some("what the tool urlContext reads")),
            (GEMINI, r#"{"tools":[{"fileSearch":{}}]}"#, Some("what the tool fileSearch finds")),
            (
                RESPONSES,
                r#"{"tools":[{"type":"function"},{"type":"web_search_preview"}]}"#,
                Some("the tool web_search is"),
            ),
            (RESPONSES, r#"{"tools":[{"type":"code_interpreter"}]}"#, Some("the tool code_interpreter is")),
            (RESPONSES, r#"{"tools":[{"type":"mind_reading"}]}"#, Some(UNKNOWN)),
            // Ambiguous declarations.
            (RESPONSES, r#"{"tools":"web_search"}"#, Some(UNKNOWN)),
            (RESPONSES, r#"{"tools":{"type":"function"}}"#, Some(UNKNOWN)),
            (RESPONSES, r#"{"tools":[{"type":"function"},null]}"#, Some(UNKNOWN)),
            (RESPONSES, r#"{"tools":[{"type":7}]}"#, Some(UNKNOWN)),
            (RESPONSES, r#"{"tools":["web_search"]}"#, Some(UNKNOWN)),
            (RESPONSES, r#"{"tools":[{"type":"function","type":"web_search"}]}"#, Some("the tool web_search is")),
            (RESPONSES, r#"{"tools":[{"type":"web_search","type":"function"}]}"#, Some("the tool web_search is")),
            (RESPONSES, r#"{"tools":[{"type":"function","Type":"web_search"}]}"#, Some("the tool web_search is")),
            (RESPONSES, r#"{"tools":[{"type":"function","t\u0079pe":"web_search"}]}"#, Some("the tool web_search is")),
            (RESPONSES, r#"{"tools":[{"type":"Web_Search"}]}"#, Some(UNKNOWN)),
            (RESPONSES, r#"{"tools":[]}"#, None),
            (RESPONSES, r#"{"tools":null}"#, None),
            // Lenient servers recognize a function without a type.
            (CHAT, r#"{"tools":[{"function":{"name":"f"}},{"type":null,"name":"f"}]}"#, None),
            (CHAT, r#"{"tools":[{"google_search":{}}]}"#, Some(UNKNOWN)),
            (CHAT, r#"{"tools":[{}]}"#, Some(UNKNOWN)),
            (COMPLETIONS, r#"{"plugins":[{"id":"web"}]}"#, Some("plugins")),
            (MESSAGES, r#"{"tools":[{"name":"f"},{"name":"f","type":null}]}"#, None),
            (MESSAGES, r#"{"tools":[{"type":["web_search_20260318"]}]}"#, Some(UNKNOWN)),
            (RESPONSES, r#"{"prompt":{"id":"pmpt_1"}}"#, Some(KEPT_PROMPT)),
            (RESPONSES, r#"{"prompt":null}"#, None),
            (COMPLETIONS, r#"{"prompt":"Once"}"#, None),
            (CHAT, r#"{"preset":"support"}"#, Some("a preset that is stored at the provider")),
            (MESSAGES, r#"{"tools":[{"name":"f"},{"type":"bash_20250124"}]}"#, None),
            (
                MESSAGES,
                r#"{"tools":[{"name":"f"},{"type":"web\u005fsearch_20260318"}]}"#,
                Some("the tool web_search is"),
            ),
            (GEMINI, r#"{"tools":[{"function_declarations":[]},{"codeExecution":{},"googleSearch":null}]}"#, None),
            (GEMINI, r#"{"tools":[{"google_search":{}}]}"#, Some("the tool googleSearch is")),
            (GEMINI, r#"{"tools":{"googleMaps":{}}}"#, Some("the tool googleMaps is")),
            (GEMINI, r#"{"tools":[{"mindReading":{}}]}"#, Some(UNKNOWN)),
            (
                GEMINI,
                r#"{"tools":[{"functionDeclarations":[],"googleSearch":null,"googleSearch":{}}]}"#,
                Some("the tool"),
            ),
            (GEMINI, r#"{"tools":[{"functionDeclarations":[]},null]}"#, Some(UNKNOWN)),
            (GEMINI, r#"{"tools":"googleSearch"}"#, Some(UNKNOWN)),
            (GEMINI, r#"{"tools":[{"GoogleSearch":{}}]}"#, Some(UNKNOWN)),
            (
                CONVERSE,
                r#"{"toolConfig":{"tools":[{"toolSpec":{"name":"f"}},{"cachePoint":{"type":"default"}}]}}"#,
                None,
            ),
            (
                CONVERSE,
                r#"{"toolConfig":{"tools":[{"systemTool":{"name":"nova_grounding"}}]}}"#,
                Some("tools that AWS runs"),
            ),
            (CONVERSE, r#"{"toolConfig":{"tools":[{"other":{}}]}}"#, Some(UNKNOWN)),
            (CONVERSE, r#"{"guardrailConfig":{"guardrailIdentifier":"g"}}"#, Some("what guardrailConfig asks for")),
        ] {
            let operation = find("POST", path).unwrap().operation;
            let tool = scan(body.as_bytes()).unwrap().server_tool(operation, body.as_bytes());
            match expected {
                None => assert_eq!(tool, None, "{body}"),
                Some(expected) => assert!(tool.is_some_and(|tool| tool.starts_with(expected)), "{body}: {tool:?}"),
            }
        }
    }
}
