//! The reasons why a pod has no gateway or was refused. `docs/annotations.md` is generated from this list.

use std::fmt;

/// Stable words: they appear in admission responses, on pods, in metrics and in Events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum InjectionReason {
    /// Nothing asks for a gateway.
    NotAsked,
    /// `outrigger.dev/inject: "false"`.
    OptedOut,
    /// The pod already has its gateway.
    AlreadyInjected,
    /// The pod is the kubelet's mirror of one that it runs from a file.
    StaticPod,
    HostNetwork,
    SharedProcesses,
    Windows,
    PortInUse,
    NameTaken,
    ForeignGateway,
    UnknownContainer,
    UnknownAnnotation,
    InvalidAnnotation,
    NamespaceUnknown,
}

impl InjectionReason {
    pub const ALL: [InjectionReason; 14] = [
        InjectionReason::NotAsked,
        InjectionReason::OptedOut,
        InjectionReason::AlreadyInjected,
        InjectionReason::StaticPod,
        InjectionReason::HostNetwork,
        InjectionReason::SharedProcesses,
        InjectionReason::Windows,
        InjectionReason::PortInUse,
        InjectionReason::NameTaken,
        InjectionReason::ForeignGateway,
        InjectionReason::UnknownContainer,
        InjectionReason::UnknownAnnotation,
        InjectionReason::InvalidAnnotation,
        InjectionReason::NamespaceUnknown,
    ];

    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            InjectionReason::NotAsked => "NotAsked",
            InjectionReason::OptedOut => "OptedOut",
            InjectionReason::AlreadyInjected => "AlreadyInjected",
            InjectionReason::StaticPod => "StaticPod",
            InjectionReason::HostNetwork => "HostNetwork",
            InjectionReason::SharedProcesses => "SharedProcesses",
            InjectionReason::Windows => "Windows",
            InjectionReason::PortInUse => "PortInUse",
            InjectionReason::NameTaken => "NameTaken",
            InjectionReason::ForeignGateway => "ForeignGateway",
            InjectionReason::UnknownContainer => "UnknownContainer",
            InjectionReason::UnknownAnnotation => "UnknownAnnotation",
            InjectionReason::InvalidAnnotation => "InvalidAnnotation",
            InjectionReason::NamespaceUnknown => "NamespaceUnknown",
        }
    }

    /// Finds one of [`Self::ALL`] by its word.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.word() == word)
    }

    /// The meaning and what to do, as text for the docs.
    #[must_use]
    pub fn means(self) -> &'static str {
        match self {
            InjectionReason::NotAsked => "Neither the pod, its workload nor its namespace asks for a gateway.",
            InjectionReason::OptedOut => "`outrigger.dev/inject: \"false\"` on the pod or its workload.",
            InjectionReason::AlreadyInjected => "The pod has its gateway, and nothing needs repair.",
            InjectionReason::StaticPod => {
                "The kubelet runs it from a file of its node: nothing can be added to it here."
            }
            InjectionReason::HostNetwork => {
                "With `hostNetwork: true` every process of the node could call the gateway. Remove it, or opt out."
            }
            InjectionReason::SharedProcesses => {
                "With `shareProcessNamespace` or `hostPID` the application could read the gateway's credentials out of \
                 its process. Remove it, or opt out."
            }
            InjectionReason::Windows => "The gateway runs on Linux. Opt out.",
            InjectionReason::PortInUse => {
                "A container listens where the gateway would. Set `outrigger.dev/port` or `outrigger.dev/admin-port`."
            }
            InjectionReason::NameTaken => {
                "The pod has a container `outrigger` or a volume of one of the gateway's names that is not the \
                 operator's, or a container mounts one of the gateway's volumes. Rename it, or remove the mount."
            }
            InjectionReason::ForeignGateway => {
                "The pod's gateway differs from the operator's (image, arguments, variables, probes, mounts, volumes), \
                 or others can read what only the gateway may have: another volume holds a token for the audience `outrigger`, or \
                 `hostAliases`, `dnsPolicy` or `dnsConfig` change where the operator's name resolves to. Such a gateway gets no credentials. Remove what the message names. Name a mirror of the image \
                 to the operator with `--trusted-image`."
            }
            InjectionReason::UnknownContainer => {
                "`outrigger.dev/containers` names a container that the pod does not have."
            }
            InjectionReason::UnknownAnnotation => {
                "An unknown `outrigger.dev/` annotation, or one that is not for pods: often a typo."
            }
            InjectionReason::InvalidAnnotation => {
                "The annotation's value is invalid. The message says what is allowed."
            }
            InjectionReason::NamespaceUnknown => {
                "The operator has not seen the pod's namespace yet. A pod that asks is refused, and clients and controllers \
                 retry by themselves after a second. If only its namespace asks, the pod starts without a gateway, unless \
                 `webhooks.failurePolicy` is `Fail`."
            }
        }
    }
}

impl fmt::Display for InjectionReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_identifies_its_reason() {
        for reason in InjectionReason::ALL {
            assert_eq!(InjectionReason::named(reason.word()), Some(reason));
        }
        assert_eq!(InjectionReason::named("hostNetwork"), None);
    }
}
