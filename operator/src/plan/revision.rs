//! The result of a plan: the policy of each binding, which is planned, then written, then pushed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use outrigger_core::SecretRef;
use outrigger_policy::Document;

use crate::objects::binding::Binding;
use crate::objects::id::ObjectId;
use crate::objects::refs::Reference;
use crate::status::verdict::ObjectVerdict;

/// What a namespace's objects amount to, and what each of them is worth.
#[derive(Debug, Default)]
pub struct NamespacePlan {
    pub namespace: String,
    /// One for every VirtualKey of the namespace, every binding of a pod that is there, and `default` where pods are.
    pub revisions: BTreeMap<Binding, Arc<PolicyRevision>>,
    /// Bindings whose policy would be too large, and of which it is not known what was written before: that stays, as does
    /// its Secret, until it is ([`crate::plan::last_good::LastGood::read_back`]). Where it is known, `revisions` has what is left of it.
    pub held: BTreeSet<Binding>,
    /// Of every object of the namespace.
    pub verdicts: BTreeMap<ObjectId, ObjectVerdict>,
    /// Objects of which other namespaces see something else than when this one was planned before, though they themselves
    /// have not changed: those that name them must be planned anew.
    pub exported: BTreeSet<ObjectId>,
    /// When to plan again though nothing changed: a key expires.
    pub recheck: Option<jiff::Timestamp>,
    /// Everything of other namespaces, and every Secret and ConfigMap, that it hangs on, whether it is there or not: for
    /// [`crate::state::index::ObjectIndex::planned`].
    pub dependencies: BTreeSet<Reference>,
    /// [`crate::state::index::ObjectIndex::changes`] as it was planned with.
    pub seen: u64,
}

/// What a binding's pods shall obey. Its document's `sequence` is 0: the writer gives it one.
#[derive(Clone)]
pub struct PolicyRevision {
    pub binding: Binding,
    pub document: Document,
    /// SHA-256 over the canonical document (with sequence 0), and uid and resourceVersion of each credential's Secret, how
    /// each is delivered, and `allowed`: who loses a right is told so by the next sequence. Never over a secret. Lower-case hex.
    pub digest: String,
    /// Of the document's providers; one whose value is not known is not here, and gateways keep what they have. One that is
    /// suspended is here with an empty value: they forget it.
    pub credentials: Vec<DeliveredCredential>,
    /// Those that may lie in a Secret of the namespace, whether their value is known or not.
    pub copied: BTreeSet<SecretRef>,
    /// The objects that it is made of: their status counts this binding's gateways.
    pub objects: BTreeSet<ObjectId>,
    /// Service accounts that may use a key of the binding; a key that is not here may be used by all.
    pub allowed: BTreeMap<String, BTreeSet<String>>,
    /// gzip of JSON: [`crate::names::SOURCES_FILE`].
    pub sources: Vec<u8>,
}

/// A credential's value, and who may get it how.
#[derive(Clone, PartialEq, Eq)]
pub struct DeliveredCredential {
    pub secret: SecretRef,
    pub value: String,
    pub delivery: Delivery,
    /// The keys of the binding that reach it.
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

/// Without the value.
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

/// What was written, and may be pushed.
#[derive(Clone, Debug)]
pub struct WrittenRevision {
    pub revision: Arc<PolicyRevision>,
    pub sequence: u64,
}

/// What is known of one gateway: by the pod that it is in, and by what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SidecarState {
    pub namespace: String,
    pub pod: String,
    pub uid: String,
    pub binding: Binding,
    /// The one in force; `None`: it has none.
    pub sequence: Option<u64>,
    pub rejected: Option<outrigger_sync::Rejection>,
    pub version: String,
    /// The authorities that it trusts, as in [`outrigger_sync::Hello`].
    pub authorities: Vec<String>,
}
