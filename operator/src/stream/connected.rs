//! Who a gateway is, as its token says.

use crate::objects::binding::Binding;

/// A gateway whose token was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectedGateway {
    pub namespace: String,
    pub pod: String,
    pub uid: String,
    pub service_account: String,
    pub binding: Binding,
}
