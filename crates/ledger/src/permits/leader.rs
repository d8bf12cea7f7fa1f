//! The operator's side: who has which permits, as far as it can be known.
//!
//! For each pod the leader counts the most permits that the pod may have: those it reported, and all that were granted
//! since, minus those it reported as returned. The permits of a silent gateway stay counted until its pod is gone.
//!
//! Times named `now` are milliseconds of a monotonic clock, from any origin.

use std::collections::{BTreeMap, BTreeSet};

use outrigger_core::Millis;

use super::protocol::{PermitGrant, PermitGrants, PermitReport, PermitSession, PermitUsage};

/// A new leader grants nothing until all existing pods have reported, or this time has passed.
const GRACE: Millis = 10_000;
/// A need that a gateway does not repeat within this time is forgotten.
const FORGOTTEN: Millis = 5_000;
/// No limit is higher, so no pod has more.
const HELD_MAX: u64 = 1_000_000;
/// A report with more limits than this is not genuine.
const MOST_NAMED: usize = 10_000;

/// All permits of the gateways that one leader serves.
#[derive(Clone, Debug)]
pub struct PermitLeader {
    begun: Millis,
    /// Whether it knows which pods have which permits.
    ready: bool,
    pub(super) limits: BTreeMap<String, PermitLimit>,
    pods: BTreeMap<String, PermitPod>,
    /// Limits with changes that affect waiting pods.
    pub(super) changed: BTreeSet<String>,
    /// The limits to report to each pod.
    pub(super) unsent: BTreeMap<String, BTreeSet<String>>,
    findings: Vec<PermitFinding>,
}

/// A limit, and the pods that have permits of it.
#[derive(Clone, Debug, Default)]
pub(super) struct PermitLimit {
    /// Zero for a limit that no policy names.
    pub(super) max: u64,
    pub(super) parts: BTreeMap<String, PermitPart>,
    /// The next turn: for a pod that begins to wait, or got a permit.
    pub(super) turn: u64,
}

/// A pod's part of a limit.
#[derive(Clone, Debug, Default)]
pub(super) struct PermitPart {
    pub(super) granted: u64,
    pub(super) returned: u64,
    pub(super) recall: u64,
    pub(super) used: u64,
    /// What it needs and wants, in addition to what was granted since it reported that.
    pub(super) need: u64,
    pub(super) want: u64,
    pub(super) coming: bool,
    /// Others wait, and it may have an idle permit.
    pub(super) wanted: bool,
    /// The pod that waits longest, and got its last permit longest ago, comes first.
    pub(super) turn: u64,
}

/// A pod that has reported.
#[derive(Clone, Debug)]
struct PermitPod {
    session: PermitSession,
    number: u64,
    reported_at: Millis,
}

/// What a leader wants to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PermitOutput {
    /// To the pod's gateway, if it is connected.
    Grants {
        pod: String,
        grants: PermitGrants,
    },
    Finding(PermitFinding),
}

/// An impossible value in a gateway's report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PermitFinding {
    pub pod: String,
    pub limit: Option<String>,
    pub kind: PermitFindingKind,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PermitFindingKind {
    /// It has more permits than the leader granted, or than there are.
    More,
    /// No key of its pod has this limit.
    NotAllowed,
    /// It names far too many limits.
    Absurd,
}

impl PermitPart {
    pub(super) fn held(&self) -> u64 {
        self.granted.saturating_sub(self.returned)
    }

    /// Permits that are recalled and not returned yet.
    pub(super) fn recalled(&self) -> u64 {
        self.recall.saturating_sub(self.returned)
    }

    /// Idle permits that are not recalled yet.
    pub(super) fn idle(&self) -> u64 {
        self.held().saturating_sub(self.used).saturating_sub(self.recalled())
    }
}

impl PermitLeader {
    /// A leader that starts now, and knows no pod.
    #[must_use]
    pub fn new(now: Millis) -> PermitLeader {
        PermitLeader {
            begun: now,
            ready: false,
            limits: BTreeMap::new(),
            pods: BTreeMap::new(),
            changed: BTreeSet::new(),
            unsent: BTreeMap::new(),
            findings: Vec::new(),
        }
    }

    /// Whether it grants.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.ready
    }

    /// Adopts all limits that policies have now. Permits of limits that are no longer named are recalled.
    pub fn adopt(&mut self, limits: impl IntoIterator<Item = (String, u64)>) -> Vec<PermitOutput> {
        let limits: BTreeMap<String, u64> = limits.into_iter().collect();
        for (name, limit) in &mut self.limits {
            if !limits.contains_key(name) && limit.max > 0 {
                limit.max = 0;
                self.changed.insert(name.clone());
            }
        }
        for (name, max) in limits {
            let limit = self.limits.entry(name.clone()).or_default();
            if limit.max != max {
                limit.max = max;
                self.changed.insert(name);
            }
        }
        self.limits.retain(|_, limit| limit.max > 0 || !limit.parts.is_empty());
        self.finish()
    }

    /// Advances the time. `pods` are existing pods that may have permits: the leader waits for their reports. A pod
    /// that is missing in `pods` is not assumed to be gone.
    pub fn tick<'a>(&mut self, now: Millis, pods: impl IntoIterator<Item = &'a str>) -> Vec<PermitOutput> {
        if !self.ready {
            let all_reported = pods.into_iter().all(|pod| self.pods.contains_key(pod));
            if all_reported || now.saturating_sub(self.begun) >= GRACE {
                self.ready = true;
                self.changed.extend(self.limits.keys().cloned());
            }
        }
        let silent = |pod: &&PermitPod| now.saturating_sub(pod.reported_at) >= FORGOTTEN;
        for (name, limit) in &mut self.limits {
            for (pod, part) in limit.parts.iter_mut().filter(|(_, part)| part.need > 0 || part.want > 0) {
                if self.pods.get(pod).as_ref().is_none_or(silent) {
                    (part.need, part.want) = (0, 0);
                    self.changed.insert(name.clone());
                }
            }
        }
        self.finish()
    }

    /// Handles a gateway's report. `pod` is authenticated, and `allowed` contains the limits of the keys that the pod
    /// may use.
    pub fn report(
        &mut self,
        pod: &str,
        allowed: impl Fn(&str) -> bool,
        report: PermitReport,
        now: Millis,
    ) -> Vec<PermitOutput> {
        if report.limits.len() > MOST_NAMED {
            self.find(pod, None, PermitFindingKind::Absurd);
            return self.finish();
        }
        let known = self.pods.get(pod).filter(|known| known.session.process == report.session.process);
        let is_new = known.is_none_or(|known| known.session.connection < report.session.connection);
        if known.is_some_and(|known| {
            known.session.connection > report.session.connection || (!is_new && known.number >= report.number)
        }) {
            return self.finish();
        }
        let reported = PermitPod { session: report.session, number: report.number, reported_at: now };
        self.pods.insert(pod.to_owned(), reported);
        if is_new {
            // The pod has no permits of limits that it does not name: its requests ended with its process.
            let named: BTreeSet<&str> = report.limits.iter().map(|usage| usage.limit.as_str()).collect();
            for (name, limit) in &mut self.limits {
                if !named.contains(name.as_str()) && limit.parts.remove(pod).is_some() {
                    self.changed.insert(name.clone());
                }
            }
        }
        self.unsent.entry(pod.to_owned()).or_default();
        for usage in &report.limits {
            self.usage(pod, &allowed, usage, is_new);
        }
        if report.last {
            self.forget(pod);
        }
        self.finish()
    }

    fn usage(&mut self, pod: &str, allowed: &impl Fn(&str) -> bool, usage: &PermitUsage, is_new: bool) {
        let name = usage.limit.as_str();
        let allowed = allowed(name);
        let held = usage.granted.saturating_sub(usage.returned);
        if !allowed && (held > 0 || usage.need > 0 || usage.want > 0) {
            // Its policy may be about to change: its permits stay counted, and it gets no more.
            let known = self.limits.get(name).is_some_and(|limit| limit.parts.contains_key(pod));
            if !known {
                return self.find(pod, Some(name), PermitFindingKind::NotAllowed);
            }
        }
        let Some(limit) = self.limits.get_mut(name) else { return };
        let fresh = !limit.parts.contains_key(pod);
        if fresh && !allowed {
            return;
        }
        let turn = limit.turn + 1;
        let (max, part) = (limit.max, limit.parts.entry(pod.to_owned()).or_default());
        // For a session that is new here, the pod's own report is all that is known. It may exceed the limit if that
        // was lowered.
        let most = if is_new || fresh { HELD_MAX } else { part.granted };
        if usage.granted > most {
            return self.find(pod, Some(name), PermitFindingKind::More);
        }
        let before = (part.held(), part.used, part.need, part.want);
        if is_new || fresh {
            let needy = part.need > 0;
            let need = u64::from(needy);
            *part = PermitPart { granted: usage.granted, turn: part.turn, need, ..PermitPart::default() };
        }
        part.returned = part.returned.max(usage.returned.min(part.granted));
        part.used = usage.used;
        // Permits that were granted since, and that it does not know of yet, are no longer needed.
        let unreported = part.granted.saturating_sub(usage.granted);
        let waited = part.need > 0;
        part.need = if allowed { usage.need.saturating_sub(unreported).min(max) } else { 0 };
        let rest = unreported.saturating_sub(usage.need);
        part.want = if allowed { usage.want.saturating_sub(rest).min(max) } else { 0 };
        if part.need > 0 && !waited {
            (limit.turn, part.turn) = (turn, turn);
        }
        if before != (part.held(), part.used, part.need, part.want) || part.need > 0 {
            self.changed.insert(name.to_owned());
        }
        self.unsent.entry(pod.to_owned()).or_default().insert(name.to_owned());
    }

    /// The pod is gone for good: its permits are free.
    pub fn gone(&mut self, pod: &str) -> Vec<PermitOutput> {
        self.forget(pod);
        self.pods.remove(pod);
        self.unsent.remove(pod);
        self.finish()
    }

    fn forget(&mut self, pod: &str) {
        for (name, limit) in &mut self.limits {
            if limit.parts.remove(pod).is_some() {
                self.changed.insert(name.clone());
            }
        }
    }

    /// Pods that have reported, or have permits.
    pub fn pods(&self) -> impl Iterator<Item = &str> {
        self.pods.keys().map(String::as_str)
    }

    fn find(&mut self, pod: &str, limit: Option<&str>, kind: PermitFindingKind) {
        let limit = limit.map(|limit| limit.chars().take(256).collect());
        self.findings.push(PermitFinding { pod: pod.to_owned(), limit, kind });
    }

    /// Serves waiting pods, and returns the resulting outputs.
    fn finish(&mut self) -> Vec<PermitOutput> {
        for name in std::mem::take(&mut self.changed) {
            self.serve(&name, self.ready);
        }
        let mut out: Vec<PermitOutput> = self.findings.drain(..).map(PermitOutput::Finding).collect();
        for (pod, limits) in std::mem::take(&mut self.unsent) {
            let Some(reported) = self.pods.get(&pod) else { continue };
            let grant = |name: String| {
                let limit = self.limits.get(&name)?;
                let part = limit.parts.get(&pod)?;
                let running = limit.parts.values().map(|part| part.used).fold(0, u64::saturating_add);
                let PermitPart { granted, recall, coming, wanted, .. } = *part;
                Some(PermitGrant { limit: name, granted, recall, coming, wanted, running })
            };
            let limits = limits.into_iter().filter_map(grant).collect();
            let grants = PermitGrants { session: reported.session, answers: reported.number, limits };
            out.push(PermitOutput::Grants { pod, grants });
        }
        out
    }
}
