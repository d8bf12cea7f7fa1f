//! Names that others rely on: annotations, labels, files. A change needs its documentation and an entry in the changelog.

/// The field manager of server-side apply.
pub const FIELD_MANAGER: &str = "outrigger";
/// The operator's own Lease in its namespace.
pub const LEASE: &str = "outrigger";
/// Annotation of the Lease: `host:port` of the leader's listener.
pub const ADDRESS: &str = "outrigger.dev/address";
pub const CERTIFICATES: &str = "outrigger-certificates";
/// The Secret with the key that authenticates what the operator wrote, in the operator's namespace.
pub const SEAL: &str = "outrigger-seal";

/// On pods, templates and workloads (annotation), and on namespaces (label).
pub const INJECT: &str = "outrigger.dev/inject";
/// Annotation: the keys that the pod may use; the first is the default. Label, which the operator writes: the first
/// key.
pub const VIRTUAL_KEY: &str = "outrigger.dev/virtual-key";
/// Annotation of a workload's template, which the operator writes: the workload's own annotations, as JSON.
pub const WORKLOAD: &str = "outrigger.dev/workload";
/// Annotation of a pod, which the operator writes: what was added, and why something was left out, as JSON
/// ([`crate::objects::binding::InjectedAnnotation`]).
pub const INJECTED: &str = "outrigger.dev/injected";
/// Label of a pod, which the operator writes: the gateway's version.
pub const SIDECAR: &str = "outrigger.dev/sidecar";
/// Labels of namespaces.
pub const TEAM: &str = "outrigger.dev/team";
pub const CUSTOMER: &str = "outrigger.dev/customer";

/// On objects with limits: an action that somebody asks for, as JSON (`status::action`). And who asked, which
/// admission writes.
pub const LEDGER_ACTION: &str = "outrigger.dev/ledger-action";
pub const LEDGER_ACTION_BY: &str = "outrigger.dev/ledger-action-by";

/// No webhook of the operator is called for what is there; neither in its own namespace.
pub const KUBE_SYSTEM: &str = "kube-system";

/// Label of everything that the operator creates, with [`MANAGED_BY_VALUE`].
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
pub const MANAGED_BY_VALUE: &str = "outrigger";
/// Annotations of a generated ConfigMap: the policy's sequence and digest, in full.
pub const SEQUENCE: &str = "outrigger.dev/sequence";
pub const DIGEST: &str = "outrigger.dev/digest";
/// Annotation: the seal that shows that the operator wrote this: [`crate::seal`].
pub const SEALED: &str = "outrigger.dev/seal";
/// Annotation: a Secret of the same name belongs to the ConfigMap.
pub const HAS_SECRET: &str = "outrigger.dev/has-secret";

/// Keys of a generated ConfigMap.
pub const POLICY_FILE: &str = "policy.v1.json";
/// PEM of the authorities that the operator's certificate is verified with.
pub const AUTHORITIES_FILE: &str = "ca.crt";
/// Signatures of both: [`crate::seal`].
pub const SIGNATURES_FILE: &str = outrigger_sync::SIGNATURES_FILE;
/// Under `binaryData`: the objects that the policy was compiled from, gzip of JSON. An operator that starts while an
/// object is broken needs them.
pub const SOURCES_FILE: &str = "sources.v1.json.gz";
/// The pod's labels by the downward API, beside the policy in the gateway's container.
pub const LABELS_FILE: &str = "labels";

/// The container that is added to pods.
pub const CONTAINER: &str = "outrigger";
/// The program in the image.
pub const SIDECAR_BINARY: &str = "/outrigger-sidecar";
/// The gateway's variables, and the pod's fields that they come from.
pub const POD_FIELDS: [(&str, &str); 5] = [
    ("POD_NAME", "metadata.name"),
    ("POD_NAMESPACE", "metadata.namespace"),
    ("POD_UID", "metadata.uid"),
    // Some keys are only for certain service accounts.
    (POD_SERVICE_ACCOUNT, "spec.serviceAccountName"),
    ("NODE_NAME", "spec.nodeName"),
];
pub const POD_SERVICE_ACCOUNT: &str = "POD_SERVICE_ACCOUNT";
/// The variable with the log level, if an annotation sets it.
pub const LOG: &str = "OUTRIGGER_LOG";
/// The arguments with the key whose signature the gateway requires, and with the ConfigMap that it is for.
pub const SIGNED_BY: &str = "--signed-by";
pub const POLICY_NAME: &str = "--policy-name";
/// The name of the port for metrics.
pub const ADMIN_PORT: &str = "outrigger-admin";
/// The volumes that only the gateway mounts, and their paths.
pub const TOKEN_VOLUME: &str = "outrigger-token";
pub const POLICY_VOLUME: &str = "outrigger-policy";
pub const STATE_VOLUME: &str = "outrigger-state";
/// The volume with the pod's own token for a cloud, if an annotation asks for it.
pub const IDENTITY_VOLUME: &str = "outrigger-identity";
pub const IDENTITY_DIR: &str = "/var/run/outrigger/identity";
/// The variable with the file in it.
pub const IDENTITY_FILE: &str = "OUTRIGGER_IDENTITY_TOKEN_FILE";
pub const TOKEN_DIR: &str = "/var/run/outrigger/token";
/// A file in [`TOKEN_DIR`], and in [`IDENTITY_DIR`].
pub const TOKEN_FILE: &str = "token";
pub const POLICY_DIR: &str = "/var/run/outrigger/policy";
pub const STATE_DIR: &str = "/var/run/outrigger/state";
