//! `outrigger run`: the gateway for a folder of objects, and for an application that is started behind it.

mod behind;
mod follow;

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use outrigger_compile::{COMMAND_LINE, Finding, Severity};
use outrigger_policy::Document;
use outrigger_sidecar::access::{Access, AccessError};
use outrigger_sidecar::config::folder_watch::{FolderWatch, FollowError};
use outrigger_sidecar::server::accept::raise_descriptors;
use outrigger_sidecar::server::process_memory;
use outrigger_sidecar::telemetry::records::Lines;
use outrigger_sidecar::upstream::Proxies;
use outrigger_sidecar::{Gateway, InstallError, PodIdentity, Settings};
use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::prelude::*;

use self::behind::behind;
use self::follow::follow;
use crate::banner::Banner;
use crate::check::counted;
use crate::child::StartError;
use crate::compiler::{CompileJob, CompileOutcome};
use crate::folder::{FolderError, SourceText};
use crate::serve::{self, BindError};
use crate::style::{self, Style};
use crate::{environment, folder, state};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A folder (its .yaml, .yml and .json files, not those of subfolders), or one file. Absent: providers from the
    /// environment.
    pub dir: Option<PathBuf>,
    /// The address for clients; may be given several times. [default: 127.0.0.1:4180 and [::1]:4180]
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    listen: Vec<SocketAddr>,
    /// The address of /healthz, /readyz, /metrics, /policy and /decisions. [default: 127.0.0.1:4181]
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    admin: Option<SocketAddr>,
    /// The VirtualKey of callers that name none. They may still name any other key of the folder.
    #[arg(long = "key", value_name = "NAME")]
    pub keys: Vec<String>,
    /// The folder that stores spending across restarts. [default: one for each DIR in $XDG_STATE_HOME/outrigger]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Accept requests from web pages of this origin, such as http://localhost:3000; may be given several times.
    /// Requests from other pages are refused.
    #[arg(long = "allow-origin", value_name = "ORIGIN")]
    origins: Vec<String>,
    /// Another host name for clients, such as host.docker.internal; may be given several times. Otherwise a loopback
    /// address accepts only localhost and 127.0.0.1.
    #[arg(long = "allow-host", value_name = "NAME")]
    hosts: Vec<String>,
    /// Start even if a budget, a rule or a file is invalid. Whatever it would have blocked is let through.
    #[arg(long)]
    keep_going: bool,
    /// An application to start, with its SDKs pointed here and without providers' keys in its environment.
    #[arg(last = true, value_name = "CMD")]
    pub command: Vec<OsString>,
}

/// `127.0.0.1:4180`, `[::1]:4180`, or only a port of this machine.
fn address(text: &str) -> Result<SocketAddr, String> {
    let port = text.strip_prefix(':').or_else(|| text.strip_prefix("localhost:")).unwrap_or(text);
    if let Ok(port) = port.parse() {
        return Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    }
    text.parse().map_err(|_| "must be an address and a port, such as 127.0.0.1:4180, or only a port".to_owned())
}

#[derive(Debug, Error)]
enum RunError {
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error("no LLMProvider in {0}; without a folder, providers come from the keys in the environment")]
    NoProvider(String),
    #[error("{0} is empty, and had objects before: it may be half written. To remove its objects, delete the file")]
    Emptied(String),
    #[error("no provider can serve a request: see the errors above")]
    NothingToServe,
    #[error("no such key: see the errors above")]
    NoSuchKey,
    #[error(
        "to serve without a budget or a rule would allow what it blocks: fix the errors above, or serve \
         anyway with --keep-going"
    )]
    OpenDoor,
    #[error("the objects can't be served")]
    Install(#[from] InstallError),
    #[error(transparent)]
    Access(#[from] AccessError),
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error("can't follow changes of {}", dir.display())]
    FolderWatch { dir: PathBuf, source: FollowError },
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("{what}")]
    Io { what: &'static str, source: std::io::Error },
}

pub(crate) fn main(args: Args) -> ExitCode {
    // The gateway's own messages about policies are redundant: this command reports them with files and lines.
    let quiet = || {
        let warnings = Targets::new().with_default(LevelFilter::WARN);
        warnings.with_target(outrigger_sidecar::POLICIES, LevelFilter::OFF)
    };
    let filter = variable("OUTRIGGER_LOG").and_then(|text| text.parse().ok()).unwrap_or_else(quiet);
    let style = Style::of(&std::io::stderr());
    let lines = tracing_subscriber::fmt::layer().with_ansi(style.colour).with_writer(style::LogWriter);
    tracing_subscriber::registry().with(lines).with(filter).init();
    // The application keeps its own core dump limit.
    let no_application = args.command.is_empty();
    let hidden = process_memory::keep_memory_private()
        .and_then(|()| if no_application { process_memory::write_no_cores() } else { Ok(()) });
    if let Err(error) = hidden {
        tracing::warn!(%error, "other processes of the same user can read this process's memory, and so can core dumps");
    }
    if no_application {
        raise_descriptors();
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(source) => return style::fail(&RunError::Io { what: "can't start", source }),
    };
    match runtime.block_on(run(args)) {
        Ok(status) => ExitCode::from(status),
        Err(RunError::Start(error)) => {
            let _ = style::fail(&error);
            ExitCode::from(error.status())
        }
        Err(error) => style::fail(&error),
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Compiles texts, with all findings.
async fn compiled(texts: &[SourceText], keys: &[String], sequence: u64) -> CompileOutcome {
    let outcome = CompileJob { texts: texts.to_vec(), keys: keys.to_vec(), sequence }.compile_apart().await;
    for label in &outcome.ignored {
        tracing::info!("{label} has another API group, and is ignored");
    }
    outcome
}

async fn run(args: Args) -> Result<u8, RunError> {
    let texts = match &args.dir {
        Some(dir) => folder::texts(dir)?,
        None => vec![environment::objects(&variable)],
    };
    let first = compiled(&texts, &args.keys, 1).await;
    style::print_findings(&first.findings);
    // With another key than the requested one, requests would be decided in unexpected ways.
    if first.findings.iter().any(|finding| finding.location.file == COMMAND_LINE) {
        return Err(RunError::NoSuchKey);
    }
    if let Some(dir) = args.dir.as_ref().filter(|_| has_no_provider(&first)) {
        return Err(RunError::NoProvider(dir.display().to_string()));
    }
    style::print_findings(&first.idle);
    if !serve::is_servable(&first.document, &first.secrets) {
        return Err(RunError::NothingToServe);
    }
    let left_out = blocking(&first).cloned();
    if !args.keep_going && first.findings.iter().any(allows_more_if_ignored) {
        return Err(RunError::OpenDoor);
    }
    // The application uses stdout.
    let stdout = std::io::stdout();
    let (style, terminal, no_application) = (Style::of(&stdout), stdout.is_terminal(), args.command.is_empty());
    let lines = match (no_application, terminal) {
        (false, _) => Lines::Off,
        (true, true) => Lines::Pretty { colour: style.colour },
        (true, false) => Lines::Json,
    };
    let state = match (&args.state, &args.dir) {
        (Some(state), _) => Some(state.clone()),
        (None, Some(dir)) => state::folder(dir, &variable),
        (None, None) => None,
    };
    let access = Access::new(&args.origins, &args.hosts)?;
    let gateway = Gateway::new(Settings {
        lines,
        state: state.clone(),
        access,
        proxies: Some(Arc::new(Proxies::read(|name| std::env::var(name).ok()))),
        identity: PodIdentity::read(|name| std::env::var(name).ok()),
        ..Settings::default()
    })?;
    let (document, known_secrets) =
        (first.document.clone(), first.secrets.iter().map(|(at, _)| at.clone()).collect::<Vec<_>>());
    let mut key_variables = first.variables.clone();
    key_variables.extend(environment::holding(&first.secrets, std::env::vars_os()));
    let revision = serve::install(&gateway, first.document, &first.secrets, &first.from_environment)?;
    if let Some(finding) = &left_out {
        serve::reject(&gateway, finding);
    }
    // Before the listeners, so that no change is missed while they are bound.
    let watch = args
        .dir
        .as_ref()
        .map(|dir| FolderWatch::or_polling(dir).map_err(|source| RunError::FolderWatch { dir: dir.clone(), source }))
        .transpose()?;
    let listeners = serve::bind(&args.listen, args.admin).await?;
    let (clients, admin) = (listeners.clients(), listeners.admin());
    let from = args.dir.as_ref().map_or_else(|| "what the environment has".to_owned(), |dir| dir.display().to_string());
    let banner = Banner {
        from: &from,
        revision: &revision,
        clients: &clients,
        admin: &admin,
        document: &document,
        known_secrets: &known_secrets,
        state: state.as_deref(),
    };
    greet(&banner, style, terminal && no_application);
    if args.dir.is_none() {
        report_environment(&document);
    }
    warn_of_open_ports(&clients);

    let (stop, stopped) = oneshot::channel::<()>();
    let serving = Arc::clone(&gateway).serve(listeners, async {
        // A dropped sender also means the end.
        let _ = stopped.await;
    });
    let following = follow(Arc::clone(&gateway), args.dir.as_deref(), &args.keys, texts, watch);
    let waiting = async {
        let status = match clients.first() {
            Some(client) if !no_application => behind(&args.command, *client, &document, &key_variables).await,
            _ => until_signal().await,
        };
        drop(stop);
        status
    };
    let again = until_signal();
    tokio::pin!(serving, following, waiting, again);
    let mut status = None;
    loop {
        tokio::select! {
            served = &mut serving => {
                served.map_err(|source| RunError::Io { what: "the listeners failed", source })?;
                return status.unwrap_or(Ok(0));
            }
            () = &mut following, if status.is_none() => {}
            ended = &mut waiting, if status.is_none() => {
                status = Some(ended);
                again.set(until_signal());
            }
            // On the second signal, running requests are dropped.
            _ = &mut again, if status.is_some() => return status.unwrap_or(Ok(0)),
        }
    }
}

/// On a terminal, prints the banner there; otherwise one line on stderr, because stdout is for records or the
/// application.
fn greet(banner: &Banner<'_>, style: Style, is_terminal: bool) {
    if is_terminal {
        let _ = writeln!(std::io::stdout().lock(), "{}", style::screen(&banner.text(style)));
    } else {
        let urls: Vec<String> = banner.clients.iter().map(|at| format!("http://{at}")).collect();
        let admin: Vec<String> = banner.admin.iter().map(|at| format!("http://{at}")).collect();
        let (urls, admin) = (urls.join(" "), admin.join(" "));
        style::print_line(format_args!(
            "serves {} on {urls} (revision {}, {}, {}{}; admin {admin})",
            banner.from,
            banner.revision,
            counted(banner.document.providers.len(), "provider"),
            counted(banner.document.keys.iter().filter(|key| !key.keyless).count(), "key"),
            banner.accounts().map(|accounts| format!(", accounts {accounts}")).unwrap_or_default(),
        ));
    }
}

/// Reports the variables that were read, or could have been.
fn report_environment(document: &Document) {
    if document.providers.iter().all(|provider| provider.mock.is_some()) {
        style::print_line(format_args!(
            "no provider's key is in the environment, so a mock answers; these would be read: {}",
            environment::variables().join(", ")
        ));
    }
}

/// Anyone who can reach an open port spends with these keys.
fn warn_of_open_ports(clients: &[SocketAddr]) {
    for open in clients.iter().filter(|at| !at.ip().is_loopback()) {
        style::print_line(format_args!(
            "warning: {open} can be reached from other machines, and anyone who can reach it may use these providers"
        ));
    }
}

/// Whether ignoring the finding would allow more requests: without a broken provider or key, fewer are served, but
/// without a broken budget or rule, fewer are blocked. The content of a file that can't be parsed is unknown.
fn allows_more_if_ignored(finding: &Finding) -> bool {
    let kind = finding.object.split(' ').next().unwrap_or_default();
    finding.severity == Severity::Error && matches!(kind, "" | "Budget" | "RoutingRule")
}

/// There are no errors and no objects.
fn has_no_provider(compiled: &CompileOutcome) -> bool {
    compiled.document.providers.is_empty() && compiled.findings.is_empty()
}

/// The finding that makes a change unusable.
fn blocking(compiled: &CompileOutcome) -> Option<&Finding> {
    compiled.findings.iter().find(|finding| finding.severity == Severity::Error)
}

fn listen(kind: SignalKind) -> Result<tokio::signal::unix::Signal, RunError> {
    signal(kind).map_err(|source| RunError::Io { what: "can't listen for signals", source })
}

async fn until_signal() -> Result<u8, RunError> {
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    tracing::info!("finishing what is under way");
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (text, expected) in [
            ("4180", Some("127.0.0.1:4180")),
            (":4180", Some("127.0.0.1:4180")),
            ("localhost:0", Some("127.0.0.1:0")),
            ("[::1]:80", Some("[::1]:80")),
            ("0.0.0.0:80", Some("0.0.0.0:80")),
            ("here", None),
            ("99999", None),
        ] {
            assert_eq!(address(text).ok().map(|at| at.to_string()).as_deref(), expected, "{text}");
        }
    }
}
