//! The plans do not depend on the order of events.

use std::collections::{BTreeMap, BTreeSet};

use outrigger_operator::plan::revision::NamespacePlan;
use outrigger_operator::state::index::AffectedNamespaces;
use proptest::prelude::*;

use crate::story::{Story, binding, object};

const OBJECTS: [&str; 20] = [
    "Namespace /shop {llm: allowed}",
    "Namespace /other {}",
    "Secret platform/openai {apiKey: c2stb25l}",
    "Secret shop/near {apiKey: c2stdHdv}",
    "LLMProvider platform/openai {type: OpenAI, credentials: [{name: main, secretRef: {name: openai}}], \
     allowedNamespaces: {from: Selector, selector: {matchLabels: {llm: allowed}}}}",
    "LLMProvider shop/near {type: OpenAI, withoutKey: Allow, credentials: [{name: main, secretRef: {name: near}}]}",
    "LLMProvider other/broken {type: OpenAI, endpoint: 'https://a:99999', credentials: [{name: main, secretRef: {name: x}}]}",
    "VirtualKey shop/search {providers: [{name: openai, providerRef: {name: openai, namespace: platform}}, {name: near}], \
     budgetRefs: [{name: team}]}",
    "VirtualKey shop/batch {providers: [{name: nobody}], expiresAt: '2027-01-01T00:00:00Z'}",
    "VirtualKey other/k {providers: [{name: openai, providerRef: {name: openai, namespace: platform}}, {name: broken}]}",
    "Budget shop/team {amount: '100', window: Month, parentRef: {name: company, namespace: finance}}",
    "Budget finance/company {amount: '1000', window: Month, allowedNamespaces: {from: All}, parentRef: {name: gone}}",
    "Budget outrigger-system/all {amount: '9', window: Day, appliesTo: {namespaces: {matchLabels: {llm: allowed}}}}",
    "RoutingRule shop/down {when: 'model == \"a\"', targets: [{provider: openai, model: b}], \
     tests: [{name: t, request: {key: search, model: a}, expect: {model: b}}]}",
    "RoutingRule shop/fails {targets: [{provider: near}], tests: [{name: t, request: {key: search, model: a}, expect: {model: c}}]}",
    "RoutingRule outrigger-system/k {scope: {virtualKeys: [k]}, when: 'model = 1', targets: [{provider: openai}]}",
    "ModelCatalog outrigger-system/prices {models: [{name: b, price: {inputPerMillion: '1', outputPerMillion: '1'}}]}",
    "ModelCatalog platform/prices {models: [{name: a, price: {inputPerMillion: '1', outputPerMillion: '1'}}]}",
    "LLMProvider shop/trusting {type: Ollama, endpoint: 'https://a', tls: {caRef: {name: ca}}}",
    "RoutingRule other/strange {targets: 7}",
];

/// All results of plans as text.
fn described(plans: &BTreeMap<String, NamespacePlan>) -> Vec<String> {
    let mut described = Vec::new();
    for plan in plans.values() {
        described.extend(plan.verdicts.iter().map(|(id, verdict)| format!("{id}: {verdict:?}")));
        described.extend(plan.revisions.values().map(|one| {
            let document = serde_json::to_string(&one.document).unwrap();
            // The story numbers the versions of Secrets by order, so they are left out.
            format!("{}: {document} {:?} {:?} {:?}", one.binding, one.credentials, one.objects, one.allowed)
        }));
        described.push(format!("{:?} {:?}", plan.recheck, plan.too_large));
    }
    described
}

fn all(story: &mut Story) -> Vec<String> {
    let namespaces = story.index.namespaces();
    described(&story.settle(AffectedNamespaces { namespaces }))
}

fn pods() -> BTreeSet<outrigger_operator::objects::binding::Binding> {
    ["shop/search", "shop/batch,search", "other/absent"].into_iter().map(binding).collect()
}

/// The plans when all objects arrive together.
fn at_once() -> Vec<String> {
    let mut story = Story::new(false);
    for line in OBJECTS {
        let _ = story.apply(object(line));
    }
    let _ = story.index.bind(pods());
    all(&mut story)
}

#[test]
fn the_objects_cover_every_kind_of_problem() {
    let described = at_once().join("\n");
    for word in ["RefNotFound", "RefNotPermitted", "TestsFailed", "Malformed", "Invalid", "keyless\":true"] {
        assert!(described.contains(word), "{word}: {described}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(10) })]

    #[test]
    fn any_order_ends_in_the_same_plans(
        order in Just((0..OBJECTS.len()).collect::<Vec<_>>()).prop_shuffle(),
        pause in prop::collection::vec(any::<bool>(), OBJECTS.len()),
        bind_at in 0..OBJECTS.len(),
    ) {
        let mut story = Story::new(false);
        let mut left = BTreeSet::new();
        for (step, (place, plans_now)) in order.iter().zip(&pause).enumerate() {
            left.extend(story.apply(object(OBJECTS[*place])).namespaces);
            if step == bind_at {
                left.extend(story.index.bind(pods()).namespaces);
            }
            // With or without plans in between: a version that was good only in between must not stay.
            if *plans_now {
                let _ = story.settle(AffectedNamespaces { namespaces: std::mem::take(&mut left) });
            }
        }
        let _ = story.settle(AffectedNamespaces { namespaces: left });
        prop_assert_eq!(all(&mut story), at_once());
    }

    /// The reported namespaces are enough: the plan of no other namespace would differ.
    #[test]
    fn unaffected_namespaces_have_the_same_plans(
        order in Just((0..OBJECTS.len()).collect::<Vec<_>>()).prop_shuffle(),
        gone in prop::collection::vec(0..OBJECTS.len(), 3),
    ) {
        let mut story = Story::new(false);
        let bound = story.index.bind(pods());
        let mut known: BTreeMap<String, NamespacePlan> = story.settle(bound);
        let mut deleted = BTreeSet::new();
        for place in order.iter().chain(&gone) {
            let value = object(OBJECTS[*place]);
            let word = |pointer: &str| value.pointer(pointer).and_then(|word| word.as_str()).unwrap_or_default().to_owned();
            let (kind, namespace, name) = (word("/kind"), word("/metadata/namespace"), word("/metadata/name"));
            let there = story.has(&kind, &namespace, &name);
            let changed = match there && deleted.insert(*place) {
                true => story.delete(&kind, &namespace, &name),
                false if there => continue,
                false => story.apply(value),
            };
            known.extend(story.settle(changed));
            let namespaces = story.index.namespaces();
            known.retain(|namespace, _| namespaces.contains(namespace));
            let planned_again = story.settle(AffectedNamespaces { namespaces });
            prop_assert_eq!(described(&planned_again), described(&known), "after {}", OBJECTS[*place]);
        }
    }
}
