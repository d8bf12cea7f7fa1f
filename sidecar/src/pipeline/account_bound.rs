//! Routes requests that name a resource of one account (a stored response, a cache) to that account.

use outrigger_policy::{Candidate, CredentialIndex, Decision, Stay};

use crate::request::context::RequestContext;

/// Reduces the candidates to the account that owns the resource. There is no failover.
pub fn bind(decision: &mut Decision, stay: Option<Stay>, context: &RequestContext) {
    let policy = &context.served.policy;
    let credential_of = |candidate: &Candidate, stay: Stay| {
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
        // The owner is unknown: take only the first candidate.
        None => eligible.next().map(|candidate| (candidate.clone(), candidate.credentials.first().copied())),
        Some(stay) => eligible.find_map(|candidate| Some((candidate.clone(), credential_of(candidate, stay)?))),
    };
    match found {
        Some((mut candidate, credential)) => {
            candidate.credentials = credential.into_iter().collect();
            decision.candidates = vec![candidate];
        }
        None if decision.refusal.is_none() => {
            let message = "this request refers to something that only one account has, and that account is not available: it is paused or suspended, or this key may no longer use it";
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
