//! The `error_type` of a record.

use std::fmt;

use outrigger_core::RefusalKind;
use serde::{Serialize, Serializer};

use crate::telemetry::attempt_error::AttemptError;

/// The `error_type` of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorType {
    /// The gateway's own error, before an attempt or after content was sent.
    Refused(RefusalKind),
    /// The error of the attempt that the caller got.
    Failed(AttemptError),
    /// The caller closed the connection.
    ClientClosed,
}

impl ErrorType {
    /// Its name in records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorType::Refused(kind) => kind.name(),
            ErrorType::Failed(error) => error.as_str(),
            ErrorType::ClientClosed => "client_closed",
        }
    }
}

impl fmt::Display for ErrorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for ErrorType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
