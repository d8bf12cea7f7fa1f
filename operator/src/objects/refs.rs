//! What an object references. A broken object still has references: see [`fields`](crate::objects::fields).

use std::collections::BTreeSet;

use crate::objects::id::{ObjectId, ObjectKind};
use crate::objects::version::ObjectVersion;

/// The kinds of objects that hold values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ValueKind {
    Secret,
    ConfigMap,
}

impl ValueKind {
    /// The value of `kind:`.
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

/// A Secret or a ConfigMap that an object names. It is watched by its name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ValueRef {
    pub holder: ValueKind,
    pub namespace: String,
    pub name: String,
}

/// An object that another one names, whether or not it exists.
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

/// Everything that a version references.
#[must_use]
pub fn references_of(version: &ObjectVersion) -> BTreeSet<Reference> {
    let mut named = BTreeSet::new();
    match version.id.kind {
        ObjectKind::LlmProvider => {
            let bundle = version.certificate_authority().map(|(bundle, _)| bundle);
            named.extend(version.credential_secrets().chain(bundle).map(Reference::Value));
        }
        ObjectKind::VirtualKey => {
            named.extend(version.providers().chain(version.budgets()).map(Reference::Object));
        }
        ObjectKind::Budget => named.extend(version.parent().map(Reference::Object)),
        ObjectKind::RoutingRule | ObjectKind::ModelCatalog => {}
    }
    named
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn refs_of(kind: &str, spec: Value) -> Vec<String> {
        let value = json!({
            "apiVersion": "outrigger.dev/v1alpha1", "kind": kind,
            "metadata": {"name": "it", "namespace": "shop"}, "spec": spec,
        });
        let named = references_of(&ObjectVersion::of(&value).unwrap());
        let word = |named: Reference| match named {
            Reference::Object(id) => id.to_string(),
            Reference::Value(wanted) => format!("{} {}/{}", wanted.holder.name(), wanted.namespace, wanted.name),
        };
        named.into_iter().map(word).collect()
    }

    #[test]
    fn broken_objects_still_have_references() {
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
            assert_eq!(refs_of(kind, spec.clone()), expected, "{kind} {spec}");
        }
    }
}
