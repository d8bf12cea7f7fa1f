//! Replaces unusable objects by their last good versions.
//!
//! First all objects are compiled as they are. If one cannot be used, its last good version takes its place and all are
//! compiled again: providers and budgets first, then the keys that name them, then the rules that act on keys. This ends when
//! nothing changes, and after [`PASSES`] passes at most. An object's findings are those of its present version, compiled among
//! neighbours that serve.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use outrigger_compile::{Cluster, Compiled, Finding, Object, ObjectValidation, compile_in};

use super::findings::{DecisionStage, PassFindings, Rank, TestBudget};
use super::{EvaluatedNamespace, authorities};
use crate::objects::id::{ObjectId, ObjectKind};
use crate::objects::refs::{Reference, ValueRef, references_of};
use crate::objects::version::ObjectVersion;
use crate::plan::last_good::{Chosen, LastGood};
use crate::plan::revoked;
use crate::plan::scope::PlanScope;
use crate::state::index::{ObjectIndex, ValueSource};

/// In each stage, all objects change their states together, and each at most three times.
const PASSES: usize = 12;
/// The field of a provider that references its authorities.
const AUTHORITIES: &str = "spec.tls.caRef";

/// Which version of an object serves, while this is being decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Now,
    /// The last good version is being tried, instead of a present one of this rank.
    Trying(Rank),
    Good,
    /// The present version, as far as it is usable. The last good one is no better.
    Kept,
    Out,
}

/// A namespace's objects, and their findings so far.
pub(super) struct Fallback<'a> {
    index: &'a ObjectIndex,
    last_good: &'a LastGood,
    namespace: &'a str,
    scope: PlanScope,
    states: BTreeMap<ObjectId, State>,
    /// Deleted budgets that still apply.
    deleted_budgets: Vec<Arc<ObjectVersion>>,
    /// Substitutes for the present Secrets and ConfigMaps.
    values: BTreeMap<ValueRef, Arc<ValueSource>>,
    /// Objects whose findings stay, although a substitute hides them in later passes.
    reported: BTreeSet<ObjectId>,
    findings: BTreeMap<ObjectId, Vec<Finding>>,
}

/// A compiled result, with its inputs.
struct Pass {
    compiled: Compiled,
    foreign: BTreeMap<ObjectId, Arc<ObjectVersion>>,
    values: BTreeMap<ValueRef, Arc<ValueSource>>,
}

impl<'a> Fallback<'a> {
    pub fn new(index: &'a ObjectIndex, last_good: &'a LastGood, namespace: &'a str, scope: PlanScope) -> Self {
        Fallback {
            index,
            last_good,
            namespace,
            states: scope.own.keys().map(|id| (id.clone(), State::Now)).collect(),
            scope,
            deleted_budgets: Vec::new(),
            values: BTreeMap::new(),
            reported: BTreeSet::new(),
            findings: BTreeMap::new(),
        }
    }

    /// Evaluates the objects. Also returns the substitutes for Secrets and ConfigMaps.
    pub fn evaluate(mut self) -> (EvaluatedNamespace, BTreeMap<ValueRef, Arc<ValueSource>>) {
        let (mut passes, mut tests) = (0, TestBudget::new());
        loop {
            let pass = self.compile();
            let seen = PassFindings::of(&pass.compiled, self.namespace, self.scope.own.keys(), &mut tests);
            passes += 1;
            if passes == 1 {
                tests.next_runs();
            }
            if passes == PASSES || !self.settle(passes == 1, &seen) {
                return self.finish(pass, &seen);
            }
        }
    }

    /// The version of one of the namespace's own objects in this pass; `None` if none serves.
    fn own(&self, id: &ObjectId) -> Option<Arc<ObjectVersion>> {
        let now = self.scope.own.get(id)?;
        match self.states.get(id)? {
            State::Now | State::Kept => Some(now.clone()),
            State::Trying(_) | State::Good => Some(revoked::without_revoked(self.last_good.of(now)?, now)),
            State::Out => None,
        }
    }

    /// The version of another namespace's object that applies here.
    fn foreign(&self, id: &ObjectId) -> Option<Arc<ObjectVersion>> {
        let now = &self.index.get(id)?.version;
        match self.last_good.chosen(id) {
            Some(chosen) if chosen.version.uid == now.uid => match self.last_good.seen_by(self.namespace, now) {
                Some(last_good) if !chosen.known => Some(revoked::without_revoked(last_good, now)),
                _ if chosen.usable => Some(chosen.version.clone()),
                // Another namespace does not decide whether a rule is valid. It does see findings about other unusable
                // objects.
                _ => Some(now.clone()).filter(|_| id.kind != ObjectKind::RoutingRule),
            },
            _ => Some(now.clone()),
        }
    }

    fn value(&self, wanted: &ValueRef) -> Option<Arc<ValueSource>> {
        let replaced = match wanted.namespace == self.namespace {
            true => self.values.get(wanted),
            false => self.last_good.home(&wanted.namespace).and_then(|home| home.values.get(wanted)),
        };
        let foreign = || self.last_good.bundle(self.namespace, wanted).filter(|_| wanted.namespace != self.namespace);
        replaced.or_else(|| self.index.value(wanted)).or_else(foreign).cloned()
    }

    fn compile(&self) -> Pass {
        let of = |id: &ObjectId| Some((id.clone(), self.foreign(id)?));
        let foreign: BTreeMap<ObjectId, Arc<ObjectVersion>> = self.scope.foreign.iter().filter_map(of).collect();
        let own: Vec<Arc<ObjectVersion>> = self.scope.own.keys().filter_map(|id| self.own(id)).collect();
        let source = |wanted: &ValueRef| Some((wanted.clone(), self.value(wanted)?));
        let values: BTreeMap<ValueRef, Arc<ValueSource>> = self.scope.values.iter().filter_map(source).collect();
        let spaces: Vec<&Arc<Object>> =
            self.scope.namespaces.iter().filter_map(|name| self.index.namespace(name)).collect();
        let versions = own.iter().chain(foreign.values()).chain(&self.deleted_budgets);
        let objects: Vec<(&Object, &ObjectValidation)> =
            versions.map(|version| (version.object(), version.judgement())).collect();
        let others: Vec<&Object> =
            values.values().map(|holding| holding.object()).chain(spaces.into_iter().map(AsRef::as_ref)).collect();
        let compiled = compile_in(&Cluster {
            objects: &objects,
            others: &others,
            namespace: self.namespace,
            operator_namespace: self.index.operator_namespace(),
        });
        let deleted_budgets = self.deleted_budgets.iter().map(|version| (version.id.clone(), version.clone()));
        Pass { compiled, foreign: foreign.into_iter().chain(deleted_budgets).collect(), values }
    }

    /// Reads the findings and replaces unusable versions. Returns whether anything changed.
    fn settle(&mut self, first: bool, seen: &PassFindings) -> bool {
        let own: Vec<(ObjectId, State)> = self.states.iter().map(|(id, state)| (id.clone(), *state)).collect();
        for (id, state) in &own {
            if matches!(state, State::Now | State::Kept) {
                let found = seen.findings(id);
                let findings = self.findings.entry(id.clone()).or_default();
                match self.reported.contains(id) {
                    true => {
                        findings.extend(found.into_iter().filter(|one| !findings.contains(one)).collect::<Vec<_>>())
                    }
                    false => *findings = found,
                }
            }
        }
        if first && self.substitute(seen) {
            return true;
        }
        let mut stages: BTreeMap<(DecisionStage, u8), Vec<(ObjectId, State)>> = BTreeMap::new();
        for (id, state) in own {
            let turn = match state {
                // A rule that was never valid must not affect the tests of others.
                State::Now | State::Kept if seen.rank(&id) == Rank::Untested && !self.has_last_good(&id) => 0,
                // A budget whose parent is broken may be valid once the parent is replaced.
                State::Now if seen.has_only_dependency_problems(&id) => 2,
                _ => 1,
            };
            stages.entry((seen.stage(&id), turn)).or_default().push((id, state));
        }
        stages.into_values().any(|stage| {
            let steps = stage.into_iter().map(|(id, state)| self.step(&id, state, seen));
            steps.fold(false, |changed, step| changed | step)
        })
    }

    fn has_last_good(&self, id: &ObjectId) -> bool {
        self.scope.own.get(id).is_some_and(|now| self.last_good.of(now).is_some())
    }

    /// Decides which version of an object serves next. Returns whether that changed.
    fn step(&mut self, id: &ObjectId, state: State, seen: &PassFindings) -> bool {
        let rank = seen.rank(id);
        match state {
            State::Now => self.fall_back(id, rank),
            State::Trying(was) => {
                let fewer = self.findings.get(id).is_some_and(|found| seen.has_fewer_problems(id, found));
                self.compare(id, was, rank, fewer)
            }
            State::Kept if rank == Rank::Untested => self.fall_back(id, rank),
            State::Good | State::Kept | State::Out => false,
        }
    }

    /// Deleted budgets still apply, and providers keep their authorities while the bundle is missing.
    fn substitute(&mut self, seen: &PassFindings) -> bool {
        let deleted_budgets =
            self.scope.missing.iter().filter_map(|id| self.last_good.deleted_budget(self.namespace, id));
        self.deleted_budgets = deleted_budgets.cloned().collect();
        for (id, version) in &self.scope.own {
            let names_one = |named: &Reference| matches!(named, Reference::Object(id) if self.deleted_budgets.iter().any(|one| one.id == *id));
            if references_of(version).iter().any(names_one) {
                self.reported.insert(id.clone());
            }
            let bundle = authorities(version).filter(|_| seen.has_error_at(id, AUTHORITIES));
            if let Some(wanted) = bundle
                && let Some(holding) = self.last_good.bundle(self.namespace, &wanted)
            {
                self.values.insert(wanted, holding.clone());
                self.reported.insert(id.clone());
            }
        }
        !self.deleted_budgets.is_empty() || !self.values.is_empty()
    }

    /// Tries the last good version instead of one that is not valid.
    fn fall_back(&mut self, id: &ObjectId, rank: Rank) -> bool {
        if rank == Rank::Sound {
            return false;
        }
        let Some(now) = self.scope.own.get(id) else { return false };
        let last_good = self.last_good.of(now).cloned();
        let state = match &last_good {
            Some(last_good) if last_good.spec() != now.spec() => match self.states.get(id) {
                // It has been tried already.
                Some(State::Kept) => State::Out,
                _ => State::Trying(rank),
            },
            // It was valid as it is, and other objects have changed.
            Some(_) => State::Kept,
            None if rank == Rank::Untested => State::Out,
            None => State::Kept,
        };
        if let (State::Trying(_), Some(wanted)) = (state, last_good.as_deref().and_then(authorities))
            && self.index.value(&wanted).is_none()
            && let Some(holding) = self.last_good.bundle(self.namespace, &wanted)
        {
            self.values.insert(wanted, holding.clone());
        }
        self.states.insert(id.clone(), state);
        matches!(state, State::Trying(_) | State::Out)
    }

    /// Keeps the last good version if it is better than the present one: more of it is usable, or it has only some of
    /// the present version's faults.
    fn compare(&mut self, id: &ObjectId, was: Rank, is: Rank, fewer: bool) -> bool {
        // Its tests passed once, with other objects as they were then.
        let is = if is == Rank::Untested { Rank::Partial } else { is };
        let state = match is > was || (is == was && fewer) {
            true => State::Good,
            false if was == Rank::Untested => State::Out,
            false => State::Kept,
        };
        self.states.insert(id.clone(), state);
        state != State::Good
    }

    fn finish(self, pass: Pass, seen: &PassFindings) -> (EvaluatedNamespace, BTreeMap<ValueRef, Arc<ValueSource>>) {
        let mut chosen = BTreeMap::new();
        let mut sound = Vec::new();
        for (id, now) in &self.scope.own {
            let rank = seen.rank(id);
            let serving = self.own(id);
            let usable = serving.is_some() && rank != Rank::Absent;
            let is_sound =
                self.states.get(id) == Some(&State::Now) && rank == Rank::Sound && !self.reported.contains(id);
            if is_sound && !seen.is_untried(id, now) {
                sound.push(now.clone());
            }
            // Without a valid version in its own namespace, other namespaces may still remember one.
            let known = is_sound || self.last_good.of(now).is_some();
            let version = serving.unwrap_or_else(|| now.clone());
            chosen.insert(id.clone(), Chosen { version, usable, known });
        }
        let evaluated = EvaluatedNamespace {
            compiled: pass.compiled,
            chosen,
            findings: self.findings,
            foreign: pass.foreign,
            values: pass.values,
            dependencies: self.scope.dependencies,
            sound,
        };
        (evaluated, self.values)
    }
}
