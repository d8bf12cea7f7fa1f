//! How much of a limit a gateway requests.
//!
//! Computed from recent use: the usual size of a reservation, and the rate of spending. The gateway requests more
//! early, when less than twice the usual size or less than three seconds' worth is free. It then requests enough for
//! ten seconds. That much is at risk if the gateway is lost.

use outrigger_core::Millis;

const ASK_AT: u64 = 3;
const ASK_FOR: u64 = 10;
/// The longest time that requests wait for a grant.
const WAIT: Millis = 3000;

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Demand {
    /// The usual size of a reservation: the largest recent one, decreasing a little with each smaller one.
    usual: u64,
    /// The amount per second, as last measured.
    per_second: u64,
    /// The amount since then: reserved, minus returned.
    since: u64,
    /// Whether anything was reserved since then, or in the interval before.
    active: [bool; 2],
    looked_at: Millis,
    /// The smallest and the largest amount that recently did not fit, and when.
    waiting: Option<(u64, u64)>,
    waiting_at: Millis,
}

/// The amounts that are requested.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ask {
    pub(super) want: u64,
    /// What is missing for one reservation.
    pub(super) least: u64,
    /// One reservation.
    pub(super) size: u64,
    /// A request waits, or the next one will.
    pub(super) urgent: bool,
}

impl Demand {
    pub(super) fn reserved(&mut self, amount: u64) {
        self.usual = amount.max(self.usual - self.usual.div_ceil(8));
        self.since = self.since.saturating_add(amount);
        self.active[0] = true;
        self.waiting = match self.waiting {
            Some((_, largest)) if amount >= largest => None,
            Some((smallest, largest)) if amount >= smallest => Some((largest, largest)),
            waiting => waiting,
        };
    }

    /// A reservation of that time was returned unused.
    pub(super) fn came_back(&mut self, amount: u64) {
        self.since = self.since.saturating_sub(amount);
    }

    pub(super) fn did_not_fit(&mut self, amount: u64, now: Millis) {
        let (smallest, largest) = self.waiting.unwrap_or((amount, amount));
        self.waiting = Some((smallest.min(amount), largest.max(amount)));
        self.waiting_at = now;
    }

    /// Those that wait are served in turn: what is asked for is the largest, unless a smaller one says again that it waits.
    pub(super) fn served_in_turn(&mut self) {
        self.waiting = self.waiting.map(|(_, largest)| (largest, largest));
    }

    /// So much is free: who wants no more than that is not asked for.
    pub(super) fn is_free(&mut self, free: u64) {
        if self.waiting.is_some_and(|(smallest, _)| smallest <= free) {
            self.served_in_turn();
        }
    }

    /// Whether a request waited just now.
    pub(super) fn waits(&self, now: Millis) -> bool {
        now.saturating_sub(self.waiting_at) <= WAIT
    }

    /// Measures the rate, at most once a second.
    pub(super) fn look(&mut self, now: Millis) {
        if now.saturating_sub(self.waiting_at) > WAIT {
            self.waiting = None;
        }
        let passed = now.saturating_sub(self.looked_at);
        if passed < 1000 {
            return;
        }
        let passed = u128::from(passed.unsigned_abs());
        let per_second = u64::try_from(u128::from(self.since) * 1000 / passed).unwrap_or(u64::MAX);
        // A burst raises the rate immediately; the rate falls slowly.
        self.per_second = per_second.max(self.per_second / 2);
        (self.since, self.looked_at) = (0, now);
        self.active = [false, self.active[0]];
    }

    /// Whether nothing was reserved, and no request waited, for a while.
    pub(super) fn is_idle(&self) -> bool {
        self.active == [false; 2] && self.waiting.is_none()
    }

    /// The amount to request, given what is free, or a debt of `owed`, which a grant must cover first.
    pub(super) fn ask(&self, free: u64, owed: u64) -> Ask {
        if self.is_idle() {
            return Ask::default();
        }
        let (size, waiting) = self.waiting.unwrap_or((self.usual, 0));
        let low = self.usual.saturating_mul(2).max(self.per_second.saturating_mul(ASK_AT)).max(waiting);
        if free >= low {
            return Ask::default();
        }
        let ahead = self.usual.saturating_mul(4).max(self.per_second.saturating_mul(ASK_FOR));
        let want = ahead.max(waiting.saturating_mul(2)).saturating_sub(free).saturating_add(owed);
        let least = size.saturating_sub(free).saturating_add(owed).clamp(1, want.max(1));
        Ask {
            want: want.max(least),
            least,
            size,
            urgent: free < self.usual.saturating_mul(2).max(self.per_second).max(waiting),
        }
    }

    /// How much to keep of this amount when the ledger recalls the rest: one reservation, if there is that much.
    pub(super) fn kept(&self, free: u64) -> u64 {
        let size = self.waiting.map_or(self.usual, |(smallest, _)| smallest);
        if self.is_idle() || free < size { 0 } else { size }
    }
}
