//! A namespace with more work than one plan has time for: it is planned, and warnings name what was left out.

use outrigger_operator::objects::id::{ObjectId, ObjectKind};

use crate::story::{Story, object};

fn rule(name: &str, tests: usize, expect: &str) -> String {
    let test = |place: usize| format!("{{name: t{place}, request: {{key: search, model: m}}, expect: {expect}}}");
    let tests: Vec<String> = (0..tests).map(test).collect();
    format!("RoutingRule shop/{name} {{targets: [{{provider: near, model: m}}], tests: [{}]}}", tests.join(", "))
}

fn story(rules: &[String]) -> (Story, outrigger_operator::plan::revision::NamespacePlan) {
    let mut story = Story::new(false);
    let mut changed = story.apply(object("LLMProvider shop/near {type: Mock, mock: {}}"));
    changed.namespaces.extend(story.apply(object("VirtualKey shop/search {providers: [{name: near}]}")).namespaces);
    for rule in rules {
        changed.namespaces.extend(story.apply(object(rule)).namespaces);
    }
    let plan = story.settle(changed).remove("shop").unwrap();
    (story, plan)
}

#[test]
fn tests_without_time_are_warnings_and_the_rules_serve() {
    // 2,000 draws each. There is time for about a dozen.
    let rules =
        [rule("a", 4, "{shares: {near: 100%}}"), rule("b", 64, "{shares: {near: 100%}}"), rule("c", 1, "{rule: a}")];
    let (story, plan) = story(&rules);
    let verdict = |name: &str| {
        let id = ObjectId { kind: ObjectKind::RoutingRule, namespace: "shop".to_owned(), name: name.to_owned() };
        assert!(story.index.get(&id).is_some());
        plan.verdicts.get(&id).unwrap()
    };
    assert!(verdict("a").is_sound() && verdict("a").warnings.is_empty(), "{:?}", verdict("a"));
    for name in ["b", "c"] {
        let verdict = verdict(name);
        assert!(verdict.is_sound(), "{verdict:?}");
        assert_eq!(
            verdict.warnings.iter().filter(|warning| warning.contains("were not run")).count(),
            1,
            "{verdict:?}"
        );
    }
    let served: Vec<usize> = plan.revisions.values().map(|revision| revision.document.rules.len()).collect();
    assert!(served.iter().all(|rules| *rules == 3), "{served:?}");
}

#[test]
fn a_condition_that_costs_too_much_is_left_out_alone() {
    let ten = "[1,2,3,4,5,6,7,8,9,10]";
    let deep = (0..6).fold("true".to_owned(), |inside, depth| format!("{ten}.all(v{depth}, {inside})"));
    let dear = format!("RoutingRule shop/dear {{when: '{deep}', targets: [{{provider: near}}]}}");
    let (_, plan) = story(&[dear, rule("a", 1, "{model: m}")]);
    let id =
        |name: &str| ObjectId { kind: ObjectKind::RoutingRule, namespace: "shop".to_owned(), name: name.to_owned() };
    let refused = &plan.verdicts[&id("dear")].refused;
    assert!(refused[0].message.contains("may take") && refused[0].message.contains(".all("), "{refused:?}");
    assert!(plan.verdicts[&id("a")].is_sound());
    assert!(plan.revisions.values().all(|revision| revision.document.rules.len() == 1));
}
