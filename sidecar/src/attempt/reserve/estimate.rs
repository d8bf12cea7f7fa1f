//! What an attempt may cost.

use outrigger_core::{Capabilities, Millis};
use outrigger_llm::Dialect;
use outrigger_llm::provider::CapField;
use outrigger_llm::tokens::meter::Metered;
use outrigger_llm::tokens::plausible::{AttemptFacts, InputSource};
use outrigger_policy::{CacheWrite, Candidate, ProviderIndex, Unit, Used};

use crate::attempt::AttemptContext;
use crate::completion::Completion;
use crate::cost::charge::CountedLimit;
use crate::cost::worst_case::{Means, OutputBounds, PICTURE, WorstCase, worst};
use crate::runtime::limits::LimitAccount;

/// The assumed size of a stored conversation if the model's context window is unknown.
const UNKNOWN_WINDOW: u64 = 128_000;

/// The parts of a candidate's request that affect its cost.
pub(super) struct AttemptEstimate {
    pub(super) counted: Vec<CountedLimit>,
    pub(super) provider: ProviderIndex,
    pub(super) input: u64,
    pub(super) bounds: OutputBounds,
    pub(super) metered: Metered,
    pub(super) cache: CacheWrite,
    pub(super) service: Option<String>,
    pub(super) thinks: bool,
    pub(super) known: AttemptFacts,
}

impl AttemptEstimate {
    pub(super) fn of(completion: &Completion, candidate: &Candidate, provider: ProviderIndex) -> Self {
        let context = &completion.context;
        let (served, key) = (&context.served, context.key());
        let policy = &served.policy;
        let places = match candidate.entry.filter(|_| !policy.limits.all.is_empty()) {
            Some(entry) => policy.limits_of(context.key, entry, &candidate.model),
            None => Vec::new(),
        };
        let mut counted: Vec<CountedLimit> = places
            .into_iter()
            .filter(|at| context.session.is_some() || !policy.limits.all[*at].per_session)
            .map(|at| {
                let (limit, account) = (&policy.limits.all[at], served.limits[at]);
                CountedLimit { place: at, account, unit: limit.unit, per_attempt: limit.per_attempt }
            })
            .collect();
        if completion.admitted {
            counted.retain(|counted| counted.unit != Unit::Requests || counted.per_attempt);
        }
        let metered = context.metered();
        if metered == Metered::Free {
            counted.retain(|counted| counted.unit == Unit::Requests);
        }
        // In a translated request, the fields of the caller's dialect contain the limit.
        let dialect = served.backends[provider].api(context.dialect, &candidate.upstream_model).dialect;
        let fields = match dialect == context.dialect {
            true => served.backends[provider].kind.quirks.caps(context.operation),
            false => CapField::of_caller(context.operation),
        };
        let bounds = OutputBounds::of(
            policy,
            key,
            provider,
            &candidate.model,
            fields,
            (context.operation, &context.scanned, &context.body),
        );
        let price = policy.price(provider, &candidate.model);
        // The body is searched for it, so only if it has a price.
        let writes = price.is_some_and(|price| price.cache_write.is_some());
        let capabilities = policy.capabilities(provider, &candidate.model);
        let thinks = capabilities.is_some_and(|capable| capable.contains(Capabilities::REASONING));
        // Output other than text has its own price.
        let makes_words = price
            .is_some_and(|price| price.audio_output.is_none() && price.image_output.is_none() && price.image.is_none());
        let known = AttemptFacts {
            sent: context.body.len() as u64,
            reads: match metered {
                Metered::Unmetered(_) => InputSource::Elsewhere,
                _ if context.scanned.handle.is_some() => InputSource::Elsewhere,
                Metered::Tokens if !counted.is_empty() && context.input().is_elsewhere() => InputSource::Elsewhere,
                // Not needed if nothing is counted.
                Metered::Tokens if !counted.is_empty() && context.input().is_words() => InputSource::Words,
                _ => InputSource::Media,
            },
            window: bounds.window,
            cap: None,
            most: bounds.model.map(|most| most.saturating_mul(bounds.answers)),
            shows_all: capabilities.is_some() && !thinks && makes_words,
        };
        AttemptEstimate {
            provider,
            // Not needed if nothing is counted.
            input: if counted.is_empty() { 0 } else { input(completion, candidate, provider) },
            counted,
            bounds,
            metered,
            cache: match writes.then(|| context.cache_write()) {
                None => CacheWrite::None,
                // OpenAI's newer models write to their cache without a request for it.
                Some(CacheWrite::None) if dialect == Dialect::OpenAi => CacheWrite::Short,
                Some(asked) => asked,
            },
            service: context.scanned.service_tier.clone(),
            thinks,
            known,
        }
    }

    /// The worst case, with what is left now.
    pub(super) fn worst(
        &self,
        trying: &AttemptContext<'_>,
        completion: &Completion,
        candidate: &Candidate,
        now: Millis,
    ) -> WorstCase {
        let policy = &completion.context.served.policy;
        let price = policy.price(self.provider, &candidate.model);
        let left = |unit: Unit| {
            let of_unit = || self.counted.iter().filter(|counted| counted.unit == unit);
            let numbers = of_unit().filter_map(|counted| counted.account.number());
            let in_book = trying.gateway.accounts.least_available(numbers, now);
            let session = completion.context.session.as_ref();
            let in_session = session.and_then(|session| {
                let of_session = of_unit().filter_map(|counted| match counted.account {
                    LimitAccount::Session(limit) => {
                        Some(session.available(limit, policy.limits.all[counted.place].max))
                    }
                    LimitAccount::Book(_) => None,
                });
                of_session.min()
            });
            in_book.into_iter().chain(in_session).min()
        };
        let service = self.service.as_deref();
        let means = Means { price, service, cache: self.cache, money: left(Unit::Money), tokens: left(Unit::Tokens) };
        let free = WorstCase { money: 0, tokens: 0, cap: None, capped: false, most: None };
        match self.metered {
            // The remaining cost is unknown; its tokens are reserved nevertheless.
            Metered::Tokens | Metered::Unmetered(_) if completion.context.answers_with_text() => {
                worst(self.input, self.bounds, &means)
            }
            // Vectors: an answer without tokens.
            Metered::Tokens => WorstCase { money: means.cost(self.input, 0), tokens: self.input, ..free },
            Metered::Images(images) => WorstCase {
                money: pictures(&means, self.input, images),
                tokens: self.input.saturating_add(images.saturating_mul(PICTURE)),
                ..free
            },
            Metered::Searches(searches) => {
                let used = Used { searches, ..Used::default() };
                let money = price.map_or(0, |price| price.cost(&used)).saturating_add(means.cost(self.input, 0));
                WorstCase { money, tokens: self.input, ..free }
            }
            Metered::Characters(characters) => {
                let used = Used { characters, ..Used::default() };
                WorstCase { money: price.map_or(0, |price| price.cost(&used)), ..free }
            }
            Metered::Unmetered(_) | Metered::Free => free,
        }
    }
}

/// The estimated input tokens that are billed for this candidate.
fn input(completion: &Completion, candidate: &Candidate, provider: ProviderIndex) -> u64 {
    let context = &completion.context;
    let dialect = context.served.backends[provider].api(context.dialect, &candidate.upstream_model).dialect;
    let estimated = context.input().estimate(dialect, &candidate.upstream_model).tokens();
    match context.scanned.handle.is_some() || context.input().is_elsewhere() {
        // Content that the provider stores or fetches is billed too, and its size is unknown here: assume as much as
        // fits.
        true => {
            let window = context.served.policy.context_window(provider, &candidate.model);
            estimated.max(window.map_or(UNKNOWN_WINDOW, u64::from))
        }
        false => estimated,
    }
}

/// The cost of pictures: each has its own price, or the tokens of the largest one if they are billed by tokens.
fn pictures(means: &Means<'_>, input: u64, images: u64) -> u64 {
    match means.price {
        Some(price) if price.image.is_some() => {
            price.cost(&Used { images, ..Used::default() }).saturating_add(means.cost(input, 0))
        }
        _ => means.cost(input, images.saturating_mul(PICTURE)),
    }
}
