//! Tests the gateway in process, against scripted upstreams.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use outrigger_policy::Printable;
use outrigger_sidecar::access::Access;
use outrigger_sidecar::config::files;
use outrigger_sidecar::config::folder_watch::FolderWatch;
use outrigger_sidecar::config::source::PolicySources;
use outrigger_sidecar::config::stream::{OperatorStream, ReconnectPace};
use outrigger_sidecar::server::accept::{Listeners, raise_descriptors};
use outrigger_sidecar::server::probe::Probe;
use outrigger_sidecar::server::process_memory;
use outrigger_sidecar::{Gateway, PodIdentity, Settings};
use outrigger_sync::{MountedAt, PublicKey, Trust};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::prelude::*;

const HELP: &str = "\
outrigger-sidecar: an LLM gateway beside an application

  --policy DIR         the folder with policy.v1.json and the credentials; the process watches it
  --operator URL       https://HOST:PORT of the operator: the process gets policies and credentials
                       from it, and reports the outcome
  --token FILE         the pod's token for the operator [/var/run/outrigger/token/token]
  --authorities FILE   the authorities of the operator's certificate, PEM [ca.crt in the policy's DIR]
  --listen ADDRESS     an address for clients; repeatable [127.0.0.1:4180 and [::1]:4180]
  --admin ADDRESS      an address for probes, metrics and operators [0.0.0.0:4181]
  --state DIR          the folder for accounts and for the operator's last policy; without it both
                       are lost when the process ends
  --signed-by KEY      the operator's public key: mounted files need its signature; repeatable, for
                       the replacement of a key
  --policy-name NAME   the mounted ConfigMap: signatures for other objects are not valid
  --labels FILE        the pod's labels for rules, as the downward API writes them
  --allow-origin ORIGIN  an origin whose web pages may send requests; repeatable [none]
  --allow-host NAME    another name under which clients may call; repeatable. On loopback only
                       this and the names of loopback are allowed
  --memory MIB         the memory that this process may use [the limit of its control group, or 1024]
  --version, --help

outrigger-sidecar probe started|ready [--admin ADDRESS] [--listen ADDRESS]
  for exec probes: whether a policy was served (or 30 s have passed); whether clients can connect

Records contain the pod's name and namespace from POD_NAME and POD_NAMESPACE. Keys for certain
service accounts need POD_SERVICE_ACCOUNT. The log goes to standard error (OUTRIGGER_LOG=debug for
more), and a JSON line per decision to standard output.
";

const TOKEN: &str = "/var/run/outrigger/token/token";
const AUTHORITIES: &str = "ca.crt";

#[derive(Default)]
struct Arguments {
    probe: Option<String>,
    policy: Option<PathBuf>,
    operator: Option<String>,
    token: Option<PathBuf>,
    authorities: Option<PathBuf>,
    listen: Vec<SocketAddr>,
    admin: Vec<SocketAddr>,
    state: Option<PathBuf>,
    labels: Option<PathBuf>,
    signed_by: Vec<PublicKey>,
    policy_name: Option<String>,
    origins: Vec<String>,
    hosts: Vec<String>,
    memory: Option<usize>,
}

fn main() -> ExitCode {
    let arguments = match arguments() {
        Ok(Some(arguments)) => arguments,
        Ok(None) => return ExitCode::SUCCESS,
        Err(error) => return fail(&error.to_string()),
    };
    if let Some(name) = &arguments.probe {
        return match Probe::parse(name).and_then(|probe| probe.run(arguments.clients()[0], arguments.admin()[0])) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error.to_string()),
        };
    }
    let configured = std::env::var("OUTRIGGER_LOG").ok().and_then(|text| text.parse::<Targets>().ok());
    let filter = configured.unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO));
    let lines = tracing_subscriber::fmt::layer().json().with_writer(std::io::stderr);
    tracing_subscriber::registry().with(lines.with_filter(filter)).init();
    // Before the memory contains a key.
    if let Err(error) = process_memory::keep_memory_private().and_then(|()| process_memory::write_no_cores()) {
        tracing::warn!(%error, "other processes of this user, and readers of core dumps, can read this process's memory");
    }
    raise_descriptors();
    // As many as the CPU limit allows, and not as many as the node has cores. Two carry more than one pod can send.
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(2);
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("cannot start: {error}")),
    };
    match runtime.block_on(serve(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error.to_string()),
    }
}

fn arguments() -> Result<Option<Arguments>, lexopt::Error> {
    use lexopt::prelude::*;
    let mut arguments = Arguments::default();
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Value(word) if word == "probe" && arguments.probe.is_none() => {
                arguments.probe = Some(parser.value()?.string()?);
            }
            Long("policy") => arguments.policy = Some(parser.value()?.into()),
            Long("operator") => arguments.operator = Some(parser.value()?.string()?),
            Long("token") => arguments.token = Some(parser.value()?.into()),
            Long("authorities") => arguments.authorities = Some(parser.value()?.into()),
            Long("listen") => arguments.listen.push(parser.value()?.parse()?),
            Long("admin") => arguments.admin.push(parser.value()?.parse()?),
            Long("state") => arguments.state = Some(parser.value()?.into()),
            Long("signed-by") => arguments.signed_by.push(parser.value()?.parse()?),
            Long("policy-name") => arguments.policy_name = Some(parser.value()?.string()?),
            Long("labels") => arguments.labels = Some(parser.value()?.into()),
            Long("allow-origin") => arguments.origins.push(parser.value()?.string()?),
            Long("allow-host") => arguments.hosts.push(parser.value()?.string()?),
            Long("memory") => arguments.memory = Some(parser.value()?.parse::<usize>()? << 20),
            Long("version") => return Ok(print(&format!("outrigger-sidecar {}\n", env!("CARGO_PKG_VERSION")))),
            Long("help") | Short('h') => return Ok(print(HELP)),
            other => return Err(other.unexpected()),
        }
    }
    if arguments.policy.is_none() && arguments.probe.is_none() {
        return Err("--policy DIR is required; see --help".into());
    }
    Ok(Some(arguments))
}

impl Arguments {
    fn clients(&self) -> Vec<SocketAddr> {
        match self.listen.is_empty() {
            false => self.listen.clone(),
            true => {
                [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()].map(|ip| (ip, 4180).into()).to_vec()
            }
        }
    }

    /// The keys whose signatures are required, and the place that they sign for.
    fn trust(&self, namespace: Option<&str>) -> Result<Option<Trust>, &'static str> {
        let keys = self.signed_by.clone();
        match (keys.is_empty(), namespace.map(str::to_owned), self.policy_name.clone()) {
            (true, _, _) => Ok(None),
            (false, Some(namespace), Some(name)) => Ok(Some(Trust { keys, mount: MountedAt { namespace, name } })),
            _ => Err(
                "--signed-by needs --policy-name NAME and the variable POD_NAMESPACE: a signature is valid for one object",
            ),
        }
    }

    fn admin(&self) -> Vec<SocketAddr> {
        match self.admin.is_empty() {
            false => self.admin.clone(),
            true => vec![(Ipv4Addr::UNSPECIFIED, 4181).into()],
        }
    }
}

fn print(text: &str) -> Option<Arguments> {
    // A closed standard output is no reason to fail.
    let _ = std::io::stdout().write_all(text.as_bytes());
    None
}

fn fail(message: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "outrigger-sidecar: {}", Printable(message));
    ExitCode::FAILURE
}

async fn serve(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let (workload, namespace) = (variable("POD_NAME").or_else(|| variable("HOSTNAME")), variable("POD_NAMESPACE"));
    let (clients, admin, trust) = (arguments.clients(), arguments.admin(), arguments.trust(namespace.as_deref())?);
    let dir = arguments.policy.unwrap_or_default();
    let token = arguments.token.unwrap_or_else(|| TOKEN.into());
    let authorities = arguments.authorities.unwrap_or_else(|| dir.join(AUTHORITIES));
    let operator = arguments
        .operator
        .map(|url| OperatorStream::new(&url, token, authorities, ReconnectPace::default()))
        .transpose()?;
    let operator = operator.map(|operator| operator.trusting(trust.clone()));
    let labels = match &arguments.labels {
        Some(file) => files::labels(file)?,
        None => Vec::new(),
    };
    // Without POD_SERVICE_ACCOUNT, an older operator made the pod. Then no key for certain accounts may be used.
    let service_account = variable("POD_SERVICE_ACCOUNT").or_else(|| namespace.as_ref().map(|_| String::new()));
    let settings = Settings {
        workload,
        namespace,
        service_account,
        state: arguments.state.clone(),
        labels,
        access: Access::new(&arguments.origins, &arguments.hosts)?,
        memory: arguments.memory,
        identity: PodIdentity::read(variable),
        ..Settings::default()
    };
    let gateway = Gateway::new(settings)?;
    // Without an operator, all sources are mounted, so no snapshot is needed.
    let state = arguments.state.as_deref().filter(|_| operator.is_some());
    let sources = Arc::new(PolicySources::new(Arc::clone(&gateway), state).trusting(trust));
    // Watch before reading, so that no change is missed.
    let mut watch = FolderWatch::or_polling(&dir)?;
    sources.restore();
    sources.read_mounted(&dir);
    let listeners = Listeners::bind(&clients, &admin).await?;
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut following = tokio::task::JoinSet::new();
    if let Some(operator) = operator {
        following.spawn(operator.follow(Arc::clone(&sources)));
    }
    following.spawn(async move {
        while watch.changed().await {
            sources.read_mounted(&dir);
        }
    });
    gateway
        .serve(listeners, async move {
            tokio::select! {
                _ = terminated.recv() => {}
                _ = interrupted.recv() => {}
            }
        })
        .await?;
    Ok(())
}
