//! Which fields of a request can cross to another dialect, and how: the rows of a table that each dialect has of its own
//! fields. Codecs, tests and the documentation read it.

use crate::Dialect;

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
