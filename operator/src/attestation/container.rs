//! Checks the gateway's container: only what the operator put there may run in it or redirect it.

use std::net::SocketAddr;

use k8s_openapi::api::core::v1::{Container, EnvVar, Probe};

use super::{AttestationError, Attestor, cut, dir, privileges};
use crate::inject::LEVELS;
use crate::names::{
    AUTHORITIES_FILE, IDENTITY_DIR, IDENTITY_FILE, LABELS_FILE, LOG, POD_FIELDS, POD_SERVICE_ACCOUNT, POLICY_DIR,
    POLICY_NAME, SIDECAR_BINARY, SIGNED_BY, STATE_DIR, TOKEN_DIR, TOKEN_FILE,
};

/// Paths in the gateway's container where others may mount what they like, because the gateway reads nothing there
/// but the pod's own token for a cloud (`AZURE_FEDERATED_TOKEN_FILE`, `AWS_WEB_IDENTITY_TOKEN_FILE`,
/// `AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE`), which it checks.
/// Clusters often mount service accounts, cloud tokens and a company's authorities into every container.
const UNREAD_PATHS: [&str; 7] =
    ["/var/run/secrets/", "/run/secrets/", "/etc/ssl/", "/etc/pki/", "/usr/share/zoneinfo", "/etc/localtime", "/tmp"];
/// Variables by which a C library loads programs or finds hosts. Resolver options have the same effect as `dnsConfig`.
const LIBRARY: [&str; 5] = ["GLIBC_TUNABLES", "GCONV_PATH", "LOCALDOMAIN", "RES_OPTIONS", "HOSTALIASES"];
const LOADER: &str = "LD_";
const OURS: &str = "OUTRIGGER_";

impl Attestor {
    pub(super) fn gateway(&self, container: &Container, mounted: Option<&str>) -> Result<(), AttestationError> {
        self.images.check(container.image.as_deref().unwrap_or_default())?;
        if let Some(context) = &container.security_context {
            privileges::check(context)?;
        }
        if container.command.as_ref().is_some_and(|command| !command.is_empty()) {
            return Err(AttestationError::Changed("a command".to_owned()));
        }
        if container.lifecycle.is_some() {
            return Err(AttestationError::Changed("a lifecycle hook".to_owned()));
        }
        let probes = [&container.startup_probe, &container.readiness_probe, &container.liveness_probe];
        if !probes.into_iter().flatten().all(is_harmless) {
            return Err(AttestationError::Changed("a probe".to_owned()));
        }
        let mut signed = false;
        for argument in container.args.as_deref().unwrap_or_default().chunks(2) {
            let is_ours = match argument {
                [flag, value] if flag == SIGNED_BY => match self.verifying.knows(value) {
                    true => {
                        signed = true;
                        true
                    }
                    false => return Err(AttestationError::OtherKey(cut(value))),
                },
                // The signature must be for the ConfigMap that is mounted.
                [flag, value] if flag == POLICY_NAME => mounted == Some(value.as_str()),
                [flag, value] => self.is_ours(flag, value),
                _ => false,
            };
            if !is_ours {
                return Err(AttestationError::Changed(format!("the argument `{}`", cut(&argument.join(" ")))));
            }
        }
        if !signed && self.verifying.are_required() {
            return Err(AttestationError::Unsigned);
        }
        environment(container)?;
        let changed = container.volume_mounts.iter().flatten().find(|mount| match dir(&mount.name) {
            Some(dir) => mount.mount_path != dir,
            None => !is_unread_path(&mount.mount_path),
        });
        match changed {
            Some(mount) => Err(AttestationError::Changed(format!("a mount at {}", cut(&mount.mount_path)))),
            None => Ok(()),
        }
    }

    /// Whether an argument is the operator's. One that sends the token elsewhere, or reads the policy from elsewhere,
    /// is not.
    fn is_ours(&self, flag: &str, value: &str) -> bool {
        let within =
            |dir: &str, file: &str| value.strip_prefix(dir).and_then(|rest| rest.strip_prefix('/')) == Some(file);
        match flag {
            "--policy" => value == POLICY_DIR,
            "--state" => value == STATE_DIR,
            "--labels" => within(POLICY_DIR, LABELS_FILE),
            "--token" => within(TOKEN_DIR, TOKEN_FILE),
            "--authorities" => within(POLICY_DIR, AUTHORITIES_FILE),
            "--operator" => self.is_service(value),
            "--listen" | "--admin" => true,
            _ => false,
        }
    }

    /// The port may differ, because the Service's port may have changed since the pod was created.
    fn is_service(&self, url: &str) -> bool {
        let host = url.strip_prefix("https://").and_then(|rest| rest.rsplit_once(':'));
        host.is_some_and(|(host, port)| port.parse::<u16>().is_ok() && self.services.iter().any(|known| known == host))
    }
}

/// Whether a probe is harmless. An `exec` probe runs a program in the gateway's container, so only the gateway's own
/// program is allowed. Other probes connect from outside.
fn is_harmless(probe: &Probe) -> bool {
    let Some(exec) = &probe.exec else { return true };
    let [program, word, what, rest @ ..] = exec.command.as_deref().unwrap_or_default() else { return false };
    let is_address = |pair: &[String]| match pair {
        [flag, address] => matches!(flag.as_str(), "--listen" | "--admin") && address.parse::<SocketAddr>().is_ok(),
        _ => false,
    };
    program == SIDECAR_BINARY
        && word == "probe"
        && matches!(what.as_str(), "started" | "ready")
        && rest.chunks(2).all(is_address)
}

/// Checks the gateway's variables. Clouds, meshes and tracers add variables to every container, for example for proxies
/// and authorities. Variables that the gateway does not read are allowed.
fn environment(container: &Container) -> Result<(), AttestationError> {
    // The check cannot see what `envFrom` adds.
    if container.env_from.as_ref().is_some_and(|sources| !sources.is_empty()) {
        return Err(AttestationError::Changed("envFrom".to_owned()));
    }
    let variables = container.env.as_deref().unwrap_or_default();
    if let Some(variable) = variables.iter().find(|variable| !is_ours_or_unused(variable)) {
        return Err(AttestationError::Changed(format!("the variable {}", cut(&variable.name))));
    }
    // A gateway without a namespace runs as a standalone one, whose keys are for everybody. Older operators set no
    // service account. Such a gateway gets no key that is only for certain accounts.
    let is_missing =
        |name: &str| name != POD_SERVICE_ACCOUNT && !variables.iter().any(|variable| variable.name == name);
    match POD_FIELDS.into_iter().find(|(name, _)| is_missing(name)) {
        Some((name, _)) => Err(AttestationError::NoVariable(name)),
        None => Ok(()),
    }
}

/// Whether the operator sets the variable so, or the gateway does not read it.
fn is_ours_or_unused(variable: &EnvVar) -> bool {
    let name = variable.name.as_str();
    let literal = variable.value.as_deref().unwrap_or_default();
    if let Some((_, path)) = POD_FIELDS.into_iter().find(|(known, _)| *known == name) {
        let field = variable.value_from.as_ref().and_then(|from| from.field_ref.as_ref());
        return literal.is_empty() && field.is_some_and(|field| field.field_path == path);
    }
    match name {
        LOG => LEVELS.contains(&literal),
        IDENTITY_FILE => literal.strip_prefix(IDENTITY_DIR).and_then(|rest| rest.strip_prefix('/')) == Some(TOKEN_FILE),
        _ => !name.starts_with(OURS) && !name.starts_with(LOADER) && !LIBRARY.contains(&name),
    }
}

fn is_unread_path(path: &str) -> bool {
    let below = |place: &&str| {
        path.strip_prefix(place.trim_end_matches('/')).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    UNREAD_PATHS.iter().any(below) && !path.split('/').any(|part| part == "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_mounts_that_the_gateway_never_reads_are_allowed() {
        for path in ["/var/run/secrets/kubernetes.io/serviceaccount", "/etc/ssl/certs", "/tmp"] {
            assert!(is_unread_path(path), "{path}");
        }
        for path in ["/", "/outrigger-sidecar", "/var/run/outrigger/x", "/tmp/../outrigger-sidecar", "/tmpx", "/etc"] {
            assert!(!is_unread_path(path), "{path}");
        }
    }
}
