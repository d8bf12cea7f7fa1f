//! One gateway's session in the hub, for as long as its stream is open.

use std::sync::Arc;

use bytes::Bytes;
use outrigger_ledger::permits::{PermitGrants, PermitReport};
use outrigger_ledger::protocol::UsageReport;
use outrigger_sync::{Hello, PolicyOutcome, Rejection, UsageKept, UsageRowsReport};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::connected::ConnectedGateway;
use super::grants::WaitingGrants;
use super::hub::Hub;
use super::permits::{ReceivedPermits, WaitingPermitGrants};
use super::policy_line::{InForce, PolicyLine};
use super::reports::ReceivedReport;
use super::rows::ReceivedRows;
use crate::plan::revision::SidecarState;

/// The longest text of a gateway's message; the rest is cut. The states of thousands are kept.
const WORDS_MAX: usize = 1_024;
const AUTHORITIES_MAX: usize = 16;

/// Why a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEnd {
    /// The gateway closed it, or the connection is gone.
    Left,
    /// It was silent for too long.
    Silent,
    /// It sent an invalid message.
    Broken,
    /// The same pod opened another.
    Replaced,
    /// Its pod is gone.
    PodGone,
    /// Its pod was changed: the gateway is not the operator's any more, or not alone.
    Foreign,
    /// This replica does not lead any more.
    NotLeading,
    /// This replica is shutting down.
    Closing,
}

/// The state that the hub and a stream share.
#[derive(Debug)]
pub(super) struct SharedStream {
    pub(super) gateway: Arc<ConnectedGateway>,
    pub(super) grants: WaitingGrants,
    permits: WaitingPermitGrants,
    /// The last rows of the usage history that are durable.
    pub(super) kept: watch::Sender<Option<UsageKept>>,
    ended: watch::Sender<Option<StreamEnd>>,
    has: watch::Sender<Option<InForce>>,
    /// `None`: no hello yet.
    reported: Mutex<Option<ReportedState>>,
}

#[derive(Clone, Debug)]
struct ReportedState {
    sequence: Option<u64>,
    rejected: Option<Rejection>,
    version: String,
    authorities: Vec<String>,
}

impl SharedStream {
    pub(super) fn new(gateway: ConnectedGateway) -> Self {
        SharedStream {
            gateway: Arc::new(gateway),
            grants: WaitingGrants::default(),
            permits: WaitingPermitGrants::default(),
            kept: watch::Sender::new(None),
            ended: watch::Sender::new(None),
            has: watch::Sender::new(None),
            reported: Mutex::new(None),
        }
    }

    pub(super) fn grant_permits(&self, grants: PermitGrants) {
        self.permits.push(grants);
        self.grants.wake();
    }

    /// The first reason stays.
    pub(super) fn end(&self, why: StreamEnd) {
        self.ended.send_if_modified(|ended| match ended {
            Some(_) => false,
            None => {
                *ended = Some(why);
                true
            }
        });
    }

    /// `None` before the hello.
    pub(super) fn state(&self) -> Option<SidecarState> {
        let state = self.reported.lock().clone()?;
        let ConnectedGateway { namespace, pod, uid, binding, service_account: _ } = (*self.gateway).clone();
        let ReportedState { sequence, rejected, version, authorities } = state;
        Some(SidecarState { namespace, pod, uid, binding, sequence, rejected, version, authorities })
    }
}

/// When dropped, the gateway is not connected any more.
#[derive(Debug)]
pub struct StreamHandle {
    hub: Arc<Hub>,
    place: Arc<SharedStream>,
    newest: watch::Receiver<Option<Arc<PolicyLine>>>,
}

impl StreamHandle {
    pub(super) fn new(
        hub: Arc<Hub>,
        place: Arc<SharedStream>,
        newest: watch::Receiver<Option<Arc<PolicyLine>>>,
    ) -> Self {
        StreamHandle { hub, place, newest }
    }

    #[must_use]
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    #[must_use]
    pub fn gateway(&self) -> &ConnectedGateway {
        &self.place.gateway
    }

    /// The binding's policies; only the newest is ever visible.
    #[must_use]
    pub fn newest(&self) -> watch::Receiver<Option<Arc<PolicyLine>>> {
        self.newest.clone()
    }

    /// The policy that the gateway reported; `None` before its hello.
    #[must_use]
    pub fn has(&self) -> watch::Receiver<Option<InForce>> {
        self.place.has.subscribe()
    }

    pub fn hello(&self, hello: Hello) {
        let Hello { version, formats: _, sequence, digest, authorities, rejected } = hello;
        let state = ReportedState {
            sequence,
            rejected: rejected.map(bounded),
            version: cut(version),
            authorities: authorities.into_iter().take(AUTHORITIES_MAX).map(cut).collect(),
        };
        *self.place.reported.lock() = Some(state);
        self.hub.report_sequence(&self.place.gateway.binding, sequence);
        self.place.has.send_replace(Some(InForce { sequence, digest }));
    }

    /// Ignored before the hello.
    pub fn outcome(&self, outcome: PolicyOutcome) {
        let PolicyOutcome { sequence, rejected, authorities } = outcome;
        let mut acknowledged = None;
        if let Some(state) = self.place.reported.lock().as_mut() {
            state.rejected = rejected.map(bounded);
            if state.rejected.is_none() {
                state.sequence = Some(sequence);
                acknowledged = Some(sequence);
            }
            if !authorities.is_empty() {
                state.authorities = authorities.into_iter().take(AUTHORITIES_MAX).map(cut).collect();
            }
        }
        self.hub.report_sequence(&self.place.gateway.binding, acknowledged);
    }

    /// The gateway's usage and wants, for the ledger.
    pub fn usage(&self, report: UsageReport) {
        self.place.grants.reported(report.epoch);
        self.hub.report(ReceivedReport { gateway: Arc::clone(&self.place.gateway), report });
    }

    /// The gateway's requests in progress, for the leader of permits.
    pub fn permits(&self, report: PermitReport) {
        let report = ReceivedPermits { gateway: Arc::clone(&self.place.gateway), report };
        self.hub.report_permits(&self.place, report);
    }

    /// Rows for the usage history.
    pub fn usage_rows(&self, report: UsageRowsReport) {
        self.hub.report_rows(ReceivedRows { gateway: Arc::clone(&self.place.gateway), report });
    }

    /// The durable rows of the usage history.
    #[must_use]
    pub fn rows_kept(&self) -> watch::Receiver<Option<UsageKept>> {
        self.place.kept.subscribe()
    }

    /// Waits until there are grants to send.
    pub async fn granted(&self) {
        self.place.grants.came().await;
    }

    /// Grants that were not sent yet, as lines.
    #[must_use]
    pub fn grants(&self) -> Vec<Bytes> {
        let mut lines = self.place.grants.take();
        lines.extend(self.place.permits.take());
        lines
    }

    pub fn end(&self, why: StreamEnd) {
        self.place.end(why);
    }

    /// Waits until the stream has to end.
    pub async fn ended(&self) -> StreamEnd {
        match self.place.ended.subscribe().wait_for(Option::is_some).await.map(|why| *why) {
            Ok(Some(why)) => why,
            _ => StreamEnd::Left,
        }
    }
}

impl Drop for StreamHandle {
    fn drop(&mut self) {
        self.hub.leave(&self.place);
    }
}

fn bounded(rejection: Rejection) -> Rejection {
    let Rejection { sequence, object, path, message } = rejection;
    Rejection { sequence, object: cut(object), path: cut(path), message: cut(message) }
}

fn cut(mut words: String) -> String {
    if words.len() > WORDS_MAX {
        let end = (0..=WORDS_MAX).rev().find(|at| words.is_char_boundary(*at)).unwrap_or(0);
        words.truncate(end);
        words.shrink_to_fit();
    }
    words
}
