//! The owner references of the operator's ConfigMaps and Secrets.

use serde_json::{Value, json};

/// A VirtualKey that a generated object belongs to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyOwner {
    pub name: String,
    pub uid: String,
}

/// Owner references, so that Kubernetes deletes the objects with their keys. They are not controller references, and do
/// not block the deletion of a key.
pub(crate) fn owner_references(owners: &[KeyOwner]) -> Value {
    let reference = |owner: &KeyOwner| {
        json!({
            "apiVersion": format!("{}/v1alpha1", outrigger_crds::GROUP),
            "kind": "VirtualKey",
            "name": owner.name,
            "uid": owner.uid,
            "controller": false,
            "blockOwnerDeletion": false,
        })
    };
    owners.iter().map(reference).collect()
}
