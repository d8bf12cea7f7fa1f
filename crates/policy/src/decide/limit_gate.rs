//! Whether limits allow a candidate: whether they are used up, and whether its usage can be counted.

use crate::decide::unmeasured::unmeasured_fact;
use crate::decision::{Candidate, Skip};
use crate::document::Unit;
use crate::index::{EntryIndex, KeyIndex, LimitIndex};
use crate::policy::{Key, Policy};
use crate::request::Request;

impl Policy {
    /// The limits that count an attempt, by all names of its model, ascending. A gateway reserves with these.
    #[must_use]
    pub fn limits_of(&self, key: KeyIndex, entry: EntryIndex, model: &str) -> Vec<LimitIndex> {
        let Some((key_of, entry_of)) = self.keys.get(key).and_then(|one| Some((one, one.providers.get(entry)?))) else {
            return Vec::new();
        };
        let provider = &self.providers[entry_of.provider];
        let upstream = provider.upstream_name(model);
        let mut names = vec![model, provider.own_name(model), &upstream];
        if let Some(known) = provider.model(model) {
            names.extend(known.aliases.iter().map(String::as_str));
        }
        let mut limits = self.limits.of_attempt(key, &key_of.id, entry, &provider.id.name, &names);
        if provider.caller_credential {
            // The caller pays, and nobody here knows how much.
            limits.retain(|index| self.limits.all[*index].unit != Unit::Money);
        }
        limits
    }
}

/// The limit that stops a candidate, if any. Of several, the one that lasts longest: money before requests and tokens.
pub(crate) fn gate(policy: &Policy, key: &Key, request: &Request<'_>, candidate: &Candidate) -> Option<Skip> {
    let (Some(entry), false) = (candidate.entry, policy.limits.all.is_empty()) else { return None };
    let free = request.state.is_free();
    let limit_indexes = policy.limits_of(request.key, entry, &candidate.model);
    let in_session = request.state.is_in_session();
    let counting = |limit_index: &LimitIndex| {
        let limit = &policy.limits.all[*limit_index];
        (!free || limit.unit == Unit::Requests) && (in_session || !limit.per_session)
    };
    let mut first = None;
    for limit_index in limit_indexes.into_iter().filter(counting) {
        let limit = &policy.limits.all[limit_index];
        if unmeasured_fact(policy, key, request, candidate, limit).is_some() {
            return Some(Skip::Unpriced);
        }
        if limit.is_spent(request.state.used(limit_index)) {
            match limit.is_budget() {
                true if !matches!(first, Some(Skip::Budget(_))) => first = Some(Skip::Budget(limit_index)),
                false if first.is_none() => first = Some(Skip::Limit(limit_index)),
                _ => {}
            }
        }
    }
    first
}
