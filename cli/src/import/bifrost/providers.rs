//! `providers`: one LLMProvider each, or one for each server if keys name their own servers.

use serde_json::{Map, Value, json};

use super::super::Work;
use super::super::endpoint::{Version, endpoint};
use super::super::objects::{ImportedKind, ImportedObject};
use super::super::report::code;
use super::super::source::Node;
use super::credentials::{ImportedKey, KeyName, credentials, key, servers};
use super::known_providers::{KEYLESS, kind};
use super::limits::{self, StandaloneLimits};
use super::lists::Empty;
use super::network;

/// The imported providers.
#[derive(Debug, Default)]
pub(crate) struct Providers {
    pub list: Vec<ImportedProvider>,
}

/// One provider of Bifrost.
#[derive(Debug)]
pub(crate) struct ImportedProvider {
    /// Bifrost's name.
    pub called: String,
    /// Empty if it could not be imported.
    pub parts: Vec<ProviderShare>,
}

/// One LLMProvider of a provider.
#[derive(Debug)]
pub(crate) struct ProviderShare {
    pub name: String,
    /// Its share of the provider's requests.
    pub share: f64,
    pub keys: Vec<KeyName>,
}

impl Providers {
    pub fn find(&self, called: &str) -> Option<&ImportedProvider> {
        self.list.iter().find(|provider| provider.called.eq_ignore_ascii_case(called))
    }

    pub fn parts(&self) -> impl Iterator<Item = &ProviderShare> {
        self.list.iter().flat_map(|provider| &provider.parts)
    }
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
            "{} has no provider type here, so neither it nor references to it are in the objects: if it has an endpoint that \
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
            Some(url) => match endpoint(url, if version == Version::Resource { version } else { Version::V1 }) {
                Some(own) => Some(own),
                None => continue,
            },
            None => base.clone(),
        };
        let own = own.or_else(|| default.map(str::to_owned));
        let builtin = outrigger_llm::provider::lookup(kind).and_then(|kind| kind.endpoint);
        if own.is_none() && builtin.is_none() && !matches!(kind, "VertexAI" | "Bedrock") {
            node.lost("has no base URL, and its type has none of its own: write an LLMProvider with an endpoint");
            continue;
        }
        // The key's own report says why.
        if matches!(kind, "VertexAI" | "Bedrock") && keys.first().is_some_and(|key| key.cloud.is_none()) {
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
            0 => work.names.free_reporting("LLMProvider", &wanted, node),
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
            "its keys name several servers, so it became {}: each gets its share of the requests, and `{called}/MODEL` uses only the first",
            names.join(", ")
        ));
    }
    governed.into_iter().for_each(|governed| limit(work, governed, pool, &parts));
    parts
}

/// Applies the limits of `governance.providers` to all servers of a provider together.
fn limit<'s>(work: &mut Work<'s>, governed: &Node<'s>, pool: &StandaloneLimits<'s>, parts: &[ProviderShare]) {
    let aligned = governed.get("calendar_aligned").and_then(|node| node.flag()).unwrap_or(false);
    for field in ["id", "description"] {
        if let Some(node) = governed.get(field) {
            node.mark_handled();
        }
    }
    let found = pool.found(governed, None, aligned);
    let is_part = |object: &ImportedObject| {
        parts.iter().any(|part| object.kind == ImportedKind::Provider && object.name == part.name)
    };
    if found.nothing.is_some() {
        work.objects.iter_mut().filter(|object| is_part(object)).for_each(|object| object.set("suspended", true));
    }
    if let [part] = parts {
        let limits = limits::limits(work, &found, &format!("LLMProvider {}", code(&part.name)));
        let object = work.objects.iter_mut().find(|object| is_part(object));
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
