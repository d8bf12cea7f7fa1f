//! Converts a policy's limits for the ledger.

use outrigger_ledger::LimitSpec;
use outrigger_policy::{AccountedLimit, LimitError, Policy};

/// All limits of a policy, in its order.
///
/// # Errors
/// [`LimitError`]: an invalid window.
pub fn specs(policy: &Policy) -> Result<Vec<LimitSpec>, LimitError> {
    let spec = |AccountedLimit { name, unit, max, window }| LimitSpec { name, unit, max, window };
    policy.limits.all.iter().map(|limit| limit.counted().map(spec)).collect()
}
