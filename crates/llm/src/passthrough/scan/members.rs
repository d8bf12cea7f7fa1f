//! Keys of the body, and the few shapes of values that are read.

use std::borrow::Cow;

use super::{LONGEST, ScanError};
use crate::json::raw::unescape;

/// Whether a key differs from another one only in case. Go's parsers, in some upstreams, read the two as one key, of
/// which the last counts, and fold two more letters into ASCII than other parsers.
pub(super) fn differs_in_case(key: &str, known: &str) -> bool {
    let fold = |letter: char| match letter {
        'ſ' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    };
    let may = key.len() == known.len() || !key.is_ascii();
    may && key != known && key.chars().map(fold).eq(known.chars().map(fold))
}

/// A string that is kept, and so must be short; `None` if it is not a string.
pub(super) fn short(raw: &str, field: &'static str) -> Result<Option<String>, ScanError> {
    match raw.len() > LONGEST {
        true => Err(ScanError::TooLong(field)),
        false => Ok(serde_json::from_str(raw).ok()),
    }
}

pub(super) fn boolean(raw: &str, field: &'static str) -> Result<bool, ScanError> {
    match raw {
        "true" => Ok(true),
        "false" | "null" => Ok(false),
        _ => Err(ScanError::Wrong { field, expected: "true or false" }),
    }
}

/// A whole number from zero on, in any spelling that some provider accepts: `100`, `1e2`, and `"100"`, which proto's
/// JSON and lax servers accept. `None` for anything else (`-1` means no limit for some servers).
pub(super) fn whole(raw: &str) -> Option<u64> {
    let text = match raw.as_bytes().first() {
        Some(b'"') => unescape(raw),
        _ => Cow::Borrowed(raw),
    };
    let text = text.trim();
    // A float that is too large becomes the largest number, which has the same effect.
    let float = || text.parse::<f64>().ok().filter(|number| number.fract() == 0.0 && *number >= 0.0);
    text.parse().ok().or_else(|| float().map(|number| number as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_differ_only_in_case_are_detected() {
        for (key, known, expected) in [
            ("max_tokens", "max_tokens", false),
            ("Max_Tokens", "max_tokens", true),
            ("max_to\u{212a}en\u{17f}", "max_tokens", true),
            ("MAXTOKENS", "max_tokens", false),
            ("cachedcontent", "cachedContent", true),
            ("N", "n", true),
            ("max_tokens_", "max_tokens", false),
            ("", "n", false),
        ] {
            assert_eq!(differs_in_case(key, known), expected, "{key}");
        }
    }

    #[test]
    fn whole_numbers_are_accepted_in_every_spelling_of_providers() {
        for (raw, expected) in [
            ("100", Some(100)),
            ("1e2", Some(100)),
            ("100.0", Some(100)),
            ("\"100\"", Some(100)),
            (r#""1\u0030""#, Some(10)),
            ("0", Some(0)),
            ("-0.0", Some(0)),
            ("1e300", Some(u64::MAX)),
            ("-1", None),
            ("1.5", None),
            ("null", None),
            ("true", None),
            ("\"many\"", None),
            ("\"inf\"", None),
            ("\"nan\"", None),
            ("[1]", None),
            ("\"\"", None),
        ] {
            assert_eq!(whole(raw), expected, "{raw}");
        }
    }
}
