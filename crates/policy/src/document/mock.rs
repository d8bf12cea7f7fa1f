//! Rehearsed providers, as the document has them.

use serde::{Deserialize, Serialize};

/// A rehearsed provider: what it answers, how fast, and how it fails. Times in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MockDoc {
    /// `OpenAI`, `Anthropic` or `Gemini`: what it speaks.
    pub dialect: String,
    /// With `{{provider}}` and `{{model}}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply: Option<String>,
    /// What it calls when the request has tools and its last turn no results.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<MockToolCall>,
    /// Answers with the caller's last text.
    #[serde(default)]
    pub echo: bool,
    /// Until the first token: drawn evenly from the range.
    #[serde(default)]
    pub first_token: (u64, u64),
    #[serde(default)]
    pub per_token: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<FaultDoc>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MockToolCall {
    pub name: String,
    /// A JSON object.
    pub arguments: serde_json::Value,
}

/// One way in which a mock fails; the first whose models match and whose dice fall is taken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FaultDoc {
    pub name: String,
    #[serde(rename = "type")]
    pub kind: FaultKind,
    pub percent: u32,
    /// Globs; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// False: the failure goes back to the caller as it is.
    #[serde(default = "super::yes")]
    pub allow_fallbacks: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FaultKind {
    /// An error status.
    Status,
    /// No connection.
    Refused,
    /// A connection that closes before it answers.
    Reset,
    /// No answer at all.
    Hang,
    /// A good answer, late.
    Slow,
    /// A stream that ends after some events.
    CutAfterEvents,
    /// 200, and not the dialect.
    Malformed,
    /// A stream that tells an error after some events.
    ErrorEvent,
    /// 200, and nothing in it.
    Empty,
}
