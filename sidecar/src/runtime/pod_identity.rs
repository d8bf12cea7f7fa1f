//! What the pod or machine can prove about itself to a cloud, by the variables of its environment.

use std::path::PathBuf;

/// What the pod or machine can prove about itself to a cloud.
#[derive(Clone, Debug, Default)]
pub struct PodIdentity {
    /// The file of a projected token for federation.
    pub token_file: Option<PathBuf>,
    /// The same, as Azure's webhook mounts it. It has precedence there.
    pub azure_token_file: Option<PathBuf>,
    /// Another metadata server than Google's: `host[:port]`.
    pub metadata_host: Option<String>,
    pub aws: AwsPodIdentity,
}

/// What webhooks of AWS set in pods.
#[derive(Clone, Debug, Default)]
pub struct AwsPodIdentity {
    /// The role of the pod's service account, and the file of the token that this role trusts.
    pub role: Option<String>,
    pub token_file: Option<PathBuf>,
    /// The agent of the node that gives keys to this pod, and the file of the token for it.
    pub agent: Option<String>,
    pub agent_token_file: Option<PathBuf>,
    /// Another metadata server than AWS's: a URL.
    pub metadata: Option<String>,
}

/// The variable with the file of a projected token, which injection sets.
const TOKEN_FILE_VARIABLE: &str = "OUTRIGGER_IDENTITY_TOKEN_FILE";

impl PodIdentity {
    /// By the variables of the environment.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let file = |name: &str| set(name).map(PathBuf::from);
        PodIdentity {
            token_file: file(TOKEN_FILE_VARIABLE),
            azure_token_file: file("AZURE_FEDERATED_TOKEN_FILE"),
            metadata_host: set("GCE_METADATA_HOST"),
            aws: AwsPodIdentity {
                role: set("AWS_ROLE_ARN"),
                token_file: file("AWS_WEB_IDENTITY_TOKEN_FILE"),
                agent: set("AWS_CONTAINER_CREDENTIALS_FULL_URI"),
                agent_token_file: file("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
                metadata: set("AWS_EC2_METADATA_SERVICE_ENDPOINT"),
            },
        }
    }
}
