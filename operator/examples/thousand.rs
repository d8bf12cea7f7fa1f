//! How long plans take: of a namespace with a thousand objects, and of a thousand namespaces with one each.
//!
//! `cargo run --release -p outrigger-operator --example thousand`

#![allow(clippy::print_stdout, reason = "it is what it is for")]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use outrigger_operator::objects::binding::Binding;
use outrigger_operator::plan::last_good::LastGood;
use outrigger_operator::plan::plan;
use outrigger_operator::state::index::ObjectIndex;
use serde_json::{Value, json};

fn object(kind: &str, namespace: &str, name: &str, spec: Value) -> Value {
    json!({
        "apiVersion": "outrigger.dev/v1alpha1", "kind": kind, "spec": spec,
        "metadata": {"namespace": namespace, "name": name, "uid": format!("{kind}-{name}"), "generation": 1},
    })
}

fn secret(namespace: &str, name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "data": {"apiKey": "c2stb25l"},
        "metadata": {"namespace": namespace, "name": name, "uid": "s", "resourceVersion": "1"},
    })
}

fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let done = work();
    println!("{what:60} {:>8.1} ms", begun.elapsed().as_secs_f64() * 1e3);
    done
}

fn provider(namespace: &str, name: &str) -> Value {
    let spec = json!({
        "type": "OpenAI",
        "credentials": [{"name": "main", "secretRef": {"name": "openai"}}],
        "allowedNamespaces": {"from": "All"},
        "limits": {"requests": [{"name": "rpm", "max": 5000, "rolling": "1m"}]},
    });
    object("LLMProvider", namespace, name, spec)
}

/// 20 providers, 760 keys, 200 rules with a test each, 19 budgets, a catalogue.
fn one_namespace(index: &mut ObjectIndex) {
    let _ = index.apply(&secret("shop", "openai"));
    for place in 0..20 {
        let _ = index.apply(&provider("shop", &format!("p{place}")));
    }
    for place in 0..760 {
        let (first, second) = (place % 20, (place + 7) % 20);
        let spec = json!({
            "providers": [{"name": format!("p{first}"), "weight": 80}, {"name": format!("p{second}")}],
            "limits": {"budgets": [{"name": "month", "amount": "100.00", "window": "Month"}]},
            "budgetRefs": [{"name": format!("b{}", place % 19)}],
            "team": format!("t{}", place % 50),
        });
        let _ = index.apply(&object("VirtualKey", "shop", &format!("k{place}"), spec));
    }
    for place in 0..200 {
        let spec = json!({
            "priority": place,
            "scope": {"virtualKeys": [format!("k{place}")]},
            "when": "model == \"gpt-4o\" && headers[\"x-tier\"] == \"premium\"",
            "targets": [{"provider": format!("p{}", place % 20), "model": "gpt-4o-mini"}],
            "tests": [{
                "name": "premium",
                "request": {"model": "gpt-4o", "headers": {"x-tier": "premium"}},
                "expect": {"model": "gpt-4o-mini"},
            }],
        });
        let _ = index.apply(&object("RoutingRule", "shop", &format!("r{place}"), spec));
    }
    for place in 0..19 {
        let parent = (place > 0).then(|| json!({"name": "b0"}));
        let mut spec = json!({"amount": "1000", "window": "Month"});
        if let Some(parent) = parent {
            spec["parentRef"] = parent;
        }
        let _ = index.apply(&object("Budget", "shop", &format!("b{place}"), spec));
    }
    let models: Vec<Value> = (0..50)
        .map(|place| json!({"name": format!("m{place}"), "price": {"inputPerMillion": "1", "outputPerMillion": "2"}}))
        .collect();
    let _ = index.apply(&object("ModelCatalog", "shop", "c", json!({"models": models})));
}

/// A provider that a thousand namespaces share, a key in each, and a rule and a budget of the operator's for all.
fn many_namespaces(index: &mut ObjectIndex, rules: bool) {
    let _ = index.apply(&secret("platform", "openai"));
    let _ = index.apply(&provider("platform", "openai"));
    for place in 0..1000 {
        let spec =
            json!({"providers": [{"name": "openai", "providerRef": {"name": "openai", "namespace": "platform"}}]});
        let _ = index.apply(&object("VirtualKey", &format!("n{place}"), "k", spec));
    }
    if rules {
        let spec = json!({"when": "model == \"x\"", "targets": [{"provider": "openai", "model": "gpt-4o"}]});
        let _ = index.apply(&object("RoutingRule", "outrigger-system", "all", spec));
        let spec = json!({"amount": "1000", "window": "Month", "appliesTo": {"namespaces": {}}});
        let _ = index.apply(&object("Budget", "outrigger-system", "all", spec));
    }
    let _ = index.bind((0..1000).map(|place| Binding::of(&format!("n{place}"), "k")).collect());
}

fn all(index: &mut ObjectIndex, last_good: &mut LastGood, namespaces: BTreeSet<String>) -> usize {
    let mut left = namespaces;
    let mut planned = 0;
    while let Some(namespace) = left.pop_first() {
        let plan = plan(index, last_good, &namespace, Timestamp::UNIX_EPOCH);
        left.extend(index.planned(&plan).namespaces);
        planned += 1;
    }
    planned
}

fn main() {
    let mut index = ObjectIndex::new("outrigger-system", false);
    let mut last_good = LastGood::new();
    timed("a namespace of 1,000 objects: into the index", || one_namespace(&mut index));
    let first = timed("  its first plan", || plan(&index, &mut last_good, "shop", Timestamp::UNIX_EPOCH));
    println!("  {} policies, all good: {}", first.revisions.len(), first.verdicts.values().all(|one| one.is_sound()));
    timed("  its second plan", || plan(&index, &mut last_good, "shop", Timestamp::UNIX_EPOCH));
    let broken = object("LLMProvider", "shop", "p0", json!({"type": "OpenAI", "endpoint": "https://a:99999"}));
    let _ = index.apply(&broken);
    timed("  with a broken provider", || plan(&index, &mut last_good, "shop", Timestamp::UNIX_EPOCH));
    for rules in [false, true] {
        let mut index = ObjectIndex::new("outrigger-system", false);
        let mut last_good = LastGood::new();
        let what = if rules { "and a rule and a budget for all" } else { "with a key each" };
        timed(&format!("1,000 namespaces {what}: into the index"), || many_namespaces(&mut index, rules));
        let namespaces = index.namespaces();
        let planned = timed("  all plans", || all(&mut index, &mut last_good, namespaces));
        println!("  {planned} plans");
        let spec = json!({"team": "x", "providers": [{"name": "openai", "providerRef": {"name": "openai", "namespace": "platform"}}]});
        let begun = Instant::now();
        let changed = index.apply(&object("VirtualKey", "n7", "k", spec));
        let planned = all(&mut index, &mut last_good, changed.namespaces);
        println!(
            "  one key changed: {planned} plans, {:.1} ms",
            begun.elapsed().max(Duration::ZERO).as_secs_f64() * 1e3
        );
    }
}
