//! The reservation of one attempt, and the result of its settlement.

use outrigger_core::Millis;
use smallvec::SmallVec;

use crate::book::LimitNo;
use crate::shared::holder::HeldNo;

/// How many limits are kept without an allocation.
pub(crate) const INLINE: usize = 8;

/// Amounts of some limits, reserved until they are [settled](crate::Book::settle), in the periods in which they were
/// reserved.
///
/// It can be settled once: it is not `Clone`. If it is dropped instead, the amounts stay reserved for the lifetime of
/// its book, which is safe but never intended. So its owner keeps it in an `Option` and settles it in its own `Drop`,
/// and tests of the owner check with [`Book::open`](crate::Book::open) that none is left.
#[must_use = "what is reserved and never settled is lost to everybody"]
#[derive(Debug)]
pub struct Reservation {
    pub(crate) lines: SmallVec<[ReservedLine; INLINE]>,
    /// Limits for which no grant covers it.
    pub(crate) open: SmallVec<[LimitNo; INLINE]>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct ReservedLine {
    pub(crate) limit: LimitNo,
    pub(crate) of: ReservedOf,
    pub(crate) amount: u64,
}

/// The account that it is reserved from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ReservedOf {
    /// The slot of the account: no other account of the limit uses the slot while this reservation is open.
    Slot(u32),
    /// One that the ledger grants.
    Held(HeldNo),
}

impl Reservation {
    /// The reserved amount of each limit, in a fixed order.
    pub fn amounts(&self) -> impl Iterator<Item = (LimitNo, u64)> {
        self.lines.iter().map(|line| (line.limit, line.amount))
    }

    /// Limits that let it pass without a grant because the ledger does not answer: see [`FailOpen`](crate::FailOpen).
    #[must_use]
    pub fn failed_open(&self) -> &[LimitNo] {
        &self.open
    }
}

/// The effect of a settlement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    changes: SmallVec<[(LimitNo, u64, u64); INLINE]>,
    charged: SmallVec<[(LimitNo, Millis); INLINE]>,
}

impl Settled {
    /// Each limit that was reserved or charged, once, with its [used](crate::Book::used) amount before and after, at
    /// the latest time that the book has seen. The two are equal if nothing was spent, or if the period no longer
    /// counts.
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
