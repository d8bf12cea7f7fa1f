//! What this replica knows of the cluster, kept up to date by watches.
//!
//! Watches tell one thread, which is the only one that writes; everybody else reads. So what is known never waits for a
//! network, and what a plan looks at does not change while it looks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::admission::Namespace;
use crate::apply::Owner;
use crate::bare::BarePods;
use crate::binding::Binding;
use crate::generated::Generated;
use crate::index::Index;
use crate::object::{Kind, ObjectId};
use crate::pods::Pods;
use crate::stream::{self, PodFacts};

/// Everything that is known.
#[derive(Debug)]
pub struct Caches {
    index: RwLock<Index>,
    /// What admission looks at, and a plan does not.
    namespaces: RwLock<BTreeMap<String, Namespace>>,
    pub generated: Generated,
    pub pods: Pods,
    pub bare: BarePods,
}

impl Caches {
    #[must_use]
    pub fn new(index: Index) -> Self {
        Caches {
            index: RwLock::new(index),
            namespaces: RwLock::default(),
            generated: Generated::default(),
            pods: Pods::default(),
            bare: BarePods::default(),
        }
    }

    /// With what pods' gateways are known by.
    #[must_use]
    pub fn with_pods(self, pods: Pods) -> Self {
        Caches { pods, ..self }
    }

    pub fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn index_mut(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// A namespace's own words, as far as they are ours; `None`: it is not known (yet).
    #[must_use]
    pub fn namespace(&self, name: &str) -> Option<Namespace> {
        self.namespaces.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    pub fn put_namespace(&self, name: String, namespace: Option<Namespace>) {
        let mut namespaces = self.namespaces.write().unwrap_or_else(PoisonError::into_inner);
        match namespace {
            Some(namespace) => namespaces.insert(name, namespace),
            None => namespaces.remove(&name),
        };
    }

    /// The keys of a binding that are there.
    #[must_use]
    pub fn owners(&self, binding: &Binding) -> Vec<Owner> {
        let index = self.index();
        let owner = |name: &String| {
            let id = ObjectId { kind: Kind::VirtualKey, namespace: binding.namespace.clone(), name: name.clone() };
            let uid = index.get(&id)?.version.uid.clone();
            (!uid.is_empty()).then(|| Owner { name: name.clone(), uid })
        };
        binding.keys().iter().filter_map(owner).collect()
    }

    /// Namespaces with something to plan, or with something that was written for a plan.
    #[must_use]
    pub fn concerned(&self) -> BTreeSet<String> {
        let mut namespaces = self.index().namespaces();
        namespaces.extend(self.generated.bindings().into_iter().map(|binding| binding.namespace));
        namespaces
    }
}

/// For the stream: who may have one.
impl stream::Pods for Caches {
    fn find(&self, namespace: &str, name: &str, uid: &str) -> Option<PodFacts> {
        let pod = self.pods.get(namespace, name, uid)?;
        Some(PodFacts { binding: pod.binding, service_account: pod.service_account, foreign: pod.foreign })
    }
}
