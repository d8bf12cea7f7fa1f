//! The reasons of conditions. `docs/conditions.md` is generated from this list.

/// A condition's `reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ConditionReason {
    /// True, without remarks.
    Accepted,
    Resolved,
    Programmed,
    Ready,
    /// Not processed yet.
    Pending,
    /// The schema or a rule of the kind does not accept it (a newer definition may have).
    Malformed,
    /// Something in it can't be used.
    Invalid,
    /// A rule's own tests fail.
    TestsFailed,
    /// The policy of a key that it belongs to would be over 900 kB.
    TooLarge,
    /// It refers to an object that does not exist.
    RefNotFound,
    /// It refers to an object that its namespace may not use.
    RefNotPermitted,
    /// A Secret that it refers to does not exist or lacks the key.
    SecretNotFound,
    /// An object that it depends on is not accepted.
    DependencyInvalid,
    /// `suspended: true`.
    Suspended,
    /// `expiresAt` has passed.
    Expired,
    /// The API server does not accept its policy from the operator until a user changes something.
    NotWritten,
    /// No pod is bound to it.
    NoSidecars,
    /// A gateway refused the policy.
    Rejected,
    /// Connected gateways have not loaded the policy within 30 seconds.
    SidecarsBehind,
    /// Gateways have not been connected for 5 minutes.
    Unconnected,
}

impl ConditionReason {
    pub const ALL: [ConditionReason; 20] = [
        ConditionReason::Accepted,
        ConditionReason::Resolved,
        ConditionReason::Programmed,
        ConditionReason::Ready,
        ConditionReason::Pending,
        ConditionReason::Malformed,
        ConditionReason::Invalid,
        ConditionReason::TestsFailed,
        ConditionReason::TooLarge,
        ConditionReason::RefNotFound,
        ConditionReason::RefNotPermitted,
        ConditionReason::SecretNotFound,
        ConditionReason::DependencyInvalid,
        ConditionReason::Suspended,
        ConditionReason::Expired,
        ConditionReason::NotWritten,
        ConditionReason::NoSidecars,
        ConditionReason::Rejected,
        ConditionReason::SidecarsBehind,
        ConditionReason::Unconnected,
    ];

    /// The text in a condition.
    #[must_use]
    pub fn word(self) -> &'static str {
        self.row().0
    }

    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.word() == word)
    }

    /// The meaning, for the page.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        self.row().1
    }

    /// The remedy, for the page; empty if none is needed.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        self.row().2
    }

    fn row(self) -> (&'static str, &'static str, &'static str) {
        match self {
            ConditionReason::Accepted => ("Accepted", "The object is valid. The message lists warnings.", ""),
            ConditionReason::Resolved => ("Resolved", "Everything that it refers to exists and may be used.", ""),
            ConditionReason::Programmed => ("Programmed", "Every connected gateway serves it.", ""),
            ConditionReason::Ready => {
                ("Ready", "It is valid, everything that it refers to exists, and it is in force.", "")
            }
            ConditionReason::Pending => (
                "Pending",
                "The operator has not processed it yet, or gateways have not loaded it yet.",
                "Wait. If the reason stays, `outrigger doctor` shows the cause.",
            ),
            ConditionReason::Malformed => (
                "Malformed",
                "The definition of its kind does not accept it. It was written under an older or a newer definition.",
                "Correct the fields that the message names and apply it again, or apply the definitions of the operator's version.",
            ),
            ConditionReason::Invalid => {
                ("Invalid", "Something in it can't be used.", "Correct the field that the message names.")
            }
            ConditionReason::TestsFailed => (
                "TestsFailed",
                "The rule's own tests fail with the present objects.",
                "Correct the rule or its tests. `outrigger check` runs them on your machine, and `outrigger explain` shows why.",
            ),
            ConditionReason::TooLarge => (
                "TooLarge",
                "The policy of a key is larger than 900 kB. The previous policy stays in force, without what was revoked \
                 since.",
                "Give the key fewer providers, rules or catalogues: list only the providers that it needs in `spec.providers`.",
            ),
            ConditionReason::RefNotFound => (
                "RefNotFound",
                "It refers to an object that does not exist.",
                "Create that object, or change the name. The order in which objects are applied does not matter.",
            ),
            ConditionReason::RefNotPermitted => (
                "RefNotPermitted",
                "It refers to an object that its namespace may not use.",
                "Let the other object's owner change `allowedNamespaces` or `consumers`, or change your object so that they match.",
            ),
            ConditionReason::SecretNotFound => (
                "SecretNotFound",
                "A Secret or ConfigMap that it refers to does not exist or lacks the key, or the operator may not read it.",
                "Create it, or add its namespace to the chart's `providerNamespaces`.",
            ),
            ConditionReason::DependencyInvalid => (
                "DependencyInvalid",
                "An object that it depends on is not accepted, or none of its providers has a usable credential.",
                "Correct the object that the message names. This object then recovers without a change.",
            ),
            ConditionReason::Suspended => {
                ("Suspended", "In force, and off because of `suspended: true`.", "Remove `suspended` to use it again.")
            }
            ConditionReason::Expired => {
                ("Expired", "In force, and off because `expiresAt` has passed.", "Set a later time, or delete it.")
            }
            ConditionReason::NotWritten => (
                "NotWritten",
                "The policy could not be written to the cluster. The previous policy stays in force.",
                "Do what the message says: restore the operator's rights, raise the namespace's quota, or rename the object \
                 that has the name `outrigger-…` and is not the operator's.",
            ),
            ConditionReason::NoSidecars => ("NoSidecars", "No running gateway is bound to it.", ""),
            ConditionReason::Rejected => (
                "Rejected",
                "A gateway refused the policy, and keeps the previous one.",
                "Correct the object and field that the message names. A gateway that is older than the operator may not know a field: restart its pod.",
            ),
            ConditionReason::SidecarsBehind => (
                "SidecarsBehind",
                "Connected gateways have not loaded the policy within 30 seconds.",
                "Look at the log of their container `outrigger`, and restart their pods if it shows no cause.",
            ),
            ConditionReason::Unconnected => (
                "Unconnected",
                "Gateways have not been connected for 5 minutes. They use the policy that they have, and read new ones from the mounted ConfigMap, a minute or two late. Credentials that only the stream carries stay as they were.",
                "Make sure that their pods can reach the operator: see [the network](#the-network).",
            ),
        }
    }
}
