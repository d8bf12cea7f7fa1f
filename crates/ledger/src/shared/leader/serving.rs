//! Serves the holders that wait for an account: who is granted how much, and what is missing for the others.
//!
//! When a limit is nearly used up, thousands wait. They are looked at in one pass, in order, and a holder's part is
//! looked up only if it can be granted something.

use outrigger_core::Millis;

use super::HolderNo;
use super::account::LedgerAccount;
use super::granting::narrow;
use super::line::WantInLine;
use crate::protocol::Shortage;

/// If less than this fraction is left, a holder gets exactly one reservation.
const SCARCE: u128 = 50;
/// A holder that waits longer for the store gets the answer that the store does not respond.
const PATIENCE: Millis = 1_500;

/// The state of a limit while waiting holders are served.
#[derive(Clone, Copy)]
pub(super) struct Standing {
    /// The whole limit.
    pub(super) max: u128,
    /// Committed on the other accounts that count together with the served one.
    pub(super) others: u128,
    /// Spent, or held by pods that are gone.
    pub(super) gone: u128,
}

/// Amounts that were requested while an account is served, and could not be granted yet.
#[derive(Clone, Copy, Default)]
pub(super) struct UnmetWants {
    /// By how much the ceiling must be raised.
    pub(super) raise: u128,
    /// The part of it that only covers debts of the requesting holders.
    pub(super) debts: u128,
    /// What is kept for the oldest want that can't be met; `None` before that want was found.
    kept: Option<u128>,
}

/// The result of serving all that wait for an account.
#[derive(Default)]
pub(super) struct LineServed {
    pub(super) unmet: UnmetWants,
    /// The least that those need who wait for what others hold.
    pub(super) leased: u128,
    /// Holders with an answer that they do not have yet.
    pub(super) answered: Vec<HolderNo>,
    /// Holders without a part of the account.
    pub(super) unknown: Vec<HolderNo>,
    /// Holders that may be granted no more before the store has a higher figure.
    pub(super) without_room: Vec<HolderNo>,
}

/// The result for a want.
enum Served {
    Met,
    /// The store must have something first; whether the holder is not in the store yet.
    Later {
        registered: bool,
    },
    Short {
        short: Shortage,
        left: u128,
    },
}

impl LedgerAccount {
    /// Serves all that wait, in order.
    pub(super) fn serve_line(&mut self, standing: Standing, now: Millis) -> LineServed {
        let mut served = LineServed::default();
        let slow = self.pace.raising_since.is_some_and(|since| now.saturating_sub(since) >= PATIENCE);
        let mut last = None;
        let mut wants = std::mem::take(&mut self.line.wants);
        wants.retain(|_, want| {
            let short = match self.serve_one(want, standing, &mut served) {
                Served::Met => {
                    served.answered.push(want.holder);
                    self.line.turns.remove(&want.holder);
                    return false;
                }
                Served::Later { registered } if slow || (!registered && now.saturating_sub(want.since) >= PATIENCE) => {
                    Some(Shortage::Unavailable)
                }
                // More will come soon, but a holder that got the answer that the limit is spent does not wait for it.
                Served::Later { .. } => want.short.map(|_| Shortage::Leased),
                Served::Short { short: Shortage::Leased, left } => {
                    if served.unmet.kept.is_none() {
                        let kept = self.keep_for(want.holder, left, now);
                        served.unmet.kept = Some(kept.unwrap_or(0));
                        if kept.is_none() {
                            last = Some(want.holder);
                        }
                    }
                    Some(Shortage::Leased)
                }
                Served::Short { short, .. } => Some(short),
            };
            if short == Some(Shortage::Leased) {
                served.leased = served.leased.saturating_add(want.least.into());
            }
            if want.short != short {
                want.short = short;
                served.answered.push(want.holder);
            }
            true
        });
        self.line.wants = wants;
        if let Some(want) = last.and_then(|holder| self.line.get(holder)).copied() {
            self.line.forget(want.holder);
            self.line.append(want);
        }
        served
    }

    /// Serves one waiting holder. What it is not granted is added to what the earlier ones left unmet.
    fn serve_one(&mut self, waiting: &WantInLine, standing: Standing, served: &mut LineServed) -> Served {
        let (holder, wanted, least) = (waiting.holder, u128::from(waiting.want), u128::from(waiting.least));
        // A grant that covers a debt counts already.
        let debt = u128::from(waiting.debt);
        let unmet = &mut served.unmet;
        let counted = standing.others.saturating_add(self.owed()).saturating_sub(debt);
        let left = standing.max.saturating_sub(counted).saturating_sub(unmet.raise.saturating_sub(unmet.debts));
        if left < least {
            let unspent = standing.max.saturating_sub(standing.gone.saturating_sub(debt));
            return Served::Short { short: if unspent < least { Shortage::Spent } else { Shortage::Leased }, left };
        }
        let left = left.saturating_sub(unmet.kept.unwrap_or(0));
        if left < least {
            return Served::Short { short: Shortage::Leased, left };
        }
        let at_hand = self.at_hand().saturating_sub(unmet.raise);
        // The unknown ones become active.
        let active = u128::from(self.pace.active).saturating_add(served.unknown.len() as u128).max(1);
        let scarce = left < standing.max / SCARCE || left < least.saturating_mul(active);
        let amount = if scarce { least } else { wanted.min(least.max(left / (2 * active))) };
        let part = self.parts.get(&holder);
        let room = part.filter(|part| part.may_be_granted()).map(|part| part.most.saturating_sub(part.granted));
        let grantable = room.map_or(0, |room| u128::from(room).min(at_hand));
        if grantable < least {
            unmet.raise = unmet.raise.saturating_add(amount);
            unmet.debts = unmet.debts.saturating_add(debt.min(amount));
            let registered = part.is_some_and(|part| part.registered);
            if part.is_none() {
                served.unknown.push(holder);
            } else if room.is_some_and(|room| u128::from(room) < least) {
                served.without_room.push(holder);
            }
            return Served::Later { registered };
        }
        let granted = self.change(holder, |part| {
            let amount = narrow(amount.min(grantable)).min(u64::MAX - part.granted);
            (part.granted, part.usual) = (part.granted.saturating_add(amount), waiting.want);
            amount
        });
        let granted = u128::from(granted.unwrap_or(0));
        self.granted_in_term = self.granted_in_term.saturating_add(granted);
        self.granted_beside(granted);
        Served::Met
    }
}
