//! Reads how limits stand.

use std::time::Duration;

use outrigger_core::Millis;

use super::limit::LimitAccounts;
use super::{Book, LimitNo, State};

impl Book {
    /// The spent amount of a limit, and nothing else: cheap enough for every rule of every request.
    #[must_use]
    pub fn used(&self, limit: LimitNo, now: Millis) -> u64 {
        if let (Some(held), Some(shared)) = (self.granted(limit), &self.shared) {
            return shared.used(held);
        }
        let at = self.clock.seen(now);
        self.limits.get(limit.place()).map_or(0, |limit| limit.used(at))
    }

    /// The same, as a part of what policies allow: while a limit is raised for a time, what is spent is told in proportion, so
    /// that shares of the limit are right.
    #[must_use]
    pub fn used_of_policy(&self, limit: LimitNo, now: Millis) -> u64 {
        if let (Some(held), Some(shared)) = (self.granted(limit), &self.shared) {
            return shared.used_of_policy(held);
        }
        self.used(limit, now)
    }

    /// The account of a limit whose period began at `start`: what of it is spent, and when its period began. A window that
    /// rolls, or never ends, has one account at any time, and no beginning.
    #[must_use]
    pub fn account(&self, limit: LimitNo, start: Millis, now: Millis) -> (u64, Option<Millis>) {
        if let (Some(held), Some(shared)) = (self.granted(limit), &self.shared) {
            let rolls = self.limits.get(limit.place()).is_some_and(LimitAccounts::rolls);
            let ended = shared.ended(held, start).filter(|_| !rolls);
            return (ended.unwrap_or_else(|| shared.used(held)), (!rolls && start > 0).then_some(start));
        }
        let at = self.clock.seen(now);
        self.limits.get(limit.place()).map_or((0, None), |limit| limit.account(start, at))
    }

    /// The age of the information about others that share a limit; zero if the limit is not shared.
    #[must_use]
    pub fn age(&self, limit: LimitNo) -> Duration {
        let shared = self.shared.as_ref().zip(self.granted(limit));
        shared.map_or(Duration::ZERO, |(shared, held)| shared.age(held))
    }

    /// The state of a limit; all zeros for a number of another book. For a rolling window it is slow to compute when
    /// there is room again: use [`used`](Self::used) or [`available`](Self::available) if that is not needed.
    #[must_use]
    pub fn state(&self, limit: LimitNo, now: Millis) -> State {
        let at = self.clock.seen(now);
        if let (Some(held), Some(shared)) = (self.granted(limit), &self.shared) {
            return shared.state(held, self.terms(limit));
        }
        let nothing = State { spent: 0, reserved: 0, max: 0, start: 0, end: None, shared: None };
        self.limits.get(limit.place()).map_or(nothing, |limit| limit.state(at))
    }

    /// How much could be reserved of this limit alone. Of a shared limit: if the others returned what they have not
    /// reserved.
    #[must_use]
    pub fn available(&self, limit: LimitNo, now: Millis) -> u64 {
        if let (Some(held), Some(shared)) = (self.granted(limit), &self.shared) {
            return shared.available(held, self.terms(limit));
        }
        let at = self.clock.seen(now);
        self.limits.get(limit.place()).map_or(0, |limit| limit.available(at))
    }
}
