//! The second decision for a request: a limit has too little left for the first one, although it is not used up. Rules and
//! thresholds then read 100 per cent for that limit ([`crate::Conditions::is_short`]).

use outrigger_core::RefusalKind;

use crate::decide::decision::{Candidate, Decision};
use crate::decide::explain::{CandidateSeen, Explanation};
use crate::document::ThresholdAction;
use crate::policy::Policy;

/// The variables of rules that say how far limits are used.
const LEVELS: [&str; 3] = ["budget_used", "tokens_used", "request"];

impl Policy {
    /// Whether a decision can depend on how much of a limit is used: a rule reads it, or a threshold replaces models.
    #[must_use]
    pub fn goes_by_levels(&self) -> bool {
        let reads = |when: &crate::Expression| when.reads().iter().any(|name| LEVELS.contains(name));
        let downgrades = |action: &ThresholdAction| matches!(action, ThresholdAction::Downgrade { .. });
        self.rules.iter().filter_map(|rule| rule.when.as_deref()).any(reads)
            || self.limits.all.iter().any(|limit| limit.thresholds.iter().any(|one| downgrades(&one.action)))
    }
}

impl Decision {
    /// Whether this second decision replaces the first one: it has other candidates, or a rule refuses the request.
    #[must_use]
    pub fn replaces(&self, first: &Decision) -> bool {
        let way = |candidate: &Candidate| (candidate.provider, candidate.model.clone(), candidate.credentials.clone());
        match &self.refusal {
            Some(refusal) => is_a_rule_s(refusal.kind.kind()),
            None => self.eligible().map(way).ne(first.eligible().map(way)),
        }
    }
}

impl Explanation {
    /// As [`Decision::replaces`].
    #[must_use]
    pub fn replaces(&self, first: &Explanation) -> bool {
        let tried = |told: &Explanation| {
            let tried = told.candidates.iter().filter(|candidate| candidate.skipped.is_none());
            let way = |one: &CandidateSeen| (one.provider.clone(), one.model.clone(), one.credentials.clone());
            tried.map(way).collect::<Vec<_>>()
        };
        match &self.refusal {
            Some(refusal) => is_a_rule_s(refusal.kind),
            None => tried(self) != tried(first),
        }
    }
}

/// Whether a rule made the refusal: it rejects, or its expression failed.
fn is_a_rule_s(refusal: RefusalKind) -> bool {
    matches!(refusal, RefusalKind::RequestRejected | RefusalKind::InvalidRequest)
}
