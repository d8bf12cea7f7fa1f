//! The time over which a limit counts, cut into periods.

use serde::{Deserialize, Serialize};

use crate::calendar::{Calendar, CalendarUnit};

/// Milliseconds since 1970, UTC.
pub type Millis = i64;

/// The shortest period of a calendar.
const MINUTE: Millis = 60_000;
/// A rolling window is cut into so many buckets; with the one that begins and the one that leaves, 61 may count.
const BUCKETS: u64 = 60;
/// A hundred years.
const LONGEST: u64 = 3_155_760_000_000;

/// The time over which a limit counts, as documents write it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Window {
    /// From one boundary of the calendar to the next.
    Calendar {
        unit: CalendarUnit,
        /// IANA's name of the zone whose calendar it is.
        zone: String,
        /// The day on which it begins: 1 to 7 (Monday to Sunday) of a week, 1 to 31 of a month, quarter or year (the
        /// last day where a month is shorter). 1 where nothing is said.
        anchor: u8,
    },
    /// The last so many milliseconds, at any time.
    Rolling { ms: u64 },
    /// Never begins anew.
    Lifetime,
}

/// A [`Window`] that has been checked, and cuts time into periods.
#[derive(Clone, Debug, PartialEq)]
pub struct Periods(Cut);

#[derive(Clone, Debug, PartialEq)]
enum Cut {
    Calendar(Calendar),
    Rolling { length: Millis, bucket: Millis },
    Lifetime,
}

/// A stretch of time that has an account of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Period {
    /// Its first millisecond.
    pub start: Millis,
    /// The first one after it; absent if it never ends.
    pub end: Option<Millis>,
}

/// Why a window can't be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    #[error("there is no time zone {0:?}: give a name of the IANA database, such as Europe/Berlin or UTC")]
    Zone(String),
    #[error("a window of one {unit:?} can't begin on day {anchor}: give 1 to {last}")]
    Anchor { anchor: u8, unit: CalendarUnit, last: u8 },
    #[error("a rolling window can't be {0} ms long: give at least 1 ms and at most 100 years")]
    Length(u64),
}

impl Periods {
    /// The periods of a window.
    ///
    /// # Errors
    /// [`WindowError`], where the window can't be.
    pub fn of(window: &Window) -> Result<Periods, WindowError> {
        match window {
            Window::Calendar { unit, zone, anchor } => Periods::calendar(*unit, zone, *anchor),
            Window::Rolling { ms } => Periods::rolling(*ms),
            Window::Lifetime => Ok(Periods::lifetime()),
        }
    }

    /// From one boundary of a zone's calendar to the next. `anchor` is the day on which it begins: 1 to 7 (Monday to
    /// Sunday) of a week, 1 to 31 of a month or of the first month of a quarter or year (the last day where it is
    /// shorter), 1 of all else.
    ///
    /// # Errors
    /// A zone that nobody knows, or a day that there isn't.
    pub fn calendar(unit: CalendarUnit, zone: &str, anchor: u8) -> Result<Periods, WindowError> {
        Calendar::new(unit, zone, anchor).map(Cut::Calendar).map(Periods)
    }

    /// The last so many milliseconds, at any time. What was spent leaves it up to one sixtieth of its length late, never
    /// early.
    ///
    /// # Errors
    /// No time at all, or more than a hundred years.
    pub fn rolling(ms: u64) -> Result<Periods, WindowError> {
        let of = |ms: u64| Millis::try_from(ms).map_err(|_| WindowError::Length(ms));
        match (1..=LONGEST).contains(&ms) {
            true => Ok(Periods(Cut::Rolling { length: of(ms)?, bucket: of(ms.div_ceil(BUCKETS))? })),
            false => Err(WindowError::Length(ms)),
        }
    }

    /// All time, since 1970.
    #[must_use]
    pub fn lifetime() -> Periods {
        Periods(Cut::Lifetime)
    }

    /// The period in which an instant lies; of a rolling window the bucket.
    #[must_use]
    pub fn period(&self, at: Millis) -> Period {
        match &self.0 {
            Cut::Calendar(calendar) => calendar.period(at),
            Cut::Rolling { bucket, .. } => {
                let start = at.div_euclid(*bucket).saturating_mul(*bucket);
                Period { start, end: start.checked_add(*bucket) }
            }
            Cut::Lifetime => Period { start: 0, end: None },
        }
    }

    /// How long each of its periods lasts at least; absent for all time.
    #[must_use]
    pub fn shortest(&self) -> Option<Millis> {
        match self.0 {
            Cut::Calendar(_) => Some(MINUTE),
            Cut::Rolling { bucket, .. } => Some(bucket),
            Cut::Lifetime => None,
        }
    }

    /// How far back a rolling window goes; absent for one that counts by its period.
    #[must_use]
    pub fn length(&self) -> Option<Millis> {
        match self.0 {
            Cut::Rolling { length, .. } => Some(length),
            Cut::Calendar(_) | Cut::Lifetime => None,
        }
    }
}

impl Period {
    #[must_use]
    pub fn contains(&self, at: Millis) -> bool {
        self.start <= at && self.end.is_none_or(|end| at < end)
    }
}
