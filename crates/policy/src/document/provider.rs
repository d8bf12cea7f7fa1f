//! Providers and their models.

use std::collections::BTreeMap;

use outrigger_core::SecretRef;
use serde::{Deserialize, Serialize};

use super::{FailOpenDoc, LimitsDoc, MockDoc};
use crate::prices::Price;

/// A `ModelCatalog`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CatalogueDoc {
    pub namespace: String,
    pub name: String,
    /// Whether it applies to providers of every namespace, because it is in the operator's namespace.
    #[serde(default)]
    pub everywhere: bool,
    pub models: Vec<ModelDoc>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Balance {
    /// By weight, regardless of speed and failures.
    #[default]
    Weighted,
    /// By weight, scaled by speed and failures.
    Adaptive,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProviderDoc {
    pub namespace: String,
    pub name: String,
    /// As in `LLMProvider.spec.type`: `OpenAI`, `vLLM`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// Absent: the default of the type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credentials: Vec<CredentialDoc>,
    /// Whether it is called with each caller's own credential. It has none of its own then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub caller_credential: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<ModelDoc>,
    /// Whether it serves only the models in `models`.
    #[serde(default)]
    pub exclusive: bool,
    #[serde(default)]
    pub suspended: bool,
    #[serde(default)]
    pub timeouts: TimeoutsDoc,
    /// The account that its credentials share, if they do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    #[serde(default)]
    pub balance: Balance,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<u32>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Whether its credentials may be sent without TLS from pods of other namespaces.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub clear_text_credentials: bool,
    #[serde(default)]
    pub prewarm: bool,
    /// Certificate authorities to trust, PEM, in place of the public ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// The proxy through which the endpoint is reached: `http://HOST:PORT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    /// From `LLMProvider.spec.azure`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub azure: Option<AzureDoc>,
    /// From `LLMProvider.spec.vertex`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vertex: Option<VertexDoc>,
    /// From `LLMProvider.spec.bedrock`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bedrock: Option<BedrockDoc>,
    /// From `LLMProvider.spec.mock`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mock: Option<MockDoc>,
    /// Limits of the provider, shared by everyone who uses it here.
    #[serde(default, skip_serializing_if = "LimitsDoc::is_empty")]
    pub limits: LimitsDoc,
    /// For these, while the ledger can't be reached; absent: nothing passes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fail_open: Option<FailOpenDoc>,
    /// The price of models that have no other price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_price: Option<Price>,
}

/// How an Azure OpenAI resource is called.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AzureDoc {
    /// The `api-version` of requests to deployments. Absent: OpenAI's own paths, below `/openai/v1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// The application as which it is called, in place of API keys: the credentials are its secrets. Without
    /// credentials, the pod's own token proves it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entra: Option<EntraDoc>,
}

/// An application of Microsoft Entra ID.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EntraDoc {
    pub tenant_id: String,
    pub client_id: String,
    /// The URL of the token server. Absent: that of Azure's public cloud.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<String>,
}

/// Which part of Vertex AI is called.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VertexDoc {
    pub project: String,
    /// A region, a multi-region such as `eu`, or `global`.
    pub location: String,
    /// `v1` or `v1beta1`.
    pub api_version: String,
    /// The URL of the token server for service accounts' keys. Absent: Google's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_endpoint: Option<String>,
    /// The identity that serves instead of credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload_identity: Option<WorkloadIdentityDoc>,
}

/// The identity of the gateway's own pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadIdentityDoc {
    /// The provider of a workload identity pool that trusts the pod's own token. Absent: Google's metadata server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// The service account to act as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account: Option<String>,
}

/// Where Amazon Bedrock is called, and as whom.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BedrockDoc {
    /// Decides the endpoint, and what signatures are valid for.
    pub region: String,
    /// The URL of the token server (STS). Absent: AWS's, in the region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_endpoint: Option<String>,
    /// The identity that serves instead of credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload_identity: Option<AwsIdentityDoc>,
}

/// The identity of the gateway's own pod, at AWS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AwsIdentityDoc {
    /// The role that trusts the pod's own token. Absent: what the cluster gave the pod, else the role of its node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CredentialDoc {
    pub name: String,
    pub weight: u32,
    /// Globs; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    #[serde(default)]
    pub suspended: bool,
    pub secret: SecretRef,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelDoc {
    pub name: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_window: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u32>,
    /// Names of [`outrigger_core::Capability`]; absent means those in a catalogue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
}

/// Milliseconds; absent means the default of the gateway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TimeoutsDoc {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_token: Option<u64>,
    /// One attempt; absent means its share of the total.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
}
