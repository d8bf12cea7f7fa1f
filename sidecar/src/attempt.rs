//! Trying candidates until one answers: which comes next is decided by how the last one failed.
//!
//! Before the first content everything that another candidate could cure is cured by failing over;
//! the caller's own mistakes go back as they are. An untried place is failover and not limited;
//! going back to one is a retry and is.

mod failed;
mod once;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Response;
use outrigger_llm::Dialect;
use outrigger_policy::{Candidate, Decision};

pub use failed::{Failed, Next, Passed};

use crate::ending::Ending;
use crate::gateway::{Gateway, ReplyBody};
use crate::prepare::Translation;
use crate::record::AttemptRecord;
use crate::refuse::{self, Refusal};
use crate::retry;
use crate::{affinity, decide, headers};

/// The default of `timeouts.total`.
const TOTAL: Duration = Duration::from_secs(600);
/// How long a credential rests that was refused, or whose account is empty.
const CREDENTIAL_REST: Duration = Duration::from_secs(60);
/// How long a place rests that is limited or overloaded and does not say for how long.
const DEFAULT_REST: Duration = Duration::from_secs(1);
/// The longest rest that a provider can order.
const LONGEST_REST: Duration = Duration::from_secs(600);

/// What is known while candidates are tried.
pub struct Trying<'a> {
    pub gateway: &'a Arc<Gateway>,
    pub decision: &'a Decision,
    pub translation: &'a Translation,
    /// No attempt goes on after this.
    pub deadline: Instant,
    /// Under which a good place is remembered.
    pub conversation: Option<u64>,
}

/// Tries the decision's candidates in order and answers with the first that serves, or with what
/// the primary said.
pub async fn attempt(trying: &Trying<'_>, mut ending: Box<Ending>) -> Response<ReplyBody> {
    let served = Arc::clone(&ending.call.served);
    for candidate in trying.decision.eligible() {
        if let Some(provider) = candidate.provider {
            served.places[provider].upstream.touch();
        }
    }
    let mut primary: Option<Failed> = None;
    let mut tried = 0u32;
    let mut per_provider: HashMap<usize, u32> = HashMap::new();
    // After an answer that the context is too long: only a window known to be larger will do.
    let mut needs_window: Option<u32> = None;

    'candidates: for candidate in trying.decision.eligible() {
        let Some(index) = candidate.provider else { continue };
        let provider = &served.policy.providers[index];
        if let Some(least) = needs_window
            && provider.context_window(&candidate.model).is_none_or(|window| window <= least)
        {
            continue;
        }
        let credentials: Vec<Option<usize>> = match candidate.credentials.is_empty() {
            true => vec![None],
            false => candidate.credentials.iter().copied().map(Some).collect(),
        };
        'credentials: for credential in credentials {
            let mut retries = 0;
            loop {
                let sent = per_provider.entry(index).or_default();
                if *sent >= provider.max_attempts {
                    continue 'candidates;
                }
                if Instant::now() >= trying.deadline {
                    break 'candidates;
                }
                *sent += 1;
                tried += 1;
                let begun = Instant::now();
                let outcome = once::once(trying, &mut ending, candidate, index, credential).await;
                let name = credential.map(|at| provider.credentials[at].name.to_string());
                let mut record = AttemptRecord {
                    provider: candidate.name.to_string(),
                    model: candidate.upstream_model.to_string(),
                    credential: name,
                    status: None,
                    error: None,
                    ms: ms(begun.elapsed()),
                };
                let failed = match outcome {
                    Ok(answer) => {
                        record.status = Some(answer.status());
                        ending.record.attempts.push(record);
                        remember(trying, &ending, candidate, index, credential);
                        return answer.tell(ending, candidate, tried);
                    }
                    Err(failed) => failed,
                };
                record.status = failed.status;
                record.error = Some(failed.word);
                ending.record.attempts.push(record);
                ending.record.fallback_reason.get_or_insert(failed.word);
                let place = &served.places[index];
                learn(&failed, &place.lanes[credential.unwrap_or(0)], &candidate.model);
                let next = failed.next;
                let shares_account = provider.account.is_some();
                if matches!(next, Next::Larger) {
                    needs_window = provider.context_window(&candidate.model).or(needs_window).or(Some(u32::MAX));
                }
                primary.get_or_insert(failed);
                match next {
                    Next::Back => break 'candidates,
                    Next::Credential => continue 'credentials,
                    // A rate limit is the credential's; where credentials share an account, it is
                    // everybody's there.
                    Next::RateLimited if shares_account => continue 'candidates,
                    Next::RateLimited => continue 'credentials,
                    Next::Candidate | Next::Larger => continue 'candidates,
                    Next::Transient => {
                        let others = has_other(trying.decision, candidate);
                        if !others && retries < 1 && trying.gateway.retries.take(Instant::now()) {
                            retries += 1;
                            tokio::time::sleep(retry::pause(retries)).await;
                            continue;
                        }
                        continue 'candidates;
                    }
                }
            }
        }
    }
    all_failed(trying, ending, primary, tried)
}

/// Whether there is another candidate than this one.
fn has_other(decision: &Decision, candidate: &Candidate) -> bool {
    decision.eligible().any(|other| !std::ptr::eq(other, candidate))
}

/// What a failure teaches about the place.
fn learn(failed: &Failed, lane: &crate::health::Lane, model: &str) {
    let now = Instant::now();
    let asked = failed.retry_after.map(|pause| pause.min(LONGEST_REST));
    match failed.next {
        Next::Credential => lane.rest(asked.unwrap_or(CREDENTIAL_REST), now),
        Next::RateLimited => lane.rest(asked.unwrap_or(DEFAULT_REST), now),
        Next::Candidate if failed.word == "overloaded" => lane.rest_model(model, asked.unwrap_or(DEFAULT_REST), now),
        Next::Transient => lane.failed(model, now),
        Next::Back | Next::Candidate | Next::Larger => {}
    }
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
fn all_failed(trying: &Trying<'_>, ending: Box<Ending>, primary: Option<Failed>, tried: u32) -> Response<ReplyBody> {
    let late = Instant::now() >= trying.deadline;
    let Some(failed) = primary else {
        let message = "the time that the caller or the provider allows was over before an attempt could begin";
        return ending.refuse(&Refusal { final_word: true, ..Refusal::new(504, "upstream_timeout", message) });
    };
    let lines: Vec<String> = ending.record.attempts.iter().map(line).collect();
    let final_word = late || tried >= 2;
    if let Some(passed) = failed.passed.filter(|passed| tried < 2 || passed.status == 200) {
        return ending.pass_on(*passed, failed.word, final_word);
    }
    let refusal = Refusal {
        retry_after: failed.retry_after.map(|pause| pause.as_secs().max(1)),
        final_word,
        ..Refusal::new(failed.tell.0, failed.tell.1, failed.message)
    };
    let attempts = if tried < 2 { &[][..] } else { &lines };
    ending.refuse_after(&refusal, failed.word, attempts)
}

fn line(attempt: &AttemptRecord) -> String {
    let credential = attempt.credential.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
    let status = attempt.status.map(|status| format!(" {status}")).unwrap_or_default();
    format!("{}/{}{credential}{status} {}", attempt.provider, attempt.model, attempt.error.unwrap_or("ok"))
}

/// The deadline of all attempts: the least of what the primary's provider and the caller allow.
pub fn deadline(ending: &Ending, decision: &Decision) -> Instant {
    let served = &ending.call.served;
    let primary = decision.eligible().find_map(|candidate| candidate.provider);
    let total =
        primary.and_then(|index| served.policy.providers[index].timeouts.total).map_or(TOTAL, Duration::from_millis);
    ending.call.started + ending.call.patience.map_or(total, |patience| patience.min(total))
}

pub(crate) fn ms(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// Headers that say who served, on every answer.
pub(crate) fn tell_who(to: &mut http::HeaderMap, ending: &Ending, candidate: Option<&Candidate>, tried: u32) {
    headers::set(to, "x-outrigger-decision", &ending.call.decision_id);
    if let Some(candidate) = candidate {
        headers::set(to, "x-outrigger-provider", &candidate.name);
        headers::set(to, "x-outrigger-model", &candidate.model);
    }
    if let Some(rule) = &ending.record.rule {
        headers::set(to, "x-outrigger-rule", rule);
    }
    headers::set(to, "x-outrigger-attempts", &tried.to_string());
    if !ending.record.adapted.is_empty() {
        headers::set(to, "x-outrigger-adapted", &ending.record.adapted.join(", "));
    }
    refuse::tell_request_id(to, ending.call.dialect, &ending.call.request_id);
}

/// A handle that only this account knows (`resp_…`) leads its next request here.
pub(crate) fn remember_handle(ending: &Ending, handle: &str, stay: outrigger_policy::Stay) {
    let name = decide::conversation(&ending.call, &[b"handle", handle.as_bytes()]);
    affinity::Affinity::remember(&ending.gateway.affinity, name, stay);
}

/// The id of a stored response, from an answer's first bytes.
pub(crate) fn response_handle(dialect: Dialect, operation: &str, bytes: &[u8]) -> Option<String> {
    if dialect != Dialect::OpenAi || operation != "responses" {
        return None;
    }
    let at = memchr::memmem::find(bytes, b"\"resp_")? + 1;
    let end = memchr::memchr(b'"', &bytes[at..])? + at;
    std::str::from_utf8(&bytes[at..end]).ok().filter(|id| id.len() <= 256).map(str::to_owned)
}
