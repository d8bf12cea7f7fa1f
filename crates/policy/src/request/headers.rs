//! What a request says beside its body, read in one way by all who decide: the gateway, `explain`, the tests of rules, and
//! replays of records.

use crate::index::KeyIndex;
use crate::request::{Conditions, Draw, Request};
use outrigger_core::hash::fnv1a_parts;
use outrigger_core::{ObjectRef, RequestType};

/// Who is asked beside the model.
const PROVIDER: &str = "x-outrigger-provider";
/// Which of a provider's credentials, by name; the first that is there counts.
const CREDENTIAL: [&str; 2] = ["x-bf-api-key", "x-bf-api-key-id"];
/// What draws alike for all requests of a session.
const SESSION: [&str; 2] = ["x-outrigger-session", "x-bf-session-id"];

/// The session that headers name.
#[must_use]
pub fn session<'a>(header: impl Fn(&str) -> Option<&'a str>) -> Option<&'a str> {
    SESSION.into_iter().find_map(header)
}

impl Draw {
    /// The same pick for all requests of a session of a key, in every process.
    #[must_use]
    pub fn of_session(key: &ObjectRef, session: &str) -> Draw {
        Draw::Session(fnv1a_parts(&[key.namespace.as_bytes(), key.name.as_bytes(), session.as_bytes()]))
    }
}

impl<'a> Request<'a> {
    /// A request as its caller says it; `header` tells a header's value by its name in lower case. Rules see no headers or
    /// parameters yet, and the likeliest is drawn.
    #[must_use]
    pub fn said(
        key: KeyIndex,
        request_type: RequestType,
        model: Option<&'a str>,
        fallbacks: Option<&'a [String]>,
        header: &dyn Fn(&str) -> Option<&'a str>,
        conditions: &'a dyn Conditions,
    ) -> Self {
        Request {
            key,
            request_type,
            model,
            provider: header(PROVIDER),
            fallbacks,
            credential: CREDENTIAL.into_iter().find_map(header),
            headers: &[],
            params: &[],
            draw: Draw::Likeliest,
            stay: None,
            conditions,
        }
    }
}
