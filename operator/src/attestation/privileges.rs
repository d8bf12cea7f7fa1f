//! What the gateway's container may do on its node: no more than it was given. With more of it, what runs there is not held
//! to what the container holds.

use serde::{Deserialize, Serialize};

use super::{AttestationError, cut};

/// Of a container's `securityContext`, what could widen it. Ids are not looked at: OpenShift and others choose them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct SecurityContext {
    privileged: Option<bool>,
    allow_privilege_escalation: Option<bool>,
    proc_mount: Option<String>,
    capabilities: Capabilities,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Capabilities {
    add: Vec<String>,
}

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
    match context.capabilities.add.first() {
        Some(capability) => changed(format!("the capability {}", cut(capability))),
        None => Ok(()),
    }
}
