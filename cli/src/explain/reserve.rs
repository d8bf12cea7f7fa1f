//! What would be set aside before an attempt, and whether there is room for it.

use outrigger_core::Money;
use outrigger_llm::operation::OperationKind;
use outrigger_llm::passthrough::caching::Caching;
use outrigger_llm::passthrough::scan::CapField;
use outrigger_llm::provider;
use outrigger_llm::tokens::meter::Metered;
use outrigger_policy::{
    CacheAsk, CandidateSeen, Conditions, Key, KeyIndex, LimitIndex, OnLimit, Policy, ProviderIndex, RefusalSeen, Unit,
};
use outrigger_sidecar::worst_case::{Means, OutputBounds, worst};
use serde::Serialize;

use super::asking::{ExplainedRequest, dialect};
use super::world::AssumedState;

/// What an attempt may use at worst.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WorstCaseReserve {
    /// `provider/model`.
    pub at: String,
    pub input_tokens: u64,
    /// Of all answers that are asked for.
    pub output_tokens: u64,
    /// In dollars; `None` where nobody knows the price.
    pub cost_usd: Option<String>,
    /// The cap that would be written into the request.
    pub cap: Option<u64>,
    /// It is the gateway's own, for want of money or tokens.
    pub capped: bool,
}

/// A limit that has too little left.
struct ShortLimit {
    place: LimitIndex,
    used: u64,
}

/// What came of reserving.
#[derive(Debug, Default)]
pub(crate) struct Reserving {
    /// What the first candidate with room would have set aside; `None` where that can't be told from what is known of the
    /// request.
    pub reserved: Option<WorstCaseReserve>,
    /// No candidate has room.
    pub refusal: Option<RefusalSeen>,
    /// The limit that is too short for the first candidate without room.
    pub short: Option<LimitIndex>,
}

/// Passes over the candidates that have no room, as a gateway would when it comes to try them.
pub(crate) fn reserve(
    policy: &Policy,
    key: KeyIndex,
    asking: &ExplainedRequest,
    world: &AssumedState<'_>,
    candidates: &mut [CandidateSeen],
) -> Reserving {
    let mut reserving = Reserving::default();
    let Some(key_of) = policy.keys.get(key) else { return reserving };
    for candidate in candidates.iter_mut().filter(|candidate| candidate.skipped.is_none()) {
        let Some((reserved, room)) = attempt(policy, key, asking, world, candidate) else {
            return Reserving { refusal: None, ..reserving };
        };
        let Err(no_room) = room else {
            return Reserving { reserved: Some(reserved), refusal: None, ..reserving };
        };
        let (word, refusal) = told(policy, &no_room);
        reserving.short.get_or_insert(no_room.place);
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
    asking: &ExplainedRequest,
    world: &AssumedState<'_>,
    candidate: &CandidateSeen,
) -> Option<(WorstCaseReserve, Result<(), ShortLimit>)> {
    let key_of = &policy.keys[key];
    let entry = key_of.provider(&candidate.provider)?;
    let index = key_of.providers[entry].provider;
    let place = &policy.providers[index];
    let metered = asking.metered();
    // What pictures, characters and stored conversations come to, only a gateway tells.
    let is_told = matches!(metered, Metered::Tokens | Metered::Unmetered(_)) && asking.scanned.handle.is_none();
    let input = asking.input_tokens(dialect(place), &candidate.upstream_model).filter(|_| is_told)?;
    let counted = policy.limits_of(key, entry, &candidate.model);
    let left = |unit: Unit| {
        let of_unit = counted.iter().map(|at| (at, &policy.limits.all[*at])).filter(|(_, limit)| limit.unit == unit);
        of_unit.map(|(at, limit)| limit.max.saturating_sub(world.used(*at))).min()
    };
    let price = policy.price(index, &candidate.model);
    let service = asking.scanned.service_tier.as_deref();
    let cache = cache_ask(asking);
    let means = Means { price, service, cache, money: left(Unit::Money), tokens: left(Unit::Tokens) };
    let (money, tokens, cap, capped) = match asking.operation.kind {
        OperationKind::Chat | OperationKind::Completions | OperationKind::Responses => {
            let worst = worst(input, bounds(policy, key_of, index, asking, &candidate.model), &means);
            (worst.money, worst.tokens, worst.cap, worst.capped)
        }
        // Vectors: an answer without tokens.
        _ => (price.map_or(0, |price| price.worst_case(input, 0, service, cache)), input, None, false),
    };
    let amount = |unit: Unit| match unit {
        Unit::Money => money,
        Unit::Tokens => tokens,
        Unit::Requests => 1,
    };
    let no_room = counted.iter().find_map(|at| {
        let (limit, used) = (&policy.limits.all[*at], world.used(*at));
        (used.saturating_add(amount(limit.unit)) > limit.max).then_some(ShortLimit { place: *at, used })
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

/// What bounds the answer.
fn bounds(policy: &Policy, key: &Key, provider: ProviderIndex, asking: &ExplainedRequest, model: &str) -> OutputBounds {
    let place = &policy.providers[provider];
    // An upstream of another dialect is told what the caller's own says.
    let fields = match provider::lookup(&place.kind) {
        Some(kind) if dialect(place) == asking.operation.dialect => kind.quirks.caps(asking.operation),
        _ => CapField::of_caller(asking.operation),
    };
    let body = asking.body.as_deref().unwrap_or_default();
    OutputBounds::of(policy, key, provider, model, fields, (asking.operation, &asking.scanned, body))
}

fn cache_ask(asking: &ExplainedRequest) -> CacheAsk {
    let body = asking.body.as_deref().unwrap_or_default();
    match asking.scanned.caching(body) {
        _ if asking.scanned.keeps_cache(body) => CacheAsk::Hour,
        None => CacheAsk::None,
        Some(Caching::FiveMinutes) => CacheAsk::Short,
        Some(Caching::Hour) => CacheAsk::Hour,
    }
}

/// The word of why a candidate is passed over, and the refusal if no other is left.
fn told(policy: &Policy, no_room: &ShortLimit) -> (&'static str, RefusalSeen) {
    let limit = &policy.limits.all[no_room.place];
    let (word, kind) = (limit.skip(no_room.place).word(), limit.refusal_kind());
    let more = match limit.unit {
        Unit::Money => "are spent, and this request may cost more than is left",
        Unit::Tokens => "are used, and this request may use more than is left",
        Unit::Requests => "were made",
    };
    let message = format!("{}: {} of {} {more}", limit.id, limit.amount(no_room.used), limit.size());
    (word, RefusalSeen { status: kind.status(), kind: kind.kind(), message })
}
