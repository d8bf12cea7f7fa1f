//! Why a limit has no room.

use outrigger_core::Millis;

use super::LimitNo;

/// Why nothing was reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It would not fit even if every reservation came back unused.
    Exhausted {
        limit: LimitNo,
        spent: u64,
        max: u64,
        /// When the period ends, or when enough has left a rolling window. Absent if waiting does not help: the window
        /// never ends, or the request asks for more than the whole limit.
        until: Option<Millis>,
    },
    /// It would fit if other reservations were returned: of this process, or of others that share the limit.
    Contended { limit: LimitNo },
    /// The ledger has not granted enough, and is not known to answer. The next report asks for it.
    NotGranted { limit: LimitNo },
}

impl Refused {
    /// The limit that has no room.
    #[must_use]
    pub fn limit(&self) -> LimitNo {
        match self {
            Refused::Exhausted { limit, .. } | Refused::Contended { limit } | Refused::NotGranted { limit } => *limit,
        }
    }

    /// Until when it has no room. Forever if waiting does not help; unknown if others hold the amount, or if the ledger
    /// must answer first.
    pub(super) fn lasts(&self) -> Millis {
        match self {
            Refused::Exhausted { until, .. } => until.unwrap_or(Millis::MAX),
            Refused::Contended { .. } => Millis::MIN,
            Refused::NotGranted { .. } => Millis::MIN + 1,
        }
    }
}
