//! Reads JSON of an expected shape: getters that report where it is wrong, and a list of the fields that the
//! conversation can't represent.
//!
//! `null` counts as absent, as in Anthropic's own API.

use serde_json::{Number, Value};

use crate::RequestError;
use crate::chat::JsonObject;
use crate::chat::cache::ReadMarks;
use crate::chat::fields::{self, MOST_FIELDS};

/// The path of a value. It costs nothing until its name is needed.
#[derive(Clone, Copy, Debug)]
pub enum Path<'a> {
    Root,
    Key(&'a Path<'a>, &'a str),
    Index(&'a Path<'a>, usize),
}

impl<'a> Path<'a> {
    pub fn key(&'a self, key: &'a str) -> Path<'a> {
        Path::Key(self, key)
    }

    pub fn index(&'a self, index: usize) -> Path<'a> {
        Path::Index(self, index)
    }

    /// For people: `messages[2].content[0]`.
    pub fn display(&self) -> String {
        self.name(true)
    }

    /// For tables: `messages[].content[]`.
    pub fn normalised(&self) -> String {
        self.name(false)
    }

    pub fn invalid(&self, problem: impl Into<String>) -> RequestError {
        RequestError::Invalid { path: self.display(), problem: problem.into() }
    }

    fn name(&self, indexes: bool) -> String {
        match self {
            Path::Root => String::new(),
            Path::Key(Path::Root, key) => fields::brief(key).to_owned(),
            Path::Key(parent, key) => format!("{}.{}", parent.name(indexes), fields::brief(key)),
            Path::Index(parent, index) if indexes => format!("{}[{index}]", parent.name(indexes)),
            Path::Index(parent, _) => format!("{}[]", parent.name(indexes)),
        }
    }
}

/// The fields of a request that need a row of the table, without duplicates.
#[derive(Debug, Default)]
pub struct NotedPlaces {
    paths: Vec<String>,
    /// The marks of the prompt's cache in what is being read.
    pub(crate) marks: ReadMarks,
    /// Whether documents of text stay documents: the caller wants some of them cited, and citations count documents.
    pub(crate) whole_documents: bool,
}

impl NotedPlaces {
    pub fn note(&mut self, at: &Path<'_>) {
        if self.paths.len() <= MOST_FIELDS {
            self.add(at.normalised());
        }
    }

    /// Records a field that matters because of its value: `tools[].type:bash_20250124`.
    pub fn note_value(&mut self, at: &Path<'_>, value: &str) {
        self.add(format!("{}:{}", at.normalised(), fields::brief(value)));
    }

    /// Records each key of `object` that is not in `known`.
    pub fn note_rest(&mut self, object: &JsonObject, known: &[&str], at: &Path<'_>) {
        for (key, value) in object {
            if !value.is_null() && !known.contains(&key.as_str()) {
                self.note(&at.key(key));
            }
        }
    }

    pub fn into_paths(self) -> Vec<String> {
        self.paths
    }

    fn add(&mut self, path: String) {
        fields::add(&mut self.paths, path);
    }
}

/// The decoded value, or why it has the wrong shape.
pub type Shaped<T> = Result<T, RequestError>;

pub fn given<'v>(object: &'v JsonObject, key: &str) -> Option<&'v Value> {
    object.get(key).filter(|value| !value.is_null())
}

pub fn object<'v>(value: &'v Value, at: &Path<'_>) -> Shaped<&'v JsonObject> {
    value.as_object().ok_or_else(|| at.invalid("must be an object"))
}

pub fn list<'v>(value: &'v Value, at: &Path<'_>) -> Shaped<&'v Vec<Value>> {
    value.as_array().ok_or_else(|| at.invalid("must be a list"))
}

pub fn text<'v>(value: &'v Value, at: &Path<'_>) -> Shaped<&'v str> {
    value.as_str().ok_or_else(|| at.invalid("must be a string"))
}

pub fn boolean(value: &Value, at: &Path<'_>) -> Shaped<bool> {
    value.as_bool().ok_or_else(|| at.invalid("must be true or false"))
}

pub fn whole(value: &Value, at: &Path<'_>) -> Shaped<u64> {
    value.as_u64().ok_or_else(|| at.invalid("must be a whole number, 0 or more"))
}

pub fn number(value: &Value, at: &Path<'_>) -> Shaped<Number> {
    value.as_number().cloned().ok_or_else(|| at.invalid("must be a number"))
}

/// The string under `key`, which is required.
pub fn text_of<'v>(object: &'v JsonObject, key: &str, at: &Path<'_>) -> Shaped<&'v str> {
    let at = at.key(key);
    text(given(object, key).ok_or_else(|| at.invalid("is missing"))?, &at)
}

/// The string under `key`, if present.
pub fn text_if<'v>(object: &'v JsonObject, key: &str, at: &Path<'_>) -> Shaped<Option<&'v str>> {
    given(object, key).map(|value| text(value, &at.key(key))).transpose()
}

/// The boolean under `key`, if present.
pub fn boolean_if(object: &JsonObject, key: &str, at: &Path<'_>) -> Shaped<Option<bool>> {
    given(object, key).map(|value| boolean(value, &at.key(key))).transpose()
}
