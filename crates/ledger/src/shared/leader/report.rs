//! Handles a gateway's report, and decides how much of it to trust.

use std::collections::BTreeSet;

use outrigger_core::Millis;

use super::account::{HolderPart, PartState};
use super::books::LedgerBooks;
use super::debts::counted_spent;
use super::granting::narrow;
use super::input::{FindingKind, GatewayLimits, LimitUse};
use super::page::LONGEST_POD;
use super::shards::Urgency;
use super::{AccountNo, HolderNo};
use crate::protocol::{
    AccountGrant, AccountUsage, ChargedAccount, DurableUsage, FleetAccount, Grants, LimitKey, UsageReport, WantedLimit,
};
use crate::shared::leader::Output;
use crate::shared::record::HolderId;

/// A report with more accounts than this is not genuine.
const MOST_NAMED: usize = 20_000;
/// A term this far above the leader's own is impossible.
const TERMS_AHEAD: u64 = 1 << 20;

/// A want of this many times the whole limit is not genuine.
const ABSURD: u64 = 1 << 20;

/// How many journals a pod may begin in a row; after that, one in this time. A container that ends immediately is
/// restarted less often than that.
const JOURNALS: u32 = 16;
const JOURNAL_EVERY: Millis = 10_000;

/// The decision about one account of a report.
enum UsageVerdict {
    Taken,
    /// Refused: nothing changed, or less than reported.
    Refused(FindingKind),
    /// Refused, and the holder's state is not usable: it begins a new journal.
    Void(FindingKind),
    /// All of it is stored, or it does not count any more.
    Over,
}

impl LedgerBooks {
    pub(super) fn report(&mut self, pod: String, limits: &GatewayLimits, report: UsageReport) {
        let id = HolderId { pod, epoch: report.epoch };
        let sane =
            id.pod.len() <= LONGEST_POD && id.pod.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if !sane || report.accounts.len() > MOST_NAMED || report.wanted.len() > MOST_NAMED {
            return self.find(&id, None, FindingKind::Absurd);
        }
        if report.term > self.term {
            return match report.term.0 - self.term.0 < TERMS_AHEAD {
                true => self.out.push(Output::Deposed { by: Some(report.term) }),
                false => self.find(&id, None, FindingKind::Absurd),
            };
        }
        if report.term < self.term {
            // It may still accept grants of an earlier leader: its reported grants are not final.
            let grants = Grants { epoch: id.epoch, term: self.term, answers: report.number, ..Grants::default() };
            return self.out.push(Output::Grants { holder: id, grants });
        }
        let latest = self.pods.get(&id.pod).copied();
        let latest_epoch = latest.and_then(|latest| self.holders.get(&latest)).map(|holder| holder.id.epoch);
        if latest_epoch.is_some_and(|latest| latest > id.epoch) {
            self.find(&id, None, FindingKind::OldEpoch);
            let grants =
                Grants { epoch: id.epoch, term: self.term, answers: report.number, void: true, ..Grants::default() };
            return self.out.push(Output::Grants { holder: id, grants });
        }
        let haste = latest.and_then(|latest| self.holders.get(&latest)).map_or(0, |holder| {
            let forgotten = self.steady.saturating_sub(holder.begun).max(0) / JOURNAL_EVERY;
            holder.haste.saturating_sub(u32::try_from(forgotten).unwrap_or(u32::MAX))
        });
        if latest_epoch.is_some_and(|latest| latest < id.epoch) && haste >= JOURNALS {
            // Each is a row in the store for a while. A gateway repeats what is not answered.
            return self.find(&id, None, FindingKind::Absurd);
        }
        let no = match latest.filter(|_| latest_epoch == Some(id.epoch)) {
            Some(no) => no,
            None => self.holder_no(&id),
        };
        if let Some(former) = latest.filter(|latest| *latest != no) {
            self.leave(former);
            if let Some(holder) = self.holders.get_mut(&no) {
                holder.haste = haste.saturating_add(1);
            }
        }
        let Some(holder) = self.holders.get_mut(&no) else { return };
        if report.number <= holder.number || !(holder.has_reported || report.whole) {
            return;
        }
        holder.number = report.number;
        if holder.closed && !report.last {
            let holds = report.accounts.iter().any(|usage| usage.granted > usage.returned.saturating_add(usage.spent));
            if holds {
                self.find(&id, None, FindingKind::Unknown);
            }
            self.spent_meanwhile(no, limits, &report);
            let charged = self.charged(no, &report);
            return self.void(no, charged);
        }
        (holder.has_reported, holder.left) = (true, false);
        self.notices.entry(no).or_default();
        let (mut is_void, mut unknown) = (false, Vec::new());
        for usage in &report.accounts {
            match self.usage(no, limits, usage, &report) {
                UsageVerdict::Taken => {}
                UsageVerdict::Refused(kind) => self.find(&id, Some(&usage.account), kind),
                UsageVerdict::Over => self.over(no, usage),
                UsageVerdict::Void(kind) => {
                    self.find(&id, Some(&usage.account), kind);
                    is_void = true;
                    if kind == FindingKind::Unknown {
                        unknown.push(usage.account.clone());
                    }
                    if kind == FindingKind::Less {
                        // Its reports of other accounts may be equally old.
                        break;
                    }
                }
            }
        }
        if is_void {
            self.spent_meanwhile(no, limits, &report);
            let mut charged = self.charged(no, &report);
            charged.extend(unknown.into_iter().map(|account| ChargedAccount { account, charged: 0 }));
            return self.void(no, charged);
        }
        if report.whole && !self.unnamed(no, &report) {
            self.find(&id, None, FindingKind::Less);
            let charged = self.charged(no, &report);
            return self.void(no, charged);
        }
        for wanted in &report.wanted {
            self.wanted(no, &id, limits, wanted);
        }
        if report.last
            && let Some(holder) = self.holders.get_mut(&no)
        {
            holder.closed = true;
        }
    }

    fn usage(
        &mut self,
        no: HolderNo,
        limits: &GatewayLimits,
        usage: &AccountUsage,
        report: &UsageReport,
    ) -> UsageVerdict {
        let limit_use = limits.of(&usage.account.limit);
        let holds = usage.granted > usage.returned.saturating_add(usage.spent) || usage.reserved > 0;
        let account_no = self.account_no(&usage.account);
        let known = account_no
            .is_some_and(|account| self.accounts.get(&account).is_some_and(|account| account.parts.contains_key(&no)));
        let (Some(account_no), true) = (account_no, known) else {
            return self.unregistered(no, account_no, limits, holds, usage, report.last);
        };
        let (now, latest, most_owed) = (self.steady, self.latest, self.most_owed(account_no, limits));
        let Some(account) = self.accounts.get_mut(&account_no) else { return UsageVerdict::Over };
        let Some(part) = account.parts.get(&no).copied() else { return UsageVerdict::Over };
        if part.is_folding() {
            // It is not closed until the store has it.
            return UsageVerdict::Taken;
        }
        let less =
            usage.spent < part.spent || usage.returned < part.returned || (usage.granted < part.reported_granted);
        if less {
            if part.has_reported && part.state != PartState::Open && usage.spent > part.spent {
                // It was gone and was forgiven. What it has spent since it reported last is a debt.
                self.count_spent(account_no, no, limits, usage.spent);
            }
            return UsageVerdict::Void(FindingKind::Less);
        }
        if usage.returned > usage.granted {
            return UsageVerdict::Refused(FindingKind::More);
        }
        if part.has_reported && usage.granted > part.granted {
            return match part.state {
                PartState::Open => UsageVerdict::Refused(FindingKind::More),
                // The pod can have been granted only what was left.
                _ => UsageVerdict::Void(FindingKind::More),
            };
        }
        if !part.has_reported && u128::from(usage.granted) > account.most_granted(&part) {
            // The report is false, or the store was restored from an older state. The rest of earlier ceilings stays
            // charged to the holder, as does what it has spent. What it claims to hold does not count any more, and it
            // begins a new journal.
            let granted = narrow(account.most_granted(&part));
            account.know(&part, granted);
            account.change(no, |part| {
                (part.granted, part.has_reported, part.reported_granted, part.reported_at) =
                    (granted, true, granted, now);
            });
            self.count_spent(account_no, no, limits, usage.at_most_spent());
            return UsageVerdict::Void(FindingKind::More);
        }
        let came_back = usage.returned > part.returned;
        let held = usage.granted - usage.returned;
        let (spent, beyond) = match counted_spent(usage.spent, held, most_owed) {
            // What counted already continues to count, whatever the limit is now.
            (counted, _) if counted < part.spent => (part.spent, usage.spent - part.spent),
            counted => counted,
        };
        let overspent = beyond > part.beyond;
        if !part.has_reported {
            account.know(&part, usage.granted);
        }
        let again = part.state != PartState::Open;
        account.change(no, |part| {
            if !part.has_reported {
                (part.granted, part.has_reported) = (usage.granted, true);
            }
            if again {
                (part.state, part.registered) = (PartState::Open, false);
            }
            part.reported_granted = usage.granted;
            (part.returned, part.spent, part.reserved, part.reported_at) = (usage.returned, spent, usage.reserved, now);
            part.beyond = beyond;
        });
        let waited_for = !account.line.is_empty();
        let settled = account.parts.get(&no).is_some_and(HolderPart::is_settled);
        let ended = account.end.is_some_and(|end| end <= latest);
        let urgency = match (again || report.last, came_back && waited_for) {
            (true, _) => Urgency::Now,
            (false, true) => Urgency::Wanted,
            (false, false) => Urgency::Lazy,
        };
        let changed = part.durable != DurableUsage { spent, returned: usage.returned };
        if changed || again || !part.has_reported {
            self.touch_part(account_no, no, urgency);
        }
        self.waiting.insert(account_no);
        self.notices.entry(no).or_default().entry(account_no).or_default();
        if report.last {
            if usage.reserved == 0 {
                self.close(account_no, no);
            }
        } else if ended && settled {
            self.fold(account_no, no, false, Urgency::Lazy);
        } else if limit_use != LimitUse::Want {
            self.want_no_more(no, &usage.account.limit);
        } else if !ended {
            self.queue_want(account_no, no, usage.want, usage.least);
            self.grant_ahead(account_no, no);
        }
        if overspent { UsageVerdict::Refused(FindingKind::Overspent) } else { UsageVerdict::Taken }
    }

    /// An account of which the holder has no part, as far as the ledger knows.
    fn unregistered(
        &mut self,
        no: HolderNo,
        account: Option<AccountNo>,
        limits: &GatewayLimits,
        holds: bool,
        usage: &AccountUsage,
        last: bool,
    ) -> UsageVerdict {
        let limit_use = limits.of(&usage.account.limit);
        // A limit that fails open lets requests reserve without a grant.
        let open = limits.fail_open.contains_key(&usage.account.limit);
        let never_granted = usage.granted == 0 && (usage.reserved == 0 || open);
        let uses = usage.spent > 0 || usage.reserved > 0;
        let account = match account {
            None if never_granted && uses && limit_use != LimitUse::Nothing => self.begun_by(&usage.account),
            known => known,
        };
        // A repeated final report was counted before.
        let again = self.holders.get(&no).is_some_and(|holder| holder.closed);
        let counts = !last || (usage.spent > 0 && limit_use != LimitUse::Nothing && !again);
        match account {
            Some(account) if never_granted && counts => {
                match limit_use {
                    LimitUse::Nothing if usage.want > 0 => return UsageVerdict::Refused(FindingKind::NotAllowed),
                    LimitUse::Nothing => return UsageVerdict::Taken,
                    _ if self.is_over(account) && !uses => return UsageVerdict::Over,
                    LimitUse::Want | LimitUse::Settle => {}
                }
                let (spent, beyond) = counted_spent(usage.spent, 0, self.most_owed(account, limits));
                if usage.spent > 0 {
                    // Spent without a grant: it counts from now on.
                    self.register(account, no);
                    let reserved = usage.reserved;
                    if let Some(account) = self.accounts.get_mut(&account) {
                        account.change(no, |part| (part.spent, part.beyond, part.reserved) = (spent, beyond, reserved));
                    }
                }
                self.notices.entry(no).or_default().entry(account).or_default();
                if last {
                    self.close(account, no);
                } else if limit_use == LimitUse::Settle {
                    self.want_no_more(no, &usage.account.limit);
                } else if !self.is_over(account) {
                    self.queue_want(account, no, usage.want, usage.least);
                }
                if beyond > 0 { UsageVerdict::Refused(FindingKind::Overspent) } else { UsageVerdict::Taken }
            }
            _ if !holds || last => UsageVerdict::Over,
            Some(_) => UsageVerdict::Void(FindingKind::Unknown),
            None if self.is_past(&usage.account) => UsageVerdict::Over,
            None if limit_use == LimitUse::Nothing => UsageVerdict::Void(FindingKind::NotAllowed),
            None => UsageVerdict::Void(FindingKind::Unknown),
        }
    }

    /// Reports to the holder that an account has ended. A holder that still has a grant returns it first, and asks again.
    fn over(&mut self, no: HolderNo, usage: &AccountUsage) {
        let durable = DurableUsage { spent: usage.spent, returned: usage.returned };
        self.over.entry(no).or_default().push(AccountGrant {
            account: usage.account.clone(),
            end: None,
            valid_for_ms: Some(0),
            begins_in_ms: 0,
            granted: usage.granted,
            durable,
            over: true,
            recall: false,
            short: None,
            fleet: FleetAccount::default(),
        });
    }

    /// The final report of one account: grants that never arrived are returned with the rest.
    fn close(&mut self, account_no: AccountNo, no: HolderNo) {
        if let Some(account) = self.accounts.get_mut(&account_no) {
            account.change(no, |part| {
                let lost = part.granted.saturating_sub(part.reported_granted);
                part.returned = part.returned.saturating_add(lost);
            });
        }
        self.fold(account_no, no, true, Urgency::Now);
    }

    /// Handles accounts of the holder that a whole report does not name. False if the holder had a grant there and has
    /// lost it.
    fn unnamed(&mut self, no: HolderNo, report: &UsageReport) -> bool {
        let named: BTreeSet<AccountNo> =
            report.accounts.iter().filter_map(|usage| self.account_no(&usage.account)).collect();
        let Some(holder) = self.holders.get(&no) else { return true };
        let unnamed: Vec<AccountNo> = holder.accounts.difference(&named).copied().collect();
        for account_no in unnamed {
            let Some(account) = self.accounts.get_mut(&account_no) else { continue };
            let Some(part) = account.parts.get(&no).copied() else { continue };
            if part.is_folding() {
                continue;
            }
            if part.reported_granted > 0 {
                return false;
            }
            account.change(no, |part| {
                if !part.has_reported {
                    // It received no grant, and accepts none of an earlier leader any more.
                    (part.granted, part.has_reported) = (0, true);
                }
            });
            self.waiting.insert(account_no);
            self.notices.entry(no).or_default().entry(account_no).or_default();
            if report.last {
                self.close(account_no, no);
            }
        }
        true
    }

    /// A limit of which the holder has no account now.
    fn wanted(&mut self, no: HolderNo, id: &HolderId, limits: &GatewayLimits, wanted: &WantedLimit) {
        match limits.of(&wanted.limit) {
            LimitUse::Want => {}
            // It may not have its new policy yet, so this is not a finding.
            LimitUse::Settle => return self.want_no_more(no, &wanted.limit),
            LimitUse::Nothing => return self.find(id, None, FindingKind::NotAllowed),
        }
        let Some(account) = self.current(&wanted.limit, wanted.want > 0) else { return };
        self.notices.entry(no).or_default().entry(account).or_default();
        self.queue_want(account, no, wanted.want, wanted.least);
    }

    /// Forgets the wants of a holder that does not have the limit any more.
    fn want_no_more(&mut self, holder: HolderNo, limit: &LimitKey) {
        let Some(limit) = self.limit_numbers.get(limit).and_then(|no| self.limits.get(no.0 as usize)) else { return };
        for no in limit.accounts.values() {
            if let Some(account) = self.accounts.get_mut(no) {
                account.line.forget(holder);
            }
        }
    }

    /// Queues a want, if it is plausible.
    fn queue_want(&mut self, account: AccountNo, no: HolderNo, want: u64, least: u64) {
        let Some(known) = self.accounts.get(&account) else { return };
        let max = self.max_of(known);
        // A holder with a debt requests that much more.
        let owed = known.parts.get(&no).map_or(0, |part| part.debt().saturating_add(part.beyond));
        if want > max.saturating_mul(ABSURD).max(ABSURD).saturating_add(owed) {
            let (id, key) = (self.holders.get(&no).map(|holder| holder.id.clone()), known.key.clone());
            return id.into_iter().for_each(|id| self.find(&id, Some(&key), FindingKind::Absurd));
        }
        // A want of more than the whole limit can never be met.
        self.want(account, no, want.min(max.max(least)), least);
    }
}
