//! The public half of the seal's key, which pods are given and by which pods are checked.

use std::sync::{Arc, OnceLock};

use outrigger_sync::PublicKey;

/// The keys that gateways may know the operator by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyingKey {
    /// The first is given to new pods. Never empty.
    pub keys: Vec<PublicKey>,
    /// A pod whose gateway knows none of them is none of ours: there was no version of the operator that made such with
    /// this key.
    pub required: bool,
}

/// The same, which a replica knows once it has read the Secret. It injects and judges nothing before.
#[derive(Clone, Debug, Default)]
pub struct VerifyingKeys(Arc<OnceLock<VerifyingKey>>);

impl VerifyingKeys {
    /// They are known now. They don't change while a replica lives.
    pub fn set(&self, verifying: VerifyingKey) {
        // Twice the same.
        let _ = self.0.set(verifying);
    }

    /// What a new pod is given.
    #[must_use]
    pub fn current(&self) -> Option<&PublicKey> {
        self.0.get()?.keys.first()
    }

    /// Whether a pod's argument is one of them.
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
