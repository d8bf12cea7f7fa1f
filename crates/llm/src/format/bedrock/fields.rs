//! Every field of a Converse request, from the service model of botocore, and how it is converted to other dialects.
//!
//! A path with a value after a colon is a field that matters only with this value. Members of
//! `additionalModelRequestFields` belong to single models; those without a row are refused.

use crate::Format;
use crate::chat::fields::FieldHandling::{Adapted, Carried, Hint, Refused};
use crate::chat::fields::{FieldRow, HandlingByFormat};

const CARRIED: HandlingByFormat = HandlingByFormat::all(Carried);
const ADAPTED: HandlingByFormat = HandlingByFormat::all(Adapted);
const HINT: HandlingByFormat = HandlingByFormat::all(Hint);
const REFUSED: HandlingByFormat = HandlingByFormat::all(Refused);
const TOP_K: HandlingByFormat = REFUSED.with(Format::Anthropic, Carried).with(Format::Gemini, Carried);

const fn row(
    path: &'static str,
    handling_by_format: HandlingByFormat,
    note: &'static str,
    sample: &'static str,
) -> FieldRow {
    FieldRow { path, handling_by_format, note, sample }
}

/// Only Anthropic has such marks.
const CACHE_MARK: HandlingByFormat = HINT.with(Format::Anthropic, Adapted);
const CACHE: &str = "as `cache_control` of what is before it; other providers cache by themselves";
const CACHE_SAMPLE: &str = r#"{"type": "default"}"#;
const IN_S3: &str = "an object that only AWS can read";
const IN_S3_SAMPLE: &str = r#"{"uri": "s3://bucket/a"}"#;
const NO_VIDEO: &str = "no other dialect reads it in this form";
const AWS_TOOL: &str = "a tool that AWS runs";

#[rustfmt::skip] // A row a line.
pub const FIELDS: &[FieldRow] = &[
    // The system prompt.
    row("system", CARRIED, "", r#"[{"text": "Be brief."}]"#),
    row("system[].text", CARRIED, "", r#""Be brief.""#),
    row("system[].cachePoint", CACHE_MARK, CACHE, CACHE_SAMPLE),
    row("system[].guardContent", ADAPTED, "as text", r#"{"text": {"text": "Be brief."}}"#),
    row("system[].guardContent.text", ADAPTED, "as text", r#"{"text": "Be brief."}"#),
    row("system[].guardContent.text.text", ADAPTED, "as text", r#""Be brief.""#),
    row("system[].guardContent.text.qualifiers", HINT, "for a guardrail, which is refused", r#"["query"]"#),
    row("system[].guardContent.image", REFUSED, "in other dialects the system prompt is text", r#"{"format": "png", "source": {"bytes": "AAAA"}}"#),
    // Turns.
    row("messages", CARRIED, "", r#"[{"role": "user", "content": [{"text": "Hi"}]}]"#),
    row("messages[].role", CARRIED, "", r#""user""#),
    row("messages[].content", CARRIED, "", r#"[{"text": "Hi"}]"#),
    row("messages[].content[].text", CARRIED, "", r#""Hi""#),
    row("messages[].content[].cachePoint", CACHE_MARK, CACHE, CACHE_SAMPLE),
    row("messages[].content[].image", CARRIED, "", r#"{"format": "png", "source": {"bytes": "AAAA"}}"#),
    row("messages[].content[].image.format", CARRIED, "", r#""jpeg""#),
    row("messages[].content[].image.source", CARRIED, "", r#"{"bytes": "AAAA"}"#),
    row("messages[].content[].image.source.bytes", CARRIED, "", r#""AAAA""#),
    row("messages[].content[].image.source.s3Location", REFUSED, IN_S3, IN_S3_SAMPLE),
    row("messages[].content[].image.error", HINT, "why an earlier answer has no picture", r#"{"message": "x"}"#),
    row("messages[].content[].document", CARRIED, "", r#"{"format": "pdf", "name": "a", "source": {"bytes": "AAAA"}}"#),
    row("messages[].content[].document.format", ADAPTED, "`csv`, `html`, `md` and `txt` become text", r#""pdf""#),
    row("messages[].content[].document.format:docx", REFUSED, "a format that other dialects do not have; so are `doc`, `xls` and `xlsx`", r#"{"format": "docx", "name": "a", "source": {"bytes": "AAAA"}}"#),
    row("messages[].content[].document.format:doc", REFUSED, "as `docx`", r#"{"format": "doc", "name": "a", "source": {"bytes": "AAAA"}}"#),
    row("messages[].content[].document.format:xlsx", REFUSED, "as `docx`", r#"{"format": "xlsx", "name": "a", "source": {"bytes": "AAAA"}}"#),
    row("messages[].content[].document.format:xls", REFUSED, "as `docx`", r#"{"format": "xls", "name": "a", "source": {"bytes": "AAAA"}}"#),
    row("messages[].content[].document.name", ADAPTED, "the file name of a PDF; for other documents a line above the text", r#""report""#),
    row("messages[].content[].document.context", ADAPTED, "a line above the document", r#""From last year""#),
    row("messages[].content[].document.citations.enabled", REFUSED.with(Format::Anthropic, Adapted), "asks the model to cite its documents; at Anthropic all of the turns, or none", "true"),
    row("messages[].content[].document.source", CARRIED, "", r#"{"bytes": "AAAA"}"#),
    row("messages[].content[].document.source.bytes", CARRIED, "", r#""AAAA""#),
    row("messages[].content[].document.source.text", ADAPTED, "as text", r#""A page.""#),
    row("messages[].content[].document.source.content", ADAPTED, "as text", r#"[{"text": "A page."}]"#),
    row("messages[].content[].document.source.content[].text", ADAPTED, "as text", r#""A page.""#),
    row("messages[].content[].document.source.s3Location", REFUSED, IN_S3, IN_S3_SAMPLE),
    row("messages[].content[].video", REFUSED, NO_VIDEO, r#"{"format": "mp4", "source": {"bytes": "AAAA"}}"#),
    row("messages[].content[].audio", REFUSED, NO_VIDEO, r#"{"format": "wav", "source": {"bytes": "AAAA"}}"#),
    row("messages[].content[].searchResult", ADAPTED, "as text: title, source, and content", r#"{"source": "s", "title": "t", "content": [{"text": "x"}]}"#),
    row("messages[].content[].searchResult.citations.enabled", REFUSED, "asks the model to cite", "true"),
    row("messages[].content[].guardContent", ADAPTED, "as content", r#"{"text": {"text": "Hi"}}"#),
    row("messages[].content[].guardContent.text", ADAPTED, "as text", r#"{"text": "Hi"}"#),
    row("messages[].content[].guardContent.text.text", ADAPTED, "as text", r#""Hi""#),
    row("messages[].content[].guardContent.text.qualifiers", HINT, "for a guardrail, which is refused", r#"["query"]"#),
    row("messages[].content[].guardContent.image", ADAPTED, "as a picture", r#"{"format": "png", "source": {"bytes": "AAAA"}}"#),
    row("messages[].content[].citationsContent", ADAPTED, "its text", r#"{"content": [{"text": "Hi"}]}"#),
    row("messages[].content[].citationsContent.content", ADAPTED, "its text", r#"[{"text": "Hi"}]"#),
    row("messages[].content[].citationsContent.content[].text", ADAPTED, "its text", r#""Hi""#),
    row("messages[].content[].citationsContent.citations", HINT, "citations in an earlier answer", r#"[{"title": "t"}]"#),
    row("messages[].content[].reasoningContent", ADAPTED, "kept if the dialect has a field for thoughts; otherwise left out and reported", r#"{"reasoningText": {"text": "Hm"}}"#),
    row("messages[].content[].reasoningContent.reasoningText", ADAPTED, "see `reasoningContent`", r#"{"text": "Hm"}"#),
    row("messages[].content[].reasoningContent.reasoningText.text", ADAPTED, "see `reasoningContent`", r#""Hm""#),
    row("messages[].content[].reasoningContent.reasoningText.signature", ADAPTED, "only its own provider can use it", r#""sig""#),
    row("messages[].content[].reasoningContent.redactedContent", ADAPTED, "see `reasoningContent`", r#""AAAA""#),
    row("messages[].content[].toolUse", CARRIED, "", r#"{"toolUseId": "t", "name": "f", "input": {}}"#),
    row("messages[].content[].toolUse.toolUseId", ADAPTED, "contains a Gemini thought signature, if there is one", r#""t1""#),
    row("messages[].content[].toolUse.name", CARRIED, "", r#""f""#),
    row("messages[].content[].toolUse.input", CARRIED, "", r#"{"a": 1}"#),
    row("messages[].content[].toolUse.type", REFUSED, AWS_TOOL, r#""server_tool_use""#),
    row("messages[].content[].toolResult", CARRIED, "", r#"{"toolUseId": "t", "content": [{"text": "Sunny"}]}"#),
    row("messages[].content[].toolResult.toolUseId", CARRIED, "", r#""t1""#),
    row("messages[].content[].toolResult.status", ADAPTED, "written into the result's text if the dialect has no field for it", r#""error""#),
    row("messages[].content[].toolResult.type", REFUSED, AWS_TOOL, r#""nova_grounding_result""#),
    row("messages[].content[].toolResult.content", CARRIED, "", r#"[{"text": "Sunny"}]"#),
    row("messages[].content[].toolResult.content[].text", CARRIED, "", r#""Sunny""#),
    row("messages[].content[].toolResult.content[].json", ADAPTED, "as text", r#"{"weather": "sunny"}"#),
    row("messages[].content[].toolResult.content[].image", CARRIED, "", r#"{"format": "png", "source": {"bytes": "AAAA"}}"#),
    row("messages[].content[].toolResult.content[].image.source.s3Location", REFUSED, IN_S3, IN_S3_SAMPLE),
    row("messages[].content[].toolResult.content[].document", CARRIED, "as in a turn", r#"{"format": "txt", "name": "a", "source": {"text": "A page."}}"#),
    row("messages[].content[].toolResult.content[].document.source.s3Location", REFUSED, IN_S3, IN_S3_SAMPLE),
    row("messages[].content[].toolResult.content[].document.citations.enabled", REFUSED, "asks the model to cite its documents", "true"),
    row("messages[].content[].toolResult.content[].video", REFUSED, NO_VIDEO, r#"{"format": "mp4", "source": {"bytes": "AAAA"}}"#),
    row("messages[].content[].toolResult.content[].searchResult", ADAPTED, "as in a turn", r#"{"source": "s", "title": "t", "content": [{"text": "x"}]}"#),
    row("messages[].content[].toolResult.content[].searchResult.citations.enabled", REFUSED, "asks the model to cite", "true"),
    // Tools.
    row("toolConfig", CARRIED, "", r#"{"tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": {}}}}]}"#),
    row("toolConfig.tools", CARRIED, "", r#"[{"toolSpec": {"name": "f", "inputSchema": {"json": {}}}}]"#),
    row("toolConfig.tools[].toolSpec", CARRIED, "", r#"{"name": "f", "inputSchema": {"json": {}}}"#),
    row("toolConfig.tools[].toolSpec.name", CARRIED, "", r#""g""#),
    row("toolConfig.tools[].toolSpec.description", CARRIED, "", r#""Does g.""#),
    row("toolConfig.tools[].toolSpec.inputSchema", CARRIED, "", r#"{"json": {"type": "object"}}"#),
    row("toolConfig.tools[].toolSpec.inputSchema.json", CARRIED, "", r#"{"type": "object"}"#),
    row("toolConfig.tools[].toolSpec.strict", CARRIED, "", "true"),
    row("toolConfig.tools[].systemTool", REFUSED, AWS_TOOL, r#"{"name": "nova_grounding"}"#),
    row("toolConfig.tools[].cachePoint", CACHE_MARK, CACHE, CACHE_SAMPLE),
    row("toolConfig.toolChoice", CARRIED, "", r#"{"any": {}}"#),
    row("toolConfig.toolChoice.auto", CARRIED, "", "{}"),
    row("toolConfig.toolChoice.any", CARRIED, "", "{}"),
    row("toolConfig.toolChoice.tool", CARRIED, "", r#"{"name": "f"}"#),
    row("toolConfig.toolChoice.tool.name", CARRIED, "", r#""f""#),
    // The answer.
    row("inferenceConfig", CARRIED, "", r#"{"maxTokens": 100}"#),
    row("inferenceConfig.maxTokens", CARRIED, "", "100"),
    row("inferenceConfig.temperature", CARRIED, "", "0.5"),
    row("inferenceConfig.topP", CARRIED, "", "0.9"),
    row("inferenceConfig.stopSequences", CARRIED, "", r#"["END"]"#),
    row("outputConfig", CARRIED, "", r#"{"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"schema": "{}"}}}}"#),
    row("outputConfig.textFormat", CARRIED, "", r#"{"type": "json_schema", "structure": {"jsonSchema": {"schema": "{}"}}}"#),
    row("outputConfig.textFormat.type", CARRIED, "", r#""json_schema""#),
    row("outputConfig.textFormat.structure", CARRIED, "", r#"{"jsonSchema": {"schema": "{}"}}"#),
    row("outputConfig.textFormat.structure.jsonSchema", CARRIED, "", r#"{"schema": "{}"}"#),
    row("outputConfig.textFormat.structure.jsonSchema.schema", ADAPTED, "an object elsewhere, here its text", r#""{\"type\": \"object\"}""#),
    row("outputConfig.textFormat.structure.jsonSchema.name", HINT.with(Format::OpenAiChat, Carried), "other dialects have no names of schemas", r#""answer""#),
    row("outputConfig.textFormat.structure.jsonSchema.description", HINT.with(Format::OpenAiChat, Carried).with(Format::Anthropic, Adapted), "put it into the schema itself to keep it", r#""An answer""#),
    row("additionalModelRequestFields", ADAPTED, "those with a row here; others are refused", "{}"),
    row("additionalModelRequestFields.thinking", ADAPTED, "a budget becomes the nearest effort if the dialect has named efforts", r#"{"type": "adaptive"}"#),
    row("additionalModelRequestFields.thinking.type", ADAPTED, "see `thinking`", r#""disabled""#),
    row("additionalModelRequestFields.thinking.budget_tokens", ADAPTED, "see `thinking`", "2048"),
    row("additionalModelRequestFields.reasoning_config", ADAPTED, "the older name of `thinking`", r#"{"type": "enabled", "budget_tokens": 2048}"#),
    row("additionalModelRequestFields.reasoningConfig", ADAPTED, "Nova's thinking", r#"{"type": "enabled", "maxReasoningEffort": "low"}"#),
    row("additionalModelRequestFields.reasoningConfig.type", ADAPTED, "see `reasoningConfig`", r#""disabled""#),
    row("additionalModelRequestFields.reasoningConfig.maxReasoningEffort", ADAPTED, "an effort", r#""high""#),
    row("additionalModelRequestFields.reasoning_effort", ADAPTED, "an effort", r#""low""#),
    row("additionalModelRequestFields.output_config", ADAPTED, "Claude's effort", r#"{"effort": "low"}"#),
    row("additionalModelRequestFields.output_config.effort", ADAPTED, "an effort", r#""max""#),
    row("additionalModelRequestFields.top_k", TOP_K, "OpenAI's dialect has no such field", "40"),
    row("additionalModelRequestFields.k", TOP_K, "Cohere's name of `top_k`", "40"),
    row("additionalModelRequestFields.inferenceConfig.topK", TOP_K, "Nova's name of `top_k`", "40"),
    row("additionalModelRequestFields.anthropic_beta", HINT, "enables features whose fields have their own rows", r#"["context-1m-2025-08-07"]"#),
    row("additionalModelResponseFieldPaths", HINT, "asks for fields of single models in the answer", r#"["/stop_sequence"]"#),
    row("guardrailConfig", REFUSED, "a filter of AWS", r#"{"guardrailIdentifier": "g", "guardrailVersion": "1"}"#),
    row("promptVariables", REFUSED, "for a prompt that is stored at AWS", r#"{"a": {"text": "b"}}"#),
    row("requestMetadata", HINT, "labels in the logs of AWS", r#"{"team": "a"}"#),
    row("performanceConfig", HINT, "speed and price", r#"{"latency": "optimized"}"#),
    row("serviceTier", HINT, "speed and price", r#"{"type": "flex"}"#),
];

#[cfg(test)]
mod tests;
