//! Who hears of what a gateway reported that can't be.

use std::fmt;

use futures_util::future::BoxFuture;
use outrigger_ledger::shared::leader::LedgerFinding;

use crate::stream::ConnectedGateway;

/// Reports findings.
pub trait FindingReporter: fmt::Debug + Send + Sync + 'static {
    /// `gateway` is absent if it is not connected any more.
    fn report<'a>(&'a self, gateway: Option<&'a ConnectedGateway>, finding: &'a LedgerFinding) -> BoxFuture<'a, ()>;
}
