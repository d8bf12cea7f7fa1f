//! One version of an object, without its status. Plans are made from these.

use std::fmt;
use std::sync::OnceLock;

use outrigger_compile::{Object, ObjectValidation, SourceLocation};
use serde_json::{Map, Value};

use crate::objects::id::{ObjectId, ObjectKind};
use crate::objects::metadata::Metadata;

/// The fields of the metadata that plans and statuses use.
const METADATA: [&str; 6] = ["name", "namespace", "uid", "generation", "labels", "creationTimestamp"];

/// An object of ours at one time, without its status. `compile` decides whether it is valid.
#[derive(Clone)]
pub struct ObjectVersion {
    pub id: ObjectId,
    /// With another uid, it is another object of the same name.
    pub uid: String,
    /// 0 if absent.
    pub generation: i64,
    object: Object,
    judgement: OnceLock<ObjectValidation>,
}

impl ObjectVersion {
    /// Reads an object from the API server. `None` if it is none of our kinds or has no name.
    #[must_use]
    pub fn of(value: &Value) -> Option<Self> {
        let kind = ObjectKind::named(type_of(value, "kind")?)?;
        if type_of(value, "apiVersion")?.split('/').next() != Some(outrigger_crds::GROUP) {
            return None;
        }
        let metadata = Metadata::of(value);
        let id = ObjectId { kind, namespace: metadata.namespace()?.to_owned(), name: metadata.name()?.to_owned() };
        Some(ObjectVersion {
            uid: metadata.uid().to_owned(),
            generation: metadata.generation(),
            object: object(trimmed(value)),
            judgement: OnceLock::new(),
            id,
        })
    }

    /// The form that `compile` takes.
    #[must_use]
    pub fn object(&self) -> &Object {
        &self.object
    }

    /// The faults that the object has by itself. Computed once.
    #[must_use]
    pub fn judgement(&self) -> &ObjectValidation {
        self.judgement.get_or_init(|| ObjectValidation::of(&self.object))
    }

    /// Whether [`Self::judgement`] is already computed.
    #[must_use]
    pub(crate) fn is_validated(&self) -> bool {
        self.judgement.get().is_some()
    }

    /// apiVersion, kind, the used part of the metadata, and spec.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.object.value
    }

    /// The same version with other content. Its uid and generation stay.
    pub(crate) fn with(&self, value: Value) -> Self {
        ObjectVersion { object: object(value), judgement: OnceLock::new(), ..self.clone() }
    }

    /// Whether a plan would see no difference.
    pub(crate) fn is_equivalent(&self, other: &Self) -> bool {
        self.uid == other.uid && self.generation == other.generation && self.value() == other.value()
    }
}

impl fmt::Debug for ObjectVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (generation {})", self.id, self.generation)
    }
}

/// An object of any kind, as `compile` takes it. It has no file.
pub(crate) fn object(value: Value) -> Object {
    let text = |field: &str| type_of(&value, field).unwrap_or_default().to_owned();
    let metadata = Metadata::of(&value);
    Object {
        api_version: text("apiVersion"),
        kind: text("kind"),
        namespace: metadata.namespace().unwrap_or_default().to_owned(),
        name: metadata.name().unwrap_or_default().to_owned(),
        location: SourceLocation::default(),
        lines: std::collections::HashMap::new(),
        value,
    }
}

/// Removes the status and the metadata that only machines write, and puts the fields into one order.
fn trimmed(value: &Value) -> Value {
    let mut kept = Map::new();
    for field in ["apiVersion", "kind", "metadata", "spec"] {
        let Some(part) = value.get(field) else { continue };
        let part = match (field, part) {
            ("metadata", Value::Object(metadata)) => {
                let known = METADATA.iter().filter_map(|name| Some(((*name).to_owned(), metadata.get(*name)?.clone())));
                Value::Object(known.collect())
            }
            (_, part) => part.clone(),
        };
        kept.insert(field.to_owned(), part);
    }
    Value::Object(kept)
}

/// `apiVersion` or `kind`.
pub(crate) fn type_of<'a>(object: &'a Value, field: &str) -> Option<&'a str> {
    object.get(field)?.as_str()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_version_leaves_out_status_and_machine_written_metadata() {
        let mut value = json!({
            "apiVersion": "outrigger.dev/v1alpha1",
            "kind": "VirtualKey",
            "metadata": {"name": "search", "namespace": "shop", "uid": "u", "generation": 3, "resourceVersion": "7"},
            "spec": {"team": "x"},
        });
        let before = ObjectVersion::of(&value).unwrap();
        value["metadata"]["managedFields"] = json!([{}]);
        value["metadata"]["resourceVersion"] = json!("8");
        value["status"] = json!({"conditions": []});
        let after = ObjectVersion::of(&value).unwrap();
        assert!(before.is_equivalent(&after));
        assert_eq!((before.generation, before.uid.as_str()), (3, "u"));
        assert_eq!(format!("{before:?}"), "VirtualKey shop/search (generation 3)");
    }

    #[test]
    fn other_kinds_are_not_versions() {
        for value in [
            json!({"apiVersion": "apps/v1", "kind": "VirtualKey", "metadata": {"name": "a", "namespace": "b"}}),
            json!({"apiVersion": "outrigger.dev/v1alpha1", "kind": "Thing", "metadata": {"name": "a", "namespace": "b"}}),
            json!({"apiVersion": "outrigger.dev/v1alpha1", "kind": "Budget", "metadata": {"name": "a"}}),
            json!("text"),
        ] {
            assert!(ObjectVersion::of(&value).is_none(), "{value}");
        }
    }
}
