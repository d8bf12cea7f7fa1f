//! JSON without duplicate keys.
//!
//! Parsers disagree on which of two equal keys counts, so a gateway that decides by one of them could see another
//! request than the provider. Such a body is refused. Google's parsers accept each field in two spellings
//! (`generationConfig`, `generation_config`); there the two count as one key.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use thiserror::Error;

/// Why a body is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StrictError {
    /// A duplicate key. `path` is the object's: `messages[0]`; empty for the body itself.
    #[error("the key `{key}` is repeated in one object ({})", location(.path))]
    Duplicate { key: String, path: String },
    /// Both spellings of one of Google's fields.
    #[error("the keys `{first}` and `{second}` are the same field, repeated in one object ({})", location(.path))]
    TwoSpellings { first: String, second: String, path: String },
    /// Not JSON, or nested deeper than 128.
    #[error("the body is not valid JSON: {problem} at line {line}, column {column}")]
    Invalid { problem: String, line: usize, column: usize },
}

fn location(path: &str) -> String {
    if path.is_empty() { "at the top level".to_owned() } else { format!("at `{path}`") }
}

/// Parses JSON; keys are compared after unescaping.
///
/// # Errors
/// [`StrictError`] if it is not JSON, or an object has a duplicate key.
pub fn parse(bytes: &[u8]) -> Result<Value, StrictError> {
    read(bytes, Spelling::Exact)
}

/// Parses JSON of a Gemini request: two spellings of one key count as the same key, except in free-form JSON (schemas,
/// arguments and results of functions, labels), whose keys belong to the caller.
///
/// # Errors
/// As [`parse`].
pub fn google(bytes: &[u8]) -> Result<Value, StrictError> {
    read(bytes, Spelling::Google)
}

/// Fields of Gemini that contain free-form JSON, in camel case.
const FREE: &[&str] = &[
    "args",
    "labels",
    "parameters",
    "parametersJsonSchema",
    "properties",
    "response",
    "responseJsonSchema",
    "responseSchema",
];

/// The longest key that an error repeats, in characters.
const SHOWN: usize = 64;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Spelling {
    Exact,
    Google,
}

/// The duplicate that was found while parsing, in addition to serde's own error, which contains only text.
#[derive(Default)]
struct FoundDuplicate {
    twice: Option<(String, String)>,
    /// The path to it, innermost step first: filled while the error propagates.
    path: Vec<PathStep>,
}

enum PathStep {
    Key(String),
    Index(usize),
}

fn read(bytes: &[u8], spelling: Spelling) -> Result<Value, StrictError> {
    let mut found = FoundDuplicate::default();
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let read = Strict { spelling, found: &mut found }
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value));
    read.map_err(|error| match found.twice {
        Some((first, second)) if first == second => {
            StrictError::Duplicate { key: shown(&second), path: path(&found.path) }
        }
        Some((first, second)) => {
            StrictError::TwoSpellings { first: shown(&first), second: shown(&second), path: path(&found.path) }
        }
        None => {
            let (line, column) = (error.line(), error.column());
            let text = error.to_string();
            let tail = format!(" at line {line} column {column}");
            StrictError::Invalid { problem: text.strip_suffix(&tail).unwrap_or(&text).to_owned(), line, column }
        }
    })
}

fn shown(key: &str) -> String {
    key.chars().take(SHOWN).collect()
}

fn path(steps: &[PathStep]) -> String {
    let mut path = String::new();
    for step in steps.iter().rev() {
        match step {
            PathStep::Key(key) => {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(&shown(key));
            }
            PathStep::Index(index) => path.push_str(&format!("[{index}]")),
        }
    }
    path
}

/// `generation_config` as `generationConfig`, as Google's parser reads it.
fn camel(key: &str) -> String {
    let mut out = String::with_capacity(key.len());
    let mut upper = false;
    for char in key.chars() {
        if char == '_' {
            upper = true;
        } else if std::mem::take(&mut upper) {
            out.push(char.to_ascii_uppercase());
        } else {
            out.push(char);
        }
    }
    out
}

struct Strict<'f> {
    spelling: Spelling,
    found: &'f mut FoundDuplicate,
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        loop {
            match access.next_element_seed(Strict { spelling: self.spelling, found: &mut *self.found }) {
                Ok(Some(value)) => list.push(value),
                Ok(None) => return Ok(Value::Array(list)),
                Err(error) => {
                    if self.found.twice.is_some() {
                        self.found.path.push(PathStep::Index(list.len()));
                    }
                    return Err(error);
                }
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        let mut spelt = HashSet::new();
        while let Some(key) = access.next_key::<String>()? {
            if map.contains_key(&key) {
                self.found.twice = Some((key.clone(), key));
                return Err(A::Error::custom("a key is repeated"));
            }
            let mut below = self.spelling;
            if self.spelling == Spelling::Google {
                let name = camel(&key);
                if FREE.contains(&name.as_str()) {
                    below = Spelling::Exact;
                }
                if let Some(name) = spelt.replace(name) {
                    let first = map.keys().find(|other| camel(other) == name).cloned().unwrap_or(name);
                    self.found.twice = Some((first, key));
                    return Err(A::Error::custom("a key is repeated"));
                }
            }
            match access.next_value_seed(Strict { spelling: below, found: &mut *self.found }) {
                Ok(value) => {
                    map.insert(key, value);
                }
                Err(error) => {
                    if self.found.twice.is_some() {
                        self.found.path.push(PathStep::Key(key));
                    }
                    return Err(error);
                }
            }
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_duplicate_key_is_refused_with_its_path() {
        let table = [
            (r#"{"model":"a","model":"b"}"#, "the key `model` is repeated in one object (at the top level)"),
            (r#"{"model":"a","m\u006fdel":"a"}"#, "the key `model` is repeated in one object (at the top level)"),
            (
                r#"{"messages":[{"role":"user"},{"role":"user","content":"x","role":"user"}]}"#,
                "the key `role` is repeated in one object (at `messages[1]`)",
            ),
            (r#"{"a":{"b":[[{"c":{"":1,"":2}}]]}}"#, "the key `` is repeated in one object (at `a.b[0][0].c`)"),
        ];
        for (body, message) in table {
            assert_eq!(parse(body.as_bytes()).unwrap_err().to_string(), message, "{body}");
            assert!(google(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn invalid_json_is_refused_with_line_and_column() {
        let table = [
            ("", "the body is not valid JSON: EOF while parsing a value at line 1, column 0"),
            ("{\n  \"a\": }", "the body is not valid JSON: expected value at line 2, column 8"),
            ("{} {}", "the body is not valid JSON: trailing characters at line 1, column 4"),
        ];
        for (body, message) in table {
            assert_eq!(parse(body.as_bytes()).unwrap_err().to_string(), message, "{body}");
        }
        for body in [&b"{\"a\":\"\xFF\"}"[..], b"{\"a\":NaN}", b"{'a':1}", b"{\"a\":1e999}"] {
            assert!(matches!(parse(body), Err(StrictError::Invalid { .. })), "{body:?}");
        }
        let deep = "[".repeat(100_000);
        assert!(matches!(parse(deep.as_bytes()), Err(StrictError::Invalid { .. })));
    }

    #[test]
    fn googles_two_spellings_are_one_key_outside_of_free_form_json() {
        let refused = [
            r#"{"generationConfig":{},"generation_config":{}}"#,
            r#"{"generation_config":{},"generationConfig":{}}"#,
            r#"{"contents":[{"parts":[{"inlineData":{},"inline_data":{}}]}]}"#,
            r#"{"contents":[{"parts":[{"functionCall":{"name":"f","args":{"a":1,"a":2}}}]}]}"#,
            r#"{"tools":[{"functionDeclarations":[{"parametersJsonSchema":{},"parameters_json_schema":{}}]}]}"#,
        ];
        for body in refused {
            assert!(google(body.as_bytes()).is_err(), "{body}");
        }
        let taken = [
            r#"{"contents":[{"parts":[{"functionCall":{"name":"f","args":{"userId":1,"user_id":{"aB":1,"a_b":2}}}}]}]}"#,
            r#"{"contents":[{"parts":[{"functionResponse":{"response":{"userId":1,"user_id":2}}}]}]}"#,
            r#"{"tools":[{"functionDeclarations":[{"parameters":{"properties":{"userId":{},"user_id":{}}}}]}]}"#,
            r#"{"generation_config":{"response_schema":{"properties":{"userId":{},"user_id":{}}}}}"#,
            r#"{"generationConfig":{"responseJsonSchema":{"userId":{},"user_id":{}}}}"#,
            r#"{"labels":{"teamA":"1","team_a":"2"}}"#,
        ];
        for body in taken {
            assert!(google(body.as_bytes()).is_ok(), "{body}");
        }
        assert_eq!(
            google(refused[0].as_bytes()).unwrap_err().to_string(),
            "the keys `generationConfig` and `generation_config` are the same field, repeated in one object (at the top level)"
        );
        assert!(parse(refused[0].as_bytes()).is_ok(), "elsewhere they are two keys");
    }

    #[test]
    fn the_value_is_what_serde_json_reads() {
        let body = br#"{"z":1,"a":[null,true,-2,1.5,"x\ud83d\ude00",18446744073709551615],"m":{"$serde_json::private::RawValue":"1"}}"#;
        let value = parse(body).unwrap();
        assert_eq!(value["a"], json!([null, true, -2, 1.5, "x😀", u64::MAX]));
        assert_eq!(value["m"]["$serde_json::private::RawValue"], "1");
        assert_eq!(value.as_object().unwrap().keys().collect::<Vec<_>>(), ["z", "a", "m"]);
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            ".{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
                prop::collection::vec((".{0,4}", inner), 0..5)
                    .prop_map(|entries| Value::Object(entries.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn without_duplicates_it_is_an_ordinary_parser(value in values()) {
            prop_assert_eq!(parse(value.to_string().as_bytes()).unwrap(), value);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = parse(&bytes);
            let _ = google(&bytes);
        }
    }
}
