//! How limits stand over all gateways, as the leader of the ledger reported it last. The driver writes it, statuses are made of it.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use outrigger_ledger::protocol::LimitKey;
use outrigger_ledger::shared::leader::{AccountStatus, LimitFigures};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::ledger::owned::object_of;
use crate::objects::id::ObjectId;

/// A limit's figures, and of when they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitFigure {
    pub status: AccountStatus,
    /// When every gateway that uses it had reported.
    pub as_of: Timestamp,
}

/// The figures of all limits that gateways share.
#[derive(Debug, Default)]
pub struct LedgerFigures {
    table: Mutex<BTreeMap<LimitKey, LimitFigure>>,
    /// Objects whose figures changed, and whether somebody waits for it.
    changed: Mutex<BTreeMap<ObjectId, bool>>,
    notify: Notify,
    absent: bool,
}

impl LedgerFigures {
    /// There is no ledger, and no figure will come.
    #[must_use]
    pub fn absent() -> Self {
        LedgerFigures { absent: true, ..LedgerFigures::default() }
    }

    #[must_use]
    pub fn is_absent(&self) -> bool {
        self.absent
    }

    /// Takes what changed.
    pub fn take(&self, figures: Vec<LimitFigures>, now: Timestamp) {
        if figures.is_empty() {
            return;
        }
        let mut changed = self.changed.lock();
        let mut table = self.table.lock();
        for LimitFigures { limit, status, .. } in figures {
            if let Some(object) = object_of(&limit) {
                *changed.entry(object).or_default() |= is_awaited(table.get(&limit), status.as_ref());
            }
            match status {
                Some(status) => {
                    let age = SignedDuration::from_millis(i64::try_from(status.fleet.age_ms).unwrap_or(0));
                    let as_of = now.checked_sub(age).unwrap_or(now);
                    table.insert(limit, LimitFigure { status, as_of });
                }
                None => drop(table.remove(&limit)),
            }
        }
        drop((table, changed));
        self.notify.notify_one();
    }

    /// How a limit stands. Absent: no leader has reported it, or gateways do not share it.
    #[must_use]
    pub fn of(&self, limit: &LimitKey) -> Option<LimitFigure> {
        self.table.lock().get(limit).cloned()
    }

    /// Waits until figures change. Says whose, and whether a threshold may be reached or the limit is another.
    pub async fn changes(&self) -> BTreeMap<ObjectId, bool> {
        loop {
            let changed = std::mem::take(&mut *self.changed.lock());
            if !changed.is_empty() {
                return changed;
            }
            self.notify.notified().await;
        }
    }

    /// Nobody leads any more: the next leader reports all figures anew.
    pub fn clear(&self) {
        self.table.lock().clear();
        self.changed.lock().clear();
    }
}

/// Amounts may wait, unless a whole per cent more is used.
fn is_awaited(before: Option<&LimitFigure>, after: Option<&AccountStatus>) -> bool {
    let (Some(before), Some(after)) = (before.map(|before| &before.status), after) else { return true };
    let percent = |status: &AccountStatus| {
        let used = u128::from(status.fleet.spent) + u128::from(status.fleet.unconfirmed);
        used * 100 / u128::from(status.fleet.limit.max(1))
    };
    before.fleet.limit != after.fleet.limit || before.raise != after.raise || percent(after) > percent(before)
}
