//! The values that stay the same while the candidates of a request are tried.

use std::sync::Arc;
use std::time::Instant;

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
    /// Whether the policy may decide once more if a limit has too little left for the first attempt.
    pub may_decide_again: bool,
    /// The end of the time for which the request waits for reservations of others. It waits once, however many candidates it
    /// tries. `None`: it has not waited yet.
    pub waits_until: Option<Instant>,
}
