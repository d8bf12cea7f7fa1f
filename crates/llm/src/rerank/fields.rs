//! Every field of a request to rerank documents, and how it is handled in the other form. All others are refused.

use crate::Dialect;
use crate::chat::fields::FieldHandling::{Carried, Hint, Refused};
use crate::chat::fields::{FieldHandling, FieldRow, HandlingByFormat};

const fn row(path: &'static str, handling: FieldHandling, sample: &'static str, note: &'static str) -> FieldRow {
    FieldRow { path, handling_by_format: HandlingByFormat::all(handling), note, sample }
}

#[rustfmt::skip] // A row a line.
const JINA: &[FieldRow] = &[
    row("model", Carried, r#""m""#, ""),
    row("query", Carried, r#""q""#, ""),
    row("documents", Carried, r#"["a"]"#, ""),
    row("documents[].text", Carried, r#""a""#, ""),
    row("documents[].image", Refused, r#""https://example.com/a.png""#, "documents are texts, with no other fields"),
    row("top_n", Carried, "2", ""),
    row("return_documents", Carried, "true", "the gateway repeats the documents"),
    row("max_chunks_per_doc", Refused, "3", "how much of a document counts"),
    row("max_tokens_per_doc", Refused, "100", "how much of a document counts"),
    row("rank_fields", Refused, r#"["title"]"#, "documents are texts"),
    row("truncate_prompt_tokens", Refused, "100", "how much of a document counts"),
    row("priority", Hint, "1", "which request is served first; 0 is carried"),
    row("user", Hint, r#""u""#, "who asks"),
];

#[rustfmt::skip] // A row a line.
const COHERE: &[FieldRow] = &[
    row("model", Carried, r#""m""#, ""),
    row("query", Carried, r#""q""#, ""),
    row("documents", Carried, r#"["a"]"#, ""),
    row("top_n", Carried, "2", ""),
    row("max_tokens_per_doc", Refused, "100", "how much of a document counts"),
    row("priority", Hint, "1", "which request is served first; 0 is carried"),
];

/// The rows of a caller's dialect; none if it has no such operation.
#[must_use]
pub const fn of(caller: Dialect) -> &'static [FieldRow] {
    match caller {
        Dialect::OpenAi => JINA,
        Dialect::Cohere => COHERE,
        Dialect::Anthropic | Dialect::Gemini | Dialect::Bedrock | Dialect::Ollama => &[],
    }
}
