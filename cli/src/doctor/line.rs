//! The lines of doctor's report, and helpers to read kubectl's output.

use jiff::Timestamp;
use serde_json::Value;

use crate::kubectl::Listing;

/// The severity of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineLevel {
    Well,
    /// Information.
    Note,
    Wrong,
}

/// One line of the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReportLine {
    pub level: LineLevel,
    pub text: String,
    /// A command to run, or what to look at.
    pub hint: Option<String>,
}

impl ReportLine {
    pub(crate) fn well(text: impl Into<String>) -> Self {
        ReportLine { level: LineLevel::Well, text: text.into(), hint: None }
    }

    pub(crate) fn note(text: impl Into<String>) -> Self {
        ReportLine { level: LineLevel::Note, text: text.into(), hint: None }
    }

    pub(crate) fn wrong(text: impl Into<String>) -> Self {
        ReportLine { level: LineLevel::Wrong, text: text.into(), hint: None }
    }

    pub(crate) fn with(self, hint: impl Into<String>) -> Self {
        ReportLine { hint: Some(hint.into()), ..self }
    }
}

/// The objects of a query. If it failed, adds a line that says so.
pub(super) fn listed<'a>(answer: &'a Listing, what: &str, lines: &mut Vec<ReportLine>) -> Option<&'a [Value]> {
    match answer {
        Ok(objects) => Some(objects),
        Err(why) => {
            lines.push(ReportLine::note(format!("{what} cannot be read: {why}")));
            None
        }
    }
}

pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// `namespace/name`.
pub(super) fn name_of(object: &Value) -> String {
    format!("{}/{}", text(object, "/metadata/namespace"), text(object, "/metadata/name"))
}

/// The value of a label or annotation.
pub(super) fn value_of<'a>(object: &'a Value, map: &str, name: &str) -> Option<&'a str> {
    object.get("metadata")?.get(map)?.get(name)?.as_str()
}

/// The age of a timestamp in seconds; `None` if it is missing.
pub(super) fn age(value: &Value, pointer: &str, now: Timestamp) -> Option<i64> {
    let then: Timestamp = text(value, pointer).parse().ok()?;
    Some(now.duration_since(then).as_secs())
}

/// The major and minor version: `0.12` of `0.12.3`.
pub(super) fn minor(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.trim_start_matches('v').split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}
