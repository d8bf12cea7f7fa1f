//! The state of a leader, and the steps that change it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use outrigger_core::{Millis, Periods};

use super::account::{HolderPart, LedgerAccount, LedgerAccounts, PartState};
use super::input::{ActionOutcome, FindingKind, Input, LedgerFinding, Output, SharedLimit};
use super::page::{LONGEST_WORKLOAD, OpenPage, account_bytes, capacity, page_bytes, returned};
use super::pending_action::PendingAction;
use super::shards::{Shards, Urgency};
use super::takeover::Fenced;
use super::{AccountNo, HolderNo, LedgerLimitNo, PageNo};
use crate::name::fitted;
use crate::protocol::{AccountGrant, AccountKey, ChargedAccount, DurableUsage, Grants, LimitKey, Term};
use crate::shared::record::{AccountRecord, HolderId, HolderPage, HolderStatus};

/// The leader's own clock advances by at most this in a step, whatever the wall clock shows.
const STRIDE: Millis = 10_000;

#[derive(Clone, Debug)]
pub(super) struct LedgerBooks {
    pub(super) term: Term,
    /// The latest plausible wall clock time: it only determines the current period.
    pub(super) latest: Millis,
    pub(super) stepped_at: Millis,
    /// The time that has passed for this leader, however the wall clock was set meanwhile.
    pub(super) steady: Millis,
    pub(super) swept_at: Millis,
    pub(super) limits: Vec<LedgerLimit>,
    pub(super) limit_numbers: BTreeMap<LimitKey, LedgerLimitNo>,
    pub(super) accounts: LedgerAccounts,
    pub(super) holders: BTreeMap<HolderNo, KnownHolder>,
    pub(super) holder_numbers: BTreeMap<HolderId, HolderNo>,
    /// The holder of each pod's latest journal.
    pub(super) pods: BTreeMap<String, HolderNo>,
    pub(super) pages: BTreeMap<PageNo, OpenPage>,
    pub(super) shards: Shards,
    /// Accounts with waiting holders.
    pub(super) waiting: BTreeSet<AccountNo>,
    /// The holders to notify at the end of the step, with the accounts.
    pub(super) notices: BTreeMap<HolderNo, BTreeMap<AccountNo, Notice>>,
    /// Ended accounts that are reported to holders at the end of the step.
    pub(super) over: BTreeMap<HolderNo, Vec<AccountGrant>>,
    pub(super) out: Vec<Output>,
    /// Actions that the store does not have yet, and those that it has.
    pub(super) actions: Vec<PendingAction>,
    pub(super) outcomes: Vec<ActionOutcome>,
    /// Limits that objects have, if no policy does. Absent: nobody knows.
    pub(super) present: Option<BTreeSet<LimitKey>>,
    /// The workload of each pod.
    pub(super) workloads: BTreeMap<String, Arc<str>>,
    next: u32,
}

/// The part of a message's entry besides the state of the account.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Notice {
    pub(super) recall: bool,
    /// Of a removed part: its last sums.
    pub(super) left: Option<DurableUsage>,
}

#[derive(Clone, Debug)]
pub(super) struct LedgerLimit {
    pub(super) max: u64,
    /// Absent for a limit that only records contain.
    pub(super) window: Option<Periods>,
    pub(super) named: bool,
    /// Since when no object has it, by the leader's own time.
    pub(super) absent_since: Option<Millis>,
    /// Its figures differ from those that were read last.
    pub(super) changed: bool,
    /// When they differ because time has passed.
    pub(super) changes_at: Option<Millis>,
    pub(super) accounts: BTreeMap<Millis, AccountNo>,
}

#[derive(Clone, Debug)]
pub(super) struct KnownHolder {
    pub(super) id: HolderId,
    /// The last report that was applied.
    pub(super) number: u64,
    /// Whether it has reported everything that it holds to this leader.
    pub(super) has_reported: bool,
    /// Its pod is gone, or has begun a later journal.
    pub(super) left: bool,
    /// It sent its final report, or none of it counts any more.
    pub(super) closed: bool,
    /// When it first reported, and how many journals its pod had begun shortly before: one of those is forgotten at a
    /// time.
    pub(super) begun: Millis,
    pub(super) haste: u32,
    pub(super) accounts: BTreeSet<AccountNo>,
}

impl LedgerBooks {
    pub(super) fn new(fenced: Fenced, now: Millis) -> LedgerBooks {
        let (version, index) = fenced.index;
        let mut books = LedgerBooks {
            term: index.term,
            latest: now,
            stepped_at: now,
            steady: 0,
            swept_at: 0,
            limits: Vec::new(),
            limit_numbers: BTreeMap::new(),
            accounts: BTreeMap::new(),
            holders: BTreeMap::new(),
            holder_numbers: BTreeMap::new(),
            pods: BTreeMap::new(),
            pages: BTreeMap::new(),
            shards: Shards::new(version, index.shards, fenced.rate),
            waiting: BTreeSet::new(),
            notices: BTreeMap::new(),
            over: BTreeMap::new(),
            out: Vec::new(),
            actions: Vec::new(),
            outcomes: Vec::new(),
            present: None,
            workloads: BTreeMap::new(),
            next: 0,
        };
        let mut pages = Vec::new();
        for (number, (version, shard)) in fenced.shards {
            if let Some(place) = books.shards.get_mut(number) {
                place.version = version;
            }
            shard.accounts.into_iter().for_each(|record| books.read_account(&record, number));
            pages.extend(shard.pages.into_iter().map(|page| (number, page)));
        }
        pages.into_iter().for_each(|(number, page)| books.read_page(page, number));
        books
    }

    pub(super) fn next(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    pub(super) fn limit_no(&mut self, id: &LimitKey) -> LedgerLimitNo {
        if let Some(no) = self.limit_numbers.get(id) {
            return *no;
        }
        let no = LedgerLimitNo(u32::try_from(self.limits.len()).unwrap_or(u32::MAX));
        self.limits.push(LedgerLimit {
            max: 0,
            window: None,
            named: false,
            absent_since: None,
            changed: true,
            changes_at: None,
            accounts: BTreeMap::new(),
        });
        self.limit_numbers.insert(id.clone(), no);
        no
    }

    pub(super) fn limit(&self, no: LedgerLimitNo) -> Option<&LedgerLimit> {
        self.limits.get(no.0 as usize)
    }

    pub(super) fn account_no(&self, key: &AccountKey) -> Option<AccountNo> {
        let no = self.limit_numbers.get(&key.limit)?;
        self.limit(*no)?.accounts.get(&key.start).copied()
    }

    fn read_account(&mut self, record: &AccountRecord, shard: u32) {
        if let Some(account) = self.account_no(&record.key).and_then(|no| self.accounts.get_mut(&no)) {
            // This can't occur twice; if it does, both were used for grants.
            account.former = account.former.saturating_add(record.former);
            return;
        }
        self.shards.keep(shard, account_bytes(&record.key));
        self.add_account(record, shard);
    }

    pub(super) fn add_account(&mut self, record: &AccountRecord, shard: u32) -> AccountNo {
        let (limit, no) = (self.limit_no(&record.key.limit), AccountNo(self.next()));
        self.accounts.insert(no, LedgerAccount::new(record, limit, shard));
        if let Some(limit) = self.limits.get_mut(limit.0 as usize) {
            limit.accounts.insert(record.key.start, no);
        }
        if let Some(shard) = self.shards.get_mut(shard) {
            shard.accounts.insert(no);
        }
        no
    }

    fn read_page(&mut self, record: HolderPage, shard: u32) {
        // The account was removed before its pages.
        let Some(account_no) = self.account_no(&record.key) else { return self.shards.touch(shard, Urgency::Lazy, 0) };
        let came_back = returned(&record);
        let no = self.add_page(account_no, record.capacity, shard);
        self.shards.keep(shard, page_bytes(&record.key, record.capacity));
        if let Some(page) = self.pages.get_mut(&no) {
            (page.closed, page.durable_returned, page.spenders) = (record.closed, came_back, record.spenders);
        }
        if let Some(account) = self.accounts.get_mut(&account_no) {
            account.durable_returned = account.durable_returned.saturating_add(came_back);
            account.known = account.known.saturating_add(record.closed.granted);
            account.closed.add(&record.closed);
        }
        for row in record.holders {
            let holder = self.holder_no(&row.holder);
            let durable = DurableUsage { spent: row.spent, returned: row.returned };
            let (granted, returned, spent) = (row.granted, row.returned, row.spent);
            let mut part = HolderPart {
                registered: true,
                granted,
                most: row.most.max(granted),
                returned,
                spent,
                durable,
                reported_granted: granted,
                ..HolderPart::new(no, 0)
            };
            (part.state, part.has_reported) = match row.state {
                HolderStatus::Open => (PartState::Open, false),
                HolderStatus::Gone => (PartState::Gone(0), true),
                HolderStatus::Lost => (PartState::Lost, false),
            };
            let Some(account) = self.accounts.get_mut(&account_no) else { continue };
            if part.has_reported {
                account.known = account.known.saturating_add(granted.into());
            }
            account.add(holder, part);
            if let Some(page) = self.pages.get_mut(&no) {
                page.holders.push(holder);
            }
            if let Some(holder) = self.holders.get_mut(&holder) {
                holder.accounts.insert(account_no);
            }
        }
    }

    fn add_page(&mut self, account: AccountNo, capacity: u32, shard: u32) -> PageNo {
        let no = PageNo(self.next());
        let page = OpenPage::new(account, shard, capacity);
        self.pages.insert(no, page);
        if let Some(account) = self.accounts.get_mut(&account) {
            account.pages.push(no);
        }
        if let Some(shard) = self.shards.get_mut(shard) {
            shard.pages.insert(no);
        }
        no
    }

    pub(super) fn holder_no(&mut self, id: &HolderId) -> HolderNo {
        if let Some(no) = self.holder_numbers.get(id) {
            return *no;
        }
        let no = HolderNo(self.next());
        let holder = KnownHolder {
            id: id.clone(),
            number: 0,
            has_reported: false,
            left: false,
            closed: false,
            begun: self.steady,
            haste: 0,
            accounts: BTreeSet::new(),
        };
        self.holders.insert(no, holder);
        self.holder_numbers.insert(id.clone(), no);
        let latest = self.pods.get(&id.pod).and_then(|latest| self.holders.get(latest)).map(|holder| holder.id.epoch);
        if latest.is_none_or(|latest| latest < id.epoch) {
            self.pods.insert(id.pod.clone(), no);
        }
        no
    }

    /// Adds a holder's part of an account. The holder is granted nothing before the store has it.
    pub(super) fn register(&mut self, account_no: AccountNo, holder: HolderNo) {
        let now = self.steady;
        let Some(account) = self.accounts.get(&account_no) else { return };
        let has_room = |no: &PageNo| self.pages.get(no).is_some_and(OpenPage::has_room);
        let page = account.pages.iter().rev().copied().find(has_room);
        let (key, shard, size) = (account.key.clone(), account.shard, capacity(account.pages.len()));
        let page = page.unwrap_or_else(|| {
            let shard = self.shards.place(page_bytes(&key, size), Some(shard));
            self.add_page(account_no, size, shard)
        });
        if let Some(account) = self.accounts.get_mut(&account_no) {
            account.add(holder, HolderPart::new(page, now));
            account.pace.active += 1;
        }
        if let Some(holder) = self.holders.get_mut(&holder) {
            holder.accounts.insert(account_no);
        }
        if let Some(page) = self.pages.get_mut(&page) {
            page.holders.push(holder);
            self.shards.touch(page.shard, Urgency::Now, now);
        }
    }

    /// Moves a part into the closed sums. It is removed when the store has them. `sums` is what counts of it from now
    /// on.
    pub(super) fn fold(&mut self, account_no: AccountNo, holder: HolderNo, last: bool, urgency: Urgency) {
        let Some(account) = self.accounts.get_mut(&account_no) else { return };
        let Some(part) = account.parts.get(&holder).copied().filter(|part| !part.is_folding()) else { return };
        if !part.has_reported {
            // It was lost, and is forgiven: from now on its granted amount is known, as for all closed parts.
            account.known = account.known.saturating_add(part.granted.into());
        }
        account.change(holder, |part| part.state = PartState::Folding { last });
        account.closed.add(&part.closed());
        account.line.forget(holder);
        let pod = self.holders.get(&holder).map(|holder| holder.id.pod.as_str());
        let workload = pod.and_then(|pod| self.workloads.get(pod));
        if let Some(page) = self.pages.get_mut(&part.page) {
            page.closed.add(&part.closed());
            if let Some(workload) = workload {
                page.add_spender(workload, part.spent);
            }
            self.shards.touch(page.shard, urgency, self.steady);
        }
    }

    /// The page of a part must be written.
    pub(super) fn touch_part(&mut self, account: AccountNo, holder: HolderNo, urgency: Urgency) {
        let part = self.accounts.get(&account).and_then(|account| account.parts.get(&holder));
        if let Some(page) = part.and_then(|part| self.pages.get(&part.page)) {
            self.shards.touch(page.shard, urgency, self.steady);
        }
    }

    pub(super) fn touch_account(&mut self, account: AccountNo, urgency: Urgency) {
        if let Some(account) = self.accounts.get(&account) {
            self.shards.touch(account.shard, urgency, self.steady);
        }
    }

    /// Each kind is logged once for each report: otherwise a gateway could fill the log and hide everything else.
    pub(super) fn find(&mut self, holder: &HolderId, account: Option<&AccountKey>, kind: FindingKind) {
        let is_same = |one: &Output| matches!(one, Output::Finding(one) if one.holder == *holder && one.kind == kind);
        if self.out.iter().any(is_same) {
            return;
        }
        let finding = LedgerFinding { holder: holder.clone(), account: account.cloned(), kind };
        self.out.push(Output::Finding(finding));
    }

    /// Nothing of this holder counts any more, except for what it has spent and may have spent.
    pub(super) fn void(&mut self, no: HolderNo, charged: Vec<ChargedAccount>) {
        self.leave(no);
        let Some(holder) = self.holders.get_mut(&no) else { return };
        holder.closed = true;
        let grants = Grants {
            epoch: holder.id.epoch,
            term: self.term,
            answers: holder.number,
            accounts: Vec::new(),
            void: true,
            charged,
        };
        self.out.push(Output::Grants { holder: holder.id.clone(), grants });
    }

    /// It will not report again: its parts stay charged.
    pub(super) fn leave(&mut self, no: HolderNo) {
        let steady = self.steady;
        let Some(holder) = self.holders.get_mut(&no) else { return };
        holder.left = true;
        for account_no in holder.accounts.clone() {
            let Some(account) = self.accounts.get_mut(&account_no) else { continue };
            account.line.forget(no);
            let page = account.change(no, |part| {
                if part.state == PartState::Open {
                    part.state = if part.has_reported { PartState::Gone(steady) } else { PartState::Lost };
                }
                part.page
            });
            if let Some(page) = page.and_then(|page| self.pages.get(&page)) {
                self.shards.touch(page.shard, Urgency::Lazy, steady);
            }
        }
        self.notices.remove(&no);
    }

    pub(super) fn pod_gone(&mut self, pod: &str) {
        let first = HolderId { pod: pod.to_owned(), epoch: 0 };
        let of_it: Vec<HolderNo> =
            self.holder_numbers.range(first..).take_while(|(id, _)| id.pod == pod).map(|(_, no)| *no).collect();
        of_it.into_iter().for_each(|no| self.leave(no));
    }

    pub(super) fn pods(&self) -> impl Iterator<Item = &str> {
        self.pods.keys().map(String::as_str)
    }

    pub(super) fn step(&mut self, now: Millis, input: Input) {
        self.steady += now.saturating_sub(self.stepped_at).clamp(0, STRIDE);
        self.stepped_at = now;
        self.move_to(now);
        match input {
            // It was reported once.
            Input::Loaded(_) => {}
            Input::Limits(limits) => self.adopt(limits, now),
            Input::Report { pod, limits, report } => self.report(pod, &limits, report),
            Input::HolderGone { pod } => self.pod_gone(&pod),
            Input::Written { object, version } => self.written(object, version),
            Input::Conflict { object } | Input::WriteUnknown { object } => self.out.push(Output::Reload { object }),
            Input::WriteFailed { object } => self.not_written(object),
            Input::Reloaded { object, stored } => self.reloaded(object, stored),
            Input::Act(action) => self.act(action),
            Input::Present(limits) => self.present = Some(limits),
            Input::Workload { pod, workload } => {
                self.workloads.insert(pod, fitted(&workload, LONGEST_WORKLOAD).into());
            }
            Input::Tick => self.sweep(),
        }
        self.advance_actions();
        self.serve_all();
        self.flush();
        self.send();
    }

    /// Applies the limits of policies.
    pub(super) fn adopt(&mut self, limits: Vec<SharedLimit>, now: Millis) {
        self.latest = self.latest.max(now);
        for limit in &mut self.limits {
            limit.changed |= limit.named;
            limit.named = false;
        }
        for limit in limits {
            let no = self.limit_no(&limit.id);
            if let Some(known) = self.limits.get_mut(no.0 as usize) {
                let same = known.window.as_ref() == Some(&limit.window);
                let raised = known.window.is_some() && limit.max > known.max;
                (known.max, known.window, known.named) = (limit.max, Some(limit.window), true);
                known.changed = true;
                // Refused requests may fit now.
                self.waiting.extend(known.accounts.values());
                if !same {
                    self.cut_anew(no);
                }
                if raised {
                    self.notify_all(no);
                }
            }
        }
    }

    /// Sends the state of a limit to all its holders: those that got the answer that it is spent refuse requests until
    /// they get another one.
    fn notify_all(&mut self, limit: LedgerLimitNo) {
        let Some(limit) = self.limits.get(limit.0 as usize) else { return };
        for no in limit.accounts.values() {
            let Some(account) = self.accounts.get(no).filter(|account| account.end.is_none_or(|end| end > self.latest))
            else {
                continue;
            };
            for (holder, part) in &account.parts {
                if part.state == PartState::Open && part.has_reported {
                    self.notices.entry(*holder).or_default().entry(*no).or_default();
                }
            }
        }
    }
}
