//! A name, and who serves it.

use crate::world::*;

/// `openai` and `azure` know gpt-4o from the catalogue and from a list; `router` takes any name.
fn names() -> outrigger_policy::Policy {
    let router = models(provider("router", "OpenRouter"), &["openai/gpt-4o"]);
    let azure = alias(models(provider("azure", "Azure"), &["gpt-4o"]), "gpt4");
    let secret = provider("secret", "OpenAI");
    policy(
        vec![provider("openai", "OpenAI"), azure, router, secret],
        key(vec![entry("openai", 3), entry("azure", 0), entry("router", 1)]),
        vec![],
    )
}

#[test]
fn exact_names_first_then_a_provider_in_front_then_the_whole() {
    let policy = names();
    for (what, model, expected) in [
        ("exact, though `openai` is a provider's name", "openai/gpt-4o", "router/openai/gpt-4o"),
        ("a provider's name in front", "openai/o3", "openai/o3"),
        ("pinned names are passed on, known or not", "openai/nobody-knows", "openai/nobody-knows"),
        ("the rest may hold slashes", "router/anthropic/claude-3", "router/anthropic/claude-3"),
        ("an alias", "gpt4", "azure/gpt4"),
        ("a prefix that names nobody", "meta-llama/Llama-3", "router/meta-llama/Llama-3"),
        ("a provider that the key may not use", "secret/gpt-4o", "403 provider_blocked"),
        ("nothing before the slash", "/gpt-4o", "router//gpt-4o"),
        ("nothing behind it", "openai/", "router/openai/"),
        ("names are names: case counts", "OpenAI/gpt-4o", "router/OpenAI/gpt-4o"),
        ("nothing is decoded here", "openai%2Fo3", "router/openai%2Fo3"),
        ("nor trimmed", " openai/o3", "router/ openai/o3"),
    ] {
        assert_eq!(decided(&policy, &ask(model)), expected, "{what}: {model}");
    }
}

#[test]
fn an_alias_is_sent_as_what_it_stands_for() {
    let mut azure = alias(models(provider("azure", "Azure"), &["gpt-4o", "o3"]), "gpt4");
    azure.models[0].upstream_name = Some("prod-gpt4o".into());
    let policy = policy(vec![azure], key(vec![entry("azure", 1)]), vec![]);
    for (asked, sent) in [
        ("gpt-4o", "prod-gpt4o"),
        ("gpt4", "prod-gpt4o"),
        ("azure/gpt4", "prod-gpt4o"),
        ("o3", "o3"),
        ("azure/new", "new"),
    ] {
        let decision = outrigger_policy::decide(&policy, &ask(asked));
        assert_eq!(&*decision.eligible().next().unwrap().upstream_model, sent, "{asked}");
    }
}

#[test]
fn the_provider_beside_the_model_pins_as_one_in_front_does() {
    let policy = names();
    for (model, provider, expected) in [
        ("gpt-4o", "openai", "openai/gpt-4o"),
        ("openai/gpt-4o", "openai", "openai/gpt-4o"),
        ("openai/gpt-4o", "router", "router/openai/gpt-4o"),
        ("gpt-4o", "secret", "403 provider_blocked"),
        ("gpt-4o", "nobody", "403 provider_blocked"),
    ] {
        let request = outrigger_policy::Request { provider: Some(provider), ..ask(model) };
        assert_eq!(decided(&policy, &request), expected, "{model} beside {provider}");
    }
}

/// Each row takes away what made the row before it match.
#[test]
fn the_first_tier_that_anybody_matches_decides() {
    let any = || provider("any", "vLLM");
    let known = || provider("known", "OpenAI");
    let listed = || models(provider("listed", "Azure"), &["gpt-4o"]);
    for (tier, providers, entries, expected) in [
        (
            "the key's list",
            vec![any(), known(), listed(), provider("named", "Azure")],
            vec![entry("any", 1), entry("known", 1), entry("listed", 1), only(entry("named", 1), &["gpt-*"])],
            "named/gpt-4o",
        ),
        (
            "the provider's list",
            vec![any(), known(), listed(), provider("named", "Azure")],
            vec![entry("any", 1), entry("known", 1), entry("listed", 1), entry("named", 1)],
            "listed/gpt-4o",
        ),
        (
            "the catalogue",
            vec![any(), known(), provider("named", "Azure")],
            vec![entry("any", 1), entry("known", 1), entry("named", 1)],
            "known/gpt-4o",
        ),
        ("any name", vec![any(), provider("named", "Azure")], vec![entry("any", 1), entry("named", 1)], "any/gpt-4o"),
        ("nobody", vec![provider("named", "Azure")], vec![entry("named", 1)], "404 model_not_found"),
        ("exclusive, any name", vec![exclusive(models(any(), &["x"]))], vec![entry("any", 1)], "404 model_not_found"),
        (
            "exclusive, catalogue",
            vec![exclusive(models(known(), &["x"]))],
            vec![entry("known", 1)],
            "404 model_not_found",
        ),
        ("exclusive, and listed", vec![exclusive(listed())], vec![entry("listed", 1)], "listed/gpt-4o"),
        (
            "a key's list of other models keeps its provider out of every tier",
            vec![any(), known()],
            vec![only(entry("any", 1), &["x"]), only(entry("known", 1), &["o3"])],
            "403 model_blocked",
        ),
    ] {
        let policy = policy(providers, key(entries), vec![]);
        assert_eq!(decided(&policy, &ask("gpt-4o")), expected, "{tier}");
    }
}

#[test]
fn every_type_that_takes_any_name_does() {
    for (kind, expected) in [
        ("OpenAICompatible", "p/unheard-of"),
        ("vLLM", "p/unheard-of"),
        ("Ollama", "p/unheard-of"),
        ("OpenRouter", "p/unheard-of"),
        ("Mock", "p/unheard-of"),
        ("OpenAI", "404 model_not_found"),
        ("Azure", "404 model_not_found"),
    ] {
        let policy = policy(vec![provider("p", kind)], key(vec![entry("p", 1)]), vec![]);
        assert_eq!(decided(&policy, &ask("unheard-of")), expected, "{kind}");
    }
}

#[test]
fn a_pin_passes_names_on_unless_the_provider_is_exclusive() {
    let policy = policy(
        vec![
            exclusive(models(provider("closed", "OpenAI"), &["gpt-4o"])),
            models(provider("open", "OpenAI"), &["gpt-4o"]),
        ],
        key(vec![entry("closed", 1), entry("open", 1)]),
        vec![],
    );
    for (model, expected) in
        [("open/new", "open/new"), ("closed/gpt-4o", "closed/gpt-4o"), ("closed/new", "403 model_blocked")]
    {
        assert_eq!(decided(&policy, &ask(model)), expected, "{model}");
    }
}

#[test]
fn operations_without_a_model_need_a_provider_if_there_are_several() {
    let policy = names();
    let none = |provider| outrigger_policy::Request { model: None, provider, ..ask("") };
    assert_eq!(decided(&policy, &none(Some("azure"))), "azure/");
    assert_eq!(decided(&policy, &none(Some("secret"))), "403 provider_blocked");
    assert_eq!(decided(&policy, &none(None)), "400 invalid_request");
    let unfit = World { unfit: vec![("openai", "files"), ("router", "files")], ..World::default() };
    let request = outrigger_policy::Request { conditions: &unfit, ..none(None) };
    assert_eq!(decided(&policy, &request), "azure/", "one alone can do it");
    // What a model may do says nothing where none is named.
    let fenced = only(entry("azure", 1), &["gpt-4o"]);
    let mut fenced = key(vec![fenced]);
    fenced.deny = texts(&["*"]);
    let policy = crate::world::policy(vec![provider("azure", "Azure")], fenced, vec![]);
    assert_eq!(decided(&policy, &none(None)), "azure/");
}

#[test]
fn models_are_listed_by_tiers_one_to_three_within_the_fence() {
    let mut fenced =
        key(vec![only(entry("listed", 1), &["gpt-4o", "gpt-4o-mini", "o*"]), entry("any", 1), entry("off", 1)]);
    fenced.deny = texts(&["*-mini"]);
    let off = outrigger_policy::ProviderDoc { suspended: true, ..models(provider("off", "OpenAI"), &["x"]) };
    let policy = crate::world::policy(
        vec![
            exclusive(models(provider("listed", "OpenAI"), &["o9", "z"])),
            models(provider("any", "vLLM"), &["llama"]),
            off,
        ],
        fenced,
        vec![],
    );
    let listed: Vec<String> = outrigger_policy::list_models(&policy, &policy.keys[0])
        .into_iter()
        .map(|(provider, model)| format!("{provider}/{model}"))
        .collect();
    assert_eq!(listed, ["listed/o9", "any/llama"]);
    let decisions = listed.iter().map(|name| decided(&policy, &ask(name)));
    assert!(decisions.zip(&listed).all(|(decision, name)| decision == *name), "what is listed can be had");
}
