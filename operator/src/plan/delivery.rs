//! How each credential is delivered, and to which keys.
//!
//! In the provider's own namespace a credential is delivered by a generated Secret, unless the provider says `Stream`. In other
//! namespaces it is delivered by the stream, unless the provider says `Secret` *and* the installation allows copies. A
//! credential that a key with `allowedWorkloads` can reach is delivered by the stream alone, because a mounted Secret does not
//! check who reads it. A suspended credential is not delivered.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use outrigger_core::SecretRef;
use outrigger_crds::provider::CredentialDelivery;
use outrigger_policy::{Document, KeyDoc};

use crate::objects::binding::Binding;
use crate::objects::id::{ObjectId, ObjectKind};
use crate::objects::version::ObjectVersion;
use crate::plan::revision::{DeliveredCredential, Delivery};
use crate::state::index::ObjectIndex;

/// A credential that some of a binding's keys reach.
pub(super) struct ReachedCredential {
    pub secret: SecretRef,
    pub delivery: Delivery,
    pub keys: BTreeSet<String>,
    /// Suspended by every provider that names it.
    pub suspended: bool,
}

type ServingVersion<'a> = dyn Fn(&ObjectId) -> Option<&'a Arc<ObjectVersion>> + 'a;

/// The credentials of a document, in the order of their references.
pub(super) fn of(
    index: &ObjectIndex,
    binding: &Binding,
    document: &Document,
    serving: &ServingVersion<'_>,
) -> Vec<ReachedCredential> {
    let restricted = allowed(binding, document, serving);
    let mut reached: BTreeMap<&SecretRef, ReachedCredential> = BTreeMap::new();
    for provider in &document.providers {
        let id = ObjectId {
            kind: ObjectKind::LlmProvider,
            namespace: provider.namespace.clone(),
            name: provider.name.clone(),
        };
        let requested = serving(&id).and_then(|version| version.credential_delivery());
        let own = provider.namespace == binding.namespace;
        let by_provider = match requested {
            Some(CredentialDelivery::Secret) if own || index.copies() => Delivery::Secret,
            None if own => Delivery::Secret,
            Some(_) | None => Delivery::Stream,
        };
        for credential in &provider.credentials {
            let may = |key: &&KeyDoc| {
                key.providers.iter().any(|entry| {
                    entry.provider.namespace == provider.namespace
                        && entry.provider.name == provider.name
                        && (entry.credentials.is_empty() || entry.credentials.contains(&credential.name))
                })
            };
            let keys: BTreeSet<String> = document.keys.iter().filter(may).map(|key| key.name.clone()).collect();
            let delivery = match keys.iter().any(|key| restricted.contains_key(key)) {
                true => Delivery::Stream,
                false => by_provider,
            };
            reached
                .entry(&credential.secret)
                // If two providers share a value, the safer delivery applies to both.
                .and_modify(|known| {
                    if delivery == Delivery::Stream {
                        known.delivery = Delivery::Stream;
                    }
                    known.keys.extend(keys.iter().cloned());
                    known.suspended &= credential.suspended;
                })
                .or_insert_with(|| ReachedCredential {
                    secret: credential.secret.clone(),
                    delivery,
                    keys,
                    suspended: credential.suspended,
                });
        }
    }
    reached.into_values().collect()
}

/// The credentials that may be stored in a Secret of the namespace.
pub(super) fn copied(reached: &[ReachedCredential]) -> BTreeSet<SecretRef> {
    let may = |one: &&ReachedCredential| one.delivery == Delivery::Secret && !one.suspended;
    reached.iter().filter(may).map(|one| one.secret.clone()).collect()
}

/// The credentials with known values, and the suspended ones, which gateways must forget.
pub(super) fn values(reached: Vec<ReachedCredential>, values: &BTreeMap<&SecretRef, &str>) -> Vec<DeliveredCredential> {
    let value = |one: ReachedCredential| {
        let ReachedCredential { secret, delivery, keys, suspended } = one;
        match suspended {
            true => Some(DeliveredCredential { secret, value: String::new(), delivery: Delivery::Stream, keys }),
            false => Some(DeliveredCredential { value: (*values.get(&secret)?).to_owned(), secret, delivery, keys }),
        }
    };
    reached.into_iter().filter_map(value).collect()
}

/// The service accounts that may use each key. Keys without a restriction are left out.
pub(super) fn allowed(
    binding: &Binding,
    document: &Document,
    serving: &ServingVersion<'_>,
) -> BTreeMap<String, BTreeSet<String>> {
    let of = |key: &KeyDoc| {
        let id =
            ObjectId { kind: ObjectKind::VirtualKey, namespace: binding.namespace.clone(), name: key.name.clone() };
        Some((key.name.clone(), serving(&id)?.allowed_service_accounts()?))
    };
    document.keys.iter().filter(|key| !key.keyless).filter_map(of).collect()
}
