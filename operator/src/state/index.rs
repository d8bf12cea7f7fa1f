//! The objects of the cluster in memory, and the namespaces that must be planned again when one changes.
//!
//! It is plain data. Watches call [`ObjectIndex::apply`] and [`ObjectIndex::delete`], which return the namespaces that
//! a change affects: those that reference the object, those that it applies to, and those whose last plan depended on
//! it ([`ObjectIndex::planned`]). Nothing is validated here, so an object of any shape can be stored.

mod queries;
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
use crate::objects::refs::{Reference, ValueKind, ValueRef, references_of};
use crate::objects::version::{ObjectVersion, object, type_of};
use crate::plan::revision::NamespacePlan;

/// The namespaces that must be planned again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct AffectedNamespaces {
    pub namespaces: BTreeSet<String>,
}

/// A stored object.
#[derive(Clone, Debug)]
pub struct IndexedObject {
    pub version: Arc<ObjectVersion>,
    /// The status as stored in the cluster. A change of it causes no plan.
    pub status: Option<Value>,
    /// The annotations [`names::LEDGER_ACTION`] and [`names::LEDGER_ACTION_BY`]; never a reason to plan.
    pub action: Option<RequestedAction>,
    pub resource_version: String,
}

/// An action on limits that somebody asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestedAction {
    pub text: String,
    /// The user, as admission wrote it.
    pub by: Option<String>,
}

/// A stored Secret or ConfigMap.
#[derive(Clone)]
pub struct ValueSource {
    pub uid: String,
    pub resource_version: String,
    object: Object,
}

impl ValueSource {
    /// A value from a policy's stored sources.
    pub(crate) fn remembered(value: Value) -> Self {
        ValueSource { uid: String::new(), resource_version: String::new(), object: object(value) }
    }

    /// The form that `compile` takes.
    #[must_use]
    pub fn object(&self) -> &Object {
        &self.object
    }
}

/// Does not show the values.
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

/// The objects of the cluster that policies depend on.
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
    /// The objects that reference something, by reference.
    referrers: BTreeMap<Reference, BTreeSet<ObjectId>>,
    /// The dependencies of each namespace's last plan, and the reverse.
    dependencies: BTreeMap<String, BTreeSet<Reference>>,
    dependents: BTreeMap<Reference, BTreeSet<String>>,
    /// The keys by namespace, so that the check for callers is fast.
    keys: BTreeMap<String, BTreeSet<String>>,
    /// The number of the last change for each namespace, and of the last change of all.
    stamps: BTreeMap<String, u64>,
    changes: u64,
}

impl ObjectIndex {
    /// An empty index. `copies` is [`crate::settings::OperatorSettings::copies`].
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

    /// Sets whether gateways share limits, because the operator has a ledger.
    #[must_use]
    pub fn sharing_limits(self, shares_limits: bool) -> Self {
        ObjectIndex { shares_limits, ..self }
    }

    /// A copy for the review of an object that is not stored yet. It leaves out statuses and plans' dependencies, which
    /// are its largest part and do not affect the result.
    #[must_use]
    pub fn review_copy(&self) -> Self {
        let known = |(id, known): (&ObjectId, &IndexedObject)| {
            let (version, resource_version) = (known.version.clone(), known.resource_version.clone());
            (id.clone(), IndexedObject { version, status: None, action: None, resource_version })
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

    /// Stores an object from the API server, with `apiVersion` and `kind`: one of our kinds, a Namespace, a Secret or a
    /// ConfigMap. Other kinds, and objects that the operator generates, are ignored. An equal version affects no
    /// namespace.
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

    /// Stores an object that the API server has not stored yet. Only for a [review's copy](Self::review_copy).
    pub(crate) fn apply_unstored(&mut self, version: ObjectVersion) {
        let value = version.value().clone();
        let _ = self.apply_version(version, &value);
    }

    /// Removes a deleted object. `kind` is the value of `kind:`; for a Namespace, `namespace` is empty.
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
        // The affected namespaces can only be computed while the object is stored.
        let concerned = self.by_object(&id);
        match self.objects.remove(&id) {
            None => AffectedNamespaces::default(),
            Some(known) => {
                self.forget(&known.version);
                self.changed(concerned)
            }
        }
    }

    /// Replaces the bindings of all pods.
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
        // Callers without a key also count for rules and budgets that apply to all.
        if appeared && self.acts_on_all() {
            concerned.insert(self.operator_namespace.clone());
        }
        self.bindings = by_namespace;
        self.changed(concerned)
    }

    /// Stores the dependencies of a plan. Returns the namespaces that must be planned again because of what it exports.
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
        // Without objects, the namespace may be gone for good.
        if plan.verdicts.is_empty() && plan.revisions.is_empty() {
            self.stamps.remove(&plan.namespace);
        }
        let mut concerned: BTreeSet<String> = plan.exported.iter().flat_map(|id| self.by_object(id)).collect();
        concerned.remove(&plan.namespace);
        // A new dependency may have changed since the plan began, when the change did not affect this namespace yet.
        if plan.index_changes != self.changes && !plan.dependencies.is_subset(&before) {
            concerned.insert(plan.namespace.clone());
        }
        self.changed(concerned)
    }

    fn requested_action(&self, namespace: &str, value: &Value) -> Option<RequestedAction> {
        let metadata = Metadata::of(value);
        let text = metadata.annotation(names::LEDGER_ACTION)?.to_owned();
        // Where no webhook of the operator is called, anybody may write any name.
        let unsigned = namespace == self.operator_namespace || namespace == names::KUBE_SYSTEM;
        let by = metadata.annotation(names::LEDGER_ACTION_BY).filter(|_| !unsigned).map(str::to_owned);
        Some(RequestedAction { text, by })
    }

    fn apply_version(&mut self, version: ObjectVersion, value: &Value) -> AffectedNamespaces {
        let id = version.id.clone();
        let known = IndexedObject {
            version: Arc::new(version),
            status: value.get("status").cloned(),
            action: self.requested_action(&id.namespace, value),
            resource_version: Metadata::of(value).resource_version().to_owned(),
        };
        if let Some(before) = self.objects.get_mut(&id)
            && before.version.is_equivalent(&known.version)
        {
            *before = IndexedObject { version: before.version.clone(), ..known };
            return AffectedNamespaces::default();
        }
        let mut concerned = self.by_object(&id);
        if let Some(before) = self.objects.get(&id).map(|known| known.version.clone()) {
            self.forget(&before);
        }
        for named in references_of(&known.version) {
            self.referrers.entry(named).or_default().insert(id.clone());
        }
        if id.kind == ObjectKind::VirtualKey {
            self.keys.entry(id.namespace.clone()).or_default().insert(id.name.clone());
        }
        self.objects.insert(id.clone(), known);
        concerned.extend(self.by_object(&id));
        self.changed(concerned)
    }

    /// Removes an object from the maps by reference.
    fn forget(&mut self, version: &ObjectVersion) {
        let id = &version.id;
        for named in references_of(version) {
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
            // A Secret that got the operator's label is a generated one, and no longer a source of credentials.
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
            // A policy's digest includes the Secret's version.
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
                // The namespace may be gone for good, and a replica that is not the leader plans none.
                false => self.stamps.remove(namespace),
            };
        }
        AffectedNamespaces { namespaces }
    }

    /// Whether the namespace exists or has objects.
    fn is_anything(&self, namespace: &str) -> bool {
        self.namespaces.contains_key(namespace)
            || self.bindings.contains_key(namespace)
            || ObjectKind::ALL.into_iter().any(|kind| self.of(kind, namespace).next().is_some())
    }
}
