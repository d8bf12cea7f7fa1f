//! Validates objects: valid ones pass, and each invalid one gives exactly the expected findings.

mod cases;

use std::collections::BTreeSet;

use cases::{BUDGET, CATALOG, KEY, PROVIDER, RULE, VALID, invalid, object};
use outrigger_crds::{
    Budget, LlmProvider, ModelCatalog, RoutingRule, SchemaFinding, VirtualKey, definitions, validate, with_defaults,
};
use serde_json::{Value, json};

fn found(findings: &[SchemaFinding]) -> Vec<(&str, &str)> {
    findings.iter().map(|finding| (finding.path.as_str(), finding.message.as_str())).collect()
}

#[test]
fn accepts_valid_objects() {
    for (kind, spec) in VALID {
        assert_eq!(found(&validate(&object(kind, spec))), [], "{kind} {spec}");
    }
}

#[test]
fn reports_each_mistake_of_invalid_objects() {
    for (kind, spec, expected) in invalid() {
        assert_eq!(found(&validate(&object(kind, spec))), *expected, "{kind} {spec}");
    }
}

/// `spec.credentials[3].name` as `spec.credentials[].name`: the path in the schema of a path in an object.
fn in_schema(path: &str) -> String {
    path.chars().filter(|character| !character.is_ascii_digit()).collect()
}

/// The schema path of every value below a value.
fn schema_paths(value: &Value, path: String, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| {
            let dot = if path.is_empty() { "" } else { "." };
            schema_paths(value, format!("{path}{dot}{name}"), into);
        }),
        Value::Array(items) => items.iter().for_each(|item| schema_paths(item, format!("{path}[]"), into)),
        _ => {}
    }
    into.insert(path);
}

/// Each rule needs a case that breaks it and a case that passes it; otherwise the rule could be wrong unnoticed.
#[test]
fn every_rule_is_broken_by_one_case_and_passed_by_another() {
    let broken: BTreeSet<(&str, String, &str)> = invalid()
        .flat_map(|(kind, _, findings)| findings.iter().map(|(path, message)| (*kind, in_schema(path), *message)))
        // `checks_names_of_objects` breaks the rule at the root, of each kind.
        .chain([PROVIDER, KEY, RULE, BUDGET, CATALOG].map(|kind| (kind, String::new(), NAME)))
        .collect();
    let mut rules = 0;
    for definition in definitions() {
        let kind = definition.spec.names.kind.as_str();
        let mut passing = BTreeSet::new();
        for (_, spec) in VALID.iter().filter(|(valid, _)| *valid == kind) {
            schema_paths(&with_defaults(&object(kind, spec)), String::new(), &mut passing);
        }
        let root = serde_json::to_value(&definition.spec.versions[0].schema).unwrap()["openAPIV3Schema"].take();
        let mut pending = vec![(String::new(), root)];
        while let Some((path, node)) = pending.pop() {
            for rule in node["x-kubernetes-validations"].as_array().into_iter().flatten() {
                rules += 1;
                // Rules on changes have a test of their own.
                if rule["rule"].as_str().is_some_and(|rule| rule.contains("oldSelf")) {
                    continue;
                }
                let message = rule["message"].as_str().unwrap_or_else(|| panic!("{kind}: {rule} has no message"));
                assert!(
                    broken.contains(&(kind, path.clone(), message)),
                    "{kind} {path}: nothing breaks {}",
                    rule["rule"]
                );
                assert!(passing.contains(&path), "{kind} {path}: nothing keeps {}", rule["rule"]);
            }
            for (name, schema) in node["properties"].as_object().into_iter().flatten() {
                let dot = if path.is_empty() { "" } else { "." };
                pending.push((format!("{path}{dot}{name}"), schema.clone()));
            }
            if node["items"].is_object() {
                pending.push((format!("{path}[]"), node["items"].clone()));
            }
            assert!(node["additionalProperties"]["x-kubernetes-validations"].is_null(), "{path}: walk into maps, too");
        }
    }
    assert_eq!(
        rules, 160,
        "rules were added or removed: see that cases stand on both sides of each, then change this number"
    );
}

const NAME: &str = "the name must be a DNS label of at most 50 characters: lower-case letters, digits and `-`, no dots";
const OBJECT_NAME: &str = "must be a Kubernetes object's name: lower-case letters, digits, `-` and `.`, beginning and ending with a letter or digit";

#[test]
fn checks_names_of_objects() {
    let kinds = [
        (PROVIDER, "{type: Ollama}"),
        (KEY, "{}"),
        (RULE, "{targets: [{provider: a}]}"),
        (BUDGET, "{tokens: 1, window: Day}"),
        (CATALOG, "{models: [{name: a}]}"),
    ];
    for (kind, spec) in kinds {
        let named = |name: &str| {
            let mut object = object(kind, spec);
            object["metadata"]["name"] = json!(name);
            validate(&object).into_iter().map(|finding| finding.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(named(&"a".repeat(50)), [""; 0]);
        assert_eq!(named("a-1"), [""; 0]);
        assert_eq!(named(&"a".repeat(51)), [NAME]);
        assert_eq!(named("a.b"), [NAME]);
        for name in ["A", "-a", "a-", "a_b", "", "ä"] {
            assert_eq!(named(name), [format!("metadata.name: {OBJECT_NAME}")], "{name}");
        }
    }
}

#[test]
fn checks_metadata() {
    for (metadata, expected) in [
        (
            json!({"name": "a", "namespace": "b", "labels": {"a": "b"}, "annotations": {}, "uid": "x", "generation": 3}),
            vec![],
        ),
        (json!({"name": "a", "labels": null, "creationTimestamp": null}), vec![]),
        (
            json!({"name": "a", "annotations": {"outrigger.dev/inject": true}}),
            vec![("metadata.annotations.outrigger.dev/inject", "must be a string: put it in quotes")],
        ),
        (json!({"name": "a", "labels": []}), vec![("metadata.labels", "must be a mapping of strings")]),
        (
            json!({"name": "a", "anotations": {}}),
            vec![("metadata.anotations", "unknown field `anotations`, did you mean `annotations`?")],
        ),
        (json!({"name": "a", "namespace": "A"}), vec![("metadata.namespace", OBJECT_NAME)]),
    ] {
        let mut object = object(KEY, "{}");
        object["metadata"] = metadata.clone();
        assert_eq!(found(&validate(&object)), expected, "{metadata}");
    }
    // Without a name, the rule for the name can't be evaluated, and must give no finding of its own.
    for metadata in [json!({}), json!({"name": null}), json!({"generateName": "a-"})] {
        let mut object = object(KEY, "{}");
        object["metadata"] = metadata.clone();
        assert_eq!(found(&validate(&object)), [("metadata.name", "is required")], "{metadata}");
    }
    for (metadata, expected) in [
        (json!({"name": 5}), ("metadata.name", "must be a string")),
        (json!("a"), ("metadata", "must be a mapping, not a string")),
    ] {
        let mut object = object(KEY, "{}");
        object["metadata"] = metadata;
        assert_eq!(found(&validate(&object)), [expected]);
    }
    let mut object = object(KEY, "{}");
    object.as_object_mut().unwrap().remove("metadata");
    assert_eq!(found(&validate(&object)), [("metadata", "is required, with a name")]);
}

#[test]
fn checks_kind_and_version() {
    for (object, expected) in [
        (json!([]), ("", "an object must be a mapping with apiVersion, kind, metadata and spec")),
        (json!({}), ("apiVersion", "is required")),
        (json!({"apiVersion": 1}), ("apiVersion", "must be a string")),
        (
            json!({"apiVersion": "outrigger.dev/v1"}),
            ("apiVersion", "must be outrigger.dev/v1alpha1, the only supported version"),
        ),
        (json!({"apiVersion": "outrigger.dev/v1alpha1"}), ("kind", "is required")),
        (
            json!({"apiVersion": "outrigger.dev/v1alpha1", "kind": "LlmProvider"}),
            (
                "kind",
                "unknown kind, did you mean `LLMProvider`? outrigger.dev/v1alpha1 has Budget, LLMProvider, ModelCatalog, RoutingRule, VirtualKey",
            ),
        ),
    ] {
        assert_eq!(found(&validate(&object)), [expected], "{object}");
        assert_eq!(with_defaults(&object), object);
    }
}

#[test]
fn checks_maximum_sizes() {
    let too_many = |count: usize| format!("must have at most {count} entries");
    let too_long = |count: usize| format!("must have at most {count} characters");
    let list = |count: usize, entry: fn(usize) -> Value| Value::Array((0..count).map(entry).collect());
    let credential = |n: usize| json!({"name": format!("c{n}"), "secretRef": {"name": "a"}});
    let named = |n: usize| json!({"name": format!("n{n}")});
    let text = |n: usize| json!(format!("t{n}"));
    let target = |_: usize| json!({"provider": "a"});
    let fault = |n: usize| json!({"name": format!("f{n}"), "type": "Hang"});
    let alias = |n: usize| json!({"sha256": format!("{n:064x}")});
    type Case = (&'static str, &'static str, &'static str, usize, fn(usize) -> Value);
    let limit = |n: usize| json!({"name": format!("l{n}"), "max": 1, "window": "Day"});
    let money = |n: usize| json!({"name": format!("l{n}"), "amount": "1", "window": "Day"});
    let threshold = |_: usize| json!({"percent": 1, "action": "Notify"});
    let tier = |n: usize| json!({"above": n + 1, "inputPerMillion": "1", "outputPerMillion": "1"});
    let test = |n: usize| json!({"name": format!("t{n}"), "request": {}, "expect": {"provider": "a"}});
    const DAY: &str = "{amount: '1', window: Day, appliesTo: {}}";
    const PRICED: &str = "{models: [{name: a, price: {inputPerMillion: '1', outputPerMillion: '1'}}]}";
    const TESTED: &str = "{targets: [{provider: a}], tests: [{name: a, request: {}, expect: {rule: ''}, given: {}}]}";
    let lists: [Case; 24] = [
        (PROVIDER, "{type: Ollama}", "/spec/credentials", 16, credential),
        (PROVIDER, "{type: Ollama}", "/spec/models", 512, named),
        (PROVIDER, "{type: Ollama, models: [{name: a}]}", "/spec/models/0/aliases", 16, text),
        (
            PROVIDER,
            "{type: Ollama, credentials: [{name: a, secretRef: {name: a}}]}",
            "/spec/credentials/0/models",
            64,
            text,
        ),
        (PROVIDER, "{type: Mock, mock: {}}", "/spec/mock/faults", 16, fault),
        (KEY, "{}", "/spec/providers", 32, named),
        (KEY, "{}", "/spec/aliases", 32, alias),
        (KEY, "{providers: [{name: a}]}", "/spec/providers/0/credentials", 16, text),
        (KEY, "{models: {}}", "/spec/models/deny", 64, text),
        (RULE, "{}", "/spec/targets", 16, target),
        (RULE, "{targets: [{provider: a}]}", "/spec/fallbacks", 16, text),
        (RULE, "{targets: [{provider: a}]}", "/spec/tests", 64, test),
        (RULE, TESTED, "/spec/tests/0/given/unhealthy", 32, text),
        (RULE, TESTED, "/spec/tests/0/request/fallbacks", 16, text),
        (RULE, TESTED, "/spec/tests/0/expect/anyOf", 16, text),
        (PROVIDER, "{type: Ollama, limits: {}}", "/spec/limits/budgets", 8, money),
        (KEY, "{limits: {}}", "/spec/limits/requests", 8, limit),
        (KEY, "{providers: [{name: a, limits: {}}]}", "/spec/providers/0/limits/tokens", 8, limit),
        (KEY, "{}", "/spec/budgetRefs", 16, named),
        (BUDGET, DAY, "/spec/thresholds", 8, threshold),
        (BUDGET, DAY, "/spec/appliesTo/providers", 32, text),
        (BUDGET, DAY, "/spec/appliesTo/models", 64, text),
        (CATALOG, "{}", "/spec/models", 500, named),
        (CATALOG, PRICED, "/spec/models/0/price/tiers", 8, tier),
    ];
    let with = |kind: &str, spec: &str, pointer: &str, value: Value| {
        let mut object = object(kind, spec);
        let (parent, field) = pointer.rsplit_once('/').unwrap();
        object.pointer_mut(parent).unwrap()[field] = value;
        validate(&object).into_iter().map(|finding| finding.message).collect::<Vec<_>>()
    };
    for (kind, spec, pointer, cap, entry) in lists {
        assert_eq!(with(kind, spec, pointer, list(cap, entry)), [""; 0], "{pointer}");
        assert_eq!(with(kind, spec, pointer, list(cap + 1, entry)), [too_many(cap)], "{pointer}");
    }
    let headers = |count: usize| Value::Object((0..count).map(|n| (format!("x-{n}"), json!("a"))).collect());
    assert_eq!(with(PROVIDER, "{type: Ollama}", "/spec/headers", headers(32)), [""; 0]);
    assert_eq!(with(PROVIDER, "{type: Ollama}", "/spec/headers", headers(33)), [too_many(32)]);
    for (kind, spec, pointer, cap) in [
        (RULE, "{targets: [{provider: a}]}", "/spec/when", 4096),
        (PROVIDER, "{type: Ollama}", "/spec/account", 50),
        (PROVIDER, "{type: Mock, mock: {}}", "/spec/mock/reply", 32_768),
        (PROVIDER, "{type: Ollama, headers: {}}", "/spec/headers/x-a", 1024),
        (PROVIDER, "{type: Ollama, models: [{name: a}]}", "/spec/models/0/name", 256),
        (KEY, "{models: {allow: [a]}}", "/spec/models/allow/0", 128),
        (KEY, "{}", "/spec/team", 63),
        (RULE, "{action: Reject}", "/spec/message", 1024),
        (RULE, "{targets: [{provider: a}], tests: [{request: {}, expect: {provider: a}}]}", "/spec/tests/0/name", 128),
        (BUDGET, "{amount: '1', window: Day}", "/spec/timeZone", 64),
        (BUDGET, "{amount: '1', window: Day, parentRef: {}}", "/spec/parentRef/name", 50),
        (CATALOG, "{models: [{}]}", "/spec/models/0/name", 256),
    ] {
        let set = |length: usize| {
            let mut object = object(kind, spec);
            let (parent, field) = pointer.rsplit_once('/').unwrap();
            let parent = object.pointer_mut(parent).unwrap();
            let value = json!("a".repeat(length));
            match parent {
                Value::Array(items) => items[field.parse::<usize>().unwrap()] = value,
                parent => parent[field] = value,
            }
            validate(&object).into_iter().map(|finding| finding.message).collect::<Vec<_>>()
        };
        assert_eq!(set(cap), [""; 0], "{pointer}");
        assert_eq!(set(cap + 1), [too_long(cap)], "{pointer}");
    }
}

#[test]
fn fills_in_defaults() {
    for (kind, spec, expected) in [
        (
            PROVIDER,
            "{type: OpenAI, credentials: [{name: main, secretRef: {name: openai}}], endpoint: null, allowedNamespaces: {}, tls: {caRef: {name: ca}}}",
            json!({
                "type": "OpenAI",
                "credentials": [{"name": "main", "from": "Secret", "secretRef": {"name": "openai", "key": "apiKey"}, "weight": 1, "suspended": false}],
                "allowedNamespaces": {"from": "Same"},
                "tls": {"caRef": {"name": "ca", "kind": "ConfigMap", "key": "ca.crt"}},
                "balance": "Weighted", "clearTextCredentials": "Refuse", "exclusive": false, "prewarm": false,
                "suspended": false, "withoutKey": "Refuse",
            }),
        ),
        (
            PROVIDER,
            "{type: Mock, mock: {faults: [{name: a, type: Hang, percent: null}], toolCalls: [{name: a, arguments: {b: null, c: 1.0}}]}}",
            json!({
                "type": "Mock",
                "mock": {
                    "dialect": "OpenAI", "echo": false,
                    "faults": [{"name": "a", "type": "Hang", "percent": 100, "allowFallbacks": true}],
                    "toolCalls": [{"name": "a", "arguments": {"b": null, "c": 1.0}}],
                },
                "balance": "Weighted", "clearTextCredentials": "Refuse", "exclusive": false, "prewarm": false,
                "suspended": false, "withoutKey": "Refuse",
            }),
        ),
        (
            KEY,
            "{providers: [{name: a, weight: 3.0}, {name: b}]}",
            json!({
                "providers": [{"name": "a", "weight": 3}, {"name": "b", "weight": 1}],
                "balance": "Weighted", "extraFields": true, "suspended": false,
                "onLimit": "NextProvider", "unpriced": "Refuse", "unmetered": "Refuse", "onHangUp": "Cancel", "withoutKey": "Allow",
            }),
        ),
        (
            RULE,
            "{targets: [{provider: a}]}",
            json!({
                "priority": 0, "action": "Route", "targets": [{"provider": "a", "weight": 1}], "onError": "Skip",
                "chain": false, "mode": "Enforce",
            }),
        ),
        (
            RULE,
            "{targets: [{provider: a}], tests: [{name: a, request: {}, expect: {provider: a}}]}",
            json!({
                "priority": 0, "action": "Route", "targets": [{"provider": "a", "weight": 1}], "onError": "Skip",
                "chain": false, "mode": "Enforce",
                "tests": [{"name": "a", "request": {"requestType": "chat_completion"}, "expect": {"provider": "a"}}],
            }),
        ),
        (
            KEY,
            "{limits: {concurrentRequests: 1}}",
            json!({
                "balance": "Weighted", "extraFields": true, "suspended": false,
                "onLimit": "NextProvider", "unpriced": "Refuse", "unmetered": "Refuse", "onHangUp": "Cancel", "withoutKey": "Allow",
                "limits": {"concurrentRequests": 1, "capOutput": true},
            }),
        ),
    ] {
        let full = with_defaults(&object(kind, spec));
        assert_eq!(full["spec"], expected, "{spec}");
        let conditions = full["status"]["conditions"].as_array().unwrap();
        assert_eq!(conditions.len(), 1);
        assert_eq!(
            (&conditions[0]["type"], &conditions[0]["status"], &conditions[0]["reason"]),
            (&json!("Ready"), &json!("Unknown"), &json!("Pending"))
        );
        assert_eq!(with_defaults(&full), full, "nothing is left to fill in");
    }
}

/// Every valid object can be read into its type and written back, and is then unchanged.
#[test]
fn types_hold_every_field_of_the_schema() {
    fn round<T: serde::de::DeserializeOwned + serde::Serialize>(object: &Value) -> Value {
        serde_json::to_value(serde_json::from_value::<T>(object.clone()).unwrap()).unwrap()
    }
    for (kind, spec) in VALID {
        let full = with_defaults(&object(kind, spec));
        let back = match *kind {
            PROVIDER => round::<LlmProvider>(&full),
            KEY => round::<VirtualKey>(&full),
            BUDGET => round::<Budget>(&full),
            CATALOG => round::<ModelCatalog>(&full),
            _ => round::<RoutingRule>(&full),
        };
        assert_eq!(validate(&back), [], "{spec}");
        // A time is written back in UTC, and a duration in its shortest form; everything else is unchanged.
        let same = |value: &Value| value.to_string().replace("2027-06-01T00:00:00+02:00", "2027-05-31T22:00:00Z");
        assert_eq!(serde_json::from_str::<Value>(&same(&full)).unwrap(), back, "{spec}");
    }
}

/// The defaults of the types are those of the schema.
#[test]
fn types_and_schema_have_the_same_defaults() {
    for (kind, spec) in VALID {
        let bare = object(kind, spec);
        let full = with_defaults(&bare);
        match *kind {
            PROVIDER => {
                let read =
                    |object: &Value| serde_json::from_value::<LlmProvider>(object.clone()).map(|object| object.spec);
                // The API server drops nulls and converts `1.0`: types needn't read them.
                if let Ok(bare) = read(&bare) {
                    assert_eq!(bare, read(&full).unwrap(), "{spec}");
                }
            }
            KEY => assert_eq!(
                serde_json::from_value::<VirtualKey>(bare).unwrap().spec,
                serde_json::from_value::<VirtualKey>(full).unwrap().spec
            ),
            BUDGET => assert_eq!(
                serde_json::from_value::<Budget>(bare).unwrap().spec,
                serde_json::from_value::<Budget>(full).unwrap().spec
            ),
            CATALOG => assert_eq!(
                serde_json::from_value::<ModelCatalog>(bare).unwrap().spec,
                serde_json::from_value::<ModelCatalog>(full).unwrap().spec
            ),
            _ => assert_eq!(
                serde_json::from_value::<RoutingRule>(bare).unwrap().spec,
                serde_json::from_value::<RoutingRule>(full).unwrap().spec
            ),
        }
    }
}

/// People paste keys into the wrong field, and findings end up in logs.
#[test]
fn findings_repeat_no_value() {
    const SECRET: &str = "sk-proj-0123456789";
    for spec in [
        format!("{{type: {SECRET}}}"),
        format!("{{type: Ollama, endpoint: {SECRET}}}"),
        format!("{{type: Ollama, credentials: [{{name: a, secretRef: {SECRET}}}]}}"),
        format!("{{type: Ollama, credentials: {SECRET}}}"),
        format!("{{type: Ollama, credentials: [{{name: a, secretRef: {{name: a, key: '{SECRET} '}}}}]}}"),
        format!("{{type: Ollama, headers: {{Authorization: {SECRET}}}}}"),
        format!("{{type: Ollama, timeouts: {{total: {SECRET}}}}}"),
        format!("{{type: Ollama, apiKey: {SECRET}}}"),
        format!("{{type: Ollama, models: [{{name: {SECRET}}}, {{name: {SECRET}}}]}}"),
    ] {
        let findings = validate(&object(PROVIDER, &spec));
        assert!(!findings.is_empty(), "{spec}");
        assert!(findings.iter().all(|finding| !finding.to_string().contains(SECRET)), "{findings:?}");
    }
}

/// An error that no pattern finds is still reported: four parts that are each valid, and too long together.
#[test]
fn objects_that_the_types_cannot_read_are_findings() {
    let findings = validate(&object(PROVIDER, "{type: Ollama, timeouts: {total: 99999h1ms}}"));
    assert_eq!(found(&findings), [("", "can't be read: `99999h1ms` is longer than 99999h")]);
}

/// An API server evaluates these rules with the previous version of an object; this test does it by hand.
#[test]
fn reports_forbidden_changes() {
    let allowed = |before: &str, after: &str| {
        let mut rules = 0;
        let mut allowed = true;
        for definition in definitions() {
            let root = serde_json::to_value(&definition.spec.versions[0].schema).unwrap()["openAPIV3Schema"].take();
            for rule in root["properties"]["spec"]["x-kubernetes-validations"].as_array().into_iter().flatten() {
                let text = rule["rule"].as_str().unwrap();
                if !text.contains("oldSelf") {
                    continue;
                }
                rules += 1;
                let program = cel::Program::compile(text).unwrap();
                let mut context = cel::Context::default();
                for (name, spec) in [("self", after), ("oldSelf", before)] {
                    context.add_variable(name, &object(BUDGET, spec)["spec"]).unwrap();
                }
                allowed &= program.execute(&context).unwrap() == cel::Value::Bool(true);
            }
        }
        assert_eq!(rules, 1, "a Budget's unit, and nothing else");
        allowed
    };
    let (money, tokens) = ("{amount: '1', window: Day}", "{tokens: 1, window: Day}");
    for (before, after, expected) in [
        (money, "{amount: '2', rolling: 1h}", true),
        (tokens, "{tokens: 2, window: Month}", true),
        (money, tokens, false),
        (tokens, money, false),
    ] {
        assert_eq!(allowed(before, after), expected, "{before} to {after}");
    }
}
