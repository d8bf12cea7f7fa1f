//! Mock providers in a document.

use serde::{Deserialize, Serialize};

/// A mock provider: its answers, latency and faults. Times in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MockDoc {
    /// The API that it serves: `OpenAI`, `Anthropic` or `Gemini`.
    pub dialect: String,
    /// May contain `{{provider}}` and `{{model}}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply: Option<String>,
    /// The tools to call if the request offers them and its last turn has no results.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<MockToolCall>,
    /// Whether it answers with the caller's last text.
    #[serde(default)]
    pub echo: bool,
    /// The range of the time to the first token, uniformly distributed.
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

/// A fault. The first one happens whose models match and whose percentage is drawn.
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
    /// Whether other candidates may be tried; else the caller gets the failure.
    #[serde(default = "super::yes")]
    pub allow_fallbacks: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FaultKind {
    /// An error status.
    Status,
    /// The connection is refused.
    Refused,
    /// The connection closes before an answer.
    Reset,
    /// No answer at all.
    Hang,
    /// A valid answer, late.
    Slow,
    /// The stream ends after some events.
    CutAfterEvents,
    /// Status 200 with an invalid body.
    Malformed,
    /// An error event after some events of a stream.
    ErrorEvent,
    /// Status 200 with an empty body.
    Empty,
}
