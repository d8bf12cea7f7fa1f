//! The result of a plan: the policy of each binding. It is planned, then written, then pushed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use outrigger_core::SecretRef;
use outrigger_policy::Document;

use crate::objects::binding::Binding;
use crate::objects::id::ObjectId;
use crate::objects::refs::Reference;
use crate::status::verdict::ObjectVerdict;

/// The policies and the verdicts for a namespace's objects.
#[derive(Debug, Default)]
pub struct NamespacePlan {
    pub namespace: String,
    /// One for every VirtualKey of the namespace, every binding of a pod, and `default` if there are pods.
    pub revisions: BTreeMap<Binding, Arc<PolicyRevision>>,
    /// Bindings whose policy would be too large, and whose written policy has not been read. That policy and its Secret
    /// stay until it is read ([`crate::plan::last_good::LastGood::read_back`]). Once it is, `revisions` has the
    /// narrowed policy.
    pub too_large: BTreeSet<Binding>,
    /// The verdict on each object of the namespace.
    pub verdicts: BTreeMap<ObjectId, ObjectVerdict>,
    /// Unchanged objects for which other namespaces now see something else than at the last plan. Namespaces that
    /// reference them must be planned again.
    pub exported: BTreeSet<ObjectId>,
    /// When to plan again without a change, because a key expires.
    pub recheck: Option<jiff::Timestamp>,
    /// All objects of other namespaces, Secrets and ConfigMaps that the plan depends on, whether or not they exist. For
    /// [`crate::state::index::ObjectIndex::planned`].
    pub dependencies: BTreeSet<Reference>,
    /// The value of [`crate::state::index::ObjectIndex::changes`] at the plan.
    pub index_changes: u64,
}

/// The policy of a binding. Its document's `sequence` is 0 until it is written.
#[derive(Clone)]
pub struct PolicyRevision {
    pub binding: Binding,
    pub document: Document,
    /// SHA-256 in lower-case hex, over the canonical document (with sequence 0), uid and resourceVersion of each
    /// credential's Secret, how each is delivered, and `allowed`, so that a lost right causes a new sequence. It never
    /// covers a secret value.
    pub digest: String,
    /// The credentials of the document's providers. One without a known value is left out, and gateways keep their
    /// value. A suspended one has an empty value, and gateways forget theirs.
    pub credentials: Vec<DeliveredCredential>,
    /// The credentials that may be stored in a Secret of the namespace, with or without a known value.
    pub copied: BTreeSet<SecretRef>,
    /// The objects that the policy is made from. Their statuses count this binding's gateways.
    pub objects: BTreeSet<ObjectId>,
    /// The service accounts that may use a key of the binding. A key that is not listed may be used by all.
    pub allowed: BTreeMap<String, BTreeSet<String>>,
    /// gzip of JSON: [`crate::names::SOURCES_FILE`].
    pub sources: Vec<u8>,
}

/// The value of a credential, and how it is delivered to which keys.
#[derive(Clone, PartialEq, Eq)]
pub struct DeliveredCredential {
    pub secret: SecretRef,
    pub value: String,
    pub delivery: Delivery,
    /// The binding's keys that may use it.
    pub keys: BTreeSet<String>,
}

/// How a credential gets to a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Delivery {
    /// Over the stream, into memory.
    Stream,
    /// In a generated Secret of the pod's namespace (and over the stream).
    Secret,
}

/// Does not show the value.
impl fmt::Debug for DeliveredCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DeliveredCredential { secret, delivery, keys, value: _ } = self;
        f.debug_struct("DeliveredCredential")
            .field("secret", secret)
            .field("delivery", delivery)
            .field("keys", keys)
            .finish()
    }
}

impl fmt::Debug for PolicyRevision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PolicyRevision")
            .field("binding", &self.binding)
            .field("digest", &self.digest)
            .field("credentials", &self.credentials)
            .field("objects", &self.objects)
            .finish_non_exhaustive()
    }
}

/// A revision that was written and may be pushed.
#[derive(Clone, Debug)]
pub struct WrittenRevision {
    pub revision: Arc<PolicyRevision>,
    pub sequence: u64,
}

/// The state of one gateway, from its pod and its reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SidecarState {
    pub namespace: String,
    pub pod: String,
    pub uid: String,
    pub binding: Binding,
    /// The sequence in force; `None` if it has no policy.
    pub sequence: Option<u64>,
    pub rejected: Option<outrigger_sync::Rejection>,
    pub version: String,
    /// The authorities that the gateway trusts, as in [`outrigger_sync::Hello`].
    pub authorities: Vec<String>,
}
