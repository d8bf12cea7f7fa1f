//! The slow part of a plan, done beforehand: validating each object by itself, and compiling and trying its condition.
//!
//! A plan runs in one go and only a few run at the same time, so it must be short. The results are kept with the object's
//! version. A namespace with many objects continues where it stopped, and others get their turn in between.

use std::sync::Arc;
use std::time::Duration;

use crate::objects::id::ObjectKind;
use crate::objects::version::ObjectVersion;
use crate::plan::last_good::LastGood;
use crate::runtime::cpu_time;
use crate::state::index::ObjectIndex;

/// How long a namespace may have a processor before others have their turn.
pub(crate) const SLICE: Duration = Duration::from_millis(400);

/// The versions that a plan of a namespace will look at first: its own, the last good ones of them, and what acts on all.
pub(crate) fn versions(index: &ObjectIndex, last_good: &LastGood, namespace: &str) -> Vec<Arc<ObjectVersion>> {
    let mut found = Vec::new();
    let mut take = |version: &Arc<ObjectVersion>| {
        found.extend(last_good.of(version).filter(|last| !last.is_judged()).cloned());
        if !version.is_judged() {
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

/// Judges them, until the time is over; whether all are.
pub(crate) fn judge(versions: &[Arc<ObjectVersion>], slice: Duration) -> bool {
    let began = cpu_time::time();
    for version in versions {
        if cpu_time::time().saturating_sub(began) >= slice {
            return false;
        }
        let _kept = version.judgement();
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
    fn what_was_judged_stays_so_and_the_rest_comes_next_time() {
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
        assert!(!judge(&all, Duration::ZERO), "there is no time");
        assert!(!all[0].is_judged());
        assert!(judge(&all[..1], SLICE));
        assert_eq!(versions(&index, &last_good, "shop").len(), 3, "one is done");
        assert!(judge(&all, SLICE));
        assert!(
            versions(&index, &last_good, "shop").is_empty()
                && versions(&index, &last_good, "outrigger-system").is_empty()
        );
        assert_eq!(versions(&index, &last_good, "other").len(), 1, "others are not touched");
    }
}
