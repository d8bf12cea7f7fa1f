//! Which rule decides: the first that matches. Those that only watch are passed and told; after one with `chain` the
//! rules are asked again, about what it decided.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::condition::EvaluationBudget;
use crate::decide::decision::PolicyRefusal;
use crate::decide::ordering::drawn;
use crate::decide::plan::{self, Plan};
use crate::decide::refusal;
use crate::document::OnError;
use crate::index::RuleIndex;
use crate::policy::{Key, Policy};
use crate::request::Request;
use crate::rules::inputs::{RequestTarget, RequestValues};
use crate::rules::rule::Rule;

/// How often rules are asked again.
const MOST: usize = 10;

/// The rules, as one request asks them.
pub(crate) struct RuleWalk<'a> {
    pub policy: &'a Policy,
    pub key: &'a Key,
    pub request: &'a Request<'a>,
    /// Rules whose expression failed, with what it said.
    pub errors: Vec<(Arc<str>, String)>,
    /// The first rule that matched and only watches, with what it was asked.
    pub shadow: Option<(&'a Rule, RequestTarget<'a>)>,
    /// What was seen of each rule, where somebody wants to know.
    pub seen: Option<Vec<RuleTrace<'a>>>,
    /// What is left of what rules may cost.
    pub budget: EvaluationBudget,
    /// The rules that are in `errors`.
    failed: BTreeSet<RuleIndex>,
}

/// What was seen of a rule when it was asked.
#[derive(Clone, Debug)]
pub(crate) struct RuleTrace<'a> {
    pub rule: &'a Rule,
    /// How many rules with `chain` had decided before.
    pub round: usize,
    pub outcome: RuleResult,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RuleResult {
    OutOfScope,
    /// It was passed through in an earlier round.
    Passed,
    False,
    Failed(String),
    /// It matches, and only watches.
    Shadow,
    Matches,
}

/// The rule that decides, with those that led to it.
pub(crate) struct Ruled<'a> {
    pub rule: &'a Rule,
    pub chain: Vec<&'a Rule>,
    pub plan: Plan,
}

impl<'a> RuleWalk<'a> {
    pub(crate) fn new(policy: &'a Policy, key: &'a Key, request: &'a Request<'a>) -> Self {
        RuleWalk {
            policy,
            key,
            request,
            errors: Vec::new(),
            shadow: None,
            seen: None,
            budget: EvaluationBudget::of_a_request(),
            failed: BTreeSet::new(),
        }
    }

    /// The rule that decides, if one does.
    ///
    /// # Errors
    /// A rule whose expression failed would have that refused.
    pub(crate) fn decides(&mut self, asking: RequestTarget<'a>) -> Result<Option<Ruled<'a>>, PolicyRefusal> {
        match self.first(asking, &[])? {
            Some(rule) => self.from(rule, asking).map(Some),
            None => Ok(None),
        }
    }

    /// Where a rule that matched leads to.
    ///
    /// # Errors
    /// As [`RuleWalk::decides`].
    pub(crate) fn from(
        &mut self,
        mut rule: &'a Rule,
        mut asking: RequestTarget<'a>,
    ) -> Result<Ruled<'a>, PolicyRefusal> {
        let mut chain = Vec::new();
        loop {
            let plan = plan::by_rule(self.policy, self.key, rule, asking.model);
            let ruled = |chain, plan| Ruled { rule, chain, plan };
            if !rule.chain || rule.reject.is_some() || chain.len() == MOST {
                return Ok(ruled(chain, plan));
            }
            let Some(at) = drawn(self.policy, self.key, self.request, &plan.primaries, chain.len()) else {
                return Ok(ruled(chain, plan));
            };
            let target = &rule.targets[at];
            let next = RequestTarget {
                provider: &target.provider,
                entry: self.key.provider(&target.provider),
                model: target.model.as_deref().unwrap_or(asking.model),
            };
            chain.push(rule);
            match self.first(next, &chain)? {
                Some(found) => (rule, asking) = (found, next),
                None => {
                    chain.pop();
                    return Ok(ruled(chain, plan));
                }
            }
        }
    }

    /// The first rule that matches and is to be obeyed. None is asked twice.
    fn first(&mut self, asking: RequestTarget<'a>, passed: &[&Rule]) -> Result<Option<&'a Rule>, PolicyRefusal> {
        let inputs = RequestValues::new(self.policy, self.key, asking, self.request);
        for (place, rule) in self.policy.rules.iter_enumerated() {
            if !rule.concerns(self.key) {
                self.see(rule, passed, RuleResult::OutOfScope);
                continue;
            }
            if passed.iter().any(|other| std::ptr::eq(*other, rule)) {
                self.see(rule, passed, RuleResult::Passed);
                continue;
            }
            let holds = match &rule.when {
                None => Ok(true),
                Some(when) => when.holds(&inputs, &mut self.budget),
            };
            match holds {
                Ok(false) => self.see(rule, passed, RuleResult::False),
                Ok(true) if rule.shadow => {
                    self.see(rule, passed, RuleResult::Shadow);
                    self.shadow.get_or_insert((rule, asking));
                }
                Ok(true) => {
                    self.see(rule, passed, RuleResult::Matches);
                    return Ok(Some(rule));
                }
                Err(error) => {
                    self.see(rule, passed, RuleResult::Failed(error.to_string()));
                    if self.failed.insert(place) {
                        self.errors.push((rule.label.clone(), error.to_string()));
                    }
                    // One that only watches refuses nothing.
                    if rule.on_error == OnError::Refuse && !rule.shadow {
                        return Err(refusal::rule_failed(rule, &error));
                    }
                }
            }
        }
        Ok(None)
    }

    fn see(&mut self, rule: &'a Rule, passed: &[&Rule], outcome: RuleResult) {
        if let Some(seen) = &mut self.seen {
            seen.push(RuleTrace { rule, round: passed.len(), outcome });
        }
    }
}
