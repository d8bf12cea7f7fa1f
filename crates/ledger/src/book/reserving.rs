//! Reserves, settles and charges amounts.

use outrigger_core::Millis;
use smallvec::SmallVec;

use super::shared::{HeldFit, LimitTerms, SharedLimits};
use super::waiting::{OtherHalf, WaitingPlace};
use super::{Book, LimitNo, Refused};
use crate::reservation::{INLINE, Reservation, ReservedLine, ReservedOf, Settled};

impl Book {
    /// Reserves all of these amounts, or none. If a limit occurs twice, the sum is reserved.
    ///
    /// If several limits have no room, the error names the one that has no room for the longest time: exhausted limits
    /// before contended ones; of those the one that has room last, and first of all one for which waiting does not
    /// help. So a limit per minute does not hide a monthly one. Among equals the lowest number is named.
    ///
    /// # Errors
    /// The limit that has no room, and why.
    pub fn reserve(&mut self, now: Millis, wants: &[(LimitNo, u64)]) -> Result<Reservation, Refused> {
        self.reserve_from(now, wants, None)
    }

    /// The same for a request that waits if others hold what it wants: then it has a place among those that wait for that
    /// limit, until it [leaves](Self::leave). Half of what is free and of what comes back is kept for the oldest of them.
    ///
    /// # Errors
    /// As [`reserve`](Self::reserve).
    pub fn reserve_in_turn(
        &mut self,
        now: Millis,
        wants: &[(LimitNo, u64)],
        place: &mut Option<WaitingPlace>,
    ) -> Result<Reservation, Refused> {
        let reserved = self.reserve_from(now, wants, *place);
        match &reserved {
            Err(Refused::Contended { limit }) => {
                let of_it = wants.iter().filter(|(wanted, _)| wanted == limit);
                let amount = of_it.fold(0_u64, |sum, (_, amount)| sum.saturating_add(*amount));
                *place = Some(self.waiting.join(*place, *limit, amount));
            }
            // Nothing comes back to those who wait for the ledger: others may spend what is here.
            Err(Refused::NotGranted { .. }) => {
                if let Some(place) = place.take() {
                    self.waiting.leave(place);
                }
            }
            Ok(_) | Err(Refused::Exhausted { .. }) => {}
        }
        reserved
    }

    /// A request waits no more. Says whether others wait for the same limit: they may look again.
    pub fn leave(&mut self, place: WaitingPlace) -> bool {
        self.waiting.leave(place)
    }

    fn reserve_from(
        &mut self,
        now: Millis,
        wants: &[(LimitNo, u64)],
        place: Option<WaitingPlace>,
    ) -> Result<Reservation, Refused> {
        let at = self.move_to(now);
        let in_order;
        let wants = match is_in_order(wants) {
            true => wants,
            false => {
                in_order = put_in_order(wants);
                &in_order[..]
            }
        };
        let mut refused: Option<Refused> = None;
        let mut open: SmallVec<[LimitNo; INLINE]> = SmallVec::new();
        let nobody_waits = self.waiting.is_empty();
        for (no, amount) in wants {
            let granted = self.granted(*no);
            let other_half = if nobody_waits { None } else { self.other_half(*no, place, at) };
            let fits = match self.limits.get_mut(no.place()) {
                Some(limit) if let (Some(held), Some(shared)) = (granted, &mut self.shared) => {
                    shared.fits(*no, held, *amount, LimitTerms::of(limit), other_half)
                }
                Some(limit) => {
                    limit.move_to(at, &mut self.slots);
                    let fits = limit.fits(*amount, at).map(|()| HeldFit::Granted);
                    let is_kept = other_half.is_some_and(|half| !half.has_room_for(*amount));
                    fits.and_then(|fits| if is_kept { Err(Refused::Contended { limit: *no }) } else { Ok(fits) })
                }
                None => Err(Refused::Exhausted { limit: *no, spent: 0, max: 0, until: None }),
            };
            match fits {
                Ok(HeldFit::Granted) => {}
                Ok(HeldFit::Open) => open.push(*no),
                Err(one) if refused.is_none_or(|other| one.lasts() > other.lasts()) => refused = Some(one),
                Err(_) => {}
            }
        }
        if let Some(refused) = refused {
            return Err(refused);
        }
        let mut lines = SmallVec::new();
        for (no, amount) in wants {
            let (no, amount) = (*no, *amount);
            let Some(limit) = self.limits.get_mut(no.place()) else { continue };
            let granted = self.shared.as_mut().and_then(|shared| Some((shared.number(no)?, shared)));
            let of = match granted {
                None => Some(ReservedOf::Slot(limit.reserve(amount, at, &mut self.slots))),
                Some((shared_no, shared)) => {
                    let held = match open.contains(&no) {
                        // The wall clock's time, which may be set back. The book's own time never goes back.
                        true => Some(shared.reserve_open(shared_no, amount, limit.period_at(at), at)),
                        false => shared.reserve_fitting(shared_no, amount),
                    };
                    if !nobody_waits {
                        shared.served_in_turn(shared_no);
                    }
                    held.map(ReservedOf::Held)
                }
            };
            if !nobody_waits {
                self.waiting.took(no, amount);
            }
            lines.extend(of.map(|of| ReservedLine { limit: no, of, amount }));
        }
        self.open += 1;
        Ok(Reservation { lines, open })
    }

    /// What a request finds of a limit, if half of it is kept for another one.
    fn other_half(&mut self, no: LimitNo, place: Option<WaitingPlace>, at: Millis) -> Option<OtherHalf> {
        let (granted, Book { limits, shared, waiting, .. }) = (self.granted(no), self);
        waiting.other_half(no, place, || match (granted, shared) {
            (Some(held), Some(shared)) => shared.free(held),
            _ => limits.get(no.place()).map_or(0, |limit| limit.available(at)),
        })
    }

    /// Ends a reservation: the actual amounts are spent in the periods in which they were reserved, and the rest is
    /// free again. A limit that is absent from `actual` has spent nothing. More than was reserved is counted in full. A
    /// limit that was not reserved is charged at the latest time seen.
    ///
    /// Returns the effect on each limit, so that a caller that watches thresholds sees each crossing exactly once.
    pub fn settle(&mut self, reservation: Reservation, actual: &[(LimitNo, u64)]) -> Settled {
        let spent = |no: LimitNo| {
            let of_it = actual.iter().filter(|(limit, _)| *limit == no);
            of_it.fold(0_u64, |sum, (_, amount)| sum.saturating_add(*amount))
        };
        let Book { limits, slots, clock, shared, .. } = self;
        let at = clock.time();
        let mut settled = Settled::default();
        for line in &reservation.lines {
            let slot = match line.of {
                ReservedOf::Slot(slot) => slot,
                ReservedOf::Held(held) => {
                    let Some(shared) = shared else { continue };
                    let used = |shared: &SharedLimits| shared.number(line.limit).map_or(0, |no| shared.used(no));
                    let before = used(shared);
                    if let Some(start) = shared.start(held) {
                        settled.note_account(line.limit, start);
                    }
                    shared.settle(held, line.amount, spent(line.limit));
                    settled.note(line.limit, before, used(shared));
                    continue;
                }
            };
            let Some(limit) = limits.get_mut(line.limit.place()) else { continue };
            let (amount, before) = (spent(line.limit), limit.used(at));
            match limit.settle(slot, line.amount, amount, slots) {
                Some(start) => settled.note_account(line.limit, start),
                None => {
                    // It belongs to another book. The amount is spent nevertheless, so it must be counted.
                    limit.move_to(at, slots);
                    limit.charge(amount, at, slots);
                }
            }
            settled.note(line.limit, before, limit.used(at));
        }
        let reserved = |no: LimitNo| reservation.lines.iter().any(|line| line.limit == no);
        for (no, amount) in actual.iter().filter(|(no, _)| !reserved(*no)) {
            if let Some(shared) = shared
                && let Some(held) = shared.number(*no)
            {
                let before = shared.used(held);
                shared.charge(held, *amount);
                settled.note(*no, before, shared.used(held));
                continue;
            }
            let Some(limit) = limits.get_mut(no.place()) else { continue };
            let before = limit.used(at);
            // An account whose period has ended must not be used again: it would count in the new period.
            limit.move_to(at, slots);
            limit.charge(*amount, at, slots);
            settled.note(*no, before, limit.used(at));
        }
        self.open = self.open.saturating_sub(1);
        settled
    }

    /// Counts an amount that is already spent.
    pub fn charge(&mut self, now: Millis, amounts: &[(LimitNo, u64)]) {
        let at = self.move_to(now);
        for (no, amount) in amounts.iter().filter(|(_, amount)| *amount > 0) {
            if let (Some(held), Some(shared)) = (self.granted(*no), &mut self.shared) {
                shared.charge(held, *amount);
            } else if let Some(limit) = self.limits.get_mut(no.place()) {
                limit.move_to(at, &mut self.slots);
                limit.charge(*amount, at, &mut self.slots);
            }
        }
    }
}

/// By number, each limit once.
fn is_in_order(wants: &[(LimitNo, u64)]) -> bool {
    wants.is_sorted_by(|(a, _), (b, _)| a < b)
}

fn put_in_order(wants: &[(LimitNo, u64)]) -> SmallVec<[(LimitNo, u64); INLINE]> {
    let mut ordered: SmallVec<[(LimitNo, u64); INLINE]> = SmallVec::from_slice(wants);
    ordered.sort_unstable();
    ordered.dedup_by(|(no, amount), (kept, sum)| {
        let same = no == kept;
        if same {
            *sum = sum.saturating_add(*amount);
        }
        same
    });
    ordered
}
