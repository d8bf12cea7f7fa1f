//! The workload that a pod belongs to, as its controller says. Pure.

use k8s_openapi::api::core::v1::Pod;

/// What the controller of Deployments adds to the names of their ReplicaSets.
const TEMPLATE_HASH: &str = "pod-template-hash";
/// The controller of CronJobs adds the minute, since 1970, to the names of their Jobs.
const MINUTE_DIGITS: usize = 8;

/// Kind and name, such as `Deployment/search`; a pod that nobody controls is its own workload. A Deployment's ReplicaSets
/// are one workload, and so are a CronJob's Jobs.
#[must_use]
pub fn workload(pod: &Pod) -> String {
    let owners = pod.metadata.owner_references.as_deref().unwrap_or_default();
    let Some(owner) = owners.iter().find(|owner| owner.controller == Some(true)) else {
        return format!("Pod/{}", pod.metadata.name.as_deref().unwrap_or_default());
    };
    let hash = pod.metadata.labels.as_ref().and_then(|labels| labels.get(TEMPLATE_HASH));
    let of_deployment =
        hash.and_then(|hash| owner.name.strip_suffix(hash.as_str())).and_then(|name| name.strip_suffix('-'));
    let of_cron_job = owner
        .name
        .rsplit_once('-')
        .filter(|(_, minute)| minute.len() >= MINUTE_DIGITS && minute.bytes().all(|byte| byte.is_ascii_digit()));
    match (owner.kind.as_str(), of_deployment, of_cron_job) {
        ("ReplicaSet", Some(name), _) => format!("Deployment/{name}"),
        ("Job", _, Some((name, _))) => format!("CronJob/{name}"),
        (kind, ..) => format!("{kind}/{}", owner.name),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pods_of_one_workload_are_one() {
        let of = |kind: &str, owner: &str, hash: Option<&str>| {
            let labels = hash.map(|hash| json!({TEMPLATE_HASH: hash}));
            let owners = json!([{"apiVersion": "v1", "kind": kind, "name": owner, "uid": "u", "controller": true}]);
            let metadata = json!({"name": "p", "labels": labels, "ownerReferences": owners});
            workload(&serde_json::from_value(json!({"metadata": metadata})).unwrap())
        };
        assert_eq!(of("ReplicaSet", "search-7d9f8c6b5", Some("7d9f8c6b5")), "Deployment/search");
        assert_eq!(of("ReplicaSet", "search-7d9f8c6b5", None), "ReplicaSet/search-7d9f8c6b5");
        assert_eq!(of("StatefulSet", "db", None), "StatefulSet/db");
        assert_eq!(of("Job", "nightly-29012345", None), "CronJob/nightly");
        assert_eq!(of("Job", "once-2", None), "Job/once-2");
        let alone = serde_json::from_value(json!({"metadata": {"name": "p"}})).unwrap();
        assert_eq!(workload(&alone), "Pod/p");
    }
}
