//! What stays the same while a request's candidates are tried.

use std::sync::Arc;

use outrigger_policy::Decision;

use crate::completion::RequestClock;
use crate::gateway::Gateway;
use crate::request::translation::RequestTranslation;

/// What is known while candidates are tried.
pub struct AttemptContext<'a> {
    pub gateway: &'a Arc<Gateway>,
    pub decision: &'a Decision,
    pub translation: &'a RequestTranslation,
    pub clock: RequestClock,
    /// Under which a good place is remembered.
    pub conversation: Option<u64>,
}
