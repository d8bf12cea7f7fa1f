//! How far a change reaches.

use std::collections::BTreeSet;

use super::Index;
use crate::objects::id::{Kind, ObjectId};
use crate::objects::refs::{Named, Wanted};

impl Index {
    /// The namespaces that an object concerns: its own, those that name it (a Budget also by way of those under it), those
    /// that it acts on.
    pub(super) fn by_object(&self, id: &ObjectId) -> BTreeSet<String> {
        let mut concerned = BTreeSet::from([id.namespace.clone()]);
        let operators = id.namespace == self.operator_namespace;
        match id.kind {
            Kind::LlmProvider | Kind::Budget => self.add_namers(id, &mut concerned),
            // It tells of the models of its namespace's providers.
            Kind::ModelCatalog => concerned.extend(self.by_providers(&id.namespace)),
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

    /// Whom a namespace's labels concern: its own keys, what selects keys by them, and whoever counts in its budgets, which
    /// another namespace's may be above.
    pub(super) fn by_labels(&self, namespace: &str) -> BTreeSet<String> {
        let mut concerned = BTreeSet::from([namespace.to_owned()]);
        for (id, known) in self.of(Kind::Budget, namespace) {
            if known.version.get("/spec/parentRef/namespace").is_some() {
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
        let first = ObjectId { kind: Kind::LlmProvider, namespace: namespace.to_owned(), name: String::new() };
        let first = Named::Object(first);
        let within = |named: &&Named| match named {
            Named::Object(id) => id.kind == Kind::LlmProvider && id.namespace == namespace,
            Named::Value(_) => false,
        };
        let named = self.namers.range(&first..).map(|(named, _)| named).take_while(within);
        let looked = self.lookers.range(&first..).map(|(named, _)| named).take_while(within);
        for named in named.chain(looked).collect::<BTreeSet<_>>() {
            if let Named::Object(id) = named {
                self.add_namers(id, &mut concerned);
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
