//! Reads a cluster's state with kubectl.

use crate::kubectl::{Kubectl, KubectlError, Listing};

const KINDS: &str = "llmproviders.outrigger.dev,virtualkeys.outrigger.dev,routingrules.outrigger.dev,\
                     budgets.outrigger.dev,modelcatalogs.outrigger.dev";
const RUNNING: &str = "--field-selector=status.phase!=Succeeded,status.phase!=Failed";

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

impl ClusterState {
    /// Reads everything.
    ///
    /// # Errors
    /// If the first query fails.
    pub(crate) async fn read(kubectl: &Kubectl, namespace: Option<&str>) -> Result<Self, KubectlError> {
        // First and alone: if it fails, so do all others, and a login happens only once.
        kubectl.run(&["version", "-o", "json"]).await?.map_err(KubectlError::Unreachable)?;
        let here: Vec<&str> = match namespace {
            Some(namespace) => vec!["-n", namespace],
            None => vec!["-A"],
        };
        let everywhere = ["-A"].as_slice();
        let (operators, leases, webhooks, namespaces) = tokio::try_join!(
            kubectl.get("deployments.apps", everywhere, &["-l", "app.kubernetes.io/part-of=outrigger"]),
            kubectl.get("leases.coordination.k8s.io", everywhere, &["--field-selector=metadata.name=outrigger"]),
            kubectl.get("mutatingwebhookconfigurations,validatingwebhookconfigurations", &[], &[]),
            kubectl.get("namespaces", &[], &[]),
        )?;
        let (objects, gateways, bare, policies, deployments) = tokio::try_join!(
            kubectl.get(KINDS, &here, &[]),
            kubectl.get("pods", &here, &["-l", "outrigger.dev/sidecar", RUNNING]),
            kubectl.get("pods", &here, &["-l", "!outrigger.dev/sidecar", RUNNING]),
            kubectl.get("networkpolicies.networking.k8s.io", &here, &[]),
            kubectl.get("deployments.apps", &here, &[]),
        )?;
        let namespace = namespace.map(str::to_owned);
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
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::kubectl::tests::scripted;

    #[tokio::test]
    async fn arguments_are_passed_to_kubectl() {
        let folder = tempfile::tempdir().unwrap();
        let calls = folder.path().join("calls");
        let kubectl =
            scripted(folder.path(), &format!("echo \"$*\" >> '{}'; echo '{{\"items\":[{{}}]}}'", calls.display()));
        let state = ClusterState::read(&kubectl, Some("shop")).await.unwrap();
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
        let state = ClusterState::read(&scripted(folder.path(), script), None).await.unwrap();
        assert_eq!(state.webhooks.unwrap_err(), "Error from server (Forbidden): no");
    }

    #[tokio::test]
    async fn a_missing_cluster_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let script = "echo 'retrying' >&2; echo 'The connection to the server was refused' >&2; exit 1";
        let error = ClusterState::read(&scripted(folder.path(), script), None).await.unwrap_err();
        assert_eq!(error.to_string(), "the cluster does not answer: The connection to the server was refused");
    }
}
