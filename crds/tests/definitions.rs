//! The definitions: the committed files are current, and every definition follows Kubernetes' rules and ours.

#![allow(clippy::unwrap_used, reason = "a test may panic, outside its own function as well")]

use std::{fs, path::Path};

use outrigger_crds::definitions::{every, internal, to_yaml};
use outrigger_crds::{GROUP, VERSION, definitions, shapes};
use serde_json::{Value, json};

#[test]
fn committed_yaml_is_current() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("yaml");
    let mut expected = Vec::new();
    for definition in every() {
        let file = folder.join(format!("{}.yaml", definition.spec.names.plural));
        let current = to_yaml(&definition).unwrap();
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&file, &current).unwrap();
        }
        let committed = fs::read_to_string(&file).unwrap_or_default();
        assert!(committed == current, "{} is stale: run `UPDATE=1 cargo test -p outrigger-crds`", file.display());
        assert!(current.len() < 150_000, "{} bytes", current.len());
        expected.push(file);
    }
    let mut present: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    present.sort();
    expected.sort();
    assert_eq!(present, expected, "one file a kind, and no other");
}

#[test]
fn names() {
    let names: Vec<Value> = definitions()
        .iter()
        .map(|definition| {
            assert_eq!(definition.spec.group, GROUP);
            assert_eq!(definition.spec.scope, "Namespaced");
            let [version] = definition.spec.versions.as_slice() else { panic!("one version") };
            assert_eq!((version.name.as_str(), version.served, version.storage), (VERSION, true, true));
            assert!(version.subresources.as_ref().is_some_and(|subresources| subresources.status.is_some()));
            let columns: Vec<&str> =
                version.additional_printer_columns.iter().flatten().map(|column| column.name.as_str()).collect();
            assert!(columns.contains(&"Ready") && columns.last() == Some(&"Age"), "{columns:?}");
            serde_json::to_value(&definition.spec.names).unwrap()
        })
        .collect();
    assert_eq!(
        names,
        [
            json!({"kind": "Budget", "plural": "budgets", "singular": "budget", "shortNames": ["llmb"], "categories": ["llm"]}),
            json!({"kind": "LLMProvider", "plural": "llmproviders", "singular": "llmprovider", "shortNames": ["llmp"], "categories": ["llm"]}),
            json!({"kind": "ModelCatalog", "plural": "modelcatalogs", "singular": "modelcatalog", "shortNames": ["llmc"], "categories": ["llm"]}),
            json!({"kind": "RoutingRule", "plural": "routingrules", "singular": "routingrule", "shortNames": ["rrule"], "categories": ["llm"]}),
            json!({"kind": "VirtualKey", "plural": "virtualkeys", "singular": "virtualkey", "shortNames": ["vkey"], "categories": ["llm"]}),
        ]
    );
}

/// Only the operator writes it: it is in no category that people list, and has no status of its own.
#[test]
fn internal_kinds_are_hidden() {
    let [shard] = <[_; 1]>::try_from(internal()).unwrap();
    assert_eq!((shard.spec.group.as_str(), shard.spec.scope.as_str()), (GROUP, "Namespaced"));
    let names = serde_json::to_value(&shard.spec.names).unwrap();
    assert_eq!(names, json!({"kind": "LedgerShard", "plural": "ledgershards", "singular": "ledgershard"}));
    assert!(shard.spec.versions.iter().all(|version| version.subresources.is_none()));
}

/// Each node of each schema, with its path.
fn nodes() -> Vec<(String, Value)> {
    let mut nodes = Vec::new();
    for definition in every() {
        let root = serde_json::to_value(&definition.spec.versions[0].schema).unwrap()["openAPIV3Schema"].take();
        let mut pending = vec![(definition.spec.names.kind, root)];
        while let Some((path, node)) = pending.pop() {
            for (name, schema) in node["properties"].as_object().into_iter().flatten() {
                pending.push((format!("{path}.{name}"), schema.clone()));
            }
            if !node["items"].is_null() {
                pending.push((format!("{path}[]"), node["items"].clone()));
            }
            if !node["additionalProperties"].is_null() {
                pending.push((format!("{path}.*"), node["additionalProperties"].clone()));
            }
            nodes.push((path, node));
        }
    }
    assert!(nodes.len() > 100, "the walk finds the schema");
    nodes
}

#[test]
fn every_node_is_typed_bounded_and_explained() {
    for (path, node) in nodes() {
        for forbidden in ["anyOf", "oneOf", "allOf", "not", "$ref", "nullable"] {
            assert!(node.get(forbidden).is_none(), "{path} has {forbidden}");
        }
        match node["type"].as_str().unwrap_or_else(|| panic!("{path} has no type")) {
            "string" => {
                assert!(node.get("enum").is_some() || node["maxLength"].is_i64(), "{path} has no maxLength");
                if let Some(pattern) = node["pattern"].as_str() {
                    assert!(shapes::expected(pattern).is_some(), "{path}: no words for {pattern}");
                    assert!(pattern.starts_with('^') && pattern.ends_with('$'), "{path}: {pattern} isn't anchored");
                }
            }
            "integer" => {
                let format = node["format"].as_str().unwrap_or_default();
                assert!(["int32", "int64"].contains(&format), "{path}: format {format}");
                assert!(node["minimum"].is_number(), "{path} has no minimum");
                assert!(node["maximum"].is_number() || path.ends_with("observedGeneration"), "{path} has no maximum");
            }
            "boolean" => {}
            "array" => {
                assert!(node["maxItems"].is_i64(), "{path} has no maxItems");
                assert!(node["x-kubernetes-list-type"].is_string(), "{path}: atomic, set or map?");
            }
            "object" => {
                let open = node["x-kubernetes-preserve-unknown-fields"] == true;
                let fields = node["properties"].is_object();
                let map = node["additionalProperties"].is_object() && node["maxProperties"].is_i64();
                assert!(open || fields || map, "{path} is neither fields nor a bounded map");
                assert_eq!(open, path.ends_with("toolCalls[].arguments"), "{path}");
            }
            other => panic!("{path}: {other} has no place in a spec"),
        }
        let explained = node["description"].as_str().is_some_and(|text| text.ends_with('.'));
        let condition = path.contains(".status.conditions[]");
        let value = path.ends_with("[]") || path.ends_with(".*");
        assert!(explained || condition || value, "{path} has no description");
    }
}

/// If a schema refused its own default, the definition could not be used.
#[test]
fn defaults_are_valid() {
    let mut defaults = 0;
    for (path, node) in nodes() {
        if let Some(default) = node.get("default") {
            defaults += 1;
            assert!(jsonschema::is_valid(&node, default), "{path}: {default}");
        }
    }
    assert!(defaults > 20, "the walk finds {defaults} of them");
}

/// A status that the operator has not written yet must not look like a result.
#[test]
fn status_is_pending_at_first() {
    for (path, node) in
        nodes().into_iter().filter(|(path, _)| path.ends_with(".status") && path.matches('.').count() == 1)
    {
        let conditions = node["default"]["conditions"].as_array().unwrap_or_else(|| panic!("{path}"));
        assert_eq!(conditions.len(), 1);
        assert_eq!(conditions[0]["type"], "Ready");
        assert_eq!(conditions[0]["status"], "Unknown");
        assert_eq!(conditions[0]["reason"], "Pending");
    }
}
