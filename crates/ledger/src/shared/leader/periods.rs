//! Chooses the account that is served, and removes old ones.
//!
//! Only the leader's wall clock decides when a period begins. A clock that steps back by at most a day does not return
//! to an earlier period. A clock that was further ahead was wrong, and is ignored once it is corrected. The accounts of
//! the time before still exist, because nothing is forgotten before the leader has seen it ended for [`REMOVED`] of its
//! own clock.

use std::collections::BTreeSet;

use outrigger_core::{Millis, Period};

use super::account::{PartState, Removal};
use super::books::LedgerBooks;
use super::page::account_bytes;
use super::shards::Urgency;
use super::{AccountNo, HolderNo, LedgerLimitNo};
use crate::protocol::{AccountKey, LimitKey};
use crate::shared::record::AccountRecord;

/// A clock that steps back by more was wrong before.
const AHEAD: Millis = 86_400_000;
/// How long before the end of a period the next one is granted. The grants are spread over half of this time.
const EARLY: Millis = 60_000;
/// How long accounts that no longer count are kept.
const REMOVED: Millis = 3_600_000;
/// An account that never ends is kept so long after the last object that had its limit: whoever deletes an object by
/// mistake and makes it again loses nothing.
const ABSENT: Millis = 7 * 86_400_000;
/// How many ended accounts of a limit are always kept: for questions about the last period, and for clocks that are
/// corrected.
const KEPT: usize = 2;
/// How long a holder is kept after its pod is gone, because the report may be wrong. Then it is folded.
const GONE: Millis = 600_000;
/// The time between two searches for ended accounts.
const SWEEP: Millis = 5_000;

impl LedgerBooks {
    pub(super) fn move_to(&mut self, now: Millis) {
        if now >= self.latest || self.latest.saturating_sub(now) > AHEAD {
            self.latest = now;
        }
    }

    /// The account of a limit that is served now; created if necessary.
    pub(super) fn current(&mut self, id: &LimitKey, make: bool) -> Option<AccountNo> {
        let no = *self.limit_numbers.get(id)?;
        let limit = self.limit(no).filter(|limit| limit.named)?;
        let period = limit.window.as_ref()?.period(self.latest);
        self.of_period(id, period, make)
    }

    /// The account of a period that a gateway began by its own clock, while the ledger was unreachable; `None` if the
    /// period does not count, or is not a period of the limit.
    pub(super) fn begun_by(&mut self, key: &AccountKey) -> Option<AccountNo> {
        let limit = self.limit(*self.limit_numbers.get(&key.limit)?).filter(|limit| limit.named)?;
        let window = limit.window.as_ref()?;
        let (period, current) = (window.period(key.start), window.period(self.latest));
        let since = window.length().map_or(self.latest, |length| self.latest.saturating_sub(length));
        let counts = period.end.is_none_or(|end| end > since);
        // A clock may be slightly ahead.
        let next = current.end.unwrap_or(current.start);
        (period.start == key.start && counts && key.start <= next).then_some(())?;
        self.of_period(&key.limit, period, true)
    }

    fn of_period(&mut self, id: &LimitKey, period: Period, make: bool) -> Option<AccountNo> {
        let limit = self.limit(*self.limit_numbers.get(id)?)?;
        if let Some(no) = limit.accounts.get(&period.start).copied() {
            let account = self.accounts.get_mut(&no)?;
            // The store may have forgotten it already: then it is created again.
            if account.removal == Removal::Leaving {
                return None;
            }
            // It may count again, because a clock was corrected.
            account.removal = Removal::Counts;
            return Some(no);
        }
        if !make {
            return None;
        }
        let key = AccountKey { limit: id.clone(), start: period.start };
        let mut record = AccountRecord::new(key, period.end);
        if let Some(last) = limit.accounts.values().next_back().and_then(|no| self.accounts.get(no)) {
            last.hand_on(&mut record);
        }
        let shard = self.shards.place(account_bytes(&record.key), None);
        let no = self.add_account(&record, shard);
        let now = self.steady;
        if let Some(account) = self.accounts.get_mut(&no) {
            (account.pace.looked_at, account.pace.oldest_report) = (now, now);
        }
        self.shards.touch(shard, Urgency::Now, now);
        Some(no)
    }

    /// Whether an account's period has ended.
    pub(super) fn is_over(&self, account: AccountNo) -> bool {
        self.accounts.get(&account).is_none_or(|account| account.end.is_some_and(|end| end <= self.latest))
    }

    /// Whether a missing account belongs to a past period, or to a limit that no longer exists.
    pub(super) fn is_past(&self, key: &AccountKey) -> bool {
        let limit = self.limit_numbers.get(&key.limit).and_then(|no| self.limit(*no));
        let window = limit.filter(|limit| limit.named).and_then(|limit| limit.window.as_ref());
        window.is_none_or(|window| key.start < window.period(self.latest).start)
    }

    /// Shortly before a period ends, active holders are granted part of the next one.
    pub(super) fn grant_ahead(&mut self, no: AccountNo, holder: HolderNo) {
        let Some(account) = self.accounts.get(&no) else { return };
        let (Some(end), Some(part)) = (account.end, account.parts.get(&holder)) else { return };
        // Spread, so that not all come at the same time.
        let early = EARLY - i64::from(holder.0.wrapping_mul(2_654_435_761) % 1000) * EARLY / 2000;
        let length = end.saturating_sub(account.key.start);
        if part.usual == 0 || end.saturating_sub(self.latest) > early.min(length / 2) {
            return;
        }
        let (usual, id) = (part.usual, account.key.limit.clone());
        let Some(window) =
            self.limit(account.limit).filter(|limit| limit.named).and_then(|limit| limit.window.as_ref())
        else {
            return;
        };
        let Some(next) = self.of_period(&id, window.period(end), true) else { return };
        let has = self
            .accounts
            .get(&next)
            .and_then(|account| account.parts.get(&holder))
            .is_some_and(|part| part.granted > 0);
        if !has {
            self.want(next, holder, usual, usual);
        }
        self.notices.entry(holder).or_default().entry(next).or_default();
    }

    /// Checks all accounts from time to time.
    pub(super) fn sweep(&mut self) {
        let crowded = self.accounts.iter().filter(|(_, account)| !account.line.is_empty()).map(|(no, _)| *no);
        self.waiting.extend(crowded.collect::<Vec<_>>());
        if self.steady.saturating_sub(self.swept_at) < SWEEP {
            return;
        }
        self.swept_at = self.steady;
        self.miss_limits();
        let kept = self.kept();
        for no in self.accounts.keys().copied().collect::<Vec<_>>() {
            self.look(no);
            self.fold_gone(no);
            self.end(no);
            self.retire(no, kept.contains(&no));
        }
        self.forget_holders();
    }

    /// The accounts that count or may still be needed.
    fn kept(&self) -> BTreeSet<AccountNo> {
        let mut kept = BTreeSet::new();
        for limit in &self.limits {
            let since = limit.window.as_ref().and_then(|window| window.length());
            let since = since.map_or(self.latest, |length| self.latest.saturating_sub(length));
            let mut ended = 0;
            for no in limit.accounts.values().rev() {
                let Some(account) = self.accounts.get(no) else { continue };
                let counts = account.end.is_none_or(|end| end > since);
                ended += usize::from(!counts);
                let absent = account.absent_since.is_some_and(|since| self.latest.saturating_sub(since) >= ABSENT);
                if (counts && !absent) || (limit.absent_since.is_none() && ended <= KEPT) {
                    kept.insert(*no);
                }
            }
        }
        kept
    }

    /// Notices which limits no object has any more, and which are there again. A new leader knows of few objects at first.
    fn miss_limits(&mut self) {
        let (steady, latest) = (self.steady, self.latest);
        let mut touched = Vec::new();
        for (id, no) in &self.limit_numbers {
            let Some(limit) = self.limits.get_mut(no.0 as usize) else { continue };
            let is_present = self.present.as_ref().is_none_or(|present| present.contains(id));
            limit.absent_since = match limit.named || is_present {
                true => None,
                false => Some(limit.absent_since.unwrap_or(steady)),
            };
            let gone = limit.absent_since.is_some_and(|since| steady.saturating_sub(since) >= REMOVED);
            for no in limit.accounts.values() {
                let Some(account) = self.accounts.get_mut(no).filter(|account| account.end.is_none()) else { continue };
                let absent_since = match limit.absent_since {
                    // It is not known yet whether its object is there.
                    None if !limit.named && self.present.is_none() => account.absent_since,
                    None => None,
                    Some(_) if gone => account.absent_since.or(Some(latest)),
                    Some(_) => account.absent_since,
                };
                if account.absent_since != absent_since {
                    account.absent_since = absent_since;
                    touched.push(*no);
                }
            }
        }
        touched.into_iter().for_each(|no| self.touch_account(no, Urgency::Lazy));
    }

    /// Parts of holders that are gone for a while move into the closed sums, and stay charged.
    fn fold_gone(&mut self, no: AccountNo) {
        let steady = self.steady;
        let Some(account) = self.accounts.get(&no) else { return };
        let gone = |state: PartState| matches!(state, PartState::Gone(since) if steady.saturating_sub(since) >= GONE);
        let gone: Vec<HolderNo> =
            account.parts.iter().filter(|(_, part)| gone(part.state)).map(|(holder, _)| *holder).collect();
        gone.into_iter().for_each(|holder| self.fold(no, holder, false, Urgency::Lazy));
    }

    /// An ended account grants nothing more: the rest of its ceiling is free.
    fn end(&mut self, no: AccountNo) {
        let (now, steady) = (self.latest, self.steady);
        let Some(account) = self.accounts.get_mut(&no) else { return };
        if account.end.is_none_or(|end| end > now) {
            return;
        }
        let lost = account.settle_former(steady);
        let mut changed = lost.is_some();
        if account.ceiling > account.granted_in_term {
            account.ceiling = account.granted_in_term;
            changed = true;
        }
        account.line.clear();
        let settled: Vec<HolderNo> = account
            .parts
            .iter()
            .filter(|(_, part)| part.has_reported && part.is_settled())
            .map(|(holder, _)| *holder)
            .collect();
        settled.into_iter().for_each(|holder| self.fold(no, holder, false, Urgency::Lazy));
        if changed {
            self.touch_account(no, Urgency::Lazy);
        }
        lost.into_iter().flatten().for_each(|holder| self.touch_part(no, holder, Urgency::Lazy));
    }

    /// A limit has another window. Accounts of the former one were used until now at unknown times. They count in the
    /// served period and in none after it. An account that begins like a period of the new window belongs to that
    /// period.
    pub(super) fn cut_anew(&mut self, limit: LedgerLimitNo) {
        let latest = self.latest;
        let Some(known) = self.limit(limit) else { return };
        let Some(window) = known.window.clone() else { return };
        for no in known.accounts.values().copied().collect::<Vec<_>>() {
            let Some(account) = self.accounts.get_mut(&no) else { continue };
            let (start, period) = (account.key.start, window.period(account.key.start));
            let used = latest.max(start.saturating_add(1));
            let used = account.end.map_or(used, |end| end.min(used));
            let end = match period.end {
                _ if period.start != start => Some(used),
                end => end.map(|end| end.max(used)),
            };
            if account.end != end {
                account.end = end;
                self.touch_account(no, Urgency::Lazy);
                self.end(no);
            }
        }
    }

    /// Removes an account that no longer counts from the store.
    fn retire(&mut self, no: AccountNo, kept: bool) {
        let steady = self.steady;
        let Some(account) = self.accounts.get_mut(&no) else { return };
        account.removal = match account.removal {
            Removal::Leaving => return,
            _ if kept => Removal::Counts,
            Removal::Counts => Removal::Since(steady),
            Removal::Since(since) if steady.saturating_sub(since) >= REMOVED => Removal::Leaving,
            Removal::Since(since) => Removal::Since(since),
        };
        if account.removal == Removal::Leaving {
            self.touch_account(no, Urgency::Lazy);
        }
    }

    /// Forgets holders without an account that are closed or have an earlier journal.
    fn forget_holders(&mut self) {
        let latest: BTreeSet<HolderNo> = self.pods.values().copied().collect();
        let numbers = &mut self.holder_numbers;
        self.holders.retain(|no, holder| {
            let keep = !holder.accounts.is_empty() || (latest.contains(no) && !holder.left);
            if !keep {
                numbers.remove(&holder.id);
            }
            keep
        });
        let holders = &self.holders;
        self.pods.retain(|_, no| holders.contains_key(no));
        let pods = &self.pods;
        self.workloads.retain(|pod, _| pods.contains_key(pod));
    }
}
