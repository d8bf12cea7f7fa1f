//! Which version of each of a namespace's objects serves, and what is wrong with the present ones.
//!
//! All are compiled as they are. Where one can't be used, its last good version takes its place and all are compiled
//! again, until nothing changes: at most [`PASSES`] times. What is told of an object is what was found of its present
//! version, among neighbours that serve.

mod seen;

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use outrigger_compile::{Cluster, Compiled, Finding, Object, compile_in};

use crate::good::{Chosen, Home, LastGood, SecretVersion};
use crate::index::{Holding, Index};
use crate::object::{Kind, ObjectId};
use crate::refs::{Named, Wanted, named_by};
use crate::scope::Scope;
use crate::version::Version;
use crate::withdrawn;
use seen::{Rank, Seen};

/// Each object changes its state at most three times, and mostly all at once.
const PASSES: usize = 8;
/// Where a provider says whom to trust.
const AUTHORITIES: &str = "spec.tls.caRef";

/// A namespace, judged.
pub(crate) struct Judged {
    pub compiled: Compiled,
    /// Of each of its own objects.
    pub chosen: BTreeMap<ObjectId, Chosen>,
    /// What was found of the present version of each of its own.
    pub findings: BTreeMap<ObjectId, Vec<Finding>>,
    /// The versions of others' objects that were used.
    pub foreign: BTreeMap<ObjectId, Arc<Version>>,
    /// What held values.
    pub values: BTreeMap<Wanted, Arc<Holding>>,
    pub looked: BTreeSet<Named>,
}

/// Judges a namespace, and keeps what was found good. Others' objects are taken as their homes say, which are judged
/// first where their last word is not up to date.
pub(crate) fn judge(index: &Index, good: &mut LastGood, namespace: &str) -> Judged {
    let scope = Scope::of(index, good, namespace);
    if !scope.everywhere {
        let stale = |home: &&str| *home != namespace && !good.is_judged(index, home);
        let homes: Vec<String> = scope.homes().into_iter().filter(stale).map(str::to_owned).collect();
        for home in homes {
            // One step far: what a home says of its own objects hangs on others only by the budgets above its budgets, and
            // these are of this scope, too.
            let scope = Scope::of(index, good, &home);
            alone(index, good, &home, scope);
        }
    }
    alone(index, good, namespace, scope)
}

fn alone(index: &Index, good: &mut LastGood, namespace: &str, scope: Scope) -> Judged {
    let judged = Desk::new(index, good, namespace, scope).judge();
    let JudgedWith { judged, sound, old_values } = judged;
    sound.iter().for_each(|version| good.keep(version));
    good.forget_gone(index, namespace);
    remember(index, good, namespace, &judged);
    let exports = exports(index, namespace, &judged, &old_values);
    let stamp = index.stamp(namespace);
    let told = good.homes.get(namespace).map_or(Some(exports), |home| home.told);
    let home = Home { stamp, chosen: judged.chosen.clone(), values: old_values, exports, told };
    good.homes.insert(namespace.to_owned(), home);
    judged
}

/// What a namespace's own policies need when a Secret or a ConfigMap is gone.
fn remember(index: &Index, good: &mut LastGood, namespace: &str, judged: &Judged) {
    let usable = |id: &ObjectId| good.chosen(id).is_some_and(|chosen| chosen.usable);
    let told_by_home: Vec<ObjectId> = judged.foreign.keys().filter(|id| usable(id)).cloned().collect();
    let used = |version: &Arc<Version>| named_by(version);
    let serving = judged.chosen.values().filter(|chosen| chosen.usable).map(|chosen| &chosen.version);
    let named: BTreeSet<Named> = serving.chain(judged.foreign.values()).flat_map(used).collect();
    let credentials: BTreeSet<_> = judged
        .compiled
        .document
        .providers
        .iter()
        .flat_map(|provider| provider.credentials.iter().map(|credential| credential.secret.clone()))
        .collect();
    let view = good.view_mut(namespace);
    told_by_home.iter().for_each(|id| drop(view.objects.remove(id)));
    let is_used = |wanted: &Wanted| named.contains(&Named::Value(wanted.clone()));
    view.bundles.retain(|wanted, _| is_used(wanted));
    for version in judged.chosen.values().map(|chosen| &chosen.version).chain(judged.foreign.values()) {
        let id = outrigger_policy::ObjectRef { namespace: version.id.namespace.clone(), name: version.id.name.clone() };
        let providers = &judged.compiled.document.providers;
        let compiled =
            || providers.iter().any(|one| one.ca.is_some() && one.namespace == id.namespace && one.name == id.name);
        if let Some(wanted) = authorities(version).filter(|_| version.id.kind == Kind::LlmProvider && compiled())
            && let Some(holding) = judged.values.get(&wanted)
        {
            view.bundles.insert(wanted, holding.clone());
        }
    }
    view.secrets.retain(|at, _| credentials.contains(at));
    for (at, _) in &judged.compiled.secrets {
        let wanted =
            Wanted { holder: crate::refs::Holder::Secret, namespace: at.namespace.clone(), name: at.name.clone() };
        if let Some(holding) = index.value(&wanted) {
            let version =
                SecretVersion { uid: holding.uid.clone(), resource_version: holding.resource_version.clone() };
            view.secrets.insert(at.clone(), version);
        }
    }
}

/// Where a provider's bundle of certificates lies.
pub(crate) fn authorities(version: &Version) -> Option<Wanted> {
    let reference = version.get("/spec/tls/caRef")?;
    let holder = reference
        .get("kind")
        .and_then(|kind| kind.as_str())
        .map_or(Some(crate::refs::Holder::ConfigMap), crate::refs::Holder::named)?;
    let name = reference.get("name")?.as_str()?.to_owned();
    Some(Wanted { holder, namespace: version.id.namespace.clone(), name })
}

/// Over everything that plans of other namespaces take from this one.
fn exports(index: &Index, namespace: &str, judged: &Judged, values: &BTreeMap<Wanted, Arc<Holding>>) -> u64 {
    let mut hasher = DefaultHasher::new();
    let operators = namespace == index.operator_namespace();
    for (id, chosen) in &judged.chosen {
        let seen = match id.kind {
            Kind::LlmProvider | Kind::Budget | Kind::ModelCatalog => true,
            Kind::RoutingRule => operators,
            Kind::VirtualKey => false,
        };
        if seen {
            (id, &chosen.version.uid, chosen.version.generation, chosen.usable).hash(&mut hasher);
            index.get(id).map(|known| known.version.generation).hash(&mut hasher);
        }
    }
    values.keys().for_each(|wanted| wanted.hash(&mut hasher));
    // Whoever shares a budget with this namespace's budgets may go by its labels.
    index.namespace(namespace).map(|object| object.value.to_string()).hash(&mut hasher);
    hasher.finish()
}

/// What serves of an object, in the course of being found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Now,
    /// The last good version is being tried, in the place of a present one of this rank.
    Trying(Rank),
    Good,
    /// The present version, as far as it goes: the last good one is no better.
    Kept,
    Out,
}

struct Desk<'a> {
    index: &'a Index,
    good: &'a LastGood,
    namespace: &'a str,
    scope: Scope,
    states: BTreeMap<ObjectId, State>,
    /// Budgets that are gone, and count on.
    ghosts: Vec<Arc<Version>>,
    /// What is used in the place of what holds values now.
    values: BTreeMap<Wanted, Arc<Holding>>,
    /// Those of whom all is told: what comes later is found with something else in its place.
    told: BTreeSet<ObjectId>,
    findings: BTreeMap<ObjectId, Vec<Finding>>,
}

struct JudgedWith {
    judged: Judged,
    /// The present versions that are good.
    sound: Vec<Arc<Version>>,
    old_values: BTreeMap<Wanted, Arc<Holding>>,
}

/// What was compiled, with what it was compiled from.
struct Pass {
    compiled: Compiled,
    foreign: BTreeMap<ObjectId, Arc<Version>>,
    values: BTreeMap<Wanted, Arc<Holding>>,
}

impl<'a> Desk<'a> {
    fn new(index: &'a Index, good: &'a LastGood, namespace: &'a str, scope: Scope) -> Self {
        Desk {
            index,
            good,
            namespace,
            states: scope.own.keys().map(|id| (id.clone(), State::Now)).collect(),
            scope,
            ghosts: Vec::new(),
            values: BTreeMap::new(),
            told: BTreeSet::new(),
            findings: BTreeMap::new(),
        }
    }

    fn judge(mut self) -> JudgedWith {
        let mut passes = 0;
        loop {
            let pass = self.compile();
            let seen = Seen::of(&pass.compiled, self.namespace, self.scope.own.keys());
            passes += 1;
            if passes == PASSES || !self.settle(passes == 1, &seen) {
                return self.finish(pass, &seen);
            }
        }
    }

    /// The version of one of its own that is tried now, as it is and as it serves; `None` if nothing of it is.
    fn own(&self, id: &ObjectId) -> Option<(Arc<Version>, Arc<Version>)> {
        let now = self.scope.own.get(id)?;
        match self.states.get(id)? {
            State::Now | State::Kept => Some((now.clone(), now.clone())),
            State::Trying(_) | State::Good => {
                let good = self.good.of(now)?;
                Some((good.clone(), withdrawn::less(good, now)))
            }
            State::Out => None,
        }
    }

    /// The version of another's that counts here.
    fn foreign(&self, id: &ObjectId) -> Option<Arc<Version>> {
        let now = &self.index.get(id)?.version;
        match self.good.chosen(id) {
            Some(chosen) if chosen.usable && chosen.version.uid == now.uid => Some(chosen.version.clone()),
            Some(chosen) if !chosen.usable => match self.good.seen_by(self.namespace, now) {
                Some(good) => Some(withdrawn::less(good, now)),
                // Whether a rule holds is not for others to find out; of what else can't be used they are told.
                None if id.kind == Kind::RoutingRule => None,
                None => Some(now.clone()),
            },
            _ => Some(now.clone()),
        }
    }

    fn value(&self, wanted: &Wanted) -> Option<Arc<Holding>> {
        let replaced = match wanted.namespace == self.namespace {
            true => self.values.get(wanted),
            false => self.good.homes.get(&wanted.namespace).and_then(|home| home.values.get(wanted)),
        };
        let foreign = || self.good.bundle(self.namespace, wanted).filter(|_| wanted.namespace != self.namespace);
        replaced.or_else(|| self.index.value(wanted)).or_else(foreign).cloned()
    }

    fn compile(&self) -> Pass {
        let of = |id: &ObjectId| Some((id.clone(), self.foreign(id)?));
        let foreign: BTreeMap<ObjectId, Arc<Version>> = self.scope.foreign.iter().filter_map(of).collect();
        let own: Vec<Arc<Version>> = self.scope.own.keys().filter_map(|id| Some(self.own(id)?.1)).collect();
        let held = |wanted: &Wanted| Some((wanted.clone(), self.value(wanted)?));
        let values: BTreeMap<Wanted, Arc<Holding>> = self.scope.values.iter().filter_map(held).collect();
        let spaces: Vec<&Arc<Object>> =
            self.scope.namespaces.iter().filter_map(|name| self.index.namespace(name)).collect();
        let versions = own.iter().chain(foreign.values()).chain(&self.ghosts).map(|version| version.object());
        let objects: Vec<&Object> = versions
            .chain(values.values().map(|holding| holding.object()))
            .chain(spaces.into_iter().map(AsRef::as_ref))
            .collect();
        let compiled = compile_in(&Cluster {
            objects: &objects,
            namespace: self.namespace,
            operator_namespace: self.index.operator_namespace(),
        });
        let ghosts = self.ghosts.iter().map(|version| (version.id.clone(), version.clone()));
        Pass { compiled, foreign: foreign.into_iter().chain(ghosts).collect(), values }
    }

    /// Looks at what was found, and puts others in the place of what can't be used; whether anything changed.
    fn settle(&mut self, first: bool, seen: &Seen) -> bool {
        let own: Vec<(ObjectId, State)> = self.states.iter().map(|(id, state)| (id.clone(), *state)).collect();
        for (id, state) in &own {
            if matches!(state, State::Now | State::Kept) && !self.told.contains(id) {
                self.findings.insert(id.clone(), seen.findings(id));
            }
        }
        if first && self.stand_in(seen) {
            return true;
        }
        let mut changed = false;
        let mut waiting = Vec::new();
        for (id, state) in own {
            match state {
                State::Now if seen.only_waits(&id) => waiting.push(id),
                State::Now => changed |= self.fall_back(&id, seen.rank(&id)),
                State::Trying(was) => changed |= self.compare(&id, was, seen.rank(&id)),
                State::Good | State::Kept | State::Out => {}
            }
        }
        // What rests on something broken may be well once that has been replaced.
        if !changed {
            for id in waiting {
                changed |= self.fall_back(&id, seen.rank(&id));
            }
        }
        changed
    }

    /// Budgets that are gone count on, and providers are trusted as they were while their bundle is missing.
    fn stand_in(&mut self, seen: &Seen) -> bool {
        let ghosts = self.scope.missing.iter().filter_map(|id| self.good.ghost(self.namespace, id));
        self.ghosts = ghosts.cloned().collect();
        for (id, version) in &self.scope.own {
            let names_one =
                |named: &Named| matches!(named, Named::Object(id) if self.ghosts.iter().any(|one| one.id == *id));
            if named_by(version).iter().any(names_one) {
                self.told.insert(id.clone());
            }
            let bundle = authorities(version).filter(|_| seen.has_error_at(id, AUTHORITIES));
            if let Some(wanted) = bundle
                && let Some(holding) = self.good.bundle(self.namespace, &wanted)
            {
                self.values.insert(wanted, holding.clone());
                self.told.insert(id.clone());
            }
        }
        !self.ghosts.is_empty() || !self.values.is_empty()
    }

    /// Puts the last good version in the place of one that is not sound.
    fn fall_back(&mut self, id: &ObjectId, rank: Rank) -> bool {
        if rank == Rank::Sound {
            return false;
        }
        let Some(now) = self.scope.own.get(id) else { return false };
        let good = self.good.of(now).cloned();
        let state = match &good {
            Some(good) if good.get("/spec") != now.get("/spec") => State::Trying(rank),
            // It was good as it is, and others have changed.
            Some(_) => State::Kept,
            None if rank == Rank::Untested => State::Out,
            None => State::Kept,
        };
        if let (State::Trying(_), Some(wanted)) = (state, good.as_deref().and_then(authorities))
            && self.index.value(&wanted).is_none()
            && let Some(holding) = self.good.bundle(self.namespace, &wanted)
        {
            self.values.insert(wanted, holding.clone());
        }
        self.states.insert(id.clone(), state);
        matches!(state, State::Trying(_) | State::Out)
    }

    /// Keeps the last good version if it is better than the present one was.
    fn compare(&mut self, id: &ObjectId, was: Rank, is: Rank) -> bool {
        // Its tests have held once, among others' objects as they were then.
        let is = if is == Rank::Untested { Rank::Partial } else { is };
        let state = match is > was {
            true => State::Good,
            false if was == Rank::Untested => State::Out,
            false => State::Kept,
        };
        self.states.insert(id.clone(), state);
        state != State::Good
    }

    fn finish(self, pass: Pass, seen: &Seen) -> JudgedWith {
        let mut chosen = BTreeMap::new();
        let mut sound = Vec::new();
        for (id, now) in &self.scope.own {
            let rank = seen.rank(id);
            let served = self.own(id);
            let usable = served.is_some() && rank != Rank::Absent;
            if self.states.get(id) == Some(&State::Now) && rank == Rank::Sound && !self.told.contains(id) {
                sound.push(now.clone());
            }
            let (origin, version) = served.unwrap_or_else(|| (now.clone(), now.clone()));
            chosen.insert(id.clone(), Chosen { version, origin, usable });
        }
        let judged = Judged {
            compiled: pass.compiled,
            chosen,
            findings: self.findings,
            foreign: pass.foreign,
            values: pass.values,
            looked: self.scope.looked,
        };
        JudgedWith { judged, sound, old_values: self.values }
    }
}
