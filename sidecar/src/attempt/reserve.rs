//! Before an attempt: reserves its highest possible cost in every account that it counts against.
//!
//! If a limit is spent, the candidate is skipped. If the amount is only reserved by others, or if the ledger has not
//! granted enough, the request waits: for two seconds, within the deadline.

mod estimate;
mod refusal;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use outrigger_core::{Millis, RefusalKind};
use outrigger_ledger::Refused;
use outrigger_ledger::session::{SessionRefused, SessionWant};
use outrigger_llm::tokens::plausible::AttemptFacts;
use outrigger_policy::{Candidate, LimitIndex, ProviderIndex, Skip, Unit};

use crate::attempt::AttemptContext;
use crate::completion::Completion;
use crate::cost::charge::{Charge, CountedLimit};
use crate::cost::worst_case::WorstCase;
use crate::duration::{millis, seconds_until};
use crate::request::refusal::Refusal;
use crate::runtime::accounts::{NotHeld, Turn};
use crate::runtime::concurrency::ConcurrencyPermit;
use crate::runtime::limits::LimitAccount;
use estimate::AttemptEstimate;
use refusal::SpentLimit;

/// How long to wait for others' reservations, and for the ledger's grants.
const PATIENCE: Duration = Duration::from_secs(2);

/// What an attempt holds while it is made, and what its request must contain.
#[derive(Debug)]
pub struct ReservedAttempt {
    /// The most tokens of an answer, to be written into the request.
    pub cap: Option<u64>,
    /// The same for a request that is translated to another dialect. There the cap may be a default: a dialect's own,
    /// with room for thinking.
    pub most: Option<u64>,
}

/// Why an attempt is not made.
#[derive(Debug)]
pub struct NotReserved {
    /// The name of the skip, if the next candidate may have room. `None`: no other candidate is tried.
    pub skip: Option<Skip>,
    /// The caller gets it if no other candidate has room.
    pub refusal: Refusal,
    /// The limit that has too little left for the attempt, even if every reservation were returned.
    pub short: Option<LimitIndex>,
}

impl NotReserved {
    fn skip(skip: Skip, refusal: Refusal) -> Self {
        NotReserved { skip: Some(skip), refusal, short: None }
    }

    fn refuse(refusal: Refusal) -> Self {
        NotReserved { skip: None, refusal, short: None }
    }
}

/// Reserves the highest possible cost of an attempt.
pub async fn reserve(
    trying: &AttemptContext<'_>,
    completion: &mut Completion,
    candidate: &Candidate,
    provider: ProviderIndex,
    waits_until: &mut Option<Instant>,
) -> Result<ReservedAttempt, NotReserved> {
    let asked = AttemptEstimate::of(completion, candidate, provider);
    let mut turn = Turn::new(&trying.gateway.accounts);
    loop {
        let accounts = Arc::clone(&trying.gateway.accounts);
        // Before the check: what is returned during the check wakes this request too.
        let freed = accounts.freed();
        tokio::pin!(freed);
        freed.as_mut().enable();
        let now = millis(SystemTime::now());
        let worst = asked.worst(trying, completion, candidate, now);
        match asked.hold(trying, completion, candidate, &worst, now, &mut turn) {
            Ok(reserved) => {
                drop(turn);
                // Not earlier: a place that waits for money would block other requests.
                take_permits(trying, completion, candidate, provider).await?;
                completion.admitted = true;
                note_failed_open(trying, completion);
                return Ok(reserved);
            }
            Err(NotHeld::Journal(error)) => {
                tracing::error!(%error, "no request that is charged can be served");
                let message = "spending can't be recorded at present, so nothing is spent";
                return Err(NotReserved::refuse(Refusal::new(RefusalKind::BudgetUnavailable, message).after(1)));
            }
            Err(NotHeld::Refused(Refused::Exhausted { limit, spent, max, until })) => {
                let (account, seconds) = (LimitAccount::Book(limit), until.map(|until| seconds_until(until, now)));
                return Err(asked.exhausted(completion, &SpentLimit { account, spent, max, seconds }, &worst));
            }
            Err(NotHeld::Session(SessionRefused::Exhausted { limit, spent, max })) => {
                let gone = SpentLimit { account: LimitAccount::Session(limit), spent, max, seconds: None };
                return Err(asked.exhausted(completion, &gone, &worst));
            }
            Err(refused) => {
                let until = *waits_until.get_or_insert_with(|| trying.clock.deadline().min(Instant::now() + PATIENCE));
                // Checked here too: a request that is woken again and again would otherwise never see the deadline.
                if Instant::now() >= until {
                    return Err(asked.in_vain(trying, completion, &refused, now));
                }
                completion.waits();
                // Woken or not: the check is repeated for the reason.
                let _ = tokio::time::timeout_at(until.into(), freed).await;
                completion.waited();
            }
        }
    }
}

/// Reports that an attempt passes without a grant, because a limit fails open.
fn note_failed_open(trying: &AttemptContext<'_>, completion: &mut Completion) {
    let Some(held) = completion.charge.as_ref().and_then(|charge| charge.held.as_ref()) else { return };
    if held.failed_open().is_empty() {
        return;
    }
    trying.gateway.failed_open(&completion.context.served, held);
    completion.failed_open();
}

/// Takes a place among the concurrent requests of the provider, for the key and for all.
async fn take_permits(
    trying: &AttemptContext<'_>,
    completion: &mut Completion,
    candidate: &Candidate,
    provider: ProviderIndex,
) -> Result<(), NotReserved> {
    completion.backend_permits.clear();
    let served = Arc::clone(&completion.context.served);
    let of_entry =
        candidate.entry.and_then(|entry| served.keys.get(completion.context.key)?.entries.get(entry)?.as_ref());
    let of_provider = served.backends[provider].concurrency.as_ref();
    let mut taken: Vec<ConcurrencyPermit> = Vec::new();
    for limit in of_entry.into_iter().chain(of_provider) {
        let until = || trying.clock.deadline().min(Instant::now() + PATIENCE).into();
        match limit.take(until).await {
            Ok(permit) => taken.push(permit),
            Err(why) => {
                // Nothing was sent, so nothing is charged.
                if let Some(held) = completion.charge.take().and_then(|charge| charge.held) {
                    held.give_back();
                }
                let message = limit.describe("limits.concurrentRequests", why);
                let refusal = Refusal::new(why.kind(), message).after(why.retry_after());
                return Err(NotReserved::skip(Skip::Concurrency, refusal));
            }
        }
    }
    completion.backend_permits = taken;
    Ok(())
}

impl AttemptEstimate {
    fn hold(
        &self,
        trying: &AttemptContext<'_>,
        completion: &mut Completion,
        candidate: &Candidate,
        worst: &WorstCase,
        now: Millis,
        turn: &mut Turn<'_>,
    ) -> Result<ReservedAttempt, NotHeld> {
        let accounts = &trying.gateway.accounts;
        let held = match self.counted.is_empty() {
            true => None,
            false => {
                let amount = |unit: Unit| match unit {
                    Unit::Money => worst.money,
                    Unit::Tokens => worst.tokens,
                    Unit::Requests => 1,
                };
                let limits = &completion.context.served.policy.limits.all;
                let (mut wants, mut of_session) = (Vec::with_capacity(self.counted.len()), Vec::new());
                for CountedLimit { place, account, unit, .. } in &self.counted {
                    match *account {
                        LimitAccount::Book(number) => wants.push((number, amount(*unit))),
                        LimitAccount::Session(limit) => {
                            of_session.push(SessionWant { limit, max: limits[*place].max, amount: amount(*unit) });
                        }
                    }
                }
                let session = completion.context.session.as_ref().filter(|_| !of_session.is_empty());
                Some(accounts.hold_in_turn(now, &wants, session.map(|session| (session, of_session)), turn)?)
            }
        };
        if worst.capped {
            completion.capped();
        }
        // The upstream gets the lowest of these.
        let limit = [self.bounds.caller, self.bounds.policy, worst.cap].into_iter().flatten().min();
        let limit = limit.map(|each| each.saturating_mul(self.bounds.answers).saturating_add(self.bounds.beside));
        completion.charge = Some(Charge {
            held,
            counted: self.counted.clone(),
            provider: self.provider,
            model: Arc::clone(&candidate.model),
            input: self.input,
            metered: self.metered,
            by_tokens: completion.context.counts_tokens(),
            in_words: completion.context.answers_with_text(),
            by_seconds: completion.context.counts_seconds(),
            thinks: self.thinks,
            known: AttemptFacts { cap: limit, ..self.known },
            cache: self.cache,
            service: self.service.clone(),
            worst: *worst,
            left: Arc::default(),
        });
        // In any case the policy's own limit applies.
        let reckoned = worst.most.filter(|_| !self.counted.is_empty());
        Ok(ReservedAttempt {
            cap: worst.cap,
            most: reckoned.into_iter().chain(worst.cap).chain(self.bounds.policy).min(),
        })
    }
}
