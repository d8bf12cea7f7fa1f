//! A policy's decision for a recorded request, as far as the record allows.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use outrigger_core::RefusalKind;
use outrigger_llm::operation::ModelLocation;
use outrigger_policy::{
    BuildError, Credential, Explanation, GatewayState, Pace, Policy, Provider, Request, Skip, explain,
};

use super::records::RecordedDecision;
use crate::explain::rounded;

/// Variables of rules that records do not contain.
const UNKNOWN: [&str; 8] =
    ["headers", "params", "labels", "needs", "budget_used", "tokens_used", "request", "session_used"];

/// Where requests go. Draws differ between requests, so the share of each first candidate is compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Decided {
    rule: Option<String>,
    /// Status and type of a refusal.
    refusal: Option<(u16, RefusalKind)>,
    /// `provider/model`, with its share if several are drawn.
    first: Vec<(String, String)>,
    /// The further candidates, in order.
    then: Vec<String>,
}

/// `openai/gpt-4o 80 %, azure/gpt-4o 20 %, then anthropic/claude (RoutingRule search/premium)`
impl fmt::Display for Decided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.refusal {
            Some((status, kind)) => write!(f, "refused: {status} {kind}")?,
            None => {
                let first = |(at, share): &(String, String)| match self.first.len() {
                    1 => at.clone(),
                    _ => format!("{at} {share} %"),
                };
                f.write_str(&self.first.iter().map(first).collect::<Vec<_>>().join(", "))?;
                if !self.then.is_empty() {
                    write!(f, ", then {}", self.then.join(", "))?;
                }
            }
        }
        match &self.rule {
            Some(rule) => write!(f, " (RoutingRule {rule})"),
            None => Ok(()),
        }
    }
}

/// A condition whose value the record does not determine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct UnknownCondition {
    /// The condition's text.
    pub when: String,
    /// The first rule with this condition.
    pub rule: String,
    /// The variables that are unknown.
    pub reads: Vec<&'static str>,
}

/// Why the decision is unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum UnknownDecision {
    /// It depends on a condition. The caller may assume a value.
    Depends(UnknownCondition),
    /// The reason in words.
    Always(String),
}

/// A policy that decides many requests.
pub(crate) struct PolicySide<'p> {
    policy: &'p Policy,
    /// The policy, with assumed values of conditions.
    assuming: HashMap<BTreeMap<String, bool>, Policy>,
}

impl<'p> PolicySide<'p> {
    pub fn of(policy: &'p Policy) -> Self {
        PolicySide { policy, assuming: HashMap::new() }
    }

    /// The decision for a request, with these values of conditions.
    pub fn decide(
        &mut self,
        record: &RecordedDecision,
        assumed: &BTreeMap<String, bool>,
    ) -> Result<Decided, UnknownDecision> {
        let Some(operation) = record.operation() else {
            return Err(UnknownDecision::Always(format!("the operation {} is not known", record.operation)));
        };
        if record.model_requested.is_none() && operation.model != ModelLocation::Nowhere {
            return Err(UnknownDecision::Always("the record names no model".to_owned()));
        }
        if record.key.is_empty() {
            return Err(UnknownDecision::Always("the record names no key".to_owned()));
        }
        let policy = self.assuming(assumed).map_err(|error| UnknownDecision::Always(error.to_string()))?;
        let named = |key: &outrigger_policy::Key| key.id.name == record.key && key.id.namespace == record.namespace;
        let Some(position) = policy.keys.position(named) else {
            return Ok(Decided::refused(RefusalKind::VirtualKeyBlocked));
        };
        let key = &policy.keys[position];
        let seconds = record.moment().map(jiff::Timestamp::as_second);
        if key.suspended || key.expires_at.zip(seconds).is_some_and(|(expires, now)| expires <= now) {
            return Ok(Decided::refused(RefusalKind::VirtualKeyBlocked));
        }
        let request_type = if record.stream { operation.request_type.1 } else { operation.request_type.0 };
        let world = Recorded(record);
        // Records have no headers and no body.
        let request =
            Request::from_headers(position, request_type, record.model_requested.as_deref(), None, &|_| None, &world);
        let decision = explain(policy, &request);
        match undecided(policy, record, &decision) {
            Some(untold) => Err(UnknownDecision::Depends(untold)),
            None => Ok(Decided::of(decision)),
        }
    }

    fn assuming(&mut self, assumed: &BTreeMap<String, bool>) -> Result<&Policy, BuildError> {
        // Rules in shadow mode decide nothing.
        if assumed.is_empty() && !self.policy.rules.iter().any(|rule| rule.shadow) {
            return Ok(self.policy);
        }
        if !self.assuming.contains_key(assumed) {
            let mut document = self.policy.document.clone();
            document.rules.retain(|rule| !rule.shadow);
            for rule in &mut document.rules {
                match rule.when.as_ref().and_then(|when| assumed.get(when)) {
                    Some(true) => rule.when = None,
                    Some(false) => rule.when = Some("false".to_owned()),
                    None => {}
                }
            }
            self.assuming.insert(assumed.clone(), Policy::build(document)?);
        }
        Ok(self.assuming.get(assumed).unwrap_or(self.policy))
    }

    /// Whether rules apply again to models that other rules set. Then a condition has no single value.
    pub fn has_chains(&self) -> bool {
        self.policy.rules.iter().any(|rule| rule.chain)
    }
}

/// The first evaluated condition with an unknown value.
fn undecided(policy: &Policy, record: &RecordedDecision, decision: &Explanation) -> Option<UnknownCondition> {
    decision.rules.iter().filter(|seen| seen.outcome == outrigger_policy::RuleOutcome::Failed).find_map(|seen| {
        let position = policy.rules.position(|rule| *rule.label == *seen.rule)?;
        let world = Recorded(record);
        let reads = policy.rules[position].when.as_ref()?.reads().iter().copied();
        let reads: Vec<&str> = reads.filter(|variable| !world.knows(variable)).collect();
        let id = &policy.rules[position].id;
        let document = policy.document.rules.iter().find(|doc| doc.namespace == id.namespace && doc.name == id.name)?;
        // A condition that reads only known variables failed by itself, and would have failed in the gateway too.
        (!reads.is_empty()).then(|| UnknownCondition {
            when: document.when.clone().unwrap_or_default(),
            rule: seen.rule.clone(),
            reads,
        })
    })
}

impl Decided {
    fn refused(kind: RefusalKind) -> Self {
        Decided { rule: None, refusal: Some((kind.status(), kind)), first: Vec::new(), then: Vec::new() }
    }

    fn of(decision: Explanation) -> Self {
        let tried = decision.candidates.iter().filter(|candidate| candidate.skipped.is_none());
        let (mut first, mut then) = (Vec::new(), Vec::new());
        for candidate in tried {
            let at = format!("{}/{}", candidate.provider, candidate.model);
            match candidate.share.filter(|share| *share > 0.0) {
                Some(share) => first.push((at, rounded(share))),
                // A candidate of weight 0 is not drawn while another remains.
                None => then.push(at),
            }
        }
        if first.is_empty() && !then.is_empty() {
            first.push((then.remove(0), "100".to_owned()));
        }
        first.sort();
        let refusal = decision.refusal.map(|refusal| (refusal.status, refusal.kind));
        Decided { rule: decision.rule, refusal, first, then }
    }
}

/// The state for a record: all providers work and nothing is spent.
struct Recorded<'r>(&'r RecordedDecision);

impl GatewayState for Recorded<'_> {
    fn unfit(&self, _: &Provider, _: &str) -> Option<String> {
        None
    }

    fn gate(&self, _: &Provider, _: Option<&Credential>, _: &str) -> Option<Skip> {
        None
    }

    fn pace(&self, _: &Provider, _: Option<&Credential>, _: &str) -> Option<Pace> {
        None
    }

    fn input_tokens(&self) -> u64 {
        self.0.tokens.input.unwrap_or(0)
    }

    fn workload(&self) -> &str {
        self.0.workload.as_deref().unwrap_or_default()
    }

    fn now(&self) -> i64 {
        self.0.moment().map_or(0, jiff::Timestamp::as_millisecond)
    }

    fn knows(&self, variable: &str) -> bool {
        match variable {
            "input_tokens" => self.0.tokens.input.is_some(),
            "now" => self.0.moment().is_some(),
            other => !UNKNOWN.contains(&other),
        }
    }
}
