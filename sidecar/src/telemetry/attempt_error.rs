//! Why an attempt failed: the closed list of errors in records, metrics and docs.

use outrigger_llm::errors::classify::Class;
use serde::{Serialize, Serializer};

macro_rules! attempt_errors {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)+) => {
        /// Why an attempt failed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum AttemptError {
            $($(#[$doc])* $name,)+
        }

        impl AttemptError {
            /// All errors, in the order of `docs/semantics.md`, section 9.
            pub const ALL: &[AttemptError] = &[$(AttemptError::$name,)+];

            /// Its name in records, metrics and `x-outrigger` comments.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(AttemptError::$name => $word,)+
                }
            }
        }
    };
}

attempt_errors! {
    /// No connection.
    Connect = "connect",
    Tls = "tls",
    TimeoutConnect = "timeout_connect",
    TimeoutFirstToken = "timeout_first_token",
    TimeoutAttempt = "timeout_attempt",
    TimeoutIdle = "timeout_idle",
    TimeoutTotal = "timeout_total",
    /// The caller's own mistake.
    Caller = "caller",
    Credential = "credential",
    Quota = "quota",
    RateLimited = "rate_limited",
    Overloaded = "overloaded",
    ModelMissing = "model_missing",
    ContextTooLong = "context_too_long",
    Filtered = "filtered",
    ServerError = "server_error",
    /// An empty answer.
    Empty = "empty",
    /// An answer that is not of the dialect.
    Malformed = "malformed",
    /// An error event inside a stream.
    StreamError = "stream_error",
    /// The connection was lost in the middle of an answer.
    Cut = "cut",
    /// The request has already passed through the gateway that the provider leads to.
    Loop = "loop",
    /// The candidate does not support this request.
    Unsupported = "unsupported",
}

impl AttemptError {
    /// Whether the provider took too long after the connection was open.
    #[must_use]
    pub fn is_slow(self) -> bool {
        match self {
            AttemptError::TimeoutFirstToken
            | AttemptError::TimeoutAttempt
            | AttemptError::TimeoutIdle
            | AttemptError::TimeoutTotal => true,
            AttemptError::Connect
            | AttemptError::Tls
            | AttemptError::TimeoutConnect
            | AttemptError::Caller
            | AttemptError::Credential
            | AttemptError::Quota
            | AttemptError::RateLimited
            | AttemptError::Overloaded
            | AttemptError::ModelMissing
            | AttemptError::ContextTooLong
            | AttemptError::Filtered
            | AttemptError::ServerError
            | AttemptError::Empty
            | AttemptError::Malformed
            | AttemptError::StreamError
            | AttemptError::Cut
            | AttemptError::Loop
            | AttemptError::Unsupported => false,
        }
    }
}

impl From<Class> for AttemptError {
    fn from(class: Class) -> Self {
        match class {
            Class::Caller => AttemptError::Caller,
            Class::Credential => AttemptError::Credential,
            Class::Quota => AttemptError::Quota,
            Class::RateLimited => AttemptError::RateLimited,
            Class::Overloaded => AttemptError::Overloaded,
            Class::ModelMissing => AttemptError::ModelMissing,
            Class::ContextTooLong => AttemptError::ContextTooLong,
            Class::Filtered => AttemptError::Filtered,
            Class::Transient => AttemptError::ServerError,
        }
    }
}

impl Serialize for AttemptError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_lists_all_errors() {
        let page = include_str!("../../../docs/semantics.md");
        let (_, from) = page.split_once("(`attempts[].error`, `fallback_reason`):").unwrap();
        let (list, _) = from.split_once('.').unwrap();
        let listed: Vec<&str> = list.split('`').skip(1).step_by(2).collect();
        let all: Vec<&str> = AttemptError::ALL.iter().map(|error| error.as_str()).collect();
        assert_eq!(listed, all);
    }
}
