//! A gateway of the model: its holder, its journal, and its requests.

use std::collections::BTreeMap;

use outrigger_core::Millis;

use crate::protocol::LimitKey;
use crate::shared::holder::{HeldNo, HeldState, Holder, HolderState, JournalWrite, SharedNo};

#[derive(Clone, Debug)]
pub(super) struct ModelGateway {
    pub(super) pod: String,
    pub(super) holder: Holder,
    pub(super) limit: SharedNo,
    pub(super) state: HolderState,
    pub(super) journal: BTreeMap<HeldNo, HeldState>,
    /// Of this pod's holder, and of its earlier ones.
    pub(super) spent: u64,
    pub(super) open: Vec<HeldNo>,
    pub(super) reports: u8,
    pub(super) reserves: u8,
    pub(super) closing: bool,
    pub(super) now: Millis,
}

impl ModelGateway {
    pub(super) fn new(pod: String, limit: &LimitKey) -> Self {
        let mut holder = Holder::new(1);
        let limit = holder.adopt([limit])[0];
        ModelGateway {
            pod,
            state: holder.state(),
            holder,
            limit,
            journal: BTreeMap::new(),
            spent: 0,
            open: Vec::new(),
            reports: 0,
            reserves: 0,
            closing: false,
            now: 0,
        }
    }

    pub(super) fn write(&mut self) {
        let (state, journal) = (&mut self.state, &mut self.journal);
        self.holder.journal(|write| match write {
            JournalWrite::Holder(written) => *state = written,
            JournalWrite::Account(no, account) => drop(journal.insert(no, account)),
            JournalWrite::Forgotten(no) => drop(journal.remove(&no)),
        });
    }

    pub(super) fn restart(&mut self, limit: &LimitKey) {
        // Requests in flight cost at most their reservation.
        self.spent += self.open.drain(..).count() as u64;
        let accounts: Vec<HeldState> = std::mem::take(&mut self.journal).into_values().collect();
        let (holder, numbers) = Holder::restore(self.state, accounts.clone(), self.now, 2_000_000);
        self.journal = numbers.into_iter().zip(accounts).collect();
        self.holder = holder;
        self.limit = self.holder.adopt([limit])[0];
        self.closing = false;
        self.write();
    }
}
