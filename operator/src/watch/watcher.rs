//! One watch, which runs as long as the process.
//!
//! A watch that breaks restarts, with a growing delay and jitter. If its resource version has expired, it lists again
//! and also reports deleted objects. It reports a sequence of [`WatchUpdate`], so its receiver need not know about
//! lists.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use kube::runtime::watcher::{Config, Error, Event, watcher};
use kube::{Api, Resource};
use outrigger_core::ObjectRef;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use crate::api::CallError;
use crate::api::error::message;
use crate::metrics::OperatorMetrics;
use crate::state::update::{WatchUpdate, object_ref};
use crate::watch::relist::RelistHandle;

const FIRST: Duration = Duration::from_secs(1);
const MOST: Duration = Duration::from_secs(30);

/// What is watched, for logs and metrics, and how.
#[derive(Clone, Debug)]
pub struct WatchOptions {
    pub what: &'static str,
    /// Hundreds of such watches run. Others already log an outage of the API server.
    pub one_of_many: bool,
    pub metrics: Arc<OperatorMetrics>,
    /// Set if the watch can be asked to list again.
    pub relist: Option<RelistHandle>,
}

/// Watches the selected objects and sends what `map` returns; `None` is not sent. Ends when the receiver is gone.
pub async fn follow<K, E>(
    followed: WatchOptions,
    api: Api<K>,
    config: Config,
    listener: mpsc::Sender<E>,
    mut map: impl FnMut(WatchUpdate<K>) -> Option<E>,
) where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let WatchOptions { what, one_of_many, metrics, mut relist } = followed;
    let begin = |relist: &mut Option<RelistHandle>| {
        let round = relist.as_mut().map_or(0, RelistHandle::round);
        (watcher(api.clone(), config.clone()).boxed(), round)
    };
    let (mut events, mut round) = begin(&mut relist);
    let mut listing = WatchState::default();
    let mut failures = 0;
    loop {
        let event = tokio::select! {
            () = relist_requested(&mut relist) => {
                (events, round) = begin(&mut relist);
                continue;
            }
            event = events.next() => event,
        };
        let Some(event) = event else { return };
        let mut wait = None;
        let update = match event {
            Ok(event) => {
                // The start of a list is no success, because it is reported before any request. The client's own
                // backoff resets on it, and so would never wait long.
                if failures > 0 && !matches!(event, Event::Init) {
                    match one_of_many {
                        false => tracing::info!(watch = what, failures, "a watch works again"),
                        true => tracing::debug!(watch = what, failures, "a watch works again"),
                    }
                    failures = 0;
                }
                listing.apply(event)
            }
            Err(error) => {
                metrics.watch_failed(what);
                let update = api_message(&error);
                let unreadable = unreadable(error);
                // Warns once for each outage.
                match failures {
                    0 if !one_of_many || unreadable.is_some() => {
                        tracing::warn!(watch = what, error = update, "a watch failed and restarts");
                    }
                    _ => tracing::debug!(watch = what, error = update, "a watch failed again"),
                }
                wait = Some(pause(failures));
                failures += 1;
                vec![unreadable.map_or(WatchUpdate::Failed, WatchUpdate::Unreadable)]
            }
        };
        let whole = update.iter().any(|update| matches!(update, WatchUpdate::Listed));
        for event in update.into_iter().filter_map(&mut map) {
            if listener.send(event).await.is_err() {
                return;
            }
        }
        if let Some(relist) = relist.as_ref().filter(|_| whole) {
            relist.listed(round);
        }
        if let Some(wait) = wait {
            tokio::select! {
                () = relist_requested(&mut relist) => (events, round) = begin(&mut relist),
                () = tokio::time::sleep(wait) => {}
            }
        }
    }
}

async fn relist_requested(relist: &mut Option<RelistHandle>) {
    match relist {
        Some(relist) => relist.requested().await,
        None => std::future::pending().await,
    }
}

/// Doubles with each failure, and is randomized, because most watches fail at the same moment.
fn pause(failures: u32) -> Duration {
    FIRST.saturating_mul(1 << failures.min(16)).min(MOST).mul_f64(0.5 + fastrand::f64() / 2.0)
}

/// The API server's own message, without the layers around it.
fn api_message(error: &Error) -> String {
    match error {
        Error::InitialListFailed(error) | Error::WatchStartFailed(error) | Error::WatchFailed(error) => message(error),
        Error::WatchError(status) => status.message.clone(),
        Error::NoResourceVersion => error.to_string(),
    }
}

fn unreadable(error: Error) -> Option<&'static str> {
    let error = match error {
        Error::InitialListFailed(error) | Error::WatchStartFailed(error) | Error::WatchFailed(error) => error,
        Error::WatchError(_) | Error::NoResourceVersion => return None,
    };
    match CallError::from(error) {
        error if error.is_forbidden() => Some("the operator has no right to read it"),
        error if error.is_not_found() => Some("the API server does not have this kind"),
        _ => None,
    }
}

/// The objects that a watch has reported, so that a new list also shows which ones are deleted.
#[derive(Debug, Default)]
struct WatchState {
    objects: BTreeSet<ObjectRef>,
    /// The objects of the list that is being received.
    fresh: Option<BTreeSet<ObjectRef>>,
}

impl WatchState {
    fn apply<K: Resource>(&mut self, event: Event<K>) -> Vec<WatchUpdate<K>> {
        match event {
            Event::Init => {
                self.fresh = Some(BTreeSet::new());
                Vec::new()
            }
            Event::InitApply(object) => {
                let place = object_ref(&object);
                if let Some(fresh) = &mut self.fresh {
                    fresh.insert(place.clone());
                }
                self.applied(place, object)
            }
            Event::Apply(object) => self.applied(object_ref(&object), object),
            Event::InitDone => {
                let fresh = self.fresh.take().unwrap_or_default();
                let gone: Vec<ObjectRef> = self.objects.difference(&fresh).cloned().collect();
                self.objects = fresh;
                gone.into_iter().map(WatchUpdate::Deleted).chain([WatchUpdate::Listed]).collect()
            }
            Event::Delete(object) => {
                let place = object_ref(&object);
                self.objects.remove(&place);
                vec![WatchUpdate::Deleted(place)]
            }
        }
    }

    fn applied<K: Resource>(&mut self, place: ObjectRef, mut object: K) -> Vec<WatchUpdate<K>> {
        // About a third of an object, and not used here.
        object.meta_mut().managed_fields = None;
        self.objects.insert(place);
        vec![WatchUpdate::Applied(object)]
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use k8s_openapi::api::core::v1::ConfigMap;

    use super::*;
    use crate::watch::relist::Relists;

    fn object(name: &str) -> ConfigMap {
        let mut object = ConfigMap::default();
        object.metadata.name = Some(name.to_owned());
        object.metadata.namespace = Some("n".to_owned());
        object.metadata.managed_fields = Some(Vec::new());
        object
    }

    fn update(listing: &mut WatchState, event: Event<ConfigMap>) -> Vec<String> {
        let word = |update: WatchUpdate<ConfigMap>| match update {
            WatchUpdate::Applied(object) => {
                assert_eq!(object.metadata.managed_fields, None);
                format!("is {}", object.metadata.name.unwrap())
            }
            WatchUpdate::Deleted(place) => format!("gone {}", place.name),
            WatchUpdate::Listed => "listed".to_owned(),
            WatchUpdate::Unreadable(why) => why.to_owned(),
            WatchUpdate::Failed => "failed".to_owned(),
        };
        listing.apply(event).into_iter().map(word).collect()
    }

    /// Counts the requests in an hour without a response.
    #[tokio::test(start_paused = true)]
    async fn an_unreachable_api_server_is_not_flooded() {
        let requests = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&requests);
        let gone = tower::service_fn(move |_: http::Request<kube::client::Body>| {
            counted.fetch_add(1, Ordering::Relaxed);
            std::future::ready(Err::<http::Response<kube::client::Body>, _>(std::io::Error::other("refused")))
        });
        let api: Api<ConfigMap> = Api::all(kube::Client::new(gone, "default"));
        let (listener, mut update) = mpsc::channel::<()>(1);
        let metrics = Arc::new(OperatorMetrics::new().unwrap());
        let followed = WatchOptions { what: "test", one_of_many: false, metrics, relist: None };
        let watch = follow(followed, api, Config::default(), listener, |_| None);
        let hour = Duration::from_secs(60 * 60);
        assert!(tokio::time::timeout(hour, watch).await.is_err(), "it never ends");
        let requests = requests.load(Ordering::Relaxed);
        assert!((120..=260).contains(&requests), "{requests}");
        assert_eq!(update.recv().await, None);
    }

    /// The watch reports nothing. A requested list finds the changes, including deleted objects.
    #[tokio::test(start_paused = true)]
    async fn a_requested_list_finds_what_the_watch_missed() {
        let stored = Arc::new(std::sync::Mutex::new("a"));
        let served = Arc::clone(&stored);
        let silent = tower::service_fn(move |request: http::Request<kube::client::Body>| {
            let name = *served.lock().unwrap();
            async move {
                if request.uri().query().unwrap_or_default().contains("watch=true") {
                    std::future::pending::<()>().await;
                }
                let list = serde_json::json!({
                    "kind": "ConfigMapList", "apiVersion": "v1", "metadata": {"resourceVersion": "1"},
                    "items": [{"metadata": {"name": name, "namespace": "n", "resourceVersion": "1"}}],
                });
                let body = kube::client::Body::from(list.to_string().into_bytes());
                Ok::<_, std::convert::Infallible>(http::Response::new(body))
            }
        });
        let api: Api<ConfigMap> = Api::all(kube::Client::new(silent, "default"));
        let relists = Relists::default();
        let followed = WatchOptions {
            what: "test",
            one_of_many: false,
            metrics: Arc::new(OperatorMetrics::new().unwrap()),
            relist: Some(relists.join("test")),
        };
        let (listener, mut update) = mpsc::channel(16);
        let watch = tokio::spawn(follow(followed, api, Config::default(), listener, Some));
        let mut next = async |count: usize| {
            let mut words = Vec::new();
            for _ in 0..count {
                words.push(match update.recv().await.unwrap() {
                    WatchUpdate::Applied(object) => format!("is {}", object.metadata.name.unwrap()),
                    WatchUpdate::Deleted(place) => format!("gone {}", place.name),
                    WatchUpdate::Listed => "listed".to_owned(),
                    other => panic!("{other:?}"),
                });
            }
            words
        };
        assert_eq!(next(2).await, ["is a", "listed"]);
        *stored.lock().unwrap() = "b";
        let relisting = tokio::spawn(async move { relists.relist().await });
        assert_eq!(next(3).await, ["is b", "gone a", "listed"]);
        relisting.await.unwrap();
        watch.abort();
    }

    #[test]
    fn a_new_list_reports_deleted_objects() {
        let mut listing = WatchState::default();
        assert!(update(&mut listing, Event::Init).is_empty());
        assert_eq!(update(&mut listing, Event::InitApply(object("a"))), ["is a"]);
        assert_eq!(update(&mut listing, Event::InitApply(object("b"))), ["is b"]);
        assert_eq!(update(&mut listing, Event::InitDone), ["listed"]);
        assert_eq!(update(&mut listing, Event::Apply(object("c"))), ["is c"]);
        assert_eq!(update(&mut listing, Event::Delete(object("a"))), ["gone a"]);
        // It breaks while it lists, and restarts.
        update(&mut listing, Event::Init);
        update(&mut listing, Event::InitApply(object("d")));
        update(&mut listing, Event::Init);
        update(&mut listing, Event::InitApply(object("c")));
        assert_eq!(update(&mut listing, Event::InitDone), ["gone b", "gone d", "listed"]);
    }
}
