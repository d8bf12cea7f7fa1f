//! The credentials with which a provider is called.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{shapes, weights};

/// One API key of an account at a provider, or the place of the caller's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    shapes::rule(
        "self.from == 'Caller' || has(self.secretRef)",
        "secretRef is required: name the Secret that holds the API key",
    ),
    shapes::rule(
        "self.from == 'Secret' || !(has(self.secretRef) || has(self.models) || self.suspended)",
        "a credential from: Caller has no value here: remove secretRef and models, and suspend the LLMProvider in its place",
    ),
]))]
pub struct CredentialSpec {
    /// The name by which virtual keys and rules refer to this credential.
    #[schemars(schema_with = "shapes::name")]
    pub name: String,
    /// Whose it is. Caller: each caller's own, such as the login of Claude Code or Codex. It is sent to this provider
    /// only, and money is not counted.
    #[serde(default)]
    pub from: CredentialSource,
    /// The Secret that holds the API key, in the provider's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretKeyRef>,
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

/// Whose a credential is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum CredentialSource {
    /// The gateway's own, in a Secret.
    #[default]
    Secret,
    /// The one that the caller sends.
    Caller,
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
