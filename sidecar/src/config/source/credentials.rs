//! The values of the credentials that a document names.
//!
//! A streamed value is sent only to the provider for which the operator sent it. Otherwise an author of a ConfigMap could
//! redirect it to a server of their own. If a mounted document without a signature changes the destination of a streamed
//! value, the gateway drops the value until the operator sends it again.

use std::collections::BTreeMap;

use outrigger_core::SecretRef;
use outrigger_policy::{Document, ProviderDoc};

use super::incoming::IncomingPolicy;
use crate::runtime::origin::PolicyOrigin;
use crate::runtime::secret::{Secret, Secrets};

/// The known credentials, by their Secret.
pub type KnownSecrets = BTreeMap<SecretRef, KnownSecret>;

/// The state of a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownSecret {
    /// `None`: the credential is withheld from this pod.
    pub value: Option<Secret>,
    /// The value came by the operator's stream.
    pub streamed: bool,
}

/// The credentials after an incoming policy: only those that its document names. A credential without a new value keeps
/// the known one. At the same sequence a streamed value takes precedence over a mounted one: the kubelet's copies lag
/// behind. `newer`: the policy replaces the one in force.
pub(super) fn merge(
    incoming: &IncomingPolicy,
    known: &KnownSecrets,
    in_force: Option<&Document>,
    newer: bool,
) -> KnownSecrets {
    let unsigned = incoming.origin == PolicyOrigin::Mounted && !incoming.signed;
    let named = incoming.document.providers.iter().flat_map(|provider| &provider.credentials);
    named
        .filter_map(|credential| {
            let secret = &credential.secret;
            let new = incoming.values.get(secret);
            let old = known.get(secret).filter(|old| {
                let redirectable = old.streamed && unsigned;
                !redirectable
                    || in_force.is_some_and(|in_force| keeps_destination(secret, &incoming.document, in_force))
            });
            let kept = old.filter(|old| new.is_none_or(|new| !newer && old.streamed && !new.streamed));
            Some((secret.clone(), kept.or(new)?.clone()))
        })
        .collect()
}

/// Whether a document sends a credential only where the document in force sends it, over the same connection.
fn keeps_destination(secret: &SecretRef, document: &Document, in_force: &Document) -> bool {
    let uses = |provider: &&ProviderDoc| provider.credentials.iter().any(|credential| credential.secret == *secret);
    let same = |a: &ProviderDoc, b: &ProviderDoc| {
        (&a.namespace, &a.kind, &a.endpoint, &a.ca, &a.headers, a.clear_text_credentials)
            == (&b.namespace, &b.kind, &b.endpoint, &b.ca, &b.headers, b.clear_text_credentials)
    };
    document.providers.iter().filter(uses).all(|new| in_force.providers.iter().filter(uses).any(|old| same(new, old)))
}

/// The values, without the credentials that are withheld.
pub(super) fn values(known: &KnownSecrets) -> Secrets {
    known.iter().filter_map(|(secret, known)| Some((secret.clone(), known.value.clone()?))).collect()
}
