//! Parses one escaped byte, as JSON, a URL or HTML writes it.

/// The longest sequences of escapes of one byte that are recognized.
pub(super) const BACKSLASHES: usize = 8;
const PERCENTS: usize = 3;
/// The most digits of a numeric escape, including its end.
const DIGITS: usize = 8;

/// The comparison of a text with the value.
pub(super) enum Match {
    No,
    /// The text ends before the value.
    Incomplete,
    /// They match up to this position.
    To(usize),
}

/// Compares the start of the text with one escaped byte: `\u002b`, `\x2b`, `\/`, `%2B`, `%252b`, `&#43;`, `&#x2b;`,
/// `&amp;`.
pub(super) fn escaped(text: &[u8], byte: u8) -> Match {
    let Some(first) = text.first() else { return Match::Incomplete };
    match first {
        b'\\' => {
            let escapes = text.iter().take(BACKSLASHES).take_while(|byte| **byte == b'\\').count();
            match text.get(escapes) {
                None => Match::Incomplete,
                Some(b'u') if text.get(escapes + 1) == Some(&b'{') => number(text, escapes + 2, 16, b'}', byte),
                Some(b'u') => hex(text, escapes + 1, 4, byte),
                Some(b'x') => hex(text, escapes + 1, 2, byte),
                Some(next) if *next == byte => Match::To(escapes + 1),
                Some(_) => Match::No,
            }
        }
        b'%' => {
            let mut at = 1;
            for _ in 0..PERCENTS {
                match text.get(at..).unwrap_or_default() {
                    // An escaped per cent sign may follow, and may be incomplete.
                    b"2" => return Match::Incomplete,
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
            None => Match::Incomplete,
            Some([b'#', b'x' | b'X']) => number(text, 3, 16, b';', byte),
            Some([b'#', _]) => number(text, 2, 10, b';', byte),
            Some(_) => entity(text, byte),
        },
        _ => Match::No,
    }
}

/// Compares a numeric escape with an end of its own. Leading zeros are allowed.
fn number(text: &[u8], at: usize, radix: u32, end: u8, byte: u8) -> Match {
    let mut value = 0_u32;
    for (read, digit) in text.get(at..).unwrap_or_default().iter().take(DIGITS).enumerate() {
        match char::from(*digit).to_digit(radix) {
            Some(digit) => value = value.saturating_mul(radix).saturating_add(digit),
            None if *digit == end && read > 0 && value == u32::from(byte) => return Match::To(at + read + 1),
            None => return Match::No,
        }
    }
    if text.len() < at + DIGITS { Match::Incomplete } else { Match::No }
}

/// Compares with the named entities of HTML.
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
        true => Some(Match::To(name.len())),
        false => name.starts_with(text).then_some(Match::Incomplete),
    });
    found.unwrap_or(Match::No)
}

/// Compares with a number of hexadecimal digits.
fn hex(text: &[u8], at: usize, digits: usize, byte: u8) -> Match {
    let digit = |nibble: u8| b"0123456789abcdef"[usize::from(nibble)];
    let wanted = [b'0', b'0', digit(byte >> 4), digit(byte & 15)];
    let wanted = &wanted[4 - digits..];
    let rest = text.get(at..).unwrap_or_default();
    let length = rest.len().min(digits);
    match rest[..length].eq_ignore_ascii_case(&wanted[..length]) {
        true if length == digits => Match::To(at + digits),
        true => Match::Incomplete,
        false => Match::No,
    }
}
