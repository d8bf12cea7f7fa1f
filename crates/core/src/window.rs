//! The period of time for which a limit counts, cut into periods.

use serde::{Deserialize, Serialize};

use crate::calendar::{Calendar, CalendarUnit};

/// Milliseconds since 1970, UTC.
pub type Millis = i64;

/// The shortest period of the calendar.
const MINUTE: Millis = 60_000;
/// A rolling window is cut into this many buckets. With the first and the last, which are partial, up to 61 count.
const BUCKETS: u64 = 60;
/// A hundred years.
const LONGEST: u64 = 3_155_760_000_000;

/// The window of a limit, as written in documents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Window {
    /// From one boundary of the calendar to the next.
    Calendar {
        unit: CalendarUnit,
        /// The IANA name of the time zone.
        zone: String,
        /// The day on which it begins: 1 to 7 (Monday to Sunday) of a week, 1 to 31 of a month, quarter or year (the
        /// last day if a month is shorter). Default: 1.
        anchor: u8,
    },
    /// The last `ms` milliseconds, at any time.
    Rolling { ms: u64 },
    /// Never ends.
    Lifetime,
}

/// A validated [`Window`], which cuts time into periods.
#[derive(Clone, Debug, PartialEq)]
pub struct Periods(Cut);

#[derive(Clone, Debug, PartialEq)]
enum Cut {
    Calendar(Calendar),
    Rolling { length: Millis, bucket: Millis },
    Lifetime,
}

/// A span of time with its own account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Period {
    /// Its first millisecond.
    pub start: Millis,
    /// The first millisecond after it; absent if it never ends.
    pub end: Option<Millis>,
}

/// Why a window is invalid.
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
    /// [`WindowError`], if the window is invalid.
    pub fn of(window: &Window) -> Result<Periods, WindowError> {
        match window {
            Window::Calendar { unit, zone, anchor } => Periods::calendar(*unit, zone, *anchor),
            Window::Rolling { ms } => Periods::rolling(*ms),
            Window::Lifetime => Ok(Periods::lifetime()),
        }
    }

    /// From one boundary of a zone's calendar to the next. `anchor` is the day on which a period begins: 1 to 7 (Monday
    /// to Sunday) of a week, 1 to 31 of a month or of the first month of a quarter or year (the last day if it is
    /// shorter), 1 for other units.
    ///
    /// # Errors
    /// The zone is unknown, or the day does not exist.
    pub fn calendar(unit: CalendarUnit, zone: &str, anchor: u8) -> Result<Periods, WindowError> {
        Calendar::new(unit, zone, anchor).map(Cut::Calendar).map(Periods)
    }

    /// The last `ms` milliseconds, at any time. Usage leaves the window up to one sixtieth of its length late, never
    /// early.
    ///
    /// # Errors
    /// The window is empty, or longer than a hundred years.
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

    /// The period that contains an instant; for a rolling window, the bucket.
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

    /// The shortest length of a period; absent for all time.
    #[must_use]
    pub fn shortest(&self) -> Option<Millis> {
        match self.0 {
            Cut::Calendar(_) => Some(MINUTE),
            Cut::Rolling { bucket, .. } => Some(bucket),
            Cut::Lifetime => None,
        }
    }

    /// The length of a rolling window; absent for other windows.
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
