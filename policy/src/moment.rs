//! `now`: a point in time as rules see it, with the questions that CEL has for one, in UTC or in any time zone.
//!
//! The zones are those that are built in, not the machine's: a rule decides the same wherever it is asked.

use std::any::Any;
use std::cmp::Ordering;
use std::sync::LazyLock;

use cel::common::functions::Function;
use cel::common::traits::Comparer;
use cel::common::types::{CelInt, CelString, INT_TYPE, STRING_TYPE, Type};
use cel::common::value::{CowVal, StaticVal, Val};
use cel::{DeclarationError, Env, ExecutionError};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};

use crate::expression::nearest;

static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);
static TYPE: Type = Type::new_unspecified_type("google.protobuf.Timestamp");

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(Timestamp);

impl Moment {
    /// Milliseconds since 1970; what lies beyond the years that there are is the first or the last of them.
    pub(crate) fn of(ms: i64) -> Self {
        let far = if ms < 0 { Timestamp::MIN } else { Timestamp::MAX };
        Moment(Timestamp::from_millisecond(ms).unwrap_or(far))
    }
}

impl Val for Moment {
    fn get_type(&self) -> &Type {
        &TYPE
    }

    fn cel_type() -> &'static Type {
        &TYPE
    }

    fn as_comparer(&self) -> Option<&dyn Comparer> {
        Some(self)
    }

    fn equals(&self, other: &dyn Val) -> bool {
        other.downcast_ref::<Self>() == Some(self)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(*self)
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for Moment {}

impl Comparer for Moment {
    fn compare(&self, other: &dyn Val) -> Result<Ordering, ExecutionError> {
        let unlike =
            || ExecutionError::UnexpectedType { got: other.get_type().name().to_owned(), want: TYPE.name().to_owned() };
        other.downcast_ref::<Self>().map(|other| self.cmp(other)).ok_or_else(unlike)
    }
}

/// A zone by IANA's name, or an offset such as `+05:30`.
///
/// # Errors
/// There is no such zone; with the name that it is most like.
pub(crate) fn zone(text: &str) -> Result<TimeZone, NoZone> {
    let found = match text.split_once(':') {
        Some((hours, minutes)) => offset(hours, minutes),
        None => ZONES.get(text).ok(),
    };
    found.ok_or_else(|| {
        let known: Vec<String> = ZONES.available().map(|name| name.to_string()).collect();
        NoZone { nearest: nearest(text, known.iter().map(String::as_str)) }
    })
}

/// No zone goes by the name.
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

/// Each with and without a zone; counted from 0 or 1 as CEL does.
macro_rules! questions {
    ($($name:literal => $answer:expr),+ $(,)?) => {
        /// The functions that ask something of a point in time.
        pub(crate) const QUESTIONS: &[&str] = &[$($name),+];

        /// Teaches an environment the type's functions.
        ///
        /// # Errors
        /// It has one of them already.
        pub(crate) fn declare(env: &mut Env) -> Result<(), DeclarationError> {
            $(
                let ask: Function = |args| answer(args, $answer);
                env.add_member_overload($name, concat!("moment_", $name), TYPE.to_owned(), vec![], ask)?;
                let id = concat!("moment_zone_", $name);
                env.add_member_overload($name, id, TYPE.to_owned(), vec![STRING_TYPE], ask)?;
            )+
            env.add_overload("timestamp", "moment_of_string", vec![STRING_TYPE], parsed)?;
            env.add_overload("timestamp", "moment_of_int", vec![INT_TYPE], counted)
        }
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

fn answer<'b, 'v>(args: Vec<CowVal<'b, 'v>>, of: fn(DateTime) -> i64) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let moment: &Moment = argument(&args, 0)?;
    let zone = match args.get(1) {
        None => TimeZone::UTC,
        Some(_) => {
            let text = argument::<CelString<'_>>(&args, 1)?.inner();
            zone(text).map_err(|_| ExecutionError::function_error("time zone", format!("there is no `{text}`")))?
        }
    };
    Ok(CowVal::owned(CelInt::from(of(zone.to_datetime(moment.0)))))
}

/// `timestamp("2026-12-01T00:00:00Z")`.
fn parsed<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let text = argument::<CelString<'_>>(&args, 0)?.inner();
    let moment: Timestamp = text.parse().map_err(|_| {
        ExecutionError::function_error("timestamp", format!("`{text}` is no time as RFC 3339 writes it"))
    })?;
    Ok(CowVal::owned(Moment(moment)))
}

/// `timestamp(1764547200)`: seconds since 1970.
fn counted<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let seconds = *argument::<CelInt>(&args, 0)?.inner();
    let moment = Timestamp::from_second(seconds)
        .map_err(|_| ExecutionError::function_error("timestamp", format!("{seconds} is out of range")))?;
    Ok(CowVal::owned(Moment(moment)))
}

/// The interpreter calls with what was declared; if it ever does not, that is an error of the expression.
fn argument<'a, 'b, 'v, T>(args: &'a [CowVal<'b, 'v>], place: usize) -> Result<&'a T, ExecutionError>
where
    T: cel::common::value::FromVal<'a, 'v>,
{
    args.get(place).and_then(|value| value.as_ref().downcast_ref::<T>()).ok_or(ExecutionError::MissingArgumentOrTarget)
}
