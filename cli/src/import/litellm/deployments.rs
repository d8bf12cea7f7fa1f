//! `model_list`: its deployments, and the LLMProviders that serve them.
//!
//! A deployment is a model with a key. Deployments with the same server, key and settings share an LLMProvider, which
//! has a model for each. A deployment with its own limit has its own provider, because limits belong to providers.

mod cloud;
mod credential;
mod known;
mod parameters;

use serde_json::{Map, Value, json};

use super::super::Work;
use super::super::endpoint::endpoint;
use super::super::name::label;
use super::super::objects::{ImportedKind, ImportedObject};
use super::super::report::{Fate, code};
use super::super::secrets::KeySource;
use super::super::source::Node;
use super::models;
use credential::{credential, secret};
use known::{name_at, vendor};
use parameters::settings_of;
pub(crate) use parameters::{retries, seconds};

/// A model with a key.
#[derive(Debug)]
pub(crate) struct Deployment {
    /// The name that callers send: `model_name`.
    pub group: String,
    /// Its path in the file.
    pub path: String,
    /// The name that the provider gets.
    pub model: String,
    /// The name in the provider's object: the group's name, unless another model there has it.
    pub listed_as: String,
    /// The LLMProvider.
    pub provider: String,
    /// LiteLLM's name of the provider.
    pub vendor: &'static str,
    /// Its share of the group's requests.
    pub weight: f64,
    /// Lower ones are used first.
    pub order: i64,
}

/// Defaults for all deployments.
#[derive(Debug, Default)]
pub(crate) struct Defaults {
    pub total: Option<String>,
    pub first_token: Option<String>,
    pub attempts: Option<i64>,
    pub without_key: bool,
}

/// What identifies a provider.
#[derive(Clone, Debug, PartialEq)]
struct Shape {
    vendor: &'static str,
    kind: &'static str,
    endpoint: Option<String>,
    secret: Option<Value>,
    settings: Map<String, Value>,
    /// Set if it is not shared.
    alone: Option<usize>,
}

/// A provider that is being built.
struct ProviderDraft {
    shape: Shape,
    object: usize,
    name: String,
    /// It accepts any model name.
    open: bool,
}

pub(crate) fn import<'s>(work: &mut Work<'s>, root: &Node<'s>, defaults: &Defaults) -> Vec<Deployment> {
    let mut deployments = Vec::new();
    let mut drafts: Vec<ProviderDraft> = Vec::new();
    let list = root.get("model_list").map(|node| node.items()).unwrap_or_default();
    // Wildcards first, because callers send their provider's name.
    let mut order: Vec<usize> = (0..list.len()).collect();
    order.sort_by_key(|at| !is_wildcard(&list[*at]));
    for index in order {
        deployments.extend(deployment(work, root, &list[index], index, defaults, &mut drafts));
    }
    // As in LiteLLM, only listed models are allowed, unless there is a wildcard.
    for provider in drafts.iter().filter(|provider| !provider.open) {
        if let Some(object) = work.objects.get_mut(provider.object) {
            object.set("exclusive", true);
        }
    }
    deployments
}

fn is_wildcard(node: &Node<'_>) -> bool {
    let model = node.get("litellm_params").and_then(|params| params.get("model"));
    model.filter(Node::is_text).and_then(|model| model.text()).is_some_and(|model| model.contains('*'))
}

fn deployment<'s>(
    work: &mut Work<'s>,
    root: &Node<'s>,
    node: &Node<'s>,
    index: usize,
    defaults: &Defaults,
    drafts: &mut Vec<ProviderDraft>,
) -> Option<Deployment> {
    let group = node.get("model_name").and_then(|node| node.text()).map(str::trim);
    let params = node.get("litellm_params");
    let (Some(group), Some(params)) = (group.filter(|group| !group.is_empty()), params) else {
        node.lost("needs model_name and litellm_params");
        return None;
    };
    let Some(full) = params.get("model").and_then(|node| node.text()).map(str::trim) else {
        node.lost("names no model in litellm_params.model");
        return None;
    };
    let custom = params.get("custom_llm_provider").and_then(|node| node.text());
    let Some((known, model)) = vendor(full, custom) else {
        node.lost(format!(
            "{} has no provider type here, so the deployment is not in the objects: if it has an endpoint that speaks OpenAI's \
             API, write an LLMProvider of type OpenAICompatible",
            code(full)
        ));
        return None;
    };
    if known.kind == "VertexAI" && !cloud::is_served(model) {
        node.lost(format!("{} is neither Gemini nor Claude, and VertexAI serves only those", code(full)));
        return None;
    }
    if known.kind == "Bedrock" && !cloud::converses(model) {
        node.lost(format!("{} is no model of conversations, and Bedrock serves only those", code(full)));
        return None;
    }
    let shared = credential(root, &params);
    let field = |name: &str| params.get(name).or_else(|| shared.as_ref().and_then(|shared| shared.get(name)));
    let mut settings = Map::new();
    let mut limits = Map::new();
    let weight = settings_of(&params, known.kind, defaults, &mut settings, &mut limits);
    let sourced = |node: Node<'s>| Some((KeySource::litellm(&node)?, node));
    let key = match known.kind {
        "AzureOpenAI" => cloud::azure(&field, &params, &mut settings).or_else(|| field("api_key")).and_then(sourced),
        "VertexAI" => cloud::vertex(&field, &params, &mut settings)?.and_then(sourced),
        "Bedrock" => cloud::bedrock(&field, &params, known::region(model), &mut settings)?,
        _ => field("api_key").and_then(sourced),
    };
    let base = ["api_base", "base_url", "aws_bedrock_runtime_endpoint"].into_iter().find_map(field);
    let model = &*name_at(known, model, base.is_some());
    let (kind, endpoint) = match base {
        None => (known.kind, known.endpoint.map(str::to_owned)),
        Some(base) => {
            let own = endpoint(&base, known.version);
            if own.is_none() {
                node.lost("without its endpoint the deployment is not in the objects");
                return None;
            }
            // Another server with OpenAI's API accepts any model name.
            let at = |host: &str| own.as_deref().is_some_and(|own| own.starts_with(host));
            let another = match known.kind {
                "OpenAI" => !at("https://api.openai.com"),
                "HuggingFace" => !at("https://router.huggingface.co"),
                _ => false,
            };
            (if another { "OpenAICompatible" } else { known.kind }, own)
        }
    };
    let builtin = outrigger_llm::provider::lookup(kind).and_then(|kind| kind.endpoint);
    if endpoint.is_none() && builtin.is_none() && !matches!(kind, "VertexAI" | "Bedrock") {
        params
            .lost("has no api_base, and its provider's type has no endpoint of its own: write an LLMProvider with one");
        return None;
    }
    if known.endpoint.is_some() && endpoint.as_deref() == known.endpoint {
        let address = known.endpoint.unwrap_or_default();
        let message = format!(
            "{} is called as a server of OpenAI's API, at {address}: check that this is still its address",
            code(known.name)
        );
        params.source().report(Fate::Doubtful, &params.at("api_base"), message);
    }
    let place = format!("{} {}", known.name, endpoint.as_deref().unwrap_or_default());
    let secret = secret(work, root, (known, kind, &place), key, &params, node)?;
    if !limits.is_empty() {
        settings.insert("limits".to_owned(), Value::Object(limits.clone()));
    }
    let shape = Shape {
        vendor: known.name,
        kind,
        endpoint: endpoint.filter(|own| Some(own.as_str()) != builtin),
        secret,
        settings,
        alone: (!limits.is_empty()).then_some(index),
    };
    let wildcard = model.contains('*');
    let provider = provider(work, drafts, shape, group, node, defaults);
    let mut listed_as = model.to_owned();
    if wildcard {
        provider.open = true;
        // A wildcard's names have no prefix for the provider.
        let any = group == "*" && model == "*";
        let object = work.objects.get_mut(provider.object).filter(|_| any);
        let models = object.map(|object| object.body.entry("models").or_insert_with(|| json!([])));
        if let Some(Value::Array(models)) = models {
            let star = json!({"name": "*"});
            if !models.contains(&star) {
                models.push(star);
            }
        }
    } else {
        let entry = models::entry(node, &params, group, model);
        let object = work.objects.get_mut(provider.object)?;
        listed_as = models::add(object, entry, node, group, model);
    }
    node.became(&format!("a model of LLMProvider {}", code(&provider.name)));
    Some(Deployment {
        group: group.to_owned(),
        path: node.path().to_owned(),
        model: model.to_owned(),
        listed_as,
        provider: provider.name.clone(),
        vendor: known.name,
        weight,
        order: params.get("order").and_then(|node| node.whole()).unwrap_or(0),
    })
}

/// The provider of that shape, created if there is none.
fn provider<'g>(
    work: &mut Work<'_>,
    drafts: &'g mut Vec<ProviderDraft>,
    shape: Shape,
    group: &str,
    node: &Node<'_>,
    defaults: &Defaults,
) -> &'g mut ProviderDraft {
    let found = drafts.iter().position(|provider| provider.shape == shape);
    let at = found.unwrap_or_else(|| {
        let first = !drafts.iter().any(|provider| provider.shape.vendor == shape.vendor);
        let wanted = match first {
            true => label(shape.vendor),
            false => label(&format!("{}-{group}", shape.vendor)),
        };
        let name = work.names.free("LLMProvider", &wanted);
        let mut object = ImportedObject::new(ImportedKind::Provider, &name, node.path());
        object.set("type", shape.kind);
        if let Some(endpoint) = &shape.endpoint {
            object.set("endpoint", endpoint.as_str());
        }
        if let Some(secret) = &shape.secret {
            object.set("credentials", json!([{"name": "main", "secretRef": secret}]));
        }
        if defaults.without_key {
            object.set("withoutKey", "Allow");
        }
        object.body.extend(shape.settings.clone());
        let place = work.objects.len();
        work.objects.push(object);
        drafts.push(ProviderDraft { shape, object: place, name, open: false });
        drafts.len() - 1
    });
    &mut drafts[at]
}
