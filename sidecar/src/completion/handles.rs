//! Handles of what only one account has: they lead the next request there.

use outrigger_llm::Dialect;
use outrigger_policy::Stay;

use super::Completion;
use crate::request::conversation::conversation;

/// A handle that only this account knows (`resp_…`) leads its next request here.
pub fn remember_handle(completion: &Completion, handle: &str, stay: Stay) {
    let name = conversation(&completion.context, &[b"handle", handle.as_bytes()]);
    completion.gateway.affinity.remember(name, stay);
}

/// The id of a stored response, from an answer's first bytes.
pub fn response_handle(dialect: Dialect, operation: &str, bytes: &[u8]) -> Option<String> {
    if dialect != Dialect::OpenAi || operation != "responses" {
        return None;
    }
    let at = memchr::memmem::find(bytes, b"\"resp_")? + 1;
    let end = memchr::memchr(b'"', &bytes[at..])? + at;
    std::str::from_utf8(&bytes[at..end]).ok().filter(|id| id.len() <= 256).map(str::to_owned)
}
