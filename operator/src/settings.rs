//! The command line, which the chart writes. One flag each; `outrigger-operator --help` lists them.

mod ledger;
mod records;
mod usage;

use std::ffi::OsString;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use lexopt::prelude::*;
use semver::Version;
use thiserror::Error;

use crate::attestation;
use crate::seal::VerifyingKeys;

use self::ledger::stores;
pub use self::ledger::{LedgerSettings, StoreKind};
pub use self::records::{RECORDS_HELP, RecordsCommand};
pub use self::usage::{ReportFormat, USAGE_HELP, UsageCommand, UsageDimension, UsageQuery};

/// The text of `--help`.
pub const HELP: &str = "\
outrigger-operator: the control plane of LLM gateways beside applications

  --namespace NAME           its own namespace; rules, budgets and catalogues there apply to all namespaces
  --identity NAME            this replica: the name of its pod [HOSTNAME]
  --address HOST:PORT        where other pods reach this replica's TLS listener
  --service NAME             a DNS name of the Service; repeatable, and gateways call the first
  --service-port PORT        the Service's port for the gateways' stream [443]
  --listen ADDRESS           webhooks and streams, TLS [[::]:10250, which includes IPv4]
  --metrics ADDRESS          health and metrics, clear text [[::]:9090]
  --webhooks NAME            the webhook configurations whose caBundle the operator writes; without it,
                             something else must
  --certificates DIR         tls.crt, tls.key and ca.crt from another issuer; without it
                             the operator issues its own
  --image IMAGE              the sidecar's image
  --trusted-image IMAGE      another image of the sidecar that pods may run: a mirror's, or the previous one.
                             With a tag or digest only that one, without any new enough one; repeatable
  --least-version VERSION    the oldest version of the sidecar that gets credentials, by its image's tag [0.1.0]
  --image-pull-policy WORD   Always, IfNotPresent or Never [the cluster's default]
  --image-pull-secret NAME   repeatable
  --provider-namespace NAME  where providers' Secrets may be read; repeatable [everywhere]
  --copies                   credentials may be copied into other namespaces, where the
                             provider allows it
  --openshift                containers get no user id: the cluster assigns one
  --ledger WORD              where the spending of shared limits is stored: None (each gateway
                             grants itself every limit in full), Kubernetes or PostgreSQL [None]
  --ledger-postgresql DIR    for PostgreSQL: the file `url` has the connection string; `ca.crt`, if it
                             exists, has the authorities of the server's certificate
  --ledger-migrate-from WORD Kubernetes or PostgreSQL: the store that the ledger's records come from. They are
                             moved before this replica leads
  --usage-history-days N     for PostgreSQL: days for which the usage history is kept; 0 keeps none [0]
  --repair WORD              pods that should carry a gateway and don't: report, or evict [report]
  --version, --help

`outrigger-operator usage` reports who spent what, from the usage history (usage --help).
`outrigger-operator records` says where the ledger's records are (records --help).

The operator finds the API server as kubectl does: KUBECONFIG, or the pod's service account. The log
goes to standard error (OUTRIGGER_LOG=debug for more).
";

const LISTEN: u16 = 10250;
const METRICS: u16 = 9090;
const SERVICE_PORT: u16 = 443;
/// The default of `--least-version`. Raised when an older sidecar has a fault that a pod's author could exploit.
const LEAST_VERSION: Version = Version::new(0, 1, 0);

/// The settings of the operator, fixed while it runs.
#[derive(Clone, Debug)]
pub struct OperatorSettings {
    /// The operator's namespace. Rules, budgets and catalogues there apply to all namespaces.
    pub namespace: String,
    /// The name of this replica's pod.
    pub identity: String,
    /// The `host:port` of this replica's TLS listener for other pods. Followers send gateways there.
    pub address: String,
    /// The Service's DNS names. The certificate is valid for all; gateways call the first.
    pub service: Vec<String>,
    /// The Service's port for the gateways' stream.
    pub service_port: u16,
    /// Webhooks and the stream, TLS.
    pub listen: SocketAddr,
    /// Health and metrics, clear text.
    pub metrics: SocketAddr,
    /// The name of the webhook configurations (mutating and validating) whose `caBundle` the operator writes. `None` if
    /// something else does, such as cert-manager.
    pub webhooks: Option<String>,
    /// The sidecar's image.
    pub image: String,
    /// Other images whose gateways get credentials: one with tag or digest allows only that image, one without a whole
    /// repository.
    pub trusted_images: Vec<String>,
    /// The oldest version of the sidecar that gets credentials.
    pub least_version: Version,
    pub image_pull_policy: Option<String>,
    pub image_pull_secrets: Vec<String>,
    /// Where providers' Secrets may be read. Empty for everywhere.
    pub provider_namespaces: Vec<String>,
    /// Credentials may be copied into other namespaces, if the provider allows it.
    pub copies: bool,
    /// Containers get no user id, because the cluster assigns one.
    pub openshift: bool,
    /// What to do with pods that should carry a gateway and do not.
    pub repair: Repair,
    /// Where the ledger stores its records.
    pub ledger: LedgerSettings,
    /// Days for which PostgreSQL keeps the usage history. Zero for no history.
    pub usage_history_days: u32,
    /// The other store, if the ledger's records are to be moved from there.
    pub migrate_from: LedgerSettings,
    /// A folder with `tls.crt`, `tls.key` and `ca.crt` of another issuer. `None` if the operator issues its own.
    pub certificates: Option<PathBuf>,
    /// The public keys that pods get. They come from the operator's Secret and have no flag.
    pub verifying: VerifyingKeys,
}

/// What to do with pods that should carry a gateway and do not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Repair {
    /// Count and report them.
    #[default]
    Report,
    /// Also evict a few at a time, if a controller recreates them.
    Evict,
}

/// What the command line requests.
#[derive(Clone, Debug)]
pub enum Invocation {
    Serve(Box<OperatorSettings>),
    /// A report of the usage history.
    Usage(UsageCommand),
    UsageHelp,
    /// Where the ledger's records are.
    Records(RecordsCommand),
    RecordsHelp,
    Help,
    Version,
}

/// An error in the command line.
#[derive(Debug, Error)]
pub enum SettingsError {
    #[error("{0}; see --help")]
    Usage(#[from] lexopt::Error),
    #[error("--{flag} is required: {why}; see --help")]
    Missing { flag: &'static str, why: &'static str },
    #[error("--{flag} `{value}` is {what}")]
    Wrong { flag: &'static str, value: String, what: &'static str },
}

/// Parses the command line, without the program's name.
///
/// # Errors
/// [`SettingsError`].
pub fn read<I>(arguments: I, hostname: Option<String>) -> Result<Invocation, SettingsError>
where
    I: IntoIterator<Item: Into<OsString>>,
{
    let (mut namespace, mut identity, mut address, mut image) = (None, hostname, None, None);
    let mut settings = OperatorSettings {
        namespace: String::new(),
        identity: String::new(),
        address: String::new(),
        service: Vec::new(),
        service_port: SERVICE_PORT,
        listen: (IpAddr::V6(Ipv6Addr::UNSPECIFIED), LISTEN).into(),
        metrics: (IpAddr::V6(Ipv6Addr::UNSPECIFIED), METRICS).into(),
        webhooks: None,
        image: String::new(),
        trusted_images: Vec::new(),
        least_version: LEAST_VERSION,
        image_pull_policy: None,
        image_pull_secrets: Vec::new(),
        provider_namespaces: Vec::new(),
        copies: false,
        openshift: false,
        repair: Repair::default(),
        ledger: LedgerSettings::default(),
        usage_history_days: 0,
        migrate_from: LedgerSettings::default(),
        certificates: None,
        verifying: VerifyingKeys::default(),
    };
    let (mut store, mut former_store, mut database) = (None, None, None);
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next()? {
        match argument {
            Value(word) if word == "usage" => {
                let command = usage::read(&mut parser, jiff::Timestamp::now())?;
                return Ok(command.map_or(Invocation::UsageHelp, Invocation::Usage));
            }
            Value(word) if word == "records" => {
                let command = records::read(&mut parser)?;
                return Ok(command.map_or(Invocation::RecordsHelp, Invocation::Records));
            }
            Long("namespace") => namespace = Some(label(&mut parser, "namespace")?),
            Long("identity") => identity = Some(parser.value()?.string()?),
            Long("address") => address = Some(host_and_port(&mut parser)?),
            Long("service") => settings.service.push(parser.value()?.string()?),
            Long("service-port") => settings.service_port = parser.value()?.parse()?,
            Long("listen") => settings.listen = parser.value()?.parse()?,
            Long("metrics") => settings.metrics = parser.value()?.parse()?,
            Long("webhooks") => settings.webhooks = Some(parser.value()?.string()?),
            Long("certificates") => settings.certificates = Some(parser.value()?.into()),
            Long("image") => image = Some(parser.value()?.string()?),
            Long("trusted-image") => settings.trusted_images.push(parser.value()?.string()?),
            Long("least-version") => settings.least_version = least_version(&mut parser)?,
            Long("image-pull-policy") => settings.image_pull_policy = Some(pull_policy(&mut parser)?),
            Long("image-pull-secret") => settings.image_pull_secrets.push(parser.value()?.string()?),
            Long("provider-namespace") => {
                settings.provider_namespaces.push(label(&mut parser, "provider-namespace")?);
            }
            Long("copies") => settings.copies = true,
            Long("openshift") => settings.openshift = true,
            Long("ledger") => store = Some(parser.value()?.string()?),
            Long("ledger-postgresql") => database = Some(PathBuf::from(parser.value()?)),
            Long("ledger-migrate-from") => former_store = Some(parser.value()?.string()?),
            Long("usage-history-days") => settings.usage_history_days = parser.value()?.parse()?,
            Long("repair") => settings.repair = repair(&mut parser)?,
            Long("version") => return Ok(Invocation::Version),
            Long("help") | Short('h') => return Ok(Invocation::Help),
            other => return Err(other.unexpected().into()),
        }
    }
    let missing = |flag, why| SettingsError::Missing { flag, why };
    settings.namespace = namespace.ok_or(missing("namespace", "objects there apply to all namespaces"))?;
    settings.identity = identity
        .filter(|name| !name.is_empty())
        .ok_or(missing("identity", "the leader election needs it, and HOSTNAME is not set"))?;
    settings.address = address.ok_or(missing("address", "followers send gateways to the leader's address"))?;
    settings.image = image.filter(|image| !image.is_empty()).ok_or(missing("image", "pods get it as their sidecar"))?;
    (settings.ledger, settings.migrate_from) = stores(store, former_store, database.as_ref())?;
    if settings.service.iter().all(String::is_empty) {
        return Err(missing("service", "the certificate is for these names"));
    }
    Ok(Invocation::Serve(Box::new(settings)))
}

fn label(parser: &mut lexopt::Parser, flag: &'static str) -> Result<String, SettingsError> {
    let value = parser.value()?.string()?;
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    match !value.is_empty() && value.len() <= 63 && value.bytes().all(inner) {
        true => Ok(value),
        false => Err(SettingsError::Wrong { flag, value, what: "no name of a namespace" }),
    }
}

fn host_and_port(parser: &mut lexopt::Parser) -> Result<String, SettingsError> {
    let value = parser.value()?.string()?;
    // A pod's IPv6 address comes from the downward API without its brackets.
    let address = match value.rsplit_once(':') {
        Some((host, port)) if host.contains(':') && !host.starts_with('[') => format!("[{host}]:{port}"),
        _ => value.clone(),
    };
    match address.parse::<http::uri::Authority>() {
        Ok(authority) if authority.port_u16().is_some() && !authority.host().is_empty() => Ok(address),
        _ => Err(SettingsError::Wrong { flag: "address", value, what: "no HOST:PORT" }),
    }
}

fn least_version(parser: &mut lexopt::Parser) -> Result<Version, SettingsError> {
    let value = parser.value()?.string()?;
    match attestation::version(&value) {
        Some(version) => Ok(version),
        None => Err(SettingsError::Wrong { flag: "least-version", value, what: "no version such as 0.1.0" }),
    }
}

fn pull_policy(parser: &mut lexopt::Parser) -> Result<String, SettingsError> {
    let value = parser.value()?.string()?;
    match value.as_str() {
        "Always" | "IfNotPresent" | "Never" => Ok(value),
        _ => {
            let what = "none of Always, IfNotPresent and Never";
            Err(SettingsError::Wrong { flag: "image-pull-policy", value, what })
        }
    }
}

fn repair(parser: &mut lexopt::Parser) -> Result<Repair, SettingsError> {
    let value = parser.value()?.string()?;
    match value.to_ascii_lowercase().as_str() {
        "report" => Ok(Repair::Report),
        "evict" => Ok(Repair::Evict),
        _ => Err(SettingsError::Wrong { flag: "repair", value, what: "neither report nor evict" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEEDED: [&str; 8] = [
        "--namespace",
        "outrigger",
        "--address",
        "10.0.0.1:10250",
        "--service",
        "outrigger.outrigger.svc",
        "--image",
        "i",
    ];

    fn settings_of(more: &[&str]) -> OperatorSettings {
        match read(NEEDED.iter().chain(more), Some("pod-1".to_owned())).unwrap() {
            Invocation::Serve(settings) => *settings,
            other => panic!("{other:?}"),
        }
    }

    fn refused(arguments: &[&str]) -> String {
        read(arguments, None).unwrap_err().to_string()
    }

    #[test]
    fn flags_are_read() {
        let settings = settings_of(&["--service=b", "--copies", "--repair", "Evict", "--provider-namespace", "llm"]);
        assert_eq!(settings.identity, "pod-1");
        assert_eq!(settings.service, ["outrigger.outrigger.svc", "b"]);
        assert_eq!((settings.copies, settings.repair, settings.openshift), (true, Repair::Evict, false));
        assert_eq!(settings.provider_namespaces, ["llm"]);
        assert_eq!(settings.listen.to_string(), "[::]:10250");
        assert_eq!(settings.ledger, LedgerSettings::None);
        assert_eq!(settings_of(&["--ledger=Kubernetes"]).ledger, LedgerSettings::Kubernetes);
        let database = settings_of(&["--ledger-postgresql", "/db", "--ledger", "PostgreSQL"]);
        assert_eq!(database.ledger, LedgerSettings::Postgres("/db".into()));
        let moved =
            settings_of(&["--ledger-postgresql=/db", "--ledger=PostgreSQL", "--ledger-migrate-from=Kubernetes"]);
        assert_eq!(moved.migrate_from, LedgerSettings::Kubernetes);
        let back = settings_of(&["--ledger-postgresql=/db", "--ledger=Kubernetes", "--ledger-migrate-from=PostgreSQL"]);
        assert_eq!(back.migrate_from, LedgerSettings::Postgres("/db".into()));
        assert_eq!(settings_of(&["--address", "fd00::7:10250"]).address, "[fd00::7]:10250");
        assert!(matches!(read(["--help"], None), Ok(Invocation::Help)));
    }

    #[test]
    fn errors_say_what_to_do() {
        assert_eq!(refused(&[]), "--namespace is required: objects there apply to all namespaces; see --help");
        assert_eq!(refused(&["--namespace", "a/b"]), "--namespace `a/b` is no name of a namespace");
        let ledger = |word: &str| {
            let arguments = NEEDED.iter().copied().chain(["--ledger", word]);
            read(arguments, Some("pod-1".to_owned())).unwrap_err().to_string()
        };
        assert_eq!(ledger("etcd"), "--ledger `etcd` is none of None, Kubernetes and PostgreSQL");
        assert_eq!(ledger("PostgreSQL"), "--ledger-postgresql is required: it has the connection string; see --help");
        let same = NEEDED.iter().copied().chain(["--ledger=Kubernetes", "--ledger-migrate-from=Kubernetes"]);
        assert_eq!(
            read(same, Some("pod-1".to_owned())).unwrap_err().to_string(),
            "--ledger-migrate-from `Kubernetes` is no other store than --ledger: records are moved from Kubernetes to \
             PostgreSQL, or back"
        );
        assert_eq!(refused(&["--repair", "kill"]), "--repair `kill` is neither report nor evict");
        assert_eq!(refused(&["--least-version", "new"]), "--least-version `new` is no version such as 0.1.0");
        assert_eq!(refused(&["--address", "10.0.0.1"]), "--address `10.0.0.1` is no HOST:PORT");
        assert!(refused(&["--nope"]).contains("--nope"));
    }

    #[test]
    fn help_names_every_flag() {
        let source = include_str!("settings.rs");
        let flags: Vec<&str> =
            source.split("Long(\"").skip(1).filter_map(|rest| rest.split_once("\")").map(|(flag, _)| flag)).collect();
        assert!(flags.len() > 15);
        for flag in flags.iter().filter(|flag| !flag.contains(' ')) {
            assert!(HELP.contains(&format!("--{flag}")), "{flag}");
        }
    }
}
