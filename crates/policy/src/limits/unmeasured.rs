//! What nobody could tell of an attempt that a limit counts: then it is passed over, unless its key says otherwise.

use outrigger_core::RequestType;

use crate::catalogue::bills_by_call;
use crate::decide::decision::Candidate;
use crate::document::{Unit, Unknown};
use crate::limits::limit::Limit;
use crate::policy::{Key, Policy};
use crate::prices::Price;
use crate::request::{Others, Request};

/// See the variants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gap<'a> {
    /// How much is used, and why.
    Meter(&'a str),
    /// What it costs: of tokens, or of what else the operation is billed by.
    Price(&'static str),
}

/// What a limit would have to know of an attempt, and the key won't do without.
pub(crate) fn gap<'a>(
    policy: &Policy,
    key: &Key,
    request: &Request<'a>,
    candidate: &Candidate,
    limit: &Limit,
) -> Option<Gap<'a>> {
    let conditions = request.conditions;
    let unmetered = match limit.unit {
        Unit::Requests => None,
        // Those of a key or of a provider are limits of pace.
        Unit::Tokens => conditions.unmetered().filter(|_| limit.is_budget() && !conditions.tells_tokens()),
        Unit::Money => conditions
            .unmetered()
            .or_else(|| by_call(policy, request, candidate))
            .or_else(|| by_another(policy, request, candidate)),
    };
    match unmetered {
        Some(why) if key.unmetered == Unknown::Refuse => return Some(Gap::Meter(why)),
        _ => {}
    }
    // Without a model there is no price to know: what such operations cost is `unmetered`'s to say.
    if limit.unit != Unit::Money || key.unpriced == Unknown::Allow || request.model.is_none() {
        return None;
    }
    let price = candidate.provider.and_then(|provider| policy.price(provider, &candidate.model));
    let (says, of): (fn(&Price) -> bool, _) = billed_by(request.request_type);
    (!price.is_some_and(says)).then_some(Gap::Price(of))
}

/// Why a model bills more than tokens, by the name that it is sent or by its own: a deployment's may say nothing, and
/// neither may an alias. What has another answer than words is billed by its own price.
fn by_call(policy: &Policy, request: &Request<'_>, candidate: &Candidate) -> Option<&'static str> {
    let provider = policy.providers.get(candidate.provider?)?;
    let names = [&*candidate.upstream_model, provider.own_name(&candidate.model)];
    names.into_iter().filter(|_| request.request_type.is_conversation()).find_map(bills_by_call)
}

/// Why the answer may be billed at another model's price, and that a higher one for all that is known.
fn by_another(policy: &Policy, request: &Request<'_>, candidate: &Candidate) -> Option<&'static str> {
    let index = candidate.provider?;
    let (provider, own) = (policy.providers.get(index)?, policy.price(index, &candidate.model)?);
    let is_dearer = |name: &String| {
        policy.price(index, name).is_none_or(|other| other.input > own.input || other.output > own.output)
    };
    match request.conditions.others(provider) {
        Others::None => None,
        Others::Named(names) => names.iter().any(is_dearer).then_some(
            "`fallbacks` lets the provider answer with a model that may be dearer than the one that is asked for",
        ),
        Others::Any => Some("`fallbacks` lets the provider answer with any other model, at the price of that one"),
    }
}

/// What a price must say for an operation, and what that is called. A price for seconds or pictures is none for words.
fn billed_by(request_type: RequestType) -> (fn(&Price) -> bool, &'static str) {
    match request_type {
        RequestType::ImageGeneration => (Price::counts_images, "pictures"),
        // Its answers tell no usage, so that a price for tokens is of no use.
        RequestType::Speech => (Price::counts_characters, "characters"),
        RequestType::Embedding => (Price::counts_tokens, "tokens"),
        chat if chat.is_conversation() => (Price::counts_tokens, "tokens"),
        _ => (|_| true, "tokens"),
    }
}
