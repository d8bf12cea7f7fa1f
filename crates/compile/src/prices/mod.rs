//! Prices, from dollars to nano-dollars.

pub(crate) mod catalogues;

use outrigger_core::{Capability, Money};
use outrigger_crds::price::{PriceService, PriceSpec, PriceTier, ServiceName};
use outrigger_policy::{Price as PriceDoc, Service, Tier};

use crate::objects::number::count;

pub(crate) fn compile(price: &PriceSpec) -> PriceDoc {
    let mut tiers: Vec<Tier> = price.tiers.iter().map(tier).collect();
    tiers.sort_by_key(|tier| tier.above);
    let services: Vec<Service> = price.services.iter().map(service).collect();
    let mut document = PriceDoc {
        // If only images, characters or seconds have a price, tokens are free.
        input: price.input_per_million.map_or(0, Money::nanos),
        output: price.output_per_million.map_or(0, Money::nanos),
        cached_input: price.cached_input_per_million.map(Money::nanos),
        cache_write: price.cache_write_per_million.map(Money::nanos),
        cache_write_1h: price.cache_write_1h_per_million.map(Money::nanos),
        reasoning: price.reasoning_per_million.map(Money::nanos),
        audio_input: price.audio_input_per_million.map(Money::nanos),
        audio_output: price.audio_output_per_million.map(Money::nanos),
        image: price.per_image.map(Money::nanos),
        characters: price.per_million_characters.map(Money::nanos),
        second: price.per_second.map(Money::nanos),
        ..PriceDoc::default()
    };
    document.tiers = tiers.into();
    document.services = services.into();
    document
}

fn tier(tier: &PriceTier) -> Tier {
    Tier {
        above: count(tier.above).into(),
        input: tier.input_per_million.nanos(),
        output: tier.output_per_million.nanos(),
        cached_input: tier.cached_input_per_million.map(Money::nanos),
        cache_write: tier.cache_write_per_million.map(Money::nanos),
        cache_write_1h: tier.cache_write_1h_per_million.map(Money::nanos),
    }
}

fn service(service: &PriceService) -> Service {
    let name = match service.name {
        ServiceName::Batch => "batch",
        ServiceName::Flex => "flex",
        ServiceName::Priority => "priority",
    };
    let mut document = Service {
        name: name.into(),
        input: service.input_per_million.nanos(),
        output: service.output_per_million.nanos(),
        ..Service::default()
    };
    document.cached_input = service.cached_input_per_million.map(Money::nanos);
    document
}

/// `None` if none are set: then the next source is used.
pub(crate) fn capabilities(words: &[Capability]) -> Option<Vec<String>> {
    (!words.is_empty()).then(|| words.iter().map(|one| one.name().to_owned()).collect())
}
