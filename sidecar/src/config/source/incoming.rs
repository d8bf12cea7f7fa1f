//! A policy from one of the sources, and whether it takes precedence over the one in force.

use std::cmp::Ordering;

use outrigger_policy::Document;

use super::credentials::KnownSecrets;
use crate::runtime::origin::PolicyOrigin;

/// A policy from one of the sources.
#[derive(Debug)]
pub(super) struct IncomingPolicy {
    pub document: Document,
    /// The operator's digest; `None` for mounted files.
    pub digest: Option<String>,
    /// The credentials that came with it.
    pub values: KnownSecrets,
    pub origin: PolicyOrigin,
    /// The operator has signed the mounted files.
    pub signed: bool,
}

/// How an incoming policy compares with the one in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Precedence {
    /// It replaces the policy in force.
    Newer,
    /// It is the policy in force, and may bring other credentials.
    Same,
    /// It is older, and is ignored.
    Older,
}

impl IncomingPolicy {
    /// Compares the policy with the one in force and its source.
    pub fn precedence(&self, in_force: Option<&Document>, source: Option<PolicyOrigin>) -> Precedence {
        let Some(in_force) = in_force else { return Precedence::Newer };
        match self.document.sequence.cmp(&in_force.sequence) {
            Ordering::Greater => Precedence::Newer,
            Ordering::Equal if self.document == *in_force => Precedence::Same,
            // An author of mounted files may change them without a new sequence. The operator's policy takes precedence
            // over theirs.
            Ordering::Equal if self.origin != PolicyOrigin::Mounted || source == Some(PolicyOrigin::Mounted) => {
                Precedence::Newer
            }
            Ordering::Equal | Ordering::Less => Precedence::Older,
        }
    }
}
