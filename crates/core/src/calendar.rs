//! Periods of the calendar, from minutes to years, by the clocks and the calendar of a time zone.
//!
//! Every instant lies in exactly one period, however the clocks change. A period begins at the first instant of its
//! first day, even if that day's midnight does not exist, occurs twice, or the whole day is skipped. A clock change
//! ends the current hour and minute: an hour that occurs twice is two hours.

use std::sync::LazyLock;

use jiff::civil::{Date, date};
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::window::{Millis, Period, WindowError};

/// The bundled time zones. jiff's global database is not used, because it may read files if another crate enables that,
/// and two gateways must agree on the end of a month.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// The calendar is used for the years 68 to 8307. The first and the last period have no bounds.
const FIRST: Millis = -60_000_000_000_000;
const LAST: Millis = 200_000_000_000_000;

/// The length of a calendar period.
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
    /// All units, shortest first.
    pub const ALL: [Self; 7] =
        [Self::Minute, Self::Hour, Self::Day, Self::Week, Self::Month, Self::Quarter, Self::Year];

    /// The unit's name in objects and documents.
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

    /// The largest anchor day of the unit.
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
            CalendarUnit::Minute => self.clock_period(at, 60_000),
            CalendarUnit::Hour => self.clock_period(at, 3_600_000),
            _ => self.day_period(at),
        };
        let start = if period.start <= FIRST { Millis::MIN } else { period.start };
        Period { start, end: period.end.filter(|end| *end <= LAST) }
    }

    /// The period between two instants at which the zone's clocks show a multiple of `length`, or change.
    fn clock_period(&self, at: Millis, length: Millis) -> Period {
        let offset = self.offset(at);
        let start = (at + offset).div_euclid(length) * length - offset;
        let end = start + length;
        // A change only of the zone's name or of its summer flag is not a change of the clocks.
        let changed = |change: &Millis| self.offset(*change) != self.offset(*change - 1);
        let since = self.zone.preceding(instant(at + 1)).map(|change| change.timestamp().as_millisecond());
        let until = self.zone.following(instant(at)).map(|change| change.timestamp().as_millisecond());
        let since = since.take_while(|change| *change > start).find(changed);
        let until = until.take_while(|change| *change < end).find(changed);
        Period { start: since.unwrap_or(start), end: Some(until.unwrap_or(end)) }
    }

    /// The period between two days on which a period begins.
    fn day_period(&self, at: Millis) -> Period {
        let mut number = self.number(self.zone.to_datetime(instant(at)).date());
        // An estimate: the anchor day may be later, and a day that occurs twice begins at its first occurrence.
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

    /// The number of the period of a date, at most one off.
    fn number(&self, day: Date) -> i64 {
        let days = day.duration_since(date(1970, 1, 1)).as_hours() / 24;
        match self.months() {
            Some(months) => (i64::from(day.year()) * 12 + i64::from(day.month()) - 1).div_euclid(months),
            None if self.unit == CalendarUnit::Week => (days - self.week_offset()).div_euclid(7),
            None => days,
        }
    }

    /// The start of a period: the first instant of its first day.
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
        // The first of two midnights. If midnight does not exist, an instant after the clock change.
        let midnight = midnight.compatible().ok()?.as_millisecond();
        match gap {
            false => Some(midnight),
            true => Some(self.zone.preceding(instant(midnight + 1)).next()?.timestamp().as_millisecond()),
        }
    }

    /// The number of months in a period, if the unit consists of months.
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

    /// How far local time is ahead of UTC, in milliseconds.
    fn offset(&self, at: Millis) -> Millis {
        Millis::from(self.zone.to_offset(instant(at)).seconds()) * 1000
    }
}

/// The day with this number, counted from 1970.
fn day_number(number: i64) -> Option<Date> {
    date(1970, 1, 1).checked_add(SignedDuration::from_hours(number.checked_mul(24)?)).ok()
}

/// The timestamp. Instants outside of jiff's years, which end far beyond [`LAST`], become the first or last one.
fn instant(at: Millis) -> Timestamp {
    Timestamp::from_millisecond(at).unwrap_or(if at < 0 { Timestamp::MIN } else { Timestamp::MAX })
}
