//! The candidates that a rule, a pin or the weights propose, before anything is checked.

use std::sync::Arc;

use crate::decide::eligibility::CandidateSlot;
use crate::decide::refusal;
use crate::decision::PolicyRefusal;
use crate::index::EntryIndex;
use crate::naming::misnamed::Misnamed;
use crate::naming::name::{ModelName, parse_model_name};
use crate::naming::serving::{Serving, serving};
use crate::policy::{Key, Policy};
use crate::request::Request;
use crate::rules::rule::Rule;

/// One of the primaries is chosen; the others follow by weight, then the fallbacks in order.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub primaries: Vec<CandidateSlot>,
    pub fallbacks: Vec<CandidateSlot>,
}

/// The plan of a rule. If a target names no model, `model` is used, the one in the request.
pub(crate) fn by_rule(policy: &Policy, key: &Key, rule: &Rule, model: &str) -> Plan {
    let model: Arc<str> = Arc::from(model);
    let primaries = rule
        .targets
        .iter()
        .map(|target| CandidateSlot {
            provider: key.provider(&target.provider).ok_or_else(|| Arc::from(target.provider.as_str())),
            model: target.model.as_deref().map_or_else(|| model.clone(), Arc::from),
            weight: Some(target.weight),
            credential: target.credential.clone(),
            any_name: false,
        })
        .collect();
    let fallbacks = rule.fallbacks.iter().flat_map(|name| fallback(policy, key, name, &model)).collect();
    Plan { primaries, fallbacks }
}

/// The plan without a rule. A pin selects that provider alone; a name without a provider selects all that serve it.
///
/// # Errors
/// No provider serves it, or the key may not use the provider.
pub(crate) fn without_rule(
    policy: &Policy,
    key: &Key,
    requested: Option<&ModelName>,
    request: &Request<'_>,
) -> Result<Plan, PolicyRefusal> {
    let slot = |provider: EntryIndex, model: &str, any_name: bool| CandidateSlot {
        provider: Ok(provider),
        model: Arc::from(model),
        weight: Some(key.providers[provider].weight),
        credential: None,
        any_name,
    };
    let primaries = match requested {
        Some(ModelName::Pinned { provider, model }) => vec![slot(*provider, model, false)],
        Some(ModelName::Blocked { provider, .. }) => {
            let refusal = refusal::provider_blocked(key, provider, "");
            return Err(PolicyRefusal { param: Some("model".to_owned()), ..refusal });
        }
        Some(ModelName::Bare { model }) => {
            let Serving { entries, any_name, .. } =
                serving(policy, key, model).ok_or_else(|| refusal::nobody_serves(policy, key, model))?;
            entries.into_iter().map(|provider| slot(provider, model, any_name)).collect()
        }
        None => vec![slot(without_model(policy, key, request)?, "", false)],
    };
    Ok(Plan { primaries, fallbacks: Vec::new() })
}

/// The provider if no model is named: the one that the request names, or the only one.
fn without_model(policy: &Policy, key: &Key, request: &Request<'_>) -> Result<EntryIndex, PolicyRefusal> {
    if let Some(name) = request.provider {
        return key.provider(name).ok_or_else(|| refusal::provider_blocked(key, name, ""));
    }
    let fits = |index: &EntryIndex| {
        let provider = &policy.providers[key.providers[*index].provider];
        !provider.suspended && request.state.unfit(provider, "").is_none()
    };
    match key.providers.keys().filter(fits).collect::<Vec<_>>()[..] {
        [one] => Ok(one),
        _ => Err(refusal::provider_needed(key)),
    }
}

/// The slots of a fallback: `provider/model`, a provider alone, or a model's name.
pub(crate) fn fallback(policy: &Policy, key: &Key, text: &str, model: &Arc<str>) -> Vec<CandidateSlot> {
    let slot = |provider: Result<EntryIndex, Arc<str>>, model: Arc<str>| CandidateSlot {
        provider,
        model,
        weight: None,
        credential: None,
        any_name: false,
    };
    if let Some(provider) = key.provider(text) {
        return vec![slot(Ok(provider), model.clone())];
    }
    match parse_model_name(policy, key, text) {
        ModelName::Pinned { provider, model } => vec![slot(Ok(provider), Arc::from(model))],
        ModelName::Blocked { provider, model } => vec![slot(Err(Arc::from(provider)), Arc::from(model))],
        ModelName::Bare { model } => {
            // A text without a slash may be a provider's name, misspelt or missing.
            let meant = |serving: &Serving| !serving.any_name || Misnamed::alone(policy, key, text).is_none();
            let Some(mut serving) = serving(policy, key, &model).filter(meant) else {
                // A name that no provider serves stays in the list, skipped, so that people see it.
                let (first, rest) = text.split_once('/').unwrap_or((text, text));
                return vec![slot(Err(Arc::from(first)), Arc::from(rest))];
            };
            serving.entries.sort_by_key(|index| std::cmp::Reverse(key.providers[*index].weight));
            let slots = serving.entries.into_iter().map(|index| slot(Ok(index), Arc::from(model.as_str())));
            slots.map(|slot| CandidateSlot { any_name: serving.any_name, ..slot }).collect()
        }
    }
}
