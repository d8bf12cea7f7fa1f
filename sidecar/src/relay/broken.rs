//! How a stream breaks off: as a failed attempt while nothing of it was told, as an error event after.

use outrigger_llm::chat::StreamError;
use outrigger_llm::errors::classify::classify_event;

use super::Setting;
use crate::attempt::{Failed, Timing};

/// What ended a stream before its end.
#[derive(Debug)]
pub enum Broken {
    /// The upstream said so in the stream.
    Told(StreamError),
    Malformed(String),
    Lost(String),
    Timeout(&'static str),
}

impl Broken {
    /// Whether it says something of the place: that the caller bears no longer silence does not.
    pub fn teaches(&self, timing: &Timing) -> bool {
        !matches!(self, Broken::Timeout("timeout_idle") if timing.idle_is_callers)
    }
}

impl Broken {
    /// As a failed attempt: nothing of it has reached the caller.
    pub fn failed(&self, setting: &Setting) -> Failed {
        match self {
            Broken::Told(error) => {
                let failure = classify_event(setting.upstream.dialect, error);
                let mut failed = Failed::answered(&failure, error.status.unwrap_or(502), &setting.provider, None);
                if failed.word == "server_error" || failed.word == "caller" {
                    failed.word = "stream_error";
                }
                failed
            }
            Broken::Malformed(problem) => Failed::unreachable("malformed", format!("{}: {problem}", setting.provider)),
            Broken::Lost(reason) => Failed::unreachable("cut", format!("{}: {reason}", setting.provider)),
            Broken::Timeout(word) => Failed::timeout(word, format!("{} fell silent", setting.provider)),
        }
    }

    /// The word of the attempt, and what the caller's error event says.
    pub fn told(&self, setting: &Setting) -> (&'static str, u16, &'static str, String) {
        let provider = &setting.provider;
        match self {
            Broken::Told(error) => {
                let status = error.status.unwrap_or(502);
                ("stream_error", status, "upstream_error", format!("{provider}: {}", error.message))
            }
            Broken::Malformed(problem) => {
                ("malformed", 502, "upstream_unreachable", format!("{provider} broke off: {problem}"))
            }
            Broken::Lost(reason) => ("cut", 502, "upstream_unreachable", format!("{provider} broke off: {reason}")),
            Broken::Timeout(word) => (word, 504, "upstream_timeout", format!("{provider} fell silent in mid-answer")),
        }
    }
}
