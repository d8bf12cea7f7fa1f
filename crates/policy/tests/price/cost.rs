//! Examples of costs.

use std::borrow::Cow;

use outrigger_policy::{CacheWrite, Price, Service, Tier, Used};

/// Nano-dollars per million: `usd(2_500)` is $2.50.
const fn usd(thousandths: u64) -> u64 {
    thousandths * 1_000_000
}

fn price(input: u64, output: u64) -> Price {
    Price { input: usd(input), output: usd(output), ..Price::default() }
}

#[test]
fn a_cost_is_rounded_up_once() {
    let price = Price { input: 1, output: 1, cached_input: Some(1), ..Price::default() };
    for (input, cached_input, output, nanos) in
        [(0, 0, 0, 0), (1, 0, 0, 1), (1, 1, 1, 1), (1_000_000, 0, 0, 1), (999_999, 5, 1, 1), (1_000_000, 0, 1, 2)]
    {
        let used = Used { input, cached_input, output, ..Used::default() };
        assert_eq!(price.cost(&used), nanos, "{used:?}");
    }
}

#[test]
fn each_kind_of_usage_has_its_own_price() {
    let price = Price {
        input: 100_000_000,
        output: 1_000_000_000,
        cached_input: Some(10_000_000),
        cache_write: Some(125_000_000),
        cache_write_1h: Some(200_000_000),
        reasoning: Some(3_000_000_000),
        audio_input: Some(400_000_000),
        audio_output: Some(5_000_000_000),
        image_input: Some(600_000_000),
        image_output: Some(7_000_000_000),
        image: Some(11),
        characters: Some(13_000_000),
        second: Some(17_000),
        search: Some(19),
        ..Price::default()
    };
    let one = Used::default();
    for (used, nanos) in [
        (Used { input: 1, ..one }, 100),
        (Used { input: 1, cached_input: 1, ..one }, 10),
        (Used { input: 1, cache_write: 1, ..one }, 125),
        (Used { input: 1, cache_write_1h: 1, ..one }, 200),
        (Used { input: 1, audio_input: 1, ..one }, 400),
        (Used { input: 1, image_input: 1, ..one }, 600),
        (Used { output: 1, ..one }, 1_000),
        (Used { output: 1, reasoning: 1, ..one }, 3_000),
        (Used { output: 1, audio_output: 1, ..one }, 5_000),
        (Used { output: 1, image_output: 1, ..one }, 7_000),
        (Used { images: 1, ..one }, 11),
        (Used { characters: 1, ..one }, 13),
        (Used { milliseconds: 1, ..one }, 17),
        (Used { searches: 1, ..one }, 19),
        // Input of 10, of which 1 + 2 + 3 are parts: 4 * 100 + 10 + 2 * 125 + 3 * 200; and output of 5, of which 2 are
        // reasoning.
        (
            Used { input: 10, cached_input: 1, cache_write: 2, cache_write_1h: 3, output: 5, reasoning: 2, ..one },
            400 + 10 + 250 + 600 + 3 * 1_000 + 2 * 3_000,
        ),
    ] {
        assert_eq!(price.cost(&used), nanos, "{used:?}");
    }
}

#[test]
fn parts_without_a_price_have_the_price_of_their_total() {
    let price = price(100, 1_000);
    let parts = Used { cached_input: 1, cache_write: 2, cache_write_1h: 3, audio_input: 1, ..Used::default() };
    let used = Used { input: 10, output: 10, reasoning: 4, audio_output: 3, image_output: 2, ..parts };
    assert_eq!(price.cost(&used), 10 * 100 + 10 * 1_000);
    let price = Price { cache_write: Some(usd(125)), ..price };
    assert_eq!(price.cost(&Used { input: 1, cache_write_1h: 1, ..Used::default() }), 125);
}

#[test]
fn parts_never_count_for_more_than_their_total() {
    let price = Price {
        cached_input: Some(usd(10)),
        audio_input: Some(usd(400)),
        reasoning: Some(usd(3_000)),
        ..price(100, 1_000)
    };
    let cost = |used: Used<'_>| price.cost(&used);
    assert_eq!(cost(Used { input: 7, cached_input: 163, ..Used::default() }), 7 * 10);
    // Cached audio is reported as both: 2 of the 10 must be both, and count as audio.
    assert_eq!(cost(Used { input: 10, cached_input: 6, audio_input: 6, ..Used::default() }), 6 * 400 + 4 * 10);
    assert_eq!(cost(Used { output: 2, reasoning: 9, ..Used::default() }), 2 * 3_000);
    assert_eq!(cost(Used { cached_input: 5, reasoning: 5, ..Used::default() }), 0);
}

#[test]
fn a_tier_applies_to_the_whole_request_above_its_bound() {
    let tiers = [
        Tier { above: 100, input: usd(200), output: usd(2_000), cached_input: Some(usd(50)), ..Tier::default() },
        Tier { above: 200, input: usd(400), output: usd(3_000), ..Tier::default() },
    ];
    let price = Price { cached_input: Some(usd(10)), tiers: Cow::Owned(tiers.to_vec()), ..price(100, 1_000) };
    for (input, cached_input, nanos) in [
        (100, 0, 100 * 100 + 1_000),
        (101, 0, 101 * 200 + 2_000),
        // Cached tokens count towards the bound.
        (101, 100, 200 + 100 * 50 + 2_000),
        (200, 0, 200 * 200 + 2_000),
        (201, 0, 201 * 400 + 3_000),
        // The second tier has no price for cached tokens: four times the input, four times the cached.
        (201, 200, 400 + 200 * 40 + 3_000),
    ] {
        let used = Used { input, cached_input, output: 1, ..Used::default() };
        assert_eq!(price.cost(&used), nanos, "{used:?}");
    }
}

#[test]
fn a_service_has_its_own_prices_and_tiers() {
    let tier = |input, output| Tier { above: 100, input: usd(input), output: usd(output), ..Tier::default() };
    let services = [
        Service {
            name: Cow::Borrowed("priority"),
            input: usd(200),
            output: usd(2_000),
            tiers: Cow::Owned(vec![tier(500, 4_000)]),
            ..Service::default()
        },
        Service { name: Cow::Borrowed("flex"), input: usd(50), output: usd(500), ..Service::default() },
    ];
    let price = Price {
        cached_input: Some(usd(80)),
        audio_input: Some(usd(300)),
        tiers: Cow::Owned(vec![tier(150, 1_500)]),
        services: Cow::Owned(services.to_vec()),
        ..price(100, 1_000)
    };
    for (service, input, cached, audio, nanos) in [
        (None, 10, 0, 0, 10 * 100 + 1_000),
        (Some("default"), 10, 0, 0, 10 * 100 + 1_000),
        (Some("unheard of"), 10, 0, 0, 10 * 100 + 1_000),
        (Some("priority"), 10, 0, 0, 10 * 200 + 2_000),
        (Some("priority"), 101, 0, 0, 101 * 500 + 4_000),
        (Some("flex"), 10, 0, 0, 10 * 50 + 500),
        // Flex has no tier for large requests, whose price elsewhere is 50 % higher.
        (Some("flex"), 101, 0, 0, 101 * 75 + 750),
        // Nor prices of parts. A part that was cheaper than its total does not become more expensive; one that was more
        // expensive does not become cheaper.
        (Some("flex"), 10, 10, 0, 10 * 50 + 500),
        (Some("flex"), 10, 0, 10, 10 * 300 + 500),
        // They rise with the total.
        (Some("priority"), 10, 10, 0, 10 * 160 + 2_000),
        (Some("priority"), 10, 0, 10, 10 * 600 + 2_000),
    ] {
        let used = Used { input, cached_input: cached, audio_input: audio, output: 1, service, ..Used::default() };
        assert_eq!(price.cost(&used), nanos, "{used:?}");
    }
}

#[test]
fn huge_usage_saturates() {
    let most = Some(u64::MAX);
    let price = Price {
        input: u64::MAX,
        output: u64::MAX,
        cached_input: most,
        image: most,
        characters: most,
        second: most,
        ..Price::default()
    };
    let all = u64::MAX;
    let used = Used {
        input: all,
        cached_input: all,
        output: all,
        reasoning: all,
        images: all,
        characters: all,
        milliseconds: all,
        ..Used::default()
    };
    assert_eq!(price.cost(&used), u64::MAX);
    assert_eq!(price.worst_case(all, all, None, CacheWrite::Hour), u64::MAX);
    assert_eq!(price.output_tokens_for(u64::MAX, None), Some(1_000_000));
}

#[test]
fn the_worst_case_is_exact() {
    let tiers = vec![Tier { above: 100, input: usd(200), output: usd(1_500), ..Tier::default() }];
    let price = Price {
        cache_write: Some(usd(125)),
        cache_write_1h: Some(usd(200)),
        tiers: Cow::Owned(tiers),
        ..price(100, 1_000)
    };
    let worst = |input, output, cache| price.worst_case(input, output, None, cache);
    assert_eq!(worst(0, 0, CacheWrite::Hour), 0);
    assert_eq!(worst(100, 10, CacheWrite::None), 100 * 100 + 10 * 1_000);
    assert_eq!(worst(100, 10, CacheWrite::Short), 100 * 125 + 10 * 1_000);
    assert_eq!(worst(100, 10, CacheWrite::Hour), 100 * 200 + 10 * 1_000);
    assert_eq!(worst(101, 10, CacheWrite::None), 101 * 200 + 10 * 1_500);
    // The price of writing to the cache rises in the tier as its input does.
    assert_eq!(worst(101, 0, CacheWrite::Hour), 101 * 400);
}

#[test]
fn money_is_converted_to_tokens_of_output() {
    let services = vec![Service { name: Cow::Borrowed("flex"), input: 0, output: usd(500), ..Service::default() }];
    let price = Price { reasoning: Some(usd(2_000)), services: Cow::Owned(services), ..price(100, 1_000) };
    assert_eq!(price.output_tokens_for(1_999, None), Some(0));
    assert_eq!(price.output_tokens_for(2_000, None), Some(1));
    assert_eq!(price.output_tokens_for(1_000_000, None), Some(500));
    // Reasoning has no lower price there.
    assert_eq!(price.output_tokens_for(1_000_000, Some("flex")), Some(500));
    let tiers = vec![Tier { above: 9, input: 0, output: usd(4_000), ..Tier::default() }];
    let tiered = Price { tiers: Cow::Owned(tiers), ..self::price(100, 1_000) };
    assert_eq!(tiered.output_tokens_for(1_000_000, None), Some(250), "whatever the input");
    assert_eq!(self::price(100, 0).output_tokens_for(0, None), None);
}

#[test]
fn free_prices_are_free_for_any_usage() {
    let free = Price::default();
    assert!(free.is_free() && free.counts_tokens());
    assert_eq!(free.worst_case(u64::MAX, u64::MAX, Some("batch"), CacheWrite::Hour), 0);
    let tier = Tier { output: 1, ..Tier::default() };
    let service = Service { cache_write_1h: Some(1), ..Service::default() };
    for price in [
        Price { input: 1, ..Price::default() },
        Price { output: 1, ..Price::default() },
        Price { cached_input: Some(1), ..Price::default() },
        Price { image_output: Some(1), ..Price::default() },
        Price { tiers: Cow::Owned(vec![tier]), ..Price::default() },
        Price { services: Cow::Owned(vec![service]), ..Price::default() },
        Price {
            services: Cow::Owned(vec![Service { tiers: Cow::Owned(vec![tier]), ..Service::default() }]),
            ..Price::default()
        },
    ] {
        assert!(!price.is_free() && price.counts_tokens(), "{price:?}");
    }
    for price in [
        Price { image: Some(1), ..Price::default() },
        Price { characters: Some(1), ..Price::default() },
        Price { second: Some(1), ..Price::default() },
    ] {
        assert!(!price.is_free() && !price.counts_tokens(), "{price:?}");
        assert!(Price { input: 1, ..price }.counts_tokens());
    }
}

#[test]
fn a_price_survives_serialization() {
    let text = r#"{"input":1,"output":2,"cacheWrite1h":3,"imageOutput":4,"tiers":[{"above":5,"input":6,"output":7}],"services":[{"name":"flex","input":8,"output":9,"tiers":[{"above":10,"input":11,"output":12}]}]}"#;
    let price: Price = serde_json::from_str(text).unwrap();
    assert_eq!((price.cache_write_1h, price.image_output, price.services[0].tiers[0].above), (Some(3), Some(4), 10));
    assert_eq!(serde_json::to_string(&price).unwrap(), text);
    // The format of the first documents.
    assert!(serde_json::from_str::<Price>(r#"{"input":1,"output":2}"#).is_ok());
}
