//! The mock provider: fixed answers, configured latency and intentional faults.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{GoDuration, shapes};

/// How a provider of type Mock answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [shapes::rule(
    "!(has(self.reply) && self.echo)",
    "a mock answers with reply or with the caller's text: set only one of reply and echo",
)]))]
pub struct MockSpec {
    /// The API that it serves, so that translation between APIs is tested too.
    #[serde(default)]
    pub dialect: MockDialect,
    /// The text of each answer that calls no tool. {{provider}} and {{model}} are replaced. Without reply and echo: a
    /// short text that names both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32_768))]
    pub reply: Option<String>,
    /// Tools to call, all in one turn. A tool is called only if the request offers it and the last turn holds no
    /// results yet. If the request demands a call of another tool, that one is called with arguments that fit its
    /// schema.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 8), extend("x-kubernetes-list-type" = "atomic"))]
    pub tool_calls: Vec<CannedToolCall>,
    /// Whether to answer with the caller's last text. Set either echo or reply.
    #[serde(default)]
    pub echo: bool,
    /// How long an answer takes. Absent: no delay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timing: Option<MockTiming>,
    /// Faults. For each request, the first fault happens that matches the model and that its percentage selects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub faults: Vec<CannedFault>,
}

/// The API of a mock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum MockDialect {
    /// OpenAI's chat completions and responses.
    #[default]
    OpenAI,
    /// Anthropic's messages.
    Anthropic,
    /// Gemini's generateContent.
    Gemini,
    /// Converse of Amazon Bedrock.
    Bedrock,
    /// Version 2 of Cohere's API.
    Cohere,
    /// Ollama's own API.
    Ollama,
}

/// A call of a tool in an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CannedToolCall {
    /// The name of the tool.
    #[schemars(schema_with = "shapes::tool")]
    pub name: String,
    /// Its arguments: any object.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schemars(schema_with = "shapes::json_object")]
    pub arguments: Map<String, Value>,
}

/// How long a mock's answer takes. For a fixed latency, set firstToken only. For a range, set firstToken (the minimum)
/// and jitter (the width of the range).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MockTiming {
    /// From the request to the first token, or to the whole answer if it is not streamed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_token: Option<GoDuration>,
    /// Added to firstToken: a random time for each answer, uniformly between zero and this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jitter: Option<GoDuration>,
    /// Between two tokens of a stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_token: Option<GoDuration>,
}

/// An intentional fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    shapes::rule("self.type != 'Status' || has(self.status)", "a fault of type Status needs a status, such as 429"),
    shapes::rule("self.type == 'Status' || !has(self.status)", "status is only for faults of type Status: change the type, or remove status"),
    shapes::rule("self.type == 'Status' || !has(self.retryAfter)", "retryAfter is only for faults of type Status: change the type, or remove retryAfter"),
    shapes::rule("self.type != 'CutAfterEvents' || has(self.events)", "a fault of type CutAfterEvents needs events: the number of events before the cut"),
    shapes::rule(
        "self.type in ['CutAfterEvents', 'ErrorEvent', 'Malformed'] || !has(self.events)",
        "events is only for faults of type CutAfterEvents, ErrorEvent and Malformed: change the type, or remove events",
    ),
    shapes::rule("self.type != 'Slow' || has(self.delay)", "a fault of type Slow needs a delay, such as 5s"),
    shapes::rule("self.type == 'Slow' || !has(self.delay)", "delay is only for faults of type Slow: change the type, or remove delay"),
    shapes::rule(
        "self.type in ['Status', 'ErrorEvent'] || !has(self.message)",
        "message is only for faults of type Status and ErrorEvent: change the type, or remove message",
    ),
]))]
pub struct CannedFault {
    /// The name of the fault in logs and findings.
    #[schemars(schema_with = "shapes::name")]
    pub name: String,
    /// Status: an HTTP error. Refused: the connection is refused. Reset: the connection is reset after the request.
    /// Hang: there is never an answer. Slow: the answer starts after a delay. CutAfterEvents: the stream ends early,
    /// without its final event. Malformed: the answer isn't JSON. ErrorEvent: an error inside the stream. Empty: status
    /// 200 with an empty body.
    #[serde(rename = "type")]
    pub fault_type: FaultType,
    /// The percentage of requests that get this fault.
    #[serde(default = "always")]
    #[schemars(range(min = 0, max = 100))]
    pub percent: i32,
    /// The HTTP status, for type Status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 400, max = 599))]
    pub status: Option<i32>,
    /// The Retry-After header, rounded up to whole seconds, for type Status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<GoDuration>,
    /// The number of events that are sent before the fault, for types CutAfterEvents, ErrorEvent and Malformed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10_000))]
    pub events: Option<i32>,
    /// The delay, for type Slow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<GoDuration>,
    /// The message of the error, for types Status and ErrorEvent. Absent: a message that a provider would send.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub message: Option<String>,
    /// Globs of the models that get this fault. Absent: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "shapes::globs")]
    pub models: Vec<String>,
    /// Whether another candidate may be tried after it. false: the caller sees the error.
    #[serde(default = "yes")]
    pub allow_fallbacks: bool,
}

/// The types of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum FaultType {
    /// An HTTP error.
    Status,
    /// The connection is refused.
    Refused,
    /// The connection is reset after the request was read.
    Reset,
    /// There is never an answer.
    Hang,
    /// The answer starts after a delay.
    Slow,
    /// The stream ends early, without its final event.
    CutAfterEvents,
    /// The answer isn't JSON.
    Malformed,
    /// An error inside the stream.
    ErrorEvent,
    /// Status 200 with an empty body.
    Empty,
}

fn always() -> i32 {
    100
}

pub(crate) fn yes() -> bool {
    true
}
