//! One account, and each holder's part of it.

use std::collections::BTreeMap;

use outrigger_core::Millis;

use super::line::WantLine;
use super::oldest::KeptForOldest;
use super::{AccountNo, HolderNo, LedgerLimitNo, PageNo};
use crate::protocol::{AccountKey, DurableUsage};
use crate::shared::record::{AccountRecord, ActionRecord, ClosedSums, HolderStatus, RaiseRecord};

/// How many of its wants a holder may be granted before its page is written again.
const AHEAD: u64 = 2;

#[derive(Clone, Debug)]
pub(super) struct LedgerAccount {
    pub(super) key: AccountKey,
    pub(super) end: Option<Millis>,
    pub(super) limit: LedgerLimitNo,
    pub(super) shard: u32,
    /// What leaders of earlier terms may have granted.
    pub(super) former: u128,
    /// The known part of it: reported by its holders, or closed. Once all have reported, this is everything.
    pub(super) known: u128,
    /// The value that the store has, or is about to have.
    pub(super) ceiling: u128,
    /// The value that the store has for certain: this much may be granted.
    pub(super) durable_ceiling: u128,
    /// What was granted in this term, gross.
    pub(super) granted_in_term: u128,
    /// What was returned, as far as the store has it.
    pub(super) durable_returned: u128,
    pub(super) parts: BTreeMap<HolderNo, HolderPart>,
    pub(super) pages: Vec<PageNo>,
    pub(super) totals: AccountTotals,
    pub(super) closed: ClosedSums,
    /// Holders that wait.
    pub(super) line: WantLine,
    pub(super) kept: Option<KeptForOldest>,
    pub(super) pace: AccountPace,
    pub(super) removal: Removal,
    /// What was spent when it was reset, and what of it the store has.
    pub(super) written_off: u128,
    pub(super) durable_written_off: u128,
    pub(super) raise: Option<RaiseRecord>,
    /// The last actions, and how many of them the store has.
    pub(super) actions: Vec<ActionRecord>,
    pub(super) durable_actions: Vec<String>,
    pub(super) absent_since: Option<Millis>,
    /// Its figures differ from those that were read last.
    pub(super) changed: bool,
}

/// The use of an account: measured every few seconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AccountPace {
    pub(super) looked_at: Millis,
    pub(super) served_at: Millis,
    pub(super) granted_then: u128,
    /// Granted per second.
    pub(super) per_second: u128,
    /// Holders that recently reported and use it.
    pub(super) active: u64,
    pub(super) oldest_report: Millis,
    pub(super) recalled_at: Millis,
    pub(super) recall_from: HolderNo,
    /// When the ceiling should have been raised and was not yet.
    pub(super) raising_since: Option<Millis>,
}

/// How far a closed account has been removed from the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Removal {
    Counts,
    /// It no longer counts since this time of the leader's own clock.
    Since(Millis),
    /// The store is about to forget it; its pages follow.
    Leaving,
}

/// A holder's part of an account.
#[derive(Clone, Copy, Debug)]
pub(super) struct HolderPart {
    pub(super) page: PageNo,
    pub(super) state: PartState,
    /// What it was granted in total: reported in this term, and granted since; before that, what the store has.
    pub(super) granted: u64,
    /// It is granted no more than this before the store has a higher figure. So the next leader knows how much the
    /// holder may have, even if it does not report.
    pub(super) most: u64,
    /// Whether it reported in this term. Until then it is granted nothing, because an earlier leader may have granted
    /// more.
    pub(super) has_reported: bool,
    /// Whether the store has it. Until then it is granted nothing, because the next leader would not know of it.
    pub(super) registered: bool,
    /// The granted amount that it reported itself.
    pub(super) reported_granted: u64,
    pub(super) returned: u64,
    /// The spent amount that counts.
    pub(super) spent: u64,
    /// The reported amount beyond that: a debt above the maximum does not count in full.
    pub(super) beyond: u64,
    pub(super) reserved: u64,
    pub(super) durable: DurableUsage,
    pub(super) reported_at: Millis,
    /// The last want, which it will also have in the next period.
    pub(super) usual: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PartState {
    Open,
    /// Its pod is gone since this time of the leader's own clock.
    Gone(Millis),
    /// It is gone, and did not report in this term.
    Lost,
    /// Included in the closed sums; it is removed when the store has them. The flag: its holder sent its final report.
    Folding {
        last: bool,
    },
}

/// Sums over all parts that are not folded, in the account's unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct AccountTotals {
    pub(super) spent: u128,
    pub(super) reserved: u128,
    /// Held by existing holders, and neither spent nor reserved.
    pub(super) leased: u128,
    /// Held by holders that are gone, and not spent.
    pub(super) unconfirmed: u128,
    /// Spent beyond what is held.
    pub(super) debt: u128,
    /// Held by parts, spent or not.
    pub(super) held: u128,
    /// Parts that did not report in this term.
    pub(super) unreported: u64,
    /// The granted amounts that these and the lost ones reported in earlier terms: at least this much was granted.
    pub(super) unreported_granted: u128,
    /// What these may have been granted: at most this much.
    pub(super) unreported_most: u128,
    pub(super) lost: u64,
}

impl HolderPart {
    pub(super) fn new(page: PageNo, now: Millis) -> Self {
        HolderPart {
            page,
            state: PartState::Open,
            granted: 0,
            most: 0,
            has_reported: true,
            registered: false,
            reported_granted: 0,
            returned: 0,
            spent: 0,
            beyond: 0,
            reserved: 0,
            durable: DurableUsage::default(),
            reported_at: now,
            usual: 0,
        }
    }

    pub(super) fn held(&self) -> u64 {
        self.granted.saturating_sub(self.returned)
    }

    pub(super) fn free(&self) -> u64 {
        self.held().saturating_sub(self.spent).saturating_sub(self.reserved)
    }

    /// The spent amount beyond what it holds, as far as it counts.
    pub(super) fn debt(&self) -> u64 {
        self.spent.saturating_sub(self.held())
    }

    /// The stored part, as reported by its holder.
    pub(super) fn confirmed(&self, durable: DurableUsage) -> DurableUsage {
        let beyond = if durable.spent == self.spent { self.beyond } else { 0 };
        DurableUsage { spent: durable.spent.saturating_add(beyond), ..durable }
    }

    pub(super) fn is_folding(&self) -> bool {
        matches!(self.state, PartState::Folding { .. })
    }

    /// Everything is spent or returned.
    pub(super) fn is_settled(&self) -> bool {
        self.reserved == 0 && self.reported_granted == self.granted && self.spent >= self.held()
    }

    pub(super) fn may_be_granted(&self) -> bool {
        self.state == PartState::Open && self.has_reported && self.registered
    }

    pub(super) fn written_state(&self) -> HolderStatus {
        match self.state {
            PartState::Open | PartState::Folding { .. } => HolderStatus::Open,
            PartState::Gone(_) => HolderStatus::Gone,
            PartState::Lost => HolderStatus::Lost,
        }
    }

    /// Of a holder that may still report: what it reported, because the next leader asks it again. Of a holder that is
    /// gone: everything.
    pub(super) fn written_granted(&self) -> u64 {
        match self.state {
            PartState::Open | PartState::Lost => self.reported_granted,
            PartState::Gone(_) | PartState::Folding { .. } => self.granted,
        }
    }

    /// The granted maximum that the store should have, given a want of this size: enough for a while, because a page is
    /// written for many holders together.
    pub(super) fn written_most(&self, want: u64) -> u64 {
        match self.state {
            PartState::Open if !self.has_reported => self.most,
            PartState::Open => self.granted.saturating_add(want.max(self.usual).saturating_mul(AHEAD)),
            PartState::Lost => self.most,
            PartState::Gone(_) | PartState::Folding { .. } => self.granted,
        }
    }

    /// Its sums after it is folded.
    pub(super) fn closed(&self) -> ClosedSums {
        ClosedSums {
            granted: self.granted.into(),
            returned: self.returned.into(),
            spent: self.spent.into(),
            debt: self.debt().into(),
        }
    }

    fn totals(&self) -> AccountTotals {
        if self.is_folding() {
            return AccountTotals::default();
        }
        let open = self.state == PartState::Open;
        let (held, spent) = (u128::from(self.held()), u128::from(self.spent));
        AccountTotals {
            spent,
            reserved: if open { self.reserved.into() } else { 0 },
            leased: if open { self.free().into() } else { 0 },
            unconfirmed: if open { 0 } else { held.saturating_sub(spent) },
            debt: self.debt().into(),
            held,
            unreported: u64::from(open && !self.has_reported),
            unreported_granted: if self.has_reported { 0 } else { self.granted.into() },
            unreported_most: if self.has_reported { 0 } else { self.most.into() },
            lost: u64::from(self.state == PartState::Lost),
        }
    }
}

impl LedgerAccount {
    pub(super) fn new(record: &AccountRecord, limit: LedgerLimitNo, shard: u32) -> Self {
        LedgerAccount {
            key: record.key.clone(),
            end: record.end,
            limit,
            shard,
            former: record.former,
            known: 0,
            ceiling: record.ceiling,
            durable_ceiling: record.ceiling,
            granted_in_term: 0,
            durable_returned: 0,
            parts: BTreeMap::new(),
            pages: Vec::new(),
            totals: AccountTotals::default(),
            closed: ClosedSums::default(),
            line: WantLine::default(),
            kept: None,
            pace: AccountPace::default(),
            removal: Removal::Counts,
            written_off: record.written_off,
            durable_written_off: record.written_off,
            raise: record.raise,
            actions: record.actions.clone(),
            durable_actions: Vec::new(),
            absent_since: record.absent_since,
            changed: true,
        }
    }

    /// Changes a part and updates the sums.
    pub(super) fn change<R>(&mut self, holder: HolderNo, change: impl FnOnce(&mut HolderPart) -> R) -> Option<R> {
        let part = self.parts.get_mut(&holder)?;
        let (before, debt) = (part.totals(), part.debt());
        let result = change(part);
        let after = part.totals();
        if part.debt() != debt {
            self.line.set_debt(holder, part.debt());
        }
        self.totals.replace(&before, &after);
        self.changed |= before != after;
        Some(result)
    }

    pub(super) fn add(&mut self, holder: HolderNo, part: HolderPart) {
        self.totals.replace(&AccountTotals::default(), &part.totals());
        self.changed = true;
        self.line.set_debt(holder, part.debt());
        self.parts.insert(holder, part);
    }

    /// The store has the closed sums that include it.
    pub(super) fn remove_folded(&mut self, holder: HolderNo) {
        self.parts.remove(&holder);
        self.line.set_debt(holder, 0);
    }

    /// What counts against the limit: outstanding amounts and debts.
    pub(super) fn committed(&self) -> u128 {
        let debt = self.totals.debt.saturating_add(self.closed.debt);
        self.outstanding().saturating_add(debt)
    }

    /// What may have been granted and is not known to be returned.
    pub(super) fn outstanding(&self) -> u128 {
        self.former.saturating_add(self.ceiling).saturating_sub(self.durable_returned)
    }

    /// What may be granted immediately.
    pub(super) fn at_hand(&self) -> u128 {
        self.durable_ceiling.min(self.ceiling).saturating_sub(self.granted_in_term)
    }

    pub(super) fn spent(&self) -> u128 {
        self.totals.spent.saturating_add(self.closed.spent)
    }

    /// What was spent since it was reset.
    pub(super) fn spent_anew(&self) -> u128 {
        self.spent().saturating_sub(self.written_off)
    }

    /// What counts against the limit since it was reset.
    pub(super) fn committed_anew(&self) -> u128 {
        self.committed().saturating_sub(self.written_off)
    }

    /// What holders that are gone may have spent.
    pub(super) fn unconfirmed(&self) -> u128 {
        self.totals.unconfirmed.saturating_add(self.closed.unconfirmed())
    }

    /// What earlier leaders may have granted to this holder, which has not reported to this leader yet: at most what
    /// the store has, and what the other holders of that time leave. The store may know more about the holder than
    /// about the account if it was restored from a backup.
    pub(super) fn most_granted(&self, part: &HolderPart) -> u128 {
        let others = self.totals.unreported_granted.saturating_sub(part.granted.into());
        let left = self.former.saturating_sub(self.known).saturating_sub(others);
        left.min(part.most.into()).max(part.granted.into())
    }

    /// A holder that had not reported to this leader was granted this much. Earlier leaders granted at least the known
    /// amount, whatever the store has.
    pub(super) fn know(&mut self, part: &HolderPart, granted: u64) {
        let others = self.totals.unreported_granted.saturating_sub(part.granted.into());
        self.known = self.known.saturating_add(granted.into());
        self.former = self.former.max(self.known.saturating_add(others));
    }

    /// Earlier leaders granted at most the known amounts, plus what holders that have not reported may have. Once every
    /// existing holder has reported its grants, the rest may have gone to lost holders. It is charged to them, so that
    /// later leaders need not consider it again. Returns the holders whose parts have changed; `None` if there is no
    /// change.
    pub(super) fn settle_former(&mut self, now: Millis) -> Option<Vec<HolderNo>> {
        let lost: Vec<HolderNo> = match self.totals.lost {
            0 => Vec::new(),
            _ if self.totals.unreported > 0 => Vec::new(),
            _ => self.parts.iter().filter(|(_, part)| part.state == PartState::Lost).map(|(no, _)| *no).collect(),
        };
        for holder in &lost {
            let Some(most) = self.parts.get(holder).map(|part| self.most_granted(part)) else { continue };
            let granted = u64::try_from(most).unwrap_or(u64::MAX);
            self.known = self.known.saturating_add(granted.into());
            self.change(*holder, |part| {
                (part.granted, part.has_reported, part.state) = (granted, true, PartState::Gone(now));
            });
        }
        let most = self.known.saturating_add(self.totals.unreported_most);
        let surplus = self.former > most;
        if surplus {
            self.former = most;
        }
        self.changed |= surplus || !lost.is_empty();
        (surplus || !lost.is_empty()).then_some(lost)
    }

    /// What was granted or may have been, and is not known to be returned; and debts. What was reset does not count.
    pub(super) fn owed(&self) -> u128 {
        let unused = self.ceiling.saturating_sub(self.granted_in_term);
        self.committed_anew().saturating_sub(unused)
    }

    pub(super) fn record(&self) -> AccountRecord {
        AccountRecord {
            key: self.key.clone(),
            end: self.end,
            former: self.former,
            ceiling: self.ceiling,
            written_off: self.written_off,
            raise: self.raise,
            actions: self.actions.clone(),
            absent_since: self.absent_since,
        }
    }
}

impl AccountTotals {
    fn replace(&mut self, before: &AccountTotals, after: &AccountTotals) {
        let of = |sum: &mut u128, before: u128, after: u128| *sum = sum.saturating_sub(before).saturating_add(after);
        of(&mut self.spent, before.spent, after.spent);
        of(&mut self.reserved, before.reserved, after.reserved);
        of(&mut self.leased, before.leased, after.leased);
        of(&mut self.unconfirmed, before.unconfirmed, after.unconfirmed);
        of(&mut self.debt, before.debt, after.debt);
        of(&mut self.held, before.held, after.held);
        of(&mut self.unreported_granted, before.unreported_granted, after.unreported_granted);
        of(&mut self.unreported_most, before.unreported_most, after.unreported_most);
        self.unreported = self.unreported.saturating_sub(before.unreported).saturating_add(after.unreported);
        self.lost = self.lost.saturating_sub(before.lost).saturating_add(after.lost);
    }
}

impl ClosedSums {
    pub(super) fn add(&mut self, other: &ClosedSums) {
        self.granted = self.granted.saturating_add(other.granted);
        self.returned = self.returned.saturating_add(other.returned);
        self.spent = self.spent.saturating_add(other.spent);
        self.debt = self.debt.saturating_add(other.debt);
    }
}

/// An account's number and the account.
pub(super) type LedgerAccounts = BTreeMap<AccountNo, LedgerAccount>;
