//! Cuts the policy of one pod out of the document of its namespace.
//!
//! A slice contains only what its keys can reach: their providers, with the credentials that they may use; the rules
//! that apply to them; the budgets that count them, with their parents; the catalogues that apply to these providers.
//! It decides every request of its keys as the whole document would.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use outrigger_core::ObjectRef;
use outrigger_policy::{
    AppliesDoc, BudgetDoc, CatalogueDoc, CredentialDoc, Document, KeyDoc, OthersDoc, ProviderDoc, RuleDoc, ScopeDoc,
};

use crate::objects::id::id;

/// How many names of keys an error lists for a caller without a key.
const NAMED_KEYS: usize = 16;

/// A document with indexes for cutting, so that many slices cost only what they contain.
#[derive(Debug)]
pub struct Slices<'a> {
    document: &'a Document,
    keys: HashMap<(&'a str, &'a str), usize>,
    providers: HashMap<ObjectRef, usize>,
    budgets: HashMap<ObjectRef, usize>,
    /// Indexes of Budgets that count every key, and of those that count certain keys.
    counting_all: Vec<usize>,
    counting_key: HashMap<&'a ObjectRef, Vec<usize>>,
    /// By namespace: names of its providers, and the names that its keys use for providers.
    names: HashMap<&'a str, BTreeSet<&'a str>>,
    /// Indexes of rules that select keys by anything but their name, and of those that select by name.
    by_other_scope: Vec<usize>,
    by_name: HashMap<&'a str, Vec<usize>>,
}

impl<'a> Slices<'a> {
    #[must_use]
    pub fn of(document: &'a Document) -> Self {
        let indexed = |index: usize, namespace: &str, name: &str| (id(namespace, name), index);
        let mut slices = Slices {
            document,
            keys: HashMap::new(),
            providers: HashMap::new(),
            budgets: HashMap::new(),
            counting_all: Vec::new(),
            counting_key: HashMap::new(),
            names: HashMap::new(),
            by_other_scope: Vec::new(),
            by_name: HashMap::new(),
        };
        for (index, key) in document.keys.iter().enumerate() {
            slices.keys.insert((&key.namespace, &key.name), index);
            let names = key.providers.iter().map(|entry| entry.provider.name.as_str());
            slices.names.entry(&key.namespace).or_default().extend(names);
        }
        for provider in &document.providers {
            slices.names.entry(&provider.namespace).or_default().insert(&provider.name);
        }
        let providers = document.providers.iter().enumerate();
        slices.providers = providers.map(|(index, one)| indexed(index, &one.namespace, &one.name)).collect();
        let budgets = document.budgets.iter().enumerate();
        slices.budgets = budgets.clone().map(|(index, one)| indexed(index, &one.namespace, &one.name)).collect();
        for (index, budget) in budgets {
            match budget.applies_to.as_ref().map(|applies| &applies.keys) {
                None => {}
                Some(None) => slices.counting_all.push(index),
                Some(Some(keys)) => keys.iter().for_each(|key| slices.counting_key.entry(key).or_default().push(index)),
            }
        }
        for (index, rule) in document.rules.iter().enumerate() {
            match &rule.scope {
                ScopeDoc::VirtualKeys(names) => {
                    names.iter().for_each(|name| slices.by_name.entry(name).or_default().push(index));
                }
                _ => slices.by_other_scope.push(index),
            }
        }
        slices
    }

    /// The policy of pods that are bound to these keys of a namespace. The first key is the default. A name without a
    /// key is ignored. A key that is inactive at `now` (seconds since 1970), because it is suspended or has expired,
    /// stays in the policy without providers.
    #[must_use]
    pub fn slice(&self, namespace: &str, names: &[String], now: i64) -> Document {
        let document = self.document;
        let indexes: BTreeSet<usize> =
            names.iter().filter_map(|name| self.keys.get(&(namespace, name.as_str())).copied()).collect();
        let whole: Vec<&KeyDoc> = indexes.iter().filter_map(|index| document.keys.get(*index)).collect();
        let on = |key: &&&KeyDoc| !key.suspended && key.expires_at.is_none_or(|expiry| expiry > now);
        let live: Vec<&KeyDoc> = whole.iter().filter(on).copied().collect();
        let providers = self.providers(&live);
        let keys: Vec<KeyDoc> = whole
            .iter()
            .map(|key| match on(&key) {
                true => (*key).clone(),
                false => KeyDoc { providers: Vec::new(), budgets: Vec::new(), ..(*key).clone() },
            })
            .collect();
        let budgets = self.budgets(&live);
        let rules = self.rules(&live);
        let catalogues = self.catalogues(&providers);
        let first = names.first().filter(|name| whole.iter().any(|key| key.name == **name));
        Document {
            format: document.format,
            sequence: 0,
            filters: document.filters.clone(),
            ledger: document.ledger,
            concurrency: document.concurrency,
            others: OthersDoc {
                // Keys without providers need no other keys' providers.
                providers: match live.is_empty() {
                    true => Vec::new(),
                    false => self.other_providers(namespace, &providers),
                },
                keys: match first {
                    Some(_) => Vec::new(),
                    None => self.other_keys(namespace, names),
                },
            },
            providers: providers.into_values().collect(),
            keys,
            default_key: first.map(|name| id(namespace, name).to_string()),
            rules,
            budgets,
            catalogues,
        }
    }

    /// The providers of some keys, in the document's order, each with the credentials that the keys may use there.
    fn providers(&self, keys: &[&KeyDoc]) -> BTreeMap<ObjectRef, ProviderDoc> {
        let mut reached: BTreeMap<&ObjectRef, Option<HashSet<&str>>> = BTreeMap::new();
        for entry in keys.iter().flat_map(|key| &key.providers) {
            let credentials = reached.entry(&entry.provider).or_insert_with(|| Some(HashSet::new()));
            match (entry.credentials.is_empty(), credentials.as_mut()) {
                // One of the keys may use all credentials.
                (true, _) => *credentials = None,
                (false, Some(names)) => names.extend(entry.credentials.iter().map(String::as_str)),
                (false, None) => {}
            }
        }
        let of = |(id, names): (&ObjectRef, Option<HashSet<&str>>)| {
            let provider = self.document.providers.get(*self.providers.get(id)?)?;
            let credentials = credentials(provider, names.as_ref());
            Some((id.clone(), ProviderDoc { credentials, ..provider.clone() }))
        };
        reached.into_iter().filter_map(of).collect()
    }

    /// The budgets that count some keys, with all their parents, in the document's order.
    fn budgets(&self, keys: &[&KeyDoc]) -> Vec<BudgetDoc> {
        let document = self.document;
        let ids: Vec<ObjectRef> = keys.iter().map(|key| id(&key.namespace, &key.name)).collect();
        let mut left: Vec<usize> = Vec::new();
        for (key, id) in keys.iter().zip(&ids) {
            left.extend(key.budgets.iter().filter_map(|budget| self.budgets.get(budget)));
            left.extend(self.counting_key.get(id).into_iter().flatten());
        }
        if !keys.is_empty() {
            left.extend(&self.counting_all);
        }
        let mut indexes = BTreeSet::new();
        while let Some(index) = left.pop() {
            if indexes.insert(index) {
                let parent = document.budgets.get(index).and_then(|budget| budget.parent.as_ref());
                left.extend(parent.and_then(|parent| self.budgets.get(parent)));
            }
        }
        let narrowed = |budget: &BudgetDoc| BudgetDoc {
            applies_to: budget.applies_to.as_ref().map(|applies| AppliesDoc {
                // Of the keys that a budget counts, only those of this slice: other pods' keys are not disclosed.
                keys: applies.keys.as_ref().map(|keys| keys.iter().filter(|key| ids.contains(key)).cloned().collect()),
                ..applies.clone()
            }),
            ..budget.clone()
        };
        indexes.into_iter().filter_map(|index| document.budgets.get(index)).map(narrowed).collect()
    }

    fn rules(&self, keys: &[&KeyDoc]) -> Vec<RuleDoc> {
        let named = keys.iter().filter_map(|key| self.by_name.get(key.name.as_str())).flatten();
        let indexes: BTreeSet<usize> = named.chain(&self.by_other_scope).copied().collect();
        let rules = indexes.into_iter().filter_map(|index| self.document.rules.get(index));
        rules.filter(|rule| keys.iter().any(|key| rule.concerns(key))).cloned().collect()
    }

    fn other_providers(&self, namespace: &str, providers: &BTreeMap<ObjectRef, ProviderDoc>) -> Vec<String> {
        let here: HashSet<&str> = providers.keys().map(|provider| provider.name.as_str()).collect();
        let known = self.names.get(namespace).into_iter().flatten();
        known.filter(|name| !here.contains(**name)).map(|name| (*name).to_owned()).collect()
    }

    fn catalogues(&self, providers: &BTreeMap<ObjectRef, ProviderDoc>) -> Vec<CatalogueDoc> {
        let homes: HashSet<&str> = providers.keys().map(|provider| provider.namespace.as_str()).collect();
        let applies = |catalogue: &&CatalogueDoc| {
            !homes.is_empty() && (catalogue.everywhere || homes.contains(catalogue.namespace.as_str()))
        };
        self.document.catalogues.iter().filter(applies).cloned().collect()
    }

    fn other_keys(&self, namespace: &str, bound: &[String]) -> Vec<String> {
        let there = self.document.keys.iter().filter(|key| key.namespace == namespace && !key.keyless);
        there.filter(|key| !bound.contains(&key.name)).map(|key| key.name.clone()).take(NAMED_KEYS).collect()
    }
}

/// The credentials of a provider that may be used. A suspended one is left out if another one remains: a provider
/// without any credential is called without one.
fn credentials(provider: &ProviderDoc, names: Option<&HashSet<&str>>) -> Vec<CredentialDoc> {
    if provider.suspended {
        return Vec::new();
    }
    let usable = |one: &&CredentialDoc| names.is_none_or(|names| names.contains(one.name.as_str()));
    let reached: Vec<&CredentialDoc> = provider.credentials.iter().filter(usable).collect();
    let any = reached.iter().any(|credential| !credential.suspended);
    reached.into_iter().filter(|credential| !(any && credential.suspended)).cloned().collect()
}
