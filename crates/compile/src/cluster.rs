//! Compiles a namespace of a cluster.

use crate::findings::finding::Severity;
use crate::keys::default_key;
use crate::objects::context::CompileContext;
use crate::objects::sorted;
use crate::objects::sorted::Keyless;
use crate::objects::validation::ObjectValidation;
use crate::read::source::Object;
use crate::{Compiled, in_steps};

/// The objects that the policies of a namespace are compiled from.
#[derive(Clone, Copy, Debug)]
pub struct Cluster<'a> {
    /// Its own objects, those of other namespaces that they refer to, and those of the operator's namespace that apply
    /// to it.
    pub objects: &'a [(&'a Object, &'a ObjectValidation)],
    /// The Secrets, ConfigMaps and Namespaces that belong to these objects.
    pub others: &'a [&'a Object],
    pub namespace: &'a str,
    /// As in [`crate::Inputs`].
    pub operator_namespace: &'a str,
}

/// Compiles a namespace of a cluster to one document with all its keys, from which [`crate::Slices`] cut the policy of
/// each pod. The document has no default key. Pods that name no key get a keyless key of their own if none is named
/// `default` (for the operator's namespace, whose rules apply to all: in each of the namespaces). A value that is
/// missing from its Secret is an error of the object that refers to it, but the credential stays in the document:
/// gateways may still have the value.
#[must_use]
pub fn compile_in(cluster: &Cluster<'_>) -> Compiled {
    let mut findings = Vec::new();
    let mut sorted = sorted::sort(cluster.objects.iter().copied(), cluster.others.iter().copied(), &mut findings);
    sorted.keyless = Keyless::WithoutDefault;
    let everywhere = cluster.namespace == cluster.operator_namespace;
    let context = CompileContext {
        environment: None,
        without_value: Severity::Error,
        operator_namespace: cluster.operator_namespace,
    };
    let such = |namespace: &str| everywhere || namespace == cluster.namespace;
    in_steps(
        sorted,
        &context,
        &|sorted, providers, keys, _| {
            default_key::keyless_of(sorted, providers, &such, keys);
            None
        },
        findings,
    )
}
