//! What providers in the big clouds need besides an endpoint.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::shapes;

/// How an Azure OpenAI resource is called.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AzureSpec {
    /// The API version, such as 2024-10-21: a model's name upstream is then a deployment in the path. Absent: the paths
    /// below /openai/v1, which have no version, and name the deployment in the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::azure_version")]
    pub api_version: Option<String>,
    /// The application of Microsoft Entra ID as which it is called. The credentials are then its client secrets. Without
    /// credentials, the gateway proves it with the pod's own token (workload identity).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entra: Option<EntraSpec>,
}

/// An application of Microsoft Entra ID.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EntraSpec {
    /// The directory (tenant) id, or a domain of it.
    #[schemars(schema_with = "shapes::entra_tenant")]
    pub tenant_id: String,
    /// The application (client) id.
    #[schemars(schema_with = "shapes::uuid")]
    pub client_id: String,
    /// The token server. Absent: `https://login.microsoftonline.com`; national clouds have others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::endpoint")]
    pub authority: Option<String>,
}

/// The part of Vertex AI that is called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VertexSpec {
    /// The id of the Google Cloud project.
    #[schemars(schema_with = "shapes::google_project")]
    pub project: String,
    /// The location: a region such as europe-west4, a multi-region (us, eu), or global.
    #[schemars(schema_with = "shapes::google_location")]
    pub location: String,
    /// The version of the API.
    #[serde(default)]
    pub api_version: VertexApiVersion,
    /// The token server for service accounts' keys. Absent: `https://oauth2.googleapis.com`. A key's own token_uri never
    /// decides where it is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::endpoint")]
    pub token_endpoint: Option<String>,
    /// Calls it with the identity of the gateway's pod, in place of credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload_identity: Option<WorkloadIdentity>,
}

/// The identity of the gateway's own pod, at Google Cloud.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    shapes::rule(
        "!has(self.serviceAccount) || has(self.audience)",
        "serviceAccount needs audience: with the metadata server, the pod's own service account decides",
    ),
]))]
pub struct WorkloadIdentity {
    /// The provider of a workload identity pool that trusts the cluster. Absent: Google's metadata server, as on GKE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::google_audience")]
    pub audience: Option<String>,
    /// The service account to act as. Absent: the federated identity itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::google_account")]
    pub service_account: Option<String>,
}

/// A version of Vertex AI's API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum VertexApiVersion {
    /// Stable.
    #[default]
    #[serde(rename = "v1")]
    V1,
    /// With fields that are not stable yet.
    #[serde(rename = "v1beta1")]
    V1Beta1,
}

/// Where Amazon Bedrock is called, and as whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BedrockSpec {
    /// The region, such as eu-central-1. It decides the endpoint, and what signatures are valid for.
    #[schemars(schema_with = "shapes::aws_region")]
    pub region: String,
    /// The token server (STS) that is asked for a role. Absent: AWS's own in the region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::endpoint")]
    pub token_endpoint: Option<String>,
    /// Calls it with the identity of the gateway's pod, in place of credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload_identity: Option<AwsIdentity>,
}

/// The identity of the gateway's own pod, at AWS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AwsIdentity {
    /// The role to assume with the pod's own token, which the role must trust. Absent: what AWS gives the pod, by a role
    /// of its service account (IRSA) or by EKS Pod Identity, else the role of its machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::aws_role")]
    pub role_arn: Option<String>,
}
