//! The keys of Bifrost's providers, which become credentials and models.

use serde_json::{Map, Value, json};

use super::super::Work;
use super::super::name::Names;
use super::super::objects::ImportedObject;
use super::super::report::code;
use super::super::secrets::KeySource;
use super::super::source::Node;
use super::super::weights;
use super::cloud;
use super::known_providers::KEYLESS;
use super::lists::{Allowed, Empty, SUSPENDED};

/// The names of a key.
#[derive(Debug)]
pub(crate) struct KeyName {
    /// Bifrost's name and id.
    called: Vec<String>,
    /// The credential, unless the server needs none.
    pub credential: Option<String>,
}

impl KeyName {
    pub fn is(&self, called: &str) -> bool {
        self.called.iter().any(|name| name == called)
    }
}

/// A parsed key.
pub(super) struct ImportedKey<'s> {
    node: Node<'s>,
    pub called: Vec<String>,
    key_source: Option<(KeySource, Node<'s>)>,
    allowed: Allowed,
    pub weight: f64,
    enabled: bool,
    aliases: Vec<(String, String, Node<'s>)>,
    /// Its own server.
    url: Option<Node<'s>>,
    /// Everything of its server.
    model: Option<String>,
    /// `spec.azure`, `spec.vertex` or `spec.bedrock`.
    pub cloud: Option<(&'static str, Value)>,
}

/// Parses a key.
pub(super) fn key(node: Node<'_>, empty: Empty) -> ImportedKey<'_> {
    let text = |field: &str| node.get(field).and_then(|node| node.text()).map(str::to_owned);
    let called: Vec<String> = ["name", "id"].into_iter().filter_map(text).collect();
    if let Some(node) = node.get("use_for_batch_api") {
        node.idle("a batch uses any credential of its provider");
    }
    if let Some(node) = node.get("description") {
        node.idle("a description");
    }
    let mut aliases = Vec::new();
    if let Some(list) = node.get("aliases") {
        for (name, alias) in list.fields() {
            let upstream = match alias.is_object() {
                true => {
                    for (field, node) in alias.fields() {
                        match field {
                            "model_id" => {}
                            "description" => node.idle("a description"),
                            _ => node.lost("an alias must be a name with the name that the provider gets"),
                        }
                    }
                    alias.get("model_id").and_then(|node| node.text())
                }
                false => alias.text(),
            };
            if let Some(upstream) = upstream {
                aliases.push((name.to_owned(), upstream.to_owned(), alias));
            }
        }
    }
    let cloud = cloud::read(&node);
    aliases.extend(cloud.deployments);
    let own = ["vllm_key_config", "ollama_key_config", "sgl_key_config"].into_iter().find_map(|field| node.get(field));
    let model = own.as_ref().and_then(|own| own.get("model_name")).and_then(|node| node.text()).map(str::to_owned);
    let allowed = match (&model, node.get("models")) {
        // The server has only this model, and the list is often left out.
        (Some(_), None) => Allowed::All,
        _ => empty.allowed(&node, &["models"], "model"),
    };
    ImportedKey {
        key_source: cloud
            .secret
            .or_else(|| node.get("value").and_then(|value| Some((KeySource::bifrost(&value)?, value)))),
        allowed,
        weight: node.get("weight").and_then(|node| node.number()).unwrap_or(1.0).max(0.0),
        enabled: node.get("enabled").and_then(|node| node.flag()).unwrap_or(true),
        url: own.and_then(|own| own.get("url")).or(cloud.url),
        cloud: cloud.spec,
        called,
        aliases,
        model,
        node,
    }
}

/// Keys by the server that they name, and by how it is called, in the file's order. Without keys there is still one
/// server.
pub(super) fn servers(keys: Vec<ImportedKey<'_>>) -> Vec<(Option<Node<'_>>, Vec<ImportedKey<'_>>)> {
    let mut servers: Vec<(Option<Node<'_>>, Vec<ImportedKey<'_>>)> = Vec::new();
    for key in keys {
        let url = |node: &Option<Node<'_>>| {
            node.as_ref().and_then(|node| node.text()).map(|text| text.trim_end_matches('/').to_owned())
        };
        let own = url(&key.url);
        let is_of = |keys: &[ImportedKey<'_>]| keys.first().is_none_or(|first| first.cloud == key.cloud);
        match servers.iter_mut().find(|(server, keys)| url(server) == own && is_of(keys)) {
            Some((_, keys)) => keys.push(key),
            None => servers.push((key.url.clone(), vec![key])),
        }
    }
    if servers.is_empty() {
        servers.push((None, Vec::new()));
    }
    servers
}

/// Sets the credentials and models of a provider's `object`. Returns the names of the keys.
pub(super) fn credentials(
    work: &mut Work<'_>,
    provider: &str,
    kind: &str,
    keys: &[ImportedKey<'_>],
    object: &mut ImportedObject,
) -> Vec<KeyName> {
    let mut names = Names::default();
    let mut credentials = Vec::new();
    let mut models: Vec<Value> = Vec::new();
    let mut known = Vec::new();
    // Without a value, the identity of the gateway's pod serves.
    let by_identity = keys.iter().all(|key| {
        let has_identity =
            |(field, spec): &(&str, Value)| matches!(*field, "vertex" | "bedrock") || spec.get("entra").is_some();
        key.key_source.is_none() && key.cloud.as_ref().is_some_and(has_identity)
    });
    if let Some((field, spec)) = keys.first().and_then(|key| key.cloud.clone()) {
        let mut spec = spec;
        if by_identity && field == "vertex" {
            spec["workloadIdentity"] = json!({});
            keys[0].node.doubtful(
                "without auth_credentials, the gateway's pod is asked for its identity, from Google's metadata server",
            );
        }
        if by_identity && field == "bedrock" && spec.get("workloadIdentity").is_none() {
            spec["workloadIdentity"] = json!({});
            keys[0].node.doubtful(
                "without a key, the gateway uses what AWS gives its pod: a role of the service account, EKS Pod Identity, or \
                 the role of the machine",
            );
        }
        if spec.as_object().is_some_and(|spec| !spec.is_empty()) {
            object.set(field, spec);
        }
    }
    let weights = weights::whole(&keys.iter().map(|key| key.weight).collect::<Vec<_>>());
    for (key, weight) in keys.iter().zip(weights) {
        let listed: Vec<(String, Option<String>, &Node<'_>)> = key
            .aliases
            .iter()
            .map(|(name, upstream, node)| (name.clone(), Some(upstream.clone()), node))
            .chain(key.model.iter().map(|model| (model.clone(), None, &key.node)))
            .collect();
        for (name, upstream, node) in listed {
            let mut model = Map::from_iter([("name".to_owned(), json!(name))]);
            if let Some(upstream) = upstream.filter(|upstream| *upstream != name) {
                model.insert("upstreamName".to_owned(), json!(upstream));
            }
            let model = Value::Object(model);
            match models.iter().find(|other| other["name"] == model["name"]) {
                Some(other) if *other != model => node.lost(format!(
                    "another key of the provider has {} under another name already, and a provider has one: split it in two",
                    code(&name)
                )),
                Some(_) => {}
                None => models.push(model),
            }
        }
        let Some((key_source, value)) = &key.key_source else {
            if !KEYLESS.contains(&kind) && !by_identity {
                key.node.lost("has no value: write a credential with a secretRef");
            }
            known.push(KeyName { called: key.called.clone(), credential: None });
            continue;
        };
        let called = key.called.first().map_or("main", String::as_str);
        let name = names.free_reporting("credential", called, &key.node);
        let hint = if keys.len() == 1 { provider.to_owned() } else { format!("{provider}-{name}") };
        let at = work.secrets.refer(key_source, provider, &hint, value);
        let mut credential = Map::from_iter([("name".to_owned(), json!(name)), ("secretRef".to_owned(), at.value())]);
        if weight != 1 {
            credential.insert("weight".to_owned(), json!(weight));
        }
        match &key.allowed {
            Allowed::These(models) => drop(credential.insert("models".to_owned(), json!(models))),
            Allowed::Nothing => {
                object.notes.push(format!("SUSPENDED: credential {}: {SUSPENDED}.", code(&name)));
                credential.insert("suspended".to_owned(), json!(true));
            }
            Allowed::All => {}
        }
        if !key.enabled {
            object.notes.push(format!("SUSPENDED: credential {}: it is not enabled.", code(&name)));
            credential.insert("suspended".to_owned(), json!(true));
        }
        credentials.push(Value::Object(credential));
        known.push(KeyName { called: key.called.clone(), credential: Some(name) });
    }
    if !credentials.is_empty() {
        object.set("credentials", credentials);
    }
    if !models.is_empty() {
        object.set("models", models);
        if keys.iter().all(|key| key.model.is_some()) {
            object.set("exclusive", true);
        }
    }
    known
}
