//! What a JSON text takes in memory once it is parsed, estimated before it is.
//!
//! A tree of values is many times as long as its text: an object with one member takes some 500
//! bytes, a list with one number 300, whatever the few bytes are that they stand for. One pass over
//! the text counts its values without building any, so that memory can be set aside, or the text
//! refused, before there is a tree.

use memchr::memchr2;
use serde_json::Value;

/// What stands in a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weight {
    pub bytes: usize,
    /// Objects and lists with something in them.
    pub opens: usize,
    /// `,`.
    pub commas: usize,
    /// `:`.
    pub keys: usize,
    /// Strings, keys among them.
    pub strings: usize,
    /// Bytes of the longest string that is put together elsewhere before it is kept: one with escapes, or a key.
    pub longest: usize,
}

impl Weight {
    /// Counts what stands in a text. Of one that is no JSON it says something, too.
    #[must_use]
    pub fn of(text: &[u8]) -> Weight {
        let mut weight = Weight { bytes: text.len(), ..Weight::default() };
        let mut at = 0;
        while let Some(byte) = text.get(at) {
            at += 1;
            match byte {
                // An empty one has nothing set aside.
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

    /// By the last letter.
    #[must_use]
    pub fn tree(&self) -> usize {
        self.bytes + 2 * self.longest + self.nodes()
    }

    /// The same for a request to embed, whose model has a name of so many bytes: each text becomes a request of its own.
    #[must_use]
    pub fn embedded(&self, model: usize) -> usize {
        self.translated() + self.bytes + (self.commas + 1) * (EMBEDDED + 2 * model)
    }

    /// Counts what stands in a string that may be the text of an object.
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

    /// Bytes that it takes to tell the text in another dialect: the tree, the conversation read
    /// from it, the tree that is written, and the text of that. Not all of them are there at once.
    #[must_use]
    pub fn translated(&self) -> usize {
        // Long strings are there three times: read, translated, and written, where there is room to spare.
        3 * self.bytes + self.bytes / 4 + self.nodes() * 2 + 4_096
    }
}

/// Whether a string begins like the text of an object, however it is spelled.
fn may_be_object(string: &[u8]) -> bool {
    // Most begin with a letter.
    matches!(string.first(), Some(b'{' | b'\\' | b' '))
        && Unescaped(string).find(|byte| !byte.is_ascii_whitespace()) == Some(b'{')
}

/// What a string stands for, byte by byte; of what is not ASCII a question mark.
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

/// The least room that a list or an object takes with something in it.
const OPEN: usize = 400;
/// Another value: its place, three times while a list grows by doubling.
const COMMA: usize = 216;
/// Its place in an object, beyond that of a value.
const KEY: usize = 110;
/// A request to embed one text.
const EMBEDDED: usize = 2_400;
/// The least that the allocator gives.
const STRING: usize = 32;

/// Parses a text whose tree takes at most so many bytes. None for a larger one, and for what is no JSON.
#[must_use]
pub fn parse_within(text: &[u8], most: usize) -> Option<Value> {
    // Short ones cannot be large: no need to look.
    let fits = text.len() < most / WORST || Weight::of(text).tree() <= most;
    fits.then(|| serde_json::from_slice(text).ok()).flatten()
}

/// No byte of a text takes more than this in a tree.
const WORST: usize = 256;
