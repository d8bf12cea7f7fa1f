//! Small policies, requests, and decisions in one line.

use std::collections::BTreeMap;

use outrigger_core::{CalendarUnit, Capabilities, ObjectRef, RequestType, SecretRef, Window};
use outrigger_policy::{
    BudgetDoc, Credential, CredentialDoc, Decision, Document, Draw, FORMAT, GatewayState, HealthyState, KeyDoc,
    KeyIndex, KeyProviderDoc, LimitDoc, LimitIndex, ModelDoc, OnError, Pace, Policy, Price, Provider, ProviderDoc,
    Request, RuleDoc, ScopeDoc, Skip, Stay, TargetDoc, ThresholdAction, ThresholdDoc, Unit, decide,
};

pub fn provider(name: &str, kind: &str) -> ProviderDoc {
    ProviderDoc { namespace: "t".into(), name: name.into(), kind: kind.into(), ..ProviderDoc::default() }
}

pub fn models(provider: ProviderDoc, names: &[&str]) -> ProviderDoc {
    let models = names.iter().map(|name| ModelDoc { name: (*name).into(), ..ModelDoc::default() }).collect();
    ProviderDoc { models, ..provider }
}

/// A vLLM server that lists its models.
pub fn serving(name: &str, names: &[&str]) -> ProviderDoc {
    models(provider(name, "vLLM"), names)
}

pub fn exclusive(provider: ProviderDoc) -> ProviderDoc {
    ProviderDoc { exclusive: true, ..provider }
}

/// Adds an alias for its first model.
pub fn alias(mut provider: ProviderDoc, alias: &str) -> ProviderDoc {
    provider.models[0].aliases.push(alias.into());
    provider
}

/// Adds credentials, each `name` or `name=weight`.
pub fn credentials(provider: ProviderDoc, names: &[&str]) -> ProviderDoc {
    let credentials = names
        .iter()
        .map(|text| {
            let (name, weight) = text.split_once('=').unwrap_or((text, "1"));
            CredentialDoc {
                name: name.into(),
                weight: weight.parse().unwrap(),
                models: Vec::new(),
                suspended: false,
                secret: SecretRef::new("t", name, "apiKey").unwrap(),
            }
        })
        .collect();
    ProviderDoc { credentials, ..provider }
}

/// An entry of the key `k` in namespace `t`, for the provider of the same name.
pub fn entry(name: &str, weight: u32) -> KeyProviderDoc {
    KeyProviderDoc {
        name: name.into(),
        provider: ObjectRef { namespace: "t".into(), name: name.into() },
        weight,
        ..KeyProviderDoc::default()
    }
}

pub fn only(entry: KeyProviderDoc, models: &[&str]) -> KeyProviderDoc {
    KeyProviderDoc { models: texts(models), ..entry }
}

pub fn key(providers: Vec<KeyProviderDoc>) -> KeyDoc {
    KeyDoc {
        namespace: "t".into(),
        name: "k".into(),
        providers,
        extra_fields: true,
        cap_output: true,
        ..KeyDoc::default()
    }
}

/// A rule of namespace `t`; targets as `provider`, `provider/model`, with `=weight` and `@credential`.
pub fn rule(name: &str, when: &str, targets: &[&str], fallbacks: &[&str]) -> RuleDoc {
    let target = |text: &&str| {
        let (text, credential) = text.split_once('@').map_or((*text, None), |(text, name)| (text, Some(name)));
        let (text, weight) = text.split_once('=').unwrap_or((text, "1"));
        let (provider, model) = text.split_once('/').map_or((text, None), |(provider, model)| (provider, Some(model)));
        TargetDoc {
            provider: provider.into(),
            model: model.map(str::to_owned),
            weight: weight.parse().unwrap(),
            credential: credential.map(str::to_owned),
        }
    };
    RuleDoc {
        namespace: "t".into(),
        name: name.into(),
        priority: 0,
        created: 0,
        scope: ScopeDoc::Namespace,
        when: Some(when.to_owned()).filter(|when| !when.is_empty()),
        targets: targets.iter().map(target).collect(),
        fallbacks: texts(fallbacks),
        on_error: OnError::Skip,
        ..RuleDoc::default()
    }
}

pub fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// A policy with budgets.
pub fn budgeted(providers: Vec<ProviderDoc>, key: KeyDoc, rules: Vec<RuleDoc>, budgets: Vec<BudgetDoc>) -> Policy {
    Policy::build(Document { format: FORMAT, providers, keys: vec![key], rules, budgets, ..Document::default() })
        .unwrap()
}

pub fn policy(providers: Vec<ProviderDoc>, key: KeyDoc, rules: Vec<RuleDoc>) -> Policy {
    Policy::build(Document { format: FORMAT, sequence: 1, providers, keys: vec![key], rules, ..Document::default() })
        .unwrap()
}

/// The state: by the provider's name, or `provider:credential`.
#[derive(Clone, Debug, Default)]
pub struct World {
    pub unfit: Vec<(&'static str, &'static str)>,
    pub gates: Vec<(&'static str, Skip)>,
    pub paces: Vec<(&'static str, f64, u32)>,
    /// By index in the policy's limits: see [`spent`].
    pub used: BTreeMap<LimitIndex, u64>,
    pub free: bool,
    pub unmetered: Option<&'static str>,
    pub reports_tokens: bool,
    pub input_tokens: u64,
    pub needs: Capabilities,
    pub labels: Vec<(String, String)>,
    pub workload: &'static str,
    pub now: i64,
}

impl GatewayState for World {
    fn unfit(&self, provider: &Provider, _: &str) -> Option<String> {
        self.unfit.iter().find(|(name, _)| *name == provider.id.name).map(|(_, field)| (*field).to_owned())
    }

    fn gate(&self, provider: &Provider, credential: Option<&Credential>, _: &str) -> Option<Skip> {
        let full = credential.map(|credential| format!("{}:{}", provider.id.name, credential.name));
        let names = |name: &str| name == provider.id.name || Some(name) == full.as_deref();
        self.gates.iter().find(|(name, _)| names(name)).map(|(_, skip)| skip.clone())
    }

    fn pace(&self, provider: &Provider, _: Option<&Credential>, _: &str) -> Option<Pace> {
        let (_, ms, in_flight) = *self.paces.iter().find(|(name, ..)| *name == provider.id.name)?;
        Some(Pace { ms: Some(ms), in_flight, ..Pace::default() })
    }

    fn used(&self, limit: LimitIndex) -> u64 {
        self.used.get(&limit).copied().unwrap_or(0)
    }

    fn is_free(&self) -> bool {
        self.free
    }

    fn unmetered(&self) -> Option<&str> {
        self.unmetered
    }

    fn reports_tokens(&self) -> bool {
        self.reports_tokens
    }

    fn input_tokens(&self) -> u64 {
        self.input_tokens
    }

    fn needs(&self) -> Capabilities {
        self.needs
    }

    fn labels(&self) -> &[(String, String)] {
        &self.labels
    }

    fn workload(&self) -> &str {
        self.workload
    }

    fn now(&self) -> i64 {
        self.now
    }
}

/// The index of a limit, by the end of its name.
pub fn place(policy: &Policy, name: &str) -> LimitIndex {
    policy.limits.all.position(|limit| limit.id.to_string().ends_with(name)).unwrap()
}

/// A state in which limits are used this much, by the ends of their names.
pub fn spent(policy: &Policy, used: &[(&str, u64)]) -> World {
    World { used: used.iter().map(|(name, used)| (place(policy, name), *used)).collect(), ..World::default() }
}

/// A limit in a calendar month of Paris.
pub fn limit(name: &str, max: u64) -> LimitDoc {
    let window = Window::Calendar { unit: CalendarUnit::Month, zone: "Europe/Paris".into(), anchor: 1 };
    LimitDoc { name: name.into(), max, window }
}

/// A Budget of namespace `t`, of 100 nano-dollars a month.
pub fn budget(name: &str, thresholds: &[(u32, ThresholdAction)]) -> BudgetDoc {
    BudgetDoc {
        namespace: "t".into(),
        name: name.into(),
        unit: Unit::Money,
        max: 100,
        window: limit("", 0).window,
        parent: None,
        thresholds: thresholds
            .iter()
            .map(|(percent, action)| ThresholdDoc { percent: *percent, action: action.clone() })
            .collect(),
        applies_to: None,
        fail_open: None,
    }
}

/// Adds models with prices for input and output.
pub fn priced(provider: ProviderDoc, prices: &[(&str, u64, u64)]) -> ProviderDoc {
    let models = prices
        .iter()
        .map(|(name, input, output)| ModelDoc {
            name: (*name).into(),
            price: Some(Price { input: *input, output: *output, ..Price::default() }),
            ..ModelDoc::default()
        })
        .collect();
    ProviderDoc { models, ..provider }
}

pub fn object(name: &str) -> ObjectRef {
    ObjectRef { namespace: "t".into(), name: name.into() }
}

/// A request with defaults.
pub fn ask<'a>(model: &'a str) -> Request<'a> {
    Request {
        key: KeyIndex::from(0),
        request_type: RequestType::ChatCompletion,
        model: Some(model),
        provider: None,
        fallbacks: None,
        credential: None,
        headers: &[],
        params: &[],
        draw: Draw::Random(0),
        stay: None,
        state: &HealthyState,
    }
}

pub fn stay(policy: &Policy, provider: &str, credential: &str) -> Stay {
    let provider = policy.providers.iter().find(|one| one.id.name == provider).unwrap();
    let credential = provider.credentials.iter().find(|one| &*one.name == credential);
    Stay { provider: provider.identity, credential: credential.map_or(0, |one| one.identity) }
}

/// A decision in one line: `a/m@x,y > b/m`, then the skipped ones: `| c/m: model_blocked`; or the refusal,
/// `403 model_blocked`.
pub fn line(policy: &Policy, decision: &Decision) -> String {
    if let Some(refusal) = &decision.refusal {
        assert_eq!(decision.eligible().count(), 0, "{decision:?}");
        return format!("{} {}", refusal.kind.status(), refusal.kind);
    }
    let written = |candidate: &outrigger_policy::Candidate| {
        let names: Vec<&str> = candidate
            .credentials
            .iter()
            .map(|index| &*policy.providers[candidate.provider.unwrap()].credentials[*index].name)
            .collect();
        let credentials = if names.is_empty() { String::new() } else { format!("@{}", names.join(",")) };
        format!("{}/{}{credentials}", candidate.name, candidate.model)
    };
    let mut line = decision.eligible().map(written).collect::<Vec<_>>().join(" > ");
    for candidate in &decision.candidates {
        if let Some(skip) = &candidate.skipped {
            line.push_str(&format!(" | {}/{}: {skip}", candidate.name, candidate.model));
        }
    }
    line
}

pub fn decided(policy: &Policy, request: &Request<'_>) -> String {
    line(policy, &decide(policy, request))
}
