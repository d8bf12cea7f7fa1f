//! Reads a cluster's state with kubectl.

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
const KINDS: &str = "llmproviders.outrigger.dev,virtualkeys.outrigger.dev,routingrules.outrigger.dev,\
                     budgets.outrigger.dev,modelcatalogs.outrigger.dev";
const RUNNING: &str = "--field-selector=status.phase!=Succeeded,status.phase!=Failed";

/// Why the cluster can't be read.
#[derive(Debug, Error)]
pub(crate) enum KubectlError {
    #[error(
        "kubectl is not on the PATH, and doctor needs it to read the cluster: see https://kubernetes.io/docs/tasks/tools/"
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

/// Everything that doctor checks.
#[derive(Debug)]
pub(crate) struct ClusterState {
    pub namespace: Option<String>,
    /// The operator's Deployments.
    pub operators: Listing,
    pub leases: Listing,
    /// The mutating and validating webhook configurations.
    pub webhooks: Listing,
    pub objects: Listing,
    pub namespaces: Listing,
    /// Pods with a gateway, and those without.
    pub gateways: Listing,
    pub bare: Listing,
    /// NetworkPolicies.
    pub policies: Listing,
    pub deployments: Listing,
}

/// A way to run kubectl.
#[derive(Debug)]
pub(crate) struct Kubectl {
    program: OsString,
    global: Vec<OsString>,
    namespace: Option<String>,
}

impl Kubectl {
    pub(crate) fn new(kubeconfig: Option<&Path>, context: Option<&str>, namespace: Option<&str>) -> Self {
        let mut global: Vec<OsString> = vec![REQUEST_TIMEOUT.into()];
        if let Some(file) = kubeconfig {
            global.extend(["--kubeconfig".into(), file.as_os_str().to_owned()]);
        }
        if let Some(context) = context {
            global.extend(["--context".into(), context.into()]);
        }
        Kubectl { program: "kubectl".into(), global, namespace: namespace.map(str::to_owned) }
    }

    /// Reads everything.
    ///
    /// # Errors
    /// If the first query fails.
    pub(crate) async fn read(&self) -> Result<ClusterState, KubectlError> {
        // First and alone: if it fails, so do all others, and a login happens only once.
        self.run(&["version", "-o", "json"]).await?.map_err(KubectlError::Unreachable)?;
        let here: Vec<&str> = match &self.namespace {
            Some(namespace) => vec!["-n", namespace],
            None => vec!["-A"],
        };
        let everywhere = ["-A"].as_slice();
        let (operators, leases, webhooks, namespaces) = tokio::try_join!(
            self.get("deployments.apps", everywhere, &["-l", "app.kubernetes.io/part-of=outrigger"]),
            self.get("leases.coordination.k8s.io", everywhere, &["--field-selector=metadata.name=outrigger"]),
            self.get("mutatingwebhookconfigurations,validatingwebhookconfigurations", &[], &[]),
            self.get("namespaces", &[], &[]),
        )?;
        let (objects, gateways, bare, policies, deployments) = tokio::try_join!(
            self.get(KINDS, &here, &[]),
            self.get("pods", &here, &["-l", "outrigger.dev/sidecar", RUNNING]),
            self.get("pods", &here, &["-l", "!outrigger.dev/sidecar", RUNNING]),
            self.get("networkpolicies.networking.k8s.io", &here, &[]),
            self.get("deployments.apps", &here, &[]),
        )?;
        let namespace = self.namespace.clone();
        Ok(ClusterState {
            namespace,
            operators,
            leases,
            webhooks,
            objects,
            namespaces,
            gateways,
            bare,
            policies,
            deployments,
        })
    }

    async fn get(&self, what: &str, where_: &[&str], which: &[&str]) -> Result<Listing, KubectlError> {
        let mut arguments = vec!["get", what, "-o", "json"];
        arguments.extend(where_);
        arguments.extend(which);
        let list = |mut answer: Value| match answer.get_mut("items").map(Value::take) {
            Some(Value::Array(items)) => items,
            _ => Vec::new(),
        };
        Ok(self.run(&arguments).await?.map(list))
    }

    async fn run(&self, arguments: &[&str]) -> Result<Result<Value, String>, KubectlError> {
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

/// The last line of stderr. Those before are mostly warnings and retries.
fn why(stderr: &str) -> String {
    let last = stderr.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("it gave no reason");
    last.chars().take(400).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A kubectl of a few lines. The shell reads it, because a file that was just written can't be executed ("Text file
    /// busy") while a process that another test started still has its descriptor.
    fn kubectl(folder: &Path, script: &str) -> Kubectl {
        let file = folder.join("kubectl");
        fs::write(&file, script).unwrap();
        let mut kubectl = Kubectl::new(Some(Path::new("/a/config")), Some("staging"), Some("shop"));
        kubectl.program = "sh".into();
        kubectl.global.insert(0, file.into());
        kubectl
    }

    #[tokio::test]
    async fn arguments_are_passed_to_kubectl() {
        let folder = tempfile::tempdir().unwrap();
        let calls = folder.path().join("calls");
        let kubectl =
            kubectl(folder.path(), &format!("echo \"$*\" >> '{}'; echo '{{\"items\":[{{}}]}}'", calls.display()));
        let state = kubectl.read().await.unwrap();
        assert_eq!(state.objects.unwrap().len(), 1);
        let calls = fs::read_to_string(calls).unwrap();
        let lines: Vec<&str> = calls.lines().collect();
        assert_eq!(lines.len(), 10);
        assert!(
            lines
                .iter()
                .all(|line| line.starts_with("--request-timeout=30s --kubeconfig /a/config --context staging "))
        );
        assert!(
            lines.iter().any(|line| line.ends_with(
                "-o json -n shop -l outrigger.dev/sidecar --field-selector=status.phase!=Succeeded,status.phase!=Failed"
            )),
            "{calls}"
        );
    }

    #[tokio::test]
    async fn a_forbidden_query_does_not_stop_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let script =
            "case \"$*\" in *version*) echo '{}';; *) echo 'Error from server (Forbidden): no' >&2; exit 1;; esac";
        let state = kubectl(folder.path(), script).read().await.unwrap();
        assert_eq!(state.webhooks.unwrap_err(), "Error from server (Forbidden): no");
    }

    #[tokio::test]
    async fn a_missing_cluster_or_kubectl_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let script = "echo 'retrying' >&2; echo 'The connection to the server was refused' >&2; exit 1";
        let error = kubectl(folder.path(), script).read().await.unwrap_err();
        assert_eq!(error.to_string(), "the cluster does not answer: The connection to the server was refused");
        let missing = Kubectl { program: folder.path().join("no").into(), ..Kubectl::new(None, None, None) };
        let error = missing.read().await.unwrap_err();
        assert!(error.to_string().starts_with("kubectl is not on the PATH"), "{error}");
    }
}
