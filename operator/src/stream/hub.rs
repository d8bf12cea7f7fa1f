//! The connected gateways, and the newest policy of each binding. In memory; nothing here waits for a gateway.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use outrigger_ledger::permits::PermitGrants;
use outrigger_ledger::protocol::Grants;
use outrigger_ledger::shared::record::HolderId;
use outrigger_sync::UsageKept;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{mpsc, watch};

use super::connected::{ConnectedGateway, STREAMS_MAX};
use super::permits::{PermitReceiver, ReceivedPermits, WaitingPermits};
use super::policy_line::PolicyLine;
use super::refusal::StreamRefusal;
use super::reports::{ReceivedReport, ReportReceiver, WaitingReports};
use super::rows::{self, ReceivedRows, RowsReceiver};
use super::session::{SharedStream, StreamEnd, StreamHandle};
use crate::objects::binding::Binding;
use crate::plan::revision::{SidecarState, WrittenRevision};

/// What is pushed to which gateways.
#[derive(Debug)]
pub struct Hub {
    state: Mutex<State>,
    changes: watch::Sender<()>,
    /// Messages of a kind that this version does not know.
    unknown: AtomicU64,
    /// For the ledger, if there is one.
    reports: Arc<WaitingReports>,
    /// Reports that it did not read.
    dropped: AtomicU64,
    /// For the leader of permits, if there is one.
    permits: Arc<WaitingPermits>,
    /// For the usage history, if one is kept.
    rows: OnceLock<mpsc::Sender<ReceivedRows>>,
    most: usize,
}

#[derive(Debug, Default)]
struct State {
    leads: bool,
    /// `host:port` of the one that does.
    leader: Option<String>,
    closing: bool,
    topics: HashMap<Binding, BindingStreams>,
    /// By the pod's uid.
    places: HashMap<String, Arc<SharedStream>>,
}

#[derive(Debug, Default)]
struct BindingStreams {
    newest: watch::Sender<Option<Arc<PolicyLine>>>,
    /// Connected ones, and those that are being replaced.
    seats: usize,
    /// The highest sequence that a gateway reported.
    highest: Option<u64>,
}

impl BindingStreams {
    fn is_needed(&self) -> bool {
        self.seats > 0 || self.newest.borrow().is_some()
    }
}

impl Default for Hub {
    fn default() -> Self {
        Self::new(STREAMS_MAX)
    }
}

impl Hub {
    /// Of a follower, with room for this many streams.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Hub {
            state: Mutex::default(),
            changes: watch::Sender::new(()),
            unknown: AtomicU64::new(0),
            reports: Arc::default(),
            dropped: AtomicU64::new(0),
            permits: Arc::default(),
            rows: OnceLock::new(),
            most,
        }
    }

    /// Publishes a policy that was written to the cluster. A policy older than the published one is ignored.
    pub fn publish(&self, written: &WrittenRevision) {
        // Outside of the lock: up to a megabyte is serialized.
        let newest = Arc::new(PolicyLine::of(written));
        let mut state = self.lock();
        let topic = state.topics.entry(written.revision.binding.clone()).or_default();
        topic.newest.send_if_modified(|held| {
            let newer = held.as_ref().is_none_or(|held| {
                newest.sequence() > held.sequence()
                    || (newest.sequence() == held.sequence() && newest.digest() != held.digest())
            });
            if newer {
                *held = Some(newest);
            }
            newer
        });
    }

    /// The binding has no policy any more. Gateways keep what they have.
    pub fn withdraw(&self, binding: &Binding) {
        let mut state = self.lock();
        if let Some(topic) = state.topics.get_mut(binding) {
            topic.newest.send_replace(None);
        }
        state.topics.retain(|_, topic| topic.is_needed());
    }

    /// The state of each connected gateway that has sent a hello, ordered by namespace and pod.
    #[must_use]
    pub fn states(&self) -> Vec<SidecarState> {
        let mut states: Vec<_> = self.lock().places.values().filter_map(|place| place.state()).collect();
        states.sort_by(|a, b| (&a.namespace, &a.pod).cmp(&(&b.namespace, &b.pod)));
        states
    }

    /// The highest sequence that a gateway of the binding reported. The next policy must have a higher one.
    #[must_use]
    pub fn highest(&self, binding: &Binding) -> Option<u64> {
        self.lock().topics.get(binding)?.highest
    }

    /// Changes when [`Hub::states`] may have changed: many changes in a row are one.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// This replica leads, or does not. Losing the leadership ends all streams and forgets what was published.
    pub fn lead(&self, leads: bool) {
        let mut state = self.lock();
        state.leads = leads;
        if !leads {
            state.places.values().for_each(|place| place.end(StreamEnd::NotLeading));
            state.topics.retain(|_, topic| {
                topic.newest.send_replace(None);
                topic.seats > 0
            });
        }
    }

    /// The `host:port` of the replica that leads, which followers send to gateways.
    pub fn leader(&self, address: Option<String>) {
        self.lock().leader = address;
    }

    /// Ends all streams, and accepts no more.
    pub fn close(&self) {
        let mut state = self.lock();
        state.closing = true;
        state.places.values().for_each(|place| place.end(StreamEnd::Closing));
    }

    /// The number of open streams.
    #[must_use]
    pub fn connected(&self) -> usize {
        self.lock().places.len()
    }

    /// Messages of a kind that this version does not know, so far.
    #[must_use]
    pub fn unknown(&self) -> u64 {
        self.unknown.load(Ordering::Relaxed)
    }

    /// The gateways' reports to the ledger from now on. `None` if they were taken before. Until they are taken, reports
    /// are ignored.
    #[must_use]
    pub fn reports(&self) -> Option<ReportReceiver> {
        self.reports.receiver()
    }

    /// Reports that the ledger did not read, so far: a newer one came first, or there was no room.
    #[must_use]
    pub fn dropped_reports(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// From now on gateways are requested to send rows of the usage history. If this is called twice, the first caller
    /// gets them.
    #[must_use]
    pub fn collect_rows(&self) -> RowsReceiver {
        let (sender, receiver) = rows::channel();
        let _ = self.rows.set(sender);
        receiver
    }

    /// Whether gateways are requested to send rows of the usage history.
    #[must_use]
    pub fn collects_rows(&self) -> bool {
        self.rows.get().is_some()
    }

    /// Tells the gateway of a pod that its rows are durable. If it is not connected, it reports them again.
    pub fn rows_kept(&self, pod: &str, kept: UsageKept) {
        if let Some(place) = self.lock().places.get(pod) {
            place.kept.send_replace(Some(kept));
        }
    }

    /// If there is no room, the gateway reports them again.
    pub(super) fn report_rows(&self, received: ReceivedRows) {
        if let Some(rows) = self.rows.get() {
            let _ = rows.try_send(received);
        }
    }

    /// Sends to the holder's gateway. Returns whether it is connected and is that holder; if not, it will report again.
    pub fn grant(&self, holder: &HolderId, grants: Grants) -> bool {
        let place = self.lock().places.get(&holder.pod).cloned();
        place.is_some_and(|place| place.grants.push(holder.epoch, grants))
    }

    /// The gateways' reports about concurrent requests from now on. `None` if they were taken before.
    #[must_use]
    pub fn permits(&self) -> Option<PermitReceiver> {
        self.permits.receiver()
    }

    /// Sends to the pod's gateway. Returns whether it is connected; if not, it will report again.
    pub fn grant_permits(&self, pod: &str, grants: PermitGrants) -> bool {
        let place = self.lock().places.get(pod).cloned();
        place.inspect(|place| place.grant_permits(grants)).is_some()
    }

    /// Messages of a stream that was replaced are ignored: another process may have replaced it.
    pub(super) fn report_permits(&self, place: &Arc<SharedStream>, report: ReceivedPermits) {
        let is_newest = self.lock().places.get(&report.gateway.uid).is_some_and(|newest| Arc::ptr_eq(newest, place));
        if is_newest {
            self.permits.push(report);
        }
    }

    /// Uids of the pods whose gateways are connected.
    #[must_use]
    pub fn connected_pods(&self) -> HashSet<String> {
        self.lock().places.keys().cloned().collect()
    }

    /// The gateways that are connected.
    #[must_use]
    pub fn connected_gateways(&self) -> Vec<Arc<ConnectedGateway>> {
        self.lock().places.values().map(|place| Arc::clone(&place.gateway)).collect()
    }

    /// A lost message is sent again: its numbers are sums.
    pub(super) fn report(&self, report: ReceivedReport) {
        if !self.reports.push(report) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn count_unknown(&self) {
        self.unknown.fetch_add(1, Ordering::Relaxed);
    }

    /// # Errors
    /// The address that a gateway should use instead.
    pub(super) fn leading(&self) -> Result<(), StreamRefusal> {
        self.lock().leading()
    }

    /// Admits a gateway. Another stream of the same pod ends.
    pub(super) fn handle(self: &Arc<Self>, gateway: ConnectedGateway) -> Result<StreamHandle, StreamRefusal> {
        let mut state = self.lock();
        state.leading()?;
        if state.places.len() >= self.most && !state.places.contains_key(&gateway.uid) {
            return Err(StreamRefusal::Full(self.most));
        }
        let topic = state.topics.entry(gateway.binding.clone()).or_default();
        topic.seats += 1;
        let newest = topic.newest.subscribe();
        let uid = gateway.uid.clone();
        let place = Arc::new(SharedStream::new(gateway));
        if let Some(older) = state.places.insert(uid, Arc::clone(&place)) {
            older.end(StreamEnd::Replaced);
        }
        Ok(StreamHandle::new(Arc::clone(self), place, newest))
    }

    pub(super) fn leave(&self, place: &Arc<SharedStream>) {
        let mut state = self.lock();
        let ConnectedGateway { uid, binding, .. } = &*place.gateway;
        // A stream that was replaced must not remove its successor.
        if state.places.get(uid).is_some_and(|held| Arc::ptr_eq(held, place)) {
            state.places.remove(uid);
        }
        if let Some(topic) = state.topics.get_mut(binding) {
            topic.seats = topic.seats.saturating_sub(1);
            if !topic.is_needed() {
                state.topics.remove(binding);
            }
        }
        drop(state);
        self.changes.send_replace(());
    }

    /// A gateway reported its sequence. An implausible one is ignored: it would hide the sequences of other gateways.
    pub(super) fn report_sequence(&self, binding: &Binding, sequence: Option<u64>) {
        let now = u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or_default();
        let sequence = sequence.filter(|sequence| *sequence < now.saturating_add(outrigger_sync::AHEAD_MAX));
        if let Some(topic) = self.lock().topics.get_mut(binding) {
            topic.highest = topic.highest.max(sequence);
        }
        self.changes.send_replace(());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl State {
    fn leading(&self) -> Result<(), StreamRefusal> {
        match (&self.leader, self.leads, self.closing) {
            (_, _, true) => Err(StreamRefusal::Closing),
            (_, true, false) => Ok(()),
            (Some(leader), false, false) => Err(StreamRefusal::Elsewhere(leader.clone())),
            (None, false, false) => Err(StreamRefusal::NoLeader),
        }
    }
}
