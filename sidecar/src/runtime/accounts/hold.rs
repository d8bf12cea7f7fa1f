//! What a request holds: its place while it waits, and the reservation of its attempt.

use std::sync::Arc;

use outrigger_ledger::session::SessionLimit;
use outrigger_ledger::{LimitNo, Reservation, Settled, WaitingPlace};

use super::Accounts;
use crate::runtime::sessions::SessionHold;

/// The place of a request among those that wait for the same limit, while it waits. When dropped, the next one has its turn.
#[derive(Debug)]
pub struct Turn<'a> {
    accounts: &'a Accounts,
    pub(super) place: Option<WaitingPlace>,
}

impl<'a> Turn<'a> {
    #[must_use]
    pub fn new(accounts: &'a Accounts) -> Self {
        Turn { accounts, place: None }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let Some(place) = self.place.take() else { return };
        let others_wait = self.accounts.lock().book.leave(place);
        if others_wait {
            self.accounts.freed.notify_waiters();
        }
    }
}

/// The reservation of one attempt. It is settled once. If it is dropped without that, it is charged in full, because
/// the actual usage is unknown.
#[derive(Debug)]
pub struct LedgerHold {
    pub(super) accounts: Arc<Accounts>,
    pub(super) reservation: Option<Reservation>,
    /// What is set aside in the request's session.
    pub(super) session: Option<SessionHold>,
    pub(super) first_to_fail_open: bool,
}

impl LedgerHold {
    /// Limits that let it pass without a grant, because the ledger does not answer.
    #[must_use]
    pub fn failed_open(&self) -> &[LimitNo] {
        self.reservation.as_ref().map_or(&[], Reservation::failed_open)
    }

    /// Whether one of these does so for the first time since the ledger was lost.
    #[must_use]
    pub fn is_first_to_fail_open(&self) -> bool {
        self.first_to_fail_open
    }

    /// As [`settle`](Self::settle), also in the session.
    pub fn settle_both(mut self, actual: &[(LimitNo, u64)], of_session: &[(SessionLimit, u64)]) -> Settled {
        if let Some(session) = self.session.take() {
            session.settle(of_session);
            self.accounts.freed.notify_waiters();
        }
        self.settle(actual)
    }

    /// Charges the actual usage; nothing for limits that are not named. Returns the effect on each limit.
    pub fn settle(mut self, actual: &[(LimitNo, u64)]) -> Settled {
        match self.reservation.take() {
            Some(reservation) => self.accounts.settle(reservation, actual),
            None => Settled::default(),
        }
    }

    /// Returns everything: nothing was sent.
    pub fn give_back(self) {
        self.settle_both(&[], &[]);
    }
}

impl Drop for LedgerHold {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            drop(session);
            self.accounts.freed.notify_waiters();
        }
        if let Some(reservation) = self.reservation.take() {
            let amounts: Vec<(LimitNo, u64)> = reservation.amounts().collect();
            self.accounts.settle(reservation, &amounts);
        }
    }
}
