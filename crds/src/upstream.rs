//! How a provider's server is reached and waited for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{GoDuration, shapes};

/// How long an attempt may take, each longer than zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Timeouts {
    /// To connect, TLS included. Absent: 2s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::deadline")]
    pub connect: Option<GoDuration>,
    /// From the request to the first content of a stream. Absent: 30s, or 5m for a model that reasons, for types Ollama
    /// and vLLM, and for a model of which nothing is known where no other candidate is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::deadline")]
    pub first_token: Option<GoDuration>,
    /// For one attempt: to the first content of a stream, or to the whole of another answer. Absent: two thirds of the time
    /// that is left while another provider can take over, else all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::deadline")]
    pub attempt: Option<GoDuration>,
    /// Between two bytes of an answer that flows. Absent: 30s, or 5m for a model that reasons or of which nothing is known,
    /// and for types Ollama and vLLM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::deadline")]
    pub idle: Option<GoDuration>,
    /// For the whole request, all its attempts together, until a stream has content: what flows may take longer.
    /// Absent: 10m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::deadline")]
    pub total: Option<GoDuration>,
}

/// How often a request is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Retry {
    /// The most attempts at this provider for one request, the first included, by whatever credential. Where no other
    /// provider is left, it is asked again after no connection, after 5xx, and after a 429 or 503 that does not ask to wait
    /// for longer than 5 s; once only if the answer may have been made. The time of the request and the gateway's budget of
    /// retries (one for five requests) bound it too.
    #[schemars(range(min = 1, max = 10))]
    pub max_attempts: i32,
}

/// Whom to trust at the endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tls {
    /// Certificates (PEM) of the authorities to trust in place of the public ones.
    pub ca_ref: CaRef,
}

/// A proxy that gateways ask for a way to the endpoint, with HTTP's CONNECT.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProxySpec {
    /// Where it listens, as http://HOST:PORT. TLS to the provider goes through it and is not opened there.
    #[schemars(schema_with = "shapes::proxy")]
    pub url: String,
}

/// Where a bundle of certificates lies, in the object's own namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CaRef {
    /// What holds it.
    #[serde(default)]
    pub kind: CaKind,
    /// Its name.
    #[schemars(schema_with = "shapes::object_name")]
    pub name: String,
    /// The key in its data.
    #[serde(default = "ca_crt")]
    #[schemars(schema_with = "shapes::data_key")]
    pub key: String,
}

/// What may hold a bundle of certificates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CaKind {
    /// In the open: certificates are no secret.
    #[default]
    ConfigMap,
    /// As cert-manager and others write it.
    Secret,
}

fn ca_crt() -> String {
    "ca.crt".to_owned()
}
