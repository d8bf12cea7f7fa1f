//! A policy's limits as the ledger has them.

use outrigger_core::{Periods, WindowError};
use outrigger_ledger::LimitSpec;
use outrigger_policy::{Limit, Policy, Unit};

/// Why a limit can't be kept.
#[derive(Debug, thiserror::Error)]
#[error("{limit}: {source}")]
pub struct LimitError {
    pub limit: String,
    pub source: WindowError,
}

/// Every limit of a policy, in its order.
///
/// # Errors
/// [`LimitError`]: a window that there is not.
pub fn specs(policy: &Policy) -> Result<Vec<LimitSpec>, LimitError> {
    policy.limits.all.iter().map(spec).collect()
}

fn spec(limit: &Limit) -> Result<LimitSpec, LimitError> {
    let name = limit.id.to_string();
    let window = Periods::of(&limit.window).map_err(|source| LimitError { limit: name.clone(), source })?;
    Ok(LimitSpec { name, unit: unit(limit.unit), max: limit.max, window })
}

/// The word for a unit on disk, in metrics and on the admin port.
#[must_use]
pub fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Money => "usd",
        Unit::Tokens => "tokens",
        Unit::Requests => "requests",
    }
}
