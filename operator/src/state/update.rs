//! An update of a watched object.

use kube::Resource;
use outrigger_core::ObjectRef;

/// One update of a watch.
#[derive(Clone, Debug, PartialEq)]
pub enum WatchUpdate<K> {
    /// The object exists, with this content.
    Applied(K),
    Deleted(ObjectRef),
    /// All existing objects have been reported.
    Listed,
    /// The object cannot be read, because a right or the kind is missing. The watch still retries.
    Unreadable(&'static str),
    /// This attempt failed, which says nothing about the object.
    Failed,
}

impl<K> WatchUpdate<K> {
    /// Boxes the object, so that updates of every kind are small.
    #[must_use]
    pub fn boxed(self) -> WatchUpdate<Box<K>> {
        match self {
            WatchUpdate::Applied(object) => WatchUpdate::Applied(Box::new(object)),
            WatchUpdate::Deleted(place) => WatchUpdate::Deleted(place),
            WatchUpdate::Listed => WatchUpdate::Listed,
            WatchUpdate::Unreadable(why) => WatchUpdate::Unreadable(why),
            WatchUpdate::Failed => WatchUpdate::Failed,
        }
    }
}

/// The name and namespace of an object. A cluster-scoped object has an empty namespace.
#[must_use]
pub fn object_ref<K: Resource>(object: &K) -> ObjectRef {
    let meta = object.meta();
    ObjectRef { namespace: meta.namespace.clone().unwrap_or_default(), name: meta.name.clone().unwrap_or_default() }
}
