//! What an object names. Read off its JSON, so that an object that is otherwise broken still says what it hangs on.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::objects::id::{ObjectId, ObjectKind};
use crate::objects::version::{ObjectVersion, text};

/// What holds values that objects refer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ValueKind {
    Secret,
    ConfigMap,
}

impl ValueKind {
    /// As in `kind:`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ValueKind::Secret => "Secret",
            ValueKind::ConfigMap => "ConfigMap",
        }
    }

    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [ValueKind::Secret, ValueKind::ConfigMap].into_iter().find(|holder| holder.name() == name)
    }
}

/// A Secret or a ConfigMap that an object names: it must be watched, by its name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ValueRef {
    pub holder: ValueKind,
    pub namespace: String,
    pub name: String,
}

/// Something that is named, whether it is there or not.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reference {
    Object(ObjectId),
    Value(ValueRef),
}

impl From<ValueRef> for Reference {
    fn from(wanted: ValueRef) -> Self {
        Reference::Value(wanted)
    }
}

/// Everything that a version names.
#[must_use]
pub fn named_by(version: &ObjectVersion) -> BTreeSet<Reference> {
    let namespace = version.id.namespace.as_str();
    let mut named = BTreeSet::new();
    match version.id.kind {
        ObjectKind::LlmProvider => {
            for credential in list(version, "/spec/credentials") {
                named.extend(text(credential, "/secretRef/name").map(|name| value(ValueKind::Secret, namespace, name)));
            }
            if let Some(reference) = version.get("/spec/tls/caRef") {
                let holder = match text(reference, "/kind") {
                    Some(kind) => ValueKind::named(kind),
                    None => Some(ValueKind::ConfigMap),
                };
                named.extend(holder.zip(text(reference, "/name")).map(|(holder, name)| value(holder, namespace, name)));
            }
        }
        ObjectKind::VirtualKey => {
            for entry in list(version, "/spec/providers") {
                let own = || Some((namespace, text(entry, "/name")?));
                let reference = entry.get("providerRef").and_then(|reference| place(reference, namespace)).or_else(own);
                named.extend(reference.map(|(namespace, name)| object(ObjectKind::LlmProvider, namespace, name)));
            }
            for reference in list(version, "/spec/budgetRefs") {
                let reference = place(reference, namespace);
                named.extend(reference.map(|(namespace, name)| object(ObjectKind::Budget, namespace, name)));
            }
        }
        ObjectKind::Budget => {
            let parent = version.get("/spec/parentRef").and_then(|reference| place(reference, namespace));
            named.extend(parent.map(|(namespace, name)| object(ObjectKind::Budget, namespace, name)));
        }
        ObjectKind::RoutingRule | ObjectKind::ModelCatalog => {}
    }
    named
}

fn list<'a>(version: &'a ObjectVersion, pointer: &str) -> impl Iterator<Item = &'a Value> {
    version.get(pointer).and_then(Value::as_array).into_iter().flatten()
}

fn place<'a>(reference: &'a Value, namespace: &'a str) -> Option<(&'a str, &'a str)> {
    Some((text(reference, "/namespace").unwrap_or(namespace), text(reference, "/name")?))
}

fn object(kind: ObjectKind, namespace: &str, name: &str) -> Reference {
    Reference::Object(ObjectId { kind, namespace: namespace.to_owned(), name: name.to_owned() })
}

fn value(holder: ValueKind, namespace: &str, name: &str) -> Reference {
    Reference::Value(ValueRef { holder, namespace: namespace.to_owned(), name: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(kind: &str, spec: Value) -> Vec<String> {
        let value = json!({
            "apiVersion": "outrigger.dev/v1alpha1", "kind": kind,
            "metadata": {"name": "it", "namespace": "shop"}, "spec": spec,
        });
        let named = named_by(&ObjectVersion::of(&value).unwrap());
        let word = |named: Reference| match named {
            Reference::Object(id) => id.to_string(),
            Reference::Value(wanted) => format!("{} {}/{}", wanted.holder.name(), wanted.namespace, wanted.name),
        };
        named.into_iter().map(word).collect()
    }

    #[test]
    fn references_are_found_in_what_is_otherwise_broken() {
        for (kind, spec, expected) in [
            (
                "VirtualKey",
                json!({"providers": [
                    {"name": "own"}, {"name": "b", "providerRef": {"name": "other", "namespace": "platform"}}, {}, 7,
                ], "budgetRefs": [{"name": "team"}, {"name": "company", "namespace": "finance"}], "onLimit": 3}),
                vec![
                    "LLMProvider platform/other",
                    "LLMProvider shop/own",
                    "Budget finance/company",
                    "Budget shop/team",
                ],
            ),
            (
                "LLMProvider",
                json!({"credentials": [{"secretRef": {"name": "openai"}}, {"secretRef": {}}], "tls": {"caRef": {"name": "ca"}}}),
                vec!["Secret shop/openai", "ConfigMap shop/ca"],
            ),
            ("LLMProvider", json!({"tls": {"caRef": {"kind": "Secret", "name": "ca"}}}), vec!["Secret shop/ca"]),
            ("Budget", json!({"parentRef": {"name": "up", "namespace": "finance"}}), vec!["Budget finance/up"]),
            ("Budget", json!("text"), vec![]),
            ("RoutingRule", json!({"targets": [{"provider": "x"}]}), vec![]),
        ] {
            assert_eq!(told(kind, spec.clone()), expected, "{kind} {spec}");
        }
    }
}
