//! A problem in objects, with words that help to fix it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Whether the problem prevents the use of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Severity {
    Error,
    /// A hint. Nothing is left out because of it.
    Warning,
}

/// The kind of a problem, for programs that can't read the message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Cause {
    /// The text is not an object, or the schema does not accept it.
    Schema,
    /// Something in the object can't be used.
    #[default]
    Invalid,
    /// It refers to an object that does not exist.
    RefNotFound,
    /// It refers to an object that it may not use.
    RefNotPermitted,
    /// The value that it refers to is missing.
    ValueMissing,
    /// A rule's own test fails.
    TestFailed,
    /// It refers to an object that can't be used itself, which is reported there.
    Dependency,
}

/// A line of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SourceLocation {
    /// The name that the caller gave it; `--key` for the command line.
    pub file: String,
    /// Counted from 1; 0 for the file as a whole.
    pub line: usize,
}

impl fmt::Display for SourceLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.file),
            line => write!(f, "{}:{line}", self.file),
        }
    }
}

/// A problem and its location. It never contains a credential.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Finding {
    pub severity: Severity,
    pub cause: Cause,
    pub location: SourceLocation,
    /// `LLMProvider default/openai`; empty if the text is not an object.
    pub object: String,
    /// `spec.credentials[0].secretRef`; empty for the object as a whole.
    pub path: String,
    /// What is wrong and how to fix it.
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
        write!(f, "{}: ", self.location)?;
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

/// Sorts by location and message, and drops duplicates.
pub(crate) fn in_order(findings: &mut Vec<Finding>) {
    findings.sort_by(|a, b| {
        (&a.location, &a.object, &a.path, &a.message).cmp(&(&b.location, &b.object, &b.path, &b.message))
    });
    findings.dedup();
}
