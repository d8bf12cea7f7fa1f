//! Masks the gateway's own credential in what an upstream sends.
//!
//! Some servers quote the request that they refuse, with its headers. Neither the application nor a log may learn the
//! credential from that. So every body and header of an attempt is searched for the credential that was sent with it:
//!
//! ```text
//! {"error": {"param": "Bearer sk-live-1234"}}  ->  {"error": {"param": "Bearer ***"}}
//! ```
//! An error is searched thoroughly: also for the value with escapes of JSON, HTML or a URL, in Base64 and in
//! hexadecimal digits, and for parts of it ([`Mask::error`]). A successful answer is searched for the value as it was
//! sent, which costs one `memmem`; if JSON or a URL would escape the value, also with escapes.

mod encoded;
mod escaped;
mod parts;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use memchr::memmem::Finder;
use memchr::{memchr, memchr3_iter};

use self::encoded::{base64_of, hex_of};
use self::escaped::{BACKSLASHES, Match, escaped};
use self::parts::Parts;

/// The replacement of the value.
pub const REPLACEMENT: &str = "***";

/// The shortest value that is masked, in bytes. A shorter one (`mock`, `x`) protects nothing, and may be in an answer
/// by chance.
pub const MIN_LENGTH: usize = 8;

/// Values that people set for servers without keys. They are no secrets, and may be words of an answer.
const PLACEHOLDERS: [&str; 8] = [
    "no-key-required",
    "not-needed",
    "not-required",
    "lm-studio",
    "outrigger",
    "placeholder",
    "sk-no-key-required",
    "undefined",
];

/// A credential's value, prepared for the search.
pub struct Mask {
    value: Finder<'static>,
    /// No encoder escapes any of its bytes.
    plain: bool,
    /// Its Base64, alone or between other bytes, and its hexadecimal digits.
    encoded: Vec<Finder<'static>>,
    parts: Parts,
}

impl fmt::Debug for Mask {
    /// Without the value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mask(…)")
    }
}

impl Mask {
    /// `None` for a value that is too short, or is a placeholder.
    #[must_use]
    pub fn new(value: &str) -> Option<Arc<Mask>> {
        if value.len() < MIN_LENGTH || PLACEHOLDERS.contains(&value) {
            return None;
        }
        let plain = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
        let (base64, hex) = (base64_of(value.as_bytes()), hex_of(value.as_bytes()));
        let parts = Parts::of(value.as_bytes(), &base64, &hex);
        let encoded = base64.iter().chain(&hex).map(|text| Finder::new(text).into_owned()).collect();
        Some(Arc::new(Mask { value: Finder::new(value).into_owned(), plain, encoded, parts }))
    }

    /// The places of the value in a text, in order.
    fn places<'t>(&'t self, text: &'t [u8], thorough: bool) -> Places<'t> {
        // An escaped byte is longer than the byte, so a shorter text cannot contain the value.
        let thorough = thorough && text.len() >= self.value.needle().len();
        let encoded = if thorough { vec![Next::Unknown; self.encoded.len()] } else { Vec::new() };
        Places { mask: self, text, thorough, at: 0, own: Next::Unknown, encoded }
    }

    /// The first place of the value itself from `at` on, with or without escapes.
    fn own(&self, text: &[u8], thorough: bool, at: usize) -> Option<(usize, usize)> {
        let rest = text.get(at..)?;
        if self.plain && !thorough {
            return exact(&self.value, text, at);
        }
        possible_starts(self.value.needle()[0], rest, thorough).find_map(|found| match self.matches(text, at + found) {
            Match::To(end) => Some((at + found, end)),
            Match::No | Match::Incomplete => None,
        })
    }

    /// Where the end of the text could be the beginning of the value.
    fn partial_end(&self, text: &[u8], thorough: bool) -> Option<usize> {
        let value = self.value.needle();
        if self.plain && !thorough {
            return ends_with_part(text, value);
        }
        let longest = value.len().saturating_mul(BACKSLASHES + 6);
        let from = text.len().saturating_sub(longest);
        let mut first = possible_starts(value[0], &text[from..], thorough)
            .map(|at| from + at)
            .find(|at| matches!(self.matches(text, *at), Match::Incomplete));
        if thorough {
            for found in self.encoded.iter().filter_map(|finder| ends_with_part(text, finder.needle())) {
                first = Some(first.map_or(found, |first| first.min(found)));
            }
        }
        first
    }

    /// Compares the text with the value. Each byte may be escaped.
    fn matches(&self, text: &[u8], mut at: usize) -> Match {
        let mut open = false;
        for byte in self.value.needle() {
            let rest = &text[at..];
            match escaped(rest, *byte) {
                Match::To(length) => at += length,
                // A character that begins an escape may stand for itself. At the end of the text, the escape may be
                // incomplete.
                other if rest.first() == Some(byte) => {
                    open |= matches!(other, Match::Incomplete);
                    at += 1;
                }
                Match::No if open => return Match::Incomplete,
                other => return other,
            }
        }
        Match::To(at)
    }

    /// Writes the masked text up to the end of the last place, and returns that position; 0 if there is none.
    fn write(&self, text: &[u8], thorough: bool, out: &mut Vec<u8>) -> usize {
        let mut at = 0;
        for (start, end) in self.places(text, thorough) {
            out.extend_from_slice(&text[at..start]);
            out.extend_from_slice(REPLACEMENT.as_bytes());
            at = end;
        }
        at
    }

    /// Masks the value in bytes.
    #[must_use]
    pub fn bytes<'t>(&self, text: &'t [u8], thorough: bool) -> Cow<'t, [u8]> {
        let mut out = Vec::new();
        match self.write(text, thorough, &mut out) {
            0 => Cow::Borrowed(text),
            from => {
                out.extend_from_slice(&text[from..]);
                Cow::Owned(out)
            }
        }
    }

    /// Masks the value and its longer parts in an error. Returns whether the value, or at least half of it, was there.
    #[must_use]
    pub fn error<'t>(&self, text: &'t [u8]) -> (Cow<'t, [u8]>, bool) {
        let whole = self.bytes(text, true);
        let quoted = matches!(whole, Cow::Owned(_));
        match self.parts.mask(&whole) {
            Some((masked, half)) => (Cow::Owned(masked), quoted || half),
            None => (whole, quoted),
        }
    }

    /// The same for a string.
    #[must_use]
    pub fn text(&self, text: String) -> (String, bool) {
        match self.error(text.as_bytes()) {
            (Cow::Borrowed(_), quoted) => (text, quoted),
            (Cow::Owned(masked), quoted) => (String::from_utf8_lossy(&masked).into_owned(), quoted),
        }
    }

    /// Masks the value in headers; for an error, also parts of it. Returns true if it was there.
    pub fn headers(&self, headers: &mut HeaderMap, error: bool) -> bool {
        let mut found = false;
        for value in headers.values_mut() {
            // Most are too short to contain it in any form.
            if !error && value.len() < self.value.needle().len() {
                continue;
            }
            let (masked, quoted) = match error {
                true => self.error(value.as_bytes()),
                // Headers are short, so a thorough search costs next to nothing.
                false => (self.bytes(value.as_bytes(), true), true),
            };
            if let Cow::Owned(masked) = masked {
                found |= quoted;
                *value = HeaderValue::from_bytes(&masked).unwrap_or(HeaderValue::from_static(REPLACEMENT));
            }
        }
        found
    }
}

/// Where the value may begin: at its first byte or at an escape. Only errors contain HTML entities.
fn possible_starts(first: u8, text: &[u8], thorough: bool) -> impl Iterator<Item = usize> {
    let escapes = (!thorough).then(|| memchr3_iter(first, b'\\', b'%', text));
    let begins = move |byte: u8| byte == first || matches!(byte, b'\\' | b'%' | b'&');
    let all = thorough.then(|| text.iter().enumerate().filter(move |(_, byte)| begins(**byte)).map(|(at, _)| at));
    escapes.into_iter().flatten().chain(all.into_iter().flatten())
}

/// The next place of one form of the value.
#[derive(Clone, Copy)]
enum Next {
    Unknown,
    At(usize, usize),
    Nowhere,
}

/// See [`Mask::places`]. Each form is searched once, however often the others are found.
struct Places<'t> {
    mask: &'t Mask,
    text: &'t [u8],
    thorough: bool,
    at: usize,
    own: Next,
    encoded: Vec<Next>,
}

impl Next {
    /// Searches again if the known place was passed.
    fn from(self, at: usize, look: impl FnOnce() -> Option<(usize, usize)>) -> Next {
        match self {
            Next::Nowhere => self,
            Next::At(start, _) if start >= at => self,
            Next::At(..) | Next::Unknown => look().map_or(Next::Nowhere, |(start, end)| Next::At(start, end)),
        }
    }
}

impl Iterator for Places<'_> {
    type Item = (usize, usize);

    fn next(&mut self) -> Option<(usize, usize)> {
        let Places { mask, text, thorough, at, .. } = *self;
        self.own = self.own.from(at, || mask.own(text, thorough, at));
        for (next, finder) in self.encoded.iter_mut().zip(&mask.encoded) {
            *next = next.from(at, || exact(finder, text, at));
        }
        let places = self.encoded.iter().chain([&self.own]);
        let place = places.filter_map(|next| if let Next::At(start, end) = next { Some((*start, *end)) } else { None });
        let (start, end) = place.min()?;
        self.at = end;
        Some((start, end))
    }
}

fn exact(finder: &Finder<'_>, text: &[u8], at: usize) -> Option<(usize, usize)> {
    let start = at + finder.find(text.get(at..)?)?;
    Some((start, start + finder.needle().len()))
}

/// The position at which the text ends with a beginning of the value.
fn ends_with_part(text: &[u8], value: &[u8]) -> Option<usize> {
    // Events end with a line feed and answers with a brace, so this check is usually enough.
    memchr(*text.last()?, value)?;
    let mut from = text.len().saturating_sub(value.len() - 1);
    while let Some(found) = memchr(value[0], &text[from..]) {
        let at = from + found;
        if value.starts_with(&text[at..]) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

/// Masks a value in bytes that arrive in chunks, wherever they are cut.
///
/// Bytes that could be the beginning of the value are held back until that is clear. At the end of an event or a
/// document there are none.
pub struct Masker {
    mask: Arc<Mask>,
    thorough: bool,
    pending: Vec<u8>,
    found: bool,
}

impl fmt::Debug for Masker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Masker").field("found", &self.found).finish_non_exhaustive()
    }
}

impl Masker {
    #[must_use]
    pub fn new(mask: Arc<Mask>, thorough: bool) -> Self {
        Masker { mask, thorough, pending: Vec::new(), found: false }
    }

    /// Whether the value was found so far.
    #[must_use]
    pub fn found(&self) -> bool {
        self.found
    }

    /// The bytes that can be passed on, of the chunk and of what was held back. May be empty.
    pub fn push(&mut self, piece: Bytes) -> Bytes {
        if self.pending.is_empty() && self.mask.places(&piece, self.thorough).next().is_none() {
            let Some(at) = self.mask.partial_end(&piece, self.thorough) else { return piece };
            self.pending = piece[at..].to_vec();
            return piece.slice(..at);
        }
        let mut text = std::mem::take(&mut self.pending);
        text.extend_from_slice(&piece);
        let mut out = Vec::with_capacity(text.len());
        let written = self.mask.write(&text, self.thorough, &mut out);
        self.found |= written > 0;
        let rest = &text[written..];
        let at = self.mask.partial_end(rest, self.thorough).unwrap_or(rest.len());
        out.extend_from_slice(&rest[..at]);
        self.pending = rest[at..].to_vec();
        out.into()
    }

    /// The bytes that were held back, at the end.
    pub fn finish(&mut self) -> Bytes {
        std::mem::take(&mut self.pending).into()
    }

    /// Masks the value in a message about the attempt.
    #[must_use]
    pub fn text(&self, text: String) -> String {
        self.mask.text(text).0
    }

    /// Masks an error inside the answer with [`Mask::error`].
    pub fn error(&mut self, text: Bytes) -> Bytes {
        let (masked, quoted) = self.mask.error(&text);
        self.found |= quoted;
        match masked {
            Cow::Borrowed(_) => text,
            Cow::Owned(masked) => masked.into(),
        }
    }
}

#[cfg(test)]
#[path = "mask/tests.rs"]
mod tests;
