//! What providers in the big clouds need besides an endpoint.

use outrigger_crds::cloud::{AzureSpec, BedrockSpec, VertexApiVersion, VertexSpec};
use outrigger_policy::{AwsIdentityDoc, AzureDoc, BedrockDoc, EntraDoc, VertexDoc, WorkloadIdentityDoc};

pub(crate) fn azure(spec: &AzureSpec) -> AzureDoc {
    let entra = spec.entra.as_ref().map(|entra| EntraDoc {
        tenant_id: entra.tenant_id.clone(),
        client_id: entra.client_id.clone(),
        authority: entra.authority.clone(),
    });
    AzureDoc { api_version: spec.api_version.clone(), entra }
}

pub(crate) fn vertex(spec: &VertexSpec) -> VertexDoc {
    let api_version = match spec.api_version {
        VertexApiVersion::V1 => "v1",
        VertexApiVersion::V1Beta1 => "v1beta1",
    };
    let identity = spec.workload_identity.as_ref().map(|identity| WorkloadIdentityDoc {
        audience: identity.audience.clone(),
        service_account: identity.service_account.clone(),
    });
    VertexDoc {
        project: spec.project.clone(),
        location: spec.location.clone(),
        api_version: api_version.to_owned(),
        token_endpoint: spec.token_endpoint.clone(),
        workload_identity: identity,
    }
}

pub(crate) fn bedrock(spec: &BedrockSpec) -> BedrockDoc {
    let identity = spec.workload_identity.as_ref();
    BedrockDoc {
        region: spec.region.clone(),
        token_endpoint: spec.token_endpoint.clone(),
        workload_identity: identity.map(|identity| AwsIdentityDoc { role_arn: identity.role_arn.clone() }),
    }
}
