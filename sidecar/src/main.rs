//! The sidecar: a gateway whose policy is mounted beside it.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use outrigger_sidecar::accept::Listeners;
use outrigger_sidecar::follow::Watch;
use outrigger_sidecar::{Gateway, Settings, files};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::prelude::*;

const HELP: &str = "\
outrigger-sidecar: an LLM gateway beside an application

  --policy DIR       where policy.v1.json and the credentials lie; followed while it serves
  --listen ADDRESS   where clients are answered; several times [127.0.0.1:4180 and [::1]:4180]
  --admin ADDRESS    where operators are answered [0.0.0.0:4181]
  --state DIR        where accounts are kept; without it what is spent is forgotten with the process
  --labels FILE      the pod's labels for rules, as the downward API writes them
  --version, --help

The log goes to standard error (OUTRIGGER_LOG=debug for more), a JSON line per decision to
standard output.
";

#[derive(Default)]
struct Arguments {
    policy: Option<PathBuf>,
    listen: Vec<SocketAddr>,
    admin: Vec<SocketAddr>,
    state: Option<PathBuf>,
    labels: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = match arguments() {
        Ok(Some(arguments)) => arguments,
        Ok(None) => return ExitCode::SUCCESS,
        Err(error) => return fail(&error.to_string()),
    };
    let told = std::env::var("OUTRIGGER_LOG").ok().and_then(|text| text.parse::<Targets>().ok());
    let filter = told.unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO));
    let lines = tracing_subscriber::fmt::layer().json().with_writer(std::io::stderr);
    tracing_subscriber::registry().with(lines.with_filter(filter)).init();
    // What the CPU limit allows, and never the node's cores: two carry more than one pod can ask.
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
            Long("policy") => arguments.policy = Some(parser.value()?.into()),
            Long("listen") => arguments.listen.push(parser.value()?.parse()?),
            Long("admin") => arguments.admin.push(parser.value()?.parse()?),
            Long("state") => arguments.state = Some(parser.value()?.into()),
            Long("labels") => arguments.labels = Some(parser.value()?.into()),
            Long("version") => return Ok(tell(&format!("outrigger-sidecar {}\n", env!("CARGO_PKG_VERSION")))),
            Long("help") | Short('h') => return Ok(tell(HELP)),
            other => return Err(other.unexpected()),
        }
    }
    if arguments.policy.is_none() {
        return Err("--policy DIR is needed; see --help".into());
    }
    Ok(Some(arguments))
}

fn tell(text: &str) -> Option<Arguments> {
    // Nobody who reads it is no reason to fail.
    let _ = std::io::stdout().write_all(text.as_bytes());
    None
}

fn fail(message: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "outrigger-sidecar: {message}");
    ExitCode::FAILURE
}

async fn serve(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let clients = match arguments.listen.is_empty() {
        false => arguments.listen,
        true => [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()].map(|ip| (ip, 4180).into()).to_vec(),
    };
    let admin = match arguments.admin.is_empty() {
        false => arguments.admin,
        true => vec![(Ipv4Addr::UNSPECIFIED, 4181).into()],
    };
    let dir = arguments.policy.unwrap_or_default();
    let labels = match &arguments.labels {
        Some(file) => files::labels(file)?,
        None => Vec::new(),
    };
    let workload = std::env::var("HOSTNAME").ok();
    let gateway = Gateway::new(Settings { workload, state: arguments.state, labels, ..Settings::default() })?;
    // Watched before it is read: what changes in between is seen.
    let mut watch = Watch::of(&dir)?;
    load(&gateway, &dir);
    let listeners = Listeners::bind(&clients, &admin).await?;
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    let following = {
        let gateway = Arc::clone(&gateway);
        tokio::spawn(async move {
            while watch.changed().await {
                load(&gateway, &dir);
            }
        })
    };
    gateway
        .serve(listeners, async move {
            tokio::select! {
                _ = terminated.recv() => {}
                _ = interrupted.recv() => {}
            }
        })
        .await?;
    following.abort();
    Ok(())
}

/// Puts what is mounted in force. What cannot be used is told, and the last good policy serves on.
fn load(gateway: &Gateway, dir: &Path) {
    match files::read(dir) {
        Ok(None) => tracing::info!(dir = %dir.display(), "no policy there yet"),
        Ok(Some((document, secrets))) => {
            if let Err(error) = gateway.install(document, &secrets) {
                tracing::warn!(%error, "policy not in force");
            }
        }
        Err(error) => gateway.reject("policy", "", &error.to_string()),
    }
}
