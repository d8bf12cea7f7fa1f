//! Finds the rule that decides: the first that matches. Rules in `mode: Shadow` are recorded and skipped. After a rule
//! with `chain`, the rules are evaluated again with its decision.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::condition::EvaluationBudget;
use crate::decide::ordering::chosen_slot;
use crate::decide::plan::{self, Plan};
use crate::decide::refusal;
use crate::decision::PolicyRefusal;
use crate::document::OnError;
use crate::index::RuleIndex;
use crate::policy::{Key, Policy};
use crate::request::Request;
use crate::request::values::{RequestTarget, RequestValues};
use crate::rules::rule::Rule;

/// How often rules are evaluated again.
const MAX_ROUNDS: usize = 10;

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
pub(crate) struct DecidingRule<'a> {
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
    pub(crate) fn deciding_rule(
        &mut self,
        request_target: RequestTarget<'a>,
    ) -> Result<Option<DecidingRule<'a>>, PolicyRefusal> {
        match self.first(request_target, &[])? {
            Some(rule) => self.follow_chain(rule, request_target).map(Some),
            None => Ok(None),
        }
    }

    /// Follows the chain of a rule that matched.
    ///
    /// # Errors
    /// As [`RuleWalk::decides`].
    pub(crate) fn follow_chain(
        &mut self,
        mut rule: &'a Rule,
        mut request_target: RequestTarget<'a>,
    ) -> Result<DecidingRule<'a>, PolicyRefusal> {
        let mut chain = Vec::new();
        loop {
            let plan = plan::by_rule(self.policy, self.key, rule, request_target.model);
            let ruled = |chain, plan| DecidingRule { rule, chain, plan };
            if !rule.chain || rule.reject.is_some() || chain.len() == MAX_ROUNDS {
                return Ok(ruled(chain, plan));
            }
            let Some(at) = chosen_slot(self.policy, self.key, self.request, &plan.primaries, chain.len()) else {
                return Ok(ruled(chain, plan));
            };
            let target = &rule.targets[at];
            let next = RequestTarget {
                provider: &target.provider,
                entry: self.key.provider(&target.provider),
                model: target.model.as_deref().unwrap_or(request_target.model),
            };
            chain.push(rule);
            match self.first(next, &chain)? {
                Some(found) => (rule, request_target) = (found, next),
                None => {
                    chain.pop();
                    return Ok(ruled(chain, plan));
                }
            }
        }
    }

    /// The first rule that matches and is not a shadow rule. No rule is used twice.
    fn first(&mut self, request_target: RequestTarget<'a>, used: &[&Rule]) -> Result<Option<&'a Rule>, PolicyRefusal> {
        let inputs = RequestValues::new(self.policy, self.key, request_target, self.request);
        for (rule_index, rule) in self.policy.rules.iter_enumerated() {
            if !rule.concerns(self.key) {
                self.record(rule, used, RuleResult::OutOfScope);
                continue;
            }
            if used.iter().any(|other| std::ptr::eq(*other, rule)) {
                self.record(rule, used, RuleResult::Passed);
                continue;
            }
            let matches = match &rule.when {
                None => Ok(true),
                Some(when) => when.holds(&inputs, &mut self.budget),
            };
            match matches {
                Ok(false) => self.record(rule, used, RuleResult::False),
                Ok(true) if rule.shadow => {
                    self.record(rule, used, RuleResult::Shadow);
                    self.shadow.get_or_insert((rule, request_target));
                }
                Ok(true) => {
                    self.record(rule, used, RuleResult::Matches);
                    return Ok(Some(rule));
                }
                Err(error) => {
                    self.record(rule, used, RuleResult::Failed(error.to_string()));
                    if self.failed.insert(rule_index) {
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

    fn record(&mut self, rule: &'a Rule, used: &[&Rule], outcome: RuleResult) {
        if let Some(seen) = &mut self.seen {
            seen.push(RuleTrace { rule, round: used.len(), outcome });
        }
    }
}
