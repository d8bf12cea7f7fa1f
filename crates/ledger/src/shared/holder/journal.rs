//! What of a holder outlives its process.

use outrigger_core::Millis;

use crate::account::Counters;
use crate::protocol::{LimitKey, Term};

/// What is kept of a holder, beside its accounts.
///
/// It is written before the next report is sent: a holder that has told a leader that it follows it, and then forgets
/// that, may take money of an earlier leader, which nobody counts any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HolderState {
    /// As [`UsageReport::epoch`](crate::protocol::UsageReport::epoch).
    pub epoch: u64,
    /// How many processes have had this journal: numbers of reports go on from there.
    pub runs: u32,
    /// The highest leader that it has heard of.
    pub term: Term,
    /// It has said its last word: whoever comes next begins a new journal.
    pub closed: bool,
    /// The time since 1970 at which the ledger was lost, while something is let through without it: a restart does not
    /// begin that anew.
    pub lost_at: Option<Millis>,
}

/// What is kept of one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldState {
    pub limit: LimitKey,
    /// The first millisecond of its period.
    pub start: Millis,
    /// The first one after it; absent if it never ends.
    pub end: Option<Millis>,
    pub counters: Counters,
    /// In flight: it counts as spent if the process ends here.
    pub reserved: u64,
}

/// An account of a holder: the same as long as the holder lives and has it, and no other one's afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HeldNo {
    pub(super) limit: u32,
    pub(super) serial: u32,
}

/// What is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JournalWrite {
    Holder(HolderState),
    Account(HeldNo, HeldState),
    /// The ledger has all of it: its place is free.
    Forgotten(HeldNo),
}
