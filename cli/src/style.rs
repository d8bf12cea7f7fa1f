//! Colours on terminals, and the format of errors.

use std::fmt;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use anstyle::AnsiColor;
use outrigger_compile::{Finding, Severity};
use outrigger_policy::{Printable, is_printable};
use tracing_subscriber::fmt::MakeWriter;

/// Whether to use colours on a stream: only on a terminal, and unless <https://no-color.org> disables them.
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

    fn paint(self, style: anstyle::Style, text: impl fmt::Display) -> String {
        match self.colour {
            true => format!("{style}{text}{style:#}"),
            false => text.to_string(),
        }
    }

    pub fn bold(self, text: impl fmt::Display) -> String {
        self.paint(anstyle::Style::new().bold(), text)
    }

    pub fn dim(self, text: impl fmt::Display) -> String {
        self.paint(anstyle::Style::new().dimmed(), text)
    }

    pub fn red(self, text: impl fmt::Display) -> String {
        self.paint(AnsiColor::Red.on_default(), text)
    }

    pub fn yellow(self, text: impl fmt::Display) -> String {
        self.paint(AnsiColor::Yellow.on_default(), text)
    }

    pub fn cyan(self, text: impl fmt::Display) -> String {
        self.paint(AnsiColor::Cyan.on_default(), text)
    }

    pub fn finding(self, finding: &Finding) -> String {
        match finding.severity {
            Severity::Error => self.red(Printable(finding)),
            Severity::Warning => self.yellow(Printable(finding)),
        }
    }
}

/// Our own text for a terminal: keeps line breaks, colours and printable characters. Everything else is escaped, in
/// case some writer has missed it.
pub(crate) fn screen(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let after = rest.get(letter.len_utf8()..).unwrap_or_default();
        rest = match (letter, colour(after)) {
            ('\x1b', Some(length)) => {
                shown.push(letter);
                shown.push_str(after.get(..length).unwrap_or_default());
                after.get(length..).unwrap_or_default()
            }
            ('\n', _) => {
                shown.push(letter);
                after
            }
            (letter, _) if is_printable(letter) => {
                shown.push(letter);
                after
            }
            (letter, _) => {
                shown.push_str(&Printable(letter).to_string());
                after
            }
        };
    }
    shown
}

/// The length of a colour sequence's rest, as [`Style`] and `tracing` write them: `[31m`.
fn colour(text: &str) -> Option<usize> {
    let code = text.strip_prefix('[')?;
    let length = code.find(|letter: char| !letter.is_ascii_digit())?;
    (length <= 2 && code.get(length..)?.starts_with('m')).then_some(length + 2)
}

/// Writes log lines to stderr, each on one line whatever it contains.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogWriter;

impl Write for LogWriter {
    /// Receives a whole line at once from `tracing`.
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        let (text, end) = text.strip_suffix('\n').map_or((&*text, ""), |text| (text, "\n"));
        let shown = screen(text).replace('\n', "\\n");
        std::io::stderr().lock().write_all(format!("{shown}{end}").as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}

impl MakeWriter<'_> for LogWriter {
    type Writer = LogWriter;

    fn make_writer(&self) -> LogWriter {
        LogWriter
    }
}

/// Prints findings on stderr.
pub(crate) fn print_findings(findings: &[Finding]) {
    let mut stderr = std::io::stderr().lock();
    let style = Style::of(&stderr);
    for finding in findings {
        // An error means that there is no stderr to write to.
        let _ = writeln!(stderr, "{}", style.finding(finding));
    }
}

/// Prints a line on stderr.
pub(crate) fn print_line(text: impl fmt::Display) {
    let _ = writeln!(std::io::stderr().lock(), "outrigger: {}", Printable(text));
}

/// An error with its sources. Many errors include their source's text, which is not repeated.
pub(crate) fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

/// Prints why the command fails, with its sources. Returns the exit code.
pub(crate) fn fail(error: &dyn std::error::Error) -> ExitCode {
    print_line(with_sources(error));
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use outrigger_compile::{Cause, SourceLocation};

    use super::*;

    #[test]
    fn screen_keeps_only_lines_and_colours() {
        let style = Style { colour: true };
        let ours = format!("{}\n{}\n", style.bold("a"), style.red("b"));
        assert_eq!(screen(&ours), ours);
        for (text, shown) in [
            ("\x1b]0;title\x07", "\\u{1b}]0;title\\u{7}"),
            ("\x1b[2Jx", "\\u{1b}[2Jx"),
            ("\x1b[38;5;1mx", "\\u{1b}[38;5;1mx"),
            ("\x1b[", "\\u{1b}["),
            ("a\rb\u{9b}2J", "a\\rb\\u{9b}2J"),
        ] {
            assert_eq!(screen(text), shown);
        }
    }

    #[derive(Debug, thiserror::Error)]
    enum Nested {
        #[error("deep")]
        Deep,
        #[error("a: {source}; move it away")]
        WithSource { source: Box<Nested> },
        #[error("b")]
        Behind { source: Box<Nested> },
    }

    #[test]
    fn each_source_of_an_error_is_shown_once() {
        let with_source = |source| Nested::WithSource { source: Box::new(source) };
        let behind = |source| Nested::Behind { source: Box::new(source) };
        for (error, expected) in [
            (behind(Nested::Deep), "b: deep"),
            (with_source(Nested::Deep), "a: deep; move it away"),
            (behind(with_source(Nested::Deep)), "b: a: deep; move it away"),
            (with_source(behind(Nested::Deep)), "a: b; move it away: deep"),
        ] {
            assert_eq!(with_sources(&error), expected);
        }
    }

    #[test]
    fn a_finding_is_one_line() {
        let finding = Finding {
            severity: Severity::Error,
            cause: Cause::Schema,
            location: SourceLocation { file: "a\nb".to_owned(), line: 1 },
            object: "LLMProvider default/\x1b[2J".to_owned(),
            path: String::new(),
            message: "no \u{202e}model".to_owned(),
        };
        let line = Style { colour: false }.finding(&finding);
        assert_eq!(line, "a\\nb:1: LLMProvider default/\\u{1b}[2J: no \\u{202e}model");
    }
}
