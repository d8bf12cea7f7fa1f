//! Tries candidates until one answers. The kind of failure decides what happens next.
//!
//! ```text
//! route (route.rs) -> reserve -> send (send.rs) -> answer -> the caller, through filters (answer_filters.rs)
//!   ^                   | no room                | failed -> settle, learn (learn.rs, tried_routes.rs)
//!   |                   v                        v
//!   +------------- next candidate <--------- next step (next_step.rs, retry_pause.rs):
//!                                            give back | retry | next credential | next candidate
//! ```
//! Before the first content, another candidate takes over if it may do better. An error that the caller caused goes
//! back unchanged. Trying an untried candidate is failover and has no limit. Going back to a tried one is a retry and
//! is limited.

mod answer_filters;
mod attempt_context;
mod caller_credential;
mod learn;
mod next_step;
pub(crate) mod prepare;
mod refused_credential;
pub(crate) mod reserve;
mod retry_pause;
mod route;
mod send;
mod token_count;
mod tried_routes;

use std::sync::Arc;
use std::time::Instant;

use http::Response;
use outrigger_core::RefusalKind;
use outrigger_policy::{Candidate, Decision, LimitIndex};

pub use attempt_context::AttemptContext;
use next_step::{NextStep, Situation, next_step};
use route::{Cursor, Route};
use send::ProviderAnswer;
use tried_routes::TriedRoutes;

use crate::attempt::reserve::{NotReserved, reserve};
use crate::completion::{Completion, Failed, FailureClass, RequestClock, Timing, UpstreamAnswer, keep_content_type};
use crate::request::refusal::Refusal;
use crate::request::reply::ReplyBody;
use crate::telemetry::record::ErrorType;

/// A limit has too little left for a candidate, and nothing was sent yet: the policy decides once more.
#[derive(Debug)]
pub struct ShortLimit {
    pub completion: Box<Completion>,
    pub limit: LimitIndex,
    /// The refusal if there is no second decision.
    pub refusal: Box<Refusal>,
    /// As [`AttemptContext::waits_until`].
    pub waits_until: Option<Instant>,
}

/// Tries the decision's candidates in order. Answers with the first success, or else with the error of the primary.
///
/// # Errors
/// [`ShortLimit`], where the decision [may be made once more](AttemptContext::may_decide_again).
pub async fn attempt(
    attempts: &AttemptContext<'_>,
    mut completion: Box<Completion>,
) -> Result<Response<ReplyBody>, ShortLimit> {
    let served = Arc::clone(&completion.context.served);
    for provider in attempts.decision.eligible().filter_map(|candidate| candidate.provider) {
        served.backends[provider].upstream.touch();
    }
    let mut cursor = Cursor::new(attempts.decision);
    let mut tried = TriedRoutes::default();
    let mut primary: Option<(Failed, &Candidate)> = None;
    // The refusal of a candidate that was skipped because money, or something else that is limited, ran out.
    let mut no_room: Option<Refusal> = None;
    let mut waits_until = attempts.waits_until;

    while let Some(route) = cursor.route() {
        let (candidate, provider) = (route.candidate, &served.policy.providers[route.provider]);
        if tried.rules_out(&served.policy, route.provider, candidate) {
            cursor.next_candidate();
            continue;
        }
        if Instant::now() >= attempts.clock.deadline() {
            break;
        }
        if completion.context.is_gone() {
            return Ok(completion.client_closed());
        }
        let reserved = match reserve(attempts, &mut completion, candidate, route.provider, &mut waits_until).await {
            Ok(reserved) => reserved,
            Err(NotReserved { short: Some(limit), refusal, .. }) if attempts.may_decide_again && primary.is_none() => {
                completion.record_skip(candidate, &served.policy.limits.all[limit].skip(limit));
                return Err(ShortLimit { completion, limit, refusal: Box::new(refusal), waits_until });
            }
            // After a failed attempt, its error is the better answer.
            Err(NotReserved { skip: None, .. }) if primary.is_some() => break,
            Err(NotReserved { skip: None, refusal, .. }) => return Ok(completion.refuse(&refusal)),
            Err(NotReserved { skip: Some(skip), refusal, .. }) => {
                completion.record_skip(candidate, &skip);
                // The caller gets the refusal that passes soonest: a spent budget lasts longer than a rate limit.
                if no_room.as_ref().is_none_or(|other| refusal.kind.recovery() < other.kind.recovery()) {
                    no_room = Some(refusal);
                }
                cursor.next_candidate();
                continue;
            }
        };
        if completion.context.is_gone() {
            return Ok(completion.client_closed());
        }
        let caller = completion.context.dialect;
        let target = served.backends[route.provider].target(caller, &candidate.upstream_model);
        if let Some(tokens) = token_count::estimate(&completion.context, &target) {
            return Ok(token_count::respond(completion, candidate, tokens));
        }
        tried.count(route.provider);
        let begun = Instant::now();
        let credential = match provider.caller_credential {
            true => Some(caller_credential::RECORDED),
            false => route.credential.map(|at| &*provider.credentials[at].name),
        };
        completion.begin_attempt(candidate, credential);
        let capable = served.policy.capabilities(route.provider, &candidate.model);
        let timing = attempts.clock.attempt(begun, provider, capable, cursor.has_candidates());
        let outcome = send::once(attempts, &mut completion, &route, &reserved, timing).await;
        let ended = outcome.as_ref().map(ProviderAnswer::status).map_err(|failed| (failed.error, failed.status));
        completion.end_attempt(begun.elapsed(), ended);
        let failed = match outcome {
            Ok(answer) => {
                remember(attempts, &completion, &route);
                return Ok(answer.send(completion).await);
            }
            Err(failed) => refused_credential::named(failed, &served, &route),
        };
        match failed.upstream_answer.as_ref().filter(|upstream_answer| upstream_answer.status == 200) {
            // The answer is empty, but the provider produced it, so it is charged.
            Some(upstream_answer) => completion.settle_complete(&upstream_answer.usage, 0),
            None => completion.settle_failed(&failed),
        }
        learn::learn(&failed, &completion.context, &route, begun);
        tried.learn(&failed, &served.policy, &route);
        let now = Instant::now();
        let situation = Situation {
            retries: cursor.retries(),
            attempts_left: tried.attempts_at(route.provider) < provider.max_attempts,
            sets_max_attempts: provider.sets_max_attempts,
            shares_account: provider.account.is_some(),
            other_credentials: cursor.has_credentials(),
            other_candidates: cursor.has_others(),
            time_left: attempts.clock.deadline().saturating_duration_since(now),
        };
        let step = next_step(&failed, &situation, || attempts.gateway.retries.take(now));
        if step == NextStep::ReturnFailure {
            return Ok(return_failure(completion, candidate, failed, tried.total()));
        }
        completion.record_fallback(failed.error);
        primary.get_or_insert((failed, candidate));
        match step {
            NextStep::Retry(pause) => {
                completion.release_backend();
                completion.waits();
                tokio::time::sleep(pause).await;
                completion.waited();
                cursor.retry();
            }
            NextStep::NextCredential => cursor.next_credential(),
            NextStep::NextCandidate | NextStep::ReturnFailure => cursor.next_candidate(),
        }
    }
    Ok(match (primary, no_room) {
        (None, Some(refusal)) => completion.refuse(&refusal),
        (primary, _) => all_failed(attempts, completion, primary, tried.total()),
    })
}

/// Returns the error of the last attempt to the caller, whatever failed before it.
fn return_failure(
    mut completion: Box<Completion>,
    candidate: &Candidate,
    failed: Failed,
    tried: u32,
) -> Response<ReplyBody> {
    completion.record_candidate(candidate);
    let final_word = tried >= 2;
    match failed.upstream_answer {
        Some(upstream_answer) => completion.return_upstream_answer(*upstream_answer, failed.error, final_word),
        None => {
            completion.refuse_with_attempts(&gateway_refusal(&failed, final_word), ErrorType::Failed(failed.error), &[])
        }
    }
}

/// Remembers the route, so that the conversation's next turn goes to the same provider and credential.
fn remember(
    attempts: &AttemptContext<'_>,
    completion: &Completion,
    &Route { candidate, provider, credential }: &Route<'_>,
) {
    let policy = &completion.context.served.policy;
    let provider = &policy.providers[provider];
    let stay = outrigger_policy::Stay {
        provider: provider.identity,
        credential: credential.map_or(0, |at| provider.credentials[at].identity),
    };
    // With a single route there is nothing to remember.
    if let Some(conversation) = attempts.conversation
        && (attempts.decision.candidates.len() > 1 || candidate.credentials.len() > 1)
    {
        attempts.gateway.affinity.remember(conversation, stay);
    }
}

/// Refuses after all candidates failed: with the primary's error, in the caller's dialect, and the list of attempts.
fn all_failed(
    attempts: &AttemptContext<'_>,
    mut completion: Box<Completion>,
    primary: Option<(Failed, &Candidate)>,
    tried: u32,
) -> Response<ReplyBody> {
    let late = Instant::now() >= attempts.clock.deadline();
    let Some((mut failed, candidate)) = primary else {
        let message = "the time limit of the caller or of the provider was reached before an attempt could begin";
        return completion.refuse(&Refusal { final_word: true, ..Refusal::new(RefusalKind::UpstreamTimeout, message) });
    };
    completion.record_candidate(candidate);
    let lines = completion.attempt_lines();
    let final_word = late || tried >= 2;
    if let Some(upstream_answer) =
        failed.upstream_answer.take_if(|upstream_answer| tried < 2 || upstream_answer.status == 200)
    {
        return completion.return_upstream_answer(*upstream_answer, failed.error, final_word);
    }
    let lines = if tried < 2 { &[][..] } else { &lines };
    completion.refuse_with_attempts(&gateway_refusal(&failed, final_word), ErrorType::Failed(failed.error), lines)
}

/// A failed attempt as a refusal with the gateway's own message.
fn gateway_refusal(failed: &Failed, final_word: bool) -> Refusal {
    Refusal {
        // Rounded up, so that the caller does not come back too early.
        retry_after: failed.retry_after.map(|pause| pause.as_millis().div_ceil(1_000) as u64),
        final_word,
        ..Refusal::new(failed.refusal.1, failed.message.clone()).with_status(failed.refusal.0)
    }
}

/// The clocks of a request. The timeout of the primary's provider limits the whole request.
pub fn clock(completion: &Completion, decision: &Decision) -> RequestClock {
    let primary = decision.eligible().find_map(|candidate| candidate.provider);
    RequestClock::of(
        completion,
        primary.and_then(|index| completion.context.served.policy.providers[index].timeouts.total),
    )
}
