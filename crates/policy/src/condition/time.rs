//! `now`: a point in time in rules, with CEL's functions for its parts, in UTC or in any time zone.
//!
//! The time zones are the bundled ones, not the machine's: a rule gives the same result everywhere.

use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};

use crate::text::nearest::nearest;

static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(Timestamp);

impl Moment {
    /// From milliseconds since 1970. Times outside of the supported years become the first or the last one.
    pub(crate) fn of(ms: i64) -> Self {
        let far = if ms < 0 { Timestamp::MIN } else { Timestamp::MAX };
        Moment(Timestamp::from_millisecond(ms).unwrap_or(far))
    }

    /// Seconds since 1970: `timestamp(1764547200)`.
    pub(crate) fn of_seconds(seconds: i64) -> Option<Self> {
        Timestamp::from_second(seconds).ok().map(Moment)
    }

    /// `timestamp("2026-12-01T00:00:00Z")`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        text.parse().ok().map(Moment)
    }

    /// The part of the time with this index of [`TIME_PARTS`], in UTC or in a zone.
    pub(crate) fn ask(self, question: usize, zone: Option<&TimeZone>) -> i64 {
        let at = match zone {
            Some(zone) => zone.to_datetime(self.0),
            None => TimeZone::UTC.to_datetime(self.0),
        };
        ANSWERS.get(question).map_or(0, |answer| answer(at))
    }
}

/// A zone by its IANA name, or an offset such as `+05:30`.
///
/// # Errors
/// There is no such zone; with the most similar name.
pub(crate) fn zone(text: &str) -> Result<TimeZone, NoZone> {
    known_zone(text).ok_or_else(|| {
        let known: Vec<String> = ZONES.available().map(|name| name.to_string()).collect();
        NoZone { nearest: nearest(text, known.iter().map(String::as_str)) }
    })
}

/// Like [`zone`], without searching a similar name.
pub(crate) fn known_zone(text: &str) -> Option<TimeZone> {
    match text.split_once(':') {
        Some((hours, minutes)) => offset(hours, minutes),
        None => ZONES.get(text).ok(),
    }
}

/// There is no zone with this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NoZone {
    pub nearest: Option<String>,
}

fn offset(hours: &str, minutes: &str) -> Option<TimeZone> {
    let two =
        |text: &str| text.parse::<i32>().ok().filter(|_| text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit()));
    let (sign, hours) = match hours.strip_prefix('-') {
        Some(hours) => (-1, hours),
        None => (1, hours.strip_prefix('+').unwrap_or(hours)),
    };
    let (hours, minutes) = (two(hours).filter(|hours| *hours < 24)?, two(minutes).filter(|minutes| *minutes < 60)?);
    Offset::from_seconds(sign * (hours * 3_600 + minutes * 60)).ok().map(TimeZone::fixed)
}

/// Each with and without a zone; counted from 0 or 1 as in CEL.
macro_rules! questions {
    ($($name:literal => $answer:expr),+ $(,)?) => {
        /// The functions that return a part of a time.
        pub(crate) const TIME_PARTS: &[&str] = &[$($name),+];
        const ANSWERS: &[fn(DateTime) -> i64] = &[$($answer),+];
    };
}

questions! {
    "getDate" => |at| at.day().into(),
    "getDayOfMonth" => |at| i64::from(at.day()) - 1,
    "getDayOfWeek" => |at| at.weekday().to_sunday_zero_offset().into(),
    "getDayOfYear" => |at| i64::from(at.day_of_year()) - 1,
    "getFullYear" => |at| at.year().into(),
    "getHours" => |at| at.hour().into(),
    "getMilliseconds" => |at| at.millisecond().into(),
    "getMinutes" => |at| at.minute().into(),
    "getMonth" => |at| i64::from(at.month()) - 1,
    "getSeconds" => |at| at.second().into(),
}
