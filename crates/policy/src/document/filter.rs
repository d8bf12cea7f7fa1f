//! Filters, as the document has them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A filter that requests and their answers pass.
///
/// A gateway that does not know its type refuses the document: a guard that is passed over is no guard. A gateway of a
/// version before this field would pass over all of them, so whoever writes one raises [`FORMAT`](super::FORMAT).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FilterDoc {
    /// The name under which gateways know how to build it.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it is told of its work, as its type reads it.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub settings: Value,
}
