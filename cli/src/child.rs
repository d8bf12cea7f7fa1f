//! The application that runs behind the gateway. The gateway ends when it ends.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use rustix::process::{Pid, Signal, kill_process};
use thiserror::Error;
use tokio::process::{Child, Command};

#[derive(Debug, Error)]
#[error("can't start `{program}`")]
pub(crate) struct StartError {
    program: String,
    source: io::Error,
}

impl StartError {
    /// The exit status that a shell would use: 127 if the program does not exist, otherwise 126.
    pub fn status(&self) -> u8 {
        if self.source.kind() == io::ErrorKind::NotFound { 127 } else { 126 }
    }
}

/// A running application.
#[derive(Debug)]
pub(crate) struct Application {
    child: Child,
    pid: Option<Pid>,
}

impl Application {
    /// Starts the program with this process's environment and these variables.
    pub fn start(command: &[OsString], variables: Vec<(String, String)>) -> Result<Self, StartError> {
        let mut words = command.iter();
        let program = words.next().cloned().unwrap_or_default();
        let child = Command::new(&program)
            .args(words)
            .envs(variables)
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| StartError { program: program.to_string_lossy().into_owned(), source })?;
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        Ok(Application { child, pid })
    }

    /// Passes a signal on, unless the program has ended.
    pub fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid {
            let _ = kill_process(pid, signal);
        }
    }

    /// Waits for the end of the program. Returns the status that a shell would report.
    pub async fn status(&mut self) -> io::Result<u8> {
        self.child.wait().await.map(shell_status)
    }
}

/// The exit status, or 128 plus the number of the signal.
fn shell_status(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_those_of_a_shell() {
        for (raw, expected) in [(0, 0), (3 << 8, 3), (255 << 8, 255), (15, 143), (2, 130), (9, 137)] {
            assert_eq!(shell_status(ExitStatus::from_raw(raw)), expected, "{raw}");
        }
    }

    #[tokio::test]
    async fn a_missing_program_is_127() {
        let error = Application::start(&["/no/such/program".into()], Vec::new()).unwrap_err();
        assert_eq!((error.status(), error.to_string()), (127, "can't start `/no/such/program`".to_owned()));
    }

    #[tokio::test]
    async fn signals_are_passed_on() {
        let mut application = Application::start(&["sleep".into(), "60".into()], Vec::new()).unwrap();
        application.signal(Signal::TERM);
        assert_eq!(application.status().await.unwrap(), 143);
    }
}
