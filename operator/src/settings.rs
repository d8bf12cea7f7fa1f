//! What the chart tells the operator. One flag each; `outrigger-operator --help` lists them.

use std::net::SocketAddr;

/// How the operator is set up for as long as it lives.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its own namespace: what users put there acts on all namespaces.
    pub namespace: String,
    /// This replica: the pod's name.
    pub identity: String,
    /// `host:port` at which other pods reach this replica's TLS listener; told to gateways that ask a follower.
    pub address: String,
    /// The Service's names, all of which the certificate is for; the first is what gateways are told to call.
    pub service: Vec<String>,
    /// The port of the Service at which gateways find the stream.
    pub service_port: u16,
    /// Webhooks and the stream, TLS.
    pub listen: SocketAddr,
    /// Health and metrics, clear text.
    pub metrics: SocketAddr,
    /// The names of the webhook configurations (mutating and validating) whose `caBundle` is the operator's to write;
    /// `None`: somebody else (cert-manager) does.
    pub webhooks: Option<String>,
    /// The sidecar's image.
    pub image: String,
    pub image_pull_policy: Option<String>,
    pub image_pull_secrets: Vec<String>,
    /// Where providers' Secrets may be read. Empty: everywhere.
    pub provider_namespaces: Vec<String>,
    /// Credentials may be copied into other namespaces, where the provider says so.
    pub copies: bool,
    /// No user id is written into containers: the cluster gives one.
    pub openshift: bool,
    /// What becomes of pods that should carry a gateway and don't.
    pub repair: Repair,
    /// A folder with `tls.crt`, `tls.key` and `ca.crt` of somebody else's making; `None`: the operator makes its own.
    pub certificates: Option<std::path::PathBuf>,
}

/// What becomes of pods that should carry a gateway and don't.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Repair {
    /// They are told of.
    #[default]
    Report,
    /// And evicted, a few at a time, where a controller makes them anew.
    Evict,
}
