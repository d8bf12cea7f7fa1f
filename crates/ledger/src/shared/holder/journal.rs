//! The part of a holder that outlives its process.

use outrigger_core::Millis;

use super::held_account::HeldAccount;
use crate::account::Counters;
use crate::protocol::{LimitKey, Term};

/// The stored state of a holder, besides its accounts.
///
/// It is written before the next report is sent. Otherwise a holder could report that it follows a leader, forget that
/// in a restart, and accept money from an earlier leader, which the new one does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HolderState {
    /// As [`UsageReport::epoch`](crate::protocol::UsageReport::epoch).
    pub epoch: u64,
    /// How many processes have used this journal: the numbers of reports continue from there.
    pub runs: u32,
    /// The highest leader that it knows.
    pub term: Term,
    /// It has sent its final report: the next process begins a new journal.
    pub closed: bool,
    /// The time since 1970 at which the ledger was lost, while requests pass without it: a restart does not reset it.
    pub lost_at: Option<Millis>,
}

/// The stored state of one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldState {
    pub limit: LimitKey,
    /// The first millisecond of its period.
    pub start: Millis,
    /// The first millisecond after its period; absent if it never ends.
    pub end: Option<Millis>,
    pub counters: Counters,
    /// In flight: counts as spent if the process ends here.
    pub reserved: u64,
}

/// An account of a holder. The number is never reused for another account while the holder lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HeldNo {
    pub(super) limit: u32,
    pub(super) serial: u32,
}

impl HeldNo {
    pub(crate) fn limit_place(self) -> usize {
        self.limit as usize
    }
}

/// What must be written, as the holder has it.
#[derive(Debug)]
pub(crate) enum JournalChange<'a> {
    Holder(HolderState),
    Account(HeldNo, &'a LimitKey, &'a HeldAccount),
    /// As [`JournalWrite::Forgotten`].
    Forgotten(HeldNo),
}

/// What must be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JournalWrite {
    Holder(HolderState),
    Account(HeldNo, HeldState),
    /// The ledger has everything about it: its slot is free.
    Forgotten(HeldNo),
}
