//! Pods without a gateway: only the fields that decide whether they should have one.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use k8s_openapi::api::core::v1;
use kube::api::PartialObjectMeta;
use outrigger_core::ObjectRef;
use parking_lot::RwLock;

use crate::state::update::{WatchUpdate, object_ref};

/// The watch reads only the metadata.
pub type WatchedUninjected = PartialObjectMeta<v1::Pod>;

/// Leaves out pods that have ended.
pub const FIELDS: &str = "status.phase!=Succeeded,status.phase!=Failed";

/// The stored facts about a pod without a gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UninjectedPod {
    pub place: ObjectRef,
    pub uid: String,
    /// The annotations with our prefix.
    pub annotations: BTreeMap<String, String>,
    /// The controller that created the pod, and would recreate it.
    pub controller: Option<Controller>,
    pub created: Option<Timestamp>,
    /// The pod is being deleted.
    pub ending: bool,
}

/// The controller of a pod, in the pod's namespace.
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

/// All pods without a gateway.
#[derive(Debug, Default)]
pub struct UninjectedPods {
    pods: RwLock<BTreeMap<ObjectRef, UninjectedPod>>,
    listed: AtomicBool,
}

impl UninjectedPods {
    /// Applies an update of the watch.
    pub fn apply(&self, update: &WatchUpdate<Box<WatchedUninjected>>) {
        let mut pods = self.pods.write();
        match update {
            WatchUpdate::Applied(pod) => drop(pods.insert(object_ref(&**pod), UninjectedPod::of(pod))),
            WatchUpdate::Deleted(place) => drop(pods.remove(place)),
            WatchUpdate::Listed => self.listed.store(true, Ordering::Relaxed),
            WatchUpdate::Unreadable(_) | WatchUpdate::Failed => {}
        }
    }

    /// All pods by namespace and name; `None` if they have not been listed yet.
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

    /// Full objects of ten thousand pods would be mostly unused data.
    #[tokio::test]
    async fn only_metadata_is_requested() {
        let (request_sender, request) = tokio::sync::oneshot::channel();
        let request_sender = std::sync::Mutex::new(Some(request_sender));
        let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
            if let Some(sender) = request_sender.lock().unwrap().take() {
                let accept = request.headers().get(http::header::ACCEPT).cloned();
                sender.send((request.uri().to_string(), accept)).unwrap();
            }
            std::future::ready(Err::<http::Response<kube::client::Body>, _>(std::io::Error::other("refused")))
        });
        let api: kube::Api<WatchedUninjected> = kube::Api::all(kube::Client::new(service, "default"));
        let config = kube::runtime::watcher::Config::default().fields(FIELDS);
        let (listener, _events) = tokio::sync::mpsc::channel::<()>(1);
        let metrics = std::sync::Arc::new(crate::metrics::OperatorMetrics::new().unwrap());
        let followed = crate::watch::watcher::WatchOptions { what: "test", one_of_many: false, metrics, relist: None };
        let watch = tokio::spawn(crate::watch::watcher::follow(followed, api, config, listener, |_| None));
        let (uri, accept) = request.await.unwrap();
        watch.abort();
        assert!(uri.starts_with("/api/v1/pods?"), "{uri}");
        assert!(accept.unwrap().to_str().unwrap().contains("as=PartialObjectMetadataList"));
    }

    #[test]
    fn few_fields_are_stored_and_pods_are_available_once_listed() {
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
        pods.apply(&WatchUpdate::Applied(Box::new(pod)));
        assert_eq!(pods.all(), None);
        pods.apply(&WatchUpdate::Listed);
        let all = pods.all().unwrap();
        assert_eq!(all[0].annotations.keys().collect::<Vec<_>>(), ["outrigger.dev/inject"]);
        assert_eq!(all[0].controller.as_ref().unwrap().name, "app");
        assert_eq!((all[0].created.unwrap().as_second(), all[0].ending), (1_767_225_600, false));
        pods.apply(&WatchUpdate::Deleted(ObjectRef { namespace: "shop".to_owned(), name: "app-1".to_owned() }));
        assert_eq!(pods.all(), Some(Vec::new()));
    }
}
