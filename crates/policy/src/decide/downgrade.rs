//! Replaces the model of a candidate with a cheaper one when a budget is nearly spent.

use std::sync::Arc;

use outrigger_core::Capabilities;

use crate::decide::eligibility::{CandidateSlot, permitted_candidate};
use crate::decision::Candidate;
use crate::index::CredentialIndex;
use crate::naming::serving::{serves, serving};
use crate::policy::{Key, Policy};
use crate::prices::Price;
use crate::request::Request;

/// The replacement of a candidate, with its credentials. A budget that counts the candidate and has reached a threshold
/// names the model. It replaces the candidate if it is cheaper, has the capabilities that the request needs, and the
/// key may use it. At the same provider if that serves it, else at the first other one, by weight.
pub(crate) fn downgraded(
    policy: &Policy,
    key: &Key,
    request: &Request<'_>,
    slot: &CandidateSlot,
    candidate: &Candidate,
) -> Option<(Candidate, Vec<CredentialIndex>)> {
    // Usually no budget has a threshold, and nothing needs to be looked up.
    let may = policy.limits.all.iter().any(|limit| !limit.thresholds.is_empty());
    let entry = candidate.entry.filter(|_| may)?;
    if request.model.is_none() || !request.request_type.is_conversation() {
        return None;
    }
    let limit_indexes = policy.limits_of(request.key, entry, &candidate.model);
    for limit_index in
        limit_indexes.into_iter().filter(|limit_index| !policy.limits.all[*limit_index].thresholds.is_empty())
    {
        let limit = &policy.limits.all[limit_index];
        let Some(model) = limit.downgrades_to(request.level(limit_index, limit)) else { continue };
        let here = serves(policy, key, entry, model).then_some(entry);
        let others = || serving(policy, key, model).map(|serving| serving.entries).unwrap_or_default();
        let mut elsewhere = if here.is_some() { Vec::new() } else { others() };
        elsewhere.sort_by_key(|index| std::cmp::Reverse(key.providers[*index].weight));
        for index in here.into_iter().chain(elsewhere) {
            let cheaper = CandidateSlot {
                provider: Ok(index),
                model: Arc::from(model),
                weight: slot.weight,
                // A rule's credential belongs to its own provider.
                credential: slot.credential.clone().filter(|_| index == entry),
                any_name: false,
            };
            let (other, Some(usable)) = permitted_candidate(policy, key, request, &cheaper) else { continue };
            if is_cheaper(policy, &other, candidate) && can(policy, request, &other) {
                return Some((Candidate { downgraded_by: Some(limit_index), ..other }, usable));
            }
        }
    }
    None
}

/// Whether neither price is higher and one is lower. A model without a price is not known to be cheaper.
fn is_cheaper(policy: &Policy, other: &Candidate, than: &Candidate) -> bool {
    let price = |candidate: &Candidate| candidate.provider.and_then(|index| policy.price(index, &candidate.model));
    let (Some(other), Some(than)) = (price(other), price(than)) else { return false };
    let both = |price: &Price| (price.input, price.output);
    other.input <= than.input && other.output <= than.output && both(other) != both(than)
}

/// Whether a model is not known to lack a capability that the request needs. Prompt caching does not count: the answer
/// is the same without it.
fn can(policy: &Policy, request: &Request<'_>, candidate: &Candidate) -> bool {
    let known = candidate.provider.and_then(|index| policy.capabilities(index, &candidate.model));
    known.is_none_or(|can| can.contains(request.state.needs().without(Capabilities::PROMPT_CACHING)))
}
