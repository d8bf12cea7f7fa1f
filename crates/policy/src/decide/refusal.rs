//! The messages of refusals. Each names the object that is responsible.

use crate::catalogue;
use crate::decide::unmeasured::{Unmeasured, unmeasured_fact};
use crate::decision::{Candidate, Decision, PolicyRefusal, PolicyRefusalKind, Skip};
use crate::document::{OnLimit, Unit};
use crate::index::LimitIndex;
use crate::naming::misnamed::Misnamed;
use crate::naming::serving::{list_models, permits, serving, takers};
use crate::policy::{Key, KeyProvider, Policy};
use crate::request::Request;
use crate::rules::expression::ExpressionError;
use crate::rules::rule::Rule;
use crate::text::nearest::nearest;

/// The refusal if all candidates were skipped.
pub(crate) fn nothing_left(policy: &Policy, key: &Key, decision: &Decision, request: &Request<'_>) -> PolicyRefusal {
    let by = by(decision);
    // The first of those with the most helpful reason.
    let blamed = decision.candidates.iter().min_by_key(|candidate| candidate.skipped.as_ref().map_or(u8::MAX, rank));
    let Some(candidate) = blamed else {
        return PolicyRefusal {
            kind: PolicyRefusalKind::ModelNotFound,
            message: format!("no provider serves this request for {}{by}", named(key)),
            param: Some("model".to_owned()),
            limit: None,
        };
    };
    let Candidate { name, model, .. } = candidate;
    match &candidate.skipped {
        Some(Skip::Budget(limit_index) | Skip::Limit(limit_index)) => used_up(policy, key, *limit_index, request, &by),
        Some(Skip::Concurrency) => concurrency_limited(policy, key, candidate, request, &by),
        Some(Skip::Unpriced) => unpriced(policy, key, candidate, request, &by),
        Some(Skip::Unsupported(field)) => {
            let target = format!("{name}/{model}");
            PolicyRefusal {
                kind: PolicyRefusalKind::UnsupportedParameter,
                message: format!(
                    "`{field}` can't be sent to {}{by}, and no other candidate is left",
                    target.trim_end_matches('/')
                ),
                param: Some(field.clone()),
                limit: None,
            }
        }
        Some(Skip::ModelBlocked) => model_blocked(policy, key, candidate, &by),
        Some(Skip::CredentialBlocked) => PolicyRefusal {
            kind: PolicyRefusalKind::ProviderBlocked,
            message: match request.credential {
                Some(credential) => format!("{} may not use the credential `{credential}` of `{name}`{by}", named(key)),
                None => format!("{} has no credential of `{name}` for `{model}`{by}", named(key)),
            },
            param: None,
            limit: None,
        },
        Some(Skip::Unhealthy) => PolicyRefusal {
            kind: PolicyRefusalKind::UpstreamUnreachable,
            message: format!("no candidate is healthy{by}: `{name}` is marked as unhealthy"),
            param: None,
            limit: None,
        },
        _ => match candidate.provider.map(|index| &policy.providers[index]) {
            Some(provider) if provider.suspended => PolicyRefusal {
                kind: PolicyRefusalKind::ProviderBlocked,
                message: format!("LLMProvider {} is suspended{by}", provider.id),
                param: Some("model".to_owned()),
                limit: None,
            },
            _ => PolicyRefusal { param: Some("model".to_owned()), ..provider_blocked(key, name, &by) },
        },
    }
}

/// The rule that decided, if one did.
pub(crate) fn by(decision: &Decision) -> String {
    decision.rule.as_ref().map(|rule| format!(" (RoutingRule {rule} decided)")).unwrap_or_default()
}

/// Which of several reasons the refusal reports, the lowest: first those that pass soonest, because the request would
/// then be served; then what an upstream can't express, which the caller can change; then what an administrator can
/// change.
fn rank(skip: &Skip) -> u8 {
    match skip {
        Skip::Concurrency => 0,
        Skip::Limit(_) => 1,
        Skip::Budget(_) => 2,
        Skip::Unsupported(_) => 3,
        Skip::Unpriced => 4,
        _ => 5,
    }
}

/// A limit is used up.
pub(crate) fn used_up(
    policy: &Policy,
    key: &Key,
    limit_index: LimitIndex,
    request: &Request<'_>,
    by: &str,
) -> PolicyRefusal {
    let limit = &policy.limits.all[limit_index];
    let kind = limit.refusal_kind();
    let at_once = match key.on_limit {
        OnLimit::Reject => " (onLimit: Reject)",
        OnLimit::NextProvider => "",
    };
    PolicyRefusal {
        kind,
        message: format!("{}{at_once}{by}", limit.describe(request.state.used(limit_index))),
        param: None,
        limit: Some(limit_index),
    }
}

/// The limit of concurrent requests is reached.
fn concurrency_limited(
    policy: &Policy,
    key: &Key,
    candidate: &Candidate,
    request: &Request<'_>,
    by: &str,
) -> PolicyRefusal {
    let name = &candidate.name;
    let mut limits = Vec::new();
    let document = policy.document.key(request.key);
    let entry = candidate.entry.and_then(|index| document?.entry(index));
    if let Some(most) = entry.and_then(|entry| entry.limits.concurrent_requests) {
        limits.push(format!("{} allows (spec.providers[{name}].limits.concurrentRequests: {most})", named(key)));
    }
    let provider = candidate.provider.and_then(|index| policy.document.provider(index));
    if let Some((provider, most)) = provider.and_then(|one| Some((one, one.limits.concurrent_requests?))) {
        let (namespace, name) = (&provider.namespace, &provider.name);
        limits.push(format!("LLMProvider {namespace}/{name} allows (spec.limits.concurrentRequests: {most})"));
    }
    let limits = if limits.is_empty() { "allowed".to_owned() } else { limits.join(", or as ") };
    PolicyRefusal {
        kind: PolicyRefusalKind::ConcurrencyLimited,
        message: format!("`{name}` already serves as many requests at once as {limits}{by}"),
        param: None,
        limit: None,
    }
}

/// A limit counts the request, and its cost or usage is unknown.
fn unpriced(policy: &Policy, key: &Key, candidate: &Candidate, request: &Request<'_>, by: &str) -> PolicyRefusal {
    let Candidate { name, model, .. } = candidate;
    let limit_indexes = candidate.entry.map(|entry| policy.limits_of(request.key, entry, model)).unwrap_or_default();
    let mut limits = limit_indexes.iter().map(|limit_index| &policy.limits.all[*limit_index]);
    let found = limits.find_map(|limit| Some((limit, unmeasured_fact(policy, key, request, candidate, limit)?)));
    let counts = found.map(|(limit, _)| limit.id.to_string()).unwrap_or_default();
    let message = match found {
        Some((limit, Unmeasured::Meter(why))) => {
            let (counted, unknown) = match limit.unit {
                Unit::Tokens => ("tokens", "how many this request uses"),
                Unit::Money | Unit::Requests => ("money", "what this request costs"),
            };
            format!(
                "{counts} counts {counted}, and {unknown} can't be known: {why}{by}; `unmetered: Allow` of {} serves it \
                 uncounted",
                named(key)
            )
        }
        Some((_, Unmeasured::Price(of))) => {
            let provider = candidate.provider.map(|index| policy.providers[index].id.to_string()).unwrap_or_default();
            let of = if of == "tokens" { String::new() } else { format!(" for {of}") };
            format!(
                "{counts} counts money, and the price of {name}/{model}{of} is unknown{by}: set one (LLMProvider \
                 {provider}: spec.models[].price or spec.defaultPrice; or a ModelCatalog), or `unpriced: Allow` to {}",
                named(key)
            )
        }
        None => format!("the price of {name}/{model} is unknown{by}"),
    };
    PolicyRefusal { kind: PolicyRefusalKind::ModelUnpriced, message, param: Some("model".to_owned()), limit: None }
}

/// A rule refuses the request.
pub(crate) fn rejected(rule: &Rule, message: &str) -> PolicyRefusal {
    let message = match message.trim() {
        "" => format!("RoutingRule {} rejects this request", rule.id),
        message => format!("{message} (RoutingRule {})", rule.id),
    };
    PolicyRefusal { kind: PolicyRefusalKind::RequestRejected, message, param: None, limit: None }
}

/// The key may not use a provider, or does not have it.
pub(crate) fn provider_blocked(key: &Key, provider: &str, by: &str) -> PolicyRefusal {
    PolicyRefusal {
        kind: PolicyRefusalKind::ProviderBlocked,
        message: format!(
            "{} may not use the provider `{provider}`{by}{}{}",
            named(key),
            did_you_mean(nearest(provider, key.providers.iter().map(|entry| &*entry.name))),
            providers_hint(key)
        ),
        param: None,
        limit: None,
    }
}

/// Names the list that excludes the model.
fn model_blocked(policy: &Policy, key: &Key, candidate: &Candidate, by: &str) -> PolicyRefusal {
    let Candidate { name, model, .. } = candidate;
    let entry = key.providers.iter().find(|entry| entry.name == *name);
    let itself = |entry: &&KeyProvider| permits(key, entry, &policy.providers[entry.provider], model);
    if let Some(entry) = entry.filter(itself) {
        let message = format!(
            "`fallbacks` of the request lets LLMProvider {} answer with models that {} does not allow (spec.models, \
             spec.providers[{name}].models){by}",
            policy.providers[entry.provider].id,
            named(key)
        );
        return PolicyRefusal {
            kind: PolicyRefusalKind::ModelBlocked,
            message,
            param: Some("fallbacks".to_owned()),
            limit: None,
        };
    }
    let message = match entry {
        Some(entry) if policy.providers[entry.provider].excludes(model) => {
            format!(
                "LLMProvider {} is exclusive, and `{model}` is not one of its models{by}",
                policy.providers[entry.provider].id
            )
        }
        Some(entry) if key.permits(&[model, policy.providers[entry.provider].own_name(model)]) => {
            format!("{} does not allow the model `{model}` (spec.providers[{name}].models){by}", named(key))
        }
        _ => format!("{} does not allow the model `{model}` (spec.models){by}", named(key)),
    };
    PolicyRefusal { kind: PolicyRefusalKind::ModelBlocked, message, param: Some("model".to_owned()), limit: None }
}

/// No provider serves a name without a provider; or one would, and the key's own lists exclude it.
pub(crate) fn nobody_serves(policy: &Policy, key: &Key, model: &str) -> PolicyRefusal {
    if let Some(misnamed) = Misnamed::of(policy, key, model) {
        return no_such_provider(policy, key, model, misnamed);
    }
    let knows = |entry: &&KeyProvider| {
        let provider = &policy.providers[entry.provider];
        provider.model(model).is_some() || catalogue::lookup(&provider.kind, model).is_some()
    };
    let excluding = key
        .providers
        .iter()
        .filter(|entry| !policy.providers[entry.provider].excludes(model))
        .find(|entry| !permits(key, entry, &policy.providers[entry.provider], model) && knows(entry));
    if excluding.is_some() || !key.allows(model) {
        let keeps = match excluding.filter(|_| key.allows(model)) {
            Some(entry) => format!("spec.providers[{}].models", entry.name),
            None => "spec.models".to_owned(),
        };
        return PolicyRefusal {
            kind: PolicyRefusalKind::ModelBlocked,
            message: format!("{} does not allow the model `{model}` ({keeps})", named(key)),
            param: Some("model".to_owned()),
            limit: None,
        };
    }
    let takers = takers(policy, key, model);
    if let [first, _, ..] = takers[..] {
        return PolicyRefusal {
            kind: PolicyRefusalKind::ModelNotFound,
            message: format!(
                "no provider of {} lists the model `{model}`, and {} accept any name: name one of them, as in \
                 `{first}/{model}`, or list it in the provider's `models`",
                named(key),
                takers.join(", "),
            ),
            param: Some("model".to_owned()),
            limit: None,
        };
    }
    let known = list_models(policy, key);
    let full: Vec<String> = known.iter().map(|(provider, model)| format!("{provider}/{model}")).collect();
    let like = nearest(model, known.iter().map(|(_, name)| name.as_str()).chain(full.iter().map(String::as_str)));
    PolicyRefusal {
        kind: PolicyRefusalKind::ModelNotFound,
        message: format!(
            "no provider of {} serves the model `{model}`{}; GET /v1/models lists all models{}",
            named(key),
            did_you_mean(like),
            providers_hint(key),
        ),
        param: Some("model".to_owned()),
        limit: None,
    }
}

/// The prefix of a name is a vendor's word or a misspelt provider, not a provider's name.
fn no_such_provider(policy: &Policy, key: &Key, model: &str, misnamed: Misnamed<'_>) -> PolicyRefusal {
    let Misnamed { word, rest, .. } = misnamed;
    // The provider that was probably meant; else one that has a model of this name.
    let listed = || {
        let serving = serving(policy, key, rest).filter(|serving| !serving.any_name)?;
        serving.entries.first().map(|entry| &*key.providers[*entry].name)
    };
    let like = misnamed.meant(policy, key).or_else(listed).map(|name| format!("{name}/{rest}"));
    let like = like.map(|name| name.trim_end_matches('/').to_owned());
    PolicyRefusal {
        kind: PolicyRefusalKind::ModelNotFound,
        message: format!(
            "no provider of {} is named `{word}`, and none lists the model `{model}`{}{}",
            named(key),
            did_you_mean(like),
            providers_hint(key),
        ),
        param: Some("model".to_owned()),
        limit: None,
    }
}

fn did_you_mean(like: Option<String>) -> String {
    like.map(|name| format!(", did you mean `{name}`?")).unwrap_or_default()
}

/// Neither a model nor a provider is named.
pub(crate) fn provider_needed(key: &Key) -> PolicyRefusal {
    PolicyRefusal {
        kind: PolicyRefusalKind::InvalidRequest,
        message: format!(
            "this operation names no model, so `x-outrigger-provider` must name a provider{}",
            providers_hint(key)
        ),
        param: None,
        limit: None,
    }
}

/// A rule's expression failed, and the rule has `onError: Refuse`.
pub(crate) fn rule_failed(rule: &Rule, error: &ExpressionError) -> PolicyRefusal {
    PolicyRefusal {
        kind: PolicyRefusalKind::InvalidRequest,
        message: format!("RoutingRule {}: `when` {error}, and the rule has onError: Refuse", rule.id),
        param: None,
        limit: None,
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
