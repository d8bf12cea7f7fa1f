//! The public part of the seal's key. Pods get it at injection, and attestation checks it.

use std::sync::{Arc, OnceLock};

use outrigger_sync::PublicKey;

/// The keys with which gateways verify the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyingKey {
    /// New pods get the first. Never empty.
    pub keys: Vec<PublicKey>,
    /// A pod whose gateway has none of these keys is not the operator's, because every operator version with this key
    /// sets one.
    pub required: bool,
}

/// The keys, once the replica has read the Secret. Before that it neither injects nor attests pods.
#[derive(Clone, Debug, Default)]
pub struct VerifyingKeys(Arc<OnceLock<VerifyingKey>>);

impl VerifyingKeys {
    /// Sets the keys, which do not change while the process runs.
    pub fn set(&self, verifying: VerifyingKey) {
        // A second call sets the same keys.
        let _ = self.0.set(verifying);
    }

    /// The key for new pods.
    #[must_use]
    pub fn current(&self) -> Option<&PublicKey> {
        self.0.get()?.keys.first()
    }

    /// Whether a pod's argument is one of the keys.
    #[must_use]
    pub fn knows(&self, argument: &str) -> bool {
        let parsed: Option<PublicKey> = argument.parse().ok();
        self.0.get().zip(parsed).is_some_and(|(known, key)| known.keys.contains(&key))
    }

    #[must_use]
    pub fn are_required(&self) -> bool {
        self.0.get().is_some_and(|known| known.required)
    }
}
