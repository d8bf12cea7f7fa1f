//! The reasons of conditions. `docs/conditions.md` is generated from this list.

/// A condition's `reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ConditionReason {
    /// True, and nothing to say.
    Accepted,
    Resolved,
    Programmed,
    Ready,
    /// Nobody has looked yet.
    Pending,
    /// The schema or a rule of the kind does not let it through (a newer definition may have).
    Malformed,
    /// Something in it can't be used.
    Invalid,
    /// A rule's own tests fail.
    TestsFailed,
    /// The policy of a key that it belongs to would be over 900 kB.
    TooLarge,
    /// A name that it gives names nothing.
    RefNotFound,
    /// It names something that does not let its namespace in.
    RefNotPermitted,
    /// A Secret that it names is not there, or has not the key.
    SecretNotFound,
    /// Something that it rests on is itself not accepted.
    DependencyInvalid,
    /// `suspended: true`.
    Suspended,
    /// `expiresAt` has passed.
    Expired,
    /// The API server does not take its policy from the operator, and will not before somebody changes something.
    NotWritten,
    /// No pod is bound to it.
    NoSidecars,
    /// A gateway refused the policy.
    Rejected,
    /// Connected gateways have not taken the policy for 30 seconds.
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

    /// As it stands in a condition.
    #[must_use]
    pub fn word(self) -> &'static str {
        self.row().0
    }

    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.word() == word)
    }

    /// What it says, for the page.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        self.row().1
    }

    /// What to do about it, for the page; empty where nothing is to be done.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        self.row().2
    }

    fn row(self) -> (&'static str, &'static str, &'static str) {
        match self {
            ConditionReason::Accepted => ("Accepted", "The object is valid. Warnings stand in the message.", ""),
            ConditionReason::Resolved => ("Resolved", "All that it names is there, and lets it in.", ""),
            ConditionReason::Programmed => ("Programmed", "Every connected gateway serves it.", ""),
            ConditionReason::Ready => ("Ready", "It is valid, all that it names is there, and it is in force.", ""),
            ConditionReason::Pending => (
                "Pending",
                "The operator has not seen it yet, or gateways are taking it.",
                "Wait. If it stays, `outrigger doctor` says what is in the way.",
            ),
            ConditionReason::Malformed => (
                "Malformed",
                "The definition of its kind does not let it through: it was written under an older or a newer one.",
                "Apply it again with the fields that the message names mended, or the definitions of the operator's version.",
            ),
            ConditionReason::Invalid => {
                ("Invalid", "Something in it can't be used.", "Mend the field that the message names.")
            }
            ConditionReason::TestsFailed => (
                "TestsFailed",
                "The rule's own tests fail among the objects that there are.",
                "Mend the rule or its tests; `outrigger check` runs them on a laptop, and `outrigger explain` says why.",
            ),
            ConditionReason::TooLarge => (
                "TooLarge",
                "The policy of a key would be over 900 kB. What was written for it before stays in force, without what was \
                 taken away since.",
                "Let the key have fewer providers, rules or catalogues: `spec.providers` names those that it needs.",
            ),
            ConditionReason::RefNotFound => (
                "RefNotFound",
                "A name that it gives names nothing.",
                "Create what is named, or name something else. The order in which objects are applied does not matter.",
            ),
            ConditionReason::RefNotPermitted => (
                "RefNotPermitted",
                "What it names does not let its namespace in.",
                "Have `allowedNamespaces` or `consumers` of what is named changed, or give what they ask for.",
            ),
            ConditionReason::SecretNotFound => (
                "SecretNotFound",
                "A Secret or ConfigMap that it names is not there, or has not the key, or the operator may not read it.",
                "Create it, or add its namespace to the chart's `providerNamespaces`.",
            ),
            ConditionReason::DependencyInvalid => (
                "DependencyInvalid",
                "Something that it rests on is itself not accepted, or none of its providers has a credential to be called with.",
                "Mend the object that the message names; this one follows by itself.",
            ),
            ConditionReason::Suspended => (
                "Suspended",
                "In force, and off by its own word: `suspended: true`.",
                "Take `suspended` away to use it again.",
            ),
            ConditionReason::Expired => {
                ("Expired", "In force, and off because `expiresAt` has passed.", "Give a later time, or delete it.")
            }
            ConditionReason::NotWritten => (
                "NotWritten",
                "The policy could not be written into the cluster: what was written before stays in force.",
                "Do what the message asks: give the operator its right back, raise the namespace's quota, or rename what has the \
                 name `outrigger-…` and is not the operator's.",
            ),
            ConditionReason::NoSidecars => ("NoSidecars", "No running gateway is bound to it.", ""),
            ConditionReason::Rejected => (
                "Rejected",
                "A gateway refused the policy, and goes on with the one before.",
                "Mend the object and field that the message names. A gateway that is older than the operator may not know a field: restart its pod.",
            ),
            ConditionReason::SidecarsBehind => (
                "SidecarsBehind",
                "Connected gateways have not taken the policy for 30 seconds.",
                "Look at the log of their container `outrigger`, and restart their pods if it has nothing to say.",
            ),
            ConditionReason::Unconnected => (
                "Unconnected",
                "Gateways have not been connected for 5 minutes. They serve what they have, and read new policies from the mounted ConfigMap, a minute or two late; credentials that come by the stream alone stay as they were.",
                "Let their pods reach the operator: see [the network](#the-network).",
            ),
        }
    }
}
