//! Every field of a request for embeddings, and how it is handled in the other dialects that have embeddings. All others
//! are refused.

use crate::Dialect;
use crate::Format;
use crate::chat::fields::FieldHandling::{Adapted, Carried, Hint, Refused};
use crate::chat::fields::{FieldRow, HandlingByFormat};

const CARRIED: HandlingByFormat = HandlingByFormat::all(Carried);
const ADAPTED: HandlingByFormat = HandlingByFormat::all(Adapted);
const HINT: HandlingByFormat = HandlingByFormat::all(Hint);
const REFUSED: HandlingByFormat = HandlingByFormat::all(Refused);
/// A task, which OpenAI's dialect does not have: its models embed questions and documents alike.
const TASK: HandlingByFormat = ADAPTED.with(Format::OpenAiChat, Hint).with(Format::Ollama, Hint);

const fn row(
    path: &'static str,
    handling_by_format: HandlingByFormat,
    sample: &'static str,
    note: &'static str,
) -> FieldRow {
    FieldRow { path, handling_by_format, note, sample }
}

const TASKS: &str = "OpenAI's models embed questions and documents alike";
const TASK_TYPES: &str = "types of questions become `search_query`, `SEMANTIC_SIMILARITY` becomes `search_document`; Cohere \
                          has one for all inputs";
const INPUT_TYPES: &str = "`search_query`, `search_document`, `classification` and `clustering`, or `query`, `document` \
                           and `passage`; others are refused. Cohere gets `search_document` if there is none";

#[rustfmt::skip] // A row a line.
const OPENAI: &[FieldRow] = &[
    row("model", CARRIED, r#""m""#, ""),
    row("input", CARRIED, r#"["a","b"]"#, "tokens are refused"),
    row("encoding_format", CARRIED, r#""base64""#, "the gateway writes Base64"),
    row("dimensions", CARRIED, "256", ""),
    row("input_type", ADAPTED.with(Format::Ollama, Hint), r#""query""#, INPUT_TYPES),
    row("user", HINT, r#""u""#, "who asks"),
];

#[rustfmt::skip] // A row a line.
const GEMINI: &[FieldRow] = &[
    row("content", CARRIED, r#"{"parts":[{"text":"a"}]}"#, ""),
    row("content.role", CARRIED, r#""user""#, ""),
    row("content.parts", CARRIED, r#"[{"text":"a"}]"#, ""),
    row("content.parts[].text", CARRIED, r#""a""#, "several parts are joined by line feeds"),
    row("content.parts[].inlineData", REFUSED, r#"{"mimeType":"image/png","data":"AAAA"}"#, "pictures"),
    row("taskType", TASK, r#""RETRIEVAL_QUERY""#, TASK_TYPES),
    row("title", HINT, r#""t""#, "the title of a document"),
    row("outputDimensionality", CARRIED, "8", ""),
    row("requests", CARRIED, r#"[{"content":{"parts":[{"text":"a"}]}}]"#, ""),
    row("requests[].model", CARRIED, r#""models/m""#, ""),
    row("requests[].content", CARRIED, r#"{"parts":[{"text":"a"}]}"#, ""),
    row("requests[].content.role", CARRIED, r#""user""#, ""),
    row("requests[].content.parts", CARRIED, r#"[{"text":"a"}]"#, ""),
    row("requests[].content.parts[].text", CARRIED, r#""a""#, "several parts are joined by line feeds"),
    row("requests[].content.parts[].inlineData", REFUSED, r#"{"mimeType":"image/png","data":"AAAA"}"#, "pictures"),
    row("requests[].taskType", TASK, r#""RETRIEVAL_DOCUMENT""#, TASK_TYPES),
    row("requests[].title", HINT, r#""t""#, "the title of a document"),
    row("requests[].outputDimensionality", CARRIED, "8", "several sizes are refused"),
];

#[rustfmt::skip] // A row a line.
const COHERE: &[FieldRow] = &[
    row("model", CARRIED, r#""m""#, ""),
    row("texts", CARRIED, r#"["a","b"]"#, ""),
    row("inputs", ADAPTED, r#"[{"content":[{"type":"text","text":"a"}]}]"#, "the texts of each input are joined by line feeds"),
    row("inputs[].content", CARRIED, r#"[{"type":"text","text":"a"}]"#, ""),
    row("inputs[].content[].image_url", REFUSED, r#"{"url":"data:image/png;base64,AAAA"}"#, "pictures"),
    row("input_type", TASK, r#""search_query""#, TASKS),
    row("embedding_types", CARRIED, r#"["float","base64"]"#, "`float` and `base64`, which the gateway writes; others are refused"),
    row("output_dimension", CARRIED, "256", ""),
    row("images", REFUSED, r#"["data:image/png;base64,AAAA"]"#, "an empty list is carried"),
    row("max_tokens", REFUSED, "100", "the text would be cut"),
    row("truncate", HINT, r#""END""#, "which end of a text that is too long is cut; others cut none, or the end"),
    row("priority", HINT, "1", "which request is served first; 0 is carried"),
];

#[rustfmt::skip] // A row a line.
const OLLAMA: &[FieldRow] = &[
    row("model", CARRIED, r#""m""#, ""),
    row("input", CARRIED, r#"["a","b"]"#, ""),
    row("prompt", CARRIED, r#""a""#, "of `/api/embeddings`"),
    row("dimensions", CARRIED, "256", ""),
    row("truncate", HINT, "true", "whether a text that is too long is cut"),
    row("options", HINT, r#"{"num_ctx":8}"#, "how a server of one's own runs the model"),
    row("keep_alive", HINT, r#""5m""#, "how long a server of one's own keeps the model in memory"),
];

/// The rows of a caller's dialect; none if it has no embeddings.
#[must_use]
pub const fn of(caller: Dialect) -> &'static [FieldRow] {
    match caller {
        Dialect::OpenAi => OPENAI,
        Dialect::Gemini => GEMINI,
        Dialect::Cohere => COHERE,
        Dialect::Ollama => OLLAMA,
        Dialect::Anthropic | Dialect::Bedrock => &[],
    }
}
