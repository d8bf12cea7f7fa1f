//! Why a condition is as it is: a closed list, which `docs/conditions.md` is written from.

/// A condition's `reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
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
    /// No pod is bound to it.
    NoSidecars,
    /// A gateway refused the policy.
    Rejected,
    /// Connected gateways have not taken the policy for 30 seconds.
    SidecarsBehind,
    /// Gateways have not been connected for 5 minutes.
    Unconnected,
}

impl Reason {
    /// As it stands in a condition.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Reason::Accepted => "Accepted",
            Reason::Resolved => "Resolved",
            Reason::Programmed => "Programmed",
            Reason::Ready => "Ready",
            Reason::Pending => "Pending",
            Reason::Malformed => "Malformed",
            Reason::Invalid => "Invalid",
            Reason::TestsFailed => "TestsFailed",
            Reason::TooLarge => "TooLarge",
            Reason::RefNotFound => "RefNotFound",
            Reason::RefNotPermitted => "RefNotPermitted",
            Reason::SecretNotFound => "SecretNotFound",
            Reason::DependencyInvalid => "DependencyInvalid",
            Reason::Suspended => "Suspended",
            Reason::Expired => "Expired",
            Reason::NoSidecars => "NoSidecars",
            Reason::Rejected => "Rejected",
            Reason::SidecarsBehind => "SidecarsBehind",
            Reason::Unconnected => "Unconnected",
        }
    }
}
