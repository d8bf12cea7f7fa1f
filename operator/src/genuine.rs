//! Whether the gateway in a pod is of the operator's making, and alone with what only it may read: nobody else gets a
//! credential.
//!
//! Labels and annotations say nothing here, anybody may write them. What counts is the pod's spec, of which only images can
//! be changed once it runs, and they are looked at again and again. It can't keep out who may run a command in the pod
//! or add a container to it: `docs/rights.md`.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use crate::names::{
    AUTHORITIES_FILE, CONTAINER, LABELS_FILE, POLICY_DIR, POLICY_VOLUME, STATE_DIR, STATE_VOLUME, TOKEN_DIR,
    TOKEN_FILE, TOKEN_VOLUME,
};
use crate::settings::Settings;

/// Where others may mount what they please in the gateway's container: it reads nothing there. Service accounts, clouds'
/// tokens and companies' authorities are mounted into every container of a cluster by somebody.
const ELSEWHERE: [&str; 7] =
    ["/var/run/secrets/", "/run/secrets/", "/etc/ssl/", "/etc/pki/", "/usr/share/zoneinfo", "/etc/localtime", "/tmp"];
/// Of what somebody else wrote, in a message.
const WORDS_MAX: usize = 120;

/// Of a pod's spec, what is looked at.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodSpec {
    pub service_account_name: Option<String>,
    pub volumes: Vec<Volume>,
    init_containers: Vec<Container>,
    containers: Vec<Container>,
    ephemeral_containers: Vec<Container>,
    share_process_namespace: Option<bool>,
    #[serde(rename = "hostPID")]
    host_pid: Option<bool>,
    host_aliases: Vec<HostAlias>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Volume {
    name: String,
    projected: Option<Projected>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Projected {
    sources: Vec<Source>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Source {
    config_map: Option<Named>,
    service_account_token: Option<Token>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Named {
    name: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Token {
    audience: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Container {
    name: String,
    image: String,
    command: Vec<String>,
    args: Vec<String>,
    volume_mounts: Vec<Mount>,
    restart_policy: Option<String>,
    lifecycle: Option<Value>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Mount {
    name: String,
    mount_path: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct HostAlias {
    hostnames: Vec<String>,
}

/// Why a pod's gateway is not the operator's, or not alone.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Foreign {
    #[error("it has no native sidecar `{CONTAINER}`")]
    NoGateway,
    #[error(
        "the image of its container `{CONTAINER}` is {0}, which is not the operator's sidecar: where a mirror is meant, \
         name it with --trusted-image"
    )]
    Image(String),
    #[error("its container `{CONTAINER}` has {0} that the operator did not give it")]
    Changed(String),
    #[error("container {0} mounts a volume that is the gateway's alone")]
    Mounted(String),
    #[error("volume {0} holds a token that only the gateway may have")]
    Token(String),
    #[error("its containers see each other's processes")]
    SharedProcesses,
    #[error("its hostAliases say where the operator is to be found")]
    HostAlias,
    #[error("its spec can't be read")]
    Unreadable,
}

/// What a gateway of the operator's making is known by. Nothing is, by default.
#[derive(Clone, Debug, Default)]
pub struct Genuine {
    /// Images, without tag and digest: what runs may be of another version.
    repositories: Vec<String>,
    /// The Service's names.
    services: Vec<String>,
}

impl Genuine {
    #[must_use]
    pub fn of(settings: &Settings) -> Self {
        let images = std::iter::once(&settings.image).chain(&settings.trusted_images);
        Genuine {
            repositories: images.map(|image| repository(image).to_owned()).collect(),
            services: settings.service.clone(),
        }
    }

    /// # Errors
    /// The first thing that is not as the operator would have made it.
    pub fn judge(&self, pod: &PodSpec) -> Result<(), Foreign> {
        if pod.share_process_namespace == Some(true) || pod.host_pid == Some(true) {
            return Err(Foreign::SharedProcesses);
        }
        let mut hosts = pod.host_aliases.iter().flat_map(|alias| &alias.hostnames);
        if hosts.any(|host| self.services.iter().any(|service| service.eq_ignore_ascii_case(host))) {
            return Err(Foreign::HostAlias);
        }
        let strange = |volume: &&Volume| volume.name != TOKEN_VOLUME && volume.holds_token();
        if let Some(volume) = pod.volumes.iter().find(strange) {
            return Err(Foreign::Token(cut(&volume.name)));
        }
        let gateway = pod.init_containers.iter().find(|container| container.name == CONTAINER);
        let gateway = gateway.filter(|container| container.restart_policy.as_deref() == Some("Always"));
        self.gateway(gateway.ok_or(Foreign::NoGateway)?)?;
        let mut all = pod.init_containers.iter().chain(&pod.containers).chain(&pod.ephemeral_containers);
        let intrudes = |container: &&Container| {
            container.name != CONTAINER && container.volume_mounts.iter().any(|mount| dir(&mount.name).is_some())
        };
        match all.find(intrudes) {
            Some(container) => Err(Foreign::Mounted(cut(&container.name))),
            None => Ok(()),
        }
    }

    /// The same of a pod as JSON.
    ///
    /// # Errors
    /// As [`Genuine::judge`].
    pub fn judge_json(&self, pod: &Value) -> Result<(), Foreign> {
        let spec = pod.get("spec").cloned().unwrap_or_default();
        self.judge(&serde_json::from_value(spec).map_err(|_| Foreign::Unreadable)?)
    }

    fn gateway(&self, container: &Container) -> Result<(), Foreign> {
        if !self.repositories.iter().any(|known| known == repository(&container.image)) {
            return Err(Foreign::Image(cut(&container.image)));
        }
        if !container.command.is_empty() {
            return Err(Foreign::Changed("a command".to_owned()));
        }
        if container.lifecycle.is_some() {
            return Err(Foreign::Changed("a lifecycle hook".to_owned()));
        }
        for argument in container.args.chunks(2) {
            let is_ours = match argument {
                [flag, value] => self.is_ours(flag, value),
                _ => false,
            };
            if !is_ours {
                return Err(Foreign::Changed(format!("the argument `{}`", cut(&argument.join(" ")))));
            }
        }
        let changed = container.volume_mounts.iter().find(|mount| match dir(&mount.name) {
            Some(dir) => mount.mount_path != dir,
            None => !is_elsewhere(&mount.mount_path),
        });
        match changed {
            Some(mount) => Err(Foreign::Changed(format!("a mount at {}", cut(&mount.mount_path)))),
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

impl Volume {
    fn sources(&self) -> impl Iterator<Item = &Source> {
        self.projected.iter().flat_map(|projected| &projected.sources)
    }

    fn holds_token(&self) -> bool {
        let tokens = self.sources().filter_map(|source| source.service_account_token.as_ref());
        tokens.into_iter().any(|token| token.audience == outrigger_sync::AUDIENCE)
    }
}

impl PodSpec {
    /// The ConfigMap that the gateway's policy comes from, which can't be changed on a pod that is there.
    #[must_use]
    pub fn mounted(&self) -> Option<&str> {
        let volume = self.volumes.iter().find(|volume| volume.name == POLICY_VOLUME)?;
        volume.sources().find_map(|source| Some(source.config_map.as_ref()?.name.as_str()))
    }
}

/// Where a volume of the gateway's is mounted.
fn dir(volume: &str) -> Option<&'static str> {
    match volume {
        TOKEN_VOLUME => Some(TOKEN_DIR),
        POLICY_VOLUME => Some(POLICY_DIR),
        STATE_VOLUME => Some(STATE_DIR),
        _ => None,
    }
}

fn is_elsewhere(path: &str) -> bool {
    let below = |place: &&str| {
        path.strip_prefix(place.trim_end_matches('/')).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    ELSEWHERE.iter().any(below) && !path.split('/').any(|part| part == "..")
}

/// Without tag and digest.
fn repository(image: &str) -> &str {
    let image = image.split_once('@').map_or(image, |(image, _)| image);
    let name = image.rfind('/').map_or(0, |slash| slash + 1);
    match image[name..].find(':') {
        Some(colon) => &image[..name + colon],
        None => image,
    }
}

fn cut(words: &str) -> String {
    words.chars().take(WORDS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_an_image_have_one_repository() {
        for (image, expected) in [
            ("a/b", "a/b"),
            ("a/b:1", "a/b"),
            ("a/b@sha256:0", "a/b"),
            ("host:5000/b:1@sha256:0", "host:5000/b"),
            ("host:5000/b", "host:5000/b"),
            ("b:1", "b"),
        ] {
            assert_eq!(repository(image), expected);
        }
    }

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
