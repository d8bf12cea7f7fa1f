//! Filters in a document.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A filter for requests and their answers.
///
/// A gateway that does not know its type refuses the document: a guard must not be skipped. A gateway of a version
/// before this field would skip all filters, so a compiler that writes one must raise [`FORMAT`](super::FORMAT).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FilterDoc {
    /// The type by which gateways build it.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its settings, in the format of its type.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub settings: Value,
}
