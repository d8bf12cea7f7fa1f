//! Converts a policy's limits for the ledger.

use outrigger_ledger::{FailOpen, LimitSpec};
use outrigger_policy::{AccountedLimit, FailOpenLimit, LimitError, Policy};

/// All limits of a policy, in its order.
///
/// # Errors
/// [`LimitError`]: an invalid window.
pub fn specs(policy: &Policy) -> Result<Vec<LimitSpec>, LimitError> {
    let open = |limit: FailOpenLimit| FailOpen { most: limit.most, lasts: i64::try_from(limit.ms).unwrap_or(i64::MAX) };
    let spec = |AccountedLimit { name, unit, max, window, fail_open }| LimitSpec {
        name,
        unit,
        max,
        window,
        fail_open: fail_open.map(open),
    };
    policy.limits.all.iter().map(|limit| limit.counted().map(spec)).collect()
}
