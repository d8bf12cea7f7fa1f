//! Updates the health of a provider after a failed attempt.

use std::time::{Duration, Instant};

use outrigger_llm::errors::classify::Scope;
use outrigger_policy::{Candidate, Measure, ProviderIndex};

use super::route::Route;
use super::{Failed, FailureClass};
use crate::request::context::RequestContext;
use crate::runtime::health::BackendHealth;
use crate::telemetry::attempt_error::AttemptError;

/// How long a credential is not used after the provider refused it, or after its account ran out.
const CREDENTIAL_PAUSE: Duration = Duration::from_secs(60);
/// How long a provider or a model is not used if it is rate limited or overloaded and sends no `Retry-After`.
const DEFAULT_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause that a provider's `Retry-After` can cause.
const MAX_PAUSE: Duration = Duration::from_secs(600);

/// Records the failure. `began` is the start of the attempt.
pub fn learn(
    failed: &Failed,
    context: &RequestContext,
    &Route { candidate, provider, credential }: &Route<'_>,
    began: Instant,
) {
    if !failed.affects_health {
        return;
    }
    let health = context.served.backends[provider].health(credential);
    let (model, now) = (&*candidate.model, Instant::now());
    let retry_after = failed.retry_after.map(|pause| pause.min(MAX_PAUSE));
    // Any answer below 500 shows that the provider is up.
    if failed.status.is_some_and(|status| status < 500) && failed.class != FailureClass::Transient {
        health.record_up(model, now);
    }
    match failed.class {
        FailureClass::Credential => {
            pause(failed.scope, context, candidate, provider, health, retry_after.unwrap_or(CREDENTIAL_PAUSE))
        }
        FailureClass::RateLimited => {
            pause(failed.scope, context, candidate, provider, health, retry_after.unwrap_or(DEFAULT_PAUSE))
        }
        FailureClass::Candidate if failed.error == AttemptError::Overloaded => {
            health.pause_model(model, retry_after.unwrap_or(DEFAULT_PAUSE), now);
            health.record_unserved(model, now);
        }
        FailureClass::Candidate if failed.error == AttemptError::Empty => {
            health.record_up(model, now);
            health.record_unserved(model, now);
        }
        FailureClass::Transient => {
            if failed.error.is_slow() {
                let measure = if context.stream { Measure::FirstToken } else { Measure::Whole };
                health.record_timeout(model, measure, began, now);
            }
            health.record_failure(model, began, now);
        }
        FailureClass::Final
        | FailureClass::Candidate
        | FailureClass::ContextTooLong
        | FailureClass::ConnectionClosed => {}
    }
}

/// Pauses the scope that the failure names: the model, or the credential. Credentials that share an account share its
/// limits.
fn pause(
    scope: Scope,
    context: &RequestContext,
    candidate: &Candidate,
    provider: ProviderIndex,
    health: &BackendHealth,
    duration: Duration,
) {
    let now = Instant::now();
    let pause_one = |health: &BackendHealth| match scope {
        Scope::Model => health.pause_model(&candidate.model, duration, now),
        Scope::Credential | Scope::Account => health.pause(duration, now),
    };
    let providers = &context.served.policy.providers;
    let own = &providers[provider];
    if own.account.is_none() || scope == Scope::Credential {
        return pause_one(health);
    }
    for (other, backend) in providers.iter().zip(&context.served.backends) {
        if other.account == own.account && other.id.namespace == own.id.namespace {
            backend.credentials.iter().for_each(|credential| pause_one(&credential.health));
        }
    }
}
