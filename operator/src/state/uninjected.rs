//! Pods without a gateway: only the fields that say whether they should have one.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use k8s_openapi::api::core::v1;
use kube::api::PartialObjectMeta;
use outrigger_core::ObjectRef;
use parking_lot::RwLock;

use crate::watch::watcher::{WatchUpdate, object_ref};

/// As they are watched: metadata alone.
pub type WatchedUninjected = PartialObjectMeta<v1::Pod>;

/// Those that have ended are of no interest.
pub const FIELDS: &str = "status.phase!=Succeeded,status.phase!=Failed";

/// What is kept of a pod without a gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UninjectedPod {
    pub place: ObjectRef,
    pub uid: String,
    /// Of its annotations, ours.
    pub annotations: BTreeMap<String, String>,
    /// What made it, and would make it anew.
    pub controller: Option<Controller>,
    pub created: Option<Timestamp>,
    /// It is being deleted.
    pub ending: bool,
}

/// An object that made a pod, in the pod's namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Controller {
    pub api_version: String,
    pub kind: String,
    pub name: String,
    pub uid: String,
}

impl UninjectedPod {
    #[must_use]
    pub fn of(pod: &WatchedUninjected) -> Self {
        let meta = &pod.metadata;
        let prefix = format!("{}/", outrigger_crds::GROUP);
        let ours = meta.annotations.iter().flatten().filter(|(name, _)| name.starts_with(&prefix));
        let controller = meta.owner_references.iter().flatten().find(|owner| owner.controller == Some(true));
        let created = meta.creation_timestamp.as_ref().map(|time| time.0.as_second());
        UninjectedPod {
            place: object_ref(pod),
            uid: meta.uid.clone().unwrap_or_default(),
            annotations: ours.map(|(name, value)| (name.clone(), value.clone())).collect(),
            controller: controller.map(|owner| Controller {
                api_version: owner.api_version.clone(),
                kind: owner.kind.clone(),
                name: owner.name.clone(),
                uid: owner.uid.clone(),
            }),
            created: created.and_then(|second| Timestamp::from_second(second).ok()),
            ending: meta.deletion_timestamp.is_some(),
        }
    }
}

/// All of them.
#[derive(Debug, Default)]
pub struct UninjectedPods {
    pods: RwLock<BTreeMap<ObjectRef, UninjectedPod>>,
    listed: AtomicBool,
}

impl UninjectedPods {
    /// Takes what a watch tells.
    pub fn take(&self, update: &WatchUpdate<Box<WatchedUninjected>>) {
        let mut pods = self.pods.write();
        match update {
            WatchUpdate::Is(pod) => drop(pods.insert(object_ref(&**pod), UninjectedPod::of(pod))),
            WatchUpdate::Gone(place) => drop(pods.remove(place)),
            WatchUpdate::Listed => self.listed.store(true, Ordering::Relaxed),
            WatchUpdate::Unreadable(_) | WatchUpdate::Failed => {}
        }
    }

    /// In order of namespace and name; `None`: they were not listed yet.
    #[must_use]
    pub fn all(&self) -> Option<Vec<UninjectedPod>> {
        let pods = self.pods.read();
        self.listed.load(Ordering::Relaxed).then(|| pods.values().cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Of ten thousand pods the API server would send what nobody looks at.
    #[tokio::test]
    async fn metadata_alone_is_asked_for() {
        let (asked, heard) = tokio::sync::oneshot::channel();
        let asked = std::sync::Mutex::new(Some(asked));
        let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
            if let Some(asked) = asked.lock().unwrap().take() {
                let accept = request.headers().get(http::header::ACCEPT).cloned();
                asked.send((request.uri().to_string(), accept)).unwrap();
            }
            std::future::ready(Err::<http::Response<kube::client::Body>, _>(std::io::Error::other("refused")))
        });
        let api: kube::Api<WatchedUninjected> = kube::Api::all(kube::Client::new(service, "default"));
        let config = kube::runtime::watcher::Config::default().fields(FIELDS);
        let (listener, _told) = tokio::sync::mpsc::channel::<()>(1);
        let metrics = std::sync::Arc::new(crate::metrics::OperatorMetrics::new().unwrap());
        let followed = crate::watch::watcher::WatchOptions { what: "test", one_of_many: false, metrics, relist: None };
        let watch = tokio::spawn(crate::watch::watcher::follow(followed, api, config, listener, |_| None));
        let (uri, accept) = heard.await.unwrap();
        watch.abort();
        assert!(uri.starts_with("/api/v1/pods?"), "{uri}");
        assert!(accept.unwrap().to_str().unwrap().contains("as=PartialObjectMetadataList"));
    }

    #[test]
    fn little_is_kept_and_nothing_is_told_before_all_is_known() {
        let pods = UninjectedPods::default();
        let pod: WatchedUninjected = serde_json::from_value(json!({
            "metadata": {
                "name": "app-1", "namespace": "shop", "uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z",
                "annotations": {"outrigger.dev/inject": "true", "other": "x"},
                "ownerReferences": [
                    {"apiVersion": "v1", "kind": "ConfigMap", "name": "not", "uid": "n"},
                    {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "app", "uid": "r", "controller": true},
                ],
            },
        }))
        .unwrap();
        pods.take(&WatchUpdate::Is(Box::new(pod)));
        assert_eq!(pods.all(), None);
        pods.take(&WatchUpdate::Listed);
        let all = pods.all().unwrap();
        assert_eq!(all[0].annotations.keys().collect::<Vec<_>>(), ["outrigger.dev/inject"]);
        assert_eq!(all[0].controller.as_ref().unwrap().name, "app");
        assert_eq!((all[0].created.unwrap().as_second(), all[0].ending), (1_767_225_600, false));
        pods.take(&WatchUpdate::Gone(ObjectRef { namespace: "shop".to_owned(), name: "app-1".to_owned() }));
        assert_eq!(pods.all(), Some(Vec::new()));
    }
}
