//! Gemini's `generationConfig`: the only object whose members are read and edited.

use std::ops::Range;

use super::members::{differs_in_case, whole};
use super::{ScanError, place};
use crate::json::raw::{self, unescape};

/// The keys that are read, in either spelling.
const KEYS: [&str; 4] = ["maxOutputTokens", "max_output_tokens", "candidateCount", "candidate_count"];

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
    pub(super) fn read(raw: &str, start: usize) -> Result<Option<GenerationConfig>, ScanError> {
        if raw == "null" {
            return Ok(None);
        }
        let wrong = ScanError::Wrong { field: "generationConfig", expected: "an object" };
        let mut generation = GenerationConfig { cap: None, cap_at: None, answers: None, inside: start + 1, members: 0 };
        let (mut counted, mut read) = (false, Ok(()));
        let members = raw::members(raw, |key, value| {
            if read.is_ok() {
                read = generation.member(raw, start, key.get(), value.get(), &mut counted);
            }
        });
        generation.members = members.map_err(|_| wrong)?;
        read.map(|()| Some(generation))
    }

    fn member(&mut self, raw: &str, start: usize, key: &str, value: &str, counted: &mut bool) -> Result<(), ScanError> {
        let key = unescape(key);
        match &*key {
            "maxOutputTokens" | "max_output_tokens" => {
                let at = place(raw, value);
                self.cap = whole(value);
                if self.cap_at.replace(start + at.start..start + at.end).is_some() {
                    return Err(ScanError::Twice("generationConfig.maxOutputTokens".to_owned()));
                }
            }
            "candidateCount" | "candidate_count" => {
                self.answers = whole(value);
                if std::mem::replace(counted, true) {
                    return Err(ScanError::Twice("generationConfig.candidateCount".to_owned()));
                }
            }
            _ => {
                if let Some(known) = KEYS.into_iter().find(|known| differs_in_case(&key, known)) {
                    return Err(ScanError::OtherCase { key: key.into_owned(), known });
                }
            }
        }
        Ok(())
    }
}
