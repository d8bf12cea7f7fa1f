//! Limits, budgets and tests of rules: what must hold when they are compiled.

#![allow(clippy::unwrap_used, reason = "a test may panic, outside its own function as well")]

use outrigger_compile::{Compiled, Inputs, OPERATOR_NAMESPACE, Severity, compile, read};
use outrigger_core::ObjectRef;
use outrigger_policy::headers::session_header_problem;
use outrigger_policy::{AppliesDoc, Trial};

const PROVIDER: &str = "LLMProvider default/a {type: Ollama, withoutKey: Allow, defaultPrice: {perImage: '0'}}";

/// Objects as `Kind namespace/name {spec}`, one a line; a space and labels may follow the name.
fn compiled(objects: &[&str]) -> Compiled {
    compiled_under(OPERATOR_NAMESPACE, objects)
}

fn compiled_under(operator_namespace: &str, objects: &[&str]) -> Compiled {
    let text: String = objects
        .iter()
        .map(|object| {
            let (head, spec) = object.split_once(" {").unwrap();
            let mut words = head.split(' ');
            let (kind, id) = (words.next().unwrap(), words.next().unwrap());
            let labels: String = words.map(|label| label.replace('=', ": ")).collect();
            let (namespace, name) = id.split_once('/').unwrap();
            let version = if kind == "Namespace" { "v1" } else { "outrigger.dev/v1alpha1" };
            let namespace_field = if kind == "Namespace" { String::new() } else { format!("namespace: {namespace}, ") };
            let metadata = format!("metadata: {{{namespace_field}name: {name}, labels: {{{labels}}}}}");
            format!("apiVersion: {version}\nkind: {kind}\n{metadata}\nspec: {{{spec}\n---\n")
        })
        .collect();
    let source = read("x.yaml", &text);
    assert_eq!(source.findings, []);
    compile(&Inputs {
        objects: &source.objects,
        unread: false,
        environment: &|_| None,
        keys: &[],
        without_value: Severity::Error,
        sequence: 1,
        operator_namespace,
    })
}

fn keys(compiled: &Compiled) -> Vec<&str> {
    compiled.document.keys.iter().map(|key| key.name.as_str()).collect()
}

/// A limit on a session's money needs prices, as a Budget does.
#[test]
fn reports_models_without_a_price_if_only_sessions_have_money() {
    let key = |limit: &str| format!("VirtualKey default/k {{limits: {{session: {{{limit}}}}}}}");
    let provider = "LLMProvider default/a {type: vLLM, endpoint: 'http://a'}";
    let told = |limit: &str| {
        let findings = compiled(&[provider, &key(limit)]).findings;
        findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    let money = told("budgets: [{name: run, amount: '1'}]");
    assert!(money.contains("its models have no price") && money.contains("session.budgets[run]"), "{money}");
    assert_eq!(told("requests: [{name: run, max: 1}], repeats: 3"), "");
}

/// Else its author repairs one key after the other.
#[test]
fn names_every_key_that_counts_a_model_without_a_price() {
    let provider = "LLMProvider default/a {type: vLLM, endpoint: 'http://a', models: [{name: m}]}";
    let key = |name: &str| {
        format!("VirtualKey default/{name} {{limits: {{session: {{budgets: [{{name: run, amount: '1'}}]}}}}}}")
    };
    let keys = ["k1", "k2", "k3", "k4", "k5"].map(key);
    let told = |count: usize| {
        let objects: Vec<&str> = [provider].into_iter().chain(keys[..count].iter().map(String::as_str)).collect();
        let findings = compiled(&objects).findings;
        let told: Vec<String> = findings.iter().map(ToString::to_string).filter(|told| told.contains("`m`")).collect();
        assert_eq!(told.len(), 1, "{told:?}");
        told[0].clone()
    };
    let two = told(2);
    assert!(two.ends_with("unpriced: Allow in VirtualKey default/k1, default/k2"), "{two}");
    assert!(two.contains("default/k1: spec.limits.session.budgets[run], VirtualKey default/k2: spec"), "{two}");
    assert!(told(5).ends_with("VirtualKey default/k1, default/k2, default/k3 and 2 more"), "{}", told(5));
}

/// The schema refuses the most common headers, and the table of headers has all of them.
#[test]
fn refuses_headers_with_another_meaning_for_sessions() {
    let key = |header: &str| format!("VirtualKey default/k {{limits: {{session: {{repeats: 3, header: {header}}}}}}}");
    for header in ["x-outrigger-session", "x-bf-session-id", "x-thread-id", "langgraph-thread"] {
        let compiled = compiled(&[PROVIDER, &key(header)]);
        assert_eq!((keys(&compiled), compiled.findings.as_slice()), (vec!["k"], &[][..]), "{header}");
    }
    for (header, why) in [
        ("cf-access-client-id", "may carry a credential, as its name says"),
        ("x-forwarded-for", "has a meaning of its own"),
        ("x-goog-api-client", "has a meaning of its own"),
        ("openai-project", "has a meaning of its own"),
        ("baggage", "has a meaning of its own"),
        ("if-match", "has a meaning of its own"),
        ("x-cloud-trace-context", "names each request, not a run"),
    ] {
        let compiled = compiled(&[PROVIDER, &key(header)]);
        assert_eq!(keys(&compiled), Vec::<&str>::new(), "{header}: without its limits it is not served");
        let told: Vec<String> = compiled.findings.iter().map(ToString::to_string).collect();
        assert!(told.iter().any(|told| told.contains("spec.limits.session.header") && told.contains(why)), "{told:?}");
    }
}

/// The schema refuses a header in the words in which it is refused here: whatever the schema knows is known here too.
#[test]
fn the_schema_and_the_table_agree_about_headers_of_sessions() {
    for header in [
        "authorization",
        "x-api-key",
        "anthropic-api-key",
        "x-conversation-key",
        "x-auth-token",
        "sec-websocket-key",
        "cookie",
        "anthropic-beta",
        "anthropic-version",
        "openai-beta",
        "x-stainless-lang",
        "http-referer",
        "x-title",
        "user-agent",
        "accept",
        "accept-encoding",
        "content-type",
        "host",
        "expect",
        "x-request-id",
        "x-client-request-id",
        "x-b3-traceid",
        "b3",
        "cf-ray",
        "traceparent",
        "idempotency-key",
    ] {
        let problem = session_header_problem(header).unwrap_or_else(|| panic!("{header} passes"));
        let words = format!("this header {}: choose another one, such as x-session-id", problem.words());
        let key = format!("VirtualKey default/k {{limits: {{session: {{repeats: 3, header: {header}}}}}}}");
        let told: Vec<String> = compiled(&[PROVIDER, &key]).findings.iter().map(ToString::to_string).collect();
        assert!(told.len() == 1 && told[0].contains(&words), "{header}: {told:?}");
    }
}

/// A key must not be served without the limits that its author wrote.
#[test]
fn leaves_out_objects_whose_limits_cannot_be_counted() {
    let sound = "Budget default/team {amount: '1', window: Month}";
    let zone = "Budget default/team {amount: '1', window: Month, timeZone: Nowhere}";
    let unsound = "Budget default/team {amount: '1', tokens: 1, window: Month}";
    let named = "VirtualKey default/k {budgetRefs: [{name: team}]}";
    assert_eq!(keys(&compiled(&[PROVIDER, named, sound])), ["k"]);
    for objects in [
        vec![PROVIDER, named],
        vec![PROVIDER, named, zone],
        vec![PROVIDER, named, unsound],
        vec![
            PROVIDER,
            "VirtualKey default/k {limits: {budgets: [{name: a, amount: '1', window: Day, timeZone: Nowhere}]}}",
        ],
    ] {
        let compiled = compiled(&objects);
        assert_eq!(keys(&compiled), [""; 0], "{objects:?}");
        assert!(!compiled.is_sound(), "{objects:?}");
        assert_eq!(compiled.document.default_key, None, "no other takes its place");
    }
    let limits = "limits: {tokens: [{name: a, max: 1, window: Day, timeZone: Nowhere}]}";
    let entry = format!("VirtualKey default/k {{providers: [{{name: a, {limits}}}]}}");
    assert_eq!(
        compiled(&[PROVIDER, &entry]).document.keys[0].providers,
        [],
        "its provider is not to be had without limit"
    );
    let provider = format!("LLMProvider default/a {{type: Ollama, {limits}}}");
    assert_eq!(compiled(&[&provider, "VirtualKey default/k {}"]).document.providers, []);
}

/// A missing parent, and a cycle of parents: the valid limits still apply.
#[test]
fn a_budget_stays_without_its_parent() {
    let named = "VirtualKey default/k {budgetRefs: [{name: team}]}";
    for parent in ["none", "team", "other"] {
        let team = format!("Budget default/team {{amount: '1', window: Month, parentRef: {{name: {parent}}}}}");
        let other = "Budget default/other {amount: '1', window: Month, parentRef: {name: team}}";
        let compiled = compiled(&[PROVIDER, named, &team, other]);
        assert!(!compiled.is_sound());
        assert_eq!(keys(&compiled), ["k"]);
        assert_eq!(compiled.document.budgets.len(), 2);
    }
}

#[test]
fn budgets_apply_to_the_selected_keys() {
    let one = |compiled: Compiled| compiled.document.budgets[0].applies_to.clone();
    let id = |text: &str| {
        let (namespace, name) = text.split_once('/').unwrap();
        ObjectRef { namespace: namespace.to_owned(), name: name.to_owned() }
    };
    let objects = [
        "Namespace -/ads team=ads {}",
        "Namespace -/search team=search {}",
        "LLMProvider ads/a {type: Ollama}",
        "LLMProvider search/a {type: Ollama}",
        "LLMProvider outrigger-system/a {type: Ollama}",
        "VirtualKey ads/free tier=free {}",
        "VirtualKey search/free tier=free {}",
        "VirtualKey search/paid tier=paid {}",
        "VirtualKey outrigger-system/own {}",
    ];
    for (namespace, applies, expected) in [
        // Its own namespace, all keys.
        ("search", "{}", Some(vec!["search/free", "search/paid"])),
        ("search", "{virtualKeys: {matchLabels: {tier: free}}}", Some(vec!["search/free"])),
        (
            "search",
            "{virtualKeys: {matchExpressions: [{key: tier, operator: NotIn, values: [free]}]}}",
            Some(vec!["search/paid"]),
        ),
        ("outrigger-system", "{}", Some(vec!["outrigger-system/own"])),
        // A Budget of the operator's namespace may select other namespaces.
        ("outrigger-system", "{namespaces: {}}", None),
        ("outrigger-system", "{namespaces: {}, virtualKeys: {}}", None),
        ("outrigger-system", "{namespaces: {matchLabels: {team: search}}}", Some(vec!["search/free", "search/paid"])),
        (
            "outrigger-system",
            "{namespaces: {}, virtualKeys: {matchLabels: {tier: free}}}",
            Some(vec!["ads/free", "search/free"]),
        ),
        ("outrigger-system", "{namespaces: {matchLabels: {team: none}}}", Some(vec![])),
        // Other Budgets may not, but still count their own namespace.
        ("ads", "{namespaces: {}}", Some(vec!["ads/free"])),
    ] {
        let budget = format!("Budget {namespace}/b {{tokens: 1, window: Day, appliesTo: {applies}}}");
        let all: Vec<&str> = objects.iter().copied().chain([budget.as_str()]).collect();
        let keys = expected.map(|keys: Vec<&str>| keys.into_iter().map(id).collect());
        assert_eq!(one(compiled(&all)), Some(AppliesDoc { keys, ..AppliesDoc::default() }), "{namespace} {applies}");
    }
    // The operator's namespace is configurable.
    let budget = "Budget ads/b {tokens: 1, window: Day, appliesTo: {namespaces: {}}}";
    let all: Vec<&str> = objects.iter().copied().chain([budget]).collect();
    assert_eq!(one(compiled_under("ads", &all)), Some(AppliesDoc::default()));
    // Callers without a key count too.
    let budget = "Budget default/b {tokens: 1, window: Day, appliesTo: {}}";
    let keyless = one(compiled(&[PROVIDER, budget])).unwrap();
    assert_eq!(keyless.keys, Some(vec![id("default/default")]));
    let free = "Budget default/b {tokens: 1, window: Day, appliesTo: {virtualKeys: {matchLabels: {tier: free}}}}";
    assert_eq!(one(compiled(&[PROVIDER, free])).unwrap().keys, Some(vec![]), "and has no labels");
}

#[test]
fn providers_may_require_a_budget() {
    let provider = "LLMProvider platform/a {type: Ollama, allowedNamespaces: {from: All}, consumers: {requireBudget: true}, \
                    defaultPrice: {perImage: '0'}, limits: {budgets: [{name: m, amount: '1', window: Month}]}}";
    let reference = "providers: [{name: a, providerRef: {name: a, namespace: platform}";
    let money = "budgets: [{name: m, amount: '1', window: Month}]";
    let team = "Budget search/team {amount: '1', window: Month}";
    let tokens = "Budget search/team {tokens: 1, window: Month}";
    let applies = |what: &str| format!("Budget search/b {{amount: '1', window: Month, appliesTo: {what}}}");
    let key = |rest: &str| format!("VirtualKey search/k {{{reference}{rest}}}");
    for (key, budget, served) in [
        (key("}]"), "".to_owned(), false),
        (key(&format!("}}], limits: {{{money}}}")), "".to_owned(), true),
        (key(&format!(", limits: {{{money}}}}}]")), "".to_owned(), true),
        (key("}], limits: {tokens: [{name: m, max: 1, window: Month}]}"), "".to_owned(), false),
        (key("}], budgetRefs: [{name: team}]"), team.to_owned(), true),
        (key("}], budgetRefs: [{name: team}]"), tokens.to_owned(), false),
        (key("}]"), applies("{}"), true),
        (key("}]"), applies("{providers: [a]}"), true),
        (key("}]"), applies("{models: ['*']}"), true),
        // It counts only some of the models that may be requested.
        (key("}]"), applies("{models: ['gpt-*']}"), false),
        ("VirtualKey platform/k {}".to_owned(), "".to_owned(), true),
    ] {
        let objects: Vec<&str> = [provider, &key, &budget].into_iter().filter(|text| !text.is_empty()).collect();
        let compiled = compiled(&objects);
        assert_eq!(compiled.document.keys[0].providers.len(), usize::from(served), "{key} {budget}");
        assert_eq!(compiled.is_sound(), served, "{key} {budget}: {:?}", compiled.findings);
    }
}

/// A model with a price anywhere is priced. So is one that no limit in money counts.
#[test]
fn reports_models_without_a_price() {
    let key = "VirtualKey default/k {limits: {budgets: [{name: m, amount: '1', window: Month}]}}";
    let price = "price: {inputPerMillion: '0', outputPerMillion: '0'}";
    let unpriced = |objects: &[&str]| {
        let compiled = compiled(objects);
        assert!(compiled.is_sound(), "{:?}", compiled.findings);
        compiled.findings.iter().map(|finding| finding.object.clone()).collect::<Vec<_>>()
    };
    let plain = "LLMProvider default/a {type: Ollama, models: [{name: m, upstreamName: u, aliases: [n]}]}";
    assert_eq!(unpriced(&[plain, key]), ["LLMProvider default/a"]);
    let priced = format!("LLMProvider default/a {{type: Ollama, models: [{{name: m, {price}}}]}}");
    let default = "LLMProvider default/a {type: Ollama, models: [{name: m}], defaultPrice: {perSecond: '0'}}";
    let catalog =
        |namespace: &str, name: &str| format!("ModelCatalog {namespace}/c {{models: [{{name: {name}, {price}}}]}}");
    let elsewhere = catalog("b", "m");
    assert_eq!(unpriced(&[plain, key, &elsewhere]), ["LLMProvider default/a"], "a catalogue of another namespace");
    for objects in [
        vec![priced.as_str(), key],
        vec![default, key],
        vec![plain, key, &catalog("default", "m")],
        vec![plain, key, &catalog("default", "u")],
        vec![plain, key, &catalog(OPERATOR_NAMESPACE, "m")],
        // No limit in money counts it.
        vec![plain, "VirtualKey default/k {limits: {tokens: [{name: m, max: 1, window: Month}]}}"],
        vec![plain, "VirtualKey default/k {}"],
        // The key allows unpriced models, may not use the model, or belongs to nobody.
        vec![
            plain,
            "VirtualKey default/k {unpriced: Allow, limits: {budgets: [{name: m, amount: '1', window: Month}]}}",
        ],
        vec![
            plain,
            "VirtualKey default/k {models: {deny: [m]}, limits: {budgets: [{name: m, amount: '1', window: Month}]}}",
        ],
        vec![
            plain,
            "VirtualKey default/k {suspended: true, limits: {budgets: [{name: m, amount: '1', window: Month}]}}",
        ],
    ] {
        assert_eq!(unpriced(&objects), [""; 0], "{objects:?}");
    }
    // The built-in catalogue has prices of these models.
    let priced = "LLMProvider default/a {type: Anthropic, credentials: [{name: a, secretRef: {name: a}, suspended: true}], \
                 models: [{name: claude-haiku-4-5}]}";
    assert_eq!(unpriced(&[priced, key]), [""; 0]);
    // Budgets that the key does not refer to count as well.
    let all = "Budget default/b {amount: '1', window: Day, appliesTo: {models: [m]}}";
    assert_eq!(unpriced(&[plain, "VirtualKey default/k {}", all]), ["LLMProvider default/a"]);
}

#[test]
fn tests_of_rules_have_locations() {
    let text = include_str!("golden/rich.yaml");
    let source = read("rich.yaml", text);
    let compiled = compile(&Inputs {
        objects: &source.objects,
        unread: false,
        environment: &|_| Some("x".to_owned()),
        keys: &[],
        without_value: Severity::Error,
        sequence: 1,
        operator_namespace: OPERATOR_NAMESPACE,
    });
    let [first, second] = compiled.trials.as_slice() else { panic!("{:?}", compiled.trials) };
    let Trial { rule, index, name, given, request, expect } = &first.trial;
    assert_eq!((rule.to_string().as_str(), *index, name.as_str()), ("search/no-pictures", 0, "pictures are not made"));
    assert_eq!(given.unhealthy, ["rehearsal"]);
    let spent: Vec<(&str, u32)> = given.spent.iter().map(|(name, percent)| (name.as_str(), *percent)).collect();
    assert_eq!(spent, [("limits.budgets[day]", 100), ("team", 95)]);
    assert_eq!(given.time, Some(1_811_808_000_000));
    assert_eq!(given.labels.get("app").map(String::as_str), Some("search"));
    assert_eq!(given.workload.as_deref(), Some("search-x2x"));
    assert_eq!(request.key.as_deref(), Some("search"));
    assert_eq!(request.request_type.as_deref(), Some("image_generation"));
    assert_eq!(request.fallbacks.as_deref(), Some([].as_slice()));
    assert_eq!((request.input_tokens, request.needs.as_slice()), (Some(8000), ["Tools".to_owned()].as_slice()));
    assert_eq!((expect.refused.as_deref(), expect.rule.as_deref()), (Some("request_rejected"), Some("no-pictures")));
    let Trial { request, expect, .. } = &second.trial;
    assert_eq!((request.request_type.as_deref(), &request.fallbacks), (Some("chat_completion"), &None));
    let shares: Vec<(&str, u32)> = expect.shares.iter().map(|(name, percent)| (name.as_str(), *percent)).collect();
    assert_eq!(shares, [("openai", 80), ("rehearsal/gpt-4o", 20)]);
    assert_eq!((expect.rule.as_deref(), expect.fallbacks.as_deref()), (Some(""), Some([].as_slice())));
    let line = 1 + text.lines().position(|line| line.contains("expect: {refused: request_rejected")).unwrap();
    assert_eq!(
        first.failed("got openai").to_string(),
        format!(
            "rich.yaml:{line}: RoutingRule search/no-pictures: spec.tests[0]: the test `pictures are not made` fails: got openai"
        )
    );
}

/// Without the ledger, each object opens only its own limits: a key opens no Budget.
#[test]
fn each_object_fails_open_for_its_own_limits_alone() {
    let open = "onLedgerUnavailable: {policy: FailOpen, maxPerPod: {budget: '0.50', requests: 10}}";
    let key = format!(
        "VirtualKey default/k {{budgetRefs: [{{name: team}}], limits: {{budgets: [{{name: m, amount: '5', window: Month}}], \
         tokens: [{{name: t, max: 100, window: Day}}]}}, providers: [{{name: a, limits: {{requests: [{{name: r, max: 100, \
         window: Day}}]}}}}], {open}}}"
    );
    let budget = "Budget default/team {amount: '1', window: Month}";
    let compiled = compiled(&[PROVIDER, &key, budget]);
    assert_eq!(compiled.findings, []);
    let limits = compiled.document.counted_limits().unwrap();
    let open: Vec<(&str, Option<(u64, u64)>)> =
        limits.iter().map(|limit| (limit.name.as_str(), limit.fail_open.map(|open| (open.most, open.ms)))).collect();
    assert_eq!(
        open,
        [
            ("Budget default/team", None),
            ("VirtualKey default/k: spec.limits.budgets[m]", Some((500_000_000, 600_000))),
            ("VirtualKey default/k: spec.limits.tokens[t]", None),
            ("VirtualKey default/k: spec.providers[a].limits.requests[r]", Some((10, 600_000))),
        ]
    );
}

#[test]
fn what_opens_nothing_or_more_than_the_whole_limit_is_warned_of() {
    let open = "onLedgerUnavailable: {policy: FailOpen, maxPerPod: {budget: '6', requests: 10}, maxDuration: 1h}";
    let key =
        format!("VirtualKey default/k {{limits: {{budgets: [{{name: m, amount: '5', window: Month}}]}}, {open}}}");
    let budget = "Budget default/team {tokens: 10, window: Month, appliesTo: {}, onLedgerUnavailable: {policy: FailOpen, \
                  maxPerPod: {tokens: 11}}}";
    let compiled = compiled(&[PROVIDER, &key, budget]);
    let mut messages: Vec<String> =
        compiled.findings.iter().map(|finding| format!("{}: {}", finding.path, finding.message)).collect();
    messages.sort();
    messages.reverse();
    assert_eq!(
        messages,
        [
            "spec.onLedgerUnavailable.maxPerPod.tokens: is more than the whole of spec.tokens, so one pod without the ledger \
             could use twice what that allows: lower it",
            "spec.onLedgerUnavailable.maxPerPod.requests: VirtualKey has no limit of its own in requests, so this opens \
             nothing: a Budget or an LLMProvider says so for its own limits",
            "spec.onLedgerUnavailable.maxPerPod.budget: is more than the whole of spec.limits.budgets[m], so one pod without \
             the ledger could use twice what that allows: lower it",
        ]
    );
    assert_eq!(compiled.document.keys[0].fail_open.as_ref().map(|open| open.ms), Some(3_600_000));
}
