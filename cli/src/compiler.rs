//! The compile of `outrigger run`, in a separate process.
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

/// The hidden command that starts the compiling process.
pub(crate) const COMMAND: &str = "compile-for-run";

/// The input of a compile.
#[derive(Serialize, Deserialize)]
pub(crate) struct CompileJob {
    pub texts: Vec<SourceText>,
    /// VirtualKeys that the command line names.
    pub keys: Vec<String>,
    pub sequence: u64,
}

/// The result of a compile. It holds credentials, so it has no Debug.
#[derive(Serialize, Deserialize)]
pub(crate) struct CompileOutcome {
    /// The usable part of the policy.
    pub document: Document,
    pub secrets: Vec<(SecretRef, String)>,
    /// The secrets whose values come from the environment.
    pub from_environment: Vec<SecretRef>,
    /// Faults, by file and line.
    pub findings: Vec<Finding>,
    /// Valid objects that have no effect.
    pub idle: Vec<Finding>,
    /// The variables that may hold credentials.
    pub variables: Vec<String>,
    /// Objects of other API groups.
    pub ignored: Vec<String>,
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

impl CompileJob {
    /// Compiles in a separate process if one can be started, otherwise in this one.
    pub(crate) async fn compile_apart(self) -> CompileOutcome {
        match self.in_another_process().await {
            Ok(outcome) => outcome,
            Err(error) => {
                tracing::debug!(%error, "can't compile in another process");
                self.compile_here()
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
    pub(crate) fn compile_here(&self) -> CompileOutcome {
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

/// The running program, even if another version has been installed in its place.
fn program() -> io::Result<PathBuf> {
    let own = Path::new("/proc/self/exe");
    if own.exists() { Ok(own.to_owned()) } else { std::env::current_exe() }
}

/// The separate process: reads a job from standard input and writes its outcome to standard output.
pub(crate) fn main() -> ExitCode {
    // The parent process reports a failure.
    let _ = process_memory::keep_memory_private();
    let mut text = Vec::new();
    let done = io::stdin().lock().read_to_end(&mut text).and_then(|_| {
        let job: CompileJob = serde_json::from_slice(&text)?;
        let outcome = serde_json::to_vec(&job.compile_here())?;
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
    fn an_outcome_survives_serialization() {
        let text = include_str!("../../examples/quickstart/providers.yaml");
        let texts = vec![SourceText { file: "providers.yaml".to_owned(), text: text.to_owned() }];
        let job = CompileJob { texts, keys: vec!["nobody".to_owned()], sequence: 7 };
        let written = serde_json::to_vec(&job).unwrap();
        let here = job.compile_here();
        assert_eq!(here.document.providers.len(), 3);
        assert!(!here.findings.is_empty(), "there is no such key");
        let piped = serde_json::from_slice::<CompileJob>(&written).unwrap().compile_here();
        let piped: CompileOutcome = serde_json::from_slice(&serde_json::to_vec(&piped).unwrap()).unwrap();
        assert_eq!(piped.document, here.document);
        assert_eq!(piped.findings, here.findings);
        assert_eq!((piped.idle, piped.variables), (here.idle, here.variables));
    }
}
