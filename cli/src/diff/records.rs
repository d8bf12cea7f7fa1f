//! Decision records, as far as a request can be made of one again.

use outrigger_llm::operation::{Operation, OperationKind, TABLE};
use serde::Deserialize;
use thiserror::Error;

/// Why a file is none of records.
#[derive(Debug, Error)]
pub(crate) enum RecordsError {
    #[error("it is not a JSON array of decision records: {0}")]
    Array(serde_json::Error),
    #[error("line {line} is not a decision record: {source}")]
    Line { line: usize, source: serde_json::Error },
    #[error("it is not text")]
    NoText,
}

/// One record. What is unknown is null there.
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
    /// The row of its operation, if this version has one.
    pub fn operation(&self) -> Option<&'static Operation> {
        TABLE.iter().find(|row| row.dialect.name() == self.dialect && row.name == self.operation)
    }

    /// When it was asked, if that can be read.
    pub fn moment(&self) -> Option<jiff::Timestamp> {
        self.time.as_deref()?.parse().ok()
    }

    /// Whether there was something to decide: lists of models are answered without asking anybody.
    pub fn is_decided(&self) -> bool {
        let listing = |row: &Operation| matches!(row.kind, OperationKind::ListModels | OperationKind::GetModel);
        !self.operation().is_some_and(listing) && self.operation != "models"
    }
}

/// Reads lines, or one array.
///
/// # Errors
/// [`RecordsError`] says which line.
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
    fn lines_and_arrays_are_the_same() {
        let line =
            r#"{"decision":"d1","dialect":"openai","operation":"chat","key":"k","tokens":{"input":7,"x":1},"new":[]}"#;
        let other = r#"{"decision":"d2","dialect":"openai","operation":"chat","tokens":{"input":null}}"#;
        for text in [format!("{line}\n\n{other}\n"), format!(" [{line},\n{other}]")] {
            let records = read(text.as_bytes()).unwrap();
            let told: Vec<_> = records.iter().map(|record| (record.decision.as_str(), record.tokens.input)).collect();
            assert_eq!(told, [("d1", Some(7)), ("d2", None)]);
        }
        let told = read(format!("{line}\n{{\"dialect\": 1}}").as_bytes()).unwrap_err().to_string();
        assert!(told.starts_with("line 2 is not a decision record: "), "{told}");
        assert!(read(b"[1]").unwrap_err().to_string().starts_with("it is not a JSON array of decision records: "));
    }
}
