//! Objects and their expected findings. Each spec is YAML; the rest of the object is added.

pub mod governance;
pub mod rules;
pub mod structure;
mod valid;

use serde_json::{Value, json};

/// An object of a kind with this spec, named `example`.
pub fn object(kind: &str, spec: &str) -> Value {
    let spec: Value = serde_yaml::from_str(spec).unwrap_or_else(|error| panic!("{spec}: {error}"));
    json!({"apiVersion": "outrigger.dev/v1alpha1", "kind": kind, "metadata": {"name": "example"}, "spec": spec})
}

pub use valid::VALID;

pub const PROVIDER: &str = "LLMProvider";
pub const KEY: &str = "VirtualKey";
pub const RULE: &str = "RoutingRule";
pub const BUDGET: &str = "Budget";
pub const CATALOG: &str = "ModelCatalog";

/// An invalid spec, and all its findings: paths and messages.
pub type Invalid = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

/// Every invalid spec.
pub fn invalid() -> impl Iterator<Item = &'static Invalid> {
    rules::BROKEN.iter().chain(structure::BROKEN).chain(governance::BROKEN).chain(governance::GENERATED.iter())
}
