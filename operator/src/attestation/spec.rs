//! Of a pod's spec, what is looked at. What is not named here is not kept.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::privileges::SecurityContext;
use crate::names::POLICY_VOLUME;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodSpec {
    pub service_account_name: Option<String>,
    pub volumes: Vec<Volume>,
    pub(super) init_containers: Vec<Container>,
    pub(super) containers: Vec<Container>,
    pub(super) ephemeral_containers: Vec<Container>,
    pub(super) share_process_namespace: Option<bool>,
    #[serde(rename = "hostPID")]
    pub(super) host_pid: Option<bool>,
    pub(super) host_network: Option<bool>,
    pub(super) host_aliases: Vec<HostAlias>,
    pub(super) dns_policy: Option<String>,
    pub(super) dns_config: DnsConfig,
}

impl PodSpec {
    /// The ConfigMap that the gateway's policy comes from, which can't be changed on a pod that is there.
    #[must_use]
    pub fn mounted(&self) -> Option<&str> {
        let volume = self.volumes.iter().find(|volume| volume.name == POLICY_VOLUME)?;
        volume.sources().find_map(|source| Some(source.config_map.as_ref()?.name.as_str()))
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Volume {
    pub(super) name: String,
    pub(super) projected: Option<Projected>,
    pub(super) empty_dir: Option<EmptyDir>,
}

impl Volume {
    pub(super) fn sources(&self) -> impl Iterator<Item = &Source> {
        self.projected.iter().flat_map(|projected| &projected.sources)
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct EmptyDir {
    pub medium: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Projected {
    pub sources: Vec<Source>,
}

/// One of another kind has none of these.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Source {
    pub config_map: Option<Object>,
    pub secret: Option<Object>,
    #[serde(rename = "downwardAPI")]
    pub downward: Option<Downward>,
    pub service_account_token: Option<Token>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Object {
    pub name: String,
    pub items: Vec<Item>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Item {
    pub key: String,
    pub path: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Downward {
    pub items: Vec<DownwardItem>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct DownwardItem {
    pub path: String,
    pub field_ref: Option<FieldRef>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct FieldRef {
    pub field_path: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Token {
    pub audience: String,
    pub path: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Container {
    pub name: String,
    pub image: String,
    pub command: Vec<String>,
    pub args: Vec<String>,
    pub env: Vec<Variable>,
    pub env_from: Vec<Value>,
    pub volume_mounts: Vec<Mount>,
    pub restart_policy: Option<String>,
    pub lifecycle: Option<Value>,
    pub security_context: SecurityContext,
    /// Of an ephemeral container: whose processes it sees.
    pub target_container_name: Option<String>,
    pub startup_probe: Option<Probe>,
    pub readiness_probe: Option<Probe>,
    pub liveness_probe: Option<Probe>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Variable {
    pub name: String,
    pub value: Option<String>,
    pub value_from: Option<ValueFrom>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ValueFrom {
    pub field_ref: Option<FieldRef>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Probe {
    pub exec: Option<Exec>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Exec {
    pub command: Vec<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Mount {
    pub name: String,
    pub mount_path: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct HostAlias {
    pub hostnames: Vec<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct DnsConfig {
    pub nameservers: Vec<String>,
    pub searches: Vec<String>,
    pub options: Vec<DnsOption>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct DnsOption {
    pub name: String,
    pub value: Option<String>,
}
