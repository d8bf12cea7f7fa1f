//! How to reach a provider's server, and its timeouts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{GoDuration, shapes};

/// Timeouts of an attempt, each longer than zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Timeouts {
    /// To connect, TLS handshake included. Absent: 2s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::deadline")]
    pub connect: Option<GoDuration>,
    /// From the request to the first content of a stream. Absent: 30s; or 5m for a model that reasons, for types Ollama
    /// and vLLM, and for a model without known facts if no other candidate is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::deadline")]
    pub first_token: Option<GoDuration>,
    /// For one attempt: to the first content of a stream, or to the end of an answer that is not streamed. Absent: two
    /// thirds of the remaining time while another provider can take over, else all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::deadline")]
    pub attempt: Option<GoDuration>,
    /// Between two bytes of an answer in progress. Absent: 30s; or 5m for a model that reasons or without known facts,
    /// and for types Ollama and vLLM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::deadline")]
    pub idle: Option<GoDuration>,
    /// For the whole request with all its attempts, until a stream has content. A stream in progress may take longer.
    /// Absent: 10m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::deadline")]
    pub total: Option<GoDuration>,
}

/// How often a request is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Retry {
    /// The most attempts at this provider for one request, the first included, with any credential. If no other
    /// provider is left, the gateway tries it again after a failed connection, after 5xx, and after a 429 or 503 that
    /// does not ask to wait longer than 5 s. It retries only once if the provider may have processed the request. The
    /// request's timeout and the gateway's retry budget (one retry for five requests) limit attempts too.
    #[schemars(range(min = 1, max = 10))]
    pub max_attempts: i32,
}

/// Which certificate authorities to trust for the endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tls {
    /// Certificates (PEM) of the authorities to trust in place of the public ones.
    pub ca_ref: CaRef,
}

/// A proxy through which gateways reach the endpoint, with HTTP's CONNECT.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProxySpec {
    /// The URL of the proxy, as http://HOST:PORT. TLS to the provider passes through the proxy and is not terminated
    /// there.
    #[schemars(schema_with = "shapes::proxy")]
    pub url: String,
}

/// A reference to a bundle of certificates in the object's own namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CaRef {
    /// The kind of object that holds it.
    #[serde(default)]
    pub kind: CaKind,
    /// The name of that object.
    #[schemars(schema_with = "shapes::object_name")]
    pub name: String,
    /// The key in its data.
    #[serde(default = "ca_crt")]
    #[schemars(schema_with = "shapes::data_key")]
    pub key: String,
}

/// The kinds of objects that may hold a bundle of certificates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CaKind {
    /// A ConfigMap: certificates are not secret.
    #[default]
    ConfigMap,
    /// A Secret, as cert-manager and others write it.
    Secret,
}

fn ca_crt() -> String {
    "ca.crt".to_owned()
}
