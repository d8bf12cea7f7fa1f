//! Takes what watches report into the caches, and says who must look again.

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
use crate::server::health::Readiness;
use crate::state::caches::Caches;
use crate::state::generated::GeneratedConfigMap;
use crate::state::uninjected::WatchedUninjected;
use crate::watch::watcher::{WatchUpdate, object_ref};

/// Events that are taken in one go, before anybody is told.
const BATCH: usize = 1_024;

/// What a watch told, of what.
#[derive(Debug)]
pub enum ClusterEvent {
    /// One of our kinds, a Namespace: `kind:` as the API server has it.
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
    /// Secrets and ConfigMaps that objects refer to are read anew from here on.
    Rereading,
    /// Answered once all that was told before it has been taken.
    Taken(oneshot::Sender<()>),
}

/// Who must look again, after a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Affected {
    /// To be planned anew.
    pub namespaces: BTreeSet<String>,
    /// Whose ConfigMap changed in the cluster.
    pub generated: BTreeSet<Binding>,
    /// Objects of which something changed, if only their status.
    pub objects: BTreeSet<ObjectId>,
    /// Pods with a gateway came, went, or became live.
    pub pods: bool,
}

/// Takes what watches tell.
pub struct Dispatcher {
    caches: Arc<Caches>,
    readiness: Readiness,
    wanted: watch::Sender<BTreeSet<ValueRef>>,
    wanting: Mutex<()>,
    /// Wanted, and not read yet.
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
            wanting: Mutex::default(),
            unread: watch::Sender::default(),
        }
    }

    /// What must be watched by name.
    #[must_use]
    pub fn wanted(&self) -> watch::Receiver<BTreeSet<ValueRef>> {
        self.wanted.subscribe()
    }

    /// Of what must be watched by name, what was not read yet: a plan made now would miss it.
    #[must_use]
    pub fn unread(&self) -> watch::Receiver<BTreeSet<ValueRef>> {
        self.unread.subscribe()
    }

    /// Takes events until nobody sends any more. Blocks: it has a thread of its own.
    pub fn run(&self, mut events: mpsc::Receiver<ClusterEvent>, notify: impl Fn(Affected)) {
        while let Some(event) = events.blocking_recv() {
            let mut batch = vec![event];
            while batch.len() < BATCH
                && let Ok(event) = events.try_recv()
            {
                batch.push(event);
            }
            let news = self.take(batch);
            if news != Affected::default() {
                notify(news);
            }
        }
    }

    /// Takes what was told, in order.
    pub fn take(&self, batch: Vec<ClusterEvent>) -> Affected {
        let mut news = Affected::default();
        let (mut named, mut bound, mut read, mut rereading) = (false, false, BTreeSet::new(), false);
        let (mut relists, mut asked) = (BTreeSet::new(), Vec::new());
        for event in batch {
            match event {
                ClusterEvent::Object { kind, update: WatchUpdate::Listed } => {
                    relists.insert(kind);
                }
                ClusterEvent::Object { kind, update } => {
                    named = true;
                    self.object(kind, update, &mut news);
                }
                ClusterEvent::Value { wanted, update } => {
                    self.value(&wanted, update, &mut news);
                    read.insert(wanted);
                }
                ClusterEvent::Generated(WatchUpdate::Listed) => {
                    relists.insert(GENERATED);
                }
                ClusterEvent::Generated(update) => bound |= self.generated(update, &mut news),
                ClusterEvent::Uninjected(update) => self.caches.uninjected.take(&update),
                ClusterEvent::Rereading => {
                    rereading = true;
                    read.clear();
                }
                ClusterEvent::Taken(by) => asked.push(by),
                ClusterEvent::Tick => bound |= self.caches.pods.expire(),
                ClusterEvent::Pod(WatchUpdate::Listed) => {
                    // Even where there is none: it is known now.
                    bound = true;
                    relists.insert(PODS);
                }
                ClusterEvent::Pod(update) => {
                    let changed = self.caches.pods.take(&update);
                    bound |= changed.bindings;
                    news.pods |= changed.counts;
                }
            }
        }
        if bound {
            let bindings = self.caches.pods.bindings();
            news.namespaces.extend(self.caches.change(|index| index.bind(bindings)).namespaces);
        }
        // Before anybody is told: whoever plans then waits for what is newly wanted.
        if named {
            self.want();
        }
        self.unread.send_if_modified(|unread| {
            let before = unread.len();
            if rereading {
                unread.extend(self.wanted.borrow().iter().cloned());
            }
            unread.retain(|wanted| !read.contains(wanted));
            rereading || unread.len() != before
        });
        // Last: what is ready is known.
        relists.iter().for_each(|list| self.readiness.has(list));
        for by in asked {
            // Whoever asked may have gone.
            let _ = by.send(());
        }
        news
    }

    /// What is wanted has changed perhaps, by objects or by a plan.
    pub fn want(&self) {
        // Who looked first must also say so first: the planner calls this as well.
        let _alone = self.wanting.lock();
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

    fn object(&self, kind: &'static str, update: WatchUpdate<Box<DynamicObject>>, news: &mut Affected) {
        let changed = match update {
            WatchUpdate::Is(object) => {
                let place = object_ref(&*object);
                if kind == NAMESPACE {
                    self.caches.put_namespace(place.name.clone(), Some(words(&object)));
                } else {
                    news.objects.extend(id(kind, place));
                }
                let value = value(kind, *object);
                self.caches.change(|index| index.apply(&value))
            }
            WatchUpdate::Gone(place) => {
                let changed = self.caches.change(|index| index.delete(kind, &place.namespace, &place.name));
                if kind == NAMESPACE {
                    self.caches.put_namespace(place.name, None);
                } else {
                    news.objects.extend(id(kind, place));
                }
                changed
            }
            WatchUpdate::Listed | WatchUpdate::Unreadable(_) | WatchUpdate::Failed => return,
        };
        news.namespaces.extend(changed.namespaces);
    }

    fn value(&self, wanted: &ValueRef, update: WatchUpdate<Box<DynamicObject>>, news: &mut Affected) {
        let kind = wanted.holder.name();
        let changed = match update {
            WatchUpdate::Is(object) => {
                let value = value(kind, *object);
                self.caches.change(|index| index.apply(&value))
            }
            WatchUpdate::Gone(_) => self.caches.change(|index| index.delete(kind, &wanted.namespace, &wanted.name)),
            // What can't be read is as good as not there: the object that names it says so.
            WatchUpdate::Listed | WatchUpdate::Unreadable(_) | WatchUpdate::Failed => return,
        };
        news.namespaces.extend(changed.namespaces);
    }

    /// `true`: it is bound by that, and was not.
    fn generated(&self, update: WatchUpdate<Box<ConfigMap>>, news: &mut Affected) -> bool {
        let (place, held) = match update {
            WatchUpdate::Is(object) => (object_ref(&*object), Some(GeneratedConfigMap::of(&object))),
            WatchUpdate::Gone(place) => (place, None),
            WatchUpdate::Listed | WatchUpdate::Unreadable(_) | WatchUpdate::Failed => return false,
        };
        // Something else may bear our label.
        let Some(binding) = Binding::of_object(&place.namespace, &place.name) else { return false };
        let bound = held.is_some() && self.caches.pods.found(&binding);
        if self.caches.generated.put(binding.clone(), held) {
            news.generated.insert(binding);
        }
        bound
    }
}

/// What is awaited before anything is known: kinds by `kind:`, and these.
pub const NAMESPACE: &str = "Namespace";
pub const GENERATED: &str = "ConfigMaps of the operator";
pub const PODS: &str = "Pods with a gateway";

fn id(kind: &str, place: ObjectRef) -> Option<ObjectId> {
    let kind = crate::objects::id::ObjectKind::named(kind)?;
    Some(ObjectId { kind, namespace: place.namespace, name: place.name })
}

/// As a single object is told: in a list, `kind` and `apiVersion` stand outside.
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

fn words(object: &DynamicObject) -> Namespace {
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
        [NAMESPACE, GENERATED, PODS].into_iter().for_each(|what| readiness.awaits(what));
        Dispatcher::new(Arc::new(Caches::new(ObjectIndex::new("outrigger", false))), readiness)
    }

    fn is(kind: &'static str, value: Value) -> ClusterEvent {
        ClusterEvent::Object { kind, update: WatchUpdate::Is(serde_json::from_value(value).unwrap()) }
    }

    fn provider() -> ClusterEvent {
        // Without `kind`, as it stands in a list.
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

    fn value_told(update: WatchUpdate<Box<DynamicObject>>) -> ClusterEvent {
        ClusterEvent::Value { wanted: wanted(), update }
    }

    #[test]
    fn a_batch_is_one_piece_of_news_and_what_is_named_is_wanted_first() {
        let dispatcher = dispatcher();
        let news = dispatcher.take(vec![provider(), provider()]);
        assert_eq!(news.namespaces, BTreeSet::from(["shop".to_owned()]));
        assert_eq!(*dispatcher.wanted().borrow(), BTreeSet::from([wanted()]));
        assert_eq!(*dispatcher.unread().borrow(), BTreeSet::from([wanted()]));
        assert_eq!(dispatcher.take(vec![provider()]).namespaces, BTreeSet::new(), "nothing new");
        let secret = json!({
            "metadata": {"name": "openai", "namespace": "shop", "uid": "u", "resourceVersion": "2"},
            "data": {"k": "c2s="},
        });
        let news = dispatcher.take(vec![value_told(WatchUpdate::Is(serde_json::from_value(secret).unwrap()))]);
        assert_eq!(news.namespaces, BTreeSet::from(["shop".to_owned()]));
        assert!(dispatcher.unread().borrow().is_empty());
        let gone = ObjectRef { namespace: "shop".to_owned(), name: "openai".to_owned() };
        assert!(!dispatcher.take(vec![value_told(WatchUpdate::Gone(gone.clone()))]).namespaces.is_empty());
        // What was told before a rereading counts for nothing after it.
        let _ = dispatcher.take(vec![value_told(WatchUpdate::Gone(gone.clone())), ClusterEvent::Rereading]);
        assert_eq!(*dispatcher.unread().borrow(), BTreeSet::from([wanted()]));
        let _ = dispatcher.take(vec![ClusterEvent::Rereading, value_told(WatchUpdate::Gone(gone))]);
        assert!(dispatcher.unread().borrow().is_empty());
    }

    #[test]
    fn what_can_not_be_read_holds_up_nothing() {
        let dispatcher = dispatcher();
        let _ = dispatcher.take(vec![provider()]);
        assert_eq!(dispatcher.take(vec![value_told(WatchUpdate::Unreadable("forbidden"))]), Affected::default());
        assert!(dispatcher.unread().borrow().is_empty());
    }

    #[test]
    fn ready_is_when_everything_was_listed() {
        let dispatcher = dispatcher();
        assert_eq!(dispatcher.readiness.awaited().len(), 3);
        let _ = dispatcher.take(vec![
            ClusterEvent::Object { kind: NAMESPACE, update: WatchUpdate::Listed },
            ClusterEvent::Pod(WatchUpdate::Listed),
        ]);
        assert_eq!(dispatcher.readiness.awaited(), [GENERATED]);
        let _ = dispatcher.take(vec![ClusterEvent::Generated(WatchUpdate::Listed)]);
        assert!(dispatcher.readiness.awaited().is_empty());
    }

    #[test]
    fn who_asks_is_answered_when_what_was_told_before_is_known() {
        let dispatcher = dispatcher();
        let (asks, mut taken) = oneshot::channel();
        let _ = dispatcher.take(vec![is(NAMESPACE, json!({"metadata": {"name": "shop"}})), ClusterEvent::Taken(asks)]);
        assert_eq!(taken.try_recv(), Ok(()));
        assert!(dispatcher.caches.namespace("shop").is_some());
    }

    #[test]
    fn admission_finds_our_words_of_a_namespace() {
        let dispatcher = dispatcher();
        let labels = json!({"outrigger.dev/inject": "true", "kubernetes.io/metadata.name": "shop"});
        let _ = dispatcher.take(vec![is(NAMESPACE, json!({"metadata": {"name": "shop", "labels": labels}}))]);
        let found = dispatcher.caches.namespace("shop").unwrap();
        assert_eq!(found.labels.keys().collect::<Vec<_>>(), ["outrigger.dev/inject"]);
        assert_eq!(dispatcher.caches.namespace("other"), None);
    }

    #[test]
    fn a_policy_of_pods_that_were_there_stays_bound_for_a_while() {
        let dispatcher = dispatcher();
        let object = |name: &str| {
            let value = json!({"metadata": {"name": name, "namespace": "shop", "uid": name, "resourceVersion": "1"}});
            ClusterEvent::Generated(WatchUpdate::Is(serde_json::from_value(value).unwrap()))
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let news = runtime
            .block_on(async { dispatcher.take(vec![object("outrigger-a.b"), object("outrigger-a"), object("x")]) });
        assert_eq!(news.generated.len(), 2);
        assert_eq!(news.namespaces, BTreeSet::from(["shop".to_owned()]));
        let pair = Binding::parse("shop", Some("a,b")).unwrap();
        assert_eq!(dispatcher.caches.index().bindings("shop"), Some(&BTreeSet::from([pair])));
    }
}
