//! What requests came to, hour by hour, for the usage history.
//!
//! ```text
//! operator  {"collectUsage":{}}                                        the first line, if it keeps a history
//! gateway   {"usageRows":{"epoch":…,"number":7,"completeBefore":…,"rows":[…]}}
//! operator  {"usageKept":{"epoch":…,"number":7}}                       the rows are durable
//! ```
//!
//! Each row is a sum since its hour began, of one process of a gateway. So of two reports the higher figures are the later
//! ones, and a report that is lost, late or repeated changes nothing.

use serde::{Deserialize, Serialize};

/// So many rows are in one report at most.
pub const USAGE_ROWS_MAX: usize = 400;
/// The longest name in a row, in bytes.
pub const USAGE_NAME_MAX: usize = 256;
/// A provider or a model in which those are counted that have no row of their own.
pub const OTHER: &str = "other";

/// What a gateway's requests came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UsageRowsReport {
    /// When the process began, in milliseconds since 1970.
    pub epoch: u64,
    /// Rises with each report of the process.
    pub number: u64,
    /// The rows of all hours before this one are in this report or were kept before, and change no more.
    pub complete_before: u64,
    pub rows: Vec<UsageRow>,
    /// The process is about to end.
    #[serde(default, skip_serializing_if = "is_false")]
    pub last: bool,
}

/// One hour of a key, a provider and a model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UsageRow {
    /// Hours since 1970.
    pub hour: u64,
    /// The VirtualKey's.
    pub namespace: String,
    pub key: String,
    /// Empty: no provider was asked.
    pub provider: String,
    pub model: String,
    #[serde(flatten)]
    pub sums: UsageSums,
}

/// Sums since the hour began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UsageSums {
    pub requests: u64,
    /// Of the requests, those that failed or were refused.
    pub errors: u64,
    pub input_tokens: u64,
    /// Of the input tokens.
    pub cached_tokens: u64,
    pub output_tokens: u64,
    /// In nano-dollars, of attempts whose cost is known.
    pub cost_nanos: u64,
}

impl UsageSums {
    /// Adds one request's figures, or another row's.
    pub fn add(&mut self, other: &UsageSums) {
        let UsageSums { requests, errors, input_tokens, cached_tokens, output_tokens, cost_nanos } = *other;
        self.requests = self.requests.saturating_add(requests);
        self.errors = self.errors.saturating_add(errors);
        self.input_tokens = self.input_tokens.saturating_add(input_tokens);
        self.cached_tokens = self.cached_tokens.saturating_add(cached_tokens);
        self.output_tokens = self.output_tokens.saturating_add(output_tokens);
        self.cost_nanos = self.cost_nanos.saturating_add(cost_nanos);
    }
}

/// The rows of a report are durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UsageKept {
    pub epoch: u64,
    pub number: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_false(flag: &bool) -> bool {
    !*flag
}
