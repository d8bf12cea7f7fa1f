//! Figures that can't be: told by a server that is wrong, or that wants another's budget spent.
//!
//! What is told decides what is charged, so it is held against what the gateway knows by itself: the bytes that were sent
//! and received, the window, the cap. The bounds are wide. A figure that a provider could bill has to pass: thoughts that
//! are not shown, templates around a prompt, pictures behind a URL. What does not pass counts as not told, and is then
//! estimated or charged as reserved, so it is never free and never more than can be.

use crate::tokens::usage::Usage;

/// What providers put around a request beside its own words: templates, declarations of their tools, prompts of the
/// model's maker, a context that they compacted before. In tokens.
const AROUND: u64 = 262_144;
/// Where no window is known: the largest that anybody offers, and some.
const LARGEST_WINDOW: u64 = 4_194_304;
/// How often a provider's own tools may have a model read its context again.
const ROUNDS: u64 = 16;
/// Tokens of an answer that may not be seen in it: names of calls, marks, what ends it.
const UNSEEN: u64 = 16_384;
/// Bytes for each second of sound that no coding is below.
const LEAST_SOUND: u64 = 16;

/// What a request's input is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InputSource {
    /// Words alone, all of them in the body.
    Words,
    /// Pictures, sound and documents too; or nobody has looked.
    #[default]
    Media,
    /// What the provider keeps, or its own tools read.
    Elsewhere,
}

/// What is known of an attempt, whatever its answer tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AttemptFacts {
    /// Bytes of the request's body.
    pub sent: u64,
    pub reads: InputSource,
    /// Of the model, in tokens.
    pub window: Option<u64>,
    /// Tokens that the upstream was told to say at the most, in all answers together.
    pub cap: Option<u64>,
    /// The most that the model can say, in all answers together.
    pub most: Option<u64>,
    /// All that it says is seen: it is known not to think, and makes words alone.
    pub shows_all: bool,
}

impl AttemptFacts {
    /// The most tokens of input.
    fn input(&self) -> u64 {
        let words = self.sent.saturating_add(AROUND);
        // What is told of windows may be old.
        let window = self.window.map_or(LARGEST_WINDOW, |window| window.saturating_mul(2));
        match self.reads {
            // A token of words has a byte at least, so as many as were sent are never too many.
            InputSource::Words => words.min(window).max(self.sent),
            InputSource::Media => words.max(window),
            InputSource::Elsewhere => words.max(window).saturating_mul(ROUNDS),
        }
    }

    /// The most tokens of output that are no thoughts, and with them, where `seen` bytes of content came.
    fn output(&self, seen: u64) -> (u64, u64) {
        let rounds = if self.reads == InputSource::Elsewhere { ROUNDS } else { 1 };
        let all = self.most.or(self.window).unwrap_or(LARGEST_WINDOW).saturating_mul(2).saturating_mul(rounds);
        // Not every server counts to the token.
        let capped = self.cap.map(|cap| cap.saturating_add(cap / 8).saturating_add(256).saturating_mul(rounds));
        let shown = match self.shows_all && self.reads != InputSource::Elsewhere {
            true => seen.saturating_add(UNSEEN),
            false => u64::MAX,
        };
        // What was seen was said, whatever was allowed.
        let most = |bound: u64| bound.min(shown).max(seen);
        (most(capped.unwrap_or(all)), most(all.max(capped.unwrap_or(0))))
    }

    /// What is told less the figures that can't be. `seen`: bytes of content.
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
    fn a_figure_that_can_t_be_counts_as_not_told() {
        // A hundred bytes that were sent, forty that came.
        let words =
            AttemptFacts { sent: 100, reads: InputSource::Words, window: Some(128_000), ..AttemptFacts::default() };
        let media = AttemptFacts { reads: InputSource::Media, ..words };
        let elsewhere = AttemptFacts { reads: InputSource::Elsewhere, ..words };
        let unknown = AttemptFacts { window: None, ..media };
        let capped = AttemptFacts { cap: Some(100), most: Some(16_000), ..words };
        let shows = AttemptFacts { shows_all: true, ..words };
        for (what, known, reported, input, output) in [
            ("as it is", words, reported(30, 12), true, true),
            ("nobody's prompt is so long", words, reported(1 << 63, 12), false, true),
            ("a template around it", words, reported(20_000, 12), true, true),
            ("beyond the window, and the bytes", words, reported(257_000, 12), false, true),
            ("beyond the bytes", AttemptFacts { window: Some(1_000_000), ..words }, reported(263_000, 12), false, true),
            (
                "a window that is larger than is told",
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
            ("a search has read it again and again", elsewhere, reported(300_000, 12), true, true),
            ("and not for ever", elsewhere, reported(30_000_000, 12), false, true),
            ("a window that nobody has told", unknown, reported(2_000_000, 12), true, true),
            ("no window is so large", unknown, reported(5_000_000, 12), false, true),
            ("nothing was read", words, reported(0, 12), false, true),
            ("thoughts that are not shown", words, reported(30, 60_000), true, true),
            ("beyond the window too", words, reported(30, 300_000), true, false),
            ("u64::MAX", words, reported(u64::MAX, u64::MAX), false, false),
            ("within the cap", capped, reported(30, 100), true, true),
            ("a few more", capped, reported(30, 110), true, true),
            ("beyond the cap", capped, reported(30, 1_000), true, false),
            ("what it says is seen", shows, reported(30, 16_000), true, true),
            ("more than is seen", shows, reported(30, 17_000), true, false),
            ("nothing was said", words, reported(30, 0), true, true),
        ] {
            let judged = known.judge(&reported, 40);
            let expected = (reported.input.filter(|_| input), reported.output.filter(|_| output));
            assert_eq!((judged.input, judged.output), expected, "{what}");
        }
        // Thoughts may come on top of a cap on words, and a cap that nobody heeds is no proof.
        let thought = Usage { reasoning: Some(5_000), ..reported(30, 5_050) };
        assert_eq!(capped.judge(&thought, 40), thought);
        assert_eq!(capped.judge(&reported(30, 900), 4_000), reported(30, 900));
    }

    #[test]
    fn parts_that_are_more_than_their_whole_are_none() {
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
        assert_eq!(judged, expected, "thoughts that are more than all that was said make that no figure");
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
