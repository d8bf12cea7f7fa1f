//! The order of requests that wait for room in a limit.
//!
//! Requests that want little take away what comes back, and one that wants more would wait for ever. So half of what is
//! free, and half of what comes back, is kept for the request that waits for longest. The others go on with the other half.
//! When that request has its amount, or waits no more, half is kept for the next one. Between gateways the ledger does the
//! same (`shared/leader/oldest.rs`).
//!
//! Where nobody waits, nothing is stored or looked up.

use std::collections::{BTreeMap, HashMap};

use super::LimitNo;

/// A request's place among those that wait for a limit. Whoever has one must [leave](super::Book::leave) it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitingPlace {
    number: u64,
    limit: LimitNo,
}

/// All requests that wait.
#[derive(Debug, Default)]
pub(super) struct WaitingLine {
    limits: HashMap<LimitNo, LimitQueue>,
    number: u64,
}

/// Those that wait for one limit.
#[derive(Debug, Default)]
struct LimitQueue {
    /// How much each wants, the oldest first.
    waiters: BTreeMap<u64, u64>,
    kept: Option<Kept>,
}

/// What is kept for the oldest.
#[derive(Clone, Copy, Debug)]
struct Kept {
    number: u64,
    amount: u64,
    /// What was free when it was last looked at: more than that has come back.
    seen: u64,
}

/// What a request finds that is not the oldest one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OtherHalf {
    kept: u64,
    free: u64,
}

impl OtherHalf {
    pub(super) fn has_room_for(self, amount: u64) -> bool {
        amount <= self.free.saturating_sub(self.kept)
    }

    /// What has to be free for so much to have room: half of what is missing will be kept.
    pub(super) fn needs(self, amount: u64) -> u64 {
        let missing = amount.saturating_sub(self.free.saturating_sub(self.kept));
        self.kept.saturating_add(amount).saturating_add(missing)
    }
}

impl WaitingLine {
    pub(super) fn is_empty(&self) -> bool {
        self.limits.is_empty()
    }

    /// What a request finds of a limit of which so much is `free`, if it is not the one that waits for longest.
    pub(super) fn other_half(
        &mut self,
        limit: LimitNo,
        place: Option<WaitingPlace>,
        free: impl FnOnce() -> u64,
    ) -> Option<OtherHalf> {
        let line = self.limits.get_mut(&limit)?;
        let (number, wanted) = line.waiters.first_key_value().map(|(number, wanted)| (*number, *wanted))?;
        if place.is_some_and(|place| place.number == number) {
            return None;
        }
        let free = free();
        let amount = match line.kept {
            Some(kept) if kept.number == number => {
                kept.amount.saturating_add(free.saturating_sub(kept.seen).div_ceil(2))
            }
            _ => free.div_ceil(2),
        };
        let kept = amount.min(free).min(wanted);
        line.kept = Some(Kept { number, amount: kept, seen: free });
        Some(OtherHalf { kept, free })
    }

    /// So much of a limit was reserved.
    pub(super) fn took(&mut self, limit: LimitNo, amount: u64) {
        if let Some(kept) = self.limits.get_mut(&limit).and_then(|line| line.kept.as_mut()) {
            kept.seen = kept.seen.saturating_sub(amount);
        }
    }

    /// A request waits for so much of a limit. If it waits already, it keeps its age, also if it waits for another limit now.
    pub(super) fn join(&mut self, place: Option<WaitingPlace>, limit: LimitNo, amount: u64) -> WaitingPlace {
        let number = match place {
            Some(place) => {
                if place.limit != limit {
                    self.leave(place);
                }
                place.number
            }
            None => {
                self.number += 1;
                self.number
            }
        };
        self.limits.entry(limit).or_default().waiters.insert(number, amount);
        WaitingPlace { number, limit }
    }

    /// A request waits no more. Says whether others wait for the same limit.
    pub(super) fn leave(&mut self, place: WaitingPlace) -> bool {
        let Some(line) = self.limits.get_mut(&place.limit) else { return false };
        line.waiters.remove(&place.number);
        let others = !line.waiters.is_empty();
        if !others {
            self.limits.remove(&place.limit);
        }
        others
    }
}
