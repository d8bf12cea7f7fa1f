//! The state of gateways in relation to the written policies, and since when: everything that a status needs between
//! two checks.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use outrigger_sync::Rejection;
use tokio::time::Instant;

use crate::objects::binding::Binding;
use crate::plan::revision::SidecarState;

/// How long a connected gateway may take to load a policy.
pub const BEHIND: Duration = Duration::from_secs(30);
/// How long a gateway may be without a stream before it is reported.
pub const UNCONNECTED: Duration = Duration::from_secs(5 * 60);
/// After a change of the leader, gateways reconnect within this time.
pub const RETURN: Duration = Duration::from_secs(30);

/// A pod with a running gateway: started, and neither it nor the pod has ended or is ending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LivePod {
    pub uid: String,
    pub binding: Binding,
}

/// What a binding's gateways should serve.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct BindingPolicy {
    /// Of the last plan.
    planned: Option<String>,
    /// Of the cluster.
    written: Option<(u64, String)>,
    /// Why the planned policy can't be written.
    failure: Option<String>,
}

impl BindingPolicy {
    /// The sequence to serve; `None` if the planned policy is not written yet.
    fn sequence(&self) -> Option<u64> {
        let (sequence, digest) = self.written.as_ref()?;
        let current = self.planned.as_ref().is_none_or(|planned| planned == digest);
        current.then_some(*sequence)
    }
}

/// The last report of a gateway, and since when its state is the same.
#[derive(Clone, Debug, Default)]
struct GatewayReport {
    /// Without a stream since then.
    alone: Option<Instant>,
    sequence: Option<u64>,
    rejected: Option<Rejection>,
    /// Behind the written policy since then.
    behind: Option<Instant>,
}

/// The gateways of one binding, by the uids of their pods, and what they should serve.
#[derive(Debug, Default)]
struct BindingGateways {
    standing: BindingPolicy,
    gateways: BTreeMap<String, GatewayReport>,
    tally: GatewayCounts,
}

/// All running gateways.
#[derive(Debug)]
pub struct GatewayFleet {
    /// When this replica began to lead.
    began: Instant,
    by_binding: BTreeMap<Binding, BindingGateways>,
}

/// Counts of gateways.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GatewayCounts {
    /// Running.
    pub live: usize,
    /// Those with a stream.
    pub connected: usize,
    /// Those that have loaded the written policy.
    pub programmed: usize,
    /// Those that refused it.
    pub rejected: usize,
    /// One of the refusals: always the same, as long as it is among them.
    pub refusal: Option<Rejection>,
    /// The earliest time since when one is behind.
    pub behind: Option<Instant>,
    /// The bindings of those that are.
    pub late: BTreeSet<Binding>,
    /// The earliest time since when one is without a stream.
    pub alone: Option<Instant>,
    pub unconnected: BTreeSet<Binding>,
    /// The planned policy is not written yet.
    pub unwritten: bool,
    /// Why it can't be written.
    pub failure: Option<String>,
}

impl GatewayCounts {
    /// Together with those of others.
    pub fn add(&mut self, other: &GatewayCounts) {
        let GatewayCounts {
            live,
            connected,
            programmed,
            rejected,
            refusal,
            behind,
            late,
            alone,
            unconnected,
            unwritten,
            failure,
        } = other;
        self.live += live;
        self.connected += connected;
        self.programmed += programmed;
        self.rejected += rejected;
        self.refusal = lesser(self.refusal.take(), refusal.clone());
        self.behind = self.behind.into_iter().chain(*behind).min();
        self.late.extend(late.iter().cloned());
        self.alone = self.alone.into_iter().chain(*alone).min();
        self.unconnected.extend(unconnected.iter().cloned());
        self.unwritten |= unwritten;
        self.failure = self.failure.take().into_iter().chain(failure.clone()).min();
    }
}

/// So that the message does not depend on which gateway reported last.
fn lesser(one: Option<Rejection>, other: Option<Rejection>) -> Option<Rejection> {
    let key = |rejection: &Rejection| (rejection.object.clone(), rejection.path.clone(), rejection.message.clone());
    one.into_iter().chain(other).min_by_key(key)
}

impl GatewayFleet {
    /// For a leader that starts.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        GatewayFleet { began: now, by_binding: BTreeMap::new() }
    }

    /// Until when gateways may not have reconnected; `None` if that time is over.
    #[must_use]
    pub fn returning(&self, now: Instant) -> Option<Instant> {
        Some(self.began + RETURN).filter(|until| now < *until)
    }

    /// The planned policy of a binding, by digest; `None`: the stored policy stays. Returns whether this changes
    /// anything.
    pub fn planned(&mut self, binding: &Binding, digest: Option<&str>, now: Instant) -> bool {
        let gateways_of = self.by_binding.entry(binding.clone()).or_default();
        gateways_of.standing.planned = digest.map(str::to_owned);
        gateways_of.count(binding, now)
    }

    /// The stored policy of a binding. Returns whether this changes anything.
    pub fn written(&mut self, binding: &Binding, sequence: u64, digest: &str, now: Instant) -> bool {
        let gateways_of = self.by_binding.entry(binding.clone()).or_default();
        gateways_of.standing.written = Some((sequence, digest.to_owned()));
        gateways_of.standing.failure = None;
        gateways_of.count(binding, now)
    }

    /// The planned policy of a binding can't be written. Returns whether this changes anything.
    pub fn failed(&mut self, binding: &Binding, why: &str, now: Instant) -> bool {
        let gateways_of = self.by_binding.entry(binding.clone()).or_default();
        gateways_of.standing.failure = Some(why.to_owned());
        gateways_of.count(binding, now)
    }

    /// The planned policy is written, and no connected gateway has an older one.
    #[must_use]
    pub fn has_taken(&self, binding: &Binding) -> bool {
        self.by_binding
            .get(binding)
            .is_none_or(|gateways_of| !gateways_of.tally.unwritten && gateways_of.tally.behind.is_none())
    }

    /// A binding is no longer planned.
    pub fn forget(&mut self, binding: &Binding) {
        self.by_binding.remove(binding);
    }

    /// Updates all gateways; returns the bindings for which this changes anything.
    pub fn look(&mut self, live: &[LivePod], states: &[SidecarState], now: Instant) -> BTreeSet<Binding> {
        let by_uid: BTreeMap<&str, &SidecarState> = states.iter().map(|state| (state.uid.as_str(), state)).collect();
        let before = |gateways_of: &mut BindingGateways| std::mem::take(&mut gateways_of.gateways);
        let mut known: BTreeMap<Binding, BTreeMap<String, GatewayReport>> =
            self.by_binding.iter_mut().map(|(binding, gateways_of)| (binding.clone(), before(gateways_of))).collect();
        for pod in live {
            let known = known.get_mut(&pod.binding).and_then(|known| known.remove(&pod.uid)).unwrap_or_default();
            let gateway = match by_uid.get(pod.uid.as_str()) {
                Some(state) => GatewayReport {
                    alone: None,
                    sequence: state.sequence,
                    rejected: state.rejected.clone(),
                    // A gateway that makes progress is not stuck, however fast policies follow each other.
                    behind: known.behind.filter(|_| state.sequence == known.sequence),
                },
                None => GatewayReport { alone: Some(known.alone.unwrap_or(now)), ..GatewayReport::default() },
            };
            self.by_binding.entry(pod.binding.clone()).or_default().gateways.insert(pod.uid.clone(), gateway);
        }
        self.by_binding.retain(|_, gateways_of| gateways_of.is_needed());
        let counted = self
            .by_binding
            .iter_mut()
            .filter_map(|(binding, gateways_of)| gateways_of.count(binding, now).then(|| binding.clone()));
        counted.collect()
    }

    /// Of several bindings together.
    #[must_use]
    pub fn tally<'a>(&self, bindings: impl IntoIterator<Item = &'a Binding>) -> GatewayCounts {
        let mut tally = GatewayCounts::default();
        for binding in bindings {
            match self.by_binding.get(binding) {
                Some(gateways_of) => tally.add(&gateways_of.tally),
                None => tally.unwritten = true,
            }
        }
        tally
    }
}

impl BindingGateways {
    fn is_needed(&self) -> bool {
        !self.gateways.is_empty() || self.standing != BindingPolicy::default()
    }

    /// Counts again; returns whether anything changed.
    fn count(&mut self, binding: &Binding, now: Instant) -> bool {
        let wanted = self.standing.sequence();
        let failure = self.standing.failure.clone();
        let mut tally =
            GatewayCounts { unwritten: wanted.is_none() || failure.is_some(), failure, ..GatewayCounts::default() };
        for gateway in self.gateways.values_mut() {
            tally.add(&gateway.count(binding, wanted, now));
        }
        let differs = self.tally != tally;
        self.tally = tally;
        differs
    }
}

impl GatewayReport {
    fn count(&mut self, binding: &Binding, wanted: Option<u64>, now: Instant) -> GatewayCounts {
        let here = || BTreeSet::from([binding.clone()]);
        let mut tally = GatewayCounts { live: 1, ..GatewayCounts::default() };
        if let Some(since) = self.alone {
            return GatewayCounts { alone: Some(since), unconnected: here(), ..tally };
        }
        tally.connected = 1;
        // A refusal of an older policy does not apply to this one.
        let refusal = self.rejected.as_ref().filter(|refusal| Some(refusal.sequence) == wanted);
        match wanted {
            // No gateway can be behind a policy that is not written yet.
            Some(wanted) if self.sequence != Some(wanted) && refusal.is_none() => {
                let since = *self.behind.get_or_insert(now);
                GatewayCounts { behind: Some(since), late: here(), ..tally }
            }
            _ => {
                self.behind = None;
                tally.programmed = usize::from(refusal.is_none());
                tally.rejected = usize::from(refusal.is_some());
                GatewayCounts { refusal: refusal.cloned(), ..tally }
            }
        }
    }
}
