//! The words of refusals: each names the object that stands in the way.

use crate::catalogue;
use crate::decision::{Candidate, Decision, Refusal, Skip};
use crate::expression::{ExpressionError, nearest};
use crate::policy::{Key, KeyProvider, Policy};
use crate::request::Request;
use crate::rule::Rule;
use crate::serves::{list_models, permits};

/// A refusal of a request whose candidates were all passed over. What an upstream can't say comes
/// first: unlike the fence, the caller can do something about it.
pub(crate) fn nothing_left(policy: &Policy, key: &Key, decision: &Decision, request: &Request<'_>) -> Refusal {
    let by = decision.rule.as_ref().map(|rule| format!(" (RoutingRule {rule} decided)")).unwrap_or_default();
    let unsupported = |candidate: &&Candidate| matches!(candidate.skipped, Some(Skip::Unsupported(_)));
    let blamed = decision.candidates.iter().find(unsupported).or(decision.candidates.first());
    let Some(candidate) = blamed else {
        return Refusal {
            status: 404,
            kind: "model_not_found",
            message: format!("nobody serves this request for {}{by}", named(key)),
            param: Some("model".to_owned()),
            limit: None,
        };
    };
    let Candidate { name, model, .. } = candidate;
    match &candidate.skipped {
        Some(Skip::Unsupported(field)) => {
            let place = format!("{name}/{model}");
            Refusal {
                status: 400,
                kind: "unsupported_parameter",
                message: format!(
                    "`{field}` cannot be carried to {}{by}, and no other candidate is left",
                    place.trim_end_matches('/')
                ),
                param: Some(field.clone()),
                limit: None,
            }
        }
        Some(Skip::ModelBlocked) => model_blocked(policy, key, candidate, &by),
        Some(Skip::CredentialBlocked) => Refusal {
            status: 403,
            kind: "provider_blocked",
            message: match request.credential {
                Some(credential) => format!("{} may not use the credential `{credential}` of `{name}`{by}", named(key)),
                None => format!("{} has no credential of `{name}` for `{model}`{by}", named(key)),
            },
            param: None,
            limit: None,
        },
        Some(Skip::Unhealthy) => Refusal {
            status: 503,
            kind: "upstream_unreachable",
            message: format!("no candidate is healthy{by}: `{name}` is said to be down"),
            param: None,
            limit: None,
        },
        _ => match candidate.provider.map(|index| &policy.providers[index]) {
            Some(provider) if provider.suspended => Refusal {
                status: 403,
                kind: "provider_blocked",
                message: format!("LLMProvider {} is suspended{by}", provider.id),
                param: Some("model".to_owned()),
                limit: None,
            },
            _ => Refusal { param: Some("model".to_owned()), ..provider_blocked(key, name, &by) },
        },
    }
}

/// The key may not use a provider, or there is none of the name.
pub(crate) fn provider_blocked(key: &Key, provider: &str, by: &str) -> Refusal {
    Refusal {
        status: 403,
        kind: "provider_blocked",
        message: format!("{} may not use the provider `{provider}`{by}{}", named(key), providers_hint(key)),
        param: None,
        limit: None,
    }
}

/// Says whose list keeps the model out.
fn model_blocked(policy: &Policy, key: &Key, candidate: &Candidate, by: &str) -> Refusal {
    let Candidate { name, model, .. } = candidate;
    let entry = key.providers.iter().find(|entry| entry.name == *name);
    let message = match entry {
        Some(entry) if policy.providers[entry.provider].excludes(model) => {
            format!(
                "LLMProvider {} is exclusive, and `{model}` is none of its models{by}",
                policy.providers[entry.provider].id
            )
        }
        Some(entry) if key.permits(&[model, policy.providers[entry.provider].own_name(model)]) => {
            format!("{} does not allow the model `{model}` (spec.providers[{name}].models){by}", named(key))
        }
        _ => format!("{} does not allow the model `{model}` (spec.models){by}", named(key)),
    };
    Refusal { status: 403, kind: "model_blocked", message, param: Some("model".to_owned()), limit: None }
}

/// Nobody serves a bare name; or somebody would, and the key's own lists keep it out.
pub(crate) fn nobody_serves(policy: &Policy, key: &Key, model: &str) -> Refusal {
    let knows = |entry: &&KeyProvider| {
        let provider = &policy.providers[entry.provider];
        provider.model(model).is_some() || catalogue::lookup(&provider.kind, model).is_some()
    };
    let fenced = key
        .providers
        .iter()
        .filter(|entry| !policy.providers[entry.provider].excludes(model))
        .find(|entry| !permits(key, entry, &policy.providers[entry.provider], model) && knows(entry));
    if fenced.is_some() || !key.allows(model) {
        let keeps = match fenced.filter(|_| key.allows(model)) {
            Some(entry) => format!("spec.providers[{}].models", entry.name),
            None => "spec.models".to_owned(),
        };
        return Refusal {
            status: 403,
            kind: "model_blocked",
            message: format!("{} does not allow the model `{model}` ({keeps})", named(key)),
            param: Some("model".to_owned()),
            limit: None,
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
        limit: None,
    }
}

/// Neither a model nor a provider says who is meant.
pub(crate) fn provider_needed(key: &Key) -> Refusal {
    Refusal {
        status: 400,
        kind: "invalid_request",
        message: format!(
            "this operation names no model, so `x-outrigger-provider` must say who is meant{}",
            providers_hint(key)
        ),
        param: None,
        limit: None,
    }
}

/// A rule's expression failed, and the rule would have that refused.
pub(crate) fn rule_failed(rule: &Rule, error: &ExpressionError) -> Refusal {
    Refusal {
        status: 400,
        kind: "invalid_request",
        message: format!("RoutingRule {}: `when` {error}, and the rule says onError: Refuse", rule.id),
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
