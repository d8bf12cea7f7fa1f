//! Which object.

use std::fmt;

/// The kinds that users write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    LlmProvider,
    VirtualKey,
    RoutingRule,
    Budget,
    ModelCatalog,
}

impl Kind {
    pub const ALL: [Kind; 5] =
        [Kind::LlmProvider, Kind::VirtualKey, Kind::RoutingRule, Kind::Budget, Kind::ModelCatalog];

    /// As in `kind:`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Kind::LlmProvider => "LLMProvider",
            Kind::VirtualKey => "VirtualKey",
            Kind::RoutingRule => "RoutingRule",
            Kind::Budget => "Budget",
            Kind::ModelCatalog => "ModelCatalog",
        }
    }

    /// As in a path of the API.
    #[must_use]
    pub fn plural(self) -> &'static str {
        match self {
            Kind::LlmProvider => "llmproviders",
            Kind::VirtualKey => "virtualkeys",
            Kind::RoutingRule => "routingrules",
            Kind::Budget => "budgets",
            Kind::ModelCatalog => "modelcatalogs",
        }
    }

    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// One object of ours.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId {
    pub kind: Kind,
    pub namespace: String,
    pub name: String,
}

/// `LLMProvider default/openai`, as in findings.
impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind.name(), self.namespace, self.name)
    }
}
