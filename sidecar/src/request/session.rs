//! The session that a request belongs to, and whether its conversation repeats a tool call too often.

use std::sync::Arc;

use http::HeaderMap;
use outrigger_core::RefusalKind;
use outrigger_llm::operation::{Operation, OperationKind};
use outrigger_llm::passthrough::tool_calls::repeated;
use outrigger_policy::{Key, Printable};

use crate::request::refusal::Refusal;
use crate::runtime::sessions::{LiveSessions, MOST, SessionUse};

/// The longest name of a session, in bytes.
const LONGEST: usize = 256;

/// The name of the request's session, if its key limits sessions. A request that counts tokens, or that the gateway answers
/// itself, belongs to none: it is free, and no step of a run.
///
/// # Errors
/// The key requires a session and the request names none, or it names two, or the name is too long.
pub fn name<'h>(key: &Key, operation: &Operation, headers: &'h HeaderMap) -> Result<Option<&'h [u8]>, Refusal> {
    let Some(session) = &key.session else { return Ok(None) };
    if operation.kind == OperationKind::CountTokens || operation.kind.is_answered_here() {
        return Ok(None);
    }
    let header = session.header.as_str();
    let mut names = headers.get_all(header).iter().map(|value| value.as_bytes().trim_ascii());
    let first = names.next();
    // Nobody should choose which of two counts.
    let differs = names.any(|other| Some(other) != first);
    let name = first.filter(|name| !name.is_empty());
    let invalid = |message: String| {
        let param = Some(header.to_owned());
        Refusal { param, ..Refusal::new(RefusalKind::InvalidRequest, message) }
    };
    match name {
        _ if differs => Err(invalid(format!("`{header}` names more than one session: send one id"))),
        Some(name) if name.len() > LONGEST => {
            Err(invalid(format!("the session's id in `{header}` has {} bytes, and may have {LONGEST}", name.len())))
        }
        None if session.required => Err(invalid(format!(
            "VirtualKey {} requires the id of a session: send the id of your run or conversation in `{header}` \
             (spec.limits.session.required)",
            key.id
        ))),
        name => Ok(name),
    }
}

/// Adds the request to its session, if the key counts something in sessions.
///
/// # Errors
/// As [`name`], or there is no room for another session.
pub fn join(
    sessions: &Arc<LiveSessions>,
    key: &Key,
    operation: &Operation,
    headers: &HeaderMap,
) -> Result<Option<SessionUse>, Refusal> {
    let (Some(name), Some(session)) = (name(key, operation, headers)?, &key.session) else { return Ok(None) };
    if !session.counts() {
        return Ok(None);
    }
    sessions.join(&key.id, name, session.idle).map(Some).map_err(|_| {
        let message = format!(
            "this gateway counts {MOST} sessions at one time, and cannot forget one to count another of VirtualKey {}: \
             the others have requests in progress, or belong to keys with fewer sessions",
            key.id
        );
        Refusal::new(RefusalKind::Overloaded, message).after(1)
    })
}

/// The refusal of a conversation that contains a tool call too often.
#[must_use]
pub fn refuses_repeats(key: &Key, operation: &Operation, body: &[u8]) -> Option<Refusal> {
    let most = key.session.as_ref()?.repeats?;
    if !matches!(operation.kind, OperationKind::Chat | OperationKind::Responses) {
        return None;
    }
    let call = repeated(body, most)?;
    let times = if most == 1 { "once".to_owned() } else { format!("{most} times") };
    let message = format!(
        "the conversation calls the tool `{}` with the same arguments more than {times}, which is what VirtualKey {} allows \
         (spec.limits.session.repeats); the agent seems to repeat itself",
        Printable(&call.tool),
        key.id
    );
    Some(Refusal::new(RefusalKind::RepeatedToolCall, message))
}
