//! From a request to its candidates: rules, pins, weights, fallbacks, and the key as the fence
//! around all of it.
//!
//! ```text
//! name -> plan (rule | pin | weights) -> fence and gates -> draw -> order -> refusal, if empty
//! ```

use std::sync::Arc;

use crate::decision::{Candidate, Decision, Refusal, Skip};
use crate::document::{Balance, OnError};
use crate::draw::{order, pick};
use crate::expression::{Asking, nearest};
use crate::name::{Asked, understand};
use crate::policy::{Key, KeyProvider, Policy, Provider};
use crate::request::{Pace, Request};
use crate::rule::Rule;
use crate::serves::{list_models, passes, serving};
use crate::{Draw, catalogue};

/// A place where the request might go, before anybody asked whether it may.
struct Slot {
    /// Index in [`Key::providers`], or the name that is none of them.
    provider: Result<usize, Arc<str>>,
    model: Arc<str>,
    weight: u32,
    credential: Option<String>,
}

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
        rescue(policy, key, request, &mut decision);
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
                    return Err(Refusal {
                        status: 400,
                        kind: "invalid_request",
                        message: format!("RoutingRule {}: `when` {error}, and the rule says onError: Refuse", rule.id),
                        param: None,
                    });
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
            return Err(Refusal {
                status: 403,
                kind: "provider_blocked",
                message: format!("{} may not use the provider `{provider}`{}", named(key), providers_hint(key)),
                param: Some("model".to_owned()),
            });
        }
        Some(Asked::Bare { model }) => {
            if !key.allows(model) {
                return Err(model_blocked(key, model));
            }
            let serving = serving(policy, key, model);
            if serving.is_empty() {
                return Err(nobody_serves(policy, key, model));
            }
            serving.into_iter().map(|provider| slot(provider, model)).collect()
        }
        None => match request.provider {
            Some(name) => match key.provider(name) {
                Some(provider) => vec![slot(provider, "")],
                None => {
                    return Err(Refusal {
                        status: 403,
                        kind: "provider_blocked",
                        message: format!("{} may not use the provider `{name}`{}", named(key), providers_hint(key)),
                        param: None,
                    });
                }
            },
            None => {
                let fit: Vec<usize> = (0..key.providers.len())
                    .filter(|i| request.conditions.unfit(&policy.providers[key.providers[*i].provider]).is_none())
                    .collect();
                match fit.as_slice() {
                    [one] => vec![slot(*one, "")],
                    _ => {
                        return Err(Refusal {
                            status: 400,
                            kind: "invalid_request",
                            message: format!(
                                "this operation names no model, so `x-outrigger-provider` must say who is meant{}",
                                providers_hint(key)
                            ),
                            param: None,
                        });
                    }
                }
            }
        },
    };
    Ok(Plan { rule: None, primaries, fallbacks: Vec::new() })
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
                true => vec![slot(Err(Arc::from(text.split('/').next().unwrap_or(text))), Arc::from(model))],
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
                ^ slot.credential.as_ref().map_or(0, |name| crate::draw::hash(&[name.as_bytes()]));
            (candidate, f64::from(slot.weight), identity)
        })
        .collect();
    let (eligible, skipped): (Vec<_>, Vec<_>) = judged.into_iter().partition(|(c, ..)| c.skipped.is_none());
    let weights: Vec<(f64, u64)> = eligible.iter().map(|(_, weight, identity)| (*weight, *identity)).collect();
    let paces = |index: usize| {
        let candidate = &eligible[index].0;
        candidate.provider.and_then(|p| request.conditions.pace(&policy.providers[p], None))
    };
    let mut places = balanced(key.balance, &weights, request.draw, 0, paces);
    if let Some(stay) = request.stay {
        let stays = |index: &usize| {
            eligible[*index].0.provider.is_some_and(|provider| policy.providers[provider].identity == stay.provider)
        };
        if let Some(at) = places.iter().position(stays) {
            places[..=at].rotate_right(1);
        }
    }
    let mut eligible: Vec<Option<Candidate>> = eligible.into_iter().map(|(candidate, ..)| Some(candidate)).collect();
    let in_order = places.into_iter().filter_map(|place| eligible[place].take());
    in_order.chain(skipped.into_iter().map(|(candidate, ..)| candidate)).collect()
}

/// The order of several, under a balance.
fn balanced(
    balance: Balance,
    weights: &[(f64, u64)],
    draw: Draw,
    salt: u64,
    pace: impl Fn(usize) -> Option<Pace>,
) -> Vec<usize> {
    let paces: Vec<Option<Pace>> = match balance {
        Balance::Weighted => return order(weights, draw, salt),
        Balance::Adaptive => (0..weights.len()).map(pace).collect(),
    };
    let best = paces.iter().flatten().map(|pace| pace.first_token_ms).fold(f64::INFINITY, f64::min);
    // One of which nothing is known yet counts as the best, so that it gets its share and is learnt.
    let factor = |pace: &Option<Pace>| pace.map_or(1.0, |p| (best / p.first_token_ms.max(1e-3)).clamp(0.1, 1.0));
    let scaled: Vec<(f64, u64)> =
        weights.iter().zip(&paces).map(|((weight, id), pace)| (weight * factor(pace), *id)).collect();
    let mut places = order(&scaled, draw, salt);
    // Between equals the less busy one: a second draw proposes, the load decides.
    if let (Draw::Random(_), Some(first), Some(second)) =
        (draw, pick(&scaled, draw, salt), pick(&scaled, draw, salt ^ 0x5851_f42d_4c95_7f2d))
    {
        let busy = |index: usize| paces[index].map_or(0, |pace| pace.in_flight);
        let equal = (scaled[first].0 - scaled[second].0).abs() < f64::EPSILON;
        if equal
            && busy(second) < busy(first)
            && let Some(at) = places.iter().position(|place| *place == second)
        {
            places[..=at].rotate_right(1);
        }
    }
    places
}

/// Asks the fence, then the gates, whether a slot may be tried, and with which credentials.
fn judge(policy: &Policy, key: &Key, request: &Request<'_>, slot: &Slot) -> Candidate {
    let entry = match &slot.provider {
        Ok(index) => &key.providers[*index],
        Err(name) => {
            return Candidate {
                provider: None,
                name: name.clone(),
                model: slot.model.clone(),
                upstream_model: slot.model.clone(),
                credentials: Vec::new(),
                skipped: Some(Skip::ProviderBlocked),
            };
        }
    };
    let provider = &policy.providers[entry.provider];
    let mut candidate = Candidate {
        provider: Some(entry.provider),
        name: entry.name.clone(),
        model: slot.model.clone(),
        upstream_model: provider.upstream_name(&slot.model),
        credentials: Vec::new(),
        skipped: None,
    };
    let model = &*candidate.model;
    let has_model = request.model.is_some();
    if provider.suspended {
        candidate.skipped = Some(Skip::ProviderBlocked);
        return candidate;
    }
    if has_model && (!key.allows(model) || !passes(entry, provider, model)) {
        candidate.skipped = Some(Skip::ModelBlocked);
        return candidate;
    }
    let pinned = slot.credential.as_deref().or(request.credential);
    let usable = usable_credentials(entry, provider, &candidate, pinned, has_model);
    if usable.is_empty() && (!provider.credentials.is_empty() || pinned.is_some()) {
        candidate.skipped = Some(Skip::CredentialBlocked);
        return candidate;
    }
    if let Some(field) = request.conditions.unfit(provider) {
        candidate.skipped = Some(Skip::Unsupported(field));
        return candidate;
    }
    if provider.credentials.is_empty() {
        candidate.skipped = request.conditions.gate(provider, None, model);
        return candidate;
    }
    let mut resting = None;
    let open: Vec<usize> = usable
        .into_iter()
        .filter(|index| match request.conditions.gate(provider, Some(&provider.credentials[*index]), model) {
            None => true,
            Some(skip) => {
                resting.get_or_insert(skip);
                false
            }
        })
        .collect();
    if open.is_empty() {
        candidate.skipped = resting;
        return candidate;
    }
    let weights: Vec<(f64, u64)> = open
        .iter()
        .map(|index| (f64::from(provider.credentials[*index].weight), provider.credentials[*index].identity))
        .collect();
    let paces = |index: usize| request.conditions.pace(provider, Some(&provider.credentials[open[index]]));
    let mut places = balanced(provider.balance, &weights, request.draw, provider.identity, paces);
    if let Some(stay) = request.stay
        && let Some(at) = places.iter().position(|p| provider.credentials[open[*p]].identity == stay.credential)
    {
        places[..=at].rotate_right(1);
    }
    candidate.credentials = places.into_iter().map(|place| open[place]).collect();
    candidate
}

/// The credentials of a provider that the key, a pin and the credentials' own lists let through.
fn usable_credentials(
    entry: &KeyProvider,
    provider: &Provider,
    candidate: &Candidate,
    pinned: Option<&str>,
    has_model: bool,
) -> Vec<usize> {
    (0..provider.credentials.len())
        .filter(|index| {
            let credential = &provider.credentials[*index];
            !credential.suspended
                && pinned.is_none_or(|name| *credential.name == *name)
                && (entry.credentials.is_empty() || entry.credentials.iter().any(|name| **name == *credential.name))
                && (!has_model || credential.serves(&candidate.model, &candidate.upstream_model))
        })
        .collect()
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

/// With nothing to try: those that only rest are tried all the same, since a refusal would help
/// nobody; else the refusal says which object stands in the way.
fn rescue(policy: &Policy, key: &Key, request: &Request<'_>, decision: &mut Decision) {
    for candidate in &mut decision.candidates {
        if !candidate.skipped.as_ref().is_some_and(Skip::is_passing) {
            continue;
        }
        let Some(index) = candidate.provider else { continue };
        let provider = &policy.providers[index];
        let Some(entry) = key.providers.iter().find(|entry| entry.name == candidate.name) else { continue };
        candidate.credentials =
            usable_credentials(entry, provider, candidate, request.credential, request.model.is_some());
        candidate.skipped = None;
        decision.last_resort = true;
    }
    if !decision.last_resort {
        decision.refusal = Some(refusal(key, decision, request));
    }
}

fn refusal(key: &Key, decision: &Decision, request: &Request<'_>) -> Refusal {
    let by = decision.rule.as_ref().map(|rule| format!(" (RoutingRule {rule} decided)")).unwrap_or_default();
    let Some(first) = decision.candidates.first() else {
        return Refusal {
            status: 404,
            kind: "model_not_found",
            message: format!("nobody serves this request for {}{by}", named(key)),
            param: Some("model".to_owned()),
        };
    };
    let place = format!("{}/{}", first.name, first.model);
    let place = place.trim_end_matches('/');
    match &first.skipped {
        Some(Skip::Unsupported(field)) => Refusal {
            status: 400,
            kind: "unsupported_parameter",
            message: format!("`{field}` cannot be carried to {place}{by}, and no other candidate is left"),
            param: Some(field.clone()),
        },
        Some(Skip::ModelBlocked) => Refusal {
            status: 403,
            kind: "model_blocked",
            message: format!("{} does not allow the model `{}` of `{}`{by}", named(key), first.model, first.name),
            param: Some("model".to_owned()),
        },
        Some(Skip::CredentialBlocked) => Refusal {
            status: 403,
            kind: "provider_blocked",
            message: match request.credential {
                Some(name) => format!("{} may not use the credential `{name}` of `{}`{by}", named(key), first.name),
                None => format!("{} has no credential of `{}` for `{}`{by}", named(key), first.name, first.model),
            },
            param: None,
        },
        _ => Refusal {
            status: 403,
            kind: "provider_blocked",
            message: format!("{} may not use the provider `{}`{by}{}", named(key), first.name, providers_hint(key)),
            param: Some("model".to_owned()),
        },
    }
}

fn named(key: &Key) -> String {
    match key.keyless {
        true => format!("a caller without a VirtualKey in namespace {}", key.id.namespace),
        false => format!("VirtualKey {}", key.id),
    }
}

fn providers_hint(key: &Key) -> String {
    match key.providers.is_empty() {
        true => "; it has no providers".to_owned(),
        false => {
            let names: Vec<&str> = key.providers.iter().map(|provider| &*provider.name).collect();
            format!("; it has {}", names.join(", "))
        }
    }
}

fn model_blocked(key: &Key, model: &str) -> Refusal {
    Refusal {
        status: 403,
        kind: "model_blocked",
        message: format!("{} does not allow the model `{model}` (spec.models)", named(key)),
        param: Some("model".to_owned()),
    }
}

fn nobody_serves(policy: &Policy, key: &Key, model: &str) -> Refusal {
    // Known to one of its providers, and kept from it by the key's own list: that is a fence.
    let fenced = key.providers.iter().find(|entry| {
        let provider = &policy.providers[entry.provider];
        !entry.models.allows(model)
            && (provider.model(model).is_some() || catalogue::lookup(&provider.kind, model).is_some())
    });
    if let Some(entry) = fenced {
        return Refusal {
            status: 403,
            kind: "model_blocked",
            message: format!(
                "{} does not allow the model `{model}` (spec.providers[{}].models)",
                named(key),
                entry.name
            ),
            param: Some("model".to_owned()),
        };
    }
    let known = list_models(policy, key);
    let full: Vec<String> = known.iter().map(|(provider, model)| format!("{provider}/{model}")).collect();
    let like = nearest(model, known.iter().map(|(_, name)| name.as_str()).chain(full.iter().map(String::as_str)));
    Refusal {
        status: 404,
        kind: "model_not_found",
        message: format!(
            "no provider of {} serves the model `{model}`{}; GET /v1/models lists what there is{}",
            named(key),
            like.map(|name| format!(", did you mean `{name}`?")).unwrap_or_default(),
            providers_hint(key),
        ),
        param: Some("model".to_owned()),
    }
}
