//! The identity of an object of ours: kind, namespace and name.

use std::fmt;

/// The kinds of objects that users write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ObjectKind {
    LlmProvider,
    VirtualKey,
    RoutingRule,
    Budget,
    ModelCatalog,
}

impl ObjectKind {
    pub const ALL: [ObjectKind; 5] = [
        ObjectKind::LlmProvider,
        ObjectKind::VirtualKey,
        ObjectKind::RoutingRule,
        ObjectKind::Budget,
        ObjectKind::ModelCatalog,
    ];

    /// The value of `kind:`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ObjectKind::LlmProvider => "LLMProvider",
            ObjectKind::VirtualKey => "VirtualKey",
            ObjectKind::RoutingRule => "RoutingRule",
            ObjectKind::Budget => "Budget",
            ObjectKind::ModelCatalog => "ModelCatalog",
        }
    }

    /// The name in API paths.
    #[must_use]
    pub fn plural(self) -> &'static str {
        match self {
            ObjectKind::LlmProvider => "llmproviders",
            ObjectKind::VirtualKey => "virtualkeys",
            ObjectKind::RoutingRule => "routingrules",
            ObjectKind::Budget => "budgets",
            ObjectKind::ModelCatalog => "modelcatalogs",
        }
    }

    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// The identity of one object.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId {
    pub kind: ObjectKind,
    pub namespace: String,
    pub name: String,
}

/// `LLMProvider default/openai`, as in findings.
impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind.name(), self.namespace, self.name)
    }
}
