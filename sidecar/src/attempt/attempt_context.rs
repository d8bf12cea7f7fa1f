//! The values that stay the same while the candidates of a request are tried.

use std::sync::Arc;

use outrigger_policy::Decision;

use crate::completion::RequestClock;
use crate::gateway::Gateway;
use crate::request::translation::RequestTranslation;

/// The values that all attempts of a request share.
pub struct AttemptContext<'a> {
    pub gateway: &'a Arc<Gateway>,
    pub decision: &'a Decision,
    pub translation: &'a RequestTranslation,
    pub clock: RequestClock,
    /// The key under which the provider that served the conversation is remembered.
    pub conversation: Option<u64>,
}
