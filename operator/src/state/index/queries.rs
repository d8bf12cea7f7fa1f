//! Queries of the index.

use std::collections::BTreeSet;
use std::sync::Arc;

use outrigger_compile::Object;

use super::{IndexedObject, ObjectIndex, ValueSource};
use crate::objects::binding::Binding;
use crate::objects::id::{ObjectId, ObjectKind};
use crate::objects::refs::{Reference, ValueRef};

impl ObjectIndex {
    /// The Secrets and ConfigMaps that must be watched: those that objects reference, and those that versions serving
    /// instead of broken ones reference.
    #[must_use]
    pub fn wanted(&self) -> BTreeSet<ValueRef> {
        let values = self.referrers.keys().chain(self.dependents.keys()).filter_map(|named| match named {
            Reference::Value(wanted) => Some(wanted.clone()),
            Reference::Object(_) => None,
        });
        values.collect()
    }

    #[must_use]
    pub fn get(&self, id: &ObjectId) -> Option<&IndexedObject> {
        self.objects.get(id)
    }

    #[must_use]
    pub fn value(&self, wanted: &ValueRef) -> Option<&Arc<ValueSource>> {
        self.values.get(wanted)
    }

    /// All our objects, ordered by kind, namespace and name.
    pub fn objects(&self) -> impl Iterator<Item = (&ObjectId, &IndexedObject)> {
        self.objects.iter()
    }

    /// The objects of one kind in one namespace.
    pub fn of<'a>(
        &'a self,
        kind: ObjectKind,
        namespace: &'a str,
    ) -> impl Iterator<Item = (&'a ObjectId, &'a IndexedObject)> {
        let first = ObjectId { kind, namespace: namespace.to_owned(), name: String::new() };
        self.objects.range(first..).take_while(move |(id, _)| id.kind == kind && id.namespace == namespace)
    }

    /// Every namespace with something to plan: objects, or pods with a gateway.
    #[must_use]
    pub fn namespaces(&self) -> BTreeSet<String> {
        let of_objects = self.objects.keys().map(|id| id.namespace.clone());
        of_objects.chain(self.bindings.keys().cloned()).collect()
    }

    /// Whether the last plan of another namespace depended on an object.
    pub(crate) fn is_dependency_elsewhere(&self, namespace: &str, id: &ObjectId) -> bool {
        let dependents = self.dependents.get(&Reference::Object(id.clone()));
        dependents.is_some_and(|dependents| dependents.iter().any(|looker| looker != namespace))
    }

    /// Whether a namespace has callers: keys, or pods with a gateway.
    #[must_use]
    pub fn has_callers(&self, namespace: &str) -> bool {
        self.keys.contains_key(namespace) || self.bindings.contains_key(namespace)
    }

    /// The objects that reference this one.
    #[must_use]
    pub fn users(&self, id: &ObjectId) -> Vec<ObjectId> {
        self.referrers.get(&Reference::Object(id.clone())).into_iter().flatten().cloned().collect()
    }

    /// A Namespace in the form that `compile` takes.
    #[must_use]
    pub fn namespace(&self, name: &str) -> Option<&Arc<Object>> {
        self.namespaces.get(name)
    }

    /// The bindings of a namespace's pods.
    #[must_use]
    pub fn bindings(&self, namespace: &str) -> Option<&BTreeSet<Binding>> {
        self.bindings.get(namespace)
    }

    /// The operator's namespace, whose objects apply to all.
    #[must_use]
    pub fn operator_namespace(&self) -> &str {
        &self.operator_namespace
    }

    /// Whether a ledger grants the limits.
    #[must_use]
    pub fn shares_limits(&self) -> bool {
        self.shares_limits
    }

    /// Whether credentials may be copied into other namespaces, if their provider allows it.
    #[must_use]
    pub fn copies(&self) -> bool {
        self.copies
    }

    /// A number that changes with every change that affects a namespace. A result with the same stamp is up to date.
    #[must_use]
    pub fn stamp(&self, namespace: &str) -> u64 {
        self.stamps.get(namespace).copied().unwrap_or_default()
    }

    /// The number of the last change of all.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes
    }
}
