//! Names the credential that a provider refused and the source of its value, to the caller and, rate limited, in the
//! log. Never the value.

use std::time::Instant;

use super::Failed;
use super::route::Route;
use crate::runtime::active_policy::ActivePolicy;

/// Adds the credential to the message of a failure that is about one.
pub fn named(
    failed: Failed,
    served: &ActivePolicy,
    &Route { candidate, provider: index, credential }: &Route<'_>,
) -> Failed {
    if !failed.refuses_credential() {
        return failed;
    }
    let (provider, backend) = (&served.policy.providers[index], &served.backends[index]);
    let health = backend.health(credential);
    let status = failed.status.unwrap_or_default();
    let Some(at) = credential else {
        if let Some(value) = backend.value(None) {
            if health.may_log_refusal(Instant::now()) {
                tracing::warn!(
                    provider = %provider.id,
                    from = value.origin,
                    status,
                    error = failed.error.as_str(),
                    answer = %failed.message,
                    "a provider refused the identity of this pod"
                );
            }
            return failed;
        }
        if health.may_log_refusal(Instant::now()) {
            tracing::warn!(
                provider = %provider.id,
                status,
                answer = %failed.message,
                "a provider refused a request without a credential: it may need one"
            );
        }
        return failed;
    };
    let name = &provider.credentials[at].name;
    let origin = backend.value(credential).map_or("", |value| &value.origin);
    let what = if failed.quoted { "an error that quotes the credential" } else { "a refusal of the credential" };
    if health.may_log_refusal(Instant::now()) {
        tracing::warn!(
            provider = %provider.id,
            credential = %name,
            from = origin,
            status,
            error = failed.error.as_str(),
            answer = %failed.message,
            "a provider answered with {what}"
        );
    }
    let words = failed.message.strip_prefix(&*candidate.name).unwrap_or(&failed.message);
    let did = if failed.quoted { "answered with an error that quotes" } else { "refused" };
    let message =
        format!("{} {did} credential {name} of LLMProvider {}, from {origin}{words}", candidate.name, provider.id);
    Failed { message, ..failed }
}
