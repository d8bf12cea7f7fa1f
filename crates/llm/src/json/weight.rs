//! Estimates the memory that a JSON text takes after parsing, before it is parsed.
//!
//! A tree of values is much larger than its text: an object with one member takes some 500 bytes, a list with one
//! number 300, however short the text is. One pass over the text counts its values without building any, so that memory
//! can be reserved, or the text refused, before there is a tree.

use memchr::memchr2;
use serde_json::Value;

/// Counts of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weight {
    pub bytes: usize,
    /// Objects and lists that are not empty.
    pub opens: usize,
    /// `,`.
    pub commas: usize,
    /// `:`.
    pub keys: usize,
    /// Strings, including keys.
    pub strings: usize,
    /// The length in bytes of the longest string that needs a separate buffer: one with escapes, or a key.
    pub longest: usize,
}

impl Weight {
    /// Counts a text. For a text that is not JSON the result is arbitrary.
    #[must_use]
    pub fn of(text: &[u8]) -> Weight {
        let mut weight = Weight { bytes: text.len(), ..Weight::default() };
        let mut at = 0;
        while let Some(byte) = text.get(at) {
            at += 1;
            match byte {
                // An empty one allocates nothing.
                b'{' | b'[' => weight.opens += usize::from(!matches!(text.get(at), Some(b'}' | b']'))),
                b',' => weight.commas += 1,
                b':' => weight.keys += 1,
                b'"' => {
                    weight.strings += 1;
                    let (start, mut escaped) = (at, false);
                    while let Some(found) = text.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
                        at += found;
                        if text.get(at) == Some(&b'"') {
                            at += 1;
                            break;
                        }
                        escaped = true;
                        at += 2;
                    }
                    if escaped || text.get(at) == Some(&b':') {
                        weight.longest = weight.longest.max(at - start);
                    }
                    // Arguments and results of tools are text in one dialect and objects in another.
                    let inside = text.get(start..at).unwrap_or_default();
                    if may_be_object(inside) {
                        weight.inside(inside);
                    }
                }
                _ => {}
            }
        }
        weight
    }

    /// The most bytes that a [`Value`] of the text takes, while it is built and after.
    #[must_use]
    pub fn tree(&self) -> usize {
        self.bytes + 2 * self.longest + self.nodes()
    }

    /// The same for a request to embed, whose model's name has this many bytes: each text becomes a separate request.
    #[must_use]
    pub fn embedded(&self, model: usize) -> usize {
        self.translated() + self.bytes + (self.commas + 1) * (EMBEDDED + 2 * model)
    }

    /// Counts the content of a string that may be the text of an object.
    fn inside(&mut self, string: &[u8]) {
        let mut bytes = Unescaped(string).peekable();
        while let Some(byte) = bytes.next() {
            match byte {
                b'{' | b'[' => self.opens += usize::from(!matches!(bytes.peek(), Some(b'}' | b']'))),
                b',' => self.commas += 1,
                b':' => self.keys += 1,
                b'"' => {
                    self.strings += 1;
                    while let Some(byte) = bytes.next().filter(|byte| *byte != b'"') {
                        if byte == b'\\' {
                            bytes.next();
                        }
                    }
                }
                _ => {}
            }
        }
    }

    fn nodes(&self) -> usize {
        self.opens * OPEN + self.commas * COMMA + self.keys * KEY + self.strings * STRING
    }

    /// The memory for translating the text to another dialect, in bytes: the tree, the conversation decoded from it,
    /// the tree that is encoded, and its text. Not all of them exist at the same time.
    #[must_use]
    pub fn translated(&self) -> usize {
        // A key has at most one string as its value. The others are in lists, as Ollama's pictures.
        let listed = self.strings.saturating_sub(2 * self.keys);
        // Long strings exist three times: decoded, translated, and encoded, with spare capacity.
        3 * self.bytes + self.bytes / 4 + self.nodes() * 2 + listed * LISTED + 4_096
    }
}

/// Whether a string begins like the text of an object, in any spelling.
fn may_be_object(string: &[u8]) -> bool {
    // Most begin with a letter.
    matches!(string.first(), Some(b'{' | b'\\' | b' '))
        && Unescaped(string).find(|byte| !byte.is_ascii_whitespace()) == Some(b'{')
}

/// The unescaped bytes of a string; a question mark for anything that is not ASCII.
struct Unescaped<'a>(&'a [u8]);

impl Iterator for Unescaped<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        if *first != b'\\' {
            self.0 = rest;
            return Some(*first);
        }
        let (escaped, length) = match rest.first()? {
            b'u' => {
                let digits = rest.get(1..5).and_then(|digits| std::str::from_utf8(digits).ok());
                let code = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(u8::is_ascii);
                (code.unwrap_or(b'?'), 5)
            }
            b'n' | b'r' | b't' | b'b' | b'f' => (b' ', 1),
            other => (*other, 1),
        };
        self.0 = rest.get(length..).unwrap_or_default();
        Some(escaped)
    }
}

/// The smallest allocation of a list or an object that is not empty.
const OPEN: usize = 400;
/// Another value: three times its size while a list grows by doubling.
const COMMA: usize = 216;
/// Its entry in an object, in addition to the value.
const KEY: usize = 110;
/// A string in a list, in addition to the value: as a part of a message it becomes three objects.
const LISTED: usize = 1_000;
/// A request to embed one text.
const EMBEDDED: usize = 2_400;
/// The smallest allocation.
const STRING: usize = 32;

/// What the tree of a piece of JSON may take beyond its text, in bytes. The piece may begin inside of a string, so what is
/// in strings counts, too.
pub(crate) fn of_piece(piece: &str) -> usize {
    let node = |byte: u8| match byte {
        b'{' | b'[' => OPEN,
        b',' => COMMA,
        b':' => KEY,
        _ => 0,
    };
    piece.bytes().map(node).sum()
}

/// Parses a text whose tree takes at most `most` bytes. `None` for a larger one, and if it is not JSON.
#[must_use]
pub fn parse_within(text: &[u8], most: usize) -> Option<Value> {
    // Short texts can't be large and need no count.
    let fits = text.len() < most / WORST || Weight::of(text).tree() <= most;
    fits.then(|| serde_json::from_slice(text).ok()).flatten()
}

/// The largest factor between a text and its tree.
const WORST: usize = 256;
