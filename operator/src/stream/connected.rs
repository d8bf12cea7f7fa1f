//! The identity of a gateway, from its token.

use crate::objects::binding::Binding;

/// Gateways that are connected at once, unless a hub is made for fewer. Each has a connection, a report that waits, and
/// some kilobytes.
pub const STREAMS_MAX: usize = 16_384;

/// A gateway whose token was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectedGateway {
    pub namespace: String,
    pub pod: String,
    pub uid: String,
    pub service_account: String,
    pub binding: Binding,
}
