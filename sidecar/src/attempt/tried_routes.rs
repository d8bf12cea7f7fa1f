//! What was tried for a request, and which candidates this rules out.

use outrigger_policy::{Candidate, Policy, ProviderIndex};

use super::route::Route;
use crate::completion::{Failed, FailureClass};
use crate::telemetry::attempt_error::AttemptError;

/// Counts attempts, and remembers failures that rule out other candidates.
#[derive(Debug, Default)]
pub struct TriedRoutes {
    total: u32,
    by_provider: Vec<(ProviderIndex, u32)>,
    /// Set after an error that the context is too long: only a larger context window is tried.
    min_window: Option<u32>,
    /// Set after an error that the model does not exist, from a provider that accepts any name: others that accept any
    /// name would fail too.
    unknown_model: bool,
}

impl TriedRoutes {
    /// The number of attempts of the request.
    pub fn total(&self) -> u32 {
        self.total
    }

    /// The number of attempts at one provider.
    pub fn attempts_at(&self, provider: ProviderIndex) -> u32 {
        self.by_provider.iter().find(|(index, _)| *index == provider).map_or(0, |(_, count)| *count)
    }

    pub fn count(&mut self, provider: ProviderIndex) {
        self.total += 1;
        match self.by_provider.iter_mut().find(|(index, _)| *index == provider) {
            Some((_, count)) => *count += 1,
            None => self.by_provider.push((provider, 1)),
        }
    }

    /// Records what a failure rules out.
    pub fn learn(&mut self, failed: &Failed, policy: &Policy, route: &Route<'_>) {
        self.unknown_model |= route.candidate.any_name && failed.error == AttemptError::ModelMissing;
        if failed.effective_class() == FailureClass::ContextTooLong {
            let window = policy.context_window(route.provider, &route.candidate.model);
            self.min_window = window.or(self.min_window).or(Some(u32::MAX));
        }
    }

    /// Whether a candidate would fail in the same way, or its provider's `retry.maxAttempts` is reached.
    pub fn rules_out(&self, policy: &Policy, provider: ProviderIndex, candidate: &Candidate) -> bool {
        let too_small =
            |least: u32| policy.context_window(provider, &candidate.model).is_none_or(|window| window <= least);
        self.min_window.is_some_and(too_small)
            || (self.unknown_model && candidate.any_name)
            || self.attempts_at(provider) >= policy.providers[provider].max_attempts
    }
}
