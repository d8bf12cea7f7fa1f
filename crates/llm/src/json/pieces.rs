//! The tokens of a JSON text, one after another, without building values.
//!
//! For bytes that a scan has already accepted as JSON. For others the tokens are arbitrary, but it ends.

use std::borrow::Cow;

use memchr::{memchr, memchr2, memmem};

/// A token. Strings are raw: without quotes, with escapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JsonToken<'a> {
    /// `{` or `[`.
    Open,
    Close,
    Key(&'a [u8]),
    Text(&'a [u8]),
    /// A number, `true`, `false` or `null`.
    Bare(&'a [u8]),
}

#[derive(Clone, Debug)]
pub(crate) struct JsonTokens<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> JsonTokens<'a> {
    pub(crate) fn of(bytes: &'a [u8]) -> Self {
        JsonTokens { bytes, at: 0 }
    }

    /// Reads from after the opening quote; the position moves after the closing one.
    fn string(&mut self) -> &'a [u8] {
        let start = self.at;
        while let Some(found) = self.bytes.get(self.at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
            let at = self.at + found;
            if self.bytes[at] == b'"' {
                self.at = at + 1;
                return &self.bytes[start..at];
            }
            self.at = at + 2;
        }
        self.at = self.bytes.len();
        self.bytes.get(start..).unwrap_or_default()
    }

    /// Whether a colon comes next; if so, the position moves after it.
    fn colon(&mut self) -> bool {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let space = rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let found = rest.get(space) == Some(&b':');
        if found {
            self.at += space + 1;
        }
        found
    }
}

impl<'a> Iterator for JsonTokens<'a> {
    type Item = JsonToken<'a>;

    fn next(&mut self) -> Option<JsonToken<'a>> {
        loop {
            let byte = *self.bytes.get(self.at)?;
            let start = self.at;
            self.at += 1;
            return Some(match byte {
                b' ' | b'\n' | b'\r' | b'\t' | b',' | b':' => continue,
                b'{' | b'[' => JsonToken::Open,
                b'}' | b']' => JsonToken::Close,
                b'"' => {
                    let inner = self.string();
                    if self.colon() { JsonToken::Key(inner) } else { JsonToken::Text(inner) }
                }
                _ => {
                    let ends = |byte: &u8| b" \n\r\t,:{}[]\"".contains(byte);
                    let length = self.bytes[self.at..].iter().take_while(|byte| !ends(byte)).count();
                    self.at += length;
                    JsonToken::Bare(&self.bytes[start..self.at])
                }
            });
        }
    }
}

/// The same JSON with printable ASCII characters unescaped. An upstream reads `image\u005furl` as `image_url`, so code
/// that compares raw bytes must compare these. Serializers don't write such escapes.
pub(crate) fn without_ascii_escapes(json: &[u8]) -> Cow<'_, [u8]> {
    if memmem::find(json, b"\\u00").is_none() {
        return Cow::Borrowed(json);
    }
    let mut unescaped: Vec<u8> = Vec::with_capacity(json.len());
    // The positions up to which it is copied, and searched.
    let (mut copied, mut at) = (0, 0);
    while let Some(found) = memchr(b'\\', json.get(at..).unwrap_or_default()) {
        let escape = at + found;
        at = escape + 2;
        let coded = json.get(escape + 1..escape + 6).and_then(|code| code.strip_prefix(b"u00"));
        let digit = |byte: &u8| char::from(*byte).to_digit(16);
        let byte = coded.and_then(|code| Some(digit(code.first()?)? * 16 + digit(code.get(1)?)?));
        let Some(byte) = byte.and_then(|byte| u8::try_from(byte).ok()).filter(|byte| (0x20..0x7f).contains(byte))
        else {
            continue;
        };
        unescaped.extend_from_slice(&json[copied..escape]);
        if matches!(byte, b'"' | b'\\') {
            unescaped.push(b'\\');
        }
        unescaped.push(byte);
        at = escape + 6;
        copied = at;
    }
    if copied == 0 {
        return Cow::Borrowed(json);
    }
    unescaped.extend_from_slice(&json[copied..]);
    Cow::Owned(unescaped)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pieces_come_in_order() {
        let tokens: Vec<JsonToken<'_>> =
            JsonTokens::of(br#" {"a" : [1.5, true,"x\"]" ],"\u0062":{ "c":null}}"#).collect();
        let expected = [
            JsonToken::Open,
            JsonToken::Key(b"a"),
            JsonToken::Open,
            JsonToken::Bare(b"1.5"),
            JsonToken::Bare(b"true"),
            JsonToken::Text(br#"x\"]"#),
            JsonToken::Close,
            JsonToken::Key(br"\u0062"),
            JsonToken::Open,
            JsonToken::Key(b"c"),
            JsonToken::Bare(b"null"),
            JsonToken::Close,
            JsonToken::Close,
        ];
        assert_eq!(tokens, expected);
    }

    #[test]
    fn unnecessary_escapes_are_removed() {
        for (json, expected) in [
            (r#""image\u005Furl""#, r#""image_url""#),
            (r#"{"\u0074ype":"\u0061\u0062"}"#, r#"{"type":"ab"}"#),
            // A quote stays part of the text, a backslash before a letter stays a backslash.
            (r#""\u0022\u005c""#, r#""\"\\""#),
            (r#""\\u0041\\\u0041""#, r#""\\u0041\\A""#),
            (r#""\u00e9\u0000\u4e2d\n\u000a""#, r#""\u00e9\u0000\u4e2d\n\u000a""#),
            (r#""\u00"#, r#""\u00"#),
            (r#""\u00zz\u0041"#, r#""\u00zzA"#),
        ] {
            assert_eq!(String::from_utf8_lossy(&without_ascii_escapes(json.as_bytes())), expected, "{json}");
        }
        assert!(matches!(without_ascii_escapes(br#""\u00e9""#), Cow::Borrowed(_)));
    }

    proptest! {
        #[test]
        fn it_ends_for_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200), text in r#"["\\\[\]{}:,a-c ]{0,60}"#) {
            prop_assert!(JsonTokens::of(&bytes).count() <= bytes.len());
            prop_assert!(JsonTokens::of(text.as_bytes()).count() <= text.len());
        }
    }
}
