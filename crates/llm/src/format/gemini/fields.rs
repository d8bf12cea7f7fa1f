//! Every field of `GenerateContentRequest`, of the Gemini API and of Vertex AI, and how it is converted to other
//! dialects. Fields that Google's server does not know have no row.
//!
//! If the handling depends on the value, the row has the stricter one and its note explains what is carried; the
//! decoder then reports the field only if it matters. Values that no row can describe are reported as `path=value`,
//! which is refused everywhere.

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

/// The table.
pub const FIELDS: &[FieldRow] = &[
    row("model", CARRIED, "the path names the model; a name in the body is ignored", r#""models/gemini-x""#),
    row("contents", CARRIED, "", r#"[{"role": "user", "parts": [{"text": "hi"}]}]"#),
    row("contents[].role", CARRIED, "`function`, from the first API, counts as the user", r#""model""#),
    row("contents[].parts", CARRIED, "", r#"[{"text": "hi"}]"#),
    row("contents[].parts[].text", CARRIED, "", r#""hi""#),
    row(
        "contents[].parts[].thought",
        ADAPTED,
        "a thought of Gemini is left out elsewhere: other providers check their own signatures",
        "true",
    ),
    row(
        "contents[].parts[].thoughtSignature",
        HINT,
        "on a text or a thought; on a call it is kept for Gemini",
        r#""c2ln""#,
    ),
    row(
        "contents[].parts[].inlineData",
        CARRIED,
        "pictures and PDF; other media types are refused",
        r#"{"mimeType": "image/png", "data": "AAAA"}"#,
    ),
    row("contents[].parts[].inlineData.data", CARRIED, "", r#""AAAA""#),
    row("contents[].parts[].inlineData.mimeType", CARRIED, "", r#""application/pdf""#),
    row("contents[].parts[].inlineData.displayName", ADAPTED, "a document's file name", r#""a.pdf""#),
    row(
        "contents[].parts[].fileData",
        CARRIED,
        "public URLs; files uploaded to Google are refused",
        r#"{"mimeType": "image/png", "fileUri": "https://example.com/a.png"}"#,
    ),
    row("contents[].parts[].fileData.fileUri", CARRIED, "", r#""https://example.com/a.png""#),
    row("contents[].parts[].fileData.mimeType", CARRIED, "", r#""image/png""#),
    row("contents[].parts[].fileData.displayName", ADAPTED, "a document's file name", r#""a.pdf""#),
    row("contents[].parts[].functionCall", CARRIED, "", r#"{"name": "f", "args": {}}"#),
    row("contents[].parts[].functionCall.id", CARRIED, "generated from the position if absent", r#""call_a""#),
    row("contents[].parts[].functionCall.name", CARRIED, "", r#""f""#),
    row("contents[].parts[].functionCall.args", CARRIED, "", r#"{"x": 1}"#),
    row(
        "contents[].parts[].functionCall.partialArgs",
        REFUSED,
        "pieces of arguments; only in Vertex AI",
        r#"[{"jsonPath": "$.x", "numberValue": 1}]"#,
    ),
    row("contents[].parts[].functionCall.willContinue", REFUSED, "pieces of arguments; only in Vertex AI", "true"),
    row(
        "contents[].parts[].functionResponse",
        ADAPTED,
        "the text under `output`, `result` or `error`, otherwise the object as JSON",
        r#"{"name": "f", "response": {"result": "1"}}"#,
    ),
    row("contents[].parts[].functionResponse.id", CARRIED, "if absent, found by name and order", r#""call_a""#),
    row("contents[].parts[].functionResponse.name", CARRIED, "", r#""f""#),
    row(
        "contents[].parts[].functionResponse.response",
        ADAPTED,
        "the text under `output`, `result` or `error`, otherwise the object as JSON",
        r#"{"error": "no such city"}"#,
    ),
    row(
        "contents[].parts[].functionResponse.parts",
        CARRIED,
        "",
        r#"[{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]"#,
    ),
    row(
        "contents[].parts[].functionResponse.scheduling",
        HINT,
        "for non-blocking calls, which are refused",
        r#""WHEN_IDLE""#,
    ),
    row("contents[].parts[].functionResponse.willContinue", REFUSED, "a result in several pieces", "true"),
    row(
        "contents[].parts[].mediaResolution",
        HINT,
        "the resolution at which a picture is read",
        r#"{"level": "MEDIA_RESOLUTION_LOW"}"#,
    ),
    row("contents[].parts[].partMetadata", HINT, "the caller's own notes", r#"{"k": "v"}"#),
    row("contents[].parts[].videoMetadata", REFUSED, "no other dialect reads video", r#"{"fps": 1}"#),
    row("contents[].parts[].executableCode", REFUSED, "Google's own tool", r#"{"language": "PYTHON", "code": "1"}"#),
    row(
        "contents[].parts[].codeExecutionResult",
        REFUSED,
        "Google's own tool",
        r#"{"outcome": "OUTCOME_OK", "output": "1"}"#,
    ),
    row(
        "contents[].parts[].toolCall",
        REFUSED,
        "a tool that Google runs",
        r#"{"id": "a", "toolType": "GOOGLE_SEARCH_WEB"}"#,
    ),
    row("contents[].parts[].toolResponse", REFUSED, "a tool that Google runs", r#"{"id": "a"}"#),
    row("contents[].parts[].audioTranscription", REFUSED, "no other dialect has it", r#"{"text": "hi"}"#),
    row("contents[].parts[].mediaProcessing", REFUSED, "no other dialect has it", "{}"),
    row("contents[].parts[].speechMetadata", REFUSED, "no other dialect has it", "{}"),
    row("contents[].parts[].documentMetadata", REFUSED, "no other dialect has it", "{}"),
    row("contents[].parts[].spreadsheetMetadata", REFUSED, "no other dialect has it", "{}"),
    row("contents[].parts[].audioMetadata", REFUSED, "no other dialect has it", "{}"),
    row("systemInstruction", CARRIED, "a Content or a string", r#"{"parts": [{"text": "be brief"}]}"#),
    row("systemInstruction.role", CARRIED, "has no effect here", r#""system""#),
    row("systemInstruction.parts", CARRIED, "text alone", r#"[{"text": "be brief"}]"#),
    row("systemInstruction.parts[].text", CARRIED, "", r#""be brief""#),
    row("tools", CARRIED, "", r#"[{"functionDeclarations": [{"name": "f"}]}]"#),
    row("tools[].functionDeclarations", CARRIED, "", r#"[{"name": "f"}]"#),
    row("tools[].functionDeclarations[].name", CARRIED, "", r#""f""#),
    row("tools[].functionDeclarations[].description", CARRIED, "", r#""does f""#),
    row(
        "tools[].functionDeclarations[].parameters",
        ADAPTED,
        "converted to JSON Schema",
        r#"{"type": "OBJECT", "properties": {"x": {"type": "STRING"}}}"#,
    ),
    row("tools[].functionDeclarations[].parametersJsonSchema", CARRIED, "", r#"{"type": "object"}"#),
    row(
        "tools[].functionDeclarations[].response",
        HINT,
        "other providers do not check a function's answer",
        r#"{"type": "STRING"}"#,
    ),
    row(
        "tools[].functionDeclarations[].responseJsonSchema",
        HINT,
        "other providers do not check a function's answer",
        r#"{"type": "string"}"#,
    ),
    row(
        "tools[].functionDeclarations[].behavior",
        REFUSED,
        "`BLOCKING` is how others behave anyway",
        r#""NON_BLOCKING""#,
    ),
    row("tools[].googleSearch", REFUSED, "a tool that Google runs", "{}"),
    row("tools[].googleSearchRetrieval", REFUSED, "a tool that Google runs", "{}"),
    row("tools[].googleMaps", REFUSED, "a tool that Google runs", "{}"),
    row("tools[].codeExecution", REFUSED, "a tool that Google runs", "{}"),
    row("tools[].urlContext", REFUSED, "a tool that Google runs", "{}"),
    row("tools[].computerUse", REFUSED, "a tool that Google runs", r#"{"environment": "ENVIRONMENT_BROWSER"}"#),
    row("tools[].fileSearch", REFUSED, "a tool that Google runs", r#"{"fileSearchStoreNames": ["a"]}"#),
    row("tools[].retrieval", REFUSED, "a tool that Google runs", "{}"),
    row("tools[].enterpriseWebSearch", REFUSED, "a tool that Google runs", "{}"),
    row("tools[].parallelAiSearch", REFUSED, "a tool that Google runs", "{}"),
    row("tools[].exaAiSearch", REFUSED, "a tool that Google runs", "{}"),
    row("tools[].mcpServers", REFUSED, "a tool that Google runs", r#"[{"name": "a"}]"#),
    row("toolConfig", CARRIED, "", "{}"),
    row("toolConfig.functionCallingConfig", CARRIED, "", r#"{"mode": "AUTO"}"#),
    row("toolConfig.functionCallingConfig.mode", ADAPTED, "`VALIDATED` becomes `AUTO`", r#""VALIDATED""#),
    row(
        "toolConfig.functionCallingConfig.allowedFunctionNames",
        ADAPTED,
        "with `ANY`, a choice among them; otherwise the other functions are left out",
        r#"["f"]"#,
    ),
    row(
        "toolConfig.functionCallingConfig.streamFunctionCallArguments",
        HINT,
        "arguments are streamed in the pieces that the upstream sends",
        "true",
    ),
    row("toolConfig.retrievalConfig", HINT, "only read by tools that Google runs", r#"{"languageCode": "en"}"#),
    row("toolConfig.includeServerSideToolInvocations", HINT, "only concerns tools that Google runs", "true"),
    row(
        "safetySettings",
        HINT,
        "other providers filter by their own rules, which a request can't set",
        r#"[{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_ONLY_HIGH"}]"#,
    ),
    row("cachedContent", REFUSED, "a part of the prompt that only Google has", r#""cachedContents/a""#),
    row("labels", HINT, "for Google's bills", r#"{"team": "a"}"#),
    row("serviceTier", HINT, "Google's queues", r#""flex""#),
    row("store", HINT, "whether Google logs the exchange", "false"),
    row("continuationToken", REFUSED, "the rest of an answer that is stored at Google", r#""dG9rZW4=""#),
    row(
        "modelArmorConfig",
        REFUSED,
        "a filter that the caller requests; only in Vertex AI",
        r#"{"promptTemplateName": "a"}"#,
    ),
    row("generationConfig", CARRIED, "", "{}"),
    row("generationConfig.temperature", CARRIED, "", "0.5"),
    row("generationConfig.topP", CARRIED, "", "0.9"),
    row(
        "generationConfig.topK",
        HINT.with(Format::Ollama, Carried)
            .with(Format::Anthropic, Carried)
            .with(Format::Bedrock, Adapted)
            .with(Format::Cohere, Carried),
        "OpenAI has no such field; at Bedrock each model has its own",
        "40",
    ),
    row("generationConfig.maxOutputTokens", CARRIED, "", "100"),
    row("generationConfig.stopSequences", CARRIED, "", r#"["END"]"#),
    row(
        "generationConfig.seed",
        HINT.with(Format::Ollama, Carried).with(Format::OpenAiChat, Carried).with(Format::Cohere, Carried),
        "best effort everywhere; Anthropic has no such field",
        "7",
    ),
    row(
        "generationConfig.presencePenalty",
        REFUSED.with(Format::Ollama, Carried).with(Format::OpenAiChat, Carried).with(Format::Cohere, Carried),
        "Anthropic has no such field, and Cohere's is from 0 to 1",
        "0.5",
    ),
    row(
        "generationConfig.frequencyPenalty",
        REFUSED.with(Format::Ollama, Carried).with(Format::OpenAiChat, Carried).with(Format::Cohere, Carried),
        "Anthropic has no such field, and Cohere's is from 0 to 1",
        "0.5",
    ),
    row("generationConfig.candidateCount", REFUSED, "other dialects have one alternative; 1 is accepted", "2"),
    row(
        "generationConfig.responseMimeType",
        CARRIED,
        "`text/plain` and `application/json`; others are refused",
        r#""application/json""#,
    ),
    row("generationConfig.responseSchema", ADAPTED, "converted to JSON Schema", r#"{"type": "OBJECT"}"#),
    row("generationConfig.responseJsonSchema", CARRIED, "", r#"{"type": "object"}"#),
    row("generationConfig.responseLogprobs", REFUSED, "`false` is accepted", "true"),
    row("generationConfig.logprobs", REFUSED, "each dialect has another format for them", "3"),
    row("generationConfig.responseModalities", REFUSED, "`TEXT` is accepted", r#"["TEXT", "IMAGE"]"#),
    row(
        "generationConfig.thinkingConfig",
        ADAPTED,
        "as a budget or a level of the other dialect",
        r#"{"thinkingBudget": 1024}"#,
    ),
    row(
        "generationConfig.thinkingConfig.thinkingBudget",
        ADAPTED,
        "0 turns thinking off; -1 lets the model choose",
        "0",
    ),
    row("generationConfig.thinkingConfig.thinkingLevel", ADAPTED, "an effort", r#""LOW""#),
    row("generationConfig.thinkingConfig.includeThoughts", HINT, "whether thoughts are shown", "true"),
    row(
        "generationConfig.mediaResolution",
        HINT,
        "the resolution at which pictures are read",
        r#""MEDIA_RESOLUTION_LOW""#,
    ),
    row(
        "generationConfig.imageConfig",
        HINT,
        "for answers in pictures, which `responseModalities` requests",
        r#"{"aspectRatio": "1:1"}"#,
    ),
    row(
        "generationConfig.speechConfig",
        HINT,
        "for spoken answers, which `responseModalities` requests",
        r#"{"languageCode": "en-US"}"#,
    ),
    row("generationConfig.audioTimestamp", HINT, "for audio input, which is refused", "true"),
    row("generationConfig.routingConfig", HINT, "chooses among Gemini's models", r#"{"autoMode": {}}"#),
    row(
        "generationConfig.modelSelectionConfig",
        HINT,
        "chooses among Gemini's models",
        r#"{"featureSelectionPreference": "BALANCED"}"#,
    ),
    row("generationConfig.enableEnhancedCivicAnswers", HINT, "Google's own sources for elections", "true"),
    row("generationConfig.enableAffectiveDialog", REFUSED, "speech", "true"),
    row(
        "generationConfig.responseFormat",
        REFUSED,
        "no other dialect has it in this form",
        r#"[{"text": {"mimeType": "application/json"}}]"#,
    ),
    row("generationConfig.translationConfig", REFUSED, "speech", r#"{"targetLanguageCode": "de"}"#),
    row("generationConfig.audioTranscriptionConfig", REFUSED, "speech", "{}"),
    row("generationConfig.generationOutputConfig", REFUSED, "only in Vertex AI", "{}"),
];

#[cfg(test)]
mod tests;
