//! Names of models, and the providers that serve them.

use crate::world::*;
use outrigger_policy::KeyIndex;

/// `openai` has gpt-4o from the catalogue, `azure` from a list; `router` accepts any name.
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
fn exact_names_precede_provider_prefixes_and_whole_names() {
    let policy = names();
    for (what, model, expected) in [
        ("exact, though `openai` is a provider's name", "openai/gpt-4o", "router/openai/gpt-4o"),
        ("a provider's name in front", "openai/o3", "openai/o3"),
        ("pinned names are passed on, known or not", "openai/nobody-knows", "openai/nobody-knows"),
        ("the rest may hold slashes", "router/anthropic/claude-3", "router/anthropic/claude-3"),
        ("an alias", "gpt4", "azure/gpt4"),
        ("a prefix that names no provider", "meta-llama/Llama-3", "router/meta-llama/Llama-3"),
        ("a provider that the key may not use", "secret/gpt-4o", "403 provider_blocked"),
        ("nothing before the slash", "/gpt-4o", "router//gpt-4o"),
        ("nothing behind it", "openai/", "404 model_not_found"),
        ("case counts, and a slip of the pen goes nowhere", "OpenAI/gpt-4o", "404 model_not_found"),
        ("nothing is decoded here", "openai%2Fo3", "router/openai%2Fo3"),
        ("nor trimmed", " openai/o3", "404 model_not_found"),
    ] {
        assert_eq!(decided(&policy, &ask(model)), expected, "{what}: {model}");
    }
}

#[test]
fn an_alias_is_sent_as_the_models_own_name() {
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
fn the_provider_header_pins_like_a_prefix() {
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

/// Each row removes what made the previous row match.
#[test]
fn the_first_tier_with_a_match_decides() {
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
fn every_type_that_accepts_any_name_serves_unknown_names() {
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

/// Six vendors, each of which accepts any name.
fn six() -> outrigger_policy::Policy {
    let kinds = ["OpenAICompatible", "vLLM", "Ollama", "OpenRouter", "Mock", "OpenAICompatible"];
    let names = ["deep", "local", "laptop", "router", "stage", "grid"];
    policy(
        names.iter().zip(kinds).map(|(name, kind)| provider(name, kind)).collect(),
        key(names.map(|name| entry(name, 1)).into()),
        vec![],
    )
}

/// A request for a missing vendor goes to no other vendor.
#[test]
fn an_unlisted_name_is_never_sent_from_vendor_to_vendor() {
    for model in ["gpt-4o", "azure/gpt-4o", "opanai/gpt-4o", "OpenAI/gpt-4o", "meta-llama/Llama-3-70b", "x", "a/b/c"] {
        assert_eq!(decided(&six(), &ask(model)), "404 model_not_found", "{model}");
    }
    // Only the provider whose own names begin so can be meant.
    assert_eq!(decided(&six(), &ask("anthropic/claude-haiku-4.5")), "router/anthropic/claude-haiku-4.5");
    for words in ["azure", "azure/gpt-4o", "gpt-4o", "OpenAI/gpt-4o"] {
        let fallbacks = texts(&[words]);
        let request = outrigger_policy::Request { fallbacks: Some(&fallbacks), ..ask("deep/x") };
        let (first, rest) = words.split_once('/').unwrap_or((words, words));
        assert_eq!(decided(&six(), &request), format!("deep/x | {first}/{rest}: provider_blocked"), "fallback {words}");
    }
}

/// With one provider that accepts any name: its type, its name, and the requested model.
#[test]
fn the_only_provider_that_accepts_any_name_gets_names_it_may_have() {
    let destination = |kind: &str, model: &str, others: &[(&str, &str)]| {
        let mut providers = vec![provider("any", kind)];
        let mut entries = vec![entry("any", 1)];
        for (name, kind) in others {
            providers.push(provider(name, kind));
            entries.push(entry(name, 1));
        }
        decided(&policy(providers, key(entries), vec![]), &ask(model))
    };
    let openai = &[("openai", "OpenAI")][..];
    let refused = "404 model_not_found";
    for (kind, model, others, there) in [
        ("OpenRouter", "anthropic/claude-haiku-4.5", &[][..], true),
        ("OpenRouter", "openai/gpt-4o", &[], true),
        ("OpenRouter", "meta-llama/llama-3.3-70b-instruct:free", &[], true),
        ("OpenRouter", "mistralai/mistral-large", &[("mistral", "Mistral")], true),
        ("OpenRouter", "deepseek/deepseek-chat", openai, true),
        ("OpenRouter", "x-ai/grok-4", &[("xai", "OpenAI")], true),
        ("OpenRouter", "openrouter/auto", &[], true),
        ("OpenRouter", "azure/gpt-4o", &[], false),
        ("OpenRouter", "bedrock/anthropic.claude-haiku-4-5", &[], false),
        ("OpenRouter", "vertex_ai/gemini-2.5-pro", &[], false),
        ("OpenRouter", "Anthropic/claude-haiku-4.5", &[("anthropic", "Anthropic")], false),
        ("OpenRouter", "openrouter/anthropic/claude-haiku-4.5", &[], false),
        ("vLLM", "meta-llama/Llama-3-70b", openai, true),
        ("vLLM", "mistralai/Mistral-7B-Instruct-v0.3", &[("mistral", "Mistral")], true),
        ("vLLM", "deepseek-ai/DeepSeek-V3", &[("deepseek", "OpenAI")], true),
        ("vLLM", "openai/gpt-oss-120b", &[], true),
        ("vLLM", "google/gemma-3-27b-it", &[], true),
        ("vLLM", "openai/gpt-4o", &[], false),
        ("vLLM", "google/gemini-2.5-pro", &[], false),
        ("vLLM", "azure/gpt-4o", openai, false),
        ("vLLM", "azure_ai/gpt-4o", openai, false),
        ("vLLM", "bedrock/us.anthropic.claude-haiku-4-5", openai, false),
        ("vLLM", "Bedrock/x", openai, false),
        ("vLLM", "together_ai/meta-llama/Llama-3-70b", &[], false),
        ("vLLM", "huggingface/meta-llama/Llama-3-70b", &[], false),
        ("vLLM", "opanai/gpt-4o", openai, false),
        ("vLLM", "OpenAI/gpt-4o", openai, false),
        ("vLLM", "OPENAI/gpt-oss-120b", openai, false),
        ("vLLM", "/azure/gpt-4o", &[], false),
        ("vLLM", "gpt-oss:120b", &[], true),
        ("Ollama", "mistral", &[], true),
        ("Ollama", "hf.co/bartowski/Llama-3.2-3B-Instruct-GGUF", &[], true),
        ("Ollama", "ollama/llama3", &[], false),
        ("OpenAICompatible", "groq/llama-3.3-70b", &[], false),
        ("OpenAICompatible", "accounts/fireworks/models/llama-v3p1-8b", &[], true),
        ("Mock", "anthropic/claude-haiku-4-5", &[], false),
    ] {
        let expected = if there { format!("any/{model}") } else { refused.to_owned() };
        assert_eq!(destination(kind, model, others), expected, "{kind}: {model} beside {others:?}");
    }
}

/// A provider whose list accepts any name is used, even if others accept any name too.
#[test]
fn a_list_can_accept_any_name() {
    let three = |lists: [&[&str]; 2], entries: [&[&str]; 2]| {
        policy(
            vec![
                models(provider("a", "vLLM"), lists[0]),
                models(provider("b", "OpenAI"), lists[1]),
                provider("c", "vLLM"),
            ],
            key(vec![only(entry("a", 1), entries[0]), only(entry("b", 0), entries[1]), entry("c", 0)]),
            vec![],
        )
    };
    let (none, any): (&[&str], &[&str]) = (&[], &["*"]);
    for (what, policy, model, expected) in [
        ("no list accepts any name", three([none, none], [none, none]), "new", "404 model_not_found"),
        ("the provider's list", three([any, none], [none, none]), "new", "a/new"),
        ("of a type that takes no other", three([none, any], [none, none]), "new", "b/new"),
        ("the key's list", three([none, none], [any, none]), "new", "a/new"),
        ("two say so", three([any, any], [none, none]), "new", "a/new > b/new"),
        ("a part of the names", three([none, &["new*"]], [none, none]), "new-2", "b/new-2"),
        ("another part", three([none, &["old*"]], [none, none]), "new-2", "404 model_not_found"),
        ("any name, except another vendor's", three([any, none], [none, none]), "azure/gpt-4o", "404 model_not_found"),
        ("nor by the key's list", three([none, none], [any, none]), "azure/gpt-4o", "404 model_not_found"),
        (
            "unless the list names the vendor",
            three([&["azure/*"], none], [none, none]),
            "azure/gpt-4o",
            "a/azure/gpt-4o",
        ),
        ("or the key's does", three([none, none], [&["azure/*"], none]), "azure/gpt-4o", "a/azure/gpt-4o"),
        ("or names it", three([&["azure/gpt-4o"], none], [none, none]), "azure/gpt-4o", "a/azure/gpt-4o"),
        ("a name to the letter goes first", three([any, &["new"]], [none, none]), "new", "b/new"),
        ("and before a part of the names", three([&["n*"], &["new"]], [none, none]), "new", "b/new"),
        ("and so does the catalogue", three([any, none], [none, none]), "gpt-4o", "b/gpt-4o"),
        ("but not before a part of the names", three([&["gpt-*"], none], [none, none]), "gpt-4o", "a/gpt-4o"),
    ] {
        assert_eq!(decided(&policy, &ask(model)), expected, "{what}");
    }
    // An exclusive provider serves only what a pattern of its list matches.
    let closed = exclusive(models(provider("a", "OpenAI"), &["gpt-*"]));
    let policy = policy(vec![closed], key(vec![entry("a", 1)]), vec![]);
    for (model, expected) in
        [("gpt-9", "a/gpt-9"), ("a/gpt-9", "a/gpt-9"), ("o3", "404 model_not_found"), ("a/o3", "403 model_blocked")]
    {
        assert_eq!(decided(&policy, &ask(model)), expected, "{model}");
    }
    assert!(
        outrigger_policy::list_models(&policy, &policy.keys[KeyIndex::from(0)])
            .iter()
            .all(|(_, model)| !model.contains('*'))
    );
}

/// Providers that would only receive a prompt that is meant for another one.
#[test]
fn candidates_that_accept_any_name_are_marked() {
    let listed = models(provider("a", "vLLM"), &["*", "m"]);
    let policy = policy(vec![listed, provider("b", "OpenAI")], key(vec![entry("a", 1), entry("b", 1)]), vec![]);
    for (model, any_name) in [("new", true), ("m", false), ("a/new", false), ("gpt-4o", false)] {
        let decision = outrigger_policy::decide(&policy, &ask(model));
        assert_eq!(decision.eligible().next().unwrap().any_name, any_name, "{model}");
    }
}

#[test]
fn the_provider_that_was_probably_meant_is_named() {
    let policy = policy(
        vec![provider("oai", "OpenAI"), provider("claude", "Anthropic"), provider("any", "vLLM")],
        key(vec![entry("oai", 1), entry("claude", 1), entry("any", 1)]),
        vec![],
    );
    for (model, expected) in [
        ("openai/gpt-4o", "did you mean `oai/gpt-4o`?"),
        ("Anthropic/claude-9", "did you mean `claude/claude-9`?"),
        ("azure/gpt-4o", "did you mean `oai/gpt-4o`?"),
        ("OAI/gpt-4o", "did you mean `oai/gpt-4o`?"),
        ("bedrock/x", "it has oai, claude, any"),
    ] {
        let message = outrigger_policy::decide(&policy, &ask(model)).refusal.unwrap().message;
        assert!(message.contains(expected), "{model}: {message}");
    }
    let message = outrigger_policy::decide(&six(), &ask("x")).refusal.unwrap().message;
    assert!(
        message.contains("deep, local, laptop, router, stage, grid accept any name") && message.contains("`deep/x`")
    );
}

#[test]
fn a_pin_forwards_names_unless_the_provider_is_exclusive() {
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
    let request = outrigger_policy::Request { state: &unfit, ..none(None) };
    assert_eq!(decided(&policy, &request), "azure/", "one alone can do it");
    // The models that a key may use don't matter if no model is named.
    let fenced = only(entry("azure", 1), &["gpt-4o"]);
    let mut fenced = key(vec![fenced]);
    fenced.deny = texts(&["*"]);
    let policy = crate::world::policy(vec![provider("azure", "Azure")], fenced, vec![]);
    assert_eq!(decided(&policy, &none(None)), "azure/");
}

#[test]
fn models_are_listed_by_the_first_three_tiers_if_the_key_allows_them() {
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
    let listed: Vec<String> = outrigger_policy::list_models(&policy, &policy.keys[KeyIndex::from(0)])
        .into_iter()
        .map(|(provider, model)| format!("{provider}/{model}"))
        .collect();
    assert_eq!(listed, ["listed/o9", "any/llama"]);
    let decisions = listed.iter().map(|name| decided(&policy, &ask(name)));
    assert!(decisions.zip(&listed).all(|(decision, name)| decision == *name), "what is listed can be had");
}
