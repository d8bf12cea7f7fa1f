//! Compares objects: which were added, removed or changed, and in which fields.

use std::collections::{BTreeMap, BTreeSet};

use outrigger_compile::Object;
use outrigger_policy::Printable;
use serde_json::Value;

use crate::check::counted;
use crate::style::Style;

/// How many letters of a value are shown.
const LONGEST: usize = 80;

/// A changed object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// `LLMProvider default/openai`.
    pub object: String,
    pub what: ChangeKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ChangeKind {
    Added,
    Removed,
    /// The fields, each with its old and new value.
    Changed(Vec<ChangedField>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChangedField {
    /// `spec.providers[openai].weight`.
    pub path: String,
    /// `None` if the field was absent.
    pub old: Option<String>,
    pub new: Option<String>,
}

/// The changes by object.
pub(crate) fn changes(old: &[Object], new: &[Object]) -> Vec<Change> {
    let by_label = |objects: &[Object]| -> BTreeMap<String, Value> {
        objects.iter().map(|object| (object.label(), comparable(object))).collect()
    };
    let (old, new) = (by_label(old), by_label(new));
    let labels: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let change = |label: &&String| {
        let what = match (old.get(*label), new.get(*label)) {
            (Some(was), Some(is)) => {
                let mut fields = Vec::new();
                // Values of a Secret are not shown, only that they differ.
                let shows_values = !label.starts_with("Secret ");
                compare("", was, is, shows_values, &mut fields);
                if fields.is_empty() {
                    return None;
                }
                ChangeKind::Changed(fields)
            }
            (None, _) => ChangeKind::Added,
            (_, None) => ChangeKind::Removed,
        };
        Some(Change { object: (*label).clone(), what })
    };
    labels.iter().filter_map(change).collect()
}

/// The object without fields that only a cluster writes.
fn comparable(object: &Object) -> Value {
    let mut value = object.value.clone();
    if let Some(fields) = value.as_object_mut() {
        fields.remove("status");
        if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
            for written in ["managedFields", "resourceVersion", "uid", "generation", "selfLink"] {
                metadata.remove(written);
            }
            // Without a namespace, it is `default`.
            if !object.namespace.is_empty() {
                metadata.insert("namespace".to_owned(), Value::String(object.namespace.clone()));
            }
        }
    }
    value
}

fn compare(path: &str, old: &Value, new: &Value, shows_values: bool, fields: &mut Vec<ChangedField>) {
    if old == new {
        return;
    }
    match (old, new) {
        (Value::Object(was), Value::Object(is)) => {
            let names: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
            for name in names {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                one(path, was.get(name), is.get(name), shows_values, fields);
            }
        }
        (Value::Array(was), Value::Array(is)) => match (named(was), named(is)) {
            (Some(was), Some(is)) => {
                let before = fields.len();
                let names: BTreeSet<&&str> = was.keys().chain(is.keys()).collect();
                for name in names {
                    one(
                        format!("{path}[{name}]"),
                        was.get(*name).copied(),
                        is.get(*name).copied(),
                        shows_values,
                        fields,
                    );
                }
                // The same items in another order, which may matter.
                if fields.len() == before {
                    fields.push(ChangedField { path: path.to_owned(), old: order(old), new: order(new) });
                }
            }
            _ => {
                for index in 0..was.len().max(is.len()) {
                    one(format!("{path}[{index}]"), was.get(index), is.get(index), shows_values, fields);
                }
            }
        },
        _ => one(path.to_owned(), Some(old), Some(new), shows_values, fields),
    }
}

fn one(path: String, old: Option<&Value>, new: Option<&Value>, shows_values: bool, fields: &mut Vec<ChangedField>) {
    if let (Some(was), Some(is)) = (old, new)
        && (was == is || matches!((was, is), (Value::Object(_), Value::Object(_)) | (Value::Array(_), Value::Array(_))))
    {
        compare(&path, was, is, shows_values, fields);
        return;
    }
    let shown = |value: &Value| if shows_values { shortened(value) } else { "(not shown)".to_owned() };
    fields.push(ChangedField { path, old: old.map(shown), new: new.map(shown) });
}

/// Items by name, if each has a unique name.
fn named(items: &[Value]) -> Option<BTreeMap<&str, &Value>> {
    let names = items.iter().map(|item| Some((item.get("name")?.as_str()?, item)));
    names.collect::<Option<BTreeMap<_, _>>>().filter(|named| named.len() == items.len())
}

fn order(items: &Value) -> Option<String> {
    let names = items.as_array()?.iter().filter_map(|item| item.get("name")?.as_str());
    Some(format!("in the order {}", names.collect::<Vec<_>>().join(", ")))
}

fn shortened(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or(&text)),
        None => text,
    }
}

/// The changes as text.
pub(crate) fn text(changes: &[Change], style: Style) -> String {
    let mut text = String::new();
    for Change { object, what } in changes {
        match what {
            ChangeKind::Added => text.push_str(&format!("+ {}\n", Printable(object))),
            ChangeKind::Removed => text.push_str(&format!("- {}\n", Printable(object))),
            ChangeKind::Changed(fields) => {
                text.push_str(&format!("~ {}\n", Printable(object)));
                for ChangedField { path, old, new } in fields {
                    let change = match (old, new) {
                        (Some(old), Some(new)) => format!("{old} -> {new}"),
                        (None, Some(new)) => format!("added: {new}"),
                        (Some(old), None) => format!("removed: {old}"),
                        (None, None) => String::new(),
                    };
                    text.push_str(&format!("    {}: {}\n", Printable(path), Printable(change)));
                }
            }
        }
    }
    let number = |wanted: fn(&ChangeKind) -> bool| changes.iter().filter(|change| wanted(&change.what)).count();
    let added = number(|what| matches!(what, ChangeKind::Added));
    let removed = number(|what| matches!(what, ChangeKind::Removed));
    let summary = match changes.is_empty() {
        true => "no object is different".to_owned(),
        false => {
            let changed = counted(changes.len() - added - removed, "object");
            format!("{changed} changed, {added} added, {removed} removed")
        }
    };
    text.push_str(&format!("{}\n", style.bold(summary)));
    text
}

#[cfg(test)]
mod tests {
    use outrigger_compile::read;

    use super::*;

    fn diff_text(old: &str, new: &str) -> String {
        let objects = |text| read("x.yaml", text).objects;
        text(&changes(&objects(old), &objects(new)), Style { colour: false })
    }

    #[test]
    fn fields_are_named_by_their_items() {
        let key = |spec: &str| {
            format!("apiVersion: outrigger.dev/v1alpha1\nkind: VirtualKey\nmetadata: {{name: k}}\nspec: {spec}\n")
        };
        for (old, new, expected) in [
            ("{suspended: false}", "{suspended: false}", "no object is different\n"),
            (
                "{providers: [{name: a, weight: 1}, {name: b}]}",
                "{providers: [{name: a, weight: 2}, {name: c}]}",
                "~ VirtualKey default/k\n    spec.providers[a].weight: 1 -> 2\n    spec.providers[b]: removed: \
                 {\"name\":\"b\"}\n    spec.providers[c]: added: {\"name\":\"c\"}\n1 object changed, 0 added, 0 removed\n",
            ),
            (
                "{providers: [{name: a}, {name: b}]}",
                "{providers: [{name: b}, {name: a}]}",
                "~ VirtualKey default/k\n    spec.providers: in the order a, b -> in the order b, a\n1 object changed, 0 \
                 added, 0 removed\n",
            ),
            (
                "{models: {deny: [x, y]}}",
                "{models: {deny: [x]}, team: t}",
                "~ VirtualKey default/k\n    spec.models.deny[1]: removed: \"y\"\n    spec.team: added: \"t\"\n1 object \
                 changed, 0 added, 0 removed\n",
            ),
        ] {
            assert_eq!(diff_text(&key(old), &key(new)), expected);
        }
        assert_eq!(diff_text(&key("{}"), "{}"), "- VirtualKey default/k\n0 objects changed, 0 added, 1 removed\n");
    }

    #[test]
    fn values_of_secrets_are_not_shown() {
        let secret = |value: &str| {
            format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\nstringData: {{apiKey: {value}}}\n")
        };
        let text = diff_text(&secret("sk-one"), &secret("sk-two"));
        assert_eq!(
            text,
            "~ Secret default/s\n    stringData.apiKey: (not shown) -> (not shown)\n1 object changed, 0 added, 0 removed\n"
        );
    }
}
