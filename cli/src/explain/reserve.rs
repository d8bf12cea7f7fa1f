//! The reservation before an attempt, and whether the limits have room for it.

use outrigger_core::Money;
use outrigger_llm::operation::OperationKind;
use outrigger_llm::passthrough::caching::Caching;
use outrigger_llm::provider;
use outrigger_llm::provider::CapField;
use outrigger_llm::tokens::meter::Metered;
use outrigger_policy::{
    CacheWrite, ExplainedCandidate, ExplainedRefusal, GatewayState, Key, KeyIndex, LimitIndex, OnLimit, Policy,
    ProviderIndex, Unit,
};
use outrigger_sidecar::worst_case::{Means, OutputBounds, worst};
use serde::Serialize;

use super::assumed::AssumedState;
use super::request::{ExplainedRequest, dialect};

/// The worst case of an attempt.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WorstCaseReserve {
    /// `provider/model`.
    pub at: String,
    pub input_tokens: u64,
    /// For all requested answers together.
    pub output_tokens: u64,
    /// In dollars; `None` if the price is unknown.
    pub cost_usd: Option<String>,
    /// The cap that the gateway would write into the request.
    pub cap: Option<u64>,
    /// The cap is the gateway's, because money or tokens are short.
    pub capped: bool,
}

/// A limit without enough room.
struct FullLimit {
    limit: LimitIndex,
    used: u64,
}

/// The result of reserving.
#[derive(Debug, Default)]
pub(crate) struct Reserving {
    /// The reservation of the first candidate with room. `None` if it can't be computed from what is known.
    pub reserved: Option<WorstCaseReserve>,
    /// No candidate has room.
    pub refusal: Option<ExplainedRefusal>,
    /// The limit that is too short for the first candidate without room.
    pub short: Option<LimitIndex>,
}

/// Skips candidates without room, as a gateway does when it tries them.
pub(crate) fn reserve(
    policy: &Policy,
    key: KeyIndex,
    explained: &ExplainedRequest,
    assumed: &AssumedState<'_>,
    candidates: &mut [ExplainedCandidate],
) -> Reserving {
    let mut reserving = Reserving::default();
    let Some(key_of) = policy.keys.get(key) else { return reserving };
    for candidate in candidates.iter_mut().filter(|candidate| candidate.skipped.is_none()) {
        let Some((reserved, room)) = attempt(policy, key, explained, assumed, candidate) else {
            return Reserving { refusal: None, ..reserving };
        };
        let Err(no_room) = room else {
            return Reserving { reserved: Some(reserved), refusal: None, ..reserving };
        };
        let (word, refusal) = skip_reason(policy, &no_room);
        reserving.short.get_or_insert(no_room.limit);
        candidate.skipped = Some(word.to_owned());
        candidate.why = Some(refusal.message.clone());
        reserving.refusal.get_or_insert(refusal);
        if key_of.on_limit == OnLimit::Reject {
            break;
        }
    }
    reserving
}

fn attempt(
    policy: &Policy,
    key: KeyIndex,
    explained: &ExplainedRequest,
    assumed: &AssumedState<'_>,
    candidate: &ExplainedCandidate,
) -> Option<(WorstCaseReserve, Result<(), FullLimit>)> {
    let key_of = &policy.keys[key];
    let entry = key_of.provider(&candidate.provider)?;
    let index = key_of.providers[entry].provider;
    let provider = &policy.providers[index];
    let metered = explained.metered();
    // Only a gateway knows the cost of pictures, characters and stored conversations.
    let is_reported = matches!(metered, Metered::Tokens | Metered::Unmetered(_)) && explained.scanned.handle.is_none();
    let input = explained
        .input_tokens(
            dialect(explained.operation.dialect, provider, &candidate.upstream_model),
            &candidate.upstream_model,
        )
        .filter(|_| is_reported)?;
    let mut counted = policy.limits_of(key, entry, &candidate.model);
    counted.retain(|at| !policy.limits.all[*at].per_session || assumed.is_in_session());
    let left = |unit: Unit| {
        let of_unit = counted.iter().map(|at| (at, &policy.limits.all[*at])).filter(|(_, limit)| limit.unit == unit);
        of_unit.map(|(at, limit)| limit.max.saturating_sub(assumed.used(*at))).min()
    };
    let price = policy.price(index, &candidate.model);
    let service = explained.scanned.service_tier.as_deref();
    let cache = cache_use(explained);
    let means = Means { price, service, cache, money: left(Unit::Money), tokens: left(Unit::Tokens) };
    let (money, tokens, cap, capped) = match explained.operation.kind {
        OperationKind::Chat | OperationKind::Completions | OperationKind::Responses => {
            let worst = worst(input, bounds(policy, key_of, index, explained, &candidate.model), &means);
            (worst.money, worst.tokens, worst.cap, worst.capped)
        }
        // Embeddings have no output tokens.
        _ => (price.map_or(0, |price| price.worst_case(input, 0, service, cache)), input, None, false),
    };
    let amount = |unit: Unit| match unit {
        Unit::Money => money,
        Unit::Tokens => tokens,
        Unit::Requests => 1,
    };
    let no_room = counted.iter().find_map(|at| {
        let (limit, used) = (&policy.limits.all[*at], assumed.used(*at));
        (used.saturating_add(amount(limit.unit)) > limit.max).then_some(FullLimit { limit: *at, used })
    });
    let reserved = WorstCaseReserve {
        at: format!("{}/{}", candidate.provider, candidate.model),
        input_tokens: input,
        output_tokens: tokens.saturating_sub(input),
        cost_usd: price.map(|_| Money::from_nanos(money).exact()),
        cap,
        capped,
    };
    Some((reserved, no_room.map_or(Ok(()), Err)))
}

/// The bounds of the answer's length.
fn bounds(
    policy: &Policy,
    key: &Key,
    provider: ProviderIndex,
    explained: &ExplainedRequest,
    model: &str,
) -> OutputBounds {
    let (configured, caller) = (&policy.providers[provider], explained.operation.dialect);
    // For another dialect, the gateway writes the caller's own limit.
    let fields = match provider::lookup(&configured.kind) {
        Some(kind) if dialect(caller, configured, &configured.upstream_name(model)) == caller => {
            kind.quirks.caps(explained.operation)
        }
        _ => CapField::of_caller(explained.operation),
    };
    let body = explained.body.as_deref().unwrap_or_default();
    OutputBounds::of(policy, key, provider, model, fields, (explained.operation, &explained.scanned, body))
}

fn cache_use(explained: &ExplainedRequest) -> CacheWrite {
    let body = explained.body.as_deref().unwrap_or_default();
    match explained.scanned.caching(body) {
        _ if explained.scanned.keeps_cache(body) => CacheWrite::Hour,
        None => CacheWrite::None,
        Some(Caching::FiveMinutes) => CacheWrite::Short,
        Some(Caching::Hour) => CacheWrite::Hour,
    }
}

/// The reason why a candidate is skipped, and the refusal if no other is left.
fn skip_reason(policy: &Policy, no_room: &FullLimit) -> (&'static str, ExplainedRefusal) {
    let limit = &policy.limits.all[no_room.limit];
    let (word, kind) = (limit.skip(no_room.limit).word(), limit.refusal_kind());
    let more = match limit.unit {
        Unit::Money => "are spent, and this request may cost more than is left",
        Unit::Tokens => "are used, and this request may use more than is left",
        Unit::Requests => "were made",
    };
    let message = format!("{}: {} of {} {more}", limit.id, limit.amount(no_room.used), limit.size());
    (word, ExplainedRefusal { status: kind.status(), kind: kind.kind(), message })
}
