//! Where policies come from.

use std::time::SystemTime;

use serde::Serialize;

use crate::telemetry::record::time;

/// How a policy came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum PolicyOrigin {
    /// By the operator's stream.
    Stream,
    /// As mounted files.
    Mounted,
    /// It came by the stream, to the process before this one.
    #[serde(rename = "held")]
    Snapshot,
}

impl PolicyOrigin {
    /// As it is written everywhere.
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
    /// Why it is not there.
    pub problem: Option<String>,
}
