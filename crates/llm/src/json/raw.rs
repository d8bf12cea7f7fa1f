//! Visits the members of an object and the elements of a list in order, as raw text.
//!
//! Visited values are not kept, so a text of a million small values needs no more memory than one of ten.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// The text between the quotes, unescaped.
pub(crate) fn unescape(raw: &str) -> Cow<'_, str> {
    let inner = raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default();
    match inner.contains('\\') {
        false => Cow::Borrowed(inner),
        true => serde_json::from_str(raw).map_or(Cow::Borrowed(inner), Cow::Owned),
    }
}

/// Calls `each` with every member of an object in order, including duplicates: its key with quotes, and its value.
/// Returns their number.
///
/// # Errors
/// The text is not JSON, or not an object.
pub(crate) fn members<'a>(
    text: &'a str,
    each: impl FnMut(&'a RawValue, &'a RawValue),
) -> Result<usize, serde_json::Error> {
    read(text, Members(each))
}

/// Calls `each` with every element of a list in order. Returns their number.
///
/// # Errors
/// The text is not JSON, or not a list.
pub(crate) fn elements<'a>(text: &'a str, each: impl FnMut(&'a RawValue)) -> Result<usize, serde_json::Error> {
    read(text, Elements(each))
}

/// The value under an unescaped key. The last member counts, as in most parsers. `None` if the text is not an object.
pub(crate) fn member<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let mut found = None;
    members(text, |name, value| {
        if unescape(name.get()) == key {
            found = Some(value.get());
        }
    })
    .ok()?;
    found
}

/// The number of elements of a list; `None` if the text is not a list.
pub(crate) fn length(text: &str) -> Option<usize> {
    struct Count;
    impl<'de> DeserializeSeed<'de> for Count {
        type Value = usize;
        fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
            deserializer.deserialize_seq(self)
        }
    }
    impl<'de> Visitor<'de> for Count {
        type Value = usize;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<usize, A::Error> {
            let mut count = 0;
            while list.next_element::<IgnoredAny>()?.is_some() {
                count += 1;
            }
            Ok(count)
        }
    }
    read(text, Count).ok()
}

/// Whether a value is this string, after unescaping.
pub(crate) fn is(value: Option<&str>, word: &str) -> bool {
    value.is_some_and(|raw| raw.starts_with('"') && unescape(raw) == word)
}

fn read<'a, S: DeserializeSeed<'a>>(text: &'a str, seed: S) -> Result<S::Value, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let read = seed.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(read)
}

struct Members<F>(F);

impl<'de, F: FnMut(&'de RawValue, &'de RawValue)> DeserializeSeed<'de> for Members<F> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, F: FnMut(&'de RawValue, &'de RawValue)> Visitor<'de> for Members<F> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<usize, A::Error> {
        let mut count = 0;
        while let Some((key, value)) = map.next_entry()? {
            (self.0)(key, value);
            count += 1;
        }
        Ok(count)
    }
}

struct Elements<F>(F);

impl<'de, F: FnMut(&'de RawValue)> DeserializeSeed<'de> for Elements<F> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, F: FnMut(&'de RawValue)> Visitor<'de> for Elements<F> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<usize, A::Error> {
        let mut count = 0;
        while let Some(value) = list.next_element()? {
            (self.0)(value);
            count += 1;
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_and_elements_are_visited_in_order() {
        let mut seen = Vec::new();
        let count = members(r#" {"a" : 1.50 ,"b":[ ], "a":"\u0041"} "#, |key, value| {
            seen.push(format!("{}={}", key.get(), value.get()));
        });
        assert_eq!(
            (count.unwrap(), seen),
            (3, vec!["\"a\"=1.50".to_owned(), "\"b\"=[ ]".into(), r#""a"="\u0041""#.into()])
        );
        let mut seen = Vec::new();
        assert_eq!(elements("[1, {},\"x\"]", |value| seen.push(value.get())).unwrap(), 3);
        assert_eq!(seen, ["1", "{}", "\"x\""]);
        assert_eq!((length("[1,[2,3]]"), length("{}"), length("[1")), (Some(2), None, None));
    }

    #[test]
    fn other_values_are_reported() {
        assert!(members("[]", |_, _| {}).unwrap_err().is_data());
        assert!(elements("{}", |_| {}).unwrap_err().is_data());
        assert!(members("{\"a\":1} x", |_, _| {}).is_err());
        assert!(members("{\"a\":}", |_, _| {}).is_err());
    }

    #[test]
    fn the_last_of_two_members_counts() {
        assert_eq!(member(r#"{"type":"a","x":{"type":"c"},"type":"b"}"#, "type"), Some("\"b\""));
        assert!(is(member(r#"{"t\u0079pe":"\u0062"}"#, "type"), "b") && !is(member(r#"{"type":7}"#, "type"), "7"));
        assert_eq!(member("[]", "type"), None);
    }
}
