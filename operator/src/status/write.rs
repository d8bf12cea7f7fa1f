//! A status, written.

use kube::api::{DynamicObject, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::api::{CallError, resource, timed};
use crate::names;
use crate::object::ObjectId;

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrote {
    Done,
    /// The object is not there any more, or it is another one of the same name.
    Gone,
}

/// Writes the operator's fields of an object's status; those of others stay. `uid` is the object's that was judged.
///
/// # Errors
/// [`CallError`]: to be tried again.
pub async fn write(client: &Client, id: &ObjectId, uid: &str, status: &Value) -> Result<Wrote, CallError> {
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &id.namespace, &resource(id.kind));
    let patch = patch(id, uid, status);
    let params = PatchParams::apply(names::FIELD_MANAGER).force();
    match timed(api.patch_status(&id.name, &params, &Patch::Apply(&patch))).await {
        Ok(_) => Ok(Wrote::Done),
        // By force, so that the uid is all that it can conflict in.
        Err(error) if error.is_not_found() || error.is_conflict() => Ok(Wrote::Gone),
        Err(error) => Err(error),
    }
}

fn patch(id: &ObjectId, uid: &str, status: &Value) -> Value {
    json!({
        "apiVersion": format!("{}/{}", outrigger_crds::GROUP, outrigger_crds::VERSION),
        "kind": id.kind.name(),
        "metadata": {"name": id.name, "namespace": id.namespace, "uid": uid},
        "status": status,
    })
}
