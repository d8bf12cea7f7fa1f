//! Reads JSON of an expected shape, and reports where it is wrong.
//!
//! Paths are built only if something is wrong: most requests are valid.

use serde_json::{Number, Value};

use crate::RequestError;
use crate::chat::JsonObject;
use crate::chat::cache::ReadMarks;
use crate::chat::fields::{self, MOST_FIELDS};

/// The paths of a request whose handling the table of fields decides.
#[derive(Debug, Default)]
pub(crate) struct NotedFields {
    paths: Vec<String>,
    /// The marks of the prompt's cache in what is being read.
    pub marks: ReadMarks,
}

impl NotedFields {
    /// Records the field `key` at `path` (`messages[2]`), once, as `messages[].key`.
    pub(crate) fn note(&mut self, path: &str, key: &str) {
        if self.paths.len() <= MOST_FIELDS {
            fields::add(&mut self.paths, normalised(&join(path, fields::brief(key))));
        }
    }

    pub(crate) fn into_paths(self) -> Vec<String> {
        self.paths
    }
}

fn normalised(path: &str) -> String {
    let mut normal = String::with_capacity(path.len());
    for (at, piece) in path.split('[').enumerate() {
        if at == 0 {
            normal.push_str(piece);
            continue;
        }
        normal.push('[');
        normal.push_str(piece.trim_start_matches(|c: char| c.is_ascii_digit()));
    }
    normal
}

pub(crate) fn join(path: &str, key: &str) -> String {
    match path {
        "" => key.to_owned(),
        _ => format!("{path}.{key}"),
    }
}

pub(crate) fn invalid(path: &str, key: &str, problem: &str) -> RequestError {
    RequestError::Invalid { path: join(path, fields::brief(key)), problem: problem.to_owned() }
}

/// The value of `key`; null counts as absent, as it does for OpenAI.
pub(crate) fn present<'a>(object: &'a JsonObject, key: &str) -> Option<&'a Value> {
    object.get(key).filter(|value| !value.is_null())
}

pub(crate) fn required<'a>(object: &'a JsonObject, path: &str, key: &str) -> Result<&'a Value, RequestError> {
    present(object, key).ok_or_else(|| invalid(path, key, "is required"))
}

pub(crate) fn required_text<'a>(object: &'a JsonObject, path: &str, key: &str) -> Result<&'a str, RequestError> {
    text(required(object, path, key)?, path, key)
}

pub(crate) fn text<'a>(value: &'a Value, path: &str, key: &str) -> Result<&'a str, RequestError> {
    value.as_str().ok_or_else(|| invalid(path, key, "must be a string"))
}

pub(crate) fn boolean(value: &Value, path: &str, key: &str) -> Result<bool, RequestError> {
    value.as_bool().ok_or_else(|| invalid(path, key, "must be true or false"))
}

pub(crate) fn number(value: &Value, path: &str, key: &str) -> Result<Number, RequestError> {
    value.as_number().cloned().ok_or_else(|| invalid(path, key, "must be a number"))
}

pub(crate) fn count(value: &Value, path: &str, key: &str) -> Result<u64, RequestError> {
    value.as_u64().ok_or_else(|| invalid(path, key, "must be a whole number, not negative"))
}

pub(crate) fn integer(value: &Value, path: &str, key: &str) -> Result<i64, RequestError> {
    value.as_i64().ok_or_else(|| invalid(path, key, "must be a whole number"))
}

pub(crate) fn object<'a>(value: &'a Value, path: &str, key: &str) -> Result<&'a JsonObject, RequestError> {
    value.as_object().ok_or_else(|| invalid(path, key, "must be an object"))
}

pub(crate) fn array<'a>(value: &'a Value, path: &str, key: &str) -> Result<&'a [Value], RequestError> {
    value.as_array().map(Vec::as_slice).ok_or_else(|| invalid(path, key, "must be an array"))
}

/// An element of an array: `path` is its own, including the index.
pub(crate) fn element<'a>(value: &'a Value, path: &str) -> Result<&'a JsonObject, RequestError> {
    value
        .as_object()
        .ok_or_else(|| RequestError::Invalid { path: path.to_owned(), problem: "must be an object".into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_each_field_once_without_indexes() {
        let mut noted = NotedFields::default();
        noted.note("messages[0]", "name");
        noted.note("messages[12]", "name");
        noted.note("messages[1].content[3]", "input_audio");
        noted.note("", "n");
        assert_eq!(noted.into_paths(), ["messages[].name", "messages[].content[].input_audio", "n"]);
    }
}
