//! `model_list`: its deployments, and the LLMProviders that serve them.
//!
//! A deployment is a model behind a key. Those that share server, key and settings share an LLMProvider, with a model
//! each. One with a limit of its own has a provider of its own, because limits are a provider's.

mod credential;
mod known;
mod parameters;

use serde_json::{Map, Value, json};

use super::super::Work;
use super::super::endpoint::endpoint;
use super::super::name::label;
use super::super::objects::{ImportedKind, ImportedObject};
use super::super::report::{Fate, code};
use super::super::source::Node;
use super::models;
use credential::{credential, secret};
use known::whose;
use parameters::settings_of;
pub(crate) use parameters::{retries, seconds};

/// A model behind a key.
#[derive(Debug)]
pub(crate) struct Deployment {
    /// What callers say: `model_name`.
    pub group: String,
    /// Where it stands.
    pub path: String,
    /// What the provider is sent.
    pub model: String,
    /// What the provider's object calls it: the group's name, unless another model there has it.
    pub says: String,
    /// The LLMProvider.
    pub provider: String,
    /// LiteLLM's word for whose it is.
    pub whose: &'static str,
    /// Its share of the group's requests.
    pub weight: f64,
    /// Lower ones are asked first.
    pub order: i64,
}

/// What holds for all deployments that say nothing else.
#[derive(Debug, Default)]
pub(crate) struct Defaults {
    pub total: Option<String>,
    pub first_token: Option<String>,
    pub attempts: Option<i64>,
    pub without_key: bool,
}

/// What a provider is recognised by.
#[derive(Clone, Debug, PartialEq)]
struct Shape {
    whose: &'static str,
    kind: &'static str,
    endpoint: Option<String>,
    secret: Option<Value>,
    settings: Map<String, Value>,
    /// Set where it shares with nobody.
    alone: Option<usize>,
}

/// A provider, as it grows.
struct Growing {
    shape: Shape,
    object: usize,
    name: String,
    /// It passes any name.
    open: bool,
}

pub(crate) fn import<'s>(work: &mut Work<'s>, root: &Node<'s>, defaults: &Defaults) -> Vec<Deployment> {
    let mut deployments = Vec::new();
    let mut growing: Vec<Growing> = Vec::new();
    let list = root.get("model_list").map(|node| node.items()).unwrap_or_default();
    // Those of wildcards first, because callers say their provider's name.
    let mut order: Vec<usize> = (0..list.len()).collect();
    order.sort_by_key(|at| !is_wildcard(&list[*at]));
    for index in order {
        deployments.extend(deployment(work, root, &list[index], index, defaults, &mut growing));
    }
    // Only what stands in the file may be asked for, as in LiteLLM, unless a wildcard stands there.
    for provider in growing.iter().filter(|provider| !provider.open) {
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
    growing: &mut Vec<Growing>,
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
    let Some((known, model)) = whose(full, custom) else {
        node.lost(format!(
            "there is no provider type for {} here, so the deployment is not in the objects: if it has an endpoint that speaks OpenAI's \
             API, write an LLMProvider of type OpenAICompatible",
            code(full)
        ));
        return None;
    };
    let shared = credential(root, &params);
    let field = |name: &str| params.get(name).or_else(|| shared.as_ref().and_then(|shared| shared.get(name)));
    let mut settings = Map::new();
    let mut limits = Map::new();
    let weight = settings_of(&params, defaults, &mut settings, &mut limits);
    let base = ["api_base", "base_url"].into_iter().find_map(field);
    let (kind, endpoint) = match base {
        None => (known.kind, known.endpoint.map(str::to_owned)),
        Some(base) => {
            let own = endpoint(&base, known.version);
            if own.is_none() {
                node.lost("without its endpoint the deployment is not in the objects");
                return None;
            }
            let official = own.as_deref().is_some_and(|own| own.starts_with("https://api.openai.com"));
            // Another server of OpenAI's API takes any model's name.
            (if known.kind == "OpenAI" && !official { "OpenAICompatible" } else { known.kind }, own)
        }
    };
    let builtin = outrigger_llm::provider::lookup(kind).and_then(|kind| kind.endpoint);
    if endpoint.is_none() && builtin.is_none() {
        params
            .lost("has no api_base, and its provider's type has no endpoint of its own: write an LLMProvider with one");
        return None;
    }
    if known.endpoint.is_some() && endpoint.as_deref() == known.endpoint {
        let address = known.endpoint.unwrap_or_default();
        let message = format!(
            "{} is called as a server of OpenAI's API, at {address}: see whether that is still its address",
            code(known.name)
        );
        params.source().tell(Fate::Doubtful, &params.at("api_base"), message);
    }
    let place = format!("{} {}", known.name, endpoint.as_deref().unwrap_or_default());
    let secret = secret(work, root, (known, kind, &place), field("api_key"), &params, node)?;
    if !limits.is_empty() {
        settings.insert("limits".to_owned(), Value::Object(limits.clone()));
    }
    let shape = Shape {
        whose: known.name,
        kind,
        endpoint: endpoint.filter(|own| Some(own.as_str()) != builtin),
        secret,
        settings,
        alone: (!limits.is_empty()).then_some(index),
    };
    let wildcard = model.contains('*');
    let provider = provider(work, growing, shape, group, node, defaults);
    let mut says = model.to_owned();
    if wildcard {
        provider.open = true;
        // Callers write any name, in front of which nothing says whose it is.
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
        says = models::add(object, entry, node, group, model);
    }
    node.became(&format!("a model of LLMProvider {}", code(&provider.name)));
    Some(Deployment {
        group: group.to_owned(),
        path: node.path().to_owned(),
        model: model.to_owned(),
        says,
        provider: provider.name.clone(),
        whose: known.name,
        weight,
        order: params.get("order").and_then(|node| node.whole()).unwrap_or(0),
    })
}

/// The provider of that shape, new if there is none.
fn provider<'g>(
    work: &mut Work<'_>,
    growing: &'g mut Vec<Growing>,
    shape: Shape,
    group: &str,
    node: &Node<'_>,
    defaults: &Defaults,
) -> &'g mut Growing {
    let found = growing.iter().position(|provider| provider.shape == shape);
    let at = found.unwrap_or_else(|| {
        let first = !growing.iter().any(|provider| provider.shape.whose == shape.whose);
        let wanted = match first {
            true => label(shape.whose),
            false => label(&format!("{}-{group}", shape.whose)),
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
        growing.push(Growing { shape, object: place, name, open: false });
        growing.len() - 1
    });
    &mut growing[at]
}
