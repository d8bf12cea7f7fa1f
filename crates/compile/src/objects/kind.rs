//! The kinds of objects that a policy is compiled from.

/// A kind of our group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum PolicyKind {
    LlmProvider,
    VirtualKey,
    RoutingRule,
    Budget,
    ModelCatalog,
}

impl PolicyKind {
    const ALL: [Self; 5] = [Self::LlmProvider, Self::VirtualKey, Self::RoutingRule, Self::Budget, Self::ModelCatalog];

    /// The kind's name in objects.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LlmProvider => "LLMProvider",
            Self::VirtualKey => "VirtualKey",
            Self::RoutingRule => "RoutingRule",
            Self::Budget => "Budget",
            Self::ModelCatalog => "ModelCatalog",
        }
    }

    /// The kind with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}
