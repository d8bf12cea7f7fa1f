//! Orders candidates: one of the primaries is chosen among those that may be tried.

use crate::decide::balance::{balanced, to_front};
use crate::decide::eligibility::{CandidateSlot, evaluate};
use crate::decision::Candidate;
use crate::policy::{Key, Policy};
use crate::request::Request;
use outrigger_core::hash::spread_parts;

/// Evaluates the primaries, chooses one of those that may be tried, and orders them: first candidates to try, then
/// skipped ones.
///
/// `round` makes the random choices of chained rules independent: otherwise the second choice would always repeat the
/// first.
pub(crate) fn ordered(
    policy: &Policy,
    key: &Key,
    request: &Request<'_>,
    slots: &[CandidateSlot],
    round: usize,
) -> Vec<Candidate> {
    in_order(policy, key, request, slots, round).into_iter().map(|(_, candidate)| candidate).collect()
}

/// The index of the chosen slot; `None` if none may be tried.
pub(crate) fn chosen_slot(
    policy: &Policy,
    key: &Key,
    request: &Request<'_>,
    slots: &[CandidateSlot],
    round: usize,
) -> Option<usize> {
    let ordered = in_order(policy, key, request, slots, round);
    ordered.iter().find(|(_, candidate)| candidate.skipped.is_none()).map(|(slot_index, _)| *slot_index)
}

/// Each with the index of its slot.
fn in_order(
    policy: &Policy,
    key: &Key,
    request: &Request<'_>,
    slots: &[CandidateSlot],
    round: usize,
) -> Vec<(usize, Candidate)> {
    let evaluated = slots.iter().map(|slot| evaluate(policy, key, request, slot)).enumerate();
    let (eligible, skipped): (Vec<_>, Vec<_>) = evaluated.partition(|(_, candidate)| candidate.skipped.is_none());
    let weight = |(slot_index, candidate): &(usize, Candidate)| {
        let slot = &slots[*slot_index];
        let identity = candidate.provider.map_or(0, |index| policy.providers[index].identity)
            ^ slot.credential.as_ref().map_or(0, |name| spread_parts(&[name.as_bytes()]));
        (f64::from(slot.weight.unwrap_or(0)), identity)
    };
    let weights: Vec<(f64, u64)> = eligible.iter().map(weight).collect();
    let paces = |index: usize| {
        let candidate = &eligible[index].1;
        candidate.provider.and_then(|p| request.state.pace(&policy.providers[p], None, &candidate.model))
    };
    let salt = if round == 0 { 0 } else { spread_parts(&[b"round", &round.to_le_bytes()]) };
    let mut order = balanced(key.balance, &weights, request.draw, salt, paces);
    if let Some(stay) = request.stay {
        to_front(&mut order, |slot_index| {
            eligible[slot_index].1.provider.is_some_and(|provider| policy.providers[provider].identity == stay.provider)
        });
    }
    let mut eligible: Vec<Option<(usize, Candidate)>> = eligible.into_iter().map(Some).collect();
    order.into_iter().filter_map(|slot_index| eligible[slot_index].take()).chain(skipped).collect()
}

/// Removes candidates with the same provider and model. Different credentials make different candidates.
pub(crate) fn drop_repeats(candidates: &mut Vec<Candidate>) {
    let mut kept: Vec<Candidate> = Vec::with_capacity(candidates.len());
    for candidate in candidates.drain(..) {
        let same = |other: &Candidate| {
            other.name == candidate.name
                && other.model == candidate.model
                && candidate.credentials.iter().all(|index| other.credentials.contains(index))
        };
        if !kept.iter().any(same) {
            kept.push(candidate);
        }
    }
    *candidates = kept;
}
