//! The limits that count a request: those of its key, of the key's entry for a provider, of the provider, and the
//! budgets to which these refer.

use std::collections::HashMap;
use std::fmt;

use outrigger_core::{ObjectRef, Window};

use typed_index_collections::TiVec;

use crate::decision::{PolicyRefusalKind, Skip};
use crate::document::{
    BudgetDoc, Document, FailOpenDoc, LimitDoc, LimitsDoc, SessionDoc, SessionLimitDoc, ThresholdDoc, Unit,
};
use crate::index::{EntryIndex, KeyIndex, LimitIndex};
use crate::text::glob::Globs;

/// A limit, and where it is defined.
#[derive(Clone, Debug, PartialEq)]
pub struct Limit {
    pub id: LimitId,
    pub unit: Unit,
    /// Nano-dollars, tokens or requests.
    pub max: u64,
    pub window: Window,
    /// Of a Budget, ordered by percent.
    pub thresholds: Vec<ThresholdDoc>,
    /// Whether requests are counted for each attempt, not once for each request of a caller.
    pub per_attempt: bool,
    /// Each session of the key has an account of its own, until it ends: there are no periods.
    pub per_session: bool,
    /// What passes while the ledger can't be reached.
    pub fail_open: Option<FailOpenLimit>,
}

/// What a gateway lets through of a limit while it can't reach the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailOpenLimit {
    /// So much beyond what it was granted, in the limit's unit.
    pub most: u64,
    /// For so many milliseconds after it last heard the ledger.
    pub ms: u64,
}

impl FailOpenLimit {
    fn of(document: Option<&FailOpenDoc>, unit: Unit) -> Option<FailOpenLimit> {
        let document = document?;
        Some(FailOpenLimit { most: document.most(unit)?, ms: document.ms })
    }
}

/// The kind of object that sets a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LimitOwner {
    Budget,
    Provider,
    VirtualKey,
}

impl LimitOwner {
    /// The object's `kind`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Budget => "Budget",
            Self::Provider => "LLMProvider",
            Self::VirtualKey => "VirtualKey",
        }
    }
}

impl fmt::Display for LimitOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Identifies a limit and, with the start of a period, its account. Without a UID: an object that is deleted and
/// created again keeps its usage.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LimitId {
    pub kind: LimitOwner,
    pub object: ObjectRef,
    /// The path in the object: `spec.limits.budgets[month]`; empty for a Budget.
    pub path: String,
}

/// `VirtualKey search/search: spec.limits.budgets[month]`, `Budget search/team`.
impl fmt::Display for LimitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.object)?;
        match self.path.is_empty() {
            true => Ok(()),
            false => write!(f, ": {}", self.path),
        }
    }
}

/// A budget that counts requests without a reference.
#[derive(Debug)]
struct Applied {
    /// The budget and its ancestors.
    limits: Vec<LimitIndex>,
    /// Absent: every key.
    keys: Option<Vec<ObjectRef>>,
    /// Names of LLMProvider objects; empty: all.
    providers: Vec<String>,
    models: Globs,
}

/// All limits of a policy, and which requests they count.
#[derive(Debug, Default)]
pub struct Limits {
    pub all: TiVec<LimitIndex, Limit>,
    /// By key: its own limits, and the budgets that it refers to.
    keys: TiVec<KeyIndex, Vec<LimitIndex>>,
    /// By key and entry: the entry's own limits, and the provider's.
    entries: TiVec<KeyIndex, TiVec<EntryIndex, Vec<LimitIndex>>>,
    applied: Vec<Applied>,
}

impl Limit {
    /// Whether it counts money, or is a Budget in tokens. Other limits are rate limits.
    pub(crate) fn is_budget(&self) -> bool {
        self.unit == Unit::Money || self.id.kind == LimitOwner::Budget
    }

    /// Why a candidate is skipped when the limit is used up. `index` is the limit's own.
    #[must_use]
    pub fn skip(&self, index: LimitIndex) -> Skip {
        if self.is_budget() { Skip::Budget(index) } else { Skip::Limit(index) }
    }

    /// The refusal if nothing else is left.
    #[must_use]
    pub fn refusal_kind(&self) -> PolicyRefusalKind {
        match self.unit {
            Unit::Money if self.per_session => PolicyRefusalKind::SessionBudgetExceeded,
            _ if self.per_session => PolicyRefusalKind::SessionLimited,
            _ if self.is_budget() => PolicyRefusalKind::BudgetExceeded,
            Unit::Tokens => PolicyRefusalKind::TokenLimited,
            Unit::Money | Unit::Requests => PolicyRefusalKind::RequestLimited,
        }
    }
}

impl Limits {
    /// The limits of a document. A missing budget has no limit: `compile` has reported it.
    pub(crate) fn of(document: &Document) -> Self {
        let mut limits = Limits::default();
        let mut budgets: HashMap<ObjectRef, LimitIndex> = HashMap::new();
        for budget in &document.budgets {
            budgets.insert(budget.id(), limits.all.push_and_get_key(budget_limit(budget)));
        }
        let chain = |first: &ObjectRef| {
            let mut chain = Vec::new();
            let mut next = Some(first);
            while let Some(id) = next
                && let Some(at) = budgets.get(id)
                // Each budget of a cycle is counted once.
                && !chain.contains(at)
            {
                chain.push(*at);
                // Budgets come first in `all`.
                next = document.budgets[usize::from(*at)].parent.as_ref();
            }
            chain
        };
        let mut providers: HashMap<ObjectRef, Vec<LimitIndex>> = HashMap::new();
        for provider in &document.providers {
            let object = ObjectRef { namespace: provider.namespace.clone(), name: provider.name.clone() };
            let own = limits.add(
                LimitOwner::Provider,
                &object,
                "spec.limits",
                (&provider.limits, provider.fail_open.as_ref()),
                true,
            );
            providers.insert(object, own);
        }
        for key in &document.keys {
            let object = ObjectRef { namespace: key.namespace.clone(), name: key.name.clone() };
            let open = key.fail_open.as_ref();
            let mut own = limits.add(LimitOwner::VirtualKey, &object, "spec.limits", (&key.limits, open), false);
            own.extend(key.session.iter().flat_map(|session| limits.add_session(&object, session)).collect::<Vec<_>>());
            own.extend(key.budgets.iter().flat_map(&chain));
            limits.keys.push(sorted(own));
            let mut entries = TiVec::with_capacity(key.providers.len());
            for entry in &key.providers {
                let path = format!("spec.providers[{}].limits", entry.name);
                let mut own = limits.add(LimitOwner::VirtualKey, &object, &path, (&entry.limits, open), true);
                own.extend(providers.get(&entry.provider).into_iter().flatten());
                entries.push(sorted(own));
            }
            limits.entries.push(entries);
        }
        for budget in &document.budgets {
            if let Some(applies) = &budget.applies_to {
                limits.applied.push(Applied {
                    limits: chain(&budget.id()),
                    keys: applies.keys.clone(),
                    providers: applies.providers.clone(),
                    models: Globs::new(&applies.models),
                });
            }
        }
        limits
    }

    /// Adds the limits of an object, and returns their indexes.
    fn add(
        &mut self,
        kind: LimitOwner,
        object: &ObjectRef,
        path: &str,
        (limits, fail_open): (&LimitsDoc, Option<&FailOpenDoc>),
        per_attempt: bool,
    ) -> Vec<LimitIndex> {
        let mut limit_indexes = Vec::new();
        let lists: [(&str, Unit, &[LimitDoc]); 3] = [
            ("budgets", Unit::Money, &limits.budgets),
            ("requests", Unit::Requests, &limits.requests),
            ("tokens", Unit::Tokens, &limits.tokens),
        ];
        for (list, unit, limits) in lists {
            for limit in limits {
                limit_indexes.push(self.all.push_and_get_key(Limit {
                    id: LimitId { kind, object: object.clone(), path: format!("{path}.{list}[{}]", limit.name) },
                    unit,
                    max: limit.max,
                    window: limit.window.clone(),
                    thresholds: Vec::new(),
                    per_attempt,
                    per_session: false,
                    fail_open: FailOpenLimit::of(fail_open, unit),
                }));
            }
        }
        limit_indexes
    }

    /// Adds the limits on sessions of a key, and returns their indexes.
    fn add_session(&mut self, object: &ObjectRef, session: &SessionDoc) -> Vec<LimitIndex> {
        let lists: [(&str, Unit, &[SessionLimitDoc]); 3] = [
            ("budgets", Unit::Money, &session.budgets),
            ("requests", Unit::Requests, &session.requests),
            ("tokens", Unit::Tokens, &session.tokens),
        ];
        let mut limit_indexes = Vec::new();
        for (list, unit, limits) in lists {
            for limit in limits {
                let path = format!("spec.limits.session.{list}[{}]", limit.name);
                limit_indexes.push(self.all.push_and_get_key(Limit {
                    id: LimitId { kind: LimitOwner::VirtualKey, object: object.clone(), path },
                    unit,
                    max: limit.max,
                    window: Window::Lifetime,
                    thresholds: Vec::new(),
                    per_attempt: false,
                    per_session: true,
                    fail_open: None,
                }));
            }
        }
        limit_indexes
    }

    /// The limits that count a request of a key at any provider, ascending.
    #[must_use]
    pub fn of_key(&self, key: KeyIndex, id: &ObjectRef) -> Vec<LimitIndex> {
        let mut limit_indexes = self.keys.get(key).cloned().unwrap_or_default();
        let anywhere = |applied: &&Applied| applied.providers.is_empty() && applied.models.is_empty();
        for applied in self.applied.iter().filter(anywhere).filter(|applied| applied.counts(id)) {
            limit_indexes.extend(&applied.limits);
        }
        sorted(limit_indexes)
    }

    /// The same for a request for a model: includes the budgets that count the model, at any provider.
    #[must_use]
    pub fn of_asked(&self, key: KeyIndex, id: &ObjectRef, model: &str) -> Vec<LimitIndex> {
        let mut limit_indexes = self.keys.get(key).cloned().unwrap_or_default();
        let everywhere = |applied: &&Applied| applied.providers.is_empty() && applied.models.allows(model);
        for applied in self.applied.iter().filter(everywhere).filter(|applied| applied.counts(id)) {
            limit_indexes.extend(&applied.limits);
        }
        sorted(limit_indexes)
    }

    /// The limits that count an attempt: includes the limits of the key's entry and of its provider, and the budgets
    /// that count this provider or model. `model` lists all names of the model. Ascending.
    #[must_use]
    pub fn of_attempt(
        &self,
        key: KeyIndex,
        id: &ObjectRef,
        entry: EntryIndex,
        provider: &str,
        model: &[&str],
    ) -> Vec<LimitIndex> {
        let mut limit_indexes = self.keys.get(key).cloned().unwrap_or_default();
        limit_indexes.extend(self.entries.get(key).and_then(|entries| entries.get(entry)).into_iter().flatten());
        for applied in self.applied.iter().filter(|applied| applied.counts(id)) {
            let asked = applied.providers.is_empty() || applied.providers.iter().any(|name| name == provider);
            if asked && model.iter().any(|name| applied.models.allows(name)) {
                limit_indexes.extend(&applied.limits);
            }
        }
        sorted(limit_indexes)
    }

    /// Whether any request of a key may count against a limit.
    #[must_use]
    pub fn counts(&self, key: KeyIndex, id: &ObjectRef) -> bool {
        let some = |limit_indexes: Option<&Vec<LimitIndex>>| {
            limit_indexes.is_some_and(|limit_indexes| !limit_indexes.is_empty())
        };
        some(self.keys.get(key))
            || self.entries.get(key).is_some_and(|entries| entries.iter().any(|entry| !entry.is_empty()))
            || self.applied.iter().any(|applied| applied.counts(id))
    }

    /// The limits of a key's entry and of its provider.
    #[must_use]
    pub fn of_entry(&self, key: KeyIndex, entry: EntryIndex) -> &[LimitIndex] {
        self.entries.get(key).and_then(|entries| entries.get(entry)).map_or(&[], Vec::as_slice)
    }
}

impl Applied {
    fn counts(&self, key: &ObjectRef) -> bool {
        self.keys.as_ref().is_none_or(|keys| keys.contains(key))
    }
}

impl BudgetDoc {
    #[must_use]
    pub fn id(&self) -> ObjectRef {
        ObjectRef { namespace: self.namespace.clone(), name: self.name.clone() }
    }
}

fn budget_limit(budget: &BudgetDoc) -> Limit {
    Limit {
        id: LimitId { kind: LimitOwner::Budget, object: budget.id(), path: String::new() },
        unit: budget.unit,
        max: budget.max,
        window: budget.window.clone(),
        thresholds: budget.thresholds.clone(),
        per_attempt: false,
        fail_open: FailOpenLimit::of(budget.fail_open.as_ref(), budget.unit),
        per_session: false,
    }
}

fn sorted(mut limit_indexes: Vec<LimitIndex>) -> Vec<LimitIndex> {
    limit_indexes.sort_unstable();
    limit_indexes.dedup();
    limit_indexes
}
