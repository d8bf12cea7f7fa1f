//! Step one: each object judged by itself, and sorted by kind.

use std::collections::{BTreeMap, HashMap, HashSet};

use outrigger_crds::{Budget, LlmProvider, ModelCatalog, RoutingRule, VirtualKey, schema};
use outrigger_policy::ObjectRef;
use serde::de::DeserializeOwned;

use crate::finding::{Cause, Finding};
use crate::source::{Object, is_ours};

/// An object together with its type.
pub(crate) struct Read<'a, T> {
    pub object: &'a Object,
    pub typed: T,
}

/// By namespace and name, in that order: what is made of them is canonical.
pub(crate) type ByName<T> = BTreeMap<ObjectRef, T>;

/// The sound objects of a folder.
#[derive(Default)]
pub(crate) struct Folder<'a> {
    pub providers: ByName<Read<'a, LlmProvider>>,
    pub keys: ByName<Read<'a, VirtualKey>>,
    pub rules: ByName<Read<'a, RoutingRule>>,
    pub budgets: ByName<Read<'a, Budget>>,
    pub catalogs: ByName<Read<'a, ModelCatalog>>,
    pub secrets: ByName<&'a Object>,
    pub config_maps: ByName<&'a Object>,
    pub namespaces: HashMap<&'a str, &'a Object>,
    /// Kind and name of those that are there and can't be used.
    pub unsound: HashSet<(&'a str, ObjectRef)>,
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

impl Folder<'_> {
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

pub(crate) fn folder<'a>(objects: impl Iterator<Item = &'a Object>, findings: &mut Vec<Finding>) -> Folder<'a> {
    let mut folder = Folder::default();
    let mut seen: HashMap<(&str, ObjectRef), &Object> = HashMap::new();
    for object in objects {
        let identity = (object.kind.as_str(), object.id());
        if !object.name.is_empty() {
            if let Some(first) = seen.get(&identity) {
                findings.push(object.error("", format!("is already defined at {}: keep one of the two", first.place)));
                continue;
            }
            seen.insert(identity.clone(), object);
        }
        if is_ours(&object.api_version) {
            let before = findings.len();
            ours(&mut folder, object, findings);
            if findings.len() > before {
                folder.unsound.insert(identity);
            }
        } else if object.name.is_empty() {
            findings.push(object.error("metadata.name", "is required"));
        } else {
            match object.kind.as_str() {
                "Secret" => drop(folder.secrets.insert(object.id(), object)),
                "ConfigMap" => drop(folder.config_maps.insert(object.id(), object)),
                "Namespace" => drop(folder.namespaces.insert(&object.name, object)),
                _ => {}
            }
        }
    }
    folder
}

fn ours<'a>(folder: &mut Folder<'a>, object: &'a Object, findings: &mut Vec<Finding>) {
    let found = schema::validate(&object.value);
    if !found.is_empty() {
        let told = |finding: schema::Finding| object.error(&finding.path, finding.message).because(Cause::Schema);
        findings.extend(found.into_iter().map(told));
        return;
    }
    let told = match object.kind.as_str() {
        "LLMProvider" => take(&mut folder.providers, object),
        "VirtualKey" => take(&mut folder.keys, object),
        "RoutingRule" => take(&mut folder.rules, object),
        "Budget" => take(&mut folder.budgets, object),
        "ModelCatalog" => take(&mut folder.catalogs, object),
        // The schema knows no other kind, and has told.
        _ => None,
    };
    findings.extend(told);
}

fn take<'a, T: DeserializeOwned>(into: &mut ByName<Read<'a, T>>, object: &'a Object) -> Option<Finding> {
    match serde_json::from_value(schema::with_defaults(&object.value)) {
        Ok(typed) => {
            into.insert(object.id(), Read { object, typed });
            None
        }
        Err(error) => Some(object.error("", format!("can't be read: {error}")).because(Cause::Schema)),
    }
}
