//! Reads objects with limits from a cluster.

use std::fmt;
use std::path::PathBuf;

use outrigger_core::ObjectRef;
use outrigger_policy::LimitOwner;
use serde_json::Value;
use thiserror::Error;

use super::objects::ObjectWithLimits;
use super::tree;
use crate::kubectl::{Kubectl, KubectlError, is_unreachable};

const KINDS: &str = "budgets.outrigger.dev,virtualkeys.outrigger.dev,llmproviders.outrigger.dev";
/// So many Budgets of other namespaces are read, one by one.
const OTHERS_MAX: usize = 32;

/// Where objects are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The namespace of the kubeconfig's context.
    Current,
    Namespace(String),
    All,
    Folder(PathBuf),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Current => f.write_str("in the current namespace (--namespace names another one)"),
            Place::Namespace(name) => write!(f, "in namespace {name}"),
            Place::All => f.write_str("in the cluster"),
            Place::Folder(folder) => write!(f, "in {}", folder.display()),
        }
    }
}

impl Place {
    /// As an argument of kubectl.
    pub(super) fn argument(&self) -> Option<String> {
        match self {
            Place::Current | Place::Folder(_) => None,
            // One argument, so that no name can be taken for a flag.
            Place::Namespace(name) => Some(format!("--namespace={name}")),
            Place::All => Some("--all-namespaces".to_owned()),
        }
    }
}

#[derive(Debug, Error)]
pub(super) enum ListObjectsError {
    #[error(transparent)]
    Kubectl(#[from] KubectlError),
    #[error(
        "the cluster does not have the definitions of Budget, VirtualKey and LLMProvider: \
         outrigger crds | kubectl apply --server-side -f -"
    )]
    NoDefinitions,
    #[error("Budgets, VirtualKeys and LLMProviders cannot be read: {0}")]
    Refused(String),
    #[error(
        "Budgets, VirtualKeys and LLMProviders cannot be read from a cluster: {0}. Name the cluster with --context or --kubeconfig, \
         or show a folder of objects with --folder"
    )]
    Unreachable(String),
}

/// The objects as the API server has them.
pub(super) async fn list(kubectl: &Kubectl, place: &Place) -> Result<Vec<Value>, ListObjectsError> {
    let argument = place.argument();
    let arguments: Vec<&str> = argument.as_deref().into_iter().collect();
    kubectl.get(KINDS, &arguments, &[]).await?.map_err(|why| match why {
        why if why.contains("doesn't have a resource type") => ListObjectsError::NoDefinitions,
        why if is_unreachable(&why) => ListObjectsError::Unreachable(why),
        why => ListObjectsError::Refused(why),
    })
}

/// The objects of a place, and the Budgets of other namespaces that they count against.
pub(super) async fn read(kubectl: &Kubectl, place: &Place) -> Result<Vec<ObjectWithLimits>, ListObjectsError> {
    let values = list(kubectl, place).await?;
    let mut objects: Vec<ObjectWithLimits> = values.iter().filter_map(ObjectWithLimits::of).collect();
    if *place == Place::All {
        return Ok(objects);
    }
    let namespace = objects.first().map(|object| object.id.namespace.clone());
    for _ in 0..OTHERS_MAX {
        let Some(id) = missing(&objects, namespace.as_deref()) else { break };
        let (resource, argument) =
            (format!("budgets.outrigger.dev/{}", id.name), format!("--namespace={}", id.namespace));
        let object = match kubectl.run(&["get", &resource, &argument, "-o", "json"]).await? {
            Ok(value) => {
                ObjectWithLimits::of(&value).filter(|object| object.kind == LimitOwner::Budget && object.id == id)
            }
            Err(why) => Some(ObjectWithLimits::unread(id.clone(), &why)),
        };
        objects.push(object.unwrap_or_else(|| ObjectWithLimits::unread(id, "kubectl printed another object")));
    }
    Ok(objects)
}

/// A Budget of another namespace that an object names, and that is not read yet.
fn missing(objects: &[ObjectWithLimits], namespace: Option<&str>) -> Option<ObjectRef> {
    let named = objects.iter().flat_map(|object| &object.counts_against);
    let mut others = named.filter(|id| Some(id.namespace.as_str()) != namespace);
    others.find(|id| tree::budget(objects, id).is_none()).cloned()
}
