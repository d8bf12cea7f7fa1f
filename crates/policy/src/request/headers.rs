//! What a request's headers say about routing. All code that decides reads them here: the gateway, `explain`, tests of
//! rules, and replays of records.

use crate::headers::SESSION_HEADERS;
use crate::index::KeyIndex;
use crate::policy::Key;
use crate::request::{Draw, GatewayState, Request};
use outrigger_core::hash::fnv1a_parts;
use outrigger_core::{ObjectRef, RequestType};

/// The provider to use.
const PROVIDER: &str = "x-outrigger-provider";
/// The credential to use, by name; the first of these headers that is present counts.
const CREDENTIAL: [&str; 2] = ["x-bf-api-key", "x-bf-api-key-id"];

/// The session in the headers: in the one of the key's limits on sessions, or else in one of [`SESSION_HEADERS`].
#[must_use]
pub fn session<'a>(key: &Key, header: impl Fn(&str) -> Option<&'a str>) -> Option<&'a str> {
    let own = key.session.as_ref().and_then(|limits| header(&limits.header)).filter(|name| !name.is_empty());
    own.or_else(|| SESSION_HEADERS.into_iter().find_map(header))
}

impl Draw {
    /// The random choice for all requests of a session of a key, the same in every process.
    #[must_use]
    pub fn of_session(key: &ObjectRef, session: &str) -> Draw {
        Draw::Session(fnv1a_parts(&[key.namespace.as_bytes(), key.name.as_bytes(), session.as_bytes()]))
    }
}

impl<'a> Request<'a> {
    /// A request from its headers and body; `header` returns a header's value by its name in lower case. Rules see no
    /// headers or parameters yet, and the choice is the likeliest one.
    #[must_use]
    pub fn from_headers(
        key: KeyIndex,
        request_type: RequestType,
        model: Option<&'a str>,
        fallbacks: Option<&'a [String]>,
        header: &dyn Fn(&str) -> Option<&'a str>,
        state: &'a dyn GatewayState,
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
            state,
        }
    }
}
