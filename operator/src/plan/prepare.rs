//! The slow part of a plan, done in advance: validating each object by itself, and compiling and trying its condition.
//!
//! A plan runs without interruption and only a few run at the same time, so it must be short. The results are cached
//! with each object's version. A namespace with many objects continues where it stopped, and others are planned in
//! between.

use std::sync::Arc;
use std::time::Duration;

use crate::objects::id::ObjectKind;
use crate::objects::version::ObjectVersion;
use crate::plan::last_good::LastGood;
use crate::runtime::cpu_time;
use crate::state::index::ObjectIndex;

/// How much processor time a namespace gets before others are planned.
pub(crate) const SLICE: Duration = Duration::from_millis(400);

/// The versions that a plan of a namespace reads first: of its own objects, their last good ones, and rules that apply
/// everywhere.
pub(crate) fn versions(index: &ObjectIndex, last_good: &LastGood, namespace: &str) -> Vec<Arc<ObjectVersion>> {
    let mut found = Vec::new();
    let mut take = |version: &Arc<ObjectVersion>| {
        found.extend(last_good.of(version).filter(|last| !last.is_validated()).cloned());
        if !version.is_validated() {
            found.push(Arc::clone(version));
        }
    };
    for kind in ObjectKind::ALL {
        index.of(kind, namespace).for_each(|(_, known)| take(&known.version));
    }
    let operators = index.operator_namespace();
    if operators != namespace {
        index.of(ObjectKind::RoutingRule, operators).for_each(|(_, known)| take(&known.version));
    }
    found
}

/// Validates the versions until the time is used up. Returns whether all are done.
pub(crate) fn validate(versions: &[Arc<ObjectVersion>], slice: Duration) -> bool {
    let began = cpu_time::time();
    for version in versions {
        if cpu_time::time().saturating_sub(began) >= slice {
            return false;
        }
        let _cached = version.judgement();
    }
    true
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rule(namespace: &str, name: &str) -> serde_json::Value {
        json!({
            "apiVersion": "outrigger.dev/v1alpha1", "kind": "RoutingRule",
            "metadata": {"namespace": namespace, "name": name, "uid": name, "generation": 1},
            "spec": {"priority": 1, "when": "model == 'm'", "targets": [{"provider": "mock"}]},
        })
    }

    #[test]
    fn validated_versions_are_cached_and_the_rest_comes_next_time() {
        let mut index = ObjectIndex::new("outrigger-system", false);
        for (namespace, name) in
            [("shop", "a"), ("shop", "b"), ("shop", "c"), ("outrigger-system", "all"), ("other", "d")]
        {
            let _ = index.apply(&rule(namespace, name));
        }
        let last_good = LastGood::new();
        let all = versions(&index, &last_good, "shop");
        let names: Vec<&str> = all.iter().map(|version| version.id.name.as_str()).collect();
        assert_eq!(names, ["a", "b", "c", "all"]);
        assert!(!validate(&all, Duration::ZERO), "no time is left");
        assert!(!all[0].is_validated());
        assert!(validate(&all[..1], SLICE));
        assert_eq!(versions(&index, &last_good, "shop").len(), 3, "one is done");
        assert!(validate(&all, SLICE));
        assert!(
            versions(&index, &last_good, "shop").is_empty()
                && versions(&index, &last_good, "outrigger-system").is_empty()
        );
        assert_eq!(versions(&index, &last_good, "other").len(), 1, "other namespaces are not validated");
    }
}
