//! A namespace of a cluster, compiled.

use crate::findings::finding::Severity;
use crate::keys::default_key;
use crate::objects::judgement::Judgement;
use crate::objects::validate;
use crate::objects::validate::Keyless;
use crate::objects::world::CompileContext;
use crate::read::source::Object;
use crate::{Compiled, in_steps};

/// What the policies of a namespace are compiled from.
#[derive(Clone, Copy, Debug)]
pub struct Cluster<'a> {
    /// Its own objects, those of other namespaces that they name, and those of the operator's that act on it.
    pub objects: &'a [(&'a Object, &'a Judgement)],
    /// The Secrets, ConfigMaps and Namespaces of all these.
    pub others: &'a [&'a Object],
    pub namespace: &'a str,
    /// As in [`crate::Inputs`].
    pub operator_namespace: &'a str,
}

/// Compiles what a namespace of a cluster amounts to: one document with all of its keys, from which [`crate::Slices`] cut
/// what a pod obeys. It has no default key. Pods that name none have a key of their own where none is named `default`
/// (for the operator's namespace, whose rules act on all: in each of the namespaces). A value that is not in its Secret is
/// an error of the object that names it, and the credential stays: gateways may have the value.
#[must_use]
pub fn compile_in(cluster: &Cluster<'_>) -> Compiled {
    let mut findings = Vec::new();
    let mut folder = validate::folder(cluster.objects.iter().copied(), cluster.others.iter().copied(), &mut findings);
    folder.keyless = Keyless::WithoutDefault;
    let everywhere = cluster.namespace == cluster.operator_namespace;
    let world = CompileContext {
        environment: None,
        without_value: Severity::Error,
        operator_namespace: cluster.operator_namespace,
    };
    let such = |namespace: &str| everywhere || namespace == cluster.namespace;
    in_steps(
        folder,
        &world,
        &|folder, providers, keys, _| {
            default_key::keyless_of(folder, providers, &such, keys);
            None
        },
        findings,
    )
}
