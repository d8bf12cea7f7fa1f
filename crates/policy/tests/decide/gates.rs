//! Limits: candidates whose limits are spent are skipped before one is chosen.

use outrigger_policy::{
    AppliesDoc, BudgetDoc, Draw, EntryIndex, KeyDoc, KeyIndex, KeyProviderDoc, LimitsDoc, OnLimit, Policy, ProviderDoc,
    Request, Skip, ThresholdAction, Unit, decide,
};

use crate::world::*;

fn money(max: u64) -> LimitsDoc {
    LimitsDoc { budgets: vec![limit("month", max)], ..LimitsDoc::default() }
}

fn requests(max: u64) -> LimitsDoc {
    LimitsDoc { requests: vec![limit("hour", max)], ..LimitsDoc::default() }
}

fn tokens(max: u64) -> LimitsDoc {
    LimitsDoc { tokens: vec![limit("hour", max)], ..LimitsDoc::default() }
}

/// Providers `a` (weight 3) and `b` (weight 1) with prices; `change` modifies a's documents and the key's.
fn two(change: impl FnOnce(&mut ProviderDoc, &mut KeyProviderDoc, &mut KeyDoc)) -> Policy {
    two_with(vec![budget("team", &[])], change)
}

fn two_with(
    budgets: Vec<BudgetDoc>,
    change: impl FnOnce(&mut ProviderDoc, &mut KeyProviderDoc, &mut KeyDoc),
) -> Policy {
    let mut a = priced(provider("a", "vLLM"), &[("m", 2, 2)]);
    let mut of_a = entry("a", 3);
    let mut key = key(vec![]);
    change(&mut a, &mut of_a, &mut key);
    key.providers = vec![of_a, entry("b", 1)];
    budgeted(vec![a, priced(provider("b", "vLLM"), &[("m", 2, 2)])], key, vec![], budgets)
}

/// With a budget that applies to requests, and a key that does not refer to it.
fn applied(applies: AppliesDoc) -> Policy {
    two_with(vec![BudgetDoc { applies_to: Some(applies), ..budget("team", &[]) }], |_, _, _| {})
}

fn names_team(key: &mut KeyDoc) {
    key.budgets.push(object("team"));
}

#[test]
fn each_limit_stops_the_candidates_that_it_counts_once_it_is_used_up() {
    let providers = |name: &str| AppliesDoc { providers: texts(&[name]), ..AppliesDoc::default() };
    let models = |name: &str| AppliesDoc { models: texts(&[name]), ..AppliesDoc::default() };
    let keys = |name: &str| AppliesDoc { keys: Some(vec![object(name)]), ..AppliesDoc::default() };
    for (what, policy, limit, max, expected) in [
        ("the key's money", two(|_, _, k| k.limits = money(9)), "limits.budgets[month]", 9, "402 budget_exceeded"),
        (
            "the key's requests",
            two(|_, _, k| k.limits = requests(9)),
            "limits.requests[hour]",
            9,
            "429 request_limited",
        ),
        ("the key's tokens", two(|_, _, k| k.limits = tokens(9)), "limits.tokens[hour]", 9, "429 token_limited"),
        ("the entry's money", two(|_, e, _| e.limits = money(9)), "limits.budgets[month]", 9, "b/m | a/m: budget"),
        ("the entry's requests", two(|_, e, _| e.limits = requests(9)), "limits.requests[hour]", 9, "b/m | a/m: limit"),
        ("the entry's tokens", two(|_, e, _| e.limits = tokens(9)), "limits.tokens[hour]", 9, "b/m | a/m: limit"),
        ("the provider's money", two(|p, _, _| p.limits = money(9)), "limits.budgets[month]", 9, "b/m | a/m: budget"),
        ("the provider's requests", two(|p, _, _| p.limits = requests(9)), "requests[hour]", 9, "b/m | a/m: limit"),
        ("a Budget that the key names", two(|_, _, k| names_team(k)), "Budget t/team", 100, "402 budget_exceeded"),
        ("a Budget of everybody", applied(AppliesDoc::default()), "Budget t/team", 100, "402 budget_exceeded"),
        ("a Budget of the key", applied(keys("k")), "Budget t/team", 100, "402 budget_exceeded"),
        ("a Budget of the provider", applied(providers("a")), "Budget t/team", 100, "b/m | a/m: budget"),
        ("a Budget of the model", applied(models("m*")), "Budget t/team", 100, "402 budget_exceeded"),
    ] {
        let at = |used| spent(&policy, &[(limit, used)]);
        let open = at(max - 1);
        let request = Request { draw: Draw::Likeliest, ..ask("m") };
        assert_eq!(decided(&policy, &Request { state: &open, ..request }), "a/m > b/m", "{what}: one is left");
        for used in [max, max + 1, u64::MAX] {
            let gone = at(used);
            assert_eq!(decided(&policy, &Request { state: &gone, ..request }), expected, "{what}: {used}");
        }
    }
    for (what, policy) in [("another's Budget", applied(keys("l"))), ("another model's", applied(models("n*")))] {
        let gone = spent(&policy, &[("Budget t/team", 100)]);
        let request = Request { draw: Draw::Likeliest, state: &gone, ..ask("m") };
        assert_eq!(decided(&policy, &request), "a/m > b/m", "{what}");
    }
}

#[test]
fn charges_count_for_parents_and_thresholds_can_reject_early() {
    let child = BudgetDoc { parent: Some(object("company")), ..budget("team", &[]) };
    let company = budget("company", &[(95, ThresholdAction::Reject)]);
    let policy = two_with(vec![child, company], |_, _, k| names_team(k));
    for (used, expected) in [(94, "a/m > b/m"), (95, "402 budget_exceeded"), (100, "402 budget_exceeded")] {
        let world = spent(&policy, &[("Budget t/company", used)]);
        let request = Request { draw: Draw::Likeliest, state: &world, ..ask("m") };
        assert_eq!(decided(&policy, &request), expected, "{used}");
    }
}

/// No other name of a model bypasses a budget that counts it.
#[test]
fn a_budget_of_models_matches_all_their_names() {
    let mut a = alias(priced(provider("a", "vLLM"), &[("gpt-5", 2, 2)]), "best");
    a.models[0].upstream_name = Some("prod-5".into());
    for glob in ["gpt-5*", "best", "prod-*"] {
        let applies = AppliesDoc { models: texts(&[glob]), ..AppliesDoc::default() };
        let counting = BudgetDoc { applies_to: Some(applies), ..budget("team", &[]) };
        let policy = budgeted(vec![a.clone()], key(vec![entry("a", 1)]), vec![], vec![counting]);
        let world = spent(&policy, &[("Budget t/team", 100)]);
        for model in ["gpt-5", "best", "a/best"] {
            let request = Request { state: &world, ..ask(model) };
            assert_eq!(decided(&policy, &request), "402 budget_exceeded", "{model}, counted as {glob}");
        }
    }
}

#[test]
fn weights_apply_to_the_candidates_without_a_gate() {
    let entries = ["a", "b", "c"].map(|name| KeyProviderDoc { limits: requests(9), ..entry(name, 0) });
    let [a, b, c] = entries;
    let weighted =
        [KeyProviderDoc { weight: 90, ..a }, KeyProviderDoc { weight: 8, ..b }, KeyProviderDoc { weight: 2, ..c }];
    let policy = policy(["a", "b", "c"].map(|name| serving(name, &["m"])).into(), key(weighted.into()), vec![]);
    let world = spent(&policy, &[("providers[a].limits.requests[hour]", 9)]);
    let mut firsts = std::collections::BTreeMap::new();
    for bits in 0..10_000u64 {
        let draw = Draw::Random(bits.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let decision = decide(&policy, &Request { state: &world, draw, ..ask("m") });
        *firsts.entry(decision.eligible().next().unwrap().name.to_string()).or_insert(0u32) += 1;
    }
    assert!(firsts["b"].abs_diff(8_000) <= 200 && firsts["b"] + firsts["c"] == 10_000, "{firsts:?}");
}

#[test]
fn candidates_in_cooldown_are_a_last_resort_and_spent_ones_are_not() {
    let policy = two(|_, e, _| e.limits = requests(9));
    let resting = |gates: Vec<(&'static str, Skip)>| World { gates, ..spent(&policy, &[("requests[hour]", 9)]) };
    let rests = resting(vec![("b", Skip::Cooldown)]);
    let decision = decide(&policy, &Request { state: &rests, ..ask("m") });
    assert_eq!((line(&policy, &decision).as_str(), decision.last_resort), ("b/m | a/m: limit", true));
    let down = resting(vec![("b", Skip::Unhealthy)]);
    assert_eq!(decided(&policy, &Request { state: &down, ..ask("m") }), "429 request_limited");
    let crowded = resting(vec![("b", Skip::Concurrency)]);
    assert_eq!(decided(&policy, &Request { state: &crowded, ..ask("m") }), "429 concurrency_limited");
}

#[test]
fn on_limit_reject_refuses_if_one_candidate_is_spent() {
    let policy = |on_limit| {
        two(move |_, e, k| {
            e.limits = requests(9);
            k.on_limit = on_limit;
        })
    };
    for (on_limit, used, gates, expected) in [
        (OnLimit::NextProvider, 9, vec![], "b/m | a/m: limit"),
        (OnLimit::Reject, 8, vec![], "a/m > b/m"),
        (OnLimit::Reject, 9, vec![], "429 request_limited"),
        (OnLimit::Reject, 9, vec![("b", Skip::Cooldown)], "429 request_limited"),
        // A candidate that is skipped for another reason is not a limit.
        (OnLimit::Reject, 8, vec![("a", Skip::Unhealthy)], "b/m | a/m: unhealthy"),
    ] {
        let policy = policy(on_limit);
        let world = World { gates, ..spent(&policy, &[("requests[hour]", used)]) };
        let request = Request { draw: Draw::Likeliest, state: &world, ..ask("m") };
        let decision = decide(&policy, &request);
        assert_eq!(line(&policy, &decision), expected, "{on_limit:?} {used}");
        if let Some(refusal) = &decision.refusal {
            let limit = place(&policy, "requests[hour]");
            assert_eq!(refusal.limit, Some(limit));
            assert!(decision.candidates.iter().all(|one| one.skipped == Some(Skip::Limit(limit))), "{decision:?}");
        }
    }
}

#[test]
fn a_free_request_is_stopped_only_by_limits_of_requests() {
    let all = LimitsDoc { concurrent_requests: None, ..LimitsDoc { tokens: vec![limit("hour", 9)], ..requests(9) } };
    let policy = two(move |_, _, k| k.limits = LimitsDoc { budgets: vec![limit("month", 9)], ..all });
    for (spends, expected) in [
        (vec![("budgets[month]", 9), ("tokens[hour]", 9)], "a/m > b/m"),
        (vec![("requests[hour]", 9)], "429 request_limited"),
    ] {
        let world = World { free: true, ..spent(&policy, &spends) };
        let request = Request { draw: Draw::Likeliest, state: &world, ..ask("m") };
        assert_eq!(decided(&policy, &request), expected);
    }
}

#[test]
fn refusals_name_the_limit_its_window_and_its_use() {
    let crowded = |policy: &Policy| {
        let world = World { gates: vec![("a", Skip::Concurrency)], ..World::default() };
        decide(policy, &Request { state: &world, ..ask("a/m") }).refusal.unwrap()
    };
    let concurrent = |limits: &mut LimitsDoc| limits.concurrent_requests = Some(20);
    let after = |policy: &Policy, limit: &str, used| {
        let world = spent(policy, &[(limit, used)]);
        decide(policy, &Request { state: &world, ..ask("a/m") }).refusal.unwrap()
    };
    let dollars = two(|_, _, k| k.limits = money(500_000_000_000));
    let pace = two(|_, e, k| {
        e.limits = requests(1_000);
        k.on_limit = OnLimit::Reject;
    });
    let unit = BudgetDoc { unit: Unit::Tokens, max: 50_000_000, ..budget("words", &[]) };
    let words = two_with(vec![unit], |_, _, k| k.budgets.push(object("words")));
    let unpriced = policy(
        vec![provider("a", "vLLM")],
        KeyDoc { limits: money(9), ..key(vec![entry("a", 1)]) },
        vec![rule("r", "", &["a/m"], &[])],
    );
    let unknown = |unmetered| {
        let world = World { unmetered, ..World::default() };
        decide(&unpriced, &Request { state: &world, ..ask("m") }).refusal.unwrap()
    };
    for (refusal, status, kind, limited, message) in [
        (
            after(&dollars, "budgets[month]", 500_000_000_001),
            402,
            "budget_exceeded",
            true,
            "VirtualKey t/k: spec.limits.budgets[month]: $500.000000001 of $500.00 a month (Europe/Paris) are spent",
        ),
        (
            after(&pace, "requests[hour]", 1_000),
            429,
            "request_limited",
            true,
            "VirtualKey t/k: spec.providers[a].limits.requests[hour]: 1,000 of 1,000 requests a month (Europe/Paris) are \
             used up (onLimit: Reject)",
        ),
        (
            after(&words, "Budget t/words", 50_000_000),
            402,
            "budget_exceeded",
            true,
            "Budget t/words: 50,000,000 of 50,000,000 tokens a month (Europe/Paris) are used up",
        ),
        (
            crowded(&two(|p, _, _| concurrent(&mut p.limits))),
            429,
            "concurrency_limited",
            false,
            "`a` already serves as many requests at once as LLMProvider t/a allows (spec.limits.concurrentRequests: 20)",
        ),
        (
            crowded(&two(|_, e, _| concurrent(&mut e.limits))),
            429,
            "concurrency_limited",
            false,
            "`a` already serves as many requests at once as VirtualKey t/k allows (spec.providers[a].limits.concurrentRequests: \
             20)",
        ),
        (
            unknown(None),
            403,
            "model_unpriced",
            false,
            "VirtualKey t/k: spec.limits.budgets[month] counts money, and the price of a/m is unknown (RoutingRule t/r \
             decided): set one (LLMProvider t/a: spec.models[].price or spec.defaultPrice; or a ModelCatalog), or \
             `unpriced: Allow` to VirtualKey t/k",
        ),
        (
            unknown(Some("a recording's length is not known beforehand")),
            403,
            "model_unpriced",
            false,
            "VirtualKey t/k: spec.limits.budgets[month] counts money, and what this request costs can't be known: a \
             recording's length is not known beforehand (RoutingRule t/r decided); `unmetered: Allow` of VirtualKey t/k \
             serves it uncounted",
        ),
    ] {
        assert_eq!(
            (refusal.kind.status(), refusal.kind.name(), refusal.limit.is_some()),
            (status, kind, limited),
            "{message}"
        );
        assert_eq!(refusal.message, message);
    }
}

#[test]
fn of_several_reasons_the_one_that_passes_soonest_is_reported() {
    let policy = policy(
        ["a", "b", "c"].map(|name| priced(provider(name, "vLLM"), &[("m", 1, 1)])).into(),
        KeyDoc {
            limits: LimitsDoc { requests: vec![limit("hour", 9)], ..money(9) },
            ..key(vec![
                KeyProviderDoc { limits: requests(9), ..entry("a", 1) },
                KeyProviderDoc { limits: money(9), ..entry("b", 1) },
                entry("c", 1),
            ])
        },
        vec![],
    );
    let (of_a, of_b) = ("providers[a].limits.requests[hour]", "providers[b].limits.budgets[month]");
    let own = ("spec.limits.budgets[month]", "spec.limits.requests[hour]");
    let gates = |skip| vec![("c", skip)];
    for (what, used, gates, unfit, expected) in [
        ("a limit before money", vec![(of_a, 9), (of_b, 9)], gates(Skip::Unhealthy), vec![], "429 request_limited"),
        ("a slot before both", vec![(of_a, 9), (of_b, 9)], gates(Skip::Concurrency), vec![], "429 concurrency_limited"),
        ("what time mends first", vec![(of_b, 9)], gates(Skip::Unhealthy), vec![("a", "n")], "402 budget_exceeded"),
        ("of one place what lasts longest", vec![(own.0, 9), (own.1, 9)], vec![], vec![], "402 budget_exceeded"),
    ] {
        let world = World { gates, unfit, ..spent(&policy, &used) };
        assert_eq!(decided(&policy, &Request { state: &world, ..ask("m") }), expected, "{what}");
    }
}

/// Whichever limit is found first: without money, a rate limit is irrelevant.
#[test]
fn money_is_reported_before_rate_limits() {
    let policy = two(|p, e, k| {
        p.limits = requests(9);
        e.limits = tokens(9);
        k.limits = money(9);
    });
    let world = spent(&policy, &[("requests[hour]", 9), ("tokens[hour]", 9), ("k: spec.limits.budgets[month]", 9)]);
    let decision = decide(&policy, &Request { state: &world, ..ask("a/m") });
    assert_eq!(decision.candidates[0].skipped, Some(Skip::Budget(place(&policy, "k: spec.limits.budgets[month]"))));
    assert_eq!(line(&policy, &decision), "402 budget_exceeded");
}

#[test]
fn reservations_use_the_same_limits() {
    let policy = two(|p, e, k| {
        p.limits = money(9);
        e.limits = requests(9);
        k.limits = tokens(9);
        names_team(k);
    });
    let ids = |entry| -> Vec<String> {
        policy
            .limits_of(KeyIndex::from(0), EntryIndex::from(entry), "m")
            .iter()
            .map(|place| policy.limits.all[*place].id.to_string())
            .collect()
    };
    assert_eq!(
        ids(0),
        [
            "Budget t/team",
            "LLMProvider t/a: spec.limits.budgets[month]",
            "VirtualKey t/k: spec.limits.tokens[hour]",
            "VirtualKey t/k: spec.providers[a].limits.requests[hour]",
        ]
    );
    assert_eq!(ids(1), ["Budget t/team", "VirtualKey t/k: spec.limits.tokens[hour]"]);
    assert!(ids(9).is_empty() && policy.limits_of(KeyIndex::from(9), EntryIndex::from(0), "m").is_empty());
}
