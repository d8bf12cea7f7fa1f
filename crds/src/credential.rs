//! The credentials with which a provider is called.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{shapes, weights};

/// One API key of an account at a provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CredentialSpec {
    /// The name by which virtual keys and rules refer to this credential.
    #[schemars(schema_with = "shapes::name")]
    pub name: String,
    /// The Secret that holds the API key, in the provider's namespace.
    pub secret_ref: SecretKeyRef,
    /// How often it is chosen, relative to the others. 0: never chosen first, but tried if others fail.
    #[serde(default = "weights::one")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub weight: i32,
    /// Globs of the models that it may be used for. Absent: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "shapes::globs")]
    pub models: Vec<String>,
    /// Whether it is out of use. Set this to revoke it.
    #[serde(default)]
    pub suspended: bool,
}

/// A key in a Secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyRef {
    /// The Secret's name.
    #[schemars(schema_with = "shapes::object_name")]
    pub name: String,
    /// The key in its data.
    #[serde(default = "api_key")]
    #[schemars(schema_with = "shapes::data_key")]
    pub key: String,
}

fn api_key() -> String {
    "apiKey".to_owned()
}
