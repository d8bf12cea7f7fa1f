//! Candidates that are skipped because their cost or usage is unknown.

use outrigger_core::RequestType;
use outrigger_policy::{BudgetDoc, KeyDoc, LimitsDoc, Price, Request, Unit, UnknownCostPolicy, decide};

use crate::world::*;

fn money(max: u64) -> LimitsDoc {
    LimitsDoc { budgets: vec![limit("month", max)], ..LimitsDoc::default() }
}

/// Not a Budget: a rate limit.
fn paced() -> LimitsDoc {
    LimitsDoc { tokens: vec![limit("hour", 9)], ..LimitsDoc::default() }
}

#[test]
fn limits_in_money_require_a_known_cost() {
    let with = |unpriced, unmetered, limits: LimitsDoc| {
        let key = KeyDoc { unpriced, unmetered, limits, ..key(vec![entry("a", 1), entry("b", 0)]) };
        policy(vec![provider("a", "vLLM"), priced(provider("b", "vLLM"), &[("n", 2, 2)])], key, vec![])
    };
    let (refuse, allow) = (UnknownCostPolicy::Refuse, UnknownCostPolicy::Allow);
    let fallbacks = texts(&["b/n"]);
    for (what, unpriced, unmetered, limits, of, free, model, expected) in [
        ("no price", refuse, refuse, money(9), None, false, Some("a/m"), "b/n | a/m: unpriced"),
        ("no price, which is allowed", allow, refuse, money(9), None, false, Some("a/m"), "a/m > b/n"),
        ("no price, and no money is counted", refuse, refuse, paced(), None, false, Some("a/m"), "a/m > b/n"),
        ("no price, and nothing to pay", refuse, refuse, money(9), None, true, Some("a/m"), "a/m > b/n"),
        ("no meter", refuse, refuse, money(9), Some("a why"), false, Some("a/m"), "403 model_unpriced"),
        ("neither, which is allowed", allow, allow, money(9), Some("a why"), false, Some("a/m"), "a/m > b/n"),
        (
            "no meter, which is no word on prices",
            refuse,
            allow,
            money(9),
            Some("a why"),
            false,
            Some("a/m"),
            "b/n | a/m: unpriced",
        ),
        ("no meter, and no money is counted", refuse, refuse, paced(), Some("a why"), false, Some("a/m"), "a/m > b/n"),
        ("no model", refuse, refuse, money(9), None, false, None, "a/ > b/n"),
        ("no model and no meter", refuse, refuse, money(9), Some("a why"), false, None, "403 model_unpriced"),
    ] {
        let policy = with(unpriced, unmetered, limits);
        let world = World { unmetered: of, free, ..World::default() };
        let request = Request { model, provider: Some("a"), fallbacks: Some(&fallbacks), state: &world, ..ask("") };
        assert_eq!(decided(&policy, &request), expected, "{what}");
    }
}

/// Provider `a` of a type with models at two tokens a nano-dollar, and a key with a limit in money.
fn metered(kind: &str, names: &[&str], change: impl FnOnce(&mut KeyDoc)) -> outrigger_policy::Policy {
    let mut key = KeyDoc { limits: money(9), ..key(vec![entry("a", 1)]) };
    change(&mut key);
    let models: Vec<(&str, u64, u64)> = names.iter().map(|name| (*name, 2, 2)).collect();
    policy(vec![priced(provider("a", kind), &models)], key, vec![])
}

#[test]
fn an_operation_requires_a_price_in_its_own_unit() {
    let none = Price::default();
    let words = Price { input: 1, output: 1, ..none.clone() };
    let vectors = Price { input: 1, ..none.clone() };
    let picture = Price { image: Some(1), ..none.clone() };
    let image_tokens = Price { input: 1, image_output: Some(1), ..none.clone() };
    let speech = Price { characters: Some(1), ..none.clone() };
    let audio = Price { second: Some(1), ..none.clone() };
    for (request_type, price, served) in [
        (RequestType::ChatCompletion, &words, true),
        (RequestType::ChatCompletion, &speech, false),
        (RequestType::ResponsesStream, &picture, false),
        (RequestType::Embedding, &vectors, true),
        (RequestType::Embedding, &audio, false),
        (RequestType::ImageGeneration, &picture, true),
        (RequestType::ImageGeneration, &image_tokens, true),
        (RequestType::ImageGeneration, &words, true),
        (RequestType::ImageGeneration, &vectors, false),
        (RequestType::ImageGeneration, &speech, false),
        (RequestType::Speech, &speech, true),
        // The answer reports no tokens.
        (RequestType::Speech, &words, false),
        (RequestType::Speech, &picture, false),
        (RequestType::Transcription, &audio, true),
        (RequestType::Transcription, &words, true),
        // Free is a price for everything.
        (RequestType::ChatCompletion, &none, true),
        (RequestType::ImageGeneration, &none, true),
        (RequestType::Speech, &none, true),
    ] {
        let mut a = priced(provider("a", "vLLM"), &[("m", 0, 0)]);
        a.models[0].price = Some(price.clone());
        let policy = policy(vec![a], KeyDoc { limits: money(9), ..key(vec![entry("a", 1)]) }, vec![]);
        let expected = if served { "a/m" } else { "403 model_unpriced" };
        assert_eq!(decided(&policy, &Request { request_type, ..ask("m") }), expected, "{request_type}: {price:?}");
    }
    let policy = metered("vLLM", &["m"], |_| {});
    let refusal = decide(&policy, &Request { request_type: RequestType::Speech, ..ask("m") }).refusal.unwrap();
    assert!(refusal.message.contains("the price of a/m for characters is unknown: set"), "{}", refusal.message);
}

#[test]
fn a_model_that_searches_by_itself_is_unmetered_under_a_limit_in_money() {
    let names = ["gpt-4o-search-preview", "m", "m:online"];
    let policy = metered("vLLM", &names, |_| {});
    for (asked, expected) in
        [("m", "a/m"), ("m:online", "403 model_unpriced"), ("gpt-4o-search-preview", "403 model_unpriced")]
    {
        assert_eq!(decided(&policy, &ask(asked)), expected, "{asked}");
    }
    // Nor with another name, a fallback or a rule.
    let mut a = alias(priced(provider("a", "vLLM"), &[("gpt-5-search-api", 2, 2)]), "plain");
    assert_eq!(
        decided(
            &self::policy(vec![a.clone()], KeyDoc { limits: money(9), ..key(vec![entry("a", 1)]) }, vec![]),
            &ask("plain")
        ),
        "403 model_unpriced"
    );
    a.models[0].name = "plain".into();
    a.models[0].upstream_name = Some("gpt-5-search-api".into());
    let renamed = self::policy(vec![a], KeyDoc { limits: money(9), ..key(vec![entry("a", 1)]) }, vec![]);
    assert_eq!(decided(&renamed, &ask("plain")), "403 model_unpriced");
    let fallbacks = texts(&["a/m:online"]);
    let request = Request { fallbacks: Some(&fallbacks), ..ask("a/m") };
    assert_eq!(decided(&policy, &request), "a/m | a/m:online: unpriced");
    let refusal = decide(&policy, &ask("m:online")).refusal.unwrap();
    assert!(refusal.message.contains("the model searches by itself"), "{}", refusal.message);
    for (what, policy) in [
        ("which is allowed", metered("vLLM", &names, |key| key.unmetered = UnknownCostPolicy::Allow)),
        ("no money is counted", metered("vLLM", &names, |key| key.limits = LimitsDoc::default())),
    ] {
        assert_eq!(decided(&policy, &ask("m:online")), "a/m:online", "{what}");
    }
    // An embedding is not a conversation.
    assert_eq!(decided(&policy, &Request { request_type: RequestType::Embedding, ..ask("m:online") }), "a/m:online");
}

#[test]
fn budgets_in_tokens_require_reported_tokens() {
    let words = BudgetDoc { unit: Unit::Tokens, ..budget("words", &[]) };
    let with = |unmetered| {
        let key = KeyDoc { unmetered, budgets: vec![object("words")], ..key(vec![entry("a", 1)]) };
        budgeted(vec![provider("a", "vLLM")], key, vec![], vec![words.clone()])
    };
    let policy = with(UnknownCostPolicy::Refuse);
    let unseen = World { unmetered: Some("an answer in the background is not seen"), ..World::default() };
    let refusal = decide(&policy, &Request { state: &unseen, ..ask("m") }).refusal.unwrap();
    assert_eq!((refusal.kind.status(), refusal.kind.name(), refusal.limit), (403, "model_unpriced", None));
    assert_eq!(
        refusal.message,
        "Budget t/words counts tokens, and how many this request uses can't be known: an answer in the background is not \
         seen; `unmetered: Allow` of VirtualKey t/k serves it uncounted"
    );
    assert_eq!(decided(&with(UnknownCostPolicy::Allow), &Request { state: &unseen, ..ask("m") }), "a/m");
    // The extra cost of a search does not matter to a budget in tokens.
    let reported = World { reports_tokens: true, ..unseen.clone() };
    assert_eq!(decided(&policy, &Request { state: &reported, ..ask("m") }), "a/m");
    assert_eq!(decided(&policy, &Request { state: &World::default(), ..ask("m:online") }), "a/m:online");
    // Prices don't matter either, and free requests are not counted.
    let free = World { free: true, ..unseen };
    assert_eq!(decided(&policy, &Request { state: &free, ..ask("m") }), "a/m");
}
