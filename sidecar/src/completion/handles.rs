//! Remembers ids that only one account of a provider knows (`resp_…`), so that later requests go to the same account.

use outrigger_llm::operation::OperationKind;
use outrigger_policy::Stay;

use super::Completion;
use crate::request::conversation::conversation;

/// Routes the next request that contains this id to the same account.
pub fn remember_handle(completion: &Completion, handle: &str, stay: Stay) {
    let name = conversation(&completion.context, &[b"handle", handle.as_bytes()]);
    completion.gateway.affinity.remember(name, stay);
}

/// The id of a stored response, from the first bytes of an answer.
pub fn response_handle(operation: OperationKind, bytes: &[u8]) -> Option<String> {
    if operation != OperationKind::Responses {
        return None;
    }
    let at = memchr::memmem::find(bytes, b"\"resp_")? + 1;
    let end = memchr::memchr(b'"', &bytes[at..])? + at;
    std::str::from_utf8(&bytes[at..end]).ok().filter(|id| id.len() <= 256).map(str::to_owned)
}
