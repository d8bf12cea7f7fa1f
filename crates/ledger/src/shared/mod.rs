//! Limits that many gateways share.
//!
//! ```text
//! gateway                       operator                              store
//!   Holder ── UsageReport ────►   Leader ── Write (compare and swap) ─►  index, shards
//!          ◄──────── Grants ──           ◄───────── Written, Conflict ──
//! ```
//!
//! Every limit has one account for each of its periods. A [`Holder`] is what one gateway was granted of them. The
//! [`Leader`](leader::Leader) grants, and stores what must outlive it ([`record`]). Both are state machines: their
//! inputs are messages, the time and the store's answers; their outputs are messages and writes.
//!
//! Three local rules together guarantee that no more is spent than the limit:
//!
//! | | where | rule, for each account |
//! |---|---|---|
//! | I1 | store | `former + ceiling - returned + debt <= limit` |
//! | I2 | leader | what it granted in its term, gross, is at most the `ceiling` that the store has; to each holder, at most `most` |
//! | I3 | gateway | `spent + reserved <= granted - returned` |
//!
//! `ceiling` is what the leader of this term may grant. It is raised in the store before the leader grants it. The next
//! leader adds it to `former`, as if all of it had been granted, and starts at zero. So a former leader that does not
//! know yet that it was replaced can only grant what is counted already.
//!
//! **Returns** are sums of each holder. They count only once the store has them: what was returned is not granted again
//! from memory. **Holders** are in the store before they are granted anything. So a new leader knows which holders have
//! not reported yet. A holder's row also contains `most`, the most it may be granted before the row is written again.
//! So it soon becomes known what earlier leaders raised and never granted: `former` is at most what holders have
//! reported to the new term, plus the `most` of those that have not reported. Once all have reported, it is what they
//! were really granted.
//!
//! **Holders that are gone without a final report** keep what they may have spent, until an administrator forgives it.
//! For a holder that was lost before it reported to the new term, that is its `most`, as far as the others leave it.

pub mod holder;
#[cfg(feature = "leader")]
pub mod leader;
#[cfg(test)]
mod model;
#[cfg(feature = "leader")]
pub mod record;

use outrigger_core::{Millis, Periods};

pub use holder::Holder;

/// Limits with shorter periods stay with each gateway. Each period is a new account, and the store must have each of
/// its holders before they are granted anything: that takes some writes a second, for all limits together.
const SHORTEST: Millis = 60_000;

/// Whether gateways share limits with such periods: all except rolling windows of less than an hour, which are counted
/// in sixtieths.
#[must_use]
pub fn can_be_shared(window: &Periods) -> bool {
    window.shortest().is_none_or(|shortest| shortest >= SHORTEST)
}

#[cfg(test)]
mod tests {
    use outrigger_core::{CalendarUnit, Periods};

    use super::can_be_shared;

    #[test]
    fn rolling_windows_of_less_than_an_hour_stay_with_each_gateway() {
        let calendar = |unit| Periods::calendar(unit, "UTC", 1).unwrap();
        let rolling = |ms| Periods::rolling(ms).unwrap();
        for (window, shared) in [
            (Periods::lifetime(), true),
            (calendar(CalendarUnit::Month), true),
            (calendar(CalendarUnit::Minute), true),
            (rolling(86_400_000), true),
            (rolling(3_600_000), true),
            (rolling(3_540_000), false),
            (rolling(60_000), false),
            (rolling(1), false),
        ] {
            assert_eq!(can_be_shared(&window), shared, "{window:?}");
        }
    }
}
