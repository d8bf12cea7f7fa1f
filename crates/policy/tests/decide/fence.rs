//! What a key may use, and the current state of what it may use.

use outrigger_policy::{KeyDoc, KeyProviderDoc, ProviderDoc, Request, Skip};

use crate::world::*;

#[test]
fn candidates_that_the_key_may_not_use_are_skipped_with_a_reason() {
    let ps = || vec![serving("a", &["m"]), serving("b", &["m"]), serving("c", &["m"])];
    let ab = || key(vec![entry("a", 1), only(entry("b", 0), &["n*"])]);
    let denies = |models: &[&str]| KeyDoc { deny: texts(models), ..ab() };
    let allows = |models: &[&str]| KeyDoc { allow: texts(models), ..ab() };
    let both = KeyDoc { allow: texts(&["m*"]), deny: texts(&["*-preview"]), ..ab() };
    for (what, key, targets, expected) in [
        ("inside", ab(), vec!["a/m", "b/n=0"], "a/m > b/n"),
        ("a provider that is not the key's", ab(), vec!["c/m", "a/m=0"], "a/m | c/m: provider_blocked"),
        ("a provider that does not exist", ab(), vec!["z/m", "a/m=0"], "a/m | z/m: provider_blocked"),
        ("a model outside the entry's list", ab(), vec!["b/m", "a/m=0"], "a/m | b/m: model_blocked"),
        ("denied", denies(&["m"]), vec!["a/m", "a/n=0"], "a/n | a/m: model_blocked"),
        ("not allowed", allows(&["n"]), vec!["a/m", "a/n=0"], "a/n | a/m: model_blocked"),
        ("deny wins", both, vec!["a/m-preview", "a/m=0"], "a/m | a/m-preview: model_blocked"),
        ("nothing is left: provider", ab(), vec!["c/m"], "403 provider_blocked"),
        ("nothing is left: model", denies(&["*"]), vec!["a/m"], "403 model_blocked"),
        ("nothing is left: credential", ab(), vec!["a/m@nobody"], "403 provider_blocked"),
    ] {
        let policy = policy(ps(), key, vec![rule("r", "", &targets, &[])]);
        assert_eq!(decided(&policy, &ask("x")), expected, "{what}");
    }
}

/// Names, pins, headers and bodies can't bypass the key.
#[test]
fn no_name_pin_header_or_body_bypasses_the_key() {
    let policy = policy(
        vec![models(provider("a", "OpenAI"), &["gpt-4o"]), provider("b", "OpenAI")],
        KeyDoc { deny: texts(&["gpt-4o"]), ..key(vec![entry("a", 1)]) },
        vec![],
    );
    for model in ["gpt-4o", "a/gpt-4o"] {
        assert_eq!(decided(&policy, &ask(model)), "403 model_blocked", "{model}");
    }
    assert_eq!(decided(&policy, &Request { provider: Some("a"), ..ask("gpt-4o") }), "403 model_blocked");
    assert_eq!(decided(&policy, &Request { provider: Some("b"), ..ask("o3") }), "403 provider_blocked");
    let fallbacks = texts(&["b/o3", "a/gpt-4o"]);
    assert_eq!(
        decided(&policy, &Request { fallbacks: Some(&fallbacks), ..ask("o3") }),
        "a/o3 | b/o3: provider_blocked | a/gpt-4o: model_blocked"
    );
}

#[test]
fn an_alias_bypasses_neither_a_denial_nor_a_list() {
    let ps = || vec![alias(models(provider("a", "Azure"), &["gpt-4o", "o3"]), "best")];
    let entries = |list: &[&str]| vec![only(entry("a", 1), list)];
    for (what, key, model, expected) in [
        (
            "denied by its own name",
            KeyDoc { deny: texts(&["gpt-4o"]), ..key(entries(&[])) },
            "best",
            "403 model_blocked",
        ),
        ("the same, pinned", KeyDoc { deny: texts(&["gpt-4o"]), ..key(entries(&[])) }, "a/best", "403 model_blocked"),
        ("denied by the alias", KeyDoc { deny: texts(&["best"]), ..key(entries(&[])) }, "best", "403 model_blocked"),
        ("allowed by its own name", KeyDoc { allow: texts(&["gpt-4o"]), ..key(entries(&[])) }, "best", "a/best"),
        ("another is allowed", KeyDoc { allow: texts(&["o3"]), ..key(entries(&[])) }, "best", "403 model_blocked"),
        ("listed by its own name", key(entries(&["gpt-4o"])), "best", "a/best"),
        ("another is listed", key(entries(&["o3"])), "best", "403 model_blocked"),
    ] {
        assert_eq!(decided(&policy(ps(), key, vec![]), &ask(model)), expected, "{what}");
    }
}

#[test]
fn credentials() {
    let with = |change: fn(&mut ProviderDoc, &mut KeyProviderDoc)| {
        let mut provider = crate::world::credentials(serving("a", &["m"]), &["x=1000000", "y=0"]);
        let mut entry = entry("a", 1);
        change(&mut provider, &mut entry);
        policy(
            vec![provider, crate::world::serving("b", &["m"])],
            key(vec![entry, crate::world::entry("b", 0)]),
            vec![],
        )
    };
    let gate = |name| World { gates: vec![(name, Skip::Cooldown)], ..World::default() };
    let all = World::default();
    for (what, policy, pinned, world, expected) in [
        ("all, by weight", with(|_, _| {}), None, &all, "a/m@x,y > b/m"),
        ("a list of models", with(|p, _| p.credentials[0].models = texts(&["n*"])), None, &all, "a/m@y > b/m"),
        ("a list that has it", with(|p, _| p.credentials[0].models = texts(&["m*"])), None, &all, "a/m@x,y > b/m"),
        (
            "a list that has the name sent",
            with(|p, _| {
                p.models = models(crate::world::provider("", ""), &["m"]).models;
                p.models[0].upstream_name = Some("prod-m".into());
                p.credentials[0].models = texts(&["prod-*"]);
                p.credentials[1].models = texts(&["other"]);
            }),
            None,
            &all,
            "a/m@x > b/m",
        ),
        ("the key's own", with(|_, e| e.credentials = texts(&["y"])), None, &all, "a/m@y > b/m"),
        ("suspended", with(|p, _| p.credentials[0].suspended = true), None, &all, "a/m@y > b/m"),
        ("one is in cooldown", with(|_, _| {}), None, &gate("a:x"), "a/m@y > b/m"),
        ("asked for", with(|_, _| {}), Some("y"), &all, "a/m@y | b/m: credential_blocked"),
        (
            "asked for, and not the key's",
            with(|_, e| e.credentials = texts(&["x"])),
            Some("y"),
            &all,
            "403 provider_blocked",
        ),
        ("requested, and not at any provider", with(|_, _| {}), Some("z"), &all, "403 provider_blocked"),
        ("none is left", with(|_, e| e.credentials = texts(&["gone"])), None, &all, "b/m | a/m: credential_blocked"),
        (
            "all suspended",
            with(|p, _| p.credentials.iter_mut().for_each(|one| one.suspended = true)),
            None,
            &all,
            "b/m | a/m: credential_blocked",
        ),
        ("all rest", with(|_, _| {}), None, &gate("a"), "b/m | a/m: cooldown"),
    ] {
        let request = Request { credential: pinned, state: world, ..ask("m") };
        assert_eq!(decided(&policy, &request), expected, "{what}");
    }
}

#[test]
fn a_suspended_provider_is_skipped() {
    let off = ProviderDoc { suspended: true, ..serving("a", &["m"]) };
    let policy = policy(vec![off, serving("b", &["m"])], key(vec![entry("a", 99), entry("b", 1)]), vec![]);
    assert_eq!(decided(&policy, &ask("m")), "b/m | a/m: provider_blocked");
    assert_eq!(decided(&policy, &ask("a/m")), "403 provider_blocked");
    let request = Request { model: None, ..ask("") };
    assert_eq!(decided(&policy, &request), "b/", "nor is it one of several that might be meant");
}

#[test]
fn unsupported_fields_are_refused_only_if_no_candidate_is_left() {
    let policy = policy(
        vec![serving("a", &["m"]), serving("b", &["m"]), serving("c", &["m"])],
        key(vec![entry("a", 1), entry("b", 0), only(entry("c", 0), &["n"])]),
        vec![rule("all", "model == 'r'", &["c/m", "a/m=0"], &[])],
    );
    let unfit = |names: &[&'static str]| World {
        unfit: names.iter().map(|name| (*name, "logprobs")).collect(),
        ..World::default()
    };
    let both = World { gates: vec![("b", Skip::Cooldown)], ..unfit(&["a"]) };
    for (what, world, model, expected) in [
        ("one can", unfit(&["a"]), "m", "b/m | a/m: unsupported: logprobs"),
        ("none can", unfit(&["a", "b"]), "m", "400 unsupported_parameter"),
        ("the other one is in cooldown: it is tried", both, "m", "b/m | a/m: unsupported: logprobs"),
        ("the key may not use the other one", unfit(&["a"]), "r", "400 unsupported_parameter"),
    ] {
        assert_eq!(decided(&policy, &Request { state: &world, ..ask(model) }), expected, "{what}");
    }
}

#[test]
fn if_all_are_in_cooldown_they_are_tried_anyway() {
    let policy = policy(
        vec![crate::world::credentials(serving("a", &["m"]), &["x", "y"]), serving("b", &["m"]), serving("c", &["m"])],
        key(vec![entry("a", 1), entry("b", 0)]),
        vec![rule("named", "model == 'r'", &["a/m@y", "c/m=0"], &[])],
    );
    let world = World { gates: vec![("a", Skip::Cooldown), ("b", Skip::Breaker)], ..World::default() };
    for (model, expected) in [
        ("m", "a/m@x,y > b/m"),
        ("b/m", "b/m"),
        // Only candidates that the rule names, and that the key may use.
        ("r", "a/m@y | c/m: provider_blocked"),
    ] {
        let decision = outrigger_policy::decide(&policy, &Request { state: &world, ..ask(model) });
        assert_eq!(line(&policy, &decision), expected, "{model}");
        assert!(decision.last_resort, "{model}");
    }
    // A credential without its secret is not tried, even if all others are in cooldown.
    for gates in [
        [("a:x", Skip::CredentialBlocked), ("a:y", Skip::Cooldown)],
        [("a:y", Skip::Cooldown), ("a:x", Skip::CredentialBlocked)],
    ] {
        let world = World { gates: gates.into(), ..World::default() };
        assert_eq!(decided(&policy, &Request { state: &world, ..ask("a/m") }), "a/m@y");
    }
    let without = World { gates: vec![("a", Skip::CredentialBlocked)], ..World::default() };
    assert_eq!(decided(&policy, &Request { state: &without, ..ask("a/m") }), "403 provider_blocked");
    let down = World { gates: vec![("a", Skip::Unhealthy), ("b", Skip::Unhealthy)], ..World::default() };
    assert_eq!(decided(&policy, &Request { state: &down, ..ask("m") }), "503 upstream_unreachable");
}
