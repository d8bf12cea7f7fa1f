//! Chooses the next pod without a gateway to evict, and evicts it.
//!
//! It evicts carefully: only pods whose controller replaces them without loss, only pods that are old enough, one pod
//! of an owner at a time, and only a few in total. The Eviction API respects disruption budgets. If an owner's new pod
//! has no gateway either, eviction does not help, and the owner is left alone for an hour.

use std::collections::HashMap;
use std::time::Duration;

use http::Method;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::{Client, Resource};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::api::{CallError, timed};
use crate::state::uninjected::UninjectedPod;

/// The time between two evictions.
pub const PAUSE: Duration = Duration::from_secs(10);
/// The time between two evictions for the same owner, so that the new pod can become ready.
pub const OWNER_PAUSE: Duration = Duration::from_secs(2 * 60);
/// The age of a pod that may be evicted. Younger pods may belong to a rollout.
pub const AGE: Duration = Duration::from_secs(5 * 60);
/// How long an owner is left alone whose new pod has no gateway either.
pub const FAILED_PAUSE: Duration = Duration::from_secs(60 * 60);
/// Controllers that replace a deleted pod. A Job would count it as failed.
const CONTROLLERS: [&str; 4] = ["ReplicaSet", "StatefulSet", "DaemonSet", "ReplicationController"];

/// The evictions so far.
#[derive(Debug, Default)]
pub struct Evictor {
    last: Option<Instant>,
    /// By the owner's uid.
    owners: HashMap<String, LastEviction>,
}

#[derive(Clone, Copy, Debug)]
struct LastEviction {
    at: Instant,
    /// Wall-clock time, to compare with the creation of pods.
    time: Timestamp,
    failed: bool,
}

impl Evictor {
    /// Returns the next pod to evict, and records it as evicted.
    pub fn next<'a>(
        &mut self,
        missing: &[&'a UninjectedPod],
        now: Instant,
        time: Timestamp,
    ) -> Option<&'a UninjectedPod> {
        self.owners.retain(|_, turn| now.saturating_duration_since(turn.at) < FAILED_PAUSE);
        for pod in missing {
            if let Some((owner, created)) = evictable(pod)
                && let Some(turn) = self.owners.get_mut(owner)
            {
                turn.failed |= created > turn.time;
            }
        }
        if self.last.is_some_and(|last| now.saturating_duration_since(last) < PAUSE) {
            return None;
        }
        let old = |created: Timestamp| time.duration_since(created).unsigned_abs() >= AGE && created < time;
        let free = |owner: &str| {
            let turn = self.owners.get(owner);
            turn.is_none_or(|turn| !turn.failed && now.saturating_duration_since(turn.at) >= OWNER_PAUSE)
        };
        let next = missing.iter().find_map(|pod| {
            let (owner, created) = evictable(pod)?;
            (old(created) && free(owner)).then_some((*pod, owner.to_owned()))
        });
        let (pod, owner) = next?;
        self.last = Some(now);
        self.owners.insert(owner, LastEviction { at: now, time, failed: false });
        Some(pod)
    }
}

/// The owner's uid and the pod's creation time, if the pod may be evicted.
fn evictable(pod: &UninjectedPod) -> Option<(&str, Timestamp)> {
    let controller = pod.controller.as_ref().filter(|one| CONTROLLERS.contains(&one.kind.as_str()))?;
    Some((controller.uid.as_str(), pod.created?))
}

/// The result of an eviction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evicted {
    Done,
    /// A disruption budget forbids it at the moment.
    NotAllowed,
    /// The pod is gone, or another one has its name.
    Gone,
}

/// Evicts this pod, and no other of the same name.
///
/// # Errors
/// [`CallError`].
pub async fn evict(client: &Client, pod: &UninjectedPod) -> Result<Evicted, CallError> {
    let path = format!("{}/{}/eviction", Pod::url_path(&(), Some(&pod.place.namespace)), pod.place.name);
    let eviction = json!({
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod.place.name, "namespace": pod.place.namespace},
        "deleteOptions": {"preconditions": {"uid": pod.uid}},
    });
    let request = http::Request::builder()
        .method(Method::POST)
        .uri(path)
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(eviction.to_string().into_bytes())
        .map_err(|error| CallError::Refused(kube::Error::HttpError(error)))?;
    match timed(client.request::<Value>(request)).await {
        Ok(_) => Ok(Evicted::Done),
        Err(error) if error.is_not_found() || error.is_conflict() => Ok(Evicted::Gone),
        Err(error) if error.is_too_many() => Ok(Evicted::NotAllowed),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::uninjected::Controller;
    use outrigger_core::ObjectRef;

    struct EvictionClock {
        steady: Instant,
        time: Timestamp,
    }

    impl EvictionClock {
        fn new() -> Self {
            EvictionClock { steady: Instant::now(), time: "2026-11-25T12:00:00Z".parse().unwrap() }
        }

        fn pass(&mut self, passed: Duration) {
            self.steady += passed;
            self.time += passed;
        }

        fn pod(&self, name: &str, kind: &str, owner: &str, age: Duration) -> UninjectedPod {
            UninjectedPod {
                place: ObjectRef { namespace: "shop".to_owned(), name: name.to_owned() },
                uid: name.to_owned(),
                annotations: std::collections::BTreeMap::new(),
                controller: Some(Controller {
                    api_version: "apps/v1".to_owned(),
                    kind: kind.to_owned(),
                    name: owner.to_owned(),
                    uid: owner.to_owned(),
                }),
                created: Some(self.time - age),
                ending: false,
            }
        }

        fn next(&self, evictor: &mut Evictor, pods: &[UninjectedPod]) -> Option<String> {
            let missing: Vec<&UninjectedPod> = pods.iter().collect();
            evictor.next(&missing, self.steady, self.time).map(|pod| pod.place.name.clone())
        }
    }

    #[test]
    fn evictions_are_spaced_and_rare_for_each_owner() {
        let mut clock = EvictionClock::new();
        let mut evictor = Evictor::default();
        let pods = [
            clock.pod("a1", "ReplicaSet", "a", AGE),
            clock.pod("a2", "ReplicaSet", "a", AGE),
            clock.pod("b1", "StatefulSet", "b", AGE),
        ];
        assert_eq!(clock.next(&mut evictor, &pods).as_deref(), Some("a1"));
        assert_eq!(clock.next(&mut evictor, &pods), None);
        clock.pass(PAUSE);
        assert_eq!(clock.next(&mut evictor, &pods).as_deref(), Some("b1"), "another owner");
        clock.pass(PAUSE);
        assert_eq!(clock.next(&mut evictor, &pods), None);
        clock.pass(OWNER_PAUSE);
        assert_eq!(clock.next(&mut evictor, &pods[1..]).as_deref(), Some("a2"));
    }

    #[test]
    fn pods_without_a_controller_jobs_and_young_pods_are_not_evicted() {
        let clock = EvictionClock::new();
        let mut orphan = clock.pod("orphan", "ReplicaSet", "a", AGE);
        orphan.controller = None;
        let pods = [
            orphan,
            clock.pod("job", "Job", "j", AGE),
            clock.pod("young", "ReplicaSet", "a", AGE - Duration::from_secs(1)),
        ];
        assert_eq!(clock.next(&mut Evictor::default(), &pods), None);
    }

    #[test]
    fn an_owner_whose_new_pod_has_no_gateway_either_is_left_alone() {
        let mut clock = EvictionClock::new();
        let mut evictor = Evictor::default();
        let old = [clock.pod("a1", "ReplicaSet", "a", AGE), clock.pod("a2", "ReplicaSet", "a", AGE)];
        assert_eq!(clock.next(&mut evictor, &old).as_deref(), Some("a1"));
        clock.pass(Duration::from_secs(20));
        let now = [old[1].clone(), clock.pod("a3", "ReplicaSet", "a", Duration::from_secs(5))];
        assert_eq!(clock.next(&mut evictor, &now), None);
        clock.pass(OWNER_PAUSE * 3);
        assert_eq!(clock.next(&mut evictor, &now), None);
        clock.pass(FAILED_PAUSE);
        assert_eq!(clock.next(&mut evictor, &now).as_deref(), Some("a2"), "after an hour the owner is tried again");
    }

    async fn evict_with(code: u16) -> (Result<Evicted, CallError>, Value) {
        let (body_sender, body) = tokio::sync::oneshot::channel();
        let body_sender = std::sync::Mutex::new(Some(body_sender));
        let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
            let body_sender = body_sender.lock().unwrap().take();
            async move {
                assert_eq!(request.uri().path(), "/api/v1/namespaces/shop/pods/a1/eviction");
                let body = http_body_util::BodyExt::collect(request.into_body()).await.unwrap().to_bytes();
                body_sender.unwrap().send(serde_json::from_slice(&body).unwrap()).unwrap();
                let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": "no", "reason": "x"});
                let body = kube::client::Body::from(status.to_string().into_bytes());
                Ok::<_, std::convert::Infallible>(http::Response::builder().status(code).body(body).unwrap())
            }
        });
        let client = Client::new(service, "default");
        let pod = EvictionClock::new().pod("a1", "ReplicaSet", "a", AGE);
        (evict(&client, &pod).await, body.await.unwrap())
    }

    #[tokio::test]
    async fn a_pod_is_evicted_by_uid_and_budgets_are_respected() {
        let (evicted, sent) = evict_with(201).await;
        assert_eq!(evicted.unwrap(), Evicted::Done);
        assert_eq!(sent["deleteOptions"]["preconditions"]["uid"], "a1");
        assert_eq!(evict_with(429).await.0.unwrap(), Evicted::NotAllowed);
        assert_eq!(evict_with(409).await.0.unwrap(), Evicted::Gone);
        assert!(evict_with(403).await.0.unwrap_err().is_forbidden());
    }
}
