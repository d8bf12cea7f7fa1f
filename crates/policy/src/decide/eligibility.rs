//! Whether a candidate may be tried: checks what the key may use, then its budgets, then the current state.

use std::sync::Arc;

use crate::decide::balance::{balanced, to_front};
use crate::decide::downgrade::downgraded;
use crate::decide::limit_gate::gate;
use crate::decision::{Candidate, Skip};
use crate::index::{CredentialIndex, EntryIndex};
use crate::naming::serving::{permits, permits_others, serves_others};
use crate::policy::{Key, KeyProvider, Policy, Provider};
use crate::request::Request;

/// A possible candidate, before anything is checked.
#[derive(Clone, Debug)]
pub(crate) struct CandidateSlot {
    /// The key's entry, or a name that the key does not have.
    pub provider: Result<EntryIndex, Arc<str>>,
    pub model: Arc<str>,
    /// `None` for a fallback, which is not chosen by weight.
    pub weight: Option<u32>,
    /// The credential that a rule's target names.
    pub credential: Option<String>,
    /// See [`Candidate::any_name`].
    pub any_name: bool,
}

/// Checks what the key may use, then whether a budget downgrades the model, then the current state: whether a slot may
/// be tried, and with which credentials.
///
/// A candidate in cooldown keeps its credentials, so that it can be tried if nothing else is left.
pub(crate) fn evaluate(policy: &Policy, key: &Key, request: &Request<'_>, slot: &CandidateSlot) -> Candidate {
    let (candidate, usable) = permitted_candidate(policy, key, request, slot);
    let Some(usable) = usable else { return candidate };
    let (mut candidate, usable) = downgraded(policy, key, request, slot, &candidate).unwrap_or((candidate, usable));
    let Some(provider) = candidate.provider.map(|index| &policy.providers[index]) else { return candidate };
    candidate.skipped = gate(policy, key, request, &candidate);
    if candidate.skipped.is_none() {
        let (credentials, resting) = available_credentials(provider, request, &candidate, usable);
        candidate.credentials = credentials;
        candidate.skipped = resting;
    }
    candidate
}

/// The candidate of a slot, with the credentials that may be used. Without any it is skipped, with the reason.
pub(crate) fn permitted_candidate(
    policy: &Policy,
    key: &Key,
    request: &Request<'_>,
    slot: &CandidateSlot,
) -> (Candidate, Option<Vec<CredentialIndex>>) {
    let mut candidate = Candidate {
        provider: None,
        name: slot.provider.as_ref().map_or_else(Arc::clone, |index| key.providers[*index].name.clone()),
        model: slot.model.clone(),
        upstream_model: slot.model.clone(),
        credentials: Vec::new(),
        weight: slot.weight,
        skipped: Some(Skip::ProviderBlocked),
        any_name: slot.any_name,
        downgraded_by: None,
        entry: None,
    };
    let Ok(index) = slot.provider else { return (candidate, None) };
    let entry = &key.providers[index];
    let provider = &policy.providers[entry.provider];
    candidate.provider = Some(entry.provider);
    candidate.entry = Some(index);
    candidate.upstream_model = provider.upstream_name(&slot.model);
    let wanted = slot.credential.as_deref().or(request.credential);
    match permitted_credentials(key, entry, provider, request, &candidate, wanted) {
        Err(skip) => (Candidate { skipped: Some(skip), ..candidate }, None),
        Ok(usable) => (candidate, Some(usable)),
    }
}

/// The credentials that may be used: by the lists of the provider, the key, the request and the credentials themselves.
fn permitted_credentials(
    key: &Key,
    entry: &KeyProvider,
    provider: &Provider,
    request: &Request<'_>,
    candidate: &Candidate,
    wanted: Option<&str>,
) -> Result<Vec<CredentialIndex>, Skip> {
    if provider.suspended {
        return Err(Skip::ProviderBlocked);
    }
    let has_model = request.model.is_some();
    if has_model && !permits(key, entry, provider, &candidate.model) {
        return Err(Skip::ModelBlocked);
    }
    let others = request.state.others(provider, &candidate.upstream_model);
    let usable: Vec<CredentialIndex> = provider
        .credentials
        .keys()
        .filter(|index| {
            let credential = &provider.credentials[*index];
            !credential.suspended
                && wanted.is_none_or(|name| *credential.name == *name)
                && (entry.credentials.is_empty() || entry.credentials.iter().any(|name| **name == *credential.name))
                && (!has_model || credential.serves(&candidate.model, &candidate.upstream_model))
                && serves_others(credential, others)
        })
        .collect();
    if usable.is_empty() && (!provider.credentials.is_empty() || wanted.is_some()) {
        return Err(Skip::CredentialBlocked);
    }
    match request.state.unfit(provider, &candidate.upstream_model) {
        Some(field) => Err(Skip::Unsupported(field)),
        None if !permits_others(key, entry, provider, others) => Err(Skip::ModelBlocked),
        None => Ok(usable),
    }
}

/// The credentials without a gate, in the order of attempts; if there is none, those in cooldown, with the reason.
fn available_credentials(
    provider: &Provider,
    request: &Request<'_>,
    candidate: &Candidate,
    usable: Vec<CredentialIndex>,
) -> (Vec<CredentialIndex>, Option<Skip>) {
    if provider.credentials.is_empty() {
        return (usable, request.state.gate(provider, None, &candidate.model));
    }
    let (mut open, mut resting, mut first) = (Vec::new(), Vec::new(), None);
    for index in usable {
        match request.state.gate(provider, Some(&provider.credentials[index]), &candidate.model) {
            None => open.push(index),
            Some(skip) => {
                // A credential in cooldown can be tried as a last resort; one without its secret never.
                if skip.is_passing() {
                    resting.push(index);
                    first = first.filter(Skip::is_passing);
                }
                first.get_or_insert(skip);
            }
        }
    }
    if open.is_empty() {
        return (resting, first);
    }
    let credential = |position: usize| &provider.credentials[open[position]];
    let weights: Vec<(f64, u64)> =
        (0..open.len()).map(credential).map(|one| (f64::from(one.weight), one.identity)).collect();
    let pace = |position: usize| request.state.pace(provider, Some(credential(position)), &candidate.model);
    let mut order = balanced(provider.balance, &weights, request.draw, provider.identity, pace);
    if let Some(stay) = request.stay {
        to_front(&mut order, |position| credential(position).identity == stay.credential);
    }
    (order.into_iter().map(|position| open[position]).collect(), None)
}
