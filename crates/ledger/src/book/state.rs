//! How a limit stands.

use std::time::Duration;

use outrigger_core::Millis;

use crate::shared::holder::FailOpenState;

/// The state of a limit. Of a shared limit: over all gateways that share it, as far as it is known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    pub spent: u64,
    pub reserved: u64,
    pub max: u64,
    /// When its period began; of a rolling window, the first instant that counts.
    pub start: Millis,
    /// When its period ends. Of a rolling window: when some of its usage will have left, and if it is exhausted, when
    /// there will be room.
    pub end: Option<Millis>,
    /// Of a limit that the ledger grants.
    pub shared: Option<SharedState>,
}

/// Facts about a shared limit that others do not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SharedState {
    /// What this process may reserve without a request to the ledger.
    pub free: u64,
    /// What lost gateways may have spent: those that ended without a last report. It counts as spent.
    pub unconfirmed: u64,
    /// The age of the information about other gateways.
    pub age: Duration,
    /// Of one that may fail open.
    pub fail_open: Option<FailOpenState>,
}
