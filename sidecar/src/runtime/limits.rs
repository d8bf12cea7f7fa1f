//! A policy's limits as the ledger has them.

use outrigger_ledger::LimitSpec;
use outrigger_policy::{AccountedLimit, LimitError, Policy};

/// Every limit of a policy, in its order.
///
/// # Errors
/// [`LimitError`]: a window that there is not.
pub fn specs(policy: &Policy) -> Result<Vec<LimitSpec>, LimitError> {
    let spec = |AccountedLimit { name, unit, max, window }| LimitSpec { name, unit, max, window };
    policy.limits.all.iter().map(|limit| limit.counted().map(spec)).collect()
}
