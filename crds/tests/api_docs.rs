//! Generates `docs/api.md` from the definitions, and validates its examples.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic, outside its own function as well")]

mod examples;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use outrigger_crds::{GROUP, VERSION, definitions, shapes, validate};
use serde_json::{Value, json};

const HEAD: &str = "\
# The objects

Read this page if you write objects: it lists every field. Generated from the types in `crds/src/`
by `make docs`; do not edit it by hand.

`outrigger run DIR` serves the same objects as a cluster that has the definitions in `crds/yaml/`.
[Semantics](semantics.md) says what a gateway makes of them.

- **bold** fields are required if the field above them is there.
- `[]` stands for each element of a list, `*` for each name of a map.
- You may leave out a field that has no default; its description says what that means. An empty list
  is refused if its limits begin with 1: leave out the field instead.
- A field that is not listed here is an error. It is not ignored.
- A *duration* is `30s`, `1h30m` or `200ms`. *Dollars* are a decimal number in quotes, such as
  `\"12.50\"`: without the quotes some readers would round it. A *glob* is a name in which `*`
  stands for anything and `?` for one character.
- The name of an object is a DNS label of at most 50 characters, because it is used in headers and
  in models' names.
- The *operator's namespace* is `outrigger-system`. Rules and catalogues there act on every
  namespace. Budgets there may say to which namespaces they apply.
";

#[test]
fn api() {
    let mut text = HEAD.to_owned();
    let kinds = definitions().into_iter().map(|definition| definition.spec.names.kind).chain(["Status".to_owned()]);
    text.push('\n');
    for kind in kinds {
        writeln!(text, "- [{kind}](#{})", kind.to_lowercase()).unwrap();
    }
    for definition in definitions() {
        let names = &definition.spec.names;
        let root = serde_json::to_value(&definition.spec.versions[0].schema).unwrap()["openAPIV3Schema"].take();
        let short = names.short_names.iter().flatten().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        write!(text, "\n## {}\n\n`{GROUP}/{VERSION}`, short {short}. {}\n\n", names.kind, words(&root["description"]))
            .unwrap();
        text.push_str(&example(&names.kind));
        text.push_str(TABLE);
        let spec = &root["properties"]["spec"];
        let mut rules = Vec::new();
        fields(&mut text, &mut rules, "", spec);
        if !rules.is_empty() {
            text.push_str("\nRules for several fields together:\n\n");
            // The same rule may apply to several fields: it is written once, where it comes first.
            let mut grouped: Vec<(Vec<String>, String)> = Vec::new();
            for (path, rule) in rules {
                let path = if path.is_empty() { Vec::new() } else { vec![format!("`{path}`")] };
                match grouped.iter_mut().find(|(_, seen)| *seen == rule) {
                    Some((paths, _)) => paths.extend(path),
                    None => grouped.push((path, rule)),
                }
            }
            for (paths, rule) in grouped {
                let paths = if paths.is_empty() { String::new() } else { format!("{}: ", paths.join(", ")) };
                writeln!(text, "- {paths}{rule}").unwrap();
            }
        }
    }
    text.push_str(
        "\n## Status\n\nOnly the operator writes it; `outrigger run` neither reads nor writes it. `conditions` is a list of Kubernetes' \
         `metav1.Condition`.\n",
    );
    let mut listed = Vec::new();
    for (kind, title) in [
        ("RoutingRule", "Fields of every kind"),
        ("VirtualKey", "Additional fields of LLMProvider, VirtualKey and Budget"),
    ] {
        let mut status = status_of(kind);
        let properties = status["properties"].as_object_mut().unwrap();
        properties.retain(|name, _| !listed.contains(name));
        listed.extend(properties.keys().cloned());
        write!(text, "\n{title}:\n\n{TABLE}").unwrap();
        fields(&mut text, &mut Vec::new(), "", &status);
    }

    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/api.md");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&file, &text).unwrap();
    }
    let committed = fs::read_to_string(&file).unwrap_or_default();
    assert!(committed == text, "docs/api.md is stale: run `UPDATE=1 cargo test -p outrigger-crds --test api_docs`");
}

const TABLE: &str = "| field | type | default | meaning | limits |\n|---|---|---|---|---|\n";

fn status_of(kind: &str) -> Value {
    let definition = definitions().into_iter().find(|definition| definition.spec.names.kind == kind).unwrap();
    serde_json::to_value(&definition.spec.versions[0].schema).unwrap()["openAPIV3Schema"]["properties"]["status"].take()
}

/// The example of a kind. It must be valid.
fn example(kind: &str) -> String {
    let (_, yaml) = examples::EXAMPLES.iter().find(|(seen, _)| *seen == kind).unwrap();
    for document in yaml.split("---\n") {
        let object: Value = serde_yaml::from_str(document).unwrap();
        assert_eq!(object["kind"], json!(kind));
        assert_eq!(validate(&object), [], "{document}");
    }
    format!("```yaml\n{yaml}```\n\n")
}

/// A row for each field below a schema, parents first. Rules are collected in `rules`.
fn fields(text: &mut String, rules: &mut Vec<(String, String)>, path: &str, schema: &Value) {
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        let message = rule["message"].as_str().unwrap_or_else(|| panic!("{path}: a rule without a message"));
        rules.push((path.to_owned(), message.to_owned()));
    }
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut names: Vec<(&String, &Value)> = schema["properties"].as_object().into_iter().flatten().collect();
    // Required fields come first.
    names.sort_by_key(|(name, _)| !required.contains(&name.as_str()));
    for (name, field) in names {
        let here = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let shown = if required.contains(&name.as_str()) { format!("**`{here}`**") } else { format!("`{here}`") };
        let default = match &field["default"] {
            Value::Null => String::new(),
            default => format!("`{default}`").replace('"', ""),
        };
        let cells = [shown, kind(field), default, words(&field["description"]), limits(field)];
        writeln!(text, "|{}|", cells.map(|cell| cell_of(&cell)).join("|")).unwrap();
        match () {
            () if !field["items"].is_null() => fields(text, rules, &format!("{here}[]"), &field["items"]),
            () if !field["additionalProperties"].is_null() => {
                // A map's own rules; its values have no fields.
                fields(text, rules, &here, field);
                fields(text, rules, &format!("{here}.*"), &field["additionalProperties"]);
            }
            () => fields(text, rules, &here, field),
        }
    }
}

fn cell_of(text: &str) -> String {
    if text.is_empty() { " ".to_owned() } else { format!(" {} ", text.replace('|', "\\|")) }
}

/// A description on one line. Text that looks like a template or an HTML element is put in backticks.
fn words(description: &Value) -> String {
    description.as_str().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ").replace('<', "&lt;")
}

fn kind(schema: &Value) -> String {
    let one = |schema: &Value| -> String {
        match schema["type"].as_str().unwrap_or_default() {
            "string" if is_duration(schema) => "duration".to_owned(),
            "string" if is_money(schema) => "dollars".to_owned(),
            "string" if schema["format"] == "date-time" => "time".to_owned(),
            "string" if schema["enum"].is_array() => "one of".to_owned(),
            other => other.to_owned(),
        }
    };
    match schema["type"].as_str() {
        Some("array") => format!("list of {}", plural(&one(&schema["items"]))),
        Some("object") if schema["additionalProperties"].is_object() => {
            format!("map to {}", plural(&one(&schema["additionalProperties"])))
        }
        _ => one(schema),
    }
}

fn plural(kind: &str) -> String {
    match kind {
        "one of" => "words".to_owned(),
        "dollars" => kind.to_owned(),
        _ => format!("{kind}s"),
    }
}

fn is_duration(schema: &Value) -> bool {
    schema["pattern"] == outrigger_crds::duration::PATTERN || schema["pattern"] == shapes::ROLLING
}

fn is_money(schema: &Value) -> bool {
    schema["pattern"] == outrigger_core::AMOUNT_PATTERN
}

/// The allowed values, and how many of them.
fn limits(schema: &Value) -> String {
    let mut all = Vec::new();
    if let (Some(least), Some(most)) = (schema["minItems"].as_u64().or(Some(0)), schema["maxItems"].as_u64()) {
        all.push(if least > 0 { format!("{least} to {most}") } else { format!("at most {most}") });
    }
    if let Some(most) = schema["maxProperties"].as_u64() {
        all.push(format!("at most {most}"));
    }
    match schema["x-kubernetes-list-type"].as_str() {
        Some("map") => {
            let keys: Vec<String> = schema["x-kubernetes-list-map-keys"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .map(|key| format!("`{key}`"))
                .collect();
            all.push(format!("no {} twice", keys.join(" and ")));
        }
        Some("set") => all.push("none twice".to_owned()),
        _ => {}
    }
    let values = [&schema["items"], &schema["additionalProperties"]].into_iter().find(|values| values.is_object());
    let value = values.unwrap_or(schema);
    let each = if values.is_some() { "each " } else { "" };
    if let Some(words) = value["enum"].as_array() {
        let words: Vec<String> = words.iter().filter_map(Value::as_str).map(|word| format!("`{word}`")).collect();
        all.push(words.join(", "));
    } else if let Some(pattern) = value["pattern"].as_str().filter(|_| !is_duration(value) && !is_money(value)) {
        let words = shapes::expected(pattern).unwrap_or_else(|| panic!("no words for {pattern}"));
        all.push(format!("{each}{words}"));
    }
    let bound = |name: &str| value[name].as_f64().map(|bound| bound as i64);
    match (bound("minimum"), bound("maximum")) {
        (Some(least), Some(most)) => all.push(format!("{each}{least} to {most}")),
        (Some(least), None) => all.push(format!("{each}at least {least}")),
        _ => {}
    }
    let fixed = is_duration(value) || is_money(value) || value["format"] == "date-time" || value["enum"].is_array();
    match (value["minLength"].as_u64(), value["maxLength"].as_u64()) {
        (Some(least), Some(most)) if least == most => {}
        (_, Some(most)) if !fixed => all.push(format!("{each}at most {most} characters")),
        _ => {}
    }
    all.join("; ")
}
