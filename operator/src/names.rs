//! Names that others rely on: annotations, labels, files. A change needs its documentation and an entry in the changelog.

/// What the operator applies fields as.
pub const FIELD_MANAGER: &str = "outrigger";
/// The operator's own Lease, certificate Secret and Service, and the Secret's in its namespace.
pub const LEASE: &str = "outrigger";
/// Annotation of the Lease: `host:port` of the listener of the one that holds it.
pub const ADDRESS: &str = "outrigger.dev/address";
pub const CERTIFICATES: &str = "outrigger-certificates";
/// The Secret with what the operator knows its own writing by, in its namespace.
pub const SEAL: &str = "outrigger-seal";

/// On pods, templates and workloads (annotation), and on namespaces (label).
pub const INJECT: &str = "outrigger.dev/inject";
/// Annotation: keys that the pod may use, the first is the default. Label, written: the first.
pub const VIRTUAL_KEY: &str = "outrigger.dev/virtual-key";
/// Written on a workload's template: the workload's own annotations, as JSON.
pub const WORKLOAD: &str = "outrigger.dev/workload";
/// Written on a pod: what was added, and why a part was left out, as JSON ([`crate::objects::binding::InjectedAnnotation`]).
pub const INJECTED: &str = "outrigger.dev/injected";
/// Label, written on a pod: the gateway's version.
pub const SIDECAR: &str = "outrigger.dev/sidecar";
/// Labels of namespaces.
pub const TEAM: &str = "outrigger.dev/team";
pub const CUSTOMER: &str = "outrigger.dev/customer";

/// Label of everything that the operator makes, with [`MANAGED_BY_VALUE`].
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
pub const MANAGED_BY_VALUE: &str = "outrigger";
/// Annotations of a generated ConfigMap: the policy's sequence and digest, in full.
pub const SEQUENCE: &str = "outrigger.dev/sequence";
pub const DIGEST: &str = "outrigger.dev/digest";
/// That this is the operator's own writing: [`crate::seal`].
pub const SEALED: &str = "outrigger.dev/seal";
/// And that a Secret of the same name belongs to it.
pub const HAS_SECRET: &str = "outrigger.dev/has-secret";

/// Keys of a generated ConfigMap.
pub const POLICY_FILE: &str = "policy.v1.json";
/// The authorities that the operator's certificate is trusted by, PEM.
pub const AUTHORITIES_FILE: &str = "ca.crt";
/// What is signed of both: [`crate::seal`].
pub const SIGNATURES_FILE: &str = outrigger_sync::SIGNATURES_FILE;
/// Under `binaryData`: what the policy was compiled from, gzip of JSON, for an operator that starts anew while an object
/// is broken.
pub const SOURCES_FILE: &str = "sources.v1.json.gz";
/// Beside the policy in the gateway's container: the pod's labels, by the downward API.
pub const LABELS_FILE: &str = "labels";

/// The container that is added to pods.
pub const CONTAINER: &str = "outrigger";
/// Its program, in the image.
pub const SIDECAR_BINARY: &str = "/outrigger-sidecar";
/// Its variables, and the pod's fields that they are.
pub const POD_FIELDS: [(&str, &str); 5] = [
    ("POD_NAME", "metadata.name"),
    ("POD_NAMESPACE", "metadata.namespace"),
    ("POD_UID", "metadata.uid"),
    // Some keys are for certain ones.
    (POD_SERVICE_ACCOUNT, "spec.serviceAccountName"),
    ("NODE_NAME", "spec.nodeName"),
];
pub const POD_SERVICE_ACCOUNT: &str = "POD_SERVICE_ACCOUNT";
/// And where somebody asked for it, what it logs.
pub const LOG: &str = "OUTRIGGER_LOG";
/// Its arguments that say whose signature it asks for, and for which ConfigMap.
pub const SIGNED_BY: &str = "--signed-by";
pub const POLICY_NAME: &str = "--policy-name";
/// The name of the port for metrics, for scrapers that look for one.
pub const ADMIN_PORT: &str = "outrigger-admin";
/// The volumes that it alone mounts, and where.
pub const TOKEN_VOLUME: &str = "outrigger-token";
pub const POLICY_VOLUME: &str = "outrigger-policy";
pub const STATE_VOLUME: &str = "outrigger-state";
pub const TOKEN_DIR: &str = "/var/run/outrigger/token";
/// In [`TOKEN_DIR`].
pub const TOKEN_FILE: &str = "token";
pub const POLICY_DIR: &str = "/var/run/outrigger/policy";
pub const STATE_DIR: &str = "/var/run/outrigger/state";
