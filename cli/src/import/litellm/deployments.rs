//! `model_list`: its deployments, and the LLMProviders that serve them.
//!
//! A deployment is a model behind a key. Those that share server, key and settings share an LLMProvider, with a model
//! each. One with a limit of its own has a provider of its own, because limits are a provider's.

use serde_json::{Map, Value, json};

use super::super::Work;
use super::super::endpoint::{Version, endpoint};
use super::super::headers;
use super::super::name::label;
use super::super::objects::{ImportedKind, ImportedObject};
use super::super::report::{Fate, code};
use super::super::secrets::Held;
use super::super::source::Node;
use super::models;

/// What LiteLLM calls a provider, and what it is here.
struct LiteLlmProvider {
    name: &'static str,
    kind: &'static str,
    endpoint: Option<&'static str>,
    version: Version,
    /// Where LiteLLM looks for a key that is not named.
    variable: Option<&'static str>,
}

const fn known(name: &'static str, kind: &'static str, version: Version, variable: &'static str) -> LiteLlmProvider {
    LiteLlmProvider { name, kind, endpoint: None, version, variable: Some(variable) }
}

const fn at(name: &'static str, endpoint: &'static str, variable: &'static str) -> LiteLlmProvider {
    LiteLlmProvider {
        name,
        kind: "OpenAICompatible",
        endpoint: Some(endpoint),
        version: Version::Whole,
        variable: Some(variable),
    }
}

const fn own(name: &'static str, kind: &'static str, version: Version) -> LiteLlmProvider {
    LiteLlmProvider { name, kind, endpoint: None, version, variable: None }
}

const KNOWN: [LiteLlmProvider; 24] = [
    known("openai", "OpenAI", Version::Whole, "OPENAI_API_KEY"),
    known("text-completion-openai", "OpenAI", Version::Whole, "OPENAI_API_KEY"),
    known("anthropic", "Anthropic", Version::V1, "ANTHROPIC_API_KEY"),
    known("gemini", "Gemini", Version::Whole, "GEMINI_API_KEY"),
    known("mistral", "Mistral", Version::Whole, "MISTRAL_API_KEY"),
    known("groq", "Groq", Version::Whole, "GROQ_API_KEY"),
    known("cerebras", "Cerebras", Version::Whole, "CEREBRAS_API_KEY"),
    known("openrouter", "OpenRouter", Version::Whole, "OPENROUTER_API_KEY"),
    own("ollama", "Ollama", Version::V1),
    own("ollama_chat", "Ollama", Version::V1),
    own("hosted_vllm", "vLLM", Version::Whole),
    own("vllm", "vLLM", Version::Whole),
    own("openai_like", "OpenAICompatible", Version::Whole),
    own("custom_openai", "OpenAICompatible", Version::Whole),
    own("litellm_proxy", "OpenAICompatible", Version::Whole),
    own("lm_studio", "OpenAICompatible", Version::Whole),
    own("llamafile", "OpenAICompatible", Version::Whole),
    at("deepseek", "https://api.deepseek.com/v1", "DEEPSEEK_API_KEY"),
    at("xai", "https://api.x.ai/v1", "XAI_API_KEY"),
    at("perplexity", "https://api.perplexity.ai", "PERPLEXITYAI_API_KEY"),
    at("fireworks_ai", "https://api.fireworks.ai/inference/v1", "FIREWORKS_API_KEY"),
    at("together_ai", "https://api.together.xyz/v1", "TOGETHERAI_API_KEY"),
    at("deepinfra", "https://api.deepinfra.com/v1/openai", "DEEPINFRA_API_KEY"),
    at("nvidia_nim", "https://integrate.api.nvidia.com/v1", "NVIDIA_NIM_API_KEY"),
];

/// Types that are called without a key.
const KEYLESS: [&str; 3] = ["Ollama", "vLLM", "OpenAICompatible"];

/// What people write where a key must be and none is needed.
const NO_KEY: [&str; 9] = ["none", "empty", "dummy", "fake", "null", "na", "n/a", "not-needed", "no-key"];

/// Beginnings of models whose provider LiteLLM knows without being told.
const BARE: [(&str, &str); 11] = [
    ("gpt-", "openai"),
    ("o1", "openai"),
    ("o3", "openai"),
    ("o4", "openai"),
    ("chatgpt-", "openai"),
    ("text-embedding-", "openai"),
    ("dall-e", "openai"),
    ("whisper", "openai"),
    ("tts-", "openai"),
    ("ft:gpt-", "openai"),
    ("claude-", "anthropic"),
];

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

/// Whose a model is, and its name without that.
fn whose<'m>(full: &'m str, custom: Option<&str>) -> Option<(&'static LiteLlmProvider, &'m str)> {
    let known = |name: &str| KNOWN.iter().find(|known| known.name == name);
    if let Some(custom) = custom {
        let model = full.strip_prefix(custom).and_then(|rest| rest.strip_prefix('/')).unwrap_or(full);
        return known(custom).map(|known| (known, model));
    }
    match full.split_once('/') {
        Some((first, model)) => known(first).map(|known| (known, model)),
        None => BARE
            .iter()
            .find(|(beginning, _)| full.starts_with(beginning))
            .and_then(|(_, name)| Some((known(name)?, full))),
    }
}

/// The entry of `credential_list` that a deployment names.
fn credential<'s>(root: &Node<'s>, params: &Node<'s>) -> Option<Node<'s>> {
    let named = params.get("litellm_credential_name")?;
    let wanted = named.text()?;
    let list = root.get("credential_list").map(|node| node.items()).unwrap_or_default();
    let found = list.into_iter().find(|node| node.get("credential_name").and_then(|node| node.text()) == Some(wanted));
    match found {
        Some(found) => {
            if let Some(info) = found.get("credential_info") {
                info.idle("a description");
            }
            found.get("credential_values")
        }
        None => {
            named.lost(format!("there is no credential {} in credential_list", code(wanted)));
            None
        }
    }
}

/// The provider's `secretRef`, `Some(None)` where none is needed, and `None` where there is none and it can't be used.
fn secret<'s>(
    work: &mut Work<'s>,
    root: &Node<'s>,
    (known, kind, place): (&LiteLlmProvider, &str, &str),
    key: Option<Node<'s>>,
    params: &Node<'s>,
    node: &Node<'s>,
) -> Option<Option<Value>> {
    let keyless = KEYLESS.contains(&kind);
    let held = key.as_ref().and_then(Held::litellm);
    let (held, at) = match (held, key) {
        (Some(Held::Literal(text)), Some(at)) if keyless && NO_KEY.contains(&text.to_ascii_lowercase().as_str()) => {
            at.idle("a word where no key is needed");
            return Some(None);
        }
        (Some(held), Some(at)) => (held, at),
        _ => match known.variable {
            Some(variable) => {
                params.source().tell(
                    Fate::Doubtful,
                    &params.at("api_key"),
                    format!("absent, so that LiteLLM looks for it in {}: here too", code(variable)),
                );
                (Held::Variable(variable.to_owned()), params.clone())
            }
            None if keyless => return Some(None),
            None => {
                node.lost("has no api_key: write a credential with a secretRef");
                return None;
            }
        },
    };
    // A variable that the file itself sets.
    let set = match &held {
        Held::Variable(name) => root.get("environment_variables").and_then(|node| node.get(name)),
        _ => None,
    };
    if let Some(set) = set
        && let Some(Held::Literal(text)) = Held::litellm(&set)
    {
        return Some(Some(work.secrets.refer(&Held::Literal(text), place, known.name, &set).value()));
    }
    Some(Some(work.secrets.refer(&held, place, known.name, &at).value()))
}

/// Settings of a provider and limits, from the parameters; the share.
fn settings_of(
    params: &Node<'_>,
    defaults: &Defaults,
    settings: &mut Map<String, Value>,
    limits: &mut Map<String, Value>,
) -> f64 {
    const TAKEN: [&str; 9] = [
        "model",
        "api_key",
        "api_base",
        "base_url",
        "custom_llm_provider",
        "litellm_credential_name",
        "order",
        "api_version",
        "organization",
    ];
    let mut timeouts = Map::new();
    timeouts.extend(defaults.total.iter().map(|total| ("total".to_owned(), json!(total))));
    timeouts.extend(defaults.first_token.iter().map(|first| ("firstToken".to_owned(), json!(first))));
    let mut attempts = defaults.attempts;
    let mut shares: [Option<f64>; 3] = [None; 3];
    for (field, node) in params.fields() {
        match field {
            "weight" => shares[0] = node.number(),
            "rpm" | "tpm" => {
                let (at, list) = if field == "rpm" { (1, "requests") } else { (2, "tokens") };
                if let Some(most) = node.whole().filter(|most| *most > 0) {
                    shares[at] = node.number();
                    limits.insert(list.to_owned(), json!([{"name": "minute", "max": most, "rolling": "1m"}]));
                    node.doubtful(
                        "LiteLLM's default strategy only draws by it; here it is a limit, and the next deployment is asked beyond it",
                    );
                }
            }
            "max_parallel_requests" => {
                if let Some(most) = node.whole().filter(|most| *most > 0) {
                    limits.insert("concurrentRequests".to_owned(), json!(most.min(1_000_000)));
                    node.doubtful("the most requests at once of one proxy, and of each gateway here");
                }
            }
            "timeout" => drop(seconds(&node).map(|total| timeouts.insert("total".to_owned(), json!(total)))),
            "stream_timeout" => {
                drop(seconds(&node).map(|first| timeouts.insert("firstToken".to_owned(), json!(first))))
            }
            "max_retries" | "num_retries" => attempts = retries(&node).or(attempts),
            "extra_headers" | "headers" => headers::into(&node, settings),
            "api_version" => node.idle("only Azure's API has versions of this kind"),
            "organization" => {
                node.lost("write the header openai-organization into spec.headers, if the key has several")
            }
            "tags" => node.lost("requests have no tags: write a RoutingRule that asks for a header"),
            _ if TAKEN.contains(&field) || models::is_price(field) => {}
            "max_budget" | "budget_duration" => {
                node.lost("write spec.limits.budgets into the LLMProvider");
            }
            _ => node.lost("a parameter of each request: let the caller send it"),
        }
    }
    if !timeouts.is_empty() {
        settings.insert("timeouts".to_owned(), Value::Object(timeouts));
    }
    if let Some(attempts) = attempts {
        settings.insert("retry".to_owned(), json!({"maxAttempts": attempts}));
    }
    shares.into_iter().flatten().next().unwrap_or(1.0)
}

/// `30s`, of seconds that may be a fraction.
pub(crate) fn seconds(node: &Node<'_>) -> Option<String> {
    let seconds = node.number()?;
    if !(0.001..=99_999.0).contains(&seconds) {
        node.lost("no time that a deadline can have");
        return None;
    }
    if seconds.fract() == 0.0 {
        return Some(format!("{seconds:.0}s"));
    }
    let (whole, millis) = (seconds.trunc(), (seconds.fract() * 1000.0).round().min(999.0));
    Some(if whole > 0.0 { format!("{whole:.0}s{millis:.0}ms") } else { format!("{millis:.0}ms") })
}

/// Attempts, of so many retries.
pub(crate) fn retries(node: &Node<'_>) -> Option<i64> {
    let retries = node.whole()?;
    if retries > 9 {
        node.doubtful("at most 10 attempts are made at a provider");
    }
    Some(retries.clamp(0, 9) + 1)
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

#[cfg(test)]
mod tests {
    use super::super::super::source::ImportSource;
    use super::*;

    #[test]
    fn whose_a_model_is() {
        for (full, custom, expected) in [
            ("openai/gpt-4o", None, Some(("openai", "gpt-4o"))),
            ("gpt-4o", None, Some(("openai", "gpt-4o"))),
            ("openrouter/anthropic/claude-haiku-4.5", None, Some(("openrouter", "anthropic/claude-haiku-4.5"))),
            ("claude-haiku-4-5", None, Some(("anthropic", "claude-haiku-4-5"))),
            ("openai/*", None, Some(("openai", "*"))),
            ("llama", Some("hosted_vllm"), Some(("hosted_vllm", "llama"))),
            ("azure/gpt-4o", None, None),
            ("gemini-2.5-pro", None, None),
            ("bedrock/anthropic.claude", None, None),
        ] {
            let got = whose(full, custom).map(|(known, model)| (known.name, model));
            assert_eq!(got, expected, "{full}");
        }
    }

    #[test]
    fn deadlines() {
        for (seconds_, text) in
            [(30.0, Some("30s")), (0.5, Some("500ms")), (1.5, Some("1s500ms")), (0.0, None), (1e6, None)]
        {
            let source = ImportSource::new(json!(seconds_));
            assert_eq!(seconds(&source.root()).as_deref(), text);
        }
    }
}
