//! The keys of Azure, Vertex AI and Amazon Bedrock, which name a resource, a project or a region.

use serde_json::{Map, Value, json};

use super::super::endpoint::is_azure_version;
use super::super::secrets::KeySource;
use super::super::source::Node;

/// What a key says about its cloud.
#[derive(Default)]
pub(super) struct CloudKey<'s> {
    /// `spec.azure`, `spec.vertex` or `spec.bedrock`, without a name if the key is of no cloud.
    pub spec: Option<(&'static str, Value)>,
    pub url: Option<Node<'s>>,
    /// In place of the key's value: a client secret, a service account's key, or an access key.
    pub secret: Option<(KeySource, Node<'s>)>,
    /// Names of models, and of deployments.
    pub deployments: Vec<(String, String, Node<'s>)>,
}

pub(super) fn read<'s>(key: &Node<'s>) -> CloudKey<'s> {
    if let Some(config) = key.get("bedrock_key_config") {
        return bedrock(key, &config);
    }
    match (key.get("azure_key_config"), key.get("vertex_key_config")) {
        (Some(config), _) => azure(key, &config),
        (None, Some(config)) => vertex(&config),
        (None, None) => CloudKey::default(),
    }
}

fn azure<'s>(key: &Node<'s>, config: &Node<'s>) -> CloudKey<'s> {
    let mut azure = Map::new();
    let version = config.get("api_version").and_then(|node| fixed(&node).map(|version| (version, node)));
    match version {
        Some((version, _)) if is_azure_version(&version) => drop(azure.insert("apiVersion".to_owned(), json!(version))),
        Some((_, node)) => node.doubtful("no version with a date, so Azure is called at /openai/v1, which needs none"),
        None => config.doubtful("without api_version, Azure is called at /openai/v1, which needs none"),
    }
    let of = |field: &str| config.get(field);
    let ids = of("tenant_id").zip(of("client_id"));
    let mut secret = None;
    if let Some((tenant, client)) = ids
        && let (Some(tenant), Some(client)) = (fixed(&tenant), fixed(&client))
    {
        azure.insert("entra".to_owned(), json!({"tenantId": tenant, "clientId": client}));
        secret = of("client_secret").and_then(|node| Some((KeySource::bifrost(&node)?, node)));
    }
    if let Some(scopes) = of("scopes") {
        scopes.lost("tokens are asked for with Azure OpenAI's own scope");
    }
    CloudKey {
        spec: Some(("azure", Value::Object(azure))),
        url: of("endpoint"),
        secret,
        deployments: [of("deployments"), key.get("deployments")].into_iter().flatten().flat_map(names).collect(),
    }
}

fn vertex<'s>(config: &Node<'s>) -> CloudKey<'s> {
    let text = |field: &str| config.get(field).and_then(|node| fixed(&node));
    let secret = config.get("auth_credentials").and_then(|node| Some((KeySource::bifrost(&node)?, node)));
    if let Some(number) = config.get("project_number") {
        number.idle("the project's id is enough");
    }
    let mut vertex = Map::new();
    match text("project_id") {
        Some(project) => drop(vertex.insert("project".to_owned(), json!(project))),
        None => {
            config.lost("names no project_id: write an LLMProvider of type VertexAI with spec.vertex.project");
            return CloudKey::default();
        }
    }
    vertex.insert("location".to_owned(), json!(text("region").unwrap_or_else(|| "us-central1".to_owned())));
    CloudKey {
        spec: Some(("vertex", Value::Object(vertex))),
        url: None,
        secret,
        deployments: config.get("deployments").into_iter().flat_map(names).collect(),
    }
}

fn bedrock<'s>(key: &Node<'s>, config: &Node<'s>) -> CloudKey<'s> {
    let of = |field: &str| config.get(field);
    let source = |field: &str| of(field).and_then(|node| KeySource::bifrost(&node));
    let region = of("region").and_then(|node| fixed(&node)).unwrap_or_else(|| "us-east-1".to_owned());
    let mut bedrock = Map::from_iter([("region".to_owned(), json!(region))]);
    let api_key = key.get("value").is_some_and(|value| KeySource::bifrost(&value).is_some());
    let secret = source("access_key").zip(source("secret_key")).filter(|_| !api_key);
    let secret =
        secret.map(|(id, secret)| KeySource::access_key(id, secret, source("session_token"))).zip(of("secret_key"));
    if let Some(role) = of("role_arn") {
        let wanted = fixed(&role).filter(|_| secret.is_none() && !api_key);
        match wanted {
            Some(wanted) => {
                role.doubtful("the role is assumed with the token of the gateway's pod, which the role must trust");
                bedrock.insert("workloadIdentity".to_owned(), json!({"roleArn": wanted}));
            }
            None => role.lost("a role is assumed with the pod's own token here, and not with another key"),
        }
    }
    if let Some(arn) = of("arn") {
        arn.lost("the name of a model here is its whole ARN: write it into upstreamName");
    }
    for field in ["external_id", "session_name", "batch_s3_config"] {
        if let Some(node) = of(field) {
            node.idle("nothing here needs it");
        }
    }
    CloudKey {
        spec: Some(("bedrock", Value::Object(bedrock))),
        url: None,
        secret,
        deployments: [of("deployments"), key.get("deployments")].into_iter().flatten().flat_map(names).collect(),
    }
}

fn names(list: Node<'_>) -> Vec<(String, String, Node<'_>)> {
    list.fields()
        .into_iter()
        .filter_map(|(name, node)| Some((name.to_owned(), node.text()?.to_owned(), node)))
        .collect()
}

/// A text that an object can hold; not one from a variable.
fn fixed(node: &Node<'_>) -> Option<String> {
    match KeySource::bifrost(node)? {
        KeySource::Literal(text) => Some(text),
        KeySource::Variable(_) | KeySource::Elsewhere(_) => {
            node.lost("not in the file itself: an object holds it, so write it there");
            None
        }
    }
}
