//! Computes which namespaces a change affects.

use std::collections::BTreeSet;

use super::ObjectIndex;
use crate::objects::id::{ObjectId, ObjectKind};
use crate::objects::refs::{Reference, ValueRef};

impl ObjectIndex {
    /// The namespaces that an object affects: its own, those that reference it (for a Budget also through its
    /// children), and those that it applies to.
    pub(super) fn by_object(&self, id: &ObjectId) -> BTreeSet<String> {
        let mut concerned = BTreeSet::from([id.namespace.clone()]);
        let operators = id.namespace == self.operator_namespace;
        match id.kind {
            ObjectKind::LlmProvider | ObjectKind::Budget => self.add_namers(id, &mut concerned),
            // It describes the models of its namespace's providers.
            ObjectKind::ModelCatalog => concerned.extend(self.by_providers(&id.namespace)),
            ObjectKind::VirtualKey | ObjectKind::RoutingRule => {}
        }
        if operators && matches!(id.kind, ObjectKind::RoutingRule | ObjectKind::Budget | ObjectKind::ModelCatalog) {
            concerned.extend(self.populated());
        }
        if matches!(id.kind, ObjectKind::VirtualKey | ObjectKind::LlmProvider) && self.acts_on_all() {
            concerned.insert(self.operator_namespace.clone());
        }
        concerned
    }

    /// The namespaces whose objects reference a Secret or a ConfigMap, and those that reference these objects.
    pub(super) fn by_value(&self, wanted: &ValueRef) -> BTreeSet<String> {
        let named = Reference::Value(wanted.clone());
        let mut concerned: BTreeSet<String> = self.dependents.get(&named).into_iter().flatten().cloned().collect();
        for namer in self.referrers.get(&named).into_iter().flatten() {
            concerned.extend(self.by_object(namer));
        }
        concerned
    }

    /// The namespaces that a namespace's labels affect: itself, those whose objects select keys by these labels, and
    /// those of budgets that have a parent in another namespace.
    pub(super) fn by_labels(&self, namespace: &str) -> BTreeSet<String> {
        let mut concerned = BTreeSet::from([namespace.to_owned()]);
        for (id, known) in self.of(ObjectKind::Budget, namespace) {
            if known.version.has_foreign_parent() {
                self.add_namers(id, &mut concerned);
            }
        }
        if self.acts_on_all() {
            concerned.insert(self.operator_namespace.clone());
        }
        concerned
    }

    /// The namespaces that use a provider of a namespace.
    fn by_providers(&self, namespace: &str) -> BTreeSet<String> {
        let mut concerned = BTreeSet::new();
        let first = ObjectId { kind: ObjectKind::LlmProvider, namespace: namespace.to_owned(), name: String::new() };
        let first = Reference::Object(first);
        let within = |named: &&Reference| match named {
            Reference::Object(id) => id.kind == ObjectKind::LlmProvider && id.namespace == namespace,
            Reference::Value(_) => false,
        };
        let named = self.referrers.range(&first..).map(|(named, _)| named).take_while(within);
        let dependencies = self.dependents.range(&first..).map(|(named, _)| named).take_while(within);
        for named in named.chain(dependencies).collect::<BTreeSet<_>>() {
            if let Reference::Object(id) = named {
                self.add_namers(id, &mut concerned);
            }
        }
        concerned
    }

    /// Whether an object of the operator's namespace is validated against the keys of all namespaces.
    pub(crate) fn acts_on_all(&self) -> bool {
        let namespace = self.operator_namespace.as_str();
        self.of(ObjectKind::RoutingRule, namespace).next().is_some()
            || self.of(ObjectKind::Budget, namespace).any(|(_, known)| known.version.applies_to_others())
    }

    /// The namespaces with callers.
    fn populated(&self) -> BTreeSet<String> {
        let all = self.keys.keys().chain(self.bindings.keys()).cloned();
        all.chain([self.operator_namespace.clone()]).collect()
    }

    fn add_namers(&self, id: &ObjectId, concerned: &mut BTreeSet<String>) {
        let (mut seen, mut left) = (BTreeSet::new(), vec![id.clone()]);
        while let Some(id) = left.pop() {
            let named = Reference::Object(id);
            concerned.extend(self.dependents.get(&named).into_iter().flatten().cloned());
            for namer in self.referrers.get(&named).into_iter().flatten() {
                concerned.insert(namer.namespace.clone());
                // Spending below a Budget counts in it too, so the users of its children are affected.
                if namer.kind == ObjectKind::Budget && seen.insert(namer.clone()) {
                    left.push(namer.clone());
                }
            }
        }
    }
}
