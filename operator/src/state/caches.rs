//! What this replica knows of the cluster, kept up to date by watches.
//!
//! One thread applies what the watches report; a plan also records its dependencies. All others only read. So a read
//! never waits for the network. Slow work uses a [snapshot](Caches::snapshot), so that nothing waits for it.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use outrigger_ledger::protocol::LimitKey;
use parking_lot::{Condvar, Mutex, RwLock, RwLockReadGuard};

use crate::admission::Namespace;
use crate::ledger::driver::PodUids;
use crate::ledger::history::PodWorkloads;
use crate::ledger::owned::owned_limits;
use crate::objects::binding::Binding;
use crate::objects::id::{ObjectId, ObjectKind};
use crate::objects::owner::KeyOwner;
use crate::state::generated::Generated;
use crate::state::index::ObjectIndex;
use crate::state::pods::GatewayPods;
use crate::state::uninjected::UninjectedPods;
use crate::stream::{self, ConnectedGateway, PodFacts};

/// The caches of all watched objects.
#[derive(Debug)]
pub struct Caches {
    index: RwLock<Arc<ObjectIndex>>,
    /// Labels and annotations for admission. Plans do not use them.
    namespaces: Mutex<BTreeMap<String, Namespace>>,
    /// Signalled when a namespace is added.
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

    /// Sets the pods with the attestor that checks them.
    #[must_use]
    pub fn with_pods(self, pods: GatewayPods) -> Self {
        Caches { pods, ..self }
    }

    /// The index, for a short time, because watches wait for it.
    pub fn index(&self) -> RwLockReadGuard<'_, Arc<ObjectIndex>> {
        self.index.read()
    }

    /// The index as it is now, for any time. Later changes go into a copy.
    #[must_use]
    pub fn snapshot(&self) -> Arc<ObjectIndex> {
        Arc::clone(&self.index())
    }

    /// Changes the index.
    pub fn change<T>(&self, change: impl FnOnce(&mut ObjectIndex) -> T) -> T {
        change(Arc::make_mut(&mut self.index.write()))
    }

    /// The operator's labels and annotations of a namespace. `None` if it has not been seen (yet).
    #[must_use]
    pub fn namespace(&self, name: &str) -> Option<Namespace> {
        self.namespace_within(name, Duration::ZERO)
    }

    /// The same, but waits up to `longest` for an unknown namespace: somebody may create a namespace and a pod
    /// together, faster than the watch reports it. Blocks the calling thread.
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

    /// The existing keys of a binding.
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

    /// Namespaces with objects, pods or written policies.
    #[must_use]
    pub fn concerned(&self) -> BTreeSet<String> {
        let mut namespaces = self.index().namespaces();
        namespaces.extend(self.generated.bindings().into_iter().map(|binding| binding.namespace));
        namespaces
    }
}

/// The pods that may open streams.
impl PodUids for Caches {
    fn uids(&self) -> HashSet<String> {
        self.pods.uids()
    }

    fn workload(&self, gateway: &ConnectedGateway) -> Option<String> {
        let pod = self.pods.get(&gateway.namespace, &gateway.pod, &gateway.uid)?;
        Some(format!("{}/{}", gateway.namespace, pod.workload))
    }

    fn limits(&self) -> Option<BTreeSet<LimitKey>> {
        let index = self.snapshot();
        let specs = index.objects().filter_map(|(id, known)| Some((id, known.version.spec()?)));
        Some(specs.flat_map(|(id, spec)| owned_limits(id, spec)).map(|limit| limit.key).collect())
    }
}

impl PodWorkloads for Caches {
    fn workload(&self, namespace: &str, pod: &str, uid: &str) -> Option<String> {
        Some(self.pods.get(namespace, pod, uid)?.workload)
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
    fn a_snapshot_does_not_block_changes() {
        let caches = Caches::new(ObjectIndex::new("outrigger", false));
        let dependencies = caches.snapshot();
        let namespace = serde_json::json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}});
        let _ = caches.change(|index| index.apply(&namespace));
        assert!(dependencies.namespace("shop").is_none(), "a snapshot stays as it was");
        assert!(caches.index().namespace("shop").is_some());
    }

    #[test]
    fn a_lookup_waits_for_a_new_namespace() {
        let caches = Caches::new(ObjectIndex::new("outrigger", false));
        assert_eq!(caches.namespace("shop"), None);
        std::thread::scope(|scope| {
            // With a wait of an hour, only the namespace's arrival ends it in time.
            let lookup = scope.spawn(|| caches.namespace_within("shop", Duration::from_secs(3_600)));
            caches.put_namespace("other".to_owned(), Some(Namespace::default()));
            caches.put_namespace("shop".to_owned(), Some(Namespace::default()));
            assert_eq!(lookup.join().unwrap(), Some(Namespace::default()));
        });
        caches.put_namespace("shop".to_owned(), None);
        assert_eq!(caches.namespace("shop"), None);
    }
}
