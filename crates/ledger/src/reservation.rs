//! What is promised to one attempt, and what came of it.

use outrigger_core::Millis;
use smallvec::SmallVec;

use crate::book::LimitNo;
use crate::shared::holder::HeldNo;

/// As many limits as are kept without an allocation.
pub(crate) const INLINE: usize = 8;

/// So much of each of some limits, taken until it is [settled](crate::Book::settle), into the periods in which it was
/// reserved.
///
/// It can be settled once: it is not `Clone`. Dropped instead, it stays reserved for as long as its book lives, which is
/// safe and never right. So its owner keeps it in an `Option` and settles what is left there in its own `Drop`, and tests
/// of the owner ask [`Book::open`](crate::Book::open) whether any is left.
#[must_use = "what is reserved and never settled is lost to everybody"]
#[derive(Debug)]
pub struct Reservation {
    pub(crate) lines: SmallVec<[ReservedLine; INLINE]>,
    /// Limits of which no grant covers it.
    pub(crate) open: SmallVec<[LimitNo; INLINE]>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct ReservedLine {
    pub(crate) limit: LimitNo,
    pub(crate) of: ReservedOf,
    pub(crate) amount: u64,
}

/// The account that it is taken from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ReservedOf {
    /// Where it lies: no other account of the limit is there as long as this one is open.
    Slot(u32),
    /// One that the ledger grants.
    Held(HeldNo),
}

impl Reservation {
    /// What it holds of each limit, in the fixed order.
    pub fn amounts(&self) -> impl Iterator<Item = (LimitNo, u64)> {
        self.lines.iter().map(|line| (line.limit, line.amount))
    }

    /// Limits that let it through without a grant, because the ledger does not answer: see
    /// [`FailOpen`](crate::FailOpen).
    #[must_use]
    pub fn failed_open(&self) -> &[LimitNo] {
        &self.open
    }
}

/// What a settlement has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    changes: SmallVec<[(LimitNo, u64, u64); INLINE]>,
    charged: SmallVec<[(LimitNo, Millis); INLINE]>,
}

impl Settled {
    /// Each limit that was reserved or charged, once, with what of it was [used](crate::Book::used) before and after, at
    /// the latest time that its book has seen. The two are the same where nothing was spent, or in a period that does not
    /// count any more.
    pub fn changes(&self) -> impl Iterator<Item = (LimitNo, u64, u64)> {
        self.changes.iter().copied()
    }

    /// The accounts that were charged: each limit, with the beginning of the period in which the amount was reserved.
    pub fn charged(&self) -> impl Iterator<Item = (LimitNo, Millis)> {
        self.charged.iter().copied()
    }

    pub(crate) fn note_account(&mut self, limit: LimitNo, start: Millis) {
        self.charged.push((limit, start));
    }

    pub(crate) fn note(&mut self, limit: LimitNo, before: u64, after: u64) {
        match self.changes.iter_mut().find(|(noted, ..)| *noted == limit) {
            Some((.., last)) => *last = after,
            None => self.changes.push((limit, before, after)),
        }
    }
}
