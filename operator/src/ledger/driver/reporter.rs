//! Reports impossible values in gateways' reports.

use std::fmt;

use futures_util::future::BoxFuture;
use outrigger_ledger::shared::leader::LedgerFinding;

use crate::stream::ConnectedGateway;

/// Reports findings.
pub trait FindingReporter: fmt::Debug + Send + Sync + 'static {
    /// `gateway` is absent if it is no longer connected.
    fn report<'a>(&'a self, gateway: Option<&'a ConnectedGateway>, finding: &'a LedgerFinding) -> BoxFuture<'a, ()>;
}
