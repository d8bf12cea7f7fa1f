//! Which fields of a request can cross to another dialect, and how: one table, read by the
//! codecs, by the tests and by the documentation.

use crate::{Dialect, RequestError};

/// What becomes of a field that a request holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Said in the other dialect with the same meaning.
    Carried,
    /// Said in another way; the note tells how.
    Adapted,
    /// Cannot change what the answer means: left out, and named in `x-outrigger-adapted`.
    Hint,
    /// Would change the answer: a candidate of that dialect is skipped.
    Refused,
}

/// A field of a caller's dialect, and its fate in the others.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    pub caller: Dialect,
    /// Normalised path: list indexes as `[]`, Gemini's names in camelCase.
    pub path: &'static str,
    /// Fates towards OpenAI, Anthropic and Gemini, in the order of [`Dialect::ALL`]. Towards the
    /// caller's own dialect: [`Fate::Carried`].
    pub fates: [Fate; 3],
    /// How it is adapted, or why it is refused: for the documentation.
    pub note: &'static str,
    /// A JSON value for the field with which tests try the row.
    pub sample: &'static str,
}

/// All rows of a caller's dialect.
pub fn of(caller: Dialect) -> &'static [Field] {
    match caller {
        Dialect::OpenAi => crate::openai::fields::FIELDS,
        Dialect::Anthropic => crate::anthropic::fields::FIELDS,
        Dialect::Gemini => crate::gemini::fields::FIELDS,
    }
}

/// What becomes of a field. One that has no row is refused: the gateway can't know what it means.
#[must_use]
pub fn fate(caller: Dialect, path: &str, upstream: Dialect) -> Fate {
    if caller == upstream {
        return Fate::Carried;
    }
    of(caller).iter().find(|field| field.path == path).map_or(Fate::Refused, |field| field.fates[upstream as usize])
}

/// Different fields of a request that are noted: more than any table has, and few enough that each is looked for among
/// the others. What a request holds beyond them has no row, whatever it is.
pub(crate) const MOST_FIELDS: usize = 64;

/// Bytes of a key that are told of it, in errors and records.
const BRIEF: usize = 128;

/// A key as far as it is told.
pub(crate) fn brief(key: &str) -> &str {
    key.get(..key.floor_char_boundary(BRIEF)).unwrap_or(key)
}

/// Notes a field, once.
pub(crate) fn add(fields: &mut Vec<String>, path: String) {
    match fields.len() {
        MOST_FIELDS => fields.push(format!("more than {MOST_FIELDS} fields that are not of every dialect")),
        many if many < MOST_FIELDS && !fields.contains(&path) => fields.push(path),
        _ => {}
    }
}

/// Checks the fields that a request holds against an upstream's dialect, and returns the hints
/// that will be left out.
///
/// # Errors
/// [`RequestError::Unsupported`] with the first field that is refused.
pub fn fit(caller: Dialect, paths: &[String], upstream: Dialect) -> Result<Vec<String>, RequestError> {
    let mut hints = Vec::new();
    for path in paths {
        match fate(caller, path, upstream) {
            Fate::Carried | Fate::Adapted => {}
            Fate::Hint => hints.push(path.clone()),
            Fate::Refused => return Err(RequestError::Unsupported { field: path.clone(), upstream }),
        }
    }
    hints.dedup();
    Ok(hints)
}
