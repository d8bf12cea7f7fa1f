//! Attempts whose usage can't be counted although a limit counts it: they are skipped, unless the key allows them.

use outrigger_core::RequestType;

use crate::catalogue::bills_by_call;
use crate::decision::Candidate;
use crate::document::{Unit, UnknownCostPolicy};
use crate::limits::limit::Limit;
use crate::policy::{Key, Policy};
use crate::prices::Price;
use crate::request::{Others, Request};

/// What is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unmeasured<'a> {
    /// How much is used, and why it is unknown.
    Meter(&'a str),
    /// The price of tokens, or of another unit that the operation is billed by.
    Price(&'static str),
}

/// What a limit needs to know about an attempt, if it is unknown and the key does not allow that.
pub(crate) fn unmeasured_fact<'a>(
    policy: &Policy,
    key: &Key,
    request: &Request<'a>,
    candidate: &Candidate,
    limit: &Limit,
) -> Option<Unmeasured<'a>> {
    let conditions = request.state;
    let unmetered = match limit.unit {
        Unit::Requests => None,
        // Token limits of a key or a provider are rate limits.
        Unit::Tokens => conditions.unmetered().filter(|_| limit.is_budget() && !conditions.reports_tokens()),
        Unit::Money => conditions
            .unmetered()
            .or_else(|| by_call(policy, request, candidate))
            .or_else(|| by_another(policy, request, candidate)),
    };
    match unmetered {
        Some(why) if key.unmetered == UnknownCostPolicy::Refuse => return Some(Unmeasured::Meter(why)),
        _ => {}
    }
    // Without a model there is no price: `unmetered` covers such operations.
    if limit.unit != Unit::Money || key.unpriced == UnknownCostPolicy::Allow || request.model.is_none() {
        return None;
    }
    let price = candidate.provider.and_then(|provider| policy.price(provider, &candidate.model));
    let (has_price, unit): (fn(&Price) -> bool, _) = billed_by(request.request_type);
    (!price.is_some_and(has_price)).then_some(Unmeasured::Price(unit))
}

/// Why a model bills more than tokens, by its own name or the one that is sent. A deployment's name may not show it,
/// and neither may an alias. Operations whose answer is not text have a price of their own.
fn by_call(policy: &Policy, request: &Request<'_>, candidate: &Candidate) -> Option<&'static str> {
    let provider = policy.providers.get(candidate.provider?)?;
    let names = [&*candidate.upstream_model, provider.own_name(&candidate.model)];
    names.into_iter().filter(|_| request.request_type.is_conversation()).find_map(bills_by_call)
}

/// Why the answer may be billed at the price of another model, possibly a higher one.
fn by_another(policy: &Policy, request: &Request<'_>, candidate: &Candidate) -> Option<&'static str> {
    let index = candidate.provider?;
    let (provider, own) = (policy.providers.get(index)?, policy.price(index, &candidate.model)?);
    let is_dearer = |name: &String| {
        policy.price(index, name).is_none_or(|other| other.input > own.input || other.output > own.output)
    };
    match request.state.others(provider, &candidate.upstream_model) {
        Others::None => None,
        Others::Named(names) => names.iter().any(is_dearer).then_some(
            "`fallbacks` lets the provider answer with a model that may be more expensive than the requested one",
        ),
        Others::Any => Some("`fallbacks` lets the provider answer with any other model, at the price of that one"),
    }
}

/// The unit that a price must have for an operation, and its name. A price for seconds or images does not cover text.
fn billed_by(request_type: RequestType) -> (fn(&Price) -> bool, &'static str) {
    match request_type {
        RequestType::ImageGeneration => (Price::counts_images, "pictures"),
        // Its answers report no usage, so a price for tokens can't be applied.
        RequestType::Speech => (Price::counts_characters, "characters"),
        RequestType::Rerank => (Price::counts_searches, "searches"),
        RequestType::Embedding => (Price::counts_tokens, "tokens"),
        chat if chat.is_conversation() => (Price::counts_tokens, "tokens"),
        _ => (|_| true, "tokens"),
    }
}
