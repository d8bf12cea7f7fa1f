//! Azure, Vertex AI and Amazon Bedrock: what identifies a resource, a project or a region, and the key of it.

use serde_json::{Map, Value, json};

use super::super::super::endpoint::is_azure_version;
use super::super::super::report::Fate;
use super::super::super::secrets::KeySource;
use super::super::super::source::Node;

/// LiteLLM's default.
const LOCATION: &str = "us-central1";

/// The parameters that are read here, for all clouds.
pub(super) const PARAMETERS: [&str; 15] = [
    "api_version",
    "tenant_id",
    "client_id",
    "client_secret",
    "vertex_project",
    "vertex_location",
    "vertex_credentials",
    "aws_region_name",
    "aws_access_key_id",
    "aws_secret_access_key",
    "aws_session_token",
    "aws_role_name",
    "aws_session_name",
    "aws_web_identity_token",
    "aws_bedrock_runtime_endpoint",
];

/// Sets `azure`. Returns the node of a client secret, if that is used in place of an API key.
pub(super) fn azure<'s>(
    field: &dyn Fn(&str) -> Option<Node<'s>>,
    params: &Node<'s>,
    settings: &mut Map<String, Value>,
) -> Option<Node<'s>> {
    let mut azure = Map::new();
    match field("api_version") {
        Some(node) => {
            if let Some(version) = fixed(&node).filter(|version| is_azure_version(version)) {
                azure.insert("apiVersion".to_owned(), json!(version));
            } else if !node.is_handled() {
                node.doubtful("no version with a date, so Azure is called at /openai/v1, which needs none");
            }
        }
        None => {
            params.source().report(
                Fate::Doubtful,
                &params.at("api_version"),
                "absent, so Azure is called at /openai/v1, which needs none",
            );
        }
    }
    let secret = field("client_secret");
    if let (Some(tenant), Some(client)) = (field("tenant_id"), field("client_id"))
        && let (Some(tenant), Some(client)) = (fixed(&tenant), fixed(&client))
    {
        azure.insert("entra".to_owned(), json!({"tenantId": tenant, "clientId": client}));
    }
    if !azure.is_empty() {
        settings.insert("azure".to_owned(), Value::Object(azure));
    }
    secret
}

/// Sets `vertex`. `None` if the deployment can't be carried over; the node of the service account's key otherwise.
pub(super) fn vertex<'s>(
    field: &dyn Fn(&str) -> Option<Node<'s>>,
    params: &Node<'s>,
    settings: &mut Map<String, Value>,
) -> Option<Option<Node<'s>>> {
    let Some(project) = field("vertex_project").and_then(|node| fixed(&node)) else {
        params.lost(
            "names no vertex_project, and spec.vertex.project is required: write an LLMProvider of type VertexAI",
        );
        return None;
    };
    let location = field("vertex_location").and_then(|node| fixed(&node)).unwrap_or_else(|| LOCATION.to_owned());
    let mut vertex = Map::from_iter([("project".to_owned(), json!(project)), ("location".to_owned(), json!(location))]);
    let key = field("vertex_credentials").or_else(|| field("api_key"));
    if key.is_none() {
        vertex.insert("workloadIdentity".to_owned(), json!({}));
        params.source().report(
            Fate::Doubtful,
            &params.at("vertex_credentials"),
            "absent, so LiteLLM uses the login of its machine; here the gateway's pod is asked for its identity, from \
             Google's metadata server",
        );
    }
    settings.insert("vertex".to_owned(), Value::Object(vertex));
    Some(key)
}

/// Whether an LLMProvider of type VertexAI has such a model: Gemini, Claude and Google's embeddings.
pub(super) fn is_served(model: &str) -> bool {
    ["gemini", "claude", "text-embedding", "text-multilingual-embedding", "*"]
        .iter()
        .any(|word| model.starts_with(word))
}

/// Sets `bedrock`. `None` if the deployment can't be carried over; the key otherwise, and where it is.
pub(super) fn bedrock<'s>(
    field: &dyn Fn(&str) -> Option<Node<'s>>,
    params: &Node<'s>,
    region: Option<&str>,
    settings: &mut Map<String, Value>,
) -> Option<Option<(KeySource, Node<'s>)>> {
    let named = field("aws_region_name").and_then(|node| fixed(&node));
    let Some(region) = named.or_else(|| region.map(str::to_owned)) else {
        params.lost(
            "names no aws_region_name, and spec.bedrock.region is required: write an LLMProvider of type Bedrock",
        );
        return None;
    };
    let mut bedrock = Map::from_iter([("region".to_owned(), json!(region))]);
    let api_key = field("api_key").and_then(|node| Some((KeySource::litellm(&node)?, node)));
    let pair = || {
        let parts = ["aws_access_key_id", "aws_secret_access_key", "aws_session_token"].map(&field);
        let [Some(id), Some(secret), session] = parts else { return None };
        let source = |node: &Node<'s>| KeySource::litellm(node);
        Some((KeySource::access_key(source(&id)?, source(&secret)?, session.as_ref().and_then(source)), secret))
    };
    let role = field("aws_role_name").and_then(|node| Some((fixed(&node)?, node)));
    let key = match (api_key, role) {
        (Some(key), _) => Some(key),
        (None, Some((role, node))) => {
            let _its_name = field("aws_session_name");
            node.doubtful(
                "the role is assumed with the token of the gateway's pod, which the role must trust: see access tokens in \
                 docs/semantics.md",
            );
            bedrock.insert("workloadIdentity".to_owned(), json!({"roleArn": role}));
            None
        }
        (None, None) => pair(),
    };
    if key.is_none() && !bedrock.contains_key("workloadIdentity") {
        bedrock.insert("workloadIdentity".to_owned(), json!({}));
        params.source().report(
            Fate::Doubtful,
            &params.at("aws_access_key_id"),
            "absent, so LiteLLM uses what its machine has; here the gateway uses what AWS gives its pod: a role of the \
             service account, EKS Pod Identity, or the role of the machine",
        );
    }
    settings.insert("bedrock".to_owned(), Value::Object(bedrock));
    Some(key)
}

/// Whether an LLMProvider of type Bedrock has such a model: those of conversations.
pub(super) fn converses(model: &str) -> bool {
    !["embed", "rerank", "canvas", "image", "stability.", "sonic"].iter().any(|word| model.contains(word))
}

/// A text that an object can hold; not one from a variable.
fn fixed(node: &Node<'_>) -> Option<String> {
    let text = node.text()?.trim();
    if text.starts_with("os.environ/") {
        node.lost("in a variable: an object holds it itself, so write it there");
        return None;
    }
    Some(text.to_owned()).filter(|text| !text.is_empty())
}
