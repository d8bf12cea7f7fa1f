//! Decides which holders are granted how much, and which holders are notified.

use std::collections::BTreeMap;

use outrigger_core::Millis;

use super::account::{HolderPart, LedgerAccount, PartState};
use super::books::{LedgerBooks, LedgerLimit, Notice};
use super::input::Output;
use super::serving::{LineServed, Standing, UnmetWants};
use super::shards::Urgency;
use super::{AccountNo, HolderNo};
use crate::protocol::{AccountGrant, FleetAccount, Grants};
use crate::shared::record::RaiseRecord;

/// A ceiling is raised by the use of one second, or of [`AHEAD`] seconds if that is less than this fraction. This much
/// may be lost when a leader and a gateway are lost together.
const CHUNK: u128 = 200;
const AHEAD: u128 = 10;
/// A want that is not repeated within this time is forgotten.
const FORGOTTEN: Millis = 40_000;
/// If more holders than this wait, they are served together, this often.
const CROWD: usize = 64;
const TOGETHER: Millis = 100;
/// Money is recalled this often, and from at most this many holders at a time.
const RECALL: Millis = 500;
const RECALLED: usize = 500;

impl LedgerBooks {
    /// What is left of a limit after the commitments on this account and all others that count with it.
    pub(super) fn room(&self, account: &LedgerAccount) -> u128 {
        let Some(limit) = self.limit(account.limit).filter(|limit| limit.named) else { return 0 };
        let committed = self.counted(limit, account).map(LedgerAccount::committed_anew).fold(0, u128::saturating_add);
        u128::from(self.max_of(account)).saturating_sub(committed)
    }

    /// What may be used: as policies say, and what it is raised by.
    pub(super) fn max_of(&self, account: &LedgerAccount) -> u64 {
        let max = self.limit(account.limit).map_or(0, |limit| limit.max);
        max.saturating_add(self.raise_of(account).map_or(0, |raise| raise.by))
    }

    /// A raise that is in force.
    pub(super) fn raise_of(&self, account: &LedgerAccount) -> Option<RaiseRecord> {
        account.raise.filter(|raise| self.latest < raise.until)
    }

    /// The commitments on the other accounts that count with this one.
    fn committed_beside(&self, account: &LedgerAccount) -> u128 {
        let Some(limit) = self.limit(account.limit) else { return 0 };
        let others = self.counted(limit, account).filter(|other| other.key.start != account.key.start);
        others.map(LedgerAccount::committed_anew).fold(0, u128::saturating_add)
    }

    /// The accounts that count with this one, including itself.
    pub(super) fn counted<'a>(
        &'a self,
        limit: &'a LedgerLimit,
        account: &'a LedgerAccount,
    ) -> impl Iterator<Item = &'a LedgerAccount> {
        let since =
            limit.window.as_ref().and_then(|window| window.length()).map(|length| self.latest.saturating_sub(length));
        let (start, end) = (account.key.start, account.end);
        let counts = move |other: &&LedgerAccount| match since {
            // Including the next bucket, which will count with this one.
            Some(since) => other.end.is_none_or(|end| end > since),
            None => other.end.is_none_or(|other| other > start) && end.is_none_or(|end| other.key.start < end),
        };
        limit.accounts.values().filter_map(|no| self.accounts.get(no)).filter(counts)
    }

    /// The state of a limit, from the perspective of one of its accounts.
    pub(super) fn fleet(&self, account: &LedgerAccount) -> FleetAccount {
        let Some(limit) = self.limit(account.limit) else { return FleetAccount::default() };
        let sum =
            |of: fn(&LedgerAccount) -> u128| narrow(self.counted(limit, account).map(of).fold(0, u128::saturating_add));
        FleetAccount {
            limit: self.max_of(account),
            raised: self.raise_of(account).map_or(0, |raise| raise.by),
            spent: sum(LedgerAccount::spent_anew),
            reserved: sum(|account| account.totals.reserved),
            leased: sum(|account| account.totals.leased),
            unconfirmed: sum(LedgerAccount::unconfirmed),
            age_ms: u64::try_from(self.steady.saturating_sub(account.pace.oldest_report)).unwrap_or(0),
        }
    }

    /// A holder wants this much of an account; `None`: it wants no more.
    pub(super) fn want(&mut self, no: AccountNo, holder: HolderNo, want: u64, least: u64) {
        let now = self.steady;
        let Some(account) = self.accounts.get_mut(&no) else { return };
        if want == 0 {
            return account.line.forget(holder);
        }
        let least = least.clamp(1, want);
        account.change(holder, |part| part.usual = want);
        let debt = account.parts.get(&holder).map_or(0, HolderPart::debt);
        account.line.want(holder, want, least, debt, now);
        self.waiting.insert(no);
    }

    /// Serves all accounts with changes that affect waiting holders.
    pub(super) fn serve_all(&mut self) {
        let now = self.steady;
        for no in std::mem::take(&mut self.waiting) {
            let Some(account) = self.accounts.get_mut(&no) else { continue };
            let soon = now.saturating_sub(account.pace.served_at).abs() < TOGETHER;
            if account.line.len() > CROWD && soon {
                self.waiting.insert(no);
                continue;
            }
            account.pace.served_at = now;
            self.serve(no);
        }
    }

    fn serve(&mut self, no: AccountNo) {
        let now = self.steady;
        let Some(account) = self.accounts.get_mut(&no) else { return };
        if let Some(lost) = account.settle_former(now) {
            self.shards.touch(account.shard, Urgency::Lazy, now);
            lost.into_iter().for_each(|holder| self.touch_part(no, holder, Urgency::Lazy));
        }
        let Some(account) = self.accounts.get(&no) else { return };
        if account.line.is_empty() {
            return;
        }
        let fleet = self.fleet(account);
        let standing = Standing {
            max: u128::from(fleet.limit),
            others: self.committed_beside(account),
            gone: u128::from(fleet.spent).saturating_add(fleet.unconfirmed.into()),
        };
        let Some(account) = self.accounts.get_mut(&no) else { return };
        let LineServed { unmet, leased, answered, unknown, without_room } = account.serve_line(standing, now);
        for holder in answered {
            self.notices.entry(holder).or_default().entry(no).or_default();
        }
        for holder in unknown {
            self.register(no, holder);
        }
        for holder in without_room {
            self.touch_part(no, holder, Urgency::Now);
        }
        self.raise(no, unmet, standing);
        if leased > 0 {
            self.recall(no, leased);
        }
    }

    /// Raises a ceiling by the requested amount, or by a larger step.
    fn raise(&mut self, no: AccountNo, unmet: UnmetWants, standing: Standing) {
        let now = self.steady;
        let Some(account) = self.accounts.get(&no).filter(|_| unmet.raise > 0) else { return };
        let per_second = account.pace.per_second;
        let piece = unmet.raise.max(per_second).max(per_second.saturating_mul(AHEAD).min(standing.max / CHUNK));
        let under_way = account.ceiling.saturating_sub(account.granted_in_term);
        let room = standing
            .max
            .saturating_sub(standing.others.saturating_add(account.committed_anew()).saturating_sub(unmet.debts));
        let more = piece.saturating_sub(under_way).min(room);
        if more == 0 {
            return;
        }
        let shard = account.shard;
        if let Some(account) = self.accounts.get_mut(&no) {
            account.ceiling = account.ceiling.saturating_add(more);
            account.pace.raising_since.get_or_insert(now);
        }
        self.shards.touch(shard, Urgency::Now, now);
    }

    /// Recalls what others hold and do not need.
    fn recall(&mut self, no: AccountNo, wanted: u128) {
        let now = self.steady;
        let Some(account) = self.accounts.get_mut(&no) else { return };
        for page in &account.pages {
            if let Some(page) = self.pages.get(page) {
                self.shards.quicken(page.shard);
            }
        }
        if now.saturating_sub(account.pace.recalled_at).abs() < RECALL {
            return;
        }
        account.pace.recalled_at = now;
        let from = account.pace.recall_from;
        let mut found = 0_u128;
        let mut recalled = Vec::new();
        for (holder, part) in account.parts.range(from..).chain(account.parts.range(..from)) {
            if part.state == PartState::Open && part.free() > 0 {
                found = found.saturating_add(part.free().into());
                recalled.push(*holder);
            }
            if found >= wanted.saturating_mul(2) || recalled.len() >= RECALLED {
                break;
            }
        }
        if let Some(last) = recalled.last() {
            account.pace.recall_from = HolderNo(last.0.saturating_add(1));
        }
        for holder in recalled {
            self.notices.entry(holder).or_default().entry(no).or_default().recall = true;
        }
    }

    /// Checks an account: its rate, its users, and wants that are no longer repeated.
    pub(super) fn look(&mut self, no: AccountNo) {
        let now = self.steady;
        let Some(account) = self.accounts.get_mut(&no) else { return };
        let pace = &mut account.pace;
        let passed = u128::from(now.saturating_sub(pace.looked_at).unsigned_abs()).max(1);
        pace.per_second = account.granted_in_term.saturating_sub(pace.granted_then) * 1000 / passed;
        (pace.granted_then, pace.looked_at) = (account.granted_in_term, now);
        let recent = |at: Millis| now.saturating_sub(at) < FORGOTTEN;
        let open = account.parts.values().filter(|part| part.state == PartState::Open && recent(part.reported_at));
        pace.active = open.clone().filter(|part| part.held() > part.spent || part.reserved > 0).count() as u64;
        pace.oldest_report = open.map(|part| part.reported_at).min().unwrap_or(now);
        account.line.retain_recent(recent);
        if !account.line.is_empty() {
            self.waiting.insert(no);
        }
    }

    /// Sends the pending messages.
    pub(super) fn send(&mut self) {
        for (holder, accounts) in std::mem::take(&mut self.notices) {
            let over = self.over.remove(&holder).unwrap_or_default();
            if let Some(message) = self.message(holder, &accounts, over) {
                self.out.push(message);
            }
        }
        self.over.clear();
    }

    fn message(&self, no: HolderNo, accounts: &BTreeMap<AccountNo, Notice>, over: Vec<AccountGrant>) -> Option<Output> {
        let holder = self.holders.get(&no).filter(|holder| holder.has_reported)?;
        let entries = accounts.iter().filter_map(|(account, notice)| self.entry(*account, no, notice));
        let accounts = entries.chain(over).collect();
        let grants =
            Grants { epoch: holder.id.epoch, term: self.term, answers: holder.number, accounts, ..Grants::default() };
        Some(Output::Grants { holder: holder.id.clone(), grants })
    }

    fn entry(&self, no: AccountNo, holder: HolderNo, notice: &Notice) -> Option<AccountGrant> {
        let account = self.accounts.get(&no)?;
        let part = account.parts.get(&holder);
        let current = self.latest >= account.key.start && account.end.is_none_or(|end| self.latest < end);
        let ends = |end: Millis| u64::try_from(end.saturating_sub(self.latest)).unwrap_or(0);
        let begins_in_ms = u64::try_from(account.key.start.saturating_sub(self.latest)).unwrap_or(0);
        let counts = current || begins_in_ms > 0;
        Some(AccountGrant {
            account: account.key.clone(),
            end: account.end,
            valid_for_ms: if counts { account.end.map(ends) } else { Some(0) },
            begins_in_ms,
            granted: part.map_or(0, |part| part.granted),
            durable: notice.left.or(part.map(|part| part.confirmed(part.durable))).unwrap_or_default(),
            over: false,
            recall: notice.recall,
            short: account.line.get(holder).and_then(|want| want.short),
            fleet: self.fleet(account),
        })
    }
}

pub(super) fn narrow(sum: u128) -> u64 {
    u64::try_from(sum).unwrap_or(u64::MAX)
}
