//! Labels of namespaces: for sharing, and for the team and customer of a key.

use outrigger_crds::selector::{LabelOperator, LabelSelector};
use outrigger_crds::{AllowedNamespaces, NamespacesFrom};

use crate::objects::sorted::SortedObjects;

/// The label that Kubernetes sets on every namespace.
const NAME: &str = "kubernetes.io/metadata.name";

/// The label of a namespace, if its Namespace object is present.
pub(crate) fn label<'a>(sorted: &SortedObjects<'a>, namespace: &'a str, key: &str) -> Option<&'a str> {
    if key == NAME {
        return Some(namespace);
    }
    let object = sorted.namespaces.get(namespace)?;
    object.labels().find(|(name, _)| *name == key).map(|(_, value)| value)
}

/// Why keys of `namespace` may not use an object of `owner`; `None` if they may.
pub(crate) fn refusal(
    sorted: &SortedObjects<'_>,
    owner: &str,
    allowed: Option<&AllowedNamespaces>,
    namespace: &str,
) -> Option<String> {
    if owner == namespace {
        return None;
    }
    let refused = |how: &str| Some(format!("does not share itself with namespace {namespace}: {how}"));
    match allowed {
        None => refused("set spec.allowedNamespaces there"),
        Some(allowed) => match allowed.from {
            NamespacesFrom::All => None,
            NamespacesFrom::Same => refused("spec.allowedNamespaces there has from: Same"),
            NamespacesFrom::Selector => {
                let of_namespace = |key: &str| label(sorted, namespace, key);
                let selects = allowed.selector.as_ref().is_some_and(|selector| selects(selector, &of_namespace));
                match (selects, sorted.namespaces.contains_key(namespace)) {
                    (true, _) => None,
                    (false, true) => refused("the selector in its spec.allowedNamespaces does not match the labels"),
                    (false, false) => refused(
                        "the selector in its spec.allowedNamespaces looks at labels, and no Namespace object of that name is here: add it",
                    ),
                }
            }
        },
    }
}

/// Kubernetes' semantics: all conditions must match; NotIn also matches if the label is absent.
pub(crate) fn selects<'a>(selector: &LabelSelector, label: &dyn Fn(&str) -> Option<&'a str>) -> bool {
    selector.match_labels.iter().all(|(key, value)| label(key) == Some(value))
        && selector.match_expressions.iter().all(|requirement| {
            let value = label(&requirement.key);
            let listed = value.is_some_and(|value| requirement.values.iter().any(|one| one == value));
            match requirement.operator {
                LabelOperator::In => listed,
                LabelOperator::NotIn => !listed,
                LabelOperator::Exists => value.is_some(),
                LabelOperator::DoesNotExist => value.is_none(),
            }
        })
}
