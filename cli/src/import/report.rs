//! The report: the fate of each part of a foreign configuration.

use std::fmt::Write as _;

use super::line::one_line;
use super::scrub::Scrub;

/// The fate of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Fate {
    /// It has no counterpart, and the new objects do less.
    Lost,
    /// It is ambiguous, or its meaning here differs a little.
    Doubtful,
    /// It has no counterpart, because none is needed.
    NotNeeded,
    Carried,
}

/// One line of the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReportEntry {
    pub fate: Fate,
    /// The path in the source: `governance.virtual_keys[2].name`.
    pub path: String,
    /// Its fate, and what to do.
    pub message: String,
    /// Fields that were read below it, and have no line of their own.
    pub fields: Vec<String>,
}

/// All lines in the source's order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    pub entries: Vec<ReportEntry>,
}

const SECTIONS: [(Fate, &str, &str); 4] = [
    (Fate::Lost, "Lost", "Not in the objects. Each line says what to do instead, if anything."),
    (
        Fate::Doubtful,
        "Read in one of several ways",
        "Imported with a change or a guess. Check that each is what you want.",
    ),
    (Fate::NotNeeded, "Not needed", "Nothing to do."),
    (Fate::Carried, "Carried over", "The source of each object."),
];

impl Report {
    pub fn count(&self, fate: Fate) -> usize {
        self.entries.iter().filter(|entry| entry.fate == fate).count()
    }

    /// The report without keys.
    pub fn clean(mut self, scrub: &Scrub) -> Report {
        for entry in &mut self.entries {
            entry.path = scrub.text(&entry.path);
            entry.message = scrub.text(&entry.message);
            entry.fields.iter_mut().for_each(|field| *field = scrub.text(field));
        }
        self
    }

    /// `title` is the heading.
    pub fn markdown(&self, title: &str) -> String {
        let mut text = format!("# {title}\n");
        for (fate, heading, intro) in SECTIONS {
            let entries: Vec<&ReportEntry> = self.entries.iter().filter(|entry| entry.fate == fate).collect();
            if entries.is_empty() {
                continue;
            }
            let _ = write!(text, "\n## {heading} ({})\n\n{intro}\n\n", entries.len());
            for entry in entries {
                let path = if entry.path.is_empty() { "the file" } else { &entry.path };
                let between = if fate == Fate::Carried { " became" } else { ":" };
                let _ = write!(text, "- {}{between} {}", code(path), one_line(&entry.message));
                if fate == Fate::Carried && !entry.fields.is_empty() {
                    let fields: Vec<String> = entry.fields.iter().map(|field| code(field)).collect();
                    let _ = write!(text, " ({})", fields.join(", "));
                }
                text.push('\n');
            }
        }
        text
    }
}

/// The text in backticks; in more of them if it contains some.
pub(crate) fn code(text: &str) -> String {
    let text = one_line(text);
    match text.contains('`') {
        true => format!("`` {text} ``"),
        false => format!("`{text}`"),
    }
}
