//! The assumed state for explaining a request: everything works, except what the command line says.

use std::collections::HashMap;

use outrigger_core::{Capabilities, Money};
use outrigger_llm::tokens::meter::{self, Metered};
use outrigger_policy::{
    Credential, GatewayState, Key, Limit, LimitIndex, LimitOwner, Others, Pace, Policy, Provider, Skip, Unit, nearest,
    trial,
};
use outrigger_sidecar::request::parsed_request::others;
use outrigger_sidecar::request::session;
use thiserror::Error;

use super::Args;
use super::request::{ExplainedRequest, dialect};

/// Why an assumption is impossible.
#[derive(Debug, Error)]
pub(crate) enum AssumptionError {
    #[error("--unhealthy {name}: VirtualKey {key} has no provider of that name{}{}", like.as_ref().map(|name| format!(", did you mean `{name}`?")).unwrap_or_default(), listed(candidates))]
    Unhealthy { name: String, key: String, like: Option<String>, candidates: Vec<String> },
    #[error("--spent {name}: {problem}{}", listed(candidates))]
    Limit { name: String, problem: String, candidates: Vec<String> },
    #[error("--spent {name}={amount}: {limit} counts {}, so say {}, or per cent as in 95%", counts(*unit), such_as(*unit))]
    Amount { name: String, amount: String, limit: String, unit: Unit },
}

fn listed(candidates: &[String]) -> String {
    match candidates.is_empty() {
        true => "; none exists".to_owned(),
        false => format!("; use one of {}", candidates.join(", ")),
    }
}

fn counts(unit: Unit) -> &'static str {
    match unit {
        Unit::Money => "money",
        Unit::Tokens => "tokens",
        Unit::Requests => "requests",
    }
}

fn such_as(unit: Unit) -> &'static str {
    match unit {
        Unit::Money => "how many dollars, as in $12.50",
        Unit::Tokens | Unit::Requests => "how many, as in 50000",
    }
}

/// The state that a decision reads.
#[derive(Debug)]
pub(crate) struct AssumedState<'a> {
    explained: &'a ExplainedRequest,
    unhealthy: Vec<u64>,
    used: HashMap<LimitIndex, u64>,
    /// The limit that was too short for the first decision.
    short: Option<LimitIndex>,
    in_session: bool,
    labels: &'a [(String, String)],
    workload: &'a str,
    input_tokens: u64,
    metered: Metered,
    /// Milliseconds since 1970.
    now: i64,
}

impl<'a> AssumedState<'a> {
    /// # Errors
    /// A provider or a limit that does not exist, or an amount that a limit can't have.
    pub fn of(
        policy: &Policy,
        key: &Key,
        explained: &'a ExplainedRequest,
        args: &'a Args,
        now: i64,
    ) -> Result<Self, AssumptionError> {
        let unhealthy = args.unhealthy.iter().map(|name| {
            let entry = key.providers.iter().find(|entry| *entry.name == **name);
            entry.map(|entry| policy.providers[entry.provider].identity).ok_or_else(|| {
                let candidates: Vec<String> = key.providers.iter().map(|entry| entry.name.to_string()).collect();
                let like = nearest(name, candidates.iter().map(String::as_str));
                AssumptionError::Unhealthy { name: name.clone(), key: key.id.to_string(), like, candidates }
            })
        });
        let used = args.spent.iter().map(|(name, amount)| spent(policy, key, name, amount));
        Ok(AssumedState {
            unhealthy: unhealthy.collect::<Result<_, _>>()?,
            used: used.collect::<Result<_, _>>()?,
            short: None,
            in_session: session::name(key, explained.operation, &explained.headers).is_ok_and(|name| name.is_some()),
            labels: &args.labels,
            workload: args.workload.as_deref().unwrap_or_default(),
            input_tokens: explained.caller_tokens().unwrap_or(0),
            metered: explained.metered(),
            explained,
            now,
        })
    }
}

impl AssumedState<'_> {
    /// The same state, with a limit that was too short for the first decision.
    pub fn short_of(self, limit: LimitIndex) -> Self {
        AssumedState { short: Some(limit), ..self }
    }
}

/// The limit and its spent amount: `$12.50`, `95%` or a number.
fn spent(policy: &Policy, key: &Key, name: &str, amount: &str) -> Result<(LimitIndex, u64), AssumptionError> {
    let limit_index = trial::limit_named(policy, key, name).map_err(|problem| AssumptionError::Limit {
        name: name.to_owned(),
        problem,
        candidates: limit_names(policy, key),
    })?;
    let limit = &policy.limits.all[limit_index];
    let used = used(limit, amount).ok_or_else(|| AssumptionError::Amount {
        name: name.to_owned(),
        amount: amount.to_owned(),
        limit: limit.id.to_string(),
        unit: limit.unit,
    })?;
    Ok((limit_index, used))
}

fn used(limit: &Limit, amount: &str) -> Option<u64> {
    if let Some(percent) = amount.strip_suffix('%') {
        // In thousandths, rounded up, so that 95 % of a limit reaches a threshold of 95 %.
        let (whole, decimals) = percent.trim().split_once('.').unwrap_or((percent.trim(), ""));
        if whole.is_empty()
            || decimals.len() > 3
            || ![whole, decimals].iter().all(|part| part.bytes().all(|byte| byte.is_ascii_digit()))
        {
            return None;
        }
        let milli = format!("{whole}{decimals:0<3}").parse::<u32>().ok()?;
        return u64::try_from((u128::from(limit.max) * u128::from(milli)).div_ceil(100_000)).ok();
    }
    match limit.unit {
        Unit::Money => amount.strip_prefix('$').unwrap_or(amount).parse::<Money>().ok().map(Money::nanos),
        Unit::Tokens | Unit::Requests => amount.replace([',', '_'], "").parse().ok(),
    }
}

/// The limits that `--spent` can name.
fn limit_names(policy: &Policy, key: &Key) -> Vec<String> {
    let name = |limit: &Limit| match limit.id.kind {
        LimitOwner::Budget => Some(limit.id.object.to_string()),
        LimitOwner::VirtualKey if limit.id.object == key.id => {
            Some(limit.id.path.trim_start_matches("spec.").to_owned())
        }
        LimitOwner::Provider => Some(limit.id.to_string()),
        LimitOwner::VirtualKey => None,
    };
    policy.limits.all.iter().filter_map(name).collect()
}

impl GatewayState for AssumedState<'_> {
    fn unfit(&self, provider: &Provider, upstream_model: &str) -> Option<String> {
        self.explained.unfit(provider, upstream_model)
    }

    fn others(&self, provider: &Provider, upstream_model: &str) -> Others<'_> {
        others(&self.explained.scanned, dialect(self.explained.operation.dialect, provider, upstream_model))
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

    fn is_short(&self, limit: LimitIndex) -> bool {
        self.short == Some(limit)
    }

    fn input_tokens(&self) -> u64 {
        self.input_tokens
    }

    fn needs(&self) -> Capabilities {
        self.explained.needs()
    }

    fn is_free(&self) -> bool {
        self.metered == Metered::Free
    }

    fn unmetered(&self) -> Option<&str> {
        match self.metered {
            Metered::Unmetered(why) => Some(why),
            _ => None,
        }
    }

    fn reports_tokens(&self) -> bool {
        meter::reports_tokens(self.explained.operation, &self.explained.scanned)
    }

    fn workload(&self) -> &str {
        self.workload
    }

    fn labels(&self) -> &[(String, String)] {
        self.labels
    }

    fn now(&self) -> i64 {
        self.now
    }
}

#[cfg(test)]
mod tests {
    use outrigger_core::{ObjectRef, Window};
    use outrigger_policy::LimitId;

    use super::*;

    #[test]
    fn amounts_are_parsed() {
        let limit = |unit, max| Limit {
            id: LimitId { kind: LimitOwner::Budget, object: ObjectRef::default(), path: String::new() },
            unit,
            max,
            window: Window::Lifetime,
            thresholds: Vec::new(),
            per_attempt: false,
            per_session: false,
            fail_open: None,
        };
        for (unit, max, amount, expected) in [
            (Unit::Money, 100, "$12.50", Some(12_500_000_000)),
            (Unit::Money, 100, "12.5", Some(12_500_000_000)),
            (Unit::Money, 1_001, "95%", Some(951)),
            (Unit::Money, 1_000, "99.95 %", Some(1_000)),
            (Unit::Money, 1_000, "120%", Some(1_200)),
            (Unit::Money, 1_000, "-5%", None),
            (Unit::Money, 1_000, "much", None),
            (Unit::Tokens, 1_000, "50,000", Some(50_000)),
            (Unit::Requests, 1_000, "7", Some(7)),
            (Unit::Requests, 1_000, "$7", None),
            (Unit::Requests, 1_000, "%", None),
        ] {
            assert_eq!(used(&limit(unit, max), amount), expected, "{amount} of {max}");
        }
    }
}
