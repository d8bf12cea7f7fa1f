//! Trying candidates until one answers: which comes next is decided by how the last one failed.
//!
//! Before the first content everything that another candidate could cure is cured by failing over;
//! the caller's own mistakes go back as they are. An untried place is failover and not limited;
//! going back to one is a retry and is.

mod again;
pub(crate) mod charge;
mod clock;
mod failed;
mod filtered;
mod learn;
mod once;
pub(crate) mod prepare;
mod refused;
pub(crate) mod reserve;
mod trying;
pub mod worst;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use http::Response;
use outrigger_policy::{Candidate, Decision};

pub use clock::{Clock, Timing};
pub use failed::{Failed, Next, Passed, keep_content_type};
pub use trying::Trying;

use crate::attempt::reserve::{NotReserved, reserve};
use crate::duration::ms;
use crate::pipeline::ending::Ending;
use crate::pipeline::refuse::Refusal;
use crate::pipeline::reply::ReplyBody;
use crate::telemetry::record::AttemptRecord;

/// Tries the decision's candidates in order and answers with the first that serves, or with what
/// the primary said.
pub async fn attempt(trying: &Trying<'_>, mut ending: Box<Ending>) -> Response<ReplyBody> {
    let served = Arc::clone(&ending.call.served);
    for candidate in trying.decision.eligible() {
        if let Some(provider) = candidate.provider {
            served.places[provider].upstream.touch();
        }
    }
    let mut primary: Option<(Failed, &Candidate)> = None;
    // The first that was passed over for want of money, or of anything else that is limited.
    let mut no_room: Option<Refusal> = None;
    // Others' reservations are waited for once, whoever is asked.
    let mut waits_until: Option<Instant> = None;
    let mut tried = 0u32;
    let mut per_provider: HashMap<usize, u32> = HashMap::new();
    // After an answer that the context is too long: only a window known to be larger will do.
    let mut needs_window: Option<u32> = None;
    // After an answer that there is no such model, from a provider that takes any name: the others would only read it.
    let mut nobodys_name = false;

    let mut candidates = trying.decision.eligible().peekable();
    'candidates: while let Some(candidate) = candidates.next() {
        let others = candidates.peek().is_some();
        let Some(index) = candidate.provider else { continue };
        let provider = &served.policy.providers[index];
        if let Some(least) = needs_window
            && served.policy.context_window(index, &candidate.model).is_none_or(|window| window <= least)
        {
            continue;
        }
        if nobodys_name && candidate.any_name {
            continue;
        }
        let credentials: Vec<Option<usize>> = match candidate.credentials.is_empty() {
            true => vec![None],
            false => candidate.credentials.iter().copied().map(Some).collect(),
        };
        let mut credentials = credentials.into_iter().peekable();
        'credentials: while let Some(credential) = credentials.next() {
            let mut retries = 0;
            loop {
                let sent = per_provider.entry(index).or_default();
                if *sent >= provider.max_attempts {
                    continue 'candidates;
                }
                if Instant::now() >= trying.clock.deadline() {
                    break 'candidates;
                }
                if ending.call.is_gone() {
                    return ending.left();
                }
                let reserved = match reserve(trying, &mut ending, candidate, index, &mut waits_until).await {
                    Ok(reserved) => reserved,
                    // After an attempt that failed, its error is the better answer.
                    Err(NotReserved::Refuse(_)) if primary.is_some() => break 'candidates,
                    Err(NotReserved::Refuse(refusal)) => return ending.refuse(&refusal),
                    Err(NotReserved::Skip(skip, refusal)) => {
                        ending.passes_over(candidate, &skip);
                        // The one that passes soonest is told: money alone is spent for long.
                        if no_room.as_ref().is_none_or(|told| lasts(&refusal) < lasts(told)) {
                            no_room = Some(refusal);
                        }
                        continue 'candidates;
                    }
                };
                if ending.call.is_gone() {
                    return ending.left();
                }
                *sent += 1;
                tried += 1;
                let begun = Instant::now();
                // On record before it is sent: a caller who leaves meanwhile leaves it there.
                ending.record.attempts.push(AttemptRecord {
                    provider: candidate.name.to_string(),
                    model: candidate.upstream_model.to_string(),
                    credential: credential.map(|at| provider.credentials[at].name.to_string()),
                    status: None,
                    error: None,
                    ms: 0.0,
                });
                ending.serves(candidate);
                let capable = served.policy.capabilities(index, &candidate.model);
                let timing = trying.clock.attempt(begun, provider, capable, others);
                let outcome = once::once(trying, &mut ending, candidate, index, credential, &reserved, timing).await;
                if let Some(record) = ending.record.attempts.last_mut() {
                    record.ms = ms(begun.elapsed());
                    match &outcome {
                        // A stream may have broken off behind its first content, and says so already.
                        Ok(answer) => record.status = Some(answer.status()),
                        Err(failed) => (record.status, record.error) = (failed.status, Some(failed.word)),
                    }
                }
                let failed = match outcome {
                    Ok(answer) => {
                        remember(trying, &ending, candidate, index, credential);
                        return answer.tell(ending).await;
                    }
                    Err(failed) => refused::named(failed, &served, candidate, index, credential),
                };
                match failed.passed.as_ref().filter(|passed| passed.status == 200) {
                    // Nothing was in it, and it was made all the same.
                    Some(passed) => ending.answered(&passed.usage, 0),
                    None => ending.failed(&failed),
                }
                learn::learn(&failed, &ending.call, candidate, index, credential, begun);
                let next = failed.asks();
                // The caller's own mistake is told as it is, whatever failed before it.
                if matches!(next, Next::Back) {
                    ending.serves(candidate);
                    let final_word = tried >= 2;
                    return match failed.passed {
                        Some(passed) => ending.pass_on(*passed, failed.word, final_word),
                        None => ending.refuse_after(&told(&failed, final_word), failed.word, &[]),
                    };
                }
                ending.record.fallback_reason.get_or_insert(failed.word);
                nobodys_name |= candidate.any_name && failed.word == "model_missing";
                let shares_account = provider.account.is_some();
                if matches!(next, Next::Larger) {
                    needs_window =
                        served.policy.context_window(index, &candidate.model).or(needs_window).or(Some(u32::MAX));
                }
                let next_credential = match next {
                    Next::Back | Next::Credential => true,
                    // A rate limit is the credential's; where credentials share an account, it is everybody's there.
                    Next::RateLimited => !shares_account,
                    _ => false,
                };
                let elsewhere =
                    (next_credential && credentials.peek().is_some()) || has_other(trying.decision, candidate);
                let pause = again::after(&failed, retries, provider.wants_attempts)
                    .filter(|_| next == Next::Again || !elsewhere);
                primary.get_or_insert((failed, candidate));
                let now = Instant::now();
                if let Some(pause) = pause
                    && now + pause < trying.clock.deadline()
                    && *sent < provider.max_attempts
                    && trying.gateway.retries.take(now)
                {
                    retries += 1;
                    // Nobody is asked meanwhile: others may be.
                    ending.busy = None;
                    ending.places.clear();
                    ending.waits();
                    tokio::time::sleep(pause).await;
                    ending.waited();
                    continue;
                }
                match next_credential {
                    true => continue 'credentials,
                    false => continue 'candidates,
                }
            }
        }
    }
    match (primary, no_room) {
        (None, Some(refusal)) => ending.refuse(&refusal),
        (primary, _) => all_failed(trying, ending, primary, tried),
    }
}

/// How long a refusal will hold, compared to others: others' requests end, windows of pace pass, money is gone.
fn lasts(refusal: &Refusal) -> u8 {
    match refusal.kind {
        "budget_contended" | "concurrency_limited" => 0,
        "request_limited" | "token_limited" => 1,
        _ => 2,
    }
}

/// Whether there is another candidate than this one.
fn has_other(decision: &Decision, candidate: &Candidate) -> bool {
    decision.eligible().any(|other| !std::ptr::eq(other, candidate))
}

/// The conversation's next turn should come here too.
fn remember(trying: &Trying<'_>, ending: &Ending, candidate: &Candidate, provider: usize, credential: Option<usize>) {
    let policy = &ending.call.served.policy;
    let provider = &policy.providers[provider];
    let stay = outrigger_policy::Stay {
        provider: provider.identity,
        credential: credential.map_or(0, |at| provider.credentials[at].identity),
    };
    // With one place to go to there is nothing to remember.
    if let Some(conversation) = trying.conversation
        && (trying.decision.candidates.len() > 1 || candidate.credentials.len() > 1)
    {
        trying.gateway.affinity.remember(conversation, stay);
    }
}

/// Nobody served: the primary's error, in the caller's dialect, with the attempts.
fn all_failed(
    trying: &Trying<'_>,
    mut ending: Box<Ending>,
    primary: Option<(Failed, &Candidate)>,
    tried: u32,
) -> Response<ReplyBody> {
    let late = Instant::now() >= trying.clock.deadline();
    let Some((mut failed, candidate)) = primary else {
        let message = "the time that the caller or the provider allows was over before an attempt could begin";
        return ending.refuse(&Refusal { final_word: true, ..Refusal::new(504, "upstream_timeout", message) });
    };
    ending.serves(candidate);
    let lines: Vec<String> = ending.record.attempts.iter().map(line).collect();
    let final_word = late || tried >= 2;
    if let Some(passed) = failed.passed.take_if(|passed| tried < 2 || passed.status == 200) {
        return ending.pass_on(*passed, failed.word, final_word);
    }
    let attempts = if tried < 2 { &[][..] } else { &lines };
    ending.refuse_after(&told(&failed, final_word), failed.word, attempts)
}

/// A failed attempt in the gateway's own words.
fn told(failed: &Failed, final_word: bool) -> Refusal {
    Refusal {
        // Rounded up: a second too early is too early.
        retry_after: failed.retry_after.map(|pause| pause.as_millis().div_ceil(1_000) as u64),
        final_word,
        ..Refusal::new(failed.tell.0, failed.tell.1, failed.message.clone())
    }
}

fn line(attempt: &AttemptRecord) -> String {
    let credential = attempt.credential.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
    let status = attempt.status.map(|status| format!(" {status}")).unwrap_or_default();
    format!("{}/{}{credential}{status} {}", attempt.provider, attempt.model, attempt.error.unwrap_or("ok"))
}

/// The clocks of a request: the primary's provider says how long all of it may take.
pub fn clock(ending: &Ending, decision: &Decision) -> Clock {
    let primary = decision.eligible().find_map(|candidate| candidate.provider);
    Clock::of(ending, primary.and_then(|index| ending.call.served.policy.providers[index].timeouts.total))
}
