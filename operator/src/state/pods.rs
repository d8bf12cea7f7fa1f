//! Pods with a gateway: the binding of each, and whether its gateway runs.
//!
//! A binding that is not a single VirtualKey (several keys, or the default) stays for a while after its last pod,
//! because Deployments are scaled to zero and Jobs come back.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use k8s_openapi::api::core::v1;
use outrigger_core::ObjectRef;
use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::time::Instant;

use crate::attestation::{AttestationError, Attestor, mounted};
use crate::names;
use crate::objects::binding::{Binding, DEFAULT};
use crate::objects::workload::workload;
use crate::state::update::{WatchUpdate, object_ref};

/// How long such a binding stays after its last pod.
const LINGER: Duration = Duration::from_secs(15 * 60);

/// The stored facts about a pod with a gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayPod {
    pub place: ObjectRef,
    pub uid: String,
    pub service_account: String,
    /// The binding at admission, from its volume, which nobody can change.
    pub binding: Binding,
    /// Why its gateway is not the operator's, or not alone.
    pub foreign: Option<AttestationError>,
    /// Its gateway has started, and neither the gateway nor the pod has ended or is ending.
    pub live: bool,
    /// Its gateway accepts requests.
    pub ready: bool,
    /// The pod has ended for good.
    pub finished: bool,
    /// Kind and name of its controller, such as `Deployment/search`.
    pub workload: String,
}

impl GatewayPod {
    /// `None` if the pod mounts no policy.
    #[must_use]
    pub fn of(pod: &v1::Pod, attestor: &Attestor) -> Option<Self> {
        let place = object_ref(pod);
        let spec = pod.spec.as_ref()?;
        let binding = Binding::of_object(&place.namespace, mounted(spec)?)?;
        let status = pod.status.as_ref();
        let finished = matches!(status.and_then(|status| status.phase.as_deref()), Some("Succeeded" | "Failed"));
        let containers = status.into_iter().flat_map(|all| [&all.init_container_statuses, &all.container_statuses]);
        let gateway = containers.flatten().flatten().find(|container| container.name == names::CONTAINER);
        let started = gateway.is_some_and(|container| container.started == Some(true));
        let account = spec.service_account_name.clone().filter(|name| !name.is_empty());
        Some(GatewayPod {
            uid: pod.metadata.uid.clone().unwrap_or_default(),
            service_account: account.unwrap_or_else(|| "default".to_owned()),
            binding,
            foreign: attestor.check(spec).err(),
            live: started && !finished && pod.metadata.deletion_timestamp.is_none(),
            ready: gateway.is_some_and(|container| container.ready) && !finished,
            finished,
            workload: workload(pod),
            place,
        })
    }
}

/// All pods with a gateway.
#[derive(Debug, Default)]
pub struct GatewayPods {
    known: RwLock<PodIndex>,
    attestor: Attestor,
}

#[derive(Debug, Default)]
struct PodIndex {
    pods: BTreeMap<ObjectRef, GatewayPod>,
    /// The number of pods for each binding.
    bound: BTreeMap<Binding, usize>,
    /// Bindings without pods, and until when they stay.
    lingering: BTreeMap<Binding, Instant>,
}

/// What an update of pods changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PodsChanged {
    /// A binding appeared or disappeared.
    pub bindings: bool,
    /// The pods of a binding changed.
    pub counts: bool,
}

impl GatewayPods {
    /// No pods yet. `attestor` checks their gateways.
    #[must_use]
    pub fn new(attestor: Attestor) -> Self {
        GatewayPods { attestor, ..GatewayPods::default() }
    }

    /// Applies an update of the watch.
    pub fn apply(&self, update: &WatchUpdate<Box<v1::Pod>>) -> PodsChanged {
        let (place, pod) = match update {
            WatchUpdate::Applied(pod) => {
                (object_ref(&**pod), GatewayPod::of(pod, &self.attestor).filter(|pod| !pod.finished))
            }
            WatchUpdate::Deleted(place) => (place.clone(), None),
            WatchUpdate::Listed | WatchUpdate::Unreadable(_) | WatchUpdate::Failed => return PodsChanged::default(),
        };
        self.write().put(place, pod)
    }

    /// The bindings that have pods, or had some a moment ago.
    #[must_use]
    pub fn bindings(&self) -> BTreeSet<Binding> {
        let known = self.read();
        known.bound.keys().chain(known.lingering.keys()).cloned().collect()
    }

    /// A policy for the binding is stored in the cluster, so it once had pods. Returns whether the binding is new.
    pub fn register_stored(&self, binding: &Binding) -> bool {
        let mut known = self.write();
        let is_new = lingers(binding) && !known.bound.contains_key(binding) && !known.lingering.contains_key(binding);
        if is_new {
            known.lingering.insert(binding.clone(), Instant::now() + LINGER);
        }
        is_new
    }

    /// Removes bindings that have stayed long enough. Returns whether there were any.
    pub fn expire(&self) -> bool {
        let (mut known, now) = (self.write(), Instant::now());
        let before = known.lingering.len();
        known.lingering.retain(|_, until| *until > now);
        known.lingering.len() != before
    }

    /// The pods whose gateway runs.
    #[must_use]
    pub fn live(&self) -> Vec<GatewayPod> {
        self.read().pods.values().filter(|pod| pod.live).cloned().collect()
    }

    /// A pod by name and uid, because another may have its name by now.
    #[must_use]
    pub fn get(&self, namespace: &str, name: &str, uid: &str) -> Option<GatewayPod> {
        let place = ObjectRef { namespace: namespace.to_owned(), name: name.to_owned() };
        self.read().pods.get(&place).filter(|pod| pod.uid == uid && !uid.is_empty()).cloned()
    }

    /// The uids of all pods that have not ended.
    #[must_use]
    pub fn uids(&self) -> HashSet<String> {
        self.read().pods.values().map(|pod| pod.uid.clone()).collect()
    }

    fn write(&self) -> RwLockWriteGuard<'_, PodIndex> {
        self.known.write()
    }

    fn read(&self) -> RwLockReadGuard<'_, PodIndex> {
        self.known.read()
    }
}

impl PodIndex {
    fn put(&mut self, place: ObjectRef, pod: Option<GatewayPod>) -> PodsChanged {
        let mut changed = PodsChanged::default();
        let binding = pod.as_ref().map(|pod| pod.binding.clone());
        let before = match pod {
            Some(pod) if self.pods.get(&place) == Some(&pod) => return changed,
            Some(pod) => self.pods.insert(place, pod),
            None => self.pods.remove(&place),
        };
        changed.counts = before.is_some() || binding.is_some();
        if let Some(binding) = &binding {
            let bound = self.bound.entry(binding.clone()).or_default();
            *bound += 1;
            changed.bindings |= *bound == 1 && self.lingering.remove(binding).is_none();
        }
        if let Some(before) = before
            && let Some(bound) = self.bound.get_mut(&before.binding)
        {
            *bound -= 1;
            if *bound == 0 {
                self.bound.remove(&before.binding);
                match lingers(&before.binding) {
                    true => drop(self.lingering.insert(before.binding, Instant::now() + LINGER)),
                    false => changed.bindings = true,
                }
            }
        }
        changed
    }
}

/// Whether a binding outlives its last pod. The policy of a single key exists as long as the key.
fn lingers(binding: &Binding) -> bool {
    binding.keys().len() > 1 || binding.first() == DEFAULT
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(name: &str, keys: &str, phase: &str, more: serde_json::Value) -> Box<v1::Pod> {
        let mut pod = json!({
            "metadata": {
                "name": name, "namespace": "shop", "uid": format!("uid-{name}"),
            },
            "spec": {
                "serviceAccountName": "app",
                "containers": [{"name": "app", "unheardOf": {}}],
                "volumes": [{
                    "name": "outrigger-policy",
                    "projected": {"sources": [{"configMap": {"name": format!("outrigger-{keys}")}}]},
                }],
            },
            "status": {
                "phase": phase,
                "initContainerStatuses": [{"name": "outrigger", "started": true, "ready": true, "restartCount": 0}],
            },
        });
        json_patch::merge(&mut pod, &more);
        serde_json::from_value(pod).unwrap()
    }

    fn changed(bindings: bool, counts: bool) -> PodsChanged {
        PodsChanged { bindings, counts }
    }

    #[test]
    fn pods_are_counted_by_binding() {
        let pods = GatewayPods::default();
        let running = pod("a", "search", "Running", json!({}));
        assert_eq!(pods.apply(&WatchUpdate::Applied(running.clone())), changed(true, true));
        assert_eq!(pods.apply(&WatchUpdate::Applied(running)), changed(false, false), "nothing new");
        assert_eq!(pods.apply(&WatchUpdate::Applied(pod("b", "search", "Running", json!({})))), changed(false, true));
        assert_eq!(pods.bindings(), BTreeSet::from([Binding::of("shop", "search")]));
        let found = pods.get("shop", "a", "uid-a").unwrap();
        assert_eq!((found.service_account.as_str(), found.live), ("app", true));
        assert_eq!(pods.get("shop", "a", "uid-before"), None);
        let gone = |name: &str| WatchUpdate::Deleted(ObjectRef { namespace: "shop".to_owned(), name: name.to_owned() });
        assert_eq!(pods.apply(&gone("a")), changed(false, true));
        assert_eq!(pods.apply(&gone("b")), changed(true, true));
        assert_eq!(pods.apply(&gone("b")), changed(false, false));
        assert!(pods.bindings().is_empty());
    }

    #[test]
    fn a_pod_is_live_if_its_gateway_started_and_it_is_not_ending() {
        let live = |pod: Box<v1::Pod>| GatewayPod::of(&pod, &Attestor::default()).map(|pod| pod.live);
        assert_eq!(live(pod("a", "k", "Running", json!({}))), Some(true));
        assert_eq!(live(pod("a", "k", "Pending", json!({}))), Some(true), "the app has not started yet");
        assert_eq!(live(pod("a", "k", "Succeeded", json!({}))), Some(false));
        let ending = json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}});
        assert_eq!(live(pod("a", "k", "Running", ending)), Some(false));
        assert_eq!(live(pod("a", "k", "Running", json!({"status": {"initContainerStatuses": []}}))), Some(false));
        assert_eq!(live(pod("a", "no key", "Running", json!({}))), None);
    }

    #[test]
    fn a_binding_without_its_own_key_outlives_its_last_pod() {
        // With a paused clock, time passes only on request.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let (pods, default) = (GatewayPods::default(), Binding::default_of("shop"));
            let gone = WatchUpdate::Deleted(ObjectRef { namespace: "shop".to_owned(), name: "a".to_owned() });
            assert_eq!(
                pods.apply(&WatchUpdate::Applied(pod("a", "default", "Running", json!({})))),
                changed(true, true)
            );
            assert_eq!(pods.apply(&gone), changed(false, true));
            assert_eq!(pods.bindings(), BTreeSet::from([default.clone()]));
            assert_eq!(
                pods.apply(&WatchUpdate::Applied(pod("a", "default", "Running", json!({})))),
                changed(false, true)
            );
            assert!(!pods.register_stored(&default) && !pods.register_stored(&Binding::of("shop", "search")));
            assert_eq!(pods.apply(&gone), changed(false, true));
            assert!(!pods.expire());
            tokio::time::advance(LINGER).await;
            assert!(pods.expire());
            assert!(pods.bindings().is_empty());
            assert!(pods.register_stored(&default), "after a restart, the stored policy shows that it had pods");
        });
    }

    #[test]
    fn a_pod_that_has_ended_has_no_binding() {
        let pods = GatewayPods::default();
        let _ = pods.apply(&WatchUpdate::Applied(pod("job", "batch", "Running", json!({}))));
        assert_eq!(pods.apply(&WatchUpdate::Applied(pod("job", "batch", "Succeeded", json!({})))), changed(true, true));
        assert_eq!(pods.get("shop", "job", "uid-job"), None);
    }
}
