//! Everything that this replica knows of the cluster, kept up to date by watches.
//!
//! One thread takes what the watches report and writes; a plan also records what it depends on. Everybody else only reads. So a
//! read never waits for the network. What takes long works on a [snapshot](Caches::snapshot), so that nobody waits for it.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex, RwLock, RwLockReadGuard};

use crate::admission::Namespace;
use crate::apply::owner::KeyOwner;
use crate::ledger::driver::PodUids;
use crate::objects::binding::Binding;
use crate::objects::id::{ObjectId, ObjectKind};
use crate::state::generated::Generated;
use crate::state::index::ObjectIndex;
use crate::state::pods::GatewayPods;
use crate::state::uninjected::UninjectedPods;
use crate::stream::{self, PodFacts};

/// Everything that is known.
#[derive(Debug)]
pub struct Caches {
    index: RwLock<Arc<ObjectIndex>>,
    /// What admission looks at, and a plan does not.
    namespaces: Mutex<BTreeMap<String, Namespace>>,
    /// There is one more.
    came: Condvar,
    pub generated: Generated,
    pub pods: GatewayPods,
    pub uninjected: UninjectedPods,
}

impl Caches {
    #[must_use]
    pub fn new(index: ObjectIndex) -> Self {
        Caches {
            index: RwLock::new(Arc::new(index)),
            namespaces: Mutex::default(),
            came: Condvar::new(),
            generated: Generated::default(),
            pods: GatewayPods::default(),
            uninjected: UninjectedPods::default(),
        }
    }

    /// With what pods' gateways are known by.
    #[must_use]
    pub fn with_pods(self, pods: GatewayPods) -> Self {
        Caches { pods, ..self }
    }

    /// For a moment: watches wait meanwhile.
    pub fn index(&self) -> RwLockReadGuard<'_, Arc<ObjectIndex>> {
        self.index.read()
    }

    /// All as it is now, for as long as one likes. What changes meanwhile changes in a copy.
    #[must_use]
    pub fn snapshot(&self) -> Arc<ObjectIndex> {
        Arc::clone(&self.index())
    }

    /// Changes what is known.
    pub fn change<T>(&self, change: impl FnOnce(&mut ObjectIndex) -> T) -> T {
        change(Arc::make_mut(&mut self.index.write()))
    }

    /// A namespace's own words, as far as they are ours; `None`: it is not known (yet).
    #[must_use]
    pub fn namespace(&self, name: &str) -> Option<Namespace> {
        self.namespace_within(name, Duration::ZERO)
    }

    /// The same; `None`: it has not become known in time. Whoever makes a namespace and
    /// a pod in one go may be quicker than a watch. Waits where it is called: on no thread that serves others.
    #[must_use]
    pub fn namespace_within(&self, name: &str, longest: Duration) -> Option<Namespace> {
        let mut namespaces = self.namespaces.lock();
        let unknown = |namespaces: &mut BTreeMap<String, Namespace>| !namespaces.contains_key(name);
        self.came.wait_while_for(&mut namespaces, unknown, longest);
        namespaces.get(name).cloned()
    }

    pub fn put_namespace(&self, name: String, namespace: Option<Namespace>) {
        let mut namespaces = self.namespaces.lock();
        match namespace {
            Some(namespace) => namespaces.insert(name, namespace),
            None => namespaces.remove(&name),
        };
        self.came.notify_all();
    }

    /// The keys of a binding that are there.
    #[must_use]
    pub fn owners(&self, binding: &Binding) -> Vec<KeyOwner> {
        let index = self.index();
        let owner = |name: &String| {
            let id =
                ObjectId { kind: ObjectKind::VirtualKey, namespace: binding.namespace.clone(), name: name.clone() };
            let uid = index.get(&id)?.version.uid.clone();
            (!uid.is_empty()).then(|| KeyOwner { name: name.clone(), uid })
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
impl PodUids for Caches {
    fn uids(&self) -> HashSet<String> {
        self.pods.uids()
    }
}

impl stream::PodLookup for Caches {
    fn find(&self, namespace: &str, name: &str, uid: &str) -> Option<PodFacts> {
        let pod = self.pods.get(namespace, name, uid)?;
        Some(PodFacts { binding: pod.binding, service_account: pod.service_account, foreign: pod.foreign })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_changes_though_somebody_looks() {
        let caches = Caches::new(ObjectIndex::new("outrigger", false));
        let dependencies = caches.snapshot();
        let namespace = serde_json::json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}});
        let _ = caches.change(|index| index.apply(&namespace));
        assert!(dependencies.namespace("shop").is_none(), "a snapshot stays as it was");
        assert!(caches.index().namespace("shop").is_some());
    }

    #[test]
    fn a_namespace_may_come_a_little_after_who_asks_for_it() {
        let caches = Caches::new(ObjectIndex::new("outrigger", false));
        assert_eq!(caches.namespace("shop"), None);
        std::thread::scope(|scope| {
            // An hour: nothing but its coming ends the wait in time.
            let asked = scope.spawn(|| caches.namespace_within("shop", Duration::from_secs(3_600)));
            caches.put_namespace("other".to_owned(), Some(Namespace::default()));
            caches.put_namespace("shop".to_owned(), Some(Namespace::default()));
            assert_eq!(asked.join().unwrap(), Some(Namespace::default()));
        });
        caches.put_namespace("shop".to_owned(), None);
        assert_eq!(caches.namespace("shop"), None);
    }
}
