//! What compiling an object found out about it: the pure half of its status.

use crate::status::reason::ConditionReason;

/// Something that is wrong, or worth knowing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectProblem {
    pub reason: ConditionReason,
    /// `spec.credentials[0].secretRef`; empty for the object as a whole.
    pub path: String,
    /// What is wrong and what to do. Never a credential.
    pub message: String,
}

/// An object of its home namespace, judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectVerdict {
    /// The generation that was judged.
    pub generation: i64,
    /// What makes `Accepted` False. Empty: it is True.
    pub refused: Vec<ObjectProblem>,
    /// What makes `ResolvedRefs` False. Empty: it is True.
    pub unresolved: Vec<ObjectProblem>,
    /// Nothing is left out because of these.
    pub warnings: Vec<String>,
    /// The generation that serves in its place, while this one can't be used. `None` with problems: nothing of it serves.
    pub serving: Option<i64>,
    /// Valid, in force, and off: `suspended` or expired.
    pub inactive: Option<ConditionReason>,
}

impl ObjectVerdict {
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.refused.is_empty() && self.unresolved.is_empty()
    }
}
