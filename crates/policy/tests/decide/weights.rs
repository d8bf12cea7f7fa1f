//! Weights are guaranteed.

use outrigger_policy::{Balance, Draw, KeyDoc, Policy, Request, Skip};

use crate::world::*;

fn four(balance: Balance) -> Policy {
    let entries = vec![entry("a", 80), entry("b", 20), entry("c", 0), only(entry("d", 100), &["other"])];
    policy(["a", "b", "c", "d"].map(|name| serving(name, &["m"])).into(), KeyDoc { balance, ..key(entries) }, vec![])
}

/// How many of 10,000 requests have each provider as the first candidate.
fn firsts(policy: &Policy, world: &World) -> [u32; 4] {
    let mut counts = [0; 4];
    for bits in 0..10_000 {
        let decision =
            outrigger_policy::decide(policy, &Request { draw: Draw::Random(bits), state: world, ..ask("m") });
        counts[usize::from(decision.eligible().next().unwrap().provider.unwrap())] += 1;
    }
    counts
}

#[test]
fn ten_thousand_requests_match_the_weights_within_two_percent() {
    let gate = |names: &[&'static str]| names.iter().map(|name| (*name, Skip::Breaker)).collect::<Vec<_>>();
    let slow = vec![("a", 200.0, 40), ("b", 100.0, 0), ("c", 1.0, 0)];
    for (what, balance, world, expected) in [
        ("80/20, weight 0 never first", Balance::Weighted, World::default(), [8_000, 2_000, 0, 0]),
        (
            "whatever the times and the load",
            Balance::Weighted,
            World { paces: slow.clone(), ..World::default() },
            [8_000, 2_000, 0, 0],
        ),
        (
            "adaptive: 80 x 1/2 against 20",
            Balance::Adaptive,
            World { paces: slow, ..World::default() },
            [6_667, 3_333, 0, 0],
        ),
        (
            "shared among those not gated",
            Balance::Weighted,
            World { gates: gate(&["a"]), ..World::default() },
            [0, 10_000, 0, 0],
        ),
        (
            "weight 0, when it alone is left",
            Balance::Weighted,
            World { gates: gate(&["a", "b"]), ..World::default() },
            [0, 0, 10_000, 0],
        ),
        (
            "a request that can't be expressed counts as gated",
            Balance::Weighted,
            World { unfit: vec![("b", "logprobs")], ..World::default() },
            [10_000, 0, 0, 0],
        ),
    ] {
        let counts = firsts(&four(balance), &world);
        let near = counts.iter().zip(expected).all(|(count, wanted): (&u32, u32)| count.abs_diff(wanted) <= 200);
        assert!(near, "{what}: {counts:?}, not {expected:?}");
    }
}

#[test]
fn primaries_that_were_not_chosen_follow_by_weight() {
    let policy = policy(
        ["a", "b", "c", "z"].map(|name| serving(name, &["m"])).into(),
        key(vec![entry("z", 0), entry("a", 10), entry("b", 30), entry("c", 20)]),
        vec![],
    );
    for bits in 0..200 {
        let line = decided(&policy, &Request { draw: Draw::Random(bits), ..ask("m") });
        let expected = match &line[..1] {
            "a" => "a/m > b/m > c/m > z/m",
            "b" => "b/m > c/m > a/m > z/m",
            _ => "c/m > b/m > a/m > z/m",
        };
        assert_eq!(line, expected);
    }
}

#[test]
fn credentials_are_chosen_by_weight_and_independently_of_the_provider() {
    let policy = policy(
        vec![
            credentials(serving("a", &["m"]), &["x=70", "y=30"]),
            credentials(serving("b", &["m"]), &["x=70", "y=30"]),
        ],
        key(vec![entry("a", 50), entry("b", 50)]),
        vec![],
    );
    let mut counts = std::collections::BTreeMap::new();
    for bits in 0..10_000 {
        let line = decided(&policy, &Request { draw: Draw::Random(bits), ..ask("m") });
        let first = line.split([',', ' ']).next().unwrap().to_owned();
        *counts.entry(first).or_insert(0u32) += 1;
    }
    for (first, wanted) in [("a/m@x", 3_500), ("a/m@y", 1_500), ("b/m@x", 3_500), ("b/m@y", 1_500)] {
        assert!(counts[first].abs_diff(wanted) <= 200, "{counts:?}");
    }
}
