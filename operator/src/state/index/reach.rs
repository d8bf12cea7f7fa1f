//! Which namespaces a change concerns.

use std::collections::BTreeSet;

use super::ObjectIndex;
use crate::objects::id::{ObjectId, ObjectKind};
use crate::objects::refs::{Reference, ValueRef};

impl ObjectIndex {
    /// The namespaces that an object concerns: its own, those that name it (a Budget also by way of those under it), those
    /// that it acts on.
    pub(super) fn by_object(&self, id: &ObjectId) -> BTreeSet<String> {
        let mut concerned = BTreeSet::from([id.namespace.clone()]);
        let operators = id.namespace == self.operator_namespace;
        match id.kind {
            ObjectKind::LlmProvider | ObjectKind::Budget => self.add_namers(id, &mut concerned),
            // It tells of the models of its namespace's providers.
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

    /// Those whose objects name a Secret or a ConfigMap, and those that name these objects.
    pub(super) fn by_value(&self, wanted: &ValueRef) -> BTreeSet<String> {
        let named = Reference::Value(wanted.clone());
        let mut concerned: BTreeSet<String> = self.dependents.get(&named).into_iter().flatten().cloned().collect();
        for namer in self.referrers.get(&named).into_iter().flatten() {
            concerned.extend(self.by_object(namer));
        }
        concerned
    }

    /// Whom a namespace's labels concern: its own keys, what selects keys by them, and whoever counts in its budgets, which
    /// another namespace's may be above.
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

    /// Those that use a provider of a namespace.
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

    /// Whether something of the operator's namespace is judged by the keys of all others.
    pub(crate) fn acts_on_all(&self) -> bool {
        let namespace = self.operator_namespace.as_str();
        self.of(ObjectKind::RoutingRule, namespace).next().is_some()
            || self.of(ObjectKind::Budget, namespace).any(|(_, known)| known.version.applies_to_others())
    }

    /// The namespaces that somebody calls from.
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
                // What is under a Budget counts in it: its own namers have both.
                if namer.kind == ObjectKind::Budget && seen.insert(namer.clone()) {
                    left.push(namer.clone());
                }
            }
        }
    }
}
