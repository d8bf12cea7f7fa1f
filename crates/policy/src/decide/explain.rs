//! Why a request goes where it goes, told step by step: what was understood, what each rule said, who was drawn from.

use outrigger_core::RefusalKind;
use serde::Serialize;

use crate::decide::decision::{Candidate, Decision, Skip};
use crate::decide::{asked_for, decide_on};
use crate::index::CredentialIndex;
use crate::naming::name::ModelName;
use crate::naming::serving::{Serving, ServingTier, serving};
use crate::policy::{Key, Policy};
use crate::request::Request;
use crate::rules::matching::{RuleResult, RuleTrace, RuleWalk};

/// A decision, with its reasons. Names only: nothing here is an index.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// As `namespace/name`.
    pub key: String,
    /// What the model's name was taken for; `None` where none is named.
    pub asked: Option<Understood>,
    /// In the order in which they were asked, until the one that decided.
    pub rules: Vec<RuleSeen>,
    /// The rule that decided, as `namespace/name`.
    pub rule: Option<String>,
    /// Those with `chain` that led to it.
    pub chain: Vec<String>,
    pub shadow: Option<ShadowSeen>,
    /// Those to try, in order, and those passed over.
    pub candidates: Vec<CandidateSeen>,
    /// All of them rest, and are tried all the same.
    pub last_resort: bool,
    pub refusal: Option<RefusalSeen>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Understood {
    /// As the caller wrote it.
    pub name: String,
    /// The provider that it pins, by the key's name for it.
    pub provider: Option<String>,
    pub model: String,
    /// The provider is none of the key's.
    pub blocked: bool,
    /// Of a bare name: why those who serve it do, and their names for the key.
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
pub struct RuleSeen {
    /// As `namespace/name`.
    pub rule: String,
    /// How many rules with `chain` had decided before.
    pub round: usize,
    pub outcome: RuleOutcome,
    /// In words.
    pub why: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum RuleOutcome {
    OutOfScope,
    /// Passed through in an earlier round.
    Passed,
    NoMatch,
    Failed,
    /// It matches, and only watches.
    Shadow,
    Matches,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ShadowSeen {
    pub rule: String,
    /// `provider/model` that it would have tried first; `None` if it would have refused.
    pub first: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CandidateSeen {
    /// The key's name for it.
    pub provider: String,
    pub model: String,
    pub upstream_model: String,
    /// In the order in which they are tried.
    pub credentials: Vec<String>,
    /// By which it could be drawn; `None` for a fallback.
    pub weight: Option<u32>,
    /// How often it is drawn, in per cent, as long as nothing changes and paces are equal.
    pub share: Option<f64>,
    /// The word of why it is passed over.
    pub skipped: Option<String>,
    /// The same in words, with the limit that says so.
    pub why: Option<String>,
    /// The budget that put this model in the place of a dearer one.
    pub downgraded_by: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RefusalSeen {
    pub status: u16,
    pub kind: RefusalKind,
    pub message: String,
}

/// Decides as [`crate::decide`] does, and tells why.
#[must_use]
pub fn explain(policy: &Policy, request: &Request<'_>) -> Explanation {
    let Some(key) = policy.keys.get(request.key) else { return Explanation::default() };
    let asked = asked_for(policy, key, request);
    let mut walk = RuleWalk::new(policy, key, request);
    walk.seen = Some(Vec::new());
    let decision = decide_on(&mut walk, asked.as_ref());
    let seen = walk.seen.take().unwrap_or_default();
    // A body's own fallbacks take the place of the primaries that were not drawn: their weights count all the same.
    let drawn_from = crate::decide(policy, &Request { fallbacks: None, ..*request });
    Explanation {
        key: key.id.to_string(),
        asked: request.model.zip(asked.as_ref()).map(|(name, asked)| understood(policy, key, name, asked)),
        rules: seen.iter().map(|seen| rule_seen(key, seen)).collect(),
        rule: decision.rule.as_deref().map(str::to_owned),
        chain: decision.chain.iter().map(ToString::to_string).collect(),
        shadow: decision.shadow.as_ref().map(|shadow| ShadowSeen {
            rule: shadow.rule.to_string(),
            first: shadow.first.as_ref().map(|(provider, model)| format!("{provider}/{model}")),
        }),
        candidates: decision.candidates.iter().map(|one| candidate_seen(policy, request, &drawn_from, one)).collect(),
        last_resort: decision.last_resort,
        refusal: decision.refusal.as_ref().map(|refusal| RefusalSeen {
            status: refusal.kind.status(),
            kind: refusal.kind.kind(),
            message: refusal.message.clone(),
        }),
    }
}

impl Policy {
    /// Why a candidate is passed over, with the limit that says so: `budget: Budget search/team`.
    #[must_use]
    pub fn skip_in_words(&self, skip: &Skip) -> String {
        match skip {
            Skip::Budget(place) | Skip::Limit(place) => match self.limits.all.get(*place) {
                Some(limit) => format!("{skip}: {}", limit.id),
                None => skip.to_string(),
            },
            other => other.to_string(),
        }
    }
}

fn understood(policy: &Policy, key: &Key, name: &str, asked: &ModelName) -> Understood {
    let (provider, served) = match asked {
        ModelName::Pinned { provider, .. } => (Some(key.providers[*provider].name.to_string()), None),
        ModelName::Blocked { provider, .. } => (Some(provider.clone()), None),
        ModelName::Bare { model } => (None, serving(policy, key, model)),
    };
    Understood {
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

fn rule_seen(key: &Key, seen: &RuleTrace<'_>) -> RuleSeen {
    let (outcome, why) = match &seen.outcome {
        RuleResult::OutOfScope => {
            (RuleOutcome::OutOfScope, format!("its scope does not have VirtualKey {} in it", key.id))
        }
        RuleResult::Passed => (RuleOutcome::Passed, "it was passed through already".to_owned()),
        RuleResult::False => (RuleOutcome::NoMatch, "`when` is false".to_owned()),
        RuleResult::Failed(error) => (RuleOutcome::Failed, format!("`when` {error}")),
        RuleResult::Shadow => (RuleOutcome::Shadow, "it matches, and `mode: Shadow` only watches".to_owned()),
        RuleResult::Matches if seen.rule.when.is_none() => (RuleOutcome::Matches, "it has no `when`".to_owned()),
        RuleResult::Matches => (RuleOutcome::Matches, "`when` is true".to_owned()),
    };
    RuleSeen { rule: seen.rule.label.to_string(), round: seen.round, outcome, why }
}

fn candidate_seen(
    policy: &Policy,
    request: &Request<'_>,
    drawn_from: &Decision,
    candidate: &Candidate,
) -> CandidateSeen {
    let weights = drawn_from.eligible().filter_map(|one| one.weight).map(f64::from);
    let total: f64 = weights.sum();
    let weight = candidate.weight.filter(|_| candidate.skipped.is_none());
    let provider = candidate.provider.map(|index| &policy.providers[index]);
    let names = |provider: &crate::Provider| {
        let name =
            |index: &CredentialIndex| provider.credentials.get(*index).map(|credential| credential.name.to_string());
        candidate.credentials.iter().filter_map(name).collect()
    };
    CandidateSeen {
        provider: candidate.name.to_string(),
        model: candidate.model.to_string(),
        upstream_model: candidate.upstream_model.to_string(),
        credentials: provider.map(names).unwrap_or_default(),
        weight: candidate.weight,
        share: weight.filter(|_| total > 0.0).map(|weight| f64::from(weight) / total * 100.0),
        skipped: candidate.skipped.as_ref().map(|skip| skip.word().to_owned()),
        why: candidate.skipped.as_ref().map(|skip| match skip {
            Skip::Budget(place) | Skip::Limit(place) => {
                policy.limits.all[*place].describe(request.conditions.used(*place))
            }
            other => policy.skip_in_words(other),
        }),
        downgraded_by: candidate.downgraded_by.map(|place| policy.limits.all[place].id.to_string()),
    }
}
