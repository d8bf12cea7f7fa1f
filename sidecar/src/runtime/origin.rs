//! The sources of policies.

use std::time::SystemTime;

use serde::Serialize;

use crate::telemetry::record::time;

/// The source of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum PolicyOrigin {
    /// The operator's stream.
    Stream,
    /// Mounted files.
    Mounted,
    /// The snapshot of the previous process, which got it by the stream.
    #[serde(rename = "held")]
    Snapshot,
}

impl PolicyOrigin {
    /// The name in status, logs and records.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            PolicyOrigin::Stream => "stream",
            PolicyOrigin::Mounted => "mounted",
            PolicyOrigin::Snapshot => "held",
        }
    }
}

/// The connection to the operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Link {
    pub connected: bool,
    #[serde(serialize_with = "time")]
    pub since: Option<SystemTime>,
    /// Why there is no connection.
    pub problem: Option<String>,
}
