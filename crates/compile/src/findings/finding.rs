//! What is wrong with a folder of objects, in words that help to repair it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Whether it keeps an object from being used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Severity {
    Error,
    /// Worth knowing; nothing is left out because of it.
    Warning,
}

/// What kind of fault a finding is about, for those who can't read its words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Cause {
    /// The text is no object, or the schema does not let the object through.
    Schema,
    /// Something in the object can't be used.
    #[default]
    Invalid,
    /// A name that it gives names nothing.
    RefNotFound,
    /// What it names does not let it.
    RefNotPermitted,
    /// A value that it refers to can't be had.
    ValueMissing,
    /// A rule's own test fails.
    TestFailed,
    /// What it names can't be used itself, which is reported there.
    Dependency,
}

/// A line of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SourcePlace {
    /// As the caller named it; `--key` for what stands on the command line.
    pub file: String,
    /// From 1; 0 for the file as a whole.
    pub line: usize,
}

impl fmt::Display for SourcePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.file),
            line => write!(f, "{}:{line}", self.file),
        }
    }
}

/// Something that is wrong, and where. Never repeats a credential.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Finding {
    pub severity: Severity,
    pub cause: Cause,
    pub place: SourcePlace,
    /// `LLMProvider default/openai`; empty where it isn't an object yet.
    pub object: String,
    /// `spec.credentials[0].secretRef`; empty for the object as a whole.
    pub path: String,
    /// What is wrong and what to do.
    pub message: String,
}

impl Finding {
    #[must_use]
    pub(crate) fn because(self, cause: Cause) -> Self {
        Finding { cause, ..self }
    }
}

impl fmt::Display for Finding {
    /// `providers.yaml:12: LLMProvider default/openai: spec.credentials[0].secretRef: …`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if self.severity == Severity::Warning {
            f.write_str("warning: ")?;
        }
        for part in [&self.object, &self.path] {
            if !part.is_empty() {
                write!(f, "{part}: ")?;
            }
        }
        f.write_str(&self.message)
    }
}

/// Sorts by file, line and words, and drops repetitions.
pub(crate) fn in_order(findings: &mut Vec<Finding>) {
    findings
        .sort_by(|a, b| (&a.place, &a.object, &a.path, &a.message).cmp(&(&b.place, &b.object, &b.path, &b.message)));
    findings.dedup();
}
