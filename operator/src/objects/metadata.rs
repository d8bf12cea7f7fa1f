//! The metadata of any object, read from JSON. A field that cannot be read counts as absent.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use serde::Deserialize;
use serde_json::Value;

/// The metadata of an object in JSON.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Metadata<'a>(Option<&'a Value>);

impl<'a> Metadata<'a> {
    pub fn of(object: &'a Value) -> Self {
        Metadata(object.get("metadata"))
    }

    fn field(self, name: &str) -> Option<&'a Value> {
        self.0?.get(name)
    }

    fn text(self, name: &str) -> Option<&'a str> {
        self.field(name)?.as_str().filter(|text| !text.is_empty())
    }

    pub fn name(self) -> Option<&'a str> {
        self.text("name")
    }

    pub fn namespace(self) -> Option<&'a str> {
        self.text("namespace")
    }

    /// Empty if absent.
    pub fn uid(self) -> &'a str {
        self.text("uid").unwrap_or_default()
    }

    /// Empty if absent.
    pub fn resource_version(self) -> &'a str {
        self.text("resourceVersion").unwrap_or_default()
    }

    /// 0 if absent.
    pub fn generation(self) -> i64 {
        self.field("generation").and_then(Value::as_i64).unwrap_or_default()
    }

    pub fn labels(self) -> Option<&'a Value> {
        self.field("labels")
    }

    pub fn annotations(self) -> Option<&'a Value> {
        self.field("annotations")
    }

    pub fn label(self, name: &str) -> Option<&'a str> {
        self.labels()?.get(name)?.as_str()
    }

    pub fn annotation(self, name: &str) -> Option<&'a str> {
        self.annotations()?.get(name)?.as_str()
    }

    /// Whether the object is deleted and only waits for its finalizers.
    pub fn is_being_deleted(self) -> bool {
        self.field("deletionTimestamp").is_some_and(|time| !time.is_null())
    }

    /// The owner that controls the object.
    pub fn controller(self) -> Option<OwnerReference> {
        let owners = self.field("ownerReferences")?.as_array()?;
        let mut owners = owners.iter().filter_map(|owner| OwnerReference::deserialize(owner).ok());
        owners.find(|owner| owner.controller == Some(true))
    }
}
