//! Runs kubectl, for commands that read or change a cluster. So they work with every authentication that kubectl
//! supports.

use std::ffi::OsString;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use thiserror::Error;
use tokio::process::Command;

/// The time for each response of the API server.
const REQUEST_TIMEOUT: &str = "--request-timeout=30s";
/// The time for kubectl, which may wait for a login.
const KUBECTL_TIMEOUT: Duration = Duration::from_secs(180);

/// Why the cluster can't be read.
#[derive(Debug, Error)]
pub(crate) enum KubectlError {
    #[error(
        "kubectl is not on the PATH, and it is needed to reach the cluster: see https://kubernetes.io/docs/tasks/tools/"
    )]
    NoKubectl,
    #[error("kubectl cannot be started: {0}")]
    Run(#[from] std::io::Error),
    #[error("kubectl did not answer within {} s", KUBECTL_TIMEOUT.as_secs())]
    Late,
    #[error("the cluster does not answer: {0}")]
    Unreachable(String),
    #[error("the output of kubectl is not JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// The result of a query: objects, or kubectl's error.
pub(crate) type Listing = Result<Vec<Value>, String>;

/// A way to run kubectl.
#[derive(Debug)]
pub(crate) struct Kubectl {
    program: OsString,
    global: Vec<OsString>,
}

impl Kubectl {
    pub(crate) fn new(kubeconfig: Option<&Path>, context: Option<&str>) -> Self {
        let mut global: Vec<OsString> = vec![REQUEST_TIMEOUT.into()];
        if let Some(file) = kubeconfig {
            global.extend(["--kubeconfig".into(), file.as_os_str().to_owned()]);
        }
        if let Some(context) = context {
            global.extend(["--context".into(), context.into()]);
        }
        Kubectl { program: "kubectl".into(), global }
    }

    /// The objects of `kubectl get`.
    ///
    /// # Errors
    /// kubectl can't be run. That the API server refuses is a value.
    pub(crate) async fn get(&self, what: &str, where_: &[&str], which: &[&str]) -> Result<Listing, KubectlError> {
        let mut arguments = vec!["get", what, "-o", "json"];
        arguments.extend(where_);
        arguments.extend(which);
        let list = |mut answer: Value| match answer.get_mut("items").map(Value::take) {
            Some(Value::Array(items)) => items,
            _ => Vec::new(),
        };
        Ok(self.run(&arguments).await?.map(list))
    }

    /// Runs it. Its output must be JSON. The inner error is kubectl's own.
    ///
    /// # Errors
    /// It can't be run, or its output is not JSON.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Result<Result<Value, String>, KubectlError> {
        let mut command = Command::new(&self.program);
        command.args(&self.global).args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let run = tokio::time::timeout(KUBECTL_TIMEOUT, command.output());
        let output = match run.await {
            Err(_) => return Err(KubectlError::Late),
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => return Err(KubectlError::NoKubectl),
            Ok(output) => output?,
        };
        match output.status.success() {
            true => Ok(Ok(serde_json::from_slice(&output.stdout)?)),
            false => Ok(Err(why(&String::from_utf8_lossy(&output.stderr)))),
        }
    }
}

/// Whether kubectl says that it does not reach a cluster, or does not know which one.
pub(crate) fn is_unreachable(why: &str) -> bool {
    const SAID: [&str; 8] = [
        "The connection to the server",
        "Unable to connect to the server",
        "connection refused",
        "no such host",
        "i/o timeout",
        "context was not found",
        "no configuration has been provided",
        "current-context is not set",
    ];
    SAID.iter().any(|said| why.contains(said)) || why.starts_with("error: context ")
}

/// The last line of stderr. Those before are mostly warnings and retries.
fn why(stderr: &str) -> String {
    let last = stderr.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("it gave no reason");
    last.chars().take(400).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fs;

    use super::*;

    /// A kubectl of a few lines. The shell reads it, because a file that was just written can't be executed ("Text file
    /// busy") while a process that another test started still has its descriptor.
    pub(crate) fn scripted(folder: &Path, script: &str) -> Kubectl {
        let file = folder.join("kubectl");
        fs::write(&file, script).unwrap();
        let mut kubectl = Kubectl::new(Some(Path::new("/a/config")), Some("staging"));
        kubectl.program = "sh".into();
        kubectl.global.insert(0, file.into());
        kubectl
    }

    #[tokio::test]
    async fn a_missing_kubectl_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let missing = Kubectl { program: folder.path().join("no").into(), ..Kubectl::new(None, None) };
        let error = missing.run(&["version"]).await.unwrap_err();
        assert!(error.to_string().starts_with("kubectl is not on the PATH"), "{error}");
    }
}
