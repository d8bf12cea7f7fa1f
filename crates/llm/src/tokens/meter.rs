//! How a request is counted, and whether its cost can be known beforehand.

mod tools;

use std::borrow::Cow;

use crate::json::raw;
use crate::operation::{Meter, Operation, OperationKind};
use crate::passthrough::scan::{Field, Scanned};

/// The unit of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metered {
    /// By the usage in the answer.
    Tokens,
    /// Images to generate.
    Images(u64),
    /// Searches, or tokens by the usage in the answer.
    Searches(u64),
    /// Characters of speech to generate.
    Characters(u64),
    /// Unknown, with the reason.
    Unmetered(&'static str),
    /// Free.
    Free,
}

/// How this request is counted. `body` is the one that was scanned.
#[must_use]
pub fn meter(operation: &Operation, scanned: &Scanned, body: &[u8]) -> Metered {
    match operation.meter {
        Meter::Free => Metered::Free,
        Meter::Seconds => Metered::Unmetered("the length of a recording is not known beforehand"),
        Meter::Images => Metered::Images(scanned.answers(operation, body)),
        Meter::Searches => Metered::Searches(searches(scanned, body)),
        Meter::Characters => Metered::Characters(characters(scanned, body)),
        Meter::Tokens if !reports_tokens(operation, scanned) => {
            Metered::Unmetered("an answer in the background is not seen")
        }
        Meter::Tokens => match scanned.server_tool(operation, body) {
            Some(reason) => Metered::Unmetered(reason),
            None => Metered::Tokens,
        },
    }
}

/// Whether the answer reports its tokens, even if it costs more than those. Of [`Metered::Unmetered`] requests, those
/// with tools do; those in background mode or with recordings do not.
#[must_use]
pub fn reports_tokens(operation: &Operation, scanned: &Scanned) -> bool {
    operation.meter == Meter::Tokens && !(operation.kind == OperationKind::Responses && scanned.background)
}

/// Documents in one search, as Cohere bills it. A longer document counts once for each piece of 500 tokens.
const DOCUMENTS: u64 = 100;
/// The fewest bytes of such a piece.
const PIECE: u64 = 1_000;

/// The most searches that a request may be.
fn searches(scanned: &Scanned, body: &[u8]) -> u64 {
    let documents = scanned.value(body, Field::Documents).unwrap_or_default();
    let count = raw::length(documents).unwrap_or(0) as u64;
    let pieces = documents.len() as u64 / PIECE;
    count.saturating_add(pieces).div_ceil(DOCUMENTS).max(1)
}

/// The characters of `input`, unescaped.
fn characters(scanned: &Scanned, body: &[u8]) -> u64 {
    let input = scanned.value(body, Field::Input).and_then(|raw| serde_json::from_str::<Cow<'_, str>>(raw).ok());
    input.map_or(0, |input| input.chars().count() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::find;
    use crate::passthrough::scan::scan;

    #[test]
    fn tokens_are_reported_unless_the_answer_is_not_read() {
        for (path, body, expected) in [
            ("/v1/responses", r#"{"background":true}"#, false),
            ("/v1/responses", r#"{"tools":[{"type":"web_search"}]}"#, true),
            ("/v1/chat/completions", r#"{"background":true}"#, true),
            ("/v1/embeddings", "{}", true),
            ("/v1/audio/speech", "{}", false),
        ] {
            let operation = find("POST", path).unwrap().operation;
            assert_eq!(reports_tokens(operation, &scan(body.as_bytes()).unwrap()), expected, "{path} {body}");
        }
    }

    #[test]
    fn requests_are_counted_by_their_unit() {
        let background = Metered::Unmetered("an answer in the background is not seen");
        for (path, body, expected) in [
            ("/v1/chat/completions", r#"{"background":true}"#, Metered::Tokens),
            ("/v1/responses", r#"{"background":false,"tools":[{"type":"function"}]}"#, Metered::Tokens),
            ("/v1/responses", r#"{"background":true}"#, background),
            // Lax servers read it as true.
            ("/v1/responses", r#"{"background":"yes"}"#, background),
            ("/v1/images/generations", r#"{"background":"transparent","n":3}"#, Metered::Images(3)),
            ("/v1/images/generations", "{}", Metered::Images(1)),
            ("/v1/audio/speech", r#"{"input":"h\u00e9llo\n"}"#, Metered::Characters(6)),
            ("/v1/audio/speech", r#"{"input":null}"#, Metered::Characters(0)),
            ("/v1/embeddings", r#"{"input":"x"}"#, Metered::Tokens),
            ("/v2/rerank", r#"{"documents":["a","b"]}"#, Metered::Searches(1)),
            ("/v1/rerank", r#"{"documents":"a"}"#, Metered::Searches(1)),
            ("/v1/rerank", "{}", Metered::Searches(1)),
            ("/v1/messages/count_tokens", r#"{"tools":[{"type":"web_search_20250305"}]}"#, Metered::Free),
        ] {
            let operation = find("POST", path).unwrap().operation;
            assert_eq!(meter(operation, &scan(body.as_bytes()).unwrap(), body.as_bytes()), expected, "{path} {body}");
        }
        for (documents, searches) in [(vec!["a".to_owned(); 101], 2), (vec!["a".repeat(100_000); 3], 4)] {
            let body = serde_json::json!({"documents": documents}).to_string();
            let operation = find("POST", "/v2/rerank").unwrap().operation;
            let metered = meter(operation, &scan(body.as_bytes()).unwrap(), body.as_bytes());
            assert_eq!(metered, Metered::Searches(searches));
        }
        let transcription = find("POST", "/v1/audio/transcriptions").unwrap().operation;
        assert!(!reports_tokens(transcription, &Scanned::default()));
        assert!(matches!(meter(transcription, &Scanned::default(), b"--x"), Metered::Unmetered(_)));
    }
}
