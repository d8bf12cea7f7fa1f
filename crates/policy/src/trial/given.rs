//! The situation of a test, as the state for a decision.

use std::collections::HashMap;

use outrigger_core::{Capabilities, Capability, RequestType};

use super::{Given, Trial};
use crate::decision::Skip;
use crate::index::LimitIndex;
use crate::limits::limit::LimitOwner;
use crate::policy::{Credential, Key, Policy, Provider};
use crate::request::{GatewayState, Pace};
use crate::text::nearest::nearest;

#[derive(Debug)]
pub(super) struct TrialState<'a> {
    /// Identities of unhealthy providers.
    unhealthy: Vec<u64>,
    used: HashMap<LimitIndex, u64>,
    in_session: bool,
    input_tokens: u64,
    needs: Capabilities,
    labels: Vec<(String, String)>,
    request_type: RequestType,
    given: &'a Given,
}

impl<'a> TrialState<'a> {
    /// # Errors
    /// A name that the key or the policy does not have, with a similar one.
    pub(super) fn of(policy: &Policy, key: &Key, trial: &'a Trial, request_type: RequestType) -> Result<Self, String> {
        let given = &trial.given;
        let mut unhealthy = Vec::new();
        for name in &given.unhealthy {
            let Some(entry) = key.provider(name) else {
                let known = key.providers.iter().map(|entry| &*entry.name);
                return Err(format!("VirtualKey {} has no provider `{name}`{}", key.id, hint(name, known)));
            };
            unhealthy.push(policy.providers[key.providers[entry].provider].identity);
        }
        let mut used = HashMap::new();
        for (name, percent) in &given.spent {
            let place = limit_named(policy, key, name)?;
            // Rounded up, so that 95 % of a limit reach a threshold of 95 %.
            let of = (u128::from(policy.limits.all[place].max) * u128::from(*percent)).div_ceil(100);
            used.insert(place, u64::try_from(of).unwrap_or(u64::MAX));
        }
        // What a session has spent is spent by one.
        let named = |header: &str| trial.request.headers.keys().any(|name| name.eq_ignore_ascii_case(header));
        let in_session = used.keys().any(|place| policy.limits.all[*place].per_session)
            || (request_type != RequestType::CountTokens
                && key.session.as_ref().is_some_and(|session| named(&session.header)));
        let mut needs = Capabilities::default();
        for word in &trial.request.needs {
            let known = Capability::ALL.map(Capability::name);
            let found = Capabilities::from_name(word);
            needs = needs
                | found.ok_or_else(|| format!("`{word}` is not a capability{}", hint(word, known.into_iter())))?;
        }
        Ok(TrialState {
            unhealthy,
            used,
            in_session,
            input_tokens: trial.request.input_tokens.unwrap_or(0),
            needs,
            labels: given.labels.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
            request_type,
            given,
        })
    }
}

/// The types of providers that rerank documents.
const RERANKS: [&str; 7] = ["Cohere", "Fireworks", "OpenAICompatible", "OpenRouter", "SGLang", "Together", "vLLM"];

impl GatewayState for TrialState<'_> {
    /// A test has no body: only the operations of a dialect are known.
    fn unfit(&self, provider: &Provider, _: &str) -> Option<String> {
        let dialect = match (&*provider.kind, &provider.mock) {
            ("Mock", Some(mock)) => mock.dialect.as_str(),
            (kind, _) => kind,
        };
        let of_openai = !matches!(dialect, "Anthropic" | "Gemini" | "Bedrock" | "Cohere");
        let fits = match self.request_type {
            RequestType::ChatCompletion
            | RequestType::ChatCompletionStream
            | RequestType::Responses
            | RequestType::ResponsesStream
            | RequestType::CountTokens
            | RequestType::ListModels => true,
            RequestType::Rerank => match (&*provider.kind, dialect) {
                ("Mock", dialect) => matches!(dialect, "OpenAI" | "Cohere"),
                (kind, _) => RERANKS.contains(&kind),
            },
            RequestType::Embedding => !matches!(dialect, "Anthropic" | "Bedrock"),
            _ => of_openai,
        };
        // The names of operations.
        let operation = match self.request_type {
            RequestType::TextCompletion => "completions",
            RequestType::Embedding => "embeddings",
            RequestType::Moderation => "moderations",
            RequestType::ImageGeneration => "images",
            other => other.name(),
        };
        (!fits).then(|| operation.to_owned())
    }

    fn gate(&self, provider: &Provider, _: Option<&Credential>, _: &str) -> Option<Skip> {
        self.unhealthy.contains(&provider.identity).then_some(Skip::Unhealthy)
    }

    fn pace(&self, _: &Provider, _: Option<&Credential>, _: &str) -> Option<Pace> {
        None
    }

    fn used(&self, limit: LimitIndex) -> u64 {
        self.used.get(&limit).copied().unwrap_or(0)
    }

    fn is_in_session(&self) -> bool {
        self.in_session
    }

    fn input_tokens(&self) -> u64 {
        self.input_tokens
    }

    fn needs(&self) -> Capabilities {
        self.needs
    }

    fn is_free(&self) -> bool {
        matches!(self.request_type, RequestType::CountTokens | RequestType::Moderation | RequestType::ListModels)
    }

    fn workload(&self) -> &str {
        self.given.workload.as_deref().unwrap_or_default()
    }

    fn labels(&self) -> &[(String, String)] {
        &self.labels
    }

    fn now(&self) -> i64 {
        self.given.time.unwrap_or(0)
    }
}

/// The limit with this name: `limits.budgets[month]` of the key; a Budget by `name` (in the key's namespace, or the
/// only one with the name) or `namespace/name`; any limit by its name in messages.
///
/// # Errors
/// There is none, or there are several.
pub fn limit_named(policy: &Policy, key: &Key, name: &str) -> Result<LimitIndex, String> {
    let limits = &policy.limits.all;
    let own = format!("spec.{}", name.strip_prefix("spec.").unwrap_or(name));
    let exact = limits.iter_enumerated().find(|(_, limit)| {
        let of_key = limit.id.kind == LimitOwner::VirtualKey && limit.id.object == key.id && limit.id.path == own;
        let budget = limit.id.kind == LimitOwner::Budget && limit.id.object.to_string() == name;
        of_key || budget || limit.id.to_string() == name
    });
    if let Some((place, _)) = exact {
        return Ok(place);
    }
    let named: Vec<LimitIndex> = limits
        .keys()
        .filter(|place| limits[*place].id.kind == LimitOwner::Budget && limits[*place].id.object.name == name)
        .collect();
    let near = named.iter().find(|place| limits[**place].id.object.namespace == key.id.namespace);
    match (near, named.as_slice()) {
        (Some(place), _) | (None, [place]) => Ok(*place),
        (None, []) => {
            let mut known = Vec::new();
            for limit in limits {
                match limit.id.kind {
                    LimitOwner::Budget => known.extend([limit.id.object.name.clone(), limit.id.object.to_string()]),
                    LimitOwner::VirtualKey if limit.id.object == key.id => {
                        known.push(limit.id.path.trim_start_matches("spec.").to_owned());
                    }
                    LimitOwner::VirtualKey | LimitOwner::Provider => {}
                }
            }
            let hint = hint(name, known.iter().map(String::as_str));
            Err(format!("there is no Budget `{name}`, and no such limit of VirtualKey {}{hint}", key.id))
        }
        (None, several) => {
            let ids: Vec<String> = several.iter().map(|place| limits[*place].id.object.to_string()).collect();
            Err(format!("several Budgets are named `{name}`: say which, {}", ids.join(" or ")))
        }
    }
}

/// `, did you mean …?`, if one of the names is similar.
pub(super) fn hint<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> String {
    nearest(name, known).map(|like| format!(", did you mean `{like}`?")).unwrap_or_default()
}
