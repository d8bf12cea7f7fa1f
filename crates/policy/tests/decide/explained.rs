//! Explanations of decisions.

use outrigger_policy::{
    Draw, Explanation, KeyDoc, OnError, Policy, Request, RuleDoc, ScopeDoc, ServingTier, Skip, ThresholdAction, decide,
    explain,
};

use crate::world::*;

fn shop(rules: Vec<RuleDoc>) -> Policy {
    let down = [(90, ThresholdAction::Downgrade { model: "small".into() })];
    let mut a = credentials(priced(provider("a", "Azure"), &[("big", 9, 9), ("small", 1, 1)]), &["x", "y=0"]);
    a.models[0].upstream_name = Some("prod-big".into());
    let key = KeyDoc { budgets: vec![object("team")], ..key(vec![entry("a", 3), entry("b", 1), entry("c", 0)]) };
    let others = ["b", "c"].map(|name| priced(provider(name, "Azure"), &[("big", 9, 9)]));
    budgeted([vec![a], others.into()].concat(), key, rules, vec![budget("team", &down)])
}

/// `name: outcome`, in order.
fn rules(explained: &Explanation) -> Vec<String> {
    let of = |seen: &outrigger_policy::ExplainedRule| {
        format!("{} {}: {:?}, {}", seen.round, seen.rule, seen.outcome, seen.why)
    };
    explained.rules.iter().map(of).collect()
}

#[test]
fn each_rule_has_a_reason_up_to_the_deciding_one() {
    let with = |name: &str, priority, when: &str| RuleDoc { priority, ..rule(name, when, &["b/big"], &[]) };
    let team = RuleDoc { scope: ScopeDoc::Team("red".into()), ..with("team", 0, "") };
    let failing = RuleDoc { on_error: OnError::Skip, ..with("failing", 2, "int(model) > 1") };
    let watching = RuleDoc { shadow: true, targets: rule("", "", &["c/big"], &[]).targets, ..with("watching", 3, "") };
    let leading = RuleDoc { chain: true, ..with("leading", 4, "provider == ''") };
    let deciding = with("deciding", 5, "provider == 'b'");
    let never = with("never", 6, "");
    let policy = shop(vec![team, with("false", 1, "model == 'x'"), failing, watching, leading, deciding, never]);
    let explained = explain(&policy, &ask("big"));
    let outcomes = rules(&explained);
    assert!(outcomes[2].starts_with("0 t/failing: Failed, `when` fails: "), "{outcomes:?}");
    assert_eq!(
        [&outcomes[..2], &outcomes[3..7], &outcomes[8..]].concat(),
        [
            "0 t/team: OutOfScope, its scope does not include VirtualKey t/k",
            "0 t/false: NoMatch, `when` is false",
            "0 t/watching: Shadow, it matches, and `mode: Shadow` only records it",
            "0 t/leading: Matches, `when` is true",
            "1 t/team: OutOfScope, its scope does not include VirtualKey t/k",
            "1 t/false: NoMatch, `when` is false",
            "1 t/watching: Shadow, it matches, and `mode: Shadow` only records it",
            "1 t/leading: Passed, it was already used in this chain",
            "1 t/deciding: Matches, `when` is true",
        ][..]
            .iter()
            .copied()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    );
    assert_eq!(
        (explained.rule.as_deref(), explained.chain.as_slice()),
        (Some("t/deciding"), &["t/leading".to_owned()][..])
    );
    let shadow = explained.shadow.unwrap();
    assert_eq!((shadow.rule.as_str(), shadow.first.as_deref()), ("t/watching", Some("c/big")));
}

#[test]
fn the_interpretation_of_a_name_is_shown() {
    let kinds = policy(
        vec![models(provider("a", "vLLM"), &["own"]), provider("b", "OpenAI"), provider("secret", "vLLM")],
        key(vec![only(entry("a", 1), &["listed", "own", "any*"]), only(entry("b", 1), &["gpt-4o", "o3"])]),
        vec![],
    );
    let loose = policy(
        vec![models(provider("a", "vLLM"), &["own"]), provider("b", "OpenAI")],
        key(vec![entry("a", 1), entry("b", 1)]),
        vec![],
    );
    for (policy, name, provider, model, blocked, served) in [
        (&kinds, "listed", None, "listed", false, Some((ServingTier::KeyModels, "a"))),
        (&loose, "own", None, "own", false, Some((ServingTier::ProviderModels, "a"))),
        (&loose, "gpt-4o", None, "gpt-4o", false, Some((ServingTier::Catalogue, "b"))),
        (&loose, "anything", None, "anything", false, Some((ServingTier::AnyName, "a"))),
        (&kinds, "nobody-s", None, "nobody-s", false, None),
        (&kinds, "b/o3", Some("b"), "o3", false, None),
        (&kinds, "secret/m", Some("secret"), "m", true, None),
    ] {
        let asked = explain(policy, &ask(name)).asked.unwrap();
        assert_eq!((asked.name.as_str(), asked.provider.as_deref(), asked.model.as_str()), (name, provider, model));
        assert_eq!(asked.blocked, blocked, "{name}");
        let by = asked.served.map(|served| (served.by, served.providers.join(",")));
        assert_eq!(by, served.map(|(by, who)| (by, who.to_owned())), "{name}");
    }
    assert_eq!(explain(&kinds, &Request { model: None, provider: Some("a"), ..ask("") }).asked, None);
}

#[test]
fn candidates_show_weights_shares_credentials_and_reasons() {
    let policy = shop(vec![]);
    let line = |request: &Request<'_>| -> Vec<String> {
        let explained = explain(&policy, request);
        let written = |one: &outrigger_policy::ExplainedCandidate| {
            let share = one.share.map_or("-".to_owned(), |share| format!("{share:.0}"));
            let weight = one.weight.map_or("-".to_owned(), |weight| weight.to_string());
            let target =
                format!("{}/{} as {}@{}", one.provider, one.model, one.upstream_model, one.credentials.join(","));
            let rest = [&one.skipped, &one.why, &one.downgraded_by].map(|text| text.as_deref().unwrap_or("-"));
            format!("{target}: {weight} {share} {}", rest.join("; "))
        };
        explained.candidates.iter().map(written).collect()
    };
    let likeliest = Request { draw: Draw::Likeliest, ..ask("big") };
    assert_eq!(
        line(&likeliest),
        ["a/big as prod-big@x,y: 3 75 -; -; -", "b/big as big@: 1 25 -; -; -", "c/big as big@: 0 0 -; -; -",]
    );
    let fallbacks = texts(&["c/big"]);
    assert_eq!(
        line(&Request { fallbacks: Some(&fallbacks), ..likeliest }),
        ["a/big as prod-big@x,y: 3 75 -; -; -", "c/big as big@: - - -; -; -"]
    );
    let resting = World { gates: vec![("b", Skip::Cooldown)], ..spent(&policy, &[("Budget t/team", 90)]) };
    assert_eq!(
        line(&Request { state: &resting, ..likeliest }),
        ["a/small as small@x,y: 3 100 -; -; Budget t/team"],
        "all become the same cheaper one, which stands there once"
    );
    let gone = spent(&policy, &[("Budget t/team", 100)]);
    assert_eq!(
        line(&Request { state: &gone, ..ask("a/big") }),
        [
            "a/small as small@: 3 - budget; Budget t/team: $0.0000001 of $0.0000001 a month (Europe/Paris) are spent; Budget t/team"
        ]
    );
}

#[test]
fn a_refusal_is_shown_and_explanations_match_decisions() {
    let policy = shop(vec![RuleDoc { reject: Some("no".into()), ..rule("never", "model == 'x'", &[], &[]) }]);
    let refusal = explain(&policy, &ask("x")).refusal.unwrap();
    assert_eq!((refusal.status, refusal.kind.name()), (403, "request_rejected"));
    for bits in 0..40 {
        let request = Request { draw: Draw::Random(bits), ..ask("big") };
        let explained: Vec<String> =
            explain(&policy, &request).candidates.iter().map(|one| format!("{}/{}", one.provider, one.model)).collect();
        let decided = decide(&policy, &request);
        let in_decision: Vec<String> =
            decided.candidates.iter().map(|one| format!("{}/{}", one.name, one.model)).collect();
        assert_eq!(explained, in_decision);
    }
    assert_eq!(explain(&policy, &Request { key: 9.into(), ..ask("big") }), Explanation::default());
    let json = serde_json::to_value(explain(&policy, &ask("big"))).unwrap();
    assert_eq!(json["asked"]["served"]["by"], "providerModels");
    assert_eq!(json["rules"][0]["outcome"], "noMatch");
}
