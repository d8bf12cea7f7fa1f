//! Finds parts of a value: an error may quote the credential shortened, or without its last character.
//!
//! A few characters are a useful hint, such as `sk-live-…` or `…tR5w`. Longer parts are masked. Any part that is long
//! enough contains a whole block of the text, wherever the blocks begin. So each block is searched in the value, and a
//! match is extended to both sides.

use memchr::memmem;

use super::REPLACEMENT;

/// How many characters make a part too long: half of a short value, and a smaller share of a long one.
const MAX_SHORT_HINT: usize = 12;
const MIN_HINT: usize = 6;
const HINT_SHARE: usize = 16;
/// How many places of a block in the value are tried. Real credentials do not repeat that often.
const PLACES: usize = 64;

/// The forms of a value whose parts are searched.
pub struct Parts {
    /// All forms, separated by a byte that none contains.
    forms: Vec<u8>,
    each: Vec<Form>,
    block: usize,
}

struct Form {
    start: usize,
    end: usize,
    /// A part with this many bytes is masked.
    most: usize,
}

impl Parts {
    pub fn of(value: &[u8], base64: &[Vec<u8>], hex: &[Vec<u8>]) -> Self {
        let letters = (value.len() / 2).clamp(MIN_HINT, MAX_SHORT_HINT.max(value.len() / HINT_SHARE));
        let mut parts = Parts { forms: Vec::new(), each: Vec::new(), block: letters.div_ceil(2) };
        parts.add(value, letters);
        base64.iter().for_each(|text| parts.add(text, letters.saturating_mul(4).div_ceil(3)));
        hex.iter().for_each(|text| parts.add(text, 2 * letters));
        parts
    }

    fn add(&mut self, form: &[u8], most: usize) {
        let start = self.forms.len();
        self.forms.extend_from_slice(form);
        self.each.push(Form { start, end: self.forms.len(), most });
        self.forms.push(0);
    }

    /// Masks the parts in a text. Returns whether one was at least half of the value; `None` if there is no part.
    pub fn mask(&self, text: &[u8]) -> Option<(Vec<u8>, bool)> {
        let (mut out, mut written, mut half) = (Vec::new(), 0, false);
        let mut at = 0;
        while let Some(block) = text.get(at..at + self.block) {
            let Some(run) = self.longest(text, written, at, block) else {
                at += self.block;
                continue;
            };
            half |= run.half;
            out.extend_from_slice(&text[written..run.start]);
            out.extend_from_slice(REPLACEMENT.as_bytes());
            (written, at) = (run.end, run.end);
        }
        if written == 0 {
            return None;
        }
        out.extend_from_slice(&text[written..]);
        Some((out, half))
    }

    /// The longest part around a block, if it is too long. The block may be anywhere in the value.
    fn longest(&self, text: &[u8], from: usize, at: usize, block: &[u8]) -> Option<Run> {
        let finder = memmem::Finder::new(block);
        let next = |at: usize| Some(at + finder.find(self.forms.get(at..)?)?);
        let places = std::iter::successors(next(0), |place| next(place + 1));
        let runs = places.take(PLACES).filter_map(|place| {
            let form = self.each.iter().find(|form| (form.start..form.end).contains(&place))?;
            let value = &self.forms[form.start..form.end];
            let place = place - form.start;
            let before = same(text[from..at].iter().rev(), value[..place].iter().rev());
            let behind = same(text[at..].iter(), value[place..].iter());
            let length = before + behind;
            let run = Run { start: at - before, end: at + behind, half: 2 * length >= value.len() };
            (length >= form.most).then_some(run)
        });
        runs.max_by_key(|run| run.end - run.start)
    }
}

struct Run {
    start: usize,
    end: usize,
    half: bool,
}

/// The length of the common prefix.
fn same<'b>(one: impl Iterator<Item = &'b u8>, other: impl Iterator<Item = &'b u8>) -> usize {
    one.zip(other).take_while(|(one, other)| one == other).count()
}
