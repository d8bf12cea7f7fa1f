//! Watches the Secrets and ConfigMaps that objects reference, each by its own name and only while it is referenced. So
//! the operator reads no other Secret, and never lists Secrets.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kube::api::DynamicObject;
use kube::runtime::watcher::Config;
use kube::{Api, Client};
use outrigger_core::ObjectRef;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinHandle;

use crate::api;
use crate::metrics::OperatorMetrics;
use crate::objects::refs::{ValueKind, ValueRef};
use crate::state::update::WatchUpdate;
use crate::watch::dispatch::ClusterEvent;
use crate::watch::relist::RelistHandle;
use crate::watch::watcher::{WatchOptions, follow};

/// How many watches start at the same time. At the start of the process there may be many.
const BEGINNING_MAX: usize = 16;

/// Runs one watch for each referenced value.
#[derive(Clone)]
pub struct ValueWatches {
    client: Client,
    metrics: Arc<OperatorMetrics>,
    /// The namespaces where Secrets may be read. Empty for all.
    namespaces: BTreeSet<String>,
    listener: mpsc::Sender<ClusterEvent>,
    beginning: Arc<Semaphore>,
}

impl std::fmt::Debug for ValueWatches {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ValueWatches").field("namespaces", &self.namespaces).finish_non_exhaustive()
    }
}

impl ValueWatches {
    #[must_use]
    pub fn new(
        client: Client,
        metrics: Arc<OperatorMetrics>,
        namespaces: &[String],
        listener: mpsc::Sender<ClusterEvent>,
    ) -> Self {
        let beginning = Arc::new(Semaphore::new(BEGINNING_MAX));
        ValueWatches { client, metrics, namespaces: namespaces.iter().cloned().collect(), listener, beginning }
    }

    /// Runs a watch for each value in `wanted`, until its sender is gone. Restarts all when `relist` requests it.
    pub async fn run(self, mut wanted: watch::Receiver<BTreeSet<ValueRef>>, mut relist: RelistHandle) {
        let mut watches: BTreeMap<ValueRef, JoinHandle<()>> = BTreeMap::new();
        loop {
            let now = wanted.borrow_and_update().clone();
            let gone: Vec<ValueRef> = watches.keys().filter(|value| !now.contains(value)).cloned().collect();
            for wanted in gone {
                if let Some(watch) = watches.remove(&wanted) {
                    watch.abort();
                    // Before it has ended, it may still report the value.
                    let _ = watch.await;
                }
                let place = ObjectRef { namespace: wanted.namespace.clone(), name: wanted.name.clone() };
                // The value is no longer watched and gets old. It must be unknown if it is referenced again.
                if self
                    .listener
                    .send(ClusterEvent::Value { wanted, update: WatchUpdate::Deleted(place) })
                    .await
                    .is_err()
                {
                    return;
                }
            }
            for wanted in now {
                let one = || tokio::spawn(self.clone().one(wanted.clone()));
                watches.entry(wanted.clone()).or_insert_with(one);
            }
            tokio::select! {
                changed = wanted.changed() => if changed.is_err() {
                    watches.into_values().for_each(|watch| watch.abort());
                    return;
                },
                () = relist.requested() => {
                    let round = relist.round();
                    for watch in std::mem::take(&mut watches).into_values() {
                        watch.abort();
                        let _ = watch.await;
                    }
                    // Earlier reports are older than the request.
                    if self.listener.send(ClusterEvent::Rereading).await.is_err() {
                        return;
                    }
                    relist.listed(round);
                }
            }
        }
    }

    async fn one(self, wanted: ValueRef) {
        if wanted.holder == ValueKind::Secret
            && !self.namespaces.is_empty()
            && !self.namespaces.contains(&wanted.namespace)
        {
            tracing::warn!(
                namespace = wanted.namespace,
                secret = wanted.name,
                "an object names a Secret in a namespace that is not among the chart's providerNamespaces"
            );
            let update = WatchUpdate::Unreadable("the namespace is not among the chart's providerNamespaces");
            // An error only means that the process is ending.
            let _ = self.listener.send(ClusterEvent::Value { wanted, update }).await;
            return std::future::pending().await;
        }
        let (what, resource) = match wanted.holder {
            ValueKind::Secret => ("secrets by name", api::secrets()),
            ValueKind::ConfigMap => ("configmaps by name", api::config_maps()),
        };
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), &wanted.namespace, &resource);
        let config = Config::default().fields(&format!("metadata.name={}", wanted.name));
        let mut permit = Arc::clone(&self.beginning).acquire_owned().await.ok();
        let place = ObjectRef { namespace: wanted.namespace.clone(), name: wanted.name.clone() };
        let mut there = false;
        let map = |update: WatchUpdate<DynamicObject>| {
            there = matches!(update, WatchUpdate::Applied(_)) || (there && !matches!(update, WatchUpdate::Deleted(_)));
            let update = match update {
                // A restarted watch does not know that the previous one reported the value.
                WatchUpdate::Listed if !there => WatchUpdate::Deleted(place.clone()),
                update => update,
            };
            // Any update shows that the watch has started. A failing one must not block others.
            permit = None;
            let news = !matches!(update, WatchUpdate::Failed);
            news.then(|| ClusterEvent::Value { wanted: wanted.clone(), update: update.boxed() })
        };
        let followed = WatchOptions { what, one_of_many: true, metrics: self.metrics, relist: None };
        follow(followed, api, config, self.listener, map).await;
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use http::{Request, Response};
    use kube::client::Body;
    use serde_json::{Value, json};

    use super::*;
    use crate::watch::relist::Relists;

    /// An API server that fails for Secrets whose names begin with `bad`, and whose watches never report changes: they
    /// miss that `lost` is deleted after its first list.
    fn client() -> Client {
        let lost = Arc::new(AtomicBool::new(false));
        let service = tower::service_fn(move |request: Request<Body>| {
            let lost = Arc::clone(&lost);
            async move { answer(request.uri().query().unwrap_or_default(), &lost).await }
        });
        Client::new(service, "outrigger")
    }

    async fn answer(query: &str, lost: &AtomicBool) -> Result<Response<Body>, Infallible> {
        if query.contains("watch=true") {
            std::future::pending::<()>().await;
        }
        let list = |items: Value| {
            (
                200,
                json!({"kind": "SecretList", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": items}),
            )
        };
        let secret =
            |name: &str| json!([{"metadata": {"name": name, "namespace": "shop", "uid": "u", "resourceVersion": "1"}}]);
        let (code, body) = match query {
            query if query.contains("bad") => {
                (500, json!({"kind": "Status", "status": "Failure", "code": 500, "reason": "InternalError"}))
            }
            query if query.contains("lost") => match lost.swap(true, Ordering::SeqCst) {
                false => list(secret("lost")),
                true => list(json!([])),
            },
            _ => list(secret("good")),
        };
        let body = Body::from(body.to_string().into_bytes());
        Ok(Response::builder().status(code).body(body).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn unreadable_secrets_do_not_block_others() {
        let value = |name: String| ValueRef { holder: ValueKind::Secret, namespace: "shop".to_owned(), name };
        let bad = (0..BEGINNING_MAX).map(|number| value(format!("bad-{number}")));
        let wanted = bad.chain([value("good".to_owned())]).collect::<BTreeSet<_>>();
        let (events, mut update) = mpsc::channel(16);
        let (sender, receiver) = watch::channel(wanted);
        let secrets = ValueWatches::new(client(), Arc::new(OperatorMetrics::new().unwrap()), &[], events);
        let relists = Relists::default();
        let running = tokio::spawn(secrets.run(receiver, relists.join("values")));
        let mut next = async || tokio::time::timeout(Duration::from_secs(60), update.recv()).await.unwrap().unwrap();
        let mut first = next().await;
        while matches!(first, ClusterEvent::Value { update: WatchUpdate::Listed, .. }) {
            first = next().await;
        }
        let ClusterEvent::Value { wanted, update: WatchUpdate::Applied(_) } = first else { panic!("{first:?}") };
        assert_eq!(wanted.name, "good");
        drop(sender);
        running.await.unwrap();
    }

    /// A new leader must not rely on a watch that may have missed something.
    #[tokio::test(start_paused = true)]
    async fn a_relist_finds_deleted_values() {
        let value =
            |name: &str| ValueRef { holder: ValueKind::Secret, namespace: "shop".to_owned(), name: name.to_owned() };
        let (events, mut update) = mpsc::channel(16);
        let (sender, receiver) = watch::channel(BTreeSet::from([value("good"), value("lost")]));
        let relists = Relists::default();
        let secrets = ValueWatches::new(client(), Arc::new(OperatorMetrics::new().unwrap()), &[], events);
        let running = tokio::spawn(secrets.run(receiver, relists.join("values")));
        let mut next = async || {
            let event = tokio::time::timeout(Duration::from_secs(60), update.recv()).await.unwrap().unwrap();
            match event {
                ClusterEvent::Value { wanted, update: WatchUpdate::Applied(_) } => format!("{} is there", wanted.name),
                ClusterEvent::Value { wanted, update: WatchUpdate::Deleted(_) } => format!("{} is gone", wanted.name),
                ClusterEvent::Value { wanted, update } => format!("{} {update:?}", wanted.name),
                other => format!("{other:?}"),
            }
        };
        let mut both = async || BTreeSet::from([next().await, next().await, next().await, next().await]);
        let listed = ["good Listed".to_owned(), "lost Listed".to_owned()];
        let words =
            |more: [&str; 2]| more.map(str::to_owned).into_iter().chain(listed.clone()).collect::<BTreeSet<_>>();
        assert_eq!(both().await, words(["good is there", "lost is there"]));
        relists.relist().await;
        assert_eq!(next().await, "Rereading");
        let relisted = BTreeSet::from([next().await, next().await, next().await]);
        assert_eq!(relisted, BTreeSet::from(["good is there", "good Listed", "lost is gone"].map(str::to_owned)));
        drop(sender);
        running.await.unwrap();
    }
}
