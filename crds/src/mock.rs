//! The rehearsal provider: canned answers, invented latency, faults on purpose.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{GoDuration, shapes};

/// How a provider of type Mock answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [shapes::rule(
    "!(has(self.reply) && self.echo)",
    "a mock's text is its reply or the caller's own: keep one of reply and echo",
)]))]
pub struct MockSpec {
    /// The API it speaks, so that translation is rehearsed too.
    #[serde(default)]
    pub dialect: MockDialect,
    /// The text of each answer that calls no tool. {{provider}} and {{model}} are filled in. Without reply and echo: a
    /// short text that names both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32_768))]
    pub reply: Option<String>,
    /// Call these tools, all in one turn, as far as the request offers them and its last turn holds no results yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 8), extend("x-kubernetes-list-type" = "atomic"))]
    pub tool_calls: Vec<CannedToolCall>,
    /// Answer with the last text of the caller, in place of reply.
    #[serde(default)]
    pub echo: bool,
    /// How long it takes. Absent: no time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timing: Option<MockTiming>,
    /// What goes wrong. The first that matches the model, and whose percentage is drawn, happens.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub faults: Vec<CannedFault>,
}

/// The API a mock speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum MockDialect {
    /// OpenAI's chat completions and responses.
    #[default]
    OpenAI,
    /// Anthropic's messages.
    Anthropic,
    /// Gemini's generateContent.
    Gemini,
}

/// A tool's call, as an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CannedToolCall {
    /// The tool's name.
    #[schemars(schema_with = "shapes::tool")]
    pub name: String,
    /// Its arguments: any object.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schemars(schema_with = "shapes::json_object")]
    pub arguments: Map<String, Value>,
}

/// How long a mock's answer takes. A fixed latency is firstToken alone; a range is firstToken (the least) with jitter
/// (the width).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MockTiming {
    /// From the request to the first token, or to the whole answer without streaming.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_token: Option<GoDuration>,
    /// Added to firstToken: drawn anew for each answer, evenly between nothing and this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jitter: Option<GoDuration>,
    /// Between two tokens of a stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_token: Option<GoDuration>,
}

/// Something that goes wrong on purpose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    shapes::rule("self.type != 'Status' || has(self.status)", "a fault of type Status needs a status, such as 429"),
    shapes::rule("self.type == 'Status' || !has(self.status)", "status belongs to faults of type Status: change the type, or remove it"),
    shapes::rule("self.type == 'Status' || !has(self.retryAfter)", "retryAfter belongs to faults of type Status: change the type, or remove it"),
    shapes::rule("self.type != 'CutAfterEvents' || has(self.events)", "a fault of type CutAfterEvents needs events: how many get through"),
    shapes::rule(
        "self.type in ['CutAfterEvents', 'ErrorEvent', 'Malformed'] || !has(self.events)",
        "events belongs to faults of type CutAfterEvents, ErrorEvent and Malformed: change the type, or remove it",
    ),
    shapes::rule("self.type != 'Slow' || has(self.delay)", "a fault of type Slow needs a delay, such as 5s"),
    shapes::rule("self.type == 'Slow' || !has(self.delay)", "delay belongs to faults of type Slow: change the type, or remove it"),
    shapes::rule(
        "self.type in ['Status', 'ErrorEvent'] || !has(self.message)",
        "message belongs to faults of type Status and ErrorEvent: change the type, or remove it",
    ),
]))]
pub struct CannedFault {
    /// What logs and findings call it.
    #[schemars(schema_with = "shapes::name")]
    pub name: String,
    /// Status: an HTTP error. Refused: the connection is refused. Reset: it is reset after the request. Hang: no
    /// answer, ever. Slow: the answer begins after a delay. CutAfterEvents: the stream ends early, without its terminal
    /// event. Malformed: what comes isn't JSON. ErrorEvent: an error inside the stream. Empty: 200 with nothing in it.
    #[serde(rename = "type")]
    pub fault_type: FaultType,
    /// How many of a hundred requests it befalls.
    #[serde(default = "always")]
    #[schemars(range(min = 0, max = 100))]
    pub percent: i32,
    /// The status that is answered, of type Status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 400, max = 599))]
    pub status: Option<i32>,
    /// The Retry-After that goes with it, in whole seconds rounded up, of type Status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<GoDuration>,
    /// How many events get through before it, of types CutAfterEvents, ErrorEvent and Malformed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10_000))]
    pub events: Option<i32>,
    /// How long, of type Slow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<GoDuration>,
    /// What the error says, of types Status and ErrorEvent. Absent: what a provider would say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub message: Option<String>,
    /// Globs of the models it befalls. Absent: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "shapes::globs")]
    pub models: Vec<String>,
    /// Whether another candidate may be tried after it. false: the caller sees the error.
    #[serde(default = "yes")]
    pub allow_fallbacks: bool,
}

/// Kinds of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum FaultType {
    /// An HTTP error.
    Status,
    /// The connection is refused.
    Refused,
    /// The connection is reset after the request was read.
    Reset,
    /// No answer, ever.
    Hang,
    /// The answer begins after a delay.
    Slow,
    /// The stream ends early, without its terminal event.
    CutAfterEvents,
    /// What comes isn't JSON.
    Malformed,
    /// An error inside the stream.
    ErrorEvent,
    /// 200 with nothing in it.
    Empty,
}

fn always() -> i32 {
    100
}

pub(crate) fn yes() -> bool {
    true
}
