//! A folder with many features, and the whole document that it compiles to.

#![allow(clippy::unwrap_used, reason = "a test may panic, outside its own function as well")]

use std::{fs, path::Path};

use outrigger_compile::{Compiled, Inputs, OPERATOR_NAMESPACE, Severity, compile, read};
use outrigger_policy::{Document, Policy};

fn compiled(texts: &[(&str, &str)], keys: &[&str]) -> Compiled {
    let objects: Vec<_> = texts.iter().flat_map(|(file, text)| read(file, text).objects).collect();
    let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
    let environment = |name: &str| (name == "SPARE_API_KEY").then(|| "from-the-environment".to_owned());
    let inputs = Inputs {
        objects: &objects,
        unread: false,
        environment: &environment,
        keys: &keys,
        without_value: Severity::Error,
        sequence: 7,
        operator_namespace: OPERATOR_NAMESPACE,
    };
    compile(&inputs)
}

#[test]
fn a_rich_folder_compiles_to_the_committed_document() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let text = fs::read_to_string(folder.join("rich.yaml")).unwrap();
    let compiled = compiled(&[("rich.yaml", &text)], &[]);
    assert_eq!(compiled.findings, []);
    let secrets: Vec<_> = compiled.secrets.iter().map(|(at, value)| (at.to_string(), value.as_str())).collect();
    let expected = [
        ("platform/openai[apiKey]".to_owned(), "sk-from-text"),
        ("platform/openai[second]".to_owned(), "sk-from-base64"),
        ("platform/spare[apiKey]".to_owned(), "from-the-environment"),
    ];
    assert_eq!(secrets, expected);
    assert!(!format!("{compiled:?}").contains("sk-from"));

    let written = serde_json::to_string_pretty(&compiled.document).unwrap() + "\n";
    let file = folder.join("rich.json");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&file, &written).unwrap();
    }
    assert_eq!(written, fs::read_to_string(&file).unwrap(), "run `UPDATE=1 cargo test -p outrigger-compile` and look");
    let read: Document = serde_json::from_str(&written).unwrap();
    assert_eq!(read, compiled.document, "what is written is read back");
    Policy::build(read).unwrap();
}

/// A folder that is split, or read in another order, compiles to the same policy with the same digest.
#[test]
fn the_order_of_files_does_not_matter() {
    let text = include_str!("golden/rich.yaml");
    let mut parts: Vec<(&str, &str)> = text.split("\n---\n").map(|part| ("part.yaml", part)).collect();
    let forwards = compiled(&parts, &[]).document;
    parts.reverse();
    assert_eq!(compiled(&parts, &[]).document, forwards);
}

const MOCK: &str = "spec: {type: Mock, mock: {}";

fn bound(objects: &[&str], keys: &[&str]) -> Option<String> {
    let text: String = objects
        .iter()
        .map(|object| {
            let (kind, rest) = object.split_once(' ').unwrap();
            let (name, spec) = rest.split_once(' ').unwrap_or((rest, "spec: {}"));
            let (namespace, name) = name.split_once('/').unwrap();
            let metadata = format!("metadata: {{namespace: {namespace}, name: {name}}}");
            format!("apiVersion: outrigger.dev/v1alpha1\nkind: {kind}\n{metadata}\n{spec}\n---\n")
        })
        .collect();
    compiled(&[("x.yaml", &text)], keys).document.default_key
}

#[test]
fn callers_without_a_key_get_the_default_one() {
    let refuses = format!("LLMProvider default/a {MOCK}}}");
    let allows = format!("LLMProvider default/a {MOCK}, withoutKey: Allow}}");
    let elsewhere = format!("LLMProvider b/a {MOCK}, withoutKey: Allow}}");
    let (refuses, allows, elsewhere) = (refuses.as_str(), allows.as_str(), elsewhere.as_str());
    let broken = "VirtualKey default/x spec: {wrong: 1}";
    for (objects, keys, expected) in [
        // The only key.
        (vec![refuses, "VirtualKey default/k"], vec![], Some("default/k")),
        // The key named default; of several, the one in the namespace default.
        (vec![refuses, "VirtualKey default/k", "VirtualKey default/default"], vec![], Some("default/default")),
        (vec![elsewhere, "VirtualKey b/default", "VirtualKey b/k"], vec![], Some("b/default")),
        (
            vec![allows, elsewhere, "VirtualKey b/default", "VirtualKey default/default"],
            vec![],
            Some("default/default"),
        ),
        (vec![refuses, "VirtualKey default/k", "VirtualKey default/j"], vec![], None),
        // The requested key, by name or by namespace and name.
        (vec![refuses, "VirtualKey default/k", "VirtualKey default/j"], vec!["j", "k"], Some("default/j")),
        (vec![refuses, "VirtualKey default/k", "VirtualKey default/j"], vec!["default/k"], Some("default/k")),
        (vec![allows, "VirtualKey default/k"], vec!["none"], None),
        // No key at all: the providers that allow it.
        (vec![allows], vec![], Some("default/default")),
        (vec![elsewhere], vec![], Some("b/default")),
        (vec![refuses], vec![], None),
        // A broken key neither allows keyless callers nor makes another key the only one.
        (vec![allows, broken], vec![], None),
        (vec![allows, broken, "VirtualKey default/k"], vec![], None),
    ] {
        assert_eq!(bound(&objects, &keys).as_deref(), expected, "{objects:?} {keys:?}");
    }
}
