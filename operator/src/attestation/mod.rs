//! Checks that the gateway in a pod is the operator's own, and the only container that can read its token and its
//! policy. No other gateway gets a credential.
//!
//! Labels and annotations prove nothing, because anybody may write them. The check reads the pod's spec. Only images can be
//! changed on a running pod, and those are checked again with each change. The check cannot keep out a user who may run
//! commands in the pod or add a container to it: see `docs/rights.md`.

mod container;
mod image;
mod privileges;
mod resolve;
mod volumes;

use k8s_openapi::api::core::v1::{PodSpec, VolumeMount};
use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

use crate::names::{
    CONTAINER, IDENTITY_DIR, IDENTITY_VOLUME, POLICY_DIR, POLICY_VOLUME, SIGNED_BY, STATE_DIR, STATE_VOLUME, TOKEN_DIR,
    TOKEN_VOLUME,
};
use crate::seal::VerifyingKeys;
use crate::settings::OperatorSettings;
use image::Images;
pub(crate) use image::version;

/// The longest part of a pod's content in a message, in characters.
const WORDS_MAX: usize = 120;

/// Why a pod's gateway is not the operator's, or not alone.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AttestationError {
    #[error("it has no native sidecar `{CONTAINER}`")]
    NoGateway,
    #[error(
        "the image of its container `{CONTAINER}` is {0}, which is not the operator's sidecar: if it is a mirror, \
         name it with --trusted-image"
    )]
    Image(String),
    #[error(
        "the image of its container `{CONTAINER}` is {image}: only a tag that is a version, {least} or newer, is accepted; name \
         any other image in full, with tag or digest, by --trusted-image (the chart's sidecar.trustedImages)"
    )]
    Version { image: String, least: String },
    #[error("its container `{CONTAINER}` has {0} that the operator did not give it")]
    Changed(String),
    #[error(
        "its container `{CONTAINER}` does not verify the operator's signature ({SIGNED_BY} with its key), so anybody who may \
         write its ConfigMap could change its policy: recreate the pod"
    )]
    Unsigned,
    #[error(
        "its container `{CONTAINER}` verifies signatures with a key that the operator does not have ({0}): if the operator's \
         key was replaced, recreate the pod"
    )]
    OtherKey(String),
    #[error("its container `{CONTAINER}` has no variable {0}, which the operator gives it")]
    NoVariable(&'static str),
    #[error("its volume {0} differs from the one that the operator creates")]
    Volume(String),
    #[error("container {0} mounts a volume that only the gateway may mount")]
    Mounted(String),
    #[error("volume {0} holds a token that only the gateway may have")]
    Token(String),
    #[error("its containers see each other's processes")]
    SharedProcesses,
    #[error("it uses its node's network: every process of the node could call the gateway")]
    HostNetwork,
    #[error("its ephemeral container {0} sees the gateway's processes")]
    Debugged(String),
    #[error("its hostAliases override the operator's address")]
    HostAlias,
    #[error("its {0} would let another DNS server resolve the operator's name")]
    Dns(&'static str),
    #[error("its spec can't be read")]
    Unreadable,
}

/// What identifies a gateway that the operator injected. By default nothing does.
#[derive(Clone, Debug, Default)]
pub struct Attestor {
    images: Images,
    /// The DNS names of the operator's Service.
    services: Vec<String>,
    verifying: VerifyingKeys,
}

impl Attestor {
    #[must_use]
    pub fn of(settings: &OperatorSettings) -> Self {
        let images = std::iter::once(&settings.image).chain(&settings.trusted_images);
        Attestor {
            images: Images::new(images, settings.least_version.clone()),
            services: settings.service.clone(),
            verifying: settings.verifying.clone(),
        }
    }

    /// # Errors
    /// The first difference from what the operator would have injected.
    pub fn check(&self, pod: &PodSpec) -> Result<(), AttestationError> {
        if pod.share_process_namespace == Some(true) || pod.host_pid == Some(true) {
            return Err(AttestationError::SharedProcesses);
        }
        if pod.host_network == Some(true) {
            return Err(AttestationError::HostNetwork);
        }
        let ephemeral = pod.ephemeral_containers.as_deref().unwrap_or_default();
        let mut debuggers = ephemeral.iter();
        if let Some(one) = debuggers.find(|one| one.target_container_name.as_deref() == Some(CONTAINER)) {
            return Err(AttestationError::Debugged(cut(&one.name)));
        }
        resolve::check(pod, &self.services)?;
        volumes::check(pod.volumes.as_deref().unwrap_or_default())?;
        let init = pod.init_containers.as_deref().unwrap_or_default();
        let gateway = init.iter().find(|container| container.name == CONTAINER);
        let gateway = gateway.filter(|container| container.restart_policy.as_deref() == Some("Always"));
        let gateway = gateway.ok_or(AttestationError::NoGateway)?;
        self.gateway(gateway, mounted(pod))?;
        let ordinary = init.iter().chain(&pod.containers).map(|one| (one.name.as_str(), one.volume_mounts.as_deref()));
        let mut all = ordinary.chain(ephemeral.iter().map(|one| (one.name.as_str(), one.volume_mounts.as_deref())));
        let is_ours = |mount: &VolumeMount| dir(&mount.name).is_some();
        let intrudes = |(name, mounts): &(&str, Option<&[VolumeMount]>)| {
            *name != CONTAINER && mounts.unwrap_or_default().iter().any(is_ours)
        };
        match all.find(intrudes) {
            Some((name, _)) => Err(AttestationError::Mounted(cut(name))),
            None => Ok(()),
        }
    }

    /// Checks a pod in JSON.
    ///
    /// # Errors
    /// As [`Attestor::check`].
    pub fn check_json(&self, pod: &Value) -> Result<(), AttestationError> {
        let spec = pod.get("spec").unwrap_or(&Value::Null);
        self.check(&PodSpec::deserialize(spec).map_err(|_| AttestationError::Unreadable)?)
    }
}

/// The ConfigMap with the gateway's policy. A running pod's volumes cannot change.
#[must_use]
pub fn mounted(pod: &PodSpec) -> Option<&str> {
    let volume = pod.volumes.iter().flatten().find(|volume| volume.name == POLICY_VOLUME)?;
    volumes::sources(volume).find_map(|source| Some(source.config_map.as_ref()?.name.as_str()))
}

/// Where the gateway mounts one of its volumes.
fn dir(volume: &str) -> Option<&'static str> {
    match volume {
        TOKEN_VOLUME => Some(TOKEN_DIR),
        POLICY_VOLUME => Some(POLICY_DIR),
        STATE_VOLUME => Some(STATE_DIR),
        IDENTITY_VOLUME => Some(IDENTITY_DIR),
        _ => None,
    }
}

fn cut(words: &str) -> String {
    words.chars().take(WORDS_MAX).collect()
}
