//! Why a policy could not be written, and whether it is worth trying again.

use thiserror::Error;

use crate::api::CallError;
use crate::objects::binding::Binding;

/// Why the cluster could not be brought to the desired state.
#[derive(Debug, Error)]
pub enum ApplyError {
    #[error("{kind} {place} could not be {verb}: {error}")]
    Call { kind: &'static str, place: String, verb: &'static str, error: CallError },
    #[error("another writer keeps changing ConfigMap {0}")]
    Contended(Binding),
    #[error("the certificate authority for gateways is not loaded yet")]
    NoAuthorities,
    #[error("the operator's signing key is not loaded yet")]
    NoSeal,
    #[error("Secret {0} belongs to the operator: rename the VirtualKey that needs a Secret of this name")]
    OwnSecret(String),
    #[error(
        "{kind} {place} was not created by the operator and is left unchanged: rename it, or the VirtualKey that needs its name"
    )]
    Foreign { kind: &'static str, place: String },
}

impl ApplyError {
    /// The operator has no right to the call, and a quick retry gets none.
    #[must_use]
    pub fn is_forbidden(&self) -> bool {
        matches!(self, ApplyError::Call { error, .. } if error.is_forbidden())
    }

    /// Whether a retry cannot succeed until somebody changes something.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        match self {
            ApplyError::Call { error, .. } => error.is_permanent(),
            ApplyError::OwnSecret(_) | ApplyError::Foreign { .. } => true,
            ApplyError::Contended(_) | ApplyError::NoAuthorities | ApplyError::NoSeal => false,
        }
    }

    /// The namespace is being deleted with everything in it.
    #[must_use]
    pub fn is_namespace_terminating(&self) -> bool {
        let ApplyError::Call { error: CallError::Refused(kube::Error::Api(status)), .. } = self else { return false };
        let causes = status.details.iter().flat_map(|details| &details.causes);
        causes.into_iter().any(|cause| cause.reason == "NamespaceTerminating")
            || (status.code == 404 && status.details.as_ref().is_some_and(|details| details.kind == "namespaces"))
    }
}

pub(super) fn foreign(kind: &'static str, binding: &Binding) -> ApplyError {
    ApplyError::Foreign { kind, place: format!("{}/{}", binding.namespace, binding.object_name()) }
}

pub(super) fn failed(kind: &'static str, binding: &Binding, verb: &'static str, error: CallError) -> ApplyError {
    let place = format!("{}/{}", binding.namespace, binding.object_name());
    ApplyError::Call { kind, place, verb, error }
}
