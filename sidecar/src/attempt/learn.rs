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
const CREDENTIAL_REST: Duration = Duration::from_secs(60);
/// How long a provider or a model is not used if it is rate limited or overloaded and sends no `Retry-After`.
const DEFAULT_REST: Duration = Duration::from_secs(1);
/// The longest pause that a provider's `Retry-After` can cause.
const LONGEST_REST: Duration = Duration::from_secs(600);

/// Records the failure. `began` is the start of the attempt.
pub fn learn(
    failed: &Failed,
    context: &RequestContext,
    &Route { candidate, provider, credential }: &Route<'_>,
    began: Instant,
) {
    if !failed.teaches {
        return;
    }
    let health = context.served.backends[provider].health(credential);
    let (model, now) = (&*candidate.model, Instant::now());
    let asked = failed.retry_after.map(|pause| pause.min(LONGEST_REST));
    // Any answer below 500 shows that the provider is up.
    if failed.status.is_some_and(|status| status < 500) && failed.class != FailureClass::Transient {
        health.answered(model, now);
    }
    match failed.class {
        FailureClass::Credential => {
            rest(failed.scope, context, candidate, provider, health, asked.unwrap_or(CREDENTIAL_REST))
        }
        FailureClass::RateLimited => {
            rest(failed.scope, context, candidate, provider, health, asked.unwrap_or(DEFAULT_REST))
        }
        FailureClass::Candidate if failed.error == AttemptError::Overloaded => {
            health.rest_model(model, asked.unwrap_or(DEFAULT_REST), now);
            health.unserved(model, now);
        }
        FailureClass::Candidate if failed.error == AttemptError::Empty => {
            health.answered(model, now);
            health.unserved(model, now);
        }
        FailureClass::Transient => {
            if failed.error.is_slow() {
                let measure = if context.stream { Measure::FirstToken } else { Measure::Whole };
                health.waited(model, measure, began, now);
            }
            health.failed(model, began, now);
        }
        FailureClass::Final
        | FailureClass::Candidate
        | FailureClass::ContextTooLong
        | FailureClass::ConnectionClosed => {}
    }
}

/// Pauses the scope that the failure names: the model, or the credential. Credentials that share an account share its
/// limits.
fn rest(
    scope: Scope,
    context: &RequestContext,
    candidate: &Candidate,
    provider: ProviderIndex,
    health: &BackendHealth,
    pause: Duration,
) {
    let now = Instant::now();
    let one = |health: &BackendHealth| match scope {
        Scope::Model => health.rest_model(&candidate.model, pause, now),
        Scope::Credential | Scope::Account => health.rest(pause, now),
    };
    let providers = &context.served.policy.providers;
    let own = &providers[provider];
    if own.account.is_none() || scope == Scope::Credential {
        return one(health);
    }
    for (other, backend) in providers.iter().zip(&context.served.backends) {
        if other.account == own.account && other.id.namespace == own.id.namespace {
            backend.credentials.iter().for_each(|credential| one(&credential.health));
        }
    }
}
