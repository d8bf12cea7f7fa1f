//! The shared limits, and which of them a gateway may use, by the plans of bindings.
//!
//! A limit with one name comes from several bindings, because a Budget counts keys of many. They are planned one after
//! another, so they differ for a moment when the limit changes. The plan that has seen more of the cluster applies.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use outrigger_ledger::protocol::LimitKey;
use outrigger_ledger::shared::can_be_shared;
use outrigger_ledger::shared::leader::{GatewayLimits, SharedLimit};
use outrigger_policy::{Document, KeyDoc, LedgerDoc};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::history::{UsageOwner, UsageOwners};
use crate::objects::binding::Binding;

/// The most former limits of a binding that are remembered: its gateways may still hold some of them.
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
    /// The limits that its gateways may want, and former ones.
    usable: Arc<GatewayLimits>,
    /// Limits on concurrent requests, by name, with the number of requests.
    concurrency: BTreeMap<String, u64>,
    /// Their names, for frequent lookups.
    concurrent: Arc<BTreeSet<String>>,
    /// The owners of its keys, by the keys' names.
    owners: UsageOwners,
}

impl Default for PlannedLimits {
    fn default() -> Self {
        PlannedLimits { bindings: Mutex::default(), changes: watch::Sender::new(()) }
    }
}

impl PlannedLimits {
    /// Applies the plan of a namespace: the contents of its bindings' documents, and the bindings that keep what they
    /// have. `seen` rises with what the plan has seen of the cluster.
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
        for (binding, PlannedDocument { limits, fail_open, concurrency, owners }) in std::mem::take(&mut planned) {
            let concurrent = Arc::new(concurrency.keys().cloned().collect());
            let wanted: BTreeSet<LimitKey> = limits.iter().map(|limit| limit.id.clone()).collect();
            match bindings.get_mut(binding) {
                Some(known) => {
                    // Limits that were just removed come first.
                    let former = known.usable.wanted.iter().chain(&known.usable.former);
                    let former = former.filter(|id| !wanted.contains(id)).take(FORMER_MAX).cloned().collect();
                    let usable = GatewayLimits { wanted, former, fail_open };
                    (known.seen, known.limits, known.owners) = (seen, limits, owners);
                    (known.concurrency, known.concurrent) = (concurrency, concurrent);
                    if *known.usable != usable {
                        known.usable = Arc::new(usable);
                    }
                }
                None => {
                    let usable = Arc::new(GatewayLimits { wanted, former: BTreeSet::new(), fail_open });
                    let planned = BindingLimits { seen, limits, usable, concurrency, concurrent, owners };
                    bindings.insert(binding.clone(), planned);
                }
            }
        }
        drop(bindings);
        self.changes.send_replace(());
    }

    /// The limits that gateways of the binding may report; `None` until the binding is planned.
    #[must_use]
    pub fn of(&self, binding: &Binding) -> Option<Arc<GatewayLimits>> {
        self.bindings.lock().get(binding).map(|planned| Arc::clone(&planned.usable))
    }

    /// The owners of a key of the binding; none until the binding is planned.
    #[must_use]
    pub fn owner(&self, binding: &Binding, key: &str) -> UsageOwner {
        let bindings = self.bindings.lock();
        bindings.get(binding).and_then(|planned| planned.owners.get(key)).cloned().unwrap_or_default()
    }

    /// Every limit, by the plan that has seen most, ordered by name.
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

    /// Whether nothing was planned yet: a new leader plans after it has listed all objects.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bindings.lock().is_empty()
    }

    /// The names of the limits on concurrent requests of the binding; `None` until the binding is planned.
    #[must_use]
    pub fn concurrency_of(&self, binding: &Binding) -> Option<Arc<BTreeSet<String>>> {
        self.bindings.lock().get(binding).map(|planned| Arc::clone(&planned.concurrent))
    }

    /// Every limit on concurrent requests with its number, by the plan that has seen most.
    #[must_use]
    pub fn concurrency(&self) -> BTreeMap<String, u64> {
        let bindings = self.bindings.lock();
        let mut newest: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        for planned in bindings.values() {
            for (name, most) in &planned.concurrency {
                let held = newest.entry(name).or_insert((planned.seen, *most));
                if held.0 < planned.seen {
                    *held = (planned.seen, *most);
                }
            }
        }
        newest.into_iter().map(|(name, (_, most))| (name.to_owned(), most)).collect()
    }

    /// Changes when something was planned: many plans in a row are one change.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }
}

/// The shared part of a document.
#[derive(Debug, Default)]
struct PlannedDocument {
    limits: Vec<SharedLimit>,
    /// The highest debt of a gateway under limits that fail open.
    fail_open: BTreeMap<LimitKey, u64>,
    /// Limits on concurrent requests.
    concurrency: BTreeMap<String, u64>,
    /// The owners of its keys.
    owners: UsageOwners,
}

fn owners(document: &Document) -> UsageOwners {
    let owner = |key: &KeyDoc| UsageOwner { team: key.team.clone(), customer: key.customer.clone() };
    document.keys.iter().map(|key| (key.name.clone(), owner(key))).collect()
}

fn shared(binding: &Binding, document: &Document) -> PlannedDocument {
    let mut planned = PlannedDocument { owners: owners(document), ..PlannedDocument::default() };
    if document.concurrency == LedgerDoc::Shared {
        let limits = document.concurrent_limits().into_iter().map(|limit| (limit.name, u64::from(limit.most)));
        planned.concurrency = limits.collect();
    }
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
            // Its gateways refuse the document for the same reason, and report it.
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
    fn the_plan_that_has_seen_most_applies() {
        let limits = PlannedLimits::default();
        let (shop, search) = (Binding::of("shop", "a"), Binding::of("search", "a"));
        limits.planned("shop", 7, [(&shop, &document(&[("team", 50)]))].into_iter(), &none());
        limits.planned("search", 4, [(&search, &document(&[("team", 90), ("own", 1)]))].into_iter(), &none());
        assert_eq!(limits.all(), [limit("own", 1), limit("team", 50)], "the older plan came later");
        limits.planned("search", 8, [(&search, &document(&[("team", 60)]))].into_iter(), &none());
        assert_eq!(limits.all(), [limit("team", 60)]);
        limits.planned("search", 9, std::iter::empty(), &none());
        assert_eq!(limits.all(), [limit("team", 50)], "no key needs that policy any more");
    }

    #[test]
    fn gateways_may_settle_former_limits_and_want_current_ones() {
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
    fn limits_that_gateways_grant_themselves_are_not_the_ledgers() {
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

    #[test]
    fn limits_on_concurrent_requests_follow_the_newest_plan_of_each_binding() {
        use outrigger_policy::{KeyDoc, LimitsDoc};
        let document = |name: &str, most: u32| {
            let limits = LimitsDoc { concurrent_requests: Some(most), ..LimitsDoc::default() };
            let key = KeyDoc { namespace: "shop".to_owned(), name: name.to_owned(), limits, ..KeyDoc::default() };
            Document { keys: vec![key], ..Document::default() }
        };
        let limits = PlannedLimits::default();
        assert!(limits.is_empty());
        let (a, b) = (Binding::of("shop", "a"), Binding::of("shop", "b"));
        let documents = [document("x", 3).shared(), document("x", 3).shared()];
        limits.planned("shop", 1, [(&a, &documents[0]), (&b, &documents[1])].into_iter(), &none());
        let documents = [document("x", 5).shared(), document("y", 1)];
        limits.planned("shop", 2, [(&a, &documents[0]), (&b, &documents[1])].into_iter(), &none());
        assert_eq!(limits.concurrency(), BTreeMap::from([("VirtualKey shop/x".to_owned(), 5)]));
        let names = |binding| limits.concurrency_of(binding).map(|names| names.iter().cloned().collect::<Vec<_>>());
        assert_eq!(names(&a), Some(vec!["VirtualKey shop/x".to_owned()]));
        assert_eq!(names(&b), Some(Vec::new()), "its gateways count their own");
        assert_eq!(names(&Binding::of("shop", "c")), None);
    }
}
