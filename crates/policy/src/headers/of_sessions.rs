//! Which headers cannot carry a session's id.

use super::{Group, row};

/// The session of a request: all its requests get the same random choice. So does the header of a key's limits on
/// sessions, which may be another one.
pub const SESSION_HEADERS: [&str; 2] = ["x-outrigger-session", "x-bf-session-id"];

/// Why a header cannot carry a session's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionHeaderProblem {
    Credential,
    Gateway,
    EachRequest,
    Meaning,
}

impl SessionHeaderProblem {
    /// Completes "the header …". The schema of VirtualKeys uses the same words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Credential => "may carry a credential, as its name says",
            Self::Gateway => {
                "is one of the gateway's own, of which only x-outrigger-session and x-bf-session-id name a session"
            }
            Self::EachRequest => "names each request, not a run",
            Self::Meaning => "has a meaning of its own",
        }
    }
}

/// Headers whose value is another one in each request: each request would be a session of its own.
const EACH_REQUEST: &[&str] = &[
    "request-id",
    "x-request-id",
    "x-client-request-id",
    "idempotency-key",
    "x-idempotency-key",
    "cf-ray",
    "b3",
    "x-b3-*",
    "x-datadog-*",
    "sentry-trace",
    "traceparent",
    "uber-trace-id",
    "x-amzn-trace-id",
    "x-cloud-trace-context",
];

/// Headers that pass to a provider, which reads them. The provider would not get them.
const OF_PROVIDERS: &[&str] = &[
    "accept",
    "accept-*",
    "anthropic-*",
    "cache-control",
    "content-*",
    "from",
    "http-referer",
    "openai-*",
    "pragma",
    "priority",
    "user-agent",
    "x-stainless-*",
    "x-title",
];

/// Why a header cannot carry a session's id, by its name in lower case; `None` if it can.
#[must_use]
pub fn session_header_problem(name: &str) -> Option<SessionHeaderProblem> {
    let row = row(name);
    let group = row.map(|row| row.group);
    let is_of = |names: &[&str]| {
        names.iter().any(|known| known.strip_suffix('*').map_or(*known == name, |family| name.starts_with(family)))
    };
    if SESSION_HEADERS.contains(&name) {
        None
    } else if group == Some(Group::Ours) {
        Some(SessionHeaderProblem::Gateway)
    } else if is_of(EACH_REQUEST) {
        Some(SessionHeaderProblem::EachRequest)
    } else if row.is_some_and(|row| row.hidden) || name.ends_with("-key") {
        Some(SessionHeaderProblem::Credential)
    } else if row.is_some() || is_of(OF_PROVIDERS) {
        Some(SessionHeaderProblem::Meaning)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::TABLE;
    use super::*;

    #[test]
    fn every_header_with_a_row_is_refused_except_those_of_sessions() {
        for name in TABLE.iter().flat_map(|row| row.names) {
            let sample = name.replace('*', "x");
            assert!(session_header_problem(&sample).is_some(), "{sample}");
        }
        for name in
            ["x-outrigger-session", "x-bf-session-id", "x-session-id", "x-thread-id", "mcp-session-id", "acceptance"]
        {
            assert_eq!(session_header_problem(name), None, "{name}");
        }
    }
}
