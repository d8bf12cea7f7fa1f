//! Colours, where there is a person to see them, and how an error is told.

use std::fmt;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use outrigger_compile::{Finding, Severity};

/// Whether to colour what goes to a stream: a terminal, and the person has not asked for none (<https://no-color.org>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    pub colour: bool,
}

impl Style {
    pub fn of(stream: &impl IsTerminal) -> Self {
        let asked_for_none = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Style { colour: stream.is_terminal() && !asked_for_none && !dumb }
    }

    fn paint(self, code: &'static str, text: impl fmt::Display) -> String {
        match self.colour {
            true => format!("\x1b[{code}m{text}\x1b[0m"),
            false => text.to_string(),
        }
    }

    pub fn bold(self, text: impl fmt::Display) -> String {
        self.paint("1", text)
    }

    pub fn dim(self, text: impl fmt::Display) -> String {
        self.paint("2", text)
    }

    pub fn red(self, text: impl fmt::Display) -> String {
        self.paint("31", text)
    }

    pub fn yellow(self, text: impl fmt::Display) -> String {
        self.paint("33", text)
    }

    pub fn cyan(self, text: impl fmt::Display) -> String {
        self.paint("36", text)
    }

    pub fn finding(self, finding: &Finding) -> String {
        match finding.severity {
            Severity::Error => self.red(finding),
            Severity::Warning => self.yellow(finding),
        }
    }
}

/// Tells findings on stderr.
pub(crate) fn tell(findings: &[Finding]) {
    let mut stderr = std::io::stderr().lock();
    let style = Style::of(&stderr);
    for finding in findings {
        // Without a stderr there is nobody to tell.
        let _ = writeln!(stderr, "{}", style.finding(finding));
    }
}

/// Tells a line on stderr.
pub(crate) fn say(text: impl fmt::Display) {
    let _ = writeln!(std::io::stderr().lock(), "outrigger: {text}");
}

/// Tells why the command ends, with what is behind it, and ends it.
pub(crate) fn fail(error: &dyn std::error::Error) -> ExitCode {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    say(text);
    ExitCode::FAILURE
}
