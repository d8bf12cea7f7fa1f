//! Looks for pods that should have a gateway and do not, because they were created before the operator or while its
//! webhook was down. Counts them, records an Event on their owner, and with `injection.repair: Evict` evicts a few at a
//! time.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::Client;
use outrigger_crds::injection::{restart_command, should_inject};
use tokio::time::{Instant, MissedTickBehavior};

use crate::metrics::OperatorMetrics;
use crate::repair::evict::{Evicted, Evictor, evict};
use crate::settings::{OperatorSettings, Repair};
use crate::state::caches::Caches;
use crate::state::uninjected::UninjectedPod;
use crate::status::events::{EventAction, EventReason, EventRecorder, NewEvent, Subject};

/// How often it checks.
const CHECK_INTERVAL: Duration = Duration::from_secs(30);
/// How many reported owners are remembered. There are hardly ever more at the same time.
const REPORTED_MAX: usize = 10_000;
/// A namespace without injection, because the operator itself needs its pods.
const KUBE_SYSTEM: &str = "kube-system";

/// Looks for pods without a gateway while this replica leads.
pub struct Watchdog {
    client: Client,
    caches: Arc<Caches>,
    metrics: Arc<OperatorMetrics>,
    events: EventRecorder,
    operator_namespace: String,
    repair: Repair,
}

/// The pods that lack a gateway, by namespace and name.
#[must_use]
pub fn missing<'a>(
    pods: &'a [UninjectedPod],
    is_labelled: &dyn Fn(&str) -> bool,
    operator_namespace: &str,
) -> Vec<&'a UninjectedPod> {
    let mut labelled: BTreeSet<&str> = pods.iter().map(|pod| pod.place.namespace.as_str()).collect();
    labelled.retain(|namespace| is_labelled(namespace));
    let lacks = |pod: &&UninjectedPod| {
        let namespace = pod.place.namespace.as_str();
        // These namespaces have no webhook, and the kubelet creates its own pods from files of its node.
        let elsewhere = namespace == operator_namespace || namespace == KUBE_SYSTEM;
        let of_node = pod.controller.as_ref().is_some_and(|controller| controller.kind == "Node");
        !elsewhere
            && !of_node
            && !pod.ending
            && should_inject(|name| pod.annotations.get(name).map(String::as_str), labelled.contains(namespace))
    };
    pods.iter().filter(lacks).collect()
}

/// The object that gets the Event: the pod's controller, or else the pod.
fn subject(pod: &UninjectedPod) -> Subject {
    let namespace = pod.place.namespace.clone();
    match &pod.controller {
        Some(controller) => Subject {
            api_version: controller.api_version.clone(),
            kind: controller.kind.clone(),
            namespace,
            name: controller.name.clone(),
            uid: controller.uid.clone(),
        },
        None => Subject {
            api_version: "v1".to_owned(),
            kind: "Pod".to_owned(),
            namespace,
            name: pod.place.name.clone(),
            uid: pod.uid.clone(),
        },
    }
}

fn event(pod: &UninjectedPod) -> NewEvent {
    let controller = pod.controller.as_ref().map(|one| (one.kind.as_str(), one.name.as_str()));
    let remedy = restart_command(&pod.place.namespace, &pod.place.name, controller, None);
    let note = format!(
        "pod {} should carry a gateway and does not: it was created before the operator, or while its webhook was down. To \
         recreate it: {remedy}",
        pod.place.name
    );
    NewEvent { warning: true, reason: EventReason::NotInjected, action: EventAction::Inject, note }
}

impl Watchdog {
    #[must_use]
    pub fn new(
        client: Client,
        caches: Arc<Caches>,
        metrics: Arc<OperatorMetrics>,
        settings: &OperatorSettings,
    ) -> Self {
        Watchdog {
            events: EventRecorder::new(&settings.identity, Instant::now()),
            client,
            caches,
            metrics,
            operator_namespace: settings.namespace.clone(),
            repair: settings.repair,
        }
    }

    /// Checks periodically, forever.
    pub async fn run(&self) {
        let mut reported: BTreeSet<Subject> = BTreeSet::new();
        let mut evictor = Evictor::default();
        let mut checks = tokio::time::interval(CHECK_INTERVAL);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            checks.tick().await;
            let Some(pods) = self.caches.uninjected.all() else { continue };
            let labelled = |namespace: &str| self.caches.namespace(namespace).is_some_and(|one| one.is_labelled());
            let missing = missing(&pods, &labelled, &self.operator_namespace);
            let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
            for pod in &missing {
                *counts.entry(&pod.place.namespace).or_default() += 1;
            }
            self.metrics.uninjected(counts.into_iter());
            self.report(&missing, &mut reported).await;
            if self.repair == Repair::Evict {
                self.repair(&missing, &mut evictor).await;
            }
        }
    }

    /// Reports each owner once, until all its pods have gateways again.
    async fn report(&self, missing: &[&UninjectedPod], reported: &mut BTreeSet<Subject>) {
        let mut owners: BTreeMap<Subject, &UninjectedPod> = BTreeMap::new();
        for pod in missing {
            owners.entry(subject(pod)).or_insert(pod);
        }
        reported.retain(|subject| owners.contains_key(subject));
        for (subject, pod) in owners {
            if reported.len() >= REPORTED_MAX || reported.contains(&subject) {
                continue;
            }
            match self.events.record(&self.client, &subject, &event(pod)).await {
                Ok(true) => drop(reported.insert(subject)),
                // The limit of Events is reached. The next check continues.
                Ok(false) => return,
                Err(error) => {
                    tracing::debug!(%error, "could not record an Event; retrying");
                    return;
                }
            }
        }
    }

    async fn repair(&self, missing: &[&UninjectedPod], evictor: &mut Evictor) {
        while let Some(pod) = evictor.next(missing, Instant::now(), Timestamp::now()) {
            let place = &pod.place;
            match evict(&self.client, pod).await {
                Ok(Evicted::Done) => {
                    self.metrics.evicted();
                    tracing::info!(pod = %place.name, namespace = %place.namespace, "evicted a pod that should carry a gateway and did not");
                }
                Ok(Evicted::NotAllowed) => {
                    tracing::info!(pod = %place.name, namespace = %place.namespace, "not evicted: a disruption budget forbids it at the moment");
                }
                Ok(Evicted::Gone) => {}
                Err(error) => {
                    tracing::warn!(pod = %place.name, namespace = %place.namespace, %error, "can't evict a pod without a gateway");
                    return;
                }
            }
        }
    }
}

impl fmt::Debug for Watchdog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watchdog").field("repair", &self.repair).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names;
    use crate::state::uninjected::Controller;
    use outrigger_core::ObjectRef;

    fn pod(namespace: &str, name: &str, kind: Option<&str>, annotations: &[(&str, &str)]) -> UninjectedPod {
        UninjectedPod {
            place: ObjectRef { namespace: namespace.to_owned(), name: name.to_owned() },
            uid: format!("uid-{name}"),
            annotations: annotations.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            controller: kind.map(|kind| Controller {
                api_version: "apps/v1".to_owned(),
                kind: kind.to_owned(),
                name: "web-5d4f8b".to_owned(),
                uid: "owner".to_owned(),
            }),
            created: None,
            ending: false,
        }
    }

    #[test]
    fn crds_and_operator_use_the_same_names() {
        use outrigger_crds::injection;
        assert_eq!(
            [injection::INJECT, injection::WORKLOAD, injection::INJECTED, injection::SIDECAR],
            [names::INJECT, names::WORKLOAD, names::INJECTED, names::SIDECAR]
        );
    }

    #[test]
    fn pods_that_ask_or_whose_namespace_asks_are_found() {
        let ending = UninjectedPod { ending: true, ..pod("labelled", "ending", None, &[]) };
        let pods = [
            pod("plain", "says-nothing", Some("ReplicaSet"), &[]),
            pod("plain", "asks", Some("ReplicaSet"), &[(names::INJECT, "true")]),
            pod("labelled", "says-nothing", Some("ReplicaSet"), &[]),
            pod("labelled", "opted-out", None, &[(names::INJECT, "false")]),
            pod("labelled", "skipped", None, &[(names::INJECTED, "{}")]),
            pod("labelled", "static", Some("Node"), &[]),
            ending,
            pod("outrigger-system", "operator", None, &[(names::INJECT, "true")]),
            pod("kube-system", "dns", None, &[(names::INJECT, "true")]),
        ];
        let labelled = |namespace: &str| namespace == "labelled";
        let found = missing(&pods, &labelled, "outrigger-system");
        let names: Vec<String> =
            found.iter().map(|pod| format!("{}/{}", pod.place.namespace, pod.place.name)).collect();
        assert_eq!(names, ["plain/asks", "labelled/says-nothing"]);
    }

    #[test]
    fn the_event_is_on_the_controller_and_names_a_command() {
        let of = pod("shop", "web-1", Some("ReplicaSet"), &[]);
        assert_eq!((subject(&of).kind.as_str(), subject(&of).name.as_str()), ("ReplicaSet", "web-5d4f8b"));
        assert!(event(&of).note.ends_with("kubectl rollout restart deployment/web -n shop"));
        assert_eq!(subject(&pod("shop", "web-1", None, &[])).kind, "Pod");
    }
}
