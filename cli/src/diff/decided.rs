//! What a policy decides about a recorded request, as far as a record says enough of it.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use outrigger_core::RefusalKind;
use outrigger_llm::operation::ModelPlace;
use outrigger_policy::{
    BuildError, Conditions, Credential, Explanation, Pace, Policy, Provider, Request, Skip, explain,
};

use super::records::RecordedDecision;
use crate::explain::rounded;

/// Variables of rules of which a record tells nothing.
const UNTOLD: [&str; 7] = ["headers", "params", "labels", "needs", "budget_used", "tokens_used", "request"];

/// Where a request goes. Draws differ from request to request: what counts is how often each comes first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Decided {
    rule: Option<String>,
    /// Status and type.
    refusal: Option<(u16, RefusalKind)>,
    /// `provider/model`, with the share where several are drawn from.
    first: Vec<(String, String)>,
    /// What is tried after them, in order.
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

/// A condition whose value the record does not tell.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Untold {
    /// The condition's text.
    pub when: String,
    /// The first rule that has it.
    pub rule: String,
    /// The variables of which nothing is known.
    pub reads: Vec<&'static str>,
}

/// Why it can't be said what is decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unsaid {
    /// It depends on a condition: whoever asks may assume it.
    Depends(Untold),
    /// In words.
    Never(String),
}

/// A policy, asked again and again.
pub(crate) struct PolicySide<'p> {
    policy: &'p Policy,
    /// With conditions assumed to be so or so.
    assuming: HashMap<BTreeMap<String, bool>, Policy>,
}

impl<'p> PolicySide<'p> {
    pub fn of(policy: &'p Policy) -> Self {
        PolicySide { policy, assuming: HashMap::new() }
    }

    /// What is decided about a request, if the conditions that are assumed have these values.
    pub fn decides(&mut self, record: &RecordedDecision, assumed: &BTreeMap<String, bool>) -> Result<Decided, Unsaid> {
        let Some(operation) = record.operation() else {
            return Err(Unsaid::Never(format!("the operation {} is not known", record.operation)));
        };
        if record.model_requested.is_none() && operation.model != ModelPlace::Nowhere {
            return Err(Unsaid::Never("the record names no model".to_owned()));
        }
        if record.key.is_empty() {
            return Err(Unsaid::Never("the record names no key".to_owned()));
        }
        let policy = self.assuming(assumed).map_err(|error| Unsaid::Never(error.to_string()))?;
        let named = |key: &outrigger_policy::Key| key.id.name == record.key && key.id.namespace == record.namespace;
        let Some(place) = policy.keys.position(named) else {
            return Ok(Decided::refused(RefusalKind::VirtualKeyBlocked));
        };
        let key = &policy.keys[place];
        let seconds = record.moment().map(jiff::Timestamp::as_second);
        if key.suspended || key.expires_at.zip(seconds).is_some_and(|(expires, now)| expires <= now) {
            return Ok(Decided::refused(RefusalKind::VirtualKeyBlocked));
        }
        let request_type = if record.stream { operation.request_type.1 } else { operation.request_type.0 };
        let world = Recorded(record);
        // A record has no headers and no body.
        let request = Request::said(place, request_type, record.model_requested.as_deref(), None, &|_| None, &world);
        let decision = explain(policy, &request);
        match undecided(policy, record, &decision) {
            Some(untold) => Err(Unsaid::Depends(untold)),
            None => Ok(Decided::of(decision)),
        }
    }

    fn assuming(&mut self, assumed: &BTreeMap<String, bool>) -> Result<&Policy, BuildError> {
        // Rules that only watch decide nothing.
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

    /// Whether rules are asked again, about other models than the one that was asked for: then a condition has no one value.
    pub fn has_chains(&self) -> bool {
        self.policy.rules.iter().any(|rule| rule.chain)
    }
}

/// The first condition that was asked and is not known.
fn undecided(policy: &Policy, record: &RecordedDecision, decision: &Explanation) -> Option<Untold> {
    decision.rules.iter().filter(|seen| seen.outcome == outrigger_policy::RuleOutcome::Failed).find_map(|seen| {
        let place = policy.rules.position(|rule| *rule.label == *seen.rule)?;
        let world = Recorded(record);
        let reads = policy.rules[place].when.as_ref()?.reads().iter().copied();
        let reads: Vec<&str> = reads.filter(|variable| !world.knows(variable)).collect();
        let id = &policy.rules[place].id;
        let document = policy.document.rules.iter().find(|doc| doc.namespace == id.namespace && doc.name == id.name)?;
        // One that reads only what is known fails by itself, and would have failed then.
        (!reads.is_empty()).then(|| Untold {
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
                // Weight 0: not drawn while another is left.
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

/// The world of a record: all is well and nothing is spent.
struct Recorded<'r>(&'r RecordedDecision);

impl Conditions for Recorded<'_> {
    fn unfit(&self, _: &Provider) -> Option<String> {
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
            other => !UNTOLD.contains(&other),
        }
    }
}
