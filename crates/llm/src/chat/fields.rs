//! Which fields of a request can be translated to another dialect, and how: the rows of a table that each dialect has
//! for its own fields. Codecs, tests and the documentation use it.

use crate::{Format, RequestError};

/// How a field of a request is handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldHandling {
    /// Expressed in the other dialect with the same meaning.
    Carried,
    /// Expressed differently; the note explains how.
    Adapted,
    /// Can't change the meaning of the answer: omitted, and named in `x-outrigger-adapted`.
    Hint,
    /// Would change the answer: a candidate with that format is skipped.
    Refused,
}

/// How a field is handled in each of the other formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandlingByFormat {
    /// In the formats that have no handling of their own.
    others: FieldHandling,
    by_format: [Option<(Format, FieldHandling)>; HandlingByFormat::MOST],
}

impl HandlingByFormat {
    /// The number of formats that can have a handling of their own.
    const MOST: usize = Format::ALL.len();

    /// Handled the same way in all formats.
    #[must_use]
    pub const fn all(others: FieldHandling) -> HandlingByFormat {
        HandlingByFormat { others, by_format: [None; HandlingByFormat::MOST] }
    }

    /// Handled differently in `format`.
    ///
    /// # Panics
    /// At compile time, if a row lists a format twice.
    #[must_use]
    pub const fn with(mut self, format: Format, handling: FieldHandling) -> HandlingByFormat {
        let mut at = 0;
        while let Some((named, _)) = self.by_format[at] {
            assert!(named as u8 != format as u8, "a format is named twice");
            at += 1;
        }
        self.by_format[at] = Some((format, handling));
        self
    }

    /// The handling in `format`.
    #[must_use]
    pub fn towards(&self, format: Format) -> FieldHandling {
        self.by_format
            .iter()
            .flatten()
            .find(|(named, _)| *named == format)
            .map_or(self.others, |(_, handling)| *handling)
    }
}

/// A field of a caller's format, and its handling in the others.
#[derive(Clone, Copy, Debug)]
pub struct FieldRow {
    /// The normalised path: list indexes as `[]`, Gemini's names in camelCase.
    pub path: &'static str,
    pub handling_by_format: HandlingByFormat,
    /// How it is adapted, or why it is refused: for the documentation.
    pub note: &'static str,
    /// A JSON value for the field, with which tests try the row.
    pub sample: &'static str,
}

/// How a field is handled. A field without a row is refused: the gateway can't know its meaning.
pub(crate) fn handling(rows: &[FieldRow], path: &str, upstream: Format) -> FieldHandling {
    let row = rows.iter().find(|row| row.path == path);
    row.map_or(FieldHandling::Refused, |row| row.handling_by_format.towards(upstream))
}

/// Checks the fields of a request against an upstream's format, and returns the hints that will be omitted.
///
/// # Errors
/// [`RequestError::Unsupported`] with the first field that is refused.
pub(crate) fn fit(rows: &[FieldRow], paths: &[String], upstream: Format) -> Result<Vec<String>, RequestError> {
    let mut hints = Vec::new();
    for path in paths {
        match handling(rows, path, upstream) {
            FieldHandling::Carried | FieldHandling::Adapted => {}
            FieldHandling::Hint => hints.push(path.clone()),
            FieldHandling::Refused => {
                return Err(RequestError::Unsupported { field: path.clone(), upstream: upstream.dialect() });
            }
        }
    }
    hints.dedup();
    Ok(hints)
}

/// How many different fields of a request are recorded: more than any table has, and few enough for a linear search.
/// Further fields have no row, whatever they are.
pub(crate) const MOST_FIELDS: usize = 64;

/// The most bytes of a key that errors and records show.
const BRIEF: usize = 128;

/// The beginning of a key, for errors and records.
pub(crate) fn brief(key: &str) -> &str {
    key.get(..key.floor_char_boundary(BRIEF)).unwrap_or(key)
}

/// Records a field, once.
pub(crate) fn add(fields: &mut Vec<String>, path: String) {
    match fields.len() {
        MOST_FIELDS => fields.push(format!("more than {MOST_FIELDS} fields that are not of every dialect")),
        many if many < MOST_FIELDS && !fields.contains(&path) => fields.push(path),
        _ => {}
    }
}
