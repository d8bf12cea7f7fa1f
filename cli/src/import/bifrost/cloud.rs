//! The keys of Azure and Vertex AI, which name a resource or a project.

use serde_json::{Map, Value, json};

use super::super::endpoint::is_azure_version;
use super::super::secrets::KeySource;
use super::super::source::Node;

/// What a key says about its cloud.
#[derive(Default)]
pub(super) struct CloudKey<'s> {
    /// `spec.azure` or `spec.vertex`, without a name if the key is of no cloud.
    pub spec: Option<(&'static str, Value)>,
    pub url: Option<Node<'s>>,
    /// In place of the key's value: a client secret, or a service account's key.
    pub secret: Option<(KeySource, Node<'s>)>,
    /// Names of models, and of deployments.
    pub deployments: Vec<(String, String, Node<'s>)>,
}

pub(super) fn read<'s>(key: &Node<'s>) -> CloudKey<'s> {
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
