//! Checks the gateway's container: nothing may run in it, or redirect it, but what the operator put there.

use std::net::SocketAddr;

use k8s_openapi::api::core::v1::{Container, EnvVar, Probe};

use super::{AttestationError, Attestor, cut, dir, privileges};
use crate::inject::LEVELS;
use crate::names::{
    AUTHORITIES_FILE, LABELS_FILE, LOG, POD_FIELDS, POD_SERVICE_ACCOUNT, POLICY_DIR, POLICY_NAME, SIDECAR_BINARY,
    SIGNED_BY, STATE_DIR, TOKEN_DIR, TOKEN_FILE,
};

/// Where others may mount what they please in the gateway's container: it reads nothing there. Service accounts, clouds'
/// tokens and companies' authorities are mounted into every container of a cluster by somebody.
const ELSEWHERE: [&str; 7] =
    ["/var/run/secrets/", "/run/secrets/", "/etc/ssl/", "/etc/pki/", "/usr/share/zoneinfo", "/etc/localtime", "/tmp"];
/// What a C library loads programs by, or looks for hosts by: a resolver's words are as good as `dnsConfig`.
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
                // A signature is for the place that is mounted, and for no other.
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
            None => !is_elsewhere(&mount.mount_path),
        });
        match changed {
            Some(mount) => Err(AttestationError::Changed(format!("a mount at {}", cut(&mount.mount_path)))),
            None => Ok(()),
        }
    }

    /// One that would lead its token, or what it is told, elsewhere is not.
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

    /// The port may have been another when the pod was made.
    fn is_service(&self, url: &str) -> bool {
        let host = url.strip_prefix("https://").and_then(|rest| rest.rsplit_once(':'));
        host.is_some_and(|(host, port)| port.parse::<u16>().is_ok() && self.services.iter().any(|known| known == host))
    }
}

/// What `exec` names runs beside the gateway, as whoever it runs as: only its own program may. Other kinds of probes ask
/// from outside.
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

/// Clouds, meshes and tracers give variables to every container, proxies and authorities among them. The gateway reads none
/// of those, so that they stay.
fn environment(container: &Container) -> Result<(), AttestationError> {
    // What is in there can't be seen here.
    if container.env_from.as_ref().is_some_and(|sources| !sources.is_empty()) {
        return Err(AttestationError::Changed("envFrom".to_owned()));
    }
    let variables = container.env.as_deref().unwrap_or_default();
    if let Some(variable) = variables.iter().find(|variable| !is_ours_or_idle(variable)) {
        return Err(AttestationError::Changed(format!("the variable {}", cut(&variable.name))));
    }
    // Without its namespace a gateway takes itself for one that stands alone, where every key is for everybody. Older
    // operators gave no service account, and such a gateway gets no key that is for certain ones.
    let lacks = |name: &str| name != POD_SERVICE_ACCOUNT && !variables.iter().any(|variable| variable.name == name);
    match POD_FIELDS.into_iter().find(|(name, _)| lacks(name)) {
        Some((name, _)) => Err(AttestationError::Lacks(name)),
        None => Ok(()),
    }
}

/// As the operator makes it, or one that the gateway knows nothing of.
fn is_ours_or_idle(variable: &EnvVar) -> bool {
    let name = variable.name.as_str();
    let literal = variable.value.as_deref().unwrap_or_default();
    if let Some((_, path)) = POD_FIELDS.into_iter().find(|(known, _)| *known == name) {
        let field = variable.value_from.as_ref().and_then(|from| from.field_ref.as_ref());
        return literal.is_empty() && field.is_some_and(|field| field.field_path == path);
    }
    match name {
        LOG => LEVELS.contains(&literal),
        _ => !name.starts_with(OURS) && !name.starts_with(LOADER) && !LIBRARY.contains(&name),
    }
}

fn is_elsewhere(path: &str) -> bool {
    let below = |place: &&str| {
        path.strip_prefix(place.trim_end_matches('/')).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    ELSEWHERE.iter().any(below) && !path.split('/').any(|part| part == "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_elsewhere_are_no_way_in() {
        for path in ["/var/run/secrets/kubernetes.io/serviceaccount", "/etc/ssl/certs", "/tmp"] {
            assert!(is_elsewhere(path), "{path}");
        }
        for path in ["/", "/outrigger-sidecar", "/var/run/outrigger/x", "/tmp/../outrigger-sidecar", "/tmpx", "/etc"] {
            assert!(!is_elsewhere(path), "{path}");
        }
    }
}
