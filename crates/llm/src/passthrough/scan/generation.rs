//! Gemini's `generationConfig`, Bedrock's `inferenceConfig` and Ollama's `options`: the only objects whose members are
//! read and edited.

use std::ops::Range;

use super::members::{differs_in_case, whole};
use super::{ScanError, place};
use crate::json::raw::{self, unescape};

/// The keys of such an object that are read, each in every spelling.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConfigKeys {
    /// The object's own, for errors.
    object: &'static str,
    cap: &'static [&'static str],
    answers: &'static [&'static str],
}

impl ConfigKeys {
    pub(super) const GENERATION: ConfigKeys = ConfigKeys {
        object: "generationConfig",
        cap: &["maxOutputTokens", "max_output_tokens"],
        answers: &["candidateCount", "candidate_count"],
    };

    pub(super) const INFERENCE: ConfigKeys =
        ConfigKeys { object: "inferenceConfig", cap: &["maxTokens"], answers: &[] };

    pub(super) const OPTIONS: ConfigKeys = ConfigKeys { object: "options", cap: &["num_predict"], answers: &[] };
}

/// Ranges are those of the whole body.
#[derive(Clone, Debug)]
pub(super) struct GenerationConfig {
    /// `maxOutputTokens`, and the range of its value.
    pub cap: Option<u64>,
    pub cap_at: Option<Range<usize>>,
    /// `candidateCount`.
    pub answers: Option<u64>,
    /// Where members begin (after `{`), and their number.
    pub inside: usize,
    pub members: usize,
}

impl GenerationConfig {
    /// Reads the value that begins at `start`; `None` if it is null, which counts as absent.
    pub(super) fn read(raw: &str, start: usize, keys: ConfigKeys) -> Result<Option<GenerationConfig>, ScanError> {
        if raw == "null" {
            return Ok(None);
        }
        let wrong = ScanError::Wrong { field: keys.object, expected: "an object" };
        let mut generation = GenerationConfig { cap: None, cap_at: None, answers: None, inside: start + 1, members: 0 };
        let (mut counted, mut read) = (false, Ok(()));
        let members = raw::members(raw, |key, value| {
            if read.is_ok() {
                read = generation.member(keys, raw, start, (key.get(), value.get()), &mut counted);
            }
        });
        generation.members = members.map_err(|_| wrong)?;
        read.map(|()| Some(generation))
    }

    fn member(
        &mut self,
        keys: ConfigKeys,
        raw: &str,
        start: usize,
        (key, value): (&str, &str),
        counted: &mut bool,
    ) -> Result<(), ScanError> {
        let key = unescape(key);
        let twice = |name: &[&str]| {
            Err(ScanError::Twice(format!("{}.{}", keys.object, name.first().copied().unwrap_or_default())))
        };
        if keys.cap.contains(&&*key) {
            let at = place(raw, value);
            self.cap = whole(value);
            if self.cap_at.replace(start + at.start..start + at.end).is_some() {
                return twice(keys.cap);
            }
        } else if keys.answers.contains(&&*key) {
            self.answers = whole(value);
            if std::mem::replace(counted, true) {
                return twice(keys.answers);
            }
        } else if let Some(known) =
            keys.cap.iter().chain(keys.answers).copied().find(|known| differs_in_case(&key, known))
        {
            return Err(ScanError::OtherCase { key: key.into_owned(), known });
        }
        Ok(())
    }
}
