//! Checks that the gateway's container has no more rights on its node than the operator gave it.

use k8s_openapi::api::core::v1::SecurityContext;

use super::{AttestationError, cut};

/// Fails for anything that widens a container's rights. User and group ids are not checked, because OpenShift and
/// others choose them.
///
/// # Errors
/// [`AttestationError::Changed`].
pub(super) fn check(context: &SecurityContext) -> Result<(), AttestationError> {
    let changed = |what: String| Err(AttestationError::Changed(what));
    if context.privileged == Some(true) {
        return changed("privileges".to_owned());
    }
    if context.allow_privilege_escalation == Some(true) {
        return changed("allowPrivilegeEscalation".to_owned());
    }
    if context.proc_mount.as_deref().is_some_and(|mount| mount != "Default") {
        return changed("a procMount".to_owned());
    }
    match context.capabilities.iter().flat_map(|all| &all.add).flatten().next() {
        Some(capability) => changed(format!("the capability {}", cut(capability))),
        None => Ok(()),
    }
}
