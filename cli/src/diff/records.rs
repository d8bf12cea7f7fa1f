//! Decision records, as far as their requests can be decided again.

use outrigger_llm::operation::{Operation, TABLE};
use serde::Deserialize;
use thiserror::Error;

/// Why a file does not hold records.
#[derive(Debug, Error)]
pub(crate) enum RecordsError {
    #[error("it is not a JSON array of decision records: {0}")]
    Array(serde_json::Error),
    #[error("line {line} is not a decision record: {source}")]
    Line { line: usize, source: serde_json::Error },
    #[error("it is not text")]
    NoText,
}

/// One record. Unknown fields are null.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct RecordedDecision {
    pub decision: String,
    #[serde(default)]
    pub time: Option<String>,
    #[serde(default)]
    pub key: String,
    #[serde(default)]
    pub namespace: String,
    #[serde(default)]
    pub workload: Option<String>,
    pub dialect: String,
    pub operation: String,
    #[serde(default)]
    pub stream: bool,
    #[serde(default)]
    pub model_requested: Option<String>,
    #[serde(default)]
    pub tokens: RecordedTokens,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(crate) struct RecordedTokens {
    #[serde(default)]
    pub input: Option<u64>,
}

impl RecordedDecision {
    /// The operation's row, if this version knows it.
    pub fn operation(&self) -> Option<&'static Operation> {
        TABLE.iter().find(|row| row.dialect.name() == self.dialect && row.name == self.operation)
    }

    /// The time of the request, if it can be parsed.
    pub fn moment(&self) -> Option<jiff::Timestamp> {
        self.time.as_deref()?.parse().ok()
    }

    /// Whether the request was decided. Lists of models are answered without a provider, in every dialect.
    pub fn is_decided(&self) -> bool {
        let lists = |row: &&Operation| row.kind.is_answered_here();
        !TABLE.iter().filter(lists).any(|row| row.name == self.operation)
    }
}

/// Reads JSON lines, or one array.
///
/// # Errors
/// [`RecordsError`], with the line.
pub(crate) fn read(bytes: &[u8]) -> Result<Vec<RecordedDecision>, RecordsError> {
    let text = std::str::from_utf8(bytes).map_err(|_| RecordsError::NoText)?;
    if text.trim_start().starts_with('[') {
        return serde_json::from_str(text).map_err(RecordsError::Array);
    }
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(at, line)| serde_json::from_str(line).map_err(|source| RecordsError::Line { line: at + 1, source }))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_models_are_not_decided() {
        for (dialect, operation, decided) in [
            ("openai", "models", false),
            ("anthropic", "models", false),
            ("openai", "chat", true),
            ("openai", "new", true),
        ] {
            let record = RecordedDecision {
                dialect: dialect.to_owned(),
                operation: operation.to_owned(),
                ..RecordedDecision::default()
            };
            assert_eq!(record.is_decided(), decided, "{dialect} {operation}");
        }
    }

    #[test]
    fn lines_and_arrays_are_the_same() {
        let line =
            r#"{"decision":"d1","dialect":"openai","operation":"chat","key":"k","tokens":{"input":7,"x":1},"new":[]}"#;
        let other = r#"{"decision":"d2","dialect":"openai","operation":"chat","tokens":{"input":null}}"#;
        for text in [format!("{line}\n\n{other}\n"), format!(" [{line},\n{other}]")] {
            let records = read(text.as_bytes()).unwrap();
            let read: Vec<_> = records.iter().map(|record| (record.decision.as_str(), record.tokens.input)).collect();
            assert_eq!(read, [("d1", Some(7)), ("d2", None)]);
        }
        let error = read(format!("{line}\n{{\"dialect\": 1}}").as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with("line 2 is not a decision record: "), "{error}");
        assert!(read(b"[1]").unwrap_err().to_string().starts_with("it is not a JSON array of decision records: "));
    }
}
