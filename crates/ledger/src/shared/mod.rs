//! Limits that many gateways share.
//!
//! ```text
//! gateway                       operator                              store
//!   Holder ── UsageReport ────►   Leader ── Write (compare and swap) ─►  index, shards
//!          ◄──────── Grants ──           ◄───────── Written, Conflict ──
//! ```
//!
//! Every limit has one account for each of its periods. A [`Holder`] is what one gateway was granted of them. The
//! [`Leader`](leader::Leader) grants, and keeps in a store what must outlive it ([`record`]). Both are state machines: messages, the time
//! and what the store said go in, and what is to be sent and written comes out.
//!
//! Three local rules make the global one, that no more is spent than the limit:
//!
//! | | where | rule, for each account |
//! |---|---|---|
//! | I1 | store | `former + ceiling - returned + debt <= limit` |
//! | I2 | leader | what it granted in its term, gross, is at most the `ceiling` that the store has; to each holder, at most `most` |
//! | I3 | gateway | `spent + reserved <= granted - returned` |
//!
//! `ceiling` is what the leader of this term may grant. It is raised in the store before it is handed out. The next
//! leader adds it to `former`, as if all of it had been granted, and begins at zero. So a leader that does not know yet
//! that it is none can only hand out what is counted already.
//!
//! **Returns** are sums of each holder. They count when the store has them, and never before: what came back is not
//! granted again from memory. **Holders** are in the store before they are granted anything. So a new leader knows of
//! whom it has not heard. A holder's row also says what it may be granted at `most` before the row is written again. So
//! what earlier leaders raised and never handed out is known soon: `former` is at most what holders have told to the new
//! term, and the `most` of those that have told nothing yet. When all have told, it is what they really were granted.
//!
//! **What is gone without a last word** keeps what it may have spent, until somebody forgives it. Of a holder that was lost
//! before it told the new term anything, that is its `most`, as far as the others leave it.

pub mod holder;
pub mod leader;
#[cfg(test)]
mod model;
pub mod record;

use outrigger_core::{Millis, Periods};

pub use holder::Holder;

/// Limits whose periods are shorter stay with each gateway. A period is an account of its own, and the store has to know
/// each of its holders before it grants them anything: it takes some writes a second, for all limits together.
const SHORTEST: Millis = 60_000;

/// Whether gateways share limits of such periods: of all but rolling windows of less than an hour, which are counted by
/// the sixtieth.
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
