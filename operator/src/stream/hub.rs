//! Which gateways are connected, and the newest policy of each binding. In memory; nothing here waits for a gateway.

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

/// What is pushed, and to whom.
#[derive(Debug)]
pub struct Hub {
    state: Mutex<State>,
    changes: watch::Sender<()>,
    /// Messages of a kind that this version does not know.
    unknown: AtomicU64,
    /// For the ledger, if there is one.
    reports: Arc<WaitingReports>,
    /// Reports that it did not look at.
    dropped: AtomicU64,
    /// For who grants permits, if somebody does.
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
    /// Those that are connected, and those that are being replaced.
    seats: usize,
    /// The highest sequence that a gateway said it has.
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
    /// A follower's, with room for so many streams.
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

    /// A policy that stands in the cluster now. One older than what was published before is passed over.
    pub fn publish(&self, written: &WrittenRevision) {
        // Outside the lock: up to a megabyte is written down.
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

    /// The binding has no policy any more. Gateways go on with what they have.
    pub fn withdraw(&self, binding: &Binding) {
        let mut state = self.lock();
        if let Some(topic) = state.topics.get_mut(binding) {
            topic.newest.send_replace(None);
        }
        state.topics.retain(|_, topic| topic.is_needed());
    }

    /// What is known of each connected gateway that has said hello, in order of namespace and pod.
    #[must_use]
    pub fn states(&self) -> Vec<SidecarState> {
        let mut states: Vec<_> = self.lock().places.values().filter_map(|place| place.state()).collect();
        states.sort_by(|a, b| (&a.namespace, &a.pod).cmp(&(&b.namespace, &b.pod)));
        states
    }

    /// The highest sequence that a gateway of the binding said it has. The next one that is written must be above it.
    #[must_use]
    pub fn highest(&self, binding: &Binding) -> Option<u64> {
        self.lock().topics.get(binding)?.highest
    }

    /// Changes when [`Hub::states`] may have: many changes at once are one.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// This replica leads, or does not. Losing it ends all streams and forgets what was published.
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

    /// `host:port` of the replica that leads, as followers tell gateways.
    pub fn leader(&self, address: Option<String>) {
        self.lock().leader = address;
    }

    /// Ends all streams, and opens no more.
    pub fn close(&self) {
        let mut state = self.lock();
        state.closing = true;
        state.places.values().for_each(|place| place.end(StreamEnd::Closing));
    }

    /// Streams that are open.
    #[must_use]
    pub fn connected(&self) -> usize {
        self.lock().places.len()
    }

    /// Messages of a kind that this version does not know, so far.
    #[must_use]
    pub fn unknown(&self) -> u64 {
        self.unknown.load(Ordering::Relaxed)
    }

    /// What gateways report to the ledger from now on. `None`: somebody has asked before. Without anybody who asks, reports are
    /// passed over.
    #[must_use]
    pub fn reports(&self) -> Option<ReportReceiver> {
        self.reports.receiver()
    }

    /// Reports that the ledger did not look at, so far: a newer one came first, or there was no room.
    #[must_use]
    pub fn dropped_reports(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Gateways are asked for rows of the usage history from now on. Of two who ask, the first gets them.
    #[must_use]
    pub fn collect_rows(&self) -> RowsReceiver {
        let (sender, receiver) = rows::channel();
        let _ = self.rows.set(sender);
        receiver
    }

    /// Whether gateways are asked for rows of the usage history.
    #[must_use]
    pub fn collects_rows(&self) -> bool {
        self.rows.get().is_some()
    }

    /// To the gateway of a pod: its rows are durable. If it is not connected, it reports them again.
    pub fn rows_kept(&self, pod: &str, kept: UsageKept) {
        if let Some(place) = self.lock().places.get(pod) {
            place.kept.send_replace(Some(kept));
        }
    }

    /// If there is no room, it reports them again.
    pub(super) fn report_rows(&self, received: ReceivedRows) {
        if let Some(rows) = self.rows.get() {
            let _ = rows.try_send(received);
        }
    }

    /// To the holder's gateway. Whether it is connected and is that holder; if not, it will ask.
    pub fn grant(&self, holder: &HolderId, grants: Grants) -> bool {
        let place = self.lock().places.get(&holder.pod).cloned();
        place.is_some_and(|place| place.grants.push(holder.epoch, grants))
    }

    /// What gateways report of concurrent requests from now on. `None`: somebody has asked before.
    #[must_use]
    pub fn permits(&self) -> Option<PermitReceiver> {
        self.permits.receiver()
    }

    /// To the pod's gateway. Whether it is connected; if not, it will ask.
    pub fn grant_permits(&self, pod: &str, grants: PermitGrants) -> bool {
        let place = self.lock().places.get(pod).cloned();
        place.inspect(|place| place.grant_permits(grants)).is_some()
    }

    /// Of a stream that was replaced nothing is taken any more: another process may have come after it.
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

    /// One that is lost is said again: its numbers are sums.
    pub(super) fn report(&self, report: ReceivedReport) {
        if !self.reports.push(report) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn count_unknown(&self) {
        self.unknown.fetch_add(1, Ordering::Relaxed);
    }

    /// # Errors
    /// Where a gateway should turn instead.
    pub(super) fn leading(&self) -> Result<(), StreamRefusal> {
        self.lock().leading()
    }

    /// Lets a gateway in. Another stream of the same pod ends.
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
        // One that was replaced leaves the place to the one that came.
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

    /// A gateway told what it has. What it must have made up is passed over: it would hide what its neighbours have.
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
