//! Reads a JSON object field by field, in either of Google's spellings, and keeps track of unread fields.

use serde_json::{Number, Value};

use crate::RequestError;
use crate::chat::JsonObject;
use crate::chat::fields::{self, MOST_FIELDS};

/// An object of a request and its path. Every `take` removes a field; the remaining ones are unknown to the codec, and
/// [`FieldReader::rest`] reports them.
#[derive(Debug)]
pub(crate) struct FieldReader<'a> {
    /// With indexes (`contents[0].parts[1]`), for errors.
    path: String,
    entries: Vec<(String, &'a Value)>,
}

impl<'a> FieldReader<'a> {
    pub(crate) fn new(path: &str, object: &'a JsonObject) -> Result<Self, RequestError> {
        // Linear search among few fields.
        if object.len() > MOST_FIELDS {
            return Err(invalid(path, format!("has {} fields, and may have {MOST_FIELDS}", object.len())));
        }
        let mut entries: Vec<(String, &'a Value)> = Vec::with_capacity(object.len());
        for (key, value) in object {
            // In Google's JSON a null is an unset field.
            if value.is_null() {
                continue;
            }
            let name = camel_case(key);
            if entries.iter().any(|(known, _)| *known == name) {
                return Err(invalid(&join(path, &name), "is given twice, in different spellings"));
            }
            entries.push((name, value));
        }
        Ok(FieldReader { path: path.to_owned(), entries })
    }

    /// Reads `value`, which must be an object.
    pub(crate) fn of(path: &str, value: &'a Value) -> Result<Self, RequestError> {
        match value {
            Value::Object(object) => FieldReader::new(path, object),
            other => Err(wrong(path, "an object", other)),
        }
    }

    pub(crate) fn path(&self, name: &str) -> String {
        join(&self.path, name)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.entries.iter().any(|(known, _)| known == name)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn take(&mut self, name: &str) -> Option<&'a Value> {
        let at = self.entries.iter().position(|(known, _)| known == name)?;
        Some(self.entries.remove(at).1)
    }

    pub(crate) fn string(&mut self, name: &str) -> Result<Option<&'a str>, RequestError> {
        self.typed(name, "a string", Value::as_str)
    }

    pub(crate) fn boolean(&mut self, name: &str) -> Result<Option<bool>, RequestError> {
        self.typed(name, "true or false", Value::as_bool)
    }

    pub(crate) fn integer(&mut self, name: &str) -> Result<Option<i64>, RequestError> {
        // Google's JSON also takes whole numbers written as `8.0` or as strings.
        self.typed(name, "a whole number", |value| match value {
            Value::Number(number) => number.as_i64().or_else(|| whole(number.as_f64()?)),
            Value::String(text) => text.parse().ok(),
            _ => None,
        })
    }

    pub(crate) fn number(&mut self, name: &str) -> Result<Option<Number>, RequestError> {
        self.typed(name, "a number", |value| match value {
            Value::Number(number) => Some(number.clone()),
            _ => None,
        })
    }

    pub(crate) fn list(&mut self, name: &str) -> Result<Option<&'a [Value]>, RequestError> {
        self.typed(name, "a list", |value| value.as_array().map(Vec::as_slice))
    }

    pub(crate) fn strings(&mut self, name: &str) -> Result<Vec<String>, RequestError> {
        let path = self.path(name);
        let items = self.list(name)?.unwrap_or_default();
        items
            .iter()
            .enumerate()
            .map(|(at, item)| {
                item.as_str().map(str::to_owned).ok_or_else(|| wrong(&format!("{path}[{at}]"), "a string", item))
            })
            .collect()
    }

    pub(crate) fn object(&mut self, name: &str) -> Result<Option<FieldReader<'a>>, RequestError> {
        let path = self.path(name);
        self.take(name).map(|value| FieldReader::of(&path, value)).transpose()
    }

    /// Every item of a list of objects.
    pub(crate) fn objects(&mut self, name: &str) -> Result<Vec<FieldReader<'a>>, RequestError> {
        let path = self.path(name);
        let items = self.list(name)?.unwrap_or_default();
        items.iter().enumerate().map(|(at, item)| FieldReader::of(&format!("{path}[{at}]"), item)).collect()
    }

    /// Reports a field that was read, but whose handling the table decides.
    pub(crate) fn report(&self, name: &str, fields: &mut Vec<String>) {
        if fields.len() <= MOST_FIELDS {
            fields::add(fields, normalised(&self.path(name)));
        }
    }

    /// Reports a value that no row of the table can describe, as `path=value`: refused everywhere.
    pub(crate) fn report_value(&self, name: &str, value: &str, fields: &mut Vec<String>) {
        fields::add(fields, format!("{}={}", normalised(&self.path(name)), fields::brief(value)));
    }

    /// Reports all unread fields.
    pub(crate) fn rest(self, fields: &mut Vec<String>) {
        for (name, _) in &self.entries {
            self.report(name, fields);
        }
    }

    fn typed<T>(
        &mut self,
        name: &str,
        kind: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, RequestError> {
        let Some(value) = self.take(name) else { return Ok(None) };
        match read(value) {
            Some(read) => Ok(Some(read)),
            None => Err(wrong(&self.path(name), kind, value)),
        }
    }
}

pub(crate) fn invalid(path: &str, problem: impl Into<String>) -> RequestError {
    RequestError::Invalid { path: path.to_owned(), problem: problem.into() }
}

pub(crate) fn wrong(path: &str, wanted: &str, found: &Value) -> RequestError {
    let found = match found {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "another number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    invalid(path, format!("must be {wanted}, not {found}"))
}

fn join(path: &str, name: &str) -> String {
    let name = fields::brief(name);
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// `contents[3].parts[0].text` as in the table: `contents[].parts[].text`.
fn normalised(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut index = false;
    for character in path.chars() {
        match character {
            '[' => index = true,
            ']' => index = false,
            _ if index => continue,
            _ => {}
        }
        out.push(character);
    }
    out
}

/// A name in proto's JSON spelling: `max_output_tokens` and `maxOutputTokens` are the same field.
pub(crate) fn camel_case(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut upper = false;
    for character in name.chars() {
        match character {
            '_' if !out.is_empty() => upper = true,
            _ if upper => {
                out.push(character.to_ascii_uppercase());
                upper = false;
            }
            _ => out.push(character),
        }
    }
    out
}

fn whole(number: f64) -> Option<i64> {
    // Above 2^53 a float can't represent every integer.
    (number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0).then_some(number as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spells_names_as_proto_json_does() {
        for (name, expected) in [
            ("max_output_tokens", "maxOutputTokens"),
            ("maxOutputTokens", "maxOutputTokens"),
            ("topK", "topK"),
            ("top_k", "topK"),
            ("_x", "_x"),
            ("", ""),
        ] {
            assert_eq!(camel_case(name), expected, "{name}");
        }
    }

    #[test]
    fn normalises_indexes() {
        assert_eq!(normalised("contents[12].parts[0].text"), "contents[].parts[].text");
    }

    #[test]
    fn refuses_a_field_in_both_spellings() {
        let value = serde_json::json!({"top_k": 1, "topK": 2});
        let error = FieldReader::of("generationConfig", &value).unwrap_err();
        assert_eq!(error.to_string(), "generationConfig.topK: is given twice, in different spellings");
    }
}
