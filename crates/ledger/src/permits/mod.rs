//! Limits on concurrent requests that gateways share.
//!
//! ```text
//! gateway                            operator
//!   PermitHolder ── PermitReport ──►   PermitLeader
//!                ◄── PermitGrants ──
//! ```
//!
//! A permit lets one request run at a time. Unlike money it is not used up: it is returned when the request ends. So it
//! is not stored, and it lives as long as the process that has it:
//!
//! - A gateway runs at most as many requests as it has permits. It keeps them when a request ends, and the next request
//!   takes one without a message.
//! - The leader grants no more permits than the limit has, minus those that any existing pod may have. A silent pod
//!   keeps its permits, because its requests may still run. They are free again when the pod is gone.
//! - A new leader grants nothing until all existing pods have reported their permits, or some seconds have passed.
//! - If a request finds no permit anywhere, the leader recalls some: idle ones first, then permits of gateways that
//!   have more than others, as their requests end.
//!
//! Sums only grow within a session: a connection of a process to a leader. Of two messages of a session, the one with
//! the higher numbers is later, so a message that is lost, late or repeated changes nothing.

mod holder;
#[cfg(feature = "leader")]
mod leader;
mod protocol;
#[cfg(feature = "leader")]
mod serve;

pub use holder::{PermitHolder, PermitNo, PermitShort, PermitView};
#[cfg(feature = "leader")]
pub use leader::{PermitFinding, PermitFindingKind, PermitLeader, PermitOutput};
pub use protocol::{PermitGrant, PermitGrants, PermitReport, PermitSession, PermitUsage};
