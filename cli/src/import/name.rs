//! Valid names for objects, from names that are not valid.

use std::collections::{BTreeMap, BTreeSet};

use super::report::{Fate, code};
use super::source::Node;

/// The longest name of an object or of a list's entry.
const MAX: usize = 50;
/// The longest value of a label.
const LABEL_MAX: usize = 63;

/// The names in use, by realm: the objects of a kind, the credentials of a provider.
#[derive(Debug, Default)]
pub(crate) struct Names {
    taken: BTreeMap<String, BTreeSet<String>>,
}

impl Names {
    /// A free DNS label in `realm`, as similar to `wanted` as possible.
    pub fn free(&mut self, realm: &str, wanted: &str) -> String {
        let taken = self.taken.entry(realm.to_owned()).or_default();
        let base = match label(wanted) {
            empty if empty.is_empty() => "unnamed".to_owned(),
            base => base,
        };
        let mut name = base.clone();
        let mut number = 2_u32;
        while taken.contains(&name) {
            let suffix = format!("-{number}");
            name = format!("{}{suffix}", cut(&base, MAX - suffix.len()));
            number += 1;
        }
        taken.insert(name.clone());
        name
    }

    /// The same. A changed name is reported, because callers and rules use the old one.
    pub fn free_reporting(&mut self, realm: &str, wanted: &str, node: &Node<'_>) -> String {
        let name = self.free(realm, wanted);
        if name != wanted {
            let why = match label(wanted) == name {
                true => "is not a valid name of an object, so the object",
                false => "is the name of another object, so this one",
            };
            node.report(Fate::Doubtful, format!("{} {why} is named {}", code(wanted), code(&name)));
        }
        name
    }
}

/// Lower-case letters, digits and `-`, at most 50; empty if none remain.
pub(crate) fn label(text: &str) -> String {
    let mut label = String::new();
    for letter in text.chars() {
        match letter.to_ascii_lowercase() {
            letter @ ('a'..='z' | '0'..='9') => label.push(letter),
            _ if !label.ends_with('-') => label.push('-'),
            _ => {}
        }
    }
    cut(label.trim_matches('-'), MAX).to_owned()
}

/// A valid label value: letters, digits, `-`, `_` and `.`, at most 63.
pub(crate) fn label_value(text: &str) -> String {
    let fit = |letter: char| if letter.is_ascii_alphanumeric() || "-_.".contains(letter) { letter } else { '-' };
    let value: String = text.chars().map(fit).collect();
    let ends = |letter: char| !letter.is_ascii_alphanumeric();
    let value = value.trim_matches(ends);
    value[..value.len().min(LABEL_MAX)].trim_end_matches(ends).to_owned()
}

fn cut(label: &str, most: usize) -> &str {
    label[..label.len().min(most)].trim_end_matches('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_labels() {
        let mut names = Names::default();
        for (wanted, expected) in [
            ("openai", "openai"),
            ("openai", "openai-2"),
            ("OpenAI", "openai-3"),
            ("Prod Key #1", "prod-key-1"),
            ("--", "unnamed"),
            ("ключ", "unnamed-2"),
            (&"x".repeat(60), &"x".repeat(50)),
            (&"x".repeat(70), &format!("{}-2", "x".repeat(48))),
        ] {
            assert_eq!(names.free("a", wanted), expected);
        }
        assert_eq!(names.free("b", "openai"), "openai");
    }

    #[test]
    fn owners_are_label_values() {
        for (text, expected) in
            [("Platform Team", "Platform-Team"), ("a.b_c", "a.b_c"), (" x ", "x"), ("é", ""), ("_a_", "a")]
        {
            assert_eq!(label_value(text), expected);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_gives_a_name(text in ".{0,80}") {
            let name = Names::default().free("", &text);
            proptest::prop_assert!((1..=50).contains(&name.len()));
            proptest::prop_assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
            proptest::prop_assert!(!name.starts_with('-') && !name.ends_with('-'));
        }
    }
}
