//! Which limits are shared, and which of them a gateway may use: as the plans of bindings have them.
//!
//! A limit of one name comes from several bindings: a Budget counts keys of many. They are planned one after the other, so that
//! they differ for a moment when it changes. The plan that has seen more of the cluster is right.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use outrigger_ledger::protocol::LimitKey;
use outrigger_ledger::shared::can_be_shared;
use outrigger_ledger::shared::leader::{GatewayLimits, SharedLimit};
use outrigger_policy::{Document, LedgerDoc};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::objects::binding::Binding;

/// Limits that a binding had before are remembered up to so many: its gateways may still hold some of them.
const FORMER_MAX: usize = 1_000;

/// The limits of all bindings.
#[derive(Debug)]
pub struct PlannedLimits {
    bindings: Mutex<BTreeMap<Binding, BindingLimits>>,
    changes: watch::Sender<()>,
}

#[derive(Debug)]
struct BindingLimits {
    /// How much of the cluster its plan has seen.
    seen: u64,
    limits: Vec<SharedLimit>,
    /// What its gateways may want of those, and what it had before.
    usable: Arc<GatewayLimits>,
}

impl Default for PlannedLimits {
    fn default() -> Self {
        PlannedLimits { bindings: Mutex::default(), changes: watch::Sender::new(()) }
    }
}

impl PlannedLimits {
    /// A namespace was planned: what its bindings' documents say, and the bindings that keep what they have. `seen` rises with
    /// what the plan has seen of the cluster.
    pub fn planned<'a>(
        &self,
        namespace: &str,
        seen: u64,
        documents: impl Iterator<Item = (&'a Binding, &'a Document)>,
        held: &BTreeSet<Binding>,
    ) {
        let mut planned: BTreeMap<&Binding, PlannedDocument> =
            documents.map(|(binding, document)| (binding, shared(binding, document))).collect();
        let mut bindings = self.bindings.lock();
        bindings.retain(|binding, _| {
            binding.namespace != namespace || planned.contains_key(binding) || held.contains(binding)
        });
        for (binding, PlannedDocument { limits, fail_open }) in std::mem::take(&mut planned) {
            let wanted: BTreeSet<LimitKey> = limits.iter().map(|limit| limit.id.clone()).collect();
            match bindings.get_mut(binding) {
                Some(known) => {
                    // What was taken away just now comes first.
                    let former = known.usable.wanted.iter().chain(&known.usable.former);
                    let former = former.filter(|id| !wanted.contains(id)).take(FORMER_MAX).cloned().collect();
                    let usable = GatewayLimits { wanted, former, fail_open };
                    (known.seen, known.limits) = (seen, limits);
                    if *known.usable != usable {
                        known.usable = Arc::new(usable);
                    }
                }
                None => {
                    let usable = Arc::new(GatewayLimits { wanted, former: BTreeSet::new(), fail_open });
                    bindings.insert(binding.clone(), BindingLimits { seen, limits, usable });
                }
            }
        }
        drop(bindings);
        self.changes.send_replace(());
    }

    /// What gateways of the binding may report of; absent until the binding is planned.
    #[must_use]
    pub fn of(&self, binding: &Binding) -> Option<Arc<GatewayLimits>> {
        self.bindings.lock().get(binding).map(|planned| Arc::clone(&planned.usable))
    }

    /// Every limit, as the plan that has seen most has it, in order of its name.
    #[must_use]
    pub fn all(&self) -> Vec<SharedLimit> {
        let bindings = self.bindings.lock();
        let mut newest: BTreeMap<&LimitKey, (u64, &SharedLimit)> = BTreeMap::new();
        for planned in bindings.values() {
            for limit in &planned.limits {
                let held = newest.entry(&limit.id).or_insert((planned.seen, limit));
                if held.0 < planned.seen {
                    *held = (planned.seen, limit);
                }
            }
        }
        newest.into_values().map(|(_, limit)| limit.clone()).collect()
    }

    /// Changes when something was planned: many plans at once are one change.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }
}

/// What of a document its gateways share.
#[derive(Debug, Default)]
struct PlannedDocument {
    limits: Vec<SharedLimit>,
    /// What a gateway may owe of those that fail open.
    fail_open: BTreeMap<LimitKey, u64>,
}

fn shared(binding: &Binding, document: &Document) -> PlannedDocument {
    let mut planned = PlannedDocument::default();
    if document.ledger != LedgerDoc::Shared {
        return planned;
    }
    match document.counted_limits() {
        Ok(limits) => {
            for limit in limits.into_iter().filter(|limit| can_be_shared(&limit.window)) {
                let id = LimitKey::new(&limit.name, limit.unit);
                planned.fail_open.extend(limit.fail_open.map(|open| (id.clone(), open.most)));
                planned.limits.push(SharedLimit { id, max: limit.max, window: limit.window });
            }
        }
        Err(error) => {
            // Its gateways refuse the document for the same reason, and say so.
            tracing::warn!(%binding, %error, "the limits of a policy can't be shared");
        }
    }
    planned
}

#[cfg(test)]
mod tests {
    use outrigger_core::{Periods, Window};
    use outrigger_policy::{BudgetDoc, Unit};

    use super::*;

    fn document(budgets: &[(&str, u64)]) -> Document {
        let budget = |(name, max): &(&str, u64)| BudgetDoc {
            namespace: "teams".to_owned(),
            name: (*name).to_owned(),
            unit: Unit::Money,
            max: *max,
            window: Window::Lifetime,
            parent: None,
            thresholds: Vec::new(),
            applies_to: None,
            fail_open: None,
        };
        Document { budgets: budgets.iter().map(budget).collect(), ..Document::default() }.shared()
    }

    fn none() -> BTreeSet<Binding> {
        BTreeSet::new()
    }

    fn id(name: &str) -> LimitKey {
        LimitKey { limit: format!("Budget teams/{name}"), unit: "usd".to_owned() }
    }

    fn limit(name: &str, max: u64) -> SharedLimit {
        SharedLimit { id: id(name), max, window: Periods::lifetime() }
    }

    #[test]
    fn the_plan_that_has_seen_most_is_right() {
        let limits = PlannedLimits::default();
        let (shop, search) = (Binding::of("shop", "a"), Binding::of("search", "a"));
        limits.planned("shop", 7, [(&shop, &document(&[("team", 50)]))].into_iter(), &none());
        limits.planned("search", 4, [(&search, &document(&[("team", 90), ("own", 1)]))].into_iter(), &none());
        assert_eq!(limits.all(), [limit("own", 1), limit("team", 50)], "the older plan came later");
        limits.planned("search", 8, [(&search, &document(&[("team", 60)]))].into_iter(), &none());
        assert_eq!(limits.all(), [limit("team", 60)]);
        limits.planned("search", 9, std::iter::empty(), &none());
        assert_eq!(limits.all(), [limit("team", 50)], "nobody needs that policy any more");
    }

    #[test]
    fn gateways_may_settle_what_their_binding_had_and_want_what_it_has() {
        let limits = PlannedLimits::default();
        let (shop, other) = (Binding::of("shop", "a"), Binding::of("shop", "b"));
        assert_eq!(limits.of(&shop), None, "not planned yet");
        let documents = [document(&[("team", 50), ("old", 5)]), document(&[("others", 1)])];
        limits.planned("shop", 1, [(&shop, &documents[0]), (&other, &documents[1])].into_iter(), &none());
        limits.planned("shop", 2, [(&shop, &document(&[("team", 50)])), (&other, &documents[1])].into_iter(), &none());
        let usable = |wanted: &[&str], former: &[&str]| {
            let ids = |names: &[&str]| names.iter().map(|name| id(name)).collect();
            Some(Arc::new(GatewayLimits { wanted: ids(wanted), former: ids(former), ..GatewayLimits::default() }))
        };
        assert_eq!(limits.of(&shop), usable(&["team"], &["old"]));
        assert_eq!(limits.of(&other), usable(&["others"], &[]));
        assert_eq!(limits.all(), [limit("others", 1), limit("team", 50)], "what was taken away grants nothing");
        let documents = [document(&[("old", 5)]), document(&[("team", 50)])];
        limits.planned("shop", 3, [(&shop, &documents[0]), (&other, &documents[1])].into_iter(), &none());
        assert_eq!(limits.of(&shop), usable(&["old"], &["team"]), "the other binding still has it");
        assert_eq!(limits.of(&other), usable(&["team"], &["others"]));
    }

    #[test]
    fn what_gateways_grant_themselves_is_none_of_the_ledger_s() {
        let limits = PlannedLimits::default();
        let shop = Binding::of("shop", "a");
        let own = Document { ledger: LedgerDoc::Own, ..document(&[("team", 50)]) };
        limits.planned("shop", 1, [(&shop, &own)].into_iter(), &none());
        assert_eq!((limits.all().len(), limits.of(&shop).map(|usable| usable.wanted.len())), (0, Some(0)));
        let mut brief = document(&[("team", 50), ("minute", 5)]);
        brief.budgets[1].window = Window::Rolling { ms: 60_000 };
        limits.planned("shop", 2, [(&shop, &brief)].into_iter(), &none());
        assert_eq!(limits.all(), [limit("team", 50)]);
    }
}
