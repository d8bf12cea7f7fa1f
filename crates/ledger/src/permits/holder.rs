//! The gateway's side: the permits it has, and when it requests more or returns some.
//!
//! Times named `now` are milliseconds of a monotonic clock, from any origin.

use std::collections::BTreeMap;

use outrigger_core::Millis;

use super::protocol::{PermitGrants, PermitReport, PermitSession, PermitUsage};
use crate::shared::holder::Due;

/// A report that is not answered, or that requests permits, is repeated after this time.
const AGAIN: Millis = 1_000;
/// For this long after a request found no permit, the permit counts as needed: its caller will try again.
const NEEDED: Millis = 3_000;
/// A permit that was needed and is granted is kept for this long: the caller that was refused may come back.
const KEPT: Millis = 1_500;
/// How often permits that become idle are reported to the leader while others wait.
const HINTS: Millis = 100;
/// Permits that are idle for one or two of these periods are returned, except for a few.
const IDLE: Millis = 30_000;
const FEW: u64 = 2;
/// A leader that is silent for this long after a report counts as unreachable.
const SILENT: Millis = 2_000;

/// A limit of a holder: the same for the lifetime of the holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PermitNo(u32);

/// Why a request finds no permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PermitShort {
    /// One may be granted soon: the leader has not answered yet, or announced it.
    Coming,
    /// The maximum number of requests is running, here or at all gateways.
    Reached,
    /// More may run, but nobody is there who could grant it.
    Unanswered,
}

/// The state of a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PermitView {
    /// Requests that run here.
    pub used: u64,
    /// Permits that this gateway has.
    pub held: u64,
    /// Requests that run at all gateways, as the leader last reported.
    pub running: u64,
}

/// The permits of one gateway. For one thread at a time.
#[derive(Clone, Debug)]
pub struct PermitHolder {
    session: PermitSession,
    /// The number of the last report, and when it was sent.
    number: u64,
    sent_at: Option<Millis>,
    /// The last report that was answered in this session, and when the leader was heard last.
    answered: Option<u64>,
    answered_at: Option<Millis>,
    connected: bool,
    /// Whether any policy has shared its limits.
    sharing: bool,
    closing: bool,
    /// The number of the final report.
    closed_in: Option<u64>,
    limits: Vec<HeldPermits>,
    numbers: BTreeMap<String, PermitNo>,
}

#[derive(Clone, Debug, Default)]
struct HeldPermits {
    name: String,
    /// Whether the current policy contains it, and how many requests may run.
    named: bool,
    most: u64,
    /// Since the session began, including what it had then.
    granted: u64,
    returned: u64,
    recall: u64,
    used: u64,
    /// Requests that wait for a permit.
    waiting: u64,
    /// Permits that were granted for these requests, and that they have not taken yet.
    promised: u64,
    /// When a request was refused because there was no permit.
    refused_at: Option<Millis>,
    kept_until: Millis,
    /// The last report that requested the needed permits, and when it was sent.
    asked: Option<(u64, Millis)>,
    /// When permits for future requests were last wanted.
    wanted_at: Option<Millis>,
    coming: bool,
    /// Whether others wait, and when the last idle permit was reported to the leader.
    wanted: bool,
    hinted_at: Option<Millis>,
    /// The highest recent number of running requests, and the one before.
    peak: [u64; 2],
    looked_at: Millis,
    running: u64,
    /// Whether it changed since the last report, and whether a waiter needs to know.
    changed: bool,
    urgent: bool,
}

impl HeldPermits {
    fn held(&self) -> u64 {
        self.granted.saturating_sub(self.returned)
    }

    fn idle(&self) -> u64 {
        self.held().saturating_sub(self.used)
    }

    fn need(&self, now: Millis) -> u64 {
        let refused = self.refused_at.is_some_and(|at| now.saturating_sub(at) < NEEDED);
        let need = self.waiting.max(refused.into()).saturating_sub(self.idle());
        // If its own policy has a lower limit, it can't use more.
        if self.named { need.min(self.most.saturating_sub(self.held())) } else { 0 }
    }

    fn want(&self, now: Millis) -> u64 {
        let ahead = if self.used > 0 { (self.used / 4).max(1) } else { 0 };
        let need = self.need(now);
        let want = ahead.saturating_sub(self.idle());
        if self.named { want.min(self.most.saturating_sub(self.held()).saturating_sub(need)) } else { 0 }
    }

    fn give_back(&mut self, amount: u64) {
        let amount = amount.min(self.idle());
        if amount > 0 {
            self.returned += amount;
            self.changed = true;
        }
    }

    /// How many permits the leader has recalled that no request uses.
    fn heed_recall(&mut self, now: Millis) {
        let owed = self.recall.saturating_sub(self.returned).min(self.idle().saturating_sub(self.promised));
        if owed > 0 && now >= self.kept_until {
            self.give_back(owed);
            self.urgent = true;
        }
    }

    /// Reports idle permits that others wait for to the leader.
    fn hint(&mut self, now: Millis) {
        let hinted_recently = self.hinted_at.is_some_and(|at| now.saturating_sub(at) < HINTS);
        if self.wanted && self.idle() > 0 && !hinted_recently {
            (self.hinted_at, self.urgent) = (Some(now), true);
        }
    }

    /// Returns permits that were idle for a while, and all permits of a limit that no policy names.
    fn tidy(&mut self, now: Millis, closing: bool) {
        self.heed_recall(now);
        if !self.named || closing {
            self.give_back(u64::MAX);
        }
        if now.saturating_sub(self.looked_at) >= IDLE {
            let keep = self.peak[0].max(self.peak[1]).saturating_add(FEW);
            self.give_back(self.held().saturating_sub(keep));
            self.peak = [self.used, self.peak[0]];
            self.looked_at = now;
        }
    }
}

impl PermitHolder {
    /// A holder of a process that just started. `process` is a different number for each process.
    #[must_use]
    pub fn new(process: u64) -> PermitHolder {
        PermitHolder {
            session: PermitSession { process, connection: 0 },
            number: 0,
            sent_at: None,
            answered: None,
            answered_at: None,
            connected: false,
            sharing: false,
            closing: false,
            closed_in: None,
            limits: Vec::new(),
            numbers: BTreeMap::new(),
        }
    }

    /// Adopts the limits of a policy, each with its number of concurrent requests, and returns their numbers in the
    /// same order. Permits of limits that are no longer named are returned as requests end.
    pub fn adopt<'a>(&mut self, limits: impl IntoIterator<Item = (&'a str, u64)>) -> Vec<PermitNo> {
        self.sharing = true;
        self.limits.iter_mut().for_each(|limit| limit.named = false);
        let mut numbers = Vec::new();
        for (name, most) in limits {
            let no = self.number_of(name);
            if let Some(limit) = self.limits.get_mut(no.place()) {
                (limit.named, limit.most) = (true, most);
            }
            numbers.push(no);
        }
        self.limits.iter_mut().for_each(|limit| limit.changed = true);
        numbers
    }

    /// The number of a limit, whether or not a policy names it.
    pub fn number_of(&mut self, name: &str) -> PermitNo {
        if let Some(no) = self.numbers.get(name) {
            return *no;
        }
        let no = PermitNo(u32::try_from(self.limits.len()).unwrap_or(u32::MAX));
        self.limits.push(HeldPermits { name: name.to_owned(), ..HeldPermits::default() });
        self.numbers.insert(name.to_owned(), no);
        no
    }

    /// Takes a permit for a request.
    ///
    /// # Errors
    /// There is no permit here; the error says whether to wait for one.
    pub fn take(&mut self, limit: PermitNo, now: Millis) -> Result<(), PermitShort> {
        let answers = self.answers(now);
        let Some(held) = self.limits.get_mut(limit.place()) else { return Err(PermitShort::Reached) };
        if held.used < held.most && held.idle() > 0 {
            held.used += 1;
            held.promised = held.promised.saturating_sub(1);
            held.peak[0] = held.peak[0].max(held.used);
            held.changed = true;
            if held.idle() == 0 {
                (held.kept_until, held.refused_at) = (Millis::MIN, None);
                // The next request should not have to wait.
                let asked = held.wanted_at.is_some_and(|at| now.saturating_sub(at) < AGAIN);
                if !asked && held.named && held.held() < held.most {
                    (held.wanted_at, held.urgent) = (Some(now), true);
                }
            }
            return Ok(());
        }
        // A recent answer also applies to the next request.
        let is_answered = held.asked.is_some_and(|(number, at)| {
            now.saturating_sub(at) < SILENT && self.answered.is_some_and(|answered| answered >= number)
        });
        match held.used < held.most {
            true if !answers => Err(PermitShort::Unanswered),
            true if held.coming || !is_answered => Err(PermitShort::Coming),
            _ => Err(PermitShort::Reached),
        }
    }

    /// Why a request that has waited gets no permit.
    #[must_use]
    pub fn waited_in_vain(&self, limit: PermitNo, now: Millis) -> PermitShort {
        let recent = self.answered_at.is_some_and(|at| now.saturating_sub(at) < SILENT);
        let reached = self.limits.get(limit.place()).is_none_or(|held| held.used >= held.most);
        if reached || (recent && self.answers(now)) { PermitShort::Reached } else { PermitShort::Unanswered }
    }

    /// Whether the leader can be reached: it answers, or was asked just now.
    fn answers(&self, now: Millis) -> bool {
        let waits = self.answered != Some(self.number);
        let silent = waits && self.sent_at.is_some_and(|at| now.saturating_sub(at) >= SILENT);
        self.connected && !self.closing && !silent
    }

    /// The request that had a permit has ended.
    pub fn release(&mut self, limit: PermitNo, now: Millis) {
        let closing = self.closing;
        if let Some(held) = self.limits.get_mut(limit.place()) {
            held.used = held.used.saturating_sub(1);
            held.changed = true;
            held.heed_recall(now);
            held.hint(now);
            if (closing || !held.named) && held.idle() > 0 {
                held.give_back(u64::MAX);
                held.urgent = true;
            }
        }
    }

    /// A request begins to wait for a permit.
    pub fn wait(&mut self, limit: PermitNo) {
        if let Some(held) = self.limits.get_mut(limit.place()) {
            held.waiting += 1;
            held.urgent = true;
        }
    }

    /// The request got a permit, or stopped waiting.
    pub fn waited(&mut self, limit: PermitNo) {
        if let Some(held) = self.limits.get_mut(limit.place()) {
            held.waiting = held.waiting.saturating_sub(1);
            held.promised = held.promised.min(held.waiting);
        }
    }

    /// A request was refused because there was no permit.
    pub fn refused(&mut self, limit: PermitNo, now: Millis) {
        if let Some(held) = self.limits.get_mut(limit.place()) {
            held.urgent |= held.need(now) == 0;
            held.refused_at = Some(now);
        }
    }

    /// A connection has begun. Reports of earlier sessions no longer count, so it reports everything that it has.
    pub fn connected(&mut self) {
        self.session.connection += 1;
        (self.connected, self.answered, self.sent_at) = (true, None, None);
        for limit in &mut self.limits {
            (limit.granted, limit.returned, limit.recall) = (limit.held(), 0, 0);
            (limit.coming, limit.wanted, limit.asked) = (false, false, None);
        }
    }

    /// The connection has ended.
    pub fn disconnected(&mut self) {
        self.connected = false;
    }

    /// When the next report is due, while a connection is open.
    pub fn due(&mut self, now: Millis) -> Due {
        if !self.connected || !self.sharing {
            return Due::Never;
        }
        let closing = self.closing;
        self.limits.iter_mut().for_each(|limit| limit.tidy(now, closing));
        let Some(sent_at) = self.sent_at else { return Due::Now };
        let again = now.saturating_sub(sent_at) >= AGAIN;
        let unanswered = self.answered != Some(self.number);
        let urgent = self.limits.iter().any(|limit| limit.urgent);
        let needed = || self.limits.iter().any(|limit| limit.need(now) > 0);
        match () {
            () if urgent || (again && (unanswered || needed())) => Due::Now,
            () if self.limits.iter().any(|limit| limit.changed) => Due::Soon,
            () => Due::Seldom,
        }
    }

    /// The next report to the leader; `None` without a connection.
    pub fn report(&mut self, now: Millis) -> Option<PermitReport> {
        if !self.connected || !self.sharing {
            return None;
        }
        self.number += 1;
        self.sent_at = Some(now);
        let (number, closing) = (self.number, self.closing);
        let mut limits = Vec::new();
        for limit in &mut self.limits {
            limit.tidy(now, closing);
            let (need, want) = if closing { (0, 0) } else { (limit.need(now), limit.want(now)) };
            if need > 0 {
                limit.asked = Some((number, now));
            }
            (limit.changed, limit.urgent) = (false, false);
            // A limit whose last permits were returned is reported until the session ends.
            if limit.named || limit.granted > 0 {
                limits.push(PermitUsage {
                    limit: limit.name.clone(),
                    granted: limit.granted,
                    returned: limit.returned,
                    used: limit.used,
                    need,
                    want,
                });
            }
        }
        let last = closing && self.limits.iter().all(|limit| limit.held() == 0);
        if last {
            self.closed_in.get_or_insert(number);
        }
        Some(PermitReport { session: self.session, number, limits, last })
    }

    /// Applies a message of the leader. Returns whether waiting requests should look again.
    pub fn granted(&mut self, grants: &PermitGrants, now: Millis) -> bool {
        if grants.session != self.session || grants.answers > self.number {
            return false;
        }
        self.answered = self.answered.max(Some(grants.answers));
        self.answered_at = Some(now);
        for grant in &grants.limits {
            let Some(held) = self.numbers.get(&grant.limit).and_then(|no| self.limits.get_mut(no.place())) else {
                continue;
            };
            if grant.granted > held.granted && !self.closing {
                if held.waiting == 0 && held.need(now) > 0 {
                    held.kept_until = now.saturating_add(KEPT);
                }
                let more = grant.granted - held.granted;
                held.promised = held.promised.saturating_add(more).min(held.waiting);
                (held.granted, held.asked) = (grant.granted, None);
                held.changed = true;
            }
            let recalled = grant.recall > held.recall;
            held.recall = held.recall.max(grant.recall);
            (held.coming, held.wanted, held.running) = (grant.coming, grant.wanted, grant.running);
            held.heed_recall(now);
            held.hint(now);
            // Others wait for permits that the leader considers idle.
            held.urgent |= recalled && held.recall > held.returned;
        }
        true
    }

    /// The process is about to end: permits are returned as requests end, and no new ones are taken.
    pub fn close(&mut self) {
        self.closing = true;
        self.limits.iter_mut().for_each(|limit| limit.urgent = true);
    }

    /// Whether any policy has shared its limits.
    #[must_use]
    pub fn is_sharing(&self) -> bool {
        self.sharing
    }

    /// Whether nothing has to happen as time passes, except for occasional reports.
    #[must_use]
    pub fn is_idle(&self, now: Millis) -> bool {
        let waits = |limit: &HeldPermits| limit.need(now) > 0 || limit.recall > limit.returned;
        self.answered == Some(self.number) && !self.limits.iter().any(waits)
    }

    /// Whether the leader has confirmed the final report, or there is no leader to confirm it.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        let confirmed = self.closed_in.is_some_and(|number| self.answered >= Some(number));
        confirmed || !self.sharing || !self.connected
    }

    #[must_use]
    pub fn view(&self, limit: PermitNo) -> PermitView {
        self.limits.get(limit.place()).map_or(PermitView::default(), |limit| PermitView {
            used: limit.used,
            held: limit.held(),
            running: limit.running.max(limit.used),
        })
    }
}

impl PermitNo {
    fn place(self) -> usize {
        self.0 as usize
    }
}
