//! Following what is in the cluster, for as long as the process lives.
//!
//! A watch that breaks is begun again, later and later, with jitter; one whose place in history is forgotten lists anew, and
//! tells what is gone since. What is told is a sequence of [`Told`]: who takes it need not know that there are lists.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::Arc;

use futures_util::StreamExt;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{Config, Error, Event, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use crate::api::CallError;
use crate::metrics::Metrics;

/// What is known anew.
#[derive(Clone, Debug, PartialEq)]
pub enum Told<K> {
    /// It is there, in this shape.
    Is(K),
    Gone(Place),
    /// All that is there has been told.
    Listed,
    /// It can't be read: there is no right to it, or no such kind. Tried again all the same.
    Unreadable(&'static str),
}

impl<K> Told<K> {
    /// So that what is told is small, whatever it is about.
    #[must_use]
    pub fn boxed(self) -> Told<Box<K>> {
        match self {
            Told::Is(object) => Told::Is(Box::new(object)),
            Told::Gone(place) => Told::Gone(place),
            Told::Listed => Told::Listed,
            Told::Unreadable(why) => Told::Unreadable(why),
        }
    }
}

/// Namespace (empty for what has none) and name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    pub namespace: String,
    pub name: String,
}

impl Place {
    #[must_use]
    pub fn of<K: Resource>(object: &K) -> Self {
        let meta = object.meta();
        Place { namespace: meta.namespace.clone().unwrap_or_default(), name: meta.name.clone().unwrap_or_default() }
    }
}

/// Follows what the selection has, and tells it as `event` of `map`; `None` of it is not told. Ends when nobody listens.
pub async fn follow<K, E>(
    what: &'static str,
    api: Api<K>,
    config: Config,
    metrics: Arc<Metrics>,
    listener: mpsc::Sender<E>,
    mut map: impl FnMut(Told<K>) -> Option<E>,
) where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let mut events = std::pin::pin!(watcher(api, config).default_backoff());
    let mut listing = Listing::default();
    let mut failing = false;
    while let Some(event) = events.next().await {
        let told = match event {
            Ok(event) => {
                if std::mem::take(&mut failing) {
                    tracing::info!(watch = what, "a watch is back");
                }
                listing.take(event)
            }
            Err(error) => {
                metrics.watch_failed(what);
                // Once for each outage: the pauses are long, but the watches are many.
                match std::mem::replace(&mut failing, true) {
                    false => tracing::warn!(watch = what, %error, "a watch failed, and is begun again"),
                    true => tracing::debug!(watch = what, %error, "a watch failed again"),
                }
                unreadable(error).map(Told::Unreadable).into_iter().collect()
            }
        };
        for event in told.into_iter().filter_map(&mut map) {
            if listener.send(event).await.is_err() {
                return;
            }
        }
    }
}

fn unreadable(error: Error) -> Option<&'static str> {
    let error = match error {
        Error::InitialListFailed(error) | Error::WatchStartFailed(error) | Error::WatchFailed(error) => error,
        Error::WatchError(_) | Error::NoResourceVersion => return None,
    };
    match CallError::from(error) {
        error if error.is_forbidden() => Some("there is no right to read it"),
        error if error.is_not_found() => Some("the API server knows no such kind"),
        _ => None,
    }
}

/// What a watch has told, so that a new list also tells what is gone.
#[derive(Debug, Default)]
struct Listing {
    held: BTreeSet<Place>,
    /// While it lists.
    fresh: Option<BTreeSet<Place>>,
}

impl Listing {
    fn take<K: Resource>(&mut self, event: Event<K>) -> Vec<Told<K>> {
        match event {
            Event::Init => {
                self.fresh = Some(BTreeSet::new());
                Vec::new()
            }
            Event::InitApply(object) => {
                let place = Place::of(&object);
                if let Some(fresh) = &mut self.fresh {
                    fresh.insert(place.clone());
                }
                self.is(place, object)
            }
            Event::Apply(object) => self.is(Place::of(&object), object),
            Event::InitDone => {
                let fresh = self.fresh.take().unwrap_or_default();
                let gone: Vec<Place> = self.held.difference(&fresh).cloned().collect();
                self.held = fresh;
                gone.into_iter().map(Told::Gone).chain([Told::Listed]).collect()
            }
            Event::Delete(object) => {
                let place = Place::of(&object);
                self.held.remove(&place);
                vec![Told::Gone(place)]
            }
        }
    }

    fn is<K: Resource>(&mut self, place: Place, mut object: K) -> Vec<Told<K>> {
        // A third of an object, and of no use here.
        object.meta_mut().managed_fields = None;
        self.held.insert(place);
        vec![Told::Is(object)]
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;

    use super::*;

    fn object(name: &str) -> ConfigMap {
        let mut object = ConfigMap::default();
        object.metadata.name = Some(name.to_owned());
        object.metadata.namespace = Some("n".to_owned());
        object.metadata.managed_fields = Some(Vec::new());
        object
    }

    fn told(listing: &mut Listing, event: Event<ConfigMap>) -> Vec<String> {
        let word = |told: Told<ConfigMap>| match told {
            Told::Is(object) => {
                assert_eq!(object.metadata.managed_fields, None);
                format!("is {}", object.metadata.name.unwrap())
            }
            Told::Gone(place) => format!("gone {}", place.name),
            Told::Listed => "listed".to_owned(),
            Told::Unreadable(why) => why.to_owned(),
        };
        listing.take(event).into_iter().map(word).collect()
    }

    #[test]
    fn a_new_list_tells_what_is_gone() {
        let mut listing = Listing::default();
        assert!(told(&mut listing, Event::Init).is_empty());
        assert_eq!(told(&mut listing, Event::InitApply(object("a"))), ["is a"]);
        assert_eq!(told(&mut listing, Event::InitApply(object("b"))), ["is b"]);
        assert_eq!(told(&mut listing, Event::InitDone), ["listed"]);
        assert_eq!(told(&mut listing, Event::Apply(object("c"))), ["is c"]);
        assert_eq!(told(&mut listing, Event::Delete(object("a"))), ["gone a"]);
        // It breaks while it lists, and begins again.
        told(&mut listing, Event::Init);
        told(&mut listing, Event::InitApply(object("d")));
        told(&mut listing, Event::Init);
        told(&mut listing, Event::InitApply(object("c")));
        assert_eq!(told(&mut listing, Event::InitDone), ["gone b", "gone d", "listed"]);
    }
}
