//! Tokens of text, told from what kinds of characters are in it.
//!
//! No tokenizer is asked, for each model has its own; the weights are above what those of OpenAI, Anthropic and Google
//! make of prose, code, JSON and other scripts, but seldom by half. They are in thousandths of a token.

use memchr::memchr;

/// How many characters of each kind a text has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Where a word begins: a letter after none, or a capital after a small one.
    words: u64,
    small: u64,
    capitals: u64,
    digits: u64,
    /// The spaces and line ends that stand beside another one, and lone line ends; a single space goes with its word.
    gaps: u64,
    marks: u64,
    /// By the length in UTF-8: Latin with accents, Greek, Cyrillic, Arabic …; Chinese, Hindi, Thai …; emoji and the rare.
    two: u64,
    three: u64,
    four: u64,
}

/// Weights, in thousandths of a token.
const WORD: u64 = 620;
const SMALL: u64 = 115;
const CAPITAL: u64 = 330;
const DIGIT: u64 = 700;
const GAP: u64 = 350;
const MARK: u64 = 720;
const TWO: u64 = 640;
const THREE: u64 = 1_150;
const FOUR: u64 = 2_600;

impl Counts {
    /// In thousandths of a token.
    pub(super) fn millis(&self) -> u64 {
        self.words * WORD
            + self.small * SMALL
            + self.capitals * CAPITAL
            + self.digits * DIGIT
            + self.gaps * GAP
            + self.marks * MARK
            + self.two * TWO
            + self.three * THREE
            + self.four * FOUR
    }

    /// Adds what stands between the quotes of a JSON string.
    pub(super) fn add(&mut self, mut raw: &[u8]) {
        let mut before = b' ';
        while !raw.is_empty() {
            let plain = memchr(b'\\', raw).unwrap_or(raw.len());
            self.plain(before, &raw[..plain]);
            before = raw[..plain].last().copied().unwrap_or(before);
            let Some(escape) = raw.get(plain + 1) else { return };
            let mut length = 2;
            let mut single = |counts: &mut Counts, byte: u8| {
                counts.plain(before, &[byte]);
                before = byte;
            };
            match escape {
                b'n' | b'r' | b't' | b'b' | b'f' => single(self, b'\n'),
                b'u' => {
                    let code = raw.get(plain + 2..plain + 6).and_then(hex);
                    length = 6;
                    match code {
                        Some(code @ 0..0x80) => single(self, code as u8),
                        Some(0x80..0x800) => self.two += 1,
                        // Each of a pair tells half of a character.
                        Some(0xd800..0xdc00) => self.four += 1,
                        Some(0xdc00..0xe000) => {}
                        Some(_) => self.three += 1,
                        None => self.marks += 1,
                    }
                    if code.is_some_and(|code| code >= 0x80) {
                        before = 0xff;
                    }
                }
                other => single(self, *other),
            }
            raw = raw.get(plain + length..).unwrap_or_default();
        }
    }

    /// Adds bytes without escapes. The loop has no branches and sums in bytes, so that it is done sixteen at a time.
    fn plain(&mut self, before: u8, bytes: &[u8]) {
        let mut before = before;
        // So that no sum of a byte each overflows.
        for chunk in bytes.chunks(255) {
            let mut sums = [0_u8; 9];
            let mut last = before;
            for &byte in chunk {
                let is = |within: bool| u8::from(within);
                let small = is(byte.wrapping_sub(b'a') < 26);
                let capital = is(byte.wrapping_sub(b'A') < 26);
                let digit = is(byte.wrapping_sub(b'0') < 10);
                let space = is(byte <= b' ');
                let continued = is(byte & 0xc0 == 0x80);
                let two = is(byte.wrapping_sub(0xc0) < 0x20);
                let three = is(byte.wrapping_sub(0xe0) < 0x10);
                let four = is(byte >= 0xf0);
                let last_small = is(last.wrapping_sub(b'a') < 26);
                let last_capital = is(last.wrapping_sub(b'A') < 26);
                let gap = space & (is(last <= b' ') | is(byte != b' '));
                sums[0] += (capital & (1 - last_capital)) | (small & (1 - (last_small | last_capital)));
                sums[1] += small;
                sums[2] += capital;
                sums[3] += digit;
                sums[4] += gap;
                sums[5] += 1 - (small | capital | digit | space | continued | two | three | four);
                sums[6] += two;
                sums[7] += three;
                sums[8] += four;
                last = byte;
            }
            before = last;
            let fields = [
                &mut self.words,
                &mut self.small,
                &mut self.capitals,
                &mut self.digits,
                &mut self.gaps,
                &mut self.marks,
                &mut self.two,
                &mut self.three,
                &mut self.four,
            ];
            for (field, sum) in fields.into_iter().zip(sums) {
                *field += u64::from(sum);
            }
        }
    }
}

fn hex(digits: &[u8]) -> Option<u32> {
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}
