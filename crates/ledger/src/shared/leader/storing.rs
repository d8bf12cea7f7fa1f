//! Writes to the store, and what follows when they are complete.

use super::account::{PartState, Removal};
use super::books::{LedgerBooks, Notice};
use super::input::Output;
use super::page::{account_bytes, page_bytes};
use super::shards::{Urgency, WriteAttempt, WriteTurn, WrittenPage, WrittenRow};
use super::{AccountNo, PageNo};
use crate::protocol::DurableUsage;
use crate::shared::record::{
    FORMAT, HolderPage, HolderRecord, IndexRecord, ShardRecord, StoreObject, StoreRecord, StoreVersion,
};

/// How many writes of a shard with unknown outcome are remembered.
const REMEMBERED: usize = 16;

impl LedgerBooks {
    /// Requests the writes whose turn it is.
    pub(super) fn flush(&mut self) {
        for turn in self.shards.turns(self.steady) {
            match turn {
                WriteTurn::Index(shards) => {
                    let record = StoreRecord::Index(IndexRecord { format: FORMAT, term: self.term, shards });
                    let expected = self.shards.index_version.clone();
                    self.out.push(Output::Write { object: StoreObject::Index, expected, record });
                }
                WriteTurn::Shard(number) => {
                    let attempt = self.attempt(number);
                    let record = attempt.record.clone();
                    let Some(shard) = self.shards.get_mut(number) else { continue };
                    shard.attempts.push(attempt);
                    // A write that is this old and is made after all looks like another process's: this leader ends,
                    // and the next one reads it.
                    if shard.attempts.len() > REMEMBERED {
                        shard.attempts.remove(0);
                    }
                    let expected = shard.version.clone();
                    self.out.push(Output::Write { object: StoreObject::Shard(number), expected, record });
                }
            }
        }
    }

    /// The new content of a shard.
    fn attempt(&mut self, number: u32) -> WriteAttempt {
        let mut record = ShardRecord { format: FORMAT, term: self.term, ..ShardRecord::default() };
        let (mut ceilings, mut pages) = (Vec::new(), Vec::new());
        let Some(shard) = self.shards.get_mut(number) else {
            return WriteAttempt { record: StoreRecord::Shard(record), ceilings, pages };
        };
        for no in &shard.accounts {
            if let Some(account) = self.accounts.get(no) {
                if account.removal != Removal::Leaving {
                    record.accounts.push(account.record());
                }
                ceilings.push((*no, account.ceiling));
            }
        }
        for no in &shard.pages {
            let Some(page) = self.pages.get(no) else { continue };
            let Some(account) = self.accounts.get_mut(&page.account) else { continue };
            let mut rows = Vec::with_capacity(page.holders.len());
            let mut kept = Vec::with_capacity(page.holders.len());
            let mut returned = page.closed.returned;
            for holder in &page.holders {
                let (Some(part), Some(known)) = (account.parts.get(holder).copied(), self.holders.get(holder)) else {
                    continue;
                };
                if part.is_folding() {
                    continue;
                }
                returned = returned.saturating_add(part.returned.into());
                let durable = DurableUsage { spent: part.spent, returned: part.returned };
                let most = part.written_most(account.line.get(*holder).map_or(0, |want| want.want));
                rows.push(WrittenRow { holder: *holder, durable, most, open: part.state == PartState::Open });
                kept.push(HolderRecord {
                    holder: known.id.clone(),
                    granted: part.written_granted(),
                    most,
                    returned: part.returned,
                    spent: part.spent,
                    state: part.written_state(),
                });
                // For a while it is unknown which figure the store has.
                account.change(*holder, |part| part.most = part.most.min(most));
            }
            let (key, capacity, closed) = (account.key.clone(), page.capacity, page.closed);
            record.pages.push(HolderPage { key, capacity, holders: kept, closed, spenders: page.spenders.clone() });
            pages.push(WrittenPage { page: *no, returned, rows });
        }
        WriteAttempt { record: StoreRecord::Shard(record), ceilings, pages }
    }

    pub(super) fn written(&mut self, object: StoreObject, version: StoreVersion) {
        self.shards.settled(object);
        match object {
            StoreObject::Index => {
                self.shards.index_version = Some(version);
                self.shards.indexed = self.shards.indexing;
            }
            StoreObject::Shard(number) => {
                let Some(shard) = self.shards.get_mut(number) else { return };
                shard.version = Some(version);
                // The earlier writes were never made: they expected a state that is gone.
                let attempt = shard.attempts.pop();
                shard.attempts.clear();
                if let Some(attempt) = attempt {
                    self.stored(&attempt);
                }
            }
        }
    }

    /// The store certainly has this.
    fn stored(&mut self, attempt: &WriteAttempt) {
        for (no, ceiling) in &attempt.ceilings {
            let Some(account) = self.accounts.get_mut(no) else { continue };
            if account.removal == Removal::Leaving {
                self.remove_account(*no);
                continue;
            }
            if *ceiling > account.durable_ceiling {
                self.waiting.insert(*no);
            }
            // Lower only for an account that has ended, and never below what was granted.
            account.durable_ceiling = *ceiling;
            if account.durable_ceiling >= account.ceiling {
                account.pace.raising_since = None;
            }
        }
        for written in &attempt.pages {
            self.stored_page(written);
        }
        self.stored_actions(&attempt.record);
    }

    fn stored_page(&mut self, written: &WrittenPage) {
        let Some(page) = self.pages.get_mut(&written.page) else { return };
        let no = page.account;
        let Some(account) = self.accounts.get_mut(&no) else { return };
        if written.returned > page.durable_returned {
            account.durable_returned =
                account.durable_returned.saturating_sub(page.durable_returned).saturating_add(written.returned);
            page.durable_returned = written.returned;
            account.changed = true;
            self.waiting.insert(no);
        }
        let mut left = Vec::new();
        for holder in &page.holders {
            let Some(part) = account.parts.get(holder) else { continue };
            if let PartState::Folding { last } = part.state
                && !written.rows.iter().any(|row| row.holder == *holder)
            {
                let durable = DurableUsage { spent: part.spent, returned: part.returned };
                left.push((*holder, last, part.confirmed(durable)));
            }
        }
        page.holders.retain(|holder| !left.iter().any(|(gone, ..)| gone == holder));
        for row in &written.rows {
            let confirmed = account.change(row.holder, |part| {
                let open = row.open && part.state == PartState::Open;
                let news = open && (!part.registered || part.durable != row.durable);
                part.registered = part.registered || open;
                part.durable = row.durable;
                if open {
                    part.most = row.most;
                }
                news
            });
            if confirmed == Some(true) {
                self.notices.entry(row.holder).or_default().entry(no).or_default();
            }
            if account.line.get(row.holder).is_some() {
                self.waiting.insert(no);
            }
        }
        for (holder, last, durable) in left {
            account.remove_folded(holder);
            if let Some(holder) = self.holders.get_mut(&holder) {
                holder.accounts.remove(&no);
            }
            if last {
                self.notices.entry(holder).or_default().insert(no, Notice { left: Some(durable), ..Notice::default() });
            }
        }
    }

    /// The store has forgotten an account: now its pages are removed.
    fn remove_account(&mut self, no: AccountNo) {
        let Some(account) = self.accounts.remove(&no) else { return };
        self.waiting.remove(&no);
        if let Some(limit) = self.limits.get_mut(account.limit.0 as usize) {
            limit.accounts.remove(&account.key.start);
        }
        if let Some(shard) = self.shards.get_mut(account.shard) {
            shard.accounts.remove(&no);
        }
        self.shards.free(account.shard, account_bytes(&account.key));
        for page in &account.pages {
            self.remove_page(*page, &account.key);
        }
        for holder in account.parts.keys() {
            if let Some(holder) = self.holders.get_mut(holder) {
                holder.accounts.remove(&no);
            }
        }
    }

    fn remove_page(&mut self, no: PageNo, key: &crate::protocol::AccountKey) {
        let Some(page) = self.pages.remove(&no) else { return };
        if let Some(shard) = self.shards.get_mut(page.shard) {
            shard.pages.remove(&no);
        }
        self.shards.free(page.shard, page_bytes(key, page.capacity));
        self.shards.touch(page.shard, Urgency::Lazy, self.steady);
    }

    pub(super) fn not_written(&mut self, object: StoreObject) {
        self.shards.settled(object);
        if let StoreObject::Shard(number) = object {
            if let Some(shard) = self.shards.get_mut(number) {
                shard.attempts.pop();
            }
            self.shards.touch(number, Urgency::Now, self.steady);
        }
    }

    /// The content of the store decides the outcome of writes that was unknown.
    pub(super) fn reloaded(&mut self, object: StoreObject, stored: Option<(StoreVersion, StoreRecord)>) {
        self.shards.settled(object);
        let term = self.term;
        match (object, stored) {
            (StoreObject::Index, Some((version, StoreRecord::Index(index)))) if index.term == term => {
                self.shards.index_version = Some(version);
                self.shards.indexed = self.shards.indexed.max(index.shards);
            }
            (StoreObject::Index, Some((_, StoreRecord::Index(index)))) => {
                let by = (index.term > term).then_some(index.term);
                self.out.push(Output::Deposed { by });
            }
            (StoreObject::Shard(number), stored) => {
                let Some(shard) = self.shards.get_mut(number) else { return };
                let (version, record) = stored.map_or((None, None), |(version, record)| (Some(version), Some(record)));
                if version == shard.version {
                    // Nothing was written yet. It may be written later: then the next write detects that.
                    return self.shards.touch(number, Urgency::Now, self.steady);
                }
                let made = shard.attempts.iter().rposition(|attempt| Some(&attempt.record) == record.as_ref());
                match made {
                    Some(place) => {
                        let attempt = shard.attempts.swap_remove(place);
                        shard.attempts.clear();
                        shard.version = version;
                        self.stored(&attempt);
                        self.shards.touch(number, Urgency::Now, self.steady);
                    }
                    None => {
                        let by = match record {
                            Some(StoreRecord::Shard(record)) if record.term > term => Some(record.term),
                            // It is neither what this leader wrote, nor what a later one wrote: the store was restored
                            // from an older state.
                            _ => None,
                        };
                        self.out.push(Output::Deposed { by });
                    }
                }
            }
            (StoreObject::Index, _) => self.out.push(Output::Deposed { by: None }),
        }
    }
}
