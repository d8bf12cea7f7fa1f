//! What the operator's Deployment says about the ledger. Pure.

use serde_json::Value;
use thiserror::Error;

use super::RecordStore;

const STORE: &str = "--ledger=";
const FROM: &str = "--ledger-migrate-from=";
const FOLDER: &str = "--ledger-postgresql=";
const CONTAINER: &str = "operator";
const VOLUME: &str = "ledger";

/// The operator, as it is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DeployedOperator {
    /// Absent: each gateway grants itself every limit.
    pub store: Option<RecordStore>,
    pub from: Option<RecordStore>,
    /// The Secret of the database, if there is one.
    pub secret: Option<String>,
    /// What `outrigger-operator records` needs.
    pub flags: Vec<String>,
    /// Helm's release, and the version of its chart; absent: Helm did not install it.
    pub release: Option<String>,
    pub chart_version: Option<String>,
    /// Every replica runs as the Deployment says now.
    pub rolled_out: bool,
}

/// Why a Deployment can't be read.
#[derive(Debug, Error)]
pub(super) enum DeploymentError {
    #[error("kubectl's answer is no Deployment of the operator: it has no container `{CONTAINER}` with arguments")]
    NoOperator,
    #[error("kubectl's answer is not JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl DeployedOperator {
    pub fn read(json: &[u8]) -> Result<Self, DeploymentError> {
        let deployment: Value = serde_json::from_slice(json)?;
        let pod = deployment.pointer("/spec/template/spec").ok_or(DeploymentError::NoOperator)?;
        let container = named(pod.get("containers"), CONTAINER).ok_or(DeploymentError::NoOperator)?;
        let arguments: Vec<&str> = match container.get("args").and_then(Value::as_array) {
            Some(arguments) => arguments.iter().filter_map(Value::as_str).collect(),
            None => return Err(DeploymentError::NoOperator),
        };
        let value = |flag: &str| arguments.iter().find_map(|argument| argument.strip_prefix(flag));
        let flags =
            arguments.iter().filter(|argument| [STORE, FROM, FOLDER].iter().any(|flag| argument.starts_with(flag)));
        let secret = named(pod.get("volumes"), VOLUME).and_then(|volume| volume.pointer("/secret/secretName"));
        let text = |pointer: &str| deployment.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let chart = text("/metadata/labels/helm.sh~1chart");
        Ok(DeployedOperator {
            store: value(STORE).and_then(RecordStore::of),
            from: value(FROM).and_then(RecordStore::of),
            secret: secret.and_then(Value::as_str).map(str::to_owned),
            flags: flags.map(|flag| (*flag).to_owned()).collect(),
            release: text("/metadata/annotations/meta.helm.sh~1release-name"),
            // Helm writes `_` for `+`, which a label can't have.
            chart_version: chart.and_then(|chart| Some(chart.rsplit_once("outrigger-")?.1.replace('_', "+"))),
            rolled_out: is_rolled_out(&deployment),
        })
    }
}

fn named<'a>(list: Option<&'a Value>, name: &str) -> Option<&'a Value> {
    list?.as_array()?.iter().find(|one| one.get("name").and_then(Value::as_str) == Some(name))
}

fn is_rolled_out(deployment: &Value) -> bool {
    let number = |pointer: &str| deployment.pointer(pointer).and_then(Value::as_u64).unwrap_or_default();
    let replicas = number("/spec/replicas");
    number("/status/observedGeneration") >= number("/metadata/generation")
        && ["updatedReplicas", "readyReplicas", "replicas"]
            .iter()
            .all(|count| number(&format!("/status/{count}")) == replicas)
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    /// A Deployment whose replicas run.
    pub fn deployment(arguments: &[&str], secret: Option<&str>) -> Value {
        let volumes = secret.map(|name| json!([{"name": "ledger", "secret": {"secretName": name}}]));
        json!({
            "metadata": {
                "generation": 3,
                "labels": {"helm.sh/chart": "outrigger-0.1.0_b7"},
                "annotations": {"meta.helm.sh/release-name": "gateways"},
            },
            "spec": {"replicas": 2, "template": {"spec": {
                "containers": [{"name": "operator", "args": arguments}],
                "volumes": volumes,
            }}},
            "status": {"observedGeneration": 3, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2},
        })
    }

    fn read(deployment: &Value) -> DeployedOperator {
        DeployedOperator::read(deployment.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn its_arguments_say_where_the_records_are() {
        let arguments = ["--namespace=o", "--image=x", "--ledger=Kubernetes", "--ledger-migrate-from=PostgreSQL"];
        let mut deployment = deployment(&arguments, Some("ledger-database"));
        let found = read(&deployment);
        assert_eq!((found.store, found.from), (Some(RecordStore::Kubernetes), Some(RecordStore::Postgres)));
        assert_eq!(found.secret.as_deref(), Some("ledger-database"));
        assert_eq!(found.flags, ["--ledger=Kubernetes", "--ledger-migrate-from=PostgreSQL"]);
        assert_eq!((found.release.as_deref(), found.chart_version.as_deref()), (Some("gateways"), Some("0.1.0+b7")));
        assert!(found.rolled_out);
        for pointer in ["/status/updatedReplicas", "/status/readyReplicas", "/status/observedGeneration"] {
            let before = deployment.pointer(pointer).unwrap().clone();
            *deployment.pointer_mut(pointer).unwrap() = json!(1);
            assert!(!read(&deployment).rolled_out, "{pointer}");
            *deployment.pointer_mut(pointer).unwrap() = before;
        }
    }

    #[test]
    fn what_is_no_operator_is_refused() {
        for wrong in ["{}", "[]", r#"{"spec":{"template":{"spec":{"containers":[{"name":"other","args":[]}]}}}}"#] {
            let error = DeployedOperator::read(wrong.as_bytes()).unwrap_err();
            assert!(error.to_string().contains("no Deployment of the operator"), "{error}");
        }
        assert!(DeployedOperator::read(b"{").is_err());
        assert_eq!(read(&deployment(&["--namespace=o"], None)).store, None);
    }
}
