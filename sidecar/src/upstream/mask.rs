//! Takes the gateway's own credential out of what an upstream sends.
//!
//! Some servers quote the request that they refuse, headers and all. The application must not learn
//! the credential from that, and neither must a log. So every body and header of an attempt is
//! searched for the credential that was sent with it:
//!
//! ```text
//! {"error": {"param": "Bearer sk-live-1234"}}  ->  {"error": {"param": "Bearer ***"}}
//! ```
//! An error is searched thoroughly: also for the value with the escapes of JSON, HTML or a URL, in
//! Base64 and in hexadecimal digits, and for parts of it ([`Mask::error`]). An answer that succeeded
//! is searched for the value as it was sent, which costs one `memmem`; for a value that JSON or a URL
//! would escape, also with escapes.

mod parts;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use memchr::memmem::Finder;
use memchr::{memchr, memchr3_iter};
use parts::Parts;

/// What stands in the place of the value.
pub const SHOWN: &str = "***";

/// Bytes of the shortest value that is masked. A shorter one (`mock`, `x`) protects nothing, and is
/// likely to stand in an answer by chance.
pub const SHORTEST: usize = 8;

/// Words that servers without keys are given as one: no secrets, and words of answers.
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

/// The longest runs of escapes in front of one byte that are followed.
const BACKSLASHES: usize = 8;
const PERCENTS: usize = 3;
/// The most digits of an entity's number, and its end.
const DIGITS: usize = 8;

/// A credential's value, ready to be looked for.
pub struct Mask {
    value: Finder<'static>,
    /// No encoder has a reason to escape any of its bytes.
    plain: bool,
    /// Its Base64, alone or with other bytes around it, and its hexadecimal digits.
    encoded: Vec<Finder<'static>>,
    parts: Parts,
}

impl fmt::Debug for Mask {
    /// Nothing of the value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mask(…)")
    }
}

/// How the bytes at a place compare to the value.
enum Match {
    No,
    /// They end before the value does.
    Partly,
    /// Up to here.
    Up(usize),
}

impl Mask {
    /// `None` for a value that is too short, or a word that is none.
    #[must_use]
    pub fn new(value: &str) -> Option<Arc<Mask>> {
        if value.len() < SHORTEST || PLACEHOLDERS.contains(&value) {
            return None;
        }
        let plain = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
        let (base64, hex) = (base64_of(value.as_bytes()), hex_of(value.as_bytes()));
        let parts = Parts::of(value.as_bytes(), &base64, &hex);
        let encoded = base64.iter().chain(&hex).map(|text| Finder::new(text).into_owned()).collect();
        Some(Arc::new(Mask { value: Finder::new(value).into_owned(), plain, encoded, parts }))
    }

    /// Where the value stands, one place after the other.
    fn places<'t>(&'t self, text: &'t [u8], thorough: bool) -> Places<'t> {
        // An escape is longer than what it stands for.
        let thorough = thorough && text.len() >= self.value.needle().len();
        let encoded = if thorough { vec![Next::Unknown; self.encoded.len()] } else { Vec::new() };
        Places { mask: self, text, thorough, at: 0, own: Next::Unknown, encoded }
    }

    /// The first place from `at` on where the value itself stands, with or without escapes.
    fn own(&self, text: &[u8], thorough: bool, at: usize) -> Option<(usize, usize)> {
        let rest = text.get(at..)?;
        if self.plain && !thorough {
            return exact(&self.value, text, at);
        }
        beginnings(self.value.needle()[0], rest, thorough).find_map(|found| match self.matches(text, at + found) {
            Match::Up(end) => Some((at + found, end)),
            Match::No | Match::Partly => None,
        })
    }

    /// Where the end of the text could be the beginning of the value.
    fn partly(&self, text: &[u8], thorough: bool) -> Option<usize> {
        let value = self.value.needle();
        if self.plain && !thorough {
            return ends_with_part(text, value);
        }
        let longest = value.len().saturating_mul(BACKSLASHES + 6);
        let from = text.len().saturating_sub(longest);
        let mut first = beginnings(value[0], &text[from..], thorough)
            .map(|at| from + at)
            .find(|at| matches!(self.matches(text, *at), Match::Partly));
        if thorough {
            for found in self.encoded.iter().filter_map(|finder| ends_with_part(text, finder.needle())) {
                first = Some(first.map_or(found, |first| first.min(found)));
            }
        }
        first
    }

    /// Compares, taking each byte of the value with or without escapes in front.
    fn matches(&self, text: &[u8], mut at: usize) -> Match {
        let mut open = false;
        for byte in self.value.needle() {
            let rest = &text[at..];
            match escaped(rest, *byte) {
                Match::Up(length) => at += length,
                // What begins an escape may stand for itself; at the end of the text it may yet be one.
                other if rest.first() == Some(byte) => {
                    open |= matches!(other, Match::Partly);
                    at += 1;
                }
                Match::No if open => return Match::Partly,
                other => return other,
            }
        }
        Match::Up(at)
    }

    /// Writes the text up to the last place of the value, without it; where that place ends, or 0.
    fn write(&self, text: &[u8], thorough: bool, out: &mut Vec<u8>) -> usize {
        let mut at = 0;
        for (start, end) in self.places(text, thorough) {
            out.extend_from_slice(&text[at..start]);
            out.extend_from_slice(SHOWN.as_bytes());
            at = end;
        }
        at
    }

    /// The bytes without the value.
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

    /// An error without the value and without longer parts of it. Whether the value stood there, or at least half of it.
    #[must_use]
    pub fn error<'t>(&self, text: &'t [u8]) -> (Cow<'t, [u8]>, bool) {
        let whole = self.bytes(text, true);
        let quoted = matches!(whole, Cow::Owned(_));
        match self.parts.out_of(&whole) {
            Some((masked, half)) => (Cow::Owned(masked), quoted || half),
            None => (whole, quoted),
        }
    }

    /// The same of words.
    #[must_use]
    pub fn words(&self, text: String) -> (String, bool) {
        match self.error(text.as_bytes()) {
            (Cow::Borrowed(_), quoted) => (text, quoted),
            (Cow::Owned(masked), quoted) => (String::from_utf8_lossy(&masked).into_owned(), quoted),
        }
    }

    /// Takes the value out of headers, and parts of it out of an error's. True if it was there.
    pub fn headers(&self, headers: &mut HeaderMap, error: bool) -> bool {
        let mut found = false;
        for value in headers.values_mut() {
            // Most are too short for it, in whatever form.
            if !error && value.len() < self.value.needle().len() {
                continue;
            }
            let (masked, quoted) = match error {
                true => self.error(value.as_bytes()),
                // They are short: it costs next to nothing.
                false => (self.bytes(value.as_bytes(), true), true),
            };
            if let Cow::Owned(masked) = masked {
                found |= quoted;
                *value = HeaderValue::from_bytes(&masked).unwrap_or(HeaderValue::from_static(SHOWN));
            }
        }
        found
    }
}

/// Where the value may begin: with its first byte, or an escape. Only errors have entities.
fn beginnings(first: u8, text: &[u8], thorough: bool) -> impl Iterator<Item = usize> {
    let escapes = (!thorough).then(|| memchr3_iter(first, b'\\', b'%', text));
    let begins = move |byte: u8| byte == first || matches!(byte, b'\\' | b'%' | b'&');
    let all = thorough.then(|| text.iter().enumerate().filter(move |(_, byte)| begins(**byte)).map(|(at, _)| at));
    escapes.into_iter().flatten().chain(all.into_iter().flatten())
}

/// Where one form of the value comes next.
#[derive(Clone, Copy)]
enum Next {
    Unknown,
    At(usize, usize),
    Nowhere,
}

/// See [`Mask::places`]. Each form is looked for once, however often the others are found.
struct Places<'t> {
    mask: &'t Mask,
    text: &'t [u8],
    thorough: bool,
    at: usize,
    own: Next,
    encoded: Vec<Next>,
}

impl Next {
    /// Looks again if what is known was passed.
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

/// One byte of the value at the start of the text, escaped: `\u002b`, `\x2b`, `\/`, `%2B`, `%252b`, `&#43;`, `&#x2b;`,
/// `&amp;`.
fn escaped(text: &[u8], byte: u8) -> Match {
    let Some(first) = text.first() else { return Match::Partly };
    match first {
        b'\\' => {
            let escapes = text.iter().take(BACKSLASHES).take_while(|byte| **byte == b'\\').count();
            match text.get(escapes) {
                None => Match::Partly,
                Some(b'u') if text.get(escapes + 1) == Some(&b'{') => number(text, escapes + 2, 16, b'}', byte),
                Some(b'u') => hex(text, escapes + 1, 4, byte),
                Some(b'x') => hex(text, escapes + 1, 2, byte),
                Some(next) if *next == byte => Match::Up(escapes + 1),
                Some(_) => Match::No,
            }
        }
        b'%' => {
            let mut at = 1;
            for _ in 0..PERCENTS {
                match text.get(at..).unwrap_or_default() {
                    // An escaped per cent sign may follow, and may be cut.
                    b"2" => return Match::Partly,
                    [b'2', b'5', ..] if byte != b'%' => at += 2,
                    _ => break,
                }
            }
            match text.get(at) {
                Some(b'u' | b'U') => hex(text, at + 1, 4, byte),
                _ => hex(text, at, 2, byte),
            }
        }
        b'&' => match text.get(1..3) {
            None => Match::Partly,
            Some([b'#', b'x' | b'X']) => number(text, 3, 16, b';', byte),
            Some([b'#', _]) => number(text, 2, 10, b';', byte),
            Some(_) => entity(text, byte),
        },
        _ => Match::No,
    }
}

/// Digits of an escape that has an end of its own, zeros in front or none.
fn number(text: &[u8], at: usize, radix: u32, end: u8, byte: u8) -> Match {
    let mut value = 0_u32;
    for (read, digit) in text.get(at..).unwrap_or_default().iter().take(DIGITS).enumerate() {
        match char::from(*digit).to_digit(radix) {
            Some(digit) => value = value.saturating_mul(radix).saturating_add(digit),
            None if *digit == end && read > 0 && value == u32::from(byte) => return Match::Up(at + read + 1),
            None => return Match::No,
        }
    }
    if text.len() < at + DIGITS { Match::Partly } else { Match::No }
}

/// The entities of HTML that have a name.
fn entity(text: &[u8], byte: u8) -> Match {
    let names: &[&[u8]] = match byte {
        b'&' => &[b"&amp;"],
        b'<' => &[b"&lt;"],
        b'>' => &[b"&gt;"],
        b'"' => &[b"&quot;"],
        b'\'' => &[b"&apos;"],
        _ => &[],
    };
    let found = names.iter().find_map(|name| match text.starts_with(name) {
        true => Some(Match::Up(name.len())),
        false => name.starts_with(text).then_some(Match::Partly),
    });
    found.unwrap_or(Match::No)
}

/// Whether so many hexadecimal digits are the byte.
fn hex(text: &[u8], at: usize, digits: usize, byte: u8) -> Match {
    let digit = |nibble: u8| b"0123456789abcdef"[usize::from(nibble)];
    let wanted = [b'0', b'0', digit(byte >> 4), digit(byte & 15)];
    let wanted = &wanted[4 - digits..];
    let there = text.get(at..).unwrap_or_default();
    let length = there.len().min(digits);
    match there[..length].eq_ignore_ascii_case(&wanted[..length]) {
        true if length == digits => Match::Up(at + digits),
        true => Match::Partly,
        false => Match::No,
    }
}

/// Where a beginning of the value ends the text.
fn ends_with_part(text: &[u8], value: &[u8]) -> Option<usize> {
    // Events end with a line feed, answers with a brace: mostly one look is enough.
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

/// What Base64 makes of the value whatever stands in front of it and behind it: the characters that
/// depend on the value alone.
fn base64_of(value: &[u8]) -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = Vec::new();
    for before in 0..3 {
        let mut bytes = vec![0; before];
        bytes.extend_from_slice(value);
        let from = (before * 8).div_ceil(6);
        let to = bytes.len() * 8 / 6;
        for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
            let text = engine.encode(&bytes);
            if let Some(text) = text.as_bytes().get(from..to).filter(|text| !text.is_empty())
                && !all.iter().any(|other| other == text)
            {
                all.push(text.to_vec());
            }
        }
    }
    all
}

/// Its hexadecimal digits, small and large.
fn hex_of(value: &[u8]) -> [Vec<u8>; 2] {
    let small: Vec<u8> = value.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect();
    let large = small.to_ascii_uppercase();
    [small, large]
}

/// Takes a value out of bytes that come in pieces, wherever they are cut.
///
/// What could be the beginning of the value is held back until it is known; at the end of an event
/// or a document nothing is.
pub struct Masker {
    mask: Arc<Mask>,
    thorough: bool,
    held: Vec<u8>,
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
        Masker { mask, thorough, held: Vec::new(), found: false }
    }

    /// Whether the value stood anywhere so far.
    #[must_use]
    pub fn found(&self) -> bool {
        self.found
    }

    /// What of the piece, and of what was held back, can go on. May be empty.
    pub fn push(&mut self, piece: Bytes) -> Bytes {
        if self.held.is_empty() && self.mask.places(&piece, self.thorough).next().is_none() {
            let Some(at) = self.mask.partly(&piece, self.thorough) else { return piece };
            self.held = piece[at..].to_vec();
            return piece.slice(..at);
        }
        let mut text = std::mem::take(&mut self.held);
        text.extend_from_slice(&piece);
        let mut out = Vec::with_capacity(text.len());
        let told = self.mask.write(&text, self.thorough, &mut out);
        self.found |= told > 0;
        let rest = &text[told..];
        let at = self.mask.partly(rest, self.thorough).unwrap_or(rest.len());
        out.extend_from_slice(&rest[..at]);
        self.held = rest[at..].to_vec();
        out.into()
    }

    /// What was held back and can't become the value any more.
    pub fn finish(&mut self) -> Bytes {
        std::mem::take(&mut self.held).into()
    }

    /// Words about the attempt, without the value.
    #[must_use]
    pub fn text(&self, text: String) -> String {
        self.mask.words(text).0
    }

    /// An error that stood in the answer, as [`Mask::error`] leaves it.
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
