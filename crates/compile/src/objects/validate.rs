//! Step one: objects sorted by kind, those that are sound by themselves.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};

use outrigger_core::ObjectRef;
use outrigger_crds::{Budget, LlmProvider, ModelCatalog, RoutingRule, VirtualKey, schema};

use crate::findings::finding::{Cause, Finding};
use crate::objects::judgement::{Condition, Judgement, Typed};
use crate::read::source::Object;

/// An object together with its type.
pub(crate) struct ReadObject<'a, T> {
    pub object: &'a Object,
    pub typed: &'a T,
}

/// By namespace and name, in that order: what is made of them is canonical.
pub(crate) type ByName<T> = BTreeMap<ObjectRef, T>;

/// The sound objects of a folder.
#[derive(Default)]
pub(crate) struct SortedObjects<'a> {
    pub providers: ByName<ReadObject<'a, LlmProvider>>,
    pub keys: ByName<ReadObject<'a, VirtualKey>>,
    pub rules: ByName<ReadObject<'a, RoutingRule>>,
    /// Those of the rules.
    pub conditions: ByName<&'a Condition>,
    pub budgets: ByName<ReadObject<'a, Budget>>,
    pub catalogs: ByName<ReadObject<'a, ModelCatalog>>,
    pub secrets: ByName<&'a Object>,
    pub config_maps: ByName<&'a Object>,
    pub namespaces: HashMap<&'a str, &'a Object>,
    /// Kind and name of those that are there and can't be used.
    pub unsound: HashSet<(&'a str, ObjectRef)>,
    /// Whether there is more that could not be read: any object may be in it.
    pub unread: bool,
    pub keyless: Keyless,
}

/// When callers that name no key have one of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Keyless {
    /// In a folder, where no VirtualKey is.
    #[default]
    WithoutAnyKey,
    /// In a cluster, where a namespace has none named `default`.
    WithoutDefault,
}

impl SortedObjects<'_> {
    /// Every VirtualKey there is, unsound ones among them: a broken key must not change what callers of another may do.
    pub fn key_names(&self) -> Vec<ObjectRef> {
        let unsound = self.unsound.iter().filter(|(kind, _)| *kind == "VirtualKey").map(|(_, id)| id);
        let mut names: Vec<ObjectRef> = self.keys.keys().chain(unsound).cloned().collect();
        names.sort();
        names.dedup();
        names
    }
}

impl Object {
    pub(crate) fn id(&self) -> ObjectRef {
        ObjectRef { namespace: self.namespace.clone(), name: self.name.clone() }
    }
}

/// Sorts objects: ours, each with what was found of it by itself, and others.
pub(crate) fn folder<'a>(
    ours: impl Iterator<Item = (&'a Object, &'a Judgement)>,
    others: impl Iterator<Item = &'a Object>,
    findings: &mut Vec<Finding>,
) -> SortedObjects<'a> {
    let mut folder = SortedObjects::default();
    let mut seen: HashMap<(&str, ObjectRef), &Object> = HashMap::new();
    let mut is_new = |object: &'a Object, findings: &mut Vec<Finding>| {
        if object.name.is_empty() {
            return true;
        }
        match seen.entry((object.kind.as_str(), object.id())) {
            Entry::Vacant(place) => {
                place.insert(object);
                true
            }
            Entry::Occupied(first) => {
                let message = format!("is already defined at {}: keep one of the two", first.get().place);
                findings.push(object.error("", message));
                false
            }
        }
    };
    for (object, judgement) in ours {
        if !is_new(object, findings) {
            continue;
        }
        match judgement.sound() {
            Ok(Typed::Provider(typed)) => drop(folder.providers.insert(object.id(), ReadObject { object, typed })),
            Ok(Typed::Key(typed)) => drop(folder.keys.insert(object.id(), ReadObject { object, typed })),
            Ok(Typed::Rule(typed, condition)) => {
                folder.conditions.insert(object.id(), condition);
                folder.rules.insert(object.id(), ReadObject { object, typed });
            }
            Ok(Typed::Budget(typed)) => drop(folder.budgets.insert(object.id(), ReadObject { object, typed })),
            Ok(Typed::Catalog(typed)) => drop(folder.catalogs.insert(object.id(), ReadObject { object, typed })),
            Err(found) => {
                let to_finding =
                    |one: &schema::SchemaFinding| object.error(&one.path, one.message.clone()).because(Cause::Schema);
                findings.extend(found.iter().map(to_finding));
                folder.unsound.insert((schema::closest_kind(&object.kind), object.id()));
            }
        }
    }
    for object in others {
        if !is_new(object, findings) {
            continue;
        }
        if object.name.is_empty() {
            findings.push(object.error("metadata.name", "is required"));
            continue;
        }
        match object.kind.as_str() {
            "Secret" => drop(folder.secrets.insert(object.id(), object)),
            "ConfigMap" => drop(folder.config_maps.insert(object.id(), object)),
            "Namespace" => drop(folder.namespaces.insert(&object.name, object)),
            _ => {}
        }
    }
    folder
}
