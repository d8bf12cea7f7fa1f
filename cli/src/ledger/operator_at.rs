//! Where the operator is, and how kubectl reaches it.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use thiserror::Error;

use crate::kubectl::is_unreachable;

/// For the API server's answer.
const ANSWER: &str = "--request-timeout=60s";
const OPERATOR: &str = "deployment/outrigger";

/// Where the operator is.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct OperatorAt {
    /// The operator's namespace.
    #[arg(long, short, value_name = "NAME", default_value = outrigger_compile::OPERATOR_NAMESPACE)]
    pub namespace: String,
    /// What kubectl finds the operator by.
    #[arg(long, value_name = "KIND/NAME", default_value = OPERATOR)]
    pub operator: String,
    /// As kubectl's.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// As kubectl's.
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
}

/// Why a program gave no answer.
#[derive(Debug, Error)]
pub(super) enum ProgramError {
    #[error("there is no {0} on the PATH, and it is needed for this: see {1}")]
    Missing(&'static str, &'static str),
    #[error("{0} cannot be started: {1}")]
    Run(&'static str, io::Error),
    #[error("{0}")]
    Refused(String),
    #[error("{0}. Name the cluster with --context or --kubeconfig")]
    Unreachable(String),
}

impl ProgramError {
    /// By what a program wrote to standard error.
    pub(super) fn of(stderr: &str) -> Self {
        let why = reason(stderr);
        // The operator, which was reached, may say the same of its database.
        match own(stderr).is_none() && is_unreachable(&why) {
            true => ProgramError::Unreachable(why),
            false => ProgramError::Refused(why),
        }
    }
}

impl OperatorAt {
    /// The arguments of kubectl that run a command of the operator in its pod.
    pub fn exec(&self, words: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
        let mut all = self.global();
        all.extend(["exec".into(), "--namespace".into(), (&self.namespace).into(), (&self.operator).into()]);
        all.extend(["--container=operator", "--", "/outrigger-operator"].map(OsString::from));
        all.extend(words);
        all
    }

    /// The arguments of kubectl that read an object of the operator's namespace.
    pub fn get(&self, what: &str, output: &str) -> Vec<OsString> {
        let mut all = self.global();
        all.extend(["get", "--namespace", &self.namespace, what, "--output", output].map(OsString::from));
        all
    }

    fn global(&self) -> Vec<OsString> {
        let mut all: Vec<OsString> = vec![ANSWER.into()];
        if let Some(file) = &self.kubeconfig {
            all.extend(["--kubeconfig".into(), file.into()]);
        }
        if let Some(context) = &self.context {
            all.extend(["--context".into(), context.into()]);
        }
        all
    }
}

/// Runs kubectl. What it writes to standard output.
///
/// # Errors
/// [`ProgramError`].
pub(super) fn kubectl(arguments: &[OsString]) -> Result<Vec<u8>, ProgramError> {
    run("kubectl", "https://kubernetes.io/docs/tasks/tools/", arguments)
}

/// Runs helm. What it writes to standard output.
///
/// # Errors
/// [`ProgramError`].
pub(super) fn helm(arguments: &[OsString]) -> Result<Vec<u8>, ProgramError> {
    run("helm", "https://helm.sh/docs/intro/install/", arguments)
}

fn run(program: &'static str, help: &'static str, arguments: &[impl AsRef<OsStr>]) -> Result<Vec<u8>, ProgramError> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => ProgramError::Missing(program, help),
        _ => ProgramError::Run(program, error),
    })?;
    match output.status.success() {
        true => Ok(output.stdout),
        false => Err(ProgramError::of(&String::from_utf8_lossy(&output.stderr))),
    }
}

/// What the operator wrote to standard error; kubectl's own last line says only that a command failed.
fn reason(stderr: &str) -> String {
    let last = stderr.lines().map(str::trim).rfind(|line| !line.is_empty());
    own(stderr).or(last).unwrap_or("it says nothing").chars().take(400).collect()
}

fn own(stderr: &str) -> Option<&str> {
    stderr.lines().find_map(|line| line.trim().strip_prefix("outrigger-operator: "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operator_s_own_words_are_the_reason() {
        let stderr = "outrigger-operator: the table x is gone\ncommand terminated with exit code 1\n";
        assert_eq!(reason(stderr), "the table x is gone");
        assert_eq!(reason("Error from server (Forbidden): no"), "Error from server (Forbidden): no");
    }

    #[test]
    fn without_a_cluster_the_error_says_how_to_name_one() {
        let refused =
            "The connection to the server localhost:8080 was refused - did you specify the right host or port?";
        for stderr in
            [refused, "error: context \"prod\" does not exist", "dial tcp 127.0.0.1:1: connect: connection refused"]
        {
            let error = ProgramError::of(stderr).to_string();
            assert_eq!(error, format!("{stderr}. Name the cluster with --context or --kubeconfig"));
        }
        let forbidden = "Error from server (Forbidden): no";
        assert_eq!(ProgramError::of(forbidden).to_string(), forbidden);
        let database = "outrigger-operator: the database: connection refused\ncommand terminated with exit code 1\n";
        assert_eq!(ProgramError::of(database).to_string(), "the database: connection refused");
    }
}
