//! What only one account has (a stored response, a cache) leads its requests to that account.

use outrigger_llm::Dialect;
use outrigger_policy::{Candidate, CredentialIndex, Decision, Stay};

use crate::pipeline::completion::Completion;
use crate::pipeline::context::RequestContext;
use crate::pipeline::decide::conversation;

/// What only one account has goes to that account, and nothing fails over.
pub fn bind(decision: &mut Decision, stay: Option<Stay>, context: &RequestContext) {
    let policy = &context.served.policy;
    let home = |candidate: &Candidate, stay: Stay| {
        let provider = policy.providers.get(candidate.provider?)?;
        let has = |index: &CredentialIndex| provider.credentials[*index].identity == stay.credential;
        match candidate.credentials.is_empty() {
            _ if provider.identity != stay.provider => None,
            true => Some(None),
            false => candidate.credentials.iter().copied().find(has).map(Some),
        }
    };
    let mut eligible = decision.candidates.iter().filter(|candidate| candidate.skipped.is_none());
    let found = match stay {
        // Nobody remembers: the first one, and it alone.
        None => eligible.next().map(|candidate| (candidate.clone(), candidate.credentials.first().copied())),
        Some(stay) => eligible.find_map(|candidate| Some((candidate.clone(), home(candidate, stay)?))),
    };
    match found {
        Some((mut candidate, credential)) => {
            candidate.credentials = credential.into_iter().collect();
            decision.candidates = vec![candidate];
        }
        None if decision.refusal.is_none() => {
            let message = "this request names something that only one account has, and that account cannot be asked \
                           now: it rests, was suspended, or this key may no longer use it";
            decision.refusal = Some(outrigger_policy::PolicyRefusal {
                kind: outrigger_policy::PolicyRefusalKind::UpstreamUnreachable,
                message: message.to_owned(),
                param: None,
                limit: None,
            });
        }
        None => {}
    }
}

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
