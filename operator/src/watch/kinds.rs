//! Which kinds are watched, and with which selectors.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::runtime::watcher::Config;
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::api;
use crate::metrics::OperatorMetrics;
use crate::names;
use crate::objects::id::ObjectKind;
use crate::state::uninjected::{self, WatchedUninjected};
use crate::state::update::WatchUpdate;
use crate::watch::dispatch::{ClusterEvent, NAMESPACE};
use crate::watch::relist::Relists;
use crate::watch::watcher::{WatchOptions, follow};

const TICK: Duration = Duration::from_secs(30);

/// Sends an event periodically, so that time limits are checked.
pub async fn tick(events: mpsc::Sender<ClusterEvent>) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if events.send(ClusterEvent::Tick).await.is_err() {
            return;
        }
    }
}

/// Starts all watches except those of single Secrets and ConfigMaps. They end when the receiver is gone. `relists` can
/// make those that plans depend on list again.
pub fn start(
    client: &Client,
    metrics: &Arc<OperatorMetrics>,
    events: &mpsc::Sender<ClusterEvent>,
    relists: &Relists,
    tasks: &mut JoinSet<()>,
) {
    let mut watches = Watches { metrics, events, relists: Some(relists), tasks };
    for kind in ObjectKind::ALL {
        let (name, api) = (kind.name(), api::objects(client, kind));
        watches.start(name, api, Config::default(), move |update| ClusterEvent::Object {
            kind: name,
            update: update.boxed(),
        });
    }
    let namespaces = Api::all_with(client.clone(), &api::namespaces());
    let map = |update: WatchUpdate<kube::api::DynamicObject>| ClusterEvent::Object {
        kind: NAMESPACE,
        update: update.boxed(),
    };
    watches.start("namespaces", namespaces, Config::default(), map);
    let ours = Config::default().labels(&format!("{}={}", names::MANAGED_BY, names::MANAGED_BY_VALUE));
    watches.start("generated", Api::all(client.clone()), ours, |update| ClusterEvent::Generated(update.boxed()));
    let pods: Api<Pod> = Api::all(client.clone());
    watches.start("pods", pods, Config::default().labels(names::SIDECAR), |update| ClusterEvent::Pod(update.boxed()));
    watches.relists = None;
    let pods: Api<WatchedUninjected> = Api::all(client.clone());
    let without = Config::default().labels(&format!("!{}", names::SIDECAR)).fields(uninjected::FIELDS);
    watches.start("pods without a gateway", pods, without, |update| ClusterEvent::Uninjected(update.boxed()));
}

struct Watches<'a> {
    metrics: &'a Arc<OperatorMetrics>,
    events: &'a mpsc::Sender<ClusterEvent>,
    relists: Option<&'a Relists>,
    tasks: &'a mut JoinSet<()>,
}

impl Watches<'_> {
    fn start<K>(
        &mut self,
        what: &'static str,
        api: Api<K>,
        config: Config,
        map: impl Fn(WatchUpdate<K>) -> ClusterEvent + Send + 'static,
    ) where
        K: Resource + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
    {
        let relist = self.relists.map(|relists| relists.join(what));
        let followed = WatchOptions { what, one_of_many: false, metrics: Arc::clone(self.metrics), relist };
        // A failure says nothing about the cluster.
        let map = move |update| (!matches!(update, WatchUpdate::Failed)).then(|| map(update));
        self.tasks.spawn(follow(followed, api, config, self.events.clone(), map));
    }
}
