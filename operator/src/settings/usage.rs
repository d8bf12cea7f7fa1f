//! The command line of `outrigger-operator usage`: who spent what, from the usage history.

use std::path::PathBuf;

use jiff::civil::Date;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};
use lexopt::prelude::*;

use super::SettingsError;

/// What `usage --help` says.
pub const USAGE_HELP: &str = "\
outrigger-operator usage: who spent what, from the usage history in PostgreSQL

  --ledger-postgresql DIR    the folder with the connection string [/ledger]
  --from TIME                the first day or hour: 2026-11-01, or 2026-11-01T06:00:00Z
                             [the first day of this month, UTC]
  --to TIME                  the first day or hour that is not in it [now]
  --by LIST                  what it is grouped by, with commas: month, day, hour, namespace, key, team, customer,
                             workload, provider, model [key]
  --format WORD              csv or json [csv]
";
const FOLDER: &str = "/ledger";

/// What a report is grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsageDimension {
    Month,
    Day,
    Hour,
    Namespace,
    Key,
    Team,
    Customer,
    Workload,
    Provider,
    Model,
}

impl UsageDimension {
    pub const ALL: [UsageDimension; 10] = [
        UsageDimension::Month,
        UsageDimension::Day,
        UsageDimension::Hour,
        UsageDimension::Namespace,
        UsageDimension::Key,
        UsageDimension::Team,
        UsageDimension::Customer,
        UsageDimension::Workload,
        UsageDimension::Provider,
        UsageDimension::Model,
    ];

    /// As on the command line, and as the column's name.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            UsageDimension::Month => "month",
            UsageDimension::Day => "day",
            UsageDimension::Hour => "hour",
            UsageDimension::Namespace => "namespace",
            UsageDimension::Key => "key",
            UsageDimension::Team => "team",
            UsageDimension::Customer => "customer",
            UsageDimension::Workload => "workload",
            UsageDimension::Provider => "provider",
            UsageDimension::Model => "model",
        }
    }
}

/// How a report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportFormat {
    Csv,
    Json,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageQuery {
    /// The first hour.
    pub from: Timestamp,
    /// The first hour that is not in it.
    pub to: Timestamp,
    pub by: Vec<UsageDimension>,
    pub format: ReportFormat,
}

/// A report that is asked for.
#[derive(Clone, Debug)]
pub struct UsageCommand {
    pub folder: PathBuf,
    pub query: UsageQuery,
}

/// Reads what follows `usage`; `None`: help is asked for.
pub(super) fn read(parser: &mut lexopt::Parser, now: Timestamp) -> Result<Option<UsageCommand>, SettingsError> {
    let first = Offset::UTC.to_datetime(now).date().first_of_month();
    let mut command = UsageCommand {
        folder: FOLDER.into(),
        query: UsageQuery {
            from: midnight(first).unwrap_or(now),
            to: now.checked_add(SignedDuration::from_hours(1)).unwrap_or(now),
            by: vec![UsageDimension::Key],
            format: ReportFormat::Csv,
        },
    };
    while let Some(argument) = parser.next()? {
        match argument {
            Long("ledger-postgresql") => command.folder = parser.value()?.into(),
            Long("from") => command.query.from = time("from", parser)?,
            Long("to") => command.query.to = time("to", parser)?,
            Long("by") => command.query.by = dimensions(parser)?,
            Long("format") => command.query.format = format(parser)?,
            Long("help") | Short('h') => return Ok(None),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Some(command))
}

fn midnight(date: Date) -> Option<Timestamp> {
    Offset::UTC.to_timestamp(date.at(0, 0, 0, 0)).ok()
}

/// A day begins at midnight, UTC.
fn time(flag: &'static str, parser: &mut lexopt::Parser) -> Result<Timestamp, SettingsError> {
    let value = parser.value()?.string()?;
    let day = || midnight(value.parse::<Date>().ok()?);
    let found = value.parse::<Timestamp>().ok().or_else(day);
    found.ok_or(SettingsError::Wrong {
        flag,
        value,
        what: "no day such as 2026-11-01 and no time such as 2026-11-01T06:00:00Z",
    })
}

fn dimensions(parser: &mut lexopt::Parser) -> Result<Vec<UsageDimension>, SettingsError> {
    let value = parser.value()?.string()?;
    let words = value.split(',').map(str::trim).filter(|word| !word.is_empty());
    let found: Option<Vec<UsageDimension>> =
        words.map(|word| UsageDimension::ALL.into_iter().find(|dimension| dimension.word() == word)).collect();
    let what = "no list of month, day, hour, namespace, key, team, customer, workload, provider and model";
    let mut found = found.ok_or(SettingsError::Wrong { flag: "by", value, what })?;
    let mut seen = Vec::new();
    found.retain(|dimension| {
        let new = !seen.contains(dimension);
        seen.push(*dimension);
        new
    });
    Ok(found)
}

fn format(parser: &mut lexopt::Parser) -> Result<ReportFormat, SettingsError> {
    let value = parser.value()?.string()?;
    match value.as_str() {
        "csv" => Ok(ReportFormat::Csv),
        "json" => Ok(ReportFormat::Json),
        _ => Err(SettingsError::Wrong { flag: "format", value, what: "neither csv nor json" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(arguments: &[&str]) -> Result<Option<UsageCommand>, SettingsError> {
        let now = "2026-11-30T14:05:00Z".parse().unwrap();
        read(&mut lexopt::Parser::from_args(arguments), now)
    }

    #[test]
    fn this_month_by_key_by_default() {
        let query = command(&[]).unwrap().unwrap().query;
        assert_eq!((query.from.to_string().as_str(), query.by), ("2026-11-01T00:00:00Z", vec![UsageDimension::Key]));
        let parsed = command(&[
            "--from=2026-10-01",
            "--to",
            "2026-11-01T06:00:00Z",
            "--by",
            "team, model,team",
            "--format=json",
        ]);
        let query = parsed.unwrap().unwrap().query;
        assert_eq!(
            (query.from.to_string().as_str(), query.to.to_string().as_str()),
            ("2026-10-01T00:00:00Z", "2026-11-01T06:00:00Z")
        );
        assert_eq!(query.by, [UsageDimension::Team, UsageDimension::Model]);
        assert_eq!(query.format, ReportFormat::Json);
        assert!(command(&["--help"]).unwrap().is_none());
    }

    #[test]
    fn what_is_wrong_says_what_to_write() {
        let refused = |arguments| command(arguments).unwrap_err().to_string();
        assert!(refused(&["--from", "november"]).starts_with("--from `november` is no day such as 2026-11-01"));
        assert!(refused(&["--by", "key; DROP TABLE x"]).starts_with("--by `key; DROP TABLE x` is no list of month"));
        assert_eq!(refused(&["--format=xml"]), "--format `xml` is neither csv nor json");
    }
}
