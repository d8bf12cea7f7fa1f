//! A policy's limits as the ledger has them.

use outrigger_ledger::{CalendarUnit, LimitSpec, Window, WindowError};
use outrigger_policy::{CalendarUnit as UnitDoc, Limit, Policy, Unit, WindowDoc};

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
    let window = window(&limit.window).map_err(|source| LimitError { limit: name.clone(), source })?;
    Ok(LimitSpec { name, unit: unit(limit.unit), max: limit.max, window })
}

fn window(window: &WindowDoc) -> Result<Window, WindowError> {
    match window {
        WindowDoc::Calendar { unit, zone, anchor } => Window::calendar(calendar(*unit), zone, *anchor),
        WindowDoc::Rolling { ms } => Window::rolling(*ms),
        WindowDoc::Lifetime => Ok(Window::lifetime()),
    }
}

fn calendar(unit: UnitDoc) -> CalendarUnit {
    match unit {
        UnitDoc::Minute => CalendarUnit::Minute,
        UnitDoc::Hour => CalendarUnit::Hour,
        UnitDoc::Day => CalendarUnit::Day,
        UnitDoc::Week => CalendarUnit::Week,
        UnitDoc::Month => CalendarUnit::Month,
        UnitDoc::Quarter => CalendarUnit::Quarter,
        UnitDoc::Year => CalendarUnit::Year,
    }
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
