//! Finds the rule that decides: the first that matches. Rules in `mode: Shadow` are recorded and skipped. After a rule
//! with `chain`, the rules are evaluated again with its decision.

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

/// How often rules are evaluated again.
const MOST: usize = 10;

/// The evaluation of the rules for one request.
pub(crate) struct RuleWalk<'a> {
    pub policy: &'a Policy,
    pub key: &'a Key,
    pub request: &'a Request<'a>,
    /// Rules whose expression failed, with the error.
    pub errors: Vec<(Arc<str>, String)>,
    /// The first matching rule in `mode: Shadow`, with its input.
    pub shadow: Option<(&'a Rule, RequestTarget<'a>)>,
    /// The result of each rule, if requested.
    pub seen: Option<Vec<RuleTrace<'a>>>,
    /// The remaining budget of the rules.
    pub budget: EvaluationBudget,
    /// The rules that are in `errors`.
    failed: BTreeSet<RuleIndex>,
}

/// The result of a rule.
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
    /// Already used in an earlier round.
    Passed,
    False,
    Failed(String),
    /// It matches, and is only recorded.
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

    /// The rule that decides, if there is one.
    ///
    /// # Errors
    /// The expression of a rule with `onError: Refuse` failed.
    pub(crate) fn decides(&mut self, asking: RequestTarget<'a>) -> Result<Option<Ruled<'a>>, PolicyRefusal> {
        match self.first(asking, &[])? {
            Some(rule) => self.from(rule, asking).map(Some),
            None => Ok(None),
        }
    }

    /// Follows the chain of a rule that matched.
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

    /// The first rule that matches and is not a shadow rule. No rule is used twice.
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
                    // A shadow rule refuses nothing.
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
