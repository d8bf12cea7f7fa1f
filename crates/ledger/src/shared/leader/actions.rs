//! Actions on a limit that people ask for: forgive, reset and raise.
//!
//! ```text
//! act ─► changed in memory ─► pages are in the store ─► the id is in the store ─► outcome
//! ```
//!
//! Each action is done once. The store has its id with the account of the period, in the same write as what a reset or a
//! raise changes. A leader that finds the id there answers with what was done then. What is forgiven is on other objects of
//! the store: they are written first, so that an id never stands for something that was not done.

use outrigger_core::Millis;

use super::account::{LedgerAccount, PartState};
use super::books::LedgerBooks;
use super::granting::narrow;
use super::input::{ActionOutcome, ActionRefusal, LONGEST_ACTION_ID, LedgerAction, LedgerVerb};
use super::pending_action::PendingAction;
use super::shards::Urgency;
use super::{AccountNo, HolderNo, PageNo};
use crate::shared::record::{AccountRecord, ActionRecord, RaiseRecord, StoreRecord};

/// So many ids are kept with an account.
const IDS: usize = 10;
/// So many are handed on to the account of the next period.
const HANDED_ON: usize = 3;
/// So many actions wait for the store at most.
const PENDING: usize = 1_000;

impl LedgerAccount {
    /// What the account of the next period has of this one: a raise that goes on, and the last actions.
    pub(super) fn hand_on(&self, next: &mut AccountRecord) {
        next.raise = self.raise.filter(|raise| raise.until > next.key.start);
        let first = self.actions.len().saturating_sub(HANDED_ON);
        next.actions = self.actions.iter().skip(first).cloned().collect();
    }

    fn note(&mut self, record: ActionRecord) {
        if self.actions.len() >= IDS {
            self.actions.remove(0);
        }
        self.actions.push(record);
        self.changed = true;
    }
}

impl LedgerBooks {
    pub(super) fn act(&mut self, action: LedgerAction) {
        if self.actions.iter().any(|pending| pending.action.id == action.id && pending.action.limit == action.limit) {
            return;
        }
        if let Err(refusal) = self.begin(&action) {
            let LedgerAction { id, limit, .. } = action;
            self.outcomes.push(ActionOutcome { id, limit, result: Err(refusal) });
        }
    }

    fn begin(&mut self, action: &LedgerAction) -> Result<(), ActionRefusal> {
        let sane = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if action.id.is_empty() || action.id.len() > LONGEST_ACTION_ID || !action.id.bytes().all(sane) {
            return Err(ActionRefusal::Id);
        }
        let number = self.limit_numbers.get(&action.limit).copied();
        if !number.and_then(|no| self.limit(no)).is_some_and(|limit| limit.named) {
            return Err(ActionRefusal::NotShared);
        }
        if self.actions.len() >= PENDING {
            return Err(ActionRefusal::Unavailable);
        }
        let no = self.current(&action.limit, true).ok_or(ActionRefusal::Unavailable)?;
        let account = self.accounts.get(&no).ok_or(ActionRefusal::Unavailable)?;
        let (limit, at) = (account.limit, self.latest);
        if let Some(done) = account.actions.iter().find(|done| done.id == action.id).cloned() {
            self.wait_for(action, done, no);
            return Ok(());
        }
        let (mut pages, mut written_off) = (Vec::new(), Vec::new());
        let amount = match action.verb {
            LedgerVerb::Forgive => {
                let all = self.limit(limit).map(|limit| limit.accounts.values().copied().collect::<Vec<_>>());
                all.unwrap_or_default().into_iter().map(|no| self.forgive(no, &mut pages)).sum()
            }
            LedgerVerb::Reset => {
                let all = self.counted_with(no);
                all.into_iter().map(|no| self.write_off(no, &mut written_off)).sum()
            }
            LedgerVerb::Raise { until, .. } if until <= at => return Err(ActionRefusal::Past),
            LedgerVerb::Raise { by, until } => self.raise_limit(no, RaiseRecord { by, until }),
        };
        let record = ActionRecord { id: action.id.clone(), at, amount };
        let noted = pages.is_empty();
        self.actions.push(PendingAction {
            action: action.clone(),
            record: record.clone(),
            account: no,
            pages,
            written_off,
            noted,
        });
        if noted {
            self.note(no, record);
        }
        self.notify_users(no);
        Ok(())
    }

    /// An action that was done before: its outcome comes when the store has it.
    fn wait_for(&mut self, action: &LedgerAction, record: ActionRecord, account: AccountNo) {
        let (pages, written_off) = (Vec::new(), Vec::new());
        self.actions.push(PendingAction { action: action.clone(), record, account, pages, written_off, noted: true });
        self.touch_account(account, Urgency::Now);
    }

    fn note(&mut self, no: AccountNo, record: ActionRecord) {
        if let Some(account) = self.accounts.get_mut(&no) {
            account.note(record);
        }
        self.touch_account(no, Urgency::Now);
        self.waiting.insert(no);
    }

    /// The accounts that count with this one, itself among them.
    fn counted_with(&self, no: AccountNo) -> Vec<AccountNo> {
        let Some(account) = self.accounts.get(&no) else { return Vec::new() };
        let Some(limit) = self.limit(account.limit) else { return Vec::new() };
        let keys: Vec<Millis> = self.counted(limit, account).map(|account| account.key.start).collect();
        keys.iter().filter_map(|start| limit.accounts.get(start).copied()).collect()
    }

    /// What was spent counts no more. Says how much that is.
    fn write_off(&mut self, no: AccountNo, written_off: &mut Vec<(AccountNo, u128)>) -> u128 {
        let Some(account) = self.accounts.get_mut(&no) else { return 0 };
        let (spent, anew) = (account.spent(), account.spent_anew());
        if anew > 0 {
            account.written_off = spent;
            account.changed = true;
            written_off.push((no, spent));
            self.touch_account(no, Urgency::Now);
        }
        anew
    }

    fn raise_limit(&mut self, no: AccountNo, raise: RaiseRecord) -> u128 {
        if let Some(account) = self.accounts.get_mut(&no) {
            account.raise = Some(raise);
        }
        raise.by.into()
    }

    /// What holders of an account that are gone may have spent counts as unspent. Says how much that is. Their rows stay for
    /// a while: if one is not gone after all, its journal is void, and what it spent meanwhile counts.
    fn forgive(&mut self, no: AccountNo, pages: &mut Vec<(PageNo, u128)>) -> u128 {
        let steady = self.steady;
        let Some(account) = self.accounts.get_mut(&no) else { return 0 };
        let mut forgiven = account.unconfirmed();
        let gone = |state: PartState| matches!(state, PartState::Gone(_) | PartState::Lost);
        let gone: Vec<HolderNo> =
            account.parts.iter().filter(|(_, part)| gone(part.state)).map(|(holder, _)| *holder).collect();
        for holder in gone {
            let Some(part) = account.parts.get(&holder).copied() else { continue };
            let mut granted = part.granted;
            if !part.has_reported {
                // It was lost, and is forgiven: what it may have been granted is known from now on.
                granted = narrow(account.most_granted(&part));
                account.know(&part, granted);
                forgiven = forgiven.saturating_add((granted - part.granted).into());
            }
            account.change(holder, |part| {
                part.granted = granted;
                part.returned = part.returned.max(part.granted.saturating_sub(part.spent));
                (part.state, part.has_reported) = (PartState::Gone(steady), true);
            });
        }
        account.changed = true;
        for page_no in account.pages.clone() {
            let Some(page) = self.pages.get_mut(&page_no) else { continue };
            let unconfirmed = page.closed.unconfirmed();
            page.closed.returned = page.closed.returned.saturating_add(unconfirmed);
            account.closed.returned = account.closed.returned.saturating_add(unconfirmed);
            let parts = page.holders.iter().filter_map(|holder| account.parts.get(holder));
            let parts = parts.filter(|part| !part.is_folding()).map(|part| u128::from(part.returned));
            let returned = parts.fold(page.closed.returned, u128::saturating_add);
            if returned > page.durable_returned {
                pages.push((page_no, returned));
                self.shards.touch(page.shard, Urgency::Now, steady);
            }
        }
        self.waiting.insert(no);
        forgiven
    }

    /// Every gateway that uses an account learns how it stands.
    fn notify_users(&mut self, no: AccountNo) {
        let Some(account) = self.accounts.get(&no) else { return };
        for (holder, part) in &account.parts {
            if part.state == PartState::Open {
                self.notices.entry(*holder).or_default().entry(no).or_default();
            }
        }
    }

    /// Notes actions whose pages the store has, and ends those that it has.
    pub(super) fn advance_actions(&mut self) {
        if self.actions.is_empty() {
            return;
        }
        for mut pending in std::mem::take(&mut self.actions) {
            let has_page = |(no, returned): &(PageNo, u128)| {
                self.pages.get(no).is_none_or(|page| page.durable_returned >= *returned)
            };
            if !pending.noted && pending.pages.iter().all(has_page) {
                pending.noted = true;
                self.note(pending.account, pending.record.clone());
            }
            let has_id = self
                .accounts
                .get(&pending.account)
                .is_none_or(|account| account.durable_actions.contains(&pending.record.id));
            let is_written_off = |(no, spent): &(AccountNo, u128)| {
                self.accounts.get(no).is_none_or(|account| account.durable_written_off >= *spent)
            };
            if pending.noted && has_id && pending.written_off.iter().all(is_written_off) {
                let LedgerAction { id, limit, .. } = pending.action;
                self.outcomes.push(ActionOutcome { id, limit, result: Ok(pending.record) });
            } else {
                self.actions.push(pending);
            }
        }
    }

    /// The store has this for certain.
    pub(super) fn stored_actions(&mut self, record: &StoreRecord) {
        let StoreRecord::Shard(shard) = record else { return };
        for record in &shard.accounts {
            let Some(account) = self.account_no(&record.key).and_then(|no| self.accounts.get_mut(&no)) else {
                continue;
            };
            account.durable_written_off = record.written_off;
            if !record.actions.is_empty() {
                account.durable_actions = record.actions.iter().map(|done| done.id.clone()).collect();
            }
        }
    }
}
