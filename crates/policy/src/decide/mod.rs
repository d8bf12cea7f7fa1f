//! Computes the candidates of a request: rules, pins, weights, fallbacks, and what the key may use.
//!
//! ```text
//! name -> plan (rules | pin | weights) -> what the key may use, budgets, state -> choice -> order -> refusal, if empty
//! ```

pub(crate) mod balance;
pub(crate) mod downgrade;
pub(crate) mod eligibility;
pub(crate) mod explain;
pub(crate) mod limit_gate;
pub(crate) mod matching;
pub(crate) mod observed;
pub(crate) mod ordering;
pub(crate) mod plan;
pub(crate) mod refusal;
mod second_decision;
pub(crate) mod unmeasured;
pub(crate) mod weighted;

use std::sync::Arc;

use crate::decide::eligibility::evaluate;
use crate::decide::matching::{DecidingRule, RuleWalk};
use crate::decide::ordering::{drop_repeats, ordered};
use crate::decide::plan::{Plan, fallback};
use crate::decision::{Decision, PolicyRefusal, Shadow, Skip};
use crate::document::OnLimit;
use crate::index::LimitIndex;
use crate::naming::name::{ModelName, parse_model_name};
use crate::policy::{Key, Policy};
use crate::request::Request;
use crate::request::values::RequestTarget;

/// Decides where a request goes. Deterministic: the same arguments give the same decision.
#[must_use]
pub fn decide(policy: &Policy, request: &Request<'_>) -> Decision {
    let Some(key) = policy.keys.get(request.key) else { return Decision::default() };
    let requested = requested_model(policy, key, request);
    decide_on(&mut RuleWalk::new(policy, key, request), requested.as_ref())
}

/// The model's name in the request, parsed.
pub(crate) fn requested_model(policy: &Policy, key: &Key, request: &Request<'_>) -> Option<ModelName> {
    let name = request.model?;
    Some(match request.provider {
        Some(provider) => pinned(key, provider, name),
        None => parse_model_name(policy, key, name),
    })
}

/// `x-outrigger-provider` together with a model pins the provider, as a prefix of the name does.
fn pinned(key: &Key, provider: &str, name: &str) -> ModelName {
    let model = name.strip_prefix(provider).and_then(|rest| rest.strip_prefix('/')).unwrap_or(name).to_owned();
    match key.provider(provider) {
        Some(provider) => ModelName::Pinned { provider, model },
        None => ModelName::Blocked { provider: provider.to_owned(), model },
    }
}

/// Like [`decide`], with a walk over the rules whose trace can be inspected afterwards.
pub(crate) fn decide_on<'a>(walk: &mut RuleWalk<'a>, requested: Option<&'a ModelName>) -> Decision {
    let RuleWalk { policy, key, request, .. } = *walk;
    let mut decision = Decision::default();
    match walk.deciding_rule(target_of_request(key, requested, request)) {
        Err(refusal) => decision.refusal = Some(refusal),
        Ok(Some(ruled)) => apply_rule(walk, &ruled, requested, &mut decision),
        Ok(None) => match plan::without_rule(policy, key, requested, request) {
            Ok(plan) => fill(walk, &plan, 0, requested, &mut decision),
            Err(refusal) => decision.refusal = Some(refusal),
        },
    }
    decision.shadow = shadow_decision(walk, requested);
    decision.rule_errors = std::mem::take(&mut walk.errors);
    decision
}

/// A request that is decided many times with different random choices.
pub(crate) struct Repeated<'a> {
    policy: &'a Policy,
    key: &'a Key,
    requested: Option<&'a ModelName>,
    /// The result of the rules, if no random choice can change it: rules with `chain` are evaluated again with the
    /// chosen model.
    ruled: Option<Result<Option<DecidingRule<'a>>, PolicyRefusal>>,
    /// The steps of the rules.
    pub steps: u64,
}

impl<'a> Repeated<'a> {
    pub(crate) fn new(
        policy: &'a Policy,
        key: &'a Key,
        request: &'a Request<'a>,
        requested: Option<&'a ModelName>,
    ) -> Self {
        let chains = policy.rules.iter().any(|rule| rule.chain);
        let mut walk = RuleWalk::new(policy, key, request);
        let ruled = (!chains).then(|| walk.deciding_rule(target_of_request(key, requested, request)));
        Repeated { policy, key, requested, ruled, steps: walk.budget.taken() }
    }

    /// Whether rules are evaluated for each random choice.
    pub(crate) fn evaluates_rules_again(&self) -> bool {
        self.ruled.is_none()
    }

    /// Decides with a random choice; also returns the steps.
    pub(crate) fn decide(&self, request: &Request<'_>) -> (Decision, u64) {
        let mut walk = RuleWalk::new(self.policy, self.key, request);
        let Some(ruled) = &self.ruled else {
            let decision = decide_on(&mut walk, self.requested);
            return (decision, walk.budget.taken());
        };
        let mut decision = Decision::default();
        match ruled {
            Err(refusal) => decision.refusal = Some(refusal.clone()),
            Ok(Some(ruled)) => apply_rule(&walk, ruled, self.requested, &mut decision),
            Ok(None) => match plan::without_rule(self.policy, self.key, self.requested, request) {
                Ok(plan) => fill(&walk, &plan, 0, self.requested, &mut decision),
                Err(refusal) => decision.refusal = Some(refusal),
            },
        }
        (decision, 0)
    }
}

/// The names in the request, as rules see them.
fn target_of_request<'a>(key: &'a Key, requested: Option<&'a ModelName>, request: &Request<'a>) -> RequestTarget<'a> {
    let (provider, entry) = match requested {
        Some(ModelName::Pinned { provider, .. }) => (&*key.providers[*provider].name, Some(*provider)),
        Some(ModelName::Blocked { provider, .. }) => (provider.as_str(), None),
        _ => {
            let provider = request.provider.unwrap_or_default();
            (provider, key.provider(provider))
        }
    };
    RequestTarget { provider, entry, model: requested.map_or("", ModelName::model) }
}

/// Applies the decision of a rule.
fn apply_rule(walk: &RuleWalk<'_>, ruled: &DecidingRule<'_>, requested: Option<&ModelName>, decision: &mut Decision) {
    decision.rule = Some(ruled.rule.label.clone());
    decision.chain = ruled.chain.iter().map(|rule| rule.label.clone()).collect();
    match &ruled.rule.reject {
        Some(message) => decision.refusal = Some(refusal::rejected(ruled.rule, message)),
        None => fill(walk, &ruled.plan, ruled.chain.len(), requested, decision),
    }
}

/// The decision of the first matching rule in `mode: Shadow`.
fn shadow_decision(walk: &RuleWalk<'_>, requested: Option<&ModelName>) -> Option<Shadow> {
    let (rule, request_target) = walk.shadow?;
    let mut would = Decision::default();
    let mut again = RuleWalk::new(walk.policy, walk.key, walk.request);
    again.budget = walk.budget.clone();
    if let Ok(ruled) = again.follow_chain(rule, request_target) {
        apply_rule(&again, &ruled, requested, &mut would);
    }
    let first = would.eligible().next().map(|candidate| (candidate.name.clone(), candidate.model.clone()));
    Some(Shadow { rule: rule.label.clone(), first })
}

/// The candidates of a plan, in order, or the reason why there is none.
fn fill(walk: &RuleWalk<'_>, plan: &Plan, round: usize, requested: Option<&ModelName>, decision: &mut Decision) {
    let RuleWalk { policy, key, request, .. } = *walk;
    let primaries = ordered(policy, key, request, &plan.primaries, round);
    match request.fallbacks {
        None => {
            decision.candidates = primaries;
            let fallbacks = plan.fallbacks.iter().map(|slot| evaluate(policy, key, request, slot));
            decision.candidates.extend(fallbacks);
        }
        // The body's own list replaces every other fallback: of the primaries only the chosen one stays.
        Some(names) => {
            let chosen = primaries.iter().position(|candidate| candidate.skipped.is_none());
            decision.candidates = primaries
                .into_iter()
                .enumerate()
                .filter(|(index, candidate)| Some(*index) == chosen || candidate.skipped.is_some())
                .map(|(_, candidate)| candidate)
                .collect();
            let model: Arc<str> = requested.map_or("", ModelName::model).into();
            for name in names {
                let slots = fallback(policy, key, name, &model);
                decision.candidates.extend(slots.iter().map(|slot| evaluate(policy, key, request, slot)));
            }
        }
    }
    drop_repeats(&mut decision.candidates);
    if let Some(limit_index) = limit_that_stops_all(key, decision) {
        decision.refusal = Some(refusal::used_up(policy, key, limit_index, request, &refusal::by(decision)));
    } else if decision.eligible().next().is_none() && !use_last_resort(decision) {
        decision.refusal = Some(refusal::nothing_left(policy, key, decision, request));
    }
}

/// With `onLimit: Reject`, a limit that stops one candidate stops all of them. Returns that limit.
fn limit_that_stops_all(key: &Key, decision: &mut Decision) -> Option<LimitIndex> {
    if key.on_limit == OnLimit::NextProvider {
        return None;
    }
    let spent = |skip: &Skip| match skip {
        Skip::Budget(limit_index) | Skip::Limit(limit_index) => Some((skip.clone(), *limit_index)),
        _ => None,
    };
    let mut skips = decision.candidates.iter().filter_map(|candidate| candidate.skipped.as_ref());
    let (skip, limit_index) = skips.find_map(spent)?;
    for candidate in &mut decision.candidates {
        if candidate.skipped.as_ref().is_none_or(Skip::is_passing) {
            candidate.skipped = Some(skip.clone());
        }
    }
    Some(limit_index)
}

/// If there is no other candidate, those in cooldown are tried nevertheless: a refusal would not help.
fn use_last_resort(decision: &mut Decision) -> bool {
    for candidate in &mut decision.candidates {
        if candidate.skipped.as_ref().is_some_and(Skip::is_passing) {
            candidate.skipped = None;
            decision.last_resort = true;
        }
    }
    decision.last_resort
}
