//! `providers`: one LLMProvider each, or one for each server where keys name servers of their own.

use serde_json::{Map, Value, json};

use super::super::Work;
use super::super::endpoint::{Version, endpoint};
use super::super::name::Names;
use super::super::objects::{ImportedKind, ImportedObject};
use super::super::report::{Fate, code};
use super::super::secrets::Held;
use super::super::source::Node;
use super::super::weights;
use super::limits::{self, StandaloneLimits};
use super::lists::{Allowed, Empty, SUSPENDED};
use super::network;

/// What Bifrost calls a provider, and what it is here.
struct BifrostProvider {
    name: &'static str,
    kind: &'static str,
    /// Where it answers, if the type alone does not say.
    endpoint: Option<&'static str>,
    version: Version,
}

const fn known(name: &'static str, kind: &'static str) -> BifrostProvider {
    BifrostProvider { name, kind, endpoint: None, version: Version::V1 }
}

const fn at(name: &'static str, endpoint: &'static str) -> BifrostProvider {
    BifrostProvider { name, kind: "OpenAICompatible", endpoint: Some(endpoint), version: Version::V1 }
}

const KNOWN: [BifrostProvider; 16] = [
    known("openai", "OpenAI"),
    known("anthropic", "Anthropic"),
    // Its version is part of Bifrost's own base URL.
    BifrostProvider { name: "gemini", kind: "Gemini", endpoint: None, version: Version::Whole },
    known("mistral", "Mistral"),
    known("groq", "Groq"),
    known("cerebras", "Cerebras"),
    known("openrouter", "OpenRouter"),
    known("ollama", "Ollama"),
    known("vllm", "vLLM"),
    known("sgl", "OpenAICompatible"),
    at("deepseek", "https://api.deepseek.com/v1"),
    at("xai", "https://api.x.ai/v1"),
    at("fireworks", "https://api.fireworks.ai/inference/v1"),
    at("huggingface", "https://router.huggingface.co/v1"),
    at("parasail", "https://api.parasail.io/v1"),
    BifrostProvider {
        name: "perplexity",
        kind: "OpenAICompatible",
        endpoint: Some("https://api.perplexity.ai"),
        version: Version::Whole,
    },
];

/// Types that are called without a key.
const KEYLESS: [&str; 3] = ["Ollama", "vLLM", "OpenAICompatible"];

/// What became of the providers.
#[derive(Debug, Default)]
pub(crate) struct Providers {
    pub list: Vec<ImportedProvider>,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct ImportedProvider {
    /// Bifrost's name.
    pub called: String,
    /// None if it could not be carried over.
    pub parts: Vec<ProviderShare>,
}

/// One LLMProvider.
#[derive(Debug)]
pub(crate) struct ProviderShare {
    pub name: String,
    /// Its part of the provider's requests.
    pub share: f64,
    pub keys: Vec<KeyName>,
}

/// What a key is called.
#[derive(Debug)]
pub(crate) struct KeyName {
    /// By Bifrost: its name, its id.
    called: Vec<String>,
    /// The credential, unless the server needs none.
    pub credential: Option<String>,
}

impl KeyName {
    pub fn is(&self, called: &str) -> bool {
        self.called.iter().any(|name| name == called)
    }
}

impl Providers {
    pub fn find(&self, called: &str) -> Option<&ImportedProvider> {
        self.list.iter().find(|provider| provider.called.eq_ignore_ascii_case(called))
    }

    pub fn parts(&self) -> impl Iterator<Item = &ProviderShare> {
        self.list.iter().flat_map(|provider| &provider.parts)
    }
}

/// A key, read.
struct ImportedKey<'s> {
    node: Node<'s>,
    called: Vec<String>,
    held: Option<(Held, Node<'s>)>,
    allowed: Allowed,
    weight: f64,
    enabled: bool,
    aliases: Vec<(String, String, Node<'s>)>,
    /// A server of its own.
    url: Option<Node<'s>>,
    /// All that its server has.
    model: Option<String>,
}

pub(crate) fn import<'s>(
    work: &mut Work<'s>,
    root: &Node<'s>,
    pool: &StandaloneLimits<'s>,
    empty: Empty,
    without_key: bool,
) -> Providers {
    let governed = root.get("governance").and_then(|node| node.get("providers")).map(|node| node.items());
    let governed = governed.unwrap_or_default();
    let mut providers = Providers::default();
    for (called, node) in root.get("providers").map(|node| node.fields()).unwrap_or_default() {
        let limits = governed.iter().find(|node| {
            node.get("name").and_then(|name| name.text()).is_some_and(|name| name.eq_ignore_ascii_case(called))
        });
        let parts = provider(work, called, &node, limits, pool, empty, without_key);
        providers.list.push(ImportedProvider { called: called.to_owned(), parts });
    }
    for node in &governed {
        let name = node.get("name").and_then(|name| name.text()).unwrap_or_default();
        if providers.find(name).is_none() {
            node.lost(format!("{} is not among the providers of the file", code(name)));
        }
    }
    providers
}

fn provider<'s>(
    work: &mut Work<'s>,
    called: &str,
    node: &Node<'s>,
    governed: Option<&Node<'s>>,
    pool: &StandaloneLimits<'s>,
    empty: Empty,
    without_key: bool,
) -> Vec<ProviderShare> {
    let Some((kind, default, version)) = kind(called, node) else {
        node.lost(format!(
            "there is no provider type for {} here, so neither it nor what leads to it is in the objects: if it has an endpoint that \
             speaks OpenAI's API, write an LLMProvider of type OpenAICompatible",
            code(called)
        ));
        return Vec::new();
    };
    let keys: Vec<ImportedKey<'s>> = node
        .get("keys")
        .map(|list| list.items())
        .unwrap_or_default()
        .into_iter()
        .map(|node| key(node, empty))
        .collect();
    let mut shared = Map::new();
    let base = network::shared(work, node, called, version, &mut shared);
    let groups = servers(keys);
    let total: f64 = groups.iter().flat_map(|(_, keys)| keys).map(|key| key.weight).sum();
    let several = groups.len() > 1;
    let mut parts = Vec::new();
    for (index, (url, keys)) in groups.into_iter().enumerate() {
        let own = match &url {
            Some(url) => match endpoint(url, Version::V1) {
                Some(own) => Some(own),
                None => continue,
            },
            None => base.clone(),
        };
        let own = own.or_else(|| default.map(str::to_owned));
        let builtin = outrigger_llm::provider::lookup(kind).and_then(|kind| kind.endpoint);
        if own.is_none() && builtin.is_none() {
            node.lost("has no base URL, and its type has none of its own: write an LLMProvider with an endpoint");
            continue;
        }
        if keys.is_empty() && !KEYLESS.contains(&kind) {
            node.lost("has no keys: write an LLMProvider with credentials");
            continue;
        }
        let wanted = match (index, keys.first().and_then(|key| key.called.first())) {
            (0, _) | (_, None) => called.to_owned(),
            (_, Some(key)) => format!("{called}-{key}"),
        };
        let name = match index {
            0 => work.names.tell("LLMProvider", &wanted, node),
            _ => work.names.free("LLMProvider", &wanted),
        };
        let mut object = ImportedObject::new(ImportedKind::Provider, &name, node.path());
        object.set("type", kind);
        if own.as_deref() != builtin
            && let Some(own) = own
        {
            object.set("endpoint", own);
        }
        let share = match total > 0.0 {
            true => keys.iter().map(|key| key.weight).sum::<f64>() / total,
            false => 1.0,
        };
        let keys = credentials(work, &name, kind, &keys, &mut object);
        if without_key {
            object.set("withoutKey", "Allow");
        }
        object.body.extend(shared.clone());
        node.became(&format!("LLMProvider {}", code(&name)));
        work.objects.push(object);
        parts.push(ProviderShare { name, share, keys });
    }
    if several {
        let names: Vec<String> = parts.iter().map(|part| code(&part.name)).collect();
        node.doubtful(format!(
            "its keys name several servers, so it became {}: each takes its part of the requests, and `{called}/MODEL` asks the first alone",
            names.join(", ")
        ));
    }
    governed.into_iter().for_each(|governed| limit(work, governed, pool, &parts));
    parts
}

/// Type, endpoint and what becomes of a base URL; of one's own provider the type that it is like.
fn kind(called: &str, node: &Node<'_>) -> Option<(&'static str, Option<&'static str>, Version)> {
    if let Some(own) = node.get("custom_provider_config") {
        let base = own.get("base_provider_type").and_then(|node| node.text())?;
        for (field, node) in own.fields() {
            match field {
                "base_provider_type" => {}
                "is_key_less" => node.done(),
                "allowed_requests" => {
                    node.lost("which operations are asked of it can't be limited: the provider refuses the others")
                }
                _ => node.lost(
                    "paths and settings of one's own are not carried over: it is called as any server of its API",
                ),
            }
        }
        return match base {
            "openai" => Some(("OpenAICompatible", None, Version::V1)),
            "anthropic" => Some(("Anthropic", None, Version::V1)),
            "gemini" => Some(("Gemini", None, Version::Whole)),
            other => {
                KNOWN.iter().find(|known| known.name == other).map(|known| (known.kind, known.endpoint, known.version))
            }
        };
    }
    let known = KNOWN.iter().find(|known| known.name.eq_ignore_ascii_case(called))?;
    if known.endpoint.is_some() && node.get("network_config").and_then(|node| node.get("base_url")).is_none() {
        let endpoint = known.endpoint.unwrap_or_default();
        node.source().tell(
            Fate::Doubtful,
            &node.at("network_config"),
            format!(
                "{} is called as a server of OpenAI's API, at {endpoint}: see whether that is still its address",
                code(called)
            ),
        );
    }
    Some((known.kind, known.endpoint, known.version))
}

fn key(node: Node<'_>, empty: Empty) -> ImportedKey<'_> {
    let text = |field: &str| node.get(field).and_then(|node| node.text()).map(str::to_owned);
    let called: Vec<String> = ["name", "id"].into_iter().filter_map(text).collect();
    if let Some(node) = node.get("use_for_batch_api") {
        node.idle("a batch goes to whichever credential serves its provider");
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
                            _ => node.lost("an alias is a name and what the provider is sent in its place"),
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
    let own = ["vllm_key_config", "ollama_key_config", "sgl_key_config"].into_iter().find_map(|field| node.get(field));
    let model = own.as_ref().and_then(|own| own.get("model_name")).and_then(|node| node.text()).map(str::to_owned);
    let allowed = match (&model, node.get("models")) {
        // The server has that one model, and the list is often left out.
        (Some(_), None) => Allowed::All,
        _ => empty.allowed(&node, &["models"], "model"),
    };
    ImportedKey {
        held: node.get("value").and_then(|value| Some((Held::bifrost(&value)?, value))),
        allowed,
        weight: node.get("weight").and_then(|node| node.number()).unwrap_or(1.0).max(0.0),
        enabled: node.get("enabled").and_then(|node| node.flag()).unwrap_or(true),
        url: own.and_then(|own| own.get("url")),
        called,
        aliases,
        model,
        node,
    }
}

/// Keys by the server that they name, in the file's order. Without keys there is one server all the same.
fn servers(keys: Vec<ImportedKey<'_>>) -> Vec<(Option<Node<'_>>, Vec<ImportedKey<'_>>)> {
    let mut servers: Vec<(Option<Node<'_>>, Vec<ImportedKey<'_>>)> = Vec::new();
    for key in keys {
        let url = |node: &Option<Node<'_>>| node.as_ref().and_then(|node| node.text()).map(str::to_owned);
        let own = url(&key.url);
        match servers.iter_mut().find(|(server, _)| url(server) == own) {
            Some((_, keys)) => keys.push(key),
            None => servers.push((key.url.clone(), vec![key])),
        }
    }
    if servers.is_empty() {
        servers.push((None, Vec::new()));
    }
    servers
}

fn credentials(
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
        let Some((held, value)) = &key.held else {
            if !KEYLESS.contains(&kind) {
                key.node.lost("has no value: write a credential with a secretRef");
            }
            known.push(KeyName { called: key.called.clone(), credential: None });
            continue;
        };
        let called = key.called.first().map_or("main", String::as_str);
        let name = names.tell("credential", called, &key.node);
        let hint = if keys.len() == 1 { provider.to_owned() } else { format!("{provider}-{name}") };
        let at = work.secrets.refer(held, provider, &hint, value);
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

/// The limits of `governance.providers`, for all servers of one together.
fn limit<'s>(work: &mut Work<'s>, governed: &Node<'s>, pool: &StandaloneLimits<'s>, parts: &[ProviderShare]) {
    let aligned = governed.get("calendar_aligned").and_then(|node| node.flag()).unwrap_or(false);
    for field in ["id", "description"] {
        if let Some(node) = governed.get(field) {
            node.done();
        }
    }
    let found = pool.found(governed, None, aligned);
    let place = |object: &ImportedObject| {
        parts.iter().any(|part| object.kind == ImportedKind::Provider && object.name == part.name)
    };
    if found.nothing.is_some() {
        work.objects.iter_mut().filter(|object| place(object)).for_each(|object| object.set("suspended", true));
    }
    if let [part] = parts {
        let limits = limits::limits(work, &found, &format!("LLMProvider {}", code(&part.name)));
        let object = work.objects.iter_mut().find(|object| place(object));
        if let (Some(object), Some(limits)) = (object, limits) {
            governed.became(&format!("limits of LLMProvider {}", code(&part.name)));
            let mut all = limits;
            if let Some(Value::Object(before)) = object.body.remove("limits") {
                all.extend(before);
            }
            object.set("limits", Value::Object(all));
        }
        return;
    }
    let names: Vec<&str> = parts.iter().map(|part| part.name.as_str()).collect();
    let Some(first) = names.first() else { return };
    limits::budgets(work, &found, first, "several LLMProviders together", &|budget, _| {
        budget.set("appliesTo", json!({"providers": names}));
    });
}
