//! What a gateway and the leader say to each other about concurrent requests.

use serde::{Deserialize, Serialize};

/// A connection of a process. What was said in an earlier one says nothing in this one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PermitSession {
    /// Drawn anew by each process of a gateway: requests end with their process.
    pub process: u64,
    /// Rises with each connection of the process.
    pub connection: u64,
}

/// What a gateway has of all limits on concurrent requests that it shares.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PermitReport {
    #[serde(flatten)]
    pub session: PermitSession,
    /// Rises with each report of a process; the answer names it.
    pub number: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<PermitUsage>,
    /// No request runs any more, and none will.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub last: bool,
}

/// One limit, as its gateway has it. It has `granted - returned` permits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PermitUsage {
    /// `VirtualKey search/search`.
    pub limit: String,
    /// What it had when the session began, and all that it was granted since.
    pub granted: u64,
    /// All that it gave back since the session began.
    pub returned: u64,
    /// Requests that run.
    pub used: u64,
    /// Permits that requests wait for, or were refused for just now.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub need: u64,
    /// Permits that it would take beside, for the next requests.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub want: u64,
}

/// What the leader says of some limits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PermitGrants {
    #[serde(flatten)]
    pub session: PermitSession,
    /// The report that was taken last.
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
    /// So many are to be returned in all since the session began, each as soon as no request has it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub recall: u64,
    /// More will come soon: the leader does not know yet who has what, or others are about to return idle ones.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub coming: bool,
    /// Others wait for a permit: the leader is told at once of one that no request has any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub wanted: bool,
    /// Requests that run at all gateways.
    pub running: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(amount: &u64) -> bool {
    *amount == 0
}
