//! Drops implausible usage: a server may be wrong, or may try to exhaust a caller's budget.
//!
//! The reported usage decides what is charged. So it is compared with what the gateway itself knows: the bytes that were
//! sent and received, the window, the cap. The bounds are wide, because everything that a provider could bill must pass:
//! thoughts that are not shown, templates around a prompt, pictures behind a URL. A figure beyond the bounds counts as
//! not reported. It is then estimated or charged as reserved, so it is never free and never above the maximum.

use crate::usage::Usage;

/// Tokens that providers add to a request: templates, declarations of their tools, prompts of the model's vendor, a
/// context that they compacted before.
const AROUND: u64 = 262_144;
/// If the window is unknown: somewhat more than the largest known one.
const LARGEST_WINDOW: u64 = 4_194_304;
/// How often a provider's own tools may make a model read its context again.
const ROUNDS: u64 = 16;
/// Tokens of an answer that its content may not show: names of calls, markers, end tokens.
const UNSEEN: u64 = 16_384;
/// The fewest bytes for a second of audio in any encoding.
const LEAST_SOUND: u64 = 16;

/// The content of a request's input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InputSource {
    /// Only text, all of it in the body.
    Words,
    /// Images, audio and documents too; or unknown.
    #[default]
    Media,
    /// Content that the provider stores, or that its own tools read.
    Elsewhere,
}

/// Facts about an attempt that do not depend on its answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AttemptFacts {
    /// Bytes of the request's body.
    pub sent: u64,
    pub reads: InputSource,
    /// The window of the model, in tokens.
    pub window: Option<u64>,
    /// The limit of output tokens that the upstream got, for all answers together.
    pub cap: Option<u64>,
    /// The most tokens that the model can generate, for all answers together.
    pub most: Option<u64>,
    /// Whether all output is visible: the model is known not to think, and generates only text.
    pub shows_all: bool,
}

impl AttemptFacts {
    /// The most plausible tokens of input.
    fn input(&self) -> u64 {
        let words = self.sent.saturating_add(AROUND);
        // The known window may be outdated.
        let window = self.window.map_or(LARGEST_WINDOW, |window| window.saturating_mul(2));
        match self.reads {
            // A token of text has at least one byte, so as many tokens as bytes were sent are always plausible.
            InputSource::Words => words.min(window).max(self.sent),
            InputSource::Media => words.max(window),
            InputSource::Elsewhere => words.max(window).saturating_mul(ROUNDS),
        }
    }

    /// The most plausible tokens of output without thoughts, and with them, if `seen` bytes of content were received.
    fn output(&self, seen: u64) -> (u64, u64) {
        let rounds = if self.reads == InputSource::Elsewhere { ROUNDS } else { 1 };
        let all = self.most.or(self.window).unwrap_or(LARGEST_WINDOW).saturating_mul(2).saturating_mul(rounds);
        // Not every server counts exactly.
        let capped = self.cap.map(|cap| cap.saturating_add(cap / 8).saturating_add(256).saturating_mul(rounds));
        let shown = match self.shows_all && self.reads != InputSource::Elsewhere {
            true => seen.saturating_add(UNSEEN),
            false => u64::MAX,
        };
        // Received content was generated, whatever the limit was.
        let most = |bound: u64| bound.min(shown).max(seen);
        (most(capped.unwrap_or(all)), most(all.max(capped.unwrap_or(0))))
    }

    /// The reported usage without implausible numbers. `seen`: bytes of content.
    #[must_use]
    pub fn judge(&self, reported: &Usage, seen: u64) -> Usage {
        let mut usage = *reported;
        if usage.input.is_some_and(|input| input > self.input() || input == 0 && self.sent > 0) {
            usage.input = None;
        }
        let (shown, all) = self.output(seen);
        let thought = usage.reasoning.unwrap_or(0);
        if usage.output.is_some_and(|output| output > all || output.saturating_sub(thought) > shown || thought > output)
        {
            usage.output = None;
        }
        let part = |part: &mut Option<u64>, whole: Option<u64>| {
            *part = part.filter(|part| whole.is_some_and(|whole| *part <= whole));
        };
        for of_input in [
            &mut usage.cached_input,
            &mut usage.cache_write,
            &mut usage.cache_write_1h,
            &mut usage.audio_input,
            &mut usage.image_input,
        ] {
            part(of_input, usage.input);
        }
        for of_output in [&mut usage.reasoning, &mut usage.audio_output, &mut usage.image_output] {
            part(of_output, usage.output);
        }
        let milliseconds = self.sent.saturating_mul(1_000) / LEAST_SOUND;
        usage.milliseconds = usage.milliseconds.filter(|reported| *reported <= milliseconds.max(60_000));
        usage
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reported(input: u64, output: u64) -> Usage {
        Usage { input: Some(input), output: Some(output), ..Usage::default() }
    }

    #[test]
    fn implausible_figures_count_as_unreported() {
        // A hundred bytes were sent, forty were received.
        let words =
            AttemptFacts { sent: 100, reads: InputSource::Words, window: Some(128_000), ..AttemptFacts::default() };
        let media = AttemptFacts { reads: InputSource::Media, ..words };
        let elsewhere = AttemptFacts { reads: InputSource::Elsewhere, ..words };
        let unknown = AttemptFacts { window: None, ..media };
        let capped = AttemptFacts { cap: Some(100), most: Some(16_000), ..words };
        let shows = AttemptFacts { shows_all: true, ..words };
        for (what, known, reported, input, output) in [
            ("ordinary usage", words, reported(30, 12), true, true),
            ("no prompt is so long", words, reported(1 << 63, 12), false, true),
            ("a template around it", words, reported(20_000, 12), true, true),
            ("beyond the window, and the bytes", words, reported(257_000, 12), false, true),
            ("beyond the bytes", AttemptFacts { window: Some(1_000_000), ..words }, reported(263_000, 12), false, true),
            (
                "a window larger than documented",
                AttemptFacts { sent: 900_000, ..words },
                reported(890_000, 12),
                true,
                true,
            ),
            (
                "a context that was compacted",
                AttemptFacts { window: Some(200_000), ..words },
                reported(55_416, 133),
                true,
                true,
            ),
            ("a picture behind a URL", media, reported(40_000, 12), true, true),
            ("beyond the window", media, reported(300_000, 12), false, true),
            ("a search made the model read it several times", elsewhere, reported(300_000, 12), true, true),
            ("more often than any search does", elsewhere, reported(30_000_000, 12), false, true),
            ("an unknown window", unknown, reported(2_000_000, 12), true, true),
            ("no window is so large", unknown, reported(5_000_000, 12), false, true),
            ("nothing was read", words, reported(0, 12), false, true),
            ("thoughts that are not shown", words, reported(30, 60_000), true, true),
            ("beyond the window too", words, reported(30, 300_000), true, false),
            ("u64::MAX", words, reported(u64::MAX, u64::MAX), false, false),
            ("within the cap", capped, reported(30, 100), true, true),
            ("a few more", capped, reported(30, 110), true, true),
            ("beyond the cap", capped, reported(30, 1_000), true, false),
            ("all output is visible", shows, reported(30, 16_000), true, true),
            ("more than the visible output", shows, reported(30, 17_000), true, false),
            ("no output", words, reported(30, 0), true, true),
        ] {
            let judged = known.judge(&reported, 40);
            let expected = (reported.input.filter(|_| input), reported.output.filter(|_| output));
            assert_eq!((judged.input, judged.output), expected, "{what}");
        }
        // Thoughts may be added to a limit for text, and a limit that a server ignores proves nothing.
        let thought = Usage { reasoning: Some(5_000), ..reported(30, 5_050) };
        assert_eq!(capped.judge(&thought, 40), thought);
        assert_eq!(capped.judge(&reported(30, 900), 4_000), reported(30, 900));
    }

    #[test]
    fn parts_larger_than_their_total_are_dropped() {
        let known = AttemptFacts { sent: 100, ..AttemptFacts::default() };
        let usage = Usage {
            cached_input: Some(31),
            cache_write: Some(31),
            audio_input: Some(30),
            reasoning: Some(13),
            audio_output: Some(12),
            ..reported(30, 12)
        };
        let judged = known.judge(&usage, 40);
        let expected = Usage { input: Some(30), audio_input: Some(30), ..Usage::default() };
        assert_eq!(judged, expected, "an output smaller than its thoughts is dropped");
        let usage =
            Usage { input: None, cached_input: Some(5), output: Some(12), reasoning: Some(12), ..Usage::default() };
        assert_eq!(known.judge(&usage, 40), Usage { cached_input: None, ..usage });
    }

    #[test]
    fn a_recording_is_no_longer_than_its_bytes() {
        let known = AttemptFacts { sent: 160_000, ..AttemptFacts::default() };
        for (reported, believed) in [(8_000, true), (10_000_000, true), (10_001_000, false), (u64::MAX, false)] {
            let usage = Usage { milliseconds: Some(reported), ..Usage::default() };
            assert_eq!(known.judge(&usage, 0).milliseconds.is_some(), believed, "{reported}");
        }
    }
}
