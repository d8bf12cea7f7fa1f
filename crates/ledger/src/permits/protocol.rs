//! The messages of a gateway and the leader about concurrent requests.

use serde::{Deserialize, Serialize};

/// A connection of a process. Reports of an earlier session do not apply to this one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PermitSession {
    /// Random for each process of a gateway, because requests end with their process.
    pub process: u64,
    /// Rises with each connection of the process.
    pub connection: u64,
}

/// A gateway's permits of all shared limits on concurrent requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PermitReport {
    #[serde(flatten)]
    pub session: PermitSession,
    /// Rises with each report of a process; the answer names it.
    pub number: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<PermitUsage>,
    /// No request is running, and none will start.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub last: bool,
}

/// One limit, as reported by its gateway. It has `granted - returned` permits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PermitUsage {
    /// `VirtualKey search/search`.
    pub limit: String,
    /// The permits that it had when the session began, and all that were granted since.
    pub granted: u64,
    /// All permits that it returned since the session began.
    pub returned: u64,
    /// Requests that run.
    pub used: u64,
    /// Permits that requests wait for, or that were just refused.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub need: u64,
    /// Further permits that it would take for the next requests.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub want: u64,
}

/// The leader's message about some limits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PermitGrants {
    #[serde(flatten)]
    pub session: PermitSession,
    /// The last report that the leader applied.
    pub answers: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<PermitGrant>,
}

/// One limit, as the leader has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PermitGrant {
    pub limit: String,
    /// As [`PermitUsage::granted`].
    pub granted: u64,
    /// How many permits are to be returned in total since the session began, each as soon as no request uses it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub recall: u64,
    /// More permits will come soon: the leader does not know all permits yet, or others are about to return idle ones.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub coming: bool,
    /// Others wait for a permit: a permit that becomes idle must be reported immediately.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub wanted: bool,
    /// Requests that run at all gateways.
    pub running: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(amount: &u64) -> bool {
    *amount == 0
}
