//! The program `outrigger-operator`.

use std::io::Write;
use std::process::ExitCode;

use outrigger_operator::ledger::history::report::usage_report;
use outrigger_operator::run::records::records;
use outrigger_operator::run::{ExitError, run};
use outrigger_operator::settings::{
    HELP, Invocation, OperatorSettings, RECORDS_HELP, RecordsCommand, USAGE_HELP, UsageCommand, read,
};
use outrigger_policy::Printable;
use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::prelude::*;

/// More threads would only wait for the API server too.
const WORKERS_MAX: usize = 4;
/// The exit code of a leader that ends on purpose, so that it is clear that nothing is wrong with the pod.
const LOST_LEASE: u8 = 3;

fn main() -> ExitCode {
    let settings = match read(std::env::args_os().skip(1), std::env::var("HOSTNAME").ok()) {
        Ok(Invocation::Serve(settings)) => *settings,
        Ok(Invocation::Usage(command)) => return usage(&command),
        Ok(Invocation::UsageHelp) => return print(USAGE_HELP),
        Ok(Invocation::Records(command)) => return print_records(&command),
        Ok(Invocation::RecordsHelp) => return print(RECORDS_HELP),
        Ok(Invocation::Help) => return print(HELP),
        Ok(Invocation::Version) => return print(&format!("outrigger-operator {}\n", env!("CARGO_PKG_VERSION"))),
        Err(error) => return fail(&error.to_string(), 2),
    };
    log();
    if let Err(error) = keep_memory_private() {
        tracing::warn!(%error, "other processes of the same user can read this process's memory, and so can core dumps");
    }
    raise_descriptors();
    // Needed because other crates may enable a second provider.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match serve(settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(ExitCause::Run(error @ ExitError::LostLease(_))) => fail(&error.to_string(), LOST_LEASE),
        Err(ExitCause::Run(error)) => fail(&error.to_string(), 1),
        Err(ExitCause::Runtime(error)) => fail(&format!("cannot start: {error}"), 1),
    }
}

/// Every credential passes through this process. So it writes no core dump, and other processes of its user cannot read
/// its memory.
fn keep_memory_private() -> std::io::Result<()> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

/// Each gateway has a connection, and a shell or a container may begin with 1,024 descriptors.
fn raise_descriptors() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
    {
        tracing::warn!(%error, ?current, "cannot raise the limit of descriptors, which bounds the number of gateways");
    }
}

enum ExitCause {
    Run(ExitError),
    Runtime(std::io::Error),
}

fn serve(settings: OperatorSettings) -> Result<(), ExitCause> {
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(WORKERS_MAX);
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(workers).enable_all().build().map_err(ExitCause::Runtime)?;
    let ended = runtime.block_on(run(settings)).map_err(ExitCause::Run);
    // A plan that is still running is of no use any more.
    runtime.shutdown_background();
    ended
}

/// Prints a report of the usage history.
fn usage(command: &UsageCommand) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("cannot start: {error}"), 1),
    };
    match runtime.block_on(usage_report(&command.folder, &command.query)) {
        Ok(report) => print(&report),
        Err(error) => fail(&format!("{error}. {}", error.fault().advice()), 1),
    }
}

/// Prints where the ledger's records are.
fn print_records(command: &RecordsCommand) -> ExitCode {
    // Needed because other crates may enable a second provider.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("cannot start: {error}"), 1),
    };
    match runtime.block_on(records(command)) {
        Ok(state) => match serde_json::to_string(&state) {
            Ok(text) => print(&format!("{text}\n")),
            Err(error) => fail(&error.to_string(), 1),
        },
        Err(error) => fail(&error.to_string(), 1),
    }
}

fn log() {
    let configured = std::env::var("OUTRIGGER_LOG").ok().and_then(|text| text.parse::<Targets>().ok());
    // The client logs every failure of every call. The callers log each failure once, with more context.
    let quiet = [("kube_client", LevelFilter::OFF), ("kube_runtime", LevelFilter::OFF)];
    let filter = configured.unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO).with_targets(quiet));
    let lines = tracing_subscriber::fmt::layer().json().with_writer(std::io::stderr);
    tracing_subscriber::registry().with(lines.with_filter(filter)).init();
}

fn print(text: &str) -> ExitCode {
    // A closed stdout is not an error.
    let _ = std::io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

fn fail(message: &str, code: u8) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "outrigger-operator: {}", Printable(message));
    ExitCode::from(code)
}
