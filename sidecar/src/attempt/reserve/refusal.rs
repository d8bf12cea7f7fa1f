//! What the caller is answered if nothing could be reserved.

use outrigger_core::{Millis, RefusalKind};
use outrigger_ledger::Refused;
use outrigger_ledger::session::SessionRefused;
use outrigger_policy::{OnLimit, Skip, Unit};

use super::NotReserved;
use super::estimate::AttemptEstimate;
use crate::attempt::AttemptContext;
use crate::completion::Completion;
use crate::cost::worst_case::WorstCase;
use crate::request::refusal::Refusal;
use crate::runtime::accounts::NotHeld;
use crate::runtime::concurrency::LEDGER_BACK;
use crate::runtime::limits::LimitAccount;

/// A limit without room.
pub(super) struct SpentLimit {
    pub(super) account: LimitAccount,
    pub(super) spent: u64,
    pub(super) max: u64,
    /// When it will have room, if waiting helps.
    pub(super) seconds: Option<u64>,
}

impl AttemptEstimate {
    /// The refusal of a limit that has no room for the worst case, even without other requests.
    pub(super) fn exhausted(&self, completion: &Completion, gone: &SpentLimit, worst: &WorstCase) -> NotReserved {
        let served = &completion.context.served;
        let Some(at) = served.limits.position(|one| *one == gone.account) else {
            return NotReserved::refuse(
                Refusal::new(RefusalKind::BudgetUnavailable, "the limits have changed").after(1),
            );
        };
        let limit = &served.policy.limits.all[at];
        let most = match limit.unit {
            Unit::Money => worst.money,
            Unit::Tokens => worst.tokens,
            Unit::Requests => 1,
        };
        let (skip, kind) = (limit.skip(at), limit.refusal_kind().kind());
        let mut message = limit.describe(gone.spent);
        // A nearly spent limit may still have room for a smaller request.
        if limit.unit != Unit::Requests && gone.spent < gone.max {
            let fewer = match worst.cap {
                None => ": ask for fewer tokens (`max_tokens`)".to_owned(),
                Some(cap) => format!(": ask for fewer tokens than {cap} (`max_tokens`)"),
            };
            message.push_str(&format!(", and this request may come to {}{fewer}", limit.amount(most)));
        }
        let refusal = Refusal { retry_after: gone.seconds, ..Refusal::new(kind, message) };
        let passes_on = completion.context.key().on_limit == OnLimit::NextProvider;
        NotReserved { skip: passes_on.then_some(skip), refusal, short: Some(at) }
    }

    /// The refusal of a limit after waiting for it.
    pub(super) fn in_vain(
        &self,
        trying: &AttemptContext<'_>,
        completion: &Completion,
        refused: &NotHeld,
        now: Millis,
    ) -> NotReserved {
        let served = &completion.context.served;
        let account = match refused {
            NotHeld::Refused(refused) => Some(LimitAccount::Book(refused.limit())),
            NotHeld::Session(SessionRefused::Contended { limit } | SessionRefused::Exhausted { limit, .. }) => {
                Some(LimitAccount::Session(*limit))
            }
            NotHeld::Journal(_) => None,
        };
        let at = account.and_then(|account| served.limits.position(|one| *one == account));
        let whose = at.map_or_else(String::new, |at| format!("{}: ", served.policy.limits.all[at].id));
        let refusal = match refused {
            NotHeld::Refused(Refused::NotGranted { limit }) => {
                let shared = trying.gateway.accounts.state(*limit, now).shared;
                // While the ledger answers, nothing passes without it.
                let open = shared.and_then(|shared| shared.fail_open).is_some_and(|open| open.lasts.is_some());
                let beyond = match open {
                    true => ", and so is what onLedgerUnavailable lets pass without it (maxPerPod, maxDuration)",
                    false => "",
                };
                let message = format!(
                    "{whose}the ledger that shares it among gateways does not answer at this time, and what this one was \
                     granted is used up{beyond}"
                );
                Refusal::new(RefusalKind::BudgetUnavailable, message).after(LEDGER_BACK)
            }
            _ => {
                let message =
                    format!("{whose}what is left is set aside for requests under way; some of it will come back");
                Refusal::new(RefusalKind::BudgetContended, message).after(1)
            }
        };
        let skip = at.map_or(Skip::Concurrency, |at| match served.policy.limits.all[at].unit {
            Unit::Money => Skip::Budget(at),
            Unit::Tokens | Unit::Requests => Skip::Limit(at),
        });
        NotReserved::skip(skip, refusal)
    }
}
