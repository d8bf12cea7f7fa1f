//! Holders that wait for an account, in the order in which they are served.

use std::collections::BTreeMap;

use outrigger_core::Millis;

use super::HolderNo;
use crate::protocol::Shortage;

/// First come, first served.
#[derive(Clone, Debug, Default)]
pub(super) struct WantLine {
    /// By turn.
    pub(super) wants: BTreeMap<u64, WantInLine>,
    pub(super) turns: BTreeMap<HolderNo, u64>,
    last_turn: u64,
}

/// What a holder wants and did not get.
#[derive(Clone, Copy, Debug)]
pub(super) struct WantInLine {
    pub(super) holder: HolderNo,
    pub(super) want: u64,
    pub(super) least: u64,
    /// What it has spent beyond what it holds.
    pub(super) debt: u64,
    reported_at: Millis,
    /// When it began to want this.
    pub(super) since: Millis,
    pub(super) short: Option<Shortage>,
}

impl WantLine {
    pub(super) fn is_empty(&self) -> bool {
        self.wants.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.wants.len()
    }

    pub(super) fn get(&self, holder: HolderNo) -> Option<&WantInLine> {
        self.wants.get(self.turns.get(&holder)?)
    }

    fn get_mut(&mut self, holder: HolderNo) -> Option<&mut WantInLine> {
        self.wants.get_mut(self.turns.get(&holder)?)
    }

    /// A holder that waits already keeps its turn.
    pub(super) fn want(&mut self, holder: HolderNo, want: u64, least: u64, debt: u64, now: Millis) {
        if let Some(known) = self.get_mut(holder) {
            *known = WantInLine { want, least, debt, reported_at: now, ..*known };
        } else {
            self.append(WantInLine { holder, want, least, debt, reported_at: now, since: now, short: None });
        }
    }

    pub(super) fn append(&mut self, want: WantInLine) {
        self.last_turn += 1;
        self.turns.insert(want.holder, self.last_turn);
        self.wants.insert(self.last_turn, want);
    }

    pub(super) fn set_debt(&mut self, holder: HolderNo, debt: u64) {
        if let Some(want) = self.get_mut(holder) {
            want.debt = debt;
        }
    }

    pub(super) fn forget(&mut self, holder: HolderNo) {
        if let Some(turn) = self.turns.remove(&holder) {
            self.wants.remove(&turn);
        }
    }

    /// Forgets wants that were not repeated.
    pub(super) fn retain_recent(&mut self, is_recent: impl Fn(Millis) -> bool) {
        let turns = &mut self.turns;
        self.wants.retain(|_, want| {
            let keep = is_recent(want.reported_at);
            if !keep {
                turns.remove(&want.holder);
            }
            keep
        });
    }

    pub(super) fn clear(&mut self) {
        self.wants.clear();
        self.turns.clear();
    }
}
