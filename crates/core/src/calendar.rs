//! Periods of the calendar: minutes to years, as the clocks and the calendar of a time zone have them.
//!
//! Every instant lies in exactly one period, whatever the clocks do: a period begins at the first instant at which its
//! first day is reached, even if its midnight does not exist, comes twice, or the whole day is left out. Where clocks
//! change, an hour (and a minute) ends: one that is repeated is another one.

use std::sync::LazyLock;

use jiff::civil::{Date, date};
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::window::{Millis, Period, WindowError};

/// The zones that are built in. Asked by itself and not through jiff's global one, which may read files if another crate
/// asks for that: two gateways must not differ in when a month ends.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// The calendar is asked about the years 68 to 8307; the periods at its ends have no bounds.
const FIRST: Millis = -60_000_000_000_000;
const LAST: Millis = 200_000_000_000_000;

/// How long a period of the calendar is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CalendarUnit {
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

impl CalendarUnit {
    /// All of them, from the shortest.
    pub const ALL: [Self; 7] =
        [Self::Minute, Self::Hour, Self::Day, Self::Week, Self::Month, Self::Quarter, Self::Year];

    /// Its name in objects and documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            CalendarUnit::Minute => "Minute",
            CalendarUnit::Hour => "Hour",
            CalendarUnit::Day => "Day",
            CalendarUnit::Week => "Week",
            CalendarUnit::Month => "Month",
            CalendarUnit::Quarter => "Quarter",
            CalendarUnit::Year => "Year",
        }
    }

    /// The greatest anchor that it takes.
    pub(crate) fn last_anchor(self) -> u8 {
        match self {
            CalendarUnit::Minute | CalendarUnit::Hour | CalendarUnit::Day => 1,
            CalendarUnit::Week => 7,
            CalendarUnit::Month | CalendarUnit::Quarter | CalendarUnit::Year => 31,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Calendar {
    unit: CalendarUnit,
    zone: TimeZone,
    anchor: i8,
}

impl Calendar {
    pub(crate) fn new(unit: CalendarUnit, zone: &str, anchor: u8) -> Result<Self, WindowError> {
        let last = unit.last_anchor();
        let day = i8::try_from(anchor).ok().filter(|_| (1..=last).contains(&anchor));
        let anchor = day.ok_or(WindowError::Anchor { anchor, unit, last })?;
        let zone = ZONES.get(zone).map_err(|_| WindowError::Zone(zone.to_owned()))?;
        Ok(Calendar { unit, zone, anchor })
    }

    pub(crate) fn period(&self, at: Millis) -> Period {
        let at = at.clamp(FIRST, LAST);
        let period = match self.unit {
            CalendarUnit::Minute => self.of_clock(at, 60_000),
            CalendarUnit::Hour => self.of_clock(at, 3_600_000),
            _ => self.of_days(at),
        };
        let start = if period.start <= FIRST { Millis::MIN } else { period.start };
        Period { start, end: period.end.filter(|end| *end <= LAST) }
    }

    /// Between two instants at which the zone's clocks show a multiple of `length`, or are changed.
    fn of_clock(&self, at: Millis, length: Millis) -> Period {
        let offset = self.offset(at);
        let start = (at + offset).div_euclid(length) * length - offset;
        let end = start + length;
        // Changes that only rename the time, or call it summer, are none.
        let changed = |change: &Millis| self.offset(*change) != self.offset(*change - 1);
        let since = self.zone.preceding(instant(at + 1)).map(|change| change.timestamp().as_millisecond());
        let until = self.zone.following(instant(at)).map(|change| change.timestamp().as_millisecond());
        let since = since.take_while(|change| *change > start).find(changed);
        let until = until.take_while(|change| *change < end).find(changed);
        Period { start: since.unwrap_or(start), end: Some(until.unwrap_or(end)) }
    }

    /// Between two days on which a period begins.
    fn of_days(&self, at: Millis) -> Period {
        let mut number = self.number(self.zone.to_datetime(instant(at)).date());
        // A guess: the anchor may lie ahead, and a day that comes twice has begun when it came first.
        let mut start = self.begins(number);
        while start.is_some_and(|start| start > at) {
            number -= 1;
            start = self.begins(number);
        }
        let mut end = self.begins(number + 1);
        while let Some(next) = end.filter(|end| *end <= at) {
            number += 1;
            start = Some(next);
            end = self.begins(number + 1);
        }
        Period { start: start.unwrap_or(Millis::MIN), end }
    }

    /// Numbers the periods: about that of a date, at most one off.
    fn number(&self, day: Date) -> i64 {
        let days = day.duration_since(date(1970, 1, 1)).as_hours() / 24;
        match self.months() {
            Some(months) => (i64::from(day.year()) * 12 + i64::from(day.month()) - 1).div_euclid(months),
            None if self.unit == CalendarUnit::Week => (days - self.week_offset()).div_euclid(7),
            None => days,
        }
    }

    /// When the period of this number begins: the first instant of its first day.
    fn begins(&self, number: i64) -> Option<Millis> {
        let day = match self.months() {
            Some(months) => {
                let month = number * months;
                let year = i16::try_from(month.div_euclid(12)).ok()?;
                let first = Date::new(year, i8::try_from(month.rem_euclid(12)).ok()? + 1, 1).ok()?;
                Date::new(year, first.month(), self.anchor.min(first.days_in_month())).ok()?
            }
            None if self.unit == CalendarUnit::Week => day_number(number * 7 + self.week_offset())?,
            None => day_number(number)?,
        };
        let midnight = self.zone.to_ambiguous_timestamp(day.at(0, 0, 0, 0));
        let gap = matches!(midnight.offset(), AmbiguousOffset::Gap { .. });
        // The first of two; of one that does not exist, an instant after the clocks were changed.
        let midnight = midnight.compatible().ok()?.as_millisecond();
        match gap {
            false => Some(midnight),
            true => Some(self.zone.preceding(instant(midnight + 1)).next()?.timestamp().as_millisecond()),
        }
    }

    /// How many months a period has, if it is made of months.
    fn months(&self) -> Option<i64> {
        match self.unit {
            CalendarUnit::Month => Some(1),
            CalendarUnit::Quarter => Some(3),
            CalendarUnit::Year => Some(12),
            _ => None,
        }
    }

    /// The number of the first day since 1970, a Thursday, on which a week begins; less than 12.
    fn week_offset(&self) -> i64 {
        i64::from(self.anchor) + 3
    }

    /// Local time is this much ahead of UTC.
    fn offset(&self, at: Millis) -> Millis {
        Millis::from(self.zone.to_offset(instant(at)).seconds()) * 1000
    }
}

/// A day by its number since 1970.
fn day_number(number: i64) -> Option<Date> {
    date(1970, 1, 1).checked_add(SignedDuration::from_hours(number.checked_mul(24)?)).ok()
}

/// What lies outside of jiff's years, which is far beyond [`LAST`], is their end.
fn instant(at: Millis) -> Timestamp {
    Timestamp::from_millisecond(at).unwrap_or(if at < 0 { Timestamp::MIN } else { Timestamp::MAX })
}
