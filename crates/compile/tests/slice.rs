//! A slice of a namespace's document decides as the whole would, and contains only what its keys reach.

#![allow(clippy::unwrap_used, reason = "a test may panic, outside its own function as well")]

use std::hash::{DefaultHasher, Hash, Hasher};

use outrigger_compile::{Cluster, Compiled, OPERATOR_NAMESPACE, Object, ObjectValidation, Slices, compile_in, read};
use outrigger_core::RequestType;
use outrigger_policy::{
    Credential, CredentialIndex, Decision, Document, Draw, GatewayState, LimitIndex, Pace, Policy, Provider, Request,
    Skip, decide,
};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

/// `Kind namespace/name {spec}`; a space and labels may follow the name.
fn objects(lines: &[String]) -> Vec<Object> {
    let text: String = lines
        .iter()
        .map(|line| {
            let (head, spec) = line.split_once(" {").unwrap();
            let mut words = head.split(' ');
            let (kind, id) = (words.next().unwrap(), words.next().unwrap());
            let labels: String = words.map(|label| label.replace('=', ": ")).collect();
            let (namespace, name) = id.split_once('/').unwrap();
            let (version, namespace_field) = match kind {
                "Namespace" => ("v1", String::new()),
                "Secret" => ("v1", format!("namespace: {namespace}, ")),
                _ => ("outrigger.dev/v1alpha1", format!("namespace: {namespace}, ")),
            };
            let metadata = format!("metadata: {{{namespace_field}name: {name}, labels: {{{labels}}}}}");
            match kind {
                "Secret" => format!("apiVersion: v1\nkind: Secret\n{metadata}\nstringData: {{{spec}\n---\n"),
                _ => format!("apiVersion: {version}\nkind: {kind}\n{metadata}\nspec: {{{spec}\n---\n"),
            }
        })
        .collect();
    let source = read("", &text);
    assert!(source.findings.is_empty(), "{:?}", source.findings);
    source.objects
}

fn compiled(lines: &[String]) -> Compiled {
    let objects = objects(lines);
    let (own, others): (Vec<&Object>, Vec<&Object>) = objects.iter().partition(|object| object.api_version != "v1");
    let judgements: Vec<ObjectValidation> = own.iter().map(|object| ObjectValidation::of(object)).collect();
    let own: Vec<(&Object, &ObjectValidation)> = own.into_iter().zip(&judgements).collect();
    let operator_namespace = OPERATOR_NAMESPACE;
    compile_in(&Cluster { objects: &own, others: &others, namespace: "shop", operator_namespace })
}

const OBJECTS: &[&str] = &[
    "LLMProvider shop/a {type: OpenAI, withoutKey: Allow, models: [{name: gpt-4o, aliases: [big]}, {name: own/a}], \
     credentials: [{name: x, secretRef: {name: s}, models: ['gpt-*']}, {name: y, secretRef: {name: t}}, \
     {name: z, secretRef: {name: u}, suspended: true}]}",
    "LLMProvider shop/b {type: Anthropic, credentials: [{name: x, secretRef: {name: s}, suspended: true}], \
     limits: {requests: [{name: rpm, max: 100, rolling: 1m}], budgets: [{name: m, amount: '5', window: Month}]}}",
    "LLMProvider shop/c {type: Ollama, exclusive: true, models: [{name: llama}, {name: gpt-4o-mini}]}",
    "LLMProvider shop/idle {type: Ollama, suspended: true}",
    "LLMProvider platform/d {type: Mock, mock: {}, allowedNamespaces: {from: All}, \
     defaultPrice: {inputPerMillion: '1', outputPerMillion: '1'}}",
    "LLMProvider platform/e {type: OpenAI, allowedNamespaces: {from: All}, \
     credentials: [{name: x, secretRef: {name: s}}, {name: y, secretRef: {name: s, key: other}}]}",
    "ModelCatalog shop/c {models: [{name: llama, price: {inputPerMillion: '1', outputPerMillion: '2'}}]}",
    "ModelCatalog platform/c {models: [{name: gpt-4o, price: {inputPerMillion: '9', outputPerMillion: '9'}}]}",
    "ModelCatalog outrigger-system/c {models: [{name: gpt-4o-mini, price: {inputPerMillion: '0.1', outputPerMillion: '0.1'}}]}",
    "Budget finance/company {amount: '1000', window: Year, allowedNamespaces: {from: All}, \
     thresholds: [{percent: 50, action: Downgrade, model: gpt-4o-mini}]}",
    "Budget shop/team {amount: '100', window: Month, parentRef: {name: company, namespace: finance}}",
    "Budget shop/free {amount: '10', window: Day, appliesTo: {virtualKeys: {matchLabels: {tier: free}}}}",
    "Budget shop/dear {amount: '20', window: Day, parentRef: {name: team}, appliesTo: {models: ['gpt-4o']}}",
    "Budget outrigger-system/all {amount: '50', window: Day, appliesTo: {namespaces: {}, providers: [d, a]}}",
    "Budget shop/unused {amount: '1', window: Day, appliesTo: {virtualKeys: {matchLabels: {tier: none}}}}",
    "Namespace x/shop {}",
    // The namespace's document contains only objects that its own objects refer to.
    "VirtualKey shop/keeper {providers: [{name: d, providerRef: {name: d, namespace: platform}}, \
     {name: e, providerRef: {name: e, namespace: platform}}]}",
];
const RULES: &[&str] = &[
    "RoutingRule shop/first {priority: 5, when: 'model == \"gpt-4o\"', targets: [{provider: a, weight: 2}, {provider: d}]}",
    "RoutingRule shop/mini {scope: {virtualKeys: [k0, k2]}, when: 'headers[\"x-t\"] == \"1\"', \
     targets: [{provider: c, model: gpt-4o-mini}], fallbacks: ['a/gpt-4o', b]}",
    "RoutingRule shop/team {scope: {team: red}, when: 'budget_used > 50.0', chain: true, targets: [{provider: c, model: llama}]}",
    "RoutingRule shop/watch {scope: {customer: acme}, mode: Shadow, targets: [{provider: d, model: any}]}",
    "RoutingRule shop/fails {onError: Refuse, when: 'int(headers[\"x-n\"]) > 3', targets: [{provider: a}]}",
    "RoutingRule shop/never {scope: {virtualKeys: [k1]}, when: 'model == \"llama\"', action: Reject, message: not here}",
    "RoutingRule outrigger-system/late {when: 'tokens_used > 90.0', targets: [{provider: d, model: gpt-4o-mini}]}",
    "RoutingRule shop/pick {when: 'model == \"big\"', targets: [{provider: a, credential: y}]}",
];
const ENTRIES: &[&str] = &[
    "{name: a}",
    "{name: a, credentials: [y]}",
    "{name: a, credentials: [z, y], weight: 3, models: ['gpt-*']}",
    "{name: b, limits: {tokens: [{name: t, max: 1000, rolling: 1h}]}}",
    "{name: c, weight: 0}",
    "{name: idle}",
    "{name: d, providerRef: {name: d, namespace: platform}, weight: 5}",
    "{name: e, providerRef: {name: e, namespace: platform}, credentials: [x]}",
];
const MODELS: &[&str] = &[
    "gpt-4o",
    "big",
    "llama",
    "gpt-4o-mini",
    "a/gpt-4o",
    "b/claude-haiku-4-5",
    "c/llama",
    "d/any",
    "e/gpt-4o",
    "own/a",
    "nobody/x",
    "idle/llama",
    "claude-haiku-4-5",
    "text-embedding-3-small",
];

fn key(index: usize) -> impl Strategy<Value = String> {
    let extras = vec![
        "limits: {budgets: [{name: m, amount: '3', window: Month}], requests: [{name: r, max: 10, rolling: 1m}]}",
        "budgetRefs: [{name: team}]",
        "models: {deny: ['*-mini']}",
        "onLimit: Reject",
        "unpriced: Allow",
        "team: red",
        "customer: acme",
    ];
    (subsequence(ENTRIES, 0..=4), subsequence(extras, 0..4), any::<bool>()).prop_map(move |(entries, extras, free)| {
        let mut names = Vec::new();
        let entries: Vec<&str> = entries
            .into_iter()
            .filter(|entry| {
                let name = entry.trim_start_matches("{name: ").split([',', '}']).next().unwrap();
                let new = !names.contains(&name);
                names.push(name);
                new
            })
            .collect();
        let mut fields: Vec<String> = extras.into_iter().map(str::to_owned).collect();
        if !entries.is_empty() {
            fields.push(format!("providers: [{}]", entries.join(", ")));
        }
        let label = if free { " tier=free" } else { "" };
        format!("VirtualKey shop/k{index}{label} {{{}}}", fields.join(", "))
    })
}

/// Gateway state that differs for every limit and provider, and is the same for every policy, because it depends on
/// names.
struct NamedState<'a> {
    policy: &'a Policy,
    seed: u64,
    rests: bool,
}

impl NamedState<'_> {
    fn chance(&self, of: impl Hash) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.seed, of).hash(&mut hasher);
        hasher.finish()
    }
}

impl GatewayState for NamedState<'_> {
    fn unfit(&self, provider: &Provider, _: &str) -> Option<String> {
        self.chance((&provider.id, 1)).is_multiple_of(7).then(|| "logprobs".to_owned())
    }

    fn gate(&self, provider: &Provider, credential: Option<&Credential>, model: &str) -> Option<Skip> {
        let attempt = (&provider.id, credential.map(|one| one.name.clone()), model);
        (self.rests && self.chance(attempt).is_multiple_of(4)).then_some(Skip::Cooldown)
    }

    fn pace(&self, _: &Provider, _: Option<&Credential>, _: &str) -> Option<Pace> {
        None
    }

    fn used(&self, limit: LimitIndex) -> u64 {
        let limit = &self.policy.limits.all[limit];
        limit.max / 100 * (self.chance(&limit.id) % 130)
    }
}

/// A decision by names: indexes differ between a slice and the whole.
fn described(policy: &Policy, decision: &Decision) -> String {
    let limit = |index: LimitIndex| policy.limits.all[index].id.to_string();
    let candidates: Vec<String> = decision
        .candidates
        .iter()
        .map(|one| {
            let provider = one.provider.map(|index| &policy.providers[index]);
            let credential = |at: &CredentialIndex| provider.unwrap().credentials[*at].name.to_string();
            let skip = one.skipped.as_ref().map(|skip| policy.skip_in_words(skip));
            format!(
                "{:?} {}/{} {} {:?} {:?} {skip:?} {:?}",
                provider.map(|provider| provider.id.to_string()),
                one.name,
                one.model,
                one.upstream_model,
                one.credentials.iter().map(credential).collect::<Vec<_>>(),
                one.weight,
                one.downgraded_by.map(limit)
            )
        })
        .collect();
    let refusal = decision.refusal.as_ref().map(|one| {
        format!("{} {} {} {:?} {:?}", one.kind.status(), one.kind, one.message, one.param, one.limit.map(limit))
    });
    let Decision { rule, chain, last_resort, rule_errors, shadow, .. } = decision;
    format!("{rule:?} {chain:?} {candidates:#?} {refusal:?} {last_resort} {rule_errors:?} {shadow:?}")
}

fn index_of(policy: &Policy, name: &str) -> Option<usize> {
    policy.keys.iter().position(|key| key.id.namespace == "shop" && key.id.name == name)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn a_slice_decides_as_the_whole(
        keys in (key(0), key(1), key(2)),
        rules in subsequence(RULES, 0..=RULES.len()),
        bound in subsequence(vec!["k0", "k1", "k2", "default", "absent"], 1..=3).prop_shuffle(),
        requests in prop::collection::vec((select(MODELS), any::<u64>(), any::<bool>()), 12),
        tier in any::<bool>(),
    ) {
        let mut lines: Vec<String> = OBJECTS.iter().chain(&rules).map(|line| (*line).to_owned()).collect();
        lines.extend([keys.0, keys.1, keys.2]);
        let compiled = compiled(&lines);
        let whole = Policy::build(compiled.document.clone()).unwrap();
        let names: Vec<String> = bound.iter().map(|name| (*name).to_owned()).collect();
        let slice = Policy::build(Slices::of(&compiled.document).slice("shop", &names, 0)).unwrap();
        prop_assert!(slice.keys.len() <= names.len());
        let first = index_of(&whole, &names[0]).map(|_| format!("shop/{}", names[0]));
        prop_assert_eq!(&slice.document.default_key, &first);
        let headers = if tier { vec![("x-t".to_owned(), "1".to_owned())] } else { Vec::new() };
        for name in &names {
            let (there, here) = (index_of(&whole, name), index_of(&slice, name));
            prop_assert_eq!(there.is_some(), here.is_some(), "{}", name);
            let (Some(there), Some(here)) = (there, here) else { continue };
            for (model, seed, rests) in &requests {
                let decided = |policy: &Policy, key: usize| {
                    let state = NamedState { policy, seed: *seed, rests: *rests };
                    let request = Request {
                        key: key.into(), request_type: RequestType::ChatCompletion, model: Some(model), provider: None, fallbacks: None,
                        credential: None, headers: &headers, params: &[], draw: Draw::Random(*seed), stay: None,
                        state: &state,
                    };
                    described(policy, &decide(policy, &request))
                };
                prop_assert_eq!(decided(&whole, there), decided(&slice, here), "{} asks for {}", name, model);
            }
        }
    }
}

/// The content of a slice, in short.
fn content(document: &Document) -> String {
    let list = |names: Vec<String>| names.join(" ");
    let providers = document.providers.iter().map(|one| {
        let credentials: Vec<&str> = one.credentials.iter().map(|one| one.name.as_str()).collect();
        format!("{}/{}[{}]", one.namespace, one.name, credentials.join(","))
    });
    let catalogues = document.catalogues.iter().map(|one| format!("{}/{}", one.namespace, one.name));
    format!(
        "{} | {} | {} | {} | {} | {} | {}",
        document.default_key.as_deref().unwrap_or("-"),
        list(providers.collect()),
        list(document.rules.iter().map(|one| one.name.clone()).collect()),
        list(document.budgets.iter().map(|one| one.name.clone()).collect()),
        list(catalogues.collect()),
        document.others.providers.join(" "),
        document.others.keys.join(" "),
    )
}

#[test]
fn a_slice_contains_what_its_keys_reach() {
    let mut lines: Vec<String> = OBJECTS.iter().chain(RULES).map(|line| (*line).to_owned()).collect();
    lines.extend(
        [
            "VirtualKey shop/k0 {providers: [{name: c}]}",
            "VirtualKey shop/k1 {team: red, budgetRefs: [{name: team}], providers: [{name: a, credentials: [x]}]}",
            "VirtualKey shop/k2 tier=free {providers: [{name: a, credentials: [z]}, {name: d, providerRef: {name: d, namespace: platform}}]}",
            "VirtualKey shop/late {expiresAt: '1970-01-01T00:01:40Z', budgetRefs: [{name: team}]}",
            "VirtualKey shop/stopped {suspended: true}",
        ]
        .map(str::to_owned),
    );
    let document = compiled(&lines).document;
    let slices = Slices::of(&document);
    let everybody = "first fails late pick";
    for (keys, now, expected) in [
        (
            "k0",
            0,
            format!(
                "shop/k0 | shop/c[] | {everybody} mini | company dear all team | operator shop/c | a b d e idle | "
            ),
        ),
        (
            "k1",
            0,
            format!(
                "shop/k1 | shop/a[x] | {everybody} never team | company dear all team | operator shop/c | b c d e idle | "
            ),
        ),
        // The suspended credential stays if it is the only one: a provider without credentials is called without one.
        (
            "k2",
            0,
            format!(
                "shop/k2 | platform/d[] shop/a[z] | {everybody} mini | company dear free all team | operator platform/c shop/c | b c e idle | "
            ),
        ),
        (
            "k1,k2",
            0,
            format!(
                "shop/k1 | platform/d[] shop/a[x] | {everybody} mini never team | company dear free all team | operator platform/c shop/c | b c e idle | "
            ),
        ),
        (
            "default",
            0,
            format!(
                "shop/default | shop/a[x,y] | {everybody} | company dear all team | operator shop/c | b c d e idle | "
            ),
        ),
        (
            "absent,k0",
            0,
            format!(
                "- | shop/c[] | {everybody} mini | company dear all team | operator shop/c | a b d e idle | k1 k2 keeper late stopped"
            ),
        ),
        ("absent", 0, "- |  |  |  |  |  | k0 k1 k2 keeper late stopped".to_owned()),
        (
            "late",
            99,
            format!(
                "shop/late | shop/a[x,y] shop/b[x] shop/c[] shop/idle[] | {everybody} | company dear all team | operator shop/c | d e | "
            ),
        ),
        ("late", 100, "shop/late |  |  |  |  |  | ".to_owned()),
        ("stopped", 0, "shop/stopped |  |  |  |  |  | ".to_owned()),
    ] {
        let keys: Vec<String> = keys.split(',').map(str::to_owned).collect();
        let mut found = content(&slices.slice("shop", &keys, now));
        found = found.replace("outrigger-system/c", "operator");
        let sort = |text: &str| -> Vec<Vec<String>> {
            let part = |part: &str| {
                let mut words: Vec<String> = part.split(' ').map(str::to_owned).filter(|one| !one.is_empty()).collect();
                words.sort();
                words
            };
            text.split('|').map(part).collect()
        };
        assert_eq!(sort(&found), sort(&expected), "{keys:?}: {found}");
    }
}
