//! Which objects a namespace's policies are made from.
//!
//! These are: its own objects; the providers and budgets of other namespaces that they reference, with the catalogues
//! of those providers' namespaces and the parents of those budgets; and the rules, catalogues and budgets of the
//! operator's namespace that apply to all. Only references are followed, so the cost of a scope is its size. If an
//! object of the operator's namespace applies to all namespaces, the scope of that namespace has all keys and
//! providers: otherwise it would be unknown which keys a rule affects.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::objects::id::{ObjectId, ObjectKind};
use crate::objects::refs::{Reference, ValueRef, references_of};
use crate::objects::version::ObjectVersion;
use crate::plan::last_good::LastGood;
use crate::state::index::ObjectIndex;

#[derive(Debug, Default)]
pub(crate) struct PlanScope {
    /// The present versions, valid or not.
    pub own: BTreeMap<ObjectId, Arc<ObjectVersion>>,
    /// Objects of other namespaces, whether or not they exist.
    pub foreign: BTreeSet<ObjectId>,
    /// Budgets that are referenced and do not exist.
    pub missing: BTreeSet<ObjectId>,
    pub values: BTreeSet<ValueRef>,
    /// The namespaces whose labels are used.
    pub namespaces: BTreeSet<String>,
    /// The dependencies besides its own objects.
    pub dependencies: BTreeSet<Reference>,
    /// The scope has all keys and providers of the cluster.
    pub everywhere: bool,
}

impl PlanScope {
    pub fn of(index: &ObjectIndex, last_good: &LastGood, namespace: &str) -> Self {
        let operators = index.operator_namespace();
        let mut scope = PlanScope { namespaces: BTreeSet::from([namespace.to_owned()]), ..PlanScope::default() };
        scope.everywhere = namespace == operators && index.acts_on_all();
        for kind in ObjectKind::ALL {
            for (id, known) in index.of(kind, namespace) {
                scope.own.insert(id.clone(), known.version.clone());
            }
        }
        let mut finder = Finder { index, last_good, namespace, scope: &mut scope };
        let own: Vec<ObjectId> = finder.scope.own.keys().cloned().collect();
        own.iter().for_each(|id| finder.follow(id));
        if finder.scope.everywhere {
            for (id, _) in index.objects().filter(|(id, _)| id.namespace != namespace) {
                if matches!(id.kind, ObjectKind::VirtualKey | ObjectKind::LlmProvider) {
                    finder.foreign(id.clone());
                }
            }
        } else if namespace != operators && index.has_callers(namespace) {
            for kind in [ObjectKind::RoutingRule, ObjectKind::ModelCatalog, ObjectKind::Budget] {
                for (id, _) in index.of(kind, operators) {
                    if kind != ObjectKind::Budget
                        || finder.versions(id).iter().any(|version| version.applies_to_others())
                    {
                        finder.foreign(id.clone());
                    }
                }
            }
        }
        scope
    }

    /// The other namespaces whose choices about their own objects apply here.
    pub fn homes(&self) -> BTreeSet<&str> {
        self.foreign.iter().map(|id| id.namespace.as_str()).collect()
    }
}

struct Finder<'a> {
    index: &'a ObjectIndex,
    last_good: &'a LastGood,
    namespace: &'a str,
    scope: &'a mut PlanScope,
}

impl Finder<'_> {
    /// All versions of an object that may come to serve. The references of each are followed.
    fn versions(&self, id: &ObjectId) -> Vec<Arc<ObjectVersion>> {
        let now = self.index.get(id).map(|known| known.version.clone());
        now.into_iter().chain(self.last_good.versions(self.namespace, id)).collect()
    }

    fn foreign(&mut self, id: ObjectId) {
        if !self.scope.foreign.insert(id.clone()) {
            return;
        }
        self.scope.dependencies.insert(Reference::Object(id.clone()));
        self.scope.namespaces.insert(id.namespace.clone());
        if id.kind == ObjectKind::LlmProvider {
            let catalogues = self.index.of(ObjectKind::ModelCatalog, &id.namespace).map(|(id, _)| id.clone());
            self.scope.foreign.extend(catalogues.collect::<Vec<_>>());
        }
        self.follow(&id);
    }

    fn follow(&mut self, id: &ObjectId) {
        let versions = self.versions(id);
        for named in versions.iter().flat_map(|version| references_of(version)) {
            match named {
                Reference::Value(wanted) => {
                    self.scope.dependencies.insert(Reference::Value(wanted.clone()));
                    self.scope.values.insert(wanted);
                }
                Reference::Object(id) => self.object(id),
            }
        }
    }

    fn object(&mut self, id: ObjectId) {
        let gone = id.kind == ObjectKind::Budget && self.index.get(&id).is_none();
        if gone {
            self.scope.dependencies.insert(Reference::Object(id.clone()));
        }
        let new = gone && self.scope.missing.insert(id.clone());
        match id.namespace == self.namespace {
            false => self.foreign(id),
            // Objects that exist are followed anyway.
            true if new => self.follow(&id),
            true => {}
        }
    }
}
