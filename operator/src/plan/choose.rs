//! Chooses the version of each object that serves in a namespace, and says what is wrong with the present versions.
//!
//! ```text
//! fallback (compile, look at the findings, replace what is unusable by its last good version, repeat) ─► remember ─► exports
//! ```

mod exports;
mod fallback;
mod findings;
mod remember;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use outrigger_compile::{Compiled, Finding};

use crate::objects::id::ObjectId;
use crate::objects::refs::{Reference, ValueRef};
use crate::objects::version::ObjectVersion;
use crate::plan::last_good::{Chosen, HomeState, LastGood};
use crate::plan::scope::PlanScope;
use crate::state::index::{ObjectIndex, ValueSource};
pub(crate) use exports::changed;
use fallback::Fallback;
pub(crate) use remember::authorities;

/// A namespace, judged.
pub(crate) struct EvaluatedNamespace {
    pub compiled: Compiled,
    /// Of each of its own objects.
    pub chosen: BTreeMap<ObjectId, Chosen>,
    /// What was found of the present version of each of its own.
    pub findings: BTreeMap<ObjectId, Vec<Finding>>,
    /// The versions of others' objects that were used.
    pub foreign: BTreeMap<ObjectId, Arc<ObjectVersion>>,
    /// What held values.
    pub values: BTreeMap<ValueRef, Arc<ValueSource>>,
    pub dependencies: BTreeSet<Reference>,
    /// The present versions that are good.
    pub sound: Vec<Arc<ObjectVersion>>,
}

/// Judges a namespace, and keeps what was found good. Others' objects are taken as their homes say, which are judged
/// first where their last word is not up to date.
pub(crate) fn evaluate(index: &ObjectIndex, last_good: &mut LastGood, namespace: &str) -> EvaluatedNamespace {
    let scope = PlanScope::of(index, last_good, namespace);
    let stale = |home: &&str| *home != namespace && !last_good.is_judged(index, home);
    let homes: Vec<String> = scope.homes().into_iter().filter(stale).map(str::to_owned).collect();
    for home in homes {
        // One step far: what a home says of its own objects hangs on others only by the budgets above its budgets, and these
        // are of this scope, too.
        let scope = PlanScope::of(index, last_good, &home);
        alone(index, last_good, &home, scope);
    }
    alone(index, last_good, namespace, scope)
}

fn alone(index: &ObjectIndex, last_good: &mut LastGood, namespace: &str, scope: PlanScope) -> EvaluatedNamespace {
    let (mut evaluated, substitutes) = Fallback::new(index, last_good, namespace, scope).evaluate();
    let replaced =
        evaluated.sound.iter().any(|version| last_good.of(version).is_some_and(|old| !old.says_the_same(version)));
    evaluated.sound.iter().for_each(|version| last_good.keep(version));
    remember::remember(index, last_good, namespace, &evaluated);
    if replaced {
        // What only the version of before named is of no account any more.
        evaluated.dependencies = PlanScope::of(index, last_good, namespace).dependencies;
    }
    last_good.forget_gone(index, namespace, &evaluated.dependencies);
    if evaluated.chosen.is_empty() && evaluated.compiled.document.keys.is_empty() {
        last_good.forget(namespace);
        return evaluated;
    }
    let exports = exports::of(index, namespace, &evaluated, &substitutes);
    let announced = last_good.home(namespace).map_or_else(|| exports.clone(), |home| home.announced.clone());
    let chosen = evaluated.chosen.clone();
    let home = HomeState { stamp: index.stamp(namespace), chosen, values: substitutes, exports, announced };
    last_good.put_home(namespace, home);
    evaluated
}
