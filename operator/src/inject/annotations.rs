//! The table of all annotations: where each may be used, its values, and its meaning. `docs/annotations.md` is generated from
//! it.

use outrigger_policy::nearest;
use thiserror::Error;

use crate::inject::values::{self, ShownValue, ValueError};
use crate::names;
use crate::objects::binding::Binding;

/// The prefix of all our annotations.
pub const PREFIX: &str = "outrigger.dev/";

/// The object that an annotation is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AnnotationTarget {
    /// A pod, or a workload's pod template.
    Pod,
    /// A Deployment, StatefulSet, DaemonSet, CronJob or Job.
    Workload,
    /// A namespace, with defaults for its pods.
    Namespace,
}

impl AnnotationTarget {
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            AnnotationTarget::Pod => "pod",
            AnnotationTarget::Workload => "workload",
            AnnotationTarget::Namespace => "namespace",
        }
    }
}

/// A row of [`TABLE`].
#[derive(Clone, Copy, Debug)]
pub struct Annotation {
    /// The name after [`PREFIX`].
    pub word: &'static str,
    pub targets: &'static [AnnotationTarget],
    /// The default, as text for the docs.
    pub default: &'static str,
    /// The meaning and the allowed values, as text for the docs.
    pub means: &'static str,
    check: fn(&str) -> Result<(), ValueError>,
}

const ALL: &[AnnotationTarget] = &[AnnotationTarget::Pod, AnnotationTarget::Workload, AnnotationTarget::Namespace];
const NEAR: &[AnnotationTarget] = &[AnnotationTarget::Pod, AnnotationTarget::Workload];

/// Annotations that users set.
pub const TABLE: &[Annotation] = &[
    Annotation {
        word: "inject",
        targets: NEAR,
        default: "the namespace's label",
        means: "`\"true\"` or `\"false\"`: whether pods carry a gateway.",
        check: |value| values::truth(value).map(drop),
    },
    Annotation {
        word: "virtual-key",
        targets: ALL,
        default: "`default`",
        means: "The VirtualKeys of the pod's namespace that it may use, at most four with commas between them; the first \
                is the default one. They need not exist yet.",
        check: |value| Binding::parse("", Some(value)).map(drop).map_err(ValueError::Keys),
    },
    Annotation {
        word: "capture",
        targets: ALL,
        default: "`openai,anthropic,gemini`",
        means: "The SDKs that variables point at the gateway: any of `openai`, `anthropic`, `gemini`, `azure`, \
                `bedrock`, `cohere` with commas between them (not `openai` and `azure` together), or `none`.",
        check: |value| values::captures(value).map(drop),
    },
    Annotation {
        word: "containers",
        targets: NEAR,
        default: "all of `spec.containers`, but for other injectors'",
        means: "The containers that get those variables. Init containers may be named too, if they start after the gateway.",
        check: |value| values::containers(value).map(drop),
    },
    Annotation {
        word: "port",
        targets: ALL,
        default: "`4180`",
        means: "The gateway's port for the application, on loopback: 1024 to 65535.",
        check: |value| values::port(value).map(drop),
    },
    Annotation {
        word: "admin-port",
        targets: ALL,
        default: "`4181`",
        means: "The gateway's port for probes and metrics: 1024 to 65535.",
        check: |value| values::port(value).map(drop),
    },
    Annotation {
        word: "cpu",
        targets: ALL,
        default: "`10m`",
        means: "The gateway's CPU, as `request` or `request/limit`; without a limit it has none.",
        check: |value| values::cpu(value).map(drop),
    },
    Annotation {
        word: "memory",
        targets: ALL,
        default: "`16Mi/64Mi`",
        means: "The gateway's memory, as `request` or `request/limit`, at least 16Mi; without a limit it is 64Mi, or the \
                request if that is more.",
        check: |value| values::memory(value).map(drop),
    },
    Annotation {
        word: "log-level",
        targets: ALL,
        default: "`info`",
        means: "`error`, `warn`, `info`, `debug` or `trace`: what the gateway logs.",
        check: |value| values::level(value).map(drop),
    },
    Annotation {
        word: "identity-audience",
        targets: ALL,
        default: "",
        means: "The audience of a token of the pod's service account, which the gateway then has, and exchanges for one of a \
                cloud: `api://AzureADTokenExchange` for Azure, `sts.amazonaws.com` for AWS, the workload identity pool's provider for \
                Google. See [access tokens](semantics.md#access-tokens).",
        check: |value| values::audience(value).map(drop),
    },
];

/// Annotations and labels that the operator writes. Nobody sets them on a pod.
pub const WRITTEN: &[(&str, &str, &str)] = &[
    (names::INJECTED, "an annotation of pods", "What was added, and why the gateway was left out, as JSON."),
    (
        names::WORKLOAD,
        "an annotation of templates",
        "The workload's own annotations, as JSON. Written and removed with them.",
    ),
    (
        names::LEDGER_ACTION_BY,
        "an annotation of VirtualKeys, Budgets and LLMProviders",
        "Who asked for the action on a limit that `outrigger.dev/ledger-action` names: see [budgets](budgets.md#forgive-reset-and-raise).",
    ),
    (names::SIDECAR, "a label of pods", "The gateway's version."),
    (names::VIRTUAL_KEY, "a label of pods", "The first VirtualKey: `kubectl get pods -L outrigger.dev/virtual-key`."),
    (names::SEQUENCE, "an annotation of ConfigMaps", "The policy's sequence."),
    (names::DIGEST, "an annotation of ConfigMaps", "The policy's digest."),
];

/// Labels of namespaces that the operator reads.
pub const NAMESPACE_LABELS: &[(&str, &str)] = &[
    (names::INJECT, "`\"true\"`: every pod that does not opt out carries a gateway."),
    (names::TEAM, "The team, for rules, budgets and reports. It overrides the team of a key."),
    (names::CUSTOMER, "The customer, in the same way."),
];

/// Why an annotation is invalid.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AnnotationError {
    #[error("the {}'s annotation {PREFIX}{word}: {error}", target.word())]
    Value { target: AnnotationTarget, word: &'static str, error: ValueError },
    #[error("{name} is no annotation of a {}{}", target.word(), hint(*target, name.as_str()))]
    Unknown { target: AnnotationTarget, name: ShownValue },
    #[error("the pod's annotation {} is not what the operator writes; remove it from the template", names::WORKLOAD)]
    Stamp,
    #[error(
        "the gateway can't listen for clients and for operators on the same port {0}: change {PREFIX}port or {PREFIX}admin-port"
    )]
    OnePort(u16),
}

/// The row of an annotation, if it is allowed on that object.
#[must_use]
pub fn row(target: AnnotationTarget, word: &str) -> Option<&'static Annotation> {
    TABLE.iter().find(|row| row.word == word && row.targets.contains(&target))
}

/// Checks one of our annotations by its full name.
///
/// # Errors
/// [`AnnotationError::Unknown`] and [`AnnotationError::Value`].
pub fn check(target: AnnotationTarget, name: &str, value: &str) -> Result<(), AnnotationError> {
    let Some(row) = name.strip_prefix(PREFIX).and_then(|word| row(target, word)) else {
        return Err(AnnotationError::Unknown { target, name: ShownValue::of(name) });
    };
    (row.check)(value).map_err(|error| AnnotationError::Value { target, word: row.word, error })
}

/// A hint for a name that is not allowed on that object.
fn hint(target: AnnotationTarget, name: &str) -> String {
    let word = name.strip_prefix(PREFIX).unwrap_or(name);
    if let Some((_, what, _)) = WRITTEN.iter().find(|(written, _, _)| *written == name)
        && TABLE.iter().all(|row| row.word != word)
    {
        return format!(": it is {what}, written by the operator");
    }
    if NAMESPACE_LABELS.iter().any(|(label, _)| *label == name) {
        return match target {
            AnnotationTarget::Namespace => ": it is a label".to_owned(),
            _ => ": it is a label of namespaces".to_owned(),
        };
    }
    if let Some(row) = TABLE.iter().find(|row| row.word == word) {
        let targets: Vec<&str> = row.targets.iter().map(|target| target.word()).collect();
        return format!(": it belongs on a {}", targets.join(" or "));
    }
    let known = TABLE.iter().filter(|row| row.targets.contains(&target)).map(|row| row.word);
    match nearest(&word.to_lowercase(), known) {
        Some(like) => format!("; did you mean `{PREFIX}{like}`?"),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_values_are_accepted() {
        for (word, values) in [
            ("inject", &["true", "false"][..]),
            ("virtual-key", &["search", "search, batch"]),
            ("capture", &["openai", "none", "gemini,anthropic,azure,bedrock,cohere"]),
            ("containers", &["app", "app, worker"]),
            ("port", &["1024", "65535"]),
            ("admin-port", &["9000"]),
            ("cpu", &["1m", "50m/1", "0.5"]),
            ("memory", &["16Mi", "32Mi/128Mi", "1Gi/1024Mi"]),
            ("log-level", &["warn"]),
            (
                "identity-audience",
                &["api://AzureADTokenExchange", "sts.amazonaws.com", "//iam.googleapis.com/projects/1/x"],
            ),
        ] {
            for value in values {
                assert_eq!(check(AnnotationTarget::Pod, &format!("{PREFIX}{word}"), value), Ok(()), "{word}: {value}");
            }
        }
    }

    #[test]
    fn invalid_values_are_errors_that_name_valid_ones() {
        let error_of = |name: &str, value: &str| check(AnnotationTarget::Pod, name, value).unwrap_err().to_string();
        for (name, value, expected) in [
            (
                "outrigger.dev/inject",
                "yes",
                "the pod's annotation outrigger.dev/inject: `yes` is neither `true` nor `false`",
            ),
            (
                "outrigger.dev/capture",
                "opnai",
                "the pod's annotation outrigger.dev/capture: `opnai` is not a supported SDK: openai, anthropic, gemini, azure, bedrock, cohere or none; did you mean `openai`?",
            ),
            (
                "outrigger.dev/capture",
                "none,openai",
                "the pod's annotation outrigger.dev/capture: `none` can't be combined with others",
            ),
            (
                "outrigger.dev/capture",
                " , ",
                "the pod's annotation outrigger.dev/capture: is empty: name one or more with commas between them, or `none`",
            ),
            (
                "outrigger.dev/capture",
                "openai,azure",
                "the pod's annotation outrigger.dev/capture: `openai` and `azure` can't be captured together: an Azure client that finds both refuses to start",
            ),
            ("outrigger.dev/containers", "a,a", "the pod's annotation outrigger.dev/containers: names `a` twice"),
            ("outrigger.dev/port", "80", "the pod's annotation outrigger.dev/port: `80` is no port from 1024 to 65535"),
            (
                "outrigger.dev/port",
                "+8080",
                "the pod's annotation outrigger.dev/port: `+8080` is no port from 1024 to 65535",
            ),
            (
                "outrigger.dev/memory",
                "64m",
                "the pod's annotation outrigger.dev/memory: `64m` is less than the gateway needs, 16Mi",
            ),
            (
                "outrigger.dev/memory",
                "64Mi/32Mi",
                "the pod's annotation outrigger.dev/memory: `64Mi/32Mi`: the request is over the limit",
            ),
            (
                "outrigger.dev/cpu",
                "a lot",
                "the pod's annotation outrigger.dev/cpu: `a lot` is no amount of CPU: give `request` or `request/limit`, such as `50m` or `50m/1`",
            ),
            (
                "outrigger.dev/identity-audience",
                "outrigger",
                "the pod's annotation outrigger.dev/identity-audience: `outrigger` is the audience of the gateway's own token, which nobody else may get",
            ),
            (
                "outrigger.dev/identity-audience",
                "a b",
                "the pod's annotation outrigger.dev/identity-audience: `a b` is no audience: at most 253 visible ASCII characters",
            ),
            (
                "outrigger.dev/log-level",
                "warning",
                "the pod's annotation outrigger.dev/log-level: `warning` is no level: error, warn, info, debug, trace; did you mean `warn`?",
            ),
            (
                "outrigger.dev/virtual-key",
                "Search",
                "the pod's annotation outrigger.dev/virtual-key: `Search` is no name of a VirtualKey: lower-case letters, digits and dashes, at most 50 characters",
            ),
            (
                "outrigger.dev/virtual-keys",
                "a",
                "outrigger.dev/virtual-keys is no annotation of a pod; did you mean `outrigger.dev/virtual-key`?",
            ),
            ("outrigger.dev/team", "a", "outrigger.dev/team is no annotation of a pod: it is a label of namespaces"),
            (
                "outrigger.dev/sequence",
                "4",
                "outrigger.dev/sequence is no annotation of a pod: it is an annotation of ConfigMaps, written by the operator",
            ),
            (
                "outrigger.dev/sidecar",
                "4",
                "outrigger.dev/sidecar is no annotation of a pod: it is a label of pods, written by the operator",
            ),
            ("outrigger.dev/xyzzy", "4", "outrigger.dev/xyzzy is no annotation of a pod"),
        ] {
            assert_eq!(error_of(name, value), expected);
        }
        let elsewhere = check(AnnotationTarget::Namespace, "outrigger.dev/containers", "app").unwrap_err().to_string();
        assert_eq!(
            elsewhere,
            "outrigger.dev/containers is no annotation of a namespace: it belongs on a pod or workload"
        );
        let label = check(AnnotationTarget::Namespace, "outrigger.dev/inject", "true").unwrap_err().to_string();
        assert_eq!(label, "outrigger.dev/inject is no annotation of a namespace: it is a label");
    }

    #[test]
    fn long_values_are_shown_on_one_line() {
        let error = check(AnnotationTarget::Pod, "outrigger.dev/port", &format!("1\n{}", "9".repeat(500)))
            .unwrap_err()
            .to_string();
        assert!(error.len() < 200 && !error.contains('\n'), "{error}");
    }
}
