//! Sorts objects by kind. Invalid ones are reported and left out.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};

use outrigger_core::ObjectRef;
use outrigger_crds::{Budget, LlmProvider, ModelCatalog, RoutingRule, VirtualKey, schema};

use crate::findings::finding::{Cause, Finding};
use crate::objects::kind::PolicyKind;
use crate::objects::validation::{Condition, ObjectValidation, Typed};
use crate::read::source::Object;

/// An object together with its type.
pub(crate) struct ReadObject<'a, T> {
    pub object: &'a Object,
    pub typed: &'a T,
}

/// Ordered by namespace and name, so that documents are canonical.
pub(crate) type ByName<T> = BTreeMap<ObjectRef, T>;

/// The valid objects of a folder or a namespace, by kind.
#[derive(Default)]
pub(crate) struct SortedObjects<'a> {
    pub providers: ByName<ReadObject<'a, LlmProvider>>,
    pub keys: ByName<ReadObject<'a, VirtualKey>>,
    pub rules: ByName<ReadObject<'a, RoutingRule>>,
    /// The conditions of the rules.
    pub conditions: ByName<&'a Condition>,
    pub budgets: ByName<ReadObject<'a, Budget>>,
    pub catalogs: ByName<ReadObject<'a, ModelCatalog>>,
    pub secrets: ByName<&'a Object>,
    pub config_maps: ByName<&'a Object>,
    pub namespaces: HashMap<&'a str, &'a Object>,
    /// Kind and name of objects that exist and can't be used.
    pub unusable: HashSet<(PolicyKind, ObjectRef)>,
    /// Whether parts of the input can't be read. They may contain any object.
    pub unread: bool,
    pub keyless: Keyless,
}

/// When callers without a key get a keyless key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Keyless {
    /// In a folder, if there is no VirtualKey.
    #[default]
    WithoutAnyKey,
    /// In a cluster, if the namespace has no VirtualKey named `default`.
    WithoutDefault,
}

impl SortedObjects<'_> {
    /// Every VirtualKey, including invalid ones: a broken key must not change what callers of another key may do.
    pub fn key_names(&self) -> Vec<ObjectRef> {
        let unusable = self.unusable.iter().filter(|(kind, _)| *kind == PolicyKind::VirtualKey).map(|(_, id)| id);
        let mut names: Vec<ObjectRef> = self.keys.keys().chain(unusable).cloned().collect();
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

/// Sorts objects: our kinds, each with its validation, and other kinds.
pub(crate) fn sort<'a>(
    ours: impl Iterator<Item = (&'a Object, &'a ObjectValidation)>,
    others: impl Iterator<Item = &'a Object>,
    findings: &mut Vec<Finding>,
) -> SortedObjects<'a> {
    let mut sorted = SortedObjects::default();
    let mut seen: HashMap<(&str, ObjectRef), &Object> = HashMap::new();
    let mut is_new = |object: &'a Object, findings: &mut Vec<Finding>| {
        if object.name.is_empty() {
            return true;
        }
        match seen.entry((object.kind.as_str(), object.id())) {
            Entry::Vacant(entry) => {
                entry.insert(object);
                true
            }
            Entry::Occupied(first) => {
                let message = format!("is already defined at {}: keep one of the two", first.get().location);
                findings.push(object.error("", message));
                false
            }
        }
    };
    for (object, validation) in ours {
        if !is_new(object, findings) {
            continue;
        }
        match validation.sound() {
            Ok(Typed::Provider(typed)) => drop(sorted.providers.insert(object.id(), ReadObject { object, typed })),
            Ok(Typed::Key(typed)) => drop(sorted.keys.insert(object.id(), ReadObject { object, typed })),
            Ok(Typed::Rule(typed, condition)) => {
                sorted.conditions.insert(object.id(), condition);
                sorted.rules.insert(object.id(), ReadObject { object, typed });
            }
            Ok(Typed::Budget(typed)) => drop(sorted.budgets.insert(object.id(), ReadObject { object, typed })),
            Ok(Typed::Catalog(typed)) => drop(sorted.catalogs.insert(object.id(), ReadObject { object, typed })),
            Err(found) => {
                let to_finding =
                    |one: &schema::SchemaFinding| object.error(&one.path, one.message.clone()).because(Cause::Schema);
                findings.extend(found.iter().map(to_finding));
                let kind = PolicyKind::from_name(schema::closest_kind(&object.kind));
                sorted.unusable.extend(kind.map(|kind| (kind, object.id())));
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
            "Secret" => drop(sorted.secrets.insert(object.id(), object)),
            "ConfigMap" => drop(sorted.config_maps.insert(object.id(), object)),
            "Namespace" => drop(sorted.namespaces.insert(&object.name, object)),
            _ => {}
        }
    }
    sorted
}
