//! Tokens of text, from the kinds of its characters.
//!
//! Without a tokenizer, because each model has its own; the weights are above the counts of OpenAI, Anthropic and
//! Google for prose, code, JSON and other scripts, but seldom by half. They are in thousandths of a token.

use memchr::memchr_iter;

/// How many characters of each kind a text has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct CharacterCounts([u64; KINDS]);

const KINDS: usize = 11;
const WORD: usize = 0;
const SMALL: usize = 1;
const CAPITAL: usize = 2;
const DIGIT: usize = 3;
const GAP: usize = 4;
const MARK: usize = 5;
const ACCENT: usize = 6;
const CYRILLIC: usize = 7;
const TWO: usize = 8;
const THREE: usize = 9;
const FOUR: usize = 10;

/// The weight of each kind, in thousandths of a token. Fitted to the counts of the tokenizers o200k and cl100k for
/// prose in twenty languages, code, JSON, tables and logs.
const WEIGHTS: [u64; KINDS] = {
    let mut weights = [0; KINDS];
    // The start of a word: a letter that follows no letter, or a capital that follows a small one.
    weights[WORD] = 880;
    weights[SMALL] = 95;
    weights[CAPITAL] = 370;
    weights[DIGIT] = 680;
    // A space next to another one, or the end of a line; a single space belongs to its word.
    weights[GAP] = 120;
    weights[MARK] = 720;
    // Two bytes in UTF-8: Latin letters with accents, which split a word; Cyrillic; Greek, Arabic and others.
    weights[ACCENT] = 1_200;
    weights[CYRILLIC] = 600;
    weights[TWO] = 920;
    // Three bytes: Chinese, Hindi, Thai and others; four bytes: emoji and rare ones.
    weights[THREE] = 1_100;
    weights[FOUR] = 3_250;
    weights
};

impl CharacterCounts {
    /// The sum in thousandths of a token.
    pub(super) fn millis(&self) -> u64 {
        self.0.iter().zip(WEIGHTS).map(|(count, weight)| count * weight).sum()
    }

    /// Adds the raw content of a JSON string.
    ///
    /// First everything is counted as if nothing were escaped, many bytes at a time; then the counts of escapes are
    /// corrected.
    pub(super) fn add(&mut self, raw: &[u8]) {
        self.plain(raw);
        // The end of the last escape, and its meaning.
        let (mut end, mut last) = (0, b' ');
        for at in memchr_iter(b'\\', raw) {
            // The second of two backslashes belongs to the first.
            if at >= end {
                let before = if at == end { last } else { raw[at - 1] };
                (end, last) = self.unescape(raw, at, before);
            }
        }
    }

    /// Corrects the count of an escape; returns its end, and the byte that it means.
    fn unescape(&mut self, raw: &[u8], at: usize, before: u8) -> (usize, u8) {
        match raw.get(at + 1) {
            // Counted as a mark and a word of one letter that continues. It is the end of a line.
            Some(b'n' | b'r' | b't' | b'b' | b'f') => {
                self.0[MARK] -= 1;
                self.0[WORD] -= 1;
                self.0[SMALL] -= 1;
                self.0[GAP] += 1;
                match raw.get(at + 2) {
                    Some(b'a'..=b'z') => self.0[WORD] += 1,
                    Some(b' ') => self.0[GAP] += 1,
                    _ => {}
                }
                (at + 2, b'\n')
            }
            Some(b'u') if raw.len() >= at + 6 => (at + 6, self.coded(raw, at, before)),
            // Counted as two marks instead of one.
            Some(mark @ (b'"' | b'\\' | b'/')) => {
                self.0[MARK] -= 1;
                (at + 2, *mark)
            }
            // Not a JSON escape.
            _ => (at + 2, b'\\'),
        }
    }

    /// Corrects the count of `\uXXXX`; returns the byte, or one that is neither a letter nor a space.
    fn coded(&mut self, raw: &[u8], at: usize, before: u8) -> u8 {
        let end = at + 6;
        let code = hex(&raw[at + 2..end]);
        let byte = code.filter(|code| *code < 0x80).map_or(0xff, |code| code as u8);
        // Including the next byte, whose count depends on the previous one; the byte before the backslash does not
        // matter.
        let mut last = b' ';
        for &counted in raw[at..].iter().take(7) {
            for (count, one) in self.0.iter_mut().zip(kinds([last], [counted])) {
                *count -= u64::from(one[0]);
            }
            last = counted;
        }
        match code {
            Some(0..0x80) => self.single(before, byte),
            Some(0x80..0x300) => self.0[ACCENT] += 1,
            Some(0x400..0x540) => self.0[CYRILLIC] += 1,
            Some(0x300..0x800) => self.0[TWO] += 1,
            // A surrogate is half of a character.
            Some(0xd800..0xdc00) => self.0[FOUR] += 1,
            Some(0xdc00..0xe000) => {}
            _ => self.0[THREE] += 1,
        }
        if let Some(behind) = raw.get(end) {
            self.single(byte, *behind);
        }
        byte
    }

    fn single(&mut self, before: u8, byte: u8) {
        for (count, one) in self.0.iter_mut().zip(kinds([before], [byte])) {
            *count += u64::from(one[0]);
        }
    }

    /// Adds bytes without escapes: each lane of the sums has a byte, and is flushed before it can overflow.
    fn plain(&mut self, raw: &[u8]) {
        let mut before = b' ';
        for part in raw.chunks(LANES * 255) {
            let mut sums = [[0_u8; LANES]; KINDS];
            let (chunks, rest) = part.as_chunks::<LANES>();
            // A continuation byte counts as nothing, so the end can be padded with them.
            let mut last = [0x80; LANES];
            last[..rest.len()].copy_from_slice(rest);
            for bytes in chunks.iter().chain((!rest.is_empty()).then_some(&last)) {
                let mut befores = [before; LANES];
                befores[1..].copy_from_slice(&bytes[..LANES - 1]);
                for (sum, ones) in sums.iter_mut().zip(kinds(befores, *bytes)) {
                    for (lane, one) in sum.iter_mut().zip(ones) {
                        *lane += one;
                    }
                }
                before = bytes[LANES - 1];
            }
            for (count, lanes) in self.0.iter_mut().zip(sums) {
                *count += lanes.iter().map(|lane| u64::from(*lane)).sum::<u64>();
            }
        }
    }
}

const LANES: usize = 16;

/// The kinds that each byte counts for, given the previous byte: ones and zeros. Without branches, so that it is
/// vectorized.
#[inline(always)]
fn kinds<const N: usize>(befores: [u8; N], bytes: [u8; N]) -> [[u8; N]; KINDS] {
    let between = |byte: u8, from: u8, length: u8| u8::from(byte.wrapping_sub(from) < length);
    let mut kinds = [[0; N]; KINDS];
    for lane in 0..N {
        let (before, byte) = (befores[lane], bytes[lane]);
        let small = between(byte, b'a', 26);
        let capital = between(byte, b'A', 26);
        let (was_small, was_capital) = (between(before, b'a', 26), between(before, b'A', 26));
        let digit = between(byte, b'0', 10);
        let space = u8::from(byte <= b' ');
        let wide = u8::from(byte >= 0x80);
        kinds[WORD][lane] = (capital & (1 - was_capital)) | (small & (1 - (was_small | was_capital)));
        kinds[SMALL][lane] = small;
        kinds[CAPITAL][lane] = capital;
        kinds[DIGIT][lane] = digit;
        kinds[GAP][lane] = space & (u8::from(before <= b' ') | u8::from(byte != b' '));
        kinds[MARK][lane] = 1 - (small | capital | digit | space | wide);
        // The first byte of a character determines its length; continuation bytes count as nothing.
        kinds[ACCENT][lane] = between(byte, 0xc0, 0x0c);
        kinds[CYRILLIC][lane] = between(byte, 0xd0, 0x05);
        kinds[TWO][lane] = between(byte, 0xcc, 0x04) | between(byte, 0xd5, 0x0b);
        kinds[THREE][lane] = between(byte, 0xe0, 0x10);
        kinds[FOUR][lane] = u8::from(byte >= 0xf0);
    }
    kinds
}

fn hex(digits: &[u8]) -> Option<u32> {
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counted(raw: &str) -> CharacterCounts {
        let mut counts = CharacterCounts::default();
        counts.add(raw.as_bytes());
        counts
    }

    #[test]
    fn estimates_are_close_to_tokenizers() {
        // Tokens of o200k and cl100k.
        for (text, least, most) in [
            ("", 0, 0),
            ("Hello", 1, 2),
            ("Nobody likes to be surprised by a bill, so estimates should rarely be too low.", 17, 24),
            ("fn answers(&self, body: &[u8]) -> u64 { self.n.max(1) }", 22, 34),
            ("2024-11-03,1829.55,0.00123", 15, 24),
            ("3f786850e387550fdab836ed7e6dc881de23001b", 24, 40),
            ("Вчера вечером мы долго обсуждали, как устроены модели.", 12, 30),
            ("昨天晚上我们讨论了很久", 9, 14),
            ("🎉🚀🥳", 3, 11),
        ] {
            let tokens = counted(text).millis().div_ceil(1_000);
            assert!((least..=most).contains(&tokens), "{text}: {tokens}");
        }
    }

    #[test]
    fn escapes_count_as_the_characters_they_mean() {
        for (escaped, plain) in [
            (r"a\nb\n c", "a\nb\n c"),
            (r#"say \"hi\" \/ C:\\new"#, r#"say "hi" / C:\new"#),
            (r"\u0041bc \u0062c\u0064", "Abc bcd"),
            (r"caf\u00e9s", "cafés"),
            (r"\u0414\u0430", "Да"),
            (r"\u03b1x", "αx"),
            (r"\u6f22\u5b57", "漢字"),
            (r"\ud83c\udf89!", "🎉!"),
            (r"\\n\\", r"\n\"),
        ] {
            let mut expected = CharacterCounts::default();
            expected.plain(plain.as_bytes());
            assert_eq!(counted(escaped), expected, "{escaped}");
        }
    }

    proptest! {
        /// A text counts the same in every JSON spelling.
        #[test]
        fn every_spelling_counts_the_same(text in "\\PC{0,80}|[a-zA-Z0-9 \\n\"\\\\/]{0,80}") {
            let mut expected = CharacterCounts::default();
            expected.plain(text.as_bytes());
            let usual = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(counted(&usual[1..usual.len() - 1]), expected);
            let all: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
            prop_assert_eq!(counted(&all), expected);
        }

        #[test]
        fn any_bytes_can_be_counted(bytes in prop::collection::vec(any::<u8>(), 0..700), text in r"[\\unr0-9a-f ]{0,60}") {
            let mut counts = CharacterCounts::default();
            counts.add(&bytes);
            counts.add(text.as_bytes());
        }
    }
}
