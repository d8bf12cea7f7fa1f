//! Which namespaces a change affects: as few as possible.

use std::collections::BTreeSet;

use outrigger_operator::objects::refs::{ValueKind, ValueRef};
use outrigger_operator::plan::revision::NamespacePlan;
use outrigger_operator::state::index::{AffectedNamespaces, ObjectIndex};
use outrigger_policy::{CredentialDoc, Document, KeyDoc, Policy, ProviderDoc};
use serde_json::{Value, json};

use crate::story::{Story, binding, object};

/// A provider that every other one of fifty namespaces uses. Each namespace has a key, a provider and a rule.
fn fifty() -> Story {
    let mut story = Story::new(false);
    let mut lines = vec![
        "Secret platform/s {apiKey: c2stb25l}".to_owned(),
        "LLMProvider platform/far {type: OpenAI, credentials: [{name: main, secretRef: {name: s}}], \
         allowedNamespaces: {from: Selector, selector: {}}, tls: {caRef: {name: ca}}}"
            .to_owned(),
        "LLMProvider platform/unused {type: Ollama}".to_owned(),
        "Budget finance/company {amount: '9', window: Year, allowedNamespaces: {from: All}}".to_owned(),
        "Budget finance/part {amount: '9', window: Year, allowedNamespaces: {from: All}, parentRef: {name: company}}"
            .to_owned(),
    ];
    for place in 0..50 {
        lines.push(format!("Namespace /n{place} {{}}"));
        let budget = if place < 3 { ", budgetRefs: [{name: part, namespace: finance}]" } else { "" };
        let far = "{name: far, providerRef: {name: far, namespace: platform}}";
        match place % 2 {
            0 => lines.push(format!("VirtualKey n{place}/k {{providers: [{far}, {{name: near}}]{budget}}}")),
            _ => lines.push(format!("VirtualKey n{place}/k {{providers: [{{name: near}}]{budget}}}")),
        }
        lines.push(format!("LLMProvider n{place}/near {{type: Ollama}}"));
        lines.push(format!("RoutingRule n{place}/r {{targets: [{{provider: near}}]}}"));
    }
    let mut namespaces = BTreeSet::new();
    for line in lines {
        namespaces.extend(story.apply(object(&line)).namespaces);
    }
    let _ = story.settle(AffectedNamespaces { namespaces });
    story.planned.clear();
    story
}

/// The number of namespaces that are planned after a change.
fn planned(story: &mut Story, changed: AffectedNamespaces) -> usize {
    let _ = story.settle(changed);
    std::mem::take(&mut story.planned).len()
}

#[test]
fn a_change_plans_only_affected_namespaces() {
    let mut story = fifty();
    let even = 25;
    for (what, line, expected) in [
        ("a rule concerns its namespace", "RoutingRule n7/r {priority: 3, targets: [{provider: near}]}", 1),
        ("a key, too", "VirtualKey n7/k {team: red, providers: [{name: near}]}", 1),
        ("and a provider that is used at home alone", "LLMProvider n7/near {type: Ollama, suspended: true}", 1),
        ("one that none uses, its home", "LLMProvider platform/unused {type: Ollama, prewarm: true}", 1),
        (
            "one that others use, them and its home",
            "LLMProvider platform/far {type: OpenAI, credentials: [{name: main, secretRef: {name: s}}], \
             allowedNamespaces: {from: All}, tls: {caRef: {name: ca}}}",
            even + 1,
        ),
        ("as does its Secret", "Secret platform/s {apiKey: c2stdHdv}", even + 1),
        ("a Secret that none names concerns none", "Secret platform/other {apiKey: c2stdHdv}", 0),
        ("a bundle that is named and wasn't there", "ConfigMap platform/ca {ca.crt: x}", even + 1),
        ("a catalogue, those whose providers it describes", "ModelCatalog platform/c {models: [{name: a}]}", even + 1),
        ("a label, its namespace", "Namespace /n7 {a: b}", 1),
        (
            "a budget's budget, all under it",
            "Budget finance/company {amount: '10', window: Year, allowedNamespaces: {from: All}}",
            4,
        ),
    ] {
        let changed = story.apply(object(line));
        assert_eq!(planned(&mut story, changed), expected, "{what}");
    }
    let deleted = story.delete("LLMProvider", "platform", "far");
    assert_eq!(planned(&mut story, deleted), even + 1, "what is gone concerns those who name it");
}

#[test]
fn the_operators_namespace_affects_all_and_is_affected_by_all() {
    let mut story = fifty();
    let changed =
        story.apply(object("RoutingRule outrigger-system/all {when: 'model == \"x\"', targets: [{provider: near}]}"));
    assert_eq!(planned(&mut story, changed), 51);
    let changed = story.apply(object("VirtualKey n7/k {team: red, providers: [{name: near}]}"));
    assert_eq!(planned(&mut story, changed), 2, "the keys in a rule's scope are planned again");
    let changed = story.delete("RoutingRule", "outrigger-system", "all");
    assert_eq!(planned(&mut story, changed), 51);
    let changed = story.apply(object("VirtualKey n7/k {team: blue, providers: [{name: near}]}"));
    assert_eq!(planned(&mut story, changed), 1);
}

#[test]
fn an_unchanged_object_affects_no_namespace() {
    let mut index = ObjectIndex::new("outrigger-system", false);
    let key = |version: &str, status: Value, team: &str| {
        let mut value = object(&format!("VirtualKey shop/k {{team: {team}}}"));
        value["metadata"]["resourceVersion"] = json!(version);
        value["metadata"]["uid"] = json!("u");
        value["status"] = status;
        value
    };
    let shop = AffectedNamespaces { namespaces: BTreeSet::from(["shop".to_owned()]) };
    let none = AffectedNamespaces::default();
    assert_eq!(index.apply(&key("1", Value::Null, "a")), shop);
    assert_eq!(index.apply(&key("1", Value::Null, "a")), none);
    assert_eq!(index.apply(&key("2", json!({"conditions": []}), "a")), none);
    let id = index.objects().next().unwrap().0.clone();
    assert_eq!(
        index.get(&id).unwrap().status,
        Some(json!({"conditions": []})),
        "its status is up to date all the same"
    );
    assert_eq!(index.get(&id).unwrap().resource_version, "2");
    let stamp = index.stamp("shop");
    assert_eq!(index.apply(&key("3", Value::Null, "b")), shop);
    assert!(index.stamp("shop") > stamp);
    assert_eq!(index.bind(BTreeSet::from([binding("shop/k")])), shop);
    assert_eq!(index.bind(BTreeSet::from([binding("shop/k")])), none);
    assert_eq!(index.bind(BTreeSet::new()), shop);
    assert_eq!(index.delete("VirtualKey", "shop", "other"), none);
    assert_eq!(index.delete("Deployment", "shop", "k"), none);
    assert_eq!(index.delete("VirtualKey", "shop", "k"), shop);
    assert_eq!(index.delete("VirtualKey", "shop", "k"), none);
    let mut generated = object("ConfigMap shop/outrigger-k {a: b}");
    generated["metadata"]["labels"] = json!({"app.kubernetes.io/managed-by": "outrigger"});
    assert_eq!(index.apply(&generated), none, "what the operator makes is no source of anything");
    assert_eq!(index.apply(&json!({"kind": "Pod", "apiVersion": "v1"})), none);
    assert_eq!(index.apply(&json!(7)), none);
}

#[test]
fn values_of_present_and_last_good_versions_are_watched() {
    let mut story = Story::new(false);
    let provider = |name: &str, port: u32| {
        object(&format!(
            "LLMProvider shop/p {{type: OpenAI, endpoint: 'https://a:{port}', credentials: [{{name: a, secretRef: {{name: {name}}}}}]}}"
        ))
    };
    let wanted = |story: &Story| -> Vec<String> {
        let word = |one: ValueRef| format!("{} {}/{}", one.holder.name(), one.namespace, one.name);
        story.index.wanted().into_iter().map(word).collect()
    };
    let _ = story.apply(object("Secret shop/old {apiKey: c2stb25l}"));
    let changed = story.apply(provider("old", 1));
    assert_eq!(wanted(&story), ["Secret shop/old"]);
    let _ = story.settle(changed);
    let changed = story.apply(provider("new", 99_999));
    let _ = story.settle(changed);
    assert_eq!(wanted(&story), ["Secret shop/new", "Secret shop/old"], "the last good version's is read on");
    let changed = story.apply(provider("new", 2));
    let _ = story.settle(changed);
    let changed = story.apply(object("Secret shop/new {apiKey: c2stb25l}"));
    let _ = story.settle(changed);
    assert_eq!(wanted(&story), ["Secret shop/new"]);
    let changed = story.delete("LLMProvider", "shop", "p");
    let _ = story.settle(changed);
    assert_eq!(wanted(&story), Vec::<String>::new());
    assert_eq!(ValueKind::named("Pod"), None);
}

#[test]
fn a_policy_that_is_too_large_is_reported_and_not_planned() {
    let mut story = Story::new(false);
    let models: Vec<String> = (0..500).map(|place| format!("{{name: \"{place:04}{}\"}}", "m".repeat(200))).collect();
    let models = models.join(", ");
    let mut namespaces = BTreeSet::new();
    for place in 0..9 {
        let line = format!("ModelCatalog shop/c{place} {{models: [{models}]}}");
        namespaces.extend(story.apply(object(&line)).namespaces);
    }
    for line in ["LLMProvider shop/p {type: Ollama}", "VirtualKey shop/k {}", "VirtualKey shop/off {suspended: true}"] {
        namespaces.extend(story.apply(object(line)).namespaces);
    }
    let plans = story.settle(AffectedNamespaces { namespaces });
    let plan = &plans["shop"];
    assert_eq!(plan.too_large, BTreeSet::from([binding("shop/k")]));
    assert_eq!(
        plan.revisions.keys().cloned().collect::<Vec<_>>(),
        [binding("shop/off")],
        "what reaches nothing is small"
    );
    let (_, verdict) = plan.verdicts.iter().find(|(id, _)| id.name == "k").unwrap();
    let [problem] = verdict.refused.as_slice() else { panic!("{verdict:?}") };
    assert_eq!(problem.reason.word(), "TooLarge");
    assert!(problem.message.starts_with("the policy of outrigger-k would be "), "{}", problem.message);
    assert!(problem.message.contains(" kB, and the limit is 900 kB"), "{}", problem.message);
}

/// Revocations take effect even if a policy is too large. Nothing new is added to it.
#[test]
fn a_too_large_policy_is_narrowed() {
    let mut story = Story::new(false);
    let two = "credentials: [{name: one, secretRef: {name: s, key: one}}, {name: two, secretRef: {name: s, key: two}";
    let small = [
        "Secret shop/s {one: b25l, two: dHdv}",
        &format!("LLMProvider shop/p {{type: OpenAI, {two}}}]}}"),
        "LLMProvider shop/q {type: Ollama}",
        "VirtualKey shop/k {providers: [{name: p}, {name: q}]}",
        "VirtualKey shop/off {providers: [{name: q}]}",
        "RoutingRule shop/r {priority: 1, targets: [{provider: q}]}",
    ];
    let mut namespaces = BTreeSet::new();
    for line in small {
        namespaces.extend(story.apply(object(line)).namespaces);
    }
    let _ = story.index.bind(BTreeSet::from([binding("shop/k,off")]));
    let plans = story.settle(AffectedNamespaces { namespaces });
    assert_eq!(plans["shop"].too_large, BTreeSet::new());
    let before = plans["shop"].revisions[&binding("shop/k,off")].document.clone();
    assert_eq!((before.providers.len(), before.rules.len(), before.keys.len()), (2, 1, 2));

    let models: Vec<String> = (0..500).map(|place| format!("{{name: \"{place:04}{}\"}}", "m".repeat(200))).collect();
    let models = models.join(", ");
    let mut namespaces = BTreeSet::new();
    for place in 0..9 {
        namespaces
            .extend(story.apply(object(&format!("ModelCatalog shop/c{place} {{models: [{models}]}}"))).namespaces);
    }
    for line in [
        &format!("LLMProvider shop/p {{type: OpenAI, {two}, suspended: true}}]}}"),
        "VirtualKey shop/k {providers: [{name: p}]}",
        "VirtualKey shop/off {providers: [{name: q}], suspended: true}",
        "LLMProvider shop/new {type: Ollama}",
    ] {
        namespaces.extend(story.apply(object(line)).namespaces);
    }
    namespaces.extend(story.delete("RoutingRule", "shop", "r").namespaces);
    let plans = story.settle(AffectedNamespaces { namespaces });
    let plan = &plans["shop"];
    assert_eq!(plan.too_large, BTreeSet::new(), "it is known what was written");
    let revision = &plan.revisions[&binding("shop/k,off")];
    let document = &revision.document;
    let summary = |document: &Document| {
        let credential = |one: &CredentialDoc| format!("{}{}", one.name, if one.suspended { " off" } else { "" });
        let provider = |one: &ProviderDoc| {
            format!("{} [{}]", one.name, one.credentials.iter().map(credential).collect::<Vec<_>>().join(", "))
        };
        let key = |one: &KeyDoc| {
            let providers: Vec<&str> = one.providers.iter().map(|one| one.name.as_str()).collect();
            format!("{}{} {providers:?}", one.name, if one.suspended { " off" } else { "" })
        };
        let providers = document.providers.iter().map(provider);
        providers.chain(document.keys.iter().map(key)).collect::<Vec<String>>()
    };
    assert_eq!(summary(document), ["p [one, two off]", "q []", "k [\"p\"]", "off off []"]);
    assert!(document.rules.is_empty() && document.catalogues.is_empty());
    Policy::build(document.clone()).unwrap();
    // Gateways must forget the suspended value, and still have the other one.
    let values: Vec<(&str, &str)> =
        revision.credentials.iter().map(|one| (one.secret.key(), one.value.as_str())).collect();
    assert_eq!(values, [("one", "one"), ("two", "")]);
    assert_eq!(revision.copied.iter().map(|at| at.key()).collect::<Vec<_>>(), ["one"]);

    // An operator that restarts must read the written policy first.
    story.restart();
    let namespaces = BTreeSet::from(["shop".to_owned()]);
    let plan = story.settle(AffectedNamespaces { namespaces: namespaces.clone() }).remove("shop").unwrap();
    assert!(
        plan.too_large.contains(&binding("shop/k,off")) && story.last_good.needs_written_policy(&binding("shop/k,off"))
    );
    story.last_good.read_back(&binding("shop/k,off"), Document { sequence: 1_700_000_000, ..before });
    let plan = story.settle(AffectedNamespaces { namespaces }).remove("shop").unwrap();
    assert_eq!(summary(&plan.revisions[&binding("shop/k,off")].document), summary(document));
}

#[test]
fn debug_output_has_no_secret() {
    let mut story = Story::new(false);
    let mut namespaces = BTreeSet::new();
    for line in [
        "Secret shop/s {apiKey: c2stbmV2ZXItc2hvd24=}",
        "LLMProvider shop/p {type: OpenAI, credentials: [{name: main, secretRef: {name: s}}]}",
        "VirtualKey shop/k {}",
    ] {
        namespaces.extend(story.apply(object(line)).namespaces);
    }
    let plans = story.settle(AffectedNamespaces { namespaces });
    let revision = &plans["shop"].revisions[&binding("shop/k")];
    assert_eq!(revision.credentials[0].value, "sk-never-shown");
    let shown = format!("{:?} {:?} {plans:?}", story.index, story.last_good);
    for secret in ["sk-never-shown", "c2stbmV2ZXItc2hvd24"] {
        assert!(!shown.contains(secret));
    }
    let mut sources = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&revision.sources[..]), &mut sources).unwrap();
    assert!(sources.contains("\"resourceVersion\"") && !sources.contains("c2stbmV2ZXItc2hvd24"), "{sources}");
}

#[test]
fn a_secret_with_the_operators_label_is_no_credential_source() {
    let mut story = Story::new(false);
    let _ =
        story.apply(object("LLMProvider platform/p {type: OpenAI, credentials: [{name: a, secretRef: {name: s}}]}"));
    let mut secret = object("Secret platform/s {apiKey: c2stb25l}");
    assert!(!story.apply(secret.clone()).namespaces.is_empty());
    secret["metadata"]["labels"] = json!({"app.kubernetes.io/managed-by": "outrigger"});
    let changed = story.apply(secret);
    assert_eq!(changed.namespaces, BTreeSet::from(["platform".to_owned()]));
    assert!(story.index.value(&wanted("s")).is_none());
}

/// No present object references it; only the version that serves instead of a broken one does.
#[test]
fn a_new_dependency_that_changed_meanwhile_is_planned_again() {
    let mut index = ObjectIndex::new("outrigger-system", false);
    let dependencies = BTreeSet::from([wanted("s").into()]);
    let plan = NamespacePlan {
        namespace: "shop".to_owned(),
        dependencies,
        index_changes: index.changes(),
        ..NamespacePlan::default()
    };
    assert_eq!(index.apply(&object("Secret platform/s {apiKey: c2stb25l}")).namespaces, BTreeSet::new());
    let shop = BTreeSet::from(["shop".to_owned()]);
    assert_eq!(index.planned(&plan).namespaces, shop);
    assert_eq!(index.planned(&NamespacePlan { index_changes: index.changes(), ..plan }).namespaces, BTreeSet::new());
    let mut rotated = object("Secret platform/s {apiKey: c2stdHdv}");
    rotated["metadata"]["resourceVersion"] = json!("2");
    assert_eq!(index.apply(&rotated).namespaces, shop, "and planned again from then on");
}

/// On a replica that is not the leader, so nothing is planned.
#[test]
fn deleted_namespaces_are_forgotten() {
    let mut index = ObjectIndex::new("outrigger-system", false);
    let empty = ObjectIndex::new("outrigger-system", false);
    for place in 0..3 {
        let namespace = format!("ci-{place}");
        let _ = index.apply(&object(&format!("Namespace /{namespace} {{}}")));
        let _ = index.apply(&object(&format!("VirtualKey {namespace}/k {{}}")));
        let _ = index.bind(BTreeSet::from([binding(&format!("{namespace}/k"))]));
        let _ = index.bind(BTreeSet::new());
        // In both orders.
        let gone = [("VirtualKey", namespace.as_str(), "k"), ("Namespace", "", namespace.as_str())];
        for at in [place % 2, 1 - place % 2] {
            let (kind, of, name) = gone[at];
            let _ = index.delete(kind, of, name);
        }
    }
    let counted = |index: &ObjectIndex| format!("changes: {}", index.changes());
    assert_eq!(format!("{index:?}").replace(&counted(&index), &counted(&empty)), format!("{empty:?}"));
}

fn wanted(name: &str) -> ValueRef {
    ValueRef { holder: ValueKind::Secret, namespace: "platform".to_owned(), name: name.to_owned() }
}
