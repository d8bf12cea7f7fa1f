//! From a request to its candidates: rules, pins, weights, fallbacks, and the key as the fence
//! around all of it.
//!
//! ```text
//! name -> plan (rule | pin | weights) -> fence and gates -> draw -> order -> refusal, if empty
//! ```

use std::sync::Arc;

use crate::balance::{balanced, to_front};
use crate::decision::{Candidate, Decision, Refusal, Skip};
use crate::document::OnError;
use crate::draw::hash;
use crate::expression::Asking;
use crate::judge::{Slot, judge};
use crate::name::{Asked, understand};
use crate::policy::{Key, Policy};
use crate::refusal;
use crate::request::Request;
use crate::rule::Rule;
use crate::serves::serving;

/// Where a rule, a pin or the weights want the request to go.
struct Plan {
    rule: Option<Arc<str>>,
    /// One of these is drawn; the others follow by weight.
    primaries: Vec<Slot>,
    /// In order.
    fallbacks: Vec<Slot>,
}

/// Decides where a request goes. Always the same for the same arguments.
#[must_use]
pub fn decide(policy: &Policy, request: &Request<'_>) -> Decision {
    let Some(key) = policy.keys.get(request.key) else { return Decision::default() };
    let asked = request.model.map(|name| match request.provider {
        Some(provider) => pinned(key, provider, name),
        None => understand(policy, key, name),
    });
    let mut decision = Decision::default();
    let plan = match by_rule(policy, key, asked.as_ref(), request, &mut decision) {
        Err(refusal) => {
            decision.refusal = Some(refusal);
            return decision;
        }
        Ok(Some(plan)) => plan,
        Ok(None) => match without_rule(policy, key, asked.as_ref(), request) {
            Ok(plan) => plan,
            Err(refusal) => {
                decision.refusal = Some(refusal);
                return decision;
            }
        },
    };
    decision.rule = plan.rule;

    let primaries = arrange(policy, key, request, &plan.primaries);
    match request.fallbacks {
        None => {
            decision.candidates = primaries;
            let fallbacks = plan.fallbacks.iter().map(|slot| judge(policy, key, request, slot));
            decision.candidates.extend(fallbacks);
        }
        // The body's own list replaces every other: of the primaries only the drawn one stays.
        Some(names) => {
            let drawn = primaries.iter().position(|candidate| candidate.skipped.is_none());
            decision.candidates = primaries
                .into_iter()
                .enumerate()
                .filter(|(index, candidate)| Some(*index) == drawn || candidate.skipped.is_some())
                .map(|(_, candidate)| candidate)
                .collect();
            let model: Arc<str> = asked.as_ref().map_or("", Asked::model).into();
            for name in names {
                let slots = fallback(policy, key, name, &model);
                decision.candidates.extend(slots.iter().map(|slot| judge(policy, key, request, slot)));
            }
        }
    }
    drop_repeats(&mut decision.candidates);
    if decision.eligible().next().is_none() {
        rescue(&mut decision);
        if !decision.last_resort {
            decision.refusal = Some(refusal::nothing_left(policy, key, &decision, request));
        }
    }
    decision
}

/// `x-outrigger-provider` beside a model pins as a name in front of it does.
fn pinned(key: &Key, provider: &str, name: &str) -> Asked {
    let model = name.strip_prefix(provider).and_then(|rest| rest.strip_prefix('/')).unwrap_or(name).to_owned();
    match key.provider(provider) {
        Some(provider) => Asked::Pinned { provider, model },
        None => Asked::Blocked { provider: provider.to_owned(), model },
    }
}

/// The first rule that matches, as a plan.
fn by_rule(
    policy: &Policy,
    key: &Key,
    asked: Option<&Asked>,
    request: &Request<'_>,
    decision: &mut Decision,
) -> Result<Option<Plan>, Refusal> {
    let asking = Asking {
        provider: match asked {
            Some(Asked::Pinned { provider, .. }) => &key.providers[*provider].name,
            Some(Asked::Blocked { provider, .. }) => provider,
            _ => request.provider.unwrap_or_default(),
        },
        model: asked.map_or("", Asked::model),
    };
    for rule in policy.rules.iter().filter(|rule| rule.concerns(key)) {
        let holds = match &rule.when {
            None => Ok(true),
            Some(when) => when.holds(key, asking, request),
        };
        match holds {
            Ok(true) => return Ok(Some(rule_plan(policy, key, rule, asking.model))),
            Ok(false) => {}
            Err(error) => {
                decision.rule_errors.push((rule.label.clone(), error.to_string()));
                if rule.on_error == OnError::Refuse {
                    return Err(refusal::rule_failed(rule, &error));
                }
            }
        }
    }
    Ok(None)
}

fn rule_plan(policy: &Policy, key: &Key, rule: &Rule, model: &str) -> Plan {
    let model: Arc<str> = Arc::from(model);
    let primaries = rule
        .targets
        .iter()
        .map(|target| Slot {
            provider: key.provider(&target.provider).ok_or_else(|| Arc::from(target.provider.as_str())),
            model: target.model.as_deref().map_or_else(|| model.clone(), Arc::from),
            weight: target.weight,
            credential: target.credential.clone(),
        })
        .collect();
    let fallbacks = rule.fallbacks.iter().flat_map(|name| fallback(policy, key, name, &model)).collect();
    Plan { rule: Some(rule.label.clone()), primaries, fallbacks }
}

/// A pin is that provider alone; a bare name is drawn among those who serve it.
fn without_rule(policy: &Policy, key: &Key, asked: Option<&Asked>, request: &Request<'_>) -> Result<Plan, Refusal> {
    let slot = |provider: usize, model: &str| Slot {
        provider: Ok(provider),
        model: Arc::from(model),
        weight: key.providers[provider].weight,
        credential: None,
    };
    let primaries = match asked {
        Some(Asked::Pinned { provider, model }) => vec![slot(*provider, model)],
        Some(Asked::Blocked { provider, .. }) => {
            let refusal = refusal::provider_blocked(key, provider, "");
            return Err(Refusal { param: Some("model".to_owned()), ..refusal });
        }
        Some(Asked::Bare { model }) => {
            let serving = serving(policy, key, model);
            if serving.is_empty() {
                return Err(refusal::nobody_serves(policy, key, model));
            }
            serving.into_iter().map(|provider| slot(provider, model)).collect()
        }
        None => vec![slot(without_model(policy, key, request)?, "")],
    };
    Ok(Plan { rule: None, primaries, fallbacks: Vec::new() })
}

/// Who is meant where no model is named: the provider that the request names, or the only one.
fn without_model(policy: &Policy, key: &Key, request: &Request<'_>) -> Result<usize, Refusal> {
    if let Some(name) = request.provider {
        return key.provider(name).ok_or_else(|| refusal::provider_blocked(key, name, ""));
    }
    let fits = |index: &usize| {
        let provider = &policy.providers[key.providers[*index].provider];
        !provider.suspended && request.conditions.unfit(provider).is_none()
    };
    match (0..key.providers.len()).filter(fits).collect::<Vec<_>>()[..] {
        [one] => Ok(one),
        _ => Err(refusal::provider_needed(key)),
    }
}

/// A fallback's text: `provider/model`, a provider alone, or a model's name.
fn fallback(policy: &Policy, key: &Key, text: &str, model: &Arc<str>) -> Vec<Slot> {
    let slot =
        |provider: Result<usize, Arc<str>>, model: Arc<str>| Slot { provider, model, weight: 0, credential: None };
    if let Some(provider) = key.provider(text) {
        return vec![slot(Ok(provider), model.clone())];
    }
    match understand(policy, key, text) {
        Asked::Pinned { provider, model } => vec![slot(Ok(provider), Arc::from(model))],
        Asked::Blocked { provider, model } => vec![slot(Err(Arc::from(provider)), Arc::from(model))],
        Asked::Bare { model } => {
            let mut providers = serving(policy, key, &model);
            providers.sort_by_key(|index| std::cmp::Reverse(key.providers[*index].weight));
            match providers.is_empty() {
                // A name of nobody's: it stays in the list, with its reason, for people to see.
                true => {
                    let (first, rest) = text.split_once('/').unwrap_or((text, text));
                    vec![slot(Err(Arc::from(first)), Arc::from(rest))]
                }
                false => providers.into_iter().map(|index| slot(Ok(index), Arc::from(model.as_str()))).collect(),
            }
        }
    }
}

/// Judges the primaries, draws one of those that pass, and puts them in order: those to try, then
/// those passed over.
fn arrange(policy: &Policy, key: &Key, request: &Request<'_>, slots: &[Slot]) -> Vec<Candidate> {
    let judged: Vec<(Candidate, f64, u64)> = slots
        .iter()
        .map(|slot| {
            let candidate = judge(policy, key, request, slot);
            let identity = candidate.provider.map_or(0, |index| policy.providers[index].identity)
                ^ slot.credential.as_ref().map_or(0, |name| hash(&[name.as_bytes()]));
            (candidate, f64::from(slot.weight), identity)
        })
        .collect();
    let (eligible, skipped): (Vec<_>, Vec<_>) = judged.into_iter().partition(|(c, ..)| c.skipped.is_none());
    let weights: Vec<(f64, u64)> = eligible.iter().map(|(_, weight, identity)| (*weight, *identity)).collect();
    let paces = |index: usize| {
        let candidate = &eligible[index].0;
        candidate.provider.and_then(|p| request.conditions.pace(&policy.providers[p], None, &candidate.model))
    };
    let mut places = balanced(key.balance, &weights, request.draw, 0, paces);
    if let Some(stay) = request.stay {
        to_front(&mut places, |place| {
            eligible[place].0.provider.is_some_and(|provider| policy.providers[provider].identity == stay.provider)
        });
    }
    let mut eligible: Vec<Option<Candidate>> = eligible.into_iter().map(|(candidate, ..)| Some(candidate)).collect();
    let in_order = places.into_iter().filter_map(|place| eligible[place].take());
    in_order.chain(skipped.into_iter().map(|(candidate, ..)| candidate)).collect()
}

/// The same provider and model twice is one candidate; credentials that differ make two.
fn drop_repeats(candidates: &mut Vec<Candidate>) {
    let mut kept: Vec<Candidate> = Vec::with_capacity(candidates.len());
    for candidate in candidates.drain(..) {
        let same = |other: &Candidate| {
            other.name == candidate.name
                && other.model == candidate.model
                && candidate.credentials.iter().all(|index| other.credentials.contains(index))
        };
        if !kept.iter().any(same) {
            kept.push(candidate);
        }
    }
    *candidates = kept;
}

/// With nothing to try, those that only rest are tried all the same: a refusal would help nobody.
fn rescue(decision: &mut Decision) {
    for candidate in &mut decision.candidates {
        if candidate.skipped.as_ref().is_some_and(Skip::is_passing) {
            candidate.skipped = None;
            decision.last_resort = true;
        }
    }
}
