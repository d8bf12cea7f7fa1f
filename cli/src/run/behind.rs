//! The application that runs behind the gateway.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::net::{Ipv4Addr, SocketAddr};

use outrigger_llm::capture::PLACEHOLDER;
use outrigger_policy::Document;
use rustix::process::Signal;
use tokio::signal::unix::SignalKind;

use super::{RunError, listen, variable};
use crate::child::Application;
use crate::{environment, style};

/// Runs the application to its end, and passes on signals.
pub(super) async fn behind(
    command: &[OsString],
    client: SocketAddr,
    document: &Document,
    key_variables: &[String],
) -> Result<u8, RunError> {
    let variables = environment::for_application(reachable(client), document, key_variables, &variable);
    let mut replaced: Vec<&str> = variables
        .iter()
        .filter(|(name, value)| value == PLACEHOLDER && std::env::var_os(name).is_some())
        .map(|(name, _)| name.as_str())
        .collect();
    replaced.sort_unstable();
    if !replaced.is_empty() {
        style::print_line(format_args!("the application gets a placeholder instead of {}", replaced.join(", ")));
    }
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut hangup = listen(SignalKind::hangup())?;
    let mut application = Application::start(command, variables)?;
    // A terminal sends its signals to the whole group. For many programs, a second one means "at once".
    let at_terminal = std::io::stdin().is_terminal();
    loop {
        let passed = tokio::select! {
            status = application.status() => {
                return status.map_err(|source| RunError::Io { what: "can't wait for the application", source });
            }
            _ = interrupt.recv() => (!at_terminal).then_some(Signal::INT),
            _ = terminate.recv() => Some(Signal::TERM),
            _ = hangup.recv() => Some(Signal::HUP),
        };
        if let Some(signal) = passed {
            application.signal(signal);
        }
    }
}

/// The address for the application. It can't connect to an unspecified address.
fn reachable(client: SocketAddr) -> SocketAddr {
    match client.ip().is_unspecified() {
        true => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), client.port()),
        false => client,
    }
}
