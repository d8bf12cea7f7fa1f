//! Which fields of a request can cross to another dialect, and how: the rows of a table that each dialect has of its own
//! fields. Codecs, tests and the documentation read it.

use crate::Format;

/// What becomes of a field that a request holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldFate {
    /// Said in the other dialect with the same meaning.
    Carried,
    /// Said in another way; the note says how.
    Adapted,
    /// Cannot change what the answer means: left out, and named in `x-outrigger-adapted`.
    Hint,
    /// Would change the answer: a candidate of that format is skipped.
    Refused,
}

/// What becomes of a field in each of the other formats. A format that is not named refuses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fates([Option<(Format, FieldFate)>; Fates::MOST]);

impl Fates {
    /// Formats that can be named.
    const MOST: usize = Format::ALL.len();

    /// Refused everywhere.
    pub const REFUSED: Fates = Fates([None; Fates::MOST]);

    /// The same with a fate towards `format`.
    ///
    /// # Panics
    /// When a table is compiled in which a row names a format twice.
    #[must_use]
    pub const fn with(mut self, format: Format, fate: FieldFate) -> Fates {
        let mut at = 0;
        while let Some((named, _)) = self.0[at] {
            assert!(named as u8 != format as u8, "a format is named twice");
            at += 1;
        }
        self.0[at] = Some((format, fate));
        self
    }

    /// The fate towards `format`.
    #[must_use]
    pub fn towards(&self, format: Format) -> FieldFate {
        self.0.iter().flatten().find(|(named, _)| *named == format).map_or(FieldFate::Refused, |(_, fate)| *fate)
    }
}

/// A field of a caller's format, and its fate in the others.
#[derive(Clone, Copy, Debug)]
pub struct FieldRow {
    pub caller: Format,
    /// Normalised path: list indexes as `[]`, Gemini's names in camelCase.
    pub path: &'static str,
    pub fates: Fates,
    /// How it is adapted, or why it is refused: for the documentation.
    pub note: &'static str,
    /// A JSON value for the field with which tests try the row.
    pub sample: &'static str,
}

/// Different fields of a request that are noted: more than any table has, and few enough that each is looked for among
/// the others. What a request holds beyond them has no row, whatever it is.
pub(crate) const MOST_FIELDS: usize = 64;

/// Bytes of a key that are shown, in errors and records.
const BRIEF: usize = 128;

/// A key as far as it is shown.
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
