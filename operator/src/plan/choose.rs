//! Which version of each of a namespace's objects serves, and what is wrong with the present ones.
//!
//! ```text
//! fallback (compile, see, put the last good version in the place of what can't be used, again) -> remember -> exports
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
use crate::plan::last_good::{Chosen, Home, LastGood};
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
    pub looked: BTreeSet<Reference>,
    /// The present versions that are good.
    pub sound: Vec<Arc<ObjectVersion>>,
}

/// Judges a namespace, and keeps what was found good. Others' objects are taken as their homes say, which are judged
/// first where their last word is not up to date.
pub(crate) fn judge(index: &ObjectIndex, good: &mut LastGood, namespace: &str) -> EvaluatedNamespace {
    let scope = PlanScope::of(index, good, namespace);
    let stale = |home: &&str| *home != namespace && !good.is_judged(index, home);
    let homes: Vec<String> = scope.homes().into_iter().filter(stale).map(str::to_owned).collect();
    for home in homes {
        // One step far: what a home says of its own objects hangs on others only by the budgets above its budgets, and these
        // are of this scope, too.
        let scope = PlanScope::of(index, good, &home);
        alone(index, good, &home, scope);
    }
    alone(index, good, namespace, scope)
}

fn alone(index: &ObjectIndex, good: &mut LastGood, namespace: &str, scope: PlanScope) -> EvaluatedNamespace {
    let (mut judged, stands_in) = Fallback::new(index, good, namespace, scope).judge();
    let replaced = judged.sound.iter().any(|version| good.of(version).is_some_and(|old| !old.says_the_same(version)));
    judged.sound.iter().for_each(|version| good.keep(version));
    remember::remember(index, good, namespace, &judged);
    if replaced {
        // What only the version of before named is of no account any more.
        judged.looked = PlanScope::of(index, good, namespace).looked;
    }
    good.forget_gone(index, namespace, &judged.looked);
    if judged.chosen.is_empty() && judged.compiled.document.keys.is_empty() {
        good.forget(namespace);
        return judged;
    }
    let exports = exports::of(index, namespace, &judged, &stands_in);
    let told = good.home(namespace).map_or_else(|| exports.clone(), |home| home.told.clone());
    let chosen = judged.chosen.clone();
    let home = Home { stamp: index.stamp(namespace), chosen, values: stands_in, exports, told };
    good.put_home(namespace, home);
    judged
}
