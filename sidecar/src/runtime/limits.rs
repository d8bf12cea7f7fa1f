//! Which account counts a policy's limit: one of the ledger's book, or one of each session.

use outrigger_core::hash::fnv1a_parts;
use outrigger_ledger::session::SessionLimit;
use outrigger_ledger::{FailOpen, LimitNo, LimitSpec};
use outrigger_policy::{AccountedLimit, FailOpenLimit, Limit, LimitError, LimitIndex, Policy};
use typed_index_collections::TiVec;

/// The account that counts a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitAccount {
    /// In the ledger's book, by period.
    Book(LimitNo),
    /// In each session.
    Session(SessionLimit),
}

impl LimitAccount {
    /// Its number in the ledger's book.
    #[must_use]
    pub fn number(self) -> Option<LimitNo> {
        match self {
            LimitAccount::Book(number) => Some(number),
            LimitAccount::Session(_) => None,
        }
    }
}

/// The limits of a policy that have periods, in its order.
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
    policy.limits.all.iter().filter(|limit| !limit.per_session).map(|limit| limit.counted().map(spec)).collect()
}

/// The account of each limit of a policy. `numbers` are those of [`specs`].
#[must_use]
pub fn accounts(policy: &Policy, numbers: Vec<LimitNo>) -> TiVec<LimitIndex, LimitAccount> {
    let mut numbers = numbers.into_iter();
    let account = |limit: &Limit| match limit.per_session {
        true => Some(LimitAccount::Session(of_sessions(limit))),
        false => numbers.next().map(LimitAccount::Book),
    };
    policy.limits.all.iter().map_while(account).collect()
}

/// From name and unit: a session keeps what it has spent if a policy changes the amount.
fn of_sessions(limit: &Limit) -> SessionLimit {
    SessionLimit(fnv1a_parts(&[limit.id.to_string().as_bytes(), limit.unit.word().as_bytes()]))
}
