//! What stays the same while a request's candidates are tried.

use std::sync::Arc;

use outrigger_policy::Decision;

use super::clock::Clock;
use crate::attempt::prepare::Translation;
use crate::gateway::Gateway;

/// What is known while candidates are tried.
pub struct Trying<'a> {
    pub gateway: &'a Arc<Gateway>,
    pub decision: &'a Decision,
    pub translation: &'a Translation,
    pub clock: Clock,
    /// Under which a good place is remembered.
    pub conversation: Option<u64>,
}
