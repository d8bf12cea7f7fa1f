//! Invalid folders, and exactly their findings.

#![allow(clippy::unwrap_used, reason = "a test may panic, outside its own function as well")]

mod cases;

use outrigger_compile::{Inputs, OPERATOR_NAMESPACE, Severity, Source, compile, read};
use proptest::prelude::*;

fn findings(files: &[(&str, &str)], keys: &[&str], environment: &[(&str, &str)]) -> Vec<String> {
    let sources: Vec<_> = files.iter().map(|(file, text)| read(file, text)).collect();
    let objects: Vec<_> = sources.iter().flat_map(|source| source.objects.clone()).collect();
    let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
    let environment = |name: &str| environment.iter().find(|(one, _)| *one == name).map(|(_, v)| (*v).to_owned());
    let inputs = Inputs {
        objects: &objects,
        unread: sources.iter().any(Source::has_unread),
        environment: &environment,
        keys: &keys,
        without_value: Severity::Error,
        sequence: 1,
        operator_namespace: OPERATOR_NAMESPACE,
    };
    let compiled = compile(&inputs);
    // Whatever is wrong, the rest must be a valid policy.
    outrigger_policy::Policy::build(compiled.document).unwrap();
    let all = sources.iter().flat_map(|source| &source.findings).chain(&compiled.findings);
    all.map(ToString::to_string).collect()
}

#[test]
fn reports_every_problem_with_its_location() {
    let mut wrong = Vec::new();
    for case in cases::BROKEN {
        let files: Vec<(&str, &str)> = case.files.iter().map(|(file, text)| (*file, text.trim_start())).collect();
        let messages = findings(&files, case.keys, case.environment);
        if messages != case.expected {
            wrong.push((case.name, messages));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn valid_folders_have_no_findings() {
    for (name, text) in cases::VALID {
        assert_eq!(findings(&[("x.yaml", text.trim_start())], &[], &[]), [""; 0], "{name}");
    }
}

/// Parts of objects, so that random input gets past the first step.
fn yaml() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "apiVersion: outrigger.dev/v1alpha1",
        "apiVersion: v1",
        "kind: LLMProvider",
        "kind: VirtualKey",
        "kind: RoutingRule",
        "kind: Budget",
        "kind: ModelCatalog",
        "kind: Secret",
        "kind: List",
        "items:",
        "metadata:",
        "  name: a",
        "  namespace: b",
        "spec:",
        "  type: Mock",
        "  type: OpenAI",
        "  mock: {}",
        "  credentials:",
        "  - name: a",
        "    secretRef: {name: a}",
        "  targets: [{provider: a}]",
        "  amount: '1'",
        "  window: Day",
        "  timeZone: Nowhere",
        "  parentRef: {name: a}",
        "  appliesTo: {namespaces: {}}",
        "  budgetRefs: [{name: a}]",
        "  models: [{name: a}]",
        "  when: model == ",
        "  when: \"x\"",
        "---",
        "...",
        "- ",
        "&a ",
        "*a",
        "<<: *a",
        "{",
        "}",
        "[",
        "]",
        "? ",
        ": ",
        "!!str ",
        "!x ",
        "|",
        ">",
        "#",
        "\t",
        "\"",
        "'",
        "data: {apiKey: aGk=}",
        "\u{feff}",
        "%YAML 1.2",
        "~",
        ".inf",
        "0x",
        "-",
        "+",
    ]);
    prop_oneof![
        prop::collection::vec((word, prop::bool::ANY), 0..40).prop_map(|words| {
            words.into_iter().map(|(word, line)| format!("{word}{}", if line { "\n" } else { " " })).collect()
        }),
        any::<String>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics_on_any_text(text in yaml()) {
        findings(&[("x.yaml", &text)], &["a"], &[]);
    }

    /// Valid objects with one line removed or duplicated.
    #[test]
    fn nothing_panics_on_damaged_objects(which in 0..cases::VALID.len(), line in 0_usize..80, twice in prop::bool::ANY) {
        let lines: Vec<&str> = cases::VALID[which].1.trim_start().lines().collect();
        let line = line % lines.len();
        let damaged: Vec<&str> = lines.iter().enumerate().flat_map(|(at, text)| {
            let times = match (at == line, twice) { (false, _) => 1, (true, true) => 2, (true, false) => 0 };
            std::iter::repeat_n(*text, times)
        }).collect();
        findings(&[("x.yaml", &damaged.join("\n"))], &[], &[]);
    }
}
