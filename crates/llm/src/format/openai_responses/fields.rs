//! Every field of a request, as typed in OpenAI's SDK 3.x (`responses/response_create_params.py`), and what Codex adds.
//! All others are refused.
//!
//! A path with a value after a colon (`tools[].type:web_search`) is a field that matters only with this value; its
//! sample is the whole element that contains it. If the handling depends on the value otherwise, the decoder records the
//! field only for a value that matters: `truncation: "disabled"` has no effect.

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
    sample: &'static str,
    note: &'static str,
) -> FieldRow {
    FieldRow { path, handling_by_format, note, sample }
}

const STATE: &str = "refers to what is stored at OpenAI; other providers keep no state";
const SERVER_TOOL: &str = "run by OpenAI itself";
const CLIENT_TOOL: &str = "OpenAI's models know its arguments by its type; others would need a schema";
const CUSTOM: &str = "as a function with the one argument `input`";

#[rustfmt::skip] // A row a line.
pub const FIELDS: &[FieldRow] = &[
    // The request.
    row("model", CARRIED, r#""gpt-5""#, ""),
    row("input", CARRIED, r#""Hi""#, ""),
    row("instructions", CARRIED, r#""Be brief.""#, "before the system messages"),
    row("stream", CARRIED, "true", ""),
    row("stream_options", CARRIED, r#"{"include_obfuscation":false}"#, ""),
    row("stream_options.include_obfuscation", HINT, "true", "padding against eavesdroppers who measure events; false is carried"),
    row("max_output_tokens", CARRIED, "100", ""),
    row("temperature", CARRIED, "0.5", ""),
    row("top_p", CARRIED, "0.9", ""),
    row("store", HINT, "true", "keeps the answer at OpenAI, also by default; false is carried. The answer says that nothing is stored"),
    row("previous_response_id", REFUSED, r#""resp_1""#, STATE),
    row("conversation", REFUSED, r#""conv_1""#, STATE),
    row("prompt", REFUSED, r#"{"id":"pmpt_1"}"#, STATE),
    row("background", REFUSED, "true", "answers later, from what is stored at OpenAI; false is carried"),
    row("background_options", HINT, r#"{"completion_window":"soonest"}"#, "for `background`, which is refused"),
    row("include", CARRIED, r#"["reasoning.encrypted_content"]"#, "for thoughts that only their provider can read"),
    row("include[]:message.output_text.logprobs", REFUSED, r#"["message.output_text.logprobs"]"#, "log probabilities are not translated"),
    row("include[]:message.input_image.image_url", HINT, r#"["message.input_image.image_url"]"#, "repeats what the caller has"),
    row("include[]:web_search_call.action.sources", HINT, r#"["web_search_call.action.sources"]"#, "of a tool that OpenAI runs"),
    row("include[]:web_search_call.results", HINT, r#"["web_search_call.results"]"#, "of a tool that OpenAI runs"),
    row("include[]:file_search_call.results", HINT, r#"["file_search_call.results"]"#, "of a tool that OpenAI runs"),
    row("include[]:code_interpreter_call.outputs", HINT, r#"["code_interpreter_call.outputs"]"#, "of a tool that OpenAI runs"),
    row("include[]:computer_call_output.output.image_url", HINT, r#"["computer_call_output.output.image_url"]"#, "repeats what the caller has"),
    row("top_logprobs", REFUSED, "3", "0 is carried"),
    row("truncation", HINT, r#""auto""#, "a conversation that is too long is refused by the provider; `disabled` is carried"),
    row("context_management", HINT, r#"[{"type":"compaction"}]"#, "summarizes old turns as a conversation grows; an empty list is carried"),
    row("max_tool_calls", HINT, "3", "limits tools that OpenAI runs"),
    row("moderation", REFUSED, r#"{"model":"omni-moderation-latest"}"#, "may block the answer, and adds results that only OpenAI has"),
    row("access_programs", REFUSED, r#"{"cyber":"standard"}"#, "OpenAI's own permissions"),
    row("image", HINT, r#"{"context_compression":"enabled"}"#, "how OpenAI keeps pictures"),
    row("metadata", HINT, r#"{"team":"a"}"#, "labels for OpenAI's dashboard; an empty object is carried"),
    row("client_metadata", HINT, r#"{"a":"b"}"#, "what Codex says about itself"),
    row("service_tier", HINT, r#""flex""#, "price and speed; `auto` and `default` are carried"),
    row("user", HINT, r#""u-1""#, "for OpenAI's abuse detection"),
    row("safety_identifier", HINT, r#""u-1""#, "for OpenAI's abuse detection"),
    row("prompt_cache_key", HINT, r#""k""#, "where OpenAI looks for a cached prompt"),
    row("prompt_cache_retention", HINT, r#""24h""#, "how long OpenAI keeps a cached prompt"),
    row("prompt_cache_options", HINT, r#"{"mode":"explicit"}"#, "how OpenAI caches a prompt"),
    row("reasoning", ADAPTED, r#"{"effort":"high"}"#, ""),
    row("reasoning.effort", ADAPTED, r#""high""#, "as `reasoning_effort`, as a budget, or as a level where the model has levels; `none` turns thinking off"),
    row("reasoning.summary", ADAPTED, r#""auto""#, "the thoughts that the provider shows are the summary, whether or not it is asked for"),
    row("reasoning.generate_summary", ADAPTED, r#""auto""#, "the older name of `reasoning.summary`"),
    row("reasoning.context", HINT, r#""all_turns""#, "which thoughts OpenAI's models keep"),
    row("reasoning.mode", HINT, r#""standard""#, "how OpenAI's models think"),
    row("text", CARRIED, r#"{"format":{"type":"text"}}"#, ""),
    row("text.verbosity", HINT, r#""low""#, "changes the length of the answer, not its content; `medium` is the default"),
    row("text.format", ADAPTED, r#"{"type":"json_object"}"#, "in the format's own form for JSON"),
    row("text.format.name", HINT.with(Format::OpenAiChat, Carried), r#""answer""#, "in other formats a schema has no name"),
    row("text.format.description", HINT.with(Format::OpenAiChat, Carried), r#""An answer""#, "put it into the schema itself to keep it"),
    row("text.format.schema", CARRIED, r#"{"type":"object"}"#, ""),
    row("text.format.strict", CARRIED, "true", "in other formats a schema is always enforced"),
    row("text.format.type:grammar", REFUSED, r#"{"type":"grammar"}"#, "only schemas are translated"),
    // Tools.
    row("tools", CARRIED, r#"[{"type":"function","name":"f"}]"#, ""),
    row("tools[].type", CARRIED, r#""function""#, ""),
    row("tools[].name", CARRIED, r#""f""#, ""),
    row("tools[].description", CARRIED, r#""Does f""#, ""),
    row("tools[].parameters", CARRIED, r#"{"type":"object"}"#, ""),
    row("tools[].strict", HINT.with(Format::OpenAiChat, Carried).with(Format::Anthropic, Carried).with(Format::Cohere, Adapted), "true", "Gemini has no strict tools; Cohere has one switch for all; false is carried"),
    row("tools[].output_schema", HINT, r#"{"type":"object"}"#, "what the tool returns, which its result shows"),
    row("tools[].defer_loading", HINT, "true", "included from the beginning"),
    row("tools[].allowed_callers", REFUSED, r#"["programmatic"]"#, "called by code that OpenAI runs; `direct` is carried"),
    row("tools[].type:custom", ADAPTED, r#"{"type":"custom","name":"c","format":{"type":"text"}}"#, "as a function with the one argument `input`; a grammar is described and not enforced"),
    row("tools[].type:namespace", ADAPTED, r#"{"type":"namespace","name":"n","tools":[{"type":"function","name":"f"}]}"#, "as functions, named `namespace__name`"),
    row("tools[].type:web_search", REFUSED, r#"{"type":"web_search"}"#, SERVER_TOOL),
    row("tools[].type:web_search_2025_08_26", REFUSED, r#"{"type":"web_search_2025_08_26"}"#, SERVER_TOOL),
    row("tools[].type:web_search_preview", REFUSED, r#"{"type":"web_search_preview"}"#, SERVER_TOOL),
    row("tools[].type:web_search_preview_2025_03_11", REFUSED, r#"{"type":"web_search_preview_2025_03_11"}"#, SERVER_TOOL),
    row("tools[].type:file_search", REFUSED, r#"{"type":"file_search","vector_store_ids":["v"]}"#, SERVER_TOOL),
    row("tools[].type:code_interpreter", REFUSED, r#"{"type":"code_interpreter","container":{"type":"auto"}}"#, SERVER_TOOL),
    row("tools[].type:image_generation", REFUSED, r#"{"type":"image_generation"}"#, SERVER_TOOL),
    row("tools[].type:mcp", REFUSED, r#"{"type":"mcp","server_label":"m"}"#, SERVER_TOOL),
    row("tools[].type:tool_search", REFUSED, r#"{"type":"tool_search"}"#, SERVER_TOOL),
    row("tools[].type:programmatic_tool_calling", REFUSED, r#"{"type":"programmatic_tool_calling"}"#, SERVER_TOOL),
    row("tools[].type:computer", REFUSED, r#"{"type":"computer"}"#, CLIENT_TOOL),
    row("tools[].type:computer_use_preview", REFUSED, r#"{"type":"computer_use_preview"}"#, CLIENT_TOOL),
    row("tools[].type:shell", REFUSED, r#"{"type":"shell"}"#, CLIENT_TOOL),
    row("tools[].type:local_shell", REFUSED, r#"{"type":"local_shell"}"#, CLIENT_TOOL),
    row("tools[].type:apply_patch", REFUSED, r#"{"type":"apply_patch"}"#, CLIENT_TOOL),
    row("tool_choice", CARRIED, r#""auto""#, ""),
    row("tool_choice.type:function", CARRIED, r#"{"type":"function","name":"f"}"#, ""),
    row("tool_choice.type:custom", ADAPTED, r#"{"type":"custom","name":"f"}"#, CUSTOM),
    row("tool_choice.type:allowed_tools", ADAPTED, r#"{"type":"allowed_tools","mode":"auto","tools":[{"type":"function","name":"f"}]}"#, "in mode `auto` the other tools are left out of `tools`"),
    row("tool_choice.type:web_search_preview", REFUSED, r#"{"type":"web_search_preview"}"#, SERVER_TOOL),
    row("tool_choice.type:file_search", REFUSED, r#"{"type":"file_search"}"#, SERVER_TOOL),
    row("tool_choice.type:code_interpreter", REFUSED, r#"{"type":"code_interpreter"}"#, SERVER_TOOL),
    row("tool_choice.type:image_generation", REFUSED, r#"{"type":"image_generation"}"#, SERVER_TOOL),
    row("tool_choice.type:mcp", REFUSED, r#"{"type":"mcp","server_label":"m"}"#, SERVER_TOOL),
    row("tool_choice.type:shell", REFUSED, r#"{"type":"shell"}"#, CLIENT_TOOL),
    row("tool_choice.type:apply_patch", REFUSED, r#"{"type":"apply_patch"}"#, CLIENT_TOOL),
    row("parallel_tool_calls", ADAPTED.with(Format::OpenAiChat, Carried).with(Format::Anthropic, Carried), "false", "true is carried; of a provider that can't be held to one call, the first one is passed on"),
    // Items.
    row("input[].type", CARRIED, r#""message""#, ""),
    row("input[].id", CARRIED, r#""msg_1""#, "names an item for OpenAI; no model reads it"),
    row("input[].status", CARRIED, r#""completed""#, "says nothing to a model"),
    row("input[].role", CARRIED, r#""user""#, "system and developer messages become the system prompt at any position"),
    row("input[].content", CARRIED, r#""Hi""#, ""),
    row("input[].phase", HINT, r#""commentary""#, "which of several messages of an answer it was"),
    row("input[].type:function_call", CARRIED, r#"{"type":"function_call","call_id":"c","name":"f","arguments":"{}"}"#, "a signature in `call_id` is removed"),
    row("input[].arguments", ADAPTED, r#""not an object""#, "an object's JSON is carried; other text is sent as `{\"arguments\": \"…\"}`"),
    row("input[].namespace", ADAPTED, r#""n""#, "a part of the function's name"),
    row("input[].type:function_call_output", CARRIED, r#"{"type":"function_call_output","call_id":"c","output":"42"}"#, "a signature in `call_id` is removed"),
    row("input[].type:custom_tool_call", ADAPTED, r#"{"type":"custom_tool_call","call_id":"c","name":"c","input":"x"}"#, CUSTOM),
    row("input[].type:custom_tool_call_output", ADAPTED, r#"{"type":"custom_tool_call_output","call_id":"c","output":"x"}"#, CUSTOM),
    row("input[].caller", REFUSED, r#"{"type":"program","caller_id":"p"}"#, "a call made by code that OpenAI ran"),
    row("input[].type:reasoning", ADAPTED, r#"{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"Hm."}]}"#, "returned to the provider that thought so, if it signed the thought"),
    row("input[].encrypted_content", HINT, r#""gAAAAA""#, "thoughts that OpenAI encrypted, which nobody else can read"),
    row("input[].type:image_generation_call", ADAPTED, r#"{"type":"image_generation_call","id":"ig_1","status":"completed","result":"AAAA"}"#, "as a picture of the model"),
    row("input[].type:item_reference", REFUSED, r#"{"type":"item_reference","id":"msg_1"}"#, STATE),
    row("input[].type:compaction", REFUSED, r#"{"type":"compaction","encrypted_content":"x"}"#, "replaces turns that OpenAI summarized"),
    row("input[].type:compaction_trigger", REFUSED, r#"{"type":"compaction_trigger"}"#, "asks for a summary that only OpenAI can read"),
    row("input[].type:additional_tools", REFUSED, r#"{"type":"additional_tools","role":"developer","tools":[]}"#, "tools that are added during the conversation"),
    row("input[].type:configuration_update", REFUSED, r#"{"type":"configuration_update"}"#, "settings that change during the conversation"),
    row("input[].type:web_search_call", REFUSED, r#"{"type":"web_search_call","id":"ws_1","status":"completed"}"#, SERVER_TOOL),
    row("input[].type:file_search_call", REFUSED, r#"{"type":"file_search_call","id":"fs_1","status":"completed","queries":[]}"#, SERVER_TOOL),
    row("input[].type:code_interpreter_call", REFUSED, r#"{"type":"code_interpreter_call","id":"ci_1"}"#, SERVER_TOOL),
    row("input[].type:tool_search_call", REFUSED, r#"{"type":"tool_search_call","arguments":{}}"#, SERVER_TOOL),
    row("input[].type:tool_search_output", REFUSED, r#"{"type":"tool_search_output","tools":[]}"#, SERVER_TOOL),
    row("input[].type:program", REFUSED, r#"{"type":"program","id":"p","call_id":"c","code":"x","fingerprint":"f"}"#, SERVER_TOOL),
    row("input[].type:program_output", REFUSED, r#"{"type":"program_output","id":"p","call_id":"c","result":"x","status":"completed"}"#, SERVER_TOOL),
    row("input[].type:mcp_list_tools", REFUSED, r#"{"type":"mcp_list_tools","id":"m","server_label":"s","tools":[]}"#, SERVER_TOOL),
    row("input[].type:mcp_approval_request", REFUSED, r#"{"type":"mcp_approval_request","id":"m","name":"f","arguments":"{}","server_label":"s"}"#, SERVER_TOOL),
    row("input[].type:mcp_approval_response", REFUSED, r#"{"type":"mcp_approval_response","approval_request_id":"m","approve":true}"#, SERVER_TOOL),
    row("input[].type:mcp_call", REFUSED, r#"{"type":"mcp_call","id":"m","name":"f","arguments":"{}","server_label":"s"}"#, SERVER_TOOL),
    row("input[].type:computer_call", REFUSED, r#"{"type":"computer_call","id":"c","call_id":"c"}"#, CLIENT_TOOL),
    row("input[].type:computer_call_output", REFUSED, r#"{"type":"computer_call_output","call_id":"c","output":{}}"#, CLIENT_TOOL),
    row("input[].type:shell_call", REFUSED, r#"{"type":"shell_call","call_id":"c","action":{"commands":[]}}"#, CLIENT_TOOL),
    row("input[].type:shell_call_output", REFUSED, r#"{"type":"shell_call_output","call_id":"c","output":[]}"#, CLIENT_TOOL),
    row("input[].type:local_shell_call", REFUSED, r#"{"type":"local_shell_call","id":"l","call_id":"c","action":{}}"#, CLIENT_TOOL),
    row("input[].type:local_shell_call_output", REFUSED, r#"{"type":"local_shell_call_output","id":"l","output":"x"}"#, CLIENT_TOOL),
    row("input[].type:apply_patch_call", REFUSED, r#"{"type":"apply_patch_call","call_id":"c","operation":{}}"#, CLIENT_TOOL),
    row("input[].type:apply_patch_call_output", REFUSED, r#"{"type":"apply_patch_call_output","call_id":"c","status":"completed"}"#, CLIENT_TOOL),
    // Parts of a message's content.
    row("input[].content[].type", CARRIED, r#""input_text""#, ""),
    row("input[].content[].text", CARRIED, r#""Hi""#, ""),
    row("input[].content[].type:refusal", ADAPTED, r#"{"type":"refusal","refusal":"No."}"#, "as text, where a format has no refusals"),
    row("input[].content[].type:input_image", CARRIED, r#"{"type":"input_image","image_url":"https://example.com/a.png"}"#, ""),
    row("input[].content[].detail", HINT.with(Format::OpenAiChat, Carried), r#""low""#, "`auto` is the default"),
    row("input[].content[].file_id", REFUSED, r#""file-1""#, "a file that is stored at OpenAI"),
    row("input[].content[].type:input_file", CARRIED, r#"{"type":"input_file","filename":"a.pdf","file_data":"data:application/pdf;base64,AAAA"}"#, "a document behind a URL is taken for a PDF"),
    row("input[].content[].type:input_audio", REFUSED, r#"{"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}}"#, "audio is not translated"),
    row("input[].content[].annotations", HINT, r#"[{"type":"url_citation"}]"#, "citations in an earlier answer"),
    row("input[].content[].logprobs", HINT, r#"[{"token":"Hi"}]"#, "of an earlier answer"),
    row("input[].content[].prompt_cache_breakpoint", HINT, r#"{"mode":"explicit"}"#, "where a cached prompt of OpenAI may end"),
];

#[cfg(test)]
#[path = "fields_tests.rs"]
mod tests;
