//! Whether limits allow a candidate: whether they are used up, and whether its usage can be counted.

use crate::decide::decision::{Candidate, Skip};
use crate::document::Unit;
use crate::index::{EntryIndex, KeyIndex, LimitIndex};
use crate::limits::unmeasured::gap;
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
        self.limits.of_attempt(key, &key_of.id, entry, &provider.id.name, &names)
    }
}

/// The limit that stops a candidate, if any. Of several, the one that lasts longest: money before requests and tokens.
pub(crate) fn gate(policy: &Policy, key: &Key, request: &Request<'_>, candidate: &Candidate) -> Option<Skip> {
    let (Some(entry), false) = (candidate.entry, policy.limits.all.is_empty()) else { return None };
    let free = request.conditions.is_free();
    let places = policy.limits_of(request.key, entry, &candidate.model);
    let counting = |place: &LimitIndex| !free || policy.limits.all[*place].unit == Unit::Requests;
    let mut first = None;
    for place in places.into_iter().filter(counting) {
        let limit = &policy.limits.all[place];
        if gap(policy, key, request, candidate, limit).is_some() {
            return Some(Skip::Unpriced);
        }
        if limit.is_spent(request.conditions.used(place)) {
            match limit.is_budget() {
                true if !matches!(first, Some(Skip::Budget(_))) => first = Some(Skip::Budget(place)),
                false if first.is_none() => first = Some(Skip::Limit(place)),
                _ => {}
            }
        }
    }
    first
}
