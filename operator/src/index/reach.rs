//! How far a change reaches.

use std::collections::BTreeSet;

use super::Index;
use crate::object::{Kind, ObjectId};
use crate::refs::{Named, Wanted};

impl Index {
    /// The namespaces that an object concerns: its own, those that name it (a Budget also by way of those under it), those
    /// that it acts on.
    pub(super) fn by_object(&self, id: &ObjectId) -> BTreeSet<String> {
        let mut concerned = BTreeSet::from([id.namespace.clone()]);
        let operators = id.namespace == self.operator_namespace;
        match id.kind {
            Kind::LlmProvider | Kind::Budget => self.add_namers(id, &mut concerned),
            // It tells of the models of its namespace's providers.
            Kind::ModelCatalog => concerned.extend(self.by_exports(&id.namespace)),
            Kind::VirtualKey | Kind::RoutingRule => {}
        }
        if operators && matches!(id.kind, Kind::RoutingRule | Kind::Budget | Kind::ModelCatalog) {
            concerned.extend(self.populated());
        }
        if matches!(id.kind, Kind::VirtualKey | Kind::LlmProvider) && self.acts_on_all() {
            concerned.insert(self.operator_namespace.clone());
        }
        concerned
    }

    /// Those whose objects name a Secret or a ConfigMap, and those that name these objects.
    pub(super) fn by_value(&self, wanted: &Wanted) -> BTreeSet<String> {
        let named = Named::Value(wanted.clone());
        let mut concerned: BTreeSet<String> = self.lookers.get(&named).into_iter().flatten().cloned().collect();
        for namer in self.namers.get(&named).into_iter().flatten() {
            concerned.extend(self.by_object(namer));
        }
        concerned
    }

    /// Whom a namespace's labels concern: its own keys, and what selects keys by them.
    pub(super) fn by_labels(&self, namespace: &str) -> BTreeSet<String> {
        let mut concerned = BTreeSet::from([namespace.to_owned()]);
        if self.acts_on_all() {
            concerned.insert(self.operator_namespace.clone());
        }
        concerned
    }

    /// Those that use something of a namespace.
    pub(super) fn by_exports(&self, namespace: &str) -> BTreeSet<String> {
        if namespace == self.operator_namespace {
            return self.populated();
        }
        let mut concerned = BTreeSet::new();
        for kind in [Kind::LlmProvider, Kind::Budget] {
            let first = ObjectId { kind, namespace: namespace.to_owned(), name: String::new() };
            let within = |named: &&Named| match named {
                Named::Object(id) => id.kind == kind && id.namespace == namespace,
                Named::Value(_) => false,
            };
            let ids: BTreeSet<&Named> = self
                .namers
                .range(Named::Object(first.clone())..)
                .map(|(named, _)| named)
                .take_while(within)
                .chain(self.lookers.range(Named::Object(first)..).map(|(named, _)| named).take_while(within))
                .collect();
            for named in ids {
                if let Named::Object(id) = named {
                    self.add_namers(id, &mut concerned);
                }
            }
        }
        concerned
    }

    /// Whether something of the operator's namespace is judged by the keys of all others.
    pub(crate) fn acts_on_all(&self) -> bool {
        let namespace = self.operator_namespace.as_str();
        self.of(Kind::RoutingRule, namespace).next().is_some()
            || self.of(Kind::Budget, namespace).any(|(_, known)| known.version.get("/spec/appliesTo").is_some())
    }

    /// The namespaces that somebody calls from.
    fn populated(&self) -> BTreeSet<String> {
        let all = self.keys.keys().chain(self.bindings.keys()).cloned();
        all.chain([self.operator_namespace.clone()]).collect()
    }

    fn add_namers(&self, id: &ObjectId, concerned: &mut BTreeSet<String>) {
        let (mut seen, mut left) = (BTreeSet::new(), vec![id.clone()]);
        while let Some(id) = left.pop() {
            let named = Named::Object(id);
            concerned.extend(self.lookers.get(&named).into_iter().flatten().cloned());
            for namer in self.namers.get(&named).into_iter().flatten() {
                concerned.insert(namer.namespace.clone());
                // What is under a Budget counts in it: its own namers have both.
                if namer.kind == Kind::Budget && seen.insert(namer.clone()) {
                    left.push(namer.clone());
                }
            }
        }
    }
}
