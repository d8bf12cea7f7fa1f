//! Properties of any prices and any usage.

use std::borrow::Cow;

use outrigger_policy::{CacheWrite, Price, Service, Tier, Used};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

/// Realistic prices, and prices near the largest number.
fn rate() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 0u64..200_000_000_000, 1 => 0u64..3, 1 => any::<u64>()]
}

fn count() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 0u64..400_000, 1 => 0u64..3, 1 => any::<u64>()]
}

fn tiers() -> impl Strategy<Value = Cow<'static, [Tier]>> {
    let tier = (count(), rate(), rate(), of(rate()), of(rate()), of(rate()));
    vec(tier, 0..3).prop_map(|tiers| {
        let tier = |(above, input, output, cached_input, cache_write, cache_write_1h)| Tier {
            above,
            input,
            output,
            cached_input,
            cache_write,
            cache_write_1h,
        };
        Cow::Owned(tiers.into_iter().map(tier).collect())
    })
}

fn services() -> impl Strategy<Value = Cow<'static, [Service]>> {
    let service = (select(&["batch", "flex"][..]), rate(), rate(), vec(of(rate()), 5), tiers());
    vec(service, 0..3).prop_map(|services| {
        let service = |(name, input, output, parts, tiers): (&'static str, _, _, Vec<Option<u64>>, _)| Service {
            name: Cow::Borrowed(name),
            input,
            output,
            cached_input: parts[0],
            cache_write: parts[1],
            cache_write_1h: parts[2],
            audio_input: parts[3],
            image_output: parts[4],
            tiers,
        };
        Cow::Owned(services.into_iter().map(service).collect())
    })
}

fn price() -> impl Strategy<Value = Price> {
    (rate(), rate(), vec(of(rate()), 12), tiers(), services()).prop_map(|(input, output, parts, tiers, services)| {
        Price {
            input,
            output,
            cached_input: parts[0],
            cache_write: parts[1],
            cache_write_1h: parts[2],
            reasoning: parts[3],
            audio_input: parts[4],
            audio_output: parts[5],
            image_input: parts[6],
            image_output: parts[7],
            image: parts[8],
            characters: parts[9],
            second: parts[10],
            search: parts[11],
            tiers,
            services,
        }
    })
}

fn service() -> impl Strategy<Value = Option<&'static str>> {
    of(select(&["batch", "flex", "priority"][..]))
}

/// Usage, split in any way.
fn used() -> impl Strategy<Value = Used<'static>> {
    (vec(count(), 10), service()).prop_map(|(counts, service)| Used {
        input: counts[0],
        cached_input: counts[1],
        cache_write: counts[2],
        cache_write_1h: counts[3],
        audio_input: counts[4],
        image_input: counts[5],
        output: counts[6],
        reasoning: counts[7],
        audio_output: counts[8],
        image_output: counts[9],
        service,
        ..Used::default()
    })
}

fn asked(used: &Used<'_>) -> CacheWrite {
    match (used.cache_write, used.cache_write_1h) {
        (0, 0) => CacheWrite::None,
        (_, 0) => CacheWrite::Short,
        _ => CacheWrite::Hour,
    }
}

proptest! {
    #[test]
    fn no_cost_exceeds_the_worst_case(
        price in price(),
        used in used(),
        writes in (any::<bool>(), any::<bool>()),
        more in (0u64..1_000, 0u64..1_000),
    ) {
        let used = Used {
            cache_write: if writes.0 { used.cache_write } else { 0 },
            cache_write_1h: if writes.1 { used.cache_write_1h } else { 0 },
            ..used
        };
        let (input, output) = (used.input.saturating_add(more.0), used.output.saturating_add(more.1));
        let worst = price.worst_case(input, output, used.service, asked(&used));
        prop_assert!(price.cost(&used) <= worst, "{} > {worst}", price.cost(&used));
    }

    #[test]
    fn the_tokens_that_money_buys_can_be_paid(price in price(), input in count(), money in any::<u64>(), service in service()) {
        let begun = price.worst_case(input, 0, service, CacheWrite::Hour);
        let left = money.saturating_sub(begun);
        match price.output_tokens_for(left, service) {
            Some(tokens) if begun <= money => {
                prop_assert!(price.worst_case(input, tokens, service, CacheWrite::Hour) <= money);
            }
            Some(_) => {}
            None => prop_assert_eq!(price.worst_case(input, u64::MAX, service, CacheWrite::Hour), begun),
        }
    }

    #[test]
    fn a_cost_is_never_zero_if_no_price_is(price in price(), used in used()) {
        let none = |prices: &[Option<u64>]| prices.iter().flatten().all(|price| *price > 0);
        let tiers = |tiers: &[Tier]| tiers.iter().all(|tier| {
            tier.input > 0 && tier.output > 0 && none(&[tier.cached_input, tier.cache_write, tier.cache_write_1h])
        });
        let Price { input, output, .. } = price;
        let parts = [price.cached_input, price.cache_write, price.cache_write_1h, price.reasoning];
        let others = [price.audio_input, price.audio_output, price.image_input, price.image_output];
        prop_assume!(input > 0 && output > 0 && none(&parts) && none(&others) && tiers(&price.tiers));
        prop_assume!(price.services.iter().all(|service| {
            let parts = [service.cached_input, service.cache_write, service.cache_write_1h];
            let others = [service.audio_input, service.image_output];
            service.input > 0 && service.output > 0 && none(&parts) && none(&others) && tiers(&service.tiers)
        }));
        prop_assert_eq!(price.cost(&used) == 0, used.input == 0 && used.output == 0);
    }

    #[test]
    fn zero_prices_cost_nothing(price in price(), used in used()) {
        let free = Price { tiers: Cow::Owned(Vec::new()), services: Cow::Owned(Vec::new()), ..Price::default() };
        prop_assert_eq!(free.cost(&used), 0);
        if price.is_free() {
            prop_assert_eq!(price.cost(&Used { images: 9, characters: 9, milliseconds: 9, searches: 9, ..used }), 0);
        }
    }
}
