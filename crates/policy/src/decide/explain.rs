//! Explains a decision step by step: how the model's name was understood, the result of each rule, the candidates of
//! the random choice.

use outrigger_core::RefusalKind;
use serde::Serialize;

use crate::decide::matching::{RuleResult, RuleTrace, RuleWalk};
use crate::decide::{decide_on, requested_model};
use crate::decision::{Candidate, Decision, Skip};
use crate::index::CredentialIndex;
use crate::naming::name::ModelName;
use crate::naming::serving::{Serving, ServingTier, serving};
use crate::policy::{Key, Policy};
use crate::request::Request;

/// A decision with its reasons. It contains names only, no indexes.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// Written as `namespace/name`.
    pub key: String,
    /// How the model's name was understood; `None` if the request names no model.
    pub asked: Option<ExplainedModelName>,
    /// In the order of evaluation, up to the one that decided.
    pub rules: Vec<ExplainedRule>,
    /// The rule that decided, as `namespace/name`.
    pub rule: Option<String>,
    /// The rules with `chain` that led to it.
    pub chain: Vec<String>,
    pub shadow: Option<ExplainedShadow>,
    /// Candidates to try, in order, and skipped ones.
    pub candidates: Vec<ExplainedCandidate>,
    /// Whether all of them are in cooldown and are tried nevertheless.
    pub last_resort: bool,
    pub refusal: Option<ExplainedRefusal>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedModelName {
    /// As the caller wrote it.
    pub name: String,
    /// The provider in the name, by the key's name for it.
    pub provider: Option<String>,
    pub model: String,
    /// Whether the key does not have this provider.
    pub blocked: bool,
    /// For a name without a provider: the tier that decided, and the providers' names in the key.
    pub served: Option<ServingProviders>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServingProviders {
    pub by: ServingTier,
    pub providers: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedRule {
    /// Written as `namespace/name`.
    pub rule: String,
    /// How many rules with `chain` had decided before.
    pub round: usize,
    pub outcome: RuleOutcome,
    /// The reason, in words.
    pub why: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum RuleOutcome {
    OutOfScope,
    /// Already used in an earlier round.
    Passed,
    NoMatch,
    Failed,
    /// It matches, and is only recorded.
    Shadow,
    Matches,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedShadow {
    pub rule: String,
    /// The first `provider/model`; `None` if it would have refused.
    pub first: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedCandidate {
    /// The key's name for it.
    pub provider: String,
    pub model: String,
    pub upstream_model: String,
    /// In the order of attempts.
    pub credentials: Vec<String>,
    /// Its weight in the random choice; `None` for a fallback.
    pub weight: Option<u32>,
    /// How often it is chosen, in percent, if nothing changes and all paces are equal.
    pub share: Option<f64>,
    /// The name of the reason why it is skipped.
    pub skipped: Option<String>,
    /// The reason in words, with the limit that is responsible.
    pub why: Option<String>,
    /// The budget that replaced a more expensive model with this one.
    pub downgraded_by: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedRefusal {
    pub status: u16,
    pub kind: RefusalKind,
    pub message: String,
}

/// Decides like [`crate::decide`], with reasons.
#[must_use]
pub fn explain(policy: &Policy, request: &Request<'_>) -> Explanation {
    let Some(key) = policy.keys.get(request.key) else { return Explanation::default() };
    let asked = requested_model(policy, key, request);
    let mut walk = RuleWalk::new(policy, key, request);
    walk.seen = Some(Vec::new());
    let decision = decide_on(&mut walk, asked.as_ref());
    let seen = walk.seen.take().unwrap_or_default();
    // A body's own fallbacks replace the primaries that were not chosen; their weights count nevertheless.
    let chosen_from = crate::decide(policy, &Request { fallbacks: None, ..*request });
    Explanation {
        key: key.id.to_string(),
        asked: request.model.zip(asked.as_ref()).map(|(name, asked)| explained_name(policy, key, name, asked)),
        rules: seen.iter().map(|seen| explained_rule(key, seen)).collect(),
        rule: decision.rule.as_deref().map(str::to_owned),
        chain: decision.chain.iter().map(ToString::to_string).collect(),
        shadow: decision.shadow.as_ref().map(|shadow| ExplainedShadow {
            rule: shadow.rule.to_string(),
            first: shadow.first.as_ref().map(|(provider, model)| format!("{provider}/{model}")),
        }),
        candidates: decision
            .candidates
            .iter()
            .map(|one| explained_candidate(policy, request, &chosen_from, one))
            .collect(),
        last_resort: decision.last_resort,
        refusal: decision.refusal.as_ref().map(|refusal| ExplainedRefusal {
            status: refusal.kind.status(),
            kind: refusal.kind.kind(),
            message: refusal.message.clone(),
        }),
    }
}

impl Policy {
    /// Why a candidate is skipped, with the limit that is responsible: `budget: Budget search/team`.
    #[must_use]
    pub fn skip_in_words(&self, skip: &Skip) -> String {
        match skip {
            Skip::Budget(limit_index) | Skip::Limit(limit_index) => match self.limits.all.get(*limit_index) {
                Some(limit) => format!("{skip}: {}", limit.id),
                None => skip.to_string(),
            },
            other => other.to_string(),
        }
    }
}

fn explained_name(policy: &Policy, key: &Key, name: &str, asked: &ModelName) -> ExplainedModelName {
    let (provider, served) = match asked {
        ModelName::Pinned { provider, .. } => (Some(key.providers[*provider].name.to_string()), None),
        ModelName::Blocked { provider, .. } => (Some(provider.clone()), None),
        ModelName::Bare { model } => (None, serving(policy, key, model)),
    };
    ExplainedModelName {
        name: name.to_owned(),
        provider,
        model: asked.model().to_owned(),
        blocked: matches!(asked, ModelName::Blocked { .. }),
        served: served.map(|Serving { tier: by, entries, .. }| ServingProviders {
            by,
            providers: entries.iter().map(|entry| key.providers[*entry].name.to_string()).collect(),
        }),
    }
}

fn explained_rule(key: &Key, seen: &RuleTrace<'_>) -> ExplainedRule {
    let (outcome, why) = match &seen.outcome {
        RuleResult::OutOfScope => {
            (RuleOutcome::OutOfScope, format!("its scope does not include VirtualKey {}", key.id))
        }
        RuleResult::Passed => (RuleOutcome::Passed, "it was already used in this chain".to_owned()),
        RuleResult::False => (RuleOutcome::NoMatch, "`when` is false".to_owned()),
        RuleResult::Failed(error) => (RuleOutcome::Failed, format!("`when` {error}")),
        RuleResult::Shadow => (RuleOutcome::Shadow, "it matches, and `mode: Shadow` only records it".to_owned()),
        RuleResult::Matches if seen.rule.when.is_none() => (RuleOutcome::Matches, "it has no `when`".to_owned()),
        RuleResult::Matches => (RuleOutcome::Matches, "`when` is true".to_owned()),
    };
    ExplainedRule { rule: seen.rule.label.to_string(), round: seen.round, outcome, why }
}

fn explained_candidate(
    policy: &Policy,
    request: &Request<'_>,
    chosen_from: &Decision,
    candidate: &Candidate,
) -> ExplainedCandidate {
    let weights = chosen_from.eligible().filter_map(|one| one.weight).map(f64::from);
    let total: f64 = weights.sum();
    let weight = candidate.weight.filter(|_| candidate.skipped.is_none());
    let provider = candidate.provider.map(|index| &policy.providers[index]);
    let names = |provider: &crate::Provider| {
        let name =
            |index: &CredentialIndex| provider.credentials.get(*index).map(|credential| credential.name.to_string());
        candidate.credentials.iter().filter_map(name).collect()
    };
    ExplainedCandidate {
        provider: candidate.name.to_string(),
        model: candidate.model.to_string(),
        upstream_model: candidate.upstream_model.to_string(),
        credentials: provider.map(names).unwrap_or_default(),
        weight: candidate.weight,
        share: weight.filter(|_| total > 0.0).map(|weight| f64::from(weight) / total * 100.0),
        skipped: candidate.skipped.as_ref().map(|skip| skip.word().to_owned()),
        why: candidate.skipped.as_ref().map(|skip| match skip {
            Skip::Budget(limit_index) | Skip::Limit(limit_index) => {
                policy.limits.all[*limit_index].describe(request.state.used(*limit_index))
            }
            other => policy.skip_in_words(other),
        }),
        downgraded_by: candidate.downgraded_by.map(|limit_index| policy.limits.all[limit_index].id.to_string()),
    }
}
