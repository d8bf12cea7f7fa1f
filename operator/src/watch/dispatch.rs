//! Applies what watches report to the caches, and reports what is affected.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::DynamicObject;
use outrigger_core::ObjectRef;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot, watch};

use crate::admission::Namespace;
use crate::objects::binding::Binding;
use crate::objects::id::ObjectId;
use crate::objects::refs::{ValueKind, ValueRef};
use crate::runtime::health::Readiness;
use crate::state::caches::Caches;
use crate::state::generated::GeneratedConfigMap;
use crate::state::uninjected::WatchedUninjected;
use crate::state::update::{WatchUpdate, object_ref};

/// The most events that are applied before the affected namespaces are reported.
const BATCH: usize = 1_024;

/// An event of a watch.
#[derive(Debug)]
pub enum ClusterEvent {
    /// One of our kinds, or a Namespace, by `kind:`.
    Object {
        kind: &'static str,
        update: WatchUpdate<Box<DynamicObject>>,
    },
    /// A Secret or ConfigMap that objects refer to.
    Value {
        wanted: ValueRef,
        update: WatchUpdate<Box<DynamicObject>>,
    },
    Generated(WatchUpdate<Box<ConfigMap>>),
    Pod(WatchUpdate<Box<Pod>>),
    /// A pod without a gateway.
    Uninjected(WatchUpdate<Box<WatchedUninjected>>),
    /// Time has passed.
    Tick,
    /// Secrets and ConfigMaps that objects reference are read again from here on.
    Rereading,
    /// Answered once all earlier events are applied.
    Barrier(oneshot::Sender<()>),
}

/// What a batch of events affects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Affected {
    /// Namespaces to plan again.
    pub namespaces: BTreeSet<String>,
    /// Bindings whose ConfigMap changed in the cluster.
    pub generated: BTreeSet<Binding>,
    /// Objects that changed, even if only in their status.
    pub objects: BTreeSet<ObjectId>,
    /// Pods with a gateway were created or deleted, or became live.
    pub pods: bool,
}

/// Applies the events of watches.
pub struct Dispatcher {
    caches: Arc<Caches>,
    readiness: Readiness,
    wanted: watch::Sender<BTreeSet<ValueRef>>,
    update_lock: Mutex<()>,
    /// Values that are referenced and have not been read yet.
    unread: watch::Sender<BTreeSet<ValueRef>>,
}

impl std::fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dispatcher").field("readiness", &self.readiness).finish_non_exhaustive()
    }
}

impl Dispatcher {
    #[must_use]
    pub fn new(caches: Arc<Caches>, readiness: Readiness) -> Self {
        Dispatcher {
            caches,
            readiness,
            wanted: watch::Sender::default(),
            update_lock: Mutex::default(),
            unread: watch::Sender::default(),
        }
    }

    /// The values that must be watched by name.
    #[must_use]
    pub fn wanted(&self) -> watch::Receiver<BTreeSet<ValueRef>> {
        self.wanted.subscribe()
    }

    /// The referenced values that have not been read yet. A plan would treat them as missing.
    #[must_use]
    pub fn unread(&self) -> watch::Receiver<BTreeSet<ValueRef>> {
        self.unread.subscribe()
    }

    /// Applies events until the senders are gone. Blocks its thread.
    pub fn run(&self, mut events: mpsc::Receiver<ClusterEvent>, notify: impl Fn(Affected)) {
        while let Some(event) = events.blocking_recv() {
            let mut batch = vec![event];
            while batch.len() < BATCH
                && let Ok(event) = events.try_recv()
            {
                batch.push(event);
            }
            let affected = self.apply(batch);
            if affected != Affected::default() {
                notify(affected);
            }
        }
    }

    /// Applies events in order.
    pub fn apply(&self, batch: Vec<ClusterEvent>) -> Affected {
        let mut affected = Affected::default();
        let (mut references_changed, mut bound, mut read, mut rereading) = (false, false, BTreeSet::new(), false);
        let (mut relists, mut barriers) = (BTreeSet::new(), Vec::new());
        for event in batch {
            match event {
                ClusterEvent::Object { kind, update: WatchUpdate::Listed } => {
                    relists.insert(kind);
                }
                ClusterEvent::Object { kind, update } => {
                    references_changed = true;
                    self.object(kind, update, &mut affected);
                }
                ClusterEvent::Value { wanted, update } => {
                    self.value(&wanted, update, &mut affected);
                    read.insert(wanted);
                }
                ClusterEvent::Generated(WatchUpdate::Listed) => {
                    relists.insert(GENERATED);
                }
                ClusterEvent::Generated(update) => bound |= self.generated(update, &mut affected),
                ClusterEvent::Uninjected(update) => self.caches.uninjected.apply(&update),
                ClusterEvent::Rereading => {
                    rereading = true;
                    read.clear();
                }
                ClusterEvent::Barrier(reply) => barriers.push(reply),
                ClusterEvent::Tick => bound |= self.caches.pods.expire(),
                ClusterEvent::Pod(WatchUpdate::Listed) => {
                    // Even if there are no pods, this is now known.
                    bound = true;
                    relists.insert(PODS);
                }
                ClusterEvent::Pod(update) => {
                    let changed = self.caches.pods.apply(&update);
                    bound |= changed.bindings;
                    affected.pods |= changed.counts;
                }
            }
        }
        if bound {
            let bindings = self.caches.pods.bindings();
            affected.namespaces.extend(self.caches.change(|index| index.bind(bindings)).namespaces);
        }
        // Before the notification, so that a plan waits for newly referenced values.
        if references_changed {
            self.update_wanted();
        }
        self.unread.send_if_modified(|unread| {
            let before = unread.len();
            if rereading {
                unread.extend(self.wanted.borrow().iter().cloned());
            }
            unread.retain(|wanted| !read.contains(wanted));
            rereading || unread.len() != before
        });
        // Last, so that everything is applied when the replica becomes ready.
        relists.iter().for_each(|list| self.readiness.satisfy(list));
        for reply in barriers {
            // The requester may be gone.
            let _ = reply.send(());
        }
        affected
    }

    /// Updates the referenced values, after objects or a plan changed.
    pub fn update_wanted(&self) {
        // Computing and sending must not interleave with another caller: the planner calls this concurrently.
        let _guard = self.update_lock.lock();
        let wanted = self.caches.index().wanted();
        let before = self.wanted.borrow().clone();
        if wanted == before {
            return;
        }
        self.unread.send_modify(|unread| {
            unread.extend(wanted.difference(&before).cloned());
            unread.retain(|value| wanted.contains(value));
        });
        self.wanted.send_replace(wanted);
    }

    fn object(&self, kind: &'static str, update: WatchUpdate<Box<DynamicObject>>, affected: &mut Affected) {
        let changed = match update {
            WatchUpdate::Applied(object) => {
                let place = object_ref(&*object);
                if kind == NAMESPACE {
                    self.caches.put_namespace(place.name.clone(), Some(namespace_metadata(&object)));
                } else {
                    affected.objects.extend(id(kind, place));
                }
                let value = value(kind, *object);
                self.caches.change(|index| index.apply(&value))
            }
            WatchUpdate::Deleted(place) => {
                let changed = self.caches.change(|index| index.delete(kind, &place.namespace, &place.name));
                if kind == NAMESPACE {
                    self.caches.put_namespace(place.name, None);
                } else {
                    affected.objects.extend(id(kind, place));
                }
                changed
            }
            WatchUpdate::Listed | WatchUpdate::Unreadable(_) | WatchUpdate::Failed => return,
        };
        affected.namespaces.extend(changed.namespaces);
    }

    fn value(&self, wanted: &ValueRef, update: WatchUpdate<Box<DynamicObject>>, affected: &mut Affected) {
        let kind = wanted.holder.name();
        let changed = match update {
            WatchUpdate::Applied(object) => {
                let value = value(kind, *object);
                self.caches.change(|index| index.apply(&value))
            }
            WatchUpdate::Deleted(_) => self.caches.change(|index| index.delete(kind, &wanted.namespace, &wanted.name)),
            // A value that cannot be read counts as missing. The object that references it reports this.
            WatchUpdate::Listed | WatchUpdate::Unreadable(_) | WatchUpdate::Failed => return,
        };
        affected.namespaces.extend(changed.namespaces);
    }

    /// Applies a generated ConfigMap. Returns whether its binding is new.
    fn generated(&self, update: WatchUpdate<Box<ConfigMap>>, affected: &mut Affected) -> bool {
        let (place, existing) = match update {
            WatchUpdate::Applied(object) => (object_ref(&*object), Some(GeneratedConfigMap::of(&object))),
            WatchUpdate::Deleted(place) => (place, None),
            WatchUpdate::Listed | WatchUpdate::Unreadable(_) | WatchUpdate::Failed => return false,
        };
        // Somebody else's object may have our label.
        let Some(binding) = Binding::of_object(&place.namespace, &place.name) else { return false };
        let bound = existing.is_some() && self.caches.pods.register_stored(&binding);
        if self.caches.generated.put(binding.clone(), existing) {
            affected.generated.insert(binding);
        }
        bound
    }
}

/// The lists that a replica waits for before it is ready: each kind, and these.
pub const NAMESPACE: &str = "Namespace";
pub const GENERATED: &str = "ConfigMaps of the operator";
pub const PODS: &str = "Pods with a gateway";

fn id(kind: &str, place: ObjectRef) -> Option<ObjectId> {
    let kind = crate::objects::id::ObjectKind::named(kind)?;
    Some(ObjectId { kind, namespace: place.namespace, name: place.name })
}

/// Adds `kind` and `apiVersion`, which objects in a list lack.
fn value(kind: &str, object: DynamicObject) -> Value {
    let version = match kind {
        NAMESPACE => "v1".to_owned(),
        kind if ValueKind::named(kind).is_some() => "v1".to_owned(),
        _ => format!("{}/v1alpha1", outrigger_crds::GROUP),
    };
    let mut value = serde_json::to_value(object).unwrap_or_default();
    if let Some(members) = value.as_object_mut() {
        members.insert("kind".to_owned(), kind.into());
        members.insert("apiVersion".to_owned(), version.into());
    }
    value
}

fn namespace_metadata(object: &DynamicObject) -> Namespace {
    let ours = |map: &Option<std::collections::BTreeMap<String, String>>| {
        let prefix = format!("{}/", outrigger_crds::GROUP);
        let ours = map.iter().flatten().filter(|(name, _)| name.starts_with(&prefix));
        ours.map(|(name, value)| (name.clone(), value.clone())).collect()
    };
    Namespace { labels: ours(&object.metadata.labels), annotations: ours(&object.metadata.annotations) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::state::index::ObjectIndex;

    fn dispatcher() -> Dispatcher {
        let readiness = Readiness::default();
        [NAMESPACE, GENERATED, PODS].into_iter().for_each(|what| readiness.require(what));
        Dispatcher::new(Arc::new(Caches::new(ObjectIndex::new("outrigger", false))), readiness)
    }

    fn is(kind: &'static str, value: Value) -> ClusterEvent {
        ClusterEvent::Object { kind, update: WatchUpdate::Applied(serde_json::from_value(value).unwrap()) }
    }

    fn provider() -> ClusterEvent {
        // Without `kind`, as in a list.
        is(
            "LLMProvider",
            json!({
                "metadata": {"name": "openai", "namespace": "shop", "generation": 1, "resourceVersion": "1"},
                "spec": {"type": "OpenAI", "credentials": [{"name": "a", "secretRef": {"name": "openai", "key": "k"}}]},
            }),
        )
    }

    fn wanted() -> ValueRef {
        ValueRef { holder: ValueKind::Secret, namespace: "shop".to_owned(), name: "openai".to_owned() }
    }

    fn value_event(update: WatchUpdate<Box<DynamicObject>>) -> ClusterEvent {
        ClusterEvent::Value { wanted: wanted(), update }
    }

    #[test]
    fn a_batch_is_reported_once_and_referenced_values_are_watched() {
        let dispatcher = dispatcher();
        let affected = dispatcher.apply(vec![provider(), provider()]);
        assert_eq!(affected.namespaces, BTreeSet::from(["shop".to_owned()]));
        assert_eq!(*dispatcher.wanted().borrow(), BTreeSet::from([wanted()]));
        assert_eq!(*dispatcher.unread().borrow(), BTreeSet::from([wanted()]));
        assert_eq!(dispatcher.apply(vec![provider()]).namespaces, BTreeSet::new(), "nothing new");
        let secret = json!({
            "metadata": {"name": "openai", "namespace": "shop", "uid": "u", "resourceVersion": "2"},
            "data": {"k": "c2s="},
        });
        let affected =
            dispatcher.apply(vec![value_event(WatchUpdate::Applied(serde_json::from_value(secret).unwrap()))]);
        assert_eq!(affected.namespaces, BTreeSet::from(["shop".to_owned()]));
        assert!(dispatcher.unread().borrow().is_empty());
        let gone = ObjectRef { namespace: "shop".to_owned(), name: "openai".to_owned() };
        assert!(!dispatcher.apply(vec![value_event(WatchUpdate::Deleted(gone.clone()))]).namespaces.is_empty());
        // Events from before a rereading do not count as read.
        let _ = dispatcher.apply(vec![value_event(WatchUpdate::Deleted(gone.clone())), ClusterEvent::Rereading]);
        assert_eq!(*dispatcher.unread().borrow(), BTreeSet::from([wanted()]));
        let _ = dispatcher.apply(vec![ClusterEvent::Rereading, value_event(WatchUpdate::Deleted(gone))]);
        assert!(dispatcher.unread().borrow().is_empty());
    }

    #[test]
    fn a_value_that_cannot_be_read_blocks_nothing() {
        let dispatcher = dispatcher();
        let _ = dispatcher.apply(vec![provider()]);
        assert_eq!(dispatcher.apply(vec![value_event(WatchUpdate::Unreadable("forbidden"))]), Affected::default());
        assert!(dispatcher.unread().borrow().is_empty());
    }

    #[test]
    fn a_replica_is_ready_when_everything_was_listed() {
        let dispatcher = dispatcher();
        assert_eq!(dispatcher.readiness.pending().len(), 3);
        let _ = dispatcher.apply(vec![
            ClusterEvent::Object { kind: NAMESPACE, update: WatchUpdate::Listed },
            ClusterEvent::Pod(WatchUpdate::Listed),
        ]);
        assert_eq!(dispatcher.readiness.pending(), [GENERATED]);
        let _ = dispatcher.apply(vec![ClusterEvent::Generated(WatchUpdate::Listed)]);
        assert!(dispatcher.readiness.pending().is_empty());
    }

    #[test]
    fn a_barrier_is_answered_after_all_earlier_events() {
        let dispatcher = dispatcher();
        let (reply, mut replied) = oneshot::channel();
        let _ =
            dispatcher.apply(vec![is(NAMESPACE, json!({"metadata": {"name": "shop"}})), ClusterEvent::Barrier(reply)]);
        assert_eq!(replied.try_recv(), Ok(()));
        assert!(dispatcher.caches.namespace("shop").is_some());
    }

    #[test]
    fn admission_sees_our_labels_of_a_namespace() {
        let dispatcher = dispatcher();
        let labels = json!({"outrigger.dev/inject": "true", "kubernetes.io/metadata.name": "shop"});
        let _ = dispatcher.apply(vec![is(NAMESPACE, json!({"metadata": {"name": "shop", "labels": labels}}))]);
        let found = dispatcher.caches.namespace("shop").unwrap();
        assert_eq!(found.labels.keys().collect::<Vec<_>>(), ["outrigger.dev/inject"]);
        assert_eq!(dispatcher.caches.namespace("other"), None);
    }

    #[test]
    fn a_stored_policy_of_former_pods_keeps_its_binding_for_a_while() {
        let dispatcher = dispatcher();
        let object = |name: &str| {
            let value = json!({"metadata": {"name": name, "namespace": "shop", "uid": name, "resourceVersion": "1"}});
            ClusterEvent::Generated(WatchUpdate::Applied(serde_json::from_value(value).unwrap()))
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let affected = runtime
            .block_on(async { dispatcher.apply(vec![object("outrigger-a.b"), object("outrigger-a"), object("x")]) });
        assert_eq!(affected.generated.len(), 2);
        assert_eq!(affected.namespaces, BTreeSet::from(["shop".to_owned()]));
        let pair = Binding::parse("shop", Some("a,b")).unwrap();
        assert_eq!(dispatcher.caches.index().bindings("shop"), Some(&BTreeSet::from([pair])));
    }
}
