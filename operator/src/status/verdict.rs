//! The result of compiling an object: the pure half of its status.

use crate::status::reason::ConditionReason;

/// A problem, or something worth knowing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectProblem {
    pub reason: ConditionReason,
    /// `spec.credentials[0].secretRef`; empty for the object as a whole.
    pub path: String,
    /// The problem and the remedy. Never contains a credential.
    pub message: String,
}

/// The verdict about an object of its home namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectVerdict {
    /// The generation that was compiled.
    pub generation: i64,
    /// Why `Accepted` is False. Empty: it is True.
    pub refused: Vec<ObjectProblem>,
    /// Why `ResolvedRefs` is False. Empty: it is True.
    pub unresolved: Vec<ObjectProblem>,
    /// These cause nothing to be omitted.
    pub warnings: Vec<String>,
    /// The generation that serves while this one can't be used. `None` with problems: nothing of it serves.
    pub serving: Option<i64>,
    /// Valid, in force, and switched off: `suspended` or expired.
    pub inactive: Option<ConditionReason>,
}

impl ObjectVerdict {
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.refused.is_empty() && self.unresolved.is_empty()
    }
}
