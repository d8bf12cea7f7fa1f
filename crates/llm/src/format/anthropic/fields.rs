//! Every field of a messages request, and how it is converted to the other dialects.
//!
//! From the types of Anthropic's SDK of autumn 2026, beta ones included, and the fields that older versions still send. A
//! path with a value after a colon (`tools[].type:bash_20250124`) is a field that matters only with this value; its sample
//! is the whole element that contains it. A block or tool of a type without a row is refused, like any field without one.

use crate::Format;
use crate::chat::fields::FieldHandling::{Adapted, Carried, Hint, Refused};
use crate::chat::fields::{FieldRow, HandlingByFormat};

const CARRIED: HandlingByFormat = HandlingByFormat::all(Carried);
const ADAPTED: HandlingByFormat = HandlingByFormat::all(Adapted);
const HINT: HandlingByFormat = HandlingByFormat::all(Hint);
const REFUSED: HandlingByFormat = HandlingByFormat::all(Refused);

const fn row(
    path: &'static str,
    handling_by_format: HandlingByFormat,
    note: &'static str,
    sample: &'static str,
) -> FieldRow {
    FieldRow { path, handling_by_format, note, sample }
}

const CACHE: &str = "where the prompt cache ends; other providers cache by themselves";
/// Only AWS has such marks.
const CACHE_MARK: HandlingByFormat = HINT.with(Format::Bedrock, Adapted);
const CACHE_MARKED: &str = "a `cachePoint` for Nova, whose time is five minutes; other providers cache by themselves";
const CACHE_SAMPLE: &str = r#"{"type": "ephemeral"}"#;
const SERVER_TOOL: &str = "run by Anthropic itself";
const CLIENT_TOOL: &str = "Anthropic's models know its arguments by its type; others would need a schema";

#[rustfmt::skip] // A row a line.
pub const FIELDS: &[FieldRow] = &[
    // The request.
    row("model", CARRIED, "", r#""claude-sonnet-5""#),
    row("max_tokens", CARRIED, "", "100"),
    row("max_tokens:0", REFUSED, "fills the prompt cache and asks for no answer", "0"),
    row("messages", CARRIED, "", r#"[{"role": "user", "content": "Hi"}]"#),
    row("system", CARRIED, "", r#""Be brief.""#),
    row("stream", CARRIED, "", "true"),
    row("stop_sequences", CARRIED, "", r#"["END"]"#),
    row("temperature", CARRIED, "", "0.5"),
    row("top_p", CARRIED, "", "0.9"),
    row("top_k", REFUSED.with(Format::Ollama, Carried).with(Format::Gemini, Carried).with(Format::Cohere, Carried).with(Format::Bedrock, Adapted), "OpenAI's dialect has no such field; at Bedrock each model has its own", "40"),
    row("cache_control", HINT, CACHE, CACHE_SAMPLE),
    row("metadata", HINT, "identifies the user of the request", r#"{"user_id": "u"}"#),
    row("service_tier", HINT, "priority and price", r#""auto""#),
    row("speed", HINT, "speed and price", r#""fast""#),
    row("context_management", HINT, "drops old turns as a conversation grows", r#"{"edits": []}"#),
    row("diagnostics", HINT, "asks why the prompt cache was missed", r#"{"previous_message_id": "msg_1"}"#),
    row("fallbacks", HINT, "models that take over; the gateway has its own fallbacks", r#"[{"model": "claude-opus-5"}]"#),
    row("fallback_credit_token", HINT, "a discount on a repeated request", r#""t""#),
    row("betas", HINT, "enables features whose fields have their own rows", r#"["context-1m-2025-08-07"]"#),
    row("anthropic_beta", HINT, "the same, as Bedrock and Vertex have it", r#"["context-1m-2025-08-07"]"#),
    row("anthropic_version", HINT, "the header, as Bedrock and Vertex have it", r#""bedrock-2023-05-31""#),
    row("inference_geo", REFUSED, "guarantees where the request is processed", r#""us""#),
    row("billing_policy", REFUSED, "says who pays", r#"{"type": "billing_policy", "bill_to": "user_profile"}"#),
    row("container", REFUSED, "state of Anthropic's own tools", r#""container_1""#),
    row("mcp_servers", REFUSED, "servers that Anthropic calls", r#"[{"type": "url", "name": "m", "url": "https://a.example"}]"#),
    row("compaction", REFUSED, "asks for a signed summary in place of an answer", r#"{"type": "summarize"}"#),
    row("thread", REFUSED, "turns that are stored at Anthropic", r#"{"type": "create"}"#),
    row("thinking", ADAPTED, "a budget becomes the nearest effort if the dialect has named efforts", r#"{"type": "adaptive"}"#),
    row("thinking.type", ADAPTED, "see `thinking`", r#""disabled""#),
    row("thinking.type:between_tools", REFUSED, "no other dialect controls when the model thinks", r#"{"type": "between_tools"}"#),
    row("thinking.budget_tokens", ADAPTED, "see `thinking`", "2048"),
    row("thinking.display", HINT, "whether thoughts are shown", r#""summarized""#),
    row("output_config", CARRIED, "", r#"{"effort": "low"}"#),
    row("output_config.effort", ADAPTED, "`max` becomes the highest effort of the other dialect", r#""max""#),
    row("output_config.format", CARRIED, "", r#"{"type": "json_schema", "schema": {"type": "object"}}"#),
    row("output_config.format.type", CARRIED, "", r#""json_schema""#),
    row("output_config.format.schema", CARRIED, "", r#"{"type": "object"}"#),
    row("output_config.task_budget", HINT, "tells the model how much work is expected", r#"{"type": "tokens", "total": 20000}"#),
    row("output_format", CARRIED, "the beta's name of `output_config.format`", r#"{"type": "json_schema", "schema": {}}"#),
    row("output_format.type", CARRIED, "", r#""json_schema""#),
    row("output_format.schema", CARRIED, "", r#"{"type": "object"}"#),
    // The system prompt.
    row("system[].type", CARRIED, "", r#""text""#),
    row("system[].text", CARRIED, "", r#""Be brief.""#),
    row("system[].cache_control", CACHE_MARK, CACHE_MARKED, CACHE_SAMPLE),
    row("system[].citations", HINT, "citations in an earlier answer", r#"[{"type": "char_location"}]"#),
    // Turns.
    row("messages[].role", ADAPTED, "a `system` turn is put with the system prompt, before the turns", r#""system""#),
    row("messages[].content", CARRIED, "", r#""Hi""#),
    row("messages[].clear_at", REFUSED, "a system message that is shown for one turn", r#""next_user_message""#),
    row("messages[].output_config", REFUSED, "an effort for one turn", r#"{"effort": "low"}"#),
    row("messages[].content[].type", CARRIED, "", r#""text""#),
    row("messages[].content[].cache_control", CACHE_MARK, CACHE_MARKED, CACHE_SAMPLE),
    row("messages[].content[].text", CARRIED, "", r#""Hi""#),
    row("messages[].content[].citations", HINT, "citations in an earlier answer", r#"[{"type": "char_location"}]"#),
    row("messages[].content[].citations.enabled", REFUSED, "asks the model to cite its documents", "true"),
    row("messages[].content[].source", CARRIED, "", r#"{"type": "url", "url": "https://a.example/a.png"}"#),
    row("messages[].content[].source.type", CARRIED, "", r#""base64""#),
    row("messages[].content[].source.media_type", CARRIED, "", r#""image/png""#),
    row("messages[].content[].source.data", CARRIED, "", r#""AAAA""#),
    row("messages[].content[].source.url", CARRIED, "", r#""https://a.example/a.png""#),
    row("messages[].content[].source.type:file", REFUSED, "a file that is stored at Anthropic", r#"{"type": "file", "file_id": "file_1"}"#),
    row("messages[].content[].source.content", ADAPTED, "split into its parts", r#""A page.""#),
    row("messages[].content[].source.content[].type", CARRIED, "", r#""text""#),
    row("messages[].content[].source.content[].text", CARRIED, "", r#""A page.""#),
    row("messages[].content[].source.content[].cache_control", HINT, CACHE, CACHE_SAMPLE),
    row("messages[].content[].source.content[].citations", HINT, "citations in an earlier answer", r#"[]"#),
    row("messages[].content[].transformations", HINT, "whether a picture that is too large is scaled or refused", r#"{"oversized_image": "error"}"#),
    row("messages[].content[].title", ADAPTED, "the file name of a PDF; for other documents a line above the text", r#""Title""#),
    row("messages[].content[].context", ADAPTED, "a line above the document", r#""Context""#),
    row("messages[].content[].thinking", ADAPTED, "kept if the dialect has a field for thoughts; otherwise left out and reported", r#""Hm""#),
    row("messages[].content[].signature", ADAPTED, "only its own provider can use it", r#""sig""#),
    row("messages[].content[].data", ADAPTED, "redacted thinking: kept if the dialect has a field for it; otherwise left out and reported", r#""xx""#),
    row("messages[].content[].id", ADAPTED, "contains a Gemini thought signature, if there is one", r#""toolu_1""#),
    row("messages[].content[].name", CARRIED, "", r#""f""#),
    row("messages[].content[].input", CARRIED, "", r#"{"a": 1}"#),
    row("messages[].content[].caller", REFUSED, "a call made by code that Anthropic ran", r#"{"type": "code_execution_20260120", "tool_id": "t"}"#),
    row("messages[].content[].toolset_name", REFUSED, CLIENT_TOOL, r#""browser""#),
    row("messages[].content[].tool_use_id", CARRIED, "", r#""toolu_1""#),
    row("messages[].content[].is_error", ADAPTED, "written into the result's text if the dialect has no field for it", "true"),
    row("messages[].content[].content", CARRIED, "", r#""Sunny""#),
    row("messages[].content[].content[].type", CARRIED, "", r#""text""#),
    row("messages[].content[].content[].text", CARRIED, "", r#""Sunny""#),
    row("messages[].content[].content[].cache_control", HINT, CACHE, CACHE_SAMPLE),
    row("messages[].content[].content[].citations", HINT, "citations in an earlier answer", r#"[]"#),
    row("messages[].content[].content[].citations.enabled", REFUSED, "asks the model to cite", "true"),
    row("messages[].content[].content[].content[].cache_control", HINT, CACHE, CACHE_SAMPLE),
    row("messages[].content[].content[].source.content[].cache_control", HINT, CACHE, CACHE_SAMPLE),
    row("messages[].content[].content[].source", CARRIED, "", r#"{"type": "url", "url": "https://a.example/a.png"}"#),
    row("messages[].content[].content[].source.type", CARRIED, "", r#""base64""#),
    row("messages[].content[].content[].source.media_type", CARRIED, "", r#""image/png""#),
    row("messages[].content[].content[].source.data", CARRIED, "", r#""AAAA""#),
    row("messages[].content[].content[].source.url", CARRIED, "", r#""https://a.example/a.png""#),
    row("messages[].content[].content[].source.type:file", REFUSED, "a file that is stored at Anthropic", r#"{"type": "file", "file_id": "file_1"}"#),
    row("messages[].content[].content[].transformations", HINT, "whether a picture that is too large is scaled or refused", r#"{"oversized_image": "error"}"#),
    row("messages[].content[].content[].title", ADAPTED, "as in a turn", r#""Title""#),
    row("messages[].content[].content[].context", ADAPTED, "as in a turn", r#""Context""#),
    row("messages[].content[].content[].tool_name", ADAPTED, "a tool that a search found: replaced with its name", r#""f""#),
    row("messages[].content[].content[].type:browser_state", REFUSED, CLIENT_TOOL, r#"{"type": "browser_state", "tabs": []}"#),
    // Blocks of kinds that other dialects do not have.
    row("messages[].content[].type:server_tool_use", REFUSED, SERVER_TOOL, r#"{"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}"#),
    row("messages[].content[].type:web_search_tool_result", REFUSED, SERVER_TOOL, r#"{"type": "web_search_tool_result", "tool_use_id": "s", "content": []}"#),
    row("messages[].content[].type:web_fetch_tool_result", REFUSED, SERVER_TOOL, r#"{"type": "web_fetch_tool_result", "tool_use_id": "s", "content": {}}"#),
    row("messages[].content[].type:code_execution_tool_result", REFUSED, SERVER_TOOL, r#"{"type": "code_execution_tool_result", "tool_use_id": "s", "content": {}}"#),
    row("messages[].content[].type:bash_code_execution_tool_result", REFUSED, SERVER_TOOL, r#"{"type": "bash_code_execution_tool_result", "tool_use_id": "s", "content": {}}"#),
    row("messages[].content[].type:text_editor_code_execution_tool_result", REFUSED, SERVER_TOOL, r#"{"type": "text_editor_code_execution_tool_result", "tool_use_id": "s", "content": {}}"#),
    row("messages[].content[].type:advisor_tool_result", REFUSED, SERVER_TOOL, r#"{"type": "advisor_tool_result", "tool_use_id": "s", "content": {}}"#),
    row("messages[].content[].type:tool_search_tool_result", HINT, "the search for deferred tools, all of which are included", r#"{"type": "tool_search_tool_result", "tool_use_id": "s", "content": {}}"#),
    row("messages[].content[].type:mcp_tool_use", REFUSED, SERVER_TOOL, r#"{"type": "mcp_tool_use", "id": "m", "name": "f", "server_name": "s", "input": {}}"#),
    row("messages[].content[].type:mcp_tool_result", REFUSED, SERVER_TOOL, r#"{"type": "mcp_tool_result", "tool_use_id": "m", "content": []}"#),
    row("messages[].content[].type:mcp_tool_listing", REFUSED, SERVER_TOOL, r#"{"type": "mcp_tool_listing"}"#),
    row("messages[].content[].type:container_upload", REFUSED, SERVER_TOOL, r#"{"type": "container_upload", "file_id": "file_1"}"#),
    row("messages[].content[].type:compaction", REFUSED, "replaces turns that Anthropic summarized", r#"{"type": "compaction", "content": "Before."}"#),
    row("messages[].content[].type:tool_addition", REFUSED, "a tool that is added during the conversation", r#"{"type": "tool_addition", "tool": {}}"#),
    row("messages[].content[].type:tool_removal", REFUSED, "a tool that is removed during the conversation", r#"{"type": "tool_removal", "tool": {}}"#),
    row("messages[].content[].type:fallback", HINT, "a mark that is not shown to the model", r#"{"type": "fallback", "from": {}, "to": {}}"#),
    // Tools.
    row("tools", CARRIED, "", r#"[{"name": "f", "input_schema": {"type": "object"}}]"#),
    row("tools[].type", CARRIED, "", r#""custom""#),
    row("tools[].name", CARRIED, "", r#""g""#),
    row("tools[].description", CARRIED, "", r#""Does g.""#),
    row("tools[].input_schema", CARRIED, "", r#"{"type": "object"}"#),
    row("tools[].strict", CARRIED, "", "true"),
    row("tools[].cache_control", HINT, CACHE, CACHE_SAMPLE),
    row("tools[].defer_loading", HINT, "included from the beginning", "true"),
    row("tools[].eager_input_streaming", HINT, "whether arguments are streamed early", "true"),
    row("tools[].input_examples", HINT, "examples in addition to the schema", r#"[{"a": 1}]"#),
    row("tools[].allowed_callers", REFUSED, "called by code that Anthropic runs", r#"["code_execution_20260120"]"#),
    row("tools[].type:tool_search_tool_regex_20251119", HINT, "searches deferred tools, all of which are included", r#"{"type": "tool_search_tool_regex_20251119", "name": "tool_search_tool_regex"}"#),
    row("tools[].type:tool_search_tool_regex", HINT, "searches deferred tools, all of which are included", r#"{"type": "tool_search_tool_regex", "name": "tool_search_tool_regex"}"#),
    row("tools[].type:tool_search_tool_bm25_20251119", HINT, "searches deferred tools, all of which are included", r#"{"type": "tool_search_tool_bm25_20251119", "name": "tool_search_tool_bm25"}"#),
    row("tools[].type:tool_search_tool_bm25", HINT, "searches deferred tools, all of which are included", r#"{"type": "tool_search_tool_bm25", "name": "tool_search_tool_bm25"}"#),
    row("tools[].type:web_search_20250305", REFUSED, SERVER_TOOL, r#"{"type": "web_search_20250305", "name": "web_search"}"#),
    row("tools[].type:web_search_20260209", REFUSED, SERVER_TOOL, r#"{"type": "web_search_20260209", "name": "web_search"}"#),
    row("tools[].type:web_search_20260318", REFUSED, SERVER_TOOL, r#"{"type": "web_search_20260318", "name": "web_search"}"#),
    row("tools[].type:web_fetch_20250910", REFUSED, SERVER_TOOL, r#"{"type": "web_fetch_20250910", "name": "web_fetch"}"#),
    row("tools[].type:web_fetch_20260209", REFUSED, SERVER_TOOL, r#"{"type": "web_fetch_20260209", "name": "web_fetch"}"#),
    row("tools[].type:web_fetch_20260309", REFUSED, SERVER_TOOL, r#"{"type": "web_fetch_20260309", "name": "web_fetch"}"#),
    row("tools[].type:web_fetch_20260318", REFUSED, SERVER_TOOL, r#"{"type": "web_fetch_20260318", "name": "web_fetch"}"#),
    row("tools[].type:code_execution_20250522", REFUSED, SERVER_TOOL, r#"{"type": "code_execution_20250522", "name": "code_execution"}"#),
    row("tools[].type:code_execution_20250825", REFUSED, SERVER_TOOL, r#"{"type": "code_execution_20250825", "name": "code_execution"}"#),
    row("tools[].type:code_execution_20260120", REFUSED, SERVER_TOOL, r#"{"type": "code_execution_20260120", "name": "code_execution"}"#),
    row("tools[].type:code_execution_20260521", REFUSED, SERVER_TOOL, r#"{"type": "code_execution_20260521", "name": "code_execution"}"#),
    row("tools[].type:advisor_20260301", REFUSED, SERVER_TOOL, r#"{"type": "advisor_20260301", "name": "advisor"}"#),
    row("tools[].type:mcp_toolset", REFUSED, SERVER_TOOL, r#"{"type": "mcp_toolset", "mcp_server_name": "m"}"#),
    row("tools[].type:bash_20241022", REFUSED, CLIENT_TOOL, r#"{"type": "bash_20241022", "name": "bash"}"#),
    row("tools[].type:bash_20250124", REFUSED, CLIENT_TOOL, r#"{"type": "bash_20250124", "name": "bash"}"#),
    row("tools[].type:text_editor_20241022", REFUSED, CLIENT_TOOL, r#"{"type": "text_editor_20241022", "name": "str_replace_editor"}"#),
    row("tools[].type:text_editor_20250124", REFUSED, CLIENT_TOOL, r#"{"type": "text_editor_20250124", "name": "str_replace_editor"}"#),
    row("tools[].type:text_editor_20250429", REFUSED, CLIENT_TOOL, r#"{"type": "text_editor_20250429", "name": "str_replace_based_edit_tool"}"#),
    row("tools[].type:text_editor_20250728", REFUSED, CLIENT_TOOL, r#"{"type": "text_editor_20250728", "name": "str_replace_based_edit_tool"}"#),
    row("tools[].type:memory_20250818", REFUSED, CLIENT_TOOL, r#"{"type": "memory_20250818", "name": "memory"}"#),
    row("tools[].type:computer_20241022", REFUSED, CLIENT_TOOL, r#"{"type": "computer_20241022", "name": "computer"}"#),
    row("tools[].type:computer_20250124", REFUSED, CLIENT_TOOL, r#"{"type": "computer_20250124", "name": "computer"}"#),
    row("tools[].type:computer_20251124", REFUSED, CLIENT_TOOL, r#"{"type": "computer_20251124", "name": "computer"}"#),
    row("tools[].type:computer_toolset_20260801", REFUSED, CLIENT_TOOL, r#"{"type": "computer_toolset_20260801"}"#),
    row("tools[].type:browser_toolset_20260801", REFUSED, CLIENT_TOOL, r#"{"type": "browser_toolset_20260801"}"#),
    row("tool_choice", CARRIED, "", r#"{"type": "any"}"#),
    row("tool_choice.type", CARRIED, "", r#""none""#),
    row("tool_choice.name", CARRIED, "", r#""f""#),
    row("tool_choice.disable_parallel_tool_use", ADAPTED.with(Format::OpenAiChat, Carried), "of a provider that can't be held to one call, the first one is passed on", "true"),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use serde_json::{Value, json};

    use super::*;
    use crate::RequestError;
    use crate::format::anthropic::request::decode;
    use crate::registry::{fit, handling};

    /// A block that contains a given key, and is otherwise valid.
    fn block(key: &str) -> Value {
        let image = json!({"type": "base64", "media_type": "image/png", "data": "AAAA"});
        match key {
            "source" | "transformations" => json!({"type": "image", "source": image}),
            "title" | "context" | "citations.enabled" => {
                json!({"type": "document", "source": {"type": "url", "url": "https://a.example/a.pdf"}, "citations": {}})
            }
            "thinking" | "signature" => json!({"type": "thinking", "thinking": "Hm", "signature": "sig"}),
            "data" => json!({"type": "redacted_thinking", "data": "xx"}),
            "id" | "name" | "input" | "caller" | "toolset_name" => {
                json!({"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}})
            }
            "tool_use_id" | "is_error" | "content" => json!({"type": "tool_result", "tool_use_id": "toolu_1"}),
            "tool_name" => json!({"type": "tool_reference", "tool_name": "f"}),
            "source.url" => json!({"type": "image", "source": {"type": "url", "url": "x"}}),
            key if key.starts_with("source.content[]") => {
                json!({"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "x"}]}})
            }
            "source.content" => json!({"type": "document", "source": {"type": "content", "content": "x"}}),
            key if key.starts_with("source.") => json!({"type": "image", "source": image}),
            _ => json!({"type": "text", "text": "Hi"}),
        }
    }

    /// The smallest request in which the field at this path can occur.
    fn request(path: &str) -> Value {
        let mut request = json!({
            "model": "claude-sonnet-5", "max_tokens": 10, "messages": [{"role": "user", "content": "Hi"}],
        });
        let (top, rest) = path.split_once(['.', '[']).unwrap_or((path, ""));
        match top {
            "system" => request["system"] = json!([{"type": "text", "text": "x"}]),
            "tools" => request["tools"] = json!([{"name": "f", "input_schema": {"type": "object"}}]),
            "tool_choice" => request["tool_choice"] = json!({"type": "tool", "name": "f"}),
            "thinking" => request["thinking"] = json!({"type": "enabled", "budget_tokens": 1024}),
            "output_config" | "output_format" => {
                request["output_config"] = json!({"format": {"type": "json_schema", "schema": {}}});
                request["output_format"] = json!({"type": "json_schema", "schema": {}});
            }
            "messages" => {
                if let Some(key) = rest.strip_prefix("].content[].content[].content[]") {
                    let found = json!({"type": "search_result", "source": "s", "title": "t", "content": [block(key)]});
                    let result = json!({"type": "tool_result", "tool_use_id": "t", "content": [found]});
                    request["messages"][0]["content"] = json!([result]);
                } else if let Some(key) = rest.strip_prefix("].content[].content[].") {
                    let result = json!({"type": "tool_result", "tool_use_id": "t", "content": [block(key)]});
                    request["messages"][0]["content"] = json!([result]);
                } else if let Some(key) = rest.strip_prefix("].content[].") {
                    request["messages"][0]["content"] = json!([block(key)]);
                }
            }
            _ => {}
        }
        request
    }

    /// Inserts `sample` at `path`; if the path contains a type, in place of the element of that type.
    fn put(mut into: &mut Value, path: &str, sample: Value) {
        let (path, value) = path.split_once(':').unwrap_or((path, ""));
        let mut keys: Vec<&str> = path.split('.').collect();
        if !value.is_empty() && keys.last() == Some(&"type") {
            keys.pop();
        }
        for key in keys {
            let name = key.trim_end_matches("[]");
            into = &mut into[name];
            if key.ends_with("[]") {
                into = &mut into[0];
            }
        }
        *into = sample;
    }

    #[test]
    fn each_row_is_decoded_as_specified() {
        let mut paths = HashSet::new();
        for field in FIELDS {
            assert!(paths.insert(field.path), "{} has two rows", field.path);
            assert_eq!(handling(Format::Anthropic, field.path, Format::Anthropic), Carried, "{}", field.path);
            let mut body = request(field.path);
            put(&mut body, field.path, serde_json::from_str(field.sample).expect(field.path));
            let read =
                decode(body.as_object().unwrap()).unwrap_or_else(|error| panic!("{}: {error}\n{body}", field.path));
            for upstream in [Format::OpenAiChat, Format::Gemini, Format::Bedrock] {
                let fitted = fit(Format::Anthropic, &read.fields, upstream);
                let path = field.path.to_owned();
                match field.handling_by_format.towards(upstream) {
                    Carried | Adapted => assert_eq!(fitted, Ok(vec![]), "{path} towards {upstream:?}\n{body}"),
                    Hint => assert_eq!(fitted, Ok(vec![path]), "towards {upstream:?}"),
                    Refused => {
                        assert_eq!(fitted, Err(RequestError::Unsupported { field: path, upstream: upstream.dialect() }))
                    }
                }
            }
        }
    }

    #[test]
    fn rows_explain_their_handling() {
        for field in FIELDS {
            let as_it_is = [Format::OpenAiChat, Format::Gemini]
                .iter()
                .all(|other| field.handling_by_format.towards(*other) == Carried);
            assert!(as_it_is || !field.note.is_empty(), "{} has no note", field.path);
        }
    }

    #[test]
    fn fields_without_a_row_are_refused() {
        for (path, body) in [
            ("novelty", json!({"novelty": 1, "messages": [{"role": "user", "content": "Hi"}]})),
            ("messages[].novelty", json!({"messages": [{"role": "user", "content": "Hi", "novelty": 1}]})),
            (
                "tools[].type:novel_20270101",
                json!({"tools": [{"type": "novel_20270101"}],
                "messages": [{"role": "user", "content": "Hi"}]}),
            ),
            (
                "messages[].content[].type:novelty",
                json!({"messages": [{"role": "user", "content": [{"type": "novelty"}]}]}),
            ),
        ] {
            let read = decode(body.as_object().unwrap()).unwrap();
            assert_eq!(read.fields, [path]);
            let refused = RequestError::Unsupported { field: path.to_owned(), upstream: crate::Dialect::OpenAi };
            assert_eq!(fit(Format::Anthropic, &read.fields, Format::OpenAiChat), Err(refused));
        }
    }
}
