//! Ids of tool calls: Anthropic accepts only `^[a-zA-Z0-9_-]+$`, other providers use any text.

use std::borrow::Cow;
use std::fmt::Write;

/// The id in the form that Anthropic accepts. A valid id is unchanged; in others each invalid byte is written as `_`
/// and two hexadecimal digits, so that a call and its result still match and two calls still differ.
pub fn fit(id: &str) -> Cow<'_, str> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if id.is_empty() {
        return Cow::Borrowed("call");
    }
    if id.bytes().all(fits) {
        return Cow::Borrowed(id);
    }
    let mut fitted = String::with_capacity(id.len() + 8);
    for byte in id.bytes() {
        if fits(byte) {
            fitted.push(char::from(byte));
        } else {
            // Writing to a string can't fail.
            let _ = write!(fitted, "_{byte:02x}");
        }
    }
    Cow::Owned(fitted)
}

#[cfg(test)]
mod tests {
    use super::fit;

    #[test]
    fn ids_are_made_valid_and_stay_distinct() {
        for (id, fitted) in [
            ("toolu_01A-b", "toolu_01A-b"),
            ("call.1", "call_2e1"),
            ("call:1", "call_3a1"),
            ("functions.get weather:0", "functions_2eget_20weather_3a0"),
            ("é", "_c3_a9"),
            ("", "call"),
        ] {
            assert_eq!(fit(id), fitted, "{id}");
        }
    }
}
