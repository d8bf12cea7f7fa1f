//! Secrets and ConfigMaps that objects name: each is watched by itself, by its name, for as long as it is named. So the
//! operator reads no Secret that no object asks for, and never a list of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kube::api::DynamicObject;
use kube::runtime::watcher::Config;
use kube::{Api, Client};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinHandle;

use crate::api;
use crate::metrics::Metrics;
use crate::objects::refs::{Holder, Wanted};
use crate::watch::dispatch::Event;
use crate::watch::relist::Turn;
use crate::watch::watcher::{Followed, Place, Told, follow};

/// Watches that begin at the same time: at the start there may be many.
const BEGINNING_MAX: usize = 16;

/// Follows whatever is wanted.
#[derive(Clone)]
pub struct Secrets {
    client: Client,
    metrics: Arc<Metrics>,
    /// Where Secrets may be read; empty: everywhere.
    namespaces: BTreeSet<String>,
    listener: mpsc::Sender<Event>,
    beginning: Arc<Semaphore>,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secrets").field("namespaces", &self.namespaces).finish_non_exhaustive()
    }
}

impl Secrets {
    #[must_use]
    pub fn new(client: Client, metrics: Arc<Metrics>, namespaces: &[String], listener: mpsc::Sender<Event>) -> Self {
        let beginning = Arc::new(Semaphore::new(BEGINNING_MAX));
        Secrets { client, metrics, namespaces: namespaces.iter().cloned().collect(), listener, beginning }
    }

    /// Keeps a watch for each that is wanted, until nobody wants any more. All are begun anew when `turn` asks for it.
    pub async fn run(self, mut wanted: watch::Receiver<BTreeSet<Wanted>>, mut turn: Turn) {
        let mut watches: BTreeMap<Wanted, JoinHandle<()>> = BTreeMap::new();
        loop {
            let now = wanted.borrow_and_update().clone();
            let gone: Vec<Wanted> = watches.keys().filter(|held| !now.contains(held)).cloned().collect();
            for wanted in gone {
                if let Some(watch) = watches.remove(&wanted) {
                    watch.abort();
                    // Until it has ended it may still tell that the value is there.
                    let _ = watch.await;
                }
                let place = Place { namespace: wanted.namespace.clone(), name: wanted.name.clone() };
                // Not looked at any more: what is known of it grows old, and must not be found if it is wanted again.
                if self.listener.send(Event::Value { wanted, told: Told::Gone(place) }).await.is_err() {
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
                () = turn.asked() => {
                    let round = turn.round();
                    for watch in std::mem::take(&mut watches).into_values() {
                        watch.abort();
                        let _ = watch.await;
                    }
                    // What they told before is older than what is asked for.
                    if self.listener.send(Event::Rereading).await.is_err() {
                        return;
                    }
                    turn.told(round);
                }
            }
        }
    }

    async fn one(self, wanted: Wanted) {
        if wanted.holder == Holder::Secret
            && !self.namespaces.is_empty()
            && !self.namespaces.contains(&wanted.namespace)
        {
            tracing::warn!(
                namespace = wanted.namespace,
                secret = wanted.name,
                "an object names a Secret in a namespace that is not among the chart's providerNamespaces"
            );
            let told = Told::Unreadable("the namespace is not among the chart's providerNamespaces");
            // Nobody listens at the end.
            let _ = self.listener.send(Event::Value { wanted, told }).await;
            return std::future::pending().await;
        }
        let (what, resource) = match wanted.holder {
            Holder::Secret => ("secrets by name", api::secrets()),
            Holder::ConfigMap => ("configmaps by name", api::config_maps()),
        };
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), &wanted.namespace, &resource);
        let config = Config::default().fields(&format!("metadata.name={}", wanted.name));
        let mut permit = Arc::clone(&self.beginning).acquire_owned().await.ok();
        let place = Place { namespace: wanted.namespace.clone(), name: wanted.name.clone() };
        let mut there = false;
        let map = |told: Told<DynamicObject>| {
            there = matches!(told, Told::Is(_)) || (there && !matches!(told, Told::Gone(_)));
            let told = match told {
                // A watch that was begun anew does not know that the one before had told of it.
                Told::Listed if !there => Told::Gone(place.clone()),
                told => told,
            };
            // Whatever came, it has begun; one that fails is no reason for the others not to begin.
            permit = None;
            let news = !matches!(told, Told::Failed);
            news.then(|| Event::Value { wanted: wanted.clone(), told: told.boxed() })
        };
        let followed = Followed { what, one_of_many: true, metrics: self.metrics, turn: None };
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
    use crate::watch::relist::Lists;

    /// An API server that can't read Secrets whose names begin with `bad`, and never tells of changes: that `lost` is deleted
    /// after it was listed once.
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
    async fn secrets_that_can_not_be_read_keep_nobody_from_the_others() {
        let value = |name: String| Wanted { holder: Holder::Secret, namespace: "shop".to_owned(), name };
        let bad = (0..BEGINNING_MAX).map(|number| value(format!("bad-{number}")));
        let wanted = bad.chain([value("good".to_owned())]).collect::<BTreeSet<_>>();
        let (events, mut told) = mpsc::channel(16);
        let (sender, receiver) = watch::channel(wanted);
        let secrets = Secrets::new(client(), Arc::new(Metrics::new().unwrap()), &[], events);
        let lists = Lists::default();
        let running = tokio::spawn(secrets.run(receiver, lists.join("values")));
        let mut next = async || tokio::time::timeout(Duration::from_secs(60), told.recv()).await.unwrap().unwrap();
        let mut first = next().await;
        while matches!(first, Event::Value { told: Told::Listed, .. }) {
            first = next().await;
        }
        let Event::Value { wanted, told: Told::Is(_) } = first else { panic!("{first:?}") };
        assert_eq!(wanted.name, "good");
        drop(sender);
        running.await.unwrap();
    }

    /// Whoever takes the lead does not go by what a watch may have missed.
    #[tokio::test(start_paused = true)]
    async fn what_is_read_anew_may_be_gone() {
        let value = |name: &str| Wanted { holder: Holder::Secret, namespace: "shop".to_owned(), name: name.to_owned() };
        let (events, mut told) = mpsc::channel(16);
        let (sender, receiver) = watch::channel(BTreeSet::from([value("good"), value("lost")]));
        let lists = Lists::default();
        let secrets = Secrets::new(client(), Arc::new(Metrics::new().unwrap()), &[], events);
        let running = tokio::spawn(secrets.run(receiver, lists.join("values")));
        let mut next = async || {
            let event = tokio::time::timeout(Duration::from_secs(60), told.recv()).await.unwrap().unwrap();
            match event {
                Event::Value { wanted, told: Told::Is(_) } => format!("{} is there", wanted.name),
                Event::Value { wanted, told: Told::Gone(_) } => format!("{} is gone", wanted.name),
                Event::Value { wanted, told } => format!("{} {told:?}", wanted.name),
                other => format!("{other:?}"),
            }
        };
        let mut both = async || BTreeSet::from([next().await, next().await, next().await, next().await]);
        let listed = ["good Listed".to_owned(), "lost Listed".to_owned()];
        let words =
            |more: [&str; 2]| more.map(str::to_owned).into_iter().chain(listed.clone()).collect::<BTreeSet<_>>();
        assert_eq!(both().await, words(["good is there", "lost is there"]));
        lists.anew().await;
        assert_eq!(next().await, "Rereading");
        let anew = BTreeSet::from([next().await, next().await, next().await]);
        assert_eq!(anew, BTreeSet::from(["good is there", "good Listed", "lost is gone"].map(str::to_owned)));
        drop(sender);
        running.await.unwrap();
    }
}
