//! The operator's messages on a stream: the newest policy that the gateway does not have, its grants, and heartbeats.
//!
//! It is a body and not a task: the next part is created when the gateway's connection has room for it.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use outrigger_sync::{BEAT_SECONDS, FromOperator, NoFields, UsageKept};
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior};

use super::policy_line::{InForce, PolicyLine};
use super::session::{StreamEnd, StreamHandle};
use super::token::PodLookup;
use crate::runtime::response::AnswerBody;

const BEAT: Duration = Duration::from_secs(BEAT_SECONDS);
/// A cache may miss a pod for a moment; a stream outlives its pod by at most this many beats.
const MISSED_MAX: u32 = 2;

pub(super) fn body(handle: Arc<StreamHandle>, pods: Arc<dyn PodLookup>) -> AnswerBody {
    let (newest, has) = (handle.newest(), handle.has());
    let mut beats = tokio::time::interval_at(tokio::time::Instant::now() + BEAT, BEAT);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let kept = handle.rows_kept();
    let mut parts = VecDeque::new();
    if handle.hub().collects_rows() {
        // Before anything else, because a gateway depends on it.
        parts.push_back(outrigger_sync::write(&FromOperator::CollectUsage(NoFields {})).into());
    }
    let outbound = Outbound { handle, pods, newest, has, kept, beats, missed: 0, given: None, parts };
    let parts = stream::unfold(outbound, |mut outbound| async move {
        let part = outbound.next().await?;
        Some((Ok::<_, Infallible>(Frame::data(part)), outbound))
    });
    StreamBody::new(parts).boxed_unsync()
}

struct Outbound {
    handle: Arc<StreamHandle>,
    pods: Arc<dyn PodLookup>,
    newest: watch::Receiver<Option<Arc<PolicyLine>>>,
    has: watch::Receiver<Option<InForce>>,
    kept: watch::Receiver<Option<UsageKept>>,
    beats: Interval,
    missed: u32,
    /// What was sent last.
    given: Option<InForce>,
    /// Of a line in progress.
    parts: VecDeque<Bytes>,
}

impl Outbound {
    /// `None`: the stream ends.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(part) = self.parts.pop_front() {
                return Some(part);
            }
            if let Some(newest) = self.due() {
                self.give(&newest);
                continue;
            }
            tokio::select! {
                biased;
                _ = self.handle.ended() => return None,
                changed = self.newest.changed() => changed.ok()?,
                changed = self.has.changed() => changed.ok()?,
                () = self.handle.granted() => self.parts.extend(self.handle.grants()),
                changed = self.kept.changed() => {
                    changed.ok()?;
                    let kept = *self.kept.borrow_and_update();
                    self.parts.extend(kept.map(|kept| outrigger_sync::write(&FromOperator::UsageKept(kept)).into()));
                }
                _ = self.beats.tick() => self.beat(),
            }
        }
    }

    /// The newest policy, if the gateway has reported its own and it is another one.
    fn due(&mut self) -> Option<Arc<PolicyLine>> {
        let newest = self.newest.borrow_and_update().clone()?;
        let has = self.has.borrow_and_update().clone()?;
        let known = newest.is_known_to(&has) || self.given.as_ref().is_some_and(|given| newest.is_known_to(given));
        (!known).then_some(newest)
    }

    fn give(&mut self, newest: &PolicyLine) {
        self.given = Some(InForce { sequence: Some(newest.sequence()), digest: Some(newest.digest().to_owned()) });
        let gateway = self.handle.gateway();
        match newest.line(&gateway.service_account) {
            Some(line) => self.parts.extend(line),
            None => tracing::error!(
                binding = %gateway.binding,
                "the policy and its credentials are too long to be pushed: use smaller Secrets or fewer credentials"
            ),
        }
    }

    fn beat(&mut self) {
        let gateway = self.handle.gateway();
        self.missed = match self.pods.find(&gateway.namespace, &gateway.pod, &gateway.uid) {
            Some(facts) if facts.foreign.is_some() => return self.handle.end(StreamEnd::Foreign),
            Some(_) => 0,
            None => self.missed + 1,
        };
        match self.missed > MISSED_MAX {
            true => self.handle.end(StreamEnd::PodGone),
            false => self.parts.push_back(outrigger_sync::write(&FromOperator::Beat(NoFields {})).into()),
        }
    }
}

impl Drop for Outbound {
    fn drop(&mut self) {
        self.handle.end(StreamEnd::Left);
    }
}
