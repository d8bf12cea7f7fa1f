//! The objects in the cluster, in memory, and which namespaces must be planned again when one changes.
//!
//! It is plain data. Watches call [`ObjectIndex::apply`] and [`ObjectIndex::delete`], which return the namespaces that a change
//! concerns: those that name the object, those that it acts on, and those whose last plan depended on it
//! ([`ObjectIndex::planned`]). Nothing is validated here, so an object of any shape can be stored.

mod reach;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use outrigger_compile::Object;
use serde_json::{Map, Value, json};

use crate::names;
use crate::objects::binding::Binding;
use crate::objects::id::{ObjectId, ObjectKind};
use crate::objects::metadata::Metadata;
use crate::objects::refs::{Reference, ValueKind, ValueRef, named_by};
use crate::objects::version::{ObjectVersion, object, type_of};
use crate::plan::revision::NamespacePlan;

/// The namespaces that must be planned anew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct AffectedNamespaces {
    pub namespaces: BTreeSet<String>,
}

/// An object that is there.
#[derive(Clone, Debug)]
pub struct IndexedObject {
    pub version: Arc<ObjectVersion>,
    /// As it stands in the cluster; kept up to date, and never a reason to plan.
    pub status: Option<Value>,
    pub resource_version: String,
}

/// A Secret or a ConfigMap that is there.
#[derive(Clone)]
pub struct ValueSource {
    pub uid: String,
    pub resource_version: String,
    object: Object,
}

impl ValueSource {
    /// As it once was.
    pub(crate) fn remembered(value: Value) -> Self {
        ValueSource { uid: String::new(), resource_version: String::new(), object: object(value) }
    }

    /// As `compile` takes it.
    #[must_use]
    pub fn object(&self) -> &Object {
        &self.object
    }
}

/// Without what it holds.
impl fmt::Debug for ValueSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ValueSource { uid, resource_version, object } = self;
        f.debug_struct("ValueSource")
            .field("object", &object.label())
            .field("uid", uid)
            .field("resource_version", resource_version)
            .finish_non_exhaustive()
    }
}

/// What is in the cluster, as far as policies hang on it.
#[derive(Clone, Debug)]
pub struct ObjectIndex {
    operator_namespace: String,
    copies: bool,
    shares_limits: bool,
    objects: BTreeMap<ObjectId, IndexedObject>,
    values: BTreeMap<ValueRef, Arc<ValueSource>>,
    /// With their labels.
    namespaces: BTreeMap<String, Arc<Object>>,
    bindings: BTreeMap<String, BTreeSet<Binding>>,
    /// The objects that name something, by what they name.
    referrers: BTreeMap<Reference, BTreeSet<ObjectId>>,
    /// What the last plan of a namespace looked at, and the other way round.
    dependencies: BTreeMap<String, BTreeSet<Reference>>,
    dependents: BTreeMap<Reference, BTreeSet<String>>,
    /// Keys by namespace, so that who has any is known without looking at all.
    keys: BTreeMap<String, BTreeSet<String>>,
    /// The number of the last change that concerns a namespace, and of the last one of all.
    stamps: BTreeMap<String, u64>,
    changes: u64,
}

impl ObjectIndex {
    /// Empty. `copies` is [`crate::settings::OperatorSettings::copies`].
    #[must_use]
    pub fn new(operator_namespace: &str, copies: bool) -> Self {
        ObjectIndex {
            operator_namespace: operator_namespace.to_owned(),
            copies,
            shares_limits: false,
            objects: BTreeMap::new(),
            values: BTreeMap::new(),
            namespaces: BTreeMap::new(),
            bindings: BTreeMap::new(),
            referrers: BTreeMap::new(),
            dependencies: BTreeMap::new(),
            dependents: BTreeMap::new(),
            keys: BTreeMap::new(),
            stamps: BTreeMap::new(),
            changes: 0,
        }
    }

    /// The same, of an operator with a ledger: gateways share the limits of policies.
    #[must_use]
    pub fn sharing_limits(self, shares_limits: bool) -> Self {
        ObjectIndex { shares_limits, ..self }
    }

    /// A copy to judge an object in that is not there yet: without statuses, and without what plans looked at, which are the
    /// most of it and say nothing of what an object is worth.
    #[must_use]
    pub fn to_rehearse(&self) -> Self {
        let known = |(id, known): (&ObjectId, &IndexedObject)| {
            let IndexedObject { version, status: _, resource_version } = known;
            (
                id.clone(),
                IndexedObject { version: version.clone(), status: None, resource_version: resource_version.clone() },
            )
        };
        ObjectIndex {
            operator_namespace: self.operator_namespace.clone(),
            copies: self.copies,
            shares_limits: self.shares_limits,
            objects: self.objects.iter().map(known).collect(),
            values: self.values.clone(),
            namespaces: self.namespaces.clone(),
            bindings: self.bindings.clone(),
            referrers: self.referrers.clone(),
            dependencies: BTreeMap::new(),
            dependents: BTreeMap::new(),
            keys: self.keys.clone(),
            stamps: BTreeMap::new(),
            changes: 0,
        }
    }

    /// Takes an object as the API server tells it, with `apiVersion` and `kind`: one of our kinds, a Namespace, a Secret or
    /// a ConfigMap. Others, and what the operator makes itself, are passed over. What says nothing new changes nothing.
    pub fn apply(&mut self, value: &Value) -> AffectedNamespaces {
        let core = type_of(value, "apiVersion") == Some("v1");
        match type_of(value, "kind").unwrap_or_default() {
            "Namespace" if core => self.apply_namespace(value),
            kind if core => match ValueKind::named(kind) {
                Some(holder) => self.apply_value(holder, value),
                None => AffectedNamespaces::default(),
            },
            _ => match ObjectVersion::of(value) {
                Some(version) => self.apply_version(version, value),
                None => AffectedNamespaces::default(),
            },
        }
    }

    /// Takes an object that is not there yet, with what was found of it: in a copy that is [to rehearse](Self::to_rehearse).
    pub(crate) fn rehearse(&mut self, version: ObjectVersion) {
        let value = version.value().clone();
        let _ = self.apply_version(version, &value);
    }

    /// Takes out what is gone. `kind` is as in `kind:`; a Namespace has no namespace.
    pub fn delete(&mut self, kind: &str, namespace: &str, name: &str) -> AffectedNamespaces {
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        if kind == "Namespace" {
            return match self.namespaces.remove(&name) {
                Some(_) => self.changed(self.by_labels(&name)),
                None => AffectedNamespaces::default(),
            };
        }
        if let Some(holder) = ValueKind::named(kind) {
            let wanted = ValueRef { holder, namespace, name };
            return match self.values.remove(&wanted) {
                Some(_) => self.changed(self.by_value(&wanted)),
                None => AffectedNamespaces::default(),
            };
        }
        let Some(kind) = ObjectKind::named(kind) else { return AffectedNamespaces::default() };
        let id = ObjectId { kind, namespace, name };
        // Whom it concerned is known only as long as it is there.
        let concerned = self.by_object(&id);
        match self.objects.remove(&id) {
            None => AffectedNamespaces::default(),
            Some(known) => {
                self.forget(&known.version);
                self.changed(concerned)
            }
        }
    }

    /// Takes the bindings of the pods that are there, all of them.
    pub fn bind(&mut self, bindings: BTreeSet<Binding>) -> AffectedNamespaces {
        let mut by_namespace: BTreeMap<String, BTreeSet<Binding>> = BTreeMap::new();
        for binding in bindings {
            by_namespace.entry(binding.namespace.clone()).or_default().insert(binding);
        }
        let all: BTreeSet<String> = by_namespace.keys().chain(self.bindings.keys()).cloned().collect();
        let differs = |namespace: &&String| by_namespace.get(*namespace) != self.bindings.get(*namespace);
        let mut concerned: BTreeSet<String> = all.iter().filter(differs).cloned().collect();
        let appeared = concerned
            .iter()
            .any(|namespace| by_namespace.contains_key(namespace) != self.bindings.contains_key(namespace));
        // Callers without a key are callers, too, of what acts on everybody.
        if appeared && self.acts_on_all() {
            concerned.insert(self.operator_namespace.clone());
        }
        self.bindings = by_namespace;
        self.changed(concerned)
    }

    /// Takes note of what a plan looked at, and says who must be planned anew because of what it exports.
    pub fn planned(&mut self, plan: &NamespacePlan) -> AffectedNamespaces {
        let before = self.dependencies.insert(plan.namespace.clone(), plan.dependencies.clone()).unwrap_or_default();
        for gone in before.difference(&plan.dependencies) {
            if let Some(dependents) = self.dependents.get_mut(gone) {
                dependents.remove(&plan.namespace);
                if dependents.is_empty() {
                    self.dependents.remove(gone);
                }
            }
        }
        for new in plan.dependencies.difference(&before) {
            self.dependents.entry(new.clone()).or_default().insert(plan.namespace.clone());
        }
        if plan.dependencies.is_empty() {
            self.dependencies.remove(&plan.namespace);
        }
        // Names of namespaces come and go.
        if plan.verdicts.is_empty() && plan.revisions.is_empty() {
            self.stamps.remove(&plan.namespace);
        }
        let mut concerned: BTreeSet<String> = plan.exported.iter().flat_map(|id| self.by_object(id)).collect();
        concerned.remove(&plan.namespace);
        // What nobody looked at before may have changed since it was planned with, and whom that concerns was not known.
        if plan.seen != self.changes && !plan.dependencies.is_subset(&before) {
            concerned.insert(plan.namespace.clone());
        }
        self.changed(concerned)
    }

    /// The Secrets and ConfigMaps that must be watched: those that objects name, and those that what serves in the place
    /// of broken ones names.
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

    /// All objects of ours, in the order of kind, namespace and name.
    pub fn objects(&self) -> impl Iterator<Item = (&ObjectId, &IndexedObject)> {
        self.objects.iter()
    }

    /// Those of one kind in one namespace.
    pub fn of<'a>(
        &'a self,
        kind: ObjectKind,
        namespace: &'a str,
    ) -> impl Iterator<Item = (&'a ObjectId, &'a IndexedObject)> {
        let first = ObjectId { kind, namespace: namespace.to_owned(), name: String::new() };
        self.objects.range(first..).take_while(move |(id, _)| id.kind == kind && id.namespace == namespace)
    }

    /// Every namespace that has something to plan: objects, or pods with a gateway.
    #[must_use]
    pub fn namespaces(&self) -> BTreeSet<String> {
        let of_objects = self.objects.keys().map(|id| id.namespace.clone());
        of_objects.chain(self.bindings.keys().cloned()).collect()
    }

    /// Whether the last plan of some other namespace hung on an object.
    pub(crate) fn is_dependency_elsewhere(&self, namespace: &str, id: &ObjectId) -> bool {
        let dependents = self.dependents.get(&Reference::Object(id.clone()));
        dependents.is_some_and(|dependents| dependents.iter().any(|looker| looker != namespace))
    }

    /// Whether somebody calls from a namespace: it has keys, or pods with a gateway.
    #[must_use]
    pub fn has_callers(&self, namespace: &str) -> bool {
        self.keys.contains_key(namespace) || self.bindings.contains_key(namespace)
    }

    /// The objects that name one: who is hurt if it goes.
    #[must_use]
    pub fn users(&self, id: &ObjectId) -> Vec<ObjectId> {
        self.referrers.get(&Reference::Object(id.clone())).into_iter().flatten().cloned().collect()
    }

    /// A Namespace, as `compile` takes it.
    #[must_use]
    pub fn namespace(&self, name: &str) -> Option<&Arc<Object>> {
        self.namespaces.get(name)
    }

    /// The bindings of a namespace's pods.
    #[must_use]
    pub fn bindings(&self, namespace: &str) -> Option<&BTreeSet<Binding>> {
        self.bindings.get(namespace)
    }

    /// What users put there acts on all namespaces.
    #[must_use]
    pub fn operator_namespace(&self) -> &str {
        &self.operator_namespace
    }

    /// Whether a ledger grants what limits allow.
    #[must_use]
    pub fn shares_limits(&self) -> bool {
        self.shares_limits
    }

    /// Whether credentials may be copied into other namespaces, where their provider says so.
    #[must_use]
    pub fn copies(&self) -> bool {
        self.copies
    }

    /// Raised by every change that concerns a namespace: what was made at the same stamp is up to date.
    #[must_use]
    pub fn stamp(&self, namespace: &str) -> u64 {
        self.stamps.get(namespace).copied().unwrap_or_default()
    }

    /// The number of the last change of all.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes
    }

    fn apply_version(&mut self, version: ObjectVersion, value: &Value) -> AffectedNamespaces {
        let id = version.id.clone();
        let known = IndexedObject {
            version: Arc::new(version),
            status: value.get("status").cloned(),
            resource_version: Metadata::of(value).resource_version().to_owned(),
        };
        if let Some(before) = self.objects.get_mut(&id)
            && before.version.says_the_same(&known.version)
        {
            *before = IndexedObject { version: before.version.clone(), ..known };
            return AffectedNamespaces::default();
        }
        let mut concerned = self.by_object(&id);
        if let Some(before) = self.objects.get(&id).map(|known| known.version.clone()) {
            self.forget(&before);
        }
        for named in named_by(&known.version) {
            self.referrers.entry(named).or_default().insert(id.clone());
        }
        if id.kind == ObjectKind::VirtualKey {
            self.keys.entry(id.namespace.clone()).or_default().insert(id.name.clone());
        }
        self.objects.insert(id.clone(), known);
        concerned.extend(self.by_object(&id));
        self.changed(concerned)
    }

    /// Takes an object out of what is kept by reference.
    fn forget(&mut self, version: &ObjectVersion) {
        let id = &version.id;
        for named in named_by(version) {
            if let Some(referrers) = self.referrers.get_mut(&named) {
                referrers.remove(id);
                if referrers.is_empty() {
                    self.referrers.remove(&named);
                }
            }
        }
        if id.kind == ObjectKind::VirtualKey
            && let Some(keys) = self.keys.get_mut(&id.namespace)
        {
            keys.remove(&id.name);
            if keys.is_empty() {
                self.keys.remove(&id.namespace);
            }
        }
    }

    fn apply_namespace(&mut self, value: &Value) -> AffectedNamespaces {
        let Some(name) = Metadata::of(value).name() else { return AffectedNamespaces::default() };
        let labels = Metadata::of(value).labels().cloned().unwrap_or_else(|| json!({}));
        let kept = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}});
        let before = self.namespaces.insert(name.to_owned(), Arc::new(object(kept)));
        let same = before.is_some_and(|before| Metadata::of(&before.value).labels() == Some(&labels));
        match same {
            true => AffectedNamespaces::default(),
            false => self.changed(self.by_labels(name)),
        }
    }

    fn apply_value(&mut self, holder: ValueKind, value: &Value) -> AffectedNamespaces {
        let metadata = Metadata::of(value);
        let (Some(namespace), Some(name)) = (metadata.namespace(), metadata.name()) else {
            return AffectedNamespaces::default();
        };
        if metadata.label(names::MANAGED_BY) == Some(names::MANAGED_BY_VALUE) {
            // Somebody's that has become ours is theirs no more, and nobody's credential.
            return self.delete(holder.name(), namespace, name);
        }
        let mut kept = Map::new();
        kept.insert("apiVersion".to_owned(), json!("v1"));
        kept.insert("kind".to_owned(), json!(holder.name()));
        kept.insert("metadata".to_owned(), json!({"namespace": namespace, "name": name}));
        for field in ["data", "stringData", "binaryData"] {
            kept.extend(value.get(field).map(|part| (field.to_owned(), part.clone())));
        }
        let holding = ValueSource {
            uid: Metadata::of(value).uid().to_owned(),
            resource_version: Metadata::of(value).resource_version().to_owned(),
            object: object(Value::Object(kept)),
        };
        let wanted = ValueRef { holder, namespace: namespace.to_owned(), name: name.to_owned() };
        let same = self.values.get(&wanted).is_some_and(|before| match holder {
            // A policy's digest tells a Secret's version.
            ValueKind::Secret => before.uid == holding.uid && before.resource_version == holding.resource_version,
            ValueKind::ConfigMap => before.object.value == holding.object.value,
        });
        self.values.insert(wanted.clone(), Arc::new(holding));
        match same {
            true => AffectedNamespaces::default(),
            false => self.changed(self.by_value(&wanted)),
        }
    }

    fn changed(&mut self, namespaces: BTreeSet<String>) -> AffectedNamespaces {
        self.changes += 1;
        for namespace in &namespaces {
            match self.is_anything(namespace) {
                true => self.stamps.insert(namespace.clone(), self.changes),
                // Namespaces come and go, and a replica that does not lead plans none.
                false => self.stamps.remove(namespace),
            };
        }
        AffectedNamespaces { namespaces }
    }

    /// The namespace is there, or something in it.
    fn is_anything(&self, namespace: &str) -> bool {
        self.namespaces.contains_key(namespace)
            || self.bindings.contains_key(namespace)
            || ObjectKind::ALL.into_iter().any(|kind| self.of(kind, namespace).next().is_some())
    }
}
