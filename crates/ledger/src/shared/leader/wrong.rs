//! Faulty behaviour of a leader: for the model, which must detect it.

use super::shards::Urgency;
use super::{Leader, LeaderPhase};

impl Leader {
    /// Frees what holders have and did not report as spent.
    pub(crate) fn forget_who_is_silent(&mut self) {
        let LeaderPhase::Leading(books) = &mut self.phase else { return };
        let mut touched = Vec::new();
        for (no, account) in &mut books.accounts {
            for holder in account.parts.keys().copied().collect::<Vec<_>>() {
                account.change(holder, |part| {
                    part.returned = part.returned.max(part.granted.saturating_sub(part.spent));
                });
                touched.push((*no, holder));
            }
        }
        touched.into_iter().for_each(|(no, holder)| books.touch_part(no, holder, Urgency::Now));
    }

    /// Takes what the store grants to the previous leader as this one's own.
    pub(crate) fn carry_ceilings_over(&mut self) {
        let LeaderPhase::Leading(books) = &mut self.phase else { return };
        for account in books.accounts.values_mut() {
            (account.ceiling, account.durable_ceiling) = (account.former, account.former);
            account.former = 0;
        }
    }

    /// What holders have returned, as far as they reported it.
    pub(crate) fn returned(&self) -> u64 {
        let LeaderPhase::Leading(books) = &self.phase else { return 0 };
        let parts = books.accounts.values().flat_map(|account| account.parts.values());
        parts.map(|part| part.returned).sum()
    }

    /// This much may be granted again immediately.
    pub(crate) fn recycle(&mut self, amount: u64) {
        let LeaderPhase::Leading(books) = &mut self.phase else { return };
        for account in books.accounts.values_mut() {
            account.granted_in_term = account.granted_in_term.saturating_sub(amount.into());
        }
    }

    /// Nothing of what holders have counts any more.
    pub(crate) fn write_off_what_is_held(&mut self) {
        let LeaderPhase::Leading(books) = &mut self.phase else { return };
        for (no, account) in &mut books.accounts {
            account.written_off = account.committed();
            books.waiting.insert(*no);
        }
    }

    /// Raises a limit by so much more.
    pub(crate) fn add_raise(&mut self, by: u64) {
        let LeaderPhase::Leading(books) = &mut self.phase else { return };
        for (no, account) in &mut books.accounts {
            if let Some(raise) = &mut account.raise {
                raise.by += by;
            }
            books.waiting.insert(*no);
        }
    }
}
