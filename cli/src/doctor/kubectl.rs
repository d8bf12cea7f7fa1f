//! What kubectl tells of a cluster.

use std::ffi::OsString;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use thiserror::Error;
use tokio::process::Command;

/// For the API server's answer to each question.
const ANSWER: &str = "--request-timeout=30s";
/// For kubectl as a whole: somebody may have to log in.
const PATIENCE: Duration = Duration::from_secs(180);
const KINDS: &str = "llmproviders.outrigger.dev,virtualkeys.outrigger.dev,routingrules.outrigger.dev,\
                     budgets.outrigger.dev,modelcatalogs.outrigger.dev";
const RUNNING: &str = "--field-selector=status.phase!=Succeeded,status.phase!=Failed";

/// Why nothing can be told.
#[derive(Debug, Error)]
pub(crate) enum KubectlError {
    #[error(
        "there is no kubectl on the PATH, and doctor asks the cluster through it: see https://kubernetes.io/docs/tasks/tools/"
    )]
    NoKubectl,
    #[error("kubectl cannot be started: {0}")]
    Run(#[from] std::io::Error),
    #[error("kubectl did not answer within {} s", PATIENCE.as_secs())]
    Late,
    #[error("the cluster does not answer: {0}")]
    Unreachable(String),
    #[error("the output of kubectl is not JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// A question's answer: objects, or why there are none, in kubectl's words.
pub(crate) type Listing = Result<Vec<Value>, String>;

/// Everything that is looked at.
#[derive(Debug)]
pub(crate) struct ClusterState {
    pub namespace: Option<String>,
    /// Deployments of the operator.
    pub operators: Listing,
    pub leases: Listing,
    /// Mutating and validating configurations.
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

/// The way into a cluster.
#[derive(Debug)]
pub(crate) struct Kubectl {
    program: OsString,
    global: Vec<OsString>,
    namespace: Option<String>,
}

impl Kubectl {
    pub(crate) fn new(kubeconfig: Option<&Path>, context: Option<&str>, namespace: Option<&str>) -> Self {
        let mut global: Vec<OsString> = vec![ANSWER.into()];
        if let Some(file) = kubeconfig {
            global.extend(["--kubeconfig".into(), file.as_os_str().to_owned()]);
        }
        if let Some(context) = context {
            global.extend(["--context".into(), context.into()]);
        }
        Kubectl { program: "kubectl".into(), global, namespace: namespace.map(str::to_owned) }
    }

    /// Looks at everything.
    ///
    /// # Errors
    /// Where not even the first question can be asked.
    pub(crate) async fn look(&self) -> Result<ClusterState, KubectlError> {
        // Alone: if it can't be asked, nothing can, and if somebody must log in, it is once.
        self.ask(&["version", "-o", "json"]).await?.map_err(KubectlError::Unreachable)?;
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
        Ok(self.ask(&arguments).await?.map(list))
    }

    async fn ask(&self, arguments: &[&str]) -> Result<Result<Value, String>, KubectlError> {
        let mut command = Command::new(&self.program);
        command.args(&self.global).args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let run = tokio::time::timeout(PATIENCE, command.output());
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

/// The last line of what it says: those before are mostly warnings and tries.
fn why(stderr: &str) -> String {
    let last = stderr.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("it says nothing");
    last.chars().take(400).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A kubectl of a few lines. The shell reads it: a file that was just written can't be executed ("Text file busy")
    /// while a process that another test began still holds the descriptor it was written through.
    fn kubectl(folder: &Path, script: &str) -> Kubectl {
        let file = folder.join("kubectl");
        fs::write(&file, script).unwrap();
        let mut kubectl = Kubectl::new(Some(Path::new("/a/config")), Some("staging"), Some("shop"));
        kubectl.program = "sh".into();
        kubectl.global.insert(0, file.into());
        kubectl
    }

    #[tokio::test]
    async fn what_kubectl_is_told_is_passed_on() {
        let folder = tempfile::tempdir().unwrap();
        let said = folder.path().join("said");
        let kubectl =
            kubectl(folder.path(), &format!("echo \"$*\" >> '{}'; echo '{{\"items\":[{{}}]}}'", said.display()));
        let seen = kubectl.look().await.unwrap();
        assert_eq!(seen.objects.unwrap().len(), 1);
        let said = fs::read_to_string(said).unwrap();
        let lines: Vec<&str> = said.lines().collect();
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
            "{said}"
        );
    }

    #[tokio::test]
    async fn a_question_that_may_not_be_asked_is_no_end() {
        let folder = tempfile::tempdir().unwrap();
        let script =
            "case \"$*\" in *version*) echo '{}';; *) echo 'Error from server (Forbidden): no' >&2; exit 1;; esac";
        let seen = kubectl(folder.path(), script).look().await.unwrap();
        assert_eq!(seen.webhooks.unwrap_err(), "Error from server (Forbidden): no");
    }

    #[tokio::test]
    async fn without_a_cluster_or_kubectl_it_is_said_so() {
        let folder = tempfile::tempdir().unwrap();
        let script = "echo 'retrying' >&2; echo 'The connection to the server was refused' >&2; exit 1";
        let error = kubectl(folder.path(), script).look().await.unwrap_err();
        assert_eq!(error.to_string(), "the cluster does not answer: The connection to the server was refused");
        let missing = Kubectl { program: folder.path().join("no").into(), ..Kubectl::new(None, None, None) };
        let error = missing.look().await.unwrap_err();
        assert!(error.to_string().starts_with("there is no kubectl on the PATH"), "{error}");
    }
}
