//! What one pod obeys, cut out of what its namespace amounts to.
//!
//! A slice holds what its keys can reach and nothing else: their providers, with the credentials that they may use; the
//! rules that act on them; the budgets that count them, with those above; the catalogues that tell of these providers'
//! models. It decides every request of its keys as the whole would.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use outrigger_core::ObjectRef;
use outrigger_policy::{
    AppliesDoc, BudgetDoc, CatalogueDoc, CredentialDoc, Document, KeyDoc, OthersDoc, ProviderDoc, RuleDoc, ScopeDoc,
};

use crate::objects::id::id;

/// So many keys are named to a caller who has none.
const NAMED_KEYS: usize = 16;

/// A document, ready to be cut: a thousand slices of it cost what they hold.
#[derive(Debug)]
pub struct Slices<'a> {
    document: &'a Document,
    keys: HashMap<(&'a str, &'a str), usize>,
    providers: HashMap<ObjectRef, usize>,
    budgets: HashMap<ObjectRef, usize>,
    /// Places of Budgets that count every key, and of those that count certain keys.
    of_all: Vec<usize>,
    of_key: HashMap<&'a ObjectRef, Vec<usize>>,
    /// By namespace: names of the providers that it has, or that one of its keys has.
    names: HashMap<&'a str, BTreeSet<&'a str>>,
    /// Rules that act on keys by anything but their name, and those that name them.
    wide: Vec<usize>,
    by_name: HashMap<&'a str, Vec<usize>>,
}

impl<'a> Slices<'a> {
    #[must_use]
    pub fn of(document: &'a Document) -> Self {
        let place = |place: usize, namespace: &str, name: &str| (id(namespace, name), place);
        let mut slices = Slices {
            document,
            keys: HashMap::new(),
            providers: HashMap::new(),
            budgets: HashMap::new(),
            of_all: Vec::new(),
            of_key: HashMap::new(),
            names: HashMap::new(),
            wide: Vec::new(),
            by_name: HashMap::new(),
        };
        for (at, key) in document.keys.iter().enumerate() {
            slices.keys.insert((&key.namespace, &key.name), at);
            let names = key.providers.iter().map(|entry| entry.provider.name.as_str());
            slices.names.entry(&key.namespace).or_default().extend(names);
        }
        for provider in &document.providers {
            slices.names.entry(&provider.namespace).or_default().insert(&provider.name);
        }
        let providers = document.providers.iter().enumerate();
        slices.providers = providers.map(|(at, one)| place(at, &one.namespace, &one.name)).collect();
        let budgets = document.budgets.iter().enumerate();
        slices.budgets = budgets.clone().map(|(at, one)| place(at, &one.namespace, &one.name)).collect();
        for (at, budget) in budgets {
            match budget.applies_to.as_ref().map(|applies| &applies.keys) {
                None => {}
                Some(None) => slices.of_all.push(at),
                Some(Some(keys)) => keys.iter().for_each(|key| slices.of_key.entry(key).or_default().push(at)),
            }
        }
        for (at, rule) in document.rules.iter().enumerate() {
            match &rule.scope {
                ScopeDoc::VirtualKeys(names) => {
                    names.iter().for_each(|name| slices.by_name.entry(name).or_default().push(at));
                }
                _ => slices.wide.push(at),
            }
        }
        slices
    }

    /// What pods obey that are bound to some keys of a namespace, the first of which is the default. A name that no key has
    /// stands for nothing. A key that is off at a time (seconds since 1970), because it is suspended or has expired, is
    /// there and reaches nothing.
    #[must_use]
    pub fn slice(&self, namespace: &str, names: &[String], now: i64) -> Document {
        let document = self.document;
        let places: BTreeSet<usize> =
            names.iter().filter_map(|name| self.keys.get(&(namespace, name.as_str())).copied()).collect();
        let whole: Vec<&KeyDoc> = places.iter().filter_map(|at| document.keys.get(*at)).collect();
        let on = |key: &&&KeyDoc| !key.suspended && key.expires_at.is_none_or(|at| at > now);
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
            others: OthersDoc {
                // Whoever reaches nothing asks for nothing.
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

    /// Those of some keys, in the document's order, each with the credentials that they may use there.
    fn providers(&self, keys: &[&KeyDoc]) -> BTreeMap<ObjectRef, ProviderDoc> {
        let mut reached: BTreeMap<&ObjectRef, Option<HashSet<&str>>> = BTreeMap::new();
        for entry in keys.iter().flat_map(|key| &key.providers) {
            let credentials = reached.entry(&entry.provider).or_insert_with(|| Some(HashSet::new()));
            match (entry.credentials.is_empty(), credentials.as_mut()) {
                // One of the keys may use all of them.
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

    /// Those that count some keys, with all that stand above them, in the document's order.
    fn budgets(&self, keys: &[&KeyDoc]) -> Vec<BudgetDoc> {
        let document = self.document;
        let ids: Vec<ObjectRef> = keys.iter().map(|key| id(&key.namespace, &key.name)).collect();
        let mut left: Vec<usize> = Vec::new();
        for (key, id) in keys.iter().zip(&ids) {
            left.extend(key.budgets.iter().filter_map(|budget| self.budgets.get(budget)));
            left.extend(self.of_key.get(id).into_iter().flatten());
        }
        if !keys.is_empty() {
            left.extend(&self.of_all);
        }
        let mut places = BTreeSet::new();
        while let Some(at) = left.pop() {
            if places.insert(at) {
                let parent = document.budgets.get(at).and_then(|budget| budget.parent.as_ref());
                left.extend(parent.and_then(|parent| self.budgets.get(parent)));
            }
        }
        let narrowed = |budget: &BudgetDoc| BudgetDoc {
            applies_to: budget.applies_to.as_ref().map(|applies| AppliesDoc {
                // Of the keys that it counts, those that are here: other pods' are none of this one's business.
                keys: applies.keys.as_ref().map(|keys| keys.iter().filter(|key| ids.contains(key)).cloned().collect()),
                ..applies.clone()
            }),
            ..budget.clone()
        };
        places.into_iter().filter_map(|at| document.budgets.get(at)).map(narrowed).collect()
    }

    fn rules(&self, keys: &[&KeyDoc]) -> Vec<RuleDoc> {
        let named = keys.iter().filter_map(|key| self.by_name.get(key.name.as_str())).flatten();
        let places: BTreeSet<usize> = named.chain(&self.wide).copied().collect();
        let rules = places.into_iter().filter_map(|at| self.document.rules.get(at));
        rules.filter(|rule| keys.iter().any(|key| rule.concerns(key))).cloned().collect()
    }

    fn other_providers(&self, namespace: &str, providers: &BTreeMap<ObjectRef, ProviderDoc>) -> Vec<String> {
        let here: HashSet<&str> = providers.keys().map(|provider| provider.name.as_str()).collect();
        let known = self.names.get(namespace).into_iter().flatten();
        known.filter(|name| !here.contains(**name)).map(|name| (*name).to_owned()).collect()
    }

    fn catalogues(&self, providers: &BTreeMap<ObjectRef, ProviderDoc>) -> Vec<CatalogueDoc> {
        let homes: HashSet<&str> = providers.keys().map(|provider| provider.namespace.as_str()).collect();
        let tells = |catalogue: &&CatalogueDoc| {
            !homes.is_empty() && (catalogue.everywhere || homes.contains(catalogue.namespace.as_str()))
        };
        self.document.catalogues.iter().filter(tells).cloned().collect()
    }

    fn other_keys(&self, namespace: &str, bound: &[String]) -> Vec<String> {
        let there = self.document.keys.iter().filter(|key| key.namespace == namespace && !key.keyless);
        there.filter(|key| !bound.contains(&key.name)).map(|key| key.name.clone()).take(NAMED_KEYS).collect()
    }
}

/// Those of a provider that somebody may use. One that is suspended is left out where another stays: a provider without
/// any is called without.
fn credentials(provider: &ProviderDoc, names: Option<&HashSet<&str>>) -> Vec<CredentialDoc> {
    if provider.suspended {
        return Vec::new();
    }
    let usable = |one: &&CredentialDoc| names.is_none_or(|names| names.contains(one.name.as_str()));
    let reached: Vec<&CredentialDoc> = provider.credentials.iter().filter(usable).collect();
    let any = reached.iter().any(|credential| !credential.suspended);
    reached.into_iter().filter(|credential| !(any && credential.suspended)).cloned().collect()
}
