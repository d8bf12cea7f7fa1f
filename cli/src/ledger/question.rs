//! What a report is asked for, checked before the operator is asked. By the rules of `outrigger-operator usage`.

use jiff::civil::Date;
use jiff::{Timestamp, tz::Offset};
use outrigger_policy::nearest;
use thiserror::Error;

/// What can be grouped by.
pub(super) const GROUPS: [&str; 10] =
    ["month", "day", "hour", "namespace", "key", "team", "customer", "workload", "provider", "model"];

/// A day or an hour as it was typed, and when that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ReportTime {
    pub text: String,
    at: Timestamp,
}

#[derive(Debug, PartialEq, Eq, Error)]
pub(super) enum SpanError {
    #[error("--to {to} is not after --from {from}: a report is of the time from --from until before --to")]
    Order { from: String, to: String },
    #[error(
        "--to {to} is not after the first of this month, where a report begins without --from: give --from as well"
    )]
    BeforeMonth { to: String },
    #[error("--from {from} has yet to come: give an earlier day or hour")]
    Future { from: String },
}

/// A day begins at midnight, UTC.
pub(super) fn time(text: &str) -> Result<ReportTime, String> {
    let day = || midnight(text.parse::<Date>().ok()?);
    let at = text.parse::<Timestamp>().ok().or_else(day);
    let at = at.ok_or("must be a day such as 2026-11-01, or a time such as 2026-11-01T06:00:00Z")?;
    Ok(ReportTime { text: text.to_owned(), at })
}

fn midnight(date: Date) -> Option<Timestamp> {
    Offset::UTC.to_timestamp(date.at(0, 0, 0, 0)).ok()
}

/// A list of what to group by.
pub(super) fn groups(text: &str) -> Result<String, String> {
    let known = || GROUPS.join(", ");
    let mut found: Vec<&str> = Vec::new();
    for part in text.split(',').map(str::trim) {
        if part.is_empty() {
            return Err(format!("must not have an empty part: write names of {} with commas between them", known()));
        }
        let Some(name) = GROUPS.into_iter().find(|name| *name == part) else {
            let like = nearest(part, GROUPS.into_iter()).map(|like| format!("; did you mean {like}?"));
            return Err(format!("must have names of {}{}", known(), like.unwrap_or_default()));
        };
        if found.contains(&name) {
            return Err(format!("must have {name} once"));
        }
        found.push(name);
    }
    Ok(found.join(","))
}

/// Whether a report between these has any time in it.
pub(super) fn check(from: Option<&ReportTime>, to: Option<&ReportTime>, now: Timestamp) -> Result<(), SpanError> {
    match (from, to) {
        (Some(from), Some(to)) if to.at <= from.at => {
            Err(SpanError::Order { from: from.text.clone(), to: to.text.clone() })
        }
        (None, Some(to))
            if midnight(Offset::UTC.to_datetime(now).date().first_of_month()).is_some_and(|first| to.at <= first) =>
        {
            Err(SpanError::BeforeMonth { to: to.text.clone() })
        }
        (Some(from), None) if from.at > now => Err(SpanError::Future { from: from.text.clone() }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_times_are_read() {
        let day = time("2026-11-01").unwrap();
        assert_eq!((day.text.as_str(), day.at.to_string()), ("2026-11-01", "2026-11-01T00:00:00Z".to_owned()));
        assert_eq!(time("2026-11-01T06:00:00Z").unwrap().at.to_string(), "2026-11-01T06:00:00Z");
        for wrong in ["", "yesterday", "2026-13-01", "2026-02-30", "-5", "01.11.2026"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_report_has_some_time_in_it() {
        let now: Timestamp = "2026-11-30T12:00:00Z".parse().unwrap();
        let checked = |from: Option<&str>, to: Option<&str>| {
            let (from, to) = (from.map(|text| time(text).unwrap()), to.map(|text| time(text).unwrap()));
            check(from.as_ref(), to.as_ref(), now).map_err(|error| error.to_string())
        };
        for (from, to) in [
            (None, None),
            (Some("2026-11-01"), Some("2026-12-01")),
            (Some("2026-11-30"), None),
            (None, Some("2026-11-02")),
        ] {
            assert_eq!(checked(from, to), Ok(()));
        }
        for (from, to, why) in [
            (Some("2026-12-01"), Some("2026-11-01"), "--to 2026-11-01 is not after --from 2026-12-01"),
            (Some("2026-11-01"), Some("2026-11-01"), "--to 2026-11-01 is not after --from 2026-11-01"),
            (None, Some("2026-11-01"), "--to 2026-11-01 is not after the first of this month"),
            (Some("2027-01-01"), None, "--from 2027-01-01 has yet to come"),
        ] {
            let error = checked(from, to).unwrap_err();
            assert!(error.starts_with(why), "{error}");
        }
    }

    #[test]
    fn groups_are_known_and_there_once() {
        assert_eq!(groups("team, model").as_deref(), Ok("team,model"));
        for (wrong, why) in [
            ("", "must not have an empty part"),
            ("team,", "must not have an empty part"),
            ("team,,key", "must not have an empty part"),
            ("key,key", "must have key once"),
            ("zzz", "must have names of month, day"),
        ] {
            let error = groups(wrong).unwrap_err();
            assert!(error.starts_with(why), "{wrong}: {error}");
        }
        assert!(groups("modle").unwrap_err().ends_with("; did you mean model?"));
    }
}
