//! Chooses the version of each object that serves in a namespace, and reports faults of the present versions.
//!
//! ```text
//! fallback (compile, replace unusable versions by their last good ones, repeat) ─► remember ─► exports
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

/// The result of evaluating a namespace.
pub(crate) struct EvaluatedNamespace {
    pub compiled: Compiled,
    /// The choice for each of its own objects.
    pub chosen: BTreeMap<ObjectId, Chosen>,
    /// The findings about the present version of each of its own objects.
    pub findings: BTreeMap<ObjectId, Vec<Finding>>,
    /// The versions of other namespaces' objects that were used.
    pub foreign: BTreeMap<ObjectId, Arc<ObjectVersion>>,
    /// The Secrets and ConfigMaps that were used.
    pub values: BTreeMap<ValueRef, Arc<ValueSource>>,
    pub dependencies: BTreeSet<Reference>,
    /// The present versions that are valid.
    pub sound: Vec<Arc<ObjectVersion>>,
}

/// Evaluates a namespace, and remembers its valid versions. Objects of other namespaces are used as those namespaces
/// chose. If such a choice is out of date, that namespace is evaluated first.
pub(crate) fn evaluate(index: &ObjectIndex, last_good: &mut LastGood, namespace: &str) -> EvaluatedNamespace {
    let scope = PlanScope::of(index, last_good, namespace);
    let stale = |home: &&str| *home != namespace && !last_good.is_up_to_date(index, home);
    let homes: Vec<String> = scope.homes().into_iter().filter(stale).map(str::to_owned).collect();
    for home in homes {
        // One level is enough: what a namespace chooses of its own objects depends on others only by the parents of its
        // budgets, and these are in this scope too.
        let scope = PlanScope::of(index, last_good, &home);
        evaluate_one(index, last_good, &home, scope);
    }
    evaluate_one(index, last_good, namespace, scope)
}

fn evaluate_one(
    index: &ObjectIndex,
    last_good: &mut LastGood,
    namespace: &str,
    scope: PlanScope,
) -> EvaluatedNamespace {
    let (mut evaluated, substitutes) = Fallback::new(index, last_good, namespace, scope).evaluate();
    let replaced =
        evaluated.sound.iter().any(|version| last_good.of(version).is_some_and(|old| !old.is_equivalent(version)));
    evaluated.sound.iter().for_each(|version| last_good.keep(version));
    remember::remember(index, last_good, namespace, &evaluated);
    if replaced {
        // References that only the previous version had no longer count.
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
