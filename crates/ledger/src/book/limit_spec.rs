//! What a policy says of a limit, and how its book names it.

use outrigger_core::Periods;

use crate::shared::holder::FailOpen;

/// An amount in a window.
#[derive(Clone, Debug)]
pub struct LimitSpec {
    /// Identifies its accounts, together with the unit: `Budget search/team`.
    pub name: String,
    /// The counted unit; at most 16 bytes are kept.
    pub unit: &'static str,
    pub max: u64,
    pub window: Periods,
    /// What passes while the ledger that grants it does not answer. Absent: nothing.
    pub fail_open: Option<FailOpen>,
}

/// A limit in its book: the same for the lifetime of the book, whatever policies are adopted.
#[derive(Copy, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct LimitNo(pub(super) u32);

/// Who grants what limits allow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Granter {
    /// The book itself: each limit in full.
    #[default]
    Itself,
    /// The ledger, from which the book requests a part.
    Ledger,
}

impl LimitNo {
    pub(super) fn place(self) -> usize {
        self.0 as usize
    }
}
