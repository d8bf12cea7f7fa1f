//! The second decision for a request: a limit has too little left for the first one, although it is not used up. Rules and
//! thresholds then read 100 per cent for that limit ([`crate::GatewayState::is_short`]).

use outrigger_core::RefusalKind;

use crate::decide::explain::{ExplainedCandidate, Explanation};
use crate::decision::{Candidate, Decision};
use crate::document::ThresholdAction;
use crate::policy::Policy;

/// The variables of rules that say how far limits are used.
const USAGE_VARIABLES: [&str; 4] = ["budget_used", "tokens_used", "request", "session_used"];

impl Policy {
    /// Whether a decision can depend on how much of a limit is used: a rule reads it, or a threshold replaces models.
    #[must_use]
    pub fn depends_on_usage(&self) -> bool {
        let reads = |when: &crate::Expression| when.reads().iter().any(|name| USAGE_VARIABLES.contains(name));
        let downgrades = |action: &ThresholdAction| matches!(action, ThresholdAction::Downgrade { .. });
        self.rules.iter().filter_map(|rule| rule.when.as_deref()).any(reads)
            || self.limits.all.iter().any(|limit| limit.thresholds.iter().any(|one| downgrades(&one.action)))
    }
}

impl Decision {
    /// Whether this second decision replaces the first one: it has other candidates, or a rule refuses the request.
    #[must_use]
    pub fn replaces(&self, first: &Decision) -> bool {
        let target =
            |candidate: &Candidate| (candidate.provider, candidate.model.clone(), candidate.credentials.clone());
        match &self.refusal {
            Some(refusal) => is_by_a_rule(refusal.kind.kind()),
            None => self.eligible().map(target).ne(first.eligible().map(target)),
        }
    }
}

impl Explanation {
    /// As [`Decision::replaces`].
    #[must_use]
    pub fn replaces(&self, first: &Explanation) -> bool {
        let tried = |explanation: &Explanation| {
            let tried = explanation.candidates.iter().filter(|candidate| candidate.skipped.is_none());
            let target = |one: &ExplainedCandidate| (one.provider.clone(), one.model.clone(), one.credentials.clone());
            tried.map(target).collect::<Vec<_>>()
        };
        match &self.refusal {
            Some(refusal) => is_by_a_rule(refusal.kind),
            None => tried(self) != tried(first),
        }
    }
}

/// Whether a rule made the refusal: it rejects, or its expression failed.
fn is_by_a_rule(refusal: RefusalKind) -> bool {
    matches!(refusal, RefusalKind::RequestRejected | RefusalKind::InvalidRequest)
}
