//! Leader election by a Lease. Only the leader plans, writes, pushes and publishes statuses.
//!
//! The other replicas measure with their own clock for how long the Lease has not changed; the times in the Lease are
//! for people. A leader that cannot renew its Lease ends its process before others may take over, because it could not
//! write either. On a clean shutdown it releases the Lease, and the next replica takes it within a second.
//! orderly end it releases the Lease, and the next replica takes it within a second.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::{Api, Client};
use thiserror::Error;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::api::{CallError, timed};
use crate::names;

/// How long an unchanged Lease is respected.
const DURATION: Duration = Duration::from_secs(15);
/// How long a leader tries to renew. It ends well before others may take over.
const DEADLINE: Duration = Duration::from_secs(10);
const RENEW: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_secs(1);

/// Why a replica is no longer the leader.
#[derive(Debug, Error)]
pub enum LeaseError {
    #[error("the Lease could not be renewed for {seconds} s: {error}")]
    NotRenewed { seconds: u64, error: CallError },
    #[error("the Lease was taken by `{0}`")]
    Taken(String),
}

impl LeaseError {
    fn not_renewed(error: CallError) -> Self {
        LeaseError::NotRenewed { seconds: DEADLINE.as_secs(), error }
    }
}

/// Which replica leads, as far as this one knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Leadership {
    #[default]
    Nobody,
    Me,
    /// With the `host:port` of its listener, if it publishes one.
    Other(Option<String>),
}

/// A replica that takes part in the election.
#[derive(Debug)]
pub struct LeaseCandidate {
    leases: Api<Lease>,
    identity: String,
    address: String,
    leader: watch::Sender<Leadership>,
}

impl LeaseCandidate {
    #[must_use]
    pub fn new(client: Client, namespace: &str, identity: &str, address: &str) -> Self {
        LeaseCandidate {
            leases: Api::namespaced(client, namespace),
            identity: identity.to_owned(),
            address: address.to_owned(),
            leader: watch::Sender::new(Leadership::Nobody),
        }
    }

    #[must_use]
    pub fn leader(&self) -> watch::Receiver<Leadership> {
        self.leader.subscribe()
    }

    /// Waits until it becomes leader, and leads until `stop`. Then releases the Lease.
    ///
    /// # Errors
    /// [`LeaseError`] once it is no longer leader. It must write nothing from then on.
    pub async fn run(&self, stop: impl Future<Output = ()>) -> Result<(), LeaseError> {
        let mut stop = std::pin::pin!(stop);
        let mut observation = LeaseObservation::default();
        // The time before the call counts: others measure from the write, and not from its response.
        let (mut lease, mut renewed) = loop {
            let began = Instant::now();
            let pause = match self.try_to_lead(&mut observation).await {
                Ok(Some(lease)) => break (lease, began),
                Ok(None) => POLL,
                Err(error) => {
                    tracing::warn!(%error, "the Lease can't be read or taken");
                    RENEW
                }
            };
            tokio::select! {
                () = &mut stop => return Ok(()),
                () = tokio::time::sleep(spread(pause)) => {}
            }
        };
        let mut last = CallError::Late;
        self.leader.send_replace(Leadership::Me);
        loop {
            let deadline = renewed + DEADLINE;
            tokio::select! {
                () = &mut stop => break,
                () = tokio::time::sleep_until(deadline.min(Instant::now() + spread(RENEW))) => {}
            }
            let began = Instant::now();
            match tokio::time::timeout_at(deadline, self.renew(&lease)).await {
                Ok(Ok(renewed_lease)) => (lease, renewed) = (renewed_lease, began),
                Ok(Err(RenewalFailure::Changed(changed))) => lease = *changed,
                Ok(Err(RenewalFailure::Taken(by))) => return Err(self.lost(LeaseError::Taken(by))),
                Ok(Err(RenewalFailure::Failed(error))) => {
                    tracing::warn!(%error, "the Lease could not be renewed yet");
                    last = error;
                }
                Err(_) => {}
            }
            if Instant::now() >= renewed + DEADLINE {
                return Err(self.lost(LeaseError::not_renewed(last)));
            }
        }
        self.give_up(lease).await;
        Ok(())
    }

    fn lost(&self, error: LeaseError) -> LeaseError {
        self.leader.send_replace(Leadership::Nobody);
        error
    }

    async fn try_to_lead(&self, observation: &mut LeaseObservation) -> Result<Option<Lease>, CallError> {
        let found = timed(self.leases.get_opt(names::LEASE)).await?;
        let leader = match &found {
            Some(lease) => observation.observe(lease, &self.identity, Instant::now()),
            None => LeaseState::Free,
        };
        let taken = match (leader, found) {
            (LeaseState::Held(address), _) => {
                self.leader.send_if_modified(|leader| {
                    let other = Leadership::Other(address);
                    std::mem::replace(leader, other.clone()) != other
                });
                return Ok(None);
            }
            (LeaseState::Free, Some(lease)) => {
                let lease = self.filled(lease, true);
                timed(self.leases.replace(names::LEASE, &PostParams::default(), &lease)).await
            }
            (LeaseState::Free, None) => {
                let mut lease = Lease::default();
                lease.metadata.name = Some(names::LEASE.to_owned());
                timed(self.leases.create(&PostParams::default(), &self.filled(lease, true))).await
            }
        };
        match taken {
            Ok(lease) => Ok(Some(lease)),
            // Another replica was faster.
            Err(error) if error.is_conflict() => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn renew(&self, lease: &Lease) -> Result<Lease, RenewalFailure> {
        let lease = self.filled(lease.clone(), false);
        match timed(self.leases.replace(names::LEASE, &PostParams::default(), &lease)).await {
            Ok(lease) => Ok(lease),
            // Changed with kubectl, or by an earlier write of ours whose response was lost.
            Err(error) if error.is_conflict() => {
                let found = timed(self.leases.get(names::LEASE)).await.map_err(RenewalFailure::Failed)?;
                match holder(&found) {
                    Some(by) if by == self.identity => Err(RenewalFailure::Changed(Box::new(found))),
                    by => Err(RenewalFailure::Taken(by.unwrap_or("nobody").to_owned())),
                }
            }
            // It was deleted, and another replica may have created it again.
            Err(error) if error.is_not_found() => Err(RenewalFailure::Taken("nobody: it was deleted".to_owned())),
            Err(error) => Err(RenewalFailure::Failed(error)),
        }
    }

    async fn give_up(&self, lease: Lease) {
        self.leader.send_replace(Leadership::Nobody);
        let mut lease = self.filled(lease, false);
        if let Some(spec) = &mut lease.spec {
            spec.holder_identity = None;
            spec.lease_duration_seconds = Some(1);
        }
        lease.metadata.annotations.get_or_insert_default().remove(names::ADDRESS);
        if let Err(error) = timed(self.leases.replace(names::LEASE, &PostParams::default(), &lease)).await {
            tracing::warn!(%error, "could not release the Lease: the next leader waits until it expires");
        }
    }

    fn filled(&self, mut lease: Lease, taken: bool) -> Lease {
        let now = MicroTime(Timestamp::now());
        let spec = lease.spec.get_or_insert_with(LeaseSpec::default);
        spec.holder_identity = Some(self.identity.clone());
        spec.lease_duration_seconds = i32::try_from(DURATION.as_secs()).ok();
        if taken {
            spec.lease_transitions = Some(spec.lease_transitions.map_or(0, |times| times.saturating_add(1)));
            spec.acquire_time = Some(now.clone());
        }
        spec.renew_time = Some(now);
        let annotations = lease.metadata.annotations.get_or_insert_default();
        annotations.insert(names::ADDRESS.to_owned(), self.address.clone());
        lease.metadata.managed_fields = None;
        lease
    }
}

/// Why a renewal failed.
#[derive(Debug)]
enum RenewalFailure {
    Taken(String),
    Failed(CallError),
    /// The Lease is still ours, in another version.
    Changed(Box<Lease>),
}

/// Whether a Lease has changed, measured with our own clock.
#[derive(Debug, Default)]
struct LeaseObservation {
    last: Option<(Option<LeaseSpec>, Instant)>,
}

#[derive(Debug, PartialEq, Eq)]
enum LeaseState {
    Free,
    Held(Option<String>),
}

impl LeaseObservation {
    fn observe(&mut self, lease: &Lease, identity: &str, now: Instant) -> LeaseState {
        let since = match &self.last {
            Some((spec, since)) if *spec == lease.spec => *since,
            _ => {
                self.last = Some((lease.spec.clone(), now));
                now
            }
        };
        let seconds = lease.spec.as_ref().and_then(|spec| spec.lease_duration_seconds);
        let duration = seconds.and_then(|seconds| u64::try_from(seconds).ok()).map_or(DURATION, Duration::from_secs);
        match holder(lease) {
            None => LeaseState::Free,
            // This pod's container restarted. No other replica has its name.
            Some(by) if by == identity => LeaseState::Free,
            // A Lease may demand a long duration, but is not respected forever.
            Some(_) if now.duration_since(since) >= duration.min(DURATION * 4) => LeaseState::Free,
            Some(_) => LeaseState::Held(address(lease)),
        }
    }
}

fn holder(lease: &Lease) -> Option<&str> {
    lease.spec.as_ref()?.holder_identity.as_deref().filter(|by| !by.is_empty())
}

fn address(lease: &Lease) -> Option<String> {
    lease.metadata.annotations.as_ref()?.get(names::ADDRESS).filter(|address| !address.is_empty()).cloned()
}

/// Randomizes a pause, so that replicas do not call at the same moment.
fn spread(pause: Duration) -> Duration {
    pause.mul_f64(0.8 + fastrand::f64() * 0.4)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::{Arc, Mutex};

    use http::{Method, Request, Response};
    use http_body_util::BodyExt;
    use kube::client::Body;
    use serde_json::json;

    use super::*;

    /// An API server with one Lease, which can be made to fail.
    #[derive(Clone, Default)]
    struct Leases(Arc<Mutex<StoredLease>>);

    #[derive(Default)]
    struct StoredLease {
        lease: Option<Lease>,
        version: u64,
        down: bool,
    }

    impl Leases {
        fn client(&self) -> Client {
            let this = self.clone();
            let service = tower::service_fn(move |request: Request<Body>| {
                let this = this.clone();
                async move {
                    let (head, body) = request.into_parts();
                    let body = body.collect().await.unwrap().to_bytes();
                    Ok::<_, Infallible>(this.answer(&head.method, &body))
                }
            });
            Client::new(service, "outrigger")
        }

        fn answer(&self, method: &Method, body: &[u8]) -> Response<Body> {
            let mut stored = self.0.lock().unwrap();
            let problem = |code: u16, reason: &str| {
                let status =
                    json!({"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": reason});
                Response::builder().status(code).body(Body::from(status.to_string().into_bytes())).unwrap()
            };
            if stored.down {
                return problem(500, "InternalError");
            }
            if *method != Method::GET {
                let mut lease: Lease = serde_json::from_slice(body).unwrap();
                let expected = stored.lease.as_ref().and_then(|lease| lease.metadata.resource_version.clone());
                if lease.metadata.resource_version != expected {
                    return problem(409, "Conflict");
                }
                stored.version += 1;
                lease.metadata.resource_version = Some(stored.version.to_string());
                stored.lease = Some(lease);
            }
            match &stored.lease {
                Some(lease) => Response::new(Body::from(serde_json::to_vec(lease).unwrap())),
                None => problem(404, "NotFound"),
            }
        }

        fn holder(&self) -> Option<String> {
            holder(self.0.lock().unwrap().lease.as_ref()?).map(str::to_owned)
        }

        fn set_down(&self, down: bool) {
            self.0.lock().unwrap().down = down;
        }
    }

    fn candidate(leases: &Leases, name: &str) -> Arc<LeaseCandidate> {
        Arc::new(LeaseCandidate::new(leases.client(), "outrigger", name, &format!("{name}:10250")))
    }

    async fn until(leader: &mut watch::Receiver<Leadership>, wanted: &Leadership) {
        let waited = tokio::time::timeout(Duration::from_secs(120), leader.wait_for(|leader| leader == wanted)).await;
        waited.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_leader_takes_over_at_once_after_a_clean_shutdown() {
        let leases = Leases::default();
        let (a, b) = (candidate(&leases, "a"), candidate(&leases, "b"));
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let first = tokio::spawn({
            let a = Arc::clone(&a);
            async move { a.run(async { stopped.await.unwrap_or_default() }).await }
        });
        until(&mut a.leader(), &Leadership::Me).await;
        let second = tokio::spawn({
            let b = Arc::clone(&b);
            async move { b.run(std::future::pending()).await }
        });
        until(&mut b.leader(), &Leadership::Other(Some("a:10250".to_owned()))).await;
        let ended = Instant::now();
        stop.send(()).unwrap();
        first.await.unwrap().unwrap();
        assert_eq!(*a.leader().borrow(), Leadership::Nobody);
        until(&mut b.leader(), &Leadership::Me).await;
        assert!(ended.elapsed() < Duration::from_secs(2));
        assert_eq!(leases.holder().as_deref(), Some("b"));
        second.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn a_vanished_leader_is_waited_for_by_our_own_clock() {
        let leases = Leases::default();
        let a = candidate(&leases, "a");
        let first = tokio::spawn({
            let a = Arc::clone(&a);
            async move { a.run(std::future::pending()).await }
        });
        until(&mut a.leader(), &Leadership::Me).await;
        first.abort();
        // Its clock is years behind, which must not matter.
        leases.0.lock().unwrap().lease.as_mut().unwrap().spec.as_mut().unwrap().renew_time =
            Some(MicroTime("2001-01-01T00:00:00Z".parse().unwrap()));
        let began = Instant::now();
        let b = candidate(&leases, "b");
        let second = tokio::spawn({
            let b = Arc::clone(&b);
            async move { b.run(std::future::pending()).await }
        });
        until(&mut b.leader(), &Leadership::Me).await;
        assert!(began.elapsed() >= DURATION && began.elapsed() < DURATION + Duration::from_secs(3));
        second.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn a_leader_that_cannot_renew_ends_before_others_take_over() {
        let leases = Leases::default();
        let a = candidate(&leases, "a");
        let first = tokio::spawn({
            let a = Arc::clone(&a);
            async move { a.run(std::future::pending()).await }
        });
        until(&mut a.leader(), &Leadership::Me).await;
        leases.set_down(true);
        let began = Instant::now();
        assert!(matches!(first.await.unwrap(), Err(LeaseError::NotRenewed { .. })));
        assert!(began.elapsed() <= DEADLINE + Duration::from_millis(1));
        assert_eq!(*a.leader().borrow(), Leadership::Nobody);
    }

    #[tokio::test(start_paused = true)]
    async fn a_leader_survives_a_short_outage_and_a_manual_change_but_not_another_holder() {
        let leases = Leases::default();
        let a = candidate(&leases, "a");
        let first = tokio::spawn({
            let a = Arc::clone(&a);
            async move { a.run(std::future::pending()).await }
        });
        until(&mut a.leader(), &Leadership::Me).await;
        leases.set_down(true);
        tokio::time::sleep(Duration::from_secs(5)).await;
        leases.set_down(false);
        leases.0.lock().unwrap().lease.as_mut().unwrap().metadata.resource_version = Some("by-hand".to_owned());
        tokio::time::sleep(DURATION * 2).await;
        assert!(!first.is_finished());
        {
            let mut stored = leases.0.lock().unwrap();
            let lease = stored.lease.as_mut().unwrap();
            lease.spec.as_mut().unwrap().holder_identity = Some("other".to_owned());
            lease.metadata.resource_version = Some("taken".to_owned());
        }
        let Err(LeaseError::Taken(by)) = first.await.unwrap() else { panic!("it still leads") };
        assert_eq!(by, "other");
    }
}
