//! The compile of `outrigger run`, in a process of its own.
//!
//! Reading, checking and compiling objects needs more code than serving, and leaves more memory behind. A process that
//! serves for days would keep both resident. So `run` starts this program once more for each compile, writes a [`CompileJob`] to
//! it, and reads the [`CompileOutcome`]. If that fails, `run` compiles by itself.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};

use outrigger_compile::{Compiled, Finding, Inputs, OPERATOR_NAMESPACE, Severity, compile};
use outrigger_core::SecretRef;
use outrigger_policy::Document;
use outrigger_sidecar::server::process_memory;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use crate::folder::{self, SourceText};
use crate::{environment, idle, style};

/// The hidden command by which the program is started.
pub(crate) const COMMAND: &str = "compile-for-run";

/// What is to be compiled.
#[derive(Serialize, Deserialize)]
pub(crate) struct CompileJob {
    pub texts: Vec<SourceText>,
    /// VirtualKeys that are asked for by name.
    pub keys: Vec<String>,
    pub sequence: u64,
}

/// What becomes of it. It holds credentials, so it is shown to nobody.
#[derive(Serialize, Deserialize)]
pub(crate) struct CompileOutcome {
    /// What can be used.
    pub document: Document,
    pub secrets: Vec<(SecretRef, String)>,
    /// The secrets whose values are from the environment.
    pub from_environment: Vec<SecretRef>,
    /// What is wrong, by file and line.
    pub findings: Vec<Finding>,
    /// Objects that are sound and answer nobody.
    pub idle: Vec<Finding>,
    /// The variables in which credentials are looked for.
    pub variables: Vec<String>,
    /// Objects of other groups.
    pub ignored: Vec<String>,
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

impl CompileJob {
    /// Compiles in a process of its own, if one can be started.
    pub(crate) async fn apart(self) -> CompileOutcome {
        match self.in_another_process().await {
            Ok(outcome) => outcome,
            Err(error) => {
                tracing::debug!(%error, "can't compile in another process");
                self.here()
            }
        }
    }

    async fn in_another_process(&self) -> io::Result<CompileOutcome> {
        let job = serde_json::to_vec(self)?;
        let mut command = Command::new(program()?);
        command.arg(COMMAND).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn()?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let writing = async {
            let mut stdin = stdin.ok_or(io::ErrorKind::BrokenPipe)?;
            stdin.write_all(&job).await?;
            stdin.shutdown().await
        };
        let reading = async {
            let mut text = Vec::new();
            stdout.ok_or(io::ErrorKind::BrokenPipe)?.read_to_end(&mut text).await?;
            io::Result::Ok(text)
        };
        let ((), text) = tokio::try_join!(writing, reading)?;
        match child.wait().await?.success() {
            true => Ok(serde_json::from_slice(&text)?),
            false => Err(io::Error::other("it failed")),
        }
    }

    /// Compiles in this process.
    pub(crate) fn here(&self) -> CompileOutcome {
        let source = folder::objects(&self.texts);
        let inputs = Inputs {
            objects: &source.objects,
            unread: source.has_unread(),
            environment: &variable,
            keys: &self.keys,
            without_value: Severity::Warning,
            sequence: self.sequence,
            operator_namespace: OPERATOR_NAMESPACE,
        };
        let mut compiled = compile(&inputs);
        compiled.findings.extend(source.findings.iter().cloned());
        compiled.findings.sort_by(|a, b| a.location.cmp(&b.location));
        let idle = idle::findings(&source, &compiled);
        let Compiled { document, secrets, from_environment, findings, .. } = compiled;
        let variables = environment::named(&source.objects);
        CompileOutcome { document, secrets, from_environment, findings, idle, variables, ignored: source.ignored }
    }
}

/// This very program, even if another version has been installed in its place meanwhile.
fn program() -> io::Result<PathBuf> {
    let own = Path::new("/proc/self/exe");
    if own.exists() { Ok(own.to_owned()) } else { std::env::current_exe() }
}

/// The other process: a job on standard input, its outcome on standard output.
pub(crate) fn main() -> ExitCode {
    // What fails here has failed in the process that asks, which says so.
    let _ = process_memory::keep_memory_private();
    let mut text = Vec::new();
    let done = io::stdin().lock().read_to_end(&mut text).and_then(|_| {
        let job: CompileJob = serde_json::from_slice(&text)?;
        let outcome = serde_json::to_vec(&job.here())?;
        io::stdout().lock().write_all(&outcome)
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => style::fail(&error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_is_the_same_behind_a_pipe() {
        let text = include_str!("../../examples/quickstart/providers.yaml");
        let texts = vec![SourceText { file: "providers.yaml".to_owned(), text: text.to_owned() }];
        let job = CompileJob { texts, keys: vec!["nobody".to_owned()], sequence: 7 };
        let written = serde_json::to_vec(&job).unwrap();
        let here = job.here();
        assert_eq!(here.document.providers.len(), 3);
        assert!(!here.findings.is_empty(), "there is no such key");
        let there = serde_json::from_slice::<CompileJob>(&written).unwrap().here();
        let there: CompileOutcome = serde_json::from_slice(&serde_json::to_vec(&there).unwrap()).unwrap();
        assert_eq!(there.document, here.document);
        assert_eq!(there.findings, here.findings);
        assert_eq!((there.idle, there.variables), (here.idle, here.variables));
    }
}
